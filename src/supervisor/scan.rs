//! The scan directory: every directory in it a service, its `log/` another.

use super::service::{Inode, Kin, Service};
use super::timers::Kind as Timer;
use super::{Source, Supervisor, Task};
use crate::machine::{Command, Event, Ms, Phase, Want};
use crate::say;
use crate::service::Settings;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use sys::clock::monotonic_ms;
use sys::{Errno, Fail, resolve};

/// How often names that could not be taken up are tried again, and, without inotify, the directory is read.
const RESCAN_MS: Ms = 5000;
/// How often a directory in which there is no `run` yet is looked at, for as long as it is waited for.
const UNPACKING_MS: Ms = 100;

/// What is known of the scan directory beside the services themselves.
#[derive(Default)]
pub(super) struct Scan {
    inotify: Option<Inotify>,
    /// Names not taken up yet: since when, and what was said of them.
    pending: HashMap<OsString, Pending>,
    /// The time in the queue.
    next: Option<Ms>,
}

#[derive(Clone, Debug)]
struct Pending {
    since: Ms,
    said: String,
}

impl Scan {
    /// Whether this name could not be taken up yet.
    pub(super) fn is_pending(&self, name: &OsStr) -> bool {
        self.pending.contains_key(name)
    }

    /// Where names that come or go are told.
    pub(super) fn watched(&self) -> Option<BorrowedFd<'_>> {
        self.inotify.as_ref().map(AsFd::as_fd)
    }
}

impl Supervisor {
    /// Watches the scan directory and takes up everything in it.
    pub(super) fn open_scan(&mut self) {
        let Task::Directory(directory) = &self.task else { return };
        match watch(directory) {
            Ok(inotify) => {
                self.watch(inotify.as_fd(), Source::Directory);
                self.scan.inotify = Some(inotify);
            }
            Err(errno) => {
                let fail = Fail::at("watch", directory, errno);
                say::warning(&format!(
                    "{fail}; looking every {} s (fs.inotify.max_user_instances?)",
                    RESCAN_MS / 1000
                ));
            }
        }
        self.rescan();
    }

    /// Reads the whole directory: what is new is taken up, what is gone is marked.
    pub(super) fn rescan(&mut self) {
        let Task::Directory(directory) = self.task.clone() else { return };
        self.make_run_directory_again();
        let listing = match std::fs::read_dir(&directory) {
            Ok(listing) => listing,
            Err(e) => {
                say::warning(&Fail::io("read directory", &directory, &e).to_string());
                return self.schedule_rescan();
            }
        };
        let mut names: Vec<OsString> = listing.flatten().map(|entry| entry.file_name()).collect();
        names.sort();
        for name in &names {
            self.appeared(name);
        }
        for index in self.indices() {
            let Some(service) = self.service(index) else { continue };
            let name = OsString::from_vec(service.listed_as().to_vec());
            if !service.is_log() && names.binary_search(&name).is_err() {
                self.vanished(&name);
            }
        }
        self.scan.pending.retain(|name, _| names.binary_search(name).is_ok());
        self.schedule_rescan();
    }

