//! The scripts that a node knows by their SHA-1 (`scriptCache` of `adapter/redis.go`), and SCRIPT LOAD, EXISTS, FLUSH.
//!
//! Not replicated, as upstream: whoever leads after another knows none of that one's scripts, and says NOSCRIPT to EVALSHA until a client
//! sends the script again. A follower passes EVALSHA and SCRIPT on as they are, so it is the leader that knows. Where
//! there are several groups, SCRIPT goes to the leader of the default group and EVALSHA to the leader of its keys: while those are two,
//! the latter says NOSCRIPT. SCRIPT is
//! Redis', beyond upstream: clients load with it what they call by name.

use super::command::{Command, CommandError, Name, is};
use super::lua;
use super::resp::Reply;
use bytes::Bytes;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Scripts by their SHA-1.
#[derive(Default)]
pub struct Scripts(RefCell<BTreeMap<String, Bytes>>);

impl Scripts {
    /// The command to run: EVAL in place of EVALSHA, and its script is known from now on; all others as they are. `Err`: there is nothing
    /// to run, and this is the reply.
    pub fn prepared(&self, mut command: Command) -> Result<Command, Reply> {
        match command.name {
            Name::Eval => {
                self.keep(&command.args[1]);
                Ok(command)
            }
            Name::Evalsha => {
                let found = self.0.borrow().get(&digest(&command.args[1])).cloned();
                let Some(script) = found else {
                    return Err(error("NOSCRIPT No matching script. Please use EVAL."));
                };
                command.name = Name::Eval;
                command.args[1] = script;
                Ok(command)
            }
            Name::Script => Err(self.script(&command.args)),
            _ => Ok(command),
        }
    }

    /// `SCRIPT LOAD script`, `SCRIPT EXISTS sha1 …`, `SCRIPT FLUSH [ASYNC | SYNC]`
    fn script(&self, args: &[Bytes]) -> Reply {
        let unknown = || {
            let sub = String::from_utf8_lossy(&args[1]).into_owned();
            CommandError::Unknown("unknown subcommand", format!("'{sub}'. Try SCRIPT HELP."))
        };
        match &args[1..] {
            [sub, script] if is(sub, "LOAD") => match lua::check(script) {
                Ok(()) => Reply::Bulk(self.keep(script).into()),
                Err(error) => Reply::Error(error.to_string()),
            },
            [sub, names @ ..] if is(sub, "EXISTS") && !names.is_empty() => {
                let known = self.0.borrow();
                let one = |name| Reply::Integer(i64::from(known.contains_key(&digest(name))));
                Reply::Array(names.iter().map(one).collect())
            }
            [sub, how @ ..] if is(sub, "FLUSH") => match how {
                [] => self.flush(),
                [word] if is(word, "ASYNC") || is(word, "SYNC") => self.flush(),
                _ => error("ERR SCRIPT FLUSH only support SYNC|ASYNC option"),
            },
            [sub, ..] if is(sub, "LOAD") || is(sub, "EXISTS") => {
                let sub = String::from_utf8_lossy(sub).to_ascii_lowercase();
                Reply::Error(CommandError::Arity(format!("script|{sub}")).to_string())
            }
            _ => Reply::Error(unknown().to_string()),
        }
    }

    fn keep(&self, script: &Bytes) -> String {
        let digest = lua::digest(script);
        self.0.borrow_mut().entry(digest.clone()).or_insert_with(|| script.clone());
        digest
    }

    fn flush(&self) -> Reply {
        self.0.borrow_mut().clear();
        Reply::ok()
    }
}

/// A name in any case.
fn digest(name: &Bytes) -> String {
    String::from_utf8_lossy(name).to_ascii_lowercase()
}

fn error(text: &str) -> Reply {
    Reply::Error(text.to_owned())
}
