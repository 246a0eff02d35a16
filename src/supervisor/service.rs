//! One service as the supervisor has it: the machine's state, and the handles that the machine never sees.

use super::desk::Desk;
use super::ends::Held;
use super::face::{Face, Stat};
use super::receipt::Stop;
use crate::fold::Fold;
use crate::machine::{Leader, Ms, Phase, State, Want};
use crate::record::{Receipt, Record, Words};
use crate::service::Settings;
use compat::status::{RunState, Status};
use compat::tai::Tai64n;
use nix::unistd::Pid;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};
use sys::mailbox::Mailbox;
use sys::process::{Identity, Pidfd};
use sys::reap::Ending;
use sys::spawn::{NotStarted, Stage};

/// A process of a service that we know by name.
pub(super) struct Process {
    /// Who it is.
    pub(super) who: Identity,
    /// The handle every signal to it goes through.
    pub(super) pidfd: Pidfd,
}

/// A directory's device and inode: the same service under another name is the same.
pub(super) type Inode = (u64, u64);

/// Why a script runs beside the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// `control/LETTER`; unless it exits 0, the signal is sent after it, then CONT if `then_continue`.
    Control {
        /// The signal it stands before.
        signal: nix::sys::signal::Signal,
        /// It is part of a stop.
        stopping: bool,
    },
    /// `start`, as the check after an automatic restart.
    Check,
}

/// A script that runs beside the service.
pub(super) struct Script {
    /// What for.
    pub(super) purpose: Purpose,
    /// It.
    pub(super) process: Process,
    /// When it has had its time.
    pub(super) until: Option<Ms>,
}

/// The pipe from a service to its logger or to the catcher: both ends, so that neither sees the other's restarts.
pub(super) struct Pipe {
    /// The logger's end.
    pub(super) read: OwnedFd,
    /// The service's end.
    pub(super) write: OwnedFd,
    /// By which it is known again; 0 if it can't be told.
    pub(super) inode: u64,
}

impl Pipe {
    /// A pipe of these ends.
    pub(super) fn of(read: OwnedFd, write: OwnedFd) -> Pipe {
        let inode = nix::sys::stat::fstat(&write).map_or(0, |stat| stat.st_ino);
        Pipe { read, write, inode }
    }
}

/// How a service stands to a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kin {
    /// It has no logger: its output goes to the catcher.
    Alone,
    /// It writes to this log service.
    LoggedBy(u32),
    /// It is the log service of this one; `None` when that one has been forgotten.
    LogOf(Option<u32>),
}

/// The settings of a service that says nothing, as most do: they stand here once.
static USUAL: LazyLock<Arc<Settings>> = LazyLock::new(Arc::default);

