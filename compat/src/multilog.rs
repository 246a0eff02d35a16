//! `multilog`: writes selected lines to automatically rotated logs (`multilog(8)`).
//!
//! It never drops what it has read: while something cannot be written it says so, pauses, tries again, and
//! reads nothing meanwhile. A line is read and written in pieces of 64 KiB with its neighbours; there is no
//! work per line but for stamps and patterns.

mod directory;
mod input;
pub(crate) mod pattern;
mod processor;
pub(crate) mod script;
pub(crate) mod stamp;
mod step;

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::stat::{Mode, umask};

use crate::errors::{Die, code, warn};
use input::Input;
use script::Script;
use stamp::Stamps;
use step::Steps;

const PROG: &str = "multilog";

/// How long it waits before it tries again what has failed.
const PAUSE: Duration = Duration::from_secs(5);

/// `multilog SCRIPT...`: reads lines until the end of standard input, or of the line at which SIGTERM comes.
/// SIGALRM rotates.
pub fn main(args: &[OsString]) -> u8 {
    code(run(args))
}

fn run(args: &[OsString]) -> Result<u8, Die> {
    umask(Mode::S_IWGRP | Mode::S_IWOTH);
    let mut signals = Signals::take().map_err(|e| Die::sys(PROG, &[b"unable to set up signals"], e))?;
    let script = Script::parse(args.get(1..).unwrap_or_default());
    let mut steps = Steps::open(script.steps)?;
    let mut input = Input::new(script.stamp.map(Stamps::new));
    while let Some(limit) = wait(&mut signals, &mut steps, &input) {
        match input.read(limit) {
            Ok(0) => break,
            Ok(_) => {
                let taken = steps.take(input.text());
                input.consume(taken);
            }
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            // As the original: what cannot be read has ended.
            Err(_) => break,
        }
    }
    if !at_line_start(&steps, &input) {
        let last = [input.text(), b"\n"].concat();
        steps.take(&last);
    }
    steps.close();
    Ok(0)
}

fn at_line_start(steps: &Steps, input: &Input) -> bool {
    steps.at_line_start() && input.text().is_empty()
}

/// Waits for input and gives how much of it to read; `None` when it is time to go.
///
/// Signals are noticed here and nowhere else. After SIGTERM a line that has begun is read to its end, byte
/// by byte, so that what follows it stays where it is, for the next logger.
fn wait(signals: &mut Signals, steps: &mut Steps, input: &Input) -> Option<usize> {
    loop {
        let (readable, signalled) = signals.or_readable(std::io::stdin());
        if signalled {
            signals.collect();
        }
        if std::mem::take(&mut signals.alarm) {
            steps.rotate();
        }
        if signals.term && at_line_start(steps, input) {
            return None;
        }
        if readable {
            return Some(if signals.term { 1 } else { usize::MAX });
        }
    }
}

/// SIGTERM and SIGALRM, which are blocked and read.
struct Signals {
    fd: SignalFd,
    term: bool,
    alarm: bool,
}

/// What [`Signals`] are, and what a processor must not find blocked.
fn signal_set() -> SigSet {
    [Signal::SIGTERM, Signal::SIGALRM].into_iter().collect()
}

impl Signals {
    fn take() -> Result<Signals, Errno> {
        let set = signal_set();
        set.thread_block()?;
        let fd = SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        Ok(Signals { fd, term: false, alarm: false })
    }

    /// Waits until `input` can be read or a signal has come; whether it is so, of each.
    fn or_readable(&self, input: impl AsFd) -> (bool, bool) {
        let mut fds =
            [PollFd::new(input.as_fd(), PollFlags::POLLIN), PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) => {
                let [readable, signalled] = fds.map(|fd| fd.any().unwrap_or(true));
                (readable, signalled)
            }
            Err(Errno::EINTR) => (false, false),
            // Better to wait in the reading than not to read.
            Err(_) => (true, true),
        }
    }

    fn collect(&mut self) {
        while let Ok(Some(info)) = self.fd.read_signal() {
            match Signal::try_from(info.ssi_signo.cast_signed()) {
                Ok(Signal::SIGTERM) => self.term = true,
                Ok(Signal::SIGALRM) => self.alarm = true,
                _ => {}
            }
        }
    }
}

/// Tries until it succeeds; after each failure it says what it was `unable` to do, and pauses.
fn insist<T>(unable: &[&[u8]], mut attempt: impl FnMut() -> Result<T, Errno>) -> T {
    loop {
        match attempt() {
            Ok(done) => return done,
            Err(Errno::EINTR) => {}
            Err(e) => pause(unable, e),
        }
    }
}

/// Says what it was unable to do, and why, and waits a while.
fn pause(unable: &[&[u8]], why: Errno) {
    warn(PROG, &[&unable.concat(), b", pausing"], Some(why));
    std::thread::sleep(PAUSE); // bounded: the original's pause before it tries again
}
