//! How a service is stopped: down-signal, timeout-kill, kill-mode, control scripts, letters.

use pinfold::machine::Phase;
use sys::reap::Ending;

use super::common::expect;
use super::scene::{STAYS, Scene};

/// Hears everything that can be heard, and ends at USR1.
const HEARS: &str = "#!/bin/sh\nfor s in HUP ALRM INT QUIT USR2 WINCH TERM CONT; do trap \"echo $s >>heard\" $s; done\n\
                     trap 'echo USR1 >>heard; [ ! -e ends ] || exit 0' USR1\necho $$ >>starts\n\
                     while :; do sleep 0.05; done\n";

#[test]
fn every_letter_reaches_the_leader() {
    let scene = Scene::with("letters", "squid", HEARS);
    let pid = scene.started("squid");
    for (letter, signal) in [
        ("-h", "HUP"),
        ("-a", "ALRM"),
        ("-i", "INT"),
        ("-q", "QUIT"),
        ("-1", "USR1"),
        ("-2", "USR2"),
        ("-w", "WINCH"),
        ("-t", "TERM"),
    ] {
        scene.svc(letter, "squid");
        scene.line("squid/heard", signal);
        assert_eq!(scene.lines("squid/heard").last().unwrap(), signal, "and nothing else");
    }
    scene.svc("-p", "squid");
    scene.paused(pid);
    scene.sandbox.wait_for("squid to be shown as paused", || {
        let status = scene.sandbox.status("squid");
        expect(status.as_ref().is_some_and(|status| status.paused), status)
    });
    scene.svc("-c", "squid");
    scene.line("squid/heard", "CONT");
    assert_eq!(scene.sandbox.up("squid"), pid);
    scene.svc("-k", "squid");
    scene.other("squid", pid);

    scene.svc("-o", "squid");
    let once = scene.started("squid");
    scene.svc("-k", "squid");
    scene.sandbox.down("squid");
    scene.phase("squid", "down", |phase| phase == Phase::Down);
    assert!(once != pid && scene.starts("squid") == 2);
    scene.svc("-o", "squid");
    scene.started("squid");
    scene.svc("-k", "squid");
    scene.sandbox.down("squid");
    scene.svc("-u", "squid");
    scene.started("squid");
    scene.svc("-k", "squid");
    scene.count("squid/starts", 5);
    // x: it is given up once it is down, not before
    let pid = scene.started("squid");
    scene.svc("-x", "squid");
    scene.recorded("squid", "on its way out", |record| record.state.leaving);
    assert_eq!(scene.sandbox.up("squid"), pid);
    std::fs::rename(scene.path("squid"), scene.sandbox.lab().join("squid")).unwrap();
    scene.process(pid).signal(nix::sys::signal::Signal::SIGKILL);
    scene.sandbox.wait_for("squid to be forgotten", || expect(scene.record("squid").is_none(), "a record"));
    scene.close();
}

#[test]
fn down_signal_in_place_of_term() {
    let mut scene = Scene::new("down-signal");
    scene.sandbox.file("squid/run", HEARS);
    scene.sandbox.file("squid/down-signal", "SIGUSR1\n");
    scene.sandbox.file("squid/ends", "");
    scene.sandbox.file("squid/timeout-kill", "0\n");
    scene.open();
    scene.started("squid");
    scene.svc("-d", "squid");
    scene.sandbox.down("squid");
    assert!(scene.text("squid/heard").contains("USR1") && !scene.text("squid/heard").contains("TERM"));
    scene.recorded("squid", "ended well", |record| record.last_exit == Some(Ending::Code(0)));
    scene.close();
}

/// Ignores TERM.
const STUBBORN: &str =
    "#!/bin/sh\ntrap 'echo told >>told' TERM\necho $$ >>starts\nwhile :; do sleep 0.05; done\n";

