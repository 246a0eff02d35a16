//! A full disk: a tiny file system in a mount namespace of its own.

use std::process::{Command, Stdio};

use super::place::{Place, end, numbered, sides, until};

/// The logger warns, pauses, reads no more, and goes on when there is room; nothing is lost, and the line
/// that did not fit is whole.
#[test]
fn nothing_is_lost_on_a_full_disk() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: nothing_is_lost_on_a_full_disk: only root can mount");
        return;
    }
    let can = Command::new("unshare").args(["-m", "mount", "-t", "tmpfs", "none", "/mnt"]).output();
    if !can.as_ref().is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: nothing_is_lost_on_a_full_disk: no mount namespaces: {can:?}");
        return;
    }
    for side in sides() {
        let place = Place::new();
        std::fs::create_dir(place.0.join("d")).unwrap();
        let name = place.0.display();
        let script = format!(
            "mount -t tmpfs -o size=160k none {name}/d && head -c 120000 /dev/zero >{name}/d/filler && \
             {{ \"$0\" \"$@\"; code=$?; cat {name}/d/@* {name}/d/current >{name}/all; exit $code; }}"
        );
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", &script]).arg(side.program()).current_dir(&place.0);
        if side == super::place::Side::Ours {
            command.arg("multilog");
        }
        command
            .args(["s20000", "./d"])
            .stdin(Stdio::piped())
            .stderr(std::fs::File::create(place.0.join("said")).unwrap());
        let mut child = command.spawn().unwrap();
        let input = numbered(1200);
        assert!(input.len() > 60_000);
        let mut stdin = child.stdin.take().unwrap();
        let written = input.clone();
        let feeder = std::thread::spawn(move || std::io::Write::write_all(&mut stdin, &written).unwrap());
        let said = || String::from_utf8(place.read("said")).unwrap();
        let complaint = "multilog: warning: unable to write to ./d/current, pausing: out of disk space\n";
        until("the complaint", || said().contains(complaint));
        let inside = format!("/proc/{}/root{name}/d/filler", child.id());
        std::fs::remove_file(inside).unwrap();
        assert_eq!(end(child).code, Some(0));
        feeder.join().unwrap();
        assert!(place.read("all") == input, "{side:?}");
        assert!(said().replace(complaint, "").is_empty(), "{side:?}: {}", said());
    }
}
