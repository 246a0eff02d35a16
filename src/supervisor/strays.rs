//! Those who have left their service's cgroup, and those in it who are not the service's.
//!
//! Moving to another cgroup does not change parentage. Where it can be told that somebody may have moved (a
//! step of a stop, a session that logind opens) the walk follows the parents; when a leader ends,
//! whoever it leaves becomes a child of the supervisor, so that one look at our own children shows who is
//! in no group of ours. Nothing is looked for in idle.

use super::Supervisor;
use super::service::Service;
use super::thrift::{FEW, Thrift};
use super::timers::Kind;
use crate::machine::Ms;
use cgroup::sessions::{self, Session};
use cgroup::strays::{self, Owner, Person, Stray, claimant};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::collections::HashSet;
use std::collections::hash_map::Entry;
use std::ffi::OsString;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use sys::clock::monotonic_ms;
use sys::process::{Pidfd, Stat};

/// How long after a look through many processes there is no other.
const LEISURE: Duration = Duration::from_secs(1);

/// When our children are looked through.
#[derive(Default)]
pub(super) struct Lookout {
    /// Services whose leaders have ended since that was last done.
    ended: Vec<u32>,
    thrift: Thrift,
    /// The time in the queue.
    next: Option<Ms>,
    /// Sessions that were opened by changing the user.
    switched: Vec<String>,
}

impl Supervisor {
    /// Looks for strays after these services' leaders have ended: at once if somebody may have to be brought back
    /// before the end of his service is told, and as long as there are few to look through. Else strays are only
    /// named, and those of a thousand services that end one after the other are by one look for several.
    pub(super) fn leaders_are_gone(&mut self, ended: &[u32]) {
        self.lookout.ended.extend(ended);
        self.session_opened();
        let directory = Path::new(sessions::DIRECTORY);
        self.lookout.switched.retain(|id| directory.join(id).exists());
        let urgent = self.pids.len() <= FEW || !self.lookout.switched.is_empty();
        match self.lookout.thrift.pause(LEISURE).filter(|_| !urgent) {
            None => self.look_out(),
            Some(pause) => self.look_out_at(monotonic_ms() + pause.as_millis() as Ms + 1),
        }
    }

    fn look_out_at(&mut self, at: Ms) {
        if self.lookout.next.is_none_or(|next| next > at) {
            self.timers.set(u32::MAX, Kind::Lookout, self.lookout.next, Some(at));
            self.lookout.next = Some(at);
        }
    }

    /// Its time has come.
    pub(super) fn lookout_due(&mut self) {
        self.lookout.next = None;
        self.look_out();
    }

    fn look_out(&mut self) {
        let mut ended = std::mem::take(&mut self.lookout.ended);
        ended.retain(|&index| self.service(index).is_some());
        if !ended.is_empty() {
            let begun = Instant::now();
            self.look_for_strays(&ended);
            self.lookout.thrift.done(begun);
        }
    }

    /// Looks for strays among our children after these services' leaders have ended.
    fn look_for_strays(&mut self, ended: &[u32]) {
        let Some(house) = self.fence.house() else { return };
        // complete only while no child of ours ends meanwhile, and those that do are no strays; proc(5)
        let Ok(children) = std::fs::read_to_string("/proc/thread-self/children") else { return };
        let unknown = children.split_ascii_whitespace().filter_map(|pid| pid.parse::<i32>().ok());
        let mut unknown: Vec<i32> = unknown.filter(|pid| !self.pids.contains_key(pid)).collect();
        if unknown.len() > 2 * ended.len() {
            // to list the groups takes less than to ask everybody
            let folds = ended.iter().filter_map(|&index| self.services.get(index as usize)?.as_ref());
            let inside: HashSet<i32> = folds.flat_map(|service| service.fold.pids(&self.fence)).collect();
            unknown.retain(|pid| !inside.contains(pid));
        }
        let mut outside: Vec<(Stat, PathBuf)> = Vec::new();
        for pid in unknown {
            let Some(position) = house.position_of(pid) else { continue };
            if position.starts_with(house.position()) {
                continue; // in a group of ours: the stop sees it there
            }
            outside.extend(Stat::read(pid).filter(|stat| !stat.is_zombie()).map(|stat| (stat, position)));
        }
        for (stat, position) in outside {
            // known from now on: it is named once, and nobody else's
            self.pids.insert(stat.pid, (u32::MAX, super::Role::Stray));
            let owner = strays::owner(Path::new(sessions::DIRECTORY), &[], &position);
            let whose = self.whose(&stat, &owner, ended);
            let stray = Stray { stat, position, owner };
            match (whose, &stray.owner) {
                // now, that the end of its leader is not taken for the end of all
                (Some(index), Owner::Ours { .. }) => self.take_back(index, &stray),
                _ => {
                    // a guess is good enough for words
                    let only = if let [only] = ended { Some(*only) } else { None };
                    self.name_stray(whose.or(only), &stray.stat, &stray.position);
                }
            }
        }
    }

