//! What the Redis client makes of replies, and that no bytes make it panic.

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::io::{AsyncRead, AsyncWrite};
use harness::client::{Classify, Outcome};
use harness::op::{Completion, Held, Mop, Op, RegisterMop};
use harness::redis::lists::Lists;
use harness::redis::registers::Registers;
use harness::redis::resp::{Decoder, ELEMENTS_MAX, Reply, encode};
use proptest::prelude::*;
use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// Hands out bytes in pieces, then ends; keeps what was written.
struct Tape {
    replies: Vec<u8>,
    piece: usize,
    written: Rc<RefCell<Vec<u8>>>,
}

impl AsyncRead for Tape {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let count = self.piece.min(buffer.len()).min(self.replies.len());
        let rest = self.replies.split_off(count);
        buffer[..count].copy_from_slice(&self.replies);
        self.replies = rest;
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for Tape {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.written.borrow_mut().extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn exchange(op: &Op, replies: &[u8], piece: usize, classify: Classify) -> (Outcome, Vec<u8>) {
    let written = Rc::new(RefCell::new(Vec::new()));
    let tape = Tape { replies: replies.to_vec(), piece, written: Rc::clone(&written) };
    let mut client = Lists::dial(Box::new(tape), classify);
    let outcome = client.invoke(op).now_or_never().expect("a tape is always ready");
    let written = written.borrow().clone();
    (outcome, written)
}

fn registers(mops: Vec<RegisterMop>, replies: &str) -> (Completion, String) {
    let written = Rc::new(RefCell::new(Vec::new()));
    let replies = replies.as_bytes().to_vec();
    let tape = Tape { replies, piece: 4096, written: Rc::clone(&written) };
    let mut client = Registers::dial(Box::new(tape), Classify::Elastickv);
    let op = Op::Registers(mops);
    let outcome = client.invoke(&op).now_or_never().expect("a tape is always ready");
    let written = String::from_utf8(written.borrow().clone()).expect("words");
    (outcome.completion, written)
}

#[test]
fn registers_are_set_and_got_bare_and_in_a_transaction() {
    let write = |value| RegisterMop::Write { key: 7, value };
    let read = |value| RegisterMop::Read { key: 8, value };
    let (completion, written) = registers(vec![read(Held::Unknown)], "$-1\r\n");
    assert_eq!(completion, Completion::Ok(Op::Registers(vec![read(Held::Nothing)])));
    assert_eq!(written, "*2\r\n$3\r\nGET\r\n$1\r\n8\r\n");
    let replies = "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n$2\r\n41\r\n";
    let (completion, written) = registers(vec![write(5), read(Held::Unknown)], replies);
    assert_eq!(completion, Completion::Ok(Op::Registers(vec![write(5), read(Held::Value(41))])));
    assert!(written.contains("MULTI") && written.contains("$3\r\nSET\r\n$1\r\n7\r\n$1\r\n5"));
    for (mop, reply) in [(write(5), ":1\r\n"), (write(5), "$-1\r\n"), (write(5), "-ERR odd\r\n")] {
        let (completion, _) = registers(vec![mop], reply);
        assert!(matches!(completion, Completion::Info(_)), "{reply}: {completion:?}");
    }
    let (completion, _) = registers(vec![read(Held::Unknown)], "$3\r\nten\r\n");
    assert!(matches!(completion, Completion::Fail(_)), "{completion:?}");
}

fn outcome(op: &Op, replies: &str) -> Outcome {
    exchange(op, replies.as_bytes(), 4096, Classify::Elastickv).0
}

fn append(key: u64, value: u64) -> Mop {
    Mop::Append { key, value }
}

fn read(key: u64) -> Mop {
    Mop::Read { key, values: None }
}

fn saw(key: u64, values: &[u64]) -> Mop {
    Mop::Read { key, values: Some(values.to_vec()) }
}

fn kind(outcome: &Outcome) -> (&'static str, bool) {
    let word = match outcome.completion {
        Completion::Ok(_) => "ok",
        Completion::Fail(_) => "fail",
        Completion::Info(_) => "info",
    };
    (word, outcome.reusable)
}

#[test]
fn one_micro_operation_is_sent_bare_and_several_between_multi_and_exec_in_one_write() {
    let (done, sent) = exchange(&Op::Txn(vec![append(3, 7)]), b":1\r\n", 1, Classify::Elastickv);
    assert_eq!(sent, b"*3\r\n$5\r\nRPUSH\r\n$1\r\n3\r\n$1\r\n7\r\n");
    assert_eq!(done.completion, Completion::Ok(Op::Txn(vec![append(3, 7)])));
    let txn = Op::Txn(vec![append(3, 7), read(12)]);
    let replies = b"+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n*2\r\n$1\r\n5\r\n$2\r\n10\r\n";
    let (done, sent) = exchange(&txn, replies, 1, Classify::Elastickv);
    let expected = "*1\r\n$5\r\nMULTI\r\n*3\r\n$5\r\nRPUSH\r\n$1\r\n3\r\n$1\r\n7\r\n\
                    *4\r\n$6\r\nLRANGE\r\n$2\r\n12\r\n$1\r\n0\r\n$2\r\n-1\r\n*1\r\n$4\r\nEXEC\r\n";
    assert_eq!(String::from_utf8_lossy(&sent), expected);
    assert_eq!(done.completion, Completion::Ok(Op::Txn(vec![append(3, 7), saw(12, &[5, 10])])));
    assert!(done.reusable);
}

#[test]
fn a_transaction_that_did_not_run_failed() {
    let txn = Op::Txn(vec![append(3, 7), read(12)]);
    let discarded = "+OK\r\n-ERR wrong number\r\n+QUEUED\r\n-EXECABORT Transaction discarded\r\n";
    assert_eq!(kind(&outcome(&txn, discarded)), ("fail", true));
    let unsupported = "+OK\r\n+QUEUED\r\n+QUEUED\r\n-ERR unsupported command 'RPUSH'\r\n";
    assert_eq!(kind(&outcome(&txn, unsupported)), ("fail", false));
}

#[test]
fn a_transaction_of_which_some_may_have_happened_is_unknown() {
    let txn = Op::Txn(vec![append(3, 7), read(12)]);
    for (replies, reusable) in [
        ("+OK\r\n+QUEUED\r\n+QUEUED\r\n*-1\r\n", true),
        ("+OK\r\n:1\r\n+QUEUED\r\n-EXECABORT Transaction discarded\r\n", true),
        (
            "+OK\r\n+QUEUED\r\n+QUEUED\r\n-ERR EXEC read fence spans multiple shard leaders\r\n",
            false,
        ),
        ("+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n-WRONGTYPE no list\r\n", true),
        ("+OK\r\n+QUEUED\r\n+QUEUED\r\n*1\r\n:1\r\n", true),
        ("+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n*0\r\n", true),
        ("+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n*1\r\n$3\r\nsix\r\n", true),
        ("+OK\r\n-ERR no\r\n+QUEUED\r\n*2\r\n:1\r\n*0\r\n", true),
        ("+OK\r\n+QUEUED\r\n+QUEUED\r\n+OK\r\n", false),
        ("+OK\r\n+QUEUED\r\n+QUEUED\r\n-NOTLEADER leader not found\r\n", false),
        ("-ERR MULTI calls can not be nested\r\n:1\r\n*0\r\n-ERR EXEC without MULTI\r\n", false),
        (
            "-ERR unsupported command 'MULTI'\r\n:1\r\n*0\r\n-ERR unsupported command 'EXEC'\r\n",
            false,
        ),
        ("+OK\r\n+QUEUED\r\n", false),
        ("+OK\r\n+QUEUED\r\n+QUEUED\r\n!\r\n", false),
        ("", false),
    ] {
        assert_eq!(kind(&outcome(&txn, replies)), ("info", reusable), "{replies:?}");
    }
}

#[test]
fn a_read_only_transaction_is_never_worse_than_failed() {
    let txn = Op::Txn(vec![read(3), read(12)]);
    for replies in [
        "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n*0\r\n-context deadline exceeded\r\n",
        "+OK\r\n+QUEUED\r\n+QUEUED\r\n-NOTLEADER leader not found\r\n",
        "-LOADING\r\n",
        "",
    ] {
        assert_eq!(kind(&outcome(&txn, replies)).0, "fail", "{replies:?}");
    }
}

#[test]
fn a_malformed_reply_is_unknown_and_says_what_came() {
    for (op, reply, hint) in [
        (append(3, 7), "+OK\r\n", "RPUSH was answered with status `OK`"),
        (append(3, 7), ":0\r\n", "RPUSH was answered with integer 0"),
        (append(3, 7), "$-1\r\n", "RPUSH was answered with null"),
        (append(3, 7), "*0\r\n", "RPUSH was answered with array of 0"),
        (append(3, 7), "hello\r\n", "a line begins with `h`"),
    ] {
        match outcome(&Op::Txn(vec![op]), reply).completion {
            Completion::Info(reason) => assert!(reason.contains(hint), "{reason}"),
            other => panic!("{reply:?} was read as {other:?}"),
        }
    }
    for reply in ["*1\r\n$2\r\n-1\r\n", "*1\r\n$-1\r\n", ":3\r\n", "*-1\r\n"] {
        match outcome(&Op::Txn(vec![read(1)]), reply).completion {
            Completion::Fail(reason) => assert!(reason.contains("malformed reply"), "{reason}"),
            other => panic!("{reply:?} was read as {other:?}"),
        }
    }
}

#[test]
fn upstreams_reading_fails_a_top_level_notleader_only() {
    let reply = b"-NOTLEADER etcd raft engine is not leader\r\n";
    let bare = Op::Txn(vec![append(3, 7)]);
    assert_eq!(kind(&exchange(&bare, reply, 9, Classify::Jepsen).0), ("fail", true));
    assert_eq!(kind(&exchange(&bare, reply, 9, Classify::Elastickv).0), ("info", true));
    let inside = b"+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n-NOTLEADER x\r\n";
    let txn = Op::Txn(vec![append(3, 7), append(3, 8)]);
    assert_eq!(kind(&exchange(&txn, inside, 9, Classify::Jepsen).0), ("info", true));
}

fn encoded(reply: &Reply, to: &mut Vec<u8>) {
    match reply {
        Reply::Status(text) => to.extend(format!("+{text}\r\n").bytes()),
        Reply::Error(text) => to.extend(format!("-{text}\r\n").bytes()),
        Reply::Integer(number) => to.extend(format!(":{number}\r\n").bytes()),
        Reply::Null => to.extend(b"$-1\r\n"),
        Reply::NullArray => to.extend(b"*-1\r\n"),
        Reply::Bulk(bytes) => {
            to.extend(format!("${}\r\n", bytes.len()).bytes());
            to.extend_from_slice(bytes);
            to.extend(b"\r\n");
        }
        Reply::Array(items) => {
            to.extend(format!("*{}\r\n", items.len()).bytes());
            items.iter().for_each(|item| encoded(item, to));
        }
    }
}

fn any_reply() -> impl Strategy<Value = Reply> {
    let leaf = prop_oneof![
        "[ -~]{0,12}".prop_map(Reply::Status),
        "[ -~]{0,12}".prop_map(Reply::Error),
        any::<i64>().prop_map(Reply::Integer),
        prop::collection::vec(any::<u8>(), 0..12).prop_map(|b| Reply::Bulk(Bytes::from(b))),
        Just(Reply::Null),
        Just(Reply::NullArray),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| prop::collection::vec(inner, 0..5).prop_map(Reply::Array))
}

/// Bytes that look like RESP more often than chance would.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        Just(b"\r\n".to_vec()),
        Just(b"*2\r\n".to_vec()),
        Just(b"$3\r\nabc\r\n".to_vec()),
        Just(b"*1\r\n".to_vec()),
        Just(b"*-7\r\n".to_vec()),
        Just(b"$99999999999\r\n".to_vec()),
        Just(b":".to_vec()),
        prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(word, 0..24).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn any_reply_is_decoded_as_it_was_encoded_however_it_is_cut(
        replies in prop::collection::vec(any_reply(), 1..4),
        piece in 1usize..9,
    ) {
        let mut bytes = Vec::new();
        replies.iter().for_each(|reply| encoded(reply, &mut bytes));
        let mut decoder = Decoder::default();
        let mut decoded = Vec::new();
        for piece in bytes.chunks(piece) {
            decoder.feed(piece);
            while let Some(reply) = decoder.reply().expect("it is well-formed") {
                decoded.push(reply);
            }
        }
        prop_assert_eq!(decoded, replies);
        prop_assert!(decoder.is_empty());
    }

    #[test]
    fn no_bytes_make_the_decoder_panic_and_an_error_stays(bytes in any_bytes(), piece in 1usize..9) {
        let mut decoder = Decoder::default();
        let mut failed = None;
        for piece in bytes.chunks(piece) {
            decoder.feed(piece);
            loop {
                match decoder.reply() {
                    Ok(Some(_)) => prop_assert!(failed.is_none(), "a reply after an error"),
                    Ok(None) => break,
                    Err(error) => {
                        prop_assert!(failed.is_none_or(|before| before == error));
                        failed = Some(error);
                        break;
                    }
                }
            }
        }
    }

    #[test]
    fn no_replies_make_a_client_panic_or_call_an_append_ok_without_its_integer(
        bytes in any_bytes(),
        length in 1usize..4,
    ) {
        let op = Op::Txn((0..length as u64).map(|value| append(1, value)).collect());
        let (outcome, _) = exchange(&op, &bytes, 7, Classify::Elastickv);
        if let Completion::Ok(_) = outcome.completion {
            prop_assert!(bytes.contains(&b':'));
        }
    }

    #[test]
    fn what_is_encoded_as_a_command_is_decoded_as_its_words(
        words in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..5),
    ) {
        let slices: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let mut bytes = Vec::new();
        encode(&slices, &mut bytes);
        let mut decoder = Decoder::default();
        decoder.feed(&bytes);
        let expected = words.into_iter().map(|word| Reply::Bulk(Bytes::from(word))).collect();
        prop_assert_eq!(decoder.reply(), Ok(Some(Reply::Array(expected))));
    }
}

#[test]
fn replies_beyond_the_bounds_are_refused_before_they_are_held() {
    for (bytes, hint) in [
        (format!("*{}\r\n", ELEMENTS_MAX + 1), "between -1 and"),
        ("$16777217\r\n".to_owned(), "between -1 and"),
        ("*1\r\n".repeat(9), "deep"),
        ("*2\r\n".repeat(2) + &format!("*{ELEMENTS_MAX}\r\n"), "elements"),
        (format!("+{}", "x".repeat(70_000)), "a line of more than"),
        ("+OK\n".to_owned(), "CR LF"),
        ("\r\n".to_owned(), "an empty line"),
    ] {
        let mut decoder = Decoder::default();
        decoder.feed(bytes.as_bytes());
        let sentence = decoder.reply().expect_err("it is out of bounds").to_string();
        assert!(sentence.contains(hint), "{sentence}");
    }
}
