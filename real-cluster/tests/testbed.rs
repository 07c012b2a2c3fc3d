//! The testbed: what its hosts share and what not, what a reboot and a lost power leave of them, and that nothing is left in the end.

use real_cluster::testbed::{Boot, Testbed, missing};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Long enough for what should happen, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);
/// As `reboot` does it on a machine. Only where the first process is a host's sshd: elsewhere it would be the machine that reboots.
const REBOOT: &str = "read -r name < /proc/1/comm; [ \"$name\" = sshd ] || exit 1
    exec perl -e 'syscall(shift, 0xfee1dead, 672274793, 0x1234567, 0)' \"$1\"";
/// The kernel's number of reboot(2).
const SYS_REBOOT: &str = if cfg!(target_arch = "x86_64") { "169" } else { "142" };

/// Whether this machine can have a testbed. Where TESTBED_REQUIRED is set it must.
fn possible(test: &str) -> bool {
    let Err(why) = missing() else { return true };
    assert!(std::env::var_os("TESTBED_REQUIRED").is_none(), "{test}: {why}");
    println!("SKIP {test}: {why}");
    false
}

/// A testbed of a test's own, removed in the end also when the test fails.
struct Own(Testbed);

impl Own {
    fn up(test: &str, hosts: u8) -> Own {
        let up = Testbed::up(&name(test), hosts);
        Own(up.unwrap_or_else(|error| panic!("{error:#}")))
    }
}

impl std::ops::Deref for Own {
    type Target = Testbed;
    fn deref(&self) -> &Testbed {
        &self.0
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if let Err(error) = Testbed::down(self.0.name()) {
            eprintln!("{error:#}");
        }
    }
}

/// A name that no user's testbed has and no other run of these tests.
fn name(test: &str) -> String {
    format!("{test}-test-{}", std::process::id())
}

fn ssh(testbed: &Testbed, to: &str, command: &str) -> Output {
    let mut ssh = Command::new("ssh");
    ssh.arg("-F").arg(testbed.ssh_config()).args([to, command]).stdin(Stdio::null());
    ssh.output().expect("ssh is installed")
}

/// What a command that succeeds writes.
fn told(testbed: &Testbed, to: &str, command: &str) -> String {
    let output = ssh(testbed, to, command);
    assert!(output.status.success(), "{to}: {command}: {output:?}");
    String::from_utf8(output.stdout).expect("it is text").trim().to_owned()
}

fn boot(testbed: &Testbed, host: usize) -> Option<Boot> {
    testbed.status().expect("it can be seen")[host - 1].boot
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let limit = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < limit, "{what}: not within {PATIENCE:?}");
        // Between two looks.
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn tool(words: &[&str]) -> Command {
    let mut tool = Command::new(env!("CARGO_BIN_EXE_real-cluster"));
    tool.arg("testbed").args(words).stdin(Stdio::null());
    tool
}

/// Processes and mounts of the machine that have to do with this folder, and the folder.
fn remains(folder: &Path) -> Vec<String> {
    let name = folder.display().to_string();
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("this is Linux");
    let mut remains: Vec<String> =
        mounts.lines().filter(|line| line.contains(&name)).map(str::to_owned).collect();
    for entry in fs::read_dir("/proc").expect("this is Linux").flatten() {
        let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).replace('\0', " ");
        if words.contains(&name) {
            remains.push(words);
        }
    }
    remains.extend(folder.exists().then_some(name));
    remains
}

fn has_link(link: &str) -> bool {
    Path::new("/sys/class/net").join(link).exists()
}

/// The name of this machine's interface to a testbed.
fn link_of(testbed: &Testbed) -> String {
    format!("rct{}", testbed.control_address().octets()[2])
}

#[test]
fn hosts_come_up_and_stay_what_they_are_when_asked_for_again() {
    if !possible("hosts come up") {
        return;
    }
    let begun = Instant::now();
    let testbed = Own::up("up", 5);
    assert!(begun.elapsed() < Duration::from_secs(20), "up took {:?}", begun.elapsed());
    let boots: Vec<_> = (1..=5).map(|host| boot(&testbed, host).map(|b| b.process)).collect();
    let again = Testbed::up(testbed.name(), 5).expect("it is whole");
    let still: Vec<_> = (1..=5).map(|host| boot(&again, host).map(|b| b.process)).collect();
    assert_eq!(boots, still, "nothing was changed");
    let other = Testbed::up(testbed.name(), 3).expect_err("it has five");
    assert!(format!("{other:#}").contains("has 5 hosts, not 3: take it `down` first"), "{other:#}");

    let mode = |file: &Path| fs::metadata(file).expect("it is there").permissions().mode() & 0o777;
    assert_eq!([mode(testbed.folder()), mode(&testbed.key())], [0o700, 0o600]);
    let nodes = fs::read_to_string(testbed.nodes_file()).expect("it is there");
    let lines: Vec<&str> = nodes.lines().collect();
    let hosts = testbed.hosts().iter().map(|host| format!("root@{}:22", host.address));
    assert_eq!(lines, hosts.collect::<Vec<_>>());
}

