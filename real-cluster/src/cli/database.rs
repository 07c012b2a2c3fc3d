//! Which database runs on hosts, and what runs beside it: the words of `run`.

use real_cluster::db::compose::Compose;
use real_cluster::db::elastickv::Elastickv;
use real_cluster::db::elastickv_node::ElastickvNode;
use real_cluster::db::program::Program;
use real_cluster::db::redis_server::RedisServer;
use real_cluster::db::tcpdump::Tcpdump;
use real_cluster::db::template::Template;
use real_cluster::db::watchdog::{INTERVAL, Watchdog};
use real_cluster::db::{Db, Noop, elastickv_node, redis_server};
use real_cluster::remote::quoted;
use real_cluster::site::Sites;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// What is set up on hosts.
#[derive(clap::Args, Clone, Debug)]
pub struct Database {
    /// What is under test on hosts: elastickv-node, redis-server, redis-replicas, elastickv:FILE (a built binary of upstream's),
    /// template:FILE, or noop (whatever runs there, on port 6379 or the nodes file's redis-port=)
    #[arg(long = "db", value_name = "DB", default_value = elastickv_node::NAME, help_heading = "Hosts")]
    name: String,
    /// Starts the database again where it ends by itself; never where it was killed on purpose
    #[arg(long, help_heading = "Hosts")]
    watchdog: bool,
    /// Captures on every host what clients and nodes say to each other: n1/tcpdump.pcap
    #[arg(long, help_heading = "Hosts")]
    tcpdump: bool,
}

/// A database that was named, as far as it is known before the hosts are.
#[derive(Clone)]
pub enum Named {
    ElastickvNode,
    Redis { replicas: bool },
    Elastickv(PathBuf),
    Template(Rc<Template>),
    Noop,
}

impl Database {
    /// The word that means it again, if it is not the usual one.
    pub fn words(&self) -> String {
        let mut words = String::new();
        if self.name != elastickv_node::NAME {
            words = format!(" --db {}", quoted(&self.name));
        }
        if self.watchdog {
            words.push_str(" --watchdog");
        }
        if self.tcpdump {
            words.push_str(" --tcpdump");
        }
        words
    }

    /// Whether anything was said that is for hosts.
    pub fn is_said(&self) -> bool {
        !self.words().is_empty()
    }

    /// Reads the name.
    pub fn named(&self, sites: &Sites) -> Result<Named, String> {
        match self.name.split_once(':') {
            None if self.name == elastickv_node::NAME => Ok(Named::ElastickvNode),
            None if self.name == redis_server::NAME => Ok(Named::Redis { replicas: false }),
            None if self.name == "redis-replicas" => Ok(Named::Redis { replicas: true }),
            None if self.name == "noop" && self.watchdog => {
                Err("noop starts nothing, so --watchdog would have nothing to do: leave it out"
                    .to_owned())
            }
            None if self.name == "noop" => Ok(Named::Noop),
            Some(("elastickv", file)) if Path::new(file).is_file() => {
                Ok(Named::Elastickv(file.into()))
            }
            Some(("elastickv", file)) => {
                Err(format!("there is no file {file}: elastickv:FILE names a built binary"))
            }
            Some(("template", file)) => {
                let template = Template::read(Path::new(file))?;
                template.check(sites)?;
                Ok(Named::Template(Rc::new(template)))
            }
            _ => Err(format!(
                "there is no database `{}`: elastickv-node, redis-server, redis-replicas, elastickv:FILE, template:FILE or noop",
                self.name
            )),
        }
    }

    /// What is set up. `args` and `groups` are for nodes of ours; `has_clock` says whether hosts have the time shim.
    pub fn made(
        &self,
        named: Named,
        args: Vec<String>,
        groups: u16,
        has_clock: bool,
    ) -> Rc<dyn Db> {
        let db: Rc<dyn Db> = match named {
            Named::ElastickvNode => Rc::new(ElastickvNode::new(args, groups, has_clock)),
            Named::Redis { replicas } => {
                Rc::new(RedisServer { replicas, has_clock, ..RedisServer::default() })
            }
            Named::Elastickv(file) => {
                Rc::new(Elastickv { has_clock, ..Elastickv::new(Program::Here(file)) })
            }
            Named::Template(template) => template,
            Named::Noop => return self.recorded(Rc::new(Noop)),
        };
        self.recorded(match self.watchdog {
            false => db,
            true => Rc::new(Watchdog::new(db, INTERVAL).expect("all of these can be killed")),
        })
    }

    /// With a capture, if one is wanted.
    fn recorded(&self, db: Rc<dyn Db>) -> Rc<dyn Db> {
        match self.tcpdump {
            false => db,
            true => {
                let tcpdump = Tcpdump {
                    ports: Vec::new(),
                    clients_only: false,
                    filter: Some("not port 22".to_owned()),
                };
                Rc::new(Compose::new(vec![db, Rc::new(tcpdump)]))
            }
        }
    }
}
