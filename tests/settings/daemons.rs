//! Services that go into the background: daemonised, pidfile.

use nix::sys::signal::Signal;
use pinfold::machine::{Leader, Phase};

use super::common::expect;
use super::scene::Scene;

/// So many daemons, each in a session of its own; `run` exits 0.
fn daemonises(daemons: usize) -> String {
    format!(
        "#!/bin/sh\n: >starts\nn=0\nwhile [ $n -lt {daemons} ]; do n=$((n+1)); \
         setsid sh -c 'echo $$ >>starts; exec sleep 1000000' & done\n\
         while [ $(wc -l <starts) -lt {daemons} ]; do sleep 0.05; done\ncp starts daemons\necho $$ >>runs\n"
    )
}

fn led_by(leader: Leader) -> impl Fn(Phase) -> bool {
    move |phase| matches!(phase, Phase::Ready { leader: now, .. } if now == leader)
}

fn daemons(scene: &Scene, count: usize) -> Vec<i32> {
    scene.count("squid/daemons", count).iter().map(|pid| pid.parse().unwrap()).collect()
}

#[test]
fn auto_takes_the_daemon_for_the_service() {
    let scene = Scene::with("auto", "squid", &daemonises(1));
    scene.phase("squid", "led by a daemon", led_by(Leader::Daemon));
    let daemon = daemons(&scene, 1)[0];
    assert_eq!(scene.sandbox.up("squid"), daemon);
    scene.says(&["squid", "left a daemon", "`daemonised`"]);
    scene.process(daemon).signal(Signal::SIGKILL);
    scene.count("squid/runs", 2);
    scene.recorded("squid", "led by the next", |record| {
        led_by(Leader::Daemon)(record.state.phase) && record.leader.is_some_and(|who| who.pid != daemon)
    });
    // a letter reaches the daemon, and a stop ends it
    let next = scene.process(scene.sandbox.up("squid"));
    scene.svc("-d", "squid");
    scene.sandbox.down("squid");
    assert!(!next.is_alive());
    scene.close();
}

#[test]
fn two_daemons_are_a_service_without_a_leader() {
    let scene = Scene::with("headless", "squid", &daemonises(2));
    scene.phase("squid", "led by nobody", led_by(Leader::Nobody));
    let daemons = daemons(&scene, 2);
    scene.process(daemons[0]).signal(Signal::SIGKILL);
    scene.sandbox.wait_for("the other one to be shown", || {
        let status = scene.sandbox.status("squid");
        expect(status.as_ref().is_some_and(|status| status.pid == daemons[1]), status)
    });
    assert_eq!(scene.lines("squid/runs").len(), 1);
    scene.process(daemons[1]).signal(Signal::SIGKILL);
    scene.count("squid/runs", 2);
    scene.close();
}

#[test]
fn a_pidfile_names_the_one_that_matters() {
    let mut scene = Scene::new("pidfile");
    let run = daemonises(2).replace("cp starts", "sed -n 2p starts >the.pid\ncp starts");
    scene.sandbox.file("squid/run", &run);
    scene.sandbox.file("squid/pidfile", "the.pid\n");
    scene.open();
    scene.phase("squid", "led by a daemon", led_by(Leader::Daemon));
    let daemons = daemons(&scene, 2);
    assert_eq!(scene.sandbox.up("squid"), daemons[1]);
    let other = scene.process(daemons[0]);
    scene.process(daemons[1]).signal(Signal::SIGKILL);
    scene.count("squid/runs", 2);
    assert!(!other.is_alive(), "two generations at once");
    scene.close();
}

#[test]
fn no_sweeps_what_run_leaves() {
    let mut scene = Scene::new("no");
    scene.sandbox.file("squid/run", &daemonises(1));
    scene.sandbox.file("squid/daemonised", "no\n");
    scene.open();
    let first = daemons(&scene, 1)[0];
    scene.count("squid/runs", 2);
    let left = super::common::processes::Process::look(first);
    assert!(left.is_none_or(|process| process.command != "sleep"), "two generations at once");
    assert_eq!(scene.said(&["left a daemon"]), 0);
    scene.close();
}

/// A helper left behind in run's own session is no daemon, whatever the setting.
#[test]
fn a_helper_is_no_daemon() {
    let run = "#!/bin/sh\nsh -c 'echo $$ >>helpers; exec sleep 1000000' &\nwhile [ ! -s helpers ]; do sleep 0.05; done\n\
               echo $$ >>runs\n";
    let mut scene = Scene::new("helper");
    for (service, setting) in [("auto", "auto\n"), ("yes", "yes\n")] {
        scene.sandbox.file(&format!("{service}/run"), run);
        scene.sandbox.file(&format!("{service}/daemonised"), setting);
    }
    scene.open();
    for service in ["auto", "yes"] {
        scene.count(&format!("{service}/runs"), 2);
    }
    assert_eq!(scene.said(&["left a daemon"]), 0);
    scene.close();
}
