use super::touches::Touches;
use super::words::ListWords;
use super::*;
use crate::checker::transactional::Validity;
use crate::checker::transactional::dependencies::{Dependencies, Order};
use crate::columns::tests::history;
use crate::interchange;

fn written_down(all: &Touches, order: Order) -> Result<Dependencies, String> {
    let rows: Vec<usize> = (0..all.rows()).collect();
    dependencies::infer(all, None, &rows, &vec![false; all.columns.len()], order)
}

/// The slow way: every key looked at element by element, every dependency written down.
fn carefully(columns: &Columns, prohibited: AnomalySet) -> Result<Report, String> {
    let all = Touches::new(columns, 1);
    let outcomes = (0..columns.len()).map(|txn| columns.outcome(txn));
    let mut coverage = coverage(all.rows(), outcomes);
    let looked = keys::look(&all, None, 1)?;
    (coverage.written, coverage.observed) = (looked.appends.written, looked.appends.observed);
    let dependencies = written_down(&all, order(prohibited))?;
    let found = Found {
        direct: looked.findings.sorted(&all),
        cycles: cycles::find(&dependencies.graph, columns.len()),
        is_empty: dependencies.is_empty,
        coverage,
        notes: Vec::new(),
        doubt: None,
    };
    Ok(found.report(NAME, prohibited, &ListWords::new(&all)))
}

#[test]
fn the_quick_way_and_any_number_of_threads_find_what_the_slow_way_finds() {
    let models = ["strict-serializable", "strong-session-serializable", "serializable"];
    let models = models.map(|model| model.parse::<Model>().expect("it is one"));
    let mut valid = [0; 3];
    let mut invalid = [0; 3];
    for seed in 0..2_500 {
        let Ok(columns) = Columns::of(&history(seed)) else { panic!("no process asks twice") };
        for (i, model) in models.into_iter().enumerate() {
            let slow = carefully(&columns, model.prohibits()).unwrap_or_else(Report::unknown);
            for jobs in 1..4 {
                let quick = analyse_columns(&columns, model, jobs);
                assert_eq!(quick, slow, "seed {seed}, {model}, {jobs} jobs");
            }
            valid[i] += usize::from(slow.valid == Validity::True);
            invalid[i] += usize::from(slow.valid == Validity::False);
        }
    }
    assert!(valid.iter().chain(&invalid).all(|count| *count > 250), "{valid:?} {invalid:?}");
}

#[test]
fn a_serial_order_is_found_from_both_ends_for_every_valid_history() {
    let (mut orders, mut rewound) = (0, 0);
    for seed in 0..1_500 {
        let Ok(columns) = Columns::of(&history(seed)) else { panic!("no process asks twice") };
        let all = Touches::new(&columns, 1);
        let Some(mut slots) = Slots::new(&all) else { panic!("there are few of them") };
        let looked = keys::look(&all, Some(&mut slots), 1);
        if !looked.is_ok_and(|looked| looked.careful.is_empty()) {
            continue;
        }
        for order in [Order::Data, Order::Process, Order::Realtime] {
            let Ok(dependencies) = written_down(&all, order) else { continue };
            let acyclic = dependencies.graph.is_acyclic();
            for jobs in [1, 2] {
                let taken = replay::take(&all, &slots, order, jobs);
                assert_eq!(taken.complete, acyclic, "seed {seed}, {order:?}, {jobs} jobs");
            }
            // Who takes from the end alone comes to the beginning.
            let taken = rewind::take(&columns, &slots, order, 0);
            let takes_part = |txn: &usize| replay::takes_part(&columns, &slots, *txn);
            let all = (0..columns.len()).filter(takes_part).all(|txn| taken[txn]);
            assert_eq!(all, acyclic, "seed {seed}, {order:?}, from the end");
            orders += usize::from(acyclic);
            let half = columns.len() / 2;
            let later = rewind::take(&columns, &slots, order, half);
            rewound += usize::from(acyclic && later.len() > 5 && later.iter().any(|taken| *taken));
        }
    }
    assert!(orders > 300 && rewound > 100, "{orders} orders, {rewound} from the end");
}

/// A completion that repeats nothing says that the appends took effect, and nothing of what was read.
#[test]
fn what_an_empty_completion_read_is_not_known() {
    let text = "
        {:type :invoke :process 0 :value [[:append 1 1]]}
        {:type :ok     :process 0}
        {:type :invoke :process 1 :value [[:r 1 nil]]}
        {:type :ok     :process 1}
        {:type :invoke :process 2 :value [[:r 1 nil]]}
        {:type :ok     :process 2 :value [[:r 1 [1]]]}";
    let imported = interchange::read(text.as_bytes(), None, interchange::Alphabet::Lists);
    let history = imported.expect("it is a history").history;
    assert_eq!(analyse(&history, Model::default()).verdict(), Verdict::Valid);
}

/// Eight readers of a version that nine unseen appends follow: as many as make a difference between relays and single edges.
/// The last append comes before nothing, so that who takes the end of a serial order first may take it.
#[test]
fn what_was_taken_counts_among_those_who_overwrite() {
    let mut ops: Vec<(String, String)> = (1..=7).map(appends_to_two).collect();
    for j in 1..=8 {
        let more = if j == 1 { ("[:r 8 nil]", "[:r 8 [8]]") } else { ("", "") };
        let asked = format!("[:r 0 nil] [:r {j} nil] {}", more.0);
        ops.push((asked, format!("[:r 0 []] [:r {j} [{j}]] {}", more.1)));
    }
    ops.push(appends_to_two(8));
    ops.push(("[:append 0 9]".to_owned(), "[:append 0 9]".to_owned()));
    let line = |kind: &str, (process, mops): (usize, &String)| {
        format!("{{:type :{kind} :process {process} :value [{mops}]}}\n")
    };
    let invoked = ops.iter().map(|(asked, _)| asked).enumerate().map(|at| line("invoke", at));
    let ended = ops.iter().map(|(_, answered)| answered).enumerate().map(|at| line("ok", at));
    let text: String = invoked.chain(ended).collect();
    let imported = interchange::read(text.as_bytes(), None, interchange::Alphabet::Lists);
    let columns = Columns::of(&imported.expect("it is a history").history).expect("one at a time");
    let model: Model = "serializable".parse().expect("it is one");
    let slow = carefully(&columns, model.prohibits()).expect("nothing is appended twice");
    assert_eq!(slow.valid, Validity::False);
    for jobs in 1..4 {
        assert_eq!(analyse_columns(&columns, model, jobs), slow, "{jobs} jobs");
    }
}

fn appends_to_two(i: usize) -> (String, String) {
    let mops = format!("[:append 0 {i}] [:append {i} {i}]");
    (mops.clone(), mops)
}
