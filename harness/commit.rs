//! The build script of both programs: tells a binary which commit it was built from. A seed holds for the exact build, so a
//! report names that and not what the sources have become since.

use std::path::Path;
use std::process::Command;

fn main() {
    let sources = [
        "src",
        "../harness/commit.rs",
        "../harness/src",
        "../sim/elastickv/src",
        "../Cargo.lock",
        "../.git/HEAD",
        // Written by what moves to another commit. The index is not: `describe --dirty` writes it, and each build would cause the next.
        "../.git/logs/HEAD",
    ];
    // Cargo takes a path that is not there for one that changed.
    for source in sources.into_iter().filter(|source| Path::new(source).exists()) {
        println!("cargo::rerun-if-changed={source}");
    }
    let mut git = Command::new("git");
    git.args(["describe", "--always", "--dirty", "--exclude=*"]);
    let answer = git.output().ok().filter(|answer| answer.status.success());
    let commit = answer.and_then(|answer| String::from_utf8(answer.stdout).ok());
    println!("cargo::rustc-env=COMMIT={}", commit.as_deref().map_or("", str::trim));
}