#[test]
fn timeout_kill_ends_what_ignores_it() {
    let mut scene = Scene::new("timeout-kill");
    for (service, timeout) in [("soon", "200\n"), ("never", "0\n"), ("default", "")] {
        scene.sandbox.file(&format!("{service}/run"), STUBBORN);
        if !timeout.is_empty() {
            scene.sandbox.file(&format!("{service}/timeout-kill"), timeout);
        }
    }
    scene.open();
    for service in ["soon", "never", "default"] {
        scene.started(service);
    }
    scene.svc("-d", "never");
    scene.svc("-d", "default");
    scene.line("never/told", "told");
    scene.line("default/told", "told");
    scene.svc("-d", "soon");
    scene.sandbox.down("soon");
    let killed = Ending::Signal { number: 9, core: false };
    scene.recorded("soon", "killed", |record| record.last_exit == Some(killed) && record.receipt.killed > 0);
    assert_eq!(scene.lines("soon/told").len(), 1, "it was told first");
    let (never, default) = (scene.record("never").unwrap(), scene.record("default").unwrap());
    assert!(matches!(never.state.phase, Phase::Stopping { .. }) && never.state.deadline.is_none());
    assert!(matches!(default.state.phase, Phase::Stopping { .. }) && default.state.deadline.is_some());
    for service in ["never", "default"] {
        scene.svc("-k", service);
        scene.sandbox.down(service);
    }
    scene.close();
}

/// A leader and a child, which end of TERM when they get it.
const FAMILY: &str = "#!/bin/sh\nsh -c 'trap \"echo child told >>told; exit\" TERM; echo $$ >>children; while :; do sleep 0.05; done' &\n\
                      while ! grep -q . children; do sleep 0.05; done\necho $$ >>starts\nexec sleep 1000000\n";

#[test]
fn kill_mode_leader_leaves_the_children() {
    let mut scene = Scene::new("kill-mode");
    for service in ["fold", "leader"] {
        scene.sandbox.file(&format!("{service}/run"), FAMILY);
    }
    scene.sandbox.file("leader/kill-mode", "leader\n");
    scene.open();
    let child = |service: &str, n: usize| {
        scene.process(scene.count(&format!("{service}/children"), n)[n - 1].parse().unwrap())
    };
    let [of_fold, of_leader] = ["fold", "leader"].map(|service| {
        scene.started(service);
        child(service, 1)
    });
    for service in ["fold", "leader"] {
        scene.svc("-t", service);
        scene.count(&format!("{service}/starts"), 2);
    }
    assert!(!of_fold.is_alive() && of_leader.is_alive());
    let second = child("leader", 2);
    scene.svc("-d", "leader");
    scene.phase("leader", "down", |phase| phase == Phase::Down);
    assert!(of_leader.is_alive() && second.is_alive());
    assert_eq!(scene.text("leader/told"), "");
    // everybody: by pinfold's own letter
    scene.svc("-A", "leader");
    scene.gone(&of_leader);
    scene.gone(&second);
    assert_eq!(scene.lines("leader/told").len(), 2);
    scene.close();
}

#[test]
fn strays_are_reported_or_killed() {
    let Some(v2) = super::common::cgroups::Hierarchy::find(true) else {
        return super::common::skipped("no cgroup v2 hierarchy");
    };
    if !super::common::is_root() {
        return super::common::skipped("only root may move processes between cgroups");
    }
    let mut scene = Scene::new("strays");
    let group = v2.mount.join(format!("{}.elsewhere", scene.sandbox.name));
    std::fs::create_dir(&group).unwrap();
    let run = format!(
        "#!/bin/sh\nsetsid sh -c 'echo $$ >{0}/cgroup.procs; echo $$ >>stray; exec sleep 1000000' &\n\
         while [ ! -s stray ]; do sleep 0.05; done\necho $$ >>starts\nexec sleep 1000000\n",
        group.display()
    );
    for service in ["report", "kill"] {
        scene.sandbox.file(&format!("{service}/run"), &run);
        scene.sandbox.file(&format!("{service}/strays"), &format!("{service}\n"));
    }
    scene.open();
    let [reported, killed] = ["report", "kill"].map(|service| {
        scene.started(service);
        scene.process(scene.lines(&format!("{service}/stray"))[0].parse().unwrap())
    });
    scene.svc("-d", "kill");
    scene.sandbox.down("kill");
    assert!(!killed.is_alive());
    scene.svc("-d", "report");
    scene.sandbox.down("report");
    assert!(reported.is_alive());
    scene.says(&["report", &format!("pid {}", reported.pid), "left alone"]);
    // the second time it is below a fold root, and the same holds
    scene.svc("-u", "report");
    scene.started("report");
    let stray = scene.sandbox.wait_for("the next stray", || {
        let lines = scene.lines("report/stray");
        super::common::expect(lines.len() == 2, &lines)?;
        Ok(scene.process(lines[1].parse().unwrap()))
    });
    scene.svc("-d", "report");
    scene.sandbox.down("report");
    for stray in [&reported, &stray] {
        assert!(stray.is_alive(), "{}", scene.sandbox.reports());
        scene.kill(stray);
    }
    scene
        .sandbox
        .wait_for("the group to go", || std::fs::remove_dir(&group).map_err(|error| error.to_string()));
    scene.close();
}

