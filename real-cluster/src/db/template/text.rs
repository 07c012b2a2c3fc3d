//! Text with placeholders: read once, so that a name which means nothing is told before anything runs, and filled in for each node.

use crate::site::{Site, Sites};
use std::collections::BTreeMap;

/// What can be said of one place.
const OF_A_PLACE: &str = "{node} {id} {host} {address} {folder} {port} {port:NAME}";
/// What can be said besides where the cluster is known.
const OF_A_CLUSTER: &str = "{data} {log} {peers} {members} {first}";

/// Which placeholders a text may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those of one place.
    Place,
    /// All.
    Cluster,
}

/// Text with placeholders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Plain(String),
    Node,
    Id,
    Host,
    Address,
    Folder,
    /// Its name and usual number.
    Port(String, u16),
    Data,
    Log,
    Peers,
    Members,
    First,
}

/// What is filled in.
pub struct View<'a> {
    /// The cluster.
    pub sites: &'a Sites,
    /// The place.
    pub at: &'a Site,
    /// The node's data folder.
    pub data: &'a str,
    /// The node's log.
    pub log: &'a str,
    /// How a member of the cluster is written.
    pub member: &'a Text,
    /// What is between two.
    pub between: &'a str,
}

impl Text {
    /// Reads it; `ports` are the usual numbers by name. `{{` and `}}` are braces.
    pub fn read(text: &str, scope: Scope, ports: &BTreeMap<String, u16>) -> Result<Text, String> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                plain.push_str(brace);
                rest = after;
                continue;
            }
            let name = rest.split_once('}').filter(|_| brace == "{");
            let Some((name, after)) = name else {
                return Err(format!(
                    "`{text}` has a single `{brace}`: write {brace}{brace} for the character itself"
                ));
            };
            pieces.push(Piece::Plain(std::mem::take(&mut plain)));
            pieces.push(piece(name, scope, ports)?);
            rest = after;
        }
        plain.push_str(rest);
        pieces.push(Piece::Plain(plain));
        Ok(Text(pieces))
    }

    /// What it says of one place.
    pub fn of_place(&self, at: &Site) -> String {
        self.fill(at, |_| String::new())
    }

    /// What it says of a place in a cluster.
    pub fn of(&self, view: &View<'_>) -> String {
        self.fill(view.at, |piece| match piece {
            Piece::Data => view.data.to_owned(),
            Piece::Log => view.log.to_owned(),
            Piece::Peers => view.members(|site| site.node != view.at.node),
            Piece::Members => view.members(|_| true),
            Piece::First => {
                view.sites.iter().next().map_or(String::new(), |first| first.address.to_string())
            }
            _ => String::new(),
        })
    }

    fn fill(&self, at: &Site, of_cluster: impl Fn(&Piece) -> String) -> String {
        let said = self.0.iter().map(|piece| match piece {
            Piece::Plain(text) => text.clone(),
            Piece::Node => at.node.to_string(),
            Piece::Id => at.node.0.to_string(),
            Piece::Host => at.host.clone(),
            Piece::Address => at.address.to_string(),
            Piece::Folder => at.folder(),
            Piece::Port(name, usual) => at.port(name, *usual).to_string(),
            other => of_cluster(other),
        });
        said.collect()
    }
}

impl View<'_> {
    fn members(&self, which: impl Fn(&Site) -> bool) -> String {
        let all = self.sites.iter().filter(|site| which(site));
        all.map(|site| self.member.of_place(site)).collect::<Vec<_>>().join(self.between)
    }
}

