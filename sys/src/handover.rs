//! Descriptors that travel: SCM_RIGHTS over a socket pair that keeps messages apart.

use crate::Fail;
use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg, sendmsg,
    socketpair,
};
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

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

    /// The next message that has arrived.
    pub fn receive(&self) -> Result<Message, Nothing> {
        let mut buffer = [0u8; LONGEST];
        let mut space = cmsg_space!([i32; MOST]);
        loop {
            let mut parts = [IoSliceMut::new(&mut buffer)];
            let flags = MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_DONTWAIT;
            let (length, fds) = match recvmsg::<()>(self.0.as_raw_fd(), &mut parts, Some(&mut space), flags) {
                Ok(message) => (message.bytes, owned(&message)),
                Err(Errno::EINTR) => continue,
                Err(Errno::EAGAIN) => return Err(Nothing::Yet),
                Err(Errno::ECONNRESET) => return Err(Nothing::Ever),
                Err(e) => return Err(Nothing::Failed(e)),
            };
            if length == 0 && fds.is_empty() {
                return Err(Nothing::Ever);
            }
            return Ok(Message { bytes: buffer[..length].to_vec(), fds });
        }
    }
}

impl AsFd for Line {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn owned(message: &nix::sys::socket::RecvMsg<'_, '_, ()>) -> Vec<OwnedFd> {
    let mut fds = Vec::new();
    for control in message.cmsgs().into_iter().flatten() {
        if let ControlMessageOwned::ScmRights(raw) = control {
            // SAFETY: the kernel has just made these descriptors for this process; nobody else knows them.
            fds.extend(raw.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    fds
}

/// Takes ownership of a descriptor that this process inherited by number over exec.
///
/// Must be called at most once for a number, before anything else is opened; that is why it asks the
/// kernel first. Returns `None` if the number is not open.
pub fn inherited(number: i32) -> Option<OwnedFd> {
    // SAFETY: F_GETFD takes no pointer and changes nothing.
    if unsafe { libc::fcntl(number, libc::F_GETFD) } == -1 {
        return None;
    }
    // SAFETY: the number is open, and by this function's contract nothing in this process owns it yet.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}