    /// Names came or went.
    pub(super) fn directory_changed(&mut self) {
        let Some(inotify) = &self.scan.inotify else { return };
        let Ok(events) = inotify.read_events() else { return };
        for event in events {
            if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                self.rescan();
            }
            let Some(name) = event.name else { continue };
            if event.mask.intersects(AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO) {
                self.appeared(&name);
            } else {
                self.scan.pending.remove(&name);
                self.vanished(&name);
            }
        }
        self.schedule_rescan();
    }

    /// A name is there. Safe to call for one that was there before.
    fn appeared(&mut self, name: &OsStr) {
        if name.as_bytes().starts_with(b".") || self.shutdown.is_some() {
            return;
        }
        let Task::Directory(directory) = &self.task else { return };
        let path = directory.join(name);
        if let Some(&index) = self.by_name.get(name.as_bytes()) {
            if let Some(service) = self.service(index) {
                service.unlisted &= service.alias.is_some();
            }
            return self.look_whether_replaced(index, &path);
        }
        let found = match resolve::find(&path) {
            Ok(found) if found.is_directory() => found,
            Ok(_) => return,
            Err(Errno::ENOENT) if path.symlink_metadata().is_err() => return,
            Err(e) => return self.put_off(name, &resolve::fail("stat", &path, e).to_string()),
        };
        let real = found.real(path);
        if self.is_known(found.inode(), name, &real) {
            return;
        }
        if !real.join("run").exists() && self.is_unpacking(name) {
            return;
        }
        match self.take_up(name.as_bytes(), real, found.inode()) {
            Ok(()) => {
                self.scan.pending.remove(name);
            }
            Err(words) => self.put_off(name, &words),
        }
    }

    /// The same directory under another name: renamed if the old name is gone, else one service with two
    /// names (daemontools: identity is the directory, not the name).
    fn is_known(&mut self, inode: Inode, name: &OsStr, path: &Path) -> bool {
        let Some(index) = self.of_directory(inode, path) else { return false };
        self.set_inode(index, inode);
        let Some(known) = self.service(index) else { return false };
        if !known.unlisted && known.directory.exists() {
            return true;
        }
        known.unlisted = false;
        known.alias = Some(name.as_bytes().to_vec());
        known.directory = path.to_owned();
        say::info(&format!(
            "{} is now called {}; it goes on under its first name until it is taken up anew",
            known.shown_name(),
            name.to_string_lossy().escape_debug()
        ));
        let directory = known.directory.join("log");
        if let Kin::LoggedBy(log) = known.kin
            && let Some(log) = self.service(log)
        {
            log.directory = directory;
        }
        true
    }

    /// Another directory may stand under a service's name by now. It is the service from the next start on, and what
    /// the service is controlled by is to be found in it at once.
    fn look_whether_replaced(&mut self, index: u32, path: &Path) {
        let Ok(found) = resolve::find(path) else { return };
        let Some(service) = self.service(index) else { return };
        if service.inode == Some(found.inode()) || service.alias.is_some() || !found.is_directory() {
            return;
        }
        // it was not there when the service was taken over
        let is_back = self.set_inode(index, found.inode()).is_none();
        let Some(service) = self.service(index) else { return };
        service.directory = found.path().unwrap_or_else(|_| path.to_owned());
        let name = service.shown_name();
        let log = if let Kin::LoggedBy(log) = service.kin { Some(log) } else { None };
        if is_back {
            // what runs was started by these; a default has stood in for each
            service.go_by(Settings::read(&service.directory).unwrap_or_default());
        } else {
            say::info(&format!("{name}: its directory was replaced; it counts from the next start on"));
        }
        if let Err(fail) = self.move_desk(index) {
            self.complain(index, &taken(&fail));
        }
        if let Some(log) = log {
            self.look_whether_replaced(log, &path.join("log"));
        }
    }

    /// A directory without `run` may be one that is just being filled.
    fn is_unpacking(&mut self, name: &OsStr) -> bool {
        let now = monotonic_ms();
        let pending = Pending { since: now, said: String::new() };
        let since = self.scan.pending.entry(name.to_owned()).or_insert(pending).since;
        now.saturating_sub(since) < super::start::SILENT_MS
    }

    fn put_off(&mut self, name: &OsStr, words: &str) {
        let now = monotonic_ms();
        let pending =
            self.scan.pending.entry(name.to_owned()).or_insert(Pending { since: now, said: String::new() });
        if pending.said != words {
            words.clone_into(&mut pending.said);
            pending.since = now;
            say::warning(&format!("{}: {words}", name.to_string_lossy().escape_debug()));
        }
    }

    /// A name is gone. What runs goes on; only a service that is down is forgotten.
    fn vanished(&mut self, name: &OsStr) {
        let listed = |service: &Option<Service>| {
            service.as_ref().is_some_and(|service| service.listed_as() == name.as_bytes())
        };
        let by_name = self.by_name.get(name.as_bytes()).copied();
        let index = by_name.filter(|&index| listed(&self.services[index as usize]));
        let index = index.or_else(|| Some(self.services.iter().position(listed)? as u32));
        let Some(index) = index else { return };
        let Some(service) = self.service(index) else { return };
        if std::mem::replace(&mut service.unlisted, true) {
            return;
        }
        if service.state.phase.is_still() && service.state.want == Want::Down {
            return self.turn(index, Event::Command(Command::Leave));
        }
        say::info(&format!(
            "{}: its name is gone from the scan directory; it goes on until it is stopped (svcstop {})",
            service.shown_name(),
            service.directory.display().to_string().escape_debug()
        ));
        self.let_go_if_gone(index);
    }

    /// Forgets a service that is to run, and can't be started any more: nothing of it is left on disk. (One that was told
    /// to go down stays for whoever has told it.)
    pub(super) fn let_go_if_gone(&mut self, index: u32) {
        let ends = self.shutdown.is_some();
        let Some(service) = self.service(index) else { return };
        let is_hopeless = matches!(service.state.phase, Phase::Backoff { .. } | Phase::Failed { .. });
        if service.unlisted && !ends && is_hopeless && !service.directory.exists() {
            say::info(&format!("{}: its directory is gone, and it is forgotten", service.shown_name()));
            self.turn(index, Event::Command(Command::Leave));
        }
    }

    pub(super) fn unpacking_due(&mut self) {
        self.scan.next = None;
        if self.scan.inotify.is_none() {
            return self.rescan();
        }
        let now = monotonic_ms();
        let due =
            |pending: &Pending| pending.said.is_empty() || now.saturating_sub(pending.since) >= RESCAN_MS;
        let names = self.scan.pending.iter().filter(|(_, pending)| due(pending));
        for name in names.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            self.appeared(&name);
        }
        self.schedule_rescan();
    }

    /// A service was given up by `svc -x`. If its name still stands in the scan directory, the next rescan takes
    /// it up anew, as daemontools' svscan starts supervise again.
    pub(super) fn take_up_later(&mut self, service: &Service) {
        let Task::Directory(directory) = &self.task else { return };
        let there = directory.join(OsStr::from_bytes(&service.name)).exists();
        if !there || self.shutdown.is_some() || service.is_log() {
            return;
        }
        // not at once: whoever said `svc -dx` may be about to remove the name
        let said = "given up by svc -x; its name is still there, so it is taken up again".to_owned();
        let name = OsString::from_vec(service.name.to_vec());
        self.scan.pending.insert(name, Pending { since: monotonic_ms(), said });
        self.schedule_rescan();
    }

    fn schedule_rescan(&mut self) {
        let now = monotonic_ms();
        let silent = self.scan.pending.values().any(|pending| pending.said.is_empty());
        let wait = match (silent, self.scan.inotify.is_none() || !self.scan.pending.is_empty()) {
            (true, _) => Some(UNPACKING_MS),
            (false, true) => Some(RESCAN_MS),
            (false, false) => None,
        };
        let next = if self.shutdown.is_some() { None } else { wait.map(|ms| now + ms) };
        self.timers.set(u32::MAX, Timer::Unpacking, self.scan.next, next);
        self.scan.next = next;
    }

    /// Makes a directory a service, and its `log/` another, and starts what is not to stay down.
    fn take_up(&mut self, name: &[u8], directory: PathBuf, inode: Inode) -> Result<(), String> {
        let index = self.new_service(name, directory, inode, Kin::Alone).map_err(|fail| taken(&fail))?;
        if self.service(index).is_some_and(|service| service.settings.log) {
            self.take_up_log(index);
        }
        self.begin(index);
        Ok(())
    }

    /// `u`, unless there is a file `down`; after the end of whoever is in its fold already.
    pub(super) fn begin(&mut self, index: u32) {
        self.touch(index);
        self.sweep_unrecorded(index);
        // one that is to be started is not recorded as down: whoever dies here has a successor that would leave it so
        match self.service(index).is_some_and(|service| service.settings.down) {
            true => self.save(index),
            false => self.turn(index, Event::Command(Command::Up)),
        }
        if let Some(service) = self.service(index) {
            service.just_read = false;
        }
    }
}

/// "temporary failure" is not what an administrator needs to hear when a lock is held.
pub(super) fn taken(fail: &Fail) -> String {
    if fail.errno == Errno::EAGAIN {
        return format!("it is supervised by somebody else already ({} is locked)", fail.what.escape_debug());
    }
    fail.to_string()
}

fn watch(directory: &Path) -> Result<Inotify, Errno> {
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
    let mask = AddWatchFlags::IN_CREATE
        | AddWatchFlags::IN_MOVED_TO
        | AddWatchFlags::IN_MOVED_FROM
        | AddWatchFlags::IN_DELETE
        | AddWatchFlags::IN_ONLYDIR;
    inotify.add_watch(directory, mask)?;
    Ok(inotify)
}
