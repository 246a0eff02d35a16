//! What is done to the services, and to those who watch them.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use nix::libc::O_NONBLOCK;
use nix::sys::signal::Signal;
use pinfold::table;

use super::common::processes::Process;
use super::common::{Family, Sandbox, Status, expect};
use super::dice::Dice;
use super::kinds::KINDS;
use super::scene::Scene;

/// So many of each kind are there from the beginning to the end.
const EACH: usize = 3;
/// How many of the last deeds are told when a promise is broken.
const TOLD: usize = 60;

pub(crate) struct Chaos {
    pub(crate) scene: Scene,
    dice: Dice,
    /// Those in the scan directory.
    listed: Vec<String>,
    /// Those that were moved out of it.
    aside: Vec<String>,
    /// Made on the way, and removed at the end.
    added: usize,
    done: VecDeque<String>,
    count: usize,
    /// Descriptors of the supervisor and of the guardian when all services are up.
    open: [usize; 2],
}

impl Chaos {
    pub(crate) fn new(dice: Dice) -> Self {
        let mut scene = Scene::of(Sandbox::new("chaos", Family::Ours).unwrap());
        let mut listed = Vec::new();
        for kind in KINDS {
            for n in 0..EACH {
                listed.push(format!("{}{n}", kind.name));
                kind.lay_out(&scene.sandbox, listed.last().unwrap());
            }
        }
        scene.open();
        let mut chaos = Chaos {
            scene,
            dice,
            listed,
            aside: Vec::new(),
            added: 0,
            done: VecDeque::new(),
            count: 0,
            open: [0; 2],
        };
        chaos.all_up();
        // the guardian may be slower than the services
        let least = 3 * chaos.listed.len();
        chaos.scene.sandbox.wait_for("everything to be kept", || {
            let open = chaos.descriptors();
            expect(open[1] >= least, (open, least))
        });
        chaos.open = chaos.descriptors();
        chaos
    }

    /// Every service that there is.
    pub(crate) fn services(&self) -> Vec<String> {
        self.listed.iter().chain(&self.aside).cloned().collect()
    }

    /// Where it is.
    pub(crate) fn place(&self, service: &str) -> PathBuf {
        let aside = self.scene.sandbox.lab().join(service);
        if aside.exists() { aside } else { self.scene.path(service) }
    }

    /// What has been done last, and what svscan has said.
    pub(crate) fn story(&self) -> String {
        let done: Vec<&str> = self.done.iter().map(String::as_str).collect();
        format!(
            "after {} deeds, at last:\n{}\n--- reports\n{}",
            self.count,
            done.join("\n"),
            self.scene.sandbox.reports()
        )
    }

    /// The last turns that supervisors have taken with a service.
    pub(crate) fn turns_of(&self, service: &str) -> String {
        let trace = fs::read_to_string(self.scene.sandbox.trace()).unwrap_or_default();
        let is_its = |line: &&str| line.contains(&format!("\"service\":\"{service}\""));
        let turns: Vec<&str> = trace.lines().filter(is_its).collect();
        turns[turns.len().saturating_sub(12)..].join("\n")
    }

    fn tell(&mut self, what: String) {
        self.count += 1;
        self.done.push_back(what);
        if self.done.len() > TOLD {
            self.done.pop_front();
        }
    }

    pub(crate) fn deed(&mut self) {
        match self.dice.below(100) {
            0..50 => self.letters(),
            50..62 => self.kill_somebody(),
            62..67 => self.stop(),
            67..72 => self.move_away_or_back(),
            72..74 => self.add(),
            74..80 => self.kill_supervisor(),
            80..83 => self.kill_guardian(),
            83..85 => self.kill_catcher(),
            85..89 => self.hold(),
            89..92 => self.few_descriptors(),
            92..95 => self.signal_guardian(Signal::SIGUSR1),
            95..97 => self.signal_guardian(Signal::SIGHUP),
            _ => self.wait(200),
        }
        self.wait(20);
    }

