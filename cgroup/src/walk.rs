//! One look at every process there is, and kinship in it.

use std::collections::HashSet;
use sys::process::{self, Identity, Stat};

/// All processes as one pass over `/proc` saw them, by parent.
///
/// A pass is not a snapshot: a process whose parent ends meanwhile may be seen with the old parent, which is
/// then missing. So what it finds is right, but may not be all, unless everything concerned stands still.
pub struct Walk {
    by_parent: Vec<Stat>,
}

impl Walk {
    /// Looks now. Takes some tens of µs a process.
    pub fn now() -> Walk {
        Walk::of(process::all())
    }

    /// Of processes that were read already.
    pub fn of(mut processes: Vec<Stat>) -> Walk {
        processes.sort_unstable_by_key(|stat| (stat.parent, stat.pid));
        Walk { by_parent: processes }
    }

    /// Every process.
    pub fn all(&self) -> &[Stat] {
        &self.by_parent
    }

    /// The children of a pid.
    pub fn children(&self, parent: i32) -> &[Stat] {
        let from = self.by_parent.partition_point(|stat| stat.parent < parent);
        let to = self.by_parent.partition_point(|stat| stat.parent <= parent);
        &self.by_parent[from..to]
    }

    /// What descends from any of `roots`, without the roots themselves, zombies included, the upper first.
    /// Nothing descends from a root that has ended or whose pid means somebody else by now.
    pub fn descendants(&self, roots: &[Identity]) -> Vec<&Stat> {
        let mut known: HashSet<i32> = self.present(roots).map(|stat| stat.pid).collect();
        let mut pending: Vec<i32> = known.iter().copied().collect();
        let mut found = Vec::new();
        while let Some(parent) = pending.pop() {
            for child in self.children(parent) {
                if known.insert(child.pid) {
                    pending.push(child.pid);
                    found.push(child);
                }
            }
        }
        found
    }

    /// Those of `wanted` that are there.
    pub fn present(&self, wanted: &[Identity]) -> impl Iterator<Item = &Stat> {
        let wanted: HashSet<Identity> = wanted.iter().copied().collect();
        self.by_parent.iter().filter(move |stat| wanted.contains(&stat.identity()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(pid: i32, parent: i32) -> Stat {
        Stat {
            pid,
            command: String::new(),
            state: b'S',
            parent,
            group: pid,
            session: pid,
            start: pid as u64 * 10,
        }
    }

    #[test]
    fn kinship() {
        let walk = Walk::of(vec![stat(9, 4), stat(1, 0), stat(4, 2), stat(2, 1), stat(3, 1), stat(5, 4)]);
        let below = |pid: i32, start: u64| {
            let mut pids: Vec<i32> =
                walk.descendants(&[Identity { pid, start }]).iter().map(|stat| stat.pid).collect();
            pids.sort_unstable();
            pids
        };
        assert_eq!(below(1, 10), [2, 3, 4, 5, 9]);
        assert_eq!(below(2, 20), [4, 5, 9]);
        assert_eq!(below(2, 21), [], "another process with that pid");
        assert_eq!(below(7, 70), []);
        let roots = [Identity { pid: 2, start: 20 }, Identity { pid: 4, start: 40 }];
        assert_eq!(walk.descendants(&roots).len(), 2, "roots are not their own descendants");
    }
}
