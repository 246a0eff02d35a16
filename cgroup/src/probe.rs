//! Proving a rung by doing it.

use crate::house::{GENERATIONS, House, generation_name};
use crate::kill;
use crate::mounts::Hierarchy;
use crate::rung::Rung;
use crate::{at, tree};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use std::ffi::CString;
use std::os::fd::AsFd;
use sys::Fail;
use sys::process::Pidfd;
use sys::reap::{self, Whom};
use sys::spawn::{Child, NotStarted, Place, Program, Spawner, Stage, Way};

/// The group for trials.
const TRIAL: &str = "probe";
/// How long a trial may take, in ms: a dead machine is slow, not failing.
const PATIENCE_MS: u16 = 10_000;

/// Makes sure that `spawner` can start children at all: seccomp filters often refuse clone3.
pub(crate) fn settle_way(spawner: &mut Spawner) {
    for way in [spawner.way, Way::Vfork, Way::Clone] {
        spawner.way = way;
        if let Ok(child) = spawner.spawn(nothing(), &Place::Here, &[]) {
            end_of(child, spawner);
            return;
        }
    }
}

/// Settles how `house` kills and how children get in: the best that works, not above `wanted`.
/// Returns what kept it from something better; an error if children can't get into its groups.
pub(crate) fn prove(house: &mut House, wanted: Rung, spawner: &mut Spawner) -> Result<Option<Fail>, Fail> {
    let trial = Trial::begin(house)?;
    let born = trial.birth(house, spawner)?;
    house.born_inside = born.is_none();
    let (rung, why) = match house.hierarchy() {
        Hierarchy::V1(_) => {
            if house.freezer && kill::freeze(house, &trial.name, true).is_err() {
                house.freezer = false;
            }
            let _ = kill::freeze(house, &trial.name, false);
            (Rung::V1, None)
        }
        Hierarchy::V2 => {
            let (rung, lower) = trial.climb(house, wanted, spawner);
            (rung, lower.or(born))
        }
    };
    house.rung = rung;
    trial.end(house);
    Ok(why)
}

struct Trial {
    /// Of the group.
    name: String,
}

impl Trial {
    fn begin(house: &House) -> Result<Trial, Fail> {
        for generation in 0..GENERATIONS {
            let name = generation_name(TRIAL, generation);
            // a fresh one: an old one may have been killed once, or somebody died in the middle of his trial
            if tree::remove(house, &name) == Err(Errno::EBUSY) {
                let _ = kill::freeze(house, &name, false);
                for pid in kill::members(house, &name).unwrap_or_default() {
                    let _ = Pidfd::open(pid).and_then(|pidfd| pidfd.signal(Signal::SIGKILL));
                }
            }
            match at::make(house, name.as_str()) {
                Ok(()) => return Ok(Trial { name }),
                Err(Errno::EEXIST) => {}
                Err(e) => return Err(Fail::at("make cgroup", &house.path().join(name), e)),
            }
        }
        Err(Fail::at("make cgroup", &house.path().join(TRIAL), Errno::EEXIST))
    }

    fn end(self, house: &House) {
        // a member that is just ending can make the first attempts busy
        for _ in 0..5 {
            if tree::remove(house, &self.name) != Err(Errno::EBUSY) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(5)); // bounded: five times, at start-up
        }
    }

    /// Can a child be born in the group and live? Else: can it enter by itself? Returns why not the former.
    fn birth(&self, house: &House, spawner: &mut Spawner) -> Result<Option<Fail>, Fail> {
        let path = house.path().join(&self.name);
        let mut refused = Fail::at("start a process in cgroup", &path, Errno::ENOTSUP);
        if *house.hierarchy() == Hierarchy::V2 {
            let group = at::directory(house, self.name.as_str()).map_err(|e| Fail::at("open", &path, e))?;
            match spawner.spawn(nothing(), &Place::Into(group.as_fd()), &[]) {
                Ok(child) => match end_of(child, spawner) {
                    Some(NotStarted { stage: Stage::Exec, .. }) => return Ok(None),
                    // killed at birth: the kernel's trap
                    _ => refused.errno = Errno::ECHILD,
                },
                Err(e) => refused.errno = e,
            }
        }
        let procs = path.join("cgroup.procs");
        let written = c_path(&procs);
        let child = spawner.spawn(nothing(), &Place::Writes(written), &[]);
        let child = child.map_err(|e| Fail::at("start a process for cgroup", &path, e))?;
        match end_of(child, spawner) {
            Some(NotStarted { stage: Stage::Exec, .. }) => Ok(Some(refused)),
            Some(NotStarted { errno, .. }) => Err(Fail::at("write", &procs, errno)),
            None => Err(Fail::at("write", &procs, Errno::EIO)),
        }
    }

    /// The best rung of v2 that works.
    fn climb(&self, house: &mut House, wanted: Rung, spawner: &mut Spawner) -> (Rung, Option<Fail>) {
        house.freezer = kill::freeze(house, &self.name, true).is_ok();
        let frozen = house.freezer;
        // With clone3 alone: any other way would wait for the frozen child's exec.
        let child = match at::directory(house, self.name.as_str()) {
            Ok(group) if frozen && house.born_inside && spawner.way == Way::Clone3 => {
                spawner.spawn(nothing(), &Place::Into(group.as_fd()), &[]).ok()
            }
            _ => None,
        };
        let kill_file = format!("{}/cgroup.kill", self.name);
        let mut killed = at::write(house, kill_file.as_str(), b"1");
        if let Some(child) = child {
            if killed.is_ok() && !has_ended(&child) {
                killed = Err(Errno::ETIMEDOUT);
            }
            // a frozen process of v2 ends by SIGKILL all the same
            let _ = child.pidfd.signal(Signal::SIGKILL);
            end_of(child, spawner);
        }
        let _ = kill::freeze(house, &self.name, false);
        let missing = |file: &str, e| Fail::at("write", &house.path().join(&self.name).join(file), e);
        match (killed, frozen) {
            (Ok(()), _) if wanted == Rung::Kill => (Rung::Kill, None),
            (killed, true) if wanted.is_at_least(Rung::Freeze) => {
                (Rung::Freeze, killed.err().map(|e| missing("cgroup.kill", e)))
            }
            (_, frozen) => (Rung::List, (!frozen).then(|| missing("cgroup.freeze", Errno::ENOENT))),
        }
    }
}

/// A program that can't be executed: its failure shows that the child lived so far.
fn nothing() -> Program {
    Program {
        file: CString::default(),
        arguments: vec![c"probe".to_owned()],
        environment: Vec::new(),
        directory: c"/".to_owned(),
        session: false,
    }
}

/// Waits for the child's end, reaps it, and gives the spawner's verdict.
fn end_of(child: Child, spawner: &mut Spawner) -> Option<NotStarted> {
    has_ended(&child);
    reap::reap(Whom::Pid(child.pid));
    spawner.verdict(child.pid)
}

/// Waits for the child's end; false if it takes too long.
fn has_ended(child: &Child) -> bool {
    let mut fds = [PollFd::new(child.pidfd.as_fd(), PollFlags::POLLIN)];
    loop {
        match poll(&mut fds, PollTimeout::from(PATIENCE_MS)) {
            Err(Errno::EINTR) => {}
            result => return result == Ok(1),
        }
    }
}

pub(crate) fn c_path(path: &std::path::Path) -> CString {
    use std::os::unix::ffi::OsStrExt;
    // a path of the file system has no NUL
    CString::new(path.as_os_str().as_bytes()).unwrap_or_default()
}
