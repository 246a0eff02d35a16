//! A directory that others may write to, and our own files in it.
//!
//! It is held: whatever becomes of its name and of those above it, we stay in this one. Names in it are looked up
//! without following links, and what stands there is used only if it is what it should be and has no other name,
//! by which it would be somebody else's as well.

use crate::files;
use crate::resolve::{self, Found, kind};
use crate::{Errno, Fail};
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat, mkdirat, mknodat};
use nix::unistd::{LinkatFlags, UnlinkatFlags, linkat, symlinkat, unlinkat};
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// What is known of the file that the next content is written to, for [`Directory::publish`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spare {
    /// Nothing: somebody else may have put anything there.
    Unknown,
    /// Neither it nor the one to be published is there.
    Neither,
    /// It is not there.
    Missing,
    /// It is ours alone, with so many bytes in it.
    Ours(usize),
    /// It has this very content.
    Same,
}

/// How a file is opened to be written, whatever it may be.
const PLAIN: OFlag =
    OFlag::O_WRONLY.union(OFlag::O_CLOEXEC).union(OFlag::O_NOFOLLOW).union(OFlag::O_NONBLOCK);

/// A directory, held open.
pub struct Directory {
    /// `O_PATH`.
    fd: OwnedFd,
    /// Where it was found; for messages.
    path: PathBuf,
}

impl Directory {
    /// The directory at `path`, found as [`resolve::find`] does.
    pub fn open(path: &Path) -> Result<Directory, Fail> {
        let fd = resolve::hold_directory(path).map_err(|e| match e {
            Errno::ENOTDIR => Fail::at("use as a directory", path, e),
            e => resolve::fail("open directory", path, e),
        })?;
        Ok(Directory { fd, path: path.to_owned() })
    }

    /// The same of what has been found already.
    pub fn from_found(found: Found, path: &Path) -> Result<Directory, Fail> {
        match found.is_directory() {
            true => Ok(Directory { fd: found.into_fd(), path: path.to_owned() }),
            false => Err(Fail::at("use as a directory", path, Errno::ENOTDIR)),
        }
    }

    /// The same with its descriptor above the tray of a [`crate::spawn::Spawner`], to be kept.
    pub fn above_tray(&self) -> Result<Directory, Fail> {
        Ok(Directory { fd: crate::spawn::above_tray(self.fd.as_fd())?, path: self.path.clone() })
    }

    fn fail(&self, doing: &'static str, name: &OsStr, errno: Errno) -> Fail {
        Fail::at(doing, &self.path.join(name), errno)
    }

    /// What stands under a name, links not followed.
    pub fn stat(&self, name: &OsStr) -> Result<FileStat, Errno> {
        fstatat(&self.fd, name, AtFlags::AT_SYMLINK_NOFOLLOW)
    }

    /// Where the link of this name leads.
    pub fn read_link(&self, name: &OsStr) -> Result<OsString, Errno> {
        nix::fcntl::readlinkat(&self.fd, name)
    }

    /// Makes a link to `target`.
    pub fn make_link(&self, name: &OsStr, target: &Path) -> Result<(), Errno> {
        symlinkat(target, &self.fd, name)
    }

    /// Makes a directory.
    pub fn make_directory(&self, name: &OsStr, mode: u32) -> Result<(), Errno> {
        mkdirat(&self.fd, name, Mode::from_bits_truncate(mode))
    }

    /// Removes a file or a link.
    pub fn remove(&self, name: &OsStr) -> Result<(), Errno> {
        unlinkat(&self.fd, name, UnlinkatFlags::NoRemoveDir)
    }

    /// Opens (or makes) a lock file and takes its lock without waiting, as daemontools does: flock(2), exclusive.
    /// `EAGAIN` if another process holds it. The descriptor stands above the tray of a
    /// [`crate::spawn::Spawner`], which is laid over the low numbers.
    pub fn lock(&self, name: &OsStr) -> Result<OwnedFd, Fail> {
        let flags = OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_CREAT;
        let (fd, stat) =
            self.open_plain(name, flags, SFlag::S_IFREG).map_err(|e| self.fail("open", name, e))?;
        if stat.st_nlink > 1 {
            return Err(self.fail("lock (it has another name)", name, Errno::EMLINK));
        }
        // SAFETY: takes an open descriptor and an integer.
        let locked = unsafe { libc::flock(fd.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) };
        Errno::result(locked).map_err(|e| self.fail("lock", name, e))?;
        crate::spawn::lift(fd)
    }

