//! The table is lost, with all of the run directory, while services go on: nothing tells of them any more, and still
//! nobody is started beside them.

use std::fs::{self, File};

use nix::sys::signal::Signal;
use pinfold::table;

use super::common::processes::Process;
use super::common::{Family, Sandbox};
use super::scene::{COUNTS, LOGS, Scene, assert_counted};

/// Each generation holds a lock for as long as anybody of it is alive, and says so if it is not alone.
const ALONE: &str = "#!/bin/sh\nexec 9>>lock\nflock -n 9 || echo $$ >>overlaps\necho $$ >>starts\n\
                     (trap '' HUP; exec sleep 1000000) &\nexec sleep 1000000\n";
/// The same, with somebody in a session of his own.
const LEAVES: &str = "#!/bin/sh\nexec 9>>lock\nflock -n 9 || echo $$ >>overlaps\necho $$ >>starts\n\
                      setsid sleep 1000000 &\nexec sleep 1000000\n";

fn all_killed(scene: &mut Scene) {
    let all = [scene.guardian(), scene.supervisor(), scene.catcher()];
    for signal in [Signal::SIGSTOP, Signal::SIGKILL] {
        all.iter().for_each(|process| process.signal(signal));
    }
    scene.scanner.take().unwrap().ended();
    scene.gone(&all[1]);
}

/// The services were started a second time, after the end of what was there.
fn started_anew(scene: &Scene, before: &[(&str, i32)]) {
    for (service, pid) in before {
        scene.count(&format!("{service}/starts"), 2);
        scene.other(service, *pid);
        assert_eq!(scene.text(&format!("{service}/overlaps")), "", "{}", scene.sandbox.reports());
        assert!(Process::look(*pid).is_none_or(|one| !one.is_alive()));
    }
}

fn with_all_lost(label: &str, containment: &str) {
    let sandbox = Sandbox::new(label, Family::Ours).unwrap();
    let mut scene = Scene::of(sandbox.set("PINFOLD_CONTAINMENT", containment));
    scene.sandbox.file("alone/run", ALONE);
    scene.sandbox.file("leaves/run", LEAVES);
    scene.sandbox.file("carries/run", ALONE);
    scene.sandbox.file("carries/kill-mode", "leader\n");
    scene.sandbox.file("down/run", ALONE);
    scene.open();
    let before: Vec<(&str, i32)> =
        ["alone", "leaves", "carries"].into_iter().map(|service| (service, scene.started(service))).collect();
    let down = scene.started("down");
    scene.touch("down/down");
    all_killed(&mut scene);
    fs::remove_dir_all(scene.run()).unwrap();
    scene.open();
    started_anew(&scene, &before);
    scene.says(&["alone", "somebody of it is alive"]);
    scene.sandbox.down("down");
    assert!(Process::look(down).is_none_or(|one| !one.is_alive()));
    assert_eq!(scene.starts("down"), 1);
    scene.close();
}

#[test]
fn services_that_nothing_tells_of_are_ended_before_they_are_started() {
    with_all_lost("lost-table", "");
}

#[test]
fn the_same_without_cgroups() {
    with_all_lost("lost-table-subtree", "subtree");
}

/// The guardian lives, and keeps what it keeps; what its next supervisor finds is no table.
#[test]
fn what_the_guardian_keeps_is_not_in_the_way_of_a_supervisor_without_a_table() {
    let mut scene = Scene::new("damaged-table");
    scene.sandbox.file("counts/run", COUNTS);
    scene.sandbox.file("counts/log/run", LOGS);
    scene.sandbox.file("alone/run", ALONE);
    // a place of its own, in which the guardian's lock is found
    scene.sandbox.directory(&scene.path("alone/supervise"));
    scene.open();
    scene.count("counts/logged", 10);
    let before = [("alone", scene.started("alone"))];
    let supervisor = scene.supervisor();
    supervisor.signal(Signal::SIGSTOP);
    File::create(scene.run().join(table::NAME)).unwrap();
    scene.kill(&supervisor);
    scene.supervisor_after(&supervisor);
    started_anew(&scene, &before);
    let logged = scene.lines("counts/logged").len();
    scene.count("counts/logged", logged + 20);
    scene.svc("-d", "counts");
    scene.sandbox.down("counts");
    scene.svc("-d", "alone");
    scene.sandbox.down("alone");
    fs::rename(scene.path("alone"), scene.sandbox.lab().join("alone")).unwrap();
    scene.end();
    assert_counted(&scene.text("counts/logged"));
}

