//! One service, from inside its directory.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, posix_spawn};
use nix::sys::stat::{Mode, stat};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::read;

use super::Sv;
use crate::environment::Environment;
use crate::errors::error_str;
use crate::fifo;
use crate::status::{LEN, RunState, Status, Want};
use crate::tai::Tai64n;
use crate::verdict;

/// How its files are opened: without waiting, and not by a link, which could lead to a device.
const LOOK: OFlag = OFlag::O_NONBLOCK.union(OFlag::O_NOFOLLOW);

/// What can be seen of a service.
pub(super) enum Shown {
    Status(Status),
    NotRunning,
    Trouble,
}

/// Whether a service is as it is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    NotYet,
    /// It is, or it is known that it will not be; that has been said.
    Done,
}

impl Sv<'_> {
    /// Reads the status of the service that we are in, or of its log service; says what is wrong.
    pub(super) fn get(&mut self, name: &OsStr, log: bool) -> Shown {
        match open("supervise/ok", OFlag::O_WRONLY | LOOK, Mode::empty()) {
            Ok(_) => {}
            Err(Errno::ENXIO) => {
                self.not_running(name, log);
                return Shown::NotRunning;
            }
            Err(e) => return self.trouble(name, log, "unable to open supervise/ok", Some(e)),
        }
        let file = match open("supervise/status", OFlag::O_RDONLY | LOOK, Mode::empty()) {
            Ok(file) => file,
            Err(e) => return self.trouble(name, log, "unable to open supervise/status", Some(e)),
        };
        let mut bytes = [0; LEN];
        match (read(&file, &mut bytes), Status::decode(&bytes)) {
            (Ok(LEN), Some(status)) => Shown::Status(status),
            (Err(e), _) => self.trouble(name, log, "unable to read supervise/status", Some(e)),
            _ => self.trouble(name, log, "unable to read supervise/status: bad format", None),
        }
    }

    fn trouble(&mut self, name: &OsStr, log: bool, what: &str, why: Option<Errno>) -> Shown {
        self.warn(name, log, what, why);
        Shown::Trouble
    }

    /// Nobody supervises it: that is what an exit wants.
    fn not_running(&mut self, name: &OsStr, log: bool) {
        if self.plan.conditions == b"x" {
            self.ok(name, "runsv not running");
        } else {
            self.failures += 1;
            self.line("fail: ", name, log, "runsv not running", None);
        }
    }

    /// Writes `STATE: NAME: (pid N) Ns, ...`; says whether it is up, `None` if its `down` cannot be looked at.
    pub(super) fn print(&mut self, name: &OsStr, status: &Status) -> Option<bool> {
        let normally_up = match stat("down") {
            Ok(_) => false,
            Err(Errno::ENOENT) => true,
            Err(e) => {
                complain("unable to stat ", name, "/down", e);
                return None;
            }
        };
        let up = status.pid != 0;
        let word = match status.run {
            RunState::Down => "down: ",
            RunState::Run => "run: ",
            RunState::Finish => "finish: ",
        };
        self.say(word);
        self.out.extend_from_slice(name.as_bytes());
        self.say(": ");
        if status.run != RunState::Down {
            // The original's pids are signed, and printed as unsigned numbers of 64 bits.
            self.say(&format!("(pid {}) ", i64::from(status.pid.cast_signed()).cast_unsigned()));
        }
        self.say(&format!("{}s", status.stamp.seconds_until(self.now)));
        let notes = [
            (up && !normally_up, ", normally down"),
            (!up && normally_up, ", normally up"),
            (up && status.paused, ", paused"),
            (!up && status.want == Want::Up, ", want up"),
            (up && status.want == Want::Down, ", want down"),
            (up && status.got_term, ", got TERM"),
        ];
        notes.iter().filter(|(said, _)| *said).for_each(|(_, note)| self.say(note));
        Some(up)
    }

    /// Writes letters to the supervisor, unless it has been told before; whether there is something to
    /// wait for.
    pub(super) fn send(&mut self, name: &OsStr, letters: &[u8]) -> bool {
        let Shown::Status(status) = self.get(name, false) else { return false };
        let told = match self.plan.conditions.first() {
            Some(b'u') => status.want == Want::Up,
            // once, not told to end, is still to be told
            Some(b'd') => status.want == Want::Down && status.got_term,
            _ => false,
        };
        told || self.write(name, letters)
    }

    fn write(&mut self, name: &OsStr, letters: &[u8]) -> bool {
        let mut letters = letters.to_vec();
        verdict::judge(&mut letters, Path::new("."));
        match fifo::open(Path::new("supervise"), "control") {
            Ok(control) => match File::from(control).write(&letters) {
                Ok(len) if len == letters.len() => return true,
                Ok(_) => self.warn(name, false, "unable to write to supervise/control", None),
                Err(e) => {
                    let errno = crate::errors::errno_of(&e);
                    self.warn(name, false, "unable to write to supervise/control", Some(errno));
                }
            },
            Err(Errno::ENXIO) => self.not_running(name, false),
            Err(e) => self.warn(name, false, "unable to open supervise/control", Some(e)),
        }
        false
    }

    /// Looks whether the service is as it is to be, and says so if it is.
    pub(super) fn look(&mut self, name: &OsStr) -> Outcome {
        let Shown::Status(status) = self.get(name, false) else { return Outcome::Done };
        let met = |letter: &u8| is_met(*letter, &status, self.started, || check(name));
        if !self.plan.conditions.iter().all(met) {
            return Outcome::NotYet;
        }
        self.say("ok: ");
        self.print(name, &status);
        self.say("\n");
        self.flush();
        Outcome::Done
    }

    /// The time is over.
    pub(super) fn give_up(&mut self, name: &OsStr) {
        self.say(if self.plan.kill { "kill: " } else { "timeout: " });
        if let Shown::Status(status) = self.get(name, false) {
            self.print(name, &status);
            self.failures += 1;
        }
        self.say("\n");
        self.flush();
        if self.plan.kill {
            self.write(name, b"k");
        }
    }
}

