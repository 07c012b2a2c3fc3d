//! What `doctor` says of hosts: nothing of good ones, and of others the node, the step and the mend; and what a run makes of it.

use crate::bench::{Bench, refused, said};
use serde_json::Value;
use std::fs;
use std::process::Output;

/// What it told as JSON, with its exit code.
fn doctor(bench: &Bench, words: &str) -> (i32, Vec<Value>) {
    told(&bench.here(&format!("doctor --json {words}")).output().expect("the tool starts"))
}

fn told(output: &Output) -> (i32, Vec<Value>) {
    let text = String::from_utf8_lossy(&output.stdout);
    let objects = text.lines().map(serde_json::from_str).collect::<Result<_, _>>();
    let objects = objects.unwrap_or_else(|error| panic!("{error}: {text}{}", said(output)));
    (output.status.code().unwrap_or(-1), objects)
}

/// Findings of a step that are not ok: `n2 wrong TEXT`.
fn complaints(findings: &[Value], step: &str) -> Vec<String> {
    let of_step = findings.iter().filter(|finding| finding["step"] == step);
    let bad = of_step.filter(|finding| finding["grade"] != "ok");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    bad.map(|it| [text(&it["node"]), text(&it["grade"]), text(&it["text"])].join(" ")).collect()
}

fn offered(findings: &[Value], kind: &str) -> Option<bool> {
    findings.iter().find(|finding| finding["fault"] == kind)?["offered"].as_bool()
}

#[test]
fn the_doctor_names_host_step_and_mend_and_a_run_goes_on_with_the_faults_that_are_left() {
    let Some(bench) = Bench::new("doctor", 3) else { return };
    let (code, findings) = doctor(&bench, "");
    assert_eq!(code, 0, "{findings:?}");
    for step in ["ssh", "names", "clock", "disk", "architecture", "network", "shim", "ports"] {
        let seen = findings.iter().filter(|it| it["step"] == step).count();
        assert_eq!(seen, 3, "{step} of every host: {findings:?}");
        assert_eq!(complaints(&findings, step), Vec::<String>::new());
    }
    assert_eq!(offered(&findings, "partition"), Some(true));
    assert_eq!(offered(&findings, "power"), Some(false));

    // One host takes another for somebody else.
    bench.on("n2", "sed -i '1i 10.99.99.99 n3' /etc/hosts");
    let (code, findings) = doctor(&bench, "");
    assert_eq!(code, 3);
    let names = complaints(&findings, "names");
    assert_eq!(names.len(), 1, "{names:?}");
    assert!(
        names[0].starts_with("n2 wrong the name n3 of n3 is")
            && names[0].contains("10.99.99.99")
            && names[0].contains("write `"),
        "{names:?}"
    );
    bench.on("n2", "sed -i 1d /etc/hosts");

    // A machine of another kind; the program is not even sent.
    bench.on("n1", "mkdir -p /usr/local/bin; printf '#!/bin/sh\\necho aarch64\\n' > /usr/local/bin/uname; chmod 755 /usr/local/bin/uname");
    let (code, findings) = doctor(&bench, "");
    assert_eq!(code, 3);
    let architecture = complaints(&findings, "architecture");
    let expected = "n1 wrong this program is built for x86_64, but the host of n1 is aarch64";
    assert!(architecture.len() == 1 && architecture[0].starts_with(expected), "{architecture:?}");
    assert!(complaints(&findings, "upload")[0].starts_with("n1 skipped"));
    assert_eq!(offered(&findings, "kill"), None, "nobody knows");
    let run = bench.here("run redis-append-calm --time 2s").output().expect("the tool starts");
    let error = refused(&run);
    assert!(error.contains("the host of n1 is aarch64") && error.contains("--agent"), "{error}");
    bench.on("n1", "rm /usr/local/bin/uname");

    let (code, findings) = doctor(&bench, "--remote-dir /mnt/small");
    assert_eq!(code, 3);
    let disk = complaints(&findings, "disk");
    assert!(disk.len() == 3 && disk[0].contains("--remote-dir"), "{disk:?}");
    // What is missing costs faults: those asked for by name are refused, a test's own are left out and told.
    bench.on("n3", "mv /usr/sbin/nft /usr/sbin/nft.hidden");
    let (code, findings) = doctor(&bench, "");
    assert_eq!(code, 0, "weak is not wrong");
    let network = complaints(&findings, "network");
    assert!(
        network.len() == 1
            && network[0]
                .starts_with("n3 weak without partition, latency, flaky, rate: n3 has no nft"),
        "{network:?}"
    );
    assert_eq!(
        (offered(&findings, "partition"), offered(&findings, "kill")),
        (Some(false), Some(true))
    );
    let run = bench.here("run redis-append --time 20s --faults partition").output();
    let error = refused(&run.expect("the tool starts"));
    assert!(
        error.contains("`partition` is not offered by these hosts, since n3 has no nft"),
        "{error}"
    );
    let run = bench.here("run redis-append --time 4s --interval 0.5-1").output();
    let run = run.expect("the tool starts");
    assert!(said(&run).contains("partition is left out: n3 has no nft"), "{}", said(&run));
    assert!(matches!(run.status.code(), Some(0 | 2)), "{}", said(&run));
    bench.on("n3", "mv /usr/sbin/nft.hidden /usr/sbin/nft");

    // What was only read is not called tried.
    bench.on("n1", "mv /usr/bin/unshare /usr/bin/unshare.hidden");
    let (code, findings) = doctor(&bench, "");
    bench.on("n1", "mv /usr/bin/unshare.hidden /usr/bin/unshare");
    assert_eq!((code, offered(&findings, "partition")), (0, Some(true)));
    let network = complaints(&findings, "network");
    assert!(
        network.len() == 1 && network[0].starts_with("n1 weak rules were read and none was loaded"),
        "{network:?}"
    );

    // A host that cannot be reached keeps no other from being looked at.
    bench.testbed.link("n2", false).expect("down");
    let (code, findings) = doctor(&bench, "");
    bench.testbed.link("n2", true).expect("up");
    assert_eq!(code, 3);
    let ssh = complaints(&findings, "ssh");
    assert!(ssh.len() == 1 && ssh[0].starts_with("n2 wrong n2 (root@"), "{ssh:?}");
    let disk = complaints(&findings, "disk");
    assert!(disk.len() == 1 && disk[0].starts_with("n2 skipped"), "{disk:?}");
    assert_eq!(offered(&findings, "kill"), None, "nobody knows");

    // Who logs in cannot be root, and a name that nobody knows.
    let nodes = fs::read_to_string(bench.testbed.nodes_file()).expect("it is there");
    let file = bench.store.join("nodes");
    fs::create_dir_all(&bench.store).expect("a folder");
    let changed = nodes.replacen("root@", "tester@", 1) + "no-such-host.invalid\n";
    fs::write(&file, changed).expect("written");
    let mut command = bench.tool("doctor --json");
    command.arg("--nodes").arg(&file).arg("--ssh-config").arg(bench.testbed.ssh_config());
    let (code, findings) = told(&command.output().expect("the tool starts"));
    assert_eq!(code, 3);
    let (root, address) = (complaints(&findings, "root"), complaints(&findings, "address"));
    assert!(
        root.len() == 2
            && root[1].starts_with("n4 skipped")
            && root[0].contains("`sudo -n` is refused"),
        "{root:?}"
    );
    assert!(
        address.len() == 1 && address[0].starts_with("n4 wrong n4: the host name"),
        "{address:?}"
    );
    bench.is_clean();
}
