//! Raft's values in the words of etcd's `util.go`, which the scripts hold.

use elastickv::raft::storage::{AppendWork, ApplyWork, Stored};
use elastickv::raft::{
    ConfChange, ConfChangeKind, ConfChangeV2, ConfState, Entry, EntryKind, HardState, Message,
    MessageKind, Ready, Role, Snapshot,
};

pub(super) fn role(role: Role) -> &'static str {
    match role {
        Role::Follower => "StateFollower",
        Role::PreCandidate => "StatePreCandidate",
        Role::Candidate => "StateCandidate",
        Role::Leader => "StateLeader",
    }
}

pub(super) fn kind(kind: MessageKind) -> &'static str {
    match kind {
        MessageKind::App => "MsgApp",
        MessageKind::AppResp => "MsgAppResp",
        MessageKind::Vote => "MsgVote",
        MessageKind::VoteResp => "MsgVoteResp",
        MessageKind::PreVote => "MsgPreVote",
        MessageKind::PreVoteResp => "MsgPreVoteResp",
        MessageKind::Heartbeat => "MsgHeartbeat",
        MessageKind::HeartbeatResp => "MsgHeartbeatResp",
        MessageKind::Snap => "MsgSnap",
        MessageKind::TimeoutNow => "MsgTimeoutNow",
        MessageKind::TransferLeader => "MsgTransferLeader",
    }
}

fn steps(changes: &[(ConfChangeKind, u64)]) -> String {
    let step = |(kind, id): &(ConfChangeKind, u64)| match kind {
        ConfChangeKind::AddVoter => format!("v{id}"),
        ConfChangeKind::AddLearner => format!("l{id}"),
        ConfChangeKind::Remove => format!("r{id}"),
    };
    changes.iter().map(step).collect::<Vec<_>>().join(" ")
}

pub(super) fn entry(entry: &Entry) -> String {
    let (kind, data) = match entry.kind {
        EntryKind::Normal => ("EntryNormal", format!("{:?}", String::from_utf8_lossy(&entry.data))),
        EntryKind::ConfChange => {
            let change = ConfChange::decode(&entry.data);
            ("EntryConfChange", change.map_or_else(|e| e.to_string(), |c| steps(&[(c.kind, c.id)])))
        }
        EntryKind::ConfChangeV2 => {
            let change = ConfChangeV2::decode(&entry.data);
            ("EntryConfChangeV2", change.map_or_else(|e| e.to_string(), |c| steps(&c.changes)))
        }
    };
    format!("{}/{} {kind} {data}", entry.term, entry.index).trim_end().to_owned()
}

/// A line each.
pub(super) fn entries(entries: &[Entry]) -> String {
    entries.iter().map(|e| entry(e) + "\n").collect()
}

fn ids(ids: &[u64]) -> String {
    ids.iter().map(u64::to_string).collect::<Vec<_>>().join(" ")
}

/// As etcd logs a configuration: `voters=(1 2)&&(1) learners=(3) autoleave`.
pub(super) fn configuration(conf: &ConfState) -> String {
    let mut text = format!("voters=({})", ids(&conf.voters));
    if conf.is_joint() {
        text += &format!("&&({})", ids(&conf.voters_outgoing));
    }
    if !conf.learners.is_empty() {
        text += &format!(" learners=({})", ids(&conf.learners));
    }
    if !conf.learners_next.is_empty() {
        text += &format!(" learners_next=({})", ids(&conf.learners_next));
    }
    if conf.auto_leave {
        text += " autoleave";
    }
    text
}

fn snapshot(snapshot: &Snapshot) -> String {
    let (meta, conf) = (&snapshot.meta, &snapshot.meta.conf);
    format!(
        "Index:{} Term:{} ConfState:Voters:[{}] VotersOutgoing:[{}] Learners:[{}] LearnersNext:[{}] AutoLeave:{}",
        meta.index,
        meta.term,
        ids(&conf.voters),
        ids(&conf.voters_outgoing),
        ids(&conf.learners),
        ids(&conf.learners_next),
        conf.auto_leave,
    )
}

fn hard_state(state: &HardState) -> String {
    let vote = if state.vote == 0 { String::new() } else { format!(" Vote:{}", state.vote) };
    format!("Term:{}{vote} Commit:{}", state.term, state.commit)
}

/// What a message has in common with the work of a storage thread.
#[derive(Default)]
struct Head<'a> {
    term: u64,
    log_term: u64,
    index: u64,
    rejected_hint: Option<u64>,
    commit: u64,
    vote: u64,
    entries: &'a [Entry],
    snapshot: Option<String>,
}

