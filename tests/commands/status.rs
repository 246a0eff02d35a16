//! `pinfold status` and `pinfold tree`: what is shown, to people and to programs.

use std::fs;

use serde_json::Value;

use nix::sys::signal::Signal;

use super::house::{House, STAYS, contains};
use crate::common::{expect, skipped};

/// The fields that docs/json.md promises, as `field` lines of its tables below a heading.
fn promised(heading: &str) -> Vec<String> {
    let docs = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/json.md")).unwrap();
    let section = docs.split("\n## ").find(|section| section.starts_with(heading)).unwrap().to_owned();
    let fields = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    fields.map(|(field, _)| field.to_owned()).collect()
}

fn keys(value: &Value) -> Vec<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

#[track_caller]
fn same(mut found: Vec<String>, mut promised: Vec<String>, what: &str) {
    found.sort();
    promised.sort();
    assert_eq!(found, promised, "{what}: what is printed, and what docs/json.md says");
}

fn house(test: &str) -> House {
    let house = House::new(test);
    house.service("db", "echo >&3; exec sleep 1000000", &[("notification-fd", "3")]);
    house.service("family", "sleep 1000000 & sleep 1000000 & wait", &[]);
    house.service("idle", STAYS, &[]);
    house.service("crash", "exit 3", &[]);
    house.service("app", STAYS, &[]);
    house.service("app/log", "exec cat >/dev/null", &[]);
    house.service("odd\nname", STAYS, &[]);
    let house = house.scanned();
    house.done("svcstart", &["--settle", "0.1", "db", "family", "app", "app/log"]);
    house.done("svc", &["-u", "crash"]);
    house.sandbox.wait_for("a crash loop", || {
        let said = house.run("pinfold", &["status", "crash"]);
        expect(said.out.contains("crash loop"), said)
    });
    house
}

