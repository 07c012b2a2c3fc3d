//! `time-shim`: runs a program under a wall clock that differs from the machine's, without setting any clock. Machines that share
//! a kernel share its clock, so that one of them can be given another time only by telling its processes so.
//!
//! Works on any program: what is preloaded (libfaketime) reaches neither static binaries nor Go, and hangs jemalloc. Here the
//! program loses its vDSO at exec, so that each look at a clock is a system call; a seccomp filter hands the calls that read a
//! wall clock to the supervisor, which answers them with the time of the host's [setting]. Monotonic time stays a call to the
//! kernel, and never moves. All threads and forked children of the program are under the same clock.
//!
//! The setting belongs to the host and not to the process: a file in the control folder keeps it, and a program that was
//! killed and started again finds its clock as it was, until `set --reset`. The counts of reads belong to one `run`.
//!
//! Promises: `set` returns when its setting is in force; the program never outlives its supervisor. Needs Linux 5.9 with seccomp, and
//! leave to trace its own children.
//!
//! Costs about 12 µs for each look at a wall clock, 9 µs while the clock is true, where the vDSO takes 0.03 µs; before Linux 6.6
//! twice that. Looks at other clocks are plain system calls.
//!
//! What it cannot do:
//! - what the program itself execs gets its vDSO back, and sees true time unless it makes its calls plainly;
//! - timers and sleeps to an absolute time of `CLOCK_REALTIME`, futex waits to one, times of files, time stamps of packets
//!   are the kernel's own, and true;
//! - a 32-bit program is refused, and one that a program execs sees true time;
//! - the program has `no_new_privs`: a set-user-id program that it starts gains nothing;
//! - children that outlive the program keep their supervisor; if that is killed then, their time calls end with `ENOSYS`: kill the
//!   whole process group;
//! - a program that makes itself undumpable can be answered by a privileged supervisor only, and gets `EFAULT` from another.

mod cli;
mod clock;
mod control;
mod run;
pub mod setting;
pub mod status;
mod sys;

use std::ffi::OsString;
use std::process::ExitCode;

/// The name under which a program of many names is this one.
pub const NAME: &str = "time-shim";

/// Exit code: wrong words, or the shim cannot do its work.
const FAILED: u8 = 3;

/// The program: its own name and its words. Exit code: what the words say, 3 if they are wrong or cannot be done.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    cli::main(args)
}

/// Whether programs can be run like this here, or in a sentence why not. Tries it on a child that runs nothing.
pub fn supported() -> Result<(), String> {
    run::rehearse().map_err(|error| format!("{error:#}"))
}
