//! Scripts beside the service never hold it up.

use super::scene::{STAYS, Scene};

#[test]
fn a_control_script_that_hangs_is_ended_and_the_signal_sent() {
    let mut scene = Scene::new("control-hangs");
    scene.sandbox.file("squid/run", STAYS);
    scene.sandbox.file("squid/control/t", "#!/bin/sh\necho $$ >>scripts\nexec sleep 1000000\n");
    scene.open();
    let pid = scene.started("squid");
    scene.svc("-t", "squid");
    scene.count("squid/scripts", 1);
    let next = scene.other("squid", pid);
    scene.line("squid/starts", &next.to_string());
    scene.close();
}

#[test]
fn a_start_check_does_not_outlive_its_supervisor() {
    if !super::common::is_root() {
        return super::common::skipped(
            "without cgroups nobody knows what an earlier supervisor's check started",
        );
    }
    let mut scene = Scene::new("check-left");
    scene.sandbox.file("squid/run", STAYS);
    scene.sandbox.file("squid/start", "#!/bin/sh\necho $$ >>checks\nexec sleep 1000000\n");
    scene.open();
    let first = scene.started("squid");
    scene.svc("-k", "squid");
    let second = scene.other("squid", first);
    let check = scene.process(scene.count("squid/checks", 1)[0].parse().unwrap());
    scene.lose_supervisor();
    scene.gone(&check);
    assert_eq!(scene.started("squid"), second);
    // the next restart is checked as ever; and nothing is left of a check when all is stopped
    scene.svc("-k", "squid");
    scene.count("squid/checks", 2);
    scene.close();
}

#[test]
fn nothing_is_left_of_a_start_check_when_all_is_stopped() {
    for rung in ["", "subtree"] {
        let sandbox = super::common::Sandbox::new("check-stopped", super::common::Family::Ours).unwrap();
        let mut scene = Scene::of(sandbox.set("PINFOLD_CONTAINMENT", rung));
        scene.sandbox.file("squid/run", STAYS);
        scene.sandbox.file("squid/start", "#!/bin/sh\necho $$ >>checks\nexec sleep 1000000\n");
        scene.open();
        let first = scene.started("squid");
        scene.svc("-k", "squid");
        scene.other("squid", first);
        scene.count("squid/checks", 1);
        scene.close();
    }
}

#[test]
fn a_start_check_that_hangs_is_bounded_by_timeout_up_and_never_waited_for() {
    let mut scene = Scene::new("check-hangs");
    scene.sandbox.file("squid/run", STAYS);
    scene.sandbox.file("squid/start", "#!/bin/sh\necho $$ >>checks\nexec sleep 1000000\n");
    scene.sandbox.file("squid/timeout-up", "2000\n");
    scene.open();
    let first = scene.started("squid");
    scene.svc("-k", "squid");
    let second = scene.other("squid", first);
    scene.line("squid/starts", &second.to_string());
    let check = scene.process(scene.count("squid/checks", 1)[0].parse().unwrap());
    // never two at once
    scene.svc("-k", "squid");
    let third = scene.other("squid", second);
    scene.line("squid/starts", &third.to_string());
    scene.gone(&check);
    scene.says(&["squid", "start check"]);
    assert_eq!(scene.sandbox.up("squid"), third);
    scene.close();
}
