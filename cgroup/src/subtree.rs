//! The lowest rung: no group, only the processes that descend from a fold root.
//!
//! The fold root ([`sys::foldroot`]) is a subreaper, so whatever a service forks, and whoever of it ends, the
//! rest stays below. Found by walking all of `/proc`: the `children` files there are, by their own
//! documentation, right only while everything stands still.
//!
//! The fold root itself is never signalled: it ends by itself after its last child, and if it ended
//! before, the orphans would be anybody's.

use crate::kill::Pass;
use crate::walk::Walk;
use nix::errno::Errno;
use nix::sys::signal::Signal;
use std::collections::HashSet;
use sys::process::{Identity, Pidfd, Stat};

/// How many walks one call makes at most.
const WALKS: usize = 6;

/// What belongs to a service, and what not.
#[derive(Clone, Copy, Debug)]
pub struct Tree<'a> {
    /// The fold root: not a member.
    pub root: Identity,
    /// Members that were seen before, like the leader. They are still members, and what descends from them too,
    /// when somebody has killed the fold root.
    pub known: &'a [Identity],
    /// Those to be left alone. Not what descends from them: name them all.
    pub spared: &'a [Identity],
}

impl Tree<'_> {
    /// Its living processes in one walk, the spared left out: for many services at once. May miss one that changes
    /// its parent meanwhile.
    pub fn living(&self, walk: &Walk) -> Vec<Stat> {
        let roots = [&[self.root], self.known].concat();
        let found = walk.present(self.known).chain(walk.descendants(&roots));
        let member = |stat: &&Stat| {
            let who = stat.identity();
            !stat.is_zombie() && who != self.root && !self.spared.contains(&who)
        };
        found.filter(member).cloned().collect()
    }

    /// Its living processes, the spared left out. Walks until two walks agree (but not for ever).
    pub fn members(&self) -> Vec<Stat> {
        let mut before = self.living(&Walk::now());
        for _ in 1..WALKS {
            let now = self.living(&Walk::now());
            let same =
                now.len() == before.len() && now.iter().all(|one| before.iter().any(|other| is(one, other)));
            before = now;
            if same {
                break;
            }
        }
        before
    }

    /// One pass of the kill: everything found is stopped until a walk finds nobody new, then killed. A process
    /// that is stopped forks no more, and every orphan is below the root again, so repeated passes reach
    /// everyone. Call until there are no members.
    pub fn kill(&self) -> Pass {
        let mut pass = Pass::default();
        let stopped = self.stop_all(&mut pass);
        for who in stopped {
            pass.note(who.pid, signal(who, Signal::SIGKILL));
        }
        pass
    }

    /// Stops all of it, as far as one call gets: for a pause where nothing can be frozen. Unlike with a frozen
    /// group, the processes can tell, and their parents too. True if nobody was missed.
    pub fn stop(&self) -> bool {
        let mut pass = Pass::default();
        self.stop_all(&mut pass);
        pass.complete
    }

    /// Lets all of it go on.
    pub fn resume(&self) {
        for stat in self.members() {
            let _ = signal(stat.identity(), Signal::SIGCONT);
        }
    }

    fn stop_all(&self, pass: &mut Pass) -> HashSet<Identity> {
        let mut stopped: HashSet<Identity> = HashSet::new();
        for _ in 0..WALKS {
            let found = self.living(&Walk::now());
            let mut news = false;
            for stat in &found {
                if stopped.insert(stat.identity()) {
                    news = true;
                    match signal(stat.identity(), Signal::SIGSTOP) {
                        Ok(()) | Err(Errno::ESRCH) => {}
                        Err(e) => pass.refused = Some((stat.pid, e)),
                    }
                }
            }
            if !news {
                // a stop may still be on its way; whoever runs yet may fork yet
                pass.complete = found.iter().all(|stat| matches!(stat.state, b'T' | b't'));
                break;
            }
        }
        stopped
    }
}

fn signal(who: Identity, signal: Signal) -> Result<(), Errno> {
    Pidfd::of(who)?.signal(signal)
}

fn is(one: &Stat, other: &Stat) -> bool {
    one.identity() == other.identity()
}
