//! A datagram socket under a path, which knows of each message who has sent it. For sd_notify(3).

use crate::Fail;
use crate::handover::Nothing;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, bind, getsockname, setsockopt, socket, sockopt,
};
use std::fs::Permissions;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The longest message, in bytes: as long as systemd's.
pub const LONGEST: usize = 4096;

/// The socket. Its path is left when it is dropped: another may have been bound there.
pub struct Mailbox(OwnedFd);

/// A message.
pub struct Letter<'a> {
    /// What it says; `None` if it was longer than [`LONGEST`].
    pub text: Option<&'a [u8]>,
    /// The pid of the sender, as the kernel knows it (or a privileged sender says); 0 if it can't be seen from here.
    pub sender: i32,
    /// Descriptors come with it. They are closed where it is taken out, which can take as long as its sender likes (a
    /// connection that lingers): it stays until [`Mailbox::discard`].
    pub laden: bool,
}

impl Mailbox {
    /// Makes the socket at `path`, in place of whatever is there; everybody who can reach it may write to it.
    /// `ENAMETOOLONG` for a path of more than 107 bytes.
    pub fn open(path: &Path) -> Result<Mailbox, Fail> {
        let fail = |errno| Fail::at("make socket", path, errno);
        let address = UnixAddr::new(path).map_err(fail)?;
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(AddressFamily::Unix, SockType::Datagram, flags, None).map_err(fail)?;
        setsockopt(&fd, sockopt::PassCred, &true).map_err(fail)?;
        let _ = std::fs::remove_file(path);
        bind(fd.as_raw_fd(), &address).map_err(fail)?;
        std::fs::set_permissions(path, Permissions::from_mode(0o666))
            .map_err(|e| Fail::io("make socket", path, &e))?;
        Ok(Mailbox(crate::spawn::above_tray(fd.as_fd())?))
    }

    /// One that somebody has kept.
    pub fn from_fd(fd: OwnedFd) -> Mailbox {
        Mailbox(fd)
    }

    /// Where it was made.
    pub fn path(&self) -> Option<PathBuf> {
        let address: UnixAddr = getsockname(self.0.as_raw_fd()).ok()?;
        address.path().map(Path::to_owned)
    }

    /// The next message, taken out unless it is laden.
    pub fn receive<'a>(&self, buffer: &'a mut [u8; LONGEST]) -> Result<Letter<'a>, Nothing> {
        let (length, sender, flags) = self.take(buffer, libc::MSG_PEEK)?;
        let laden = flags & libc::MSG_CTRUNC != 0;
        if !laden {
            self.take(&mut [], 0)?;
        }
        let whole = flags & libc::MSG_TRUNC == 0;
        let text = whole.then(|| buffer.get(..length)).flatten();
        Ok(Letter { text, sender, laden })
    }

    /// Has a child of this process, take a laden message out. Gives its pid; it ends
    /// with this process, and holds nothing of it but the mailbox.
    pub fn discard(&self) -> Result<i32, Errno> {
        // SAFETY: the child makes system calls only, and ends: it needs no lock that another thread may hold.
        let pid = Errno::result(unsafe { libc::fork() })?;
        if pid != 0 {
            return Ok(pid);
        }
        // SAFETY: integers only; what these numbers stood for is never used again in this child.
        unsafe {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            libc::dup2(self.0.as_raw_fd(), 0);
            libc::syscall(libc::SYS_close_range, 1, libc::c_uint::MAX, 0);
            libc::recv(0, std::ptr::null_mut(), 0, libc::MSG_DONTWAIT);
            libc::_exit(0)
        }
    }

    /// (Length, sender, flags) of the next message.
    fn take(&self, buffer: &mut [u8], how: i32) -> Result<(usize, i32, i32), Nothing> {
        // room for the sender, and for nothing else; aligned as the kernel wants it
        let mut space = [0u64; SPACE / 8];
        let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        // SAFETY: a msghdr is integers and pointers, for which zeros are valid values.
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        (header.msg_iov, header.msg_iovlen) = (&raw mut part, 1);
        (header.msg_control, header.msg_controllen) = (space.as_mut_ptr().cast(), SPACE as _);
        loop {
            // SAFETY: the header points to a buffer and a control space of the lengths it says, both ours.
            let got = unsafe { libc::recvmsg(self.0.as_raw_fd(), &raw mut header, libc::MSG_DONTWAIT | how) };
            match Errno::result(got) {
                Ok(length) => return Ok((length as usize, sender(&header), header.msg_flags)),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Err(Nothing::Yet),
                Err(e) => return Err(Nothing::Failed(e)),
            }
        }
    }
}

