//! The supervisor is killed while its service is in each phase: the next one goes on just there. No second
//! copy is started, the end of a service is noticed, a stop that had begun is finished.

use std::fs;

use nix::sys::signal::Signal;
use pinfold::machine::{Leader, Phase};
use sys::reap::Ending;

use super::common::{Sandbox, expect};
use super::ending::STUBBORN;
use super::scene::{BEATS, STAYS, Scene};

#[test]
fn up() {
    let scene = Scene::with("up", "squid", STAYS);
    let pid = scene.started("squid");
    let stamp = scene.stamp("squid");
    scene.lose_supervisor();
    scene.svc("-u", "squid");
    scene.sandbox.wait_for("the command to be read", || {
        let status = scene.sandbox.status("squid");
        expect(status.as_ref().is_some_and(|status| status.pid == pid), status)
    });
    assert_eq!((scene.stamp("squid"), scene.starts("squid")), (stamp, 1));
    // its end is noticed, how it ended is known, and it is started again
    scene.process(pid).signal(Signal::SIGKILL);
    let next = scene.other("squid", pid);
    let killed = Ending::Signal { number: 9, core: false };
    scene.recorded("squid", "killed by KILL", |record| record.last_exit == Some(killed));
    scene.line("squid/starts", &next.to_string());
    assert_eq!(scene.starts("squid"), 2);
    scene.close();
}

#[test]
fn starting() {
    let mut scene = Scene::new("starting");
    let run = "#!/bin/sh\necho $$ >>starts\nwhile [ ! -e go ]; do sleep 0.05; done\necho >&3\necho said >>said\n\
               exec 3>&-\nexec sleep 1000000\n";
    scene.sandbox.file("squid/run", run);
    scene.sandbox.file("squid/notification-fd", "3\n");
    scene.open();
    let pid = scene.started("squid");
    scene.lose_supervisor();
    scene.lose_supervisor();
    scene.phase("squid", "starting", |phase| matches!(phase, Phase::Starting { .. }));
    scene.touch("squid/go");
    // it neither dies of saying so, nor is it unheard
    scene.line("squid/said", "said");
    scene.phase("squid", "ready", |phase| matches!(phase, Phase::Ready { .. }));
    assert_eq!((scene.sandbox.up("squid"), scene.starts("squid")), (pid, 1));
    scene.close();
}

#[test]
fn said_ready_while_there_was_no_supervisor() {
    let mut scene = Scene::new("ready-in-the-gap");
    let run = "#!/bin/sh\necho $$ >>starts\nwhile [ ! -e go ]; do sleep 0.05; done\necho >&3\necho said >>said\n\
               exec sleep 1000000\n";
    scene.sandbox.file("squid/run", run);
    scene.sandbox.file("squid/notification-fd", "3\n");
    scene.open();
    let pid = scene.started("squid");
    let gap = Gap::begin(&scene);
    scene.touch("squid/go");
    scene.line("squid/said", "said");
    gap.end();
    scene.phase("squid", "ready", |phase| matches!(phase, Phase::Ready { .. }));
    assert_eq!((scene.sandbox.up("squid"), scene.starts("squid")), (pid, 1));
    scene.close();
}

#[test]
fn stopping() {
    let mut scene = Scene::new("stopping");
    scene.sandbox.file("squid/run", STUBBORN);
    scene.sandbox.file("squid/timeout-kill", "4000\n");
    scene.open();
    let pid = scene.started("squid");
    let process = scene.process(pid);
    scene.svc("-d", "squid");
    scene.line("squid/told", "told");
    scene.lose_supervisor();
    assert!(process.is_alive());
    scene.phase("squid", "stopping", |phase| matches!(phase, Phase::Stopping { .. } | Phase::Down));
    scene.sandbox.down("squid");
    assert!(!process.is_alive());
    assert_eq!(scene.starts("squid"), 1);
    scene.close();
}

#[test]
fn sweeping() {
    let mut scene = Scene::new("sweeping");
    let run = "#!/bin/sh\nsh -c 'trap \"echo child told >>told\" TERM; echo $$ >>child; while :; do sleep 0.05; done' &\n\
               echo $$ >>starts\nexec sleep 1000000\n";
    scene.sandbox.file("squid/run", run);
    scene.sandbox.file("squid/timeout-kill", "4000\n");
    scene.open();
    scene.started("squid");
    let child = scene.process(scene.count("squid/child", 1)[0].parse().unwrap());
    scene.svc("-t", "squid");
    scene.line("squid/told", "child told");
    scene.lose_supervisor();
    scene.phase("squid", "sweeping, or over", |phase| !matches!(phase, Phase::Down | Phase::Failed { .. }));
    // what is left is killed in its time, and only then is there a next one
    scene.count("squid/starts", 2);
    assert!(!child.is_alive(), "two generations at once");
    scene.close();
}

