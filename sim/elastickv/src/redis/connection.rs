//! Commands about the connection and the server: HELLO, CLIENT, COMMAND, INFO, SELECT, QUIT, PING (`adapter/redis_server_cmds.go`). They
//! touch no key, so they are answered where they arrive. RESP2 alone is spoken, as by redcon. SELECT takes any number and means the one
//! database there is, and within MULTI they are queued, which EXEC refuses: both as upstream.

use super::command::{Command, Name, is};
use super::pubsub::Subscriber;
use super::resp::Reply;
use super::specs::table;
use bytes::Bytes;

/// What HELLO and INFO say that it is.
const VERSION: &str = "7.2.0";

/// A client's connection.
#[derive(Default)]
pub struct Connection {
    /// What MULTI started.
    pub queue: Option<Vec<Command>>,
    /// Which of the node's connections, from 1.
    pub id: u64,
    /// While it is subscribed to anything.
    pub subscriber: Option<Subscriber>,
    /// Whether it ends with the reply under way.
    pub ends: bool,
    name: Bytes,
}

/// What the server knows of the cluster.
pub struct Standing {
    /// Whether this node leads.
    pub leads: bool,
    /// Where clients reach who leads; empty if nobody knows.
    pub leader: String,
}

impl Standing {
    fn role(&self) -> &'static str {
        if self.leads { "master" } else { "slave" }
    }
}

impl Connection {
    /// The connection of this number.
    pub fn new(id: u64) -> Connection {
        Connection { id, ..Connection::default() }
    }

    /// The reply, if the command is one of these.
    pub fn answer(&mut self, command: &Command, standing: &Standing) -> Option<Reply> {
        let args = &command.args;
        Some(match command.name {
            Name::Ping => match args.get(1) {
                Some(message) => Reply::Bulk(message.clone()),
                None => Reply::Simple("PONG".into()),
            },
            Name::Hello => self.hello(&args[1..], standing),
            Name::Client => self.client(args),
            Name::Command => about_commands(&args[1..]),
            Name::Info => info(standing),
            Name::Select => match integer(&args[1]) {
                Some(_) => Reply::ok(),
                None => error("ERR invalid DB index"),
            },
            Name::Quit => {
                self.ends = true;
                Reply::ok()
            }
            _ => return None,
        })
    }

    fn hello(&mut self, mut words: &[Bytes], standing: &Standing) -> Reply {
        if let [version, rest @ ..] = words {
            if integer(version) != Some(2) {
                return error("NOPROTO unsupported protocol version");
            }
            words = rest;
        }
        let mut name = None;
        while let [option, rest @ ..] = words {
            match rest {
                [named, rest @ ..] if is(option, "SETNAME") => {
                    name = Some(named.clone());
                    words = rest;
                }
                [_, _, ..] if is(option, "AUTH") => {
                    return error("NOPERM HELLO AUTH is not supported");
                }
                _ if is(option, "AUTH") || is(option, "SETNAME") => {
                    return Reply::Error(format!("ERR Syntax error in HELLO {}", upper(option)));
                }
                _ => {
                    let option = upper(option);
                    return Reply::Error(format!("ERR Syntax error in HELLO option '{option}'"));
                }
            }
        }
        // All of it or nothing.
        if let Some(name) = name {
            self.name = name;
        }
        Reply::Array(vec![
            text("server"),
            text("redis"),
            text("version"),
            text(VERSION),
            text("proto"),
            Reply::Integer(2),
            text("id"),
            Reply::Integer(self.id as i64),
            text("mode"),
            text("standalone"),
            text("role"),
            text(standing.role()),
            text("modules"),
            Reply::Array(Vec::new()),
        ])
    }

    fn client(&mut self, args: &[Bytes]) -> Reply {
        let sub = upper(&args[1]);
        let words = match sub.as_str() {
            "GETNAME" | "ID" | "INFO" => 2,
            "SETNAME" => 3,
            "SETINFO" => 4,
            _ => return Reply::Error(format!("ERR unsupported CLIENT subcommand '{sub}'")),
        };
        if args.len() != words {
            let sub = sub.to_ascii_lowercase();
            let text = format!("ERR wrong number of arguments for 'client|{sub}' command");
            return Reply::Error(text);
        }
        match sub.as_str() {
            "GETNAME" if self.name.is_empty() => Reply::NullBulk,
            "GETNAME" => Reply::Bulk(self.name.clone()),
            "ID" => Reply::Integer(self.id as i64),
            "INFO" => {
                let name = String::from_utf8_lossy(&self.name);
                text(&format!("id={} name={name}", self.id))
            }
            "SETNAME" => {
                self.name = args[2].clone();
                Reply::ok()
            }
            _ => Reply::ok(),
        }
    }
}

fn info(standing: &Standing) -> Reply {
    let (role, leader) = (standing.role(), &standing.leader);
    text(&format!(
        "# Server\r\nredis_version:{VERSION}\r\nloading:0\r\nrole:{role}\r\n\r\n# Replication\r\nrole:{role}\r\nraft_leader_redis:{leader}\r\n"
    ))
}

