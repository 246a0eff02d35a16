//! As much as a service's user can write, into everything that somebody else reads.

use std::fs;

use super::common::expect;
use super::den::{Den, USER};

/// Commands without end, each with as much to do as can be arranged.
#[test]
fn a_flood_of_commands() {
    let Some(mut den) = Den::new("letters") else { return };
    let service = den.with_supervise("squid");
    den.as_user(&service, "mkfifo supervise/control; mkdir control; for n in {1..950}; do : >data-$n; done");
    fs::write(service.join("control/t"), "#!/bin/sh\nexec sleep 1000000\n").unwrap();
    fs::set_permissions(service.join("control/t"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    den.open();
    den.yard.runs("squid");
    let flood =
        "exec 3<>supervise/control; s=$(printf %4000s | sed s/../td/g); while :; do echo -n $s >&3; done";
    let mut flood = den.start_as_user(&service, flood);
    let again = "exec 3<>supervise/control; s=$(printf %4000s | sed s/../td/g); while :; do echo -n ${s//d/u} >&3; done";
    let mut other = den.start_as_user(&service, again);
    for _ in 0..3 {
        den.yard.sound_works();
        let scripts = den.yard.sandbox.processes().into_iter().filter(|one| one.command == "sleep").count();
        assert!(scripts < 20, "{scripts} processes");
    }
    assert!(!flood.has_ended() && !other.has_ended());
    drop((flood, other));
    den.close();
}

/// The catcher has one ear for all.
#[test]
fn a_flood_of_output_drowns_nobody() {
    let Some(mut den) = Den::new("output") else { return };
    let flood = "for n in 1 2 3; do yes $(printf %4000s | tr ' ' y) & done; wait";
    let run =
        format!("#!/bin/sh\nexec setpriv --reuid={USER} --regid={USER} --clear-groups bash -c {flood:?}\n",);
    den.yard.sandbox.file("squid/run", &run);
    den.yard.sandbox.file("speaker/run", "#!/bin/sh\nwhile :; do echo still heard; sleep 0.1; done\n");
    den.open_unheard(); // it would fill the disk
    den.yard.runs("squid");
    den.yard.runs("speaker");
    den.yard.sandbox.wait_for("the other's words", || {
        let said = den.yard.sandbox.run("pinfold", ["status", "--json", "./speaker"]);
        expect(said.out.contains("still heard"), said)
    });
    // nor is it lost in what it leaves behind
    den.yard.sandbox.run("svc", ["-dx", "squid"]);
    den.yard.sound_works();
    den.yard.sandbox.file("late/run", "#!/bin/sh\nwhile :; do echo late, but heard; sleep 0.1; done\n");
    den.yard.sandbox.wait_for("a newcomer's words", || {
        let said = den.yard.sandbox.run("pinfold", ["status", "--json", "./late"]);
        expect(said.out.contains("late, but heard"), said)
    });
    den.close();
}

#[test]
fn a_flood_of_readiness() {
    let Some(mut den) = Den::new("ready") else { return };
    den.yard.sandbox.file(
        "squid/run",
        &format!("#!/bin/sh\nexec setpriv --reuid={USER} --regid={USER} --clear-groups cat /dev/zero >&3\n"),
    );
    den.yard.sandbox.file("squid/notification-fd", "3\n");
    den.open();
    den.yard.runs("squid");
    den.yard.sound_works();
    den.close();
}

/// A logger that never reads, and one that closes what it reads from, and a service that closes what it writes to.
#[test]
fn pipes_that_are_full_or_closed() {
    let Some(mut den) = Den::new("pipes") else { return };
    for (name, service, logger) in [
        ("full", "yes", "sleep 1000000"),
        ("unread", "yes", "exec 0<&-; sleep 1000000"),
        ("unwritten", "exec 1>&- 2>&-; sleep 1000000", "cat >/dev/null"),
        (
            "nonblocking",
            "perl -e 'use Fcntl; fcntl(STDOUT, F_SETFL, O_NONBLOCK|O_WRONLY); sleep 1000000'",
            "cat >/dev/null",
        ),
    ] {
        let as_user = |script: &str| {
            format!(
                "#!/bin/sh\nexec setpriv --reuid={USER} --regid={USER} --clear-groups bash -c {script:?}\n"
            )
        };
        den.yard.sandbox.file(&format!("{name}/run"), &as_user(service));
        den.yard.sandbox.file(&format!("{name}/log/run"), &as_user(logger));
    }
    den.open();
    for name in ["full", "unread", "unwritten", "nonblocking"] {
        den.yard.runs(name);
        den.yard.runs(&format!("{name}/log"));
    }
    den.yard.sound_works();
    den.close();
}
