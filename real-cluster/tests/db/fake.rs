//! A database that is a list of what was asked of it, and answers as it was told.

use elastickv::admin::Order;
use futures_util::future::LocalBoxFuture;
use harness::cluster::NodeId;
use real_cluster::db::{
    Db, DbError, End, Kill, LogFiles, LogPath, Members, Metrics, Pause, Primary, Started, Step,
};
use real_cluster::remote::Remote;
use real_cluster::remote::recorded::Recorded;
use real_cluster::site::{Site, Sites};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

/// What may happen in a call, by its number among calls of that name, from 1.
type Script = Box<dyn Fn(&str, usize) -> Result<(), DbError>>;

pub struct Fake {
    name: &'static str,
    /// Calls in order: `n1 set_up`.
    pub calls: Rc<RefCell<Vec<String>>>,
    capable: bool,
    script: Script,
    waits: bool,
}

impl Fake {
    pub fn new(name: &'static str, calls: &Rc<RefCell<Vec<String>>>, capable: bool) -> Fake {
        Fake {
            name,
            calls: Rc::clone(calls),
            capable,
            script: Box::new(|_, _| Ok(())),
            waits: false,
        }
    }

    /// Which calls fail: by node and name, and how often it came before.
    pub fn scripted(script: impl Fn(&str, usize) -> Result<(), DbError> + 'static) -> Fake {
        Fake { script: Box::new(script), ..Fake::new("fake", &Rc::default(), true) }
    }

    /// Whose nodes wait for each other in their set-up.
    pub fn waiting(self) -> Fake {
        Fake { waits: true, ..self }
    }

    pub fn count(&self, call: &str) -> usize {
        self.calls.borrow().iter().filter(|other| *other == call).count()
    }

    /// The host's name is part of it: so a test sees which cluster a method saw.
    fn called(&self, what: &str, at: &Site) -> Result<(), DbError> {
        let call = format!("{} {what}", at.host);
        self.calls.borrow_mut().push(format!("{} {call}", self.name).replace("fake ", ""));
        (self.script)(&call, self.count(&call))
    }

    fn step<T: 'static>(&self, what: &str, at: &Site, value: T) -> Step<'static, T> {
        let result = self.called(what, at).map(|()| value);
        Box::pin(async move {
            tokio::task::yield_now().await;
            result
        })
    }
}

pub fn failed(node: u16) -> Result<(), DbError> {
    Err(DbError::SetUpFailed { node: NodeId(node), why: "as told".to_owned() })
}

pub fn broken() -> Result<(), DbError> {
    Err(io::Error::other("broken").into())
}

impl Db for Fake {
    fn name(&self) -> &str {
        self.name
    }

    fn ports(&self, at: &Site) -> Vec<(String, u16)> {
        let _ = self.called("ports", at);
        vec![(self.name.to_owned(), 1)]
    }

    fn set_up<'a>(&'a self, sites: &'a Sites, at: &'a Site) -> Step<'a> {
        Box::pin(async move {
            self.step("set_up", at, ()).await?;
            if self.waits {
                sites
                    .synchronize()
                    .await
                    .map_err(|why| DbError::SetUpFailed { node: at.node, why })?;
            }
            let _ = self.called("is set up", at);
            Ok(())
        })
    }

    fn tear_down<'a>(&'a self, _: &'a Sites, at: &'a Site) -> Step<'a> {
        self.step("tear_down", at, ())
    }

    fn settle<'a>(&'a self, _: &'a Sites, at: &'a Site) -> Step<'a> {
        self.step("settle", at, ())
    }

    fn undo(&self, at: &Site) -> Vec<String> {
        let _ = self.called("undo", at);
        vec![format!("undo {}", self.name)]
    }

    fn ends<'a>(&'a self, at: &'a Site) -> Step<'a, Vec<End>> {
        self.step("ends", at, vec![End { status: 1, line: self.name.to_owned() }])
    }

    fn metrics(&self, at: &Site) -> Option<Metrics> {
        let _ = self.called("metrics", at);
        self.capable.then_some(Metrics::Http(1))
    }

    fn has_clock(&self) -> bool {
        self.capable
    }

    fn kill(&self) -> Option<&dyn Kill> {
        self.capable.then_some(self as &dyn Kill)
    }

    fn pause(&self) -> Option<&dyn Pause> {
        self.capable.then_some(self as &dyn Pause)
    }

    fn primary(&self) -> Option<&dyn Primary> {
        self.capable.then_some(self as &dyn Primary)
    }

    fn members(&self) -> Option<&dyn Members> {
        self.capable.then_some(self as &dyn Members)
    }

    fn log_files(&self) -> Option<&dyn LogFiles> {
        self.capable.then_some(self as &dyn LogFiles)
    }
}

impl Kill for Fake {
    fn kill<'a>(&'a self, _: &'a Sites, at: &'a Site) -> Step<'a, u64> {
        self.step("kill", at, 1)
    }

    fn start<'a>(&'a self, _: &'a Sites, at: &'a Site) -> Step<'a, Started> {
        self.step("start", at, Started::Started)
    }

    fn running<'a>(&'a self, _: &'a Sites, at: &'a Site) -> Step<'a, bool> {
        self.step("running", at, true)
    }
}

impl Pause for Fake {
    fn pause<'a>(&'a self, _: &'a Sites, at: &'a Site) -> Step<'a, u64> {
        self.step("pause", at, 1)
    }

    fn resume<'a>(&'a self, _: &'a Sites, at: &'a Site) -> Step<'a> {
        self.step("resume", at, ())
    }
}

impl Primary for Fake {
    fn primaries<'a>(&'a self, sites: &'a Sites) -> LocalBoxFuture<'a, Vec<NodeId>> {
        for at in sites.iter() {
            let _ = self.called("primaries", at);
        }
        Box::pin(std::future::ready(sites.iter().map(|at| at.node).collect()))
    }

    fn set_up_primary<'a>(&'a self, _: &'a Sites, at: &'a Site) -> Step<'a> {
        self.step("set_up_primary", at, ())
    }
}

impl Members for Fake {
    fn carry_out<'a>(&'a self, sites: &'a Sites, _: Order) -> Step<'a, u64> {
        self.step("carry_out", sites.iter().next().expect("a node"), 1)
    }
}

impl LogFiles for Fake {
    fn log_files(&self, sites: &Sites, at: &Site) -> Vec<LogPath> {
        for at in sites.iter() {
            let _ = self.called("log_files", at);
        }
        vec![LogPath::Path(format!("/{}/{}", at.host, self.name))]
    }
}

/// Nodes n1 to n`count` on these remotes, at addresses 127.0.`block`.1 and on; hosts are called as nodes are.
pub fn cluster(count: u16, block: u8, base: &str, remote: impl Fn(u16) -> Rc<dyn Remote>) -> Sites {
    let site = |node: u16| Site {
        node: NodeId(node),
        remote: remote(node),
        host: format!("n{node}"),
        address: format!("127.0.{block}.{node}").parse().expect("an address"),
        ports: BTreeMap::new(),
        base: base.to_owned(),
    };
    Sites::new((1..=count).map(site).collect())
}

/// Nodes on no machine.
pub fn nowhere(count: u16) -> Sites {
    cluster(count, 1, "/opt/rc", |node| Rc::new(Recorded::named(format!("n{node}"))))
}

pub fn in_real_time<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    tokio::task::LocalSet::new().block_on(&runtime.expect("a runtime"), test)
}
