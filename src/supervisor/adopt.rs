//! Taking over what an earlier supervisor left: its table says what it was about, the guardian gives the
//! descriptors, the kernel says who is still there. Identity is pid and start time, in this boot.

use super::desk::{self, Desk};
use super::keeping::Kept;
use super::service::{Kin, Pipe, Process, Service, Shown};
use super::{Role, Source, Supervisor, Task};
use crate::fold::{Fold, Root};
use crate::guardian_line::{Key, Kind, Say};
use crate::machine::{Event, Exit, Phase};
use crate::record::{Receipt, Record, Words};
use crate::service::Settings;
use crate::table::View;
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;
use sys::clock::monotonic_ms;
use sys::process::{Identity, Pidfd, Stat};
use sys::reap::Ending;
use sys::{Errno, Fail};

/// For how long, over all services, a lock is waited for that seems to be somebody else's: one that was on its way to
/// a guardian when its supervisor died is let go by the kernel only a moment later.
const PATIENCE_MS: u64 = 5000;

/// A handle on this process; `None` if it is gone. Where that can't be found out, it is tried until then.
fn find(who: Identity, until: u64) -> Result<Option<Process>, Fail> {
    loop {
        match Pidfd::of(who) {
            Ok(pidfd) => return Ok(Some(Process { who, pidfd })),
            Err(errno) => {
                let fail = Fail::of("look at a leader", errno);
                if !fail.is_lack() {
                    return Ok(None);
                }
                if monotonic_ms() >= until {
                    return Err(fail);
                }
                std::thread::sleep(Duration::from_millis(5)); // bounded, and at start-up only
            }
        }
    }
}

/// A lock that somebody has, or a lack.
fn may_pass(fail: &Fail) -> bool {
    fail.errno == Errno::EAGAIN || fail.is_lack()
}

impl Supervisor {
    /// Takes over every service of the table, then tells the machine of each what has become of it.
    ///
    /// An error is a lack of something that passes: then it is better to end, and to have it tried again, than to leave
    /// a service to nobody.
    pub(super) fn adopt(&mut self, view: View, mut kept: Kept, told: Vec<Say>) -> Result<(), Fail> {
        let mut taken = Vec::new();
        let until = monotonic_ms() + PATIENCE_MS;
        for (slot, record) in view.records {
            let mut result = self.take_over(slot, &record, &mut kept);
            while result.as_ref().is_err_and(may_pass) && monotonic_ms() < until {
                std::thread::sleep(Duration::from_millis(5)); // bounded, and at start-up only
                result = self.take_over(slot, &record, &mut kept);
            }
            match result {
                Ok(index) => taken.push((index, record)),
                Err(fail) if fail.is_lack() => return Err(fail),
                Err(fail) => {
                    let name = String::from_utf8_lossy(&record.name).escape_debug().to_string();
                    crate::say::warning(&format!("{name}: not taken over: {fail}"));
                    let _ = self.table.give_back(slot);
                    self.unrecorded = true;
                    self.kept.extend(kept.extract_if(|key, _| key.name == record.name));
                }
            }
        }
        self.drop_forgotten(&mut kept);
        self.take_pipes(kept);
        self.find_pipes(&taken);
        self.join_logs();
        let ends: Vec<(Identity, Ending)> = told
            .into_iter()
            .filter_map(|say| if let Say::Ended(who, ending) = say { Some((who, ending)) } else { None })
            .collect();
        for (index, record) in taken {
            self.resume(index, &record, &ends, until)?;
        }
        for (who, ending) in ends {
            self.orphan_ended(who, ending);
        }
        self.end_checks();
        Ok(())
    }

    /// Start checks that an earlier supervisor was running: nobody would hear what they find.
    pub(super) fn end_checks(&mut self) {
        let checks = self.services.iter().flatten().map(|service| super::scripts::check_name(&service.name));
        let folds = checks.filter_map(|name| Fold::find(&self.fence, &name));
        self.rubbish.extend(folds.map(|fold| (0, fold)).collect::<Vec<_>>());
        self.clear_rubbish();
    }

