//! Files of others, read so that nothing they may be can hurt or block: bounded, never waiting, and never by
//! another user's link to what is not his (see [`crate::resolve`]).

use crate::resolve::{Found, fail, find, kind, open_directory};
use crate::{Directory, Fail, listing};
use nix::NixPath;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::SFlag;
use std::ffi::CStr;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

/// The most that is read of a setting or a small file.
pub const BOUND: usize = 64 * 1024;

/// Reads a regular file of at most `bound` bytes; `None` if it does not exist.
///
/// Anything else in its place is an error, and is not even opened: a FIFO would wait, a device could act.
pub fn read(path: &Path, bound: usize) -> Result<Option<Vec<u8>>, Fail> {
    let Some(found) = look(path)? else { return Ok(None) };
    let fd = found.open(OFlag::O_RDONLY).map_err(|e| Fail::at("read", path, e))?;
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

/// Opens a regular file for reading, as [`read`] does.
pub fn open(path: &Path) -> Result<Option<std::fs::File>, Fail> {
    let Some(found) = look(path)? else { return Ok(None) };
    let fd = found.open(OFlag::O_RDONLY).map_err(|e| Fail::at("read", path, e))?;
    Ok(Some(fd.into()))
}

/// The regular file at `path`, looked at and not opened; `None` if it does not exist.
pub fn look(path: &Path) -> Result<Option<Found>, Fail> {
    let found = match find(path) {
        Ok(found) => found,
        Err(Errno::ENOENT) => return Ok(None),
        Err(e) => return Err(fail("read", path, e)),
    };
    match kind(found.stat.st_mode) {
        SFlag::S_IFREG => Ok(Some(found)),
        SFlag::S_IFDIR => Err(Fail::at("read", path, Errno::EISDIR)),
        // "not a regular file" has no errno of its own; this one reads best
        _ => Err(Fail::at("read (not a regular file)", path, Errno::EINVAL)),
    }
}

/// The entries of a directory.
pub fn list(path: &Path) -> Result<std::fs::ReadDir, Fail> {
    let found = find(path).map_err(|e| fail("read directory", path, e))?;
    if !found.is_directory() {
        return Err(Fail::at("read directory", path, Errno::ENOTDIR));
    }
    std::fs::read_dir(found.magic()).map_err(|e| Fail::io("read directory", path, &e))
}

/// Calls `each` with every name in a directory but `.` and `..`, until it breaks off.
pub fn each_name(path: &Path, each: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> Result<(), Fail> {
    let fd = open_directory(path).map_err(|e| fail("read directory", path, e))?;
    listing::each_name(fd, each).map_err(|e| Fail::at("read directory", path, e))
}

/// Opens (or makes) a lock file and takes its lock: see [`Directory::lock`]. Its directory is nobody else's.
pub fn lock(path: &Path) -> Result<OwnedFd, Fail> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Fail::at("lock", path, Errno::EINVAL));
    };
    Directory::open(directory)?.lock(name)
}

/// Renames within a directory by renameat2(2), with its flags; `nix` has the call for one C library only.
pub fn rename<A: ?Sized + NixPath, B: ?Sized + NixPath>(
    directory: impl AsFd,
    from: &A,
    to: &B,
    flags: u32,
) -> Result<(), Errno> {
    let fd = directory.as_fd().as_raw_fd();
    let call = |from: &CStr, to: &CStr| {
        // SAFETY: an open descriptor, strings that end with a NUL and outlive the call, and an integer.
        unsafe { libc::syscall(libc::SYS_renameat2, fd, from.as_ptr(), fd, to.as_ptr(), flags) }
    };
    let done = from.with_nix_path(|from| to.with_nix_path(|to| call(from, to)))??;
    Errno::result(done).map(drop)
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

    #[test]
    fn a_fifo_is_refused_at_once_and_a_missing_file_is_none() {
        let dir = std::env::temp_dir().join(format!("pinfold-files-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let fifo = dir.join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(read(&fifo, 10).unwrap_err().to_string().contains("not a regular file"));
        assert_eq!(read(&dir.join("none"), 10).unwrap(), None);
        assert_eq!(read(&dir, 10).unwrap_err().errno, Errno::EISDIR);
        std::fs::write(dir.join("big"), [b'x'; 11]).unwrap();
        assert_eq!(read(&dir.join("big"), 10).unwrap_err().errno, Errno::EFBIG);
        assert_eq!(list(&dir).unwrap().count(), 2);
        assert_eq!(list(&fifo).unwrap_err().errno, Errno::ENOTDIR);
        let names = |path: &Path| {
            let mut found = Vec::new();
            let mut each = |name: &[u8]| {
                found.push(String::from_utf8(name.to_vec()).unwrap());
                ControlFlow::Continue(())
            };
            each_name(path, &mut each).map_err(|fail| fail.errno)?;
            found.sort();
            Ok(found)
        };
        assert_eq!(names(&dir).unwrap(), ["big", "fifo"]);
        std::os::unix::fs::symlink(".", dir.join("link")).unwrap();
        assert_eq!(names(&dir.join("link")).unwrap().len(), 3);
        assert_eq!(names(&fifo), Err(Errno::ENOTDIR));
        assert_eq!(names(&dir.join("none")), Err(Errno::ENOENT));
        std::fs::remove_dir_all(dir).unwrap();
    }
}
