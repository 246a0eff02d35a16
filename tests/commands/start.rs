//! `svcstart NAME` starts the service and checks that it runs properly: exit 0 if it does, 1 if not.

use std::fs;

use super::house::{House, STAYS, after, contains, died};

/// Output as administrators know it: a dot a second, `OK`.
#[test]
fn a_service_that_stays_up_has_started() {
    let house = House::new("start");
    house.service("squid", STAYS, &[]);
    let house = house.scanned();
    let out = house.done("svcstart", &["squid"]);
    let dots = after(&out, &house.head("Starting", "squid")).strip_suffix("OK\n").unwrap().to_owned();
    assert!(dots.len() >= 2 && dots.bytes().all(|b| b == b'.'), "{out:?}: up for 3 s makes 2 or 3 dots");
    let pid = house.sandbox.status("squid").unwrap().pid;
    assert_ne!(pid, 0);
    // it is up by now: nothing is done, and that is well
    let out = house.done("svcstart", &["-v", "squid"]);
    contains(&out, &format!("OK, pid {pid}, up for "));
    assert_eq!(house.sandbox.status("squid").unwrap().pid, pid);
    assert_eq!(house.done("svcstart", &["-q", "squid"]), "");
}

/// A crashing service is never reported as started; the last lines of its output are shown.
#[test]
fn one_that_dies_at_once_has_not_started() {
    let house = House::new("start-crash");
    house.service("crash", "echo Unknown id: download >&2\nexit 111", &[]);
    house.service("signal", "kill -SEGV $$", &[]);
    house.service("silent", "exit 0", &[]);
    let house = house.scanned();
    let out = house.fails("svcstart", &["crash"]);
    contains(&out, "FAILED: it ended");
    died(&out, "exit 111");
    contains(&out, "\n  the last lines of its output:\n    Unknown id: download\n");
    died(&house.fails("svcstart", &["signal"]), "ended by SIGSEGV");
    // exit 0 is no success of a service that is to stay
    let out = house.fails("svcstart", &["silent"]);
    contains(&out, "FAILED: it ended");
    assert!(!out.contains("last lines"), "it has said nothing: {out}");
    assert!(!out.contains("OK"), "{out}");
    // status tells the same
    let said = house.run("pinfold", &["status", "crash"]);
    contains(&said.out, "\n  said: Unknown id: download\n");
    // once more, now that it is in a crash loop
    contains(&house.fails("svcstart", &["crash"]), "exit 111");
    let said = house.run("svcstart", &["-q", "crash"]);
    assert_eq!((said.code, said.out.as_str()), (1, ""), "{said:?}");
    contains(&said.err, "crash/: it ended");
    died(&said.err, "exit 111");
}

/// Also one that dies every 1.1 s, also if it was up when somebody asked.
#[test]
fn one_that_dies_every_other_second_has_not_started() {
    let house = House::new("start-late-crash");
    house.service("crash", "echo alive $$\nsleep 1.1\nexit 5", &[]);
    let house = house.scanned();
    for _ in 0..3 {
        let out = house.fails("svcstart", &["crash"]);
        contains(&out, "FAILED: it ended");
        contains(&out, ": exit 5\n");
        contains(&out, "    alive ");
    }
    house.sandbox.up("crash");
    contains(&house.fails("svcstart", &["crash"]), "FAILED: it ended");
}

/// Only what it has said since counts, also where a logger writes it down.
#[test]
fn the_last_lines_are_those_of_this_start() {
    let house = House::new("start-log");
    house.service(
        "app",
        "exec 2>&1\necho attempt $(cat count)\nread n <count; echo $((n+1)) >count\nexit 1",
        &[("count", "1")],
    );
    let log =
        "mkdir -p main\nwhile read -r line; do echo \"@400000003b4a39c23294b13c $line\" >>main/current; done";
    house.service("app/log", log, &[]);
    fs::remove_file(house.path("app/log/down")).unwrap();
    let house = house.scanned();
    contains(&house.fails("svcstart", &["app"]), "    attempt 1\n");
    house.done("svcstop", &["app"]);
    let last = house.read("app/count");
    let out = house.fails("svcstart", &["app"]);
    contains(&out, &format!("    attempt {}\n", last.trim()));
    assert!(!out.contains("attempt 1\n"), "{out}");
}

/// A service whose logger does not run works, until the pipe is full.
#[test]
fn a_logger_that_does_not_run_is_named() {
    let house = House::new("start-logger");
    house.service("app", STAYS, &[]);
    house.service("app/log", "exit 3", &[]);
    let house = house.scanned();
    house.done("svc", &["-u", "app/log"]);
    house.sandbox.wait_for("a crash loop", || {
        let said = house.run("pinfold", &["status", "app/log"]);
        crate::common::expect(said.out.contains("crash loop"), said)
    });
    // it is up for a moment now and then
    house.sandbox.wait_for("the logger to be named", || {
        let out = house.done("svcstart", &["--settle", "0.1", "app"]);
        let named = "OK\n  but its log service does not run: it ended within a second of its start: exit 3\n";
        crate::common::expect(out.contains(named), out)
    });
}