    /// Makes a FIFO, or takes the one that is there, and opens it for both reading and writing: it then never
    /// reports end of file, and a writer always finds a reader. It may have one other name: `twin`.
    pub fn fifo(&self, name: &OsStr, twin: &OsStr, mode: u32) -> Result<OwnedFd, Fail> {
        match mknodat(&self.fd, name, SFlag::S_IFIFO, Mode::from_bits_truncate(mode), 0) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(e) => return Err(self.fail("make FIFO", name, e)),
        }
        let (fd, stat) = match self.open_plain(name, OFlag::O_RDWR, SFlag::S_IFIFO) {
            Err(Errno::EINVAL) => {
                return Err(self.fail("open FIFO (it is something else)", name, Errno::EINVAL));
            }
            result => result.map_err(|e| self.fail("open FIFO", name, e))?,
        };
        let has_twin = || self.stat(twin).is_ok_and(|twin| inode(&twin) == inode(&stat));
        if stat.st_nlink > 2 || stat.st_nlink == 2 && !has_twin() {
            return Err(self.fail("open FIFO (it has another name)", name, Errno::EMLINK));
        }
        Ok(fd)
    }

    /// Whether two names stand for one file.
    pub fn are_one(&self, a: &OsStr, b: &OsStr) -> bool {
        matches!((self.stat(a), self.stat(b)), (Ok(a), Ok(b)) if inode(&a) == inode(&b))
    }

    /// Makes `other` a second name of `name`.
    pub fn link(&self, name: &OsStr, other: &OsStr) -> Result<(), Errno> {
        linkat(&self.fd, name, &self.fd, other, LinkatFlags::empty())
    }

    /// Opens a FIFO to write to it. Never waits: `ENXIO` if nobody reads it, `ESPIPE` if it is no FIFO.
    pub fn open_to_tell(&self, name: &OsStr) -> Result<OwnedFd, Errno> {
        match self.open_plain(name, OFlag::O_WRONLY, SFlag::S_IFIFO) {
            Err(Errno::EINVAL) => Err(Errno::ESPIPE),
            result => result.map(|(fd, _)| fd),
        }
    }

    /// Opens what stands under a name if it is of this kind, else `EINVAL`: looked at before it is opened, which
    /// could do something if it is a device, and again after, since it may have been exchanged meanwhile.
    fn open_plain(&self, name: &OsStr, flags: OFlag, wanted: SFlag) -> Result<(OwnedFd, FileStat), Errno> {
        let is_wanted = |stat: FileStat| match kind(stat.st_mode) {
            found if found == wanted => Ok(stat),
            SFlag::S_IFDIR => Err(Errno::EISDIR),
            _ => Err(Errno::EINVAL),
        };
        match self.stat(name) {
            Err(Errno::ENOENT) if flags.contains(OFlag::O_CREAT) => {}
            stat => drop(is_wanted(stat?)?),
        }
        let flags = flags | OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let fd = openat(&self.fd, name, flags, Mode::from_bits_truncate(0o600))?;
        let stat = is_wanted(fstat(&fd)?)?;
        Ok((fd, stat))
    }

    /// Puts `data` under `name` so that a reader finds either the old or the new content, never a mixture.
    ///
    /// Written to `NAME.new`, then the two names are exchanged (`RENAME_EXCHANGE`: no file made or freed, and
    /// on ext4 no write-out is forced); where that can't be had, renamed over. `NAME.new` stays for the next time.
    /// `spare` is what is known of that file, and saves looking.
    pub fn publish(&self, name: &OsStr, data: &[u8], mode: u32, spare: Spare) -> Result<(), Errno> {
        let mut fresh = name.as_bytes().to_vec();
        fresh.extend_from_slice(b".new");
        let fresh = OsStr::from_bytes(&fresh);
        let exchange = || files::rename(&self.fd, fresh, name, libc::RENAME_EXCHANGE);
        if spare == Spare::Same && exchange().is_ok() {
            return Ok(());
        }
        let (file, length) = match spare {
            Spare::Ours(length) => self.open_again(fresh).map(|file| (file, length)),
            Spare::Neither | Spare::Missing => self.make(fresh, mode).map(|file| (file, 0)),
            _ => Err(Errno::ENOENT),
        }
        .or_else(|_| self.own(fresh, mode))?;
        if !data.is_empty() && nix::unistd::write(&file, data)? != data.len() {
            return Err(Errno::ENOSPC);
        }
        if length > data.len() {
            nix::unistd::ftruncate(&file, data.len() as i64)?;
        }
        if spare == Spare::Neither {
            return renameat(&self.fd, fresh, &self.fd, name);
        }
        match exchange() {
            Ok(()) => Ok(()),
            Err(Errno::ENOENT | Errno::EINVAL | Errno::ENOSYS) => renameat(&self.fd, fresh, &self.fd, name),
            Err(e) => Err(e),
        }
    }

    fn open_again(&self, name: &OsStr) -> Result<OwnedFd, Errno> {
        openat(&self.fd, name, PLAIN, Mode::empty())
    }

    fn make(&self, name: &OsStr, mode: u32) -> Result<OwnedFd, Errno> {
        openat(&self.fd, name, PLAIN | OFlag::O_CREAT | OFlag::O_EXCL, Mode::from_bits_truncate(mode))
    }

    /// A file of our own to be written and its length, the one that is there or a new one in place of whatever is
    /// there: an exchange may have brought us what somebody else had put under the other name.
    fn own(&self, name: &OsStr, mode: u32) -> Result<(OwnedFd, usize), Errno> {
        // those who publish never change their user
        static OURS: LazyLock<u32> = LazyLock::new(|| nix::unistd::geteuid().as_raw());
        if let Ok(file) = openat(&self.fd, name, PLAIN | OFlag::O_CREAT, Mode::from_bits_truncate(mode))
            && let Ok(stat) = fstat(&file)
            && (kind(stat.st_mode), stat.st_uid, stat.st_nlink) == (SFlag::S_IFREG, *OURS, 1)
        {
            return Ok((file, usize::try_from(stat.st_size).unwrap_or(usize::MAX)));
        }
        match self.remove(name) {
            Ok(()) | Err(Errno::ENOENT) => Ok((self.make(name, mode)?, 0)),
            Err(e) => Err(e),
        }
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn inode(stat: &FileStat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn scratch(name: &str) -> (PathBuf, Directory) {
        let path = std::env::temp_dir().join(format!("pinfold-directory-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        let directory = Directory::open(&path).unwrap();
        (path, directory)
    }

    #[test]
    fn publishing_replaces_whatever_was_there() {
        let (path, directory) = scratch("publish");
        fs::write(path.join("other"), "precious").unwrap();
        fs::hard_link(path.join("other"), path.join("status.new")).unwrap();
        std::os::unix::fs::symlink("other", path.join("status")).unwrap();
        for data in [&b"a long first one"[..], b"short", b"longer again"] {
            directory.publish(OsStr::new("status"), data, 0o644, Spare::Unknown).unwrap();
            assert_eq!(fs::read(path.join("status")).unwrap(), data);
        }
        assert_eq!(fs::read(path.join("other")).unwrap(), b"precious");
        assert!(path.join("status.new").symlink_metadata().unwrap().is_file());
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn what_is_known_of_the_spare_file_changes_nothing_but_the_cost() {
        let (path, directory) = scratch("spare");
        let mut shown: Option<&[u8]> = None;
        // right or wrong, whatever is said of it
        for (data, spare) in [
            (&b"one"[..], Spare::Neither),
            (b"a second one", Spare::Missing),
            (b"a third", Spare::Neither),
            (b"a second one", Spare::Neither),
            (b"two", Spare::Ours(3)),
            (b"a second one", Spare::Same),
            (b"", Spare::Ours(3)),
            (b"4", Spare::Ours(12)),
            (b"five", Spare::Unknown),
        ] {
            directory.publish(OsStr::new("stat"), data, 0o644, spare).unwrap();
            assert_eq!(fs::read(path.join("stat")).unwrap(), data);
            let spare = fs::read(path.join("stat.new"));
            assert!(shown.is_none() || spare.is_err() || spare.is_ok_and(|spare| Some(&spare[..]) == shown));
            shown = Some(data);
        }
        for spare in [Spare::Ours(4), Spare::Same, Spare::Missing, Spare::Neither] {
            fs::remove_dir_all(&path).unwrap();
            let (path, directory) = scratch("spare");
            directory.publish(OsStr::new("stat"), b"anew", 0o644, spare).unwrap();
            assert_eq!(fs::read(path.join("stat")).unwrap(), b"anew");
        }
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn a_lock_is_held_by_one_and_is_no_other_file() {
        let (path, directory) = scratch("lock");
        let lock = |name: &str| directory.lock(OsStr::new(name)).map_err(|fail| fail.errno);
        let held = lock("lock").unwrap();
        assert_eq!(lock("lock").unwrap_err(), Errno::EAGAIN);
        drop(held);
        lock("lock").unwrap();
        fs::hard_link(path.join("lock"), path.join("other")).unwrap();
        std::os::unix::fs::symlink("lock", path.join("link")).unwrap();
        assert_eq!(lock("other").unwrap_err(), Errno::EMLINK);
        assert!(lock("link").is_err());
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn a_fifo_has_no_name_elsewhere() {
        let (path, directory) = scratch("fifo");
        let [control, ok] = ["control", "ok"].map(OsStr::new);
        drop(directory.fifo(control, ok, 0o600).unwrap());
        assert_eq!(directory.open_to_tell(control).err(), Some(Errno::ENXIO));
        directory.link(control, ok).unwrap();
        let held = directory.fifo(control, ok, 0o600).unwrap();
        assert!(directory.are_one(control, ok) && directory.open_to_tell(ok).is_ok());
        fs::hard_link(path.join("control"), path.join("stolen")).unwrap();
        assert_eq!(directory.fifo(control, ok, 0o600).unwrap_err().errno, Errno::EMLINK);
        fs::write(path.join("file"), "").unwrap();
        assert_eq!(directory.open_to_tell(OsStr::new("file")).err(), Some(Errno::ESPIPE));
        drop(held);
        fs::remove_dir_all(path).unwrap();
    }
}
