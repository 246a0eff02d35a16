//! notification-fd, timeout-up, and the start check.

use pinfold::machine::{Cause, Phase};

use super::scene::{STAYS, Scene};

#[test]
fn ready_is_said_by_a_newline_on_notification_fd() {
    let mut scene = Scene::new("notification-fd");
    // 5, as the file says: and words without a newline are not enough
    let run = "#!/bin/sh\necho $$ >>starts\nprintf not >&5\necho half >>half\nwhile [ ! -e go ]; do sleep 0.05; done\n\
               echo yet >&5\nexec sleep 1000000\n";
    scene.sandbox.file("squid/run", run);
    scene.sandbox.file("squid/notification-fd", "5\n");
    scene.sandbox.file("sound/run", STAYS);
    scene.open();
    scene.started("squid");
    scene.line("squid/half", "half");
    let sound = scene.started("sound");
    scene.svc("-t", "sound");
    scene.other("sound", sound);
    assert!(matches!(scene.record("squid").unwrap().state.phase, Phase::Starting { .. }));
    scene.touch("squid/go");
    scene.phase("squid", "ready", |phase| matches!(phase, Phase::Ready { .. }));
    assert_eq!(scene.starts("squid"), 1);
    scene.close();
}

#[test]
fn not_ready_within_timeout_up_it_is_stopped_and_tried_again() {
    let mut scene = Scene::new("timeout-up");
    scene.sandbox.file("squid/run", STAYS);
    scene.sandbox.file("squid/notification-fd", "3\n");
    scene.sandbox.file("squid/timeout-up", "300\n");
    scene.open();
    scene.says(&["squid", "not ready in time", "timeout-up"]);
    let pids = scene.count("squid/starts", 2);
    assert!(pids[0] != pids[1]);
    // an answer in time: it stays
    scene.sandbox.file("squid/run", "#!/bin/sh\necho $$ >>starts\necho >&3\nexec sleep 1000000\n");
    scene.phase("squid", "ready", |phase| matches!(phase, Phase::Ready { .. }));
    scene.close();
}

/// Takes the service down through the `svc` that is first on its PATH, if `bad` is there.
const START: &str = "#!/bin/sh\necho \"${PINFOLD_CHECK-by hand}\" >>checks\n\
                     if [ -e bad ]; then rm bad; svc -d .; exit 1; fi\n";

#[test]
fn the_start_script_is_run_as_a_check_after_a_restart() {
    let mut scene = Scene::new("start-check");
    scene.sandbox.file("squid/run", STAYS);
    scene.sandbox.file("squid/start", START);
    scene.open();
    let pid = scene.started("squid");
    scene.process(pid).signal(nix::sys::signal::Signal::SIGKILL);
    scene.other("squid", pid);
    scene.line("squid/checks", "1");
    assert_eq!(scene.lines("squid/checks"), ["1"], "not at the first start, which somebody watches");

    // its no is told, is no wish of the administrator's, and is tried again
    scene.touch("squid/bad");
    let pid = scene.started("squid");
    scene.process(pid).signal(nix::sys::signal::Signal::SIGKILL);
    scene.says(&["squid", "its own start check took it down"]);
    scene.count("squid/starts", 4);
    scene.phase("squid", "up again", |phase| matches!(phase, Phase::Ready { .. }));
    assert!(scene.count("squid/checks", 3).iter().all(|line| line == "1"));
    scene.close();
}

#[test]
fn while_the_check_says_no_it_backs_off() {
    let mut scene = Scene::new("unfit");
    scene.sandbox.file("squid/run", STAYS);
    scene.sandbox.file("squid/start", "#!/bin/sh\nsvc -d .\nexit 1\n");
    scene.open();
    let pid = scene.started("squid");
    scene.process(pid).signal(nix::sys::signal::Signal::SIGKILL);
    let unfit = |phase| matches!(phase, Phase::Backoff { cause: Cause::Unfit });
    scene.phase("squid", "in backoff for its check", unfit);
    // an administrator's word is what it was
    scene.svc("-d", "squid");
    scene.phase("squid", "down", |phase| phase == Phase::Down);
    scene.close();
}
