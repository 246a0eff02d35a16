//! What a stop finds on its way: kept while it runs, cut down to a [`Receipt`] at its end.

use crate::machine::Ms;
use crate::record::{Met, NAMED, Receipt};
use sys::process::Identity;
use sys::reap::Ending;

/// A stop in progress.
#[derive(Debug)]
pub(super) struct Stop {
    began: Ms,
    met: Vec<(Identity, Met)>,
}

/// The most processes of which a stop takes note one by one; those beyond are only counted.
const MOST: usize = 4096;

impl Stop {
    /// A stop that begins now.
    pub(super) fn new(now: Ms) -> Stop {
        Stop { began: now, met: Vec::new() }
    }

    /// Takes note of a process; one that is known already is only marked.
    pub(super) fn meet(&mut self, who: Identity, command: &str, leader: bool, stray: bool, killed: bool) {
        if let Some((_, met)) = self.met.iter_mut().find(|(known, _)| *known == who) {
            met.killed |= killed;
            met.stray |= stray;
        } else if self.met.len() < MOST {
            let command = command.chars().take(15).collect();
            self.met.push((who, Met { pid: who.pid, command, leader, stray, killed, ended: None }));
        }
    }

    /// Marks everybody who is still there as killed.
    pub(super) fn kill(&mut self) {
        self.met.iter_mut().filter(|(_, met)| met.ended.is_none()).for_each(|(_, met)| met.killed = true);
    }

    /// A process has ended.
    pub(super) fn ended(&mut self, pid: i32, ending: Ending) {
        let found = self.met.iter_mut().find(|(who, met)| who.pid == pid && met.ended.is_none());
        if let Some((_, met)) = found {
            met.ended = Some(ending);
        }
    }

    /// The receipt, at the end. Those that had to be killed are named first, then the leader.
    pub(super) fn receipt(mut self, now: Ms) -> Receipt {
        self.met.sort_by_key(|(_, met)| (!met.killed, !met.leader));
        Receipt {
            took_ms: now.saturating_sub(self.began).min(Ms::from(u32::MAX)) as u32,
            found: self.met.len() as u32,
            killed: self.met.iter().filter(|(_, met)| met.killed).count() as u32,
            named: self.met.into_iter().take(NAMED).map(|(_, met)| met).collect(),
        }
    }
}