/// Whether the condition is met that a command brings about which was given at `since`.
fn is_met(letter: u8, status: &Status, since: Tai64n, check: impl Fn() -> bool) -> bool {
    let up = status.pid != 0;
    let newer = status.stamp.label >= since.label;
    match letter {
        // It is met when nobody supervises it any more.
        b'x' => false,
        b'u' => up && status.run == RunState::Run && check(),
        b'd' => !up && status.run == RunState::Down,
        b'C' => !up || check(),
        b't' | b'k' => !up && status.want == Want::Down || newer && up && !status.got_term && check(),
        b'o' => (up || newer) && !(up && status.want != Want::Down),
        b'p' => !up || status.paused,
        b'c' => !up || !status.paused,
        _ => true,
    }
}

/// Runs `./check`, with standard output closed: whether it ends with 0. No such script is content, and one
/// that cannot be run is too.
fn check(name: &OsStr) -> bool {
    match stat("check") {
        Ok(_) => {}
        Err(Errno::ENOENT) => return true,
        Err(e) => {
            complain("unable to stat ", name, "/check", e);
            return false;
        }
    }
    let spawned = PosixSpawnFileActions::init().and_then(|mut actions| {
        actions.add_close(1)?;
        let environment = Environment::inherited();
        posix_spawn(c"check", &actions, &PosixSpawnAttr::init()?, &[c"./check"], environment.strings())
    });
    let pid = match spawned {
        Ok(pid) => pid,
        Err(e @ (Errno::EAGAIN | Errno::ENOMEM)) => {
            complain("unable to fork for ", name, "/check", e);
            return false;
        }
        Err(e) => {
            complain("unable to run ", name, "/check", e);
            return true;
        }
    };
    loop {
        match waitpid(pid, None) {
            Err(Errno::EINTR) => {}
            Err(e) => {
                complain("unable to wait for child ", name, "/check", e);
                return false;
            }
            Ok(status) => return matches!(status, WaitStatus::Exited(_, 0)),
        }
    }
}

/// `warning: DOING NAME/FILE: WHY` on standard error.
fn complain(doing: &str, name: &OsStr, file: &str, why: Errno) {
    let mut line = b"warning: ".to_vec();
    line.extend_from_slice(doing.as_bytes());
    line.extend_from_slice(name.as_bytes());
    line.extend_from_slice(format!("{file}: {}\n", error_str(why)).as_bytes());
    let _ = std::io::stderr().write_all(&line);
}
