//! What of a run is written down for people: the words of `run` and `replay`.

use sim::observe::Observe;

/// What is written into the run's folder beside what is kept there anyway.
#[derive(clap::Args)]
pub struct Watch {
    /// Also writes what nodes log (logs), packets for Wireshark (tcpdump), numbers of each node (metrics), a picture for Perfetto
    /// (trace), or everything; with commas between them. RUST_LOG=debug says more in logs
    #[arg(long, value_name = "WHAT")]
    observe: Option<String>,
}

impl Watch {
    /// What was asked for; nothing without the word.
    pub fn asked(&self) -> anyhow::Result<Observe> {
        let Some(words) = &self.observe else { return Ok(Observe::default()) };
        let observe: Observe = words.parse().map_err(anyhow::Error::msg)?;
        let level = std::env::var("RUST_LOG").ok().and_then(|level| level.parse().ok());
        Ok(level.map_or(observe, |level| observe.logging_from(level)))
    }
}
