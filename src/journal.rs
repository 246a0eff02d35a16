//! systemd's journal, where our own standard error goes there: each service gets a stream of its own, under its own name.
//!
//! As sd_journal_stream_fd(3) makes them: a connection to journald, a header of seven lines, and from then on a line is a
//! message. journald keeps its ends over its own restarts.

use crate::environment;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{
    AddressFamily, MsgFlags, Shutdown, SockFlag, SockType, UnixAddr, connect, send, setsockopt, shutdown,
    socket, sockopt,
};
use nix::sys::stat::fstat;
use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use sys::Errno;

/// Tells those who are started where their output goes, as `DEVICE:INODE`; see systemd.exec(5).
pub const STREAM: &[u8] = b"JOURNAL_STREAM";
/// Names another socket than journald's, for tests.
const SOCKET: &[u8] = b"PINFOLD_JOURNAL";
const USUAL: &str = "/run/systemd/journal/stdout";
/// As sd_journal_stream_fd(3) has it: a service is not to wait for journald for every line.
const BUFFER: usize = 8 << 20;
/// syslog's "info": what a line is that does not begin with `<N>`.
const INFO: u8 = 6;

/// journald, as far as one who writes to it knows it.
pub struct Journal {
    socket: PathBuf,
}

impl Journal {
    /// The journal, if this environment says that standard error is connected to it, and that is still so.
    pub fn of_stderr(environment: &[CString]) -> Option<Journal> {
        let said = environment::get(environment, STREAM)?;
        let stat = fstat(std::io::stderr()).ok()?;
        let named = environment::get(environment, SOCKET).and_then(|path| std::str::from_utf8(path).ok());
        let socket = PathBuf::from(named.unwrap_or(USUAL));
        (said == words(&stat).as_bytes()).then_some(Journal { socket })
    }

    /// A stream for whoever goes by `name`. Never waits: `EAGAIN` when journald is behind.
    pub fn stream(&self, name: &str) -> Result<OwnedFd, Errno> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let stream = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
        connect(stream.as_raw_fd(), &UnixAddr::new(&self.socket)?)?;
        shutdown(stream.as_raw_fd(), Shutdown::Read)?;
        let _ = setsockopt(&stream, sockopt::SndBuf, &BUFFER);
        // identifier, unit (which journald finds out), priority, whether lines may begin with another, and that
        // nothing is passed on to syslog, kernel log and console beyond what journald does anyway
        let header = format!("{name}\n\n{INFO}\n1\n0\n0\n0\n");
        let sent =
            send(stream.as_raw_fd(), header.as_bytes(), MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT)?;
        if sent != header.len() {
            return Err(Errno::EAGAIN);
        }
        // a service expects to wait where it writes
        fcntl(&stream, FcntlArg::F_SETFL(OFlag::empty()))?;
        Ok(stream)
    }

    /// Where it is spoken to.
    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

/// What [`STREAM`] says of a descriptor.
pub fn words_of(stream: &OwnedFd) -> Option<String> {
    fstat(stream).ok().map(|stat| words(&stat))
}

fn words(stat: &nix::sys::stat::FileStat) -> String {
    format!("{}:{}", stat.st_dev, stat.st_ino)
}