#[test]
fn finishing() {
    let mut scene = Scene::new("finishing");
    let finish =
        "#!/bin/sh\necho \"$@\" >>finishes\nwhile [ ! -e go ]; do sleep 0.05; done\nexit $(cat go)\n";
    scene.sandbox.file("squid/run", STAYS);
    scene.sandbox.file("squid/finish", finish);
    scene.sandbox.file("squid/timeout-finish", "0\n");
    scene.open();
    let pid = scene.started("squid");
    scene.svc("-t", "squid");
    scene.line("squid/finishes", "-1 15");
    scene.lose_supervisor();
    std::fs::write(scene.path("squid/go.new"), "0").unwrap();
    std::fs::rename(scene.path("squid/go.new"), scene.path("squid/go")).unwrap();
    scene.count("squid/starts", 2);
    assert_ne!(scene.started("squid"), pid);
    assert_eq!(scene.lines("squid/finishes").len(), 1);

    // and what it says counts, also if it is said to another than the one who asked
    std::fs::remove_file(scene.path("squid/go")).unwrap();
    scene.process(scene.started("squid")).signal(Signal::SIGKILL);
    scene.line("squid/finishes", "-1 9");
    scene.lose_supervisor();
    std::fs::write(scene.path("squid/go.new"), "125").unwrap();
    std::fs::rename(scene.path("squid/go.new"), scene.path("squid/go")).unwrap();
    scene.phase("squid", "failed", |phase| matches!(phase, Phase::Failed { .. }));
    assert_eq!(scene.starts("squid"), 2);
    scene.close();
}

#[test]
fn backing_off() {
    let mut scene = Scene::new("backoff");
    scene.sandbox.file("squid/run", "#!/bin/sh\necho $(date +%s%N) >>starts\nexit 1\n");
    scene.sandbox.file("squid/backoff-max", "3\n");
    scene.open();
    for _ in 0..3 {
        scene.phase("squid", "backing off", |phase| matches!(phase, Phase::Backoff { .. }));
        scene.lose_supervisor();
    }
    let starts = scene.count("squid/starts", 4);
    let starts: Vec<u64> = starts.iter().map(|time| time.parse().unwrap()).collect();
    // the script takes the time, so a little less than a second may lie between
    assert!(starts.windows(2).all(|pair| pair[1] - pair[0] > 700_000_000), "{starts:?}");
    scene.close();
}

#[test]
fn paused() {
    let scene = Scene::with("paused", "squid", BEATS);
    let pid = scene.started("squid");
    scene.svc("-p", "squid");
    scene.paused(pid);
    scene.lose_supervisor();
    scene.recorded("squid", "paused", |record| record.state.paused);
    assert!(scene.sandbox.status("squid").unwrap().paused);
    scene.paused(pid);
    scene.svc("-c", "squid");
    scene.beats("squid");
    assert_eq!((scene.sandbox.up("squid"), scene.starts("squid")), (pid, 1));
    scene.close();
}

#[test]
fn daemonised_with_a_leader() {
    let run = "#!/bin/sh\necho run >>runs\nsetsid sh -c 'echo $$ >>starts; exec sleep 1000000' &\n\
               while [ ! -s starts ]; do sleep 0.05; done\n";
    let scene = Scene::with("daemon", "squid", run);
    let is_daemon = |phase| matches!(phase, Phase::Ready { leader: Leader::Daemon, .. });
    scene.phase("squid", "led by its daemon", is_daemon);
    let pid = scene.started("squid");
    scene.lose_supervisor();
    assert_eq!((scene.sandbox.up("squid"), scene.lines("squid/runs").len()), (pid, 1));
    scene.process(pid).signal(Signal::SIGKILL);
    scene.count("squid/starts", 2);
    scene.recorded("squid", "led by another", |record| {
        is_daemon(record.state.phase) && record.leader.is_some_and(|leader| leader.pid != pid)
    });
    scene.close();
}

