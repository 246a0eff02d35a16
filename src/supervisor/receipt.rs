//! What a stop finds on its way: kept while it runs, cut down to a [`Receipt`] at its end.

use crate::machine::Ms;
use crate::record::{Met, NAMED, Receipt};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};
use sys::process::Identity;
use sys::reap::Ending;

/// A stop in progress.
#[derive(Debug)]
pub(super) struct Stop {
    began: Ms,
    met: BTreeMap<Identity, Met>,
    /// Those of them whose end we shall certainly be told.
    expected: HashSet<i32>,
}

/// The most processes of which a stop takes note one by one; those beyond are only counted.
const MOST: usize = 4096;

impl Stop {
    /// A stop that begins now.
    pub(super) fn new(now: Ms) -> Stop {
        Stop { began: now, met: BTreeMap::new(), expected: HashSet::new() }
    }

    /// Takes note of a process; what was noted of it before stays. `None` if there is no room for it.
    pub(super) fn meet(&mut self, who: Identity, command: &str) -> Option<&mut Met> {
        let full = self.met.len() >= MOST;
        match self.met.entry(who) {
            Entry::Vacant(_) if full => None,
            Entry::Vacant(vacant) => {
                let command = command.chars().take(15).collect();
                let met =
                    Met { pid: who.pid, command, leader: false, stray: false, killed: false, ended: None };
                Some(vacant.insert(met))
            }
            Entry::Occupied(known) => Some(known.into_mut()),
        }
    }

    /// The end of this one will be told: it is a child of ours.
    pub(super) fn expect_end(&mut self, pid: i32) {
        self.expected.insert(pid);
    }

    /// Whether the end of this one is still to be told.
    pub(super) fn expects(&self, pid: i32) -> bool {
        self.expected.contains(&pid)
    }

    /// Whether somebody is known to be there still, so that there is no need to look.
    pub(super) fn expects_an_end(&self) -> bool {
        !self.expected.is_empty()
    }

    /// The pids of all who were met.
    pub(super) fn pids(&self) -> impl Iterator<Item = i32> {
        self.met.keys().map(|who| who.pid)
    }

    /// Marks everybody who is still there as killed.
    pub(super) fn kill(&mut self) {
        self.met.values_mut().filter(|met| met.ended.is_none()).for_each(|met| met.killed = true);
    }

    /// A process has ended.
    pub(super) fn ended(&mut self, pid: i32, ending: Ending) {
        self.expected.remove(&pid);
        let called = Identity { pid, start: 0 }..=Identity { pid, start: u64::MAX };
        if let Some((_, met)) = self.met.range_mut(called).next_back() {
            met.ended.get_or_insert(ending);
        }
    }

    /// The receipt, at the end. Those that had to be killed are named first, then the leader.
    pub(super) fn receipt(self, now: Ms) -> Receipt {
        let mut met: Vec<Met> = self.met.into_values().collect();
        met.sort_by_key(|met| (!met.killed, !met.leader));
        Receipt {
            took_ms: now.saturating_sub(self.began).min(Ms::from(u32::MAX)) as u32,
            found: met.len() as u32,
            killed: met.iter().filter(|met| met.killed).count() as u32,
            named: met.into_iter().take(NAMED).collect(),
        }
    }
}
