//! Members and leadership changed from outside, in the simulated world: the operator sits at the clients' machine, which no
//! partition cuts off. What a step means to the program on the nodes, its [`Guest`](crate::cluster::Guest) says.

use crate::cluster::CLIENTS;
use crate::stream::{Dial, SimSocket};
use crate::world::World;
use elastickv::admin::{self, SinceByGroup};
use elastickv::env::{GroupId, NodeId, Port};
use std::io;
use std::rc::Rc;
use std::time::Duration;

/// The operator's view of the world.
#[derive(Clone)]
pub struct Desk(pub(crate) Rc<World>);

impl admin::Desk for Desk {
    type Socket = SimSocket;

    fn nodes(&self) -> Vec<NodeId> {
        let hosts = self.0.hosts.borrow().len() as u16;
        (1..hosts).map(NodeId).collect()
    }

    fn groups(&self) -> Vec<GroupId> {
        let guest = self.0.guest.borrow();
        guest.as_ref().map(|guest| guest.groups()).unwrap_or_default()
    }

    async fn connect(&self, to: NodeId) -> io::Result<SimSocket> {
        Dial::new(CLIENTS, to.0, Port::INTERNAL.0).await
    }

    async fn sleep(&self, duration: Duration) {
        self.0.sleep(duration).await;
    }

    fn now(&self) -> Duration {
        Duration::from_nanos(self.0.now())
    }

    fn is_empty(&self, node: NodeId) -> bool {
        self.0.hosts.borrow()[usize::from(node.0)].empty
    }

    fn joined(&self, node: NodeId) {
        self.0.hosts.borrow_mut()[usize::from(node.0)].empty = false;
    }

    async fn start_over(&self, node: NodeId, since: SinceByGroup) -> Result<(), String> {
        self.0.end(node.0);
        self.0.wipe(node.0);
        self.0.hosts.borrow_mut()[usize::from(node.0)].empty = true;
        let guest = self.0.guest.borrow().clone();
        if let Some(guest) = guest {
            guest.starts_over(node.0, since);
        }
        self.start(node).await
    }

    async fn start(&self, node: NodeId) -> Result<(), String> {
        self.0.resume(node.0);
        self.0.restart(node.0);
        Ok(())
    }
}