/// A service.
pub(super) struct Service {
    /// Below the scan directory: `squid`, `squid/log`. Bytes, since file names are.
    pub(super) name: Rc<[u8]>,
    /// Its real directory, links resolved.
    pub(super) directory: PathBuf,
    /// That directory's inode; `None` if it was not there when the service was taken over.
    pub(super) inode: Option<Inode>,
    /// Its place in the table.
    pub(super) slot: u32,
    /// What its directory says.
    pub(super) settings: Arc<Settings>,
    /// That has been read in this moment, and need not be read again for a start that follows.
    pub(super) just_read: bool,
    /// What the machine knows.
    pub(super) state: State,
    /// What it is kept together by.
    pub(super) fold: Fold,
    /// Its open files.
    pub(super) desk: Desk,
    /// The process that stands for it: `run`'s, or a daemon's.
    pub(super) leader: Option<Process>,
    /// Its `finish`.
    pub(super) finish: Option<Box<Process>>,
    /// Scripts beside it.
    pub(super) scripts: Vec<Script>,
    /// Its logger, or whose logger it is.
    pub(super) kin: Kin,
    /// The pipe to the catcher.
    pub(super) output: Option<Pipe>,
    /// The inode of the pipe to its logger.
    pub(super) log_inode: u64,
    /// Where it says that it is ready.
    pub(super) ready: Option<OwnedFd>,
    /// Where it writes what it says of itself.
    pub(super) mailbox: Option<Mailbox>,
    /// The child that takes a message out of it; meanwhile nobody else reads there.
    pub(super) carrier: Option<Pid>,
    /// Its name is no longer in the scan directory.
    pub(super) unlisted: bool,
    /// The name it now has there, if it was renamed.
    pub(super) alias: Option<Vec<u8>>,
    /// Times in the queue: deadline, recheck.
    pub(super) deadline: Option<Ms>,
    /// See [`Service::deadline`].
    pub(super) recheck: Option<Ms>,
    /// Re-reads of an emptiness that is not there yet.
    pub(super) rereads: u32,
    /// How often the kernel was asked in vain how its leader ended, which somebody else has yet to reap.
    pub(super) strange_looks: usize,
    /// An end that is held back until the fold has been read often enough.
    pub(super) held: Option<Held>,
    /// Whose end the guardian has told, and is to reap once the machine has been told.
    pub(super) unacknowledged: Option<Identity>,
    /// What the fold root said of a leader that never became `run`.
    pub(super) root_failed: Option<NotStarted>,
    /// `run`'s session: helpers stay in it, daemons do not.
    pub(super) session: i32,
    /// A process that is alive in the fold, to be shown where there is no leader.
    pub(super) shown: i32,
    /// The child was killed at birth once: it enters its cgroup the slow way from now on.
    pub(super) slow_birth: bool,
    /// The stop in progress.
    pub(super) stop: Option<Box<Stop>>,
    /// When it first could not be started for want of `run`; said only after a while.
    pub(super) missing_since: Option<Ms>,
    /// The last things said about it, so that each is said once, also when several take turns.
    pub(super) said: [u64; 4],
    /// What the table shows beside the state.
    pub(super) shown_as: Shown,
    /// It has changed in this turn of the loop.
    pub(super) unsaved: bool,
    /// It has changed since it was published.
    pub(super) dirty: bool,
}

/// What readers see of a service beside its state.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown {
    /// When it went up or down: wall clock.
    pub(super) changed: (i64, u32),
    /// Starts after the first.
    pub(super) restarts: u32,
    /// It has been started at all.
    pub(super) was_started: bool,
    /// How the leader last ended.
    pub(super) last_exit: Option<Ending>,
    /// Why it could not be started.
    pub(super) not_started: Option<(Stage, i32)>,
    /// Words for the administrator.
    pub(super) message: String,
    /// What it says of itself, if it does.
    pub(super) words: Option<Box<Words>>,
    /// The last stop, if there was one.
    pub(super) receipt: Option<Box<Receipt>>,
}

impl Service {
    /// These are its settings from now on.
    pub(super) fn go_by(&mut self, settings: Settings) {
        self.fold.takes_all = settings.kill_strays;
        self.settings = if settings == **USUAL { USUAL.clone() } else { Arc::new(settings) };
    }

    /// One with its fresh files and nothing else yet.
    pub(super) fn new(name: &[u8], directory: PathBuf, fold: Fold, desk: Desk, slot: u32) -> Service {
        Service {
            name: name.into(),
            directory,
            inode: None,
            slot,
            settings: USUAL.clone(),
            just_read: false,
            state: State::new(Want::Down),
            fold,
            desk,
            leader: None,
            finish: None,
            scripts: Vec::new(),
            kin: Kin::Alone,
            output: None,
            log_inode: 0,
            ready: None,
            mailbox: None,
            carrier: None,
            unlisted: false,
            alias: None,
            deadline: None,
            recheck: None,
            rereads: 0,
            strange_looks: 0,
            held: None,
            unacknowledged: None,
            root_failed: None,
            session: 0,
            shown: 0,
            slow_birth: false,
            stop: None,
            missing_since: None,
            said: [0; 4],
            shown_as: Shown { changed: sys::clock::wall(), ..Shown::default() },
            dirty: false,
            unsaved: false,
        }
    }

    /// Whether this has not been said of it lately; from now on it has.
    pub(super) fn is_news(&mut self, words: &str) -> bool {
        let sum = crate::place::hash(words.as_bytes());
        let news = !self.said.contains(&sum);
        if news {
            self.said.rotate_right(1);
            self.said[0] = sum;
        }
        news
    }

