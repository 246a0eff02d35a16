//! Guardian, supervisor and catcher killed, one or all: the next `svscan` takes over whatever has gone on.

use nix::sys::signal::Signal;
use pinfold::table;
use sys::reap::Ending;

use super::common::expect;
use super::common::processes::Process;
use super::scene::{COUNTS, LOGS, STAYS, Scene, assert_counted};

impl Scene {
    /// SIGKILL for the guardian alone.
    fn lose_guardian(&mut self) {
        self.guardian().signal(Signal::SIGKILL);
        self.scanner.take().unwrap().ended();
    }

    /// The supervisor that the table names, whoever's child it is.
    fn named_supervisor(&self) -> Process {
        let view = table::read(&self.run()).unwrap();
        Process::look(view.head.supervisor.unwrap().pid).unwrap()
    }

    /// Waits until the table names this scanner as the guardian.
    fn taken_over(&self) {
        let guardian = self.guardian().pid;
        self.sandbox.wait_for("the new svscan to have taken over", || {
            let view = table::read(&self.run()).map_err(|error| error.to_string())?;
            expect(view.head.guardian.is_some_and(|who| who.pid == guardian), view.head.guardian)
        });
    }

    /// Waits until somebody hears what this service is told: the table says first who is there.
    fn controlled(&self, service: &str) {
        self.sandbox.wait_for(&format!("{service} to be controlled"), || {
            let said = self.sandbox.run("svok", [service]);
            expect(said.code == 0, said)
        });
    }

    fn every_process(&self) -> [Process; 3] {
        [self.guardian(), self.supervisor(), self.catcher()]
    }
}

fn counting(label: &str) -> Scene {
    let mut scene = Scene::new(label);
    scene.sandbox.file("counts/run", COUNTS);
    scene.sandbox.file("counts/log/run", LOGS);
    scene.sandbox.file("quiet/run", STAYS);
    scene.sandbox.file("talks/run", "#!/bin/sh\necho $$ >>starts\nwhile :; do echo talk; sleep 0.3; done\n");
    scene.open();
    scene.count("counts/logged", 10);
    scene
}

/// The pids that must not change.
fn pids(scene: &Scene) -> [i32; 4] {
    ["counts", "counts/log", "quiet", "talks"].map(|service| scene.sandbox.up(service))
}

fn goes_on(scene: &Scene) {
    let now = scene.lines("counts/logged").len();
    scene.count("counts/logged", now + 20);
}

/// Ends everything, and looks whether every line was logged.
fn finish(mut scene: Scene) {
    scene.svc("-d", "counts");
    scene.sandbox.down("counts");
    scene.end();
    assert_counted(&scene.text("counts/logged"));
}

#[test]
fn a_supervisor_without_a_guardian_gets_the_next_one() {
    let mut scene = counting("lost-guardian");
    let (before, supervisor) = (pids(&scene), scene.supervisor());
    scene.lose_guardian();
    // nobody watches, and everything works
    scene.svc("-d", "quiet");
    scene.sandbox.down("quiet");
    goes_on(&scene);
    scene.open();
    scene.taken_over();
    assert_eq!(scene.named_supervisor().pid, supervisor.pid, "one supervisor, the same");
    scene.svc("-u", "quiet");
    let quiet = scene.started("quiet");
    assert_eq!(pids(&scene), [before[0], before[1], quiet, before[3]]);
    // it is watched again: another one follows it, with everything
    scene.kill(&supervisor);
    scene.supervisor_after(&supervisor);
    goes_on(&scene);
    assert_eq!(pids(&scene), [before[0], before[1], quiet, before[3]]);
    finish(scene);
}

