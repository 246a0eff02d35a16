//! A log directory: `current`, to which lines are appended, and the old files that it turns into.
//!
//! At every moment the names and modes in the directory tell the next logger, whichever of the family, what
//! was being done: a `current` with mode 0100 was ended in good order and is gone on with; any other is
//! unfinished and put aside as `@STAMP.u`. `previous` is a full file that is not put aside yet, `processed`
//! with mode 0100 what replaces it. A file with two names was about to lose its first one.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use memchr::memrchr;
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{FchmodatFlags, FileStat, Mode, fchmod, fchmodat, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, fsync, linkat, unlinkat, write};

use super::script::Limits;
use super::{PROG, insist, processor};
use crate::errors::{Die, errno_of};
use crate::tai::{TEXT, Tai64n};

const APPEND: OFlag = OFlag::O_WRONLY.union(OFlag::O_CREAT).union(OFlag::O_APPEND);
pub(super) const TRUNCATE: OFlag = OFlag::O_WRONLY.union(OFlag::O_CREAT).union(OFlag::O_TRUNC);

/// Modes: of a new file; of one in use; of one that is complete.
const PRIVATE: Mode = Mode::from_bits_truncate(0o600);
pub(super) const IN_USE: Mode = Mode::from_bits_truncate(0o644);
const COMPLETE: Mode = Mode::from_bits_truncate(0o744);

/// A file within this of its size is full when it ends with a line.
const SLACK: usize = 2000;

/// A log directory that is open, and locked against every other logger.
pub(super) struct Directory {
    /// As the script has it, for messages.
    pub(super) name: Vec<u8>,
    pub(super) fd: OwnedFd,
    _lock: File,
    current: OwnedFd,
    /// The size of `current`.
    bytes: usize,
    limits: Limits,
}

impl Directory {
    /// Opens a directory, making it if need be, and brings it in order.
    pub(super) fn open(path: &OsStr, limits: Limits) -> Result<Directory, Die> {
        let name = path.as_bytes().to_vec();
        let die = |doing: &str, e| Die::sys(PROG, &[doing.as_bytes(), &name], e);
        // That it exists is the rule; of any other failure the next call tells.
        let _ = mkdirat(AT_FDCWD, path, Mode::S_IRWXU);
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC | OFlag::O_DIRECTORY;
        let fd =
            openat(AT_FDCWD, path, flags, Mode::empty()).map_err(|e| die("unable to open directory ", e))?;
        let lock = open_in(&fd, "lock", APPEND, PRIVATE)
            .map(File::from)
            .and_then(|lock| match lock.try_lock() {
                Ok(()) => Ok(lock),
                Err(e) => Err(errno_of(&e.into())),
            })
            .map_err(|e| die("unable to lock directory ", e))?;
        let (current, bytes) = take_up(&fd, &name, &limits)?;
        Ok(Directory { name, fd, _lock: lock, current, bytes, limits })
    }

    /// Whether there is something in the current file.
    pub(super) fn has_lines(&self) -> bool {
        self.bytes > 0
    }

    /// Appends `bytes`, which may be many lines; rotates whenever the file is full.
    ///
    /// A file is full at its size, or when it is within [`SLACK`] of it and ends with a line: so no line is
    /// cut by rotation that is not longer than that.
    pub(super) fn write(&mut self, mut bytes: &[u8]) {
        let full = self.limits.size - SLACK;
        while !bytes.is_empty() {
            if self.bytes >= self.limits.size {
                self.rotate();
            }
            let piece = &bytes[..bytes.len().min(self.limits.size - self.bytes)];
            let len = match memrchr(b'\n', piece) {
                Some(at) if self.bytes + piece.len() >= full => at + 1,
                _ => piece.len(),
            };
            let written = self.append(&piece[..len]);
            self.bytes += written;
            if self.bytes >= full && bytes[written - 1] == b'\n' {
                self.rotate();
            }
            bytes = &bytes[written..];
        }
    }

    /// Writes once; gives how many bytes, at least 1.
    fn append(&self, bytes: &[u8]) -> usize {
        insist(&[b"unable to write to ", &self.name, b"/current"], || match write(&self.current, bytes) {
            Ok(0) => Err(Errno::ENOSPC),
            other => other,
        })
    }

    /// Puts the current file aside, through the processor if there is one, and begins a new one.
    pub(super) fn rotate(&mut self) {
        self.sync();
        let name = self.name.as_slice();
        insist(&[b"unable to rename current to previous in directory ", name], || {
            renameat(&self.fd, "current", &self.fd, "previous")
        });
        self.current = insist(&[b"unable to create ", name, b"/current"], || {
            open_in(&self.fd, "current", APPEND, PRIVATE)
        });
        self.bytes = 0;
        insist(&[b"unable to set mode of ", name, b"/current"], || fchmod(&self.current, IN_USE));
        insist(&[b"unable to set mode of ", name, b"/previous"], || {
            fchmodat(&self.fd, "previous", COMPLETE, FchmodatFlags::FollowSymlink)
        });
        match &self.limits.processor {
            None => put_aside(&self.fd, name, "previous", b".s", self.limits.files),
            Some(command) => {
                processor::run(self, command);
                self.replace_by_processed();
            }
        }
    }

    /// The processor has succeeded: its output takes the place of `previous`, its new state that of the old.
    fn replace_by_processed(&self) {
        let name = self.name.as_slice();
        let sync = |file: &str, mode: Option<Mode>| {
            let path = [name, b"/", file.as_bytes()].concat();
            let fd = insist(&[b"unable to create ", &path], || open_in(&self.fd, file, APPEND, PRIVATE));
            insist(&[b"unable to write ", &path, b" to disk"], || fsync(&fd));
            if let Some(mode) = mode {
                insist(&[b"unable to set mode of ", &path], || fchmod(&fd, mode));
            }
        };
        sync("processed", Some(COMPLETE));
        sync("newstate", None);
        remove(&self.fd, name, "previous");
        insist(&[b"unable to rename newstate to state in directory ", name], || {
            renameat(&self.fd, "newstate", &self.fd, "state")
        });
        put_aside(&self.fd, name, "processed", b".s", self.limits.files);
    }

