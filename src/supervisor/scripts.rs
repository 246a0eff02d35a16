//! Scripts beside a service: `control/LETTER` before a signal, `start` as the check after a restart.

use super::output;
use super::service::{Process, Purpose, Script};
use super::timers::Kind;
use super::{Role, Supervisor};
use crate::fold::Fold;
use crate::machine::Ms;
use compat::verdict;
use nix::sys::signal::Signal;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use sys::clock::monotonic_ms;
use sys::reap::Ending;
use sys::spawn::{Child, Place, Program};

/// How long a control script may take before the signal is sent without it.
const CONTROL_MS: Ms = 5000;

/// So many control scripts of a service run at a time; then signals are sent without them.
const MOST_CONTROL: usize = 3;

/// A byte string for exec.
pub(super) fn c_string(bytes: &[u8]) -> Result<CString, String> {
    CString::new(bytes).map_err(|_| "a name with a NUL in it".to_owned())
}

impl Supervisor {
    /// Runs `control/LETTER` if the service has it, in place of `signal`, which follows if it does not exit
    /// 0. See runsv(8).
    pub(super) fn start_control_script(&mut self, index: u32, signal: Signal, stopping: bool) -> bool {
        let Some(service) = self.service(index) else { return false };
        let running = service.scripts.iter().filter(|script| script.purpose != Purpose::Check).count();
        if !service.settings.scripts.control || running >= MOST_CONTROL {
            return false;
        }
        let letters: &[u8] = if stopping { b"td" } else { letter_of(signal) };
        let names = letters.iter().map(|&letter| format!("control/{}", char::from(letter)));
        let there = names.into_iter().find(|name| executable(&service.directory.join(name)));
        let Some(name) = there else { return false };
        let purpose = Purpose::Control { signal, stopping };
        self.start_script(index, &name, purpose, Some(CONTROL_MS)).is_ok()
    }

    /// Runs `start` as the check after an automatic restart; never two at once, never waited for.
    pub(super) fn start_check(&mut self, index: u32) {
        let Some(service) = self.service(index) else { return };
        let running = service.scripts.iter().any(|script| script.purpose == Purpose::Check);
        if !service.settings.scripts.start || running || !executable(&service.directory.join("start")) {
            return;
        }
        let until = service.settings.config.timeout_up;
        if let Err(words) = self.start_script(index, "start", Purpose::Check, until) {
            self.complain(index, &words);
        }
    }

    fn start_script(
        &mut self,
        index: u32,
        name: &str,
        purpose: Purpose,
        bound: Option<Ms>,
    ) -> Result<(), String> {
        let mut environment = self.environment.clone();
        self.add_environment(index, &mut environment)?;
        let service = self.services[index as usize].as_ref().ok_or("forgotten")?;
        if purpose == Purpose::Check {
            let checked = service.directory.as_os_str().as_bytes();
            crate::environment::set(&mut environment, verdict::CHECK.as_bytes(), b"1");
            crate::environment::set(&mut environment, verdict::SERVICE.as_bytes(), checked);
            crate::tools::put_first(&self.run, &mut environment);
        }
        let program = Program {
            file: c_string(format!("./{name}").as_bytes())?,
            arguments: vec![c_string(format!("./{name}").as_bytes())?],
            environment,
            directory: c_string(service.directory.as_os_str().as_bytes())?,
            session: true,
        };
        let child = match purpose {
            Purpose::Control { .. } => {
                self.spawn_in_fold(index, program, &[]).map_err(|fail| fail.to_string())?
            }
            Purpose::Check => self.spawn_check(index, program)?,
        };
        self.pids.insert(child.pid, (index, Role::Script));
        let who = child.identity();
        let until = bound.map(|ms| monotonic_ms() + ms);
        self.timers.set(index, Kind::Script, None, until);
        if let Some(service) = self.service(index) {
            service.scripts.push(Script { purpose, process: Process { who, pidfd: child.pidfd }, until });
        }
        Ok(())
    }

    /// The check has a fold of its own: what it leaves behind is no part of the service.
    fn spawn_check(&mut self, index: u32, mut program: Program) -> Result<Child, String> {
        let stream = self.make_way_out(index, &mut program);
        let service = self.services[index as usize].as_ref().ok_or("forgotten")?;
        let mut fold = Fold::new(&check_name(&service.name));
        let entry = fold.entry(&self.fence, false).map_err(|fail| fail.to_string())?;
        let place = entry.as_ref().map_or(Place::Here, |entry| entry.place());
        let fds = output::both(service, stream.as_ref());
        let child = self.spawner.spawn(program, &place, &fds);
        self.rubbish.push((child.as_ref().map_or(0, |child| child.pid), fold));
        child.map_err(|errno| sys::Fail::of("start the start check", errno).to_string())
    }

    /// A script has ended: what it stood before goes on.
    pub(super) fn script_ended(&mut self, index: u32, pid: i32, ending: Ending) {
        let why = self.spawner.verdict(pid);
        let Some(service) = self.service(index) else { return };
        let Some(at) = service.scripts.iter().position(|script| script.process.who.pid == pid) else {
            return;
        };
        let script = service.scripts.swap_remove(at);
        self.timers.set(index, Kind::Script, script.until, None);
        match script.purpose {
            Purpose::Control { .. } if ending == Ending::Code(0) => {}
            Purpose::Control { signal, stopping: true } => self.signal_to_end(index, signal),
            Purpose::Control { signal, stopping: false } => self.signal_service(index, signal),
            Purpose::Check => {
                self.clear_rubbish();
                if why.is_some() || ending != Ending::Code(0) {
                    self.complain(index, &format!("its start check, after a restart, ended with: {ending}"));
                } else {
                    self.content(index);
                    self.touch(index);
                }
            }
        }
        // it may have been the last one in the fold
        self.to_look.push(index);
    }

    /// Scripts that have had their time are killed; their end is then told as usual.
    pub(super) fn scripts_due(&mut self, index: u32, now: Ms) {
        let Some(service) = self.service(index) else { return };
        for script in service.scripts.iter().filter(|script| script.until.is_some_and(|at| at <= now)) {
            Supervisor::kill_process(&script.process);
        }
    }

    /// Empties and removes the folds of checks that have ended.
    pub(super) fn clear_rubbish(&mut self) {
        let mut rubbish = std::mem::take(&mut self.rubbish);
        rubbish.retain_mut(|(pid, fold)| {
            if self.pids.contains_key(pid) {
                return true;
            }
            if fold.is_cleared(&mut self.fence) {
                return false;
            }
            let _ = fold.kill(&mut self.fence);
            true
        });
        self.rubbish = rubbish;
        if !self.rubbish.is_empty() {
            self.timers.set(u32::MAX, Kind::Rubbish, None, Some(monotonic_ms() + 20));
        }
    }
}

/// The letters of the scripts that stand before a signal.
fn letter_of(signal: Signal) -> &'static [u8] {
    match signal {
        Signal::SIGTERM => b"t",
        Signal::SIGHUP => b"h",
        Signal::SIGALRM => b"a",
        Signal::SIGINT => b"i",
        Signal::SIGKILL => b"k",
        Signal::SIGQUIT => b"q",
        Signal::SIGUSR1 => b"1",
        Signal::SIGUSR2 => b"2",
        Signal::SIGWINCH => b"w",
        _ => b"",
    }
}

/// What the fold of a service's start check is named after.
pub(super) fn check_name(service: &[u8]) -> Vec<u8> {
    [service, b"/check"].concat()
}

/// A file that its owner may execute.
fn executable(path: &std::path::Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o100 != 0)
}
