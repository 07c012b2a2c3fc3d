//! `bench`: what a simulated minute costs here.

use anyhow::bail;
use harness::cli::output::{Output, note};
use harness::seed::Seed;
use serde_json::json;
use sim::bench::instructions::{self, Allowed};
use sim::bench::{ASKED_RATIO, Cost, Load, measure};
use std::time::Duration;

/// Measures what a simulated minute costs: raw Raft appends, and the whole stack, each beside its floor
///
/// 5 nodes, 10 clients in a closed loop, links of 1 to 10 ms, two random nodes parted from the rest for 2 to 5 s at a time.
/// The floor of raw appends is a bare loop of events; that of the whole stack is the same run with no madsim around it.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  cargo sim bench\n  cargo sim bench raw --seeds 20\n  cargo sim bench whole --json\n  cargo sim bench --instructions"
)]
pub struct Bench {
    /// raw or whole; without it both
    #[arg(value_parser = load)]
    load: Option<Load>,
    /// How many seeds, from 1 on
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    seeds: u64,
    /// Simulated seconds of a run
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(10..=86_400))]
    time: u64,
    /// Counts instructions a message with callgrind instead; exits with 1 if they are more than sim/bench.toml says and its room
    #[arg(long, conflicts_with_all = ["seeds", "time"])]
    instructions: bool,
    /// Runs the world once for so many seconds and says what it did: what is counted
    #[arg(long, hide = true, value_name = "SECONDS", requires = "load")]
    once: Option<u64>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

fn load(word: &str) -> Result<Load, String> {
    Load::ALL
        .into_iter()
        .find(|load| load.name() == word)
        .ok_or_else(|| format!("`{word}` is not a load: raw or whole"))
}

impl Bench {
    pub fn act(self) -> anyhow::Result<u8> {
        let mut out = Output::default();
        if let (Some(load), Some(seconds)) = (self.load, self.once) {
            out.object(&instructions::once(load, seconds))?;
            return Ok(0);
        }
        let loads = Load::ALL.into_iter().filter(|load| self.load.is_none_or(|one| one == *load));
        if self.instructions {
            return counted(&mut out, loads, self.json);
        }
        let time = Duration::from_secs(self.time);
        for load in loads {
            let seeds = self.seeds;
            let told = |seed: Seed| note(format!("{}: seed {} of {seeds}", load.name(), seed.0));
            let [world, floor] = measure(load, time, (1..=seeds).map(Seed), told);
            if world.cpu_ms == 0.0 || floor.cpu_ms == 0.0 {
                bail!(
                    "this system does not say what CPU time a thread took: /proc/thread-self/schedstat has it elsewhere"
                );
            }
            if self.json {
                let ratio = world.ms_per_minute() / floor.ms_per_minute();
                out.object(&json!({"load": load, "world": row(&world), "floor": row(&floor), "ratio": ratio}))?;
            } else {
                out.text(table(load, &world, &floor))?;
            }
        }
        Ok(0)
    }
}

/// 1 if one of them is more than is allowed.
fn counted(out: &mut Output, loads: impl Iterator<Item = Load>, json: bool) -> anyhow::Result<u8> {
    let allowed = Allowed::committed()?;
    let mut broken = false;
    for load in loads {
        let words = |seconds: u64| {
            ["bench", load.name(), "--once", &seconds.to_string()].map(str::to_owned).to_vec()
        };
        let (name, count, limit) =
            (load.name(), instructions::count(load, words)?, allowed.of(load));
        broken |= allowed.is_broken_by(load, count);
        if json {
            out.object(
                &json!({"load": load, "instructions_per_message": count, "written_down": limit, "too_many": allowed.is_broken_by(load, count)}),
            )?;
            continue;
        }
        let verdict = match (allowed.is_broken_by(load, count), allowed.is_loose_for(load, count)) {
            (true, _) => {
                "too many: find what costs them, or write the figure down in sim/bench.toml with the reason"
            }
            (_, true) => "fewer: write it down in sim/bench.toml",
            _ => "within the room of what is written down",
        };
        out.text(format_args!(
            "{name:<6} {count} instructions a message, {limit} in sim/bench.toml: {verdict}\n"
        ))?;
    }
    Ok(u8::from(broken))
}

fn row(cost: &Cost) -> serde_json::Value {
    json!({
        "cpu_ms_per_simulated_minute": cost.ms_per_minute(),
        "us_per_message": cost.us_per_message(),
        "simulated_s_per_cpu_s": cost.speed(),
        "messages": cost.messages,
        "operations": cost.operations,
        "simulated_s": cost.simulated_s,
        "cpu_ms": cost.cpu_ms,
    })
}

fn table(load: Load, world: &Cost, floor: &Cost) -> String {
    let name = load.name();
    let asked = load.asked_ms();
    let ratio = world.ms_per_minute() / floor.ms_per_minute();
    format!(
        "{name:<6} CPU/sim. minute  us/message  sim. s/CPU s  messages/sim. minute  operations/sim. s\n{}{}  asked: at most {asked:.0} ms, and {ASKED_RATIO} times the floor; it is {ratio:.2} times\n",
        line("world", world),
        line("floor", floor),
    )
}

fn line(name: &str, cost: &Cost) -> String {
    format!(
        "  {name:<6}{:>11.1} ms{:>12.3}{:>14.0}{:>22.0}{:>19.1}\n",
        cost.ms_per_minute(),
        cost.us_per_message(),
        cost.speed(),
        cost.messages as f64 * 60.0 / cost.simulated_s,
        cost.operations as f64 / cost.simulated_s,
    )
}
