//! The seccomp filter: calls that read a wall clock are put to the supervisor, everything else goes to the kernel.
//!
//! A call of another architecture (a 32-bit program's, x32) goes to the kernel: its numbers mean other calls.

use nix::errno::Errno;
use std::mem::offset_of;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// `AUDIT_ARCH_*` of `linux/audit.h`, `e_machine` of ELF.
#[cfg(target_arch = "x86_64")]
const ARCH: (u32, u16) = (0xc000_003e, libc::EM_X86_64);
#[cfg(target_arch = "aarch64")]
const ARCH: (u32, u16) = (0xc000_00b7, libc::EM_AARCH64);
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("time-shim knows the time calls of x86_64 and aarch64");

/// The machine that programs must be made for.
pub const ELF_MACHINE: u16 = ARCH.1;

/// The clocks that are the wall's.
pub const WALL_CLOCKS: [libc::clockid_t; 3] =
    [libc::CLOCK_REALTIME, libc::CLOCK_REALTIME_COARSE, libc::CLOCK_TAI];

/// The calls that read the wall clock and no other.
#[cfg(target_arch = "x86_64")]
const WALL_CALLS: [libc::c_long; 2] = [libc::SYS_gettimeofday, libc::SYS_time];
#[cfg(not(target_arch = "x86_64"))]
const WALL_CALLS: [libc::c_long; 1] = [libc::SYS_gettimeofday];

/// Whether a call is `time`, which some architectures do not have.
pub fn is_time(call: libc::c_long) -> bool {
    WALL_CALLS.get(1) == Some(&call)
}

/// The filter as the kernel reads it. It is made before the
/// fork, after which nothing may allocate.
pub struct Filter(Vec<libc::sock_filter>);

impl Filter {
    /// The filter.
    pub fn new() -> Filter {
        // Jumps are counted from the next instruction; both ends are at the end, the supervisor last.
        let clocks = WALL_CLOCKS.len();
        let calls = WALL_CALLS.len();
        let length = 6 + calls + clocks + 2;
        let (kernel, supervisor) = (length - 2, length - 1);
        let mut code = vec![
            load(offset_of!(libc::seccomp_data, arch)),
            jump_if(ARCH.0, 1, 0),
            answer(libc::SECCOMP_RET_ALLOW),
            load(offset_of!(libc::seccomp_data, nr)),
        ];
        for call in WALL_CALLS {
            code.push(jump_if(call as u32, supervisor - code.len() - 1, 0));
        }
        code.push(jump_if(libc::SYS_clock_gettime as u32, 0, kernel - code.len() - 1));
        // The lower half: the kernel looks at no more of a clock's number.
        code.push(load(offset_of!(libc::seccomp_data, args)));
        for clock in WALL_CLOCKS {
            code.push(jump_if(clock as u32, supervisor - code.len() - 1, 0));
        }
        code.push(answer(libc::SECCOMP_RET_ALLOW));
        code.push(answer(libc::SECCOMP_RET_USER_NOTIF));
        assert_eq!(code.len(), length, "the jumps were counted for another length");
        Filter(code)
    }

    /// Puts the calling process and all that it starts under the filter, for ever. The calls to answer come out of what is
    /// returned. Async-signal-safe.
    pub fn install(&self) -> Result<OwnedFd, Errno> {
        // While a call is being answered only a kill ends it: else a signal might end the wait and the answer be written
        // where something else is by then. Linux 5.19; before, calls are restarted and asked again.
        let wanted = [libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, 0];
        let mut installed = Err(Errno::EINVAL);
        for flag in wanted {
            installed = self.install_with(flag);
            if installed != Err(Errno::EINVAL) {
                break;
            }
        }
        installed.map(owned)
    }

    #[expect(unsafe_code, reason = "libc has no function for seccomp")]
    fn install_with(&self, flag: libc::c_ulong) -> Result<RawFd, Errno> {
        // The second flag: a filter is no reason to run a program more slowly than it would be without.
        let flags =
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW | flag;
        let program = libc::sock_fprog {
            len: self.0.len() as libc::c_ushort,
            filter: self.0.as_ptr().cast_mut(),
        };
        // SAFETY: the kernel copies the instructions, which live and are as many as it is told.
        let fd = unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                flags,
                &raw const program,
            )
        };
        Errno::result(fd).map(|fd| fd as RawFd)
    }
}

/// A descriptor that the kernel has just made, for whoever asked.
#[expect(unsafe_code, reason = "a number becomes a descriptor that is closed")]
pub fn owned(fd: RawFd) -> OwnedFd {
    // SAFETY: nobody else has it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Loads the word there.
fn load(offset: usize) -> libc::sock_filter {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset as u32, 0, 0)
}

/// Skips so many instructions, depending on whether the word is this one.
fn jump_if(word: u32, skip_if: usize, skip_else: usize) -> libc::sock_filter {
    instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, word, skip_if as u8, skip_else as u8)
}

fn answer(action: u32) -> libc::sock_filter {
    instruction(libc::BPF_RET | libc::BPF_K, action, 0, 0)
}

fn instruction(code: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt, jf, k }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the filter says to a call: the few instructions that it is made of, interpreted.
    fn said(arch: u32, call: libc::c_long, clock: libc::clockid_t) -> u32 {
        let Filter(code) = Filter::new();
        let (mut at, mut word) = (0, 0);
        loop {
            let libc::sock_filter { code, jt, jf, k } = code[at];
            at += 1;
            match u32::from(code) & 0x07 {
                libc::BPF_RET => return k,
                libc::BPF_JMP => at += usize::from(if word == k { jt } else { jf }),
                _ => {
                    word = match k as usize {
                        at if at == offset_of!(libc::seccomp_data, nr) => call as u32,
                        at if at == offset_of!(libc::seccomp_data, arch) => arch,
                        at if at == offset_of!(libc::seccomp_data, args) => clock as u32,
                        other => panic!("loads {other}"),
                    }
                }
            }
        }
    }

    #[test]
    fn wall_clocks_are_asked_of_the_supervisor_and_others_of_the_kernel() {
        let asked = |call, clock| said(ARCH.0, call, clock) == libc::SECCOMP_RET_USER_NOTIF;
        for clock in WALL_CLOCKS {
            assert!(asked(libc::SYS_clock_gettime, clock), "clock {clock}");
        }
        for call in WALL_CALLS {
            assert!(asked(call, 77), "call {call}");
        }
        let others = [libc::CLOCK_MONOTONIC, libc::CLOCK_BOOTTIME, libc::CLOCK_PROCESS_CPUTIME_ID];
        for clock in others {
            assert!(!asked(libc::SYS_clock_gettime, clock), "clock {clock}");
        }
        for call in [libc::SYS_clock_settime, libc::SYS_write, libc::SYS_execve] {
            assert!(!asked(call, libc::CLOCK_REALTIME), "call {call}");
        }
    }

    #[test]
    fn calls_of_another_architecture_are_the_kernels() {
        let i386 = 0x4000_0003;
        assert_eq!(said(i386, libc::SYS_clock_gettime, 0), libc::SECCOMP_RET_ALLOW);
    }
}
