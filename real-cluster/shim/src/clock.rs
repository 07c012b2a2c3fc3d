//! The clock that the program is told: a setting, what was asked of it, and the answer to one time call.

use crate::control::Folder;
use crate::setting::Setting;
use crate::status::Status;
use crate::sys::notify::{Answer, Call, Listener, Read};
use anyhow::Result;
use nix::errno::Errno;
use nix::time::{ClockId, clock_gettime};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

const NS_PER_S: i64 = 1_000_000_000;
const NS_PER_US: i64 = 1_000;

/// The clock in force.
pub struct Clock {
    setting: Mutex<Setting>,
    reads: AtomicU64,
    skewed_reads: AtomicU64,
}

impl Clock {
    /// A clock that nobody has read.
    pub fn new(setting: Setting) -> Clock {
        Clock {
            setting: Mutex::new(setting),
            reads: AtomicU64::new(0),
            skewed_reads: AtomicU64::new(0),
        }
    }

    /// Takes up the setting that is kept. Whoever asks for the time from now on is told by it.
    pub fn take_up(&self, folder: &Folder) -> Result<Status> {
        let setting = folder.load()?;
        *self.setting.lock().unwrap_or_else(PoisonError::into_inner) = setting;
        Ok(Status {
            reads: self.reads.load(Ordering::Relaxed),
            skewed_reads: self.skewed_reads.load(Ordering::Relaxed),
            running: true,
            ..Status::idle(&setting, monotonic_ns()?)
        })
    }

    /// Answers time calls until there is nobody left who could make one.
    pub fn serve(&self, listener: &Listener) -> nix::Result<()> {
        while let Some(call) = listener.next()? {
            let answer = self.answer(listener, &call).unwrap_or_else(Answer::Error);
            listener.reply(&call, answer)?;
        }
        Ok(())
    }

    fn answer(&self, listener: &Listener, call: &Call) -> nix::Result<Answer> {
        let setting = *self.setting.lock().unwrap_or_else(PoisonError::into_inner);
        let skew_ns = setting.skew_ns(monotonic_ns()?);
        if skew_ns == 0 {
            self.reads.fetch_add(1, Ordering::Relaxed);
            return Ok(Answer::Kernel);
        }
        let value = match call.read()? {
            Read::Clock { clock, to } => {
                let now_ns = now_ns(clock)?.saturating_add(skew_ns);
                let time = [now_ns.div_euclid(NS_PER_S), now_ns.rem_euclid(NS_PER_S)];
                listener.write(call, to, &words(time))?;
                0
            }
            Read::Day { to, zone } => {
                let now_ns = now_ns(ClockId::CLOCK_REALTIME)?.saturating_add(skew_ns);
                let time = [now_ns.div_euclid(NS_PER_S), now_ns.rem_euclid(NS_PER_S) / NS_PER_US];
                if to != 0 {
                    listener.write(call, to, &words(time))?;
                }
                if zone != 0 {
                    // The kernel's own time zone, which nobody sets.
                    listener.write(call, zone, &[0; 8])?;
                }
                0
            }
            Read::Seconds { to } => {
                let now_ns = now_ns(ClockId::CLOCK_REALTIME)?.saturating_add(skew_ns);
                let seconds = now_ns.div_euclid(NS_PER_S);
                if to != 0 {
                    listener.write(call, to, &seconds.to_ne_bytes())?;
                }
                seconds
            }
        };
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.skewed_reads.fetch_add(1, Ordering::Relaxed);
        Ok(Answer::Value(value))
    }
}

/// Monotonic time of this boot.
pub fn monotonic_ns() -> nix::Result<i64> {
    now_ns(ClockId::CLOCK_MONOTONIC)
}

fn now_ns(clock: ClockId) -> nix::Result<i64> {
    let now = clock_gettime(clock)?;
    now.tv_sec().checked_mul(NS_PER_S).map(|ns| ns + now.tv_nsec()).ok_or(Errno::EOVERFLOW)
}

/// `struct timespec` and `struct timeval`, as both are on 64 bits.
fn words([first, second]: [i64; 2]) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&first.to_ne_bytes());
    bytes[8..].copy_from_slice(&second.to_ne_bytes());
    bytes
}
