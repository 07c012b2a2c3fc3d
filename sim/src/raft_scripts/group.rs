//! The nodes of a script, what travels between them, and the commands that move them (`rafttest`'s
//! `InteractionEnv`).

use super::Refusal;
use super::describe;
use super::node::{Delivery, Node};
use super::script::Command;
use super::words::{first_word, flag, number, numbers, read_only, steps};
use elastickv::raft::{
    ConfChange, ConfChangeV2, Config, MessageKind, NO_NODE, ProposeError, Raft, Role, Snapshot,
    Transition,
};

const LEVELS: [&str; 6] = ["debug", "info", "warn", "error", "fatal", "none"];
const INFO: usize = 1;
const NONE: usize = 5;

#[derive(Default)]
pub(super) struct Group {
    pub(super) nodes: Vec<Node>,
    /// In the order in which they were sent, with whom to.
    pub(super) travelling: Vec<(u64, Delivery)>,
    /// An index of [`LEVELS`]: log lines below it are not printed; at [`NONE`] nothing is.
    level: usize,
    printed: String,
    indent: &'static str,
}

impl Group {
    /// What the command prints. An error: it cannot be carried out.
    pub fn carry_out(&mut self, command: &Command) -> Result<String, Refusal> {
        self.printed.clear();
        self.act(command)?;
        Ok(match self.printed.is_empty() {
            true => "ok".to_owned(),
            false => std::mem::take(&mut self.printed),
        })
    }

    fn act(&mut self, command: &Command) -> Result<(), Refusal> {
        match command.name.as_str() {
            "add-nodes" => self.add_nodes(command)?,
            "campaign" => {
                let at = self.first(command)?;
                self.nodes[at].raft.campaign();
            }
            "compact" => self.compact(command)?,
            "deliver-msgs" => self.deliver_messages(command)?,
            "process-ready" => self.each(command, "handling Ready", Group::process_ready)?,
            "process-append-thread" => {
                self.each(command, "processing append thread", Group::process_append)?;
            }
            "process-apply-thread" => {
                self.each(command, "processing apply thread", Group::process_apply)?;
            }
            "log-level" => self.set_level(first_word(command)?)?,
            "raft-log" => {
                let at = self.first(command)?;
                self.print(&self.nodes[at].print_log());
            }
            "raft-state" => self.print_states(),
            "set-randomized-election-timeout" => {
                let at = self.first(command)?;
                let ticks = number(command.option("timeout")?)?;
                self.nodes[at].raft.set_election_timeout(ticks);
            }
            "stabilize" => self.stabilize(command)?,
            "status" => {
                let at = self.first(command)?;
                for (id, progress) in self.nodes[at].raft.status().progress {
                    self.print(&format!("{id}: {progress}"));
                }
            }
            "tick-election" => self.tick(command, |config| config.election_tick)?,
            "tick-heartbeat" => self.tick(command, |config| config.heartbeat_tick)?,
            "transfer-leadership" => {
                let from = self.node(command.option("from")?)?;
                let to = self.node(command.option("to")?)?;
                let to = self.nodes[to].id();
                self.nodes[from].raft.transfer_leader(to);
            }
            "forget-leader" => {
                let at = self.first(command)?;
                self.nodes[at].raft.forget_leader();
            }
            "send-snapshot" => self.send_snapshot(command)?,
            "propose" => self.propose(command)?,
            "propose-conf-change" => self.propose_conf_change(command)?,
            "report-unreachable" => {
                let [at, of] = self.two(command)?;
                let of = self.nodes[of].id();
                self.nodes[at].raft.report_unreachable(of);
            }
            other => return Err(format!("there is no command `{other}`").into()),
        }
        Ok(())
    }

    pub(super) fn print(&mut self, text: &str) {
        if self.level == NONE {
            return;
        }
        for line in text.lines() {
            self.printed.push_str(self.indent);
            self.printed.push_str(line);
            self.printed.push('\n');
        }
    }

