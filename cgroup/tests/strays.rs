//! Processes outside their service's group, and people inside: with groups and session files as logind makes
//! them, but made by the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use cgroup::sessions::Session;
use cgroup::strays::{Owner, Person, Search, Stray, bring_back, claimant};
use cgroup::walk::Walk;
use cgroup::{Containment, Group, House, Rung};
use common::{Service, contained, is_root, rungs_here, scenario, skipped, until};
use std::path::{Path, PathBuf};
use sys::process::{Identity, Stat, login_uid};
use sys::spawn::Spawner;

/// A machine with one service, some groups elsewhere, and sessions.
struct Scene {
    spawner: Spawner,
    containment: Option<Containment>,
    group: Group,
    /// A group beside the house, for others.
    foreign: PathBuf,
    sessions: PathBuf,
}

impl Scene {
    fn new(name: &str, rung: Rung) -> Scene {
        let mut spawner = Spawner::new().unwrap();
        let containment = contained(name, rung, &mut spawner);
        let base = containment.house().unwrap().path().parent().unwrap();
        let foreign = base.join(format!("foreign-{name}"));
        let sessions = std::env::temp_dir().join(format!("{name}-sessions"));
        std::fs::create_dir(&foreign).unwrap();
        std::fs::create_dir(&sessions).unwrap();
        let group = Group::new(b"service");
        Scene { spawner, containment: Some(containment), group, foreign, sessions }
    }

    fn house(&self) -> &House {
        self.containment.as_ref().unwrap().house().unwrap()
    }

    /// The group of whoever has opened it.
    fn claimant(&self, session: &Session) -> Option<String> {
        claimant(session, |stat| self.house().group_of(stat.pid))
    }

    fn start(&mut self, text: &str) -> Service {
        let house = self.containment.as_ref().unwrap().house().unwrap();
        let entry = self.group.entry(house).unwrap();
        Service::start(text, &entry.place(), &mut self.spawner)
    }

    /// Makes a session and its group.
    fn session(&self, id: &str, service: &str, leader: i32) -> Session {
        let text = format!("# private\nUID=1000\nSTATE=active\nSERVICE={service}\nLEADER={leader}\n");
        std::fs::write(self.sessions.join(id), text).unwrap();
        std::fs::create_dir(self.scope(id)).unwrap();
        Session::read(&self.sessions, id).unwrap()
    }

    /// A session's name that no other test uses.
    fn id(&self, letter: &str) -> String {
        format!("{letter}{}", std::process::id())
    }

    fn scope(&self, id: &str) -> PathBuf {
        self.foreign.join(format!("session-{id}.scope"))
    }

    fn find(&self, roots: &[Identity], claimed: &[String]) -> Vec<Stray> {
        let (house, group) = (self.house(), &self.group);
        let search = Search { house, group, roots, claimed, sessions: &self.sessions };
        search.find(&group.members(house).unwrap(), &Walk::now())
    }

    /// Kills the service and everything else in the scene, and takes it down.
    fn end(mut self, services: &[Service]) {
        let containment = self.containment.take().unwrap();
        let house = containment.house().unwrap();
        until("nobody is left", || {
            self.group.kill(house).unwrap();
            for group in std::fs::read_dir(&self.foreign).unwrap().flatten().map(|entry| entry.path()) {
                members(&group).into_iter().for_each(kill);
            }
            members(&self.foreign).into_iter().for_each(kill);
            services.iter().for_each(|service| {
                let _ = sys::reap::reap(sys::reap::Whom::Pid(service.child.pid));
            });
            self.spawner.reclaim();
            services.iter().all(|service| !service.is_alive()) && !self.group.populated(house).unwrap()
        });
        containment.leave().unwrap();
        for entry in std::fs::read_dir(&self.foreign).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                until("a group is removed", || std::fs::remove_dir(entry.path()).is_ok());
            }
        }
        until("the groups are removed", || std::fs::remove_dir(&self.foreign).is_ok());
        std::fs::remove_dir_all(&self.sessions).unwrap();
    }
}

