//! `host-reboot`: restarts the host it runs on, at once and without a sync. Brought to hosts for [`Fault::Reboot`].
//!
//! Promise: it never restarts the machine that drives the cluster. A host that is a namespace there ends alone.
//!
//! [`Fault::Reboot`]: harness::fault::Fault::Reboot

use nix::sys::reboot::{RebootMode, reboot};
use std::ffi::OsString;
use std::fs;
use std::process::ExitCode;

/// What a process of this kind is called.
pub const NAME: &str = "host-reboot";
/// Refused, or the kernel refuses.
const REFUSED: u8 = 3;
/// The first namespace of processes of every Linux (`PROC_PID_INIT_INO`).
const FIRST_NAMESPACE: &str = "pid:[4026531836]";

/// The process' main function. Its one word is the boot id of the machine that drives the cluster.
pub fn main(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let told = words.into_iter().nth(1).and_then(|word| word.into_string().ok());
    let refused = match (told, boot_id()) {
        (Some(control), Some(own)) if control != own || !in_first_namespace() => {
            match reboot(RebootMode::RB_AUTOBOOT) {
                Ok(never) => match never {},
                Err(error) => format!("the kernel refuses a restart: {error}"),
            }
        }
        (Some(_), Some(_)) => "this machine drives the cluster: it is not restarted".to_owned(),
        (None, _) => "the boot id of the machine that drives the cluster is missing".to_owned(),
        (_, None) => "this machine has no boot id".to_owned(),
    };
    eprintln!("{NAME}: {refused}");
    ExitCode::from(REFUSED)
}

/// Of this machine's kernel.
pub fn boot_id() -> Option<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|text| text.trim().to_owned())
}

/// In doubt, yes.
fn in_first_namespace() -> bool {
    fs::read_link("/proc/self/ns/pid").map_or(true, |link| link.as_os_str() == FIRST_NAMESPACE)
}
