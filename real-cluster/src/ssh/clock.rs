//! Wall clocks of nodes: never the machine's, which hosts may share, but that of the time shim under which a node's programs run.
//!
//! A skewed clock has acted as often as the node read it meanwhile.

use crate::remote::{Command, RemoteError, done};
use crate::site::{SHIM, Site};
use harness::cluster::NodeId;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// What is in force, by node.
#[derive(Default)]
pub struct Clocks {
    skewed: RefCell<BTreeMap<NodeId, Skew>>,
    /// Nodes whose clock was ever changed.
    touched: RefCell<BTreeSet<NodeId>>,
}

#[derive(Default)]
struct Skew {
    /// Injections in force.
    injections: Vec<usize>,
    /// Reads of a skewed clock that were counted already, of the program that runs now.
    counted: u64,
}

/// Injections and how often each acted.
pub type Acted = Vec<(usize, u64)>;

impl Clocks {
    /// Changes a clock, because of this injection. What those before it did is returned.
    pub async fn change(
        &self,
        at: &Site,
        words: &[String],
        injection: usize,
    ) -> Result<Acted, RemoteError> {
        let acted = self.settle(at).await?;
        self.touched.borrow_mut().insert(at.node);
        let status = set(at, words).await?;
        let mut skewed = self.skewed.borrow_mut();
        let skew = skewed.entry(at.node).or_default();
        skew.injections.push(injection);
        skew.counted = status.skewed_reads;
        Ok(acted)
    }

    /// True time again.
    pub async fn reset(&self, at: &Site) -> Result<Acted, RemoteError> {
        let acted = self.settle(at).await?;
        set(at, &["--reset".to_owned()]).await?;
        self.skewed.borrow_mut().remove(&at.node);
        Ok(acted)
    }

    /// What the clock did since it was last asked; it stays as it is.
    pub async fn settle(&self, at: &Site) -> Result<Acted, RemoteError> {
        if !self.skewed.borrow().contains_key(&at.node) {
            return Ok(Vec::new());
        }
        let status = show(at).await?;
        let mut skewed = self.skewed.borrow_mut();
        let Some(skew) = skewed.get_mut(&at.node) else { return Ok(Vec::new()) };
        // A program that was started anew counts from 0.
        let before = if status.skewed_reads < skew.counted { 0 } else { skew.counted };
        skew.counted = status.skewed_reads;
        let reads = status.skewed_reads - before;
        Ok(skew.injections.iter().map(|injection| (*injection, reads)).collect())
    }

    /// How a clock that was changed still differs from the machine's; `None` if it is true.
    pub async fn untrue(&self, at: &Site) -> Result<Option<String>, RemoteError> {
        if !self.touched.borrow().contains(&at.node) {
            return Ok(None);
        }
        let status = show(at).await?;
        Ok((!status.is_true).then_some(status.text))
    }

    /// The node's program is gone, and what it read with it: it was asked before.
    pub fn gone(&self, node: NodeId) {
        if let Some(skew) = self.skewed.borrow_mut().get_mut(&node) {
            skew.counted = 0;
        }
    }
}

/// What the shim says.
struct Status {
    skewed_reads: u64,
    is_true: bool,
    text: String,
}

async fn set(at: &Site, words: &[String]) -> Result<Status, RemoteError> {
    let command = Command::new(at.program(SHIM)).args(["set", "--control", &at.path("clock")]);
    ask(at, command.args(words.iter().cloned())).await
}

async fn show(at: &Site) -> Result<Status, RemoteError> {
    ask(at, Command::new(at.program(SHIM)).args(["show", "--control", &at.path("clock")])).await
}

async fn ask(at: &Site, command: Command) -> Result<Status, RemoteError> {
    let text = done(&*at.remote, &command).await?.text();
    let reads =
        text.split_whitespace().find_map(|word| word.strip_prefix("skewed_reads=")?.parse().ok());
    let skewed_reads = reads.ok_or_else(|| {
        RemoteError::unknown(at.remote.name(), &command, format_args!("it said `{text}`"))
    })?;
    let is_true = ["offset_ms=0", "drift_ppm=0", "strobe=-"]
        .iter()
        .all(|word| text.split_whitespace().any(|said| said == *word));
    Ok(Status { skewed_reads, is_true, text })
}

/// The line for a host's shell that gives a node true time again.
pub fn undo(at: &Site) -> String {
    let (shim, folder) = (at.program(SHIM), at.path("clock"));
    let reset = Command::new(shim).args(["set", "--control", &folder, "--reset"]).line();
    format!("[ ! -d {} ] || {reset}", crate::remote::quoted(&folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::recorded::Recorded;
    use crate::site::BASE;
    use std::rc::Rc;

    #[test]
    fn a_clock_that_was_touched_is_asked_whether_it_is_true_and_any_difference_is_told() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let remote = Rc::new(Recorded::named("n1"));
            let at = Site {
                node: NodeId(1),
                remote: Rc::clone(&remote) as Rc<dyn crate::remote::Remote>,
                host: "h1".to_owned(),
                address: [10, 0, 0, 1].into(),
                ports: BTreeMap::new(),
                base: BASE.to_owned(),
            };
            let says = |clock: &str| {
                remote.says(
                    &at.program(SHIM),
                    &format!("{clock} reads=9 skewed_reads=0 running=yes"),
                );
            };
            let clocks = Clocks::default();
            assert_eq!(clocks.untrue(&at).await, Ok(None));
            assert_eq!(remote.lines().len(), 0, "nobody touched it");
            says("offset_ms=0 drift_ppm=0 strobe=-");
            clocks.change(&at, &["--jump-ms=5".to_owned()], 0).await.expect("changed");
            assert_eq!(clocks.untrue(&at).await, Ok(None));
            for wrong in [
                "offset_ms=5 drift_ppm=0 strobe=-",
                "offset_ms=0 drift_ppm=7 strobe=-",
                "offset_ms=0 drift_ppm=0 strobe=200,50",
            ] {
                says(wrong);
                let told = clocks.untrue(&at).await.expect("it answers").expect("it is not true");
                assert!(told.starts_with(wrong), "{told}");
            }
            remote.answer(
                &at.program(SHIM),
                Err(RemoteError::NotRoot { host: "n1".to_owned(), why: "no".to_owned() }),
            );
            assert!(clocks.untrue(&at).await.is_err(), "nobody knows");
        });
    }
}
