//! Files of others, read so that nothing they may be can hurt or block: bounded, never waiting.

use crate::Fail;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, RenameFlags, open, renameat2};
use nix::sys::stat::{Mode, SFlag, fstat, mkdirat, mknod};
use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The most that is read of a setting or a small file.
pub const BOUND: usize = 64 * 1024;

/// Reads a regular file of at most `bound` bytes; `None` if it does not exist.
///
/// Opened without waiting, so that a FIFO, a device or a socket in its place is an error and not a hang.
pub fn read(path: &Path, bound: usize) -> Result<Option<Vec<u8>>, Fail> {
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC | OFlag::O_NOCTTY;
    let fd = match open(path, flags, Mode::empty()) {
        Ok(fd) => fd,
        Err(Errno::ENOENT) => return Ok(None),
        Err(e) => return Err(Fail::at("read", path, e)),
    };
    let stat = fstat(&fd).map_err(|e| Fail::at("read", path, e))?;
    match kind(stat.st_mode) {
        SFlag::S_IFREG => {}
        SFlag::S_IFDIR => return Err(Fail::at("read", path, Errno::EISDIR)),
        // "not a regular file" has no errno of its own; this one reads best
        _ => return Err(Fail::at("read (not a regular file)", path, Errno::EINVAL)),
    }
    let mut data = vec![0; bound + 1];
    let mut length = 0;
    while length < data.len() {
        match nix::unistd::read(&fd, &mut data[length..]) {
            Ok(0) => break,
            Ok(n) => length += n,
            Err(Errno::EINTR) => {}
            Err(e) => return Err(Fail::at("read", path, e)),
        }
    }
    if length > bound {
        return Err(Fail::at("read", path, Errno::EFBIG));
    }
    data.truncate(length);
    data.shrink_to_fit();
    Ok(Some(data))
}

/// The type bits of a mode.
pub fn kind(mode: nix::libc::mode_t) -> SFlag {
    SFlag::from_bits_truncate(mode) & SFlag::S_IFMT
}

/// Makes a directory; an existing one is as good.
pub fn make_directory(path: &Path, mode: u32) -> Result<(), Fail> {
    match mkdirat(AT_FDCWD, path, Mode::from_bits_truncate(mode)) {
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(e) => Err(Fail::at("make directory", path, e)),
    }
}

/// Makes a FIFO, or takes the one that is there, and opens it for both reading and writing:
/// it then never reports end of file, and a writer always finds a reader.
pub fn open_fifo(path: &Path, mode: u32) -> Result<OwnedFd, Fail> {
    match mknod(path, SFlag::S_IFIFO, Mode::from_bits_truncate(mode), 0) {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(e) => return Err(Fail::at("make FIFO", path, e)),
    }
    let flags = OFlag::O_RDWR | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
    let fd = open(path, flags, Mode::empty()).map_err(|e| Fail::at("open FIFO", path, e))?;
    let stat = fstat(&fd).map_err(|e| Fail::at("open FIFO", path, e))?;
    if kind(stat.st_mode) != SFlag::S_IFIFO {
        return Err(Fail::at("open FIFO (it is something else)", path, Errno::EINVAL));
    }
    Ok(fd)
}

/// Opens (or makes) a lock file and takes its lock without waiting, as daemontools does: flock(2), exclusive.
/// `EAGAIN` if another process holds it. The descriptor stands above the tray of a [`crate::spawn::Spawner`],
/// which is laid over the low numbers.
pub fn lock(path: &Path) -> Result<OwnedFd, Fail> {
    let flags = OFlag::O_WRONLY | OFlag::O_NONBLOCK | OFlag::O_APPEND | OFlag::O_CREAT | OFlag::O_CLOEXEC;
    let fd = open(path, flags | OFlag::O_NOFOLLOW, Mode::from_bits_truncate(0o600))
        .map_err(|e| Fail::at("open", path, e))?;
    // SAFETY: takes an open descriptor and an integer.
    let locked = unsafe { libc::flock(fd.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) };
    Errno::result(locked).map_err(|e| Fail::at("lock", path, e))?;
    crate::spawn::above_tray(fd.as_fd())
}

/// Puts `data` at `path` so that a reader finds either the old or the new content, never a mixture.
///
/// Written to `NAME.new`, then the two names are exchanged (`RENAME_EXCHANGE`: no file made or freed, and
/// on ext4 no write-out is forced); where that can't be had, renamed over. `NAME.new` stays for the next time.
pub fn publish(directory: &OwnedFd, name: &OsStr, data: &[u8], mode: u32) -> Result<(), Errno> {
    let mut fresh = name.as_bytes().to_vec();
    fresh.extend_from_slice(b".new");
    let fresh = OsStr::from_bytes(&fresh);
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = nix::fcntl::openat(directory, fresh, flags, Mode::from_bits_truncate(mode))?;
    let written = nix::unistd::write(&file, data)?;
    if written != data.len() {
        return Err(Errno::ENOSPC);
    }
    // what is exchanged in may be longer, if this name once held something else
    nix::unistd::ftruncate(&file, data.len() as i64)?;
    match renameat2(directory, fresh, directory, name, RenameFlags::RENAME_EXCHANGE) {
        Ok(()) => Ok(()),
        Err(Errno::ENOENT | Errno::EINVAL | Errno::ENOSYS) => {
            nix::fcntl::renameat(directory, fresh, directory, name)
        }
        Err(e) => Err(e),
    }
}

/// Writes all of `data` at `offset`.
pub fn write_at(fd: impl AsFd, data: &[u8], offset: i64) -> Result<(), Errno> {
    match nix::sys::uio::pwrite(fd, data, offset)? {
        n if n == data.len() => Ok(()),
        _ => Err(Errno::ENOSPC),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> std::path::PathBuf {
        let dir = std::env::temp_dir().join(format!("pinfold-files-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn a_fifo_is_refused_at_once_and_a_missing_file_is_none() {
        let dir = scratch("fifo");
        let fifo = dir.join("fifo");
        open_fifo(&fifo, 0o600).unwrap();
        assert!(read(&fifo, 10).unwrap_err().to_string().contains("not a regular file"));
        assert_eq!(read(&dir.join("none"), 10).unwrap(), None);
        assert_eq!(read(&dir, 10).unwrap_err().errno, Errno::EISDIR);
        std::fs::write(dir.join("big"), [b'x'; 11]).unwrap();
        assert_eq!(read(&dir.join("big"), 10).unwrap_err().errno, Errno::EFBIG);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn publishing_replaces_whatever_length_was_there() {
        let dir = scratch("publish");
        let fd = open(&dir, OFlag::O_DIRECTORY | OFlag::O_RDONLY, Mode::empty()).unwrap();
        for data in [&b"a long first one"[..], b"short", b"longer again"] {
            publish(&fd, OsStr::new("status"), data, 0o644).unwrap();
            assert_eq!(std::fs::read(dir.join("status")).unwrap(), data);
        }
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_lock_is_held_by_one() {
        let dir = scratch("lock");
        let path = dir.join("lock");
        let held = lock(&path).unwrap();
        assert_eq!(lock(&path).unwrap_err().errno, Errno::EAGAIN);
        drop(held);
        lock(&path).unwrap();
        std::fs::remove_dir_all(dir).unwrap();
    }
}
