//! A scan directory under `svscan`, and what a test wants to see of it.
#![allow(dead_code)] // each test uses a part

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use nix::sys::signal::Signal;
use pinfold::machine::Phase;
use pinfold::record::Record;
use pinfold::{place, table};

use super::common::cgroups;
use super::common::processes::Process;
use super::common::{Family, Sandbox, Supervisor, expect};

/// The start of every run script: each start leaves a line with its pid.
pub(crate) const STARTED: &str = "#!/bin/sh\necho $$ >>starts\n";

/// A run script that stays.
pub(crate) const STAYS: &str = "#!/bin/sh\necho $$ >>starts\nexec sleep 1000000\n";

/// A run script whose heart can be heard.
pub(crate) const BEATS: &str =
    "#!/bin/sh\necho $$ >>starts\nwhile :; do echo beat >>beats; sleep 0.05; done\n";

/// Counts to its standard output until it is told to end: `PID N`, at the end `PID end N`.
pub(crate) const COUNTS: &str = r#"#!/usr/bin/perl
sub say { my $text = shift; 1 while !defined syswrite(STDOUT, $text) }
$SIG{TERM} = sub { $end = 1 };
while (!$end) { say("$$ $n\n") if defined $n; $n++; select(undef, undef, undef, 0.002) }
say("$$ end $n\n");
"#;

/// A logger that can be told to end and loses nothing: it stops between two lines, having read no further.
pub(crate) const LOGS: &str = r#"#!/usr/bin/perl
$SIG{TERM} = sub { $end = 1 };
open(my $log, ">>", "../logged") or die;
while (!($end && $line eq "")) {
    my $count = sysread(STDIN, my $byte, 1);
    next if !defined $count;
    last if !$count;
    $line .= $byte;
    if ($byte eq "\n") { syswrite($log, $line); $line = "" }
}
"#;

pub(crate) struct Scene {
    pub(crate) scanner: Option<Supervisor>,
    pub(crate) sandbox: Sandbox,
}

impl Scene {
    pub(crate) fn new(label: &str) -> Self {
        Scene::of(Sandbox::new(label, Family::Ours).unwrap())
    }

    pub(crate) fn of(sandbox: Sandbox) -> Self {
        Scene { scanner: None, sandbox }
    }

    /// With this one service, running.
    pub(crate) fn with(label: &str, service: &str, run: &str) -> Self {
        let mut scene = Scene::new(label);
        scene.sandbox.file(&format!("{service}/run"), run);
        scene.open();
        scene
    }

    pub(crate) fn open(&mut self) {
        self.scanner = Some(self.sandbox.scanner());
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.sandbox.scan().join(path)
    }

