//! The fold: a service's cgroup and what has strayed from it; or, where there is no cgroup to be had, what
//! descends from its fold root.
//!
//! The one place that knows how "everybody of this service" is found on each rung of the ladder.

mod fence;
mod spared;

pub use fence::Fence;

use cgroup::sessions;
use cgroup::strays::{Person, Search, Stray};
use cgroup::subtree::Tree;
use cgroup::walk::Walk;
use cgroup::{Entry, Group, House, Rung};
use std::collections::HashSet;
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use sys::process::{Identity, Pidfd, Stat};
use sys::{Errno, Fail};

/// One service's fold.
pub struct Fold {
    group: Group,
    /// What else it is known by; most services have only their group.
    descent: Option<Box<Descent>>,
    /// An earlier supervisor has started it: orphans go to the guardian.
    pub fostered: bool,
    /// It has had strays, or may: it gets a fold root from the next start on.
    pub strayed: bool,
    /// Whatever descends from it ends with it, wherever that has gone, and whoever has logged in: its `strays` says
    /// `kill`.
    pub takes_all: bool,
}

/// What a fold is known by besides its group.
#[derive(Default)]
struct Descent {
    /// The fold root, while there is one.
    root: Option<Root>,
    /// Fold roots of earlier generations, for whose children it was no stop (`kill-mode` `leader`).
    former: Vec<Identity>,
    /// A fold root that was killed: what is still known to descend from it is found by the leader.
    lost: Option<Identity>,
    /// The leader below the fold root.
    leader: Option<Identity>,
    /// Login sessions that members have opened by changing the user: who is in them is the service's.
    sessions: Vec<String>,
}

/// That of most services.
static NO_DESCENT: Descent =
    Descent { root: None, former: Vec::new(), lost: None, leader: None, sessions: Vec::new() };

/// The subreaper above a service's leader.
pub struct Root {
    /// Who it is.
    pub who: Identity,
    /// The handle on it.
    pub pidfd: Pidfd,
    /// Where it reports; `None` if nobody has kept that open.
    pub report: Option<OwnedFd>,
}

impl Fold {
    /// The fold of the service of this name; nothing is made yet.
    pub fn new(name: &[u8]) -> Fold {
        Fold { group: Group::new(name), descent: None, fostered: false, strayed: false, takes_all: false }
    }

    /// A fold in which an earlier supervisor, or a service since forgotten, has left somebody, if there is one.
    pub fn find(fence: &Fence, name: &[u8]) -> Option<Fold> {
        let group = Group::find(fence.house().filter(|_| fence.left_behind)?, name)?;
        Some(Fold { group, ..Fold::new(name) })
    }

    fn descent(&self) -> &Descent {
        self.descent.as_deref().unwrap_or(&NO_DESCENT)
    }

    fn descent_mut(&mut self) -> &mut Descent {
        self.descent.get_or_insert_default()
    }

    /// Login sessions that members have opened by changing the user: who is in them is the service's.
    pub fn sessions(&self) -> &[String] {
        &self.descent().sessions
    }

    /// A member has opened this session.
    pub fn add_session(&mut self, id: String) {
        let sessions = &mut self.descent_mut().sessions;
        sessions.retain(|id| Path::new(sessions::DIRECTORY).join(id).exists());
        sessions.push(id);
    }

