//! Which error replies are definite: the operation did not happen, whatever caused the reply.
//!
//! The table is Elastickv's (`adapter/redis*.go`, `kv/`, `internal/raftengine/etcd/`). A text is here only if the command can
//! never have run, not even in an earlier attempt: a follower's proxy (go-redis, three retries by default) may send a
//! command again whose first answer was lost, and pass on what the second attempt was told. So only what speaks of the command
//! itself counts: a name or a number of words that the server refuses, a type that the key does not have, a transaction that EXEC
//! discarded. Not here, although each is definite where it is emitted first: `hlc: … ceiling exhausted`, `key: k: txn locked`,
//! `key: k: write conflict`, every `NOTLEADER …`, `ERR leader redis address unknown …`, both `composed-1` texts.

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
    let of_the_command = ["ERR unsupported command ", "ERR wrong number of arguments for "];
    matches!(token(text), "EXECABORT" | "WRONGTYPE")
        || of_the_command.iter().any(|start| text.starts_with(start))
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
            "EXECABORT Transaction discarded because of previous errors.",
        ] {
            assert!(definite(text, Classify::Elastickv), "{text}");
        }
        for text in [
            "ERR leader redis address unknown for 10.0.0.1:50051",
            "ERR EXEC read fence spans multiple shard leaders",
            "NOTLEADER etcd raft leadership transfer is in progress",
            "key: 7: txn locked",
            "hlc: physical/logical ceiling exhausted; refusing to issue persistence timestamp",
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
