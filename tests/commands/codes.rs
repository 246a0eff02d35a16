//! NAMEs and exit codes: what is wrong is said at once and clearly, never by hanging.

use std::fs;
use std::os::unix::process::CommandExt;

use nix::sys::signal::Signal;

use super::house::{House, STAYS, contains};
use crate::common::{NOBODY, is_root, skipped};

fn house(test: &str) -> House {
    let house = House::new(test);
    house.service("up", STAYS, &[]);
    house.service("down", STAYS, &[]);
    house.service("crash", "exit 1", &[]);
    house.service("scripted", STAYS, &[("start", "echo not to be run"), ("stop", "echo not to be run")]);
    fs::create_dir(house.lab("orphan")).unwrap();
    fs::create_dir(house.lab("stale")).unwrap();
    fs::create_dir(house.lab("stale/supervise")).unwrap();
    fs::write(house.lab("plain"), "").unwrap();
    let house = house.scanned();
    nix::unistd::mkfifo(
        &house.lab("stale/supervise/control"),
        nix::sys::stat::Mode::S_IRUSR | nix::sys::stat::Mode::S_IWUSR,
    )
    .unwrap();
    house.done("svcstart", &["--settle", "0.1", "up"]);
    house
}

/// One row: a command line, its exit code, and a part of what it says.
#[test]
fn exit_codes() {
    let house = house("codes");
    let lab = house.sandbox.lab().display().to_string();
    let lines = [
        ("svcstart up", 0, "OK\n"),
        ("svcstart crash", 1, "FAILED: it ended"),
        ("svcstop down", 0, "down/ OK\n"),
        ("svcstart nonesuch", 1, "FAILED: no such service: "),
        ("svcstop nonesuch", 1, "nonesuch does not exist\n"),
        ("svcstart scripetd", 1, "does not exist; did you mean scripted?"),
        ("svcreset nonesuch", 1, "FAILED: no such service"),
        ("svcrestart nonesuch", 1, "FAILED: no such service"),
        ("svcstop LAB/orphan", 1, "FAILED: not supervised: nobody has ever taken it up"),
        ("svcstart LAB/orphan", 1, "FAILED: not supervised"),
        ("svcrestart LAB/orphan", 1, "FAILED: not supervised"),
        ("svcstop LAB/stale", 1, "FAILED: not supervised: supervise/control is there, but nobody reads it"),
        ("svcstop LAB/plain", 1, "plain is not a directory\n"),
        ("svcstop down nonesuch up", 1, "up/ OK\n"),
        ("svcstart up", 0, "OK\n"),
        ("svcstop", 1, "Usage: svcstop"),
        ("svcstop --nonsense up", 1, "--nonsense"),
        ("svcstart --settle soon up", 1, "expected a number of seconds"),
        ("svcstop --help", 0, "Examples:"),
        ("pinfold start up", 0, "OK\n"),
        ("pinfold stop nonesuch", 1, "FAILED: no such service"),
        ("pinfold stop", 2, "Usage: pinfold stop"),
        ("pinfold status", 0, "CONTAINMENT"),
        ("pinfold status up", 0, "up "),
        ("pinfold status down", 3, "down "),
        ("pinfold status up down", 0, "down "),
        ("pinfold status nonesuch", 1, "no such service"),
        ("pinfold status LAB/orphan", 1, "not supervised"),
        ("pinfold status --nonsense", 2, "--nonsense"),
        ("pinfold status --json down", 3, "\"services\""),
        ("pinfold tree up", 0, "sleep 1000000"),
        ("pinfold tree nonesuch", 1, "no such service"),
        ("pinfold wait --up up", 0, ""),
        ("pinfold wait --down down", 0, ""),
        ("pinfold wait --down -t 0.2 up", 1, "not down in time"),
        ("pinfold wait --up -t 0.2 LAB/orphan", 1, "not supervised"),
        ("pinfold wait up", 2, "--up"),
        ("pinfold scan", 0, ""),
        ("pinfold scan LAB", 1, "no svscan of pinfold's supervises it"),
        ("pinfold scan LAB/nonesuch", 1, "no such file"),
        ("pinfold check nonesuch", 1, "no such service: "),
        ("pinfold check scripetd", 1, "; did you mean scripted?"),
        ("pinfold check LAB/plain", 1, "is not a directory"),
        ("pinfold check", 0, "4 services checked: 0 errors"),
        ("pinfold enable nonesuch", 1, "no such service"),
        ("pinfold help", 0, "Tools, by their own names"),
        ("pinfold --help", 0, "Exit codes"),
        ("pinfold help stop", 0, "Exit codes"),
        ("pinfold --version", 0, env!("CARGO_PKG_VERSION")),
    ];
    for (line, code, part) in lines {
        let words: Vec<String> = line.split(' ').map(|word| word.replace("LAB", &lab)).collect();
        let arguments: Vec<&str> = words[1..].iter().map(String::as_str).collect();
        let said = house.run(&words[0], &arguments);
        assert_eq!(said.code, code, "{line}: {said:?}\n{}", house.sandbox.reports());
        contains(&(said.out + &said.err), part);
    }
}

