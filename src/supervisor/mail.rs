//! What services say of themselves by sd_notify(3). Each that has the setting `notify` gets a mailbox of its own, so
//! that none can fill another's; who may write to it is decided for each letter, by the sender's place in the fold.
//!
//! The guardian keeps the mailbox: what is written while there is no supervisor waits there, and its path, which is all
//! that the service knows of it, stays the same.

use super::timers::Kind as Timer;
use super::{Role, Source, Supervisor};
use crate::guardian_line::Kind;
use crate::machine::{Event, Ms, Phase};
use crate::notice::Notice;
use crate::place;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::ffi::CString;
use std::fs::{DirBuilder, Permissions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::PathBuf;
use sys::clock::monotonic_ms;
use sys::mailbox::{LONGEST, Mailbox};
use sys::process::{Pidfd, Stat};
use sys::{Errno, Fail};

/// The mailboxes' directory in the run directory: services of any user must get through it, nobody may list it.
const DIRECTORY: &str = "notify";
/// How many letters of a service are read in a turn.
const MOST: usize = 16;
/// When a letter that could not be taken out is tried again.
const AGAIN_MS: Ms = 100;

impl Supervisor {
    /// Offers a mailbox to a `run` that is about to be started, if the service wants one.
    pub(super) fn offer_mailbox(&mut self, index: u32, environment: &mut Vec<CString>) -> Result<(), String> {
        let service = self.service(index).ok_or("forgotten")?;
        service.shown_as.words = None;
        if let Some(carrier) = service.carrier {
            // our child until we have heard of its end; what holds it up is of another run
            let _ = nix::sys::signal::kill(carrier, Signal::SIGKILL);
        }
        if !service.settings.notify {
            self.close_mailbox(index);
            return Ok(());
        }
        let watchdog = service.settings.config.watchdog;
        let path = service.mailbox.as_ref().and_then(Mailbox::path).filter(|path| path.exists());
        let path = match path {
            Some(path) => path,
            None => self.open_mailbox(index).map_err(|fail| fail.to_string())?,
        };
        crate::environment::set(environment, b"NOTIFY_SOCKET", path.as_os_str().as_bytes());
        // without WATCHDOG_PID whoever reads it may feed the watchdog: see sd_watchdog_enabled(3)
        crate::environment::unset(environment, b"WATCHDOG_PID");
        crate::environment::unset(environment, b"WATCHDOG_USEC");
        if let Some(ms) = watchdog {
            let usec = ms.saturating_mul(1000).to_string();
            crate::environment::set(environment, b"WATCHDOG_USEC", usec.as_bytes());
        }
        Ok(())
    }

    /// Makes the mailbox: where an earlier one was left when everybody who kept it had died, else at a path that
    /// nobody can guess.
    fn open_mailbox(&mut self, index: u32) -> Result<PathBuf, Fail> {
        self.close_mailbox(index);
        let directory = self.run.join(DIRECTORY);
        let fail = |e: std::io::Error| Fail::io("make directory", &directory, &e);
        DirBuilder::new().recursive(true).mode(0o711).create(&directory).map_err(fail)?;
        // whatever the umask is
        std::fs::set_permissions(&directory, Permissions::from_mode(0o711)).map_err(fail)?;
        let Some(service) = self.service(index) else { return Err(Fail::of("start", Errno::ENOENT)) };
        let prefix = format!("{:016x}-", place::hash(&service.name));
        let mut left = std::fs::read_dir(&directory).map_err(fail)?.flatten();
        let left = left.find(|entry| entry.file_name().as_bytes().starts_with(prefix.as_bytes()));
        // paths of sockets are short, and half of this is unknown enough
        let unknown = RandomState::new().build_hasher().finish() as u32;
        let fresh = || directory.join(format!("{prefix}{unknown:08x}"));
        let path = left.map_or_else(fresh, |entry| entry.path());
        let mailbox = Mailbox::open(&path).map_err(|fail| match fail.errno {
            Errno::ENAMETOOLONG => {
                Fail::at("make a socket (whose path has 107 bytes at most) in", &directory, fail.errno)
            }
            _ => fail,
        })?;
        self.watch(mailbox.as_fd(), Source::Mail(index));
        if let Some(service) = self.service(index) {
            service.mailbox = Some(mailbox);
        }
        self.keep(index, Kind::Mail);
        Ok(path)
    }

    /// Nothing more is heard from the service.
    pub(super) fn close_mailbox(&mut self, index: u32) {
        let Some(service) = self.service(index) else { return };
        let Some(mailbox) = service.mailbox.take() else { return };
        let name = service.name.to_vec();
        self.discard_mailbox(&mailbox, &name);
    }

    /// The same for one that the service has already lost.
    pub(super) fn discard_mailbox(&mut self, mailbox: &Mailbox, name: &[u8]) {
        self.unwatch(mailbox.as_fd());
        if let Some(path) = mailbox.path().filter(|path| path.starts_with(&self.run)) {
            let _ = std::fs::remove_file(path);
        }
        self.unkeep(Kind::Mail, name);
    }

    /// What an adopted service writes to: what the guardian has kept, or the same path again.
    pub(super) fn resume_mailbox(&mut self, index: u32, kept: Option<OwnedFd>) {
        let Some(service) = self.service(index) else { return };
        if let Some(fd) = kept {
            let mailbox = Mailbox::from_fd(fd);
            service.mailbox = Some(mailbox);
            self.watch_mailbox(index);
        } else if service.settings.notify
            && !service.state.phase.is_still()
            && let Err(fail) = self.open_mailbox(index)
        {
            self.complain(index, &fail.to_string());
        }
    }

    /// Listens again.
    pub(super) fn watch_mailbox(&mut self, index: u32) {
        let Some(service) = self.services.get(index as usize).and_then(Option::as_ref) else { return };
        if let Some(mailbox) = &service.mailbox {
            self.watch(mailbox.as_fd(), Source::Mail(index));
        }
    }

    /// Reads what a service has written; what is more than it may say in a turn comes in the next.
    pub(super) fn read_mail(&mut self, index: u32) {
        if self.service(index).is_some_and(|service| service.awaits_leader()) {
            self.read_report(index); // who leads is known before what he says
        }
        let mut buffer = [0; LONGEST];
        for _ in 0..MOST {
            let Some(service) = self.services.get(index as usize).and_then(Option::as_ref) else { return };
            let Some(mailbox) = &service.mailbox else { return };
            let Ok(letter) = mailbox.receive(&mut buffer) else { return };
            let (sender, laden, notice) = (letter.sender, letter.laden, letter.text.map(Notice::parse));
            if let Some(notice) = notice
                && self.is_of(index, sender)
            {
                self.heed_notice(index, notice);
            }
            if laden {
                return self.take_out(index);
            }
        }
    }

    /// Descriptors that came with a letter are closed elsewhere: it may take as long as their sender likes.
    fn take_out(&mut self, index: u32) {
        let Some(service) = self.services.get(index as usize).and_then(Option::as_ref) else { return };
        let Some(mailbox) = &service.mailbox else { return };
        self.unwatch(mailbox.as_fd());
        match mailbox.discard() {
            Ok(pid) => {
                self.pids.insert(pid, (index, Role::Carrier));
                if let Some(service) = self.service(index) {
                    service.carrier = Some(Pid::from_raw(pid));
                }
            }
            Err(errno) => {
                self.complain(index, &Fail::of("start a process to take a message out", errno).to_string());
                self.timers.set(index, Timer::Mail, None, Some(monotonic_ms() + AGAIN_MS));
            }
        }
    }

    pub(super) fn letter_taken_out(&mut self, index: u32) {
        if let Some(service) = self.service(index) {
            service.carrier = None;
        }
        self.watch_mailbox(index);
    }

    /// Whether a process is one of the service's. One that has ended and been reaped can't be asked about.
    fn is_of(&mut self, index: u32, pid: i32) -> bool {
        let Some(service) = self.services.get(index as usize).and_then(Option::as_ref) else { return false };
        let leads = service.leader.as_ref().is_some_and(|leader| leader.who.pid == pid);
        pid > 0 && (leads || service.fold.holds(&self.fence, pid))
    }

    fn heed_notice(&mut self, index: u32, notice: Notice) {
        if let Some(pid) = notice.main_pid {
            self.be_led(index, pid);
        }
        let Some(service) = self.service(index) else { return };
        let starting = matches!(service.state.phase, Phase::Starting { .. });
        let watched = service.settings.config.watchdog.is_some();
        let words = service.shown_as.words.get_or_insert_default();
        words.reloading = (words.reloading || notice.reloading) && !notice.ready;
        words.ending |= notice.stopping;
        if let Some(status) = notice.status {
            words.status = status;
        }
        self.touch(index);
        if notice.ready && starting {
            self.content(index);
            self.turn(index, Event::SaidReady);
        }
        if let Some(ms) = notice.extend {
            self.turn(index, Event::Extend(ms));
        }
        if notice.alive && watched {
            self.turn(index, Event::Alive);
        }
        if notice.hung {
            self.complain(index, "it says itself that it hangs (WATCHDOG=trigger)");
            self.turn(index, Event::Hung);
        }
    }

    /// The service says which of its processes stands for it.
    fn be_led(&mut self, index: u32, pid: i32) {
        let Some(service) = self.service(index) else { return };
        let phase = service.state.phase;
        let known = service.leader.as_ref().is_some_and(|leader| leader.who.pid == pid);
        if known || !(phase.is_up() || matches!(phase, Phase::Daemonising { .. })) {
            return;
        }
        let role = self.pids.get(&pid).map(|&(whose, role)| (whose, role));
        let free = role.is_none_or(|role| role == (index, Role::Met));
        let stat = Stat::read(pid).filter(|stat| !stat.is_zombie());
        let Some(stat) = stat.filter(|_| free && self.is_of(index, pid)) else {
            let words = format!("it names pid {pid} as its main process (MAINPID), which is none of its own");
            return self.complain(index, &words);
        };
        let Ok(pidfd) = Pidfd::of(stat.identity()) else { return };
        self.let_leader_go(index);
        if let Some(service) = self.service(index) {
            service.fold.set_leader(stat.identity());
            service.shown = pid;
        }
        self.take_as_leader(index, stat.identity(), pidfd);
        let words =
            format!("{} (pid {pid}) is its main process now, as it says", stat.command.escape_debug());
        self.inform(index, &words);
        self.turn(index, Event::Led);
    }

    /// Who led is one of the others, and if he has just ended, that was not the service's end.
    fn let_leader_go(&mut self, index: u32) {
        let Some(service) = self.service(index) else { return };
        (service.held, service.rereads, service.strange_looks) = (None, 0, 0);
        let (former, ended) = (service.leader.take(), service.unacknowledged.take());
        if let Some(former) = former {
            self.unwatch(former.pidfd.as_fd());
            self.pids.insert(former.who.pid, (index, Role::Met));
        }
        if let Some(who) = ended {
            self.reap_at_guardian(who);
        }
    }
}
