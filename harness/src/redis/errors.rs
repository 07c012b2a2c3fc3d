//! Which error replies are definite: the operation did not happen, whatever caused the reply.
//!
//! The table is Elastickv's (`adapter/redis*.go`, `kv/`, `internal/raftengine/etcd/`). A text is here only if every
//! place that emits it does so before anything could take effect. Not here, on purpose:
//! - `NOTLEADER leader not found` may end a retry loop that already dispatched;
//! - `NOTLEADER etcd raft engine is not leader` is also what waiters are told when a leader steps down with
//!   their entry in the log;
//! - `NOTLEADER rpc error: …` and `… leadership lost` come back from a forwarded request, and `… leader proxy
//!   circuit open` speaks of the last attempt only;
//! - `key: k: write conflict` (also behind `redis txn retry limit exceeded`) may have been a conflict with the
//!   operation's own earlier attempt, whose answer was lost;
//! - `txn secondary commit failed after primary commit`, `txn dedup …`, `ERR EXEC read fence route changed after
//!   ambiguous dispatch`, every deadline, cancellation and `engine is closed`.

use crate::client::Classify;

/// Whether the reply means that the operation did not and will not happen.
pub fn definite(text: &str, classify: Classify) -> bool {
    match classify {
        Classify::Elastickv => definite_for_every_cause(text),
        Classify::Jepsen => failed_for_upstream(text),
    }
}

/// Whether an error reply to EXEC means that the server's side of the transaction is over.
pub fn ends_multi(text: &str) -> bool {
    token(text) == "EXECABORT"
}

fn definite_for_every_cause(text: &str) -> bool {
    if matches!(token(text), "EXECABORT" | "WRONGTYPE") {
        return true;
    }
    // Emitted by `handleProposal` before it proposes. Forwarded, it would come wrapped in `rpc error`.
    if text == "NOTLEADER etcd raft leadership transfer is in progress" {
        return true;
    }
    let text = text.strip_prefix("ERR ").unwrap_or(text);
    let before_dispatch = [
        "unsupported command ",
        "wrong number of arguments for ",
        "EXEC read fence spans multiple shard leaders",
        "leader redis address unknown for ",
        "composed-1: route ownership shifted; retry on new owning group",
        "composed-1: observed catalog version evicted from history ring; retry",
    ];
    before_dispatch.iter().any(|start| text.starts_with(start))
        || (text.starts_with("key: ") && text.ends_with(": txn locked"))
        || (text.starts_with("hlc: ")
            && text.ends_with("ceiling exhausted; refusing to issue persistence timestamp"))
}

/// The prefixes that `jepsen.redis.client` turns into `:fail`; every other reply crashes its worker: `:info`.
/// EXECABORT is ours: Carmine raises it as an unknown prefix.
fn failed_for_upstream(text: &str) -> bool {
    let known = ["NOTLEADER", "CROSSSLOT", "MOVED", "NOCLUSTER", "CLUSTERDOWN", "EXECABORT"];
    known.contains(&token(text))
}

fn token(text: &str) -> &str {
    text.split(' ').next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_texts_that_are_definite_for_every_cause_are_definite() {
        for text in [
            "WRONGTYPE Operation against a key holding the wrong kind of value",
            "ERR wrong number of arguments for 'rpush' command",
            "ERR unsupported command 'FOO'",
            "ERR leader redis address unknown for 10.0.0.1:50051",
            "ERR EXEC read fence spans multiple shard leaders",
            "EXECABORT Transaction discarded because of previous errors.",
            "NOTLEADER etcd raft leadership transfer is in progress",
            "key: 7: txn locked",
            "hlc: physical ceiling exhausted; refusing to issue persistence timestamp",
        ] {
            assert!(definite(text, Classify::Elastickv), "{text}");
        }
        for text in [
            "NOTLEADER leader not found",
            "NOTLEADER etcd raft engine is not leader",
            "NOTLEADER rpc error: code = Unknown desc = not leader",
            "NOTLEADER node n2: leader proxy circuit open",
            "key: 7: write conflict",
            "redis txn retry limit exceeded: key: 7: write conflict",
            "redis txn retry limit exceeded: key: 7: txn locked",
            "rpc error: code = Unknown desc = key: 7: txn locked",
            "context deadline exceeded",
            "etcd raft engine is closed",
            "ERR EXEC read fence route changed after ambiguous dispatch",
            "txn secondary commit failed after primary commit: route catalog shifted",
            "ERR something new",
            "",
        ] {
            assert!(!definite(text, Classify::Elastickv), "{text}");
        }
    }

    #[test]
    fn upstreams_reading_calls_every_top_level_notleader_a_failure() {
        assert!(definite("NOTLEADER etcd raft engine is not leader", Classify::Jepsen));
        assert!(!definite("ERR NOTLEADER", Classify::Jepsen));
        assert!(!definite("key: 7: write conflict", Classify::Jepsen));
    }
}
