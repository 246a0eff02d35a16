//! What a child of [`std::process::Command`] is to find that the standard library cannot arrange.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::signal::SigSet;

/// Has the child start in the directory `dir`, with `unblocked` signals not blocked, and with each of
/// `descriptors` under its number.
///
/// The numbers must be taken in this process, by descriptors that close on exec and that the child has no use
/// for: else the standard library's own, by which it tells of a failed exec, could be among them.
pub fn arrange(command: &mut Command, dir: OwnedFd, unblocked: SigSet, descriptors: Vec<(OwnedFd, RawFd)>) {
    let prepare = move || -> io::Result<()> {
        nix::unistd::fchdir(&dir)?;
        unblocked.thread_unblock()?;
        for (from, to) in &descriptors {
            if from.as_raw_fd() == *to {
                return Err(io::Error::from(nix::errno::Errno::EBADF));
            }
            // SAFETY: takes two numbers. What it closes, in the child only, is by this function's contract a
            // descriptor that nothing uses between here and exec.
            nix::errno::Errno::result(unsafe { libc::dup2(from.as_raw_fd(), *to) })?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec the closure only makes async-signal-safe calls (fchdir, sigprocmask, dup2);
    // it allocates nothing and takes no lock, and its errors are plain numbers.
    unsafe { command.pre_exec(prepare) };
}