#[test]
fn control_scripts_stand_before_the_signal() {
    let mut scene = Scene::new("control");
    scene.sandbox.file("squid/run", HEARS);
    scene.sandbox.file("squid/control/h", "#!/bin/sh\necho script h >>heard\n");
    scene.sandbox.file("squid/control/i", "#!/bin/sh\necho script i >>heard\nexit 1\n");
    scene.open();
    let pid = scene.started("squid");
    // 0: the signal is not sent
    scene.svc("-h", "squid");
    scene.line("squid/heard", "script h");
    // else it follows
    scene.svc("-i", "squid");
    scene.line("squid/heard", "INT");
    assert_eq!(scene.lines("squid/heard"), ["script h", "script i", "INT"]);

    // a stop: t, which leaves it to the script; the service is stopped when it ends, by whatever it does
    scene.sandbox.file("squid/control/t", &format!("#!/bin/sh\necho script t >>heard\nkill -9 {pid}\n"));
    scene.svc("-d", "squid");
    scene.sandbox.down("squid");
    assert!(!scene.text("squid/heard").contains("TERM"), "{}", scene.text("squid/heard"));
    assert_eq!(scene.lines("squid/heard").last().unwrap(), "script t");

    // and d where there is no t; it says no, so the signal follows
    std::fs::remove_file(scene.path("squid/control/t")).unwrap();
    scene.sandbox.file("squid/control/d", "#!/bin/sh\necho script d >>heard\nexit 1\n");
    scene.sandbox.file("squid/timeout-kill", "500\n");
    scene.svc("-u", "squid");
    scene.count("squid/starts", 2);
    scene.svc("-d", "squid");
    scene.line("squid/heard", "TERM");
    scene.sandbox.down("squid");
    let heard = scene.lines("squid/heard");
    let at = |word: &str| heard.iter().position(|line| line == word);
    assert!(at("script d") < at("TERM"), "{heard:?}");
    scene.close();
}

#[test]
fn containment_refuses_to_start_with_less() {
    let sandbox = super::common::Sandbox::new("containment", super::common::Family::Ours).unwrap();
    let mut scene = Scene::of(sandbox.set("PINFOLD_CONTAINMENT", "subtree"));
    scene.sandbox.file("squid/run", STAYS);
    scene.sandbox.file("squid/containment", "cgroup\n");
    scene.sandbox.file("content/run", STAYS);
    scene.sandbox.file("content/containment", "subtree\n");
    scene.open();
    scene.started("content");
    scene.says(&["squid", "asks for cgroup", "gives subtree"]);
    assert_eq!(scene.starts("squid"), 0);
    std::fs::write(scene.path("squid/containment"), "subtree\n").unwrap();
    scene.svc("-u", "squid");
    scene.started("squid");
    scene.sandbox.wait_for("one line of it", || expect(scene.said(&["asks for cgroup"]) == 1, ()));
    scene.close();
}