/// What can't be started is reported with what to do about it.
#[test]
fn what_cannot_be_executed_says_why() {
    let house = House::new("start-bad");
    house.service("missing", STAYS, &[]);
    house.service("plain", STAYS, &[]);
    house.service("interpreter", "#!/usr/bin/nonesuch", &[]);
    house.service("dos", "#!/bin/sh\r\nexec true\r", &[]);
    house.service("setting", STAYS, &[("timeout-kill", "soon")]);
    house.service("directory", STAYS, &[]);
    let house = house.scanned();
    fs::remove_file(house.path("missing/run")).unwrap();
    fs::set_permissions(house.path("plain/run"), std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .unwrap();
    fs::remove_file(house.path("directory/run")).unwrap();
    fs::create_dir(house.path("directory/run")).unwrap();
    for (name, why) in [
        ("missing", "missing/run: there is no such file"),
        ("plain", "plain/run: permission denied (chmod +x"),
        ("interpreter", "interpreter /usr/bin/nonesuch not found (line 1)"),
        ("dos", "run: it has DOS line ends"),
        ("setting", "timeout-kill: line 1 is \"soon\", expected a number of milliseconds"),
        ("directory", "directory/run: it is a directory"),
    ] {
        let out = house.fails("svcstart", &[name]);
        contains(after(&out, &house.head("Starting", name)), "FAILED: ");
        contains(&out, why);
    }
}

/// `notification-fd` decides: not the time that it is up.
#[test]
fn a_service_that_says_when_it_is_ready_has_started_then() {
    let house = House::new("start-notify");
    let run = "while ! [ -e go ]; do sleep 0.1; done\necho said >ready\necho >&3\nexec sleep 1000000";
    house.service("db", run, &[("notification-fd", "3")]);
    house.service("mute", STAYS, &[("notification-fd", "3"), ("timeout-up", "700")]);
    let house = house.scanned();
    let mut start = house.begin("svcstart", &["--settle", "1", "db"], "db");
    // it has long been up; nobody says that it has started
    house.sandbox.up("db");
    house.says("db", "..");
    assert!(start.try_wait().unwrap().is_none(), "started before it was ready");
    fs::write(house.path("db/go"), "").unwrap();
    assert_eq!(house.end(&mut start), 0);
    assert_eq!(house.read("db/ready"), "said\n");
    // ready, so no time to settle is asked for
    house.done("svcstart", &["--settle", "100000", "db"]);

    contains(&house.fails("svcstart", &["mute"]), "FAILED: not ready in time (timeout-up)");
}

/// `check` decides where there is one: run again and again.
#[test]
fn a_service_with_a_check_has_started_when_that_succeeds() {
    let house = House::new("start-check");
    let check = "echo x >>checks\n[ $(wc -l <checks) -ge 3 ] || exit 7";
    house.service("web", STAYS, &[("check", check)]);
    house.service("never", STAYS, &[("check", "echo no; exit 7")]);
    house.service("hangs", STAYS, &[("check", "sleep 88888881 & wait")]);
    house.service("dies", "sleep 0.5; exit 4", &[("check", "exit 0")]);
    let house = house.scanned();
    house.done("svcstart", &["--settle", "100000", "web"]);
    assert_eq!(house.read("web/checks"), "x\nx\nx\n");

    let out = house.fails("svcstart", &["-w", "5", "never"]);
    contains(&out, "FAILED: check does not succeed: exit 7");
    house.fails("svcstart", &["-w", "3", "hangs"]);
    assert!(
        house.with_word("88888881").is_empty(),
        "check has left somebody: {:?}",
        house.with_word("88888881")
    );
    // a success of check does not make up for a crash, but which comes first is a matter of luck
    let said = house.run("svcstart", &["dies"]);
    assert!(said.code == 0 || said.out.contains("exit 4"), "{said:?}");
}

/// A daemon takes the place of `run`; it must stay as long as any service.
#[test]
fn a_service_that_daemonises_has_started() {
    let house = House::new("start-daemon");
    house.service("daemon", "setsid sleep 1000000 </dev/null >/dev/null 2>&1 &\nexit 0", &[]);
    let house = house.scanned();
    let out = house.done("svcstart", &["-v", "daemon"]);
    contains(&out, &format!("OK, pid {}", house.sandbox.status("daemon").unwrap().pid));
    house.done("svcstop", &["daemon"]);
    assert!(house.is_down("daemon"));
}

#[test]
fn a_paused_service_has_not_started() {
    let house = House::new("start-paused");
    house.service("app", STAYS, &[]);
    let house = house.scanned();
    house.done("svcstart", &["--settle", "0.1", "app"]);
    house.done("svc", &["-p", "app"]);
    house.sandbox.wait_for("a pause", || {
        crate::common::expect(house.sandbox.status("app").is_some_and(|status| status.paused), "not paused")
    });
    contains(&house.fails("svcstart", &["app"]), "FAILED: it is paused; svc -c lets it go on");
}

/// The letter is said again to a new supervisor, and the service is not started twice.
#[test]
fn a_supervisor_killed_meanwhile_makes_no_difference() {
    let house = House::new("start-killed");
    house.service("app", "echo run >>runs\nexec sleep 1000000", &[]);
    let house = house.scanned();
    let mut start = house.begin("svcstart", &["app"], "said");
    house.sandbox.up("app");
    house.kill_supervisor();
    assert_eq!(house.end(&mut start), 0, "{}", fs::read_to_string(house.lab("said")).unwrap());
    assert_eq!(house.read("app/runs"), "run\n");
}
