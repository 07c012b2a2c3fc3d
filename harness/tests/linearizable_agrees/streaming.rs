//! The streaming checker against the one that has the whole history: they agree, on every beginning of a history too.

use super::store::{Shape, random};
use super::{analyse, histories};
use harness::checker::Verdict;
use harness::checker::linearizable::streaming::StreamingCalls;
use harness::checker::linearizable::{Caps, FailedCas, Linearizable};
use harness::checker::streaming::Streaming;
use harness::history::History;
use harness::op::Object;
use harness::seed::{Draw, Seed, Stream};

const CAPS: Caps = Caps { narrow: 0, deep: 0, configurations: 1 << 18, visited: 300_000_000 };

/// Where it first says that something is wrong, and what it says in the end.
fn streamed(object: Object, failed_cas: FailedCas, history: &History) -> (Option<usize>, Verdict) {
    let checker = StreamingCalls::with(object, failed_cas, CAPS).expect("it is no stream");
    let mut checker = Box::new(checker);
    let mut found = None;
    for (index, event) in history.events.iter().enumerate() {
        if let Some(anomaly) = checker.event(index, event) {
            assert!(anomaly.events.contains(&index) && found.is_none(), "{anomaly:?}");
            assert!(anomaly.text.starts_with("nonlinearizable: key "), "{}", anomaly.text);
            found = Some(index);
        }
    }
    (found, checker.finish())
}

fn is_invalid(object: Object, failed_cas: FailedCas, history: &History) -> bool {
    let report = Linearizable { failed_cas, ..Linearizable::of(object) }.analyse(history);
    matches!(report.verdict, Verdict::Invalid(_))
}

/// Tries one history; whether it is wrong.
fn compare(object: Object, seed: u64) -> bool {
    let mut rng = Seed(seed).stream(Stream::Workload);
    let history = random(&Shape::small(object, &mut rng), &mut rng);
    let failed_cas = *rng.pick(&[FailedCas::Dropped, FailedCas::Observed]);
    let (found, verdict) = streamed(object, failed_cas, &history);
    let whole = Linearizable { failed_cas, ..Linearizable::of(object) }.analyse(&history).verdict;
    let told = || format!("{object} {seed:#x} {failed_cas:?} {found:?}\n{verdict:?}\n{whole:?}");
    assert_eq!(verdict.name(), whole.name(), "{}", told());
    assert_eq!(found.is_some(), verdict.name() == "invalid", "{}", told());
    if let Some(index) = found {
        let beginning = |events: usize| History { events: history.events[..events].to_vec() };
        assert!(is_invalid(object, failed_cas, &beginning(index + 1)), "{}", told());
        assert!(!is_invalid(object, failed_cas, &beginning(index)), "{}", told());
    }
    found.is_some()
}

#[test]
fn what_grows_is_judged_as_the_whole_is_and_as_soon_as_it_can_be() {
    let objects = Object::ALL.into_iter().filter(|object| *object != Object::Stream);
    for object in objects {
        let count = histories() / 10;
        let wrong = (0..count).filter(|seed| compare(object, *seed)).count() as u64;
        println!("{object}: {count} histories, {wrong} wrong");
        assert!(wrong * 20 > count && (count - wrong) * 10 > count, "{object}: {wrong} of {count}");
    }
}

#[test]
fn what_a_store_did_is_never_accused_while_it_grows() {
    for object in [Object::Register, Object::CasRegister, Object::Counter] {
        for seed in 0..histories() / 1000 {
            let mut rng = Seed(seed).stream(Stream::Workload);
            let history = random(&Shape::long(object, &mut rng), &mut rng);
            let (found, verdict) = streamed(object, FailedCas::Observed, &history);
            assert_eq!((found, verdict), (None, Verdict::Valid), "{object} {seed:#x}");
            let whole = analyse(object, FailedCas::Observed, &history).verdict;
            assert_eq!(whole, Verdict::Valid);
        }
    }
}

#[test]
fn streams_have_no_streaming_checker() {
    assert!(StreamingCalls::of(Object::Stream).is_err());
}
