//! Processes as the kernel shows them: identity, kinship, signals that cannot hit a stranger.

use crate::reap::Ending;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::signal::Signal;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Who a process is for as long as this boot lasts: a pid can be used again, a pid with its start time cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// The process id.
    pub pid: i32,
    /// Start time in clock ticks since boot (field 22 of `/proc/PID/stat`).
    pub start: u64,
}

impl Identity {
    /// The identity of the process that has this pid now; `None` if there is none.
    pub fn of(pid: i32) -> Option<Identity> {
        Stat::read(pid).map(|stat| stat.identity())
    }

    /// The same; an error if that can't be found out, for lack of descriptors or memory.
    pub fn look(pid: i32) -> Result<Option<Identity>, Errno> {
        match show(pid, "stat", &mut [0; STAT]) {
            Ok(text) => Ok(Stat::parse(text).map(|stat| stat.identity())),
            Err(Errno::ENOENT | Errno::ESRCH) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Whether this very process still exists (a zombie does).
    pub fn exists(self) -> bool {
        Identity::of(self.pid) == Some(self)
    }
}

/// A handle on one process; a signal through it reaches that process or nobody. See pidfd_open(2).
#[derive(Debug)]
pub struct Pidfd(OwnedFd);

impl Pidfd {
    /// A handle on the process that has this pid now. `ESRCH` if there is none.
    pub fn open(pid: i32) -> Result<Pidfd, Errno> {
        // SAFETY: takes two integers and returns a new descriptor or an error.
        let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
        // SAFETY: the kernel has just made this descriptor for us.
        Ok(Pidfd(unsafe { OwnedFd::from_raw_fd(fd as i32) }))
    }

    /// A handle on exactly this process: opened, then checked to be still the same one. `ESRCH` if it is not there any
    /// more; anything else leaves that open.
    pub fn of(who: Identity) -> Result<Pidfd, Errno> {
        let pidfd = Pidfd::open(who.pid)?;
        if Identity::look(who.pid)? == Some(who) { Ok(pidfd) } else { Err(Errno::ESRCH) }
    }

    /// Sends a signal. `ESRCH` if the process has been reaped, `EPERM` if it is not ours to signal.
    pub fn signal(&self, signal: Signal) -> Result<(), Errno> {
        let null = std::ptr::null::<libc::siginfo_t>();
        // SAFETY: a null siginfo asks for kill(2)'s; the descriptor is open.
        let result =
            unsafe { libc::syscall(libc::SYS_pidfd_send_signal, self.0.as_raw_fd(), signal as i32, null, 0) };
        Errno::result(result).map(drop)
    }

    /// Whether the process has ended, reaped or not. See pidfd_open(2).
    pub fn has_ended(&self) -> bool {
        let mut fds = [PollFd::new(self.as_fd(), PollFlags::POLLIN)];
        nix::poll::poll(&mut fds, PollTimeout::ZERO) == Ok(1)
    }

    /// How a process ended that was somebody else's child. Known from Linux 6.15 on, once it has been reaped; see
    /// `PIDFD_GET_INFO` in linux/pidfd.h.
    pub fn ending(&self) -> Option<Ending> {
        let mut info = PidfdInfo { mask: PIDFD_INFO_EXIT, ..PidfdInfo::default() };
        let request = libc::_IOWR::<PidfdInfo>(PIDFS_IOCTL_MAGIC, 11);
        // SAFETY: the request carries the size of the structure, which is valid to read and to fill.
        let result = unsafe { libc::ioctl(self.0.as_raw_fd(), request, &raw mut info) };
        (result == 0 && info.mask & PIDFD_INFO_EXIT != 0).then(|| Ending::of_status(info.exit_code))
    }

    pub(crate) fn from_owned(fd: OwnedFd) -> Pidfd {
        Pidfd(fd)
    }
}

/// The kernel's `struct pidfd_info`, as it first was.
#[repr(C)]
#[derive(Default)]
struct PidfdInfo {
    mask: u64,
    cgroup: u64,
    /// pid, tgid, ppid; real, effective, saved and file-system uid and gid
    ids: [u32; 11],
    exit_code: i32,
}

#[cfg(test)]
impl PidfdInfo {
    /// Whether this kernel tells of ends.
    fn is_known() -> bool {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
        (numbers.next(), numbers.next()) >= (Some(6), Some(15))
    }
}

const PIDFD_INFO_EXIT: u64 = 1 << 3;
const PIDFS_IOCTL_MAGIC: u32 = 0xff;

impl AsFd for Pidfd {
    /// Readable once the process has ended (while still a zombie).
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// What `/proc/PID/stat` says of a process. See proc_pid_stat(5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Process id.
    pub pid: i32,
    /// The command's name, at most 15 bytes, as the kernel has it.
    pub command: String,
    /// State letter: R S D T t Z X I.
    pub state: u8,
    /// Parent.
    pub parent: i32,
    /// Process group.
    pub group: i32,
    /// Session.
    pub session: i32,
    /// Start time in clock ticks since boot.
    pub start: u64,
}

impl Stat {
    /// Reads it; `None` if there is no such process.
    pub fn read(pid: i32) -> Option<Stat> {
        Stat::parse(show(pid, "stat", &mut [0; STAT]).ok()?)
    }

    /// The command's name alone, for less; `None` if there is no such process.
    pub fn command_of(pid: i32) -> Option<String> {
        let mut buffer = [0; 64];
        let name = show(pid, "comm", &mut buffer).ok()?.strip_suffix(b"\n")?;
        Some(String::from_utf8_lossy(name).into_owned())
    }

    /// How this very process ended, while it is a zombie. `None` also if it exited 0: that is what the kernel shows
    /// to those who may not know (field 52 of proc_pid_stat(5)).
    pub fn ending_of(who: Identity) -> Option<Ending> {
        let text = std::fs::read(format!("/proc/{}/stat", who.pid)).ok()?;
        Stat::parse(&text).filter(|stat| stat.identity() == who && stat.is_zombie())?;
        let close = text.iter().rposition(|&b| b == b')')?;
        let mut fields = text.get(close + 1..)?.split(u8::is_ascii_whitespace).filter(|f| !f.is_empty());
        number(fields.nth(49)?).filter(|&status: &i32| status != 0).map(Ending::of_status)
    }

    /// Parses the file's text. The name is between the first `(` and the last `)`, since it may hold either.
    pub fn parse(text: &[u8]) -> Option<Stat> {
        let open = text.iter().position(|&b| b == b'(')?;
        let close = text.iter().rposition(|&b| b == b')')?;
        let name = text.get(open + 1..close)?;
        let mut fields = text.get(close + 1..)?.split(u8::is_ascii_whitespace).filter(|f| !f.is_empty());
        let state = *fields.next()?.first()?;
        let parent = number(fields.next()?)?;
        let group = number(fields.next()?)?;
        let session = number(fields.next()?)?;
        Some(Stat {
            pid: number(text.get(..open)?.trim_ascii())?,
            command: String::from_utf8_lossy(name).into_owned(),
            state,
            parent,
            group,
            session,
            // field 22; `session` was field 6
            start: number(fields.nth(15)?)?,
        })
    }

    /// Its identity.
    pub fn identity(&self) -> Identity {
        Identity { pid: self.pid, start: self.start }
    }

    /// Whether it has ended and only waits to be reaped.
    pub fn is_zombie(&self) -> bool {
        matches!(self.state, b'Z' | b'X')
    }
}

fn number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// How much of `/proc/PID/stat` is read: 15 bytes of name and 52 numbers fit; what we want is among the first 22 fields.
const STAT: usize = 1024;

/// The user as whom a process, or one of its ancestors, has logged in (`/proc/PID/loginuid`, set by
/// pam_loginuid); `None` if that was never set, or the kernel keeps none.
pub fn login_uid(pid: i32) -> Option<u32> {
    let mut buffer = [0; 16];
    number(show(pid, "loginuid", &mut buffer).ok()?.trim_ascii()).filter(|&uid| uid != u32::MAX)
}

/// What a file of a process in `/proc` says, as far as there is room for it: by one read, so that it is all of one
/// moment.
fn show<'a>(pid: i32, file: &str, buffer: &'a mut [u8]) -> Result<&'a [u8], Errno> {
    let read = std::fs::File::open(format!("/proc/{pid}/{file}")).and_then(|mut file| file.read(buffer));
    let length = read.map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))?;
    Ok(&buffer[..length])
}

