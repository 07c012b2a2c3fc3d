//! `elastickv-node`: one node of Elastickv as a process, and how it starts and ends.
//!
//! It ends with 0 after SIGTERM or SIGINT, with 3 when it was started wrongly or its data directory or a port cannot be
//! used, and with 101 after a panic anywhere in it. What was acknowledged is on the disk whichever way it ends.

mod flags;
mod panics;
mod parent;

use crate::env::{Place, TokioEnv, bind};
use crate::metrics::{self, Metrics};
use anyhow::{Context, Result};
use elastickv::options::Options;
use flags::Flags;
use nix::sys::prctl::set_name;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::ffi::CStr;
use std::io;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::LocalSet;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// What a process of this kind is called, its program and `argv[0]`.
pub const NAME: &str = "elastickv-node";
/// The same for the kernel, which would take the name of the file.
const NAME_FOR_LISTS: &CStr = c"elastickv-node";
/// Started wrongly, or on a data directory or ports that it cannot have.
const REFUSED: u8 = 3;
/// What a sync that is under way may take when the process ends.
const LAST_SYNC: Duration = Duration::from_secs(2);

/// The process' main function.
pub fn main() -> ExitCode {
    let flags = match Flags::read(std::env::args_os()) {
        Ok(flags) => flags,
        Err(told) => {
            // Err: nobody reads it.
            let _ = told.print();
            return if told.use_stderr() { ExitCode::from(REFUSED) } else { ExitCode::SUCCESS };
        }
    };
    panics::end_the_process(flags.id());
    log_to_stderr();
    let id = flags.id();
    match run(flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{id} stops: {error:#}");
            ExitCode::from(REFUSED)
        }
    }
}

fn run(flags: Flags) -> Result<()> {
    // Err: then it is listed under its file's name.
    let _ = set_name(NAME_FOR_LISTS);
    if let Some(parent) = flags.parent() {
        parent::die_with(parent)?;
    }
    take_all_descriptors().context("cannot raise the limit of open files")?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start a runtime")?;
    let local = LocalSet::new();
    let ended = local.block_on(&runtime, serve(flags));
    drop(local);
    runtime.shutdown_timeout(LAST_SYNC);
    ended
}

/// Every client is a descriptor, and without one to spare no snapshot is written and no folder synced: as Go's runtime does, the
/// limit that is meant for programs that use `select` is given up for the hard one.
fn take_all_descriptors() -> nix::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
}

/// Serves until a signal ends it well or its disk ends it badly.
async fn serve(flags: Flags) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen to signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen to signals")?;
    let place = flags.place();
    let work = host(&place, flags.options(), flags.metrics_port());
    tokio::select! {
        biased;
        _ = terminate.recv() => tracing::info!("stopped by SIGTERM"),
        _ = interrupt.recv() => tracing::info!("stopped by SIGINT"),
        ended = work => ended?,
    }
    Ok(())
}

/// One boot of the node. Returns only with an error.
async fn host(place: &Place, options: Options, metrics_port: u16) -> io::Result<()> {
    let (id, listen, ports) = (place.id, place.listen, place.ports);
    tracing::info!(
        "{id} starts on {listen}: redis {}, internal {}, raft {}, metrics {metrics_port}, data {}",
        ports.redis,
        ports.internal,
        ports.raft,
        place.data.display(),
    );
    for (peer, host) in &place.peers {
        tracing::info!("peer {peer} is at {host}");
    }
    let metrics = Rc::new(Metrics::default());
    let env = TokioEnv::start(place.clone(), metrics.clone()).await?;
    let scrapes = bind(listen, metrics_port).await?;
    tokio::task::spawn_local(metrics::serve(metrics, scrapes));
    elastickv::node::run(env, options).await
}

/// At the level of `RUST_LOG` (`warn`, or `info,elastickv=debug`), `info` without it.
fn log_to_stderr() {
    let asked = std::env::var("RUST_LOG").unwrap_or_default();
    let default = Targets::new().with_default(LevelFilter::INFO);
    let (filter, wrong) = match asked.parse::<Targets>() {
        Ok(filter) if !asked.is_empty() => (filter, None),
        Ok(_) => (default, None),
        Err(error) => (default, Some(error)),
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(false)
        .with_target(false);
    tracing_subscriber::registry().with(filter).with(lines).init();
    if let Some(error) = wrong {
        tracing::warn!("RUST_LOG is `{asked}`, which is no filter: {error}");
    }
}
