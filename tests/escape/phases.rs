//! What a rung's services go through: position, `svc -t`, a crash, `svc -d`, and the scanner's end.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;

use nix::sys::signal::Signal;

use super::super::common::processes::Process;
use super::super::common::survivors::Survivor;
use super::super::common::{Supervisor, cgroups, expect, look_until, survivors};
use super::super::forms::Form;
use super::super::table::{Cell, Table};
use super::Trial;

type Forms = [&'static Form];

impl Trial<'_> {
    pub(crate) fn run(mut self, table: &Mutex<Table>) {
        let mut scanner = self.sandbox.scanner();
        let names = self.forms.iter().map(|form| (form.name, Cell::default()));
        self.cells = names.collect();
        self.settle();
        self.comets_fly(true);
        self.restart("svc -t", |form| !form.outlives_term && !form.crashes, Self::term);
        self.settle();
        let has_leader = |form: &Form| !(form.crashes || form.daemonises && form.outlives_term);
        self.restart("a crash", has_leader, Self::crash);
        self.settle();
        self.stop();
        self.comets_fly(false);
        if self.rung.containment.is_some() {
            self.look_for_zombies(&scanner);
        }
        self.look_for_overlaps();
        self.look_for_flushing();
        if self.rung.containment.is_some() {
            self.end(&mut scanner);
        }
        table.lock().unwrap().add(self.rung.name, self.cells.clone());
    }

    fn fault(&mut self, name: &'static str, fault: String) {
        self.cells.entry(name).or_default().faults.push(fault);
    }

    fn comets_fly(&self, fast: bool) {
        let path = self.sandbox.lab().join("fast");
        if fast { fs::write(path, "").unwrap() } else { fs::remove_file(path).unwrap() }
    }

    /// Whoever comes back to the scanner and its supervisor as an orphan is reaped in the end.
    fn look_for_zombies(&mut self, scanner: &Supervisor) {
        let reaped = look_until(|| {
            let all = Process::all();
            let below = |parent: i32| all.iter().filter(move |one| one.parent == parent);
            let scanner = scanner.process().pid;
            let zombies = |parent: i32| below(parent).filter(|one| one.state == 'Z').count();
            let left = zombies(scanner) + below(scanner).map(|one| zombies(one.pid)).sum::<usize>();
            expect(left == 0, left)
        });
        if let Err(left) = reaped {
            self.fault("svscan", format!("{left} orphans have not been reaped"));
        }
    }

    /// Waits for all of them at once; gives up those of which `look` still complains at the end.
    fn await_each(
        &mut self,
        what: &str,
        mut forms: Vec<&'static Form>,
        look: impl Fn(&Self, &Form) -> Result<(), String>,
    ) {
        let mut complaints = Vec::new();
        let _ = look_until(|| {
            complaints.clear();
            forms.retain(|form| match look(self, form) {
                Ok(()) => false,
                Err(seen) => {
                    complaints.push((form.name, seen));
                    true
                }
            });
            expect(complaints.is_empty(), ())
        });
        for (form, (name, seen)) in forms.into_iter().zip(complaints) {
            let (failed, said) = (self.said(form, "failed").join(" "), self.sandbox.svstat(name));
            self.fault(name, format!("{what}: {seen} {failed}; svstat: {said}"));
            self.lost.insert(name);
        }
    }

    /// The forms that are still in the race.
    fn running(&self) -> Vec<&'static Form> {
        self.forms.iter().copied().filter(|form| !self.lost.contains(form.name)).collect()
    }

    /// Waits until every form is where it wants to be, and remembers in which groups its processes are.
    fn settle(&mut self) {
        self.await_each("not in position", self.running(), Self::in_position);
        let end = format!("@{}", self.sandbox.name);
        for process in self.sandbox.processes() {
            let groups = self.sandbox.note_groups(process.pid);
            let arguments = fs::read_to_string(format!("/proc/{}/cmdline", process.pid)).unwrap_or_default();
            let mark = arguments.split('\0').find_map(|word| word.strip_suffix(&end));
            let service = mark.and_then(|mark| mark.rsplit_once('.')).map(|(service, _)| service);
            if let Some(form) = self.forms.iter().find(|form| Some(form.name) == service) {
                self.groups.entry(form.name).or_default().extend(groups);
            }
        }
    }

    fn in_position(&self, form: &Form) -> Result<(), String> {
        let generation = self.latest(form).ok_or("never said ready")?;
        if form.daemonises && !form.outlives_term && self.rung.containment.is_some() {
            let (leader, marker) = (self.leader(form), self.marker(form, &generation));
            // The run script's own pid is the generation's name.
            let is_daemon = |leader: &&Process| leader.pid.to_string() != generation;
            let known = leader.as_ref().filter(is_daemon);
            let known = known.is_some_and(|leader| marker.shown_in(&leader.traces()).is_some());
            return expect(known, format!("leader of the daemon: {leader:?}"));
        }
        if form.daemonises || form.crashes {
            return Ok(());
        }
        // It may have said so before its supervisor has.
        let shown = self.sandbox.status(form.name).map(|status| status.pid.to_string());
        expect(shown.as_ref() == Some(&generation), format!("generation {generation}, shown is {shown:?}"))
    }

    /// Does something that must lead to a new generation of each form concerned.
    fn restart(&mut self, what: &str, concerns: impl Fn(&Form) -> bool, act: impl Fn(&Self, &Forms)) {
        let forms: Vec<_> = self.running().into_iter().filter(|form| concerns(form)).collect();
        let before: BTreeMap<_, _> = forms.iter().map(|form| (form.name, self.latest(form))).collect();
        act(self, &forms);
        self.await_each(&format!("{what} led to no new generation"), forms, |trial, form| {
            let now = trial.latest(form);
            expect(now.is_some() && now != before[form.name], now)
        });
    }

    fn term(&self, forms: &Forms) {
        self.sandbox.run("svc", ["-t"].into_iter().chain(forms.iter().map(|form| form.name)));
    }

    fn crash(&self, forms: &Forms) {
        forms.iter().filter_map(|form| self.leader(form)).for_each(|leader| leader.signal(Signal::SIGKILL));
    }

    /// `svc -d`; who is down is looked at in that moment, and once more when all are.
    fn stop(&mut self) {
        let mut waiting = self.forms.clone();
        self.sandbox.run("svc", ["-d"].into_iter().chain(waiting.iter().map(|form| form.name)));
        let stopped = look_until(|| {
            waiting.retain(|form| {
                // nobody is there between two starts either
                let status = self.sandbox.status(form.name);
                let is_down = status.is_some_and(|status| status.pid == 0 && status.want == b'd');
                if is_down {
                    self.judge(form);
                }
                !is_down
            });
            expect(waiting.is_empty(), waiting.iter().map(|form| form.name).collect::<Vec<_>>())
        });
        if stopped.is_err() {
            for form in waiting {
                let (said, left) = (self.sandbox.svstat(form.name), self.survivors(form));
                self.fault(form.name, format!("never down: {said}; left: {}", list(&left)));
            }
        }
        for form in self.forms.clone() {
            let said = self.sandbox.svstat(form.name);
            if !said.starts_with("down ") {
                self.fault(form.name, format!("svstat, once down: {said}"));
            }
            self.judge(form);
        }
    }

    /// A form that is said to be down: who and what is left of it.
    fn judge(&mut self, form: &'static Form) {
        // First, and at once: a lock tells in microseconds.
        let held = self.markers(form).iter().any(|marker| marker.is_locked());
        let left = if held || form.closes { self.survivors(form) } else { Vec::new() };
        let count = left.len().max(held.into());
        let excuse = self.rung.excuse(form).filter(|_| left.iter().all(|survivor| self.is_foreign(survivor)));
        let cell = self.cells.entry(form.name).or_default();
        cell.left = cell.left.max(Some(count));
        cell.excuse = excuse;
        if count > 0 && excuse.is_none() {
            cell.faults.push(format!("{count} left when down: {}", list(&left)));
        }
        // Without a cgroup of the service's, nobody removes one that the service has made.
        if self.rung.containment != Some("subtree") {
            let groups = self.groups.get(form.name).into_iter().flatten();
            let full: Vec<_> = groups.filter(|group| !self.is_own_group(group) && !is_empty(group)).collect();
            if !full.is_empty() {
                self.fault(form.name, format!("groups in use when down: {full:?}"));
            }
        }
    }

    fn survivors(&self, form: &Form) -> Vec<Survivor> {
        survivors(&self.markers(form))
    }

    /// Whether somebody is where the test has put a group for those that move on purpose.
    fn is_foreign(&self, survivor: &Survivor) -> bool {
        survivor.groups.iter().any(|group| self.is_own_group(group))
    }

    fn is_own_group(&self, group: &Path) -> bool {
        group.ends_with(format!("{}-foreign", self.sandbox.name))
    }

    /// What the generations themselves have seen of each other.
    fn look_for_overlaps(&mut self) {
        for form in self.forms.clone() {
            let overlaps = self.said(form, "overlaps").len();
            if overlaps > 0 && self.rung.excuse(form).is_none() {
                self.fault(form.name, format!("{overlaps} times, an older generation was alive at a start"));
            }
        }
    }

    /// Whoever has begun to flush has come to an end of it.
    fn look_for_flushing(&mut self) {
        for form in self.forms.clone().into_iter().filter(|form| form.flushes) {
            let (begun, ended) = (self.said(form, "flushing"), self.said(form, "flushed"));
            if begun.is_empty() || begun.iter().any(|generation| !ended.contains(generation)) {
                self.fault(form.name, format!("flushing begun by {begun:?}, ended by {ended:?}"));
            }
        }
    }

    /// The scanner is told to end, and leaves nothing: no process, no cgroup.
    fn end(&mut self, scanner: &mut Supervisor) {
        let code = scanner.terminate();
        if code != 0 {
            self.fault("svscan", format!("ended with {code}\n{}", self.sandbox.reports()));
        }
        let moved = |pid| cgroups::of(pid).iter().any(|group| self.is_own_group(group));
        let left: Vec<_> =
            self.sandbox.processes().into_iter().filter(|process| !moved(process.pid)).collect();
        if !left.is_empty() {
            self.fault("svscan", format!("left when svscan had ended: {left:?}"));
        }
        let own = |group: &Path| self.is_own_group(group) || self.rung.containment == Some("subtree");
        let groups: Vec<_> = self.sandbox.cgroups().into_iter().filter(|group| !own(group)).collect();
        if !groups.is_empty() {
            self.fault("svscan", format!("groups left when svscan had ended: {groups:?}"));
        }
    }
}

/// Whether a group holds nobody and nothing: it may be kept for the next start.
fn is_empty(group: &Path) -> bool {
    cgroups::below(group).len() <= 1 && cgroups::members(group).is_empty()
}

fn list(survivors: &[Survivor]) -> String {
    survivors.iter().map(|survivor| format!("\n    {survivor}")).collect()
}
