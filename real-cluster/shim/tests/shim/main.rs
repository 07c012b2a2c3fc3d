//! Programs under the shim: C and Go without a dynamic linker, Rust, Debian's Redis. This binary is the shim too, and the program
//! in Rust, by the name under which it is started.
//!
//! What cannot be tested here is told with `SKIP`; with `TIME_SHIM_REQUIRED=1` it is a failure.

mod clocks;
mod host;
mod programs;
mod redis;
mod supervision;

use libtest_mimic::{Arguments, Trial};
use programs::Reader;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let name = std::env::args_os().next().unwrap_or_default();
    let name = Path::new(&name).file_name().unwrap_or_default();
    if name == time_shim::NAME {
        return time_shim::main(std::env::args_os());
    }
    if name == programs::RUST {
        return programs::main();
    }
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials());
    programs::remove();
    conclusion.exit_code()
}

fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for reader in Reader::ALL {
        for (name, story) in clocks::STORIES {
            trials.push(trial(format!("{name}: {}", reader.name()), move || {
                story(&reader.built()?);
                Ok(())
            }));
        }
    }
    for (name, story) in supervision::STORIES.iter().chain(redis::STORIES) {
        trials.push(trial((*name).to_owned(), story));
    }
    trials
}

/// A test that may say why it cannot be one here.
fn trial(name: String, story: impl FnOnce() -> Result<(), String> + Send + 'static) -> Trial {
    let told = name.clone();
    Trial::test(name, move || match time_shim::supported().and_then(|()| story()) {
        Ok(()) => Ok(()),
        Err(reason) if std::env::var_os("TIME_SHIM_REQUIRED").is_some_and(|word| word == "1") => {
            Err(reason.into())
        }
        Err(reason) => {
            println!("SKIP {told}: {reason}");
            Ok(())
        }
    })
}
