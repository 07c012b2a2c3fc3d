//! Elastickv as the guest of a simulated node.

use crate::cluster::Guest;
use crate::disk::DiskImage;
use crate::env::SimEnv;
use elastickv::env::Fact;
use elastickv::node;
use elastickv::options::Options;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

/// Runs `elastickv::node` on every node of the cluster, with options that may differ from node to node.
pub struct Elastickv {
    options: Box<dyn Fn(u16) -> Options>,
}

impl Elastickv {
    /// The same options everywhere.
    pub fn new(options: Options) -> Elastickv {
        Elastickv { options: Box::new(move |_| options.clone()) }
    }

    /// Options by node number.
    pub fn each(options: impl Fn(u16) -> Options + 'static) -> Elastickv {
        Elastickv { options: Box::new(options) }
    }
}

impl Guest for Elastickv {
    fn boot(&self, env: SimEnv) -> LocalBoxFuture<'static, ()> {
        let options = (self.options)(env.node);
        async move {
            if let Err(error) = node::run(env, options).await {
                panic!("{error}");
            }
        }
        .boxed_local()
    }

    fn post_mortem(&self, node: u16, disk: DiskImage) -> Result<Vec<Fact>, String> {
        let rebuilt = node::rebuild(&disk, &(self.options)(node)).now_or_never();
        rebuilt.expect("a disk in memory answers at once").map_err(|error| error.to_string())
    }
}