    /// A step of a stop: everybody in the fold, each told by `tell` in turn. Before that those are brought back who belong to
    /// the service and have left its group (in a session that `su` and its kin opened; with `strays` = `kill`, wherever
    /// they are), and the others outside are named; people among the members are set aside.
    pub(super) fn gather(&mut self, index: u32, tell: impl FnMut(&Stat, &Pidfd)) -> Vec<Stat> {
        self.fence.forget_walk();
        if self.may_have_strayed(index) {
            // what descends from people is no stray of the service
            self.each_member(index, |_, _| {});
            self.look_for_own_strays(index);
        }
        self.each_member(index, tell)
    }

    /// Tells everybody in the fold but the people, who are set aside.
    fn each_member(&mut self, index: u32, mut tell: impl FnMut(&Stat, &Pidfd)) -> Vec<Stat> {
        let (mut members, mut people) = (Vec::new(), Vec::new());
        let Some(service) = self.services.get(index as usize).and_then(Option::as_ref) else {
            return members;
        };
        let (fold, own) = (&service.fold, self.own_login);
        let person = |stat: &Stat| if service.state.everybody { None } else { Person::of(stat, own) };
        fold.for_each(&mut self.fence, |fence, stat, handle| {
            match person(stat).filter(|person| fold.set_aside(fence, person)) {
                Some(person) => people.push(person),
                None => {
                    tell(stat, handle);
                    members.push(stat.clone());
                }
            }
        });
        for Person { stat, login_uid } in people {
            let who = format!("{} (pid {})", stat.command.escape_debug(), stat.pid);
            let words =
                format!("left alone: {who} belongs to a login of uid {login_uid}, not to the service");
            self.inform(index, &words);
        }
        members
    }

    /// Whether it takes a walk to find who has left the service's group. Not if nobody has opened a session by changing
    /// the user: who was put elsewhere for another reason is only to be named, which is done when his parents have ended
    /// and he is our child.
    fn may_have_strayed(&mut self, index: u32) -> bool {
        let directory = Path::new(sessions::DIRECTORY);
        if self.logind.is_none() && directory.exists() {
            self.watch_logind();
            self.claim_all();
        }
        let unwatched = self.logind.is_none() && directory.exists();
        self.session_opened();
        self.lookout.switched.retain(|id| directory.join(id).exists());
        let switched = !self.lookout.switched.is_empty();
        self.service(index).is_some_and(|service| {
            let fold = &service.fold;
            unwatched || switched || service.settings.kill_strays || fold.strayed || fold.fostered
        })
    }

    /// By one walk: brings its strays back, or names them.
    fn look_for_own_strays(&mut self, index: u32) {
        let Some(service) = self.services.get(index as usize).and_then(Option::as_ref) else { return };
        let kill = service.settings.kill_strays;
        let leader = service.leader.as_ref().map(|leader| leader.who);
        for stray in service.fold.strays(&mut self.fence, leader) {
            if kill || matches!(stray.owner, Owner::Ours { .. }) {
                self.take_back(index, &stray);
            } else if self.is_news(index, stray.stat.pid) {
                self.name_stray(Some(index), &stray.stat, &stray.position);
            }
        }
        self.fence.forget_walk();
    }

    /// Brings a stray of this service back, whose end matters from now on.
    fn take_back(&mut self, index: u32, stray: &Stray) {
        let Some(service) = self.services.get_mut(index as usize).and_then(Option::as_mut) else { return };
        service.fold.strayed = true;
        if let Some(stop) = &mut service.stop
            && let Some(met) = stop.meet(stray.stat.identity(), &stray.stat.command)
        {
            met.stray = true;
        }
        match service.fold.bring_back(&self.fence, stray) {
            Ok(()) => match self.pids.entry(stray.stat.pid) {
                Entry::Occupied(known) if !matches!(known.get().1, super::Role::Stray) => {}
                entry => drop(entry.insert_entry((index, super::Role::Met))),
            },
            Err(fail) => self.complain(index, &fail.to_string()),
        }
    }

    /// Whether this stray has not been named yet.
    fn is_news(&mut self, index: u32, pid: i32) -> bool {
        let entry = self.pids.entry(pid);
        let news = matches!(entry, Entry::Vacant(_));
        entry.or_insert((index, super::Role::Stray));
        news
    }

