//! Which house a supervisor gets: a new one, or that of an earlier supervisor whose services live on in it.
//!
//! Services must never be started a second time because nobody told of the first. So a house in which somebody
//! lives and no supervisor sits is always taken over, also when nothing else is known of it (its table was lost).

use crate::house::{GENERATIONS, SEAT, generation_name, is_generation_of, populated};
use crate::mounts::Hierarchy;
use crate::{at, kill, tree};
use nix::errno::Errno;
use nix::sys::stat::stat;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use sys::Fail;

/// A house, and how we came by it.
pub(crate) struct Claimed {
    pub(crate) name: String,
    pub(crate) origin: Origin,
}

/// Where a house comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Made just now.
    New,
    /// An earlier supervisor's, with somebody in it.
    Adopted,
    /// Made just now beside one in which this process sits, who sees the same files as we do.
    Beside(i32),
}

/// Finds or makes the house `wanted` in `parent`, which is at `base`.
///
/// One without living members is replaced. The newest with living members is taken over if nobody sits in its
/// supervisor's place and somebody in it has the same root directory as we: there are containers that share a cgroup,
/// and what lives in another's house is nothing to us. Any other is left alone: the new one then is called `wanted.1`,
/// and so on.
pub(crate) fn claim(parent: &OwnedFd, base: &Path, wanted: &str) -> Result<Claimed, Fail> {
    let mut origin = Origin::New;
    if let Some(name) = latest(parent, wanted) {
        let life = Life::of(parent, &name);
        if life.is_abandoned() {
            return Ok(Claimed { name, origin: Origin::Adopted });
        }
        origin = life.neighbour().map_or(Origin::New, Origin::Beside);
    }
    for name in names(wanted) {
        let made = match at::make(parent, name.as_str()) {
            Err(Errno::EEXIST) if !is_alive(parent, &name) && tree::remove(parent, &name).is_ok() => {
                at::make(parent, name.as_str())
            }
            result => result,
        };
        match made {
            Ok(()) if at::exists(parent, format!("{name}/cgroup.procs").as_str()) => {
                return Ok(Claimed { name, origin });
            }
            Ok(()) => {
                // a directory of some other file system, mounted over this one
                let _ = at::remove(parent, name.as_str());
                return Err(Fail::at("make cgroup", &base.join(&name), Errno::ENOTSUP));
            }
            Err(Errno::EEXIST) => {}
            Err(e) => return Err(Fail::at("make cgroup", &base.join(&name), e)),
        }
    }
    Err(Fail::at("make cgroup", &base.join(wanted), Errno::EEXIST))
}

/// The house of this name that the last supervisor used: the newest in which somebody lives.
pub(crate) fn latest(parent: &OwnedFd, wanted: &str) -> Option<String> {
    names(wanted).rev().find(|name| is_alive(parent, name))
}

fn names(wanted: &str) -> impl DoubleEndedIterator<Item = String> {
    (0..GENERATIONS).map(move |generation| generation_name(wanted, generation))
}

pub(crate) fn is_alive(parent: &OwnedFd, name: &str) -> bool {
    let is_v2 = at::exists(parent, format!("{name}/cgroup.events").as_str());
    let kind = if is_v2 { Hierarchy::V2 } else { Hierarchy::V1(String::new()) };
    populated(parent, &kind, name) == Ok(true)
}

/// Who lives in a house, by pid.
struct Life {
    /// In a supervisor's place.
    sitting: Vec<i32>,
    /// Anywhere else.
    others: Vec<i32>,
}

impl Life {
    fn of(parent: &OwnedFd, name: &str) -> Life {
        let mut life = Life { sitting: Vec::new(), others: Vec::new() };
        let Ok(house) = at::directory(parent, name) else { return life };
        for group in tree::children(&house) {
            let Ok(group) = group.into_string() else { continue };
            let is_seat = is_generation_of(OsStr::from_bytes(group.as_bytes()), SEAT);
            let into = if is_seat { &mut life.sitting } else { &mut life.others };
            into.extend(kill::members(&house, &group).unwrap_or_default());
        }
        // after it has replaced itself, a program finds itself in its old seat
        let me = nix::unistd::getpid().as_raw();
        life.sitting.retain(|&pid| pid != me);
        life
    }

    fn is_abandoned(&self) -> bool {
        self.sitting.is_empty() && self.others.iter().any(|&pid| has_our_root(pid))
    }

    fn neighbour(&self) -> Option<i32> {
        self.sitting.iter().copied().find(|&pid| has_our_root(pid))
    }
}

/// Whether a process sees the same files as we do: none does that we may not look at, or that has ended.
fn has_our_root(pid: i32) -> bool {
    let root = |pid: &str| stat(format!("/proc/{pid}/root/").as_str()).map(|stat| (stat.st_dev, stat.st_ino));
    root(&pid.to_string()).is_ok_and(|theirs| root("self") == Ok(theirs))
}
