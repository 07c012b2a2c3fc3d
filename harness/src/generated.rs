//! What clients were really asked to do, beside what was wanted: how much, how fast, how long, how much of it reads.
//!
//! Counted are the invocations between the beginning of the disturbing and its end. A client asks one thing at a time: while
//! all of them wait, fewer are asked than was wanted.

use crate::client::read_only;
use crate::generator::rate::part;
use crate::history::{Kind, Process};
use crate::op::{Mop, Op, RegisterMop};
use crate::options::Options;
use crate::run::{Phase, Run};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The invocations of a run's disturbing in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generated {
    /// Operations.
    pub operations: u64,
    /// Those that only read.
    pub only_reads: u64,
    /// Those that read and write.
    pub mixed: u64,
    /// Micro-operations; a call is one.
    pub steps: u64,
    /// Those that read.
    pub reads: u64,
    /// Operations by how many micro-operations they have.
    pub lengths: BTreeMap<usize, u64>,
    /// By client thread.
    pub by_client: Vec<u64>,
    /// By the equal parts of the time in which [`parts`](crate::generator::rate::Rate::parts) tells the rate.
    pub by_part: Vec<u64>,
    /// How long was asked.
    pub lasted: Duration,
    /// The rate that was wanted, in its words.
    pub rate: String,
    /// The share of reads that was wanted, of a hundred.
    pub read_percent: u8,
}

impl Generated {
    /// Of a run. Empty if it never came to asking.
    pub fn of(options: &Options, run: &Run) -> Generated {
        let at = |wanted| run.phases.iter().find(|(phase, _)| *phase == wanted).map(|(_, at)| *at);
        let (Some(from), to) = (at(Phase::Disturb), at(Phase::Heal).unwrap_or(run.lasted())) else {
            return Generated::default();
        };
        let lasted = to.saturating_sub(from);
        let clients = usize::from(options.clients);
        // A client whose operation nobody knows the end of goes on as another process.
        let threads = clients.max(run.nodes.len()).max(1);
        let mut generated = Generated {
            by_client: vec![0; clients],
            by_part: vec![0; options.rate.parts()],
            lasted,
            rate: options.rate.to_string(),
            read_percent: options.shape.read_percent,
            ..Generated::default()
        };
        for (_, event) in run.history.client_events() {
            if event.kind == Kind::Invoke && (from..to).contains(&event.time) {
                generated.count(&event.op);
                if let Process::Client(number) = event.process
                    && let Some(count) = generated.by_client.get_mut(number as usize % threads)
                {
                    *count += 1;
                }
                let part = part(event.time - from, options.time, generated.by_part.len());
                generated.by_part[part] += 1;
            }
        }
        generated
    }

    fn count(&mut self, op: &Op) {
        self.operations += 1;
        self.only_reads += u64::from(read_only(op));
        self.steps += op.length() as u64;
        self.reads += reads(op);
        self.mixed += u64::from(!read_only(op) && reads(op) > 0);
        *self.lengths.entry(op.length()).or_default() += 1;
    }

    /// Operations a second.
    pub fn per_second(&self) -> f64 {
        if self.lasted.is_zero() { 0.0 } else { self.operations as f64 / self.lasted.as_secs_f64() }
    }

    /// Of a hundred micro-operations, how many read; of operations, where none both reads and writes: then it was drawn of the whole.
    pub fn reads_percent(&self) -> f64 {
        match self.mixed {
            0 => percent(self.only_reads, self.operations),
            _ => percent(self.reads, self.steps),
        }
    }
}

fn percent(some: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { 100.0 * some as f64 / all as f64 }
}

fn reads(op: &Op) -> u64 {
    let lists = op.mops().iter().filter(|mop| matches!(mop, Mop::Read { .. })).count();
    let registers = op.register_mops().iter();
    let registers = registers.filter(|mop| matches!(mop, RegisterMop::Read { .. })).count();
    let others = op.mops().is_empty() && op.register_mops().is_empty() && read_only(op);
    (lists + registers) as u64 + u64::from(others)
}

/// `5980 operations, 99.7 a second of 100; 49.9 % of micro-operations read, of 50 %; …`
impl fmt::Display for Generated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Generated { operations, rate, read_percent, .. } = self;
        write!(f, "{operations} operations, {:.1} a second of {rate}", self.per_second())?;
        if self.by_part.len() > 1 && !self.lasted.is_zero() {
            let each = self.lasted.as_secs_f64() / self.by_part.len() as f64;
            let rates = self.by_part.iter().map(|count| format!("{:.1}", *count as f64 / each));
            write!(f, " ({})", rates.collect::<Vec<_>>().join(", "))?;
        }
        write!(f, "; {:.1} % reads of {read_percent} %", self.reads_percent())?;
        if self.lengths.len() > 1 {
            let lengths = self.lengths.iter().map(|(length, count)| {
                format!("{length}: {:.1} %", percent(*count, self.operations))
            });
            write!(f, "; by length {}", lengths.collect::<Vec<_>>().join(", "))?;
        }
        let (least, most) = (self.by_client.iter().min(), self.by_client.iter().max());
        if let (Some(least), Some(most)) = (least, most) {
            write!(f, "; {least} to {most} a client")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::NodeId;
    use crate::generator::{Context, Next, Thread};
    use crate::seed::{Seed, Stream};
    use crate::workload::Workload;
    use crate::workload::shape::Shape;
    use crate::workload::transactions::Alphabet;

    #[test]
    fn the_share_of_reads_is_told_of_what_it_was_drawn_of() {
        let thread = Thread { id: 0, process: 0, node: NodeId(1), free: true };
        let context = Context { now: Duration::ZERO, threads: vec![thread] };
        let workloads =
            [Workload::LongFork, Workload::Bank, Workload::Transactions(Alphabet::Registers)];
        for workload in workloads {
            let shape = Shape { read_percent: 75, ..Shape::default() };
            let mut generator = workload.generator(&shape);
            let (mut generated, mut rng) = (Generated::default(), Seed(7).stream(Stream::Workload));
            for _ in 0..5000 {
                let next = generator.next(&context, &mut rng);
                let Next::Invoke { op, .. } = next else { panic!("a thread is free") };
                generated.count(&op);
            }
            let percent = generated.reads_percent();
            assert!((percent - 75.0).abs() < 2.0, "{workload:?}: {percent}");
        }
    }
}
