//! Processes that call themselves what they are not, and names that do more than name.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::common::expect;
use super::common::processes::Process;
use super::den::Den;
use nix::sys::signal::Signal;

/// A new supervisor looks for the fold roots of the one before by what they are called.
#[test]
fn a_process_called_foldroot_is_nobodys_fold_root() {
    let Some(mut den) = Den::new("foldroot") else { return };
    den.yard.sandbox.file("squid/run", super::yard::SOUND);
    den.yard.sandbox.file("squid/strays", "kill\n");
    den.yard.sandbox.file("squid/timeout-kill", "1000\n");
    den.open();
    den.yard.runs("squid");
    let home = den.yard.sandbox.lab().join("home");
    fs::create_dir(&home).unwrap();
    den.give(&home);
    let called = format!("foldroot: {}", den.yard.path("squid").display());
    let script = format!("ln -sf $(command -v sleep) foldroot; exec -a '{called}' ./foldroot 1000000");
    let mut impostor = den.start_as_user(&home, &script);
    // a program of root's that anybody can start, under a name of his own: it waits for a password
    let su = fs::metadata("/usr/bin/su").is_ok_and(|meta| meta.mode() & 0o4000 != 0 && meta.uid() == 0);
    let script = format!(
        "ln -sf /usr/bin/su foldroot-su/foldroot; cd foldroot-su; exec -a '{called}' ./foldroot < <(sleep 1000000)"
    );
    fs::create_dir(home.join("foldroot-su")).unwrap();
    den.give(&home.join("foldroot-su"));
    let mut borrowed = su.then(|| den.start_as_user(&home, &script));
    let is_called =
        |process: &Process| Process::look(process.pid).is_some_and(|now| now.command == "foldroot");
    den.yard.sandbox.wait_for("the impostors", || {
        let both = [Some(&impostor), borrowed.as_ref()];
        let late: Vec<_> =
            both.into_iter().flatten().map(|one| one.process()).filter(|one| !is_called(one)).collect();
        expect(late.is_empty(), late)
    });
    den.yard.lose_supervisor();
    den.yard.sandbox.run("svc", ["-d", "squid"]);
    den.yard.sandbox.down("squid");
    for one in [Some(&mut impostor), borrowed.as_mut()].into_iter().flatten() {
        assert!(!one.has_ended(), "a process of another was ended");
    }
    drop((impostor, borrowed));
    den.yard.sandbox.wait_for("the end of what the impostor waited for", || {
        let left: Vec<_> = den
            .yard
            .sandbox
            .processes()
            .into_iter()
            .filter(|one| one.traces().lead_to(&home, home.to_str().unwrap()).is_some())
            .collect();
        left.iter().for_each(|one| one.signal(Signal::SIGKILL));
        expect(left.is_empty(), left)
    });
    den.close();
}

/// No name, no command and no output of a service's moves the cursor of who looks at it.
#[test]
fn control_characters_are_shown_and_not_obeyed() {
    let Some(mut den) = Den::new("control") else { return };
    let name = "a\u{1b}[2Jb\u{9b}31m\u{7f}\u{202e}c\nd";
    den.yard.sandbox.file(
        &format!("{name}/run"),
        "#!/usr/bin/perl\n$| = 1; print qq(\\x1b[2J\\xc2\\x9b31m evil\\n) x 3; $0 = qq(\\x1b[2J\\xc2\\x9b31m); sleep 1000000;\n",
    );
    den.yard.sandbox.file(&format!("{name}x/run"), "#!/bin/sh\nprintf '\\033[2J dead\\n'; exit 1\n");
    den.yard.sandbox.file(&format!("{name}y/run"), "#!/\u{1b}[2J/\u{9b}\n");
    den.yard.sandbox.file(&format!("{name}z/run"), super::yard::SOUND);
    den.yard.sandbox.file(&format!("{name}z/timeout-kill"), "\u{1b}[2J\u{9b}\n");
    den.open();
    den.yard.runs(name);
    den.yard.says("timeout-kill", &["milliseconds"]);
    let arguments: &[&[&str]] = &[
        &["status", "-v"],
        &["status", &format!("./{name}")],
        &["status", &format!("./{name}x")],
        &["status", "--json"],
        &["tree"],
        &["tree", "--json"],
        &["check", "."],
        &["check", "--json", "."],
        &["doctor"],
        &["start", &format!("./{name}y")],
        &["stop", "-v", &format!("./{name}")],
        &["wait", &format!("./{name}none")],
    ];
    for arguments in arguments {
        let said = den.yard.sandbox.run("pinfold", *arguments);
        let evil = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        let text = said.out + &said.err;
        assert!(!text.contains(evil), "{arguments:?}: {text:?}");
        assert!(!text.contains("c\nd"), "{arguments:?}: {text}");
    }
    // what the services themselves have written is passed on as it is; svscan's own lines are not
    let reports = den.yard.sandbox.reports();
    let own: Vec<&str> = reports.lines().filter(|line| line.starts_with("svscan: ")).collect();
    assert!(own.iter().any(|line| line.contains("timeout-kill")), "{own:?}");
    assert!(own.iter().all(|line| !line.contains(|c: char| c.is_control() || c == '\u{202e}')), "{own:?}");
    den.close();
}