#[test]
fn daemonised_without_a_leader() {
    let run = "#!/bin/sh\n: >>starts\nfor n in 1 2; do setsid sh -c 'echo $$ >>starts; exec sleep 1000000' & done\n\
               while [ $(wc -l <starts) -lt 2 ]; do sleep 0.05; done\nmv starts daemons\necho run >>runs\n";
    let scene = Scene::with("headless", "squid", run);
    let is_headless = |phase| matches!(phase, Phase::Ready { leader: Leader::Nobody, .. });
    scene.phase("squid", "led by nobody", is_headless);
    let daemons: Vec<i32> = scene.count("squid/daemons", 2).iter().map(|pid| pid.parse().unwrap()).collect();
    scene.lose_supervisor();
    scene.process(daemons[0]).signal(Signal::SIGKILL);
    scene.sandbox.wait_for("the other to be shown", || {
        let status = scene.sandbox.status("squid");
        expect(status.as_ref().is_some_and(|status| status.pid == daemons[1]), status)
    });
    assert_eq!(scene.lines("squid/runs").len(), 1, "up while there is one");
    scene.process(daemons[1]).signal(Signal::SIGKILL);
    scene.count("squid/runs", 2);
    scene.close();
}

#[test]
fn on_the_subtree_rung_by_its_fold_root() {
    let mut scene = Scene::of(
        Sandbox::new("foldroot", super::common::Family::Ours).unwrap().set("PINFOLD_CONTAINMENT", "subtree"),
    );
    let run = "#!/bin/sh\nsetsid sh -c '(setsid sh -c \"echo \\$\\$ >>stray; exec sleep 1000000\" &)'\n\
               while [ ! -s stray ]; do sleep 0.05; done\necho $$ >>starts\nexec sleep 1000000\n";
    scene.sandbox.file("squid/run", run);
    scene.open();
    let pid = scene.started("squid");
    scene.lose_supervisor();
    scene.svc("-c", "squid");
    assert_eq!((scene.sandbox.up("squid"), scene.starts("squid")), (pid, 1));
    let strays = |scene: &Scene| -> Vec<_> {
        scene.lines("squid/stray").iter().map(|pid| scene.process(pid.parse().unwrap())).collect()
    };
    let first = strays(&scene);
    assert!(first.iter().all(|stray| stray.is_alive()));
    scene.process(pid).signal(Signal::SIGKILL);
    scene.count("squid/starts", 2);
    // its parent was the fold root, which has told whoever listens now
    let killed = Ending::Signal { number: 9, core: false };
    scene.recorded("squid", "killed by KILL", |record| record.last_exit == Some(killed));
    assert!(first.iter().all(|stray| !stray.is_alive()), "two generations at once");
    scene.lose_supervisor();
    let last = scene.process(scene.lines("squid/stray").last().unwrap().parse().unwrap());
    scene.svc("-d", "squid");
    scene.sandbox.down("squid");
    assert!(!last.is_alive(), "down, and {last:?} lives");
    scene.close();
}

/// A time without a supervisor: the guardian is stopped before it can start another.
pub(crate) struct Gap<'a> {
    scene: &'a Scene,
}

impl Gap<'_> {
    pub(crate) fn begin(scene: &Scene) -> Gap<'_> {
        let supervisor = scene.supervisor();
        scene.guardian().signal(Signal::SIGSTOP);
        scene.state(scene.guardian().pid, 'T');
        supervisor.signal(Signal::SIGKILL);
        scene.gone(&supervisor);
        Gap { scene }
    }

    pub(crate) fn end(self) {
        self.scene.guardian().signal(Signal::SIGCONT);
    }
}

/// Its directory was somewhere else when it was taken over, and nothing could be read in it: it counts again as soon as
/// it is back.
#[test]
fn settings_of_a_directory_that_is_back_count_again() {
    let mut scene = Scene::new("moved-settings");
    scene
        .sandbox
        .file("deaf/run", "#!/bin/sh\ntrap '' TERM\necho $$ >>starts\nwhile :; do sleep 0.2; done\n");
    scene.sandbox.file("deaf/timeout-kill", "200\n");
    scene.open();
    let before = scene.started("deaf");
    let away = scene.sandbox.lab().join("deaf");
    fs::rename(scene.path("deaf"), &away).unwrap();
    scene.lose_supervisor();
    scene.says(&["deaf", "its name is gone"]);
    fs::rename(&away, scene.path("deaf")).unwrap();
    scene.guardian().signal(Signal::SIGHUP);
    // not after the 90 s that are meant where nothing is said
    scene.svc("-d", "deaf");
    scene.sandbox.down("deaf");
    assert!(scene.copies("deaf").is_empty(), "{before}");
    scene.close();
}