#[test]
fn how_a_strangers_child_ended_is_known_or_said_to_be_unknown() {
    let mut scene = Scene::new("strange-end");
    scene.sandbox.file(
        "exits/run",
        "#!/bin/sh\necho $$ >>starts\nwhile [ ! -e go ]; do sleep 0.05; done\nrm go\nexit 7\n",
    );
    scene.open();
    scene.started("exits");
    // the child of the first supervisor, then of the first guardian, then of nobody we know
    scene.lose_supervisor();
    scene.lose_guardian();
    scene.open();
    scene.taken_over();
    scene.touch("exits/go");
    scene.count("exits/starts", 2);
    let record = scene.recorded("exits", "an end", |record| record.last_exit.is_some());
    let known = [Ending::Code(7), Ending::Unknown].contains(&record.last_exit.unwrap());
    assert!(known, "{record:?}");
    scene.close();
}

#[test]
fn all_of_them_killed_the_next_svscan_finds_services_and_pipes() {
    let mut scene = counting("all-killed");
    for _ in 0..3 {
        let before = pids(&scene);
        let [guardian, supervisor, catcher] = scene.every_process();
        // as a service manager does that leaves the services
        for process in [&guardian, &supervisor, &catcher] {
            process.signal(Signal::SIGSTOP);
        }
        for process in [&guardian, &supervisor, &catcher] {
            process.signal(Signal::SIGKILL);
        }
        scene.scanner.take().unwrap().ended();
        scene.gone(&supervisor);
        scene.open();
        scene.taken_over();
        goes_on(&scene);
        let now = pids(&scene);
        assert_eq!(now[..3], before[..3]);
        // each end of the pipe is the other's still
        scene.svc("-t", "counts/log");
        scene.other("counts/log", before[1]);
        goes_on(&scene);
        scene.svc("-t", "counts");
        scene.other("counts", before[0]);
        goes_on(&scene);
    }
    assert_eq!(scene.starts("quiet"), 1);
    finish(scene);
}

#[test]
fn what_is_said_without_a_guardian_is_caught() {
    let mut scene = counting("lost-catcher");
    let [_, _, catcher] = scene.every_process();
    scene.lose_guardian();
    let path = pinfold::catcher::path(&scene.run(), b"talks");
    std::fs::remove_file(&path).unwrap();
    scene.sandbox.wait_for("more to be caught", || expect(path.exists(), &path));
    let talks = scene.sandbox.up("talks");
    scene.open();
    scene.taken_over();
    // the new one's takes its place
    scene.gone(&catcher);
    scene.catcher();
    std::fs::remove_file(&path).unwrap();
    scene.sandbox.wait_for("more to be caught", || expect(path.exists(), &path));
    assert_eq!(scene.sandbox.up("talks"), talks);
    finish(scene);
}

#[test]
fn told_to_end_without_a_guardian_the_next_one_goes_on_with_it() {
    let mut scene = Scene::with(
        "lost-ending",
        "stubborn",
        "#!/bin/sh\ntrap '' TERM\necho $$ >>starts\nwhile :; do sleep 0.05; done\n",
    );
    let stubborn = scene.process(scene.started("stubborn"));
    let supervisor = scene.supervisor();
    scene.guardian().signal(Signal::SIGTERM);
    scene
        .phase("stubborn", "asked to end", |phase| matches!(phase, pinfold::machine::Phase::Stopping { .. }));
    scene.lose_guardian();
    scene.open();
    scene.taken_over();
    // a second supervisor knows as well
    scene.kill(&supervisor);
    scene.supervisor_after(&supervisor);
    assert!(stubborn.is_alive());
    scene.guardian().signal(Signal::SIGTERM);
    assert_eq!(scene.scanner.as_mut().unwrap().ended(), 0, "{}", scene.sandbox.reports());
    assert_eq!(scene.starts("stubborn"), 1);
    scene.nothing_left();
}

#[test]
fn a_hundred_kills_lose_no_line() {
    let mut scene = counting("hundred");
    let before = pids(&scene);
    for round in 0..100 {
        match round % 4 {
            0 | 2 => {
                let supervisor = scene.named_supervisor();
                scene.kill(&supervisor);
                scene.supervisor_after(&supervisor);
            }
            1 => {
                scene.lose_guardian();
                scene.open();
                scene.taken_over();
            }
            // by TERM: what a killed logger has read and not written is lost with it
            _ => {
                let logger = scene.sandbox.up("counts/log");
                scene.process(logger).signal(Signal::SIGTERM);
                scene.other("counts/log", logger);
            }
        }
        let now = scene.lines("counts/logged").len();
        scene.count("counts/logged", now + 1);
    }
    let now = pids(&scene);
    assert_eq!([now[0], now[2], now[3]], [before[0], before[2], before[3]]);
    finish(scene);
}

