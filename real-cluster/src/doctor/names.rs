//! Names of nodes as every host understands them: each name to its addresses, and each address back to a name. A cluster whose nodes
//! understand a name differently talks past itself, and nothing says so.
//!
//! Looked up are names of the nodes file and those that hosts call themselves. A name that the file does not use need not be known
//! anywhere; known wrongly it is wrong.

use super::{Finding, Grade, Patient, Step};
use crate::remote::{Command, RemoteError, done};
use crate::ssh::hosts;
use futures_util::future::join_all;
use harness::cluster::NodeId;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

/// `name NAME ADDRESS…` for each of `$1` names that follow, `address ADDRESS NAME…` for the rest; `-` in place of an answer that did not
/// come in time. All at the same time: each line is written as a whole.
const LOOK_UP: &str = r#"
command -v getent > /dev/null || { echo "there is no getent: apt-get install libc-bin" >&2; exit 1; }
names=$1
shift
asked() {
    if ! command -v timeout > /dev/null; then getent "$@"; return; fi
    timeout 10 getent "$@"
    [ "$?" -ne 124 ] || echo -
}
for word in "$@"; do
    if [ "$names" -gt 0 ]; then
        names=$((names - 1))
        { told=$(asked ahosts "$word" | cut -d' ' -f1 | uniq); echo name "$word" $told; } &
    else
        { told=$(asked hosts "$word" | tr -s ' \t' ' ' | sed 's/^[^ -][^ ]* //'); echo address "$word" $told; } &
    fi
done
wait
"#;
/// Longer than each look may take.
const WITHIN: Duration = Duration::from_secs(30);

/// What is true, against which every host's answers are held.
struct Truth {
    /// Names with their node, and whether the nodes file uses them. Of nodes on one host the first stands for all.
    names: BTreeMap<String, (NodeId, bool)>,
    /// By which others know a node.
    addresses: BTreeMap<NodeId, BTreeSet<IpAddr>>,
    /// What a host itself may take for its own.
    own: BTreeMap<NodeId, BTreeSet<IpAddr>>,
    /// Names that several hosts call themselves.
    shared: BTreeMap<String, Vec<NodeId>>,
    /// The first node of each node's host.
    first: BTreeMap<NodeId, NodeId>,
}

