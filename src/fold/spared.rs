//! Who descends from a service's fold root and does not end with it all the same.
//!
//! Where there are groups, a fold root is there for those whom a login session takes out of the service's group, not for a
//! person who has come in through it, or for a container: those would not be found without it, and are left alone.

use super::{Fence, Fold};
use cgroup::sessions;
use cgroup::strays::{self, Owner};
use cgroup::subtree::Tree;
use cgroup::walk::Walk;
use cgroup::{Group, House};
use nix::sys::signal::Signal;
use std::path::Path;
use sys::process::{Identity, Pidfd, Stat};

impl Fold {
    /// Whether one who descends from the service is not to end with it: a person, or put elsewhere on purpose. Where there
    /// are groups, that can be told by the one it is in.
    pub(super) fn is_spared(&self, house: Option<&House>, stat: &Stat) -> bool {
        let Some(house) = house.filter(|_| !self.takes_all && self.descent().leader != Some(stat.identity()))
        else {
            return false;
        };
        let Some(position) = house.position_of(stat.pid) else { return false };
        if position.starts_with(house.position()) {
            return house.holds(Group::people().name(), &position);
        }
        let owner = strays::owner(Path::new(sessions::DIRECTORY), self.sessions(), &position);
        !matches!(owner, Owner::Ours { .. })
    }

    /// When only those are left below its fold roots who are not to end with it, the fold roots are ended: those then go on
    /// as they do where there was none. Its group is empty after that.
    pub fn let_spared_go(&mut self, fence: &mut Fence) {
        let former = self.descent().former.iter().copied();
        let roots: Vec<Identity> = self.root().into_iter().chain(former).collect();
        if roots.is_empty() || fence.house().is_none() || self.takes_all {
            return;
        }
        for _ in 0..2 {
            // who forks while one walk is made may be missed by it
            fence.forget_walk();
            if self.anybody(fence).is_some() {
                return;
            }
        }
        let below = |root: &Identity| {
            let tree = Tree { root: *root, known: &[], spared: &[] };
            !tree.living(fence.walk()).is_empty()
        };
        for root in roots.into_iter().filter(below) {
            let _ = Pidfd::of(root).and_then(|root| root.signal(Signal::SIGKILL));
        }
    }

    /// Brings what descends from the root back into the frozen group, until nobody is outside who is the service's: there
    /// it is held, and dies with the rest.
    pub(super) fn bring_in(&self, house: &House, tree: &Tree<'_>) {
        const WALKS: usize = 8;
        let _ = self.group.freeze(house);
        for _ in 0..WALKS {
            let mut outside = tree.living(&Walk::now());
            outside.retain(|stat| !self.is_inside(house, stat.pid) && !self.is_spared(Some(house), stat));
            if outside.is_empty() {
                break;
            }
            for stat in outside {
                // it may have ended; or be one that can't be moved, which the next look shows
                let _ = self.group.take_in(house, stat.pid);
            }
        }
    }
}