/// A supervisor that has just been started loses its guardian while it is still on its way: it goes on, or it gives up,
/// and either way there is one in the end, and no service is started beside itself.
#[test]
fn a_supervisor_that_loses_its_guardian_on_the_way_stays_the_only_one() {
    let mut scene = counting("on-the-way");
    let before = pids(&scene);
    let mut held = Vec::new();
    for round in 0..8 {
        let supervisor = scene.named_supervisor();
        let guardian = scene.guardian();
        scene.kill(&supervisor);
        let next = scene.sandbox.wait_for("the next supervisor", || {
            let mut all = Process::all().into_iter();
            let next = all.find(|one| one.parent == guardian.pid && is_supervisor(one));
            next.ok_or_else(|| "none".to_owned())
        });
        // at another point of its way each time
        std::thread::sleep(std::time::Duration::from_micros(600 * round));
        next.signal(Signal::SIGSTOP);
        scene.lose_guardian();
        scene.open();
        if round % 2 == 0 {
            std::thread::sleep(std::time::Duration::from_millis(50)); // the other one may be on its way, or not
        }
        next.signal(Signal::SIGCONT);
        scene.taken_over();
        held.push(next);
        goes_on(&scene);
        assert_eq!(pids(&scene)[..3], before[..3], "round {round}\n{}", scene.sandbox.reports());
        let named = scene.named_supervisor();
        scene.sandbox.wait_for("one supervisor", || {
            let others: Vec<_> = held.iter().filter(|one| one.is_alive() && one.pid != named.pid).collect();
            expect(others.is_empty(), others)
        });
    }
    finish(scene);
}

/// Not the catcher, which is started beside it.
fn is_supervisor(process: &Process) -> bool {
    let line = std::fs::read(format!("/proc/{}/cmdline", process.pid)).unwrap_or_default();
    process.state != 'Z' && line.starts_with(b"pinfold:\0")
}

/// All killed, and the next svscan is started somewhere else (in another login session, say): services are where they
/// are, and whoever belongs to them is still known.
#[test]
fn started_in_another_cgroup_it_still_finds_who_belongs_to_a_service() {
    let run = "#!/bin/sh\necho $$ >>starts\nsetsid sleep 1000000 &\nexec sleep 1000000\n";
    let mut scene = Scene::with("elsewhere", "leaves", run);
    let before = scene.started("leaves");
    let view = table::read(&scene.run()).unwrap();
    let house = std::path::PathBuf::from(String::from_utf8(view.head.house).unwrap());
    let Some(base) = house.parent().filter(|_| super::common::is_root()) else {
        return super::common::skipped("it takes root and cgroups to start it in another one");
    };
    let elsewhere = base.join(format!("pf{}-elsewhere", std::process::id()));
    std::fs::create_dir(&elsewhere).unwrap();
    let all = scene.every_process();
    all.iter().for_each(|process| process.signal(Signal::SIGKILL));
    scene.scanner.take().unwrap().ended();
    scene.gone(&all[1]);
    let script = format!("echo 0 >{}/cgroup.procs; exec svscan \"$0\"", elsewhere.display());
    let mut command = scene.sandbox.command("sh");
    command.arg("-c").arg(script).arg(scene.sandbox.scan());
    scene.scanner = Some(scene.sandbox.start_command(command));
    scene.taken_over();
    assert_eq!((scene.sandbox.up("leaves"), scene.copies("leaves").len()), (before, 2));
    scene.controlled("leaves");
    scene.svc("-d", "leaves");
    scene.sandbox.down("leaves");
    assert_eq!(scene.copies("leaves").len(), 0);
    assert_eq!(scene.scanner.take().unwrap().terminate(), 0);
    std::fs::remove_dir(&elsewhere).unwrap();
    scene.nothing_left();
}
