//! Support for the tests on real groups.
//!
//! A probe moves its process, and a spawner overwrites descriptors, so each scenario runs in a process of
//! its own: the test's executable again, with one test selected.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)] // each test uses a part

use cgroup::{Containment, House, Request, Rung};
use std::ffi::CString;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use sys::reap::{Whom, reap};
use sys::spawn::{Child, Place, Program, Spawner};

const SCENARIO: &str = "PINFOLD_TEST_SCENARIO";
const HOUSE: &str = "PINFOLD_TEST_HOUSE";

/// Runs `body` in a process of its own. `name` is the test's; `wrapper` a command to start it by. Returns in
/// both processes; true in the one that is the test.
pub(crate) fn scenario_by(wrapper: &[&str], name: &str, body: impl FnOnce(&str)) -> bool {
    if std::env::var(SCENARIO).is_ok_and(|wanted| wanted == name) {
        body(&std::env::var(HOUSE).unwrap());
        return false;
    }
    let house = format!("test-{}-{name}", std::process::id());
    let _sweeper = Sweeper(house.clone());
    let executable = std::env::current_exe().unwrap();
    let mut words: Vec<&std::ffi::OsStr> = wrapper.iter().map(|word| word.as_ref()).collect();
    words.push(executable.as_os_str());
    // to a file: a pipe would have to wait for the end of everything a failed scenario leaves behind
    let log = std::env::temp_dir().join(&house);
    let file = std::fs::File::create(&log).unwrap();
    let status = Command::new(words[0])
        .args(&words[1..])
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(SCENARIO, name)
        .env(HOUSE, &house)
        .stdin(Stdio::null())
        .stdout(file.try_clone().unwrap())
        .stderr(file)
        .status()
        .unwrap_or_else(|e| panic!("{words:?}: {e}"));
    let out = std::fs::read_to_string(&log).unwrap();
    std::fs::remove_file(log).unwrap();
    for line in out.lines().filter(|line| line.starts_with("SKIPPED")) {
        println!("{line}");
    }
    assert!(status.success(), "{status}\n{out}");
    // one test ran, not none
    assert!(out.contains("1 passed"), "{out}");
    let left = groups_named(&house);
    assert!(left.is_empty(), "left behind: {left:?}");
    true
}

/// Runs `body` in a process of its own.
pub(crate) fn scenario(name: &str, body: impl FnOnce(&str)) {
    scenario_by(&["env"], name, body);
}

/// Says loudly that a test can't run here.
pub(crate) fn skipped(why: &str) {
    println!("SKIPPED: {}: {why}", std::thread::current().name().unwrap_or("?"));
}

/// The rungs with groups that this machine has. One test says loudly which it has not.
pub(crate) fn rungs_here() -> Vec<Rung> {
    let mounts = cgroup::mounts::parse(&std::fs::read("/proc/self/mountinfo").unwrap());
    let v1 = |mount: &cgroup::mounts::Mount| mount.hierarchy != cgroup::mounts::Hierarchy::V2;
    let mut rungs = Vec::new();
    if !mounts.iter().all(v1) {
        rungs.extend([Rung::Kill, Rung::Freeze, Rung::List]);
    }
    if mounts.iter().any(v1) {
        rungs.push(Rung::V1);
    }
    rungs
}

/// Whether this process may make groups.
pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Waits for a condition, for as long as it takes within reason.
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(1)); // bounded: a minute, then it fails
    }
}

/// A probe for a rung; it must be given.
pub(crate) fn contained(house: &str, rung: Rung, spawner: &mut Spawner) -> Containment {
    let request = Request { house, rung: Some(rung), earlier: None };
    let containment = Containment::probe(&request, spawner);
    assert_eq!(containment.rung, rung, "{:?}", containment.why_not_more);
    containment
}

