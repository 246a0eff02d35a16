//! A service, a supervisor over it, and somebody's commands.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::common::cgroups;
use crate::common::processes::Process;
use crate::common::sandbox::Said;
use crate::common::{Family, Sandbox, Supervisor, expect, skipped};

/// Whose supervisor, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeper {
    /// Debian's `supervise`.
    Supervise,
    /// Debian's `svscan`.
    Svscan,
    /// Debian's `runsv`.
    Runsv,
    OurSupervise,
    OurSvscan,
}

impl Keeper {
    fn family(self) -> Family {
        match self {
            Keeper::Supervise | Keeper::Svscan => Family::Daemontools,
            Keeper::Runsv => Family::Runit,
            Keeper::OurSupervise | Keeper::OurSvscan => Family::Ours,
        }
    }

    fn program(self) -> &'static str {
        match self {
            Keeper::Supervise | Keeper::OurSupervise => "supervise",
            Keeper::Svscan | Keeper::OurSvscan => "svscan",
            Keeper::Runsv => "runsv",
        }
    }

    /// What `svstat` says of a service that runs once: runit's record knows only up and down. Ours may follow
    /// either.
    pub(crate) fn once(self) -> &'static [&'static str] {
        const PLAIN: &str = "up (pid N) N seconds, normally down";
        const AS_RUNIT: &str = "up (pid N) N seconds, normally down, want down";
        match self.family() {
            Family::Daemontools => &[PLAIN],
            Family::Runit => &[AS_RUNIT],
            Family::Ours => &[PLAIN, AS_RUNIT],
        }
    }
}

pub(crate) struct Driver {
    pub(crate) keeper: Keeper,
    commands: Family,
    supervisor: Option<Supervisor>,
    /// The pids that have said "ready".
    seen: BTreeSet<i32>,
    sandbox: Sandbox,
}

/// Writes down every signal it hears, in a file of its own pid, and ends on TERM.
const RUN: &str = r#"#!/bin/sh
for signal in HUP ALRM INT QUIT USR1 USR2; do trap "echo $signal >>heard.$$" $signal; done
trap 'echo TERM >>heard.$$; kill -9 $child; exit 0' TERM
sleep 1000000 & child=$!
echo >ready.$$
echo ready
while :; do wait; done
"#;

impl Driver {
    /// `None`, and said so, when a peer is missing.
    pub(crate) fn new(test: &str, commands: Family, keeper: Keeper) -> Option<Self> {
        let needed = [commands, keeper.family()];
        let missing = needed
            .iter()
            .filter(|family| **family != Family::Ours)
            .find_map(|family| family.peer_directory().err());
        let sandbox = missing.map_or_else(|| Sandbox::new(test, keeper.family()), Err);
        match sandbox {
            Ok(sandbox) => {
                sandbox.file("squid/run", RUN);
                sandbox.file("squid/down", "");
                // TERM may reach the child of a shell between fork and exec, and be lost.
                sandbox.file("squid/timeout-kill", "2000\n");
                Some(Driver { keeper, commands, supervisor: None, seen: BTreeSet::new(), sandbox })
            }
            Err(why) => {
                skipped(&why);
                None
            }
        }
    }

    /// A logger that keeps what it is given.
    pub(crate) fn add_log(&self) {
        self.sandbox.file("squid/log/run", "#!/bin/sh\nexec cat >>../logged\n");
    }

    pub(crate) fn logged(&self, line: &str) {
        let path = self.sandbox.scan().join("squid/logged");
        self.sandbox.wait_for("the logger to write", || {
            let logged = fs::read_to_string(&path).unwrap_or_default();
            expect(logged.lines().any(|one| one == line), logged)
        });
    }

    /// Starts the supervisor and waits until it can be commanded.
    pub(crate) fn start(&mut self) {
        let program = self.keeper.program();
        let directory = if program == "svscan" { "." } else { "squid" };
        self.supervisor = Some(self.sandbox.start(program, [directory]));
        self.sandbox.wait_for("somebody to supervise", || expect(self.svok() == 0, self.svok()));
    }

    pub(crate) fn supervisor_ended(&mut self) -> i32 {
        self.supervisor.as_mut().unwrap().ended()
    }

    /// Runs a command of the family under test.
    fn command(&self, program: &str, arguments: &[&str]) -> Said {
        let mut command: Command = self.sandbox.command_of(self.commands, program);
        command.args(arguments);
        self.sandbox.finish(command)
    }

    #[track_caller]
    pub(crate) fn svc(&self, options: &str) {
        let said = self.command("svc", &[options, "squid"]);
        assert_eq!((said.code, &*said.out, &*said.err), (0, "", ""), "svc {options}");
    }

