//! What hosts can do, tried and not guessed: with the very rules and programs that faults use, where they touch nothing.
//!
//! Promise: rules are tried in a network namespace that ends with the try, so that neither the host's network nor its firewall
//! is touched. Where root may make none (a container without CAP_SYS_ADMIN) rules are only read, and the queue is not tried.

use super::hosts::Facts;
use super::net::QUEUE;
use super::network::{Addresses, Cut, Flaky, Network, Slow, Throttle};
use crate::queue;
use crate::remote::{Command, Output, RemoteError, done};
use crate::site::{SHIM, Site};
use futures_util::future::join_all;
use harness::fault::FaultKind;
use std::collections::BTreeMap;

/// What a probe says that could not do all.
const ONLY_READ: &str = "only read";
/// Loads the rules of standard input.
const RULES: &str = r#"
unshare --net -- true 2> /dev/null || { echo only read; exec nft -c -f -; }
exec unshare --net -- nft -f -
"#;
/// The same, and binds packet queue `$2` by the program `$1`.
const RULES_AND_QUEUE: &str = r#"
unshare --net -- true 2> /dev/null || { echo only read; exec nft -c -f -; }
exec unshare --net -- sh -c 'nft -f - && exec "$1" try --queue "$2"' try "$1" "$2"
"#;

/// Kinds of faults of the network that a host's kernel refuses, each with a sentence.
pub type Refusals = BTreeMap<FaultKind, String>;

/// What a host's kernel makes of the network's faults.
#[derive(Default)]
pub struct Tried {
    /// Kinds that it refuses.
    pub refusals: Refusals,
    /// Whether every kind was tried as far as it can be, and not only read.
    pub in_full: bool,
}

/// Tries every kind of fault of the network on every host; where several refuse one, the first is named.
pub async fn network(
    places: &[(&Site, &Facts)],
    addresses: &Addresses,
) -> Result<Refusals, RemoteError> {
    let tried = join_all(places.iter().map(|(at, facts)| network_of(at, facts, addresses))).await;
    let mut refusals = Refusals::new();
    for host in tried {
        for (kind, why) in host?.refusals {
            refusals.entry(kind).or_insert(why);
        }
    }
    Ok(refusals)
}

/// The same on one host, to which the program was brought.
pub async fn network_of(
    at: &Site,
    facts: &Facts,
    addresses: &Addresses,
) -> Result<Tried, RemoteError> {
    let everything = everything(addresses);
    if !facts.has("nft") {
        let why = format!("{} has no nft: apt-get install nftables there", at.node);
        let refusals = everything.into_iter().map(|(kind, _)| (kind, why.clone())).collect();
        return Ok(Tried { refusals, in_full: true });
    }
    let tries = everything.into_iter().map(|(kind, network)| async move {
        let rules = network.ruleset(at.node, addresses, &[at.port("redis", 6379)]);
        let command = match kind {
            FaultKind::Latency => Command::script("try rules and queue", RULES_AND_QUEUE)
                .args([at.program(queue::NAME).as_str(), QUEUE]),
            _ => Command::script("try rules", RULES),
        };
        Ok::<_, RemoteError>((kind, at.remote.run(&command.input(rules)).await?))
    });
    let mut tried = Tried { in_full: true, ..Tried::default() };
    for result in join_all(tries).await {
        let (kind, output) = result?;
        tried.in_full &= output.text() != ONLY_READ;
        if output.status != 0 {
            tried.refusals.insert(kind, refusal(at, kind, &output));
        }
    }
    Ok(tried)
}

fn refusal(at: &Site, kind: FaultKind, output: &Output) -> String {
    // nft tells the line after the error, and marks the place in it.
    let mut lines = output.stderr.lines().map(str::trim);
    let error = lines.find(|line| line.contains("Error: ")).unwrap_or(output.complaint());
    format!(
        "the host of {} cannot enact {kind} ({error}): it takes a kernel with nf_tables, and root with CAP_NET_ADMIN",
        at.node
    )
}

/// Everything that can be wrong with the network, at its fullest.
fn everything(addresses: &Addresses) -> Vec<(FaultKind, Network)> {
    let nodes: Vec<_> = addresses.keys().copied().collect();
    let pairs = nodes.iter().flat_map(|from| nodes.iter().map(move |to| (*from, *to)));
    let links = pairs.filter(|(from, to)| from != to).collect();
    let injection = 0;
    let cut = Cut { injection, links };
    let slow = Slow { injection, nodes: nodes.clone(), delay_ms: 1, jitter_ms: 0 };
    let flaky = Flaky { injection, nodes: nodes.clone(), loss_percent: 10, duplicate_percent: 10 };
    let throttle = Throttle { injection, nodes, kib_per_s: 64 };
    let sound = Network::default;
    vec![
        (FaultKind::Partition, Network { cut: Some(cut), ..sound() }),
        (FaultKind::Latency, Network { slow: Some(slow), ..sound() }),
        (FaultKind::Flaky, Network { flaky: Some(flaky), ..sound() }),
        (FaultKind::Throttle, Network { throttle: Some(throttle), ..sound() }),
    ]
}

/// Whether a program runs under the shim on a host, or why not.
pub async fn shim(at: &Site) -> Result<(), String> {
    let control = at.path("clock-probe");
    let script = r#"shim=$1 control=$2; mkdir -p -- "$(dirname -- "$control")"
"$shim" run --control "$control" -- true; status=$?; rm -rf -- "$control"; exit "$status""#;
    let probe = Command::script("time-shim probe", script).args([&at.program(SHIM), &control]);
    match done(&*at.remote, &probe).await {
        Ok(_) => Ok(()),
        Err(RemoteError::Failed { complaint, .. }) => Err(format!(
            "{}: the time shim does not work ({complaint}): it takes Linux 5.9 with seccomp and leave to trace",
            at.node
        )),
        Err(error) => Err(error.to_string()),
    }
}