#[test]
fn each_account_logs_in_with_the_rights_that_its_name_says() {
    if !possible("accounts") {
        return;
    }
    let testbed = Own::up("accounts", 1);
    for user in testbed.accounts() {
        assert_eq!(told(&testbed, &format!("{user}@n1"), "whoami"), *user);
    }
    assert!(!ssh(&testbed, "tester@n1", "sudo -n id -u").status.success());
    let Some(password) = testbed.sudo_password().expect("it can be read") else {
        println!("SKIP accounts with sudo: {}", testbed.left_out().expect("it says why"));
        return;
    };
    assert_eq!(told(&testbed, "admin@n1", "sudo -n id -u"), "0");
    assert!(!ssh(&testbed, "pwadmin@n1", "sudo -n id -u").status.success());
    let asked = |user: &str, password: &str| {
        ssh(&testbed, user, &format!("echo {password} | sudo -S -p '' id -u")).status.success()
    };
    assert!(asked("pwadmin@n1", &password));
    assert!(!asked("pwadmin@n1", "wrong") && !asked("tester@n1", &password));
}

#[test]
fn hosts_share_neither_names_nor_processes_nor_files() {
    if !possible("hosts share nothing") {
        return;
    }
    let testbed = Own::up("apart", 2);
    assert_eq!(told(&testbed, "n1", "hostname"), "n1");
    assert_eq!(told(&testbed, &format!("{}", testbed.hosts()[1].address), "hostname"), "n2");
    let [n1, n2] = testbed.hosts() else { panic!("there are two") };
    assert!(told(&testbed, "n1", "getent hosts n2").starts_with(&n2.address.to_string()));
    assert!(told(&testbed, "n2", &format!("getent hosts {}", n1.address)).ends_with("n1"));
    let control = testbed.control_address().to_string();
    assert!(told(&testbed, "n2", "getent hosts control").starts_with(&control));

    for host in ["n1", "n2"] {
        told(&testbed, host, "setsid sleep 1000 > /dev/null 2>&1 < /dev/null & echo");
    }
    told(&testbed, "n1", "pkill -x sleep");
    assert!(!ssh(&testbed, "n1", "pgrep -x sleep").status.success());
    told(&testbed, "n2", "pgrep -x sleep");

    let file = format!("/opt/{}", testbed.name());
    told(&testbed, "n1", &format!("touch {file}"));
    assert!(
        !Path::new(&file).exists()
            && !ssh(&testbed, "n2", &format!("test -e {file}")).status.success()
    );
    assert_eq!(told(&testbed, "n1", "ls -A ~"), ".ssh", "root's home is clean");
    assert!(
        !ssh(&testbed, "n1", "dd if=/dev/zero of=/mnt/small/file bs=1M count=20").status.success()
    );
}

#[test]
fn no_host_can_move_the_machines_clock_or_pull_its_emergency_brake() {
    if !possible("guards") {
        return;
    }
    let testbed = Own::up("guards", 1);
    // CAP_SYS_TIME is the 25th.
    let effective = told(&testbed, "n1", "grep CapEff /proc/self/status");
    let bits = effective.rsplit('\t').next().expect("a number");
    assert_eq!(u64::from_str_radix(bits, 16).expect("hex") & (1 << 25), 0, "{effective}");
    if Path::new("/proc/sysrq-trigger").exists() {
        assert_eq!(told(&testbed, "n1", "stat -c %t:%T /proc/sysrq-trigger"), "1:3", "/dev/null");
    }
}

