//! The other verbs, and those that bring services back to how they should be.

use std::fs;

use super::house::{House, STAYS, contains};
use crate::common::{cgroups, expect};

/// `svcreset NAME`: started if it should run, stopped if `NAME/down` exists.
#[test]
fn reset_brings_back_the_original_state() {
    let house = House::new("reset");
    house.service("normally-up", STAYS, &[]);
    house.service("normally-down", STAYS, &[]);
    let house = house.scanned();
    fs::remove_file(house.path("normally-up/down")).unwrap();
    house.done("svcstart", &["--settle", "0.1", "normally-down"]);
    let out = house.done("svcreset", &["--settle", "0.1", "normally-up", "normally-down"]);
    contains(&out, &house.head("Starting", "normally-up"));
    contains(&out, &house.head("Stopping", "normally-down"));
    assert!(!house.is_down("normally-up") && house.is_down("normally-down"));
    // once more changes nothing
    let pid = house.sandbox.status("normally-up").unwrap().pid;
    house.done("pinfold", &["reset", "--settle", "0.1", "normally-up", "normally-down"]);
    assert_eq!(house.sandbox.status("normally-up").unwrap().pid, pid);
}

/// `svcrestart NAME`: stop and start, but only if it is running.
#[test]
fn restart_is_for_what_runs() {
    let house = House::new("restart");
    house.service("app", STAYS, &[]);
    house.service("crash", "[ -e fixed ] || exit 1\nexec sleep 1000000", &[]);
    let house = house.scanned();
    let out = house.done("svcrestart", &["app"]);
    assert_eq!(out, house.head("Restarting", "app") + "not running: nothing done\n");
    assert!(house.is_down("app"));
    house.done("svcstart", &["--settle", "0.1", "app"]);
    let pid = house.sandbox.status("app").unwrap().pid;
    let out = house.done("svcrestart", &["--settle", "0.1", "app"]);
    let stopping = house.head("Stopping", "app");
    assert!(out.starts_with(&stopping) && out.contains(&house.head("Starting", "app")), "{out}");
    let next = house.sandbox.status("app").unwrap().pid;
    assert!(next != 0 && next != pid, "{pid} {next}");
    // what crashes again and again is meant to run
    house.done("svc", &["-u", "crash"]);
    house.sandbox.wait_for("a crash loop", || {
        let said = house.run("pinfold", &["status", "crash"]);
        expect(said.out.contains("crash loop"), said)
    });
    fs::write(house.path("crash/fixed"), "").unwrap();
    contains(&house.done("svcrestart", &["--settle", "0.1", "crash"]), "Starting ");
    assert!(!house.is_down("crash"));
}

/// `enable` and `disable`: now, and over a reboot.
#[test]
fn enable_and_disable_last_over_a_restart_of_svscan() {
    let house = House::new("enable");
    house.service("one", STAYS, &[]);
    house.service("two", STAYS, &[]);
    fs::remove_file(house.path("two/down")).unwrap();
    let mut house = house.scanned();
    contains(&house.done("pinfold", &["enable", "--settle", "0.1", "one"]), "OK\n");
    contains(&house.done("pinfold", &["disable", "two"]), "OK\n");
    let check = |house: &House| {
        assert!(!house.path("one/down").exists() && house.path("two/down").exists());
        house.sandbox.up("one");
        assert!(house.is_down("two"));
    };
    check(&house);
    assert_eq!(house.terminate(), 0);
    let house = house.again();
    check(&house);
    // what the file says is kept
    fs::write(house.path("two/down"), "broken until Monday\n").unwrap();
    house.done("pinfold", &["disable", "two"]);
    assert_eq!(house.read("two/down"), "broken until Monday\n");
    // what does not start is enabled all the same, and the exit code tells
    house.service("late", "exit 1", &[]);
    house.taken_up("late");
    contains(&house.fails("pinfold", &["enable", "late"]), "FAILED: it ended");
    assert!(!house.path("late/down").exists());
}

