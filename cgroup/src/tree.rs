//! A group with all its sub-groups. A service may make as many as it likes, as deep as it likes; these
//! walks hold one descriptor, climb by `..`, and give up after [`MOST`] groups.

use crate::at;
use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

/// The most groups one walk visits: some tens of milliseconds.
const MOST: usize = 10_000;

/// Calls `visit` for the group `name` and everything below it, the upper first.
/// `EAGAIN` if there were too many, `ENOENT` if there is no such group.
pub(crate) fn each(parent: &impl AsFd, name: &str, mut visit: impl FnMut(&OwnedFd)) -> Result<(), Errno> {
    let mut here = at::directory(parent, name)?;
    let mut pending: Vec<Vec<CString>> = Vec::new();
    for _ in 0..MOST {
        visit(&here);
        pending.push(children(&here));
        loop {
            let Some(names) = pending.last_mut() else { return Ok(()) };
            match names.pop() {
                Some(name) => match at::directory(&here, name.as_c_str()) {
                    Ok(child) => {
                        here = child;
                        break;
                    }
                    Err(Errno::ENOENT) => {}
                    Err(e) => return Err(e),
                },
                None => {
                    pending.pop();
                    if pending.is_empty() {
                        return Ok(());
                    }
                    here = at::directory(&here, "..")?;
                }
            }
        }
    }
    Err(Errno::EAGAIN)
}

/// Removes the group `name` and everything below it, the lower first. Stops at the first that can't be
/// removed; nothing is forced. `EBUSY` if it has members, `EAGAIN` if there is more to do.
pub(crate) fn remove(parent: &impl AsFd, name: &str) -> Result<(), Errno> {
    match at::remove(parent, name) {
        Err(Errno::EBUSY) => {}
        result => return result,
    }
    let mut here = at::directory(parent, name)?;
    // `pending[0]` are the top's; `path` are the names between the top and `here`
    let mut path: Vec<CString> = Vec::new();
    let mut pending = vec![children(&here)];
    for _ in 0..MOST {
        let Some(names) = pending.last_mut() else { return Ok(()) };
        match names.pop() {
            Some(name) => match at::remove(&here, name.as_c_str()) {
                Ok(()) => {}
                Err(Errno::EBUSY) => {
                    let child = at::directory(&here, name.as_c_str())?;
                    let below = children(&child);
                    if below.is_empty() {
                        return Err(Errno::EBUSY);
                    }
                    here = child;
                    path.push(name);
                    pending.push(below);
                }
                Err(e) => return Err(e),
            },
            None => {
                pending.pop();
                let Some(name) = path.pop() else { return at::remove(parent, name) };
                here = at::directory(&here, "..")?;
                at::remove(&here, name.as_c_str())?;
            }
        }
    }
    Err(Errno::EAGAIN)
}

/// The names of a group's sub-groups.
pub(crate) fn children(group: &OwnedFd) -> Vec<CString> {
    if !at::has_children(group) {
        return Vec::new();
    }
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let Ok(mut dir) = Dir::openat(group, ".", flags, Mode::empty()) else { return Vec::new() };
    let entries = dir.iter().flatten().filter(|entry| entry.file_type() == Some(Type::Directory));
    entries.map(|entry| entry.file_name().to_owned()).filter(|name| name != c"." && name != c"..").collect()
}
