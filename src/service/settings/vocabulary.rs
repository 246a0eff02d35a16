//! The names that a service's directory may hold, each with its reader and its line of help.

use super::Settings;
use super::values::{
    backoff_max, containment, daemonised, down_signal, kill_mode, max_deaths, notification_fd, notify,
    pidfile, session, strays, timeout_finish, timeout_kill, timeout_up, timeout_watchdog,
};

/// What kind of thing a name in the directory is.
#[derive(Clone, Copy)]
pub enum Kind {
    /// Its content matters; the function reads it, and says what it expected if it can't.
    File(fn(&mut Settings, &str) -> Result<(), &'static str>),
    /// That it is there matters.
    Flag(fn(&mut Settings)),
    /// Pinfold's or a peer's, but nothing that the supervisor reads.
    Known,
}

/// One name of the vocabulary.
pub struct Setting {
    /// The file's name.
    pub name: &'static str,
    /// How it is read.
    pub kind: Kind,
    /// Whose word it is.
    pub from: &'static str,
    /// What it means, in a line.
    pub help: &'static str,
}

/// The vocabulary.
pub const TABLE: &[Setting] = &[
    known("run", "daemontools", "the service's program, in the foreground or not"),
    flag("down", |s| s.down = true, "daemontools", "not started at boot or at pick-up"),
    flag("log", |s| s.log = true, "daemontools", "directory of the log service, which reads what run writes"),
    known("supervise", "daemontools", "the supervisor's own files"),
    flag(
        "start",
        |s| s.scripts.start = true,
        "Syn-3",
        "starts the service by svc -u and checks it; also the check after an automatic restart",
    ),
    known("stop", "Syn-3", "stops the service by svc -d and checks it"),
    flag(
        "finish",
        |s| {
            s.scripts.finish = true;
            s.config.has_finish = true
        },
        "runit",
        "run after each exit, as: finish CODE STATUS; 125 gives up",
    ),
    flag("check", |s| s.scripts.check = true, "runit", "exits 0 when the service works"),
    flag(
        "control",
        |s| s.scripts.control = true,
        "runit",
        "directory of scripts run before a command's signal",
    ),
    flag("env", |s| s.env = true, "runit", "directory of environment variables, as envdir reads it"),
    file("notification-fd", notification_fd, "s6", "descriptor number; a newline written to it means ready"),
    file("notify", notify, "systemd", "sd_notify's NOTIFY_SOCKET is offered to it; READY=1 means ready"),
    file(
        "timeout-watchdog",
        timeout_watchdog,
        "systemd",
        "ms without WATCHDOG=1 after which it hangs, 0 = never; 0",
    ),
    file("timeout-up", timeout_up, "s6-rc", "ms until it must be ready, 0 = for ever; 60000"),
    file("down-signal", down_signal, "s6", "what asks it to end; TERM"),
    file("timeout-finish", timeout_finish, "s6", "ms that finish may take, 0 = for ever; 5000"),
    file(
        "max-death-tally",
        max_deaths,
        "s6",
        "so many deaths in a row within a second make it failed, 0 = never; 0",
    ),
    file("timeout-kill", timeout_kill, "s6", "ms from being told to end to being killed, 0 = never; 90000"),
    file(
        "kill-mode",
        kill_mode,
        "systemd",
        "fold: a stop concerns everything it started; leader: its first process only",
    ),
    file(
        "strays",
        strays,
        "pinfold",
        "what moved to another cgroup on purpose: report it, or kill it with the rest",
    ),
    file(
        "session",
        session,
        "pinfold",
        "none: logind is asked to open no session for what su and the like start in it",
    ),
    file(
        "containment",
        containment,
        "pinfold",
        "the least to start with: kill, freeze, list, v1, subtree, or cgroup for any but subtree",
    ),
    file(
        "daemonised",
        daemonised,
        "pinfold",
        "auto, yes or no: whether run may leave a daemon behind and exit",
    ),
    file("pidfile", pidfile, "pinfold", "path of the file in which the daemon writes its pid"),
    file("backoff-max", backoff_max, "pinfold", "s, the cap of the growing delay between quick deaths; 10"),
    known("event", "s6", "s6's listeners; not used"),
    known("data", "s6", "files of the service's own"),
    known("conf", "runit", "settings of the service's own, read by its run script"),
    known("README", "everybody", "for people"),
];

const fn known(name: &'static str, from: &'static str, help: &'static str) -> Setting {
    Setting { name, kind: Kind::Known, from, help }
}

const fn flag(name: &'static str, set: fn(&mut Settings), from: &'static str, help: &'static str) -> Setting {
    Setting { name, kind: Kind::Flag(set), from, help }
}

const fn file(
    name: &'static str,
    read: fn(&mut Settings, &str) -> Result<(), &'static str>,
    from: &'static str,
    help: &'static str,
) -> Setting {
    Setting { name, kind: Kind::File(read), from, help }
}

/// The setting of this name.
pub fn lookup(name: &[u8]) -> Option<&'static Setting> {
    TABLE.iter().find(|setting| setting.name.as_bytes() == name)
}
