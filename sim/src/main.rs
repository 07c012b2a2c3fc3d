//! `cargo sim`: runs, sweeps and replays tests in the simulated world.

#[cfg(madsim)]
fn main() {
    use harness::report::Report;
    let args: Vec<String> = std::env::args().collect();
    let test = harness::catalog::find(&args[1]).unwrap();
    let from: u64 = args[2].parse().unwrap();
    let n: u64 = args[3].parse().unwrap();
    for seed in from..from + n {
        let mut case = sim::execute::Case::new(test.clone(), harness::seed::Seed(seed));
        if let Some(b) = args.get(4) {
            case = case.with_bug(b.parse().unwrap()).unwrap();
        }
        let o = case.execute().unwrap();
        let r = Report {
            test: &o.case.test,
            options: &o.case.options,
            run: &o.run,
            judgement: &o.judgement,
            world: "simulated",
            commit: None,
            replay: "cargo sim replay",
            folder: None,
        };
        println!("{r}cpu {:.0} ms hash {:#x}", o.cpu_ms, o.run.artifacts.trace_hash);
        if n == 1 {
            println!("{}", o.judgement.summary);
            println!("{:#?}", o.run.artifacts.params);
        }
    }
}
