//! A plan for people: what the run is told, then faults and operations in the order of their times.
//!
//! ```text
//! redis-append  plan   seed 0x4   5 nodes, 10 clients, 3 faults, 6 operations in 1.905 s
//!   options:     --time 10 --faults partition
//!   bug:         exec_on_follower
//!      1.203 s   c3 > n4   [[:append 3 7] [:r 4 nil]]
//!      1.250 s   nemesis   kill n3
//!      1.905 s   the end: all is healed and read back
//! ```

use super::Plan;
use crate::catalog;
use crate::cluster::NodeId;
use crate::options::Until;
use std::fmt;
use std::time::Duration;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head(f)?;
        for (_, line) in self.lines() {
            writeln!(f, "{line}")?;
        }
        let is_watched = self.options.until == Until::Anomaly
            && catalog::find(&self.test).is_ok_and(|test| test.unwatched(&self.options).is_none());
        let sooner = if is_watched { ", unless an anomaly is seen before" } else { "" };
        writeln!(f, "{}   the end{sooner}: all is healed and read back", seconds(self.until))
    }
}

impl Plan {
    fn head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (nodes, clients) = (self.options.nodes, self.options.clients);
        let (faults, asks) = (self.faults().count(), self.asks.len());
        writeln!(
            f,
            "{}  plan   seed {}   {nodes} nodes, {clients} clients, {faults} faults, {asks} operations in {:.3} s",
            self.test,
            self.seed,
            self.until.as_secs_f64()
        )?;
        if let Ok(test) = catalog::find(&self.test) {
            let words = self.options.replay_args(&test);
            if !words.is_empty() {
                writeln!(f, "  options:     {}", words.join(" "))?;
            }
        }
        for (word, value) in &self.told.extra {
            writeln!(f, "  {:<12} {value}", format!("{word}:"))?;
        }
        if !self.told.world.is_empty() {
            let world: Vec<String> =
                self.told.world.iter().map(|(name, value)| format!("{name} {value}")).collect();
            writeln!(f, "  world:       {}", world.join(", "))?;
        }
        for message in &self.told.overrides {
            writeln!(f, "  message:     {message}")?;
        }
        if self.taken.trace_hash != 0 {
            let commit = match self.taken.commit.as_str() {
                "" => "an unknown commit",
                commit => commit,
            };
            writeln!(
                f,
                "  taken from:  a run of {commit}, trace hash {:#018x}",
                self.taken.trace_hash
            )?;
        }
        Ok(())
    }

    /// Faults and operations, a line each, in order; at one time faults come first.
    fn lines(&self) -> Vec<(Duration, String)> {
        let fault = |(time, fault)| (time, format!("{}   nemesis   {fault}", seconds(time)));
        let mut lines: Vec<(Duration, String)> = self.faults().map(fault).collect();
        let nodes = self.options.nodes.max(1);
        lines.extend(self.asks.iter().map(|ask| {
            let who = format!("c{} > {}", ask.thread, NodeId(ask.thread % nodes + 1));
            (ask.at, format!("{}   {who:<7}   {}", seconds(ask.at), ask.op))
        }));
        lines.sort_by_key(|(time, _)| *time);
        lines
    }
}

fn seconds(time: Duration) -> String {
    format!("{:>10.3} s", time.as_secs_f64())
}
