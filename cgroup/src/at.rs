//! Small files of cgroupfs, by name below a directory descriptor.

use nix::NixPath;
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, fstat, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::os::fd::{AsFd, OwnedFd};

/// A group that is removed while one of its files is open gives ENODEV; to us that is the same as gone.
fn gone(errno: Errno) -> Errno {
    if errno == Errno::ENODEV { Errno::ENOENT } else { errno }
}

/// The directory `name`, for use as the base of other calls.
pub(crate) fn directory<N: NixPath + ?Sized>(parent: &impl AsFd, name: &N) -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
    openat(parent, name, flags, Mode::empty()).map_err(gone)
}

/// Calls `take` with the pieces of a file.
pub(crate) fn read<N: NixPath + ?Sized>(
    parent: &impl AsFd,
    name: &N,
    mut take: impl FnMut(&[u8]),
) -> Result<(), Errno> {
    let fd = openat(parent, name, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()).map_err(gone)?;
    let mut buffer = [0; 4096];
    loop {
        match nix::unistd::read(&fd, &mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => take(&buffer[..length]),
            Err(Errno::EINTR) => {}
            Err(e) => return Err(gone(e)),
        }
    }
}

/// Writes a file in one call, as cgroupfs wants it.
pub(crate) fn write<N: NixPath + ?Sized>(parent: &impl AsFd, name: &N, data: &[u8]) -> Result<(), Errno> {
    let fd = openat(parent, name, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty()).map_err(gone)?;
    loop {
        match nix::unistd::write(&fd, data) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(e) => return Err(gone(e)),
        }
    }
}

/// The value of `key` in a flat-keyed file like `cgroup.events`: whether it is 1.
pub(crate) fn flag(parent: &impl AsFd, file: &str, key: &str) -> Result<bool, Errno> {
    let mut set = false;
    // the file is a few short lines: one piece
    read(parent, file, |text| {
        set |= text
            .split(|&b| b == b'\n')
            .any(|line| line.strip_prefix(key.as_bytes()).is_some_and(|value| value == b" 1"));
    })?;
    Ok(set)
}

/// Makes a group.
pub(crate) fn make<N: NixPath + ?Sized>(parent: &impl AsFd, name: &N) -> Result<(), Errno> {
    mkdirat(parent, name, Mode::from_bits_truncate(0o755))
}

/// Removes a group that has neither members nor sub-groups; one that is not there counts as removed.
pub(crate) fn remove<N: NixPath + ?Sized>(parent: &impl AsFd, name: &N) -> Result<(), Errno> {
    match unlinkat(parent, name, UnlinkatFlags::RemoveDir).map_err(gone) {
        Err(Errno::ENOENT) => Ok(()),
        result => result,
    }
}

/// Whether a directory has sub-directories, told by its link count: cgroupfs counts them there.
pub(crate) fn has_children(directory: &impl AsFd) -> bool {
    fstat(directory).is_ok_and(|stat| stat.st_nlink > 2)
}

/// Whether there is such a file.
pub(crate) fn exists(parent: &impl AsFd, name: &str) -> bool {
    nix::sys::stat::fstatat(parent, name, nix::fcntl::AtFlags::empty()).is_ok()
}
