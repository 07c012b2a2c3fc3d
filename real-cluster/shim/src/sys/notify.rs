//! Calls that wait for their answer (`SECCOMP_RET_USER_NOTIF`), and what is written into the memory of those who wait.

use super::filter::{WALL_CLOCKS, is_time};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::uio::{RemoteIoVec, process_vm_writev};
use nix::time::ClockId;
use nix::unistd::Pid;
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// `SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP` of `linux/seccomp.h`.
const SYNC_WAKE_UP: libc::c_ulong = 1;

/// Where the calls of a program come out, and of all that it started.
pub struct Listener(OwnedFd);

/// A call that waits.
pub struct Call {
    id: u64,
    thread: Pid,
    number: libc::c_long,
    args: [u64; 6],
}

/// What a call reads, and where in its memory the caller wants it; 0 is nowhere.
pub enum Read {
    /// `clock_gettime`
    Clock { clock: ClockId, to: usize },
    /// `gettimeofday`
    Day { to: usize, zone: usize },
    /// `time`
    Seconds { to: usize },
}

/// What a call returns.
pub enum Answer {
    /// What the kernel says to it.
    Kernel,
    /// A value.
    Value(i64),
    /// No value.
    Error(Errno),
}

impl Listener {
    /// The listener of a filter.
    pub fn new(fd: OwnedFd) -> Listener {
        Listener(fd)
    }

    /// Asks the kernel to switch between caller and supervisor without waking another processor. Linux 6.6; before, it is only slower.
    #[expect(unsafe_code, reason = "libc has no function for it")]
    pub fn keep_in_step(&self) {
        // SAFETY: this call takes its argument as a number.
        unsafe {
            libc::ioctl(self.0.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS, SYNC_WAKE_UP)
        };
    }

    /// Waits for a call. `None`: nobody is left to make one.
    #[expect(unsafe_code, reason = "libc has no function for it")]
    pub fn next(&self) -> nix::Result<Option<Call>> {
        loop {
            // SAFETY: made of integers, for which zeros are good; the kernel wants zeros.
            let mut asked: libc::seccomp_notif = unsafe { std::mem::zeroed() };
            // SAFETY: the kernel writes a `seccomp_notif`, whose size is part of the request.
            let received = unsafe {
                libc::ioctl(self.0.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut asked)
            };
            match Errno::result(received) {
                Ok(_) => return Ok(Some(Call::new(&asked))),
                Err(Errno::EINTR) => {}
                // Whoever called was killed, or all were.
                Err(Errno::ENOENT) if self.is_deserted()? => return Ok(None),
                Err(Errno::ENOENT) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes into the memory of a caller that still waits.
    pub fn write(&self, call: &Call, to: usize, bytes: &[u8]) -> nix::Result<()> {
        // One that was killed has left its number to another, whose memory this is not.
        self.check(call)?;
        let remote = RemoteIoVec { base: to, len: bytes.len() };
        match process_vm_writev(call.thread, &[IoSlice::new(bytes)], &[remote]) {
            Ok(written) if written == bytes.len() => Ok(()),
            _ => Err(Errno::EFAULT),
        }
    }

    /// Lets a caller go on. One that was killed meanwhile needs no answer.
    #[expect(unsafe_code, reason = "libc has no function for it")]
    pub fn reply(&self, call: &Call, answer: Answer) -> nix::Result<()> {
        let (val, error, flags) = match answer {
            Answer::Kernel => (0, 0, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32),
            Answer::Value(value) => (value, 0, 0),
            Answer::Error(errno) => (0, -(errno as i32), 0),
        };
        let said = libc::seccomp_notif_resp { id: call.id, val, error, flags };
        // SAFETY: the kernel reads a `seccomp_notif_resp`, whose size is part of the request.
        let sent = unsafe {
            libc::ioctl(self.0.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw const said)
        };
        match Errno::result(sent) {
            Ok(_) | Err(Errno::ENOENT) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether the call waits still.
    #[expect(unsafe_code, reason = "libc has no function for it")]
    fn check(&self, call: &Call) -> nix::Result<()> {
        // SAFETY: the kernel reads a number of eight bytes.
        let valid = unsafe {
            libc::ioctl(self.0.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ID_VALID, &raw const call.id)
        };
        Errno::result(valid).map(drop)
    }

    /// Whether all that could make a call have ended.
    fn is_deserted(&self) -> nix::Result<bool> {
        let mut listener = [PollFd::new(self.0.as_fd(), PollFlags::empty())];
        poll(&mut listener, PollTimeout::ZERO)?;
        Ok(listener[0].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP)))
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Call {
    fn new(asked: &libc::seccomp_notif) -> Call {
        Call {
            id: asked.id,
            thread: Pid::from_raw(asked.pid.cast_signed()),
            number: libc::c_long::from(asked.data.nr),
            args: asked.data.args,
        }
    }

    /// What it reads. The filter lets no other call come here.
    pub fn read(&self) -> nix::Result<Read> {
        let [first, second, ..] = self.args;
        match self.number {
            libc::SYS_clock_gettime => {
                let clock = first as libc::clockid_t;
                let known = WALL_CLOCKS.contains(&clock);
                let clock = Some(ClockId::from_raw(clock)).filter(|_| known);
                Ok(Read::Clock { clock: clock.ok_or(Errno::EINVAL)?, to: second as usize })
            }
            libc::SYS_gettimeofday => Ok(Read::Day { to: first as usize, zone: second as usize }),
            number if is_time(number) => Ok(Read::Seconds { to: first as usize }),
            _ => Err(Errno::ENOSYS),
        }
    }
}
