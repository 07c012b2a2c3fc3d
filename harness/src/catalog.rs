//! All tests by name. A new one is one line here.

use crate::checker::Checker;
use crate::checker::bank::BankTotal;
use crate::checker::durability::Durability;
use crate::checker::linearizable::Linearizable;
use crate::checker::list_append::ListAppend;
use crate::checker::long_fork::LongFork;
use crate::checker::rw_register::{Inference, RwRegister};
use crate::checker::zset_safety::ZsetSafety;
use crate::fault::FaultKind;
use crate::generator::rate::Rate;
use crate::op::Object;
use crate::options::Options;
use crate::redis;
use crate::redis::bank::Accounts;
use crate::redis::lists::Lists;
use crate::redis::objects::Objects;
use crate::redis::registers::Registers;
use crate::test::Test;
use crate::workload::Workload;
use crate::workload::bank::ACCOUNTS;
use crate::workload::shape::{Distribution, Shape};
use crate::workload::transactions::Alphabet;

/// Every test.
pub fn catalog() -> Vec<Test> {
    vec![
        redis_append(
            "redis-append",
            "list-append over Redis lists, the six standard kinds of fault",
            standard(Shape::default()),
        ),
        redis_append(
            "redis-append-calm",
            "list-append over Redis lists, nothing is broken",
            Options::default(),
        ),
        redis_append(
            "redis-append-contended",
            "list-append on three keys, one of them hot, the same faults",
            standard(Shape {
                keys: 3,
                distribution: Distribution::Exponential,
                ..Shape::default()
            }),
        ),
        Test {
            workload: Workload::Transactions(Alphabet::Registers),
            dial: Registers::dial,
            checkers: || {
                vec![Box::new(registers()), Box::new(Durability { of: Some("rw-register") })]
            },
            ..redis_append(
                "redis-rw-register",
                "transactions of SET and GET over strings",
                standard(Shape::default()),
            )
        },
        Test {
            dial: |connection, classify| {
                redis::dial(Objects(Object::Register), connection, classify)
            },
            checkers: || linearizable(Object::Register),
            ..redis_object("redis-register", "SET and GET of strings", Object::Register)
        },
        Test {
            dial: |connection, classify| {
                redis::dial(Objects(Object::CasRegister), connection, classify)
            },
            checkers: || linearizable(Object::CasRegister),
            ..redis_object(
                "redis-cas-register",
                "SET, GET and compare-and-set by a script",
                Object::CasRegister,
            )
        },
        Test {
            dial: |connection, classify| {
                redis::dial(Objects(Object::Counter), connection, classify)
            },
            checkers: || linearizable(Object::Counter),
            ..redis_object("redis-counter", "INCRBY and GET", Object::Counter)
        },
        Test {
            dial: |connection, classify| redis::dial(Objects(Object::Set), connection, classify),
            checkers: || linearizable(Object::Set),
            ..redis_object("redis-set", "SADD, SREM, SISMEMBER, SMEMBERS, DEL", Object::Set)
        },
        Test {
            dial: |connection, classify| redis::dial(Objects(Object::Map), connection, classify),
            checkers: || linearizable(Object::Map),
            ..redis_object("redis-hash", "HSET, HDEL, HGET, HGETALL, DEL", Object::Map)
        },
        Test {
            dial: |connection, classify| redis::dial(Objects(Object::Zset), connection, classify),
            checkers: || {
                vec![Box::new(Linearizable::of(Object::Zset)), Box::new(ZsetSafety::default())]
            },
            ..redis_object(
                "redis-zset",
                "ZADD, ZINCRBY, ZREM, ZRANGE, ZRANGEBYSCORE, DEL",
                Object::Zset,
            )
        },
        Test {
            dial: |connection, classify| redis::dial(Objects(Object::List), connection, classify),
            checkers: || linearizable(Object::List),
            defaults: queue(),
            ..redis_object("redis-queue", "RPUSH, LPOP, LRANGE, DEL", Object::List)
        },
        Test {
            dial: |connection, classify| redis::dial(Objects(Object::Stream), connection, classify),
            checkers: || linearizable(Object::Stream),
            ..redis_object("redis-stream", "XADD and XRANGE", Object::Stream)
        },
        Test {
            dial: |connection, classify| {
                redis::dial(Objects(Object::TtlRegister), connection, classify)
            },
            checkers: || linearizable(Object::TtlRegister),
            ..redis_object("redis-ttl", "SET, SET PX, PEXPIRE, PERSIST, GET", Object::TtlRegister)
        },
        Test {
            dial: |connection, classify| redis::dial(Objects(Object::Mixed), connection, classify),
            checkers: || linearizable(Object::Mixed),
            ..redis_object(
                "redis-mixed",
                "strings, lists, sets, hashes and sorted sets under the same keys, TYPE and DEL",
                Object::Mixed,
            )
        },
        Test {
            workload: Workload::Bank,
            dial: Accounts::dial,
            checkers: || vec![Box::new(bank())],
            ..redis_append(
                "redis-bank",
                "transfers between sorted sets in MULTI, looks at all of them by a script",
                standard(Shape::default()),
            )
        },
        Test {
            workload: Workload::LongFork,
            dial: Registers::dial,
            checkers: || vec![Box::new(LongFork), Box::new(registers())],
            ..redis_append(
                "redis-long-fork",
                "SET of single keys, GET of whole groups in MULTI",
                long_fork(),
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
    let (workload, dial) = (Workload::Transactions(Alphabet::Lists), Lists::dial);
    Test { name, about, defaults, workload, dial, checkers }
}

/// Calls of single objects under the six standard kinds of fault.
fn redis_object(name: &'static str, about: &'static str, object: Object) -> Test {
    // What nobody knows of a key multiplies: a key with few changes has few of them.
    let shape = Shape { keys: 16, appends_per_key: 20, ..Shape::default() };
    let workload = Workload::Calls(object);
    Test { workload, ..redis_append(name, about, standard(shape)) }
}

/// The six standard kinds of fault.
fn standard(shape: Shape) -> Options {
    Options { faults: FaultKind::USUAL.to_vec(), shape, ..Options::default() }
}

/// Of two LPOPs that nobody knows the end of, each may have taken what came next: so there are many keys, and few changes of each.
fn queue() -> Options {
    standard(Shape { keys: 32, appends_per_key: 12, ..Shape::default() })
}

/// Every key is written once, and in the end each is read through every node: few writes, many looks.
fn long_fork() -> Options {
    let shape = Shape { keys: 4, txn_max: 3, read_percent: 75, ..Shape::default() };
    Options { rate: Rate::Constant(60), ..standard(shape) }
}

/// Every account begins with nothing, and may fall below it.
fn bank() -> BankTotal {
    let accounts = Some((0..ACCOUNTS).collect());
    BankTotal { accounts, total: Some(0), negative_balances: true }
}

/// What a strictly serializable store lets infer of the order of versions.
fn registers() -> RwRegister {
    let inference = Inference { wfr_keys: true, sequential_keys: true, linearizable_keys: true };
    RwRegister { inference, ..RwRegister::default() }
}

fn linearizable(object: Object) -> Vec<Box<dyn Checker>> {
    vec![Box::new(Linearizable::of(object))]
}

fn checkers() -> Vec<Box<dyn Checker>> {
    vec![Box::new(ListAppend::default())]
}