    /// Some time, in which things happen by themselves.
    fn wait(&mut self, most: usize) {
        thread::sleep(Duration::from_millis(self.dice.below(most) as u64)); // bounded: a part of the chaos, not a wait for anything
    }

    fn any(&mut self) -> String {
        let all = self.services();
        self.dice.one_of(&all).clone()
    }

    fn letters(&mut self) {
        let mut service = self.any();
        if service.starts_with("counts") && self.dice.below(2) == 0 {
            service += "/log";
        }
        // a logger that is killed loses what it has read
        let is_log = service.ends_with("/log");
        let letters: &[&str] = if is_log {
            &["u", "t", "d", "p", "c", "du"]
        } else {
            &["u", "u", "u", "d", "o", "t", "t", "h", "p", "c", "k", "i", "1", "du", "dut", "ud", "pd", "cu"]
        };
        let letters = *self.dice.one_of(letters);
        self.tell(format!("{letters} to {service}"));
        self.write(&service, letters);
    }

    /// Writes to a service's `control`; nobody may be there to read it.
    fn write(&self, service: &str, letters: &str) {
        let control = self.place(service.trim_end_matches("/log"));
        let control = if service.ends_with("/log") { control.join("log") } else { control };
        let opened =
            File::options().write(true).custom_flags(O_NONBLOCK).open(control.join("supervise/control"));
        let _ = opened.and_then(|mut file| file.write_all(letters.as_bytes()));
    }

    /// A leader, or another of its directory; of a logger TERM at most.
    fn kill_somebody(&mut self) {
        let service = self.any();
        if service.starts_with("counts") && self.dice.below(2) == 0 {
            let log = Status::read(&self.place(&service).join("log"));
            if let Some(process) = log.and_then(|status| Process::look(status.pid)) {
                self.tell(format!("TERM to the logger of {service}"));
                process.signal(Signal::SIGTERM);
            }
            return;
        }
        let place = self.place(&service);
        let is_there =
            |one: &Process| fs::read_link(format!("/proc/{}/cwd", one.pid)).is_ok_and(|cwd| cwd == place);
        let there: Vec<Process> = Process::all().into_iter().filter(is_there).collect();
        if there.is_empty() {
            return;
        }
        let signal = *self.dice.one_of(&[Signal::SIGKILL, Signal::SIGSEGV, Signal::SIGTERM, Signal::SIGHUP]);
        let one = self.dice.one_of(&there).clone();
        self.tell(format!("{signal} to {} of {service}", one.pid));
        one.signal(signal);
    }

    /// An administrator's commands, which wait.
    fn stop(&mut self) {
        let service = self.any_of_listed();
        let place = self.place(&service);
        let options: &[&str] = &["-qw2", "-qkw2", "-qaw2"];
        let options = *self.dice.one_of(options);
        self.tell(format!("svcstop {options} {}", place.display()));
        let said = self.scene.sandbox.run("svcstop", [options.as_ref(), place.as_os_str()]);
        assert!(said.code == 0 || said.code == 1, "{said:?}\n{}", self.story());
    }

    fn any_of_listed(&mut self) -> String {
        let all = self.listed.clone();
        self.dice.one_of(&all).clone()
    }

    fn move_away_or_back(&mut self) {
        if !self.aside.is_empty() && self.dice.below(3) > 0 {
            let service = self.aside.swap_remove(0);
            self.tell(format!("{service} is moved back"));
            fs::rename(self.scene.sandbox.lab().join(&service), self.scene.path(&service)).unwrap();
            return self.listed.push(service);
        }
        if self.aside.len() > 3 {
            return;
        }
        let service = self.any_of_listed();
        self.listed.retain(|one| *one != service);
        let stopped = self.dice.below(2) == 0;
        self.tell(format!("{service} is moved away{}", if stopped { " and given up" } else { "" }));
        fs::rename(self.scene.path(&service), self.scene.sandbox.lab().join(&service)).unwrap();
        self.aside.push(service.clone());
        if stopped {
            self.write(&service, "dx");
        }
    }

