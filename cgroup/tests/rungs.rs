//! Every rung of the ladder, on this machine's own groups.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use cgroup::{Entry, Group, House, Rung};
use common::{Service, contained, is_root, own_position, rungs_here, scenario, skipped, until};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use sys::spawn::{Place, Spawner};

/// Kills until nobody is left, as the supervisor does, and proves it by removing the group.
fn sweep(group: &mut Group, house: &House) {
    until("the group is empty", || {
        let pass = group.kill(house).unwrap();
        assert_eq!(pass.refused, None);
        !group.populated(house).unwrap()
    });
    until("the group is removed", || group.remove(house).is_ok());
    assert!(!group.path(house).exists());
}

fn on_every_rung(house: &str, mut body: impl FnMut(&House, &mut Spawner)) {
    if !is_root() {
        return skipped("only root can make cgroups here");
    }
    let mut spawner = Spawner::new().unwrap();
    for rung in rungs_here() {
        let containment = contained(house, rung, &mut spawner);
        println!("{rung}: {}", containment.house().unwrap().path().display());
        body(containment.house().unwrap(), &mut spawner);
        containment.leave().unwrap();
    }
}

/// Starts a script in a group of its own, kills it, and looks for survivors.
fn none_survives(house: &str, text: &str, ready: usize) {
    on_every_rung(house, |house, spawner| {
        let mut group = Group::new(b"service");
        let entry = group.entry(house).unwrap();
        let service = Service::start(text, &entry.place(), spawner);
        service.wait_for(ready);
        assert!(group.populated(house).unwrap() && service.is_alive());
        sweep(&mut group, house);
        service.wait_for_end(spawner);
        assert!(group.members(house).unwrap().is_empty());
    });
}

#[test]
fn every_rung_is_here() {
    for rung in Rung::LADDER {
        if rung != Rung::Subtree && !rungs_here().contains(&rung) {
            skipped(&format!("nothing is tested on rung {rung}: this machine has no such hierarchy"));
        }
    }
}

#[test]
fn the_house_is_entered_and_left() {
    scenario("the_house_is_entered_and_left", |house| {
        on_every_rung(house, |house, _| {
            assert_eq!(own_position(house), house.position().join("supervisor"));
            assert_eq!(house.groups(), Vec::<String>::new(), "the trial's group is gone");
            assert_eq!(house.born_inside(), house.rung() != Rung::V1);
            assert!(house.can_freeze() && !house.is_adopted());
        });
    });
}

#[test]
fn a_process_in_another_session() {
    scenario("a_process_in_another_session", |house| {
        none_survives(house, "trap '' TERM; setsid sleep 1000 & (setsid sleep 1000 &) ; echo x >&8; wait", 2);
    });
}

#[test]
fn an_orphan_without_a_leader() {
    scenario("an_orphan_without_a_leader", |house| {
        on_every_rung(house, |house, spawner| {
            let mut group = Group::new(b"service");
            let entry = group.entry(house).unwrap();
            let service = Service::start("(setsid sleep 1000 &)", &entry.place(), spawner);
            until("the leader is gone", || {
                sys::reap::reap(sys::reap::Whom::Pid(service.child.pid)).is_some()
            });
            assert_eq!(group.members(house).unwrap().len(), 1);
            sweep(&mut group, house);
            spawner.reclaim();
            until("the leash is let go", || !service.is_alive());
        });
    });
}

/// Each process lives for one fork only.
#[test]
fn comets() {
    scenario("comets", |house| {
        let text = "f() { f & }; f; f; f; echo x >&8; exec sleep 1000";
        none_survives(house, text, 2);
    });
}