#[test]
fn a_host_that_reboots_comes_back_with_its_disk_alone() {
    if !possible("reboot") {
        return;
    }
    let testbed = Own::up("reboot", 2);
    let before = boot(&testbed, 1).expect("it is up");
    let other = boot(&testbed, 2).expect("it is up");
    told(&testbed, "n1", "touch /run/gone /tmp/gone; echo kept > /opt/kept; sync");
    told(
        &testbed,
        "n1",
        "nft add table inet gone; tc qdisc add dev eth0 root tbf rate 1mbit burst 32kbit latency 400ms",
    );
    assert_eq!(testbed.status().expect("it can be seen")[0].firewall, ["inet gone"]);

    let _ =
        testbed.run_in("n1", "sh", &["-c", REBOOT, "sh", SYS_REBOOT]).expect("it can be entered");
    let is_back =
        || boot(&testbed, 1).is_some_and(|boot| boot.started_ticks != before.started_ticks);
    until("a second life", || is_back() && ssh(&testbed, "n1", "true").status.success());

    assert_eq!(told(&testbed, "n1", "ls /tmp; ls -d /run/gone 2>/dev/null || echo no"), "no");
    assert_eq!(told(&testbed, "n1", "cat /opt/kept"), "kept");
    assert_eq!(told(&testbed, "n1", "nft list ruleset"), "");
    assert!(!told(&testbed, "n1", "tc qdisc show dev eth0").contains("tbf"));
    let other_now = boot(&testbed, 2).expect("it is up");
    assert_eq!(other.started_ticks, other_now.started_ticks, "n2 had no part in it");
}

#[test]
fn a_host_without_power_stays_down_until_it_has_power_again() {
    if !possible("power") {
        return;
    }
    let testbed = Own::up("power", 2);
    told(&testbed, "n2", "echo kept > /opt/kept");
    testbed.power_off("n2").expect("it has power");
    assert_eq!(boot(&testbed, 2), None);
    let n2 = testbed.folder().join("n2");
    let programs = remains(&n2).into_iter().filter(|line| line.contains(".sh"));
    assert_eq!(programs.collect::<Vec<_>>(), [""; 0], "its keeper is gone");
    let silent = Command::new("ssh")
        .arg("-F")
        .arg(testbed.ssh_config())
        .args(["-o", "ConnectTimeout=1", "n2", "true"])
        .output()
        .expect("ssh is installed");
    assert_eq!(silent.status.code(), Some(255), "{silent:?}");
    let status = tool(&["status", "--name", testbed.name()]).output().expect("it is built");
    assert_eq!(status.status.code(), Some(2), "{status:?}");

    testbed.power_on("n2").expect("it starts");
    testbed.power_on("n2").expect("it has power already");
    assert_eq!(told(&testbed, "n2", "cat /opt/kept"), "kept");
    assert!(testbed.is_whole().expect("it can be seen"));
    let nobody = testbed.power_off("n9").expect_err("there are two");
    assert!(nobody.to_string().ends_with("(n1..n2)"), "{nobody}");
}

#[test]
fn a_cut_link_times_out_and_a_mended_one_works() {
    if !possible("links") {
        return;
    }
    let testbed = Own::up("links", 2);
    testbed.link("n1", false).expect("it has a link");
    assert!(!testbed.status().expect("it can be seen")[0].link);
    let cut = Command::new("ssh")
        .arg("-F")
        .arg(testbed.ssh_config())
        .args(["-o", "ConnectTimeout=1", "n1", "true"])
        .output()
        .expect("ssh is installed");
    let error = String::from_utf8_lossy(&cut.stderr);
    assert!(error.contains("timed out") || error.contains("No route"), "{error}");
    assert_eq!(told(&testbed, "n2", "hostname"), "n2", "the other one has its link");
    testbed.link("n1", true).expect("it has a link");
    until("the link works", || ssh(&testbed, "n1", "true").status.success());
}

#[test]
fn two_testbeds_side_by_side_do_not_reach_each_other() {
    if !possible("two testbeds") {
        return;
    }
    let (one, two) = (Own::up("one", 2), Own::up("two", 2));
    assert_ne!(one.control_address(), two.control_address());
    let reaches = |from: &Testbed, to: &Testbed| {
        let address = to.hosts()[1].address;
        let knock = format!("timeout 2 bash -c 'exec 3<>/dev/tcp/{address}/22'");
        ssh(from, "n1", &knock).status.success()
    };
    assert!(reaches(&one, &one) && reaches(&two, &two), "within one all are reached");
    assert!(!reaches(&one, &two) && !reaches(&two, &one));
}