/// What there is to do where nothing is supervised yet.
#[test]
fn nothing_to_show_says_how_to_begin() {
    let house = House::new("nothing");
    for verb in ["status", "tree", "metrics"] {
        let said = house.run("pinfold", &[verb]);
        assert_eq!(said.code, 1, "{said:?}");
        assert!(verb == "metrics" || said.out.is_empty(), "{said:?}");
        let scan = house.sandbox.scan();
        contains(&said.err, &format!("nothing is supervised here; `svscan {}` starts it", scan.display()));
    }
    let said = house.run("pinfold", &["check", "nonesuch"]);
    assert_eq!((said.code, said.out.as_str()), (1, ""), "no count of nothing: {said:?}");
}

/// What could not be printed is not passed over; but who reads the beginning only has what he wanted.
#[test]
fn a_full_disk_is_said_and_a_reader_that_has_gone_is_not() {
    let house = house("full");
    for line in ["status", "status --json", "tree", "metrics", "check", "doctor --json"] {
        let said = house.run("sh", &["-c", &format!("exec pinfold {line} >/dev/full")]);
        assert_eq!(said.code, 1, "{line}: {said:?}");
        contains(&said.err, "pinfold: write standard output: no space left on device\n");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = house.sandbox.command("pinfold");
        let said = command.args(line.split(' ')).stdout(writer).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&said.stderr), "", "{line}");
        assert_eq!(said.status.code(), Some(1), "{line}");
    }
}

/// Who finds a service taken leaves nothing behind that looks like a supervisor.
#[test]
fn a_supervise_that_comes_too_late_is_not_shown() {
    let house = house("late");
    let said = house.run("supervise", &["up"]);
    assert_eq!(said.code, 111, "{said:?}");
    contains(&said.err, "unable to acquire up/supervise/lock: temporary failure");
    let shown = house.run("pinfold", &["doctor"]).out;
    assert!(shown.contains("The supervisor of ") && !shown.contains("which is gone"), "{shown}");
}

/// Every verb has help with examples and its exit codes.
#[test]
fn every_help_is_worth_reading() {
    let house = House::new("help");
    let verbs = "status tree start stop restart reset enable disable wait scan check doctor";
    for verb in verbs.split(' ') {
        let out = house.done("pinfold", &[verb, "--help"]);
        contains(&out, &format!("Usage: pinfold {verb}"));
        contains(&out, "Examples:\n");
        contains(&out, "Exit codes: 0 ");
        contains(&house.done("pinfold", &["help"]), &format!("  {verb} "));
        assert!(out.lines().all(|line| line.chars().count() <= 100), "{out}");
    }
    for applet in ["svcstart", "svcstop", "svcreset", "svcrestart"] {
        let out = house.done(applet, &["--help"]);
        contains(&out, &format!("Usage: {applet}"));
        contains(&out, "Exit codes: 0 all done; 1 not all");
    }
}

