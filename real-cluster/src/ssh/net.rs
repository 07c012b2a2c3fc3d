//! The network between hosts: what is wrong with it now ([`Network`]), told to each host's `nft` as a whole, and the queue that
//! makes packets late where they arrive.

use super::network::{Addresses, COUNTERS, HEAL, Network, acted};
use crate::db::Daemon;
use crate::queue;
use crate::remote::{Command, RemoteError, done};
use crate::site::{Site, Sites};
use futures_util::future::join_all;
use harness::cluster::NodeId;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// The kernel's packet queue that is ours.
pub(super) const QUEUE: &str = "7113";

/// Tells what the rules before counted, then loads those of standard input.
const LOAD: &str = "nft -j list counters; nft -f -";

/// The links of a cluster of hosts.
pub struct Net {
    addresses: Addresses,
    /// What is wrong, as injections left it.
    wrong: RefCell<Network>,
    /// What each host was told last.
    told: RefCell<BTreeMap<NodeId, String>>,
    /// What each host's rules counted by the last look, by injection: counters stay while their rules do.
    counted: RefCell<BTreeMap<(NodeId, usize), u64>>,
}

impl Net {
    /// Nothing is wrong.
    pub fn new(addresses: Addresses) -> Net {
        Net {
            addresses,
            wrong: RefCell::default(),
            told: RefCell::default(),
            counted: RefCell::default(),
        }
    }

    /// Changes what is wrong and tells every host that it concerns. Returns when it is in force everywhere.
    pub async fn change(
        &self,
        sites: &Sites,
        ports: impl Fn(&Site) -> u16,
        how: impl FnOnce(&mut Network),
    ) -> Result<(), RemoteError> {
        how(&mut self.wrong.borrow_mut());
        let told = sites.iter().map(|at| self.tell(at, ports(at)));
        join_all(told).await.into_iter().collect()
    }

    /// Tells a host what is wrong now, if that is news to it.
    pub async fn tell(&self, at: &Site, client_port: u16) -> Result<(), RemoteError> {
        let wrong = self.wrong.borrow().clone();
        let text = wrong.ruleset(at.node, &self.addresses, &[client_port]);
        if let Some(slow) = &wrong.slow {
            self.slow(at, slow.delay_ms, slow.jitter_ms).await?;
        }
        let known = self.told.borrow().get(&at.node).cloned();
        let nothing = || Network::default().ruleset(at.node, &self.addresses, &[client_port]);
        if known.as_ref() == Some(&text) || known.is_none() && text == nothing() {
            return Ok(());
        }
        // Until the host has answered nobody knows what it has, so whatever comes next is news to it.
        self.told.borrow_mut().insert(at.node, String::new());
        let output =
            done(&*at.remote, &Command::script("network", LOAD).input(text.as_bytes())).await?;
        self.count(at.node, &output.text());
        self.told.borrow_mut().insert(at.node, text);
        Ok(())
    }

    /// The host restarted: its rules and its queue are gone.
    pub fn restarted(&self, node: NodeId) {
        self.told.borrow_mut().remove(&node);
    }

    /// Looks at what has acted so far: by injection, all hosts together.
    pub async fn acted(&self, sites: &Sites) -> BTreeMap<usize, u64> {
        let looks = join_all(sites.iter().map(|at| async move {
            let touched = self.told.borrow().contains_key(&at.node);
            if touched
                && let Ok(output) = done(&*at.remote, &Command::script("counters", COUNTERS)).await
            {
                self.count(at.node, &output.text());
            }
        }));
        looks.await;
        let mut sum: BTreeMap<usize, u64> = BTreeMap::new();
        for ((_, injection), count) in self.counted.borrow().iter() {
            *sum.entry(*injection).or_default() += count;
        }
        sum
    }

    fn count(&self, node: NodeId, json: &str) {
        let Ok(acted) = acted(json) else { return };
        let mut counted = self.counted.borrow_mut();
        for (injection, count) in acted {
            let known = counted.entry((node, injection)).or_default();
            *known = count.max(*known);
        }
    }

    /// The queue runs and holds packets so long.
    async fn slow(&self, at: &Site, delay_ms: u32, jitter_ms: u32) -> Result<(), RemoteError> {
        daemon(at).start(&*at.remote).await?;
        let set = r#"
shift
for try in 1 2 3 4 5 6 7 8 9 10; do
    if said=$("$@" 2>&1) && [ "${said%running=yes*}" != "$said" ]; then echo "$said"; exit 0; fi
    sleep 0.1
done
echo "$said" >&2
exit 1
"#;
        let command = Command::script("late", set)
            .args([&control(at), &at.program(queue::NAME), "set", "--control", &control(at)])
            .args([format!("--delay-ms={delay_ms}"), format!("--jitter-ms={jitter_ms}")]);
        done(&*at.remote, &command).await.map(drop)
    }
}

fn control(at: &Site) -> String {
    at.path("late")
}

fn daemon(at: &Site) -> Daemon {
    let control = control(at);
    let words = [&at.program(queue::NAME), "run", "--queue", QUEUE, "--control", &control];
    Daemon {
        folder: at.path("late-daemon"),
        log: at.path("late.txt"),
        words: words.map(str::to_owned).to_vec(),
    }
}

/// Lines for a host's shell after which nothing is wrong with its network.
pub fn undo(at: &Site) -> Vec<String> {
    vec![format!("! command -v nft > /dev/null || {HEAL}"), daemon(at).undo()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::recorded::Recorded;
    use crate::remote::{Output, Remote};
    use crate::site::BASE;
    use crate::ssh::network::Cut;
    use std::rc::Rc;

    fn two() -> (Sites, Rc<Recorded>, Net) {
        let remote = Rc::new(Recorded::named("host"));
        let site = |node: u16| Site {
            node: NodeId(node),
            remote: Rc::clone(&remote) as Rc<dyn Remote>,
            host: format!("h{node}"),
            address: [10, 0, 0, node as u8].into(),
            ports: BTreeMap::new(),
            base: BASE.to_owned(),
        };
        let all = [site(1), site(2)];
        let addresses = all.iter().map(|at| (at.node, vec![at.address])).collect();
        (Sites::new(all.to_vec()), remote, Net::new(addresses))
    }

    fn loads(remote: &Recorded) -> usize {
        remote.lines().iter().filter(|line| *line == "network").count()
    }

    #[test]
    fn a_host_that_may_have_taken_a_rule_is_told_again_and_others_are_left_alone() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let (sites, remote, net) = two();
            let cut = |network: &mut Network| {
                network.cut = Some(Cut { injection: 0, links: vec![(NodeId(1), NodeId(2))] });
            };
            let lost = Command::new("network");
            remote.answer("network", Err(RemoteError::unknown("host", &lost, "the link was lost")));
            net.change(&sites, |_| 6379, cut).await.expect_err("the link was lost");
            assert_eq!(loads(&remote), 1, "the cut concerns n2 alone");
            remote.answer("network", Ok(Output::default()));
            net.change(&sites, |_| 6379, |network| network.cut = None).await.expect("healed");
            assert_eq!(loads(&remote), 1, "n2 may have the rule, and n1 never had one");
            net.change(&sites, |_| 6379, |network| network.cut = None).await.expect("healed");
            assert_eq!(loads(&remote), 0, "it is no news");
        });
    }
}
