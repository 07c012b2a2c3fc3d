//! What goes wrong is told in one clear message that names node and step, with exit code 3; and nothing is left on hosts that
//! `heal` does not undo.

use crate::bench::{Bench, refused, said, until_it_listens, until_it_says};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

const QUICK: &str = "redis-append-calm --time 2s";

/// The bench's nodes file, changed.
fn nodes_file(bench: &Bench, change: impl Fn(String) -> String) -> PathBuf {
    fs::create_dir_all(&bench.store).expect("a folder");
    let file = bench.store.join("nodes");
    let text = fs::read_to_string(bench.testbed.nodes_file()).expect("it is there");
    fs::write(&file, change(text)).expect("written");
    file
}

/// A run on changed nodes, with the testbed's configuration of SSH.
fn on(bench: &Bench, change: impl Fn(String) -> String) -> Command {
    let mut command = bench.tool(&format!("run {QUICK}"));
    command.arg("--nodes").arg(nodes_file(bench, change));
    command.arg("--ssh-config").arg(bench.testbed.ssh_config());
    command
}

#[test]
fn hosts_that_cannot_be_had_are_refused_with_the_node_and_the_mend() {
    let Some(bench) = Bench::new("refused", 2) else { return };
    let first = bench.testbed.hosts()[0].address;
    let told = |mut command: Command| refused(&command.output().expect("the tool starts"));

    let wrong_key = bench.store.join("wrong_key");
    fs::create_dir_all(&bench.store).expect("a folder");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&wrong_key)
        .status();
    assert!(made.expect("it runs").success());
    // Its configuration would name the right one.
    let known_hosts = bench.testbed.known_hosts();
    let plain = bench.store.join("plain_config");
    fs::write(&plain, "").expect("written");
    let with = |key: &PathBuf, hosts: &PathBuf| {
        let mut command = bench.tool(&format!("run {QUICK}"));
        command.arg("--nodes").arg(bench.testbed.nodes_file()).arg("--ssh-config").arg(&plain);
        command.arg("--ssh-key").arg(key).arg("--known-hosts").arg(hosts);
        command
    };
    let error = told(with(&wrong_key, &known_hosts));
    assert!(
        error.contains("n1 (root@")
            && error.contains("it refuses the key")
            && error.contains("--ssh-key"),
        "{error}"
    );

    let nobody = bench.store.join("nobody");
    fs::write(&nobody, "").expect("written");
    let error = told(with(&bench.testbed.key(), &nobody));
    assert!(
        error.contains("n1 (root@") && error.contains("host key is not in known_hosts"),
        "{error}"
    );

    let other = fs::read_to_string(with_other_key(&bench)).expect("written");
    fs::write(&nobody, other).expect("written");
    let error = told(with(&bench.testbed.key(), &nobody));
    assert!(error.contains("its host key is another"), "{error}");

    let error = told(on(&bench, |text| text.replacen("root@", "tester@", 1)));
    assert!(error.contains("n1 (tester@") && error.contains("sudo -n` is refused"), "{error}");

    let error = told(on(&bench, |text| format!("{text}no-such-host.invalid\n")));
    assert!(
        error.contains("n3: the host name `no-such-host.invalid` cannot be resolved"),
        "{error}"
    );

    let error = told(on(&bench, |text| format!("{text}root@{first}:22\n")));
    assert!(error.contains("line 3: n1 and n3 are both"), "{error}");

    let error =
        told(on(&bench, |text| format!("{text}root@{first}:22 address={first} redis-port=6379\n")));
    assert!(error.contains("redis of n1 and redis of n3 are both port 6379"), "{error}");
    bench.is_clean();
}