/// A shell script, as a program.
pub(crate) fn script(text: &str) -> Program {
    let c = |s: &str| CString::new(s).unwrap();
    Program {
        file: c("/bin/sh"),
        arguments: vec![c("sh"), c("-c"), c(text)],
        environment: vec![c("PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")],
        directory: c("/"),
        session: true,
    }
}

/// A service: its leader, and a pipe that is inherited by all its processes.
pub(crate) struct Service {
    pub(crate) child: Child,
    leash: OwnedFd,
    said: OwnedFd,
}

impl Service {
    /// Starts a script; descriptor 9 is the leash, 8 is for saying that it is ready.
    pub(crate) fn start(text: &str, place: &Place<'_>, spawner: &mut Spawner) -> Service {
        Service::start_program(script(text), &[], place, spawner)
    }

    /// The same with any program and descriptors.
    pub(crate) fn start_program(
        program: Program,
        more: &[(BorrowedFd<'_>, i32)],
        place: &Place<'_>,
        spawner: &mut Spawner,
    ) -> Service {
        let (leash, held) = pipe();
        let (said, say) = pipe();
        let mut fds = vec![(held.as_fd(), 9), (say.as_fd(), 8)];
        fds.extend(more);
        let child = spawner.spawn(program, place, &fds).unwrap();
        drop((held, say));
        Service { child, leash, said }
    }

    /// Waits until the script has written to descriptor 8 that many bytes.
    pub(crate) fn wait_for(&self, bytes: usize) {
        let mut text = vec![0; bytes];
        let mut file = std::fs::File::from(self.said.try_clone().unwrap());
        file.read_exact(&mut text).expect("the service ended before it was ready");
    }

    /// Whether any process of the service still exists, told by the leash: whoever holds it.
    pub(crate) fn is_alive(&self) -> bool {
        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
        let mut fds = [PollFd::new(self.leash.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).unwrap() == 0
    }

    /// Waits until every process of the service is gone, and reaps the leader.
    pub(crate) fn wait_for_end(&self, spawner: &mut Spawner) {
        until("the leash is let go", || {
            // the tray holds it too, until then
            spawner.reclaim();
            !self.is_alive()
        });
        until("the leader is reaped", || reap(Whom::Pid(self.child.pid)).is_some());
    }
}

fn pipe() -> (OwnedFd, OwnedFd) {
    let (reader, writer) = std::io::pipe().unwrap();
    (reader.into(), writer.into())
}

/// Directories of groups with `name` in their path, in every hierarchy that is mounted, the deepest first.
pub(crate) fn groups_named(name: &str) -> Vec<PathBuf> {
    let mounts = cgroup::mounts::parse(&std::fs::read("/proc/self/mountinfo").unwrap());
    let mut found = Vec::new();
    mounts.iter().for_each(|mount| below(&mount.point, &mut found));
    found.retain(|group| group.to_string_lossy().contains(name));
    found
}

fn below(group: &Path, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(group).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        below(&entry.path(), found);
    }
    found.push(group.to_owned());
}

/// Removes what a failed scenario has left, and nothing else.
struct Sweeper(String);

impl Drop for Sweeper {
    fn drop(&mut self) {
        for _ in 0..100 {
            let groups = groups_named(&self.0);
            for group in &groups {
                let write = |file: &str, text: &str| drop(std::fs::write(group.join(file), text));
                write("cgroup.freeze", "0");
                write("cgroup.kill", "1");
                let members = std::fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
                for pid in members.lines().filter_map(|line| line.parse().ok()) {
                    let _ = nix::sys::signal::kill(
                        nix::unistd::Pid::from_raw(pid),
                        nix::sys::signal::Signal::SIGKILL,
                    );
                }
                write("freezer.state", "THAWED");
                let _ = std::fs::remove_dir(group);
            }
            if groups.is_empty() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10)); // bounded: by the loop around it
        }
    }
}

/// The group this process is in, in the house's hierarchy.
pub(crate) fn own_position(house: &House) -> PathBuf {
    house.position_of(std::process::id() as i32).unwrap()
}
