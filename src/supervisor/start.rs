//! Starting a service's programs, and saying why one could not be started.

use super::output;
use super::roots::Prepared;
use super::scripts::c_string;
use super::service::Process;
use super::{Role, Source, Supervisor};
use crate::guardian_line::Kind;
use crate::machine::{Event, Ms};
use crate::service::Settings;
use cgroup::Rung;
use nix::sys::signal::Signal;
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use sys::clock::monotonic_ms;
use sys::process::Identity;
use sys::reap::Ending;
use sys::spawn::{Child, NotStarted, Place, Program, Stage, lift};
use sys::{Errno, Fail};

/// How long a service that has no `run` yet is waited for without a word: a package being unpacked.
pub(super) const SILENT_MS: Ms = 5000;

impl Supervisor {
    /// Starts `run`. A failure that is known at once is the machine's next event.
    pub(super) fn start_run(&mut self, index: u32) -> Option<Event> {
        match self.try_run(index) {
            Ok(()) => None,
            Err(words) => {
                self.complain(index, &words);
                Some(Event::RunSpawnFailed)
            }
        }
    }

    fn try_run(&mut self, index: u32) -> Result<(), String> {
        self.refresh(index)?;
        self.enough_containment(index)?;
        self.take_up_log(index);
        self.renew_log_pipe(index)?;
        let service = self.service(index).ok_or("forgotten")?;
        let directory = service.directory.clone();
        let mut environment = self.environment.clone();
        self.add_environment(index, &mut environment)?;
        self.offer_mailbox(index, &mut environment)?;
        let notification = self.notification_pipe(index)?;
        let program = Program {
            file: c"./run".into(),
            arguments: vec![c"./run".into()],
            environment,
            directory: c_string(directory.as_os_str().as_bytes())?,
            session: matches!(self.task, super::Task::Directory(_)),
        };
        let Prepared { program, gets, report } = self.below_root(index, program)?;
        let extra: Vec<_> =
            notification.iter().chain(&gets).map(|(fd, number)| (fd.as_fd(), *number)).collect();
        let child = self.spawn_in_fold(index, program, &extra).map_err(|fail| fail.to_string())?;
        match report {
            Some(report) => self.root_started(index, child, report),
            None => self.leader_started(index, child),
        }
        let Some(service) = self.service(index) else { return Ok(()) };
        if std::mem::replace(&mut service.shown_as.was_started, true) {
            service.shown_as.restarts = service.shown_as.restarts.saturating_add(1);
        }
        // a next supervisor is to know it from now on, however many more are started in this turn
        self.save(index);
        Ok(())
    }

    fn leader_started(&mut self, index: u32, child: Child) {
        let who = child.identity();
        self.pids.insert(child.pid, (index, Role::Leader));
        self.await_no_end(index);
        let Some(service) = self.service(index) else { return };
        service.session = child.pid;
        service.shown = child.pid;
        service.leader = Some(Process { who, pidfd: child.pidfd });
    }

    /// Reads the settings anew. What can't be used keeps a service from starting; a running one goes on
    /// with what it has.
    pub(super) fn refresh(&mut self, index: u32) -> Result<(), String> {
        let service = self.service(index).ok_or("forgotten")?;
        if !std::mem::take(&mut service.just_read) {
            let settings = Settings::read(&service.directory).map_err(|unusable| unusable.to_string())?;
            service.go_by(settings);
        }
        Ok(())
    }

    fn enough_containment(&mut self, index: u32) -> Result<(), String> {
        let there = self.fence.rung();
        let service = self.services[index as usize].as_ref().ok_or("forgotten")?;
        let Some(word) = &service.settings.containment else { return Ok(()) };
        let least = if word == "cgroup" { Rung::V1 } else { Rung::parse(word).unwrap_or(Rung::Kill) };
        if there.is_at_least(least) {
            return Ok(());
        }
        let why = self.fence.containment.why_not_more.clone().unwrap_or_default();
        Err(format!(
            "not started: its file `containment` asks for {word}, this machine gives {there} ({why})"
        ))
    }

