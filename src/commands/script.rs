//! A service's own `start`, `stop` or `check`, run by a command: in the service's directory, in a session
//! of its own, with pinfold's tools first on `PATH`; and what it leaves behind is ended.

use super::failure::Failure;
use super::service::Service;
use crate::{environment, tools};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::Signal;
use nix::unistd::{pipe2, read};
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use sys::clock::monotonic_ms;
use sys::process::{Pidfd, Stat, become_subreaper};
use sys::reap::{Ending, Whom, reap};
use sys::spawn::{Child, Place, Program, Spawner, Stage};
use sys::{Errno, Fail};

/// Names the scripts above us: a `start` that calls `svcstart` on its own service must not be run again.
const VARIABLE: &str = "PINFOLD_SCRIPT";
/// How long those that a script has left are asked to end before they are killed.
const ASKED_MS: u64 = 2000;

/// What a pipe holds; pipe(7).
const PIPE: usize = 64 * 1024;

/// What starts scripts, and ends what they leave: this process is where their orphans come.
pub(super) struct Scripts {
    spawner: Spawner,
    /// A directory of tools of our own making, when there was none to be used.
    made: Option<PathBuf>,
}

/// A script that runs.
pub(super) struct Script {
    child: Child,
    output: OwnedFd,
}

impl Scripts {
    /// To be called before this process opens anything: see [`Spawner::new`].
    pub(super) fn new() -> Result<Scripts, Fail> {
        let spawner = Spawner::new()?;
        become_subreaper().map_err(|e| Fail::of("become the one that orphans return to", e))?;
        Ok(Scripts { spawner, made: None })
    }

    /// Whether this very script of this service is running us.
    pub(super) fn is_within(service: &Service, name: &str) -> bool {
        let running = std::env::var(VARIABLE).unwrap_or_default();
        running.split(' ').any(|one| one == mark(service, name))
    }

    /// Starts a script of a service.
    pub(super) fn start(&mut self, service: &Service, name: &str) -> Result<Script, Failure> {
        let path = service.directory.join(name);
        let unable = |errno| Failure::at("start", &path, errno);
        let (output, theirs) = pipe2(OFlag::O_CLOEXEC).map_err(unable)?;
        fcntl(&output, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(unable)?;
        let c = |bytes: &[u8]| CString::new(bytes).map_err(|_| unable(Errno::EINVAL));
        let file = c(format!("./{name}").as_bytes())?;
        let program = Program {
            arguments: vec![file.clone()],
            file,
            environment: self.environment(service, name),
            directory: c(service.directory.as_os_str().as_bytes())?,
            session: true,
        };
        // it must not read what is meant for us, or for the loop that calls us
        let nothing = std::fs::File::open("/dev/null");
        let nothing = nothing.map_err(|e| unable(sys::fail::errno_of(&e)))?;
        let fds = [(nothing.as_fd(), 0), (theirs.as_fd(), 1), (theirs.as_fd(), 2)];
        let child = self.spawner.spawn(program, &Place::Here, &fds).map_err(unable)?;
        Ok(Script { child, output })
    }

    fn environment(&mut self, service: &Service, name: &str) -> Vec<CString> {
        let mut environment = environment::inherited();
        let running = std::env::var(VARIABLE).unwrap_or_default();
        let marks = format!("{running} {}", mark(service, name));
        environment::set(&mut environment, VARIABLE.as_bytes(), marks.trim_start().as_bytes());
        let supervisors = service.entry.as_ref().map(|entry| entry.run.as_path());
        let own = self.made.as_deref();
        if let Some(run) = supervisors.into_iter().chain(own).find(|run| tools::directory(run).is_dir()) {
            tools::put_first(run, &mut environment);
        } else if let Some(installed) = installed() {
            put_first(&installed, &mut environment);
        } else if let Some(made) = make_directory() {
            tools::put_first(&made, &mut environment);
            self.made = Some(made);
        }
        environment
    }

    /// Ends what a script has left behind, however often it forks: asked first, then killed. The service
    /// itself is no child of ours, and is left alone also if it should be.
    pub(super) fn clear_up(&mut self, service: &mut Service) {
        let spared = service.look().pid();
        let begin = monotonic_ms();
        let mut asked: Vec<i32> = Vec::new();
        loop {
            while reap(Whom::Any).is_some() {}
            self.spawner.reclaim();
            let left = descendants(spared);
            if left.is_empty() {
                return;
            }
            let kill = monotonic_ms() - begin >= ASKED_MS;
            for stat in left.iter().filter(|stat| kill || !asked.contains(&stat.pid)) {
                if let Ok(pidfd) = Pidfd::of(stat.identity()) {
                    // ESRCH: gone by itself; EPERM: not ours to end, and nothing can be done about it
                    let _ = pidfd.signal(if kill { Signal::SIGKILL } else { Signal::SIGTERM });
                    let _ = pidfd.signal(Signal::SIGCONT);
                }
            }
            asked.extend(left.iter().map(|stat| stat.pid));
            if monotonic_ms() - begin >= 2 * ASKED_MS {
                return; // they can't be ended: in the kernel for good, or another user's
            }
            wait_for_one(&left);
        }
    }

    /// How a script ended, once it has; a script that never became one says why.
    pub(super) fn ended(&mut self, script: &Script) -> Option<Result<Ending, Failure>> {
        let (pid, ending) = reap(Whom::Pid(script.child.pid))?;
        Some(match self.spawner.verdict(pid) {
            Some(why) => {
                let hint = match (why.stage, why.errno) {
                    (Stage::Exec, Errno::ENOENT) => ": its interpreter (line 1) does not exist",
                    (Stage::Exec, Errno::ENOEXEC) => ": its first line names no interpreter, as #!/bin/sh",
                    (Stage::Exec, Errno::EACCES) => ": you may not execute it",
                    _ => "",
                };
                let words = sys::fail::words(why.errno);
                Err(Failure::no(format!("can't be executed: {}: {words}{hint}", why.stage.doing())))
            }
            None => Ok(ending),
        })
    }
}

impl Drop for Scripts {
    fn drop(&mut self) {
        if let Some(made) = &self.made {
            let _ = std::fs::remove_dir_all(made);
        }
    }
}

impl Script {
    /// What to wait for: its end, and its words.
    pub(super) fn fds(&self) -> [BorrowedFd<'_>; 2] {
        [self.child.pidfd.as_fd(), self.output.as_fd()]
    }