    /// What belongs to the service by descent, below each of its fold roots.
    fn trees(&self) -> impl Iterator<Item = Tree<'_>> {
        let Descent { lost, leader, former, .. } = self.descent();
        let present = self.root().or(*lost);
        let present = present.map(|root| Tree { root, known: leader.as_slice(), spared: &[] });
        let former = former.iter().map(|&root| Tree { root, known: &[], spared: &[] });
        present.into_iter().chain(former)
    }

    /// Whether nobody is left below a fold root. Its end is the only proof: it goes by itself after the last one
    /// below it, while a walk of `/proc` may miss those who fork as it is made.
    fn is_childless(&mut self, fence: &mut Fence) -> bool {
        let Some(descent) = &mut self.descent else { return true };
        descent.former.retain(|root| lives(*root));
        if !descent.former.is_empty() {
            return false;
        }
        match (&descent.root, descent.lost) {
            (Some(root), _) => root.pidfd.has_ended(),
            (None, Some(_)) => self.descendants(fence).is_empty(),
            (None, None) => true,
        }
    }

    /// The fold root's identity.
    pub fn root(&self) -> Option<Identity> {
        self.descent().root.as_ref().map(|root| root.who)
    }

    /// The fold root is gone. If it was `killed`, what descends from the leader is still the service's.
    pub fn take_root(&mut self, killed: bool) -> Option<Root> {
        let descent = self.descent.as_mut()?;
        descent.lost = descent.root.as_ref().filter(|_| killed).map(|root| root.who);
        descent.root.take()
    }

    /// There is a fold root from now on; the one before it may still have somebody.
    pub fn set_root(&mut self, root: Root) {
        let descent = self.descent_mut();
        (descent.lost, descent.leader) = (None, None);
        descent.former.extend(descent.root.replace(root).map(|before| before.who));
    }

    /// Takes up what an earlier supervisor had below fold roots that it called by this name.
    pub fn find_roots(&mut self, fence: &mut Fence, name: &CStr) {
        let present = self.root();
        let roots = fence.walk().all().iter().filter(|stat| stat.command == sys::foldroot::NAME);
        let others = roots.filter(|stat| Some(stat.identity()) != present && is_root_called(stat.pid, name));
        let others: Vec<Identity> = others.map(Stat::identity).collect();
        if !others.is_empty() {
            self.descent_mut().former.extend(others);
            // which only they get that need one
            self.strayed = true;
        }
    }

    /// Who the leader below the fold root is.
    pub fn set_leader(&mut self, leader: Identity) {
        if let Some(descent) = &mut self.descent {
            descent.leader = descent.root.is_some().then_some(leader);
        }
    }

    /// Where the fold root reports.
    pub fn report(&self) -> Option<BorrowedFd<'_>> {
        self.descent().root.as_ref()?.report.as_ref().map(AsFd::as_fd)
    }

    /// Whether its group has this name in the house.
    pub fn is_called(&self, group: &str) -> bool {
        self.group.name() == group
    }

    /// Which generation of its group it is in.
    pub fn generation(&self) -> u32 {
        self.group.name().rsplit_once('.').and_then(|(_, n)| n.parse().ok()).unwrap_or(0)
    }

    /// Whether leaders of this fold are started below a fold root.
    pub fn wants_root(&self, fence: &Fence, kill_strays: bool) -> bool {
        fence.rung() == Rung::Subtree || kill_strays || self.strayed
    }

    /// Gets the group ready for a start (made, or made anew after a kill), and says how to enter it; `None`
    /// without groups.
    pub fn entry(&mut self, fence: &Fence, slowly: bool) -> Result<Option<Entry>, Fail> {
        self.fostered = false;
        let Some(house) = fence.house() else { return Ok(None) };
        let entry = if slowly { self.group.other_entry(house) } else { self.group.entry(house) };
        entry.map(Some)
    }

    /// Whether nobody is in it. What can't be read counts as somebody: down is never said on a guess.
    pub fn is_empty(&mut self, fence: &mut Fence) -> bool {
        if let Some(house) = fence.house()
            && self.group.is_made()
        {
            match self.group.populated(house) {
                Ok(false) => {}
                Ok(true) => return false,
                Err(fail) => {
                    fence.unread = Some(fail);
                    return false;
                }
            }
        }
        self.is_childless(fence)
    }

    /// Empty, and its group removed: the kernel removes no group with somebody in it, so this is the proof.
    pub fn is_cleared(&mut self, fence: &mut Fence) -> bool {
        let removed = match fence.house() {
            Some(house) if self.group.is_made() => match self.group.remove(house) {
                Ok(()) | Err(Errno::ENOENT) => true,
                Err(Errno::EBUSY) => return false,
                Err(errno) => {
                    fence.unread = Some(Fail::at("remove cgroup", &self.group.path(house), errno));
                    return false;
                }
            },
            _ => true,
        };
        removed && self.is_childless(fence)
    }

    /// Everybody in it who is not yet dead, the fold root apart.
    pub fn members(&self, fence: &mut Fence) -> Vec<Stat> {
        let mut members: Vec<Stat> = self.present(fence).collect();
        let inside: HashSet<i32> = members.iter().map(|stat| stat.pid).collect();
        members.extend(self.descendants(fence).into_iter().filter(|stat| !inside.contains(&stat.pid)));
        members
    }

    /// Somebody in it who is not yet dead: asks no more processes than it takes to find one.
    pub fn anybody(&self, fence: &mut Fence) -> Option<Stat> {
        let found = self.present(fence).next();
        found.or_else(|| self.descendants(fence).into_iter().next())
    }

    /// The living in its group, the fold root apart, each read when it is its turn.
    fn present(&self, fence: &Fence) -> impl Iterator<Item = Stat> {
        let living = self.pids(fence).into_iter().filter_map(Stat::read).filter(|stat| !stat.is_zombie());
        living.filter(|stat| !self.is_root(stat))
    }

    /// Who is in its group, fold root and dying included.
    pub fn pids(&self, fence: &Fence) -> Vec<i32> {
        let house = fence.house().filter(|_| self.group.is_made());
        house.and_then(|house| self.group.members(house).ok()).unwrap_or_default()
    }

    /// Calls `each` for everybody in it who is not yet dead, the fold root apart, one after the other, with a handle on
    /// just that process.
    pub fn for_each(&self, fence: &mut Fence, mut each: impl FnMut(&Fence, &Stat, &Pidfd)) {
        let below = self.descendants(fence);
        let mut inside: HashSet<i32> = HashSet::new();
        if let Some(house) = fence.house().filter(|_| self.group.is_made()) {
            let held = self.group.hold(house, |pid, handle| {
                let living = Stat::read(pid).filter(|stat| !stat.is_zombie() && !self.is_root(stat));
                if let Some(stat) = living {
                    each(fence, &stat, handle);
                }
                inside.insert(pid);
            });
            fence.unread = fence.unread.take().or(held.err());
        }
        for stat in below.iter().filter(|stat| !inside.contains(&stat.pid)) {
            let _ = Pidfd::of(stat.identity()).map(|handle| each(fence, stat, &handle));
        }
    }

    /// Whether a process is in it: in its group, or below a fold root. One that has been reaped is nowhere.
    pub fn holds(&self, fence: &Fence, pid: i32) -> bool {
        fence.house().is_some_and(|house| self.group.is_made() && self.is_inside(house, pid))
            || self.trees().any(|tree| descends(pid, tree.root))
                && Stat::read(pid).is_some_and(|stat| !self.is_spared(fence.house(), &stat))
    }

    fn is_inside(&self, house: &House, pid: i32) -> bool {
        house.position_of(pid).is_some_and(|position| house.holds(self.group.name(), &position))
    }

    /// Everybody alive below the fold roots who is the service's, wherever they have gone.
    fn descendants(&self, fence: &mut Fence) -> Vec<Stat> {
        let mut found: Vec<Stat> = self.trees().flat_map(|tree| tree.living(fence.walk())).collect();
        found.retain(|stat| !self.is_spared(fence.house(), stat));
        found
    }

    fn is_root(&self, stat: &Stat) -> bool {
        let who = stat.identity();
        self.root() == Some(who) || self.descent().former.contains(&who)
    }

    /// Whoever belongs to the service and is outside its group, by one walk of `/proc`.
    pub fn strays(&self, fence: &mut Fence, leader: Option<Identity>) -> Vec<Stray> {
        fence.walk();
        let (Some(house), Some(walk)) = (fence.containment.house(), &fence.walk) else { return Vec::new() };
        let descent = self.descent();
        let known = [leader, self.root(), descent.leader].into_iter().flatten();
        let roots: Vec<Identity> = known.chain(descent.former.iter().copied()).collect();
        let directory = Path::new(sessions::DIRECTORY);
        let (group, claimed) = (&self.group, self.sessions());
        let search = Search { house, group, roots: &roots, claimed, sessions: directory };
        let members = self.group.members(house).unwrap_or_default();
        search.find(&members, walk).into_iter().filter(|stray| !self.is_root(&stray.stat)).collect()
    }

    /// Brings a stray back into the group, where it is stopped with the rest.
    pub fn bring_back(&mut self, fence: &Fence, stray: &Stray) -> Result<(), Fail> {
        match fence.house() {
            Some(house) => cgroup::strays::bring_back(house, &mut self.group, stray),
            None => Ok(()),
        }
    }

    /// Sets a member aside who belongs to a login or a cron job, not to the service: a shell that was opened through a
    /// service must survive its restart. False if that can't be done.
    pub fn set_aside(&self, fence: &Fence, person: &Person) -> bool {
        let mut aside = Group::people();
        fence.house().is_some_and(|house| {
            let pid = person.stat.pid;
            self.is_inside(house, pid) && aside.make(house).is_ok() && aside.take_in(house, pid).is_ok()
        })
    }

    /// Freezes (or thaws) the group, where groups can be frozen.
    pub fn freeze(&self, fence: &Fence, on: bool) {
        if let Some(house) = fence.house()
            && self.group.is_made()
        {
            // what can't be frozen is stopped by STOP to its leader, as ever
            let _ = if on { self.group.freeze(house) } else { self.group.thaw(house) };
        }
    }

    /// One pass of killing everybody; what it could not do is in the error. Call again until empty.
    pub fn kill(&mut self, fence: &mut Fence) -> Result<(), Fail> {
        fence.forget_walk();
        let house = fence.containment.house().filter(|_| self.group.is_made());
        let refused = match house {
            Some(house) => {
                self.trees().for_each(|tree| self.bring_in(house, &tree));
                self.group.kill(house)?.refused
            }
            None => self.trees().filter_map(|tree| tree.kill().refused).last(),
        };
        match refused {
            Some((pid, errno)) => Err(Fail { doing: "kill process".into(), what: pid.to_string(), errno }),
            None => Ok(()),
        }
    }
}