fn members(group: &Path) -> Vec<i32> {
    let text = std::fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    text.lines().map(|line| line.parse().unwrap()).collect()
}

fn kill(pid: i32) {
    let pid = nix::unistd::Pid::from_raw(pid);
    let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
}

fn enter(group: &Path, pid: i32) {
    std::fs::write(group.join("cgroup.procs"), pid.to_string()).unwrap();
}

/// The pid of the only process whose parent is `parent`, when it has become `command`.
fn child(parent: i32, command: &str) -> i32 {
    let mut found = 0;
    until(&format!("a child {command}"), || {
        let walk = Walk::now();
        found = walk.children(parent).iter().find(|stat| stat.command == command).map_or(0, |stat| stat.pid);
        found != 0
    });
    found
}

fn on_rungs(name: &str, body: impl Fn(Scene)) {
    if !is_root() {
        return skipped("only root can make cgroups here");
    }
    for rung in rungs_here().into_iter().filter(|rung| matches!(rung, Rung::Kill | Rung::V1)) {
        body(Scene::new(name, rung));
    }
}

#[test]
fn whose_a_stray_is() {
    scenario("whose_a_stray_is", |name| {
        on_rungs(name, |mut scene| {
            let service = scene.start("sleep 1000 & echo x >&8; wait");
            service.wait_for(2);
            let leader = Identity::of(service.child.pid).unwrap();
            let sleep = child(leader.pid, "sleep");
            assert_eq!(scene.find(&[leader], &[]), []);

            let (c1, seven) = (scene.id("c"), scene.id("7"));
            scene.session(&c1, "su-l", sleep);
            enter(&scene.scope(&c1), sleep);
            let found = scene.find(&[leader], &[]);
            assert_eq!(found.len(), 1);
            assert_eq!((found[0].stat.pid, found[0].stat.command.as_str()), (sleep, "sleep"));
            assert_eq!(found[0].owner, Owner::Ours { session: c1.clone() });
            assert!(found[0].position.ends_with(format!("foreign-{name}/session-{c1}.scope")));

            scene.session(&seven, "sshd", sleep);
            enter(&scene.scope(&seven), sleep);
            let login = |service: Option<&str>| Owner::Login {
                session: seven.clone(),
                service: service.map(str::to_owned),
            };
            assert_eq!(scene.find(&[leader], &[])[0].owner, login(Some("sshd")));
            std::fs::remove_file(scene.sessions.join(&seven)).unwrap();
            assert_eq!(scene.find(&[leader], &[])[0].owner, login(None), "no longer known: not ours");

            enter(&scene.foreign, sleep);
            let found = scene.find(&[leader], &[]);
            assert_eq!(found[0].owner, Owner::Elsewhere);
            let containment = scene.containment.take().unwrap();
            bring_back(containment.house().unwrap(), &mut scene.group, &found[0]).unwrap();
            scene.containment = Some(containment);
            assert_eq!(scene.find(&[leader], &[]), []);
            let mut all = [leader.pid, sleep];
            all.sort_unstable();
            assert_eq!(scene.group.members(scene.house()).unwrap(), all);
            scene.end(&[service]);
        });
    });
}