    fn add(&mut self) {
        if self.added == 8 {
            return;
        }
        let kind = self.dice.one_of(KINDS);
        self.added += 1;
        let service = format!("{}-added{}", kind.name, self.added);
        kind.lay_out(&self.scene.sandbox, &service);
        self.tell(format!("{service} is added"));
        self.listed.push(service);
    }

    /// The supervisor that the table names, whoever's child it is; `None` while there is none.
    pub(crate) fn supervisor(&self) -> Option<Process> {
        let view = table::read(&self.scene.run()).ok()?;
        let who = view.head.supervisor?;
        Process::look(who.pid).filter(|process| process.start == who.start && process.state != 'Z')
    }

    fn kill_supervisor(&mut self) {
        let Some(supervisor) = self.supervisor() else { return };
        let signal = *self.dice.one_of(&[Signal::SIGKILL, Signal::SIGSEGV, Signal::SIGABRT]);
        self.tell(format!("{signal} to the supervisor {}", supervisor.pid));
        supervisor.signal(signal);
    }

    fn kill_guardian(&mut self) {
        let with_supervisor = self.dice.below(3) == 0;
        self.tell(format!(
            "the guardian{} is killed",
            if with_supervisor { " with its supervisor" } else { "" }
        ));
        let supervisor = self.supervisor().filter(|_| with_supervisor);
        self.scene.guardian().signal(Signal::SIGKILL);
        if let Some(supervisor) = supervisor {
            supervisor.signal(Signal::SIGKILL);
        }
        self.scene.scanner.take().unwrap().ended();
        self.wait(300);
        self.scene.open();
    }

    fn kill_catcher(&mut self) {
        let guardian = self.scene.guardian().pid;
        let catcher =
            Process::all().into_iter().find(|one| one.parent == guardian && one.command == "pinfold-catcher");
        self.tell("the catcher is killed".into());
        if let Some(catcher) = catcher {
            catcher.signal(Signal::SIGKILL);
        }
    }

    /// SIGSTOP for a while.
    fn hold(&mut self) {
        let whom = if self.dice.below(2) == 0 { self.supervisor() } else { Some(self.scene.guardian()) };
        let Some(whom) = whom else { return };
        self.tell(format!("{} {} is stopped for a while", whom.command, whom.pid));
        whom.signal(Signal::SIGSTOP);
        for _ in 0..self.dice.below(4) {
            self.letters();
        }
        self.wait(500);
        whom.signal(Signal::SIGCONT);
    }

    /// No descriptor can be opened for a while.
    fn few_descriptors(&mut self) {
        let whom = if self.dice.below(2) == 0 { self.supervisor() } else { Some(self.scene.guardian()) };
        let Some(whom) = whom else { return };
        let most = whom.descriptor_count() + self.dice.below(6);
        self.tell(format!("{} {} may have {most} descriptors for a while", whom.command, whom.pid));
        let limit = |chaos: &Chaos, limit: &str| {
            let pid = whom.pid.to_string();
            chaos.scene.sandbox.run("prlimit", ["--pid", &pid, &format!("--nofile={limit}:")]).code == 0
        };
        let limits = fs::read_to_string(format!("/proc/{}/limits", whom.pid)).unwrap_or_default();
        let hard = limits
            .lines()
            .find_map(|line| line.strip_prefix("Max open files")?.split_ascii_whitespace().nth(1));
        let Some(hard) = hard else { return };
        if !limit(self, &most.to_string()) {
            return; // it has ended meanwhile
        }
        for _ in 0..self.dice.below(4) {
            self.letters();
        }
        self.wait(500);
        limit(self, hard);
    }

