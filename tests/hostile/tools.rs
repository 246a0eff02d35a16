//! Root's own tools on a directory of the user's: what an administrator types must not reach further than he means.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::common::expect;
use super::den::Den;

#[test]
fn commands_are_written_to_no_file() {
    let Some(mut den) = Den::new("write") else { return };
    let service = den.with_supervise("squid");
    den.yard.sandbox.file("squid/down", "");
    den.as_user(&service, "ln -s $VICTIM/precious supervise/control; mkfifo supervise/ok; head -c 20 /dev/zero >supervise/status");
    den.open();
    den.yard.says("squid", &["supervise/control"]);
    // so that the tools believe in a supervisor
    let mut reader = den.start_as_user(&service, "exec 3<>supervise/ok; exec sleep 1000000");
    for (program, arguments) in [
        ("svc", &["-d", "./squid"][..]),
        ("svc", &["-u", "./squid"]),
        ("sv", &["-w", "1", "down", "./squid"]),
        ("sv", &["-w", "1", "up", "./squid"]),
        ("svcstop", &["./squid"]),
        ("svcstart", &["./squid"]),
        ("pinfold", &["stop", "-k", "./squid"]),
    ] {
        let said = den.yard.sandbox.run(program, arguments);
        den.untouched();
        assert!(said.code != 0 || program == "svc" && said.err.contains("squid"), "{program}: {said:?}");
    }
    assert!(!reader.has_ended());
    drop(reader);
    den.close();
}

#[test]
fn a_link_does_not_turn_a_command_on_another_service() {
    let Some(mut den) = Den::new("deputy") else { return };
    let squid = den.service("squid");
    let octopus = den.with_supervise("octopus");
    den.open();
    den.yard.runs("squid");
    den.yard.runs("octopus");
    den.as_user(&squid, "rm supervise; ln -s ../sound/supervise supervise");
    den.as_user(&octopus, "ln -sf ../../sound/supervise/control supervise/control");
    for name in ["./squid", "./octopus"] {
        for (program, arguments) in [
            ("svc", &["-d", name][..]),
            ("sv", &["-w", "1", "down", name]),
            ("svcstop", &["-w", "3", name]),
            ("pinfold", &["stop", "-k", "-w", "3", name]),
        ] {
            let before = den.yard.runs("sound");
            den.yard.sandbox.run(program, arguments);
            // it would be down for good if it had been told before
            den.yard.sandbox.run("svc", ["-t", "sound"]);
            den.yard.sandbox.wait_for(&format!("sound, after {program} {name}"), || {
                let now = den.yard.sandbox.status("sound");
                expect(now.as_ref().is_some_and(|now| now.pid != 0 && now.pid != before), now)
            });
        }
    }
    den.close();
}

