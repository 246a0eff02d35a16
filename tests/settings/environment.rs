//! `down`, `env/`, and how settings are read: anew at each start, and never by guessing.

use super::scene::{STAYS, Scene};

#[test]
fn down_means_not_by_itself() {
    let mut scene = Scene::new("down");
    scene.sandbox.file("squid/run", STAYS);
    scene.sandbox.file("squid/down", "");
    scene.sandbox.file("sound/run", STAYS);
    scene.open();
    scene.started("sound"); // the next one in order
    scene.recorded("squid", "taken up", |record| record.state.phase == pinfold::machine::Phase::Down);
    assert_eq!(scene.starts("squid"), 0);
    scene.svc("-u", "squid");
    let pid = scene.started("squid");
    scene.svc("-k", "squid");
    scene.other("squid", pid);
    scene.close();
}

const SHOWS: &str = "#!/bin/sh\necho $$ >>starts\n\
                     echo \"one=${ONE-unset} two=${TWO-unset} gone=${GONE-unset} lines=${LINES3-unset}\" >>shown\n\
                     exec sleep 1000000\n";

#[test]
fn env_sets_and_unsets() {
    let sandbox = super::common::Sandbox::new("env", super::common::Family::Ours).unwrap();
    let mut scene = Scene::of(sandbox.set("GONE", "still here").set("ONE", "from outside"));
    scene.sandbox.file("squid/run", SHOWS);
    scene.sandbox.file("squid/env/ONE", "first line\nsecond line\n");
    scene.sandbox.file("squid/env/TWO", "\n");
    scene.sandbox.file("squid/env/GONE", "");
    scene.sandbox.file("plain/run", SHOWS);
    scene.open();
    assert_eq!(scene.count("squid/shown", 1), ["one=first line two= gone=unset lines=unset"]);
    assert_eq!(scene.count("plain/shown", 1), ["one=from outside two=unset gone=still here lines=unset"]);
    let pid = scene.started("squid");
    // anew at each start
    std::fs::write(scene.path("squid/env/ONE"), "changed").unwrap();
    std::fs::remove_file(scene.path("squid/env/GONE")).unwrap();
    scene.svc("-t", "squid");
    scene.other("squid", pid);
    assert_eq!(scene.count("squid/shown", 2)[1], "one=changed two= gone=still here lines=unset");
    scene.close();
}

#[test]
fn session_none_asks_logind_for_no_session() {
    let sandbox = super::common::Sandbox::new("session", super::common::Family::Ours).unwrap();
    let mut scene = Scene::of(sandbox.set("XDG_SESSION_CLASS", "background"));
    let shows = "#!/bin/sh\necho $$ >>starts\necho \"$XDG_SESSION_CLASS\" >>shown\nexec sleep 1000000\n";
    for name in ["alone", "outer", "plain"] {
        scene.sandbox.file(&format!("{name}/run"), shows);
    }
    scene.sandbox.file("alone/session", "none\n");
    scene.sandbox.file("alone/finish", "#!/bin/sh\necho \"finish $XDG_SESSION_CLASS\" >>shown\n");
    // what the administrator says in so many words has the last word
    scene.sandbox.file("outer/session", "none\n");
    scene.sandbox.file("outer/env/XDG_SESSION_CLASS", "manager\n");
    scene.open();
    assert_eq!(scene.count("alone/shown", 1), ["none"]);
    assert_eq!(scene.count("outer/shown", 1), ["manager"]);
    assert_eq!(scene.count("plain/shown", 1), ["background"]);
    scene.svc("-d", "alone");
    assert_eq!(scene.count("alone/shown", 2)[1], "finish none");
    scene.close();
}

#[test]
fn settings_are_read_anew_at_each_start_and_before_a_stop() {
    let mut scene = Scene::new("anew");
    let stubborn =
        "#!/bin/sh\ntrap 'echo told >>told' TERM\necho $$ >>starts\nwhile :; do sleep 0.05; done\n";
    scene.sandbox.file("squid/run", stubborn);
    scene.sandbox.file("squid/timeout-kill", "0\n");
    scene.open();
    let pid = scene.started("squid");
    scene.sandbox.file("squid/timeout-kill", "200\n");
    scene.svc("-d", "squid");
    scene.sandbox.down("squid");
    // at a start: what is ready and when
    scene.sandbox.file("squid/notification-fd", "4\n");
    scene.sandbox.file("squid/run", "#!/bin/sh\necho $$ >>starts\necho >&4\nexec sleep 1000000\n");
    scene.svc("-u", "squid");
    assert_ne!(scene.started("squid"), pid);
    let record = scene.recorded("squid", "ready", |record| record.state.phase.is_up());
    assert!(record.notifies);
    scene.close();
}

#[test]
fn a_malformed_setting_is_told_and_disturbs_nothing_that_runs() {
    for (name, text, expected) in [
        ("timeout-kill", "soon\n", "a number of milliseconds"),
        ("down-signal", "HUPP\n", "a signal's name or number"),
        ("notification-fd", "stdout\n", "a descriptor number"),
        ("backoff-max", "0\n", "seconds from 1 to 86400"),
        ("kill-mode", "group\n", "fold or leader"),
        ("daemonised", "maybe\n", "auto, yes or no"),
        ("session", "never\n", "none"),
    ] {
        let scene = Scene::with("malformed", "squid", STAYS);
        let pid = scene.started("squid");
        scene.sandbox.file(&format!("squid/{name}"), text);
        scene.svc("-h", "squid"); // ends it: sleep does not catch HUP
        let path = format!("squid/{name}");
        scene.says(&[&path, "line 1", text.trim(), expected]);
        assert_eq!(scene.starts("squid"), 1, "it does not start with a guess");
        std::fs::remove_file(scene.path(&path)).unwrap();
        let next = scene.other("squid", pid);
        scene.line("squid/starts", &next.to_string());

        // while it runs: told at the stop, which is done all the same, with what is known
        scene.sandbox.file(&path, text);
        scene.lose_supervisor();
        assert_eq!(scene.sandbox.up("squid"), next, "{name}");
        scene.svc("-d", "squid");
        scene.sandbox.down("squid");
        std::fs::remove_file(scene.path(&path)).unwrap();
        scene.close();
    }
}
