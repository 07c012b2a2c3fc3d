//! What acted, by injection: the packets that its counters counted, in all our tables together.

use serde::Deserialize;
use std::collections::BTreeMap;

/// The shell command whose output [`acted`] reads; it succeeds when nothing is there.
pub const COUNTERS: &str = "nft -j list counters";

/// Packets by injection, since the tables were made; an injection that no rule was for is not there. Others' counters are left out.
pub fn acted(json: &str) -> Result<BTreeMap<usize, u64>, String> {
    let listing: Listing = serde_json::from_str(json)
        .map_err(|error| format!("cannot read the list of counters: {error}: `{json}`"))?;
    let mut acted = BTreeMap::new();
    let counters = listing.nftables.into_iter().filter_map(|item| item.counter);
    for counter in counters.filter(|counter| counter.table == "real_cluster") {
        let number = counter.name.strip_prefix('i').and_then(|number| number.parse().ok());
        let injection: usize = number.ok_or_else(|| {
            format!("counter `{}` names no injection (`i0`, `i1`, ..)", counter.name)
        })?;
        *acted.entry(injection).or_default() += counter.packets;
    }
    Ok(acted)
}

#[derive(Deserialize)]
struct Listing {
    nftables: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    counter: Option<Counter>,
}

#[derive(Deserialize)]
struct Counter {
    table: String,
    name: String,
    packets: u64,
}