/// Whether a process is below `root`. A chain of parents longer than any in practice counts as none.
fn descends(pid: i32, root: Identity) -> bool {
    const MOST: usize = 64;
    let parent = |stat: &Stat| Stat::read(stat.parent).filter(|_| stat.parent > 1);
    std::iter::successors(Stat::read(pid), parent).skip(1).take(MOST).any(|stat| stat.identity() == root)
}

fn lives(who: Identity) -> bool {
    Stat::read(who.pid).is_some_and(|stat| stat.identity() == who && !stat.is_zombie())
}

/// Whether a process is a fold root that was started under this name, as `ps` shows it. Anybody can call himself so:
/// it must be our own user's, all four of its user ids, and run the program.
fn is_root_called(pid: i32, name: &CStr) -> bool {
    root_name(pid).is_some_and(|called| called == name.to_bytes())
}

fn root_name(pid: i32) -> Option<Vec<u8>> {
    if !sys::foldroot::is_one(pid) {
        return None;
    }
    let line = sys::files::read(Path::new(&format!("/proc/{pid}/cmdline")), 4096).ok().flatten()?;
    line.split(|byte| *byte == 0).next().map(<[u8]>::to_vec)
}

/// What a fold root is called of the service of this path.
pub fn name_of_root(service: &Path) -> Vec<u8> {
    [b"foldroot: ", service.as_os_str().as_bytes()].concat()
}

/// Whether there is any fold root of a service in this directory.
pub fn has_root_in(directory: &Path) -> bool {
    let begin = name_of_root(&directory.join(""));
    let walk = Walk::now();
    let mut roots = walk.all().iter().filter(|stat| stat.command == sys::foldroot::NAME);
    roots.any(|stat| root_name(stat.pid).is_some_and(|name| name.starts_with(&begin)))
}
