//! All tests by name. A new one is one line here.

use crate::checker::Checker;
use crate::checker::list_append::ListAppend;
use crate::fault::FaultKind;
use crate::options::Options;
use crate::redis::RedisClient;
use crate::test::Test;
use crate::workload::append::{AppendOptions, Distribution};

/// Every test.
pub fn catalog() -> Vec<Test> {
    vec![
        redis_append(
            "redis-append",
            "list-append over Redis lists, the six standard kinds of fault",
            Options { faults: FaultKind::STANDARD.to_vec(), ..Options::default() },
        ),
        redis_append(
            "redis-append-calm",
            "list-append over Redis lists, nothing is broken",
            Options::default(),
        ),
        redis_append(
            "redis-append-contended",
            "list-append on three keys, one of them hot, the same faults",
            Options {
                faults: FaultKind::STANDARD.to_vec(),
                append: AppendOptions {
                    keys: 3,
                    distribution: Distribution::Exponential,
                    ..AppendOptions::default()
                },
                ..Options::default()
            },
        ),
    ]
}

/// The test of that name.
pub fn find(name: &str) -> Result<Test, String> {
    catalog().into_iter().find(|test| test.name == name).ok_or_else(|| {
        let names: Vec<&str> = catalog().iter().map(|test| test.name).collect();
        format!("there is no test `{name}`: the tests are {}", names.join(", "))
    })
}

fn redis_append(name: &'static str, about: &'static str, defaults: Options) -> Test {
    Test { name, about, defaults, dial: RedisClient::dial, checkers }
}

fn checkers() -> Vec<Box<dyn Checker>> {
    vec![Box::new(ListAppend::default())]
}