    pub(super) fn log(&mut self, line: &str) {
        if self.level <= INFO {
            self.print(line);
        }
    }

    pub(super) fn node(&self, id: &str) -> Result<usize, String> {
        let count = self.nodes.len();
        let at = id.parse::<usize>().ok().filter(|id| (1..=count).contains(id));
        at.map(|id| id - 1)
            .ok_or_else(|| format!("`{id}` is no id of a node: the ids are 1 to {count}"))
    }

    fn first(&self, command: &Command) -> Result<usize, String> {
        let first = command.words().next();
        self.node(first.ok_or_else(|| format!("{} wants the id of a node", command.name))?)
    }

    fn two(&self, command: &Command) -> Result<[usize; 2], String> {
        match self.all(command)?[..] {
            [one, other] => Ok([one, other]),
            _ => Err(format!("{} wants the ids of two nodes", command.name)),
        }
    }

    fn all(&self, command: &Command) -> Result<Vec<usize>, String> {
        command.words().map(|id| self.node(id)).collect()
    }

    fn set_level(&mut self, name: &str) -> Result<(), String> {
        let level = LEVELS.iter().position(|level| level.eq_ignore_ascii_case(name));
        self.level = level.ok_or_else(|| {
            format!("`{name}` is no log level: the levels are {}", LEVELS.join(", "))
        })?;
        Ok(())
    }

    fn add_nodes(&mut self, command: &Command) -> Result<(), String> {
        let count: usize = number(first_word(command)?)?;
        let mut snapshot = Snapshot::default();
        let mut config = Config { election_tick: 3, max_inflight: 1 << 30, ..Config::new(1) };
        for (key, values) in command.options() {
            let value = values[0].as_str();
            match key {
                "voters" => snapshot.meta.conf.voters = numbers(values)?,
                "learners" => snapshot.meta.conf.learners = numbers(values)?,
                "index" => snapshot.meta.index = number(value)?,
                "content" => snapshot.data = value.to_owned().into(),
                "inflight" => config.max_inflight = number(value)?,
                "async-storage-writes" => config.async_storage_writes = flag(value)?,
                "prevote" => config.pre_vote = flag(value)?,
                "checkquorum" => config.check_quorum = flag(value)?,
                "max-committed-size-per-ready" => {
                    config.max_committed_size_per_ready = number(value)?;
                }
                "disable-conf-change-validation" => {
                    config.disable_conf_change_validation = flag(value)?;
                }
                "step-down-on-removal" => config.step_down_on_removal = flag(value)?,
                "read-only" => config.read_only = read_only(value)?,
                other => return Err(format!("add-nodes knows no option `{other}`")),
            }
        }
        if snapshot != Snapshot::default() {
            if snapshot.meta.index < 2 {
                return Err(
                    "add-nodes wants index=2 or more for nodes that have a configuration".into()
                );
            }
            snapshot.meta.term = 1;
        }
        if config.max_inflight == 0 {
            return Err("add-nodes wants inflight=1 or more".into());
        }
        for _ in 0..count {
            let id = self.nodes.len() as u64 + 1;
            let config = Config { id, applied: snapshot.meta.index, ..config.clone() };
            let node = Node::start(config, &snapshot);
            self.log(&node.configured());
            self.nodes.push(node);
        }
        Ok(())
    }

    fn compact(&mut self, command: &Command) -> Result<(), String> {
        let at = self.first(command)?;
        let index = command.words().nth(1).ok_or("compact wants the id of a node and an index")?;
        self.nodes[at].compact(number(index)?)?;
        self.print(&self.nodes[at].print_log());
        Ok(())
    }

    fn tick(&mut self, command: &Command, ticks: fn(&Config) -> u32) -> Result<(), String> {
        let at = self.first(command)?;
        let node = &mut self.nodes[at];
        (0..ticks(&node.config)).for_each(|_| node.raft.tick());
        Ok(())
    }

