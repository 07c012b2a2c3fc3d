//! The processes that run a sweep's seeds, from the side of who hands the seeds out.
//!
//! Promises: a seed gets a record whatever becomes of the process that ran it. A process that ends in the middle of a run is
//! replaced and the run begun again, once: what ends two processes is an error of that seed. A run that does not come to
//! an end is ended. What is not valid was run twice, the second time in a process of its own, before anybody hears of it.

use super::confirm;
use super::program;
use harness::cli::output::note;
use harness::record::{Ending, Record};
use harness::seed::Seed;
use sim::execute::Case;
use sim::record;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// A process is replaced after so many runs, so that nothing adds up in it.
const RUNS_MAX: u32 = 200;
/// So many processes may end in the middle of one run.
const ATTEMPTS: u32 = 2;

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

    /// Runs a seed. What is not valid is confirmed and has a folder among the drafts.
    pub fn run(&mut self, seed: Seed) -> Record {
        let case = Case { seed, ..self.orders.case.clone() };
        let record = match self.answer(seed, false) {
            Ok(record) => record,
            Err(sentence) => return record::error(&case, sentence),
        };
        match record.verdict {
            Ending::Valid => record,
            Ending::Error => {
                self.process = None;
                record
            }
            Ending::Invalid | Ending::Unknown => self.confirmed(&case, &record),
        }
    }

    fn confirmed(&self, case: &Case, record: &Record) -> Record {
        match Hand::new(self.orders).answer(case.seed, true) {
            Ok(again) if again.verdict == Ending::Error => {
                record::error(case, confirm::failed(&again.reasons.join("; ")))
            }
            Ok(again) => match confirm::difference(case, record, &again) {
                None => Record { cpu_ms: record.cpu_ms, ..again },
                Some(sentence) => Record { folder: again.folder, ..record::error(case, sentence) },
            },
            Err(why) => record::error(case, confirm::failed(&why)),
        }
    }

    /// What a process says of this seed; a sentence if none does.
    fn answer(&mut self, seed: Seed, keep: bool) -> Result<Record, String> {
        let mut ended = Vec::new();
        for _ in 0..ATTEMPTS {
            let mut process = match self.process.take() {
                Some(process) if process.runs < RUNS_MAX => process,
                _ => Process::start(self.orders, keep).map_err(|error| error.to_string())?,
            };
            match process.answer(seed, self.orders.limit) {
                Answer::Record(record) => {
                    self.process = Some(process);
                    return Ok(*record);
                }
                Answer::Late => {
                    let limit = self.orders.limit.as_secs_f64();
                    return Err(format!("the run did not come to its end within {limit} s"));
                }
                Answer::Ended(how) => {
                    note(format_args!("the process that ran seed {seed} ended: {how}"));
                    ended.push(how);
                }
            }
        }
        Err(format!("{ATTEMPTS} processes ended while they ran it: {}", ended.join(", then ")))
    }
}

enum Answer {
    Record(Box<Record>),
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
            command.arg("--keep").arg(&orders.drafts);
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
        let mut line = String::new();
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
            let _ = stdout.read_line(&mut line);
            drop(done);
            watch.join().unwrap_or(false)
        });
        match serde_json::from_str(&line) {
            Ok(record) if !late => Answer::Record(Box::new(record)),
            _ if late => Answer::Late,
            _ => Answer::Ended(self.end(&line)),
        }
    }

    /// How it ended; it is made to if it did not.
    fn end(&mut self, said: &str) -> String {
        if !said.is_empty() {
            let _ = self.child.kill();
            return format!("it answered `{}`, which is no record", said.trim_end());
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