/// `svscanboot` tells whoever is left over to go, in directories that may be anybody's.
#[test]
fn svscanboot_writes_to_no_file() {
    let Some(den) = Den::new("boot") else { return };
    let service = den.with_supervise("squid");
    den.as_user(&service, "ln -s $VICTIM/precious supervise/control");
    let other = den.service("octopus");
    den.as_user(&other, "mkdir log && ln -s $VICTIM log/supervise");
    let bin = den.yard.sandbox.lab().join("bin");
    fs::create_dir(&bin).unwrap();
    fs::copy(den.yard.sandbox.programs().join("pinfold"), bin.join("svscanboot")).unwrap();
    for tool in ["svscan", "readproctitle"] {
        fs::write(bin.join(tool), "#!/bin/sh\nexit 0\n").unwrap();
        fs::set_permissions(bin.join(tool), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = den.yard.sandbox.command(bin.join("svscanboot"));
    command.arg(den.yard.sandbox.scan());
    let said = den.yard.sandbox.finish(command);
    assert_eq!(said.code, 0, "{said:?}");
    den.untouched();
}

#[test]
fn enable_and_disable_make_and_remove_down_only() {
    let Some(mut den) = Den::new("down") else { return };
    let service = den.service("squid");
    den.open();
    den.yard.runs("squid");
    for form in ["ln -s $VICTIM/new down", "ln -s $VICTIM/precious down", "mkfifo down"] {
        den.as_user(&service, &format!("rm -f down; {form}"));
        den.yard.sandbox.run("pinfold", ["disable", "./squid"]);
        den.untouched();
        den.yard.sandbox.run("pinfold", ["enable", "--settle", "0", "./squid"]);
        den.untouched();
        assert!(service.join("down").symlink_metadata().is_err(), "{form}");
    }
    den.close();
}

/// None of these waits for a writer, or shows root's secrets as a service's words.
#[test]
fn looking_at_a_service_waits_for_nobody() {
    let Some(mut den) = Den::new("looking") else { return };
    let service = den.service("squid");
    den.as_user(&service, "mkdir -p log/main && mkfifo log/main/current");
    let other = den.service("octopus");
    den.as_user(&other, "mkdir -p log/main && ln -s $VICTIM/precious log/main/current");
    den.yard.sandbox.file("squid/log/run", &super::den::run());
    den.yard.sandbox.file("octopus/log/run", &super::den::run());
    let fifo = den.service("fifo");
    den.as_user(&fifo, "for n in start stop check finish; do mkfifo $n; done; mv run old; mkfifo run");
    den.open();
    den.yard.runs("squid");
    for arguments in [
        &["status", "./squid", "./octopus", "./fifo"][..],
        &["status", "--json", "./octopus"],
        &["check", "."],
        &["tree"],
    ] {
        let said = den.yard.sandbox.run("pinfold", arguments);
        assert!(!(said.out.clone() + &said.err).contains(super::den::SECRET), "{said:?}");
    }
    for (program, arguments) in
        [("svcstart", &["--settle", "0", "./squid"][..]), ("svcstop", &["./squid", "./octopus"])]
    {
        let said = den.yard.sandbox.run(program, arguments);
        assert_eq!(said.code, 0, "{said:?}");
    }
    den.close();
}

/// Opening a device can do something: a watchdog starts, a tape rewinds.
#[test]
fn no_device_is_opened_by_looking() {
    let Some(mut den) = Den::new("device") else { return };
    let service = den.with_supervise("squid");
    den.as_user(&service, "for f in ok status control; do ln -s /dev/ptmx supervise/$f; done; ln -s /dev/ptmx timeout-up; ln -s /dev/ptmx pidfile");
    den.open();
    den.yard.says("squid", &["supervise"]);
    let mut strace = den.yard.sandbox.command("sh");
    let script = "command -v strace >/dev/null || exit 9
        for tool in 'svstat squid' 'svok squid' 'svc -h squid' 'sv status ./squid' 'svcstop ./squid' 'pinfold status ./squid'; do
            strace -f -o trace -e trace=open,openat,openat2 $tool >/dev/null 2>&1
            grep -E 'squid/[a-z]|supervise/' trace | grep -v O_PATH | grep -v NOFOLLOW | grep -v O_DIRECTORY && exit 1
        done; exit 0";
    strace.args(["-c", script]);
    let said = den.yard.sandbox.finish(strace);
    if said.code == 9 {
        super::common::skipped("strace is not installed");
    } else {
        assert_eq!(said.code, 0, "opened through a link: {}", said.out);
    }
    den.close();
}

/// Who may write to a program is whoever runs it: that can't be helped, but it can be known.
#[test]
fn check_names_who_could_exchange_a_program() {
    let Some(den) = Den::new("check") else { return };
    den.service("squid");
    den.yard.sandbox.file("octopus/run", &super::den::run());
    den.yard.sandbox.file("octopus/env/PATH", "/bin");
    den.give(&den.yard.path("octopus/env"));
    let said = den.yard.sandbox.run("pinfold", ["check", "."]);
    for place in ["squid/: ", "octopus/env: "] {
        let word = format!("{place}belongs to user {}", super::den::USER);
        assert!(said.out.contains(&word), "no {word:?} in {said:?}");
    }
    assert!(!said.out.contains("sound"), "{said:?}");
}