impl AsFd for Mailbox {
    /// Readable when there is a message.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// What a sender's credentials take.
// SAFETY: takes an integer and gives one.
const SPACE: usize = unsafe { libc::CMSG_SPACE(size_of::<libc::ucred>() as u32) } as usize;

fn sender(header: &libc::msghdr) -> i32 {
    // SAFETY: the kernel has filled the control space that the header points to, up to the length it says.
    let first = unsafe { libc::CMSG_FIRSTHDR(header) };
    // SAFETY: null, or a control message within that space.
    let Some(control) = (unsafe { first.as_ref() }) else { return 0 };
    // SAFETY: takes an integer.
    let whole = unsafe { libc::CMSG_LEN(size_of::<libc::ucred>() as u32) } as usize;
    #[allow(clippy::unnecessary_cast, reason = "musl has another type for it")]
    let is_it = control.cmsg_level == libc::SOL_SOCKET
        && control.cmsg_type == libc::SCM_CREDENTIALS
        && control.cmsg_len as usize >= whole;
    if !is_it {
        return 0;
    }
    // SAFETY: a control message of this type and length holds a ucred, aligned or not.
    unsafe { libc::CMSG_DATA(control).cast::<libc::ucred>().read_unaligned() }.pid
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
    use nix::sys::wait::waitpid;
    use std::io::IoSlice;
    use std::os::unix::net::UnixDatagram;

    fn send_with(writer: &UnixDatagram, text: &[u8], fd: &impl AsRawFd) {
        let fds = [fd.as_raw_fd()];
        let rights = [ControlMessage::ScmRights(&fds)];
        sendmsg::<()>(writer.as_raw_fd(), &[IoSlice::new(text)], &rights, MsgFlags::empty(), None).unwrap();
    }

    fn discarded(mailbox: &Mailbox) {
        let pid = nix::unistd::Pid::from_raw(mailbox.discard().unwrap());
        waitpid(pid, None).unwrap();
    }

    /// A connection whose close waits for its peer to read, which he does not.
    #[test]
    fn what_lingers_holds_up_nobody_but_the_one_who_takes_it_out() {
        use std::io::Write;
        let directory = std::env::temp_dir().join(format!("lingering-{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        let mailbox = Mailbox::open(&directory.join("box")).unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut connection = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let _peer = listener.accept().unwrap();
        connection.set_nonblocking(true).unwrap();
        while connection.write(&[0; 65536]).is_ok() {}
        let linger = libc::linger { l_onoff: 1, l_linger: 100_000 };
        setsockopt(&connection, sockopt::Linger, &linger).unwrap();
        let writer = UnixDatagram::unbound().unwrap();
        writer.connect(directory.join("box")).unwrap();
        send_with(&writer, b"FDSTORE=1", &connection);
        drop(connection);
        // a day or so, if it were closed here
        let mut buffer = [0; LONGEST];
        assert!(mailbox.receive(&mut buffer).unwrap().laden);
        let child = nix::unistd::Pid::from_raw(mailbox.discard().unwrap());
        writer.send(b"after").unwrap();
        while mailbox.receive(&mut buffer).unwrap().text != Some(&b"after"[..]) {
            std::thread::yield_now(); // until the child has taken it out
        }
        nix::sys::signal::kill(child, nix::sys::signal::Signal::SIGKILL).unwrap();
        waitpid(child, None).unwrap();
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn who_writes_is_known_and_what_comes_with_it_is_closed() {
        let directory = std::env::temp_dir().join(format!("mailbox-{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        let path = directory.join("box");
        std::fs::write(&path, "something else").unwrap();
        let mailbox = Mailbox::open(&path).unwrap();
        assert_eq!(mailbox.path(), Some(path.clone()));
        let mut buffer = [0; LONGEST];
        assert!(matches!(mailbox.receive(&mut buffer), Err(Nothing::Yet)));

        let writer = UnixDatagram::unbound().unwrap();
        writer.connect(&path).unwrap();
        writer.send(b"READY=1").unwrap();
        let letter = mailbox.receive(&mut buffer).unwrap();
        assert_eq!((letter.text, letter.sender), (Some(&b"READY=1"[..]), std::process::id() as i32));
        writer.send(&[b'x'; LONGEST + 1]).unwrap();
        assert_eq!(mailbox.receive(&mut buffer).unwrap().text, None);
        writer.send(b"").unwrap();
        assert_eq!(mailbox.receive(&mut buffer).unwrap().text, Some(&b""[..]));

        // as BARRIER=1: when the message is taken out, its descriptor is open nowhere any more
        let (read, write) = nix::unistd::pipe().unwrap();
        send_with(&writer, b"BARRIER=1", &write);
        drop(write);
        let letter = mailbox.receive(&mut buffer).unwrap();
        assert_eq!((letter.text, letter.laden), (Some(&b"BARRIER=1"[..]), true));
        assert_eq!(letter.sender, std::process::id() as i32);
        discarded(&mailbox);
        assert!(matches!(mailbox.receive(&mut buffer), Err(Nothing::Yet)));
        assert_eq!(nix::unistd::read(&read, &mut [0]), Ok(0));
        std::fs::remove_dir_all(&directory).unwrap();
        let long = std::env::temp_dir().join("x".repeat(120));
        assert_eq!(Mailbox::open(&long).err().unwrap().errno, Errno::ENAMETOOLONG);
    }
}