    /// A file of the scan directory as text; empty if it is not there.
    pub(crate) fn text(&self, path: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.path(path)).unwrap_or_default()).into_owned()
    }

    pub(crate) fn lines(&self, path: &str) -> Vec<String> {
        self.text(path).lines().map(str::to_owned).collect()
    }

    pub(crate) fn touch(&self, path: &str) {
        fs::write(self.path(path), "").unwrap();
    }

    /// Waits until a file of the scan directory has this line.
    pub(crate) fn line(&self, path: &str, line: &str) {
        self.sandbox.wait_for(&format!("{line:?} in {path}"), || {
            let text = self.text(path);
            expect(text.lines().any(|one| one == line), text)
        });
    }

    /// Waits until so many lines are in a file, and gives them.
    pub(crate) fn count(&self, path: &str, at_least: usize) -> Vec<String> {
        self.sandbox.wait_for(&format!("{at_least} lines in {path}"), || {
            let lines = self.lines(path);
            expect(lines.len() >= at_least, &lines).map(|()| lines)
        })
    }

    pub(crate) fn svc(&self, options: &str, service: &str) {
        let said = self.sandbox.run("svc", [options, service]);
        assert_eq!((said.code, &*said.err), (0, ""), "svc {options} {service}");
    }

    /// The run directory of this svscan.
    pub(crate) fn run(&self) -> PathBuf {
        self.sandbox.run_directory().join(place::escape(self.sandbox.scan().as_os_str()))
    }

    /// What the table says of a service.
    pub(crate) fn record(&self, service: &str) -> Option<Record> {
        let view = table::read(&self.run()).ok()?;
        view.records.into_iter().map(|(_, record)| record).find(|record| record.name == service.as_bytes())
    }

    /// Waits until the table says this of a service.
    pub(crate) fn recorded(&self, service: &str, what: &str, is: impl Fn(&Record) -> bool) -> Record {
        self.sandbox.wait_for(&format!("{service}: {what}"), || {
            let record = self.record(service);
            record.clone().filter(&is).ok_or_else(|| format!("{record:?}"))
        })
    }

    pub(crate) fn phase(&self, service: &str, what: &str, is: impl Fn(Phase) -> bool) {
        self.recorded(service, what, |record| is(record.state.phase));
    }

    /// Waits until the service is up, as the status record says, and its script has said that it is there.
    pub(crate) fn started(&self, service: &str) -> i32 {
        self.sandbox.wait_for(&format!("{service} to be up and to say so"), || {
            let (status, starts) = (self.sandbox.status(service), self.text(&format!("{service}/starts")));
            let pid = status.as_ref().map_or(0, |status| status.pid);
            let is_there = pid != 0 && starts.lines().any(|line| line == pid.to_string());
            expect(is_there, (status, starts)).map(|()| pid)
        })
    }

    /// Waits until the service runs as another process than `before`.
    pub(crate) fn other(&self, service: &str, before: i32) -> i32 {
        self.sandbox.wait_for(&format!("{service} to be another than {before}"), || {
            match self.sandbox.status(service) {
                Some(status) if status.pid != 0 && status.pid != before => Ok(status.pid),
                other => Err(format!("{other:?}")),
            }
        })
    }

    /// The processes that are in a service's directory, as everybody is whom `run` became or started.
    pub(crate) fn copies(&self, service: &str) -> Vec<Process> {
        let path = self.path(service);
        let is_there = |process: &Process| {
            process.is_alive()
                && fs::read_link(format!("/proc/{}/cwd", process.pid)).is_ok_and(|cwd| cwd == path)
        };
        Process::all().into_iter().filter(is_there).collect()
    }

    /// How often it has been started.
    pub(crate) fn starts(&self, service: &str) -> usize {
        self.lines(&format!("{service}/starts")).len()
    }

    /// When it went up or down: the stamp of the status record.
    pub(crate) fn stamp(&self, service: &str) -> Vec<u8> {
        fs::read(self.path(service).join("supervise/status")).unwrap()[..12].to_vec()
    }

    pub(crate) fn guardian(&self) -> Process {
        self.scanner.as_ref().unwrap().process()
    }

    fn child(&self, command: &str) -> Process {
        let guardian = self.guardian().pid;
        self.sandbox.wait_for(command, || {
            let all = Process::all().into_iter();
            let mut ours = all.filter(|one| one.parent == guardian && one.state != 'Z');
            ours.find(|one| one.command == command).ok_or_else(|| "none".into())
        })
    }

    pub(crate) fn supervisor(&self) -> Process {
        self.child("pinfold")
    }

    pub(crate) fn catcher(&self) -> Process {
        self.child("pinfold-catcher")
    }

    /// SIGKILL, and the end of it.
    pub(crate) fn kill(&self, process: &Process) {
        process.signal(Signal::SIGKILL);
        self.gone(process);
    }

    pub(crate) fn gone(&self, process: &Process) {
        self.sandbox.wait_for("its end", || expect(!process.is_alive(), process));
    }

    /// Kills the supervisor, and waits for the next one to be at work.
    pub(crate) fn lose_supervisor(&self) {
        let before = self.supervisor();
        self.kill(&before);
        self.supervisor_after(&before);
    }

    pub(crate) fn supervisor_after(&self, before: &Process) -> Process {
        self.sandbox.wait_for("another supervisor", || {
            let view = table::read(&self.run()).map_err(|error| error.to_string())?;
            let now = view.head.supervisor.and_then(|who| Process::look(who.pid));
            now.filter(|now| now.pid != before.pid && now.is_alive()).ok_or_else(|| "none".into())
        })
    }

    /// Waits for a line of svscan's that has all these words.
    pub(crate) fn says(&self, words: &[&str]) {
        self.sandbox
            .wait_for(&format!("a line with {words:?}"), || expect(self.said(words) > 0, "no such line"));
    }

    /// How many of svscan's lines have all these words.
    pub(crate) fn said(&self, words: &[&str]) -> usize {
        let reports = self.sandbox.reports();
        reports.lines().filter(|line| words.iter().all(|word| line.contains(word))).count()
    }

    /// A child, found by what it was called with.
    pub(crate) fn process(&self, pid: i32) -> Process {
        Process::look(pid).unwrap_or_else(|| panic!("{pid} is gone\n{}", self.sandbox.reports()))
    }

    pub(crate) fn state(&self, pid: i32, state: char) {
        self.sandbox.wait_for(&format!("{pid} to be in state {state}"), || {
            let process = Process::look(pid);
            expect(process.as_ref().is_some_and(|process| process.state == state), process)
        });
    }

    /// Waits until it is paused: stopped, or in a frozen group (which it may be before it could stop).
    pub(crate) fn paused(&self, pid: i32) {
        self.sandbox.wait_for(&format!("{pid} to be paused"), || {
            let process = Process::look(pid);
            let frozen = |file: &str, word: &str| {
                let text = |group: &PathBuf| fs::read_to_string(group.join(file)).unwrap_or_default();
                cgroups::of(pid).iter().any(|group| text(group).lines().any(|line| line == word))
            };
            let is_paused = process.as_ref().is_some_and(|process| process.state == 'T')
                || frozen("cgroup.events", "frozen 1")
                || frozen("freezer.state", "FROZEN");
            expect(is_paused, process)
        });
    }

    /// Waits until its script has gone on: another beat of its heart.
    pub(crate) fn beats(&self, service: &str) {
        let path = format!("{service}/beats");
        let now = self.lines(&path).len();
        self.count(&path, now + 2);
    }

    pub(crate) fn close(mut self) {
        self.end();
    }

    /// SIGTERM, exit 0, and nothing left: no process, no cgroup, no run directory, no link.
    pub(crate) fn end(&mut self) {
        self.sandbox.processes().iter().for_each(|process| drop(self.sandbox.note_groups(process.pid)));
        let mut scanner = self.scanner.take().unwrap();
        assert_eq!(scanner.terminate(), 0, "{}", self.sandbox.reports());
        self.nothing_left();
    }

    pub(crate) fn nothing_left(&self) {
        let (processes, groups) = (self.sandbox.processes(), self.sandbox.cgroups());
        let reports = self.sandbox.reports();
        assert!(processes.is_empty() && groups.is_empty(), "{processes:?} {groups:?}\n{reports}");
        assert!(!self.run().exists(), "{reports}");
        for entry in fs::read_dir(self.sandbox.scan()).unwrap().flatten() {
            for link in [entry.path().join("supervise"), entry.path().join("log/supervise")] {
                assert!(link.symlink_metadata().is_err(), "{} is left\n{reports}", link.display());
            }
        }
        assert!(!reports.contains("panicked"), "{reports}");
    }
}

/// Every generation of [`COUNTS`] that ended as it was told is there from its first line to its last, in order,
/// each line once. Gives the number of lines.
pub(crate) fn assert_counted(logged: &str) -> usize {
    let mut next: BTreeMap<&str, u64> = BTreeMap::new();
    for line in logged.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let (pid, number, is_end) = match words[..] {
            [pid, number] => (pid, number, false),
            [pid, "end", number] => (pid, number, true),
            _ => panic!("torn line {line:?}"),
        };
        let due = next.entry(pid).or_insert(1);
        assert_eq!(number.parse::<u64>().unwrap(), *due, "in line {line:?}");
        *due = if is_end { u64::MAX } else { *due + 1 };
    }
    assert!(next.values().all(|due| *due == u64::MAX), "a last line is missing: {next:?}");
    logged.lines().count()
}
