//! Those who have left their service's cgroup, and those in it who are not the service's.
//!
//! Moving to another cgroup does not change parentage. Where it can be told that somebody may have moved (a
//! step of a stop, a session that logind opens) the walk follows the parents; when a leader ends,
//! whoever it leaves becomes a child of the supervisor, so that one look at our own children shows who is
//! in no group of ours. Nothing is looked for in idle.

use super::Supervisor;
use cgroup::sessions::{self, Session};
use cgroup::strays::{Owner, claimant};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::collections::hash_map::Entry;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use sys::process::Stat;

impl Supervisor {
    /// Looks for strays among our children after these services' leaders have ended.
    pub(super) fn look_for_strays(&mut self, ended: &[u32]) {
        let Some(house) = self.fence.house() else { return };
        // complete only while no child of ours ends meanwhile, and those that do are no strays; proc(5)
        let Ok(children) = std::fs::read_to_string("/proc/thread-self/children") else { return };
        let unknown = children.split_ascii_whitespace().filter_map(|pid| pid.parse::<i32>().ok());
        let unknown: Vec<i32> = unknown.filter(|pid| !self.pids.contains_key(pid)).collect();
        let mut strays: Vec<(Stat, PathBuf)> = Vec::new();
        for pid in unknown {
            let Some(position) = house.position_of(pid) else { continue };
            if position.starts_with(house.position()) {
                continue; // in a group of ours: the stop sees it there
            }
            strays.extend(Stat::read(pid).filter(|stat| !stat.is_zombie()).map(|stat| (stat, position)));
        }
        for (stat, position) in strays {
            // known from now on: it is named once, and nobody else's
            self.pids.insert(stat.pid, (u32::MAX, super::Role::Stray));
            let whose = self.whose(&stat, ended);
            self.name_stray(whose, &stat, &position);
        }
    }

    /// Before a step of a stop: brings back who belongs to the service and has left its group (in a session
    /// that `su` and its kin opened; with `strays` = `kill`, wherever it is), names the others, and sets aside the
    /// people among the members.
    pub(super) fn gather(&mut self, index: u32) {
        let may_have_moved = self.logind.is_some();
        let Some(service) = self.services.get_mut(index as usize).and_then(Option::as_mut) else { return };
        if !service.state.everybody {
            let people = service.fold.set_people_aside(&self.fence, self.own_login);
            for person in people {
                let words = format!(
                    "left alone: {} (pid {}) belongs to a login of uid {}, not to the service",
                    person.stat.command.escape_debug(),
                    person.stat.pid,
                    person.login_uid
                );
                self.inform(index, &words);
            }
        }
        let Some(service) = self.services.get_mut(index as usize).and_then(Option::as_mut) else { return };
        let kill = service.settings.kill_strays;
        if !may_have_moved && !kill && !service.fold.strayed {
            return;
        }
        let leader = service.leader.as_ref().map(|leader| leader.who);
        for stray in service.fold.strays(&mut self.fence, leader) {
            let Some(service) = self.services.get_mut(index as usize).and_then(Option::as_mut) else {
                return;
            };
            if kill || matches!(stray.owner, Owner::Ours { .. }) {
                service.fold.strayed = true;
                if let Some(stop) = &mut service.stop {
                    stop.meet(stray.stat.identity(), &stray.stat.command, false, true, false);
                }
                if let Err(fail) = service.fold.bring_back(&self.fence, &stray) {
                    self.complain(index, &fail.to_string());
                }
            } else if self.is_news(index, stray.stat.pid) {
                self.name_stray(Some(index), &stray.stat, &stray.position);
            }
        }
        self.fence.forget_walk();
    }

    /// Whether this stray has not been named yet.
    fn is_news(&mut self, index: u32, pid: i32) -> bool {
        let entry = self.pids.entry(pid);
        let news = matches!(entry, Entry::Vacant(_));
        entry.or_insert((index, super::Role::Stray));
        news
    }

    /// logind's directory of sessions is watched, where there is one.
    pub(super) fn watch_logind(&mut self) {
        let watched = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).and_then(|inotify| {
            let mask = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_ONLYDIR;
            inotify.add_watch(Path::new(sessions::DIRECTORY), mask).map(|_| inotify)
        });
        // no such directory: no logind, and nobody who would move a service's processes
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
        for name in events.into_iter().filter_map(|event| event.name) {
            let Some(house) = self.fence.house() else { return };
            let session = name.to_str().and_then(|id| Session::read(Path::new(sessions::DIRECTORY), id));
            let Some((session, group)) = session.and_then(|s| claimant(house, &s).map(|group| (s, group)))
            else {
                continue;
            };
            let service = self.services.iter_mut().flatten().find(|service| service.fold.is_called(&group));
            if let Some(service) = service
                && !service.fold.sessions.contains(&session.id)
            {
                service.fold.strayed = true;
                service.fold.sessions.push(session.id);
            }
        }
    }

    /// Whose stray it is: of the service in whose session it still is, or of the only one that ended.
    fn whose(&self, stat: &Stat, ended: &[u32]) -> Option<u32> {
        let sessions = |index: &u32| {
            self.services[*index as usize].as_ref().is_some_and(|service| service.session == stat.session)
        };
        match ended {
            [only] => Some(*only),
            several => several.iter().copied().find(sessions),
        }
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
            if let Some(stop) = &mut service.stop {
                stop.meet(stat.identity(), &stat.command, false, true, false);
            }
        }
        let hint = "a file `strays` with `kill` would end it with the rest";
        self.inform(index, &format!("left alone outside its cgroup: {who}, in {where_to} ({hint})"));
    }
}