/// Looks on every host.
pub async fn look(patients: &[Patient<'_>]) -> Vec<Finding> {
    let truth = Truth::of(patients);
    join_all(patients.iter().map(|patient| look_on(patient, &truth))).await
}

async fn look_on(patient: &Patient<'_>, truth: &Truth) -> Finding {
    let node = patient.site.node;
    let names: Vec<&String> = truth.names.keys().collect();
    let addresses = truth.addresses.values().flatten().map(IpAddr::to_string);
    let command = Command::script("names", LOOK_UP)
        .arg(names.len().to_string())
        .args(names.iter().map(|name| name.to_string()))
        .args(addresses)
        .within(WITHIN);
    let (grade, text) = match done(&*patient.site.remote, &command).await {
        Ok(output) => truth.judge(node, &output.text()),
        Err(error @ RemoteError::Failed { .. }) => (Grade::Weak, error.to_string()),
        Err(error) => (Grade::Wrong, error.to_string()),
    };
    Finding { node, step: Step::Names, grade, text }
}

impl Truth {
    fn of(patients: &[Patient<'_>]) -> Truth {
        let places: Vec<_> = patients.iter().map(|at| (at.site, &at.facts)).collect();
        let mut hosts_first: BTreeMap<&str, NodeId> = BTreeMap::new();
        let mut first = BTreeMap::new();
        for patient in patients {
            let node = patient.site.node;
            first.insert(node, *hosts_first.entry(&patient.site.host).or_insert(node));
        }
        let mut called: BTreeMap<String, BTreeSet<NodeId>> = BTreeMap::new();
        for patient in patients {
            let hosts = called.entry(patient.facts.get("hostname").to_owned()).or_default();
            hosts.insert(first[&patient.site.node]);
        }
        called.remove("");
        let (mut names, mut shared) = (BTreeMap::new(), BTreeMap::new());
        for (name, nodes) in called {
            let nodes: Vec<NodeId> = nodes.into_iter().collect();
            match nodes[..] {
                [node] => drop(names.insert(name, (node, false))),
                _ => drop(shared.insert(name, nodes)),
            }
        }
        for patient in patients {
            let node = first[&patient.site.node];
            names.extend(patient.name.map(|name| (name.to_owned(), (node, true))));
        }
        // What nodes of one host are known by is the host's.
        let mut addresses: BTreeMap<NodeId, BTreeSet<IpAddr>> = BTreeMap::new();
        for (node, all) in hosts::addresses(&places) {
            addresses.entry(first[&node]).or_default().extend(all);
        }
        let own =
            patients.iter().map(|at| (at.site.node, at.facts.addresses().collect())).collect();
        Truth { names, addresses, own, shared, first }
    }

    /// What this node's host says of all.
    fn judge(&self, here: NodeId, told: &str) -> (Grade, String) {
        let here = self.first.get(&here).copied().unwrap_or(here);
        let (mut wrong, mut weak, mut known) = (Vec::new(), Vec::new(), 0_usize);
        for line in told.lines() {
            let mut words = line.split(' ').filter(|word| !word.is_empty());
            let (Some(what), Some(asked)) = (words.next(), words.next()) else { continue };
            let answers: Vec<&str> = words.collect();
            if answers.contains(&"-") {
                weak.push(format!("looking up {asked} did not end in 10 s there: mend its DNS"));
                continue;
            }
            known += usize::from(!answers.is_empty());
            match what {
                "name" => self.name(here, asked, &answers, &mut wrong, &mut weak),
                _ => wrong.extend(self.address(asked, &answers)),
            }
        }
        for (name, nodes) in &self.shared {
            if nodes.contains(&here) {
                weak.push(format!(
                    "{} all call themselves {name}: give each its own name",
                    list(nodes)
                ));
            }
        }
        match (wrong.is_empty(), weak.is_empty()) {
            (false, _) => (Grade::Wrong, wrong.join("; ")),
            (true, false) => (Grade::Weak, weak.join("; ")),
            (true, true) if known == 0 => (
                Grade::Ok,
                "no node's name is known there, and the nodes file needs none".to_owned(),
            ),
            (true, true) => {
                (Grade::Ok, "all that is known of nodes is right, both ways".to_owned())
            }
        }
    }

    fn name(
        &self,
        here: NodeId,
        name: &str,
        answers: &[&str],
        wrong: &mut Vec<String>,
        weak: &mut Vec<String>,
    ) {
        let Some((node, is_used)) = self.names.get(name) else { return };
        let mut right = self.addresses.get(node).cloned().unwrap_or_default();
        let should = list(&right.iter().collect::<Vec<_>>());
        if *node == here {
            right.extend(self.own.get(node).into_iter().flatten());
        }
        let mend = format!("write `{should} {name}` into its /etc/hosts, or mend DNS");
        if answers.is_empty() {
            if *is_used {
                wrong.push(format!("the name {name} of {node} is not known there: {mend}"));
            }
            return;
        }
        let found = answers.iter().filter_map(|word| word.parse().ok());
        let found: Vec<IpAddr> = found.filter(|address| !is_of_a_link(address)).collect();
        let loopback = found.iter().any(IpAddr::is_loopback);
        if loopback && *node == here {
            weak.push(format!(
                "its own name {name} is a loopback address there, so that a server which binds its name hears no other host: {mend}"
            ));
        } else if loopback {
            wrong.push(format!("the name {name} of {node} is a loopback address there: {mend}"));
        } else if !found.iter().all(|address| right.contains(address)) {
            let found = list(&found.iter().collect::<Vec<_>>());
            wrong.push(format!(
                "the name {name} of {node} is {found} there, where {should} is right: {mend}"
            ));
        }
    }

    /// An address that is given another node's name.
    fn address(&self, address: &str, answers: &[&str]) -> Option<String> {
        let parsed: IpAddr = address.parse().ok()?;
        let (node, _) = self.addresses.iter().find(|(_, all)| all.contains(&parsed))?;
        let (other, name) = answers.iter().find_map(|answer| {
            let (other, _) = self.names.get(*answer)?;
            (other != node).then_some((other, answer))
        })?;
        Some(format!(
            "the address {address} of {node} is called {name} there, which is {other}: mend its /etc/hosts, or DNS"
        ))
    }
}

/// Every host has such addresses, and `hostname` does not tell them.
fn is_of_a_link(address: &IpAddr) -> bool {
    matches!(address, IpAddr::V6(six) if six.is_unicast_link_local())
}

fn list(items: &[impl ToString]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth() -> Truth {
        let address = |last: u8| BTreeSet::from([IpAddr::from([10, 0, 0, last])]);
        let (one, two) = (NodeId(1), NodeId(2));
        Truth {
            names: BTreeMap::from([
                ("db1".to_owned(), (one, true)),
                ("moth".to_owned(), (two, false)),
            ]),
            addresses: BTreeMap::from([(one, address(1)), (two, address(2))]),
            own: BTreeMap::from([(two, BTreeSet::from([IpAddr::from([172, 17, 0, 1])]))]),
            shared: BTreeMap::new(),
            first: BTreeMap::from([(one, one), (two, two), (NodeId(3), two)]),
        }
    }

    #[test]
    fn what_a_host_says_of_names_is_held_against_what_is_true() {
        for (told, grade, hint) in [
            ("name db1 10.0.0.1\nname moth 10.0.0.2\naddress 10.0.0.1 db1", Grade::Ok, "both ways"),
            ("name db1 10.0.0.1 fe80::1\nname moth", Grade::Ok, "both ways"),
            ("name db1\nname moth 10.0.0.2", Grade::Wrong, "db1 of n1 is not known there"),
            (
                "name db1 10.0.0.9",
                Grade::Wrong,
                "db1 of n1 is 10.0.0.9 there, where 10.0.0.1 is right: write `10.0.0.1 db1`",
            ),
            ("name db1 10.0.0.1\nname moth 10.0.0.9", Grade::Wrong, "moth of n2 is 10.0.0.9"),
            ("name db1 10.0.0.9 10.0.0.1", Grade::Wrong, "db1 of n1 is 10.0.0.9, 10.0.0.1 there"),
            ("name db1 127.0.0.1", Grade::Wrong, "db1 of n1 is a loopback address there"),
            ("name moth 127.0.1.1", Grade::Weak, "its own name moth"),
            ("name moth 10.0.0.2 172.17.0.1", Grade::Ok, ""),
            ("name db1 -", Grade::Weak, "looking up db1 did not end"),
            ("name moth ::1", Grade::Weak, "its own name moth"),
            (
                "address 10.0.0.2 db1",
                Grade::Wrong,
                "10.0.0.2 of n2 is called db1 there, which is n1",
            ),
            ("address 10.0.0.2 else.where", Grade::Ok, ""),
        ] {
            let (found, text) = truth().judge(NodeId(2), told);
            assert_eq!(found, grade, "{told}: {text}");
            assert!(text.contains(hint), "{told}: {text}");
            let neighbour = truth().judge(NodeId(3), told);
            assert_eq!(neighbour, (found, text), "another node of that host sees the same");
        }
        let nobody = truth().judge(NodeId(2), "name moth\naddress 10.0.0.1");
        assert!(nobody.1.contains("the nodes file needs none"), "{}", nobody.1);
    }

    #[test]
    fn hosts_of_one_name_are_told_apart() {
        let shared = BTreeMap::from([("debian".to_owned(), vec![NodeId(1), NodeId(2)])]);
        let (grade, text) = Truth { shared, ..truth() }.judge(NodeId(2), "");
        assert_eq!(
            (grade, text.as_str()),
            (Grade::Weak, "n1, n2 all call themselves debian: give each its own name")
        );
    }
}
