//! Descriptors that travel: SCM_RIGHTS over a socket pair that keeps messages apart.

use crate::Fail;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl, open};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{
    AddressFamily, Backlog, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, UnixCredentials, accept4,
    bind, connect, getsockopt, listen, sendmsg, socket, socketpair, sockopt,
};
use nix::sys::stat::Mode;
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

/// The most descriptors one message carries.
pub const MOST: usize = 4;
/// The longest message, in bytes.
pub const LONGEST: usize = 512;

/// One end of a line between two of pinfold's own processes.
pub struct Line(OwnedFd);

/// What arrived.
pub struct Message {
    /// The bytes, at most [`LONGEST`].
    pub bytes: Vec<u8>,
    /// The descriptors that came with them, close-on-exec.
    pub fds: Vec<OwnedFd>,
}

/// Why nothing arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nothing {
    /// No message is waiting.
    Yet,
    /// The other end is closed: its process is gone.
    Ever,
    /// The kernel's reason.
    Failed(Errno),
}

impl Line {
    /// Two connected ends, close-on-exec and non-blocking.
    pub fn pair() -> Result<(Line, Line), Fail> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let (a, b) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)
            .map_err(|e| Fail::of("make a socket pair", e))?;
        Ok((Line(a), Line(b)))
    }

    /// An end that was inherited.
    pub fn from_fd(fd: OwnedFd) -> Line {
        Line(fd)
    }

    /// Sends one message with its descriptors. `EAGAIN` when the other end is behind.
    pub fn send(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), Errno> {
        let raw: Vec<i32> = fds.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&raw)];
        let control = if raw.is_empty() { &[][..] } else { &rights[..] };
        loop {
            match sendmsg::<()>(
                self.0.as_raw_fd(),
                &[IoSlice::new(bytes)],
                control,
                MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT,
                None,
            ) {
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// The next message that has arrived. If this process could not take all of its descriptors (`EMFILE`), it has
    /// none of them: half of them would be of no use.
    pub fn receive(&self) -> Result<Message, Nothing> {
        let mut buffer = [0u8; LONGEST];
        // a header and the numbers, aligned as the kernel wants it
        let mut space = [0u64; 2 + MOST / 2];
        let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        // SAFETY: a msghdr is integers and pointers, for which zeros are valid values.
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        (header.msg_iov, header.msg_iovlen) = (&raw mut part, 1);
        (header.msg_control, header.msg_controllen) = (space.as_mut_ptr().cast(), size_of_val(&space) as _);
        let flags = libc::MSG_CMSG_CLOEXEC | libc::MSG_DONTWAIT;
        let length = loop {
            // SAFETY: the header points to a buffer and a control space of the lengths it says, both ours.
            match Errno::result(unsafe { libc::recvmsg(self.0.as_raw_fd(), &raw mut header, flags) }) {
                Ok(length) => break length as usize,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Err(Nothing::Yet),
                Err(Errno::ECONNRESET) => return Err(Nothing::Ever),
                Err(e) => return Err(Nothing::Failed(e)),
            }
        };
        let mut fds = arrived(&header);
        if length == 0 && fds.is_empty() {
            return Err(Nothing::Ever);
        }
        if header.msg_flags & libc::MSG_CTRUNC != 0 {
            fds.clear();
        }
        Ok(Message { bytes: buffer[..length].to_vec(), fds })
    }
}

/// Where processes that have lost their guardian find the next one: a socket in the run directory.
pub struct Meeting {
    socket: OwnedFd,
    path: PathBuf,
    /// Of the file at the path.
    inode: Option<(u64, u64)>,
}

impl Meeting {
    /// The socket's name.
    pub const NAME: &str = "guardian";

    /// Opens the meeting in `directory`, in place of one that was left behind. Its name appears there (as the target
    /// of a rename) when it can be joined, and not before.
    pub fn open(directory: &Path) -> Result<Meeting, Fail> {
        let (path, fresh) = (directory.join(Self::NAME), directory.join(FRESH));
        let fail = |errno| Fail::at("listen at", &path, errno);
        let socket = seqpacket().map_err(fail)?;
        let _ = std::fs::remove_file(&fresh);
        let (_directory, address) = short(directory, FRESH).map_err(fail)?;
        bind(socket.as_raw_fd(), &address).map_err(fail)?;
        listen(&socket, Backlog::new(8).unwrap_or(Backlog::MAXALLOWABLE)).map_err(fail)?;
        std::fs::rename(&fresh, &path).map_err(|e| Fail::io("rename", &fresh, &e))?;
        let inode = inode(&path);
        Ok(Meeting { socket, path, inode })
    }

    /// Somebody who has come, and his pid; `None` while nobody has.
    pub fn accept(&self) -> Option<(Line, i32)> {
        let fd = accept4(self.socket.as_raw_fd(), SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK).ok()?;
        // SAFETY: the kernel has just made this descriptor for this process; nobody else knows it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let peer = peer(&fd)?;
        Some((Line(fd), peer.pid()))
    }
}

impl AsFd for Meeting {
    /// Readable when somebody has come.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Meeting {
    fn drop(&mut self) {
        // it may be another's by now, who has come after
        if self.inode.is_some() && inode(&self.path) == self.inode {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn inode(path: &Path) -> Option<(u64, u64)> {
    nix::sys::stat::lstat(path).map(|stat| (stat.st_dev, stat.st_ino)).ok()
}

impl Line {
    /// Joins the meeting in `directory`; with the pid of whoever opened it. Only one of our own user, or root, is
    /// believed. `ENOENT` or `ECONNREFUSED` (one that was left behind) when there is none, `EPERM` if it is
    /// somebody else's.
    pub fn join(directory: &Path) -> Result<(Line, i32), Errno> {
        let socket = seqpacket()?;
        let (_directory, address) = short(directory, Meeting::NAME)?;
        connect(socket.as_raw_fd(), &address)?;
        let peer = peer(&socket).ok_or(Errno::ENOTCONN)?;
        // SAFETY: takes nothing and cannot fail.
        if peer.uid() != 0 && peer.uid() != unsafe { libc::geteuid() } {
            return Err(Errno::EPERM);
        }
        Ok((Line(socket), peer.pid()))
    }
}

fn seqpacket() -> Result<OwnedFd, Errno> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)
}

/// What the socket is called until it listens.
const FRESH: &str = "guardian.new";

/// The socket's address by way of a descriptor, as addresses hold 107 bytes only; see unix(7).
fn short(directory: &Path, name: &str) -> Result<(OwnedFd, UnixAddr), Errno> {
    let directory = open(directory, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    let path = format!("/proc/self/fd/{}/{name}", directory.as_raw_fd());
    let address = UnixAddr::new(path.as_str())?;
    Ok((directory, address))
}

fn peer(socket: &OwnedFd) -> Option<UnixCredentials> {
    getsockopt(socket, sockopt::PeerCredentials).ok()
}

impl AsFd for Line {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The descriptors of a message that has been received. nix gives none at all when the kernel has left some out, and
/// those that did arrive would stay open for ever.
fn arrived(header: &libc::msghdr) -> Vec<OwnedFd> {
    let mut fds = Vec::new();
    // SAFETY: the kernel has filled the control space that the header points to, up to the length it says.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(header) };
    // SAFETY: null, or a control message within that space.
    while let Some(control) = unsafe { next.as_ref() } {
        if control.cmsg_level == libc::SOL_SOCKET && control.cmsg_type == libc::SCM_RIGHTS {
            // SAFETY: takes an integer.
            let head = unsafe { libc::CMSG_LEN(0) } as usize;
            #[allow(clippy::unnecessary_cast, reason = "musl has another type for it")]
            let count = (control.cmsg_len as usize).saturating_sub(head) / size_of::<RawFd>();
            // SAFETY: the data of a control message that exists follows its head.
            let data = unsafe { libc::CMSG_DATA(control) }.cast::<RawFd>();
            for n in 0..count {
                // SAFETY: `count` numbers are there, aligned or not.
                let fd = unsafe { data.add(n).read_unaligned() };
                // SAFETY: the kernel has just made this descriptor for this process; nobody else knows it.
                fds.push(unsafe { OwnedFd::from_raw_fd(fd) });
            }
        }
        // SAFETY: as above.
        next = unsafe { libc::CMSG_NXTHDR(header, control) };
    }
    fds
}

/// Lets a descriptor outlive an exec, or not.
pub fn outlives_exec(fd: BorrowedFd<'_>, on: bool) -> Result<(), Errno> {
    let flags = if on { FdFlag::empty() } else { FdFlag::FD_CLOEXEC };
    fcntl(fd, FcntlArg::F_SETFD(flags)).map(drop)
}

/// Something written down in memory, from its beginning.
pub fn written_down(text: &[u8]) -> Result<OwnedFd, Errno> {
    let fd = memfd_create("handover", MFdFlags::MFD_CLOEXEC)?;
    let mut rest = text;
    while !rest.is_empty() {
        let written = nix::unistd::write(&fd, rest)?;
        rest = rest.get(written..).unwrap_or_default();
    }
    nix::unistd::lseek(&fd, 0, nix::unistd::Whence::SeekSet)?;
    Ok(fd)
}

/// Takes ownership of a descriptor that this process inherited by number over exec.
///
/// Must be called at most once for a number, and only for one that whoever was exec'ed from has left open on
/// purpose: nothing that this process opens itself can have got that number. It asks the kernel first;
/// `None` if the number is not open.
pub fn inherited(number: i32) -> Option<OwnedFd> {
    // SAFETY: F_GETFD takes no pointer and changes nothing.
    if unsafe { libc::fcntl(number, libc::F_GETFD) } == -1 {
        return None;
    }
    // SAFETY: the number is open, and by this function's contract nothing in this process owns it yet.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_taken_whole_is_not_kept_open() {
        let (ours, theirs) = Line::pair().unwrap();
        let (read, write) = nix::unistd::pipe().unwrap();
        let two = [read.as_fd(), write.as_fd()];
        ours.send(b"two", &two).unwrap();
        assert_eq!(theirs.receive().unwrap().fds.len(), 2);
        // five do not fit into the space for four: the kernel gives four, and says that it has left one out
        ours.send(b"five", &[read.as_fd(), write.as_fd(), read.as_fd(), write.as_fd(), read.as_fd()])
            .unwrap();
        let message = theirs.receive().unwrap();
        assert_eq!((&*message.bytes, message.fds.len()), (&b"five"[..], 0));
        // the writing end was among them, and is closed
        drop(write);
        assert_eq!(nix::unistd::read(&read, &mut [0]), Ok(0));
    }

    #[test]
    fn those_who_meet_know_each_other() {
        let directory =
            std::env::temp_dir().join(format!("meeting-{}-{}", std::process::id(), "x".repeat(150)));
        std::fs::create_dir(&directory).unwrap();
        assert_eq!(Line::join(&directory).err(), Some(Errno::ENOENT));
        let meeting = Meeting::open(&directory).unwrap();
        assert!(meeting.accept().is_none());
        let (theirs, host) = Line::join(&directory).unwrap();
        let (ours, guest) = meeting.accept().unwrap();
        assert_eq!((host, guest), (std::process::id() as i32, std::process::id() as i32));
        ours.send(b"hello", &[]).unwrap();
        assert_eq!(theirs.receive().unwrap().bytes, b"hello");
        drop(meeting);
        assert_eq!(Line::join(&directory).err(), Some(Errno::ENOENT));
        std::fs::remove_dir(&directory).unwrap();
    }
}
