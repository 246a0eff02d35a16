//! The lowest rung: what descends from a fold root.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use cgroup::subtree::Tree;
use cgroup::{Containment, Request, Rung};
use common::{Service, is_root, scenario, scenario_by, script, skipped, until};
use nix::sys::signal::Signal;
use std::os::fd::AsFd;
use sys::foldroot::{FoldRoot, Report};
use sys::process::{Identity, Pidfd, Stat};
use sys::spawn::{Place, Spawner};

const REPORT: i32 = 40;

/// A service below a fold root, and everything that it takes to find it.
struct Fold {
    service: Service,
    root: Identity,
    leader: Identity,
}

fn start(text: &str, spawner: &mut Spawner) -> Fold {
    let foldroot = FoldRoot::prepare(&std::env::temp_dir(), spawner).unwrap();
    let (mut reports, report) = std::io::pipe().unwrap();
    let program = foldroot.above(script(text), REPORT);
    let service = Service::start_program(program, &[(report.as_fd(), REPORT)], &Place::Here, spawner);
    let mut record = [0; sys::foldroot::RECORD];
    std::io::Read::read_exact(&mut reports, &mut record).unwrap();
    let Some(Report::Started { pid }) = Report::parse(&record) else { panic!("{record:?}") };
    let root = Identity::of(service.child.pid).unwrap();
    // it may have ended already
    Fold { service, root, leader: Identity::of(pid).unwrap_or(Identity { pid, start: 0 }) }
}

impl Drop for Fold {
    /// Also when a test fails: there is no group by which to find what is left.
    fn drop(&mut self) {
        let tree = Tree { root: self.root, known: &[self.leader], spared: &[] };
        for _ in 0..1000 {
            if tree.kill().complete && tree.members().is_empty() {
                return;
            }
        }
    }
}

impl Fold {
    fn tree(&self) -> Tree<'_> {
        Tree { root: self.root, known: &[], spared: &[] }
    }

    fn sweep(&self, spawner: &mut Spawner) {
        until("nobody is left", || {
            assert_eq!(self.tree().kill().refused, None);
            self.tree().members().is_empty()
        });
        // the fold root has ended by itself
        self.service.wait_for_end(spawner);
    }
}

/// Starts a script below a fold root, kills it, and looks for survivors.
fn none_survives(text: &str, ready: usize) {
    let mut spawner = Spawner::new().unwrap();
    let containment = probe("unused", &mut spawner);
    assert!(containment.house().is_none());
    let fold = start(text, &mut spawner);
    fold.service.wait_for(ready);
    assert!(fold.service.is_alive());
    fold.sweep(&mut spawner);
    containment.leave().unwrap();
}

fn probe(house: &str, spawner: &mut Spawner) -> Containment {
    let request = Request { house, rung: Some(Rung::Subtree), earlier: None };
    let containment = Containment::probe(&request, spawner);
    assert_eq!((containment.rung, &containment.why_not_more), (Rung::Subtree, &None));
    assert!(!containment.cannot_catch.is_empty());
    containment
}

#[test]
fn sessions_and_orphans() {
    scenario("sessions_and_orphans", |_| {
        none_survives("trap '' TERM HUP; setsid sleep 1000 & (setsid sleep 1000 &); echo x >&8; wait", 2);
    });
}

/// The leader has ended, so has its child; what is left has no ancestor but the fold root.
#[test]
fn a_daemon() {
    scenario("a_daemon", |_| {
        none_survives("(setsid sh -c 'echo x >&8; exec sleep 1000' &)", 2);
    });
}

#[test]
fn comets() {
    scenario("comets", |_| {
        none_survives("f() { f & }; f; f; f; echo x >&8; exec sleep 1000", 2);
    });
}

#[test]
fn stopped_processes() {
    scenario("stopped_processes", |_| {
        none_survives("sleep 1000 & kill -STOP $!; echo x >&8; wait", 2);
    });
}

