//! A service's `supervise` directory: where it stands, what is in it, and how it is kept up to date.
//!
//! `lock`, `ok`, `control`, `status` mean what they mean to daemontools and runit; `pid` and `stat` are
//! runit's text forms. See supervise(8), runsv(8).

use super::face::{Face, Sheets};
use crate::place;
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use sys::spawn::lift;
use sys::{Directory, Errno, Fail, resolve};

const NAME: &str = "supervise";
const CONTROL: &str = "control";
const OK: &str = "ok";

/// The open files of one service.
pub(super) struct Desk {
    /// Where they are; our own path, not through the service directory.
    pub(super) path: PathBuf,
    /// Held where another could put something else under that path.
    held: Option<Directory>,
    lock: OwnedFd,
    control: OwnedFd,
    /// Only where `ok` could not be the same file as `control`.
    ok: Option<OwnedFd>,
    /// What is published in it.
    sheets: Sheets,
}

/// Where a service's files are.
pub(super) struct Spot {
    directory: Directory,
    pub(super) path: PathBuf,
    /// In the house, which nobody else can write to.
    housed: bool,
}

impl Desk {
    /// Opens (makes) the files at a spot.
    pub(super) fn open(spot: Spot) -> Result<Desk, Fail> {
        let directory = &spot.directory;
        let lock = directory.lock(OsStr::new("lock"))?;
        let sheets = match directory.stat(OsStr::new("status")) {
            Ok(stat) if !is_file(&stat) => {
                return Err(Fail::at("use as a file", &spot.path.join("status"), Errno::EINVAL));
            }
            Err(Errno::ENOENT) => Sheets::fresh(),
            _ => Sheets::default(),
        };
        let control = directory.fifo(OsStr::new(CONTROL), OsStr::new(OK), 0o600)?;
        let control = lift(control)?;
        // one page of letters is plenty, and 0.9 kB less of kernel memory
        let _ = nix::fcntl::fcntl(&control, nix::fcntl::FcntlArg::F_SETPIPE_SZ(4096));
        let ok = open_ok(directory)?;
        let held = spot.hold()?;
        Ok(Desk { path: spot.path, held, lock, control, ok, sheets })
    }

    /// The same from descriptors that a guardian kept, if it has; they stay where they are if it fails.
    pub(super) fn adopt(spot: Spot, kept: &mut Vec<OwnedFd>) -> Result<Desk, Fail> {
        if kept.len() < 2 {
            return Desk::open(spot);
        }
        let held = spot.hold()?;
        let mut kept = std::mem::take(kept).into_iter();
        match (kept.next(), kept.next()) {
            (Some(lock), Some(control)) => {
                Ok(Desk { path: spot.path, held, lock, control, ok: kept.next(), sheets: Sheets::default() })
            }
            _ => Desk::open(spot),
        }
    }

