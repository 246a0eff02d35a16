//! The machine's actions, done.

use super::receipt::Stop;
use super::service::Process;
use super::{Role, Supervisor};
use crate::machine::{Action, Event, Leader, Phase};
use nix::sys::signal::Signal;
use sys::clock::monotonic_ms;
use sys::process::{Pidfd, Stat};

/// Programs that kill their child two seconds after their own TERM, whatever it is doing: the child is
/// told instead. See su(1), runuser(1), sudo(8).
const IMPATIENT: [&str; 4] = ["su", "runuser", "sudo", "doas"];

impl Supervisor {
    /// Does one action; what comes of it in the same turn is the next event.
    pub(super) fn perform(&mut self, index: u32, action: Action) -> Option<Event> {
        match action {
            Action::SpawnRun => return self.start_run(index),
            Action::SpawnFinish => return self.start_finish(index),
            Action::AskLeader => self.ask_leader(index),
            Action::AskAll => self.ask_all(index),
            Action::Kill => self.kill(index),
            Action::Freeze => self.pause(index, true),
            Action::Thaw => self.pause(index, false),
            Action::PassOn => self.pass_on(index),
            Action::LookForDaemon => return Some(Event::Looked(self.look_for_daemon(index))),
            Action::Forget => self.forget(index),
        }
        None
    }

    fn ask_leader(&mut self, index: u32) {
        let now = monotonic_ms();
        // who has left is brought back while its parents are there: when the leader has ended they are not
        self.session_opened();
        if self.service(index).is_some_and(|service| service.fold.strayed) {
            self.gather(index, |_, _| {});
        }
        let Some(service) = self.service(index) else { return };
        let stop = service.stop.get_or_insert_with(|| Box::new(Stop::new(now)));
        let command = service.leader.as_ref().map_or(String::new(), command_of);
        if let Some(leader) = &service.leader
            && let Some(met) = stop.meet(leader.who, &command)
        {
            met.leader = true;
        }
        let signal = service.settings.down_signal;
        if !self.start_control_script(index, signal, true) {
            self.strike(index, signal, &command);
        }
    }

    /// `down-signal`, then CONT, to the leader.
    pub(super) fn signal_to_end(&mut self, index: u32, signal: Signal) {
        let Some(service) = self.service(index) else { return };
        let command = service.leader.as_ref().map_or(String::new(), command_of);
        self.strike(index, signal, &command);
    }

    fn strike(&mut self, index: u32, signal: Signal, command: &str) {
        self.await_end(index);
        let Some(service) = self.service(index) else { return };
        if let Some(leader) = &service.leader {
            tell_to_end(leader, command, &[signal, Signal::SIGCONT]);
        }
    }

    /// TERM, then CONT, to everybody in the fold.
    fn ask_all(&mut self, index: u32) {
        let signal = self.service(index).map_or(Signal::SIGTERM, |service| service.settings.down_signal);
        let tell = |handle: &Pidfd| {
            let _ = handle.signal(signal);
            let _ = handle.signal(Signal::SIGCONT);
        };
        let is_impatient = |stat: &Stat| IMPATIENT.contains(&stat.command.as_str());
        let members = self.meet_all(index, false, |stat, handle| {
            if !is_impatient(stat) {
                tell(handle);
            }
        });
        // their end follows from their child's, which they would otherwise kill in the middle of its own
        let waits = |stat: &Stat| members.iter().any(|other| other.parent == stat.pid);
        for stat in members.iter().filter(|stat| is_impatient(stat) && !waits(stat)) {
            let _ = Pidfd::of(stat.identity()).map(|handle| tell(&handle));
        }
        self.look_soon(index);
    }

    /// Takes note of everybody in the fold, for the receipt and to know whose end matters, and tells each by `tell`.
    fn meet_all(&mut self, index: u32, killed: bool, tell: impl FnMut(&Stat, &Pidfd)) -> Vec<Stat> {
        let now = monotonic_ms();
        let us = std::process::id() as i32;
        let members = self.gather(index, tell);
        let Some(service) = self.services.get_mut(index as usize).and_then(Option::as_mut) else {
            return Vec::new();
        };
        let leader = service.leader.as_ref().map(|leader| leader.who);
        let stop = service.stop.get_or_insert_with(|| Box::new(Stop::new(now)));
        for stat in &members {
            let role = *self.pids.entry(stat.pid).or_insert((index, Role::Met));
            let Some(met) = stop.meet(stat.identity(), &stat.command) else { continue };
            met.leader |= leader == Some(stat.identity());
            met.killed |= killed;
            if stat.parent == us && role == (index, Role::Met) {
                stop.expect_end(stat.pid);
            }
        }
        service.shown = members.first().map_or(service.shown, |stat| stat.pid);
        self.touch(index);
        members
    }

    fn kill(&mut self, index: u32) {
        self.await_end(index);
        let Some(service) = self.service(index) else { return };
        let alone = service.settings.config.leader_only && !service.state.everybody;
        let one = service.leader.as_ref().or(service.finish.as_deref());
        if alone && let Some(process) = one {
            let _ = process.pidfd.signal(Signal::SIGKILL);
            if let Some(stop) = &mut service.stop {
                stop.kill();
            }
            return;
        }
        self.meet_all(index, true, |_, _| {});
        let Some(service) = self.services.get_mut(index as usize).and_then(Option::as_mut) else { return };
        let killed = service.fold.kill(&mut self.fence);
        // they may be outside its group, and `finish` is below no fold root
        for process in [service.leader.as_ref(), service.finish.as_deref()].into_iter().flatten() {
            let _ = process.pidfd.signal(Signal::SIGKILL);
        }
        if let Err(fail) = killed {
            self.complain(index, &fail.to_string());
        }
        self.look_soon(index);
    }

