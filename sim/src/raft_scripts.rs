//! etcd's interaction scripts against our Raft: whether it is the same Raft, message by message.
//!
//! A script is a row of commands with what etcd's own implementation printed for each (`rafttest/testdata` and
//! `quorum/testdata` of `go.etcd.io/raft`). Here every command is carried out on [`elastickv::raft`], and what it
//! would print is compared: every `Ready` with its soft state, hard state, entries and messages, every message
//! received, answers of the storage threads, logs, progress and configurations.
//!
//! Not compared: the prose of log lines, but for the one that tells a new configuration; and the drawing of a
//! quorum, of which the result counts. One difference is bridged: a conf change that etcd replaces by an empty
//! entry is refused by ours ([`Raft::propose_conf_change`](elastickv::raft::Raft::propose_conf_change)), and the
//! runner proposes the empty entry, so that what follows can be compared.

mod deliveries;
mod describe;
mod group;
mod node;
mod quorums;
mod script;
mod words;

use self::group::Group;
use self::script::Command;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What came of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Played {
    /// Commands that printed what they should.
    pub commands: usize,
    /// How it ended.
    pub ending: Ending,
}

/// How a script ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Every command printed what it should.
    Same,
    /// A command printed something else. What follows would only be its consequence.
    Differs(Difference),
    /// A command needs what our Raft leaves out, as Elastickv does: where, and what.
    NotApplicable(Stuck),
}

/// A command after which our Raft is not where etcd's is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where the command stands in the file, from 1.
    pub line: usize,
    /// The command.
    pub command: String,
    /// What etcd's printed, less what is not compared.
    pub expected: String,
    /// What ours printed.
    pub printed: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.command)?;
        let (expected, printed): (Vec<&str>, Vec<&str>) =
            (self.expected.lines().collect(), self.printed.lines().collect());
        let same = expected.iter().zip(&printed).take_while(|(a, b)| a == b).count();
        for line in &expected[same.saturating_sub(3)..same] {
            write!(f, "\n    {line}")?;
        }
        for line in &expected[same..] {
            write!(f, "\n  - {line}")?;
        }
        for line in &printed[same..] {
            write!(f, "\n  + {line}")?;
        }
        Ok(())
    }
}

/// Why a script cannot be played any further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// Where, from 1.
    pub line: usize,
    /// What is wrong there.
    pub what: String,
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for Stuck {}

/// Plays a script up to its end, its first difference or the first command that our Raft does not have. An
/// error: the file is no script.
pub fn play(text: &str) -> Result<Played, Stuck> {
    let mut group = Group::default();
    let mut commands = 0;
    for command in script::parse(text)? {
        let printed = match quorums::print(&command) {
            Some(printed) => printed.map_err(Refusal::Wrong),
            None => group.carry_out(&command),
        };
        let stuck = |what| Stuck { line: command.line, what };
        let printed = match printed {
            Ok(printed) => compared(&printed),
            Err(Refusal::Wrong(what)) => return Err(stuck(what)),
            Err(Refusal::LeftOut(what)) => {
                return Ok(Played { commands, ending: Ending::NotApplicable(stuck(what)) });
            }
        };
        let expected = compared(&command.expected);
        if expected != printed {
            let Command { line, text, .. } = command;
            let difference = Difference { line, command: text, expected, printed };
            return Ok(Played { commands, ending: Ending::Differs(difference) });
        }
        commands += 1;
    }
    Ok(Played { commands, ending: Ending::Same })
}

/// Why a command is not carried out.
enum Refusal {
    /// It makes no sense.
    Wrong(String),
    /// It makes sense to etcd.
    LeftOut(String),
}

impl From<String> for Refusal {
    fn from(what: String) -> Refusal {
        Refusal::Wrong(what)
    }
}

impl From<&str> for Refusal {
    fn from(what: &str) -> Refusal {
        Refusal::Wrong(what.to_owned())
    }
}

/// The lines that count.
fn compared(text: &str) -> String {
    const LEVELS: [&str; 5] = ["DEBUG ", "INFO ", "WARN ", "ERROR ", "FATAL "];
    let counts = |line: &&str| {
        let line = line.trim_start();
        let logged = LEVELS.iter().any(|level| line.starts_with(level));
        (!logged || line.contains(" switched to configuration ")) && !quorums::is_drawing(line)
    };
    let lines = text.lines().filter(counts);
    let lines: Vec<&str> = lines.map(|line| quorums::without_drawing(line).trim_end()).collect();
    match lines.is_empty() {
        true => "ok".to_owned(),
        false => lines.join("\n"),
    }
}

/// The scripts of a folder and of the folders in it, or the one file, in the order of their names.
pub fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "txt") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ELECTION: &str = "\
add-nodes 1 voters=(1) index=3
----
INFO 1 switched to configuration voters=(1)
INFO 1 became follower at term 0

campaign 1
----
INFO 1 is starting a new election at term 0

process-ready 1
----
Ready MustSync=true:
Lead:0 State:StateCandidate
HardState Term:1 Vote:1 Commit:3
";

    fn difference(text: &str) -> Difference {
        match play(text).unwrap().ending {
            Ending::Differs(difference) => difference,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn script_of_a_lone_voter_is_played_to_its_end() {
        assert_eq!(play(ELECTION), Ok(Played { commands: 3, ending: Ending::Same }));
    }

    #[test]
    fn first_difference_is_told_with_its_line_and_what_was_printed() {
        let differs = difference(&ELECTION.replace("Vote:1", "Vote:2"));
        assert_eq!((differs.line, differs.command.as_str()), (10, "process-ready 1"));
        let told = differs.to_string();
        assert!(told.contains("\n  - HardState Term:1 Vote:2 Commit:3"), "{told}");
        assert!(told.contains("\n  + HardState Term:1 Vote:1 Commit:3"), "{told}");
    }

    #[test]
    fn another_configuration_is_a_difference_although_it_is_logged() {
        let differs = difference(&ELECTION.replace("voters=(1)\nINFO", "voters=(1 2)\nINFO"));
        assert_eq!(differs.line, 1);
    }

    #[test]
    fn proposal_that_etcd_would_forward_ends_the_script() {
        let script = "\
log-level none
----
ok

add-nodes 2 voters=(1,2) index=3
----
ok

campaign 1
----
ok

stabilize
----
ok

propose 2 foo
----
ok
";
        let Ok(Played { commands: 4, ending: Ending::NotApplicable(stuck) }) = play(script) else {
            panic!("{:?}", play(script));
        };
        assert_eq!(stuck.line, 17);
        assert!(stuck.what.contains("forwards"), "{stuck}");
    }

    #[test]
    fn what_is_no_script_is_told_with_its_line() {
        let cases = [
            ("campaign 1\n", "line 1: `campaign 1` has no line `----` with what it should print"),
            ("campaign\n----\nok\n", "line 1: campaign wants the id of a node"),
            ("campaign x\n----\nok\n", "line 1: `x` is no id of a node: the ids are 1 to 0"),
            ("campaign 1\n----\nok\n", "line 1: `1` is no id of a node: the ids are 1 to 0"),
            ("dance\n----\nok\n", "line 1: there is no command `dance`"),
            (
                "add-nodes 1 voters=(1) index=1\n----\nok\n",
                "line 1: add-nodes wants index=2 or more for nodes that have a configuration",
            ),
            (
                "# of five\n\nvote cfg=(1) votes=(x)\n----\nok\n",
                "line 3: `x` is no vote: it is y, n or _",
            ),
        ];
        for (text, told) in cases {
            assert_eq!(play(text).unwrap_err().to_string(), told);
        }
    }
}
