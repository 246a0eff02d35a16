//! `pinfold check`: mistakes in service directories, by file, line and what was expected.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::house::{House, STAYS, contains};

#[test]
fn mistakes_are_named_with_file_and_line() {
    let house = House::new("check");
    house.service("good", STAYS, &[("timeout-kill", "1000"), ("env/PORT", "80")]);
    house.service("typo", STAYS, &[("timout-kill", "1000"), ("htpasswd", "x")]);
    house.service(
        "value",
        STAYS,
        &[("timeout-up", "soon"), ("kill-mode", "group"), ("down-signal", "TERM\n\nHUP")],
    );
    house.service("plain", STAYS, &[("finish", "exit 0")]);
    house.service("dos", "#!/bin/sh\r", &[]);
    house.service("shell", "#!/usr/bin/nonesuch -e", &[]);
    house.service("nothing", "#!/bin/sh", &[("control/z", "")]);
    house.service("logged", STAYS, &[("log/down", "")]);
    fs::write(house.path("nothing/run"), "exec sleep 1000000\n").unwrap();
    fs::set_permissions(house.path("plain/run"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(house.path("plain/finish"), fs::Permissions::from_mode(0o644)).unwrap();
    let at = |file: &str| house.path(file).display().to_string();

    let out = house.fails("pinfold", &["check"]);
    for line in [
        format!(
            "warning: {}: pinfold does not know this name; did you mean `timeout-kill`?",
            at("typo/timout-kill")
        ),
        format!("hint: {}: pinfold does not know this name, and leaves it alone", at("typo/htpasswd")),
        format!("error: {}, line 1: is \"soon\", expected a number of milliseconds", at("value/timeout-up")),
        format!("error: {}, line 1: is \"group\", expected fold or leader", at("value/kill-mode")),
        format!("warning: {}, line 3: only the first line counts", at("value/down-signal")),
        format!("error: {}: is not executable (chmod +x)", at("plain/run")),
        format!("warning: {}: is not executable (chmod +x), so it is not run", at("plain/finish")),
        format!("error: {}, line 1: has DOS line ends", at("dos/run")),
        format!("error: {}, line 1: interpreter /usr/bin/nonesuch does not exist", at("shell/run")),
        format!("error: {}, line 1: names no interpreter", at("nothing/run")),
        format!("warning: {}: is never run: no command has this letter", at("nothing/control/z")),
        format!("error: {}: is missing: there is nothing to start", at("logged/log/run")),
    ] {
        contains(&out, &line);
    }
    assert!(!out.contains(&at("good")), "{out}");
    contains(&out, "9 services checked: 7 errors, 4 warnings, ");

    // one by name, or by path
    assert_eq!(
        house.done("pinfold", &["check", "good"]),
        "1 service checked: 0 errors, 0 warnings, 0 hints\n"
    );
    contains(&house.fails("pinfold", &["check", "./plain"]), "1 service checked: 1 error, 1 warning, ");
    contains(&house.fails("pinfold", &["check", "logged"]), "2 services checked: 1 error, ");
}

/// Hints are no mistakes.
#[test]
fn hints_are_worth_knowing_and_no_failure() {
    let house = House::new("check-hints");
    house.service("wrapper", "cd /\n/usr/bin/squid -N", &[]);
    house.service("su", "exec su - nobody -c squid", &[]);
    house.service("fghack", "exec /usr/local/bin/fghack squid # su", &[]);
    let out = house.done("pinfold", &["check"]);
    contains(&out, "wrapper/run, line 3: never says exec");
    contains(&out, "su/run, line 2: su moves the service into a login session");
    contains(&out, "fghack/run, line 2: fghack is not needed");
    contains(&out, "3 services checked: 0 errors, 0 warnings, 4 hints\n");
}

/// What the examples show is as it should be.
#[test]
fn our_own_examples_have_no_mistakes() {
    let house = House::new("check-examples");
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/service");
    contains(&house.done("pinfold", &["check", examples]), " 0 errors, 0 warnings, ");
}