/// `wait` comes back when it is so, not before.
#[test]
fn wait_waits() {
    let house = House::new("wait");
    house.service(
        "db",
        "while ! [ -e go ]; do sleep 0.1; done; echo >&3; exec sleep 1000000",
        &[("notification-fd", "3")],
    );
    house.service("plain", STAYS, &[]);
    let house = house.scanned();
    let mut ready = house.begin("pinfold", &["wait", "--ready", "db", "plain"], "ready");
    let mut up = house.begin("pinfold", &["wait", "--up", "plain"], "up");
    house.done("svc", &["-u", "db", "plain"]);
    assert_eq!(house.end(&mut up), 0);
    house.sandbox.up("db");
    contains(&house.fails("pinfold", &["wait", "--ready", "-t", "0.3", "db"]), "not ready in time");
    assert!(ready.try_wait().unwrap().is_none(), "ready before it was");
    fs::write(house.path("db/go"), "").unwrap();
    assert_eq!(house.end(&mut ready), 0);
    let mut down = house.begin("pinfold", &["wait", "--down", "db"], "down");
    house.done("svc", &["-d", "db"]);
    assert_eq!(house.end(&mut down), 0);
    assert!(house.is_down("db"));
    // the supervisor goes: so does the wait
    let mut waiting = house.begin("pinfold", &["wait", "--up", "db"], "gone");
    let mut house = house;
    assert_eq!(house.terminate(), 0);
    assert_eq!(house.end(&mut waiting), 1);
    house.says("gone", "not supervised");
}

/// `scan`: a directory that is there is looked for again, whatever was heard of it.
#[test]
fn scan_reaches_svscan() {
    let house = House::new("scan").scanned();
    house.sandbox.wait_for("svscan to be there", || {
        let said = house.run("pinfold", &["scan"]);
        expect(said.code == 0 && said.out.is_empty(), said)
    });
    house.done("pinfold", &["scan", "."]);
    house.service("new", STAYS, &[]);
    house.done("pinfold", &["scan", &house.sandbox.scan().display().to_string()]);
    house.taken_up("new");
    let single = house.lab("single");
    fs::create_dir(&single).unwrap();
    fs::write(single.join("run"), "#!/bin/sh\nexec sleep 1000000\n").unwrap();
    fs::set_permissions(single.join("run"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    fs::write(single.join("down"), "").unwrap();
    let _supervise = house.sandbox.start("supervise", [&single]);
    let path = single.display().to_string();
    house.taken_up(&path);
    contains(&house.fails("pinfold", &["scan", &path]), "it is a service, supervised by hand");
    // and that has not ended it
    house.done("pinfold", &["wait", "--down", &path]);
    house.done("svcstart", &["--settle", "0.1", &path]);
    contains(&house.done("pinfold", &["status"]), "single");
    house.done("svcstop", &[&path]);
}

/// `doctor` says what containment there is, and leaves nothing behind.
#[test]
fn doctor_examines_and_leaves_nothing_behind() {
    let house = House::new("doctor");
    house.service("app", STAYS, &[]);
    let alone = house.run("pinfold", &["doctor"]);
    assert!(alone.code <= 1, "{alone:?}");
    contains(&alone.out, "A supervisor started from here would have:\n  containment: ");
    assert!(!alone.out.contains("left behind"), "{}", alone.out);
    let house = house.scanned();
    let said = house.run("pinfold", &["doctor"]);
    contains(
        &said.out,
        &format!("The supervisor of {} (pid {})", house.sandbox.scan().display(), house.supervisor().pid),
    );
    contains(&said.out, "  cannot catch: ");
    let left: Vec<_> = cgroups::named("pinfold.doctor-").into_iter().collect();
    // another test's doctor may be at work just now
    house.sandbox.wait_for("the doctors to be done", || {
        let left: Vec<_> = left.iter().filter(|group| group.exists()).collect();
        expect(left.is_empty(), left)
    });
    // a lower rung says what it cannot catch
    drop(house);
    let house = House::of("doctor-low", |sandbox| sandbox.set("PINFOLD_CONTAINMENT", "subtree"));
    let house = house.scanned();
    let said = house.sandbox.wait_for("svscan to be there", || {
        let said = house.run("pinfold", &["doctor"]);
        expect(said.out.contains("The supervisor of "), &said).map(|()| said)
    });
    assert_eq!(said.code, 1, "{said:?}");
    contains(
        &said.out,
        "  containment: subtree (no cgroup, a subreaper per service)\n  cannot catch: what a service",
    );
}
