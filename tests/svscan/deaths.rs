//! What happens while there is no supervisor is done, or noticed, when there is one again.

use nix::sys::signal::Signal;
use pinfold::machine::{Phase, Want};
use sys::reap::Ending;

use super::adopting::Gap;
use super::common::inject::Injection;
use super::common::processes::Process;
use super::common::{expect, skipped};
use super::scene::{STAYS, Scene};

#[test]
fn commands_given_in_the_gap_are_carried_out() {
    let mut scene = Scene::new("gap-commands");
    for service in ["stops", "starts", "restarts", "hears"] {
        scene.sandbox.file(&format!("{service}/run"), STAYS);
    }
    scene.sandbox.file(
        "hears/run",
        "#!/bin/sh\ntrap 'echo HUP >>heard' HUP\necho $$ >>starts\nwhile :; do sleep 0.05; done\n",
    );
    scene.sandbox.file("starts/down", "");
    scene.open();
    let [stops, restarts, hears] = ["stops", "restarts", "hears"].map(|service| scene.started(service));
    let gap = Gap::begin(&scene);
    scene.svc("-d", "stops");
    scene.svc("-u", "starts");
    scene.svc("-t", "restarts");
    scene.svc("-h", "hears");
    assert!(scene.process(stops).is_alive() && scene.starts("starts") == 0);
    gap.end();
    scene.sandbox.down("stops");
    scene.started("starts");
    scene.other("restarts", restarts);
    scene.line("hears/heard", "HUP");
    assert_eq!(scene.sandbox.up("hears"), hears);
    scene.close();
}

#[test]
fn ends_in_the_gap_are_noticed_and_known() {
    let mut scene = Scene::new("gap-ends");
    let exits = "#!/bin/sh\necho $$ >>starts\nwhile [ ! -e go ]; do sleep 0.05; done\nrm go\nexit 7\n";
    scene.sandbox.file("exits/run", exits);
    scene.sandbox.file("killed/run", STAYS);
    scene.sandbox.file("once/run", STAYS);
    scene.sandbox.file("once/down", "");
    scene.open();
    scene.recorded("once", "taken up", |_| true);
    scene.svc("-o", "once");
    let processes = ["exits", "killed", "once"].map(|service| scene.process(scene.started(service)));
    let gap = Gap::begin(&scene);
    scene.touch("exits/go");
    processes[1].signal(Signal::SIGKILL);
    processes[2].signal(Signal::SIGKILL);
    processes.iter().for_each(|process| scene.gone(process));
    gap.end();
    scene.count("exits/starts", 2);
    scene.count("killed/starts", 2);
    scene.recorded("exits", "exited 7", |record| record.last_exit == Some(Ending::Code(7)));
    let killed = Ending::Signal { number: 9, core: false };
    scene.recorded("killed", "killed", |record| record.last_exit == Some(killed));
    scene.recorded("once", "down for good", |record| {
        record.state.phase == Phase::Down
            && record.state.want == Want::Down
            && record.last_exit == Some(killed)
    });
    assert_eq!(scene.starts("once"), 1);
    scene.close();
}

/// The service is up for its present supervisor: one that an earlier one had not written down yet is swept first, and
/// shown as long as it is there, and a moment longer.
fn settled(scene: &Scene, service: &str) -> i32 {
    let record = scene.recorded(service, "up", |record| {
        record.state.phase.is_up() && record.leader.is_some_and(|who| Process::look(who.pid).is_some())
    });
    let leader = record.leader.unwrap().pid;
    scene.sandbox.wait_for("its leader to be shown", || {
        let shown = scene.started(service);
        expect(shown == leader, shown)
    });
    leader
}

#[test]
fn killed_before_it_had_started_everything() {
    for _ in 0..8 {
        let mut scene = Scene::new("early-kill");
        for n in 0..4 {
            scene.sandbox.file(&format!("s{n}/run"), STAYS);
        }
        scene.open();
        let supervisor = scene.supervisor();
        supervisor.signal(Signal::SIGKILL);
        scene.supervisor_after(&supervisor);
        for n in 0..4 {
            let service = format!("s{n}");
            let pid = settled(&scene, &service);
            let copies = scene.copies(&service);
            let is_it = copies.len() == 1 && copies[0].pid == pid;
            assert!(is_it, "{pid}: {copies:?}\n{}", scene.sandbox.reports());
        }
        scene.close();
    }
}

/// Whoever is published as running is known to the next supervisor, whenever this one is killed.
#[test]
fn killed_at_each_step_of_a_start() {
    let scene = Scene::with("start-kill", "squid", STAYS);
    scene.started("squid");
    for call in ["clone3", "pwrite64", "renameat2"] {
        for nth in 1.. {
            scene.svc("-d", "squid");
            scene.sandbox.down("squid");
            match killed_in_a_start(&scene, call, nth) {
                Ok(true) => {}
                Ok(false) => {
                    assert!(nth > 1, "{call} was never called");
                    break;
                }
                Err(why) => return skipped(&why),
            }
        }
    }
    scene.close();
}