/// A known_hosts file that has the second host's key for the first host.
fn with_other_key(bench: &Bench) -> PathBuf {
    let text = fs::read_to_string(bench.testbed.known_hosts()).expect("it is there");
    let (one, two) = (
        bench.testbed.hosts()[0].address.to_string(),
        bench.testbed.hosts()[1].address.to_string(),
    );
    let theirs = text.lines().find(|line| line.contains(&two)).expect("a key").replace(&two, &one);
    let file = bench.store.join("other_known_hosts");
    fs::write(&file, theirs + "\n").expect("written");
    file
}

#[test]
fn sudo_with_and_without_a_password_makes_root() {
    let Some(bench) = Bench::new("sudo", 1) else { return };
    let Some(password) = bench.testbed.sudo_password().expect("it can be read") else {
        println!("SKIP sudo on hosts: the testbed has none (apt-get install sudo)");
        return;
    };
    let run = |user: &str, password: bool| {
        let mut command = on(&bench, |text| text.replace("root@", &format!("{user}@")));
        if password {
            command.arg("--sudo-password-file").arg(bench.testbed.folder().join("sudo_password"));
        }
        command.output().expect("the tool starts")
    };
    let output = run("admin", false);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let error = refused(&run("pwadmin", false));
    assert!(error.contains("--sudo-password-file"), "{error}");
    let output = run("pwadmin", true);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let told = [said(&output), String::from_utf8_lossy(&output.stdout).into_owned()].concat();
    assert!(!told.contains(password.trim()), "the password is never shown");
}

#[test]
fn what_fails_on_a_host_is_told_with_the_node_and_the_step() {
    let Some(bench) = Bench::new("fails", 1) else { return };
    // Somebody else has the port.
    let listen = "nohup redis-server --port 6379 --bind 0.0.0.0 --protected-mode no --save '' > /dev/null 2>&1 & echo $!";
    if Command::new("redis-server").arg("--version").output().is_ok() {
        let other = bench.testbed.run_in("n1", "sh", &["-c", listen]).expect("it runs");
        let id = String::from_utf8_lossy(&other.stdout).trim().to_owned();
        until_it_listens(&bench, "n1", "6379");
        let error =
            refused(&bench.here(&format!("run {QUICK}")).output().expect("the tool starts"));
        assert!(
            error.contains("n1") && error.contains("6379") && error.contains("redis"),
            "{error}"
        );
        bench.testbed.run_in("n1", "kill", &["-9", &id]).expect("it is ended");
    }
    // A server that dies while it is set up.
    let file = bench.store.join("dies.toml");
    fs::create_dir_all(&bench.store).expect("a folder");
    let dies = "name = \"moth\"\nprogram = \"sh\"\nwords = [\"-c\", \"echo no wings; exit 7\"]\nready = \"resp\"\n[ports]\nredis = 6380\n";
    fs::write(&file, dies).expect("written");
    let mut run = bench.here(&format!("run {QUICK}"));
    let db = format!("template:{}", file.display());
    let run = run.arg("--db").arg(db).output().expect("the tool starts");
    let error = refused(&run);
    assert!(
        error.contains("n1: moth ended while it was set up, with 7; its log says: no wings"),
        "{error}"
    );
    assert!(said(&run).contains("try 2 of 3 failed"), "{}", said(&run));
    // A full disk: everything is below a small one.
    let fill = "dd if=/dev/zero of=/mnt/small/fill bs=1k count=15000 2> /dev/null; true";
    bench.testbed.run_in("n1", "sh", &["-c", fill]).expect("filled");
    let full = bench
        .here(&format!("run {QUICK} --remote-dir /mnt/small"))
        .output()
        .expect("the tool starts");
    let error = refused(&full);
    assert!(error.contains("n1") && error.contains("receive"), "{error}");
    assert!(error.contains("No space left"), "{error}");
    bench.is_clean();
}