    fn take_over(&mut self, slot: u32, record: &Record, kept: &mut Kept) -> Result<u32, Fail> {
        let directory = self.directory_of(&record.name);
        let found = sys::resolve::find(&directory).ok();
        let directory = found.as_ref().and_then(|found| found.path().ok()).unwrap_or(directory);
        let key = Key { kind: Kind::Desk, name: record.name.clone() };
        let house = self.house_of(&record.name);
        // the directory may have been moved while nobody looked: who runs there is still to be controlled
        let spot = desk::place(&directory, house.as_deref())
            .or_else(|fail| house.map_or(Err(fail), |house| desk::housed(&house)));
        let spot = spot?;
        let was_kept = kept.contains_key(&key);
        let desk = Desk::adopt(spot, kept.entry(key.clone()).or_default())?;
        kept.remove(&key);
        self.table.keep_slot(slot);
        let fold = Fold::find(&self.fence, &record.name).unwrap_or_else(|| Fold::new(&record.name));
        let mut service = Service::new(&record.name, directory, fold, desk, slot);
        service.inode = found.map(|found| found.inode());
        service.state = record.state;
        service.go_by(Settings::read(&service.directory).unwrap_or_default());
        service.fold.strayed = record.strayed;
        service.shown_as = Shown {
            changed: record.changed,
            restarts: record.restarts,
            was_started: true,
            last_exit: record.last_exit,
            not_started: record.not_started,
            message: record.message.clone(),
            words: Some(record.words.clone()).filter(|words| *words != Words::default()).map(Box::new),
            receipt: Some(record.receipt.clone()).filter(|stop| *stop != Receipt::default()).map(Box::new),
        };
        let index = self.insert(service);
        if !was_kept {
            self.keep(index, Kind::Desk);
        }
        let key = Key { kind: Kind::Report, name: record.name.clone() };
        let report = kept.remove(&key).and_then(|fds| fds.into_iter().next());
        self.resume_root(index, record, report);
        let key = Key { kind: Kind::Ready, name: record.name.clone() };
        self.resume_readiness(index, kept.remove(&key).and_then(|fds| fds.into_iter().next()));
        let key = Key { kind: Kind::Mail, name: record.name.clone() };
        self.resume_mailbox(index, kept.remove(&key).and_then(|fds| fds.into_iter().next()));
        Ok(index)
    }

    fn directory_of(&self, name: &[u8]) -> PathBuf {
        match &self.task {
            Task::Directory(directory) => directory.join(OsStr::from_bytes(name)),
            Task::One(directory) => directory.clone(),
        }
    }

    /// Has the guardian close what it keeps of services that were forgotten: whoever forgot them may have died before
    /// that could be said.
    fn drop_forgotten(&mut self, kept: &mut Kept) {
        let has_log = |name: &[u8]| self.by_name.contains_key(&*[name, b"/log"].concat());
        let is_known = |key: &Key| {
            self.by_name.contains_key(&*key.name) || (key.kind == Kind::Log && has_log(&key.name))
        };
        let forgotten: Vec<Key> = kept.extract_if(|key, _| !is_known(key)).map(|(key, _)| key).collect();
        for key in forgotten {
            self.unkeep(key.kind, &key.name);
        }
    }

    /// The pipes that the guardian kept: to the loggers, and to the catcher.
    fn take_pipes(&mut self, kept: Kept) {
        for (key, fds) in kept {
            let mut fds = fds.into_iter();
            let (Some(read), Some(write)) = (fds.next(), fds.next()) else { continue };
            match key.kind {
                Kind::Log => {
                    self.pipes.insert(key.name, Pipe::of(read, write));
                }
                Kind::Output => {
                    if let Some(&index) = self.by_name.get(&*key.name)
                        && let Some(service) = self.service(index)
                    {
                        service.output = Some(Pipe::of(read, write));
                    }
                }
                Kind::Desk | Kind::Report | Kind::Ready | Kind::Mail => {}
            }
        }
    }

    fn join_logs(&mut self) {
        if !matches!(self.task, Task::Directory(_)) {
            return;
        }
        for log in self.indices() {
            let Some(service) = self.service(log) else { continue };
            let Some(main) = service.name.strip_suffix(b"/log").map(<[u8]>::to_vec) else { continue };
            service.kin = Kin::LogOf(None);
            if let Some(&main) = self.by_name.get(&*main) {
                self.join(main, log);
            }
        }
    }

    /// The fold root is still there. Its reports are read on if the guardian has kept the pipe; who descends
    /// from it is known in any case. There may be others: of earlier generations, or started at the very end.
    fn resume_root(&mut self, index: u32, record: &Record, report: Option<OwnedFd>) {
        if let Some(who) = record.root
            && let Ok(pidfd) = Pidfd::of(who)
        {
            self.pids.insert(who.pid, (index, Role::Root));
            if let Some(report) = &report {
                self.watch(report.as_fd(), Source::Report(index));
            }
            if let Some(service) = self.service(index) {
                service.fold.set_root(Root { who, pidfd, report });
            }
        }
        let Ok(name) = self.root_name(index) else { return };
        if let Some(service) = self.services.get_mut(index as usize).and_then(Option::as_mut)
            && service.fold.wants_root(&self.fence, service.settings.kill_strays)
        {
            service.fold.find_roots(&mut self.fence, &name);
        }
    }