/// Whether the supervisor was killed at the `nth` of these system calls of a start; then the next one goes on with
/// what was shown.
fn killed_in_a_start(scene: &Scene, call: &str, nth: usize) -> Result<bool, String> {
    let supervisor = scene.supervisor();
    let injection = Injection::new(&scene.sandbox, &supervisor, call, &format!("signal=KILL:when={nth}"))?;
    scene.guardian().signal(Signal::SIGSTOP);
    scene.state(scene.guardian().pid, 'T');
    scene.svc("-u", "squid");
    let killed = scene.sandbox.wait_for("squid or the supervisor's end", || {
        let pid = scene.sandbox.status("squid").map_or(0, |status| status.pid);
        // all of it has been published, and the turn is over
        let idle = Process::look(supervisor.pid).is_some_and(|process| process.state == 'S');
        let started = idle && scene.record("squid").is_some_and(|record| record.leader.is_some() && pid != 0);
        expect(started || !supervisor.is_alive(), pid).map(|()| !supervisor.is_alive())
    });
    let shown = scene.sandbox.status("squid").unwrap().pid;
    drop(injection);
    scene.guardian().signal(Signal::SIGCONT);
    if killed {
        scene.supervisor_after(&supervisor);
        // it may have been killed before it wrote down that it was told so
        scene.svc("-u", "squid");
        let pid = settled(scene, "squid");
        assert!(shown == 0 || shown == pid, "{call} {nth}: {shown} was up and is {pid}");
        assert_eq!(scene.copies("squid").len(), 1, "{call} {nth}: {:?}", scene.copies("squid"));
    }
    Ok(killed)
}

/// However many are started in one turn, each is known as soon as it is there.
#[test]
fn killed_between_two_starts_of_a_turn() {
    let mut scene = Scene::new("two-starts");
    let both = ["s0", "s1"];
    for service in both {
        scene.sandbox.file(&format!("{service}/run"), STAYS);
        scene.sandbox.file(&format!("{service}/down"), "");
    }
    scene.open();
    both.iter().for_each(|service| drop(scene.recorded(service, "taken up", |_| true)));
    let supervisor = scene.supervisor();
    supervisor.signal(Signal::SIGSTOP);
    scene.state(supervisor.pid, 'T');
    both.iter().for_each(|service| scene.svc("-u", service));
    let _injection = match Injection::new(&scene.sandbox, &supervisor, "clone3", "signal=KILL:when=2") {
        Ok(injection) => injection,
        Err(why) => {
            supervisor.signal(Signal::SIGCONT);
            return skipped(&why);
        }
    };
    supervisor.signal(Signal::SIGCONT);
    scene.gone(&supervisor);
    scene.supervisor_after(&supervisor);
    for service in both {
        scene.started(service);
        let (starts, copies) = (scene.starts(service), scene.copies(service));
        assert!(starts == 1 && copies.len() == 1, "{copies:?}\n{}", scene.sandbox.reports());
    }
    scene.close();
}

#[test]
fn told_to_end_in_the_gap() {
    let mut scene = Scene::with("gap-term", "squid", STAYS);
    let process = scene.process(scene.started("squid"));
    let gap = Gap::begin(&scene);
    scene.guardian().signal(Signal::SIGTERM);
    gap.end();
    assert_eq!(scene.scanner.as_mut().unwrap().ended(), 0, "{}", scene.sandbox.reports());
    assert!(!process.is_alive());
    assert_eq!(scene.starts("squid"), 1);
    scene.nothing_left();
}

#[test]
fn a_directory_made_in_the_gap_is_taken_up_and_one_removed_is_not_started_again() {
    let scene = Scene::with("gap-scan", "squid", STAYS);
    let pid = scene.started("squid");
    let gap = Gap::begin(&scene);
    scene.sandbox.file("new/run", STAYS);
    std::fs::rename(scene.path("squid"), scene.sandbox.lab().join("squid")).unwrap();
    gap.end();
    scene.started("new");
    scene.says(&["squid", "its name is gone"]);
    assert!(scene.process(pid).is_alive());
    scene.sandbox.wait_for("squid to be controlled where it is now", || {
        let path = scene.sandbox.lab().join("squid");
        scene.sandbox.run("svc", ["-dx".as_ref(), path.as_os_str()]);
        let record = scene.record("squid");
        expect(record.is_none(), record)
    });
    scene.close();
}

/// Killed over and over without waiting for anything, at whatever it is doing: starting, taking over, stopping.
#[test]
fn a_storm_of_kills_makes_no_second_copy() {
    let mut scene = Scene::new("storm");
    for n in 0..6 {
        scene.sandbox.file(&format!("s{n}/run"), STAYS);
    }
    scene.sandbox.file("crashes/run", "#!/bin/sh\necho $$ >>starts\nsleep 0.2\nexit 1\n");
    scene.open();
    let pids: Vec<i32> = (0..6).map(|n| scene.started(&format!("s{n}"))).collect();
    for round in 0..12 {
        let supervisor = scene.supervisor();
        if round % 3 == 0 {
            scene.svc("-t", "s5");
        }
        scene.kill(&supervisor);
    }
    scene.supervisor();
    for (n, pid) in pids.iter().enumerate().take(5) {
        let service = format!("s{n}");
        assert_eq!((scene.sandbox.up(&service), scene.starts(&service)), (*pid, 1));
        assert_eq!(scene.copies(&service).len(), 1);
    }
    scene.svc("-d", "s5");
    scene.svc("-d", "crashes");
    scene.sandbox.down("s5");
    scene.sandbox.down("crashes");
    for service in ["s5", "crashes"] {
        assert!(scene.copies(service).is_empty(), "{:?}", scene.copies(service));
    }
    scene.close();
}
