//! A service starts as svscan itself was started; and `supervise`, which is djb's in manners too.

use nix::sys::signal::Signal;

use super::common::{Family, Sandbox, expect, is_root};
use super::scene::{STAYS, Scene};

/// Shows what a process has inherited. Signals first: the shell clears its mask once it has waited for a child.
const SHOWS: &str = r#"#!/bin/sh
{
	while read -r line; do case $line in SigBlk* | SigIgn*) echo "$line" ;; esac; done </proc/self/status
	echo "umask $(umask)"; echo "nofile $(ulimit -Sn) $(ulimit -Hn)"; echo "word $WORD"
	echo "nice $(cut -d' ' -f19 /proc/self/stat)"
	echo "oom $(cat /proc/self/oom_score_adj)"
	echo "fds $(ls /proc/self/fd | tr '\n' ' ')"
	echo "unset ${PINFOLD_CHECK-none}"
} >shown.new
mv shown.new shown
exec sleep 1000000
"#;

#[test]
fn a_service_inherits_what_svscan_was_started_with() {
    let mut scene = Scene::new("inherits");
    scene.sandbox.file("squid/run", SHOWS);
    let mut command = scene.sandbox.command("perl");
    // what differs from the defaults in every respect; perl has the calls that sh lacks
    command.args(["-MPOSIX", "-e"]);
    command.arg(
        r#"$SIG{HUP} = "IGNORE"; $SIG{QUIT} = "IGNORE"; umask 027; POSIX::nice(3);
        sigprocmask(SIG_BLOCK, POSIX::SigSet->new(SIGUSR2, 28));
        open(my $f, ">", "/proc/self/oom_score_adj"); print $f "77"; close $f;
        exec "sh", "-c", "ulimit -Sn 300; ulimit -Hn 400; exec svscan .""#,
    );
    command.env("WORD", "with  spaces");
    scene.scanner = Some(scene.sandbox.start_command(command));
    let expected = scene.count("squid/shown", 1).join("\n");
    let first = scene.sandbox.up("squid");
    for (what, line) in [
        ("umask", "umask 0027"),
        ("descriptor limits", "nofile 300 400"),
        ("environment", "word with  spaces"),
        ("blocked signals", "SigBlk:\t0000000008000800"),
        ("niceness", "nice 3"),
        ("oom_score_adj", "oom 77"),
        ("descriptors", "fds 0 1 2 3 "),
        ("own variables", "unset none"),
    ] {
        assert!(expected.lines().any(|one| one == line), "{what}: {expected}");
    }
    // of the standard signals: who runs the tests may have been started with others ignored
    let ignored = expected.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    assert_eq!(
        u64::from_str_radix(ignored.trim(), 16).unwrap() & 0x7fff_ffff,
        5,
        "ignored signals: {expected}"
    );
    // and so by another supervisor
    scene.lose_supervisor();
    std::fs::remove_file(scene.path("squid/shown")).unwrap();
    scene.svc("-k", "squid");
    scene.other("squid", first);
    assert_eq!(scene.count("squid/shown", 1).join("\n"), expected);
    scene.close();
}

