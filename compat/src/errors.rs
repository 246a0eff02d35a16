//! What the classic tools say on standard error, and how they end.
//!
//! `PROG: fatal: DOING: WHY` or `PROG: warning: DOING: WHY`, one line, one write; exit code 100 for what
//! will not change by trying again (usage), 111 for what may. WHY is not strerror's text but djb's own.

use std::ffi::OsStr;
use std::io::Write;

use nix::errno::Errno;

use crate::getopt::BadOption;

/// The exit code for a permanent error: usage above all.
pub const PERMANENT: u8 = 100;

/// The exit code for a temporary or system error.
pub const TEMPORARY: u8 = 111;

/// djb's name for an error (`error_str`), the same in daemontools, daemontools-encore and runit.
pub fn error_str(errno: Errno) -> &'static str {
    TEXTS.iter().find(|(e, _)| *e == errno).map_or("unknown error", |(_, text)| text)
}

const TEXTS: &[(Errno, &str)] = &[
    (Errno::EPERM, "permission denied"),
    (Errno::ENOENT, "file does not exist"),
    (Errno::ESRCH, "no such process"),
    (Errno::EINTR, "interrupted system call"),
    (Errno::EIO, "input/output error"),
    (Errno::ENXIO, "device not configured"),
    (Errno::E2BIG, "argument list too long"),
    (Errno::ENOEXEC, "exec format error"),
    (Errno::EBADF, "file descriptor not open"),
    (Errno::ECHILD, "no child processes"),
    (Errno::EAGAIN, "temporary failure"),
    (Errno::ENOMEM, "out of memory"),
    (Errno::EACCES, "access denied"),
    (Errno::EFAULT, "bad address"),
    (Errno::ENOTBLK, "not a block device"),
    (Errno::EBUSY, "device busy"),
    (Errno::EEXIST, "file already exists"),
    (Errno::EXDEV, "cross-device link"),
    (Errno::ENODEV, "device does not support operation"),
    (Errno::ENOTDIR, "not a directory"),
    (Errno::EISDIR, "is a directory"),
    (Errno::EINVAL, "invalid argument"),
    (Errno::ENFILE, "system cannot open more files"),
    (Errno::EMFILE, "process cannot open more files"),
    (Errno::ENOTTY, "not a tty"),
    (Errno::ETXTBSY, "text busy"),
    (Errno::EFBIG, "file too big"),
    (Errno::ENOSPC, "out of disk space"),
    (Errno::ESPIPE, "unseekable descriptor"),
    (Errno::EROFS, "read-only file system"),
    (Errno::EMLINK, "too many links"),
    (Errno::EPIPE, "broken pipe"),
    (Errno::EDOM, "input out of range"),
    (Errno::ERANGE, "output out of range"),
    (Errno::EDEADLK, "operation would cause deadlock"),
    (Errno::ENAMETOOLONG, "file name too long"),
    (Errno::ENOLCK, "no locks available"),
    (Errno::ENOSYS, "system call not available"),
    (Errno::ENOTEMPTY, "directory not empty"),
    (Errno::ELOOP, "symbolic link loop"),
    (Errno::ENOMSG, "no message of desired type"),
    (Errno::EIDRM, "identifier removed"),
    (Errno::ENOSTR, "not a stream device"),
    (Errno::ETIME, "timer expired"),
    (Errno::ENOSR, "out of stream resources"),
    (Errno::ENONET, "machine not on network"),
    (Errno::EREMOTE, "too many levels of remote in path"),
    (Errno::ENOLINK, "link severed"),
    (Errno::EADV, "advertise error"),
    (Errno::ESRMNT, "srmount error"),
    (Errno::ECOMM, "communication error"),
    (Errno::EPROTO, "protocol error"),
    (Errno::EMULTIHOP, "multihop attempted"),
    (Errno::EBADMSG, "bad message type"),
    (Errno::EREMCHG, "remote address changed"),
    (Errno::EUSERS, "too many users"),
    (Errno::ENOTSOCK, "not a socket"),
    (Errno::EDESTADDRREQ, "destination address required"),
    (Errno::EMSGSIZE, "message too long"),
    (Errno::EPROTOTYPE, "incorrect protocol type"),
    (Errno::ENOPROTOOPT, "protocol not available"),
    (Errno::EPROTONOSUPPORT, "protocol not supported"),
    (Errno::ESOCKTNOSUPPORT, "socket type not supported"),
    (Errno::EOPNOTSUPP, "operation not supported"),
    (Errno::EPFNOSUPPORT, "protocol family not supported"),
    (Errno::EAFNOSUPPORT, "address family not supported"),
    (Errno::EADDRINUSE, "address already used"),
    (Errno::EADDRNOTAVAIL, "address not available"),
    (Errno::ENETDOWN, "network down"),
    (Errno::ENETUNREACH, "network unreachable"),
    (Errno::ENETRESET, "network reset"),
    (Errno::ECONNABORTED, "connection aborted"),
    (Errno::ECONNRESET, "connection reset"),
    (Errno::ENOBUFS, "out of buffer space"),
    (Errno::EISCONN, "already connected"),
    (Errno::ENOTCONN, "not connected"),
    (Errno::ESHUTDOWN, "socket shut down"),
    (Errno::ETOOMANYREFS, "too many references"),
    (Errno::ETIMEDOUT, "timed out"),
    (Errno::ECONNREFUSED, "connection refused"),
    (Errno::EHOSTDOWN, "host down"),
    (Errno::EHOSTUNREACH, "host unreachable"),
    (Errno::EALREADY, "operation already in progress"),
    (Errno::EINPROGRESS, "operation in progress"),
    (Errno::ESTALE, "stale NFS file handle"),
    (Errno::EDQUOT, "disk quota exceeded"),
];