    /// Starts a program as one of the fold, with the service's descriptors.
    pub(super) fn spawn_in_fold(
        &mut self,
        index: u32,
        mut program: Program,
        extra: &[(BorrowedFd<'_>, i32)],
    ) -> Result<Child, Fail> {
        let stream = self.make_way_out(index, &mut program);
        let entry = {
            let service = self.services[index as usize].as_mut().ok_or(Fail::of("start", Errno::ENOENT))?;
            service.fold.entry(&self.fence, service.slow_birth)?
        };
        let service = self.services[index as usize].as_ref().ok_or(Fail::of("start", Errno::ENOENT))?;
        let mut fds = output::all(&self.pipes, service, stream.as_ref());
        fds.extend_from_slice(extra);
        let place = entry.as_ref().map_or(Place::Here, |entry| entry.place());
        let path = service.directory.join(program.file.to_string_lossy().trim_start_matches("./"));
        self.spawner.spawn(program, &place, &fds).map_err(|errno| Fail::at("start", &path, errno))
    }

    /// What the service's settings and its own `env/` say, over the environment svscan was started with.
    pub(super) fn add_environment(
        &mut self,
        index: u32,
        environment: &mut Vec<CString>,
    ) -> Result<(), String> {
        let service = self.service(index).ok_or("forgotten")?;
        if service.settings.no_session {
            // pam_systemd refuses this class, and being optional lets su go on without. See pam_systemd(8)
            crate::environment::set(environment, b"XDG_SESSION_CLASS", b"none");
        }
        if service.settings.env {
            crate::service::env::apply(&service.directory.join("env"), environment)?;
        }
        Ok(())
    }

    /// A pipe on which the service says that it is ready: the end it gets, and the number it wants it at.
    fn notification_pipe(&mut self, index: u32) -> Result<Option<(OwnedFd, i32)>, String> {
        let service = self.service(index).ok_or("forgotten")?;
        let old = service.ready.take();
        let wanted = service.settings.notification_fd;
        if let Some(old) = old {
            self.unwatch(old.as_fd());
            self.forget_readiness(index);
        }
        let Some(number) = wanted else { return Ok(None) };
        let flags = nix::fcntl::OFlag::O_CLOEXEC | nix::fcntl::OFlag::O_NONBLOCK;
        let fail = |errno| Fail::of("make the readiness pipe", errno).to_string();
        let (read, write) = nix::unistd::pipe2(flags).map_err(fail)?;
        // the service's end must not surprise it by being non-blocking
        let blocking = nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::empty());
        nix::fcntl::fcntl(&write, blocking).map_err(fail)?;
        let read = lift(read).map_err(|fail| fail.to_string())?;
        self.watch(read.as_fd(), Source::Ready(index));
        if let Some(service) = self.service(index) {
            service.ready = Some(read);
        }
        // while nobody has it open for reading, "ready" would kill the service that says it
        self.keep(index, Kind::Ready);
        Ok(Some((write, number)))
    }

    fn forget_readiness(&mut self, index: u32) {
        let Some(name) = self.service(index).map(|service| service.name.to_vec()) else { return };
        self.unkeep(Kind::Ready, &name);
    }

    /// A newline on the readiness pipe: ready.
    pub(super) fn read_readiness(&mut self, index: u32) {
        let Some(service) = self.service(index) else { return };
        let Some(pipe) = &service.ready else { return };
        let mut buffer = [0; 256];
        let said = match nix::unistd::read(pipe, &mut buffer) {
            Ok(0) => None,
            Ok(n) if buffer[..n].contains(&b'\n') => Some(true),
            Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => return,
            Err(_) => None,
        };
        let pipe = service.ready.take();
        if let Some(pipe) = pipe {
            self.unwatch(pipe.as_fd());
            self.forget_readiness(index);
        }
        if said == Some(true) {
            self.content(index);
            self.turn(index, Event::SaidReady);
        }
    }

    /// Starts `finish CODE STATUS`.
    pub(super) fn start_finish(&mut self, index: u32) -> Option<Event> {
        let failed = Event::FinishGone { exit: crate::machine::Exit::Dirty, emptied: true };
        match self.try_finish(index) {
            Ok(()) => None,
            Err(words) => {
                self.complain(index, &words);
                Some(failed)
            }
        }
    }

    fn try_finish(&mut self, index: u32) -> Result<(), String> {
        let service = self.service(index).ok_or("forgotten")?;
        let (code, status) = match service.shown_as.last_exit {
            Some(Ending::Code(code)) => (code.to_string(), "0".to_owned()),
            Some(ending) => ("-1".to_owned(), ending.status_byte().to_string()),
            // run could not be executed: runit's arguments for that
            None => ("111".to_owned(), "0".to_owned()),
        };
        let directory = service.directory.clone();
        let mut environment = self.environment.clone();
        self.add_environment(index, &mut environment)?;
        let program = Program {
            file: c"./finish".into(),
            arguments: vec![c"./finish".into(), c_string(code.as_bytes())?, c_string(status.as_bytes())?],
            environment,
            directory: c_string(directory.as_os_str().as_bytes())?,
            session: true,
        };
        let child = self.spawn_in_fold(index, program, &[]).map_err(|fail| fail.to_string())?;
        let who = child.identity();
        self.pids.insert(child.pid, (index, Role::Finish));
        if let Some(service) = self.service(index) {
            service.shown = child.pid;
            service.finish = Some(Box::new(Process { who, pidfd: child.pidfd }));
        }
        self.save(index);
        Ok(())
    }

    /// A child that ended without ever becoming its program: says so, or starts it the slow way if it was
    /// killed at birth (a kernel before the fix of CLONE_INTO_CGROUP into a group once killed). True if
    /// it has been started again.
    pub(super) fn never_started(&mut self, index: u32, why: NotStarted) -> bool {
        if why.stage == Stage::Birth && self.service(index).is_some_and(|service| !service.slow_birth) {
            if let Some(service) = self.service(index) {
                service.slow_birth = true;
            }
            let again = self.try_run(index).is_ok();
            self.save(index);
            self.touch(index);
            return again;
        }
        let now = monotonic_ms();
        let Some(service) = self.service(index) else { return false };
        service.shown_as.not_started = Some((why.stage, why.errno as i32));
        let missing =
            why.stage == Stage::Exec && why.errno == Errno::ENOENT && !service.directory.join("run").exists();
        let since = *service.missing_since.get_or_insert(now);
        let words = explain(&service.directory, why);
        if missing && now.saturating_sub(since) < SILENT_MS {
            service.shown_as.message = words;
        } else {
            self.complain(index, &words);
        }
        false
    }

    /// Says something once that is no trouble.
    pub(super) fn inform(&mut self, index: u32, words: &str) {
        let Some(service) = self.service(index) else { return };
        words.clone_into(&mut service.shown_as.message);
        if service.is_news(words.split_once(" (pid").map_or(words, |(head, _)| head)) {
            let name = service.shown_name();
            crate::say::info(&format!("{name}: {words}"));
        }
    }

    /// A process that is not `run` stands for the service from now on.
    pub(super) fn take_as_leader(&mut self, index: u32, who: Identity, pidfd: sys::process::Pidfd) {
        self.pids.insert(who.pid, (index, Role::Leader));
        // if it is (or becomes) our child, its end is told by SIGCHLD; else by its pidfd
        self.watch(pidfd.as_fd(), Source::Leader(index));
        if let Some(service) = self.service(index) {
            service.leader = Some(Process { who, pidfd });
        }
    }

    /// Sends a signal to a script or `finish` that has had its time.
    pub(super) fn kill_process(process: &Process) {
        let _ = process.pidfd.signal(Signal::SIGKILL);
    }
}

/// Why `run` was not executed, in words that say what to do.
fn explain(directory: &Path, why: NotStarted) -> String {
    let run = directory.join("run");
    let shown = |path: &Path| path.display().to_string().escape_debug().to_string();
    let plain = |what: String| format!("{} {what}: {}", why.stage.doing(), sys::fail::words(why.errno));
    match (why.stage, why.errno) {
        (Stage::Exec, Errno::ENOENT) if run.symlink_metadata().is_err() => {
            format!("exec {}: there is no such file", shown(&run))
        }
        (Stage::Exec, Errno::ENOENT) => match crate::service::script::interpreter(&run) {
            Some(dos) if dos.ends_with('\r') => {
                format!("exec {}: it has DOS line ends (sed -i 's/\\r$//' takes them away)", shown(&run))
            }
            Some(interpreter) => {
                format!("exec {}: interpreter {} not found (line 1)", shown(&run), interpreter.escape_debug())
            }
            None => format!("exec {}: it is a dangling link, or its loader is not installed", shown(&run)),
        },
        (Stage::Exec, Errno::EACCES) if run.is_dir() => format!("exec {}: it is a directory", shown(&run)),
        (Stage::Exec, Errno::EACCES) if run.exists() && !run.is_file() => {
            format!("exec {}: it is not a regular file", shown(&run))
        }
        (Stage::Exec, Errno::EACCES) => {
            format!("exec {}: permission denied (chmod +x, and see the mount's noexec)", shown(&run))
        }
        (Stage::Exec, Errno::ENOEXEC) => {
            format!(
                "exec {}: not a program: a script's first line names its interpreter, as #!/bin/sh",
                shown(&run)
            )
        }
        (Stage::Exec, _) => plain(shown(&run)),
        (Stage::Birth, _) => "start a process: it was killed before its first instruction".to_owned(),
        (Stage::Directory, Errno::ENOENT) => format!("change to directory {}: it is gone", shown(directory)),
        (Stage::Directory | Stage::Cgroup | Stage::Descriptors, _) => plain(shown(directory)),
    }
}