fn message_line(indent: &str, route: &str, head: &Head<'_>) -> String {
    let mut text =
        format!("{indent}{route} Term:{} Log:{}/{}", head.term, head.log_term, head.index);
    if let Some(hint) = head.rejected_hint {
        text += &format!(" Rejected (Hint: {hint})");
    }
    if head.commit != 0 {
        text += &format!(" Commit:{}", head.commit);
    }
    if head.vote != 0 {
        text += &format!(" Vote:{}", head.vote);
    }
    match head.entries {
        [] => {}
        [one] => text += &format!(" Entries:[{}]", entry(one)),
        many => {
            text += " Entries:[";
            for one in many {
                text += &format!("\n{indent}  {}", entry(one));
            }
            text += &format!("\n{indent}]");
        }
    }
    if let Some(snapshot) = &head.snapshot {
        text += &format!("\n{indent}  Snapshot: {snapshot}");
    }
    text
}

fn indented_message(indent: &str, m: &Message) -> String {
    let route = format!("{}->{} {}", m.from, m.to, kind(m.kind));
    let head = Head {
        term: m.term,
        log_term: m.log_term,
        index: m.index,
        rejected_hint: m.reject.then_some(m.reject_hint),
        commit: m.commit,
        entries: &m.entries,
        snapshot: m.snapshot.as_deref().map(snapshot),
        ..Head::default()
    };
    message_line(indent, &route, &head)
}

pub(super) fn message(m: &Message) -> String {
    indented_message("", m)
}

/// What `own`'s append thread is to do, without the answers.
pub(super) fn append_work(own: u64, work: &AppendWork) -> String {
    let state = work.hard_state.unwrap_or_default();
    let head = Head {
        term: state.term,
        commit: state.commit,
        vote: state.vote,
        entries: &work.entries,
        snapshot: work.snapshot.as_ref().map(snapshot),
        ..Head::default()
    };
    message_line("", &format!("{own}->AppendThread MsgStorageAppend"), &head)
}

/// What it answers afterwards, a line each.
pub(super) fn append_answers(indent: &str, own: u64, work: &AppendWork) -> Vec<String> {
    let mut answers: Vec<String> =
        work.answers.iter().map(|m| indented_message(indent, m)).collect();
    answers.extend(
        work.stored
            .as_ref()
            .map(|done| indent.to_owned() + &stored(own, done, work.snapshot.as_ref())),
    );
    answers
}

pub(super) fn stored(own: u64, done: &Stored, of: Option<&Snapshot>) -> String {
    let (index, log_term) = done.last.unwrap_or_default();
    let head =
        Head { term: done.term, log_term, index, snapshot: of.map(snapshot), ..Head::default() };
    message_line("", &format!("AppendThread->{own} MsgStorageAppendResp"), &head)
}

/// What `own`'s apply thread is to do, without the answer.
pub(super) fn apply_work(own: u64, work: &ApplyWork) -> String {
    let head = Head { entries: &work.entries, ..Head::default() };
    message_line("", &format!("{own}->ApplyThread MsgStorageApply"), &head)
}

/// What it answers afterwards.
pub(super) fn apply_answer(indent: &str, own: u64, entries: &[Entry]) -> String {
    let head = Head { entries, ..Head::default() };
    message_line(indent, &format!("ApplyThread->{own} MsgStorageApplyResp"), &head)
}

fn with_answers(mut text: String, answers: &[String]) -> String {
    if !answers.is_empty() {
        text += " Responses:[\n";
        text += &answers.join("\n");
        text += "\n]";
    }
    text
}

pub(super) fn ready(own: u64, ready: &Ready) -> String {
    let mut text = String::new();
    if let Some(soft) = &ready.soft_state {
        text += &format!("Lead:{} State:{}\n", soft.leader, role(soft.role));
    }
    if let Some(hard) = &ready.hard_state {
        text += &format!("HardState {}\n", hard_state(hard));
    }
    for read in &ready.read_states {
        text += &format!("ReadStates {} {}\n", read.context, read.index);
    }
    if !ready.entries.is_empty() {
        text += &format!("Entries:\n{}", entries(&ready.entries));
    }
    if let Some(taken) = &ready.snapshot {
        text += &format!("Snapshot {}\n", snapshot(taken));
    }
    if !ready.committed.is_empty() {
        text += &format!("CommittedEntries:\n{}", entries(&ready.committed));
    }
    let mut messages: Vec<String> = ready.messages.iter().map(message).collect();
    if let Some(work) = &ready.append {
        messages.push(with_answers(append_work(own, work), &append_answers("  ", own, work)));
    }
    if let Some(work) = &ready.apply {
        let answer = apply_answer("  ", own, &work.entries);
        messages.push(with_answers(apply_work(own, work), &[answer]));
    }
    if !messages.is_empty() {
        text += &format!("Messages:\n{}\n", messages.join("\n"));
    }
    match text.is_empty() {
        true => "<empty Ready>".to_owned(),
        false => format!("Ready MustSync={}:\n{text}", ready.must_sync),
    }
}
