//! The daemontools family: its formats ([`control`], [`status`], [`tai`]), its manners ([`errors`],
//! [`getopt`]) and its classic tools, each an [`Applet`] of the one executable.
//!
//! What daemontools 0.76 and runit 2.1.2 really do is what counts here; the tests run the same cases
//! against them and against this crate.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

mod account;
mod chain;
pub mod chpst;
pub mod control;
pub mod envdir;
mod environment;
pub mod envuidgid;
pub mod errors;
pub mod fghack;
mod fifo;
mod filter;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod getopt;
pub mod multilog;
mod origin;
pub mod pgrphack;
#[cfg(test)]
mod random;
pub mod readproctitle;
pub mod setlock;
pub mod setuidgid;
pub mod softlimit;
pub mod status;
pub mod sv;
pub mod svc;
pub mod svok;
pub mod svscanboot;
pub mod svstat;
pub mod tai;
pub mod tai64n;
pub mod tai64nlocal;
pub mod verdict;

/// One of the executable's classic tools.
pub struct Applet {
    /// The name it is called by, as the last part of `argv[0]` or as the first argument.
    pub name: &'static str,
    /// Runs it to its end; gets the whole argument list, `argv[0]` included, and gives the exit code.
    pub main: fn(&[OsString]) -> u8,
    /// What it is for, in one line.
    pub help: &'static str,
}

/// Every classic tool, in the order of the help text.
pub const APPLETS: &[Applet] = &[
    applet("svc", svc::main, "control services"),
    applet("svstat", svstat::main, "show what services do"),
    applet("svok", svok::main, "is a service supervised?"),
    applet("sv", sv::main, "control and show services, as runit does"),
    applet("multilog", multilog::main, "write lines to automatically rotated logs"),
    applet("readproctitle", readproctitle::main, "show messages in the process list"),
    applet("setuidgid", setuidgid::main, "run a program as another user"),
    applet("envuidgid", envuidgid::main, "run a program with an account's numbers in its environment"),
    applet("envdir", envdir::main, "run a program with the variables of a directory"),
    applet("softlimit", softlimit::main, "run a program with lower resource limits"),
    applet("setlock", setlock::main, "run a program while a file is locked"),
    applet("pgrphack", pgrphack::main, "run a program in a session of its own"),
    applet("fghack", fghack::main, "keep a program in the foreground"),
    applet("chpst", chpst::main, "run a program with a changed process state"),
    applet("tai64n", tai64n::main, "put a time stamp before each line"),
    applet("tai64nlocal", tai64nlocal::main, "make time stamps readable"),
];

const fn applet(name: &'static str, main: fn(&[OsString]) -> u8, help: &'static str) -> Applet {
    Applet { name, main, help }
}

/// Finds the applet of exactly this name.
pub fn find(name: &OsStr) -> Option<&'static Applet> {
    APPLETS.iter().find(|applet| applet.name.as_bytes() == name.as_bytes())
}

/// Finds `sv` for a program that is called by a name of its own through a link to `sv`, as init scripts of
/// runit's services are: `/etc/init.d/ssh -> /usr/bin/sv`. `argv0` is the program as it was called, by a path.
pub fn find_by_link(argv0: &OsStr) -> Option<&'static Applet> {
    let name = OsStr::new("sv");
    let mut path = std::path::PathBuf::from(argv0);
    // The kernel does not follow more links than this either.
    for _ in 0..40 {
        let target = path.read_link().ok()?;
        if target.file_name() == Some(name) {
            return find(name);
        }
        path.pop();
        path.push(target);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        for (n, applet) in APPLETS.iter().enumerate() {
            assert!(APPLETS[n + 1..].iter().all(|other| other.name != applet.name), "{}", applet.name);
        }
    }

    #[test]
    fn links_to_sv() {
        let dir = std::env::temp_dir().join(format!("pinfold-links-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("init.d")).unwrap();
        let link = |target: &str, name: &str| std::os::unix::fs::symlink(target, dir.join(name)).unwrap();
        link("pinfold", "sv");
        link("../sv", "init.d/ssh");
        link("ssh", "init.d/sshd");
        link("loop", "init.d/loop");
        link("../pinfold", "init.d/other");
        let found = |name: &str| find_by_link(dir.join(name).as_os_str()).map(|applet| applet.name);
        assert_eq!(found("init.d/ssh"), Some("sv"));
        assert_eq!(found("init.d/sshd"), Some("sv"));
        for name in ["sv", "init.d/loop", "init.d/other", "init.d/nosuch", "pinfold"] {
            assert_eq!(found(name), None, "{name}");
        }
        std::fs::remove_dir_all(dir).unwrap();
    }
}