fn piece(name: &str, scope: Scope, ports: &BTreeMap<String, u16>) -> Result<Piece, String> {
    let known = match scope {
        Scope::Place => OF_A_PLACE.to_owned(),
        Scope::Cluster => format!("{OF_A_PLACE} {OF_A_CLUSTER}"),
    };
    let port = if name == "port" { Some("redis") } else { name.strip_prefix("port:") };
    if let Some(port) = port {
        let named = ports.get_key_value(port);
        return named.map(|(name, usual)| Piece::Port(name.clone(), *usual)).ok_or_else(|| {
            let names: Vec<&str> = ports.keys().map(String::as_str).collect();
            format!("{{{name}}} is a port that is not in [ports]: there is {}", names.join(", "))
        });
    }
    let piece = match (name, scope) {
        ("node", _) => Piece::Node,
        ("id", _) => Piece::Id,
        ("host", _) => Piece::Host,
        ("address", _) => Piece::Address,
        ("folder", _) => Piece::Folder,
        ("data", Scope::Cluster) => Piece::Data,
        ("log", Scope::Cluster) => Piece::Log,
        ("peers", Scope::Cluster) => Piece::Peers,
        ("members", Scope::Cluster) => Piece::Members,
        ("first", Scope::Cluster) => Piece::First,
        _ => return Err(format!("{{{name}}} is no placeholder here: there is {known}")),
    };
    Ok(piece)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::recorded::Recorded;
    use harness::cluster::NodeId;
    use std::rc::Rc;

    fn site(node: u16) -> Site {
        Site {
            node: NodeId(node),
            remote: Rc::new(Recorded::default()),
            host: format!("host-{node}"),
            address: format!("10.0.0.{node}").parse().expect("an address"),
            ports: if node == 2 {
                BTreeMap::from([("raft".to_owned(), 7002)])
            } else {
                BTreeMap::new()
            },
            base: "/opt/kv".to_owned(),
        }
    }

    fn ports() -> BTreeMap<String, u16> {
        BTreeMap::from([("redis".to_owned(), 6379), ("raft".to_owned(), 7000)])
    }

    #[test]
    fn every_placeholder_is_filled_in_for_the_node() {
        let sites = Sites::new(vec![site(1), site(2), site(3)]);
        let member =
            Text::read("{node}={address}:{port:raft}", Scope::Place, &ports()).expect("read");
        let of = |text: &str| {
            let at = sites.of(NodeId(2)).expect("there");
            let view =
                View { sites: &sites, at, data: "/d", log: "/l", member: &member, between: "," };
            Text::read(text, Scope::Cluster, &ports()).expect(text).of(&view)
        };
        assert_eq!(of("{node} {id} {host} {address} {folder}"), "n2 2 host-2 10.0.0.2 /opt/kv/n2");
        assert_eq!(of("{port} {port:redis} {port:raft} {data} {log}"), "6379 6379 7002 /d /l");
        assert_eq!(of("{peers}"), "n1=10.0.0.1:7000,n3=10.0.0.3:7000");
        assert_eq!(of("{members}"), "n1=10.0.0.1:7000,n2=10.0.0.2:7002,n3=10.0.0.3:7000");
        assert_eq!(of("{first}"), "10.0.0.1");
        assert_eq!(of("{{\"id\": {id}}}"), "{\"id\": 2}");
        assert_eq!(of(""), "");
    }

    #[test]
    fn what_means_nothing_is_told_with_what_there_is() {
        let error = |text, scope| Text::read(text, scope, &ports()).expect_err(text);
        assert_eq!(
            error("--p={prot}", Scope::Cluster),
            "{prot} is no placeholder here: there is {node} {id} {host} {address} {folder} {port} {port:NAME} {data} {log} {peers} \
             {members} {first}"
        );
        assert!(error("{data}/x", Scope::Place).starts_with("{data} is no placeholder here"));
        assert_eq!(
            error("{port:http}", Scope::Place),
            "{port:http} is a port that is not in [ports]: there is raft, redis"
        );
        assert_eq!(
            error("{id", Scope::Place),
            "`{id` has a single `{`: write {{ for the character itself"
        );
        assert_eq!(
            error("id}", Scope::Place),
            "`id}` has a single `}`: write }} for the character itself"
        );
    }
}
