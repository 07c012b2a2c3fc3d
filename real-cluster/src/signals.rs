//! Ctrl-C and what is like it. The first asks a run to stop, the second ends it at once. A hang-up that whoever started the
//! program told it to ignore (`nohup`) stays ignored.

use harness::cli::output::note;
use harness::stop::Stop;
use std::fs;
use std::io;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

/// A signal to a process and to its group comes twice: within this time it is one.
const SAME: Duration = Duration::from_millis(200);

/// Asks to stop at the first signal and completes at the second.
pub async fn twice(stop: &Stop) -> io::Result<()> {
    let mut signals = Signals::new()?;
    signals.next().await;
    stop.ask();
    note(
        "stopping: what is broken is mended, then everything is read back; Ctrl-C again ends it at once",
    );
    sleep(SAME).await;
    let mut signals = Signals::new()?;
    signals.next().await;
    Ok(())
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Option<Signal>,
}

impl Signals {
    fn new() -> io::Result<Signals> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: hangup()?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            Some(_) = recv(&mut self.hangup) => {}
        }
    }
}

/// `None` if it is ignored: to listen to it would end that.
fn hangup() -> io::Result<Option<Signal>> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    let kind = SignalKind::hangup();
    match ignored >> (kind.as_raw_value() - 1) & 1 {
        0 => signal(kind).map(Some),
        _ => Ok(None),
    }
}

async fn recv(signal: &mut Option<Signal>) -> Option<()> {
    signal.as_mut()?.recv().await
}
