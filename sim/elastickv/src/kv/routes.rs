//! Which group a key belongs to (`distribution/engine.go`, `kv/shard_key.go`): ranges of user keys, right half-open, the catalog's version
//! and what some versions before it said.
//!
//! Promises: a version once known is never replaced by an older one (Routes-4). An internal key goes where the user key inside it
//! goes; the catalog's own keys belong to the default group.

use crate::env::GroupId;
use crate::redis::keys::user_key;
use bytes::Bytes;
use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::str::FromStr;

/// Catalog versions that are remembered (upstream's history ring).
const HISTORY: usize = 32;

/// What the catalog's own keys begin with.
pub const CATALOG: &[u8] = b"!dist|";

/// The first version, which no catalog entry says: the node was told of it when it started.
pub const FIRST_VERSION: u64 = 1;

/// The ranges that a store begins with: `--shard-ranges`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shards(Vec<(Bytes, GroupId)>);

impl Shards {
    /// All keys in the default group.
    pub fn whole() -> Shards {
        Shards(vec![(Bytes::new(), GroupId::DEFAULT)])
    }

    /// So many groups, which take turns by the last of a decimal number's first two digits: keys that are used together are spread.
    pub fn among(groups: u16) -> Shards {
        if groups <= 1 {
            return Shards::whole();
        }
        let group = |digit: u16| GroupId(digit % groups + 1);
        let mut shards = vec![(Bytes::new(), GroupId::DEFAULT)];
        for first in 0..10 {
            shards.push((Bytes::from(first.to_string()), group(first)));
            let second = |digit| (Bytes::from(format!("{first}{digit}")), group(digit));
            shards.extend((0..10).map(second));
        }
        Shards(shards)
    }

    /// The groups that there are, in order; the default group always is.
    pub fn groups(&self) -> Vec<GroupId> {
        let named = self.0.iter().map(|(_, group)| *group).chain([GroupId::DEFAULT]);
        named.collect::<BTreeSet<_>>().into_iter().collect()
    }
}

impl FromStr for Shards {
    type Err = String;

    /// Upstream's words: `:m=1,m:=2`.
    fn from_str(text: &str) -> Result<Shards, String> {
        let wrong = |what: &str| {
            format!(
                "`{text}` are no shard ranges: {what}; write `:m=1,m:=2`, from the first to the last"
            )
        };
        let mut shards: Vec<(Bytes, GroupId)> = Vec::new();
        let mut begins = Some(String::new());
        for part in text.split(',') {
            let (range, group) =
                part.rsplit_once('=').ok_or_else(|| wrong("a group is missing"))?;
            let (start, end) = range.split_once(':').ok_or_else(|| wrong("a colon is missing"))?;
            let group = group.parse().ok().filter(|group| *group > 0);
            let group = group.ok_or_else(|| wrong("a group is a number from 1"))?;
            if begins.as_deref() != Some(start) || (!end.is_empty() && end <= start) {
                return Err(wrong("a range begins where the one before it ends"));
            }
            shards.push((Bytes::copy_from_slice(start.as_bytes()), GroupId(group)));
            begins = (!end.is_empty()).then(|| end.to_owned());
        }
        match begins {
            Some(_) => Err(wrong("the last range has no end")),
            None => Ok(Shards(shards)),
        }
    }
}

impl fmt::Display for Shards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (start, group)) in self.0.iter().enumerate() {
            let end = self.0.get(at + 1).map(|(end, _)| end.clone()).unwrap_or_default();
            let comma = if at == 0 { "" } else { "," };
            let (start, end) = (start.escape_ascii(), end.escape_ascii());
            write!(f, "{comma}{start}:{end}={}", group.0)?;
        }
        Ok(())
    }
}

/// One range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Its number in the catalog.
    pub id: u64,
    /// The first key; it ends where the next begins.
    pub start: Bytes,
    /// Whose it is.
    pub group: GroupId,
}

/// The routes as a node knows them.
#[derive(Clone, Debug)]
pub struct Routes {
    version: u64,
    routes: Vec<Route>,
    before: VecDeque<(u64, Vec<Route>)>,
}

impl Routes {
    /// As a node was told when it started.
    pub fn first(shards: &Shards) -> Routes {
        let route = |(id, (start, group)): (u64, &(Bytes, GroupId))| Route {
            id,
            start: start.clone(),
            group: *group,
        };
        let routes = (1..).zip(&shards.0).map(route).collect();
        Routes { version: FIRST_VERSION, routes, before: VecDeque::new() }
    }