/// As some who start daemons leave it: the kernel would then reap every child itself.
#[test]
fn svscan_works_also_when_it_was_started_with_sigchld_ignored() {
    let mut scene = Scene::new("sigchld");
    scene.sandbox.file("squid/run", STAYS);
    let mut command = scene.sandbox.command("perl");
    command.args(["-e", r#"$SIG{CHLD} = "IGNORE"; exec "svscan", ".""#]);
    scene.scanner = Some(scene.sandbox.start_command(command));
    let pid = scene.started("squid");
    scene.process(pid).signal(Signal::SIGKILL);
    scene.count("squid/starts", 2);
    scene.recorded("squid", "killed by KILL", |record| {
        record.last_exit == Some(sys::reap::Ending::Signal { number: 9, core: false })
    });
    scene.lose_supervisor();
    scene.close();
}

#[test]
fn supervise_told_to_end_leaves_the_service_and_the_next_one_adopts_it() {
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let scene = Scene::of(Sandbox::new("supervise", Family::Ours).unwrap());
        scene.sandbox.file("squid/run", STAYS);
        let mut first = scene.sandbox.start("supervise", ["squid"]);
        let pid = scene.started("squid");
        let stamp = scene.stamp("squid");
        first.process().signal(signal);
        let code = first.ended();
        assert_eq!(code, if signal == Signal::SIGTERM { 0 } else { -9 });
        let service = scene.process(pid);
        assert!(service.is_alive());
        assert_eq!(scene.sandbox.run("svok", ["squid"]).code, 100);

        let mut second = scene.sandbox.start("supervise", ["squid"]);
        scene.sandbox.wait_for("svok", || {
            let said = scene.sandbox.run("svok", ["squid"]);
            expect(said.code == 0, said)
        });
        assert_eq!((scene.sandbox.up("squid"), scene.stamp("squid")), (pid, stamp));
        // it notices the end of what is no child of its own
        service.signal(Signal::SIGKILL);
        let third = scene.other("squid", pid);
        scene.line("squid/starts", &third.to_string());
        assert_eq!(scene.starts("squid"), 2);

        scene.svc("-dx", "squid");
        assert_eq!(second.ended(), 0);
        scene.sandbox.down("squid");
        assert!(scene.sandbox.processes().is_empty(), "{:?}", scene.sandbox.processes());
    }
}

/// A `finish` that outlives its supervisor has an end that somebody sees.
#[test]
fn supervise_sees_the_end_of_a_finish_it_did_not_start() {
    let scene = Scene::of(Sandbox::new("supervise-finish", Family::Ours).unwrap());
    scene.sandbox.file("squid/run", STAYS);
    scene
        .sandbox
        .file("squid/finish", "#!/bin/sh\necho $$ >>finishes\nwhile [ ! -e go ]; do sleep 0.05; done\n");
    scene.sandbox.file("squid/timeout-finish", "0\n");
    let mut first = scene.sandbox.start("supervise", ["squid"]);
    let pid = scene.started("squid");
    scene.svc("-t", "squid");
    scene.count("squid/finishes", 1);
    first.process().signal(Signal::SIGKILL);
    first.ended();
    let mut second = scene.sandbox.start("supervise", ["squid"]);
    scene.sandbox.wait_for("svok", || {
        let said = scene.sandbox.run("svok", ["squid"]);
        expect(said.code == 0, said)
    });
    scene.touch("squid/go");
    scene.count("squid/starts", 2);
    assert_ne!(scene.started("squid"), pid);
    assert_eq!(scene.lines("squid/finishes").len(), 1);
    scene.svc("-dx", "squid");
    assert_eq!(second.ended(), 0);
}

/// By hand and without cgroups, nobody keeps the fold root's reports; what descends from it is found all the same.
#[test]
fn supervise_adopts_what_has_only_its_descent() {
    let sandbox = Sandbox::new("supervise-subtree", Family::Ours).unwrap();
    let scene = Scene::of(sandbox.set("PINFOLD_CONTAINMENT", "subtree"));
    let run = "#!/bin/sh\nsetsid sh -c '(setsid sh -c \"echo \\$\\$ >>stray; exec sleep 1000000\" &)'\n\
               while [ ! -s stray ]; do sleep 0.05; done\necho $$ >>starts\nexec sleep 1000000\n";
    scene.sandbox.file("squid/run", run);
    let mut first = scene.sandbox.start("supervise", ["squid"]);
    let process = scene.process(scene.started("squid"));
    let stray = scene.process(scene.lines("squid/stray")[0].parse().unwrap());
    assert_eq!(first.terminate(), 0);
    assert!(process.is_alive() && stray.is_alive());
    let mut second = scene.sandbox.start("supervise", ["squid"]);
    scene.sandbox.wait_for("svok", || {
        let said = scene.sandbox.run("svok", ["squid"]);
        expect(said.code == 0, said)
    });
    assert_eq!(scene.started("squid"), process.pid);
    process.signal(Signal::SIGKILL);
    scene.count("squid/starts", 2);
    assert!(!stray.is_alive(), "two generations at once");
    scene.svc("-dx", "squid");
    assert_eq!(second.ended(), 0);
    assert!(scene.sandbox.processes().is_empty(), "{:?}", scene.sandbox.processes());
}

#[test]
fn a_second_supervise_is_refused() {
    let scene = Scene::of(Sandbox::new("supervise-twice", Family::Ours).unwrap());
    scene.sandbox.file("squid/run", STAYS);
    let mut first = scene.sandbox.start("supervise", ["squid"]);
    let pid = scene.started("squid");
    let said = scene.sandbox.run("supervise", ["squid"]);
    assert_eq!(said.code, 111);
    assert!(said.err.contains("squid/supervise/lock"), "{said:?}");
    assert!(!first.has_ended() && scene.sandbox.up("squid") == pid);
    assert!(is_root() || scene.starts("squid") == 1);
}