    /// runit has no such command: then Debian's daemontools is asked, or ours.
    pub(crate) fn svok(&self) -> i32 {
        let family = if self.commands == Family::Runit { Family::Ours } else { self.commands };
        let mut command = self.sandbox.command_of(family, "svok");
        command.arg("squid");
        self.sandbox.finish(command).code
    }

    /// Waits until `svstat` says this, every number written as N.
    #[track_caller]
    pub(crate) fn svstat(&self, line: &str) {
        self.svstat_one_of(&[line]);
    }

    #[track_caller]
    pub(crate) fn svstat_one_of(&self, lines: &[&str]) {
        self.sandbox.wait_for(&format!("svstat to say {lines:?}"), || {
            let said = self.command("svstat", &["squid"]);
            let is_so = |line: &str| plain(&said.out) == format!("squid: {line}\n");
            expect(said.code == 0 && lines.iter().any(|line| is_so(line)), &said)
        });
    }

    /// A command of `sv`, which waits itself, and its line.
    #[track_caller]
    pub(crate) fn sv(&self, command: &str, line: &str) {
        let said = self.command("sv", &["-w", "30", command, "./squid"]);
        // What `sv` adds about a log service is in a test of its own.
        let out = plain(&said.out);
        let main = out.split(';').next().unwrap_or_default().trim_end();
        assert_eq!((said.code, main), (0, line), "sv {command}: {said:?}\n{}", self.sandbox.reports());
    }

    /// Waits until the last change of state is seconds ago.
    #[track_caller]
    pub(crate) fn a_second_later(&self) {
        self.sandbox.wait_for("the state to be seconds old", || {
            let said = self.command("sv", &["status", "./squid"]).out;
            let seconds =
                said.split_ascii_whitespace().find_map(|word| word.trim_end_matches(',').strip_suffix('s'));
            expect(seconds.and_then(|text| text.parse().ok()).is_some_and(|seconds: u32| seconds >= 2), said)
        });
    }

    /// Repeats a command of `sv` until it says the whole line.
    #[track_caller]
    pub(crate) fn sv_until(&self, command: &str, line: &str) {
        self.sandbox.wait_for(&format!("sv {command} to say {line:?}"), || {
            let said = self.command("sv", &[command, "./squid"]);
            expect(said.code == 0 && plain(&said.out).trim_end() == line, said)
        });
    }

    /// The pid of a run that has not been seen yet and hears signals.
    #[track_caller]
    pub(crate) fn pid_in_position(&mut self) -> i32 {
        let pid = self.sandbox.wait_for("a new run in position", || {
            let status = self.sandbox.status("squid").ok_or("no status")?;
            let is_new = status.pid != 0 && !self.seen.contains(&status.pid);
            expect(is_new && self.file("ready", status.pid).is_some(), &status)?;
            Ok(status.pid)
        });
        self.seen.insert(pid);
        pid
    }

    #[track_caller]
    pub(crate) fn pid_after(&mut self, before: i32) -> i32 {
        let pid = self.pid_in_position();
        self.is_gone(before);
        pid
    }

    fn file(&self, kind: &str, pid: i32) -> Option<String> {
        fs::read_to_string(self.sandbox.scan().join(format!("squid/{kind}.{pid}"))).ok()
    }

    /// What a run has written down.
    pub(crate) fn heard_by(&self, pid: i32) -> String {
        self.file("heard", pid).unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn heard(&self, pid: i32, signal: &str) {
        self.sandbox.wait_for(&format!("{pid} to hear {signal}"), || {
            let heard = self.heard_by(pid);
            expect(heard.lines().any(|one| one == signal), heard)
        });
    }

    /// Stopped by a signal, or in a group that is frozen (in which a process looks asleep).
    #[track_caller]
    pub(crate) fn pauses(&self, pid: i32, paused: bool) {
        self.sandbox.wait_for(&format!("{pid} to be paused: {paused}"), || {
            let process = Process::look(pid).ok_or("it is gone")?;
            let frozen = |group: &PathBuf| {
                let says =
                    |file, text| fs::read_to_string(group.join(file)).is_ok_and(|all| all.contains(text));
                says("cgroup.events", "frozen 1") || says("freezer.state", "FROZEN")
            };
            let is_paused = process.state == 'T' || cgroups::of(pid).iter().any(frozen);
            expect(is_paused == paused, process)
        });
    }

    #[track_caller]
    pub(crate) fn is_gone(&self, pid: i32) {
        self.sandbox.wait_for(&format!("{pid} to be gone"), || {
            let process = Process::look(pid);
            expect(process.is_none(), process)
        });
    }
}

/// Every number as N.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for letter in text.chars() {
        match letter {
            '0'..='9' if plain.ends_with('N') => {}
            '0'..='9' => plain.push('N'),
            _ => plain.push(letter),
        }
    }
    plain
}
