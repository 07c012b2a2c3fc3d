//! Tells the binary which commit it was built from: a seed holds for the exact build, so a report names that and not what the
//! sources have become since.

use std::process::Command;

fn main() {
    for source in [
        "build.rs",
        "src",
        "elastickv/src",
        "../harness/src",
        "../Cargo.lock",
        "../.git/HEAD",
        "../.git/index",
    ] {
        println!("cargo::rerun-if-changed={source}");
    }
    let mut git = Command::new("git");
    git.args(["describe", "--always", "--dirty", "--exclude=*"]);
    let answer = git.output().ok().filter(|answer| answer.status.success());
    let commit = answer.and_then(|answer| String::from_utf8(answer.stdout).ok());
    println!("cargo::rustc-env=SIM_COMMIT={}", commit.as_deref().map_or("", str::trim));
}
