//! Which part of a sweep this process runs: as somebody says, or as the engine says that started it.
//!
//! Promise: what is read from the environment is a shard or a sentence; two engines that disagree are never guessed between.
//! Cannot see: whether all other parts are run. `sweep merge` does.

use std::fmt;
use std::str::FromStr;

/// One of `of` parts, counted from 1. Written `2/4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    number: u64,
    of: u64,
}

impl Shard {
    /// All of it.
    pub const WHOLE: Shard = Shard { number: 1, of: 1 };

    /// Which part, from 1.
    pub fn number(self) -> u64 {
        self.number
    }

    /// How many parts there are.
    pub fn of(self) -> u64 {
        self.of
    }

    /// Reads `2/4`, `auto` (part and number of parts as the environment says) or `auto/4` (the part only).
    pub fn read(text: &str, env: impl Fn(&str) -> Option<String>) -> Result<Shard, String> {
        let of = match text.strip_prefix("auto") {
            None => return text.parse(),
            Some("") => None,
            Some(of) => {
                Some(of.strip_prefix('/').and_then(|of| of.parse().ok()).ok_or_else(|| {
                    format!("`{text}` is not a shard: from 1/4 to 4/4, `auto`, or `auto/4`")
                })?)
            }
        };
        found(&said(env)?, of)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Shard, String> {
        let shard = text.split_once('/').and_then(|(number, of)| {
            Some(Shard { number: number.parse().ok()?, of: of.parse().ok()? })
        });
        shard.filter(|shard| (1..=shard.of).contains(&shard.number)).ok_or_else(|| {
            format!("`{text}` is not a shard: a shard is a part and their number, from 1/4 to 4/4")
        })
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

/// What an engine calls the part, from which number on, and what it calls the number of parts.
struct Engine {
    part: &'static str,
    from: u64,
    parts: &'static str,
}

/// GitHub's matrices set nothing: a workflow sets `SHARD_INDEX` from `strategy.job-index`.
const ENGINES: &[Engine] = &[
    Engine { part: "JOB_COMPLETION_INDEX", from: 0, parts: "JOB_COMPLETIONS" },
    Engine { part: "CI_NODE_INDEX", from: 1, parts: "CI_NODE_TOTAL" },
    Engine { part: "BUILDKITE_PARALLEL_JOB", from: 0, parts: "BUILDKITE_PARALLEL_JOB_COUNT" },
    Engine { part: "CIRCLE_NODE_INDEX", from: 0, parts: "CIRCLE_NODE_TOTAL" },
    Engine { part: "SHARD_INDEX", from: 0, parts: "SHARD_TOTAL" },
];
const SLURM: &str = "SLURM_ARRAY_TASK_ID";

/// One engine's word: the part, from 1, and of how many, if it says so.
struct Said {
    by: &'static str,
    number: u64,
    of: Option<u64>,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = self.of.map_or("an unknown number".to_owned(), |of| of.to_string());
        write!(f, "{} says {}/{of}", self.by, self.number)
    }
}

fn said(env: impl Fn(&str) -> Option<String>) -> Result<Vec<Said>, String> {
    let number = |name: &str| -> Result<Option<u64>, String> {
        let Some(value) = env(name).filter(|value| !value.is_empty()) else { return Ok(None) };
        let number = value.parse().map(Some);
        number.map_err(|_| format!("`{value}` in {name} is not a whole number, such as 3"))
    };
    let mut all = Vec::new();
    if let Some(id) = number(SLURM)? {
        let value = |name: &str, otherwise| Ok::<_, String>(number(name)?.unwrap_or(otherwise));
        let first = value("SLURM_ARRAY_TASK_MIN", 0)?;
        let step = value("SLURM_ARRAY_TASK_STEP", 1)?.max(1);
        let of = number("SLURM_ARRAY_TASK_COUNT")?;
        let last = number("SLURM_ARRAY_TASK_MAX")?;
        let spans = last.and_then(|last| Some(last.checked_sub(first)? / step + 1));
        let even = id.checked_sub(first).filter(|far| far.is_multiple_of(step));
        let even = even.filter(|_| spans.is_none() || of.is_none() || spans == of);
        let far = even.ok_or_else(|| {
            format!("`{id}` in {SLURM} is of an array with gaps: use one such as 0-15 or 0-30:2")
        })?;
        all.push(Said { by: SLURM, number: (far / step).saturating_add(1), of });
    }
    for Engine { part, from, parts } in ENGINES {
        let Some(index) = number(part)? else { continue };
        let of = number(parts)?;
        let index = index.checked_sub(*from);
        let index = index.ok_or_else(|| format!("`0` in {part} is no part: it counts from 1"))?;
        all.push(Said { by: part, number: index.saturating_add(1), of });
    }
    Ok(all)
}

fn found(all: &[Said], asked: Option<u64>) -> Result<Shard, String> {
    let Some(first) = all.first() else {
        let names: Vec<&str> = ENGINES.iter().map(|engine| engine.part).collect();
        let names = names.join(", ");
        return Err(format!("`auto` knows no shard: none of {SLURM}, {names} is set"));
    };
    let mut of = asked;
    for said in all {
        if said.number != first.number
            || said.of.is_some_and(|theirs| of.is_some_and(|of| of != theirs))
        {
            let asked = asked.map(|of| format!(", `auto/{of}` was asked for")).unwrap_or_default();
            let all: Vec<String> = all.iter().map(Said::to_string).collect();
            return Err(format!("`auto` is not clear: {}{asked}; say --shard I/N", all.join(", ")));
        }
        of = of.or(said.of);
    }
    let Some(of) = of else {
        return Err(format!("{first} of parts: say how many there are, such as --shard auto/4"));
    };
    format!("{}/{of}", first.number).parse()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_reads_back_as_it_is_written_and_others_are_refused_with_a_sentence() {
        let shard: Shard = "2/4".parse().unwrap();
        assert_eq!(shard.to_string(), "2/4");
        for text in ["0/4", "5/4", "4", "a/b", "1/0", "/", "-1/4", "", "auto/", "auto/x", "autos"] {
            let sentence = Shard::read(text, |_| None).unwrap_err();
            assert!(sentence.contains("is not a shard"), "{sentence}");
        }
    }

    fn read(text: &str, set: &str) -> Result<String, String> {
        let set: Vec<(&str, &str)> =
            set.split(' ').filter_map(|pair| pair.split_once('=')).collect();
        let env = |name: &str| {
            set.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned())
        };
        Shard::read(text, env).map(|shard| shard.to_string())
    }

    #[test]
    fn the_environment_of_every_engine_says_which_shard_this_is() {
        for (text, set, shard) in [
            (
                "auto",
                "SLURM_ARRAY_TASK_ID=3 SLURM_ARRAY_TASK_MIN=0 SLURM_ARRAY_TASK_COUNT=16",
                "4/16",
            ),
            (
                "auto",
                "SLURM_ARRAY_TASK_ID=14 SLURM_ARRAY_TASK_MIN=10 SLURM_ARRAY_TASK_MAX=16 \
                 SLURM_ARRAY_TASK_STEP=2 SLURM_ARRAY_TASK_COUNT=4",
                "3/4",
            ),
            ("auto/8", "JOB_COMPLETION_INDEX=0", "1/8"),
            ("auto", "JOB_COMPLETION_INDEX=7 JOB_COMPLETIONS=8", "8/8"),
            ("auto", "CI_NODE_INDEX=1 CI_NODE_TOTAL=5", "1/5"),
            ("auto", "BUILDKITE_PARALLEL_JOB=2 BUILDKITE_PARALLEL_JOB_COUNT=3", "3/3"),
            ("auto", "CIRCLE_NODE_INDEX=0 CIRCLE_NODE_TOTAL=1", "1/1"),
            ("auto", "SHARD_INDEX=3 SHARD_TOTAL=4", "4/4"),
            ("auto", "SHARD_INDEX=3 SHARD_TOTAL=4 JOB_COMPLETION_INDEX=3", "4/4"),
            ("auto", "SHARD_INDEX=3 SHARD_TOTAL=4 CI_NODE_INDEX= CI_NODE_TOTAL=1", "4/4"),
            ("auto/4", "SHARD_INDEX=3 SHARD_TOTAL=4", "4/4"),
            ("2/4", "SHARD_INDEX=3 SHARD_TOTAL=4", "2/4"),
        ] {
            assert_eq!(read(text, set).as_deref(), Ok(shard), "{text} with {set}");
        }
    }

    #[test]
    fn an_environment_that_is_not_clear_is_refused_with_a_sentence() {
        for (text, set, right) in [
            ("auto", "", "none of SLURM_ARRAY_TASK_ID, JOB_COMPLETION_INDEX"),
            ("auto", "CI_NODE_TOTAL=4", "none of"),
            ("auto", "JOB_COMPLETION_INDEX=2", "--shard auto/4"),
            ("auto", "SHARD_INDEX=3 SHARD_TOTAL=4 CI_NODE_INDEX=3 CI_NODE_TOTAL=4", "not clear"),
            (
                "auto",
                "SHARD_INDEX=2 SHARD_TOTAL=4 CI_NODE_INDEX=3 CI_NODE_TOTAL=5",
                "CI_NODE_INDEX says 3/5",
            ),
            ("auto/8", "SHARD_INDEX=3 SHARD_TOTAL=4", "`auto/8` was asked for"),
            ("auto/2", "JOB_COMPLETION_INDEX=2", "`3/2` is not a shard"),
            ("auto", "SHARD_INDEX=many SHARD_TOTAL=4", "`many` in SHARD_INDEX"),
            ("auto", "CI_NODE_INDEX=0 CI_NODE_TOTAL=4", "counts from 1"),
            (
                "auto",
                "SLURM_ARRAY_TASK_ID=5 SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_MAX=7 SLURM_ARRAY_TASK_COUNT=3",
                "array with gaps",
            ),
        ] {
            let sentence = read(text, set).unwrap_err();
            assert!(
                sentence.contains(right) && sentence.contains('`') || sentence.contains("says"),
                "{sentence}"
            );
            assert!(sentence.contains(right), "{sentence}");
        }
    }
}
