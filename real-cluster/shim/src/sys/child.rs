//! A program from its fork to its first instruction: under the filter, without its vDSO.
//!
//! The child forks, puts itself under the filter and waits. Its parent attaches to it, so that it stops at exec, takes the
//! vDSO out of the vector that the kernel left on its stack for the new program, and lets it go. Between fork and exec the
//! child makes async-signal-safe calls only.

use super::filter::{ELF_MACHINE, Filter, owned};
use super::notify::Listener;
use super::signals::reset;
use anyhow::{Context, Result, bail, ensure};
use nix::errno::Errno;
use nix::sys::prctl::{set_no_new_privs, set_pdeathsig};
use nix::sys::ptrace::{self, AddressType, Options};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg, socketpair,
};
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getpid, getppid, read, write};
use std::ffi::{CString, c_char};
use std::fs::File;
use std::io::{IoSliceMut, Read as _};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

const WORD: usize = size_of::<libc::c_long>();

/// A program to run.
pub struct Program {
    /// The file.
    pub path: CString,
    /// Its words, its own name first.
    pub words: Vec<CString>,
    /// The signals that are blocked for it.
    pub mask: SigSet,
}

/// A child that is under the filter and waits to become its program. Dropped, it is killed.
pub struct Waiting {
    child: Child,
    channel: OwnedFd,
    listener: Listener,
}

/// A child that is killed and reaped when this is dropped, but for one that goes its own way.
struct Child(Option<Pid>);

impl Waiting {
    /// Forks it.
    #[expect(unsafe_code, reason = "a fork")]
    pub fn fork(program: &Program) -> Result<Waiting> {
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        let words: Vec<*const c_char> = program.words.iter().map(|word| word.as_ptr()).collect();
        let words = [words, vec![std::ptr::null()]].concat();
        let filter = Filter::new();
        let parent = getpid();
        // SAFETY: the child makes async-signal-safe calls only, and never returns from here.
        match unsafe { fork() }.context("cannot fork")? {
            ForkResult::Child => {
                let begin = Begin { program, words: &words, filter: &filter, channel: &theirs };
                begin.become_program(parent)
            }
            ForkResult::Parent { child } => {
                drop(theirs);
                let guard = Child(Some(child));
                let listener = received(&ours)?.context("cannot filter time calls by seccomp")?;
                attach(child)?;
                Ok(Waiting { child: guard, channel: ours, listener: Listener::new(listener) })
            }
        }
    }

    /// Lets it become its program: its number, and where its calls come out.
    pub fn exec(mut self) -> Result<(Pid, Listener)> {
        let pid = self.child.0.context("a child that waits is there")?;
        write(&self.channel, &[1])?;
        loop {
            match waitpid(pid, None)? {
                WaitStatus::PtraceEvent(_, _, libc::PTRACE_EVENT_EXEC) => break,
                WaitStatus::PtraceEvent(..) => ptrace::cont(pid, None)?,
                WaitStatus::Stopped(_, signal) => ptrace::cont(pid, signal)?,
                status => {
                    self.child.0 = None;
                    let mut told = [0; size_of::<i32>()];
                    let length = read(&self.channel, &mut told)?;
                    ensure!(length == told.len(), "it was killed before it began ({status:?})");
                    return Err(Errno::from_raw(i32::from_ne_bytes(told)).into());
                }
            }
        }
        check_machine(pid)?;
        hide_vdso(pid).context("cannot take its vDSO away")?;
        ptrace::detach(pid, None)?;
        self.child.0 = None;
        Ok((pid, self.listener))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            let _ = kill(pid, Signal::SIGKILL);
            let _ = waitpid(pid, None);
        }
    }
}

/// What the child has after the fork.
struct Begin<'a> {
    program: &'a Program,
    words: &'a [*const c_char],
    filter: &'a Filter,
    channel: &'a OwnedFd,
}

impl Begin<'_> {
    #[expect(unsafe_code, reason = "execv and _exit")]
    fn become_program(self, parent: Pid) -> ! {
        let begun = self.begin(parent);
        if begun.is_ok() {
            // SAFETY: path and words end with a zero each, the words with a null.
            unsafe { libc::execv(self.program.path.as_ptr(), self.words.as_ptr()) };
        }
        let error = begun.err().unwrap_or_else(Errno::last);
        let _ = write(self.channel, &(error as i32).to_ne_bytes());
        // SAFETY: ends the child without running what the parent left for its own end.
        unsafe { libc::_exit(127) }
    }

    fn begin(&self, parent: Pid) -> nix::Result<()> {
        set_pdeathsig(Signal::SIGKILL)?;
        if getppid() != parent {
            return Err(Errno::ESRCH);
        }
        // Rust ignores it, and what it execs should not.
        reset(Signal::SIGPIPE)?;
        self.program.mask.thread_set_mask()?;
        set_no_new_privs()?;
        let listener = self.filter.install()?;
        send(self.channel, &listener)?;
        drop(listener);
        match read(self.channel, &mut [0])? {
            1 => Ok(()),
            _ => Err(Errno::ECANCELED),
        }
    }
}