    /// A log service.
    pub(super) fn is_log(&self) -> bool {
        matches!(self.kin, Kin::LogOf(_))
    }

    /// The name by which it stands in the scan directory.
    pub(super) fn listed_as(&self) -> &[u8] {
        self.alias.as_deref().unwrap_or(&self.name)
    }

    /// The name for people: control characters escaped.
    pub(super) fn shown_name(&self) -> String {
        String::from_utf8_lossy(&self.name).escape_debug().to_string()
    }

    /// What happens next to it is its fold being empty.
    pub(super) fn waits(&self) -> bool {
        match self.state.phase {
            Phase::Sweeping { .. } | Phase::Daemonising { .. } => true,
            Phase::Ready { leader, .. } => leader == Leader::Nobody,
            _ => false,
        }
    }

    /// Its fold root was started and has not said yet who the leader is: nobody is to take the one for the other.
    pub(super) fn awaits_leader(&self) -> bool {
        self.state.phase.is_up()
            && self.state.phase.has_leader()
            && self.leader.is_none()
            && self.held.is_none()
            && self.fold.report().is_some()
    }

    /// The pid that the status record shows: the leader's, `finish`'s, or of somebody who is left. Zero
    /// means down, and down means empty.
    pub(super) fn status_pid(&self) -> i32 {
        let leader = || self.leader.as_ref().map(|process| process.who.pid);
        let finish = || self.finish.as_ref().map(|process| process.who.pid);
        match self.state.phase {
            Phase::Down | Phase::Backoff { .. } | Phase::Failed { .. } => 0,
            Phase::Ready { leader: Leader::Nobody, .. }
            | Phase::Daemonising { .. }
            | Phase::Sweeping { .. } => self.shown,
            Phase::Finishing { .. } => finish().unwrap_or(self.shown),
            Phase::Starting { .. } | Phase::Ready { .. } | Phase::Stopping { .. } => {
                leader().unwrap_or(self.shown)
            }
        }
    }

    /// What it shows to the family's clients.
    pub(super) fn face(&self) -> Face {
        let pid = self.status_pid();
        let run = match self.state.phase {
            Phase::Finishing { .. } => RunState::Finish,
            _ if pid == 0 => RunState::Down,
            _ => RunState::Run,
        };
        let (paused, got_term) = (self.state.paused && pid != 0, self.state.termed && pid != 0);
        let (stays, leaving) = (self.state.want == Want::Down, self.state.leaving);
        let want = match self.state.want {
            Want::Up => compat::status::Want::Up,
            // as runit: `sv once` waits for it, and svstat then says "want down", which is what comes next
            Want::Once | Want::Down => compat::status::Want::Down,
        };
        let stamp = Tai64n::from_unix(self.shown_as.changed.0, self.shown_as.changed.1);
        Face {
            status: Status { stamp, pid: pid as u32, paused, want, got_term, run },
            stat: Stat {
                run,
                paused,
                got_term,
                want_exit: pid != 0 && leaving,
                want_down: pid != 0 && !leaving && stays,
            },
        }
    }

    /// The table's record.
    pub(super) fn record(&self) -> Record {
        let standing = self.leader.as_ref().or(self.finish.as_deref());
        Record {
            name: self.name.to_vec(),
            state: self.state,
            leader: standing.map(|process| process.who),
            root: self.fold.root(),
            generation: self.fold.generation(),
            notifies: self.settings.config.notifies,
            strayed: self.fold.strayed,
            pipes: (self.log_inode, self.output.as_ref().map_or(0, |pipe| pipe.inode)),
            changed: self.shown_as.changed,
            restarts: self.shown_as.restarts,
            last_exit: self.shown_as.last_exit,
            not_started: self.shown_as.not_started,
            timeout_kill: self.settings.config.timeout_kill,
            message: self.shown_as.message.clone(),
            words: self.shown_as.words.as_deref().cloned().unwrap_or_default(),
            receipt: self.shown_as.receipt.as_deref().cloned().unwrap_or_default(),
        }
    }
}
