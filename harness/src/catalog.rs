//! All tests by name. A new one is one line here.

use crate::checker::Checker;
use crate::checker::linearizable::Linearizable;
use crate::checker::list_append::ListAppend;
use crate::fault::FaultKind;
use crate::op::Object;
use crate::options::Options;
use crate::redis::RedisClient;
use crate::redis::objects::ObjectClient;
use crate::test::Test;
use crate::workload::Workload;
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
        Test {
            dial: |connection, classify| ObjectClient::dial(Object::Register, connection, classify),
            checkers: || linearizable(Object::Register),
            ..redis_object("redis-register", "SET and GET of strings", Object::Register)
        },
        Test {
            dial: |connection, classify| {
                ObjectClient::dial(Object::CasRegister, connection, classify)
            },
            checkers: || linearizable(Object::CasRegister),
            ..redis_object(
                "redis-cas-register",
                "SET, GET and compare-and-set by a script",
                Object::CasRegister,
            )
        },
        Test {
            dial: |connection, classify| ObjectClient::dial(Object::Counter, connection, classify),
            checkers: || linearizable(Object::Counter),
            ..redis_object("redis-counter", "INCRBY and GET", Object::Counter)
        },
        Test {
            dial: |connection, classify| ObjectClient::dial(Object::Set, connection, classify),
            checkers: || linearizable(Object::Set),
            ..redis_object("redis-set", "SADD, SREM, SISMEMBER, SMEMBERS, DEL", Object::Set)
        },
        Test {
            dial: |connection, classify| ObjectClient::dial(Object::Map, connection, classify),
            checkers: || linearizable(Object::Map),
            ..redis_object("redis-hash", "HSET, HDEL, HGET, HGETALL, DEL", Object::Map)
        },
        Test {
            dial: |connection, classify| ObjectClient::dial(Object::Zset, connection, classify),
            checkers: || linearizable(Object::Zset),
            ..redis_object(
                "redis-zset",
                "ZADD, ZINCRBY, ZREM, ZRANGE, ZRANGEBYSCORE, DEL",
                Object::Zset,
            )
        },
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
    let (workload, dial) = (Workload::Append, RedisClient::dial);
    Test { name, about, defaults, workload, dial, checkers }
}

/// Calls of single objects under the six standard kinds of fault.
fn redis_object(name: &'static str, about: &'static str, object: Object) -> Test {
    // What nobody knows of a key multiplies: a key with few changes has few of them.
    let append = AppendOptions { keys: 16, appends_per_key: 20, ..AppendOptions::default() };
    let defaults = Options { faults: FaultKind::STANDARD.to_vec(), append, ..Options::default() };
    let workload = Workload::Calls(object);
    Test { workload, ..redis_append(name, about, defaults) }
}

fn linearizable(object: Object) -> Vec<Box<dyn Checker>> {
    vec![Box::new(Linearizable::of(object))]
}

fn checkers() -> Vec<Box<dyn Checker>> {
    vec![Box::new(ListAppend::default())]
}
