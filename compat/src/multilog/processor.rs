//! The processor: a command through which a full file goes before it is put aside.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus};

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

use super::directory::{Directory, IN_USE, TRUNCATE, open_in};
use super::{PROG, insist, pause, signal_set};
use crate::errors::{errno_of, warn};

/// Runs `sh -c COMMAND` in the directory, with `previous` as standard input, `processed` as standard output,
/// `state` on descriptor 4 and `newstate` on 5; again and again until it succeeds.
pub(super) fn run(log: &Directory, command: &OsStr) {
    loop {
        let status = attempt(log, command);
        match status.code() {
            Some(0) => return,
            Some(_) => warn(PROG, &[b"processor failed in ", &log.name, b", pausing"], None),
            None => warn(PROG, &[b"processor crashed in ", &log.name, b", pausing"], None),
        }
        std::thread::sleep(super::PAUSE); // bounded: the original's pause before it tries again
    }
}

fn attempt(log: &Directory, command: &OsStr) -> ExitStatus {
    let open = |unable: &[u8], file: &str, flags, mode| {
        insist(&[unable, &log.name, b"/", file.as_bytes()], || open_in(&log.fd, file, flags, mode))
    };
    let mut child = loop {
        let previous = open(b"unable to read ", "previous", OFlag::O_RDONLY, Mode::empty());
        let processed = open(b"unable to write ", "processed", TRUNCATE, IN_USE);
        let state = open(b"unable to read ", "state", OFlag::O_RDONLY, Mode::empty());
        let newstate = open(b"unable to write ", "newstate", TRUNCATE, IN_USE);
        let mut shell = Command::new("/bin/sh");
        shell.arg0("sh").arg("-c").arg(command).stdin(previous).stdout(processed);
        let spawned = log.fd.try_clone().and_then(|dir| {
            // 4 and 5 are taken: the first three descriptors that are opened here, those of the signals, the
            // directory and its lock at the latest, have the lowest numbers from 3 on, and are kept.
            sys::child::arrange(&mut shell, dir, signal_set(), vec![(state, 4), (newstate, 5)]);
            shell.spawn()
        });
        match spawned {
            Ok(child) => break child,
            Err(e) => pause(&[b"unable to fork for processor in ", &log.name], errno_of(&e)),
        }
    };
    insist(&[b"wait failed for processor in ", &log.name], || child.wait().map_err(|e| errno_of(&e)))
}
