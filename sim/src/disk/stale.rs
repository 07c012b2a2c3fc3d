//! An older image of a node's disk in the disk's place, as after a restore from a snapshot of the machine.
//!
//! Promises: the image is what no power cut could have taken at one moment, all files of that same moment, so any start can read it. What takes
//! the disk's place differs from what was durable on it: who had written nothing since is started once, which writes.
//! Cannot see: that a node would notice. No disk tells its age; a leader that knows how far its follower was would, if it is
//! still the same.

use super::{File, NodeDisk, Volume};
use crate::world::World;
use std::collections::BTreeSet;
use std::time::Duration;

/// No start takes longer to write.
const WRITES_WITHIN_NS: u64 = 2_000_000_000;
/// Between two looks at whether it has.
const LOOK: Duration = Duration::from_millis(10);

impl Volume {
    /// A copy that holds, in its cache too, just what no power cut can take.
    fn as_synced(&self) -> Volume {
        let whole = |file: &File| File::whole(file.durable().to_vec());
        let named = |id: &u64| Some((*id, whole(self.files.get(id)?)));
        Volume {
            files: self.durable.values().filter_map(named).collect(),
            created: self.created,
            cached: self.durable.clone(),
            durable: self.durable.clone(),
            ..Volume::default()
        }
    }

    /// How many names that no power cut can take, here or there, are of other bytes there, or of none.
    fn differs_from(&self, other: &Volume) -> u64 {
        let names: BTreeSet<&str> = self.synced_paths().chain(other.synced_paths()).collect();
        let differs = |name: &&&str| self.synced_image(name) != other.synced_image(name);
        names.iter().filter(differs).count() as u64
    }
}

impl NodeDisk {
    /// It is this one from now on, and less than its node has promised; no sync of before ends on it.
    fn swap(&mut self, older: Volume) {
        let settled = self.volume.settled;
        self.wipe();
        self.forgets();
        // Whoever has looked at its names looks again.
        self.volume = Volume { settled: settled + 1, ..older };
    }
}

impl World {
    /// A node's disk is what it was that long ago, and its process is dead; if the bound of lost disks is lifted, it runs with that.
    pub(crate) async fn swap_disk(&self, node: u16, after: Duration, injection: usize) {
        if !self.disks[usize::from(node)].borrow().is_sound() {
            return;
        }
        let older = self.files(node, Volume::as_synced);
        self.sleep(after).await;
        if self.goes_back(node, &older) == 0 {
            self.end(node);
            self.restart(node);
            let until = self.now() + WRITES_WITHIN_NS;
            while self.goes_back(node, &older) == 0 && self.now() < until {
                self.sleep(LOOK).await;
            }
        }
        let files = self.goes_back(node, &older);
        self.end(node);
        self.disks[usize::from(node)].borrow_mut().swap(older);
        self.acted(injection, files);
        self.count("older disk swapped back");
        // Unless it must not.
        self.restart(node);
    }

    fn goes_back(&self, node: u16, older: &Volume) -> u64 {
        self.files(node, |volume| volume.differs_from(older))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn synced(volume: &mut Volume, path: &str) {
        volume.end_sync(volume.begin_sync(path).unwrap());
        volume.end_sync(volume.begin_sync_dir(""));
    }

    #[test]
    fn an_image_is_what_no_power_cut_could_have_taken() {
        let mut volume = Volume::default();
        for path in ["a", "gone"] {
            volume.create(path);
            volume.append(path, b"12").unwrap();
            synced(&mut volume, path);
        }
        volume.append("a", b"3").unwrap();
        volume.remove("gone").unwrap();
        volume.create("new");
        let image = volume.as_synced();
        assert_eq!(image.cached_paths().collect::<Vec<_>>(), ["a", "gone"]);
        assert_eq!((image.cached_image("a"), image.unsynced_bytes()), (Some(&b"12"[..]), 0));
        assert_eq!(volume.differs_from(&image), 0, "nothing more has become durable");
    }

    #[test]
    fn what_has_become_durable_since_is_counted_by_its_files() {
        let mut volume = Volume::default();
        volume.create("a");
        synced(&mut volume, "a");
        let image = volume.as_synced();
        volume.append("a", b"1").unwrap();
        assert_eq!(volume.differs_from(&image), 0, "it is not synced");
        synced(&mut volume, "a");
        assert_eq!(volume.differs_from(&image), 1);
        volume.create("b");
        synced(&mut volume, "b");
        assert_eq!((volume.differs_from(&image), image.differs_from(&volume)), (2, 2));
        volume.rename("a", "c").unwrap();
        volume.end_sync(volume.begin_sync_dir(""));
        assert_eq!(volume.differs_from(&image), 3);
    }
}
