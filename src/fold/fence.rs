//! What all folds of a supervisor have in common: where they can be kept, found once, at start.

use cgroup::walk::Walk;
use cgroup::{Containment, Group, House, Rung};
use nix::sys::signal::Signal;
use std::time::{Duration, Instant};
use sys::foldroot::FoldRoot;
use sys::process::{Identity, Pidfd};
use sys::{Errno, Fail};

/// How long people have to end when everything does.
const FAREWELL: Duration = Duration::from_secs(5);

/// What keeps the services of this supervisor in: found once, at start.
pub struct Fence {
    /// What was found.
    pub containment: Containment,
    /// The program that keeps orphans below a service, made ready when it is first needed.
    pub foldroot: Option<FoldRoot>,
    /// Somebody has walked `/proc` in this turn; a walk serves all services that ask.
    pub(super) walk: Option<Walk>,
    /// Why a fold that was looked at could not be read, and so counts as populated.
    pub unread: Option<Fail>,
    /// There may be groups with somebody in them that no service here knows of.
    pub left_behind: bool,
}

impl Fence {
    /// Goes by what was found.
    pub fn new(containment: Containment) -> Fence {
        let left_behind = containment.house().is_some_and(House::is_adopted);
        Fence { containment, foldroot: None, walk: None, unread: None, left_behind }
    }

    /// The house of groups; `None` on the subtree rung.
    pub fn house(&self) -> Option<&House> {
        self.containment.house()
    }

    /// The rung in force.
    pub fn rung(&self) -> Rung {
        self.containment.rung
    }

    /// At the end of everything, those who were set aside go too: they are told as at the end of a login session (TERM,
    /// HUP for shells, which ignore TERM, CONT), have [`FAREWELL`] to end, and are killed then, which is waited for as
    /// long again at most.
    pub fn end_people(&mut self) {
        let Some(house) = self.house() else { return };
        let mut people = Group::people();
        let told = people.members(house).unwrap_or_default();
        for person in told.into_iter().filter_map(Identity::of).filter_map(|who| Pidfd::of(who).ok()) {
            for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGCONT] {
                let _ = person.signal(signal);
            }
        }
        let begin = Instant::now();
        while people.remove(house) == Err(Errno::EBUSY) && begin.elapsed() < 2 * FAREWELL {
            if begin.elapsed() > FAREWELL {
                let _ = people.kill(house);
            }
            std::thread::sleep(Duration::from_millis(10)); // bounded: twice FAREWELL, at the very end
        }
    }

    /// A walk of `/proc` not older than this turn of the loop.
    pub(super) fn walk(&mut self) -> &Walk {
        self.walk.get_or_insert_with(Walk::now)
    }

    /// What was seen in the last turn is old.
    pub fn forget_walk(&mut self) {
        self.walk = None;
    }
}
