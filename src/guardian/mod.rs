//! The guardian: the small process that init knows and that outlives the supervisor.
//!
//! It keeps a duplicate of every descriptor that must not close when a supervisor dies, starts the
//! supervisor again, takes note of orphans' ends and tells it, passes on what signals ask for, and keeps
//! the catcher running. It knows nothing of services; what it can't do it says and goes on.

mod manager;
mod reunion;
mod shelf;
mod upgrade;
mod ward;

use crate::guardian_line::{Kind, Say};
use crate::{say, seat};
use manager::Manager;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use reunion::Expected;
use shelf::Shelf;
use std::collections::{BTreeSet, VecDeque};
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use sys::clock::monotonic_ms;
use sys::handover::{Meeting, Nothing};
use sys::process::{Identity, become_subreaper};
use sys::reap::{Ending, Whom, peek, reap};
use sys::signals::Signals;
use sys::spawn::Spawner;
use sys::{Errno, Fail};
use ward::Ward;

/// The number of the descriptor on which supervisor and catcher find their line to the guardian.
pub const LINE: i32 = 3;
/// A supervisor that lived shorter than this is not started again at once.
const TOO_SHORT_MS: u64 = 1000;

struct Guardian {
    directory: PathBuf,
    /// The run directory, which is locked for as long as we are its guardian.
    run: PathBuf,
    lock: OwnedFd,
    /// Where our executable was found, and its successor will be.
    executable: PathBuf,
    environment: Vec<CString>,
    /// The service manager that wants to be told.
    manager: Manager,
    spawner: Spawner,
    signals: Signals,
    kept: Shelf,
    supervisor: Option<Ward>,
    catcher: Option<Ward>,
    /// Where those come who have outlived their guardian.
    meeting: Meeting,
    /// A supervisor that has, and is to come.
    expected: Option<Expected>,
    /// When a dead supervisor is to be started again.
    again: Option<u64>,
    /// When a dead catcher is to be started again.
    catcher_again: Option<u64>,
    /// How often the end of everything has been asked for: a supervisor that dies over it is followed by
    /// one that knows.
    endings: usize,
    /// Orphans whose end the present supervisor has been told.
    told: Vec<Identity>,
    /// What has been said of starts that failed; forgotten when one succeeds.
    regrets: BTreeSet<String>,
    /// When to ask the supervisor for all it has to be kept: something of it could not be received.
    incomplete: Option<u64>,
    /// The supervisor has once got through its start-up: from now on it is always started again.
    proven: bool,
    done: bool,
}

/// Runs until everything in `directory` has been stopped, with what is known of it in `run`, which `lock` locks; gives
/// the exit code.
pub fn run(directory: &Path, run: &Path, lock: OwnedFd) -> Result<u8, Fail> {
    let mut guardian = Guardian::new(directory, run, lock, None)?;
    guardian.start_catcher();
    guardian.expect_survivor();
    if guardian.expected.is_none() {
        guardian.start_supervisor();
    }
    guardian.go_on()
}

/// The same, in the place of a predecessor: `text` is what it has written down, `limit` what it was started with.
pub fn succeed(directory: &Path, run: &Path, text: OwnedFd, limit: (u64, u64)) -> Result<u8, Fail> {
    let lock = upgrade::lock(&text).ok_or(Fail::of("find the lock", sys::Errno::EBADF))?;
    let mut guardian = Guardian::new(directory, run, lock, Some(limit))?;
    guardian.succeed(text)?;
    guardian.start_catcher();
    if guardian.supervisor.is_none() {
        guardian.start_supervisor();
    }
    guardian.go_on()
}

/// When a process of ours that was started at `born` and has died is started again.
fn next_start(born: u64) -> u64 {
    let now = monotonic_ms();
    if now.saturating_sub(born) < TOO_SHORT_MS { now + TOO_SHORT_MS } else { now }
}