/// `exec su - …`: nobody is left in the group, and the leader itself has to be brought back.
#[test]
fn a_leader_that_was_moved() {
    scenario("a_leader_that_was_moved", |name| {
        on_rungs(name, |mut scene| {
            let service = scene.start("echo x >&8; exec sleep 1000");
            service.wait_for(2);
            let leader = Identity::of(service.child.pid).unwrap();
            let c1 = scene.id("c");
            scene.session(&c1, "su", leader.pid);
            enter(&scene.scope(&c1), leader.pid);
            assert!(!scene.group.populated(scene.house()).unwrap());
            let found = scene.find(&[leader], &[]);
            assert_eq!(found.len(), 1);
            // somebody takes the empty group away
            let containment = scene.containment.take().unwrap();
            let house = containment.house().unwrap();
            scene.group.remove(house).unwrap();
            bring_back(house, &mut scene.group, &found[0]).unwrap();
            assert_eq!(scene.group.members(house).unwrap(), [leader.pid]);
            kill(leader.pid);
            until("the leader is reaped", || sys::reap::reap(sys::reap::Whom::Pid(leader.pid)).is_some());
            bring_back(house, &mut scene.group, &found[0]).unwrap();
            assert!(scene.group.members(house).unwrap().is_empty(), "the dead are let alone");
            scene.containment = Some(containment);
            scene.end(&[service]);
        });
    });
}

/// `su - user -c 'daemon &'`: su ends, and with it the chain. Found by the session, claimed when it appeared.
#[test]
fn a_daemon_whose_chain_is_cut() {
    scenario("a_daemon_whose_chain_is_cut", |name| {
        on_rungs(name, |mut scene| {
            let text = "sh -c 'setsid sleep 1000 & echo x >&8; read x' < $FIFO & wait; exec sleep 1000";
            let fifo = std::env::temp_dir().join(format!("{name}-fifo"));
            nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
            let service = scene.start(&format!("FIFO={}; {text}", fifo.display()));
            let end_of_su = std::fs::OpenOptions::new().write(true).open(&fifo).unwrap();
            service.wait_for(2);
            let leader = Identity::of(service.child.pid).unwrap();
            let su = child(leader.pid, "sh");
            let daemon = child(su, "sleep");

            // the session's file appears before the move
            let c1 = scene.id("c");
            let session = scene.session(&c1, "su-l", su);
            let claim = scene.claimant(&session);
            assert_eq!(claim.as_deref(), Some(scene.group.name()));
            enter(&scene.scope(&c1), su);
            enter(&scene.scope(&c1), daemon);
            let claim = scene.claimant(&session);
            assert_eq!(claim.as_deref(), Some(scene.group.name()), "by its parent");
            assert_eq!(scene.claimant(&scene.session(&scene.id("7"), "sshd", su)), None);
            assert_eq!(scene.find(&[leader], &[]).len(), 2);

            drop(end_of_su);
            until("su has ended", || Stat::read(su).is_none());
            assert_eq!(scene.claimant(&session), None, "too late");
            assert_eq!(scene.find(&[leader], &[]), [], "too late");
            let found = scene.find(&[leader], std::slice::from_ref(&c1));
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!((found[0].stat.pid, &found[0].owner), (daemon, &Owner::Ours { session: c1.clone() }));
            std::fs::remove_file(fifo).unwrap();
            scene.end(&[service]);
        });
    });
}

#[test]
fn people_are_set_aside() {
    scenario("people_are_set_aside", |name| {
        if !is_root() || login_uid_can_be_set().is_none() {
            return skipped("the login uid can't be set here");
        }
        on_rungs(name, |mut scene| {
            let text =
                "sh -c 'echo 12345 > /proc/self/loginuid; sleep 1000 & echo x >&8; wait' & echo x >&8; wait";
            let service = scene.start(text);
            service.wait_for(4);
            let leader = service.child.pid;
            let shell = child(leader, "sh");
            let sleep = child(shell, "sleep");
            let all = scene.group.members(scene.house()).unwrap();
            let people = |own| -> Vec<Person> {
                all.iter().filter_map(|&pid| Person::of(&Stat::read(pid)?, own)).collect()
            };
            let mut found = people(login_uid(leader));
            found.sort_by_key(|person| person.stat.start);
            let pids: Vec<i32> = found.iter().map(|person| person.stat.pid).collect();
            assert_eq!((pids, found[0].login_uid), (vec![shell, sleep], 12345));
            assert_eq!(people(Some(12345)), [], "the service was started by that very person");

            let containment = scene.containment.take().unwrap();
            let house = containment.house().unwrap();
            for person in &found {
                // each time as if for the first
                let mut aside = Group::people();
                aside.make(house).unwrap();
                assert_eq!(aside.name(), "people");
                aside.take_in(house, person.stat.pid).unwrap();
            }
            scene.containment = Some(containment);
            let identity = Identity::of(leader).unwrap();
            assert_eq!(scene.find(&[identity], &[]), [], "people set aside are not strays");
            let house = scene.containment.as_ref().unwrap().house().unwrap();
            until("the service is gone", || {
                scene.group.kill(house).unwrap();
                !scene.group.populated(house).unwrap()
            });
            assert!(service.is_alive());
            let mut aside = Group::people();
            let mut left = aside.members(house).unwrap();
            left.sort_by_key(|&pid| Stat::read(pid).map(|stat| stat.start));
            assert_eq!(left, [shell, sleep]);
            until("everybody is gone", || {
                aside.kill(house).unwrap();
                !aside.populated(house).unwrap()
            });
            scene.end(&[service]);
        });
    });
}

