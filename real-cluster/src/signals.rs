//! Ctrl-C and what is like it. The first asks a run to stop, the second ends it at once.

use harness::cli::output::note;
use harness::stop::Stop;
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
    hangup: Signal,
}

impl Signals {
    fn new() -> io::Result<Signals> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