    fn print_states(&mut self) {
        let lines: Vec<String> = self
            .nodes
            .iter()
            .map(|node| {
                let status = node.raft.status();
                let conf = &status.conf;
                let voter =
                    conf.voters.contains(&status.id) || conf.voters_outgoing.contains(&status.id);
                format!(
                    "{}: {} {} Term:{} Lead:{}",
                    status.id,
                    describe::role(status.role),
                    if voter { "(Voter)" } else { "(Non-Voter)" },
                    status.term,
                    status.leader,
                )
            })
            .collect();
        self.print(&lines.join("\n"));
    }

    fn propose(&mut self, command: &Command) -> Result<(), Refusal> {
        let at = self.first(command)?;
        let data = command.words().nth(1).ok_or("propose wants the id of a node and a word")?;
        let proposed = self.nodes[at].raft.propose(data.to_owned().into());
        self.print_refusal(at, proposed)
    }

    fn propose_conf_change(&mut self, command: &Command) -> Result<(), Refusal> {
        let at = self.first(command)?;
        let mut change = ConfChangeV2 { changes: steps(&command.input)?, ..Default::default() };
        let mut first_version = false;
        for (key, values) in command.options() {
            match (key, values[0].as_str()) {
                ("v1", value) => first_version = flag(value)?,
                ("transition", "auto") => change.transition = Transition::Auto,
                ("transition", "implicit") => change.transition = Transition::Implicit,
                ("transition", "explicit") => change.transition = Transition::Explicit,
                (key, value) => {
                    let what = format!("propose-conf-change knows no option `{key}={value}`");
                    return Err(what.into());
                }
            }
        }
        let raft = &mut self.nodes[at].raft;
        let proposed = match (first_version, &change.changes[..]) {
            (false, _) => raft.propose_conf_change_v2(&change),
            (true, [(kind, id)]) => {
                let context = change.context.clone();
                raft.propose_conf_change(&ConfChange { kind: *kind, id: *id, context })
            }
            (true, _) => return Err("a conf change of version 1 is one step".into()),
        };
        let proposed = put_empty_entry_in_its_place(raft, proposed);
        self.print_refusal(at, proposed)
    }

    fn print_refusal(
        &mut self,
        at: usize,
        proposed: Result<u64, ProposeError>,
    ) -> Result<(), Refusal> {
        match proposed {
            Ok(_) => {}
            Err(ProposeError::NotLeader { leader }) if leader != NO_NODE => {
                let what = format!(
                    "node {} forwards the proposal to its leader {leader}, which Elastickv switches off",
                    self.nodes[at].id()
                );
                return Err(Refusal::LeftOut(what));
            }
            // Errors are printed at every level.
            Err(_) => self.printed.push_str("raft proposal dropped\n"),
        }
        Ok(())
    }

    fn send_snapshot(&mut self, command: &Command) -> Result<(), String> {
        let [from, to] = self.two(command)?;
        let to = self.nodes[to].id();
        let node = &self.nodes[from];
        let mut message = elastickv::raft::Message::new(MessageKind::Snap, to);
        (message.from, message.term) = (node.id(), node.raft.term());
        message.snapshot = Some(Box::new(node.newest_snapshot()));
        self.print(&describe::message(&message));
        self.travelling.push((to, Delivery::Peer(message)));
        Ok(())
    }

    /// Does `work` on each node that is named, under a title if there are several.
    fn each(
        &mut self,
        command: &Command,
        title: &str,
        work: fn(&mut Group, usize),
    ) -> Result<(), String> {
        let all = self.all(command)?;
        for at in &all {
            match all.len() {
                1 => work(self, *at),
                _ => self.under(*at, title, |group| work(group, *at)),
            }
        }
        Ok(())
    }

