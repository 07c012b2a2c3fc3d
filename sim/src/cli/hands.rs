//! The processes that run a sweep's seeds, from the side of who hands the seeds out.
//!
//! Promises: a seed gets a record whatever becomes of the process that ran it. A process that ends in the middle of a run is
//! replaced and the run begun again, once: what ends two processes is an error of that seed. A run that does not come to
//! an end is ended. What is not valid was run twice, the second time in a process of its own, before anybody hears of it.
//! What has nothing to do with a seed, such as a full disk, is no seed's error: it ends the sweep, which can go on later.

use super::confirm;
use super::program;
use super::worker::Line;
use harness::cli::output::note;
use harness::record::{Ending, Record};
use harness::seed::Seed;
use sim::execute::Case;
use sim::record;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// A process is replaced after so many runs, so that nothing adds up in it.
const RUNS_MAX: u32 = 200;
/// So many processes may end in the middle of one run.
const ATTEMPTS: u32 = 2;

/// Far more than any answer has: what is longer is something else.
const ANSWER_MAX: u64 = 16 << 20;
/// So much of something else is told, in characters.
const TOLD_MAX: usize = 200;

/// What all processes of a sweep have in common.
pub struct Orders {
    /// Everything but the seed.
    pub case: Case,
    /// How long one run may take, by the machine's clock.
    pub limit: Duration,
    /// Where the folders of what is not valid are made.
    pub drafts: PathBuf,
}

/// One process after another.
pub struct Hand<'a> {
    orders: &'a Orders,
    process: Option<Process>,
}

impl Hand<'_> {
    /// No process yet.
    pub fn new(orders: &Orders) -> Hand<'_> {
        Hand { orders, process: None }
    }

    /// Runs a seed. What is not valid is confirmed and has a folder among the drafts. `Err` is a sentence that says why no
    /// seed can be run or kept now.
    pub fn run(&mut self, seed: Seed) -> Result<Record, String> {
        let case = Case { seed, ..self.orders.case.clone() };
        let record = match self.answer(seed, false) {
            Ok(record) => record,
            Err(Nothing::OfTheRun(sentence)) => return Ok(record::error(&case, sentence)),
            Err(Nothing::OfAny(sentence)) => return Err(sentence),
        };
        match record.verdict {
            Ending::Valid => Ok(record),
            Ending::Error => {
                self.process = None;
                Ok(record)
            }
            Ending::Invalid | Ending::Unknown => self.confirmed(&case, &record),
        }
    }

    fn confirmed(&self, case: &Case, record: &Record) -> Result<Record, String> {
        Ok(match Hand::new(self.orders).answer(case.seed, true) {
            Ok(again) if again.verdict == Ending::Error => {
                record::error(case, confirm::failed(&again.reasons.join("; ")))
            }
            Ok(again) => match record::difference(case, record, &again) {
                None => Record { cpu_ms: record.cpu_ms, ..again },
                Some(sentence) => Record { folder: again.folder, ..record::error(case, sentence) },
            },
            Err(Nothing::OfTheRun(why)) => record::error(case, confirm::failed(&why)),
            Err(Nothing::OfAny(sentence)) => return Err(sentence),
        })
    }

    /// What a process says of this seed.
    fn answer(&mut self, seed: Seed, keep: bool) -> Result<Record, Nothing> {
        let mut ended = Vec::new();
        for _ in 0..ATTEMPTS {
            let mut process = match self.process.take() {
                Some(process) if process.runs < RUNS_MAX => process,
                _ => Process::start(self.orders, keep).map_err(|error| {
                    Nothing::OfAny(format!("no process could be started to run seeds: {error:#}"))
                })?,
            };
            match process.answer(seed, self.orders.limit) {
                Answer::Record(record) => {
                    self.process = Some(process);
                    return Ok(*record);
                }
                Answer::Late => {
                    let limit = self.orders.limit.as_secs_f64();
                    let sentence = format!("the run did not come to its end within {limit} s");
                    return Err(Nothing::OfTheRun(sentence));
                }
                Answer::Unkept(why) => {
                    return Err(Nothing::OfAny(format!(
                        "the run of seed {seed} could not be kept: {why}: once it can be, --resume goes on"
                    )));
                }
                Answer::Ended(how) => {
                    note(format_args!("the process that ran seed {seed} ended: {how}"));
                    ended.push(how);
                }
            }
        }
        let ended = ended.join(", then ");
        let sentence = format!("{ATTEMPTS} processes ended while they ran it: {ended}");
        Err(Nothing::OfTheRun(sentence))
    }
}

/// There is no record, and a sentence says why.
enum Nothing {
    /// Of this run; others may have theirs.
    OfTheRun(String),
    /// The machine does not let any run have one.
    OfAny(String),
}

enum Answer {
    Record(Box<Record>),
    /// The run is over, and there was no place for its folder.
    Unkept(String),
    /// It was ended.
    Late,
    /// It ended by itself, or by somebody else's hand.
    Ended(String),
}

struct Process {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    runs: u32,
}

impl Process {
    fn start(orders: &Orders, keep: bool) -> anyhow::Result<Process> {
        let case = &orders.case;
        let mut command = program::again()?;
        command.arg("worker").arg(case.test.name).args(case.extra_words());
        command.args(case.options.replay_args(&case.base()));
        if keep {
            // One word, so that a directory may be called `-x`.
            let mut keep = OsString::from("--keep=");
            keep.push(&orders.drafts);
            command.arg(keep);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            anyhow::bail!("the process has no standard input or output");
        };
        Ok(Process { child, stdin, stdout: BufReader::new(stdout), runs: 0 })
    }

    fn answer(&mut self, seed: Seed, limit: Duration) -> Answer {
        self.runs += 1;
        // A process that is gone is seen by what it does not answer.
        let _ = writeln!(self.stdin, "{seed}");
        let mut line = Vec::new();
        let (child, stdout) = (&mut self.child, &mut self.stdout);
        let (done, over) = mpsc::channel::<()>();
        let late = std::thread::scope(|scope| {
            let watch = scope.spawn(move || {
                let late = over.recv_timeout(limit) == Err(RecvTimeoutError::Timeout);
                if late {
                    let _ = child.kill();
                }
                late
            });
            let _ = stdout.by_ref().take(ANSWER_MAX).read_until(b'\n', &mut line);
            drop(done);
            watch.join().unwrap_or(false)
        });
        match serde_json::from_slice(&line) {
            _ if late => Answer::Late,
            Ok(Line::Run(record)) if record.seed == seed.to_string() => Answer::Record(record),
            Ok(Line::Unkept(why)) => Answer::Unkept(why),
            _ => Answer::Ended(self.end(&line)),
        }
    }

    /// How it ended; it is made to if it did not.
    fn end(&mut self, said: &[u8]) -> String {
        // Of one that ended by itself this changes nothing: how it ended is settled when its output is closed.
        let _ = self.child.kill();
        if !said.is_empty() {
            let said: String = String::from_utf8_lossy(said).chars().take(TOLD_MAX).collect();
            return format!("it answered `{}`, which is no record of the seed", said.trim_end());
        }
        match self.child.wait() {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has told all that it knows.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