/// `COMMAND [COUNT | LIST | INFO [name …] | DOCS [name …]]`
fn about_commands(words: &[Bytes]) -> Reply {
    let Some((sub, names)) = words.split_first() else { return described(&[]) };
    match upper(sub).as_str() {
        "COUNT" => Reply::Integer(table().count() as i64),
        "LIST" if !names.is_empty() => error("ERR unsupported COMMAND LIST filter"),
        "LIST" => Reply::Array(table().map(|(name, ..)| text(&name)).collect()),
        "INFO" => described(names),
        "DOCS" => documented(names),
        "GETKEYSANDFLAGS" => error("ERR unsupported COMMAND subcommand 'GETKEYSANDFLAGS'"),
        other => Reply::Error(format!("ERR Unknown COMMAND subcommand '{other}'")),
    }
}

/// Name, arity, flags and which words are keys; of all commands if none is named.
fn described(names: &[Bytes]) -> Reply {
    let one = |(name, arity, writes, keys): (String, i32, bool, [i64; 3])| {
        let flag = if writes { "write" } else { "readonly" };
        let mut items =
            vec![text(&name), Reply::Integer(arity.into()), Reply::Array(vec![text(flag)])];
        items.extend(keys.map(Reply::Integer));
        Reply::Array(items)
    };
    if names.is_empty() {
        return Reply::Array(table().map(one).collect());
    }
    let named = |word: &Bytes| table().find(|(name, ..)| is(word, name));
    Reply::Array(names.iter().map(|word| named(word).map_or(Reply::NullArray, one)).collect())
}

/// Names, each with an empty summary: clients want the shape.
fn documented(names: &[Bytes]) -> Reply {
    let empty = || {
        Reply::Array(vec![text("summary"), text(""), text("arguments"), Reply::Array(Vec::new())])
    };
    let all: Vec<Reply> = match names {
        [] => table().flat_map(|(name, ..)| [text(&name), empty()]).collect(),
        names => {
            let docs = |word: &Bytes| match table().any(|(name, ..)| is(word, &name)) {
                true => empty(),
                false => Reply::NullBulk,
            };
            names.iter().flat_map(|word| [Reply::Bulk(word.clone()), docs(word)]).collect()
        }
    };
    Reply::Array(all)
}

fn text(text: &str) -> Reply {
    Reply::Bulk(Bytes::copy_from_slice(text.as_bytes()))
}

fn error(text: &str) -> Reply {
    Reply::Error(text.to_owned())
}

fn upper(word: &[u8]) -> String {
    String::from_utf8_lossy(word).to_ascii_uppercase()
}

fn integer(word: &[u8]) -> Option<i64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(connection: &mut Connection, line: &str) -> Reply {
        let args = line.split(' ').map(|word| Bytes::copy_from_slice(word.as_bytes())).collect();
        let standing = Standing { leads: true, leader: "n1".to_owned() };
        match Command::parse(args) {
            Ok(command) => connection.answer(&command, &standing).expect("one of these"),
            Err(error) => Reply::Error(error.to_string()),
        }
    }

    #[test]
    fn a_client_says_hello_and_is_known_by_its_name() {
        let mut connection = Connection::new(7);
        assert_eq!(ask(&mut connection, "CLIENT GETNAME"), Reply::NullBulk);
        assert_eq!(ask(&mut connection, "HELLO 3"), error("NOPROTO unsupported protocol version"));
        let refused = ask(&mut connection, "HELLO 2 SETNAME moth AUTH a b");
        assert_eq!(refused, error("NOPERM HELLO AUTH is not supported"));
        assert_eq!(ask(&mut connection, "CLIENT GETNAME"), Reply::NullBulk, "all of it or nothing");
        assert!(
            matches!(ask(&mut connection, "hello 2 setname moth"), Reply::Array(items) if items.len() == 14)
        );
        assert_eq!(ask(&mut connection, "CLIENT GETNAME"), text("moth"));
        assert_eq!(ask(&mut connection, "CLIENT ID"), Reply::Integer(7));
        assert_eq!(
            ask(&mut connection, "CLIENT ID 3"),
            error("ERR wrong number of arguments for 'client|id' command")
        );
        assert_eq!(
            ask(&mut connection, "CLIENT KILL"),
            error("ERR unsupported CLIENT subcommand 'KILL'")
        );
        assert!(!connection.ends);
        assert_eq!(ask(&mut connection, "QUIT"), Reply::ok());
        assert!(connection.ends);
    }

    #[test]
    fn commands_are_listed_as_clients_expect_them() {
        let mut connection = Connection::new(1);
        let Reply::Integer(count) = ask(&mut connection, "COMMAND COUNT") else {
            panic!("a count")
        };
        assert!(
            matches!(ask(&mut connection, "COMMAND"), Reply::Array(all) if all.len() as i64 == count)
        );
        let get = ask(&mut connection, "COMMAND INFO get none");
        let expected = vec![
            text("get"),
            Reply::Integer(2),
            Reply::Array(vec![text("readonly")]),
            Reply::Integer(1),
            Reply::Integer(1),
            Reply::Integer(1),
        ];
        assert_eq!(get, Reply::Array(vec![Reply::Array(expected), Reply::NullArray]));
        assert!(
            matches!(ask(&mut connection, "COMMAND DOCS get"), Reply::Array(all) if all.len() == 2)
        );
        assert!(
            matches!(ask(&mut connection, "INFO"), Reply::Bulk(text) if text.ends_with(b"raft_leader_redis:n1\r\n"))
        );
    }
}
