//! What is in the scan directory, and what becomes of it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use nix::sys::signal::Signal;

use super::common::processes::Process;
use super::common::{Sandbox, expect};
use pinfold::machine::Phase;

use super::scene::{STARTED, STAYS, Scene};

#[test]
fn every_directory_and_its_log_is_a_service() {
    let mut scene = Scene::new("every");
    for service in ["squid", "with-log", "with-log/log", ".hidden"] {
        scene.sandbox.file(&format!("{service}/run"), STAYS);
    }
    scene.sandbox.file("just-a-file", "");
    let elsewhere = scene.sandbox.lab().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::rename(scene.path("squid"), elsewhere.join("squid")).unwrap();
    symlink(elsewhere.join("squid"), scene.path("one")).unwrap();
    symlink(elsewhere.join("squid"), scene.path("two")).unwrap();
    scene.open();
    for service in ["one", "with-log", "with-log/log"] {
        scene.started(service);
    }
    // the names are sorted, and `with-log` is the last: all others have been looked at
    assert_eq!(scene.starts("one"), 1, "two links to one directory");
    assert_eq!(scene.sandbox.up("one"), scene.sandbox.up("two"));
    assert_eq!(scene.starts(".hidden"), 0);
    let names: Vec<_> =
        pinfold::table::read(&scene.run()).unwrap().records.into_iter().map(|(_, r)| r.name).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    scene.close();
}

