//! What a megabyte costs, counted in system calls and not in time.

use std::io::Write;
use std::process::Stdio;

use super::place::{Place, Side, numbered, until};

/// How many reads and writes a logger has made; `None` where the kernel does not count them.
fn counted(pid: u32) -> Option<(u64, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    let number = |name: &str| text.lines().find_map(|line| line.strip_prefix(name))?.trim().parse().ok();
    Some((number("syscr:")?, number("syscw:")?))
}

/// One write for each read and directory, whatever the script does with the lines.
#[test]
fn one_write_for_each_read() {
    for (dirs, script) in [
        (1, &["s16777215", "./d"][..]),
        (1, &["t", "s16777215", "./d"]),
        (1, &["s16777215", "-*999999*", "./d"]),
        (3, &["T", "s16777215", "-*999999*", "./d", "./e", "=st"]),
    ] {
        let place = Place::new();
        let mut child = place.command(Side::Ours, script).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let current = place.0.join("d/current");
        until("the start", || current.exists());
        let Some(before) = counted(child.id()) else {
            eprintln!("SKIPPED: one_write_for_each_read: no counts in /proc/PID/io");
            drop(stdin);
            child.wait().unwrap();
            return;
        };
        let input = numbered(80_000);
        stdin.write_all(&input).unwrap();
        let enough = |size: u64| size >= input.len() as u64;
        until("the lines", || enough(current.metadata().unwrap().len()));
        // The last write may be to another place than the one that was looked at.
        until("the rest", || {
            let call = std::fs::read_to_string(format!("/proc/{}/syscall", child.id()));
            call.is_ok_and(|call| call.starts_with("7 ") || call.starts_with("271 "))
        });
        let after = counted(child.id()).unwrap();
        let (reads, writes) = (after.0 - before.0, after.1 - before.1);
        // A read that brings no end of a line is followed by no write.
        assert!(0 < writes && writes <= reads * dirs, "{script:?}: {reads} reads, {writes} writes");
        drop(stdin);
        assert!(child.wait().unwrap().success());
    }
}