    /// logind's directory of sessions is watched; or the one above it, since logind makes it for the first
    /// session after the boot.
    pub(super) fn watch_logind(&mut self) {
        let watched = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).and_then(|inotify| {
            let mask = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_ONLYDIR;
            let own = Path::new(sessions::DIRECTORY);
            let above = own.parent().unwrap_or(own);
            inotify.add_watch(own, mask).or_else(|_| inotify.add_watch(above, mask)).map(|_| inotify)
        });
        // neither: no logind, and nobody who would move a service's processes
        if let Ok(inotify) = watched {
            self.watch(inotify.as_fd(), super::Source::Sessions);
            self.logind = Some(inotify);
        }
    }

    /// A session has appeared: if a service's process opened it by changing the user, it is the service's. Its
    /// leader has not been moved yet at this moment, or its parents at least are still there.
    pub(super) fn session_opened(&mut self) {
        let Some(events) = self.logind.as_ref().and_then(|inotify| inotify.read_events().ok()) else {
            return;
        };
        let directory = Path::new(sessions::DIRECTORY);
        let names: Vec<OsString> = events.into_iter().filter_map(|event| event.name).collect();
        if names.iter().any(|name| Some(name.as_os_str()) == directory.file_name()) {
            // the directory itself has appeared: watched from now on, and looked at once
            self.watch_logind();
            return self.claim_all();
        }
        let read = |name: &OsString| Session::read(directory, name.to_str()?);
        self.claim(names.iter().filter_map(read));
    }

    /// The same for all sessions there are: nobody has looked when they were opened.
    pub(super) fn claim_all(&mut self) {
        self.claim(Session::all(Path::new(sessions::DIRECTORY)).into_iter());
    }

    /// Sessions that services have opened by changing the user are theirs, with all that is in them.
    fn claim(&mut self, opened: impl Iterator<Item = Session>) {
        for session in opened {
            if session.is_a_switch() && !self.lookout.switched.contains(&session.id) {
                self.lookout.switched.push(session.id.clone());
            }
            let Some(index) = claimant(&session, |stat| self.owner(stat)) else { continue };
            if let Some(service) = self.service(index)
                && !service.fold.sessions().contains(&session.id)
            {
                service.fold.strayed = true;
                service.fold.add_session(session.id);
            }
        }
    }

    /// The service of a living process: in whose group it is, whose leader it is, or in whose leader's session.
    fn owner(&self, stat: &Stat) -> Option<u32> {
        let leads = |pid: &i32| match self.pids.get(pid) {
            Some(&(index, super::Role::Leader)) => Some(index),
            _ => None,
        };
        let group = self.fence.house().and_then(|house| house.group_of(stat.pid));
        let inside = group.and_then(|group| self.find(|service| service.fold.is_called(&group)));
        inside.or_else(|| leads(&stat.pid)).or_else(|| leads(&stat.session))
    }

    fn find(&self, is: impl Fn(&Service) -> bool) -> Option<u32> {
        let index = self.services.iter().position(|service| service.as_ref().is_some_and(&is))?;
        u32::try_from(index).ok()
    }

    /// Whose stray it is: of the service that opened the (login) session it is in, or in whose leader's session (of
    /// processes) it still is.
    fn whose(&self, stat: &Stat, owner: &Owner, ended: &[u32]) -> Option<u32> {
        let claims = |session: &String| self.find(|service| service.fold.sessions().contains(session));
        let claimed = if let Owner::Ours { session } = owner { claims(session) } else { None };
        let stays = |index: &u32| {
            self.services[*index as usize].as_ref().is_some_and(|service| service.session == stat.session)
        };
        claimed.or_else(|| ended.iter().copied().find(stays)).or_else(|| self.owner(stat))
    }

    /// Says where it went, once; from the next start on the service is kept together by descent as well.
    fn name_stray(&mut self, whose: Option<u32>, stat: &Stat, position: &Path) {
        let where_to = String::from_utf8_lossy(position.as_os_str().as_bytes()).escape_debug().to_string();
        let who = format!("{} (pid {})", stat.command.escape_debug(), stat.pid);
        let Some(index) = whose else {
            crate::say::info(&format!(
                "{who} has left its service's cgroup for {where_to}; it is left alone"
            ));
            return;
        };
        if let Some(service) = self.service(index) {
            service.fold.strayed = true;
            if let Some(stop) = &mut service.stop
                && let Some(met) = stop.meet(stat.identity(), &stat.command)
            {
                met.stray = true;
            }
        }
        let hint = "a file `strays` with `kill` would end it with the rest";
        self.inform(index, &format!("left alone outside its cgroup: {who}, in {where_to} ({hint})"));
    }
}