/// The errno in an error of the standard library's. One that was made there has none; of those only a
/// lock that somebody else holds comes up here.
pub(crate) fn errno_of(error: &std::io::Error) -> Errno {
    match error.kind() {
        std::io::ErrorKind::WouldBlock => Errno::EAGAIN,
        _ => Errno::from_raw(error.raw_os_error().unwrap_or_default()),
    }
}

/// A tool's exit code: its own, or that of its early end, whose text is said here.
pub fn code(result: Result<u8, Die>) -> u8 {
    match result {
        Ok(code) => code,
        Err(die) => {
            say(&die.text);
            die.code
        }
    }
}

/// A classic tool's end before its time: a text for standard error and an exit code.
///
/// The words are the caller's; file names go in as the bytes they are.
#[derive(Debug, PartialEq, Eq)]
pub struct Die {
    code: u8,
    text: Vec<u8>,
}

impl Die {
    /// The one line of usage, as it stands, and exit code 100.
    pub fn usage(line: &str) -> Die {
        Die { code: PERMANENT, text: [line.as_bytes(), b"\n"].concat() }
    }

    /// An option that cannot be: `PROG: illegal option -- X`, then the usage; exit code 100.
    pub fn option(bad: &BadOption, argv0: &OsStr, usage: &str) -> Die {
        Die { code: PERMANENT, text: [&bad.line(argv0), usage.as_bytes(), b"\n"].concat() }
    }

    /// `PROG: fatal: DOING` and exit code 111, for what is wrong without a system call having failed.
    pub fn fatal(prog: &str, doing: &[&[u8]]) -> Die {
        Die { code: TEMPORARY, text: line(prog, "fatal", doing, None) }
    }

    /// `PROG: fatal: DOING: WHY` and exit code 111.
    pub fn sys(prog: &str, doing: &[&[u8]], why: Errno) -> Die {
        Die { code: TEMPORARY, text: line(prog, "fatal", doing, Some(why)) }
    }

    /// The same end with another exit code, for the originals that differ.
    pub fn with_code(self, code: u8) -> Die {
        Die { code, ..self }
    }
}

/// Says `PROG: warning: DOING: WHY`; without `why` there is no last part.
pub fn warn(prog: &str, doing: &[&[u8]], why: Option<Errno>) {
    say(&line(prog, "warning", doing, why));
}

fn line(prog: &str, weight: &str, doing: &[&[u8]], why: Option<Errno>) -> Vec<u8> {
    let mut text = [prog, ": ", weight, ": "].concat().into_bytes();
    text.extend(doing.iter().copied().flatten());
    if let Some(errno) = why {
        text.extend_from_slice(b": ");
        text.extend_from_slice(error_str(errno).as_bytes());
    }
    text.push(b'\n');
    text
}

/// Writes to standard error in one go. That it cannot be written is nothing one could tell anybody.
fn say(text: &[u8]) {
    let _ = std::io::stderr().write_all(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_one_text() {
        for (n, (errno, text)) in TEXTS.iter().enumerate() {
            assert!(TEXTS[n + 1..].iter().all(|(e, t)| e != errno && t != text), "{errno:?}");
        }
        assert_eq!(error_str(Errno::EAGAIN), "temporary failure");
        assert_eq!(error_str(Errno::EL2HLT), "unknown error");
    }

    #[test]
    fn lines_and_codes() {
        let parts: &[&[u8]] = &[b"unable to chdir to ", b"\xff/x"];
        let die = Die::sys("svok", parts, Errno::ENOENT);
        let text = b"svok: fatal: unable to chdir to \xff/x: file does not exist\n".to_vec();
        assert_eq!(die, Die { code: 111, text });
        assert_eq!(line("svc", "warning", &[b"so"], None), b"svc: warning: so\n");
        assert_eq!(Die::usage("u").with_code(1), Die { code: 1, text: b"u\n".to_vec() });
    }
}
