//! The descriptors that the guardian keeps.

use crate::guardian_line::{Key, Kind};
use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// By service: there are thousands, most have two kinds, and each name stands here once.
#[derive(Default)]
pub(super) struct Shelf(BTreeMap<Box<[u8]>, Kept>);

/// Those of one service, of a kind side by side.
type Kept = Box<[(Kind, OwnedFd)]>;

impl Shelf {
    /// Keeps these in place of what was kept under the key.
    pub(super) fn put(&mut self, key: Key, fds: Vec<OwnedFd>) {
        let service = self.0.entry(key.name.into()).or_default();
        let others = std::mem::take(service).into_iter().filter(|(kind, _)| *kind != key.kind);
        *service = others.chain(fds.into_iter().map(|fd| (key.kind, fd))).collect();
    }

    /// Closes what is kept under the key.
    pub(super) fn remove(&mut self, key: &Key) {
        let Some(service) = self.0.remove(&*key.name) else { return };
        let others: Kept = service.into_iter().filter(|(kind, _)| *kind != key.kind).collect();
        if !others.is_empty() {
            self.0.insert(key.name.as_slice().into(), others);
        }
    }

    /// What is kept under the key, in the order in which it came.
    pub(super) fn get(&self, key: &Key) -> impl Iterator<Item = BorrowedFd<'_>> {
        let service = self.0.get(&*key.name).map_or(&[][..], |service| service);
        service.iter().filter(|(kind, _)| *kind == key.kind).map(|(_, fd)| fd.as_fd())
    }

    /// Under what something is kept.
    pub(super) fn keys(&self) -> impl Iterator<Item = Key> {
        self.0.iter().flat_map(|(name, service)| {
            let mut kinds: Vec<Kind> = service.iter().map(|(kind, _)| *kind).collect();
            kinds.dedup();
            kinds.into_iter().map(|kind| Key { kind, name: name.to_vec() })
        })
    }

    /// All that is kept.
    pub(super) fn all(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.0.values().flatten().map(|(_, fd)| fd.as_fd())
    }

    /// Closes all.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn a_kind_takes_the_place_of_its_own_only() {
        let mut shelf = Shelf::default();
        let some = |n: usize| -> Vec<OwnedFd> {
            (0..n).map(|_| std::fs::File::open("/dev/null").unwrap().into()).collect()
        };
        let key = |kind| Key { kind, name: b"squid".to_vec() };
        let (desk, output) = (key(Kind::Desk), key(Kind::Output));
        shelf.put(desk.clone(), some(2));
        shelf.put(output.clone(), some(2));
        let again = some(3);
        let numbers: Vec<i32> = again.iter().map(AsRawFd::as_raw_fd).collect();
        shelf.put(desk.clone(), again);
        let kept: Vec<i32> = shelf.get(&desk).map(|fd| fd.as_raw_fd()).collect();
        assert_eq!((kept, shelf.get(&output).count(), shelf.all().count()), (numbers, 2, 5));
        assert_eq!(shelf.keys().collect::<Vec<_>>(), [output.clone(), desk.clone()]);
        shelf.remove(&output);
        assert_eq!(shelf.keys().collect::<Vec<_>>(), std::slice::from_ref(&desk));
        shelf.remove(&output);
        shelf.remove(&desk);
        assert_eq!((shelf.all().count(), shelf.0.len()), (0, 0));
    }
}
