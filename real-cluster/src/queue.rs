//! `link-queue`: makes packets late, on kernels without netem too. The kernel hands it each packet that carries [`LATE_MARK`]; it
//! gives the packet a time, and lets it go when that has come.
//!
//! Promise: a packet is held for the delay and at most the jitter on top, as they were when it came; without jitter packets keep
//! their order; when this process is gone, however it went, packets pass as if there were no queue. Ended by SIGTERM or SIGINT it
//! lets go all that it holds; killed, it takes that with it.
//!
//! Cannot see: packets that the kernel drops because more than 65,536 are held. It needs `CAP_NET_ADMIN`.

mod control;
mod flags;
mod hold;
mod hook;
mod netlink;
mod packets;

use anyhow::{Context, Result};
use clap::Parser;
use control::Door;
use flags::Flags;
use hold::{Hold, Slowness};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::time::TimeSpec;
use packets::Packets;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// What a process of this kind is called, its `argv[0]`.
pub const NAME: &str = "link-queue";
/// The bit of a packet's mark that brings it here. It is set and taken away again within our own chains.
pub const LATE_MARK: u32 = 0x2000_0000;
/// Started wrongly, or the kernel or the folder cannot be had.
const REFUSED: u8 = 3;

/// The process' main function.
pub fn main() -> ExitCode {
    let flags = match Flags::try_parse() {
        Ok(flags) => flags,
        Err(told) => {
            // Err: nobody reads it.
            let _ = told.print();
            return if told.use_stderr() { ExitCode::from(REFUSED) } else { ExitCode::SUCCESS };
        }
    };
    let done = match flags {
        Flags::Run { queue, control } => run(queue, &control),
        Flags::Set { control, delay_ms, jitter_ms } => {
            control::set(&control, Slowness { delay_ms, jitter_ms })
        }
        Flags::Try { queue } => rehearse(queue),
        Flags::Show { control } => control::show(&control),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{NAME}: {error:#}");
            ExitCode::from(REFUSED)
        }
    }
}

fn run(number: u16, control: &Path) -> Result<()> {
    let signals = signals().context("cannot listen to signals")?;
    let door = Door::open(control)?;
    let packets = Packets::bind(number).with_context(|| {
        format!("cannot bind packet queue {number} (who else reads it? it takes CAP_NET_ADMIN)")
    })?;
    // One that was left behind may lead to another queue.
    hook::remove().context("cannot remove an old hook")?;
    hook::install(number).context("cannot install the hook")?;
    let mut queue = Queue { number, packets, hold: Hold::default(), passed: 0 };
    eprintln!("{NAME}: queue {number} is ready");
    while signals.read_signal()?.is_none() {
        queue.turn()?;
        door.answer(|request| queue.answer(request));
        sleep(&[signals.as_fd(), door.as_fd(), queue.packets.as_fd()], queue.hold.next_due())?;
    }
    queue.end()
}

/// Whether there could be a queue, by making one.
fn rehearse(number: u16) -> Result<()> {
    let _packets = Packets::bind(number).context("cannot bind a packet queue")?;
    hook::install(number).context("cannot install the hook")?;
    hook::remove().context("cannot remove the hook")
}

/// As descriptors, so that they are waited for with the rest.
fn signals() -> nix::Result<SignalFd> {
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGTERM);
    mask.add(Signal::SIGINT);
    mask.thread_block()?;
    SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
}

/// Until one of them can be read, or it is `until`.
fn sleep(sources: &[std::os::fd::BorrowedFd<'_>], until: Option<Instant>) -> nix::Result<()> {
    let mut sources: Vec<PollFd> =
        sources.iter().map(|source| PollFd::new(*source, PollFlags::POLLIN)).collect();
    let limit: Option<Duration> = until.map(|due| due.saturating_duration_since(Instant::now()));
    match ppoll(&mut sources, limit.map(TimeSpec::from), None) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error),
    }
}

struct Queue {
    number: u16,
    packets: Packets,
    hold: Hold,
    passed: u64,
}

impl Queue {
    /// Takes in what has come and lets go what is due.
    fn turn(&mut self) -> Result<()> {
        let came = self.packets.receive().context("cannot read from the packet queue")?;
        let now = Instant::now();
        for packet in came {
            self.hold.take(packet, now, draw());
        }
        let due = self.hold.due(Instant::now());
        self.let_go(due)
    }

    fn let_go(&mut self, packets: Vec<u32>) -> Result<()> {
        self.passed += packets.len() as u64;
        self.packets.accept(&packets).context("cannot let packets go")
    }

    fn answer(&mut self, request: control::Request) -> Result<String> {
        if let control::Request::Set(slowness) = request {
            // It may have been healed away.
            hook::install(self.number).context("cannot install the hook")?;
            self.hold.set(slowness);
        }
        Ok(self.state())
    }

    fn state(&self) -> String {
        let Slowness { delay_ms, jitter_ms } = self.hold.slowness();
        format!(
            "delay_ms={delay_ms} jitter_ms={jitter_ms} held={} passed={} overruns={} running=yes",
            self.hold.len(),
            self.passed,
            self.packets.overruns(),
        )
    }

    /// While anything is held the chain must stay: a chain that goes takes all that is held with it.
    fn end(mut self) -> Result<()> {
        hook::release().context("cannot empty the hook")?;
        self.hold.set(Slowness::default());
        self.turn()?;
        let held = self.hold.all();
        self.let_go(held)?;
        hook::remove().context("cannot remove the hook")
    }
}

fn draw() -> u64 {
    getrandom::u64().expect("Linux gives random numbers once it has started")
}
