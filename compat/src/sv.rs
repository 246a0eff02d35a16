//! `sv`: controls and shows services (`sv(8)` of runit), also as a service's init script.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::{chdir, fchdir};

use crate::errors::{Die, code, error_str};
use crate::getopt::{Getopt, Opt};
use crate::tai::Tai64n;

mod plan;
mod service;

use plan::{Act, Plan, plan};
use service::{Outcome, Shown};

/// How long to wait for a service, in seconds, without `-w` and `SVWAIT`.
const WAIT: u64 = 7;

/// The longest pause between two looks at what is waited for, and the shortest time there is for it. The
/// first pauses are shorter.
const PAUSE: Duration = Duration::from_millis(420);
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// `sv [-v] [-w SECONDS] COMMAND SERVICE...`: the exit code is the number of services that failed.
///
/// Called by another name, through a link that an init script is, it is `[-w SECONDS] COMMAND` for the
/// service of that name, with the exit codes of the Linux Standard Base.
pub fn main(args: &[OsString]) -> u8 {
    sys::startup::restore_sigpipe();
    code(run(args))
}

fn run(args: &[OsString]) -> Result<u8, Die> {
    let name = args.first().map(|name| base(name)).unwrap_or_default();
    let lsb = name != "sv";
    let usage = || usage(name, lsb);
    let mut wait = std::env::var_os("SVWAIT").map_or(WAIT, |text| leading_number(&text));
    let mut verbose = false;
    let mut options = Getopt::new(args, b"w:vV");
    for option in options.by_ref() {
        match option {
            Ok(Opt::Value(_, seconds)) => (wait, verbose) = (leading_number(seconds), true),
            Ok(Opt::Flag(b'v')) => verbose = true,
            Ok(Opt::Flag(_)) => {
                eprintln!("pinfold {}", env!("CARGO_PKG_VERSION"));
                return Err(usage());
            }
            Err(bad) => {
                return Err(Die::option(&bad, name, &usage_line(name, lsb)).with_code(usage_code(lsb)));
            }
        }
    }
    let [action, services @ ..] = options.rest() else { return Err(usage()) };
    let own = [name.to_owned()];
    let services = if lsb { &own } else { services };
    let plan = plan(action.as_bytes(), verbose, lsb).filter(|_| !services.is_empty()).ok_or_else(usage)?;
    let mut sv = Sv::start(lsb, &plan)?;
    let mut waiting = sv.first_round(services)?;
    if plan.wait {
        sv.wait_for(&mut waiting, wait)?;
    }
    Ok(sv.exit_code())
}

fn base(path: &OsStr) -> &OsStr {
    OsStr::from_bytes(path.as_bytes().rsplit(|b| *b == b'/').next().unwrap_or_default())
}

/// A number at the start of a text; 0 if there is none.
fn leading_number(text: &OsStr) -> u64 {
    let bytes = text.as_bytes();
    let len = bytes.iter().position(|b| !b.is_ascii_digit()).unwrap_or(bytes.len());
    crate::softlimit::number(&bytes[..len]).unwrap_or_default()
}

fn usage(name: &OsStr, lsb: bool) -> Die {
    Die::usage(&usage_line(name, lsb)).with_code(usage_code(lsb))
}

fn usage_code(lsb: bool) -> u8 {
    if lsb { 2 } else { crate::errors::PERMANENT }
}

fn usage_line(name: &OsStr, lsb: bool) -> String {
    let rest = if lsb { " [-w sec] command\n" } else { " [-v] [-w sec] command service ...\n" };
    format!("usage: {}{rest}", name.display())
}

/// One run of the program.
struct Sv<'a> {
    plan: &'a Plan,
    lsb: bool,
    /// Where it was started.
    origin: OwnedFd,
    /// Where services are that are called by their name only.
    root: PathBuf,
    started: Tai64n,
    now: Tai64n,
    failures: u32,
    /// What LSB's `status` ends with, once that is known.
    lsb_status: Option<u8>,
    out: Vec<u8>,
}

