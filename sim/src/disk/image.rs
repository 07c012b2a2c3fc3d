//! A copy of a node's files to run recovery on after the run: no latency, no world.

use super::Volume;
use bytes::Bytes;
use elastickv::env::Disk;
use std::cell::RefCell;
use std::io;
use std::rc::Rc;

/// A disk in memory whose futures are ready at once: `now_or_never` always has their result. Clones share the files.
#[derive(Clone, Debug, Default)]
pub struct DiskImage(Rc<RefCell<Volume>>);

impl DiskImage {
    /// Just what no power cut could have taken.
    pub fn durable(of: &Volume) -> DiskImage {
        let content = |path: &str| of.synced_image(path).unwrap_or_default().to_vec();
        DiskImage::of(of.synced_paths().map(|path| (path.to_string(), content(path))))
    }

    /// What the process saw.
    pub fn cached(of: &Volume) -> DiskImage {
        let content = |path: &str| of.cached_image(path).unwrap_or_default().to_vec();
        DiskImage::of(of.cached_paths().map(|path| (path.to_string(), content(path))))
    }

    /// These files.
    pub fn of(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> DiskImage {
        let mut volume = Volume::default();
        for (path, bytes) in files {
            volume.create(&path);
            volume.append(&path, &bytes).expect("the file has just been made");
        }
        DiskImage(Rc::new(RefCell::new(volume)))
    }
}

impl Disk for DiskImage {
    async fn create(&self, path: &str) -> io::Result<()> {
        self.0.borrow_mut().create(path);
        Ok(())
    }

    async fn len(&self, path: &str) -> io::Result<u64> {
        self.0.borrow().len(path)
    }

    async fn append(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.0.borrow_mut().append(path, bytes)
    }

    async fn read_at(&self, path: &str, offset: u64, len: usize) -> io::Result<Bytes> {
        self.0.borrow().read_at(path, offset, len)
    }

    async fn write_at(&self, path: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.borrow_mut().write_at(path, offset, bytes)
    }

    async fn truncate(&self, path: &str, len: u64) -> io::Result<()> {
        self.0.borrow_mut().truncate(path, len)
    }

    async fn sync(&self, path: &str) -> io::Result<()> {
        let mut volume = self.0.borrow_mut();
        let mark = volume.begin_sync(path)?;
        volume.end_sync(mark);
        Ok(())
    }

    async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.borrow_mut().rename(from, to)
    }

    async fn remove(&self, path: &str) -> io::Result<()> {
        self.0.borrow_mut().remove(path)
    }

    async fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        Ok(self.0.borrow().list(folder))
    }

    async fn sync_dir(&self, folder: &str) -> io::Result<()> {
        let mut volume = self.0.borrow_mut();
        let mark = volume.begin_sync_dir(folder);
        volume.end_sync(mark);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn an_image_has_the_files_of_its_view_and_answers_at_once() {
        let mut volume = Volume::default();
        volume.create("a");
        volume.append("a", b"12").unwrap();
        volume.end_sync(volume.begin_sync("a").unwrap());
        volume.end_sync(volume.begin_sync_dir(""));
        volume.append("a", b"3").unwrap();
        volume.create("b");
        let durable = DiskImage::durable(&volume);
        assert_eq!(durable.list("").now_or_never().unwrap().unwrap(), ["a"]);
        assert_eq!(durable.len("a").now_or_never().unwrap().unwrap(), 2);
        let cached = DiskImage::cached(&volume);
        assert_eq!(cached.list("").now_or_never().unwrap().unwrap(), ["a", "b"]);
        assert_eq!(cached.len("a").now_or_never().unwrap().unwrap(), 3);
        assert!(cached.sync("none").now_or_never().unwrap().is_err());
    }
}