    /// The same from descriptors that may be of other files, which others have in their place.
    pub(super) fn take(spot: Spot, kept: Vec<OwnedFd>) -> Result<Desk, Fail> {
        if kept.is_empty() {
            return Desk::open(spot);
        }
        let there = spot.directory.stat(OsStr::new("lock")).ok().map(|stat| (stat.st_dev, stat.st_ino));
        let held = kept.first().and_then(|lock| nix::sys::stat::fstat(lock).ok());
        let held = held.map(|stat| (stat.st_dev, stat.st_ino));
        Desk::adopt(spot, &mut if held == there { kept } else { Vec::new() })
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

    /// Publishes what a service shows, as far as it has changed.
    pub(super) fn publish(&mut self, face: &Face) -> Result<(), Errno> {
        if self.sheets.show(face) {
            return Ok(());
        }
        match &self.held {
            Some(directory) => self.sheets.publish(directory, face, false),
            None => {
                let directory = Directory::open(&self.path).map_err(|fail| fail.errno)?;
                self.sheets.publish(&directory, face, true)
            }
        }
    }
}

fn is_file(stat: &nix::sys::stat::FileStat) -> bool {
    resolve::kind(stat.st_mode) == nix::sys::stat::SFlag::S_IFREG
}

/// `ok` has a reader for as long as the supervisor lives. It can be a second name of `control`, which is
/// open for reading too; where a link can't be made it is a FIFO of its own.
fn open_ok(directory: &Directory) -> Result<Option<OwnedFd>, Fail> {
    let (control, ok) = (OsStr::new(CONTROL), OsStr::new(OK));
    if directory.link(control, ok).is_ok() || directory.are_one(control, ok) {
        return Ok(None);
    }
    let fd = directory.fifo(ok, control, 0o600)?;
    Ok(Some(lift(fd)?))
}

/// Finds or makes the directory for a service's files.
///
/// What is there is used: a directory as it is, a link that leads somewhere (Debian's runit packages ship
/// such links into `/run`), a dangling one after its target is made; but no link of another user's to what is not
/// his. Else a link into `house` (on tmpfs) is made, or, without a house, a directory.
pub(super) fn place(service: &Path, house: Option<&Path>) -> Result<Spot, Fail> {
    let (there, name) = (service.join(NAME), OsStr::new(NAME));
    match resolve::find(&there) {
        Ok(found) => return Spot::of(found, &there, house),
        Err(Errno::ENOENT) => {}
        Err(e) => return Err(resolve::fail("use", &there, e)),
    }
    let directory = Directory::open(service)?;
    if directory.stat(name).is_ok() {
        let made =
            resolve::make_directories(&there).map_err(|e| resolve::fail("make directory", &there, e))?;
        return Spot::of(made, &there, house);
    }
    let Some(house) = house else {
        directory.make_directory(name, 0o700).map_err(|e| Fail::at("make directory", &there, e))?;
        let found = resolve::find(&there).map_err(|e| resolve::fail("use", &there, e))?;
        return Spot::of(found, &there, house);
    };
    let spot = housed(house)?;
    directory.make_link(name, house).map_err(|e| Fail::at("make link", &there, e))?;
    Ok(spot)
}

/// A service's place in our own house.
pub(super) fn housed(house: &Path) -> Result<Spot, Fail> {
    let made = resolve::make_directories(house).map_err(|e| resolve::fail("make directory", house, e))?;
    Ok(Spot { directory: Directory::from_found(made, house)?, path: house.to_owned(), housed: true })
}

impl Spot {
    /// A handle on the directory, where another could put something else under its path.
    fn hold(&self) -> Result<Option<Directory>, Fail> {
        if self.housed { Ok(None) } else { self.directory.above_tray().map(Some) }
    }

    fn of(found: resolve::Found, there: &Path, house: Option<&Path>) -> Result<Spot, Fail> {
        let is_it = |house: &&Path| resolve::find(house).is_ok_and(|house| house.inode() == found.inode());
        if let Some(house) = house.filter(is_it) {
            return housed(house);
        }
        // its real path, which needs no link of others
        let path = found.path().unwrap_or_else(|_| there.to_owned());
        Ok(Spot { directory: Directory::from_found(found, &path)?, path, housed: false })
    }
}

/// Removes a service's place in our own house, and the link to it. The service's directory may be another by now:
/// nothing but a link to just that place is removed.
pub(super) fn remove(service: &Path, desk: &Desk, run: &Path) {
    if !desk.path.starts_with(run) {
        return;
    }
    let name = OsStr::new(NAME);
    if let Ok(directory) = Directory::open(service)
        && directory.read_link(name).is_ok_and(|target| Path::new(&target) == desk.path)
    {
        let _ = directory.remove(name);
    }
    let _ = std::fs::remove_dir_all(&desk.path);
}

/// Where a service's files are made below `run`, if it brings no place of its own.
pub(super) fn house(run: &Path, service: &[u8]) -> PathBuf {
    place::house(run, service)
}
