//! Signals as something to read, instead of something that interrupts.

use crate::Fail;
use nix::errno::Errno;
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::os::fd::{AsFd, BorrowedFd};

/// A descriptor that is readable when one of the chosen signals has come.
pub struct Signals(SignalFd);

impl Signals {
    /// Blocks *every* signal (so that no child is ever born with one pending between clone and exec)
    /// and makes `chosen` readable. What the program was started with is kept in [`crate::startup`].
    ///
    /// SIGCHLD is not ignored any more, if it was: the kernel would reap our children, and nobody would hear how
    /// they ended; see wait(2).
    pub fn take(chosen: &[Signal]) -> Result<Signals, Fail> {
        let fail = |e| Fail::of("set up signals", e);
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None).map_err(fail)?;
        // SAFETY: the default disposition runs no code of ours.
        unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) }.map_err(fail)?;
        let set: SigSet = chosen.iter().copied().collect();
        SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC).map(Signals).map_err(fail)
    }

    /// The next signal that has come, if any. Not an iterator's: there may be another one later.
    #[expect(clippy::should_implement_trait, reason = "None is not the end")]
    pub fn next(&mut self) -> Option<Signal> {
        self.next_of().map(|(signal, _)| signal)
    }

    /// The same with the pid it is of: the sender's, or, of SIGCHLD, that of the first child that has ended since the
    /// last one was read.
    pub fn next_of(&mut self) -> Option<(Signal, i32)> {
        loop {
            match self.0.read_signal() {
                Ok(Some(info)) => {
                    if let Ok(signal) = Signal::try_from(info.ssi_signo as i32) {
                        return Some((signal, info.ssi_pid as i32));
                    }
                }
                Err(Errno::EINTR) => {}
                Ok(None) | Err(_) => return None,
            }
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