#[test]
fn nothing_is_left_of_a_testbed_that_was_taken_down() {
    if !possible("down") {
        return;
    }
    let testbed = Own::up("down", 3);
    let (folder, link) = (testbed.folder().to_owned(), link_of(&testbed));
    told(&testbed, "n1", "setsid sleep 1000 > /dev/null 2>&1 < /dev/null & echo");
    let boots = (1..=3).map(|host| boot(&testbed, host).expect("it is up").process);
    let namespace = |process: i32| fs::read_link(format!("/proc/{process}/ns/net")).ok();
    let nets: Vec<_> = boots.map(|process| namespace(process).expect("it is up")).collect();
    assert!(!remains(&folder).is_empty() && has_link(&link), "what is looked for can be seen");

    assert!(Testbed::down(testbed.name()).expect("it can be removed"));
    assert_eq!(remains(&folder), [""; 0]);
    assert!(!has_link(&link), "{link} is left");
    let processes = fs::read_dir("/proc").expect("this is Linux").flatten();
    let left = processes.filter_map(|entry| namespace(entry.file_name().to_str()?.parse().ok()?));
    assert_eq!(left.filter(|net| nets.contains(net)).count(), 0, "somebody is in a host's network");
    assert!(!Testbed::down(testbed.name()).expect("there is nothing to remove"));
}

#[test]
fn nothing_is_left_of_a_testbed_whose_making_was_killed() {
    if !possible("a killed up") {
        return;
    }
    let name = name("killed");
    let folder = Path::new("/run/real-cluster/testbed").join(&name);
    let mut seen = 0;
    for after_ms in (0..600).step_by(60) {
        let mut up = tool(&["up", "--name", &name, "--hosts", "3"])
            .stdout(Stdio::null())
            .spawn()
            .expect("it is built");
        // The kill is to come at any point of its work, so at a time and at no event.
        std::thread::sleep(Duration::from_millis(after_ms));
        up.kill().expect("it is ours");
        up.wait().expect("it is ours");
        seen += usize::from(!remains(&folder).is_empty());
        let link = Testbed::open(&name).expect("it can be read").map(|testbed| link_of(&testbed));
        Testbed::down(&name).unwrap_or_else(|error| panic!("after {after_ms} ms: {error:#}"));
        // A program that it had started may say its last word.
        until("all is gone", || remains(&folder).is_empty());
        assert!(link.is_none_or(|link| !has_link(&link)), "after {after_ms} ms");
    }
    assert!(seen > 0, "no kill was in the middle");
}

#[test]
fn what_is_half_there_is_made_whole() {
    if !possible("half a testbed") {
        return;
    }
    let testbed = Own::up("half", 2);
    testbed.power_off("n1").expect("it has power");
    fs::remove_file(testbed.nodes_file()).expect("it is there");
    assert!(!testbed.is_whole().expect("it can be seen"));
    let testbed = Testbed::up(testbed.name(), 3).expect("it is made anew");
    assert!(testbed.is_whole().expect("it can be seen"));
    assert_eq!(told(&testbed, "n3", "hostname"), "n3");
}

#[test]
fn the_command_line_tells_what_there_is() {
    if !possible("command line") {
        return;
    }
    let name = name("words");
    let say = |words: &[&str]| {
        let output = tool(&[words, &["--name", &name]].concat()).output().expect("it is built");
        (output.status.code(), String::from_utf8(output.stdout).expect("it is text"))
    };
    assert_eq!(say(&["status"]), (Some(0), format!("no testbed {name}\n")));
    assert_eq!(say(&["down"]), (Some(0), format!("no testbed {name}\n")));
    assert_eq!(say(&["up", "--hosts", "0"]).0, Some(3));
    assert_eq!(say(&["up", "--hosts", "1"]).0, Some(0));
    let (code, again) = say(&["up", "--hosts", "1"]);
    assert!(code == Some(0) && again.contains("is up already"), "{again}");
    let (code, status) = say(&["status", "--json"]);
    let lines: Vec<serde_json::Value> =
        status.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(
        (code, &lines[0]["state"], &lines[1]["host"]),
        (Some(0), &"whole".into(), &"n1".into())
    );
    assert!(lines[1]["boot"]["uptime_s"].is_number() && lines[1]["link"] == true, "{status}");
    assert_eq!(say(&["down"]), (Some(0), format!("testbed {name} is down\n")));
}

#[test]
fn a_name_that_would_lead_elsewhere_is_refused() {
    for name in ["", "..", "a/b", "-a", "A", "a b", &"a".repeat(33)] {
        let refused = Testbed::open(name).expect_err(name).to_string();
        assert!(refused.starts_with(&format!("`{name}` is no name for a testbed")), "{refused}");
    }
}