#[test]
fn a_tool_that_was_killed_leaves_nothing_that_heal_does_not_undo_and_its_history_can_be_read() {
    let Some(bench) = Bench::new("killed", 3) else { return };
    let (mut run, told) =
        bench.begin("run redis-append --time 60s --faults partition,pause --interval 0.3-0.5");
    until_it_says(&mut run, &told, "  10.");
    kill(Pid::from_raw(run.id() as i32), Signal::SIGKILL).expect("it runs");
    run.wait().expect("it ended");
    assert_ne!(bench.leftovers("n1"), "", "there is something to heal");
    // The run's folder is enough to find its hosts again.
    let folder = bench.store.join("redis-append/0x1");
    assert!(folder.join("n1/undo").exists());
    let healed = bench.tool("heal").arg(&folder).output().expect("the tool starts");
    assert_eq!(healed.status.code(), Some(0), "{}", said(&healed));
    bench.is_clean();
    let check = Command::new(env!("CARGO_BIN_EXE_real-cluster"))
        .arg("check")
        .arg(bench.store.join("redis-append/0x1"))
        .output();
    let check = check.expect("the tool starts");
    let text = String::from_utf8_lossy(&check.stdout).into_owned();
    assert_eq!(check.status.code(), Some(2), "{text}{}", said(&check));
    assert!(text.contains("known only up to"), "{text}");
}

#[test]
fn ctrl_c_ends_a_run_with_a_verdict_and_all_logs_and_a_cut_link_is_survived() {
    let Some(bench) = Bench::new("stopped", 3) else { return };
    let (mut run, told) =
        bench.begin("run redis-append --time 60s --faults kill,partition --interval 1-2");
    until_it_says(&mut run, &told, "disturb:");
    // No command reaches the host for a moment, whichever is under way.
    bench.testbed.link("n2", false).expect("down");
    // The cut itself: longer than SSH takes to call a connection lost.
    std::thread::sleep(std::time::Duration::from_secs(6));
    bench.testbed.link("n2", true).expect("up");
    until_it_says(&mut run, &told, "  10.");
    kill(Pid::from_raw(run.id() as i32), Signal::SIGINT).expect("it runs");
    let status = run.wait().expect("it ended");
    let text = fs::read_to_string(&told).expect("it told");
    assert!(matches!(status.code(), Some(0 | 2)), "{status}: {text}");
    for node in 1..=3 {
        assert!(
            bench.store.join(format!("redis-append/0x1/n{node}/log.txt")).exists(),
            "the log of n{node}: {text}"
        );
    }
    bench.is_clean();
}

#[test]
fn a_link_that_is_cut_while_a_cluster_is_set_up_is_told_with_its_node() {
    let Some(bench) = Bench::new("cut", 3) else { return };
    fs::create_dir_all(&bench.store).expect("a folder");
    let file = bench.store.join("slow.toml");
    // It never serves, so that it is being set up when the link goes.
    let slow = "name = \"moth\"\nprogram = \"sleep\"\nwords = [\"1000\"]\nready = \"resp\"\n[ports]\nredis = 6380\n";
    fs::write(&file, slow).expect("written");
    let mut run = bench.here(&format!("run {QUICK}"));
    run.arg("--db").arg(format!("template:{}", file.display()));
    let (mut run, told) = bench.begin_command(run);
    until_it_says(&mut run, &told, "folder");
    let starts = "until [ -s /opt/real-cluster/n2/daemon/pid ]; do sleep 0.05; done";
    bench.on("n2", starts);
    bench.testbed.link("n2", false).expect("down");
    let status = run.wait().expect("it ends");
    bench.testbed.link("n2", true).expect("up");
    let text = fs::read_to_string(&told).expect("it told");
    assert_eq!(status.code(), Some(3), "{text}");
    let error = text.lines().filter(|line| line.starts_with("error: ")).collect::<Vec<_>>();
    assert!(error.len() == 1 && error[0].contains("setting up moth failed: n2 (root@"), "{text}");
    let healed = bench.here("heal").output().expect("the tool starts");
    assert_eq!(healed.status.code(), Some(0), "{}", said(&healed));
    bench.is_clean();
}