/// The supervisor lives, its guardian does not, and nothing says where it is.
#[test]
fn no_second_supervisor_is_started_beside_one_that_has_lost_its_run_directory() {
    let mut scene = Scene::with("lost-supervisor", "alone", ALONE);
    let (before, supervisor) = (scene.started("alone"), scene.supervisor());
    scene.guardian().signal(Signal::SIGKILL);
    scene.scanner.take().unwrap().ended();
    fs::remove_dir_all(scene.run()).unwrap();
    if supervisor_sits_in_a_group(&supervisor) {
        let mut second = scene.sandbox.scanner();
        assert_eq!(second.ended(), 111);
        scene.says(&["supervises this directory", &supervisor.pid.to_string()]);
    }
    assert_eq!((scene.starts("alone"), scene.process(before).is_alive()), (1, true));
    // as it was told: it ends everything in order
    supervisor.signal(Signal::SIGTERM);
    scene.gone(&supervisor);
    assert!(Process::look(before).is_none_or(|one| !one.is_alive()));
    scene.open();
    scene.count("alone/starts", 2);
    assert_eq!(scene.text("alone/overlaps"), "");
    scene.close();
}

fn supervisor_sits_in_a_group(supervisor: &Process) -> bool {
    let text = fs::read_to_string(format!("/proc/{}/cgroup", supervisor.pid)).unwrap();
    text.contains("/supervisor")
}

#[test]
fn a_run_directory_that_was_emptied_is_made_again() {
    let mut scene = Scene::new("emptied");
    scene.sandbox.file("alone/run", ALONE);
    scene.sandbox.file("counts/run", COUNTS);
    scene.sandbox.file("counts/log/run", LOGS);
    scene.open();
    let before = ["alone", "counts", "counts/log"].map(|service| scene.sandbox.up(service));
    scene.started("alone");
    scene.count("counts/logged", 10);
    for emptied in [true, false] {
        if emptied {
            fs::remove_dir_all(scene.run().join("supervise")).unwrap();
            fs::read_dir(scene.run()).unwrap().flatten().for_each(|file| drop(fs::remove_file(file.path())));
        } else {
            fs::remove_dir_all(scene.run()).unwrap();
        }
        scene.guardian().signal(Signal::SIGHUP);
        // whoever looks sees what there is, and can control it
        assert_eq!(["alone", "counts", "counts/log"].map(|service| scene.sandbox.up(service)), before);
        assert!(
            scene.recorded("alone", "its leader", |record| record.leader.is_some()).leader.unwrap().pid
                == before[0]
        );
        scene.svc("-c", "alone");
        let second = scene.sandbox.run("svscan", [scene.sandbox.scan()]);
        assert_eq!(second.code, 111);
        assert!(second.err.contains("another svscan already"), "{second:?}");
    }
    // a supervisor after a death finds everything, and so does the next svscan
    scene.lose_supervisor();
    scene.guardian().signal(Signal::SIGKILL);
    scene.scanner.take().unwrap().ended();
    scene.open();
    scene.says(&["has taken over"]);
    assert_eq!(["alone", "counts", "counts/log"].map(|service| scene.sandbox.up(service)), before);
    scene.svc("-d", "counts");
    scene.sandbox.down("counts");
    scene.end();
    assert_counted(&scene.text("counts/logged"));
}