/// Groups in the group, with names that are no text, deep, and one of them frozen by its own maker.
#[test]
fn sub_groups() {
    scenario("sub_groups", |house| {
        let text = r#"
            here=$GROUP; odd=$(printf 'o\377d d')
            mkdir "$here/$odd" "$here/a" "$here/a/b" "$here/a/empty"
            enter() { echo 0 > "$1/cgroup.procs"; }
            sh -c 'echo 0 > "$1/cgroup.procs"; echo x >&8; exec sleep 1000' sh "$here/$odd" &
            sh -c 'echo 0 > "$1/cgroup.procs"; echo x >&8; exec sleep 1000' sh "$here/a/b" &
            sh -c 'echo 0 > "$1/cgroup.procs"; echo x >&8; exec sleep 1000' sh "$here/a" &
            wait_for() { until grep -q "$1" "$2"; do sleep 0.01; done; }
            until [ "$(cat "$here/a/b/cgroup.procs" | wc -l)" = 1 ]; do sleep 0.01; done
            if [ -e "$here/a/b/cgroup.freeze" ]
            then echo 1 > "$here/a/b/cgroup.freeze"; wait_for 'frozen 1' "$here/a/b/cgroup.events"
            else echo FROZEN > "$here/a/b/freezer.state"; wait_for FROZEN "$here/a/b/freezer.state"
            fi
            echo x >&8
            wait
        "#;
        on_every_rung(house, |house, spawner| {
            let mut group = Group::new(b"service");
            let entry = group.entry(house).unwrap();
            let text = format!("GROUP={}\n{text}", group.path(house).display());
            let service = Service::start(&text, &entry.place(), spawner);
            // three that are inside, or frozen just before they can say so; and the script
            service.wait_for(6);
            until("all are listed", || group.members(house).unwrap().len() >= 4);
            assert_eq!(group.remove(house), Err(nix::errno::Errno::EBUSY));
            assert!(group.path(house).join("a/empty").exists(), "nothing of a living group is touched");
            sweep(&mut group, house);
            service.wait_for_end(spawner);
        });
    });
}

/// A thousand groups side by side, and three hundred one in another.
#[test]
fn many_empty_sub_groups_are_removed() {
    scenario("many_empty_sub_groups_are_removed", |house| {
        on_every_rung(house, |house, _| {
            let mut group = Group::new(b"service");
            group.make(house).unwrap();
            let mut path = group.path(house);
            for n in 0..1000 {
                std::fs::create_dir(path.join(format!("{n}"))).unwrap();
            }
            for _ in 0..300 {
                path.push("deeper");
                std::fs::create_dir(&path).unwrap();
            }
            assert!(!group.populated(house).unwrap());
            assert!(group.members(house).unwrap().is_empty());
            group.remove(house).unwrap();
            assert!(!group.path(house).exists());
        });
    });
}

/// More members than we may have descriptors: they are held some at a time, each once, and all are.
#[test]
fn many_members_and_few_descriptors() {
    const MEMBERS: usize = 40;
    scenario("many_members_and_few_descriptors", |house| {
        on_every_rung(house, |house, spawner| {
            let mut group = Group::new(b"service");
            let entry = group.entry(house).unwrap();
            let text = format!("for i in $(seq {MEMBERS}); do sleep 1000 & echo x >&8; done; wait");
            let service = Service::start(&text, &entry.place(), spawner);
            service.wait_for(2 * MEMBERS);
            drop(entry);
            let open = std::fs::read_dir("/proc/self/fd").unwrap().count();
            let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
            let highest = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
            let highest = highest.filter_map(|entry| entry.file_name().to_str()?.parse::<u64>().ok()).max();
            setrlimit(Resource::RLIMIT_NOFILE, highest.unwrap() + 15, hard).unwrap();
            let mut held = Vec::new();
            group.hold(house, |pid, handle| held.push((pid, handle.has_ended()))).unwrap();
            setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
            let all = group.members(house).unwrap();
            assert_eq!(held, all.iter().map(|&pid| (pid, false)).collect::<Vec<_>>());
            assert!(held.len() > MEMBERS, "{held:?}");
            let after = std::fs::read_dir("/proc/self/fd").unwrap().count();
            assert_eq!(open, after, "what was held is closed");
            sweep(&mut group, house);
            service.wait_for_end(spawner);
        });
    });
}

#[test]
fn a_process_whose_first_thread_has_ended() {
    scenario("a_process_whose_first_thread_has_ended", |house| {
        let program = std::env::temp_dir().join(format!("{house}-threads"));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/threads.c");
        let built =
            std::process::Command::new("cc").arg("-pthread").arg("-o").arg(&program).arg(source).status();
        if !built.is_ok_and(|status| status.success()) {
            return skipped("no C compiler");
        }
        none_survives(house, &format!("exec {}", program.display()), 1);
        std::fs::remove_file(program).unwrap();
    });
}