/// A bare name below SVDIR, a path, with and without a slash at its end.
#[test]
fn a_name_is_a_bare_name_or_a_path() {
    let house = house("names");
    let path = house.path("up").display().to_string();
    for name in ["up", "up/", "./up", "./up/", &path, &format!("{path}/"), "../scan/up//"] {
        let out = house.done("svcstart", &[name]);
        assert!(out.contains("up/ ") && out.ends_with("OK\n"), "{out}");
    }
    // without SVDIR a bare name is not looked for here
    let mut command = house.sandbox.command("svcstart");
    command.env_remove("SVDIR").arg("pinfold-test-nonesuch");
    let said = house.sandbox.finish(command);
    assert_eq!(said.code, 1, "{said:?}");
    contains(&said.out, "/service/pinfold-test-nonesuch");
    // another name for the same directory is the same service
    std::os::unix::fs::symlink(house.path("up"), house.lab("alias")).unwrap();
    let alias = house.lab("alias").display().to_string();
    let pid = house.sandbox.status("up").unwrap().pid;
    contains(&house.done("pinfold", &["status", &alias]), &pid.to_string());
    contains(&house.done("svcstop", &["-v", &alias]), "OK\n  1 process ended in ");
}

/// A service goes on when its directory is moved, and is still known as what it was.
#[test]
fn a_service_that_was_moved_is_the_same() {
    let house = house("moved");
    let pid = house.sandbox.status("up").unwrap().pid;
    fs::rename(house.path("up"), house.lab("elsewhere")).unwrap();
    let path = house.lab("elsewhere").display().to_string();
    let shown = house.done("pinfold", &["status", &path]);
    contains(&shown, &format!(" {pid} "));
    assert!(!shown.contains(" none "), "taken for another family's: {shown}");
    contains(
        &house.done("svcstop", &["-v", &path]),
        &format!("\n  {pid} sleep: told to end, ended by SIGTERM, leader\n"),
    );
}

/// Whoever may not control a service is told so.
#[test]
fn without_permission_nothing_is_done() {
    if !is_root() {
        return skipped("needs root, to have a service that another user may not control");
    }
    let house = house("permission");
    let as_nobody = |program: &str, arguments: &[&str]| {
        let mut command = house.sandbox.command(program);
        command.args(arguments).uid(NOBODY).gid(NOBODY);
        house.sandbox.finish(command)
    };
    for program in ["svcstart", "svcstop", "svcrestart", "svcreset"] {
        let said = as_nobody(program, &["up"]);
        assert_eq!(said.code, 1, "{program}: {said:?}");
        contains(&said.out, "FAILED: open ");
        contains(&said.out, "permission denied (try it as root)\n");
    }
    for program in ["svcstart", "svcstop"] {
        let said = as_nobody(program, &["scripted"]);
        assert!(said.code == 1 && !said.out.contains("not to be run"), "{said:?}");
    }
    for verb in ["start", "stop", "restart", "reset"] {
        assert_eq!(as_nobody("pinfold", &[verb, "up"]).code, 4, "{verb}");
    }
    assert_eq!(as_nobody("pinfold", &["disable", "up"]).code, 4);
    assert_eq!(as_nobody("pinfold", &["enable", "down"]).code, 4);
    assert!(house.path("down/down").exists() && house.path("up/down").exists());
    assert_eq!(as_nobody("pinfold", &["scan"]).code, 4);
    assert!(!house.is_down("up") && house.is_down("down"));
    // looking is free
    contains(&as_nobody("pinfold", &["status", "up"]).out, " up ");
    contains(&as_nobody("pinfold", &["tree", "up"]).out, "sleep 1000000");
}

/// A supervisor that hangs, even one whose FIFO is full, hangs nobody else.
#[test]
fn a_supervisor_that_hangs_hangs_nobody() {
    let house = house("hangs");
    let supervisor = house.supervisor();
    supervisor.signal(Signal::SIGSTOP);
    let out = house.fails("svcstop", &["-w", "1", "up"]);
    contains(&out, "FAILED: 1 process is left (up)\n");
    contains(
        &house.fails("svcstart", &["-w", "1", "down"]),
        "FAILED: its supervisor has not started it in time; does it hang?",
    );
    contains(&house.done("pinfold", &["status", "up"]), " up ");
    let fill = "i=0; while [ $i -lt 3000 ]; do svc -hait12qc up; i=$((i+1)); done";
    // svc itself waits for room: it is left waiting
    let mut filler = house.begin("sh", &["-c", fill], "fill");
    house.sandbox.wait_for("the FIFO to be full", || {
        let out = house.fails("svcstop", &["-w", "0.1", "up"]);
        crate::common::expect(out.contains("does not take commands: supervise/control is full"), out)
    });
    filler.kill().unwrap();
    filler.wait().unwrap();
    house.kill_supervisor();
}