/// A supervisor in a supervisor: what is below the inner fold root is below the outer one.
#[test]
fn a_subreaper_inside() {
    scenario("a_subreaper_inside", |_| {
        let mut spawner = Spawner::new().unwrap();
        let inner = FoldRoot::prepare(&std::env::temp_dir(), &mut spawner).unwrap();
        let program = inner.above(script("(setsid sleep 1000 &); echo x >&8; sleep 1000"), 39);
        let outer = FoldRoot::prepare(&std::env::temp_dir(), &mut spawner).unwrap();
        let program = outer.above(program, REPORT);
        let (_reports, report) = std::io::pipe().unwrap();
        let service =
            Service::start_program(program, &[(report.as_fd(), REPORT)], &Place::Here, &mut spawner);
        service.wait_for(2);
        let root = Identity::of(service.child.pid).unwrap();
        let tree = Tree { root, known: &[], spared: &[] };
        // the inner fold root, the shell, two sleeps
        until("all are found", || tree.members().len() == 4);
        until("nobody is left", || {
            tree.kill();
            tree.members().is_empty()
        });
        service.wait_for_end(&mut spawner);
    });
}

#[test]
fn stopped_and_resumed() {
    scenario("stopped_and_resumed", |_| {
        let mut spawner = Spawner::new().unwrap();
        let fold = start("sleep 1000 & (setsid sleep 1000 &); echo x >&8; wait", &mut spawner);
        fold.service.wait_for(2);
        let all = |state: u8| fold.tree().members().iter().all(|stat| stat.state == state);
        until("all are stopped", || fold.tree().stop() && all(b'T'));
        fold.tree().resume();
        until("all go on", || all(b'S'));
        fold.sweep(&mut spawner);
    });
}

#[test]
fn the_spared_live_on() {
    scenario("the_spared_live_on", |_| {
        let mut spawner = Spawner::new().unwrap();
        let fold = start("setsid sleep 1000 & echo x >&8; wait", &mut spawner);
        fold.service.wait_for(2);
        let mut sleep = None;
        until("it sleeps", || {
            sleep = fold.tree().members().iter().find(|stat| stat.command == "sleep").map(Stat::identity);
            sleep.is_some()
        });
        let sleep = sleep.unwrap();
        let tree = Tree { spared: &[sleep], ..fold.tree() };
        until("nobody else is left", || {
            tree.kill();
            tree.members().is_empty()
        });
        until("the leader is reaped", || !fold.leader.exists());
        assert_ne!(Stat::read(sleep.pid).unwrap().state, b'T');
        fold.sweep(&mut spawner);
    });
}

/// Somebody has killed the fold root. Its orphans come to us; what was known is still found, and what it starts.
#[test]
fn a_killed_root() {
    scenario("a_killed_root", |_| {
        sys::process::become_subreaper().unwrap();
        let mut spawner = Spawner::new().unwrap();
        let fold = start("echo x >&8; sleep 1000 & wait", &mut spawner);
        fold.service.wait_for(2);
        until("both are there", || fold.tree().members().len() == 2);
        Pidfd::of(fold.root).unwrap().signal(Signal::SIGKILL).unwrap();
        until("it is gone", || sys::reap::reap(sys::reap::Whom::Pid(fold.root.pid)).is_some());
        assert!(fold.tree().members().is_empty());
        let tree = Tree { known: &[fold.leader], ..fold.tree() };
        assert_eq!(tree.members().len(), 2);
        until("nobody is left", || {
            tree.kill();
            while sys::reap::reap(sys::reap::Whom::Any).is_some() {}
            tree.members().is_empty()
        });
        until("the leash is let go", || {
            spawner.reclaim();
            !fold.service.is_alive()
        });
    });
}

#[test]
fn as_an_ordinary_user() {
    let wrapper = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"];
    if !is_root() {
        return skipped("this is one already");
    }
    scenario_by(&wrapper, "as_an_ordinary_user", |name| {
        let mut spawner = Spawner::new().unwrap();
        let request = Request { house: name, rung: None, earlier: None };
        let containment = Containment::probe(&request, &mut spawner);
        assert_eq!(containment.rung, Rung::Subtree);
        let why = containment.why_not_more.as_deref().unwrap();
        assert!(why.contains("make cgroup /sys/fs/cgroup") && why.contains("permission denied"), "{why}");
        assert!(containment.advice.as_deref().unwrap().contains("Delegate=yes"));
        println!("{why}\n{:?}\n{:?}", containment.advice, containment.cannot_catch);
        let fold = start("f() { f & }; f; (setsid sleep 1000 &); echo x >&8; exec sleep 1000", &mut spawner);
        fold.service.wait_for(2);
        fold.sweep(&mut spawner);
        containment.leave().unwrap();
    });
}
