//! Processes of a service that are outside its group, and people who are inside.
//!
//! A process leaves its group only if somebody with the right moves it: a login session opened by `su` and
//! the like, which is a detail of the service; or on purpose, by a container manager, say. Parentage tells where
//! it came from, as long as the chain is whole. Orphans do not announce themselves: look when there is a
//! reason to.

use crate::group::Group;
use crate::house::House;
use crate::sessions::{self, Session};
use crate::walk::Walk;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use sys::Fail;
use sys::process::{Identity, Stat, login_uid};

/// Whose a stray is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The service's: in a session that was opened by one that changes the user. To be brought back.
    Ours {
        /// The session's name. Worth remembering: in [`Search::claimed`] it finds those whose chain is cut.
        session: String,
    },
    /// A person's: in a login session. Left alone.
    Login {
        /// The session's name.
        session: String,
        /// What opened it, if that is still known.
        service: Option<String>,
    },
    /// Somebody put it there on purpose. Left alone, unless the service's `strays` says `kill`.
    Elsewhere,
}

/// A process of a service outside its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stray {
    /// What is known of it.
    pub stat: Stat,
    /// The group it is in, as `/proc/PID/cgroup` shows it.
    pub position: PathBuf,
    /// Whose it is.
    pub owner: Owner,
}

/// Where to look for a service's strays.
#[derive(Clone, Copy)]
pub struct Search<'a> {
    /// The house, and with it the hierarchy.
    pub house: &'a House,
    /// The service's group.
    pub group: &'a Group,
    /// The leader, and the fold root, as far as they live.
    pub roots: &'a [Identity],
    /// Sessions that are known to be the service's: whoever is in them is the service's too.
    pub claimed: &'a [String],
    /// Where logind keeps its sessions: [`sessions::DIRECTORY`].
    pub sessions: &'a Path,
}

impl Search<'_> {
    /// The strays in one walk: the living of the roots, of what descends from them, from the group's `members` and
    /// from known strays, and of the claimed sessions, who are not members.
    pub fn find(&self, members: &[i32], walk: &Walk) -> Vec<Stray> {
        let inside: HashSet<i32> = members.iter().copied().collect();
        let mut roots: Vec<Identity> = self.roots.to_vec();
        roots.extend(walk.all().iter().filter(|stat| inside.contains(&stat.pid)).map(Stat::identity));
        let mut claimed: Vec<(Stat, PathBuf)> = Vec::new();
        if !self.claimed.is_empty() {
            // the one case in which everybody has to be asked
            claimed.extend(walk.all().iter().filter_map(|stat| self.is_claimed(stat)));
            roots.extend(claimed.iter().map(|(stat, _)| stat.identity()));
        }
        let present = walk.present(self.roots).chain(walk.descendants(&roots));
        let known: HashSet<i32> = claimed.iter().map(|(stat, _)| stat.pid).collect();
        let outside = present.filter(|stat| !inside.contains(&stat.pid) && !known.contains(&stat.pid));
        let placed = outside.filter_map(|stat| Some((stat.clone(), self.house.position_of(stat.pid)?)));
        let found = claimed.into_iter().chain(placed).filter(|(stat, position)| {
            !stat.is_zombie() && !inside.contains(&stat.pid) && !self.is_at_home(position)
        });
        found.map(|(stat, position)| self.judge(stat, position)).collect()
    }

    fn is_claimed(&self, stat: &Stat) -> Option<(Stat, PathBuf)> {
        let position = self.house.position_of(stat.pid)?;
        let session = sessions::id_of_group(self.sessions, &position)?;
        self.claimed.contains(&session).then(|| (stat.clone(), position))
    }

    /// Has entered the group since it was listed; or is among the people set aside.
    fn is_at_home(&self, position: &Path) -> bool {
        self.house.holds(self.group.name(), position) || self.house.holds(Group::people().name(), position)
    }

    fn judge(&self, stat: Stat, position: PathBuf) -> Stray {
        let owner = owner(self.sessions, self.claimed, &position);
        Stray { stat, position, owner }
    }
}

/// Whose a process of a service is that is outside the house, in the group at `position`. `sessions` is where logind
/// keeps its own, `claimed` are those known to be the service's.
pub fn owner(sessions: &Path, claimed: &[String], position: &Path) -> Owner {
    match sessions::id_of_group(sessions, position) {
        None => Owner::Elsewhere,
        Some(session) if claimed.contains(&session) => Owner::Ours { session },
        Some(session) => match Session::read(sessions, &session) {
            Some(file) if file.is_a_switch() => Owner::Ours { session },
            file => Owner::Login { session, service: file.map(|file| file.service) },
        },
    }
}

/// Which service has opened `session` by changing the user, if any has: `owner` is asked of the session's leader, then
/// of its parents in turn. Best when the session's file appears: its leader may then still be in its service's
/// group, and its parents are there. Takes no walk.
pub fn claimant<T>(session: &Session, owner: impl Fn(&Stat) -> Option<T>) -> Option<T> {
    /// More than any chain of parents in practice.
    const MOST: usize = 64;
    if !session.is_a_switch() || session.closing {
        return None;
    }
    let mut pid = session.leader?;
    for _ in 0..MOST {
        let stat = Stat::read(pid)?;
        if let Some(owner) = owner(&stat) {
            return Some(owner);
        }
        pid = Some(stat.parent).filter(|&parent| parent > 1)?;
    }
    None
}

/// Moves a stray back into its service's group, where logind leaves it. Does nothing to a process that has ended.
pub fn bring_back(house: &House, group: &mut Group, stray: &Stray) -> Result<(), Fail> {
    let who = stray.stat.identity();
    group.make_if_missing(house)?;
    // A pid can't be moved by pidfd. Between this look and the write the process would have to end, and its pid
    // to be given to a stranger.
    if !who.exists() {
        return Ok(());
    }
    match group.take_in(house, who.pid) {
        Err(fail) if fail.errno == nix::errno::Errno::ESRCH => Ok(()),
        result => result,
    }
}

/// Somebody who has logged in inside a service, or a job of theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The process.
    pub stat: Stat,
    /// The user it was logged in as.
    pub login_uid: u32,
}

impl Person {
    /// A service's member, if it belongs to a login or a cron job: its audit login uid is set, and not that of the
    /// service itself, `own` (see [`login_uid`] of its leader).
    pub fn of(member: &Stat, own: Option<u32>) -> Option<Person> {
        let login_uid = login_uid(member.pid).filter(|&uid| Some(uid) != own)?;
        Some(Person { stat: member.clone(), login_uid })
    }
}
