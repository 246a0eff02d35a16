//! Writing to a descriptor that is shared with others, without ever waiting for whoever reads it.
//!
//! Standard error may be a pipe that nobody reads. To set O_NONBLOCK on it would set it for all who have it; and
//! poll(2) promises nothing where others write too: they may fill it between the look and the write.

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, send};
use nix::sys::stat::{Mode, SFlag, fstat};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Writes as much as is taken at once; `EAGAIN` if that is nothing. Up to PIPE_BUF bytes go into a pipe whole or
/// not at all; pipe(7).
pub fn write_now(fd: BorrowedFd<'_>, data: &[u8]) -> Result<usize, Errno> {
    match crate::resolve::kind(fstat(fd)?.st_mode) {
        SFlag::S_IFSOCK => send(fd.as_raw_fd(), data, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL),
        // nobody has to read it
        SFlag::S_IFREG => nix::unistd::write(fd, data),
        _ => match write_unwaiting(fd, data) {
            // a terminal; or a pipe before Linux 6.4
            Err(Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EINVAL) => write_reopened(fd, data),
            result => result,
        },
    }
}

/// pwritev2(2) with RWF_NOWAIT.
fn write_unwaiting(fd: BorrowedFd<'_>, data: &[u8]) -> Result<usize, Errno> {
    let part = libc::iovec { iov_base: data.as_ptr().cast_mut().cast(), iov_len: data.len() };
    let here: libc::c_long = -1; // at the file's own position
    // SAFETY: the kernel reads one iovec and the bytes it names, which both outlive the call, and writes to neither.
    let written = unsafe {
        libc::syscall(libc::SYS_pwritev2, fd.as_raw_fd(), &raw const part, 1, here, here, libc::RWF_NOWAIT)
    };
    Errno::result(written).map(|written| written as usize)
}

/// Through an open file description of our own.
fn write_reopened(fd: BorrowedFd<'_>, data: &[u8]) -> Result<usize, Errno> {
    match reopen(fd) {
        Ok(own) => nix::unistd::write(own, data),
        // It may be another user's, or there is no descriptor left for it: a look is better than nothing.
        Err(_) => match poll(&mut [PollFd::new(fd.as_fd(), PollFlags::POLLOUT)], PollTimeout::ZERO)? {
            0 => Err(Errno::EAGAIN),
            _ => nix::unistd::write(fd, data),
        },
    }
}

fn reopen(fd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let flags = OFlag::O_WRONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    open(path.as_str(), flags, Mode::empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::fcntl::{FcntlArg, fcntl};

    /// Writes until nothing more is taken, as somebody else may between a look and a write.
    fn fill(fd: BorrowedFd<'_>, write: impl Fn(BorrowedFd<'_>, &[u8]) -> Result<usize, Errno>) {
        for size in [1000, 1] {
            while write(fd, &vec![b'x'; size]).is_ok() {}
        }
        assert_eq!(write(fd, b"x"), Err(Errno::EAGAIN));
    }

    fn blocks(fd: BorrowedFd<'_>) -> bool {
        let flags = fcntl(fd, FcntlArg::F_GETFL).unwrap();
        !OFlag::from_bits_truncate(flags).contains(OFlag::O_NONBLOCK)
    }

    #[test]
    fn a_full_pipe() {
        let (read, write) = nix::unistd::pipe().unwrap();
        fill(write.as_fd(), write_now);
        // also where the kernel knows of no other way
        assert_eq!(write_reopened(write.as_fd(), b"x"), Err(Errno::EAGAIN));
        nix::unistd::read(&read, &mut vec![0; 65536]).unwrap();
        assert_eq!(write_now(write.as_fd(), b"again"), Ok(5));
        fill(write.as_fd(), write_reopened);
        assert!(blocks(write.as_fd()), "others have it too");
    }

    #[test]
    fn a_full_terminal() {
        let master = nix::pty::posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY).unwrap();
        nix::pty::grantpt(&master).unwrap();
        nix::pty::unlockpt(&master).unwrap();
        let name = nix::pty::ptsname_r(&master).unwrap();
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY;
        let terminal = open(name.as_str(), flags, Mode::empty()).unwrap();
        fill(terminal.as_fd(), write_now);
        assert!(blocks(terminal.as_fd()));
    }

    #[test]
    fn a_full_socket() {
        use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
        let (one, _other) =
            socketpair(AddressFamily::Unix, SockType::Stream, None, SockFlag::empty()).unwrap();
        fill(one.as_fd(), write_now);
        assert!(blocks(one.as_fd()));
    }

    #[test]
    fn what_nobody_has_to_read() {
        let null = open("/dev/null", OFlag::O_WRONLY, Mode::empty()).unwrap();
        assert_eq!(write_now(null.as_fd(), b"word"), Ok(4));
        let path = std::env::temp_dir().join(format!("pinfold-voice-{}", std::process::id()));
        let file = std::fs::File::options().append(true).create(true).open(&path).unwrap();
        assert_eq!(write_now(file.as_fd(), b"a "), Ok(2));
        assert_eq!(write_now(file.as_fd(), b"word"), Ok(4));
        assert_eq!(std::fs::read(&path).unwrap(), b"a word");
        std::fs::remove_file(path).unwrap();
    }
}