    /// What is still starting will say that it is ready into the pipe that the guardian kept.
    fn resume_readiness(&mut self, index: u32, ready: Option<OwnedFd>) {
        let Some(service) = self.services[index as usize].as_mut() else { return };
        if !matches!(service.state.phase, Phase::Starting { .. } | Phase::Stopping { .. }) {
            return;
        }
        service.ready = ready;
        if let Some(service) = self.services[index as usize].as_ref()
            && let Some(ready) = &service.ready
        {
            self.watch(ready.as_fd(), Source::Ready(index));
        }
    }

    /// Finds the recorded process, and tells the machine: first that the service has been adopted, then, if the
    /// process is gone, that it is.
    fn resume(
        &mut self,
        index: u32,
        record: &Record,
        ends: &[(Identity, Ending)],
        until: u64,
    ) -> Result<(), Fail> {
        let finishing = matches!(record.state.phase, Phase::Finishing { .. });
        let found = record.leader.map_or(Ok(None), |who| find(who, until))?;
        let lost = record.leader.filter(|_| found.is_none());
        if let Some(process) = found {
            let told = ends.iter().any(|(ended, _)| *ended == process.who);
            // its fold root, if it reports, also tells how it ended; its pidfd would be faster and not know
            let reported = self.service(index).is_some_and(|service| service.fold.report().is_some());
            self.take_process(index, process, finishing, !told && (finishing || !reported));
        }
        self.hear_what_was_reported(index, lost);
        let emptied = self.take_members(index);
        self.arm(index);
        let Some(service) = self.service(index) else { return Ok(()) };
        let there = service.leader.is_some() || service.finish.is_some() || service.held.is_some();
        let expected = finishing || service.state.phase.has_leader();
        let gone = lost.filter(|_| expected && !there);
        self.turn(index, Event::Adopted { present: there || gone.is_some(), emptied });
        if let Some(who) = gone {
            self.ended_unseen(index, who, finishing, emptied);
        }
        Ok(())
    }

    /// What the fold root said meanwhile: who the leader is, or how the one that is `lost` has ended.
    fn hear_what_was_reported(&mut self, index: u32, lost: Option<Identity>) {
        let reports = self.service(index).is_some_and(|service| service.fold.report().is_some());
        let lost = lost.filter(|who| reports && !self.pids.contains_key(&who.pid));
        if let Some(who) = lost {
            self.pids.insert(who.pid, (index, Role::Leader));
        }
        self.read_report(index);
        if let Some(who) = lost
            && self.service(index).is_some_and(|service| service.leader.is_none())
        {
            self.pids.remove(&who.pid);
        }
    }

    /// The leader (or `finish`) is there, alive or a zombie.
    fn take_process(&mut self, index: u32, process: Process, finishing: bool, watch: bool) {
        let pid = process.who.pid;
        self.pids.insert(pid, (index, if finishing { Role::Finish } else { Role::Leader }));
        if watch {
            self.watch(process.pidfd.as_fd(), Source::Leader(index));
        }
        let Some(service) = self.service(index) else { return };
        service.shown = pid;
        service.session = Stat::read(pid).map_or(0, |stat| stat.session);
        if finishing {
            service.finish = Some(Box::new(process));
        } else {
            service.fold.set_leader(process.who);
            service.leader = Some(process);
        }
    }

    /// Takes note of everybody in the fold; true if there is nobody.
    fn take_members(&mut self, index: u32) -> bool {
        let Some(service) = self.services[index as usize].as_mut() else { return true };
        let emptied = service.fold.is_empty(&mut self.fence);
        service.fold.fostered = true;
        let members = service.fold.members(&mut self.fence);
        if service.shown == 0 {
            service.shown = members.first().map_or(0, |stat| stat.pid);
        }
        for stat in members {
            self.pids.entry(stat.pid).or_insert((index, Role::Met));
        }
        emptied
    }

    /// It was there, it is not, and the guardian has not seen it either: nobody knows how it ended.
    fn ended_unseen(&mut self, index: u32, who: Identity, finishing: bool, emptied: bool) {
        let Some(service) = self.service(index) else { return };
        let name = service.shown_name();
        crate::say::info(&format!("{name}: pid {} ended while nobody was looking", who.pid));
        let exit = Exit::Dirty;
        if finishing {
            return self.turn(index, Event::FinishGone { exit, emptied });
        }
        service.shown_as.last_exit = Some(Ending::Unknown);
        self.turn(index, Event::LeaderGone { exit, started: true, emptied });
    }
}
