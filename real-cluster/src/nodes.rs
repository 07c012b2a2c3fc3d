//! The nodes file: one node a line, in order n1, n2 and so on, as Jepsen's, with what else SSH may need.
//!
//! ```text
//! # host, or user@host:port, then words
//! root@10.0.0.11
//! admin@db2.example:2222 key=/home/me/.ssh/cluster
//! db3 address=10.0.0.13 redis-port=6380
//! ```
//!
//! A host may be an address, a name, or a name of the SSH configuration's. `address=` is where the node serves if that is another
//! one; `NAME-port=` is a port's number. A host that is there twice needs one of them, or the lines are taken for a mistake.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// Nodes, at most.
pub use harness::options::NODES_MAX;

/// A line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeLine {
    /// Who logs in.
    pub user: Option<String>,
    /// Where.
    pub host: String,
    /// SSH's port.
    pub port: Option<u16>,
    /// A private key.
    pub key: Option<PathBuf>,
    /// Where the node serves.
    pub address: Option<IpAddr>,
    /// Ports of the database, by name.
    pub ports: BTreeMap<String, u16>,
}

impl NodeLine {
    /// `user@host`, as `ssh` takes it.
    pub fn destination(&self) -> String {
        match &self.user {
            Some(user) => format!("{user}@{}", self.host),
            None => self.host.clone(),
        }
    }

    /// What tells two nodes on one machine apart.
    fn place(&self) -> (&str, Option<u16>, Option<IpAddr>, &BTreeMap<String, u16>) {
        (&self.host, self.port, self.address, &self.ports)
    }
}

/// All nodes of a file; the sentence names the line.
pub fn parse(text: &str) -> Result<Vec<NodeLine>, String> {
    let mut nodes: Vec<NodeLine> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let node: NodeLine = line.parse().map_err(|why| format!("line {}: {why}", number + 1))?;
        if let Some(at) = nodes.iter().position(|other| other.place() == node.place()) {
            return Err(format!(
                "line {}: n{} and n{} are both {}: remove one of the lines, or give them different address= or NAME-port= words \
                 if two nodes share that host",
                number + 1,
                at + 1,
                nodes.len() + 1,
                node.host
            ));
        }
        nodes.push(node);
    }
    match nodes.len() {
        0 => Err("there is no node: write one host a line, such as root@10.0.0.11".to_owned()),
        count if count > usize::from(NODES_MAX) => {
            Err(format!("there are {count} nodes: up to {NODES_MAX} can be"))
        }
        _ => Ok(nodes),
    }
}

impl FromStr for NodeLine {
    type Err = String;

    fn from_str(line: &str) -> Result<NodeLine, String> {
        let mut words = line.split_whitespace();
        let place = words.next().ok_or("a host is missing")?;
        let mut node = place_of(place)?;
        for word in words {
            let (name, value) = word.split_once('=').ok_or_else(|| {
                format!("`{word}` is no word of a node: key=, address= or NAME-port=")
            })?;
            match name {
                "key" => node.key = Some(PathBuf::from(value)),
                "address" => {
                    let address = value.parse();
                    node.address =
                        Some(address.map_err(|_| format!("`{value}` is not an IP address"))?);
                }
                name => match name.strip_suffix("-port") {
                    Some(port) if !port.is_empty() => {
                        node.ports.insert(port.to_owned(), number(value)?);
                    }
                    _ => {
                        return Err(format!(
                            "`{name}=` is no word of a node: the words are key=, address= and NAME-port="
                        ));
                    }
                },
            }
        }
        Ok(node)
    }
}

/// `[user@]host[:port]`; an IPv6 address with a port is in brackets.
fn place_of(place: &str) -> Result<NodeLine, String> {
    let wrong = || format!("`{place}` is not a place: write host, user@host or user@host:port");
    let (user, rest) = match place.rsplit_once('@') {
        Some((user, rest)) => (Some(user.to_owned()), rest),
        None => (None, place),
    };
    let (host, port) = if let Some(rest) = rest.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or_else(wrong)?;
        (host, port.strip_prefix(':'))
    } else if rest.matches(':').count() == 1 {
        rest.split_once(':').map(|(host, port)| (host, Some(port))).ok_or_else(wrong)?
    } else {
        (rest, None)
    };
    let plain = |text: &str| {
        !text.is_empty()
            && !text.starts_with('-')
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "-._:%".contains(c))
    };
    if !plain(host) || user.as_deref().is_some_and(|user| !plain(user)) {
        return Err(wrong());
    }
    let port = port.map(number).transpose()?;
    Ok(NodeLine { user, host: host.to_owned(), port, ..NodeLine::default() })
}

fn number(text: &str) -> Result<u16, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("`{text}` is not a port: a whole number from 1 to 65535"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_with_all_their_words() {
        let nodes = parse(
            "# five nodes\nroot@10.0.0.11\n\n db2.example:2222 key=/k # the second\n[fe80::1%eth0]:22\nfd00::1\n\
             a.b@db5 address=10.0.0.15 redis-port=6380 raft-port=7\n",
        );
        let nodes = nodes.expect("all are right");
        assert_eq!(nodes.len(), 5);
        assert_eq!(nodes[0].destination(), "root@10.0.0.11");
        assert_eq!((nodes[1].destination().as_str(), nodes[1].port), ("db2.example", Some(2222)));
        assert_eq!(nodes[1].key.as_deref(), Some(std::path::Path::new("/k")));
        assert_eq!((nodes[2].host.as_str(), nodes[2].port), ("fe80::1%eth0", Some(22)));
        assert_eq!((nodes[3].host.as_str(), nodes[3].port), ("fd00::1", None));
    }

    #[test]
    fn a_wrong_line_is_named_with_what_would_be_right() {
        for (text, hint) in [
            ("", "one host a line"),
            ("a\n-oProxyCommand=id", "line 2: `-oProxyCommand=id` is not a place"),
            ("root@a;id", "is not a place"),
            ("a:0", "from 1 to 65535"),
            ("a:ssh", "from 1 to 65535"),
            ("a fast", "key=, address= or NAME-port="),
            ("a speed=3", "the words are key="),
            ("a -port=3", "the words are key="),
            ("a address=b", "`b` is not an IP address"),
            ("a\nb\na # again", "line 3: n1 and n3 are both a"),
            ("a:22\nroot@a:22", "n1 and n2 are both a"),
        ] {
            let sentence = parse(text).expect_err(text);
            assert!(sentence.contains(hint), "{text:?}: {sentence}");
        }
        assert!(parse(&"h\n".repeat(2)).is_err());
        let two_of_one = "a redis-port=1\na redis-port=2\na address=10.0.0.3";
        assert_eq!(parse(two_of_one).map(|nodes| nodes.len()), Ok(3));
    }
}
