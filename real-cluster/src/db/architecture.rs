//! Whether a program from here can run on a host: what its ELF header says against what `uname -m` says there. Told before it is
//! sent, since a host says no more than `Exec format error`.
//!
//! Cannot see: libraries and instructions that the host lacks.

use super::DbError;
use crate::remote::{Command, done};
use crate::site::Site;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// How much of a file tells what it is built for.
const HEADER: u64 = 20;
/// ELF's numbers of machines, and what they are called here.
const MACHINES: [(u16, &str); 7] = [
    (3, "i386"),
    (21, "ppc64"),
    (22, "s390x"),
    (40, "arm"),
    (62, "x86_64"),
    (183, "aarch64"),
    (243, "riscv64"),
];

/// An error unless the program of this machine can run on the host.
pub async fn fits(at: &Site, program: &Path) -> Result<(), DbError> {
    let built_for = built_for(program)?;
    let host = done(&*at.remote, &Command::new("uname").arg("-m")).await?.text();
    match built_for {
        Some(built_for) if !runs(&built_for, &host) => Err(io::Error::other(format!(
            "{} is built for {built_for}, but the host of {} is {host}: build it for {host} and name that file",
            program.display(),
            at.node
        ))
        .into()),
        _ => Ok(()),
    }
}

/// What a program is built for; `None` for a script, which runs anywhere.
fn built_for(program: &Path) -> io::Result<Option<String>> {
    let told = |why: String| io::Error::other(format!("{}: {why}", program.display()));
    let mut header = Vec::new();
    let read = File::open(program).and_then(|file| file.take(HEADER).read_to_end(&mut header));
    read.map_err(|error| told(format!("cannot be read: {error}")))?;
    match header.starts_with(b"#!") {
        true => Ok(None),
        false => machine(&header).map(Some).ok_or_else(|| {
            told(
                "is no program for Linux: it begins neither as ELF files nor as scripts do"
                    .to_owned(),
            )
        }),
    }
}

/// The machine in the first bytes of an ELF file.
fn machine(header: &[u8]) -> Option<String> {
    let little = match header.strip_prefix(b"\x7fELF")?.get(1)? {
        1 => true,
        2 => false,
        _ => return None,
    };
    let bytes = header.get(18..20)?.try_into().ok()?;
    let number = if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) };
    let name = MACHINES.iter().find(|(known, _)| *known == number).map(|(_, name)| *name);
    Some(match (name, little) {
        (Some("ppc64"), true) => "ppc64le".to_owned(),
        (Some(name), _) => name.to_owned(),
        (None, _) => format!("machine {number} of ELF"),
    })
}

/// Whether what is built for one runs on a host that calls itself the other.
fn runs(built_for: &str, host: &str) -> bool {
    match built_for {
        "i386" => host == "x86_64" || (host.starts_with('i') && host.ends_with("86")),
        "arm" => host.starts_with("arm"),
        _ => built_for == host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf(order: u8, machine: [u8; 2]) -> Vec<u8> {
        let mut header = b"\x7fELF\x02".to_vec();
        header.push(order);
        header.resize(18, 0);
        header.extend(machine);
        header
    }

    #[test]
    fn a_header_says_what_it_is_built_for_in_either_byte_order() {
        let machine_of = |order, number| machine(&elf(order, number));
        assert_eq!(machine_of(1, [62, 0]).as_deref(), Some("x86_64"));
        assert_eq!(machine_of(1, [183, 0]).as_deref(), Some("aarch64"));
        assert_eq!(machine_of(2, [0, 22]).as_deref(), Some("s390x"));
        assert_eq!(machine_of(2, [0, 21]).as_deref(), Some("ppc64"));
        assert_eq!(machine_of(1, [21, 0]).as_deref(), Some("ppc64le"));
        assert_eq!(machine_of(1, [1, 2]).as_deref(), Some("machine 513 of ELF"));
        assert_eq!(machine_of(3, [62, 0]), None);
        assert_eq!(machine(b"\x7fELF"), None);
        assert_eq!(machine(b"MZ this is for another system"), None);
    }

    #[test]
    fn a_program_runs_where_its_machine_is_by_whatever_name() {
        for (built_for, host) in [
            ("x86_64", "x86_64"),
            ("aarch64", "aarch64"),
            ("i386", "i686"),
            ("i386", "x86_64"),
            ("arm", "armv7l"),
        ] {
            assert!(runs(built_for, host), "{built_for} on {host}");
        }
        for (built_for, host) in
            [("x86_64", "aarch64"), ("x86_64", "i686"), ("arm", "aarch64"), ("aarch64", "x86_64")]
        {
            assert!(!runs(built_for, host), "{built_for} on {host}");
        }
    }
}