    /// Hears what it has said, a pipe's worth at the most: it may talk without end. Whether its words are over:
    /// then only its end is to be waited for.
    pub(super) fn listen(&self, mut hear: impl FnMut(&[u8])) -> bool {
        let mut buffer = [0; 4096];
        for _ in 0..PIPE / buffer.len() {
            match read(&self.output, &mut buffer) {
                Ok(0) => return true,
                Ok(n) => hear(&buffer[..n]),
                Err(_) => return false,
            }
        }
        false
    }
}

/// `start:2049.1234`: the script, and the directory it is in.
fn mark(service: &Service, name: &str) -> String {
    format!("{name}:{}.{}", service.inode.0, service.inode.1)
}

/// All living descendants of this process but one.
fn descendants(spared: Option<i32>) -> Vec<Stat> {
    let all = sys::process::all();
    let mut found: Vec<Stat> = Vec::new();
    let mut parents = vec![std::process::id() as i32];
    while let Some(parent) = parents.pop() {
        for stat in all.iter().filter(|stat| stat.parent == parent && Some(stat.pid) != spared) {
            parents.push(stat.pid);
            found.push(stat.clone());
        }
    }
    found.retain(|stat| !stat.is_zombie());
    found
}

/// Waits until one of them ends, a moment at most: others may have been forked meanwhile.
fn wait_for_one(left: &[Stat]) {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let handles: Vec<Pidfd> = left.iter().take(64).filter_map(|s| Pidfd::of(s.identity()).ok()).collect();
    let mut fds: Vec<PollFd<'_>> =
        handles.iter().map(|handle| PollFd::new(handle.as_fd(), PollFlags::POLLIN)).collect();
    let _ = poll(&mut fds, PollTimeout::from(100u8));
}

/// The directory of this executable, if the tools stand in it by their names.
fn installed() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let directory = program.parent()?;
    let ours = |name: &str| std::fs::canonicalize(directory.join(name)).is_ok_and(|path| path == program);
    (ours("svc") && ours("svstat")).then(|| directory.to_owned())
}

fn put_first(directory: &Path, environment: &mut Vec<CString>) {
    let old = environment::get(environment, b"PATH").unwrap_or(b"/usr/bin:/bin").to_owned();
    let path = [directory.as_os_str().as_bytes(), b":", &old].concat();
    environment::set(environment, b"PATH", &path);
}

/// A directory for tools that only we can write to.
fn make_directory() -> Option<PathBuf> {
    use std::os::unix::fs::DirBuilderExt;
    let path = std::env::temp_dir().join(format!("pinfold-tools-{}", std::process::id()));
    // a name that is taken is somebody else's: then the script goes by its own PATH
    std::fs::DirBuilder::new().mode(0o700).create(&path).ok()?;
    Some(path)
}
