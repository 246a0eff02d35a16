//! Start-up: the only time when a failure is an end.

use super::keeping::{Keeping, Kept};
use super::scan::Scan;
use super::timers::Timers;
use super::{Source, Supervisor, Task};
use crate::fold::Fence;
use crate::guardian_line::Say;
use crate::table::{self, Head, Table};
use crate::{place, say};
use cgroup::{Containment, Request, Rung};
use nix::sys::epoll::{Epoll, EpollCreateFlags};
use nix::sys::signal::Signal;
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use sys::clock::monotonic_ms;
use sys::handover::Line;
use sys::process::{Identity, become_subreaper};
use sys::signals::Signals;
use sys::spawn::Spawner;
use sys::{Errno, Fail};

/// Asks for a rung of the containment ladder, for tests and for those who must.
pub(super) const CONTAINMENT: &str = "PINFOLD_CONTAINMENT";

impl Supervisor {
    /// A supervisor for `task`, whose `seat` it has, with `line` to its guardian if it has one: what an earlier supervisor left is
    /// taken over, everything else in the directory is taken up. `limit` on descriptors (soft, hard) is what services
    /// get, if it is not the present one.
    pub fn open(
        task: Task,
        seat: OwnedFd,
        line: Option<Line>,
        limit: Option<(u64, u64)>,
    ) -> Result<Supervisor, Fail> {
        let executable = crate::upgrade::executable()?;
        let line = match line {
            // the tray is about to be laid over its number
            Some(line) => Some(Line::from_fd(sys::spawn::above_tray(std::os::fd::AsFd::as_fd(&line))?)),
            None => None,
        };
        let me = Identity::look(std::process::id() as i32).and_then(|me| me.ok_or(Errno::ESRCH));
        let me = me.map_err(|e| Fail::of("look at /proc", e))?;
        let seat = sys::spawn::above_tray(std::os::fd::AsFd::as_fd(&seat))?;
        let mut spawner = Spawner::new()?;
        if let Some((soft, hard)) = limit {
            spawner.set_child_limit(soft, hard);
        }
        crate::limits::raise_descriptors();
        become_subreaper().map_err(|e| Fail::of("become the one that orphans return to", e))?;
        let run = place::make(task.directory())?;
        let (keeping, kept, told) = match line.map(Keeping::open).transpose()? {
            Some((keeping, kept, told)) => (Some(keeping), kept, told),
            None => (None, Kept::new(), Vec::new()),
        };
        let before = table::read(&run).ok().filter(|view| view.head.boot == sys::clock::boot_id());
        let chosen = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGCHLD];
        let earlier = before.as_ref().map(|view| Path::new(OsStr::from_bytes(&view.head.house)));
        let environment = crate::environment::inherited();
        let journal = crate::journal::Journal::of_stderr(&environment);
        let containment = contain(&task, earlier, &mut spawner);
        if let Some(house) = earlier {
            is_reached(house, &containment)?;
        }
        let mut supervisor = Supervisor {
            fence: Fence::new(containment),
            table: Table::open(&run)?,
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(|e| Fail::of("set up epoll", e))?,
            unheard: Default::default(),
            signals: Signals::take(&chosen)?,
            journal: journal.filter(|_| matches!(task, Task::Directory(_))),
            environment,
            task,
            me,
            seat,
            run,
            spawner,
            keeping,
            services: Vec::new(),
            free: Vec::new(),
            freed: Vec::new(),
            by_name: BTreeMap::new(),
            by_inode: HashMap::new(),
            pids: HashMap::new(),
            waiting: Vec::new(),
            dirty: Default::default(),
            unsaved: Vec::new(),
            timers: Timers::default(),
            pipes: HashMap::new(),
            scan: Scan::default(),
            shutdown: None,
            rubbish: Vec::new(),
            passing: None,
            to_look: Vec::new(),
            leaders_ended: Vec::new(),
            lookout: super::strays::Lookout::default(),
            logind: None,
            reunion: None,
            since: monotonic_ms(),
            executable,
            upgrading: false,
            unrecorded: false,
            kept: Kept::new(),
            trace: crate::trace::Trace::from_environment(),
            own_login: sys::process::login_uid(std::process::id() as i32),
            stranger_ended: false,
            ended: super::ends::Ended::default(),
            abandon: false,
        };
        match supervisor.begin_life(before, kept, told) {
            Ok(()) => Ok(supervisor),
            Err(fail) => {
                // it has nobody in it yet, unless it was there before
                let _ = supervisor.fence.containment.leave();
                Err(fail)
            }
        }
    }

    fn begin_life(&mut self, before: Option<table::View>, kept: Kept, told: Vec<Say>) -> Result<(), Fail> {
        use std::os::fd::AsFd;
        self.watch(self.signals.as_fd(), Source::Signals);
        if let Some(keeping) = &self.keeping {
            self.watch(keeping.fd(), Source::Guardian);
        }
        if self.fence.house().is_some() {
            self.watch_logind();
        }
        if before.is_none() {
            self.table.clear().map_err(|e| Fail::at("write", &self.run.join(table::NAME), e))?;
        }
        self.put_head();
        let endings = told.iter().filter(|say| **say == Say::Ending).count();
        // known before anything is adopted: what is forgotten then is forgotten for good
        self.was_ending(endings);
        match before {
            Some(view) => {
                self.adopt(view, kept, told)?;
                // sessions that were opened while no supervisor looked
                self.claim_all();
            }
            None => self.look_for_unrecorded(kept)?,
        }
        // before anything that has been stopped could be taken up again
        self.go_on_ending(endings);
        match self.task.clone() {
            Task::Directory(_) => self.open_scan(),
            Task::One(directory) => self.take_up_one(&directory)?,
        }
        self.name_unrecorded();
        self.see_to_shutdown();
        self.announce();
        self.end_turn();
        Ok(())
    }

    pub(super) fn put_head(&self) {
        let containment = &self.fence.containment;
        let head = Head {
            boot: sys::clock::boot_id(),
            supervisor: Some(self.me),
            guardian: self.guardian_pid().and_then(Identity::of),
            directory: self.task.directory().as_os_str().as_bytes().to_vec(),
            containment: containment.rung.name().to_owned(),
            house: self
                .fence
                .house()
                .map_or(Vec::new(), |house| house.path().as_os_str().as_bytes().to_vec()),
            cannot_catch: containment.cannot_catch.join("; "),
            since: self.since,
            journal: self.journal.is_some(),
        };
        if let Err(errno) = self.table.put_head(&head) {
            say::warning(&Fail::at("write", &self.run.join(table::NAME), errno).to_string());
        }
    }

    /// `supervise DIR`: a failure here is the end, and says so.
    fn take_up_one(&mut self, directory: &std::path::Path) -> Result<(), Fail> {
        if !self.services.is_empty() {
            return Ok(()); // adopted
        }
        use std::os::unix::fs::MetadataExt;
        let meta = std::fs::metadata(directory).map_err(|e| Fail::io("stat", directory, &e))?;
        let name = directory.file_name().map_or(b"/".to_vec(), |name| name.as_bytes().to_vec());
        let inode = (meta.dev(), meta.ino());
        let taken = self.new_service(&name, directory.to_owned(), inode, super::service::Kin::Alone);
        let index = taken?;
        self.begin(index);
        Ok(())
    }
}