/// The real thing, on a machine with logind: it opens a session for su and moves it there.
#[test]
fn su_and_logind() {
    scenario("su_and_logind", |name| {
        let pam = std::fs::read_to_string("/etc/pam.d/common-session").unwrap_or_default();
        let logind = Path::new("/run/systemd/system").exists() && pam.contains("pam_systemd.so");
        if !is_root() || !logind || !rungs_here().contains(&Rung::Kill) {
            return skipped(
                "this is not root, or there is no logind, or no cgroup v2, where it moves processes",
            );
        }
        let mut scene = Scene::new(name, Rung::Kill);
        std::fs::remove_dir(&scene.sessions).unwrap();
        scene.sessions = cgroup::sessions::DIRECTORY.into();
        let su = "su -s /bin/sh nobody -c 'setsid sleep 1000 & echo x >&8; wait'";
        let service = scene.start(&format!("{su} & echo x >&8; wait"));
        service.wait_for(4);
        let leader = Identity::of(service.child.pid).unwrap();
        let su = child(leader.pid, "su");
        let mut found = Vec::new();
        until("logind has moved su and what it has started", || {
            found = scene.find(&[leader], &[]);
            found.len() == 3
        });
        let Owner::Ours { session } = found[0].owner.clone() else { panic!("{:?}", found[0]) };
        assert!(found.iter().all(|stray| stray.owner == found[0].owner), "{found:?}");
        let file = Session::read(&scene.sessions, &session).unwrap();
        assert_eq!((file.service.as_str(), file.leader), ("su", Some(su)));
        assert_eq!(scene.claimant(&file).as_deref(), Some(scene.group.name()), "by its parent");
        let containment = scene.containment.take().unwrap();
        let house = containment.house().unwrap();
        for stray in &found {
            bring_back(house, &mut scene.group, stray).unwrap();
        }
        assert_eq!(scene.group.members(house).unwrap().len(), 4);
        until("the service is gone", || {
            scene.group.kill(house).unwrap();
            !scene.group.populated(house).unwrap()
        });
        scene.containment = Some(containment);
        service.wait_for_end(&mut scene.spawner);
        until("its session is closed", || Session::read(&scene.sessions, &session).is_none());
        scene.sessions = std::env::temp_dir().join(format!("{name}-sessions"));
        std::fs::create_dir(&scene.sessions).unwrap();
        scene.end(&[]);
    });
}

/// In a process of its own: it can be set only once.
fn login_uid_can_be_set() -> Option<()> {
    let test = "echo 12345 > /proc/self/loginuid && grep -qx 12345 /proc/self/loginuid";
    let command = std::process::Command::new("sh")
        .args(["-c", &format!("sh -c 'read x < /proc/self/loginuid; {test}'")])
        .output();
    command.is_ok_and(|output| output.status.success()).then_some(())
}
