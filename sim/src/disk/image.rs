//! A copy of a node's files to run recovery on after the run: no latency, no world.

use super::{Volume, folder_of, missing};
use bytes::Bytes;
use elastickv::env::Disk;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

/// A disk in memory whose futures are ready at once: `now_or_never` always has their result. Clones share the files, and what is read shares
/// their bytes; a write copies its file.
#[derive(Clone, Debug, Default)]
pub struct DiskImage(Rc<RefCell<BTreeMap<String, Bytes>>>);

impl DiskImage {
    /// What the process saw, and just what no power cut could have taken.
    pub fn views(of: &Volume) -> [DiskImage; 2] {
        let images: BTreeMap<u64, (Bytes, Bytes)> =
            of.files.iter().map(|(id, file)| (*id, file.images())).collect();
        let view = |names: &BTreeMap<String, u64>, choose: fn(&(Bytes, Bytes)) -> &Bytes| {
            let content = |id: &u64| images.get(id).map_or_else(Bytes::new, |i| choose(i).clone());
            DiskImage::of(names.iter().map(|(path, id)| (path.clone(), content(id))))
        };
        [view(&of.cached, |(cached, _)| cached), view(&of.durable, |(_, durable)| durable)]
    }

    /// What the process saw.
    pub fn cached(of: &Volume) -> DiskImage {
        let [cached, _] = DiskImage::views(of);
        cached
    }

    /// Just what no power cut could have taken.
    pub fn durable(of: &Volume) -> DiskImage {
        let [_, durable] = DiskImage::views(of);
        durable
    }

    /// These files.
    pub fn of<B: Into<Bytes>>(files: impl IntoIterator<Item = (String, B)>) -> DiskImage {
        let files = files.into_iter().map(|(path, bytes)| (path, bytes.into()));
        DiskImage(Rc::new(RefCell::new(files.collect())))
    }

    fn see<T>(&self, path: &str, see: impl FnOnce(&Bytes) -> T) -> io::Result<T> {
        self.0.borrow().get(path).map(see).ok_or_else(|| missing(path))
    }

    fn change(&self, path: &str, change: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        let mut files = self.0.borrow_mut();
        let file = files.get_mut(path).ok_or_else(|| missing(path))?;
        let mut content = Vec::from(std::mem::take(file));
        change(&mut content);
        *file = content.into();
        Ok(())
    }
}

impl Disk for DiskImage {
    async fn create(&self, path: &str) -> io::Result<()> {
        self.0.borrow_mut().insert(path.to_owned(), Bytes::new());
        Ok(())
    }

    async fn len(&self, path: &str) -> io::Result<u64> {
        self.see(path, |file| file.len() as u64)
    }

    async fn append(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.change(path, |file| file.extend_from_slice(bytes))
    }

    async fn read_at(&self, path: &str, offset: u64, len: usize) -> io::Result<Bytes> {
        self.see(path, |file| {
            let from = (offset as usize).min(file.len());
            file.slice(from..from.saturating_add(len).min(file.len()))
        })
    }

    async fn write_at(&self, path: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let (from, to) = (offset as usize, offset as usize + bytes.len());
        self.change(path, |file| {
            file.resize(file.len().max(to), 0);
            file[from..to].copy_from_slice(bytes);
        })
    }

    async fn truncate(&self, path: &str, len: u64) -> io::Result<()> {
        self.change(path, |file| file.resize(len as usize, 0))
    }

    async fn sync(&self, path: &str) -> io::Result<()> {
        self.see(path, |_| ())
    }

    async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut files = self.0.borrow_mut();
        let file = files.remove(from).ok_or_else(|| missing(from))?;
        files.insert(to.to_owned(), file);
        Ok(())
    }

    async fn remove(&self, path: &str) -> io::Result<()> {
        self.0.borrow_mut().remove(path).map(drop).ok_or_else(|| missing(path))
    }

    async fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        Ok(self.0.borrow().keys().filter(|path| folder_of(path) == folder).cloned().collect())
    }

    async fn sync_dir(&self, _: &str) -> io::Result<()> {
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

    #[test]
    fn what_is_written_to_an_image_is_read_from_it_and_from_no_other_view() {
        let mut volume = Volume::default();
        volume.create("d/a");
        volume.append("d/a", b"abc").unwrap();
        volume.end_sync(volume.begin_sync("d/a").unwrap());
        volume.end_sync(volume.begin_sync_dir("d"));
        let [one, other] = DiskImage::views(&volume);
        let write = async {
            let before = one.read_at("d/a", 0, 99).await?;
            one.write_at("d/a", 5, b"z").await?;
            let written = one.read_at("d/a", 1, 99).await?;
            one.append("d/a", b"!").await?;
            one.truncate("d/a", 2).await?;
            one.rename("d/a", "d/b").await?;
            one.create("top").await?;
            io::Result::Ok((
                before,
                written,
                one.read_at("d/b", 0, 99).await?,
                one.list("d").await?,
            ))
        };
        let (before, written, cut, names) = write.now_or_never().unwrap().unwrap();
        assert_eq!((&before[..], &written[..]), (&b"abc"[..], &b"bc\0\0z"[..]));
        assert_eq!((&cut[..], names), (&b"ab"[..], vec!["d/b".to_owned()]));
        assert_eq!(other.read_at("d/a", 0, 99).now_or_never().unwrap().unwrap(), &b"abc"[..]);
        one.remove("d/b").now_or_never().unwrap().unwrap();
        assert!(one.remove("d/b").now_or_never().unwrap().is_err());
    }
}
