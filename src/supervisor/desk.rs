//! A service's `supervise` directory: where it stands, what is in it, and how it is kept up to date.
//!
//! `lock`, `ok`, `control`, `status` mean what they mean to daemontools and runit; `pid` and `stat` are
//! runit's text forms. See supervise(8), runsv(8).

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use sys::spawn::above_tray;
use sys::{Errno, Fail, files};

/// The open files of one service.
pub(super) struct Desk {
    /// Where they are; our own path, not through the service directory.
    pub(super) path: PathBuf,
    lock: OwnedFd,
    control: OwnedFd,
    /// Only where `ok` could not be the same file as `control`.
    ok: Option<OwnedFd>,
    /// What was last published, so that what has not changed is not written again.
    status: [u8; 20],
    texts: u64,
}

impl Desk {
    /// Opens (makes) the files in the directory at `path`.
    pub(super) fn open(path: PathBuf) -> Result<Desk, Fail> {
        let lock = files::lock(&path.join("lock"))?;
        let status = path.join("status");
        if status.symlink_metadata().is_ok_and(|meta| !meta.is_file()) {
            return Err(Fail::at("use as a file", &status, Errno::EINVAL));
        }
        let control = files::open_fifo(&path.join("control"), 0o600)?;
        let control = above_tray(control.as_fd())?;
        // one page of letters is plenty, and 0.9 kB less of kernel memory
        let _ = nix::fcntl::fcntl(&control, nix::fcntl::FcntlArg::F_SETPIPE_SZ(4096));
        let ok = open_ok(&path)?;
        Ok(Desk { path, lock, control, ok, status: [0; 20], texts: 0 })
    }

    /// The same from descriptors that a guardian kept.
    pub(super) fn adopt(path: PathBuf, kept: Vec<OwnedFd>) -> Option<Desk> {
        let mut kept = kept.into_iter();
        let (lock, control) = (kept.next()?, kept.next()?);
        Some(Desk { path, lock, control, ok: kept.next(), status: [0; 20], texts: 0 })
    }

    /// What a guardian keeps of it.
    pub(super) fn kept(&self) -> Vec<BorrowedFd<'_>> {
        [Some(&self.lock), Some(&self.control), self.ok.as_ref()]
            .into_iter()
            .flatten()
            .map(AsFd::as_fd)
            .collect()
    }

    /// Where letters arrive.
    pub(super) fn control(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }

    /// The letters that have arrived, up to a buffer's worth; what is more comes the next time.
    pub(super) fn letters<'a>(&self, buffer: &'a mut [u8]) -> &'a [u8] {
        match nix::unistd::read(&self.control, buffer) {
            Ok(n) => &buffer[..n],
            Err(_) => &[],
        }
    }

    /// Publishes status, pid and stat, as far as they have changed.
    pub(super) fn publish(&mut self, status: [u8; 20], pid: &str, stat: &str) -> Result<(), Errno> {
        let texts = crate::place::hash(pid.as_bytes()) ^ crate::place::hash(stat.as_bytes()).rotate_left(1);
        if status == self.status && texts == self.texts {
            return Ok(());
        }
        use nix::fcntl::{OFlag, open};
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let directory = open(&self.path, flags, nix::sys::stat::Mode::empty())?;
        if texts != self.texts {
            files::publish(&directory, OsStr::new("pid"), pid.as_bytes(), 0o644)?;
            files::publish(&directory, OsStr::new("stat"), stat.as_bytes(), 0o644)?;
            self.texts = texts;
        }
        // status last: clients wait for it
        files::publish(&directory, OsStr::new("status"), &status, 0o644)?;
        self.status = status;
        Ok(())
    }
}

/// `ok` has a reader for as long as the supervisor lives. It can be a second name of `control`, which is
/// open for reading too; where a link can't be made it is a FIFO of its own.
fn open_ok(path: &Path) -> Result<Option<OwnedFd>, Fail> {
    let (control, ok) = (path.join("control"), path.join("ok"));
    let same = || {
        use std::os::unix::fs::MetadataExt;
        let inode = |p: &Path| p.symlink_metadata().ok().map(|m| (m.dev(), m.ino()));
        inode(&control).is_some() && inode(&control) == inode(&ok)
    };
    if same() || std::fs::hard_link(&control, &ok).is_ok() {
        return Ok(None);
    }
    let fd = files::open_fifo(&ok, 0o600)?;
    Ok(Some(above_tray(fd.as_fd())?))
}

/// Finds or makes the directory for a service's files.
///
/// What is there is used: a directory as it is, a link that leads somewhere (Debian's runit packages ship
/// such links into `/run`), a dangling one after its target is made. Else a link into `house` (on tmpfs)
/// is made, or, without a house or where the service directory can't be written, what is possible.
pub(super) fn place(service: &Path, house: Option<&Path>) -> Result<PathBuf, Fail> {
    let there = service.join("supervise");
    match std::fs::metadata(&there) {
        Ok(meta) if meta.is_dir() => return Ok(std::fs::canonicalize(&there).unwrap_or(there)),
        Ok(_) => return Err(Fail::at("use as a directory", &there, Errno::ENOTDIR)),
        Err(_) => {}
    }
    if let Ok(target) = std::fs::read_link(&there) {
        let target = service.join(target);
        make_all(&target)?;
        return Ok(std::fs::canonicalize(&target).unwrap_or(target));
    }
    let Some(house) = house else {
        files::make_directory(&there, 0o700)?;
        return Ok(there);
    };
    make_all(house)?;
    match std::os::unix::fs::symlink(house, &there) {
        Ok(()) => Ok(house.to_owned()),
        Err(e) => Err(Fail::io("make link", &there, &e)),
    }
}

/// Makes a directory and those above it, each only for its owner.
pub(super) fn make_all(path: &Path) -> Result<(), Fail> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|e| Fail::io("make directory", path, &e))
}