/// Services live in the groups of an earlier supervisor's house: without these nobody could say who is theirs, and
/// whether they are down. Then it is better not to begin, and to leave them as they are.
fn is_reached(earlier: &Path, containment: &Containment) -> Result<(), Fail> {
    if containment.house().is_some_and(|house| house.path() == earlier) || !cgroup::house::is_alive(earlier) {
        return Ok(());
    }
    if let Some(why) = &containment.why_not_more {
        say::warning(why);
    }
    Err(Fail::at("get at the cgroup in which services are alive,", earlier, Errno::EACCES))
}

/// Finds out what containment there is, and says it once if it is less than the best.
fn contain(task: &Task, earlier: Option<&Path>, spawner: &mut Spawner) -> Containment {
    let asked = std::env::var(CONTAINMENT).ok().filter(|word| !word.is_empty());
    let rung = asked.as_deref().and_then(Rung::parse);
    if asked.is_some() && rung.is_none() {
        say::warning(&format!(
            "{CONTAINMENT} is \"{}\", expected kill, freeze, list, v1 or subtree; using the best there is",
            asked.unwrap_or_default().escape_debug()
        ));
    }
    let house = place::escape(task.directory().as_os_str());
    let request = Request { house: &house.to_string_lossy(), rung, earlier };
    let containment = Containment::probe(&request, spawner);
    if rung == Some(containment.rung) {
        say::info(&format!("containment: {}, as {CONTAINMENT} asks", containment.rung));
    } else if let Some(why) = &containment.why_not_more {
        let advice =
            containment.advice.as_ref().map_or(String::new(), |advice| format!("; to have more: {advice}"));
        say::info(&format!("containment: {} ({why}){advice}", containment.rung));
    }
    containment
}