impl Guardian {
    fn new(directory: &Path, run: &Path, lock: OwnedFd, limit: Option<(u64, u64)>) -> Result<Guardian, Fail> {
        let mut spawner = Spawner::new()?;
        if let Some((soft, hard)) = limit {
            spawner.set_child_limit(soft, hard);
        }
        crate::limits::raise_descriptors();
        become_subreaper().map_err(|e| Fail::of("become the one that orphans return to", e))?;
        let chosen = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGCHLD];
        let mut environment = crate::environment::inherited();
        let manager = Manager::from_environment(&mut environment);
        Ok(Guardian {
            directory: directory.to_owned(),
            run: run.to_owned(),
            lock,
            executable: crate::upgrade::executable()?,
            environment,
            manager,
            spawner,
            signals: Signals::take(&chosen)?,
            kept: Shelf::default(),
            supervisor: None,
            catcher: None,
            meeting: Meeting::open(run)?,
            expected: None,
            again: None,
            catcher_again: None,
            endings: 0,
            told: Vec::new(),
            regrets: BTreeSet::new(),
            incomplete: None,
            proven: false,
            done: false,
        })
    }

    fn go_on(mut self) -> Result<u8, Fail> {
        loop {
            self.wait();
            self.take_signals();
            self.receive_survivor();
            // first what the supervisor had to say, then whether it has ended
            self.listen();
            self.look_at_children();
            self.speak();
            self.manager.keep_in_touch();
            if let Some(code) = self.ended() {
                return Ok(code);
            }
        }
    }

    /// The one blocking call.
    fn wait(&self) {
        let now = monotonic_ms();
        let patience = self.expected.as_ref().and_then(Expected::patience);
        let times = [self.again, self.catcher_again, patience, self.incomplete, self.manager.next()];
        let timeout = match times.into_iter().flatten().min() {
            Some(at) => PollTimeout::try_from(at.saturating_sub(now) as i32 + 1).unwrap_or(PollTimeout::MAX),
            None => PollTimeout::NONE,
        };
        let mut fds = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        for ward in [&self.supervisor, &self.catcher].into_iter().flatten() {
            let mut flags = PollFlags::POLLIN;
            flags.set(PollFlags::POLLOUT, !ward.queue.is_empty());
            fds.push(PollFd::new(ward.line.as_fd(), flags));
            fds.push(PollFd::new(ward.pidfd.as_fd(), PollFlags::POLLIN));
        }
        fds.push(PollFd::new(self.meeting.as_fd(), PollFlags::POLLIN));
        fds.extend(self.expected.iter().map(Expected::awaited));
        // an interrupted poll only means looking once more
        if poll(&mut fds, timeout).is_err_and(|errno| errno != Errno::EINTR) {
            // EINVAL: fewer descriptors are allowed than are open; a pause keeps it from spinning
            std::thread::sleep(std::time::Duration::from_millis(100)); // bounded: a failing kernel
        }
    }

    fn take_signals(&mut self) {
        // said over the line and not by signals: one that has just been started would die of those, and to
        // one that is dead but not yet reaped they would be lost
        while let Some(signal) = self.signals.next() {
            let say = match signal {
                Signal::SIGTERM | Signal::SIGINT => Say::Ending,
                Signal::SIGHUP => {
                    self.make_run_directory_again();
                    Say::Rescan
                }
                Signal::SIGUSR1 => {
                    self.upgrade();
                    continue;
                }
                _ => continue,
            };
            if say == Say::Ending {
                self.endings += 1;
                self.manager.stopping();
            }
            if let Some(supervisor) = &mut self.supervisor {
                supervisor.queue.push_back(say);
            }
        }
    }

    fn look_at_children(&mut self) {
        // each by name first: an orphan not yet reaped hides those behind it from "any"
        if let Some(ending) = self.supervisor.as_ref().and_then(Ward::ended) {
            self.supervisor_ended(ending);
        }
        if self.catcher.as_ref().and_then(Ward::ended).is_some() {
            let born = self.catcher.take().map_or(0, |ward| ward.born);
            if !self.done {
                say::warning("the catcher died; starting another");
                self.catcher_again = Some(next_start(born));
            }
        }
        let now = monotonic_ms();
        if self.again.is_some_and(|at| at <= now) {
            self.again = None;
            self.start_supervisor();
        }
        if self.catcher_again.is_some_and(|at| at <= now) {
            self.catcher_again = None;
            self.start_catcher();
        }
        if self.incomplete.is_some_and(|at| at <= now) {
            self.incomplete = None;
            if let Some(supervisor) = &mut self.supervisor {
                supervisor.queue.push_back(Say::Again);
            }
        }
        self.tell_of_orphans();
    }

    fn tell_of_orphans(&mut self) {
        while let Some((pid, ending)) = peek(Whom::Any) {
            let Some(who) = Identity::of(pid) else { break };
            let Some(supervisor) = &mut self.supervisor else {
                if self.done {
                    reap(Whom::Pid(pid));
                    continue;
                }
                break; // it stays a zombie until there is somebody to tell
            };
            if self.told.contains(&who) {
                break;
            }
            self.told.push(who);
            supervisor.queue.push_back(Say::Ended(who, ending));
        }
    }

    fn supervisor_ended(&mut self, ending: Ending) {
        let born = self.supervisor.take().map_or(0, |ward| ward.born);
        self.told.clear();
        if ending == Ending::Code(seat::LATER) && !self.done {
            return self.expect_somebody(born);
        }
        if self.done || ending == Ending::Code(0) {
            self.done = true; // it ends by itself when everything has been stopped, and only then
            return;
        }
        if !self.proven && matches!(ending, Ending::Code(_)) {
            // it could not even start, and has said why
            self.done = true;
            return;
        }
        say::warning(&format!("the supervisor ended ({ending}); starting another, the services go on"));
        self.again = Some(next_start(born));
    }

    fn start(&mut self, name: &str, queue: VecDeque<Say>) -> Result<Ward, Fail> {
        Ward::start(name, &self.directory, &self.environment, &mut self.spawner, queue)
    }

    /// What a new supervisor is told first.
    fn everything(&self) -> VecDeque<Say> {
        let kept = self.kept.keys().map(Say::Kept);
        kept.chain(vec![Say::Ending; self.endings]).chain([Say::AllKept]).collect()
    }

    /// A start has failed, and will be tried again; what is the same each time is said once.
    fn regret(&mut self, fail: &Fail) {
        if self.regrets.insert(fail.to_string()) {
            say::warning(&format!("{fail}; trying again every second"));
        }
    }

    fn start_supervisor(&mut self) {
        match self.start("pinfold:", self.everything()) {
            Ok(ward) => {
                self.supervisor = Some(ward);
                self.regrets.clear();
            }
            Err(fail) => {
                self.regret(&fail);
                self.again = Some(monotonic_ms() + TOO_SHORT_MS);
            }
        }
    }

    fn start_catcher(&mut self) {
        let keys = self.kept.keys().filter(|key| key.kind == Kind::Output);
        let queue = keys.map(Say::Kept).collect();
        match self.start("pinfold-catcher:", queue) {
            Ok(ward) => {
                self.catcher = Some(ward);
                self.regrets.clear();
            }
            // services then write into a pipe nobody reads until the next try
            Err(fail) => {
                self.regret(&fail);
                self.catcher_again = Some(monotonic_ms() + TOO_SHORT_MS);
            }
        }
    }

    fn listen(&mut self) {
        loop {
            let Some(ward) = &self.supervisor else { return };
            match ward.line.receive() {
                Ok(message) => {
                    if let Some(say) = Say::decode(&message.bytes) {
                        self.hear(say, message.fds);
                    }
                }
                Err(Nothing::Yet | Nothing::Ever) => return,
                Err(Nothing::Failed(errno)) => {
                    say::warning(&Fail::of("listen to the supervisor", errno).to_string());
                    return;
                }
            }
        }
    }

    fn hear(&mut self, say: Say, fds: Vec<OwnedFd>) {
        match say {
            Say::Keep(_) if fds.is_empty() => {
                // too many are open here: what is kept already is better than nothing
                self.incomplete = Some(monotonic_ms() + TOO_SHORT_MS);
                if self.regrets.insert("keep".to_owned()) {
                    say::warning("too many descriptors to keep; asking for them again every second");
                }
            }
            Say::Keep(key) => {
                if let (Kind::Output, Some(catcher)) = (key.kind, &mut self.catcher) {
                    catcher.queue.push_back(Say::Kept(key.clone()));
                }
                self.kept.put(key, fds);
            }
            Say::Drop(key) => {
                self.kept.remove(&key);
                if let (Kind::Output, Some(catcher)) = (key.kind, &mut self.catcher) {
                    catcher.queue.push_back(Say::Drop(key));
                }
            }
            Say::Reap(who) => {
                self.told.retain(|told| *told != who);
                if Identity::of(who.pid) == Some(who) {
                    reap(Whom::Pid(who.pid));
                }
                self.tell_of_orphans();
            }
            Say::Started => {
                self.proven = true;
                self.manager.ready(&self.directory);
            }
            Say::Done => self.done = true,
            Say::Ending => self.endings += 1,
            Say::Again => {
                let everything = self.everything();
                if let Some(supervisor) = &mut self.supervisor {
                    supervisor.queue.extend(everything);
                }
                self.told.clear();
                self.tell_of_orphans();
            }
            Say::Kept(_) | Say::AllKept | Say::Ended(..) | Say::Rescan | Say::Voice | Say::Upgrade => {}
        }
    }

    fn speak(&mut self) {
        for ward in [&mut self.supervisor, &mut self.catcher].into_iter().flatten() {
            ward.speak(&self.kept);
        }
    }

    /// The exit code, once nothing is left to guard.
    fn ended(&mut self) -> Option<u8> {
        if !self.done || self.supervisor.is_some() {
            return None;
        }
        if self.catcher.is_some() {
            // it reads what is left, and goes
            self.kept.clear();
            let Ward { who, pidfd, line, .. } = self.catcher.take()?;
            let _ = line.send(&Say::Done.encode(), &[]);
            drop(line);
            let _ = poll(&mut [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)], PollTimeout::from(5000u16));
            reap(Whom::Pid(who.pid));
        }
        Some(if self.proven { 0 } else { 111 })
    }
}