    fn under(&mut self, at: usize, title: &str, work: impl FnOnce(&mut Group)) {
        self.print(&format!("> {} {title}", self.nodes[at].id()));
        self.indent = "  ";
        work(self);
        self.indent = "";
    }

    fn process_ready(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let ready = node.raft.ready();
        let described = describe::ready(node.id(), &ready);
        let mut told = Vec::new();
        let sent = node.take(ready, &mut told);
        self.print(&described);
        told.iter().for_each(|line| self.log(line));
        for delivery in sent {
            if let Delivery::Peer(message) = &delivery {
                self.travelling.push((message.to, delivery));
            }
        }
    }

    fn process_append(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let own = node.id();
        let Some(work) = node.append_work.pop_front() else {
            self.print("no append work to perform");
            return;
        };
        node.store(&work.entries, work.snapshot.as_ref());
        let mut lines = vec!["Processing:".to_owned(), describe::append_work(own, &work)];
        lines.push("Responses:".to_owned());
        lines.extend(describe::append_answers("", own, &work));
        self.print(&lines.join("\n"));
        for answer in work.answers {
            self.travelling.push((answer.to, Delivery::Peer(answer)));
        }
        if let Some(stored) = work.stored {
            self.travelling.push((own, Delivery::Stored(stored, work.snapshot)));
        }
    }

    fn process_apply(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let own = node.id();
        let Some(work) = node.apply_work.pop_front() else {
            self.print("no apply work to perform");
            return;
        };
        let mut told = Vec::new();
        node.apply(&work.entries, &mut told);
        let answer = describe::apply_answer("", own, &work.entries);
        self.print(&format!("Processing:\n{}", describe::apply_work(own, &work)));
        told.iter().for_each(|line| self.log(line));
        self.print(&format!("Responses:\n{answer}"));
        self.travelling.push((own, Delivery::Applied(work.applied, work.entries)));
    }

    fn stabilize(&mut self, command: &Command) -> Result<(), String> {
        let all = match self.all(command)? {
            all if all.is_empty() => (0..self.nodes.len()).collect(),
            all => all,
        };
        let level = self.level;
        for (key, values) in command.options() {
            match key {
                "log-level" => self.set_level(&values[0])?,
                other => return Err(format!("stabilize knows no option `{other}`")),
            }
        }
        while self.stabilize_once(&all) {}
        self.level = level;
        Ok(())
    }

    fn stabilize_once(&mut self, all: &[usize]) -> bool {
        let mut worked = false;
        for at in all {
            if self.nodes[*at].raft.has_ready() {
                self.under(*at, "handling Ready", |group| group.process_ready(*at));
                worked = true;
            }
        }
        for at in all {
            let id = self.nodes[*at].id();
            if self.travelling.iter().any(|(to, _)| *to == id) {
                self.under(*at, "receiving messages", |group| {
                    group.deliver(id, false, None);
                });
                worked = true;
            }
        }
        for at in all {
            if !self.nodes[*at].append_work.is_empty() {
                self.under(*at, "processing append thread", |group| {
                    while !group.nodes[*at].append_work.is_empty() {
                        group.process_append(*at);
                    }
                });
                worked = true;
            }
        }
        for at in all {
            if !self.nodes[*at].apply_work.is_empty() {
                self.under(*at, "processing apply thread", |group| {
                    while !group.nodes[*at].apply_work.is_empty() {
                        group.process_apply(*at);
                    }
                });
                worked = true;
            }
        }
        worked
    }
}

/// etcd appends an empty entry in place of a conf change that it refuses; ours appends nothing.
fn put_empty_entry_in_its_place(
    raft: &mut Raft,
    proposed: Result<u64, ProposeError>,
) -> Result<u64, ProposeError> {
    match proposed {
        Err(ProposeError::ConfChangePending { .. } | ProposeError::ConfChange(_))
            if raft.role() == Role::Leader =>
        {
            raft.propose(Vec::new().into())
        }
        other => other,
    }
}