    fn pause(&mut self, index: u32, on: bool) {
        let Some(service) = self.services.get(index as usize).and_then(Option::as_ref) else { return };
        let signal = |signal| {
            if let Some(leader) = &service.leader {
                let _ = leader.pidfd.signal(signal);
            }
        };
        if on {
            signal(Signal::SIGSTOP);
            service.fold.freeze(&self.fence, true);
        } else {
            service.fold.freeze(&self.fence, false);
            signal(Signal::SIGCONT);
        }
        self.touch(index);
    }

    /// The signal of the command in hand, to the leader, or to everybody where the fold is the service.
    fn pass_on(&mut self, index: u32) {
        let Some(signal) = self.passing else { return };
        if self.start_control_script(index, signal, false) {
            return;
        }
        self.signal_service(index, signal);
    }

    pub(super) fn signal_service(&mut self, index: u32, signal: Signal) {
        if self.service(index).is_some_and(|service| service.leader.is_some()) {
            self.await_end(index);
        }
        let Some(service) = self.service(index) else { return };
        if let Some(leader) = &service.leader {
            match signal {
                // a stopped one that is to go must get the chance, as with runit
                Signal::SIGTERM if service.state.want == crate::machine::Want::Down => {
                    tell_to_end(leader, &command_of(leader), &[signal, Signal::SIGCONT]);
                }
                Signal::SIGTERM => tell_to_end(leader, &command_of(leader), &[signal]),
                _ => drop(leader.pidfd.signal(signal)),
            }
            return;
        }
        let nobody_leads = matches!(
            service.state.phase,
            Phase::Ready { leader: Leader::Nobody, .. } | Phase::Daemonising { .. }
        );
        if !nobody_leads {
            return;
        }
        self.fence.forget_walk();
        let Some(service) = self.services.get(index as usize).and_then(Option::as_ref) else { return };
        service.fold.for_each(&mut self.fence, |_, _, handle| {
            let _ = handle.signal(signal);
        });
    }

    /// Who of those that `run` left behind is the daemon: the one its pidfile names, or the only process in
    /// another session than `run`'s; nobody if there are several; `None` if there is none, since daemons
    /// call setsid and helpers do not.
    fn look_for_daemon(&mut self, index: u32) -> Option<Leader> {
        self.fence.forget_walk();
        let service = self.services.get_mut(index as usize).and_then(Option::as_mut)?;
        let members = service.fold.members(&mut self.fence);
        let ours = service.session;
        let named = pidfile(&service.directory, service.settings.pidfile.as_deref());
        let daemons: Vec<&Stat> = members.iter().filter(|stat| stat.session != ours).collect();
        if daemons.is_empty() {
            return None;
        }
        service.shown = daemons[0].pid;
        let by_file = named.and_then(|pid| members.iter().find(|stat| stat.pid == pid));
        let only = if let [only] = daemons[..] { Some(only) } else { None };
        if let Some(stat) = by_file.or(only)
            && let Ok(pidfd) = Pidfd::of(stat.identity())
        {
            let words = format!(
                "run exited and left a daemon: {} (pid {}) is the service now (a file `daemonised` with `no` \
                 would end such leftovers)",
                stat.command.escape_debug(),
                stat.pid
            );
            self.take_as_leader(index, stat.identity(), pidfd);
            self.inform(index, &words);
            return Some(Leader::Daemon);
        }
        let words = format!(
            "run exited and left {} processes, which are the service now (a file `pidfile` can name the one \
             that matters; `daemonised` with `no` would end them)",
            members.len()
        );
        self.inform(index, &words);
        Some(Leader::Nobody)
    }
}

/// The name of the program it is by now.
fn command_of(process: &Process) -> String {
    Stat::command_of(process.who.pid).unwrap_or_default()
}

/// Signals that ask a leader, of this command, to end; to its children where it would not let them end in peace.
fn tell_to_end(leader: &Process, command: &str, signals: &[Signal]) {
    let pid = leader.who.pid;
    let tell = |pidfd: &Pidfd| signals.iter().all(|&signal| pidfd.signal(signal).is_ok());
    if IMPATIENT.contains(&command) {
        let children = sys::process::all().into_iter().filter(|stat| stat.parent == pid);
        let told = children.filter(|child| Pidfd::of(child.identity()).is_ok_and(|child| tell(&child)));
        if told.count() > 0 {
            return;
        }
    }
    // ESRCH: it has ended, and its end is on its way to us
    tell(&leader.pidfd);
}

/// The pid in a daemon's pidfile, if it has one with a pid in it. It may be anywhere: what has no length is no
/// pidfile, but something of the kernel's that could do anything when it is read.
fn pidfile(directory: &std::path::Path, path: Option<&str>) -> Option<i32> {
    let path = directory.join(path?);
    sys::files::look(&path).ok()?.filter(|found| found.stat.st_size > 0)?;
    let data = sys::files::read(&path, 64).ok()??;
    std::str::from_utf8(&data).ok()?.trim().parse().ok().filter(|&pid| pid > 1)
}