#[test]
fn a_new_directory_runs_at_once_and_one_filled_slowly_whole() {
    let mut scene = Scene::new("new");
    scene.sandbox.file("sound/run", STAYS);
    scene.open();
    scene.started("sound");
    // as an administrator does it: made elsewhere, then linked
    let squid = scene.sandbox.lab().join("squid");
    fs::create_dir(&squid).unwrap();
    fs::write(squid.join("run"), STAYS).unwrap();
    fs::set_permissions(squid.join("run"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink(&squid, scene.path("squid")).unwrap();
    scene.started("squid");

    // made in place: each step is seen by the supervisor before the next is taken
    fs::create_dir(scene.path("slow")).unwrap();
    see_it(&scene);
    scene.sandbox.file("slow/run", "#!/bin/sh\necho $$ >>starts\necho to the log\nexec sleep 1000000\n");
    scene.started("slow");
    fs::create_dir(scene.path("slow/log")).unwrap();
    see_it(&scene);
    scene.sandbox.file("slow/log/run", "#!/bin/sh\nexec cat >>../logged\n");
    scene.svc("-t", "slow");
    scene.line("slow/logged", "to the log");
    scene.close();
}

/// The supervisor has done what there was to do: it has obeyed a command given after it.
fn see_it(scene: &Scene) {
    let before = scene.started("sound");
    scene.svc("-t", "sound");
    scene.other("sound", before);
}

#[test]
fn a_removed_name_goes_on_until_it_is_told() {
    let mut scene = Scene::new("removed");
    let away = scene.sandbox.lab().join("squid");
    scene.sandbox.file("squid/run", STAYS);
    fs::rename(scene.path("squid"), &away).unwrap();
    symlink(&away, scene.path("squid")).unwrap();
    scene.open();
    let pid = scene.started("squid");
    fs::remove_file(scene.path("squid")).unwrap();
    scene.says(&["squid", "its name is gone"]);
    scene.guardian().signal(Signal::SIGHUP);
    scene.sandbox.file("sound/run", STAYS);
    scene.started("sound");
    assert_eq!(scene.said(&["squid", "its name is gone"]), 1, "said once");
    let process = scene.process(pid);
    assert!(process.is_alive());

    // it is supervised still
    process.signal(Signal::SIGKILL);
    scene.sandbox.wait_for("a restart", || {
        let starts = fs::read_to_string(away.join("starts")).unwrap();
        expect(starts.lines().count() == 2, starts)
    });
    let path = away.to_str().unwrap();
    scene.svc("-dx", path);
    scene.sandbox.wait_for("squid to be forgotten", || {
        let said = scene.sandbox.run("svok", [path]);
        expect(said.code == 100, said)
    });
    assert!(scene.record("squid").is_none());
    scene.close();
}

/// Its `control` is gone with it; the supervisor has another name for that.
#[test]
fn what_was_removed_while_it_runs_can_be_stopped() {
    let mut scene = Scene::new("removed-whole");
    for name in ["squid/run", "squid/log/run", "sound/run"] {
        scene.sandbox.file(name, STAYS);
    }
    scene.sandbox.file("crash/run", "#!/bin/sh\nexit 1\n");
    scene.open();
    let (pid, logger) = (scene.started("squid"), scene.started("squid/log"));
    scene.phase("crash", "crashing", |phase| matches!(phase, Phase::Backoff { .. }));
    let (process, logger) = (scene.process(pid), scene.process(logger));
    for name in ["squid", "crash"] {
        fs::remove_dir_all(scene.path(name)).unwrap();
        scene.says(&[name, "its name is gone"]);
    }
    // there is nothing to start again
    scene.says(&["crash", "it is forgotten"]);
    scene.sandbox.wait_for("crash to be forgotten", || {
        let record = scene.record("crash");
        expect(record.is_none(), record)
    });
    for (name, process) in [("squid", process), ("squid/log", logger)] {
        assert!(process.is_alive());
        let path = scene.path(name).display().to_string();
        let said = scene.sandbox.run("pinfold", ["status", &path]);
        assert!(said.code == 0 && said.out.contains(&process.pid.to_string()), "{said:?}");
        let said = scene.sandbox.run("svcstop", ["-v", &path]);
        assert!(said.code == 0 && said.out.contains("  1 process ended in "), "{said:?}");
        scene.gone(&process);
        scene.sandbox.wait_for("it to be forgotten", || {
            let record = scene.record(name);
            expect(record.is_none(), record)
        });
        let said = scene.sandbox.run("svcstop", [&path]);
        assert!(said.code == 1 && said.out.contains("no such service: "), "{said:?}");
    }
    scene.close();
}

#[test]
fn a_directory_that_is_moved_away_leaves_what_runs_alone() {
    let scene = Scene::with("moved", "squid", STAYS);
    let process = scene.process(scene.started("squid"));
    let away = scene.sandbox.lab().join("squid");
    fs::rename(scene.path("squid"), &away).unwrap();
    scene.says(&["squid", "its name is gone"]);
    scene.lose_supervisor();
    let path = away.to_str().unwrap();
    let said = scene.sandbox.run("svstat", [path]);
    assert!(process.is_alive() && said.out.contains(&format!("up (pid {})", process.pid)), "{said:?}");
    // back again, by another name
    fs::rename(&away, scene.path("octopus")).unwrap();
    scene.says(&["squid is now called octopus"]);
    scene.svc("-t", "octopus");
    scene.count("octopus/starts", 2);
    scene.close();
}

#[test]
fn what_is_down_goes_with_its_name() {
    let mut scene = Scene::new("gone-down");
    scene.sandbox.file("squid/run", STAYS);
    scene.sandbox.file("squid/down", "");
    scene.open();
    scene.recorded("squid", "taken up", |_| true);
    fs::remove_dir_all(scene.path("squid")).unwrap();
    scene.sandbox.wait_for("squid to be forgotten", || {
        let record = scene.record("squid");
        expect(record.is_none(), record)
    });
    assert_eq!(scene.said(&["squid", "its name is gone"]), 0);
    scene.close();
}

#[test]
fn a_renamed_service_is_no_second_one() {
    let mut scene = Scene::new("renamed");
    scene.sandbox.file("squid/run", STAYS);
    scene.sandbox.file("squid/log/run", STAYS);
    scene.sandbox.file("sound/run", STAYS);
    scene.open();
    let (pid, logger) = (scene.started("squid"), scene.started("squid/log"));
    fs::rename(scene.path("squid"), scene.path("octopus")).unwrap();
    scene.says(&["squid is now called octopus"]);
    assert_eq!(scene.started("octopus"), pid);
    for (name, before) in [("octopus", pid), ("octopus/log", logger)] {
        scene.svc("-t", name);
        let now = scene.other(name, before);
        scene.line(&format!("{name}/starts"), &now.to_string());
    }
    // also for who has to find that out from nothing
    scene.lose_supervisor();
    scene.guardian().signal(Signal::SIGHUP);
    see_it(&scene);
    let before = scene.started("octopus");
    scene.svc("-t", "octopus");
    scene.other("octopus", before);
    assert_eq!(scene.count("octopus/starts", 3).len(), 3);
    let (gone, taken) = (scene.said(&["squid", "its name is gone"]), scene.said(&["octopus", "already"]));
    assert!(gone <= 2 && taken == 0, "{}", scene.sandbox.reports());
    scene.close();
}

#[test]
fn svc_dx_gives_a_service_up_and_the_next_scan_takes_it_up() {
    let scene = Scene::with("given-up", "squid", STAYS);
    let pid = scene.started("squid");
    scene.svc("-dx", "squid");
    let again = scene.other("squid", pid);
    scene.line("squid/starts", &again.to_string());
    assert!(!scene.lines("squid/starts").is_empty());
    scene.close();
}

#[test]
fn hangup_reads_the_directory_anew() {
    let mut scene = Scene::new("hangup");
    scene.sandbox.file("sound/run", STAYS);
    let target = scene.sandbox.lab().join("target");
    fs::write(&target, "no directory").unwrap();
    symlink(&target, scene.path("squid")).unwrap();
    scene.open();
    scene.started("sound");
    // nothing changes in the scan directory itself, so nobody is told
    fs::remove_file(&target).unwrap();
    fs::create_dir(&target).unwrap();
    fs::write(target.join("run"), STAYS).unwrap();
    fs::set_permissions(target.join("run"), fs::Permissions::from_mode(0o755)).unwrap();
    see_it(&scene);
    assert_eq!(scene.starts("squid"), 0);
    scene.guardian().signal(Signal::SIGHUP);
    scene.started("squid");
    scene.close();
}

#[test]
fn a_second_svscan_is_refused_and_touches_nothing() {
    let mut scene = Scene::new("second");
    scene.sandbox.file("squid/run", STAYS);
    scene.sandbox.file("squid/log/run", "#!/bin/sh\nexec cat >>../logged\n");
    scene.open();
    let pid = scene.started("squid");
    let supervisor = scene.supervisor();
    let said = scene.sandbox.run("svscan", [scene.sandbox.scan()]);
    assert_eq!(said.code, 111, "{said:?}");
    assert!(said.err.contains(scene.sandbox.scan().to_str().unwrap()), "{said:?}");
    assert_eq!((scene.supervisor(), scene.sandbox.up("squid")), (supervisor, pid));
    scene.svc("-t", "squid");
    scene.other("squid", pid);
    assert!(scene.run().join("table").exists());
    scene.close();
}

#[test]
fn each_leader_has_a_session_of_its_own_below_svscan_and_none_below_supervise() {
    let scene = Scene::with("session", "squid", STAYS);
    let pid = scene.started("squid");
    assert_eq!(session(pid), pid);
    scene.close();

    let sandbox = Sandbox::new("session-supervise", super::common::Family::Ours).unwrap();
    sandbox.file("squid/run", STAYS);
    let keeper = sandbox.start("supervise", ["squid"]);
    let pid = sandbox.up("squid");
    assert_eq!(session(pid), session(keeper.process().pid));
}

fn session(pid: i32) -> i32 {
    nix::unistd::getsid(Some(nix::unistd::Pid::from_raw(pid))).unwrap().as_raw()
}

#[test]
fn an_ordinary_user_without_cgroups_has_descent_and_is_told_once() {
    let sandbox = Sandbox::new("user", super::common::Family::Ours).unwrap();
    let mut scene = Scene::of(sandbox.unprivileged().set("PINFOLD_CONTAINMENT", "subtree"));
    // the real daemon is no child of run's, and in a session of its own
    let strays =
        format!("{STARTED}setsid sh -c 'echo $$ >stray; exec sleep 1000000' &\nexec sleep 1000000\n");
    scene.sandbox.file("squid/run", &strays);
    scene.sandbox.file("sound/run", STAYS);
    scene.open();
    scene.started("squid");
    scene.started("sound");
    assert_eq!(scene.said(&["containment: subtree"]), 1, "{}", scene.sandbox.reports());
    let stray: i32 = scene.count("squid/stray", 1)[0].parse().unwrap();
    let stray = scene.process(stray);
    scene.svc("-d", "squid");
    scene.sandbox.down("squid");
    assert!(!stray.is_alive(), "down, and {stray:?} lives");
    assert!(Process::all().iter().all(|one| one.pid != stray.pid || one.start != stray.start));
    scene.close();
}