    fn signal_guardian(&mut self, signal: Signal) {
        self.tell(format!("{signal} to the guardian"));
        let guardian = self.scene.guardian();
        // from the exec on until it is ready again for it, it would die of it
        if guardian.command == "svscan" {
            guardian.signal(signal);
        }
    }

    /// All that are listed are told to run, and do; the kinds that crash have just been started.
    fn all_up(&mut self) {
        for service in self.listed.clone() {
            let log = service.starts_with("counts").then(|| format!("{service}/log"));
            for one in log.into_iter().chain([service]) {
                let path = self.scene.path(&one);
                self.scene.sandbox.wait_for(&format!("{one} to be up"), || {
                    let status = Status::read(&path);
                    if status
                        .as_ref()
                        .is_none_or(|status| status.pid == 0 || status.want != b'u' || status.paused)
                    {
                        self.write(&one, "cu");
                        thread::sleep(Duration::from_millis(20)); // bounded: look_until gives up; not a thousand letters a second
                        return Err(format!("{status:?}\n{}", self.story()));
                    }
                    Ok(())
                });
            }
        }
    }

    fn descriptors(&self) -> [usize; 2] {
        [self.supervisor().unwrap(), self.scene.guardian()].map(|process| open(&process))
    }

    /// Peace: everything is up again as it was at the beginning, and then everything ends.
    pub(crate) fn end(mut self) {
        println!("{} deeds", self.count);
        for service in std::mem::take(&mut self.aside) {
            fs::rename(self.scene.sandbox.lab().join(&service), self.scene.path(&service)).unwrap();
            self.listed.push(service);
        }
        self.scene.guardian().signal(Signal::SIGHUP);
        self.all_up();
        self.promises_hold();
        let added: Vec<String> = self.listed.extract_if(.., |one| one.contains("-added")).collect();
        for service in added {
            let aside = self.scene.sandbox.lab().join(&service);
            fs::rename(self.scene.path(&service), &aside).unwrap();
            self.write(&service, "dx");
            self.write(&format!("{service}/log"), "dx");
        }
        self.no_zombies();
        self.scene.sandbox.wait_for("no more descriptors than at the beginning", || {
            // who has replaced himself, or his guardian, has one or two more or fewer; a leak has one for each time
            let more = |(now, before): (usize, usize)| now > before + 4;
            let leaks = std::iter::zip(self.descriptors(), self.open).any(more);
            expect(!leaks, (self.descriptors(), self.open, self.story()))
        });
        for n in 0..EACH {
            self.logged(&format!("counts{n}"));
        }
        let all = self.scene.sandbox.processes();
        all.iter().for_each(|process| drop(self.scene.sandbox.note_groups(process.pid)));
        self.scene.guardian().signal(Signal::SIGTERM);
        let run = self.scene.run();
        let mut scanner = self.scene.scanner.take().unwrap();
        self.scene.sandbox.wait_for("svscan to end everything, and itself", || {
            let left = table::read(&run).map(|view| view.records).unwrap_or_default();
            let left: Vec<_> = left
                .iter()
                .map(|(_, record)| (record.name.escape_ascii().to_string(), record.state))
                .collect();
            expect(scanner.has_ended(), left)
        });
        assert_eq!(scanner.ended(), 0, "{}", self.story());
        self.scene.nothing_left();
    }
}

/// How many descriptors a process has; without the numbers that are reserved for what is handed to children, in which
/// anything may lie, and without those of processes, which come and go.
fn open(process: &Process) -> usize {
    const RESERVED: i32 = 65;
    let all = fs::read_dir(format!("/proc/{}/fd", process.pid)).unwrap().flatten();
    let number = |entry: &fs::DirEntry| entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok());
    let stays = |entry: &fs::DirEntry| {
        number(entry).is_some_and(|number| number >= RESERVED)
            && fs::read_link(entry.path()).is_ok_and(|file| !file.ends_with("anon_inode:[pidfd]"))
    };
    all.filter(stays).count()
}
