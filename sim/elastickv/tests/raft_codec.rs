//! Messages as bytes: what goes in comes out, and no bytes hurt.

use bytes::Bytes;
use elastickv::raft::{
    ConfChange, ConfChangeKind, ConfChangeV2, ConfState, Config, DecodeError, Entry, EntryKind,
    HardState, InitialState, Message, MessageKind, Raft, Snapshot, SnapshotMeta, Transition,
};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

fn deterministic(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(5),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn position() -> impl Strategy<Value = u64> {
    prop_oneof![0..300u64, 0..=1u64 << 62]
}

fn data() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

fn kind() -> impl Strategy<Value = MessageKind> {
    use MessageKind::*;
    prop::sample::select(vec![
        App,
        AppResp,
        Vote,
        VoteResp,
        PreVote,
        PreVoteResp,
        Heartbeat,
        HeartbeatResp,
        Snap,
        TimeoutNow,
        TransferLeader,
    ])
}

fn snapshot() -> impl Strategy<Value = Snapshot> {
    let ids = || prop::collection::vec(any::<u64>(), 0..6);
    (position(), position(), [ids(), ids(), ids(), ids()], any::<bool>(), data()).prop_map(
        |(index, term, [voters, learners, voters_outgoing, learners_next], auto_leave, data)| {
            let mut conf = ConfState::new(voters, learners);
            if !voters_outgoing.is_empty() {
                conf = ConfState { voters_outgoing, learners_next, auto_leave, ..conf };
            }
            Snapshot { meta: SnapshotMeta { index, term, conf }, data }
        },
    )
}

fn entry_kind() -> impl Strategy<Value = EntryKind> {
    use EntryKind::{ConfChange, ConfChangeV2, Normal};
    prop::sample::select(vec![Normal, ConfChange, ConfChangeV2])
}

fn message() -> impl Strategy<Value = Message> {
    let numbers = prop::array::uniform5(position());
    let ids = prop::array::uniform4(any::<u64>());
    let entries = prop::collection::vec((position(), entry_kind(), data()), 0..6);
    let parts = (kind(), any::<bool>(), numbers, ids, entries, prop::option::of(snapshot()));
    parts.prop_map(|(kind, reject, numbers, ids, entries, snapshot)| {
        let [term, log_term, index, commit, reject_hint] = numbers;
        let [from, to, context, stamp] = ids;
        let entries = entries
            .into_iter()
            .zip(index + 1..)
            .map(|((term, kind, data), index)| Entry { term, index, kind, data });
        Message {
            kind,
            from,
            to,
            term,
            log_term,
            index,
            commit,
            reject,
            reject_hint,
            context,
            stamp,
            entries: entries.collect(),
            snapshot: snapshot.map(Box::new),
        }
    })
}

proptest! {
    #![proptest_config(deterministic(2000))]

    #[test]
    fn message_comes_back_as_it_was(message in message()) {
        prop_assert_eq!(Message::decode(&message.encode()), Ok(message));
    }

    #[test]
    fn arbitrary_bytes_are_refused_or_read_without_a_panic(
        kind in 0..12u8, bytes in prop::collection::vec(any::<u8>(), 0..200)
    ) {
        let bytes = Bytes::from([vec![kind], bytes].concat());
        let _ = Message::decode(&bytes);
        let _ = ConfChange::decode(&bytes);
        let _ = ConfChangeV2::decode(&bytes);
    }

    #[test]
    fn damaged_message_is_refused_or_read_without_a_panic(
        message in message(), at in any::<prop::sample::Index>(), byte in any::<u8>()
    ) {
        let mut bytes = message.encode().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = Message::decode(&Bytes::from(bytes.clone()));
        bytes.truncate(at);
        prop_assert!(Message::decode(&Bytes::from(bytes)).is_err());
    }

    #[test]
    fn conf_change_comes_back_as_it_was(kind in 0..3usize, id in any::<u64>(), context in data()) {
        use ConfChangeKind::{AddLearner, AddVoter, Remove};
        let change = ConfChange { kind: [AddVoter, AddLearner, Remove][kind], id, context };
        prop_assert_eq!(ConfChange::decode(&change.encode()), Ok(change));
    }

    #[test]
    fn conf_change_of_several_steps_comes_back_as_it_was(
        transition in 0..3usize,
        steps in prop::collection::vec((0..3usize, any::<u64>()), 0..5),
        context in data(),
    ) {
        use ConfChangeKind::{AddLearner, AddVoter, Remove};
        let transition =
            [Transition::Auto, Transition::Implicit, Transition::Explicit][transition];
        let changes = steps.iter().map(|(kind, id)| ([AddVoter, AddLearner, Remove][*kind], *id));
        let change = ConfChangeV2 { transition, changes: changes.collect(), context };
        prop_assert_eq!(ConfChangeV2::decode(&change.encode()), Ok(change));
    }
}

fn voter(log: u64) -> Raft {
    let entries = (1..=log).map(|index| Entry { term: 1, index, ..Entry::default() });
    let state = InitialState {
        hard_state: HardState { term: log.min(1), vote: 0, commit: log / 2 },
        conf: ConfState::voters([1, 2, 3]),
        entries: entries.collect(),
        ..InitialState::default()
    };
    let config = Config {
        election_tick: 4,
        heartbeat_tick: 1,
        pre_vote: false,
        check_quorum: true,
        max_size_per_msg: 100,
        max_committed_size_per_ready: 100,
        max_inflight: 2,
        ..Config::new(1)
    };
    Raft::new(config, state, Box::new(|_| 0))
}

proptest! {
    #![proptest_config(deterministic(2000))]

    #[test]
    fn forged_messages_are_refused_or_taken_without_a_panic(
        log in 0..4u64,
        forged in prop::collection::vec((message(), 0..4u64, 0..4u64, 0..6u64, any::<bool>()), 1..20),
    ) {
        let mut raft = voter(log);
        for (mut message, from, term, index, small) in forged {
            (message.from, message.to) = (from, 1);
            if small {
                (message.term, message.log_term) = (raft.term() + term / 3, term);
                (message.index, message.commit) = (index, index);
                message.entries.iter_mut().zip(index + 1..).for_each(|(e, at)| e.index = at);
            }
            if let Ok(message) = Message::decode(&message.encode()) {
                let _ = raft.step(message);
            }
            raft.campaign();
            raft.tick();
            raft.ready();
            raft.advance();
        }
    }
}

#[test]
fn entry_data_shares_the_received_buffer() {
    let mut message = Message::new(MessageKind::App, 2);
    let data = Bytes::from_static(b"value");
    message.entries = vec![Entry { term: 1, index: 1, kind: EntryKind::Normal, data }];
    let bytes = message.encode();
    let decoded = Message::decode(&bytes).expect("we encoded it");
    assert!(bytes.as_ptr_range().contains(&decoded.entries[0].data.as_ptr()));
}

#[test]
fn heartbeat_is_small() {
    let beat =
        Message { from: 1, term: 7, commit: 9000, ..Message::new(MessageKind::Heartbeat, 2) };
    assert_eq!(beat.encode().len(), 27);
}

#[test]
fn reason_why_bytes_are_no_message_is_given() {
    let decode = |bytes: &[u8]| Message::decode(&Bytes::copy_from_slice(bytes));
    let good = Message::new(MessageKind::App, 2).encode();
    assert_eq!(decode(&good[..9]), Err(DecodeError::Short { have: 9 }));
    assert_eq!(decode(&[&good[..], b"!"].concat()), Err(DecodeError::Trailing { left: 1 }));
    assert_eq!(decode(&[99]), Err(DecodeError::Tag { what: "message kind", got: 99 }));
    assert_eq!(decode(&[0, 8]), Err(DecodeError::Tag { what: "flags", got: 8 }));
    let long = [&good[..18], &[0xff; 10]].concat();
    assert_eq!(decode(&long), Err(DecodeError::Varint));
    let many = [&good[..25], &[0xff, 0xff, 0xff, 0x7f]].concat();
    assert_eq!(decode(&many), Err(DecodeError::Short { have: many.len() }));
}