impl<'a> Sv<'a> {
    fn start(lsb: bool, plan: &'a Plan) -> Result<Sv<'a>, Die> {
        let origin = open(".", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())
            .map_err(|e| fatal("unable to open current directory", e, lsb))?;
        let root = std::env::var_os("SVDIR").map_or_else(crate::svscanboot::default_dir, PathBuf::from);
        let now = Tai64n::now();
        let out = Vec::new();
        Ok(Sv { plan, lsb, origin, root, started: now, now, failures: 0, lsb_status: None, out })
    }

    /// Does what is to be done to each service; gives those that are to be waited for.
    fn first_round<'s>(&mut self, services: &'s [OsString]) -> Result<Vec<&'s OsStr>, Die> {
        let mut waiting = Vec::new();
        for name in services {
            if self.enter(name) {
                let goes_on = match &self.plan.act {
                    Act::Status => {
                        self.status(name);
                        false
                    }
                    Act::Send(letters) => self.send(name, letters),
                    Act::Nothing => true,
                };
                if goes_on {
                    waiting.push(name.as_os_str());
                }
            }
            self.back()?;
            if self.lsb_status == Some(LSB_UNKNOWN) {
                break;
            }
        }
        Ok(waiting)
    }

    /// Waits until each service is as the plan wants it, or the time is over.
    fn wait_for(&mut self, waiting: &mut Vec<&OsStr>, seconds: u64) -> Result<(), Die> {
        let start = Instant::now();
        let limit = Duration::from_secs(seconds).max(PAUSE);
        let mut pause = FIRST_PAUSE;
        loop {
            let over = start.elapsed() > limit;
            let mut left = Vec::new();
            for name in waiting.drain(..) {
                if self.enter(name) && self.look(name) == Outcome::NotYet {
                    if over {
                        self.give_up(name);
                    } else {
                        left.push(name);
                    }
                }
                self.back()?;
            }
            *waiting = left;
            if waiting.is_empty() {
                return Ok(());
            }
            std::thread::sleep(pause); // bounded: the wait that -w or SVWAIT asks for
            pause = PAUSE.min(pause * 2);
            self.now = Tai64n::now();
        }
    }

    /// Goes to a service's directory; false, and said so, if that cannot be done.
    fn enter(&mut self, name: &OsStr) -> bool {
        let bytes = name.as_bytes();
        let by_name = !matches!(bytes, [] | [b'/' | b'.', ..] | [.., b'/']);
        let path = if by_name { self.root.join(name) } else { PathBuf::from(name) };
        match chdir::<Path>(&path) {
            Ok(()) => true,
            Err(e) => {
                self.fail(name, "unable to change to service directory", Some(e));
                false
            }
        }
    }

    fn back(&mut self) -> Result<(), Die> {
        fchdir(&self.origin).map_err(|e| fatal("unable to change to original directory", e, self.lsb))
    }

    /// `status`: shows a service and its log service on one line.
    fn status(&mut self, name: &OsStr) {
        let main = match self.get(name, false) {
            Shown::Status(status) => self.print(name, &status),
            Shown::NotRunning => return,
            Shown::Trouble => {
                self.lsb_status = Some(LSB_UNKNOWN);
                return;
            }
        };
        self.lsb_status = Some(main.map_or(LSB_UNKNOWN, |up| if up { 0 } else { LSB_DOWN }));
        match chdir("log") {
            Ok(()) => {
                self.say("; ");
                if let Shown::Status(status) = self.get(name, true) {
                    self.print(OsStr::new("log"), &status);
                    self.say("\n");
                }
            }
            Err(Errno::ENOENT) => self.say("\n"),
            Err(e) => {
                self.say("; ");
                self.warn_of_log(name, e);
            }
        }
        self.flush();
    }

    fn exit_code(&self) -> u8 {
        match self.lsb_status {
            Some(code) if self.lsb => code,
            _ => u8::try_from(self.failures).unwrap_or(MOST_FAILURES).min(MOST_FAILURES),
        }
    }

    fn say(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// `WORD: SERVICE[/log]: WHAT[: WHY]`
    fn line(&mut self, word: &str, name: &OsStr, log: bool, what: &str, why: Option<Errno>) {
        self.say(word);
        self.out.extend_from_slice(name.as_bytes());
        self.say(if log { "/log: " } else { ": " });
        self.say(what);
        if let Some(errno) = why {
            self.say(": ");
            self.say(error_str(errno));
        }
        self.say("\n");
        self.flush();
    }

    fn ok(&mut self, name: &OsStr, what: &str) {
        self.line("ok: ", name, false, what, None);
    }

    fn fail(&mut self, name: &OsStr, what: &str, why: Option<Errno>) {
        self.failures += 1;
        self.line("fail: ", name, false, what, why);
    }

    fn warn(&mut self, name: &OsStr, log: bool, what: &str, why: Option<Errno>) {
        self.failures += 1;
        self.line("warning: ", name, log, what, why);
    }

    fn warn_of_log(&mut self, name: &OsStr, why: Errno) {
        self.warn(name, true, "unable to change directory", Some(why));
    }

    /// Writes to standard output what was said; like the original without regard to errors.
    fn flush(&mut self) {
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(&self.out).and_then(|()| out.flush());
        self.out.clear();
    }
}

/// LSB's exit codes of `status`: the service is down; nothing is known.
const LSB_DOWN: u8 = 3;
const LSB_UNKNOWN: u8 = 4;

/// The exit code does not count further.
const MOST_FAILURES: u8 = 99;

fn fatal(what: &str, why: Errno, lsb: bool) -> Die {
    let line = format!("fatal: {what}: {}", error_str(why));
    Die::usage(&line).with_code(if lsb { 151 } else { crate::errors::PERMANENT })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (text, expected) in [("7", 7), ("12x", 12), ("", 0), ("x", 0), ("-1", 0), ("007 ", 7)] {
            assert_eq!(leading_number(OsStr::new(text)), expected, "{text}");
        }
    }
}