/// v2 only: threads in groups of their own. The group that holds them lists no processes.
#[test]
fn a_threaded_sub_group() {
    scenario("a_threaded_sub_group", |house| {
        on_every_rung(house, |house, spawner| {
            if house.rung() == Rung::V1 {
                return;
            }
            let mut group = Group::new(b"service");
            let entry = group.entry(house).unwrap();
            let text = "mkdir $GROUP/t; echo threaded > $GROUP/t/cgroup.type; sleep 1000 & \
                        echo $! > $GROUP/t/cgroup.threads; echo x >&8; wait";
            let text = format!("GROUP={}\n{text}", group.path(house).display());
            let service = Service::start(&text, &entry.place(), spawner);
            service.wait_for(2);
            let kind = std::fs::read_to_string(group.path(house).join("t/cgroup.type")).unwrap();
            assert_eq!(kind, "threaded\n");
            assert_eq!(group.members(house).unwrap().len(), 2);
            sweep(&mut group, house);
            service.wait_for_end(spawner);
        });
    });
}

#[test]
fn a_group_frozen_by_a_pause_is_killed() {
    scenario("a_group_frozen_by_a_pause_is_killed", |house| {
        on_every_rung(house, |house, spawner| {
            let mut group = Group::new(b"service");
            let entry = group.entry(house).unwrap();
            let service = Service::start("echo x >&8; sleep 1000 & wait", &entry.place(), spawner);
            service.wait_for(2);
            until("frozen", || group.freeze(house).unwrap());
            until("thawed", || group.thaw(house).unwrap());
            until("frozen", || group.freeze(house).unwrap());
            sweep(&mut group, house);
            service.wait_for_end(spawner);
        });
    });
}

/// The kernel's trap: whatever is born into a group that was ever killed is killed at birth.
#[test]
fn a_group_that_was_killed_is_made_anew() {
    scenario("a_group_that_was_killed_is_made_anew", |house| {
        on_every_rung(house, |house, spawner| {
            let mut group = Group::new(b"service");
            for _ in 0..3 {
                let entry = group.entry(house).unwrap();
                let service = Service::start("echo x >&8; exec sleep 1000", &entry.place(), spawner);
                // the proof: it lives
                service.wait_for(2);
                until("the group is empty", || {
                    group.kill(house).unwrap();
                    !group.populated(house).unwrap()
                });
                service.wait_for_end(spawner);
                // not removed: the next turn's `entry` has to see to it
            }
            group.remove(house).unwrap();
        });
    });
}

/// What the supervisor would meet without that; if this kernel has no such trap, it says so.
#[test]
fn the_trap_is_real() {
    scenario("the_trap_is_real", |house| {
        if !is_root() {
            return skipped("only root can make cgroups here");
        }
        if !rungs_here().contains(&Rung::Kill) {
            return skipped("there is no cgroup v2 here");
        }
        let mut spawner = Spawner::new().unwrap();
        let containment = contained(house, Rung::Kill, &mut spawner);
        let house = containment.house().unwrap();
        let mut group = Group::new(b"service");
        let Entry::Into(fd) = group.entry(house).unwrap() else { panic!("born inside") };
        group.kill(house).unwrap();
        let place = Place::Into(std::os::fd::AsFd::as_fd(&fd));
        let service = Service::start("echo x >&8; exec sleep 1000", &place, &mut spawner);
        let mut end = None;
        until("it is killed, or speaks", || {
            end = sys::reap::reap(sys::reap::Whom::Pid(service.child.pid));
            end.is_some()
                || std::fs::read_to_string(format!("/proc/{}/cmdline", service.child.pid))
                    .is_ok_and(|c| c.contains("sleep 1000") && !c.contains("scenario"))
        });
        match end {
            Some(_) => {
                let verdict = spawner.verdict(service.child.pid).expect("it never became the program");
                assert_eq!(verdict.stage, sys::spawn::Stage::Birth);
                // the other way in still works
                let entry = Entry::Writes(
                    std::ffi::CString::new(group.path(house).join("cgroup.procs").to_str().unwrap()).unwrap(),
                );
                let service = Service::start("echo x >&8; exec sleep 1000", &entry.place(), &mut spawner);
                service.wait_for(2);
                sweep(&mut group, house);
                service.wait_for_end(&mut spawner);
            }
            None => {
                skipped("this kernel does not kill at birth");
                sweep(&mut group, house);
                service.wait_for_end(&mut spawner);
            }
        }
        containment.leave().unwrap();
    });
}