    /// Of the catalog.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// All, in order.
    pub fn all(&self) -> &[Route] {
        &self.routes
    }

    /// The range that a user key lies in.
    pub fn route(&self, user_key: &[u8]) -> &Route {
        route(&self.routes, user_key)
    }

    /// Whose an internal key is.
    pub fn group_of(&self, key: &[u8]) -> GroupId {
        group_of(&self.routes, key)
    }

    /// Whose it was in an earlier version (`SnapshotAt`); `None` if that is not known any more, or not yet.
    pub fn group_at(&self, version: u64, key: &[u8]) -> Option<GroupId> {
        if version == self.version {
            return Some(self.group_of(key));
        }
        let (_, routes) = self.before.iter().find(|(known, _)| *known == version)?;
        Some(group_of(routes, key))
    }

    /// Takes a newer version (`ApplySnapshot`); whether it was one.
    pub fn apply(&mut self, version: u64, routes: Vec<Route>) -> bool {
        if version <= self.version || routes.is_empty() {
            return false;
        }
        if self.before.len() == HISTORY {
            self.before.pop_front();
        }
        let before = std::mem::replace(&mut self.routes, routes);
        self.before.push_back((self.version, before));
        self.version = version;
        true
    }
}

fn route<'a>(routes: &'a [Route], user_key: &[u8]) -> &'a Route {
    // The first range begins with the empty key, so there is one at or before any.
    let after = routes.partition_point(|route| route.start <= user_key);
    &routes[after.saturating_sub(1)]
}

fn group_of(routes: &[Route], key: &[u8]) -> GroupId {
    match key.starts_with(CATALOG) {
        true => GroupId::DEFAULT,
        false => route(routes, user_key(key)).group,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::keys;

    fn group(shards: &str, key: &str) -> u16 {
        Routes::first(&shards.parse().expect("ranges")).group_of(&keys::string(key.as_bytes())).0
    }

    #[test]
    fn a_range_has_its_first_key_and_not_its_end() {
        for (key, expected) in [("", 1), ("l", 1), ("m", 2), ("mm", 2), ("z", 3), ("zz", 3)] {
            assert_eq!(group(":m=1,m:z=2,z:=3", key), expected, "{key}");
        }
    }

    #[test]
    fn ranges_that_leave_a_gap_or_have_no_group_are_refused_with_a_sentence() {
        let wrong = ["", ":m=1", ":m=1,n:=2", "a:=1", ":m=0,m:=1", ":m,m:=1", ":m=1,m:c=2,c:=1"];
        for text in wrong {
            let sentence = text.parse::<Shards>().expect_err(text);
            assert!(sentence.contains(":m=1,m:=2"), "{sentence}");
        }
        let shards: Shards = ":m=1,m:=2".parse().expect("ranges");
        assert_eq!(shards.to_string(), ":m=1,m:=2");
        assert_eq!(shards.groups(), [GroupId(1), GroupId(2)]);
    }

    #[test]
    fn keys_that_follow_each_other_are_spread_among_the_groups() {
        for groups in 2..=5 {
            let routes = Routes::first(&Shards::among(groups));
            for run in [1..=12, 40..=52] {
                let met: BTreeSet<GroupId> =
                    run.map(|n: u32| routes.route(n.to_string().as_bytes()).group).collect();
                assert_eq!(met.len(), usize::from(groups));
            }
            assert_eq!(Shards::among(groups).groups().len(), usize::from(groups));
        }
        assert_eq!(Shards::among(1), Shards::whole());
    }

    #[test]
    fn an_older_version_replaces_nothing_and_a_replaced_one_is_remembered_for_a_while() {
        let mut routes = Routes::first(&Shards::whole());
        let one = |group| vec![Route { id: 1, start: Bytes::new(), group: GroupId(group) }];
        assert!(routes.apply(5, one(2)) && !routes.apply(4, one(3)) && !routes.apply(5, one(3)));
        assert_eq!((routes.version(), routes.group_of(b"k")), (5, GroupId(2)));
        assert_eq!(routes.group_at(FIRST_VERSION, b"k"), Some(GroupId(1)));
        assert_eq!((routes.group_at(4, b"k"), routes.group_at(6, b"k")), (None, None));
        for version in 6..6 + HISTORY as u64 {
            assert!(routes.apply(version, one(2)));
        }
        assert_eq!(routes.group_at(FIRST_VERSION, b"k"), None);
    }
}