/// Attaches to a child, and tries what will be done to it later.
fn attach(child: Pid) -> Result<()> {
    let options = Options::PTRACE_O_TRACEEXEC | Options::PTRACE_O_EXITKILL;
    ptrace::seize(child, options).context("cannot trace a child by ptrace")?;
    // After a fork both have this at the same address.
    static HERE: u8 = 1;
    let mut copy = [0];
    let there = RemoteIoVec { base: (&raw const HERE).addr(), len: copy.len() };
    process_vm_readv(child, &mut [IoSliceMut::new(&mut copy)], &[there])
        .context("cannot reach the memory of a child")?;
    Ok(())
}

/// A program of another machine, or of 32 bits, makes other calls than those that are answered.
fn check_machine(pid: Pid) -> Result<()> {
    let mut header = [0; 20];
    File::open(format!("/proc/{pid}/exe"))?.read_exact(&mut header)?;
    let machine = u16::from_ne_bytes([header[18], header[19]]);
    if header[libc::EI_CLASS] != libc::ELFCLASS64 || machine != ELF_MACHINE {
        bail!("it is not a 64-bit program of this machine, and no other's time calls are known");
    }
    Ok(())
}

/// Walks over the stack of a program that has not begun: the number of its words, they and a null, its environment and a null,
/// then pairs of a key and a value.
fn hide_vdso(pid: Pid) -> nix::Result<()> {
    let word = |at: usize| ptrace::read(pid, at as AddressType);
    let mut at = stack_pointer(pid)?;
    at += (word(at)? as usize + 2) * WORD;
    while word(at)? != 0 {
        at += WORD;
    }
    at += WORD;
    loop {
        match word(at)? as libc::c_ulong {
            libc::AT_NULL => return Ok(()),
            libc::AT_SYSINFO_EHDR => {
                ptrace::write(pid, at as AddressType, libc::AT_IGNORE as libc::c_long)?
            }
            _ => {}
        }
        at += 2 * WORD;
    }
}

fn stack_pointer(pid: Pid) -> nix::Result<usize> {
    let registers = ptrace::getregs(pid)?;
    #[cfg(target_arch = "x86_64")]
    let pointer = registers.rsp;
    #[cfg(target_arch = "aarch64")]
    let pointer = registers.sp;
    Ok(pointer as usize)
}

/// Hands a descriptor over. Async-signal-safe.
#[expect(unsafe_code, reason = "nix allocates for it")]
fn send(channel: &OwnedFd, fd: &OwnedFd) -> nix::Result<()> {
    // SAFETY: made of integers and pointers, for which zeros are good.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    let mut byte = 0_u8;
    let mut bytes = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    // Aligned as its header must be, and longer than one with a descriptor.
    let mut control = [0_u64; 4];
    message.msg_iov = &raw mut bytes;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    // SAFETY: computes a number.
    let space = unsafe { libc::CMSG_SPACE(size_of::<RawFd>() as u32) };
    message.msg_controllen = space as _;
    // SAFETY: there is room for a header, as the message says.
    let header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    // SAFETY: it lies within `control`, aligned, and zeros are good for it; nobody else has it.
    let header = unsafe { &mut *header };
    // SAFETY: computes a number.
    header.cmsg_len = unsafe { libc::CMSG_LEN(size_of::<RawFd>() as u32) } as _;
    header.cmsg_level = libc::SOL_SOCKET;
    header.cmsg_type = libc::SCM_RIGHTS;
    // SAFETY: what follows a header that lies within `control`.
    let data = unsafe { libc::CMSG_DATA(header) };
    // SAFETY: `CMSG_SPACE` counted these bytes; they need not be aligned.
    unsafe { data.cast::<RawFd>().write_unaligned(fd.as_raw_fd()) };
    // SAFETY: all that the message points to lives until the call returns.
    let sent = unsafe { libc::sendmsg(channel.as_raw_fd(), &raw const message, 0) };
    Errno::result(sent).map(drop)
}

/// The descriptor that a child hands over, or the error that it tells.
fn received(channel: &OwnedFd) -> nix::Result<nix::Result<OwnedFd>> {
    let mut told = [0; size_of::<i32>()];
    let mut bytes = [IoSliceMut::new(&mut told)];
    let mut space = nix::cmsg_space!(RawFd);
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(channel.as_raw_fd(), &mut bytes, Some(&mut space), flags)?;
    let mut fds = message.cmsgs()?.flat_map(|control| match control {
        ControlMessageOwned::ScmRights(fds) => fds,
        _ => Vec::new(),
    });
    if let Some(fd) = fds.next() {
        return Ok(Ok(owned(fd)));
    }
    drop(fds);
    let known = message.bytes == size_of::<i32>();
    Ok(Err(if known { Errno::from_raw(i32::from_ne_bytes(told)) } else { Errno::ESRCH }))
}
