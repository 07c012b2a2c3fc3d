//! The rule that brings packets with [`LATE_MARK`] to a queue, in tables of its own between the chains that set and take the mark.
//!
//! It is written by netlink and not by `nft`, because some kernels have no `queue` statement, and what they have instead, the old
//! target NFQUEUE, has no words in `nft`. Both let packets pass when nobody reads the queue. From `linux/netfilter/nf_tables.h`
//! and `linux/netfilter/xt_NFQUEUE.h`.

use super::LATE_MARK;
use super::netlink::{ACK, APPEND, Attributes, CREATE, EXCLUSIVE, Head, Messages, Socket};
use nix::errno::Errno;

const TABLE: &str = "real_cluster_queue";
const CHAIN: &str = "hold";
/// IPv4 and IPv6. The family of both would do, but `nft` cannot list the old target there.
const FAMILIES: [u8; 2] = [2, 10];
const PREROUTING: u32 = 0;
/// Between `arrive` (-500) and `settle` (-498) of the ruleset.
const PRIORITY: i32 = -499;

const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;

#[derive(Clone, Copy)]
enum Order {
    NewTable = 0,
    DeleteTable = 2,
    NewChain = 3,
    NewRule = 6,
    DeleteRule = 8,
}

/// How the kernel is told to queue.
#[derive(Clone, Copy)]
enum Queueing {
    Statement,
    Target,
}

/// There already: nothing changes.
pub(super) fn install(queue: u16) -> nix::Result<()> {
    let done = match transact(|batch, family| make(batch, family, queue, Queueing::Statement)) {
        // The kernel knows no such statement.
        Err(Errno::ENOENT) => {
            transact(|batch, family| make(batch, family, queue, Queueing::Target))
        }
        done => done,
    };
    match done {
        Err(Errno::EEXIST) => Ok(()),
        done => done,
    }
}

/// No packet comes to the queue any more; those that are held stay held.
pub(super) fn release() -> nix::Result<()> {
    match transact(empty) {
        // It was healed away.
        Err(Errno::ENOENT) => Ok(()),
        done => done,
    }
}

/// Those that are held are lost.
pub(super) fn remove() -> nix::Result<()> {
    // Made first, since to delete what is not there is an error.
    transact(|batch, family| {
        table(batch, family, Order::NewTable, CREATE);
        table(batch, family, Order::DeleteTable, 0);
    })
}

/// For each family; all of it or nothing.
fn transact(order: impl Fn(&mut Messages, u8)) -> nix::Result<()> {
    let mut batch = Messages::default();
    bracket(&mut batch, BATCH_BEGIN);
    FAMILIES.iter().for_each(|family| order(&mut batch, *family));
    bracket(&mut batch, BATCH_END);
    Socket::open()?.ask(&batch)
}

fn bracket(batch: &mut Messages, kind: u16) {
    batch.add(Head { kind, flags: 0, family: 0, about: SUBSYSTEM }, |_| {});
}

fn head(family: u8, order: Order, flags: u16) -> Head {
    Head { kind: SUBSYSTEM << 8 | order as u16, flags: ACK | flags, family, about: 0 }
}

fn table(batch: &mut Messages, family: u8, order: Order, flags: u16) {
    batch.add(head(family, order, flags), |body| body.text(1, TABLE));
}

fn make(batch: &mut Messages, family: u8, queue: u16, queueing: Queueing) {
    table(batch, family, Order::NewTable, CREATE | EXCLUSIVE);
    batch.add(head(family, Order::NewChain, CREATE), |body| {
        body.text(1, TABLE);
        body.text(3, CHAIN);
        body.nest(4, |hook| {
            hook.number(1, PREROUTING);
            hook.bytes(2, &PRIORITY.to_be_bytes());
        });
        body.text(7, "filter");
    });
    batch.add(head(family, Order::NewRule, CREATE | APPEND), |body| {
        body.text(1, TABLE);
        body.text(2, CHAIN);
        body.nest(4, |expressions| {
            is_late(expressions);
            match queueing {
                Queueing::Statement => statement(expressions, queue),
                Queueing::Target => target(expressions, queue),
            }
        });
    });
}

fn empty(batch: &mut Messages, family: u8) {
    batch.add(head(family, Order::DeleteRule, 0), |body| {
        body.text(1, TABLE);
        body.text(2, CHAIN);
    });
}

/// `meta mark & LATE_MARK != 0`, through the first register of four bytes.
fn is_late(expressions: &mut Attributes<'_>) {
    const REGISTER: u32 = 8;
    const MARK: u32 = 3;
    const NOT_EQUAL: u32 = 1;
    let value = |data: &mut Attributes<'_>, value: u32| data.bytes(1, &value.to_ne_bytes());
    expression(expressions, "meta", |meta| {
        meta.number(1, REGISTER);
        meta.number(2, MARK);
    });
    expression(expressions, "bitwise", |bitwise| {
        bitwise.number(1, REGISTER);
        bitwise.number(2, REGISTER);
        bitwise.number(3, size_of_val(&LATE_MARK) as u32);
        bitwise.nest(4, |mask| value(mask, LATE_MARK));
        bitwise.nest(5, |xor| value(xor, 0));
    });
    expression(expressions, "cmp", |cmp| {
        cmp.number(1, REGISTER);
        cmp.number(2, NOT_EQUAL);
        cmp.nest(3, |data| value(data, 0));
    });
}

/// `queue flags bypass to N`.
fn statement(expressions: &mut Attributes<'_>, queue: u16) {
    const QUEUES: u16 = 1;
    const BYPASS: u16 = 1;
    expression(expressions, "queue", |body| {
        body.bytes(1, &queue.to_be_bytes());
        body.bytes(2, &QUEUES.to_be_bytes());
        body.bytes(3, &BYPASS.to_be_bytes());
    });
}

/// `-j NFQUEUE --queue-num N --queue-bypass`: its third revision, padded, in this machine's order.
fn target(expressions: &mut Attributes<'_>, queue: u16) {
    const REVISION: u32 = 3;
    const QUEUES: u16 = 1;
    const BYPASS: u16 = 1;
    let words = [queue, QUEUES, BYPASS, 0];
    expression(expressions, "target", |body| {
        body.text(1, "NFQUEUE");
        body.number(2, REVISION);
        body.bytes(3, &words.map(u16::to_ne_bytes).concat());
    });
}

fn expression(list: &mut Attributes<'_>, name: &str, data: impl FnOnce(&mut Attributes<'_>)) {
    list.nest(1, |expression| {
        expression.text(1, name);
        expression.nest(2, data);
    });
}
