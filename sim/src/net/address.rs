//! Names of nodes, looked up once and believed for a while: a node that comes back under another address is spoken to where it is not.

use super::Net;
use crate::host::Down;
use crate::trace::Kind;
use crate::world::World;
use std::time::Duration;

/// A node that has another address than others believe.
pub(super) struct Moved {
    host: u16,
    /// By host, until when it believes the old address.
    until: Vec<u64>,
    injection: usize,
}

impl Moved {
    /// The last one believes it for so long, the others for some part of that, at least half.
    fn new(host: u16, hosts: usize, now: u64, stale_ns: u64, injection: usize) -> Moved {
        let part = |other: usize| {
            let nth = (other + hosts - usize::from(host)) % hosts;
            stale_ns / 2 + stale_ns / 2 * (nth as u64 + 1) / hosts as u64
        };
        Moved { host, until: (0..hosts).map(|other| now + part(other)).collect(), injection }
    }
}

impl Net {
    /// The injection because of which what is sent now goes to an address that nobody has.
    fn misses(&self, from: u16, to: u16, now: u64) -> Option<usize> {
        let moved = self.moved.as_ref().filter(|moved| moved.host == to && from != to)?;
        (now < moved.until[usize::from(from)]).then_some(moved.injection)
    }
}

impl World {
    /// The injection because of which what is sent now goes to an address that nobody has.
    pub(crate) fn misses(&self, from: u16, to: u16) -> Option<usize> {
        self.net.borrow().misses(from, to, self.now())
    }

    /// Whether a datagram goes to an address that nobody has; if so it is counted, if it would have come otherwise.
    pub(super) fn drops_misaddressed(&self, from: u16, to: u16, comes: bool) -> bool {
        let injection = self.misses(from, to);
        if let Some(injection) = injection {
            self.acted(injection, comes.into());
            self.event(to, Kind::Drop, &[u64::from(from)], &[]);
        }
        injection.is_some()
    }

    /// The node is killed and comes back under another address. Over when nobody believes the old one.
    pub(crate) async fn readdress(&self, node: u16, stale: Duration, injection: usize) {
        self.abandon_streams(node, injection);
        self.put_down(node, Down::Process);
        let hosts = self.hosts.borrow().len();
        let moved = Moved::new(node, hosts, self.now(), stale.as_nanos() as u64, injection);
        self.net.borrow_mut().moved = Some(moved);
        self.restart(node);
        self.sleep(stale).await;
        self.net.borrow_mut().moved = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use harness::seed::Seed;

    #[test]
    fn each_looks_the_name_up_again_at_its_own_time_and_the_last_one_when_it_is_over() {
        let mut net = Net::new(Seed(1), 4, &[]);
        net.moved = Some(Moved::new(2, 5, 1_000, 100, 7));
        let last = |from| (1_000..2_000).filter(|now| net.misses(from, 2, *now) == Some(7)).max();
        let lasts: Vec<Option<u64>> = [0, 1, 3, 4].map(last).to_vec();
        assert!(lasts.iter().all(|last| (Some(1_049)..=Some(1_099)).contains(last)), "{lasts:?}");
        assert!(lasts.windows(2).all(|pair| pair[0] != pair[1]), "{lasts:?}");
        assert_eq!(last(2), None, "it knows itself");
        assert_eq!(net.misses(2, 1, 1_001), None, "it knows the others");
    }
}