/// A table: name, state, pid, uptime, processes in the fold, memory, containment, last exit.
#[test]
fn a_table_for_people() {
    let house = house("status");
    let out = house.done("pinfold", &["status"]);
    let heads: Vec<&str> =
        out.lines().next().unwrap().split("  ").map(str::trim).filter(|h| !h.is_empty()).collect();
    assert_eq!(heads, ["NAME", "STATE", "PID", "UPTIME", "PROCESSES", "MEMORY", "CONTAINMENT", "LAST EXIT"]);
    let row = |name: &str| {
        let line = out.lines().find(|line| line.split("  ").next() == Some(name));
        let line = line.unwrap_or_else(|| panic!("no {name}: {out}"));
        line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    let containment = row("idle")[6].clone();
    let pid = house.sandbox.status("db").unwrap().pid.to_string();
    assert_eq!(row("db")[..3], ["db", "ready", &pid]);
    assert_eq!(row("family")[4], "3", "the leader and two children: {out}");
    assert_eq!(row("idle")[..3], ["idle", "down", "-"]);
    assert_eq!((row("idle")[4].as_str(), row("idle")[7].as_str()), ("0", "-"));
    assert_eq!(row("db").last().unwrap(), "normally down");
    assert!(row("crash")[1].starts_with("crash loop, again in "), "{out}");
    assert_eq!(row("crash")[7], "exit 3");
    assert!(!row("crash").concat().contains("normally up"), "it will be started again: {out}");
    assert!(["kill", "freeze", "list", "v1", "subtree"].contains(&containment.as_str()));
    assert!(row("odd\\nname").len() >= 7, "control characters are escaped: {out}");
    // what kept it down is over when nobody tries any more
    house.done("svc", &["-d", "crash"]);
    house.sandbox.wait_for("crash to be down", || {
        let said = house.run("pinfold", &["status", "crash"]);
        expect(said.out.contains(" down ") && !said.out.contains("crash loop"), said)
    });
    // a log service that is well is only shown when asked for
    assert!(!out.contains("app/log"), "{out}");
    contains(&house.done("pinfold", &["status", "-v"]), "\n  app/log ");
    contains(&house.done("pinfold", &["status", "app/log"]), "app/log ");
    house.done("svcstop", &["app/log"]);
    contains(&house.done("pinfold", &["status"]), "\n  app/log ");
    // columns stand below one another
    let table = house.done("pinfold", &["status", "db", "family", "idle"]);
    let starts = |line: &str| {
        let text: Vec<char> = line.chars().collect();
        let follows_a_gap = |n: &usize| text[n - 2] == ' ' && text[n - 1] == ' ' && text[*n] != ' ';
        (2..text.len()).filter(follows_a_gap).collect::<Vec<_>>()
    };
    let heads = starts(table.lines().next().unwrap());
    assert_eq!(heads.len(), 7, "{table}");
    assert!(table.lines().all(|line| heads.iter().all(|head| starts(line).contains(head))), "{table}");
    // the last stop, with -v
    house.done("svcstop", &["family"]);
    let said = house.run("pinfold", &["status", "-v", "family"]);
    contains(&said.out, "\n  last stop: 3 processes ended in ");
}

/// `stopping for 35 s of 90`.
#[test]
fn a_long_stop_shows_how_far_it_is() {
    let house = House::new("status-stopping");
    house.service("deaf", "trap '' TERM; echo ready >ready; while :; do sleep 1; done", &[]);
    let house = house.scanned();
    house.done("svcstart", &["deaf"]);
    house.done("svc", &["-d", "deaf"]);
    house.sandbox.wait_for("seconds to pass", || {
        let out = house.run("pinfold", &["status", "deaf"]).out;
        let passed = out.split(" stopping for ").nth(1).and_then(|rest| rest.split_once(" s of 90 "));
        expect(
            passed.is_some_and(|(seconds, _)| seconds.parse::<u32>().is_ok_and(|seconds| seconds >= 1)),
            out,
        )
    });
    house.done("svcstop", &["-k", "deaf"]);
}

/// JSON: what docs/json.md says, no more and no less.
#[test]
fn json_for_programs() {
    let house = house("status-json");
    house.done("svcstop", &["family"]);
    let status: Value = serde_json::from_str(&house.done("pinfold", &["status", "--json"])).unwrap();
    same(keys(&status), promised("`pinfold status --json`"), "status");
    same(keys(&status["supervisors"][0]), promised("A supervisor"), "a supervisor");
    let services = status["services"].as_array().unwrap();
    for service in services {
        same(keys(service), promised("A service"), "a service");
    }
    let service = |name: &str| services.iter().find(|service| service["name"] == name).unwrap();
    let db = service("db");
    assert_eq!((db["state"].as_str(), db["running"].as_bool()), (Some("ready"), Some(true)));
    assert_eq!(db["pid"], house.sandbox.status("db").unwrap().pid);
    assert_eq!((db["processes"].as_u64(), db["enabled"].as_bool()), (Some(1), Some(false)));
    assert_eq!(db["directory"], house.path("db").display().to_string());
    assert_eq!(db["supervisor"], status["supervisors"][0]["directory"]);
    let crash = service("crash");
    assert_eq!((crash["want"].as_str(), crash["last_exit"]["code"].as_u64()), (Some("up"), Some(3)));
    same(keys(&crash["last_exit"]), promised("An exit"), "an exit");
    let stop = &service("family")["last_stop"];
    same(keys(stop), promised("A stop"), "a stop");
    assert_eq!(stop["found"], 3);
    same(keys(&stop["processes"][0]), promised("A process that was stopped"), "a process");
    assert_eq!(service("odd\nname")["state"], "down");
    assert_eq!(service("app/log")["log"], true);
    assert_eq!(service("app")["log"], false);
    assert_eq!(service("idle")["last_stop"], Value::Null);

    let named: Value = serde_json::from_str(&house.done("pinfold", &["status", "--json", "db"])).unwrap();
    same(keys(&named["services"][0]), promised("A service"), "a service by name");
    let group = crate::common::cgroups::of(db["pid"].as_i64().unwrap() as i32);
    if group.iter().any(|group| group.join("cpu.stat").exists() && group.join("cgroup.kill").exists()) {
        let used = |status: &Value| status["services"][0]["cpu_seconds"].as_f64();
        assert!(used(&named).is_some_and(|seconds| seconds > 0.0), "{named}");
        contains(&house.done("pinfold", &["status", "-v", "db"]), " s of processor time");
    }

    let tree: Value = serde_json::from_str(&house.done("pinfold", &["tree", "--json", "db"])).unwrap();
    same(keys(&tree["services"][0]), promised("`pinfold tree --json`"), "a tree");
    let process = &tree["services"][0]["processes"][0];
    same(keys(process), promised("A process of a tree"), "a process of a tree");
    assert_eq!(process["arguments"], serde_json::json!(["sleep", "1000000"]));
    assert_eq!((process["leader"].as_bool(), process["stray"].as_bool()), (Some(true), Some(false)));

    let check: Value = serde_json::from_str(&house.done("pinfold", &["check", "--json"])).unwrap();
    same(keys(&check), promised("`pinfold check --json`"), "check");
    let said = house.run("pinfold", &["doctor", "--json"]);
    let doctor: Value = serde_json::from_str(&said.out).unwrap();
    same(keys(&doctor), promised("`pinfold doctor --json`"), "doctor");
}

/// Colours on a terminal only, and not if NO_COLOR is set.
#[test]
fn colours_are_for_terminals() {
    let house = house("status-colours");
    let out = house.done("pinfold", &["status"]);
    assert!(!out.contains('\x1b'), "{out}");
    if !std::path::Path::new("/usr/bin/script").exists() {
        return skipped("no script(1), to make a terminal");
    }
    let on_terminal = |variables: &str| {
        let line = format!("stty cols 70 rows 25; {variables} pinfold status");
        house.done("script", &["-qec", &line, "/dev/null"])
    };
    let out = on_terminal("TERM=xterm");
    contains(&out, "\x1b[32mready\x1b[0m");
    contains(&out, "\x1b[31mcrash loop");
    let plain = on_terminal("TERM=xterm NO_COLOR=1");
    assert!(!plain.contains('\x1b') && plain.contains("ready"), "{plain}");
    assert!(!on_terminal("TERM=dumb").contains('\x1b'));
    let too_wide = plain.lines().find(|line| line.trim_end().chars().count() > 70);
    assert_eq!(too_wide, None, "{plain}");
}

/// When the supervisor is gone, what it knew last is still shown, and said to be old.
#[test]
fn without_a_supervisor_the_last_known_state_is_shown() {
    let house = House::new("status-gone");
    house.service("app", STAYS, &[]);
    house.service("idle", STAYS, &[]);
    let house = house.scanned();
    house.done("svcstart", &["--settle", "0.1", "app"]);
    let (guardian, supervisor) = (house.guardian(), house.supervisor());
    guardian.signal(Signal::SIGSTOP);
    supervisor.signal(Signal::SIGKILL);
    house.sandbox.wait_for("the death to be noticed", || {
        let out = house.done("pinfold", &["status"]);
        expect(out.contains("its supervisor has died, another one is being started"), out)
    });
    guardian.signal(Signal::SIGKILL);
    let gone = house.sandbox.wait_for("both to be missed", || {
        let out = house.run("pinfold", &["status"]).out;
        expect(out.contains("its supervisor is gone; this is what was last known"), &out).map(|()| out)
    });
    contains(&gone, "app   up?");
    contains(&gone, "idle  down?");
    let status: Value = serde_json::from_str(&house.done("pinfold", &["status", "--json", "app"])).unwrap();
    assert_eq!(status["services"][0]["last_known"], true);
    assert_eq!(status["supervisors"][0]["life"], "gone");
    assert_eq!(house.run("pinfold", &["status", "idle"]).code, 3);
    contains(&house.fails("svcstop", &["app"]), "FAILED: not supervised: supervise/control is there");
}

/// The processes of a fold as a tree; one that has gone to another cgroup is marked, with where it went.
#[test]
fn the_tree_shows_who_belongs_to_whom() {
    let house = House::new("tree");
    house.service("family", "sh -c 'sleep 88888885 & wait' & echo ready >ready; wait", &[]);
    let house = house.scanned();
    house.done("svcstart", &["--settle", "0.1", "family"]);
    house.sandbox.wait_for("the family to be complete", || {
        let out = house.done("pinfold", &["tree", "family"]);
        expect(out.contains("sleep 88888885"), out)
    });
    let out = house.done("pinfold", &["tree", "family"]);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 4, "{out}");
    assert_eq!(lines[0], "family  up");
    let pid = house.sandbox.status("family").unwrap().pid;
    assert_eq!(lines[1], format!("└─ {pid} /bin/sh ./run"), "{out}");
    assert!(lines[2].starts_with("   └─ ") && lines[2].contains("sh -c sleep 88888885"), "{out}");
    assert!(lines[3].starts_with("      └─ ") && lines[3].ends_with(" sleep 88888885"), "{out}");

    let Some(group) =
        crate::common::cgroups::of(pid).into_iter().find(|group| group.join("cgroup.kill").exists())
    else {
        return skipped("services are in no cgroup of version 2 here: nobody can stray");
    };
    let elsewhere =
        group.parent().unwrap().parent().unwrap().join(format!("{}-elsewhere", house.sandbox.name));
    fs::create_dir(&elsewhere).unwrap();
    let stray = house.with_word("88888885").into_iter().find(|process| process.command == "sleep").unwrap();
    fs::write(elsewhere.join("cgroup.procs"), stray.pid.to_string()).unwrap();
    let out = house.done("pinfold", &["tree", "family"]);
    contains(&out, &format!("{} [stray, now in ", stray.pid));
    contains(&out, &format!("{}-elsewhere] sleep 88888885", house.sandbox.name));
    house.done("svcstop", &["family"]);
    stray.signal(Signal::SIGKILL);
    house
        .sandbox
        .wait_for("the group to be empty", || fs::remove_dir(&elsewhere).map_err(|error| error.to_string()));
}
