//! Fold roots: the tiny subreapers above some leaders, what they report, and their end.

use super::scripts::c_string;
use super::{Role, Source, Supervisor};
use crate::fold::{Root, name_of_root};
use crate::guardian_line::Kind;
use crate::machine::{Phase, Rung};
use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use sys::foldroot::{FoldRoot, Report};
use sys::process::{Identity, Pidfd};
use sys::reap::Ending;
use sys::spawn::{Child, NotStarted, Program, Stage, lift};
use sys::{Errno, Fail};

/// A program as it is to be started.
pub(super) struct Prepared {
    pub(super) program: Program,
    /// The fold root's end of the pipe it reports on, and the number it gets it at.
    pub(super) gets: Option<(OwnedFd, i32)>,
    /// Our end; with it, what is started is a fold root.
    pub(super) report: Option<OwnedFd>,
}

impl Supervisor {
    /// Puts a fold root above `program`, if this service is to have one.
    pub(super) fn below_root(&mut self, index: u32, program: Program) -> Result<Prepared, String> {
        let bare = |program| Ok(Prepared { program, gets: None, report: None });
        let Some(service) = self.services[index as usize].as_ref() else { return bare(program) };
        if !service.fold.wants_root(&self.fence, service.settings.kill_strays) {
            return bare(program);
        }
        // any number does that is not the one for readiness
        let number = if service.settings.notification_fd == Some(3) { 4 } else { 3 };
        if self.fence.foldroot.is_none() {
            let prepared =
                FoldRoot::prepare(&self.run, &mut self.spawner).map_err(|fail| fail.to_string())?;
            self.fence.foldroot = Some(prepared);
        }
        let Some(foldroot) = &self.fence.foldroot else { return bare(program) };
        let fail = |errno| Fail::of("make the fold root's pipe", errno).to_string();
        let flags = nix::fcntl::OFlag::O_CLOEXEC | nix::fcntl::OFlag::O_NONBLOCK;
        let (read, write) = nix::unistd::pipe2(flags).map_err(fail)?;
        let read = lift(read).map_err(|fail| fail.to_string())?;
        let mut program = foldroot.above(program, number);
        program.arguments[0] = self.root_name(index)?;
        Ok(Prepared { program, gets: Some((write, number)), report: Some(read) })
    }

    /// What a service's fold root is called in `ps`, and found by when a supervisor has died.
    pub(super) fn root_name(&self, index: u32) -> Result<CString, String> {
        let service = self.services[index as usize].as_ref().ok_or("forgotten")?;
        let place = self.task.directory().join(OsStr::from_bytes(&service.name));
        c_string(&name_of_root(&place))
    }

    /// What was started is a fold root; the leader is known when it reports.
    pub(super) fn root_started(&mut self, index: u32, child: Child, report: OwnedFd) {
        let who = child.identity();
        self.pids.insert(child.pid, (index, Role::Root));
        self.watch(report.as_fd(), Source::Report(index));
        if let Some(service) = self.service(index) {
            service.shown = child.pid;
            service.fold.set_root(Root { who, pidfd: child.pidfd, report: Some(report) });
        }
        self.keep(index, Kind::Report);
    }

    /// A fold root has something to say.
    pub(super) fn read_report(&mut self, index: u32) {
        let mut buffer = [0; sys::foldroot::RECORD * 64];
        loop {
            let Some(service) = self.service(index) else { return };
            let Some(report) = service.fold.report() else { return };
            let length = match nix::unistd::read(report, &mut buffer) {
                Ok(0) => {
                    // its end is told by SIGCHLD
                    let Some(service) = self.services[index as usize].as_ref() else { return };
                    if let Some(report) = service.fold.report() {
                        self.unwatch(report);
                    }
                    return;
                }
                Ok(length) => length,
                Err(Errno::EINTR) => continue,
                Err(_) => return,
            };
            for report in Report::parse_all(&buffer[..length]) {
                self.heed_report(index, report);
            }
        }
    }

    fn heed_report(&mut self, index: u32, report: Report) {
        match report {
            Report::Started { pid } => self.leader_below_root(index, pid),
            Report::Failed { pid, errno } => {
                let why = NotStarted { stage: Stage::Exec, errno };
                if let Some(service) = self.service(index) {
                    service.root_failed = Some(why);
                }
                if pid == 0 {
                    self.end_of_leader(index, Ending::Code(111), Some(why));
                }
            }
            Report::Ended { pid, ending } => self.process_ended(pid, ending),
        }
    }

    fn leader_below_root(&mut self, index: u32, pid: i32) {
        // also if it has ended by now, which is reported next: then as the leader's end
        self.pids.insert(pid, (index, Role::Leader));
        let Ok(pidfd) = Pidfd::open(pid) else { return };
        let Some(service) = self.service(index) else { return };
        let who = Identity::of(pid).unwrap_or(Identity { pid, start: 0 });
        service.session = pid;
        service.fold.set_leader(who);
        service.leader = Some(super::service::Process { who, pidfd });
        let signal = service.settings.down_signal;
        match service.state.phase {
            // it was told to end before we knew whom to tell
            Phase::Stopping { rung: Rung::Asked, .. } => self.signal_to_end(index, signal),
            Phase::Stopping { rung: Rung::Killed, .. } => {
                self.perform(index, crate::machine::Action::Kill);
            }
            _ => {}
        }
        self.touch(index);
        self.save(index);
    }

    /// A fold root is gone: everybody below it is, too, unless somebody killed it.
    pub(super) fn root_ended(&mut self, index: u32, pid: i32) {
        let Some(service) = self.service(index) else { return };
        if service.fold.root().is_none_or(|root| root.pid != pid) {
            self.to_look.push(index); // an earlier generation's
            return;
        }
        self.read_report(index);
        self.fence.forget_walk();
        let Some(service) = self.service(index) else { return };
        let leader_alive = service.leader.is_some();
        let root = service.fold.take_root(leader_alive);
        let unannounced =
            service.leader.is_none() && service.held.is_none() && service.state.phase.has_leader();
        if let Some(report) = root.and_then(|root| root.report) {
            self.unwatch(report.as_fd());
        }
        if leader_alive {
            // its orphans come to us now, the leader among them: we are its parent, or its pidfd tells
            self.complain(
                index,
                "its fold root was killed: of what has left it, only what its leader starts is still found",
            );
            let Some(service) = self.services[index as usize].as_ref() else { return };
            if let Some(leader) = &service.leader {
                self.watch(leader.pidfd.as_fd(), Source::Leader(index));
            }
        } else if unannounced {
            self.end_of_leader(index, Ending::Unknown, None);
        }
        self.to_look.push(index);
    }
}