    /// Ends the current file in good order.
    pub(super) fn close(&mut self) {
        self.sync();
        let name = self.name.as_slice();
        insist(&[b"unable to set mode of ", name, b"/current"], || fchmod(&self.current, COMPLETE));
    }

    fn sync(&self) {
        insist(&[b"unable to write ", &self.name, b"/current to disk"], || fsync(&self.current));
    }
}

/// Takes a directory up as it was left, by whomever and however; gives its `current` and how large it is.
fn take_up(fd: &OwnedFd, name: &[u8], limits: &Limits) -> Result<(OwnedFd, usize), Die> {
    let die = |doing: &str, file: &str, e| Die::sys(PROG, &[doing.as_bytes(), name, file.as_bytes()], e);
    let current = stat(fd, "current").map_err(|e| die("unable to stat ", "/current", e))?;
    let (doing, size) = match current {
        Some(stat) if complete(&stat) => ("unable to append to ", stat.st_size),
        _ => {
            recover(fd, name, limits)?;
            open_in(fd, "state", TRUNCATE, IN_USE).map_err(|e| die("unable to write to ", "/state", e))?;
            ("unable to write to ", 0)
        }
    };
    let file = open_in(fd, "current", APPEND, PRIVATE).map_err(|e| die(doing, "/current", e))?;
    fchmod(&file, IN_USE).map_err(|e| die("unable to set mode of ", "/current", e))?;
    Ok((file, usize::try_from(size).unwrap_or_default()))
}

/// The last logger was killed, or there was none: puts aside what it left. The state is that of files which
/// are not the last any more, so it is lost.
fn recover(fd: &OwnedFd, name: &[u8], limits: &Limits) -> Result<(), Die> {
    // What cannot be removed shows up when it is put aside.
    let unlink = |file: &str| {
        let _ = unlinkat(fd, file, UnlinkatFlags::NoRemoveDir);
    };
    unlink("state");
    unlink("newstate");
    let processed =
        stat(fd, "processed").map_err(|e| Die::sys(PROG, &[b"unable to stat ", name, b"/processed"], e))?;
    if processed.is_some_and(|stat| complete(&stat)) {
        unlink("previous");
        put_aside(fd, name, "processed", b".s", limits.files);
    } else {
        unlink("processed");
        put_aside(fd, name, "previous", b".u", limits.files);
    }
    put_aside(fd, name, "current", b".u", limits.files);
    Ok(())
}

/// Gives a file its name as an old one, and removes the oldest ones that are too many.
fn put_aside(fd: &OwnedFd, name: &[u8], file: &str, ending: &[u8], files: u64) {
    let found = insist(&[b"unable to stat ", name, b"/", file.as_bytes()], || stat(fd, file));
    let Some(found) = found else { return };
    if found.st_nlink == 1 {
        link(fd, name, file, ending);
    }
    remove(fd, name, file);
    while let Some(oldest) = insist(&[b"unable to read ", name], || oldest_of_too_many(fd, files)) {
        let path = [name, b"/", &oldest].concat();
        insist(&[b"unable to remove ", &path], || {
            unlinkat(fd, oldest.as_slice(), UnlinkatFlags::NoRemoveDir)
        });
    }
}

/// Links a file to a name that tells the time; to another one if that is taken.
fn link(fd: &OwnedFd, name: &[u8], file: &str, ending: &[u8]) {
    loop {
        let old = [&Tai64n::now().to_text(), ending].concat();
        match linkat(fd, file, fd, old.as_slice(), AtFlags::empty()) {
            Ok(()) => return,
            Err(Errno::EEXIST | Errno::EINTR) => {}
            Err(e) => {
                let path = [b"unable to link to ", name, b"/", &old].concat();
                super::pause(&[&path], e);
            }
        }
    }
}

/// The old file with the smallest name, if there are as many as `files`, which `current` counts for one of.
fn oldest_of_too_many(fd: &OwnedFd, files: u64) -> Result<Option<Vec<u8>>, Errno> {
    let (mut count, mut oldest) = (0, None::<Vec<u8>>);
    for entry in Dir::openat(fd, ".", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?.iter() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name.first() == Some(&b'@') && name.len() >= TEXT {
            count += 1;
            if oldest.as_ref().is_none_or(|oldest| name < oldest) {
                oldest = Some(name.to_vec());
            }
        }
    }
    Ok(oldest.filter(|_| count >= files))
}

fn remove(fd: &OwnedFd, name: &[u8], file: &str) {
    insist(&[b"unable to remove ", name, b"/", file.as_bytes()], || {
        unlinkat(fd, file, UnlinkatFlags::NoRemoveDir)
    });
}

/// Opens a file of the directory, never waiting for what it may be.
pub(super) fn open_in(fd: &OwnedFd, file: &str, flags: OFlag, mode: Mode) -> Result<OwnedFd, Errno> {
    openat(fd, file, flags | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC, mode)
}

fn stat(fd: &OwnedFd, file: &str) -> Result<Option<FileStat>, Errno> {
    match fstatat(fd, file, AtFlags::empty()) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::ENOENT) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Whether the owner may execute it, which is how files tell that they are complete.
fn complete(stat: &FileStat) -> bool {
    Mode::from_bits_truncate(stat.st_mode).contains(Mode::S_IXUSR)
}
