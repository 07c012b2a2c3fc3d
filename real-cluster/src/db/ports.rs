//! Whether a node's ports are free on its host before a database is started there, from the kernel's own list of what listens. A
//! port that is taken is told with who has it, and not tried again: only a person can mend it.
//!
//! Cannot see: a port that is taken between the look and the start.

use super::DbError;
use crate::remote::{Command, RemoteError, done};
use crate::site::Site;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// What listens, as the kernel numbers that state.
const LISTENS: &str = "0A";

/// An error unless nothing listens on the node's ports, at its address or at all of its host's.
pub async fn free(at: &Site, ports: &[(String, u16)]) -> Result<(), DbError> {
    let list =
        Command::script("listening", "cat /proc/net/tcp; cat /proc/net/tcp6 2> /dev/null; :");
    let table = done(&*at.remote, &list).await?.text();
    let taken: Vec<SocketAddr> = table.lines().filter_map(listener).collect();
    for (name, port) in ports {
        let in_the_way = |socket: &&SocketAddr| {
            let ip = socket.ip();
            socket.port() == *port && (ip == at.address || ip.is_unspecified())
        };
        if let Some(socket) = taken.iter().find(in_the_way) {
            let by = owner(at, *socket).await?.map_or(String::new(), |by| format!(" by {by}"));
            return Err(io::Error::other(format!(
                "{name} port {port} of {} is taken on {}{by}: end what listens on {socket}, or give the node another port by \
                 `{name}-port=` in the nodes file",
                at.node,
                at.remote.name()
            ))
            .into());
        }
    }
    Ok(())
}

/// Where a line of the kernel's list says that somebody listens.
fn listener(line: &str) -> Option<SocketAddr> {
    let mut fields = line.split_whitespace().skip(1);
    let (address, port) = fields.next()?.split_once(':')?;
    let state = fields.nth(1)?;
    let ip = ip(address)?.to_canonical();
    (state == LISTENS).then_some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

/// An address as the kernel lists it: words of four bytes in a little-endian host's order.
fn ip(hexadecimal: &str) -> Option<IpAddr> {
    let mut bytes = Vec::new();
    for at in (0..hexadecimal.len()).step_by(8) {
        let word = u32::from_str_radix(hexadecimal.get(at..at + 8)?, 16).ok()?;
        bytes.extend(word.to_le_bytes());
    }
    match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(four) => Some(IpAddr::from(four)),
        Err(_) => <[u8; 16]>::try_from(bytes).ok().map(|all| IpAddr::V6(Ipv6Addr::from(all))),
    }
}

/// The program that listens there, if the host has `ss` and that tells: `redis-server (process 812)`.
async fn owner(at: &Site, socket: SocketAddr) -> Result<Option<String>, RemoteError> {
    let ask = Command::new("ss").args(["-Hltnp", &format!("sport = :{}", socket.port())]);
    let told = at.remote.run(&ask).await?.text();
    let theirs = told.lines().find(|line| {
        let local = line.split_whitespace().nth(3).unwrap_or_default();
        match socket.ip().is_unspecified() {
            true => ["0.0.0.0:", "[::]:", "*:"].iter().any(|any| local.starts_with(any)),
            false => {
                local == socket.to_string()
                    || local == format!("[::ffff:{}]:{}", socket.ip(), socket.port())
            }
        }
    });
    Ok(theirs.and_then(|line| {
        let (_, rest) = line.split_once("((\"")?;
        let (program, rest) = rest.split_once("\",pid=")?;
        let process = rest.split(',').next()?;
        Some(format!("{program} (process {process})"))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_kernel_name_who_listens_and_nobody_else() {
        let line = |local: &str, state: &str| {
            format!(
                "   0: {local} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 0 0 1"
            )
        };
        let at = |local: &str, state: &str| listener(&line(local, state)).map(|at| at.to_string());
        assert_eq!(at("0100007F:18EB", "0A").as_deref(), Some("127.0.0.1:6379"));
        assert_eq!(at("0100007F:18EB", "01"), None, "a connection");
        assert_eq!(at("00000000:0050", "0A").as_deref(), Some("0.0.0.0:80"));
        let zeros = "00000000000000000000000000000000:0050";
        assert_eq!(at(zeros, "0A").as_deref(), Some("[::]:80"));
        let mapped = "0000000000000000FFFF00000100007F:0050";
        assert_eq!(at(mapped, "0A").as_deref(), Some("127.0.0.1:80"));
        let one = "B80D0120000000000000000001000000:0050";
        assert_eq!(at(one, "0A").as_deref(), Some("[2001:db8::1]:80"));
        assert_eq!(listener("  sl  local_address rem_address   st tx_queue rx_queue"), None);
        assert_eq!(listener(""), None);
    }
}