/// A group that can't be removed (here because of another's process in it) is replaced, not shared.
#[test]
fn a_group_in_use_gets_a_successor() {
    scenario("a_group_in_use_gets_a_successor", |house| {
        on_every_rung(house, |house, spawner| {
            let mut old = Group::new(b"service");
            let entry = old.entry(house).unwrap();
            let service = Service::start("echo x >&8; exec sleep 1000", &entry.place(), spawner);
            service.wait_for(2);
            let mut new = Group::new(b"service");
            new.make(house).unwrap();
            assert_eq!((old.name(), new.name()), ("service.service", "service.service.1"));
            let found = Group::find(house, b"service").unwrap();
            assert_eq!(found.name(), old.name(), "the one with somebody in it");
            assert!(Group::find(house, b"other").is_none());
            assert_eq!(house.tidy(), [old.name()], "the empty one goes");
            sweep(&mut old, house);
            service.wait_for_end(spawner);
            new.entry(house).unwrap();
            assert_eq!(new.name(), "service.service", "made again, under its first name");
            assert!(new.path(house).exists());
            new.remove(house).unwrap();
        });
    });
}

/// A house with living services is taken over by the next supervisor, or left alone.
#[test]
fn an_earlier_supervisors_house() {
    scenario("an_earlier_supervisors_house", |name| {
        if !is_root() {
            return skipped("only root can make cgroups here");
        }
        let mut spawner = Spawner::new().unwrap();
        for rung in rungs_here() {
            let first = contained(name, rung, &mut spawner);
            let house = first.house().unwrap();
            let path = house.path().to_owned();
            let mut group = Group::new(b"service");
            let entry = group.entry(house).unwrap();
            let service = Service::start("echo x >&8; exec sleep 1000", &entry.place(), &mut spawner);
            service.wait_for(2);
            drop(first);
            // a supervisor died in the middle of its trials
            let trial = path.join("probe");
            std::fs::create_dir(&trial).unwrap();
            let mut tried = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
            std::fs::write(trial.join("cgroup.procs"), tried.id().to_string()).unwrap();
            let freeze = ["cgroup.freeze", "freezer.state"].map(|file| trial.join(file));
            if rung.is_at_least(Rung::Freeze) {
                std::fs::write(&freeze[0], "1").unwrap();
            } else if freeze[1].exists() {
                std::fs::write(&freeze[1], "FROZEN").unwrap();
            }
            // this process sits in the house: as after a re-exec, or a restart by the guardian
            let request = cgroup::Request { house: name, rung: Some(rung), earlier: Some(&path) };
            let second = cgroup::Containment::probe(&request, &mut spawner);
            let house = second.house().unwrap();
            assert!(house.is_adopted());
            assert_eq!(house.path(), path);
            tried.wait().unwrap();
            assert_ne!(own_position(house), house.position().join("supervisor"), "a fresh seat");
            let mut group = Group::find(house, b"service").unwrap();
            assert_eq!(group.members(house).unwrap(), [service.child.pid]);
            // whether it was killed is not known, and it can't be made anew: the way in that is never a trap
            let entry = group.entry(house).unwrap();
            assert!(matches!(entry, Entry::Writes(_)) && group.name() == "service.service");
            let second_service = Service::start("echo x >&8; exec sleep 1000", &entry.place(), &mut spawner);
            second_service.wait_for(2);
            assert_eq!(group.members(house).unwrap().len(), 2);
            let failed = second.leave().unwrap_err();
            assert_eq!(failed.errno, nix::errno::Errno::EBUSY);
            assert!(failed.to_string().contains("service.service"), "{failed}");
            // another supervisor, which does not know of it, while somebody sits in it
            let seat = path.join("supervisor.7");
            std::fs::create_dir(&seat).unwrap();
            let mut sits = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
            std::fs::write(seat.join("cgroup.procs"), sits.id().to_string()).unwrap();
            let third = contained(name, rung, &mut spawner);
            let other = third.house().unwrap();
            assert_eq!(other.path().file_name().unwrap().to_str().unwrap(), format!("pinfold.{name}.1"));
            assert_eq!(other.neighbour(), Some(sits.id() as i32));
            third.leave().unwrap();
            // and after that one's end
            sits.kill().unwrap();
            sits.wait().unwrap();
            let fourth = contained(name, rung, &mut spawner);
            assert!(fourth.house().unwrap().is_adopted());
            sweep(&mut group, fourth.house().unwrap());
            service.wait_for_end(&mut spawner);
            second_service.wait_for_end(&mut spawner);
            fourth.leave().unwrap();
            assert!(!path.exists());
        }
    });
}