/// Every process there is, as seen in one walk of `/proc`; those that vanish meanwhile are left out.
pub fn all() -> Vec<Stat> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(Stat::read)
        .collect()
}

/// Makes this process the one to which its orphaned descendants return. See PR_SET_CHILD_SUBREAPER(2const).
pub fn become_subreaper() -> Result<(), Errno> {
    // SAFETY: takes integers only.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }).map(drop)
}

/// The name shown by `ps -o comm` and `/proc/PID/stat`; at most 15 bytes count.
pub fn set_command_name(name: &std::ffi::CStr) {
    // SAFETY: `name` is a valid C string, which the kernel copies.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr(), 0, 0, 0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_process_ended_is_known_also_to_strangers() {
        let mut command = std::process::Command::new("sh");
        command.args(["-c", "read x; exit 7"]).stdin(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let pidfd = Pidfd::open(child.id() as i32).unwrap();
        assert_eq!((pidfd.has_ended(), pidfd.ending()), (false, None));
        child.wait().unwrap();
        assert!(pidfd.has_ended());
        // None before Linux 6.15
        assert!(matches!(pidfd.ending(), Some(Ending::Code(7)) | None));
        assert_eq!(pidfd.ending().is_some(), PidfdInfo::is_known());
    }

    #[test]
    fn a_name_may_hold_parentheses_and_spaces() {
        let text = b"42 (a) b (c) S 1 2 3 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 777 1 2\n";
        let stat = Stat::parse(text).unwrap();
        assert_eq!((stat.pid, stat.parent, stat.group, stat.session), (42, 1, 2, 3));
        assert_eq!((stat.command.as_str(), stat.state, stat.start), ("a) b (c", b'S', 777));
    }

    #[test]
    fn a_short_line_is_nobody() {
        assert_eq!(Stat::parse(b"42 (a) S 1 2"), None);
        assert_eq!(Stat::parse(b""), None);
    }

    #[test]
    fn we_are_who_we_are() {
        let me = std::process::id() as i32;
        let who = Identity::of(me).unwrap();
        assert!(who.exists());
        assert!(!Identity { start: who.start + 1, ..who }.exists());
        assert_eq!(Pidfd::of(Identity { start: who.start + 1, ..who }).unwrap_err(), Errno::ESRCH);
        assert!(all().iter().any(|s| s.identity() == who));
    }
}
