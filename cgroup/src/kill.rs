//! The ways of ending all of a group's processes. Each call is one bounded pass.

use crate::house::House;
use crate::mounts::Hierarchy;
use crate::rung::Rung;
use crate::{at, tree};
use nix::errno::Errno;
use nix::sys::signal::Signal;
use std::collections::HashSet;
use std::os::fd::AsFd;
use sys::process::Pidfd;

/// How often a pass lists a group again to find what was forked meanwhile.
const ROUNDS: usize = 8;
/// How many passes wait for a group to freeze before they strike anyway: a process in uninterruptible
/// sleep keeps a v1 group from ever being frozen.
const PATIENCE: u8 = 5;
/// How many processes are held by pidfd at a time.
const HANDFUL: usize = 1024;
/// How many descriptors it takes to list a group's members.
const LISTING: usize = 4;

/// What one pass of a kill did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pass {
    /// How many processes were sent SIGKILL one by one; `cgroup.kill` has hit them and others before.
    pub sent: usize,
    /// A process that may not be signalled, and why.
    pub refused: Option<(i32, Errno)>,
    /// Whether nothing can have been missed. If not, call again, at once or a little later. Members that
    /// were hit may live on for a moment in either case: look at `populated`, or wait for their pidfds.
    pub complete: bool,
}

impl Pass {
    /// Notes the result of a signal. The dead are no failure.
    pub(crate) fn note(&mut self, pid: i32, result: Result<(), Errno>) {
        match result {
            Ok(()) => self.sent += 1,
            Err(Errno::ESRCH) => {}
            Err(e) => self.refused = Some((pid, e)),
        }
    }
}

/// The pids in a group and below, each once, in ascending order. Those of a pid namespace that can't be seen
/// from here, which the kernel shows as 0, are left out. A group that is gone has none.
pub(crate) fn members(house: &impl AsFd, group: &str) -> Result<Vec<i32>, Errno> {
    let mut pids = Vec::new();
    let walk = tree::each(house, group, |group| {
        let mut pid = 0;
        // a threaded sub-group does not say (EOPNOTSUPP), but its processes are among those of the group it
        // was made in
        let _ = at::read(group, "cgroup.procs", |text| {
            for &byte in text {
                match byte {
                    b'0'..=b'9' => pid = pid * 10 + i32::from(byte - b'0'),
                    _ => pids.push(std::mem::take(&mut pid)),
                }
            }
        });
    });
    match walk {
        Ok(()) | Err(Errno::ENOENT) => {}
        Err(e) => return Err(e),
    }
    pids.sort_unstable();
    pids.dedup();
    if pids.first() == Some(&0) {
        pids.remove(0);
    }
    Ok(pids)
}

/// Freezes or thaws a group with all below it; true when that has already come to pass.
/// `EOPNOTSUPP` where groups can't be frozen.
pub(crate) fn freeze(house: &House, group: &str, on: bool) -> Result<bool, Errno> {
    match house.hierarchy() {
        Hierarchy::V2 => {
            at::write(house, format!("{group}/cgroup.freeze").as_str(), if on { b"1" } else { b"0" })?;
            Ok(at::flag(house, &format!("{group}/cgroup.events"), "frozen")? == on)
        }
        Hierarchy::V1(_) if house.freezer => {
            if on {
                at::write(house, format!("{group}/freezer.state").as_str(), b"FROZEN")?;
            } else {
                // a sub-group may have been frozen by itself
                tree::each(house, group, |group| {
                    let _ = at::write(group, "freezer.state", b"THAWED");
                })?;
            }
            let mut reached = false;
            let wanted: &[u8] = if on { b"FROZEN" } else { b"THAWED" };
            at::read(house, format!("{group}/freezer.state").as_str(), |text| {
                reached |= text.starts_with(wanted);
            })?;
            Ok(reached)
        }
        Hierarchy::V1(_) => Err(Errno::EOPNOTSUPP),
    }
}

/// One pass of the rung's way. `waited` counts the passes that found the group not frozen yet.
pub(crate) fn pass(house: &House, group: &str, waited: &mut u8) -> Result<Pass, Errno> {
    let killed =
        house.rung == Rung::Kill && at::write(house, format!("{group}/cgroup.kill").as_str(), b"1").is_ok();
    if !killed && house.freezer && house.rung != Rung::List {
        return frozen_pass(house, group, waited);
    }
    // Also after a kill by the kernel: it signals a process by its first thread, and to one whose first thread has
    // ended while others go on, that does nothing (seen on Linux 6.1 to 6.18).
    let mut pass = Pass::default();
    let mut hit = HashSet::new();
    for _ in 0..ROUNDS {
        if !strike(house, group, &mut hit, &mut pass)? {
            pass.complete = true;
            break;
        }
    }
    Ok(pass)
}

fn frozen_pass(house: &House, group: &str, waited: &mut u8) -> Result<Pass, Errno> {
    let frozen = match freeze(house, group, true) {
        Err(Errno::ENOENT) => return Ok(Pass { complete: true, ..Pass::default() }),
        result => result?,
    };
    let mut pass = Pass::default();
    let news = strike(house, group, &mut HashSet::new(), &mut pass)?;
    if !frozen && *waited < PATIENCE {
        *waited += 1;
        return Ok(pass);
    }
    *waited = 0;
    // v1 lets the killed die only now; in v2 what refused the signal must not stay frozen
    match freeze(house, group, false) {
        Ok(_) | Err(Errno::ENOENT) => {}
        Err(e) => return Err(e),
    }
    pass.complete = frozen || !news;
    Ok(pass)
}

/// Kills every member that is not in `hit`, and notes it there. Returns whether there were any.
fn strike(house: &House, group: &str, hit: &mut HashSet<i32>, pass: &mut Pass) -> Result<bool, Errno> {
    let mut listed = members(house, group)?;
    listed.retain(|pid| !hit.contains(pid));
    hold(house, group, &listed, |pid, handle| {
        pass.note(pid, handle.and_then(|handle| handle.signal(Signal::SIGKILL)));
        hit.insert(pid);
    })?;
    Ok(!listed.is_empty())
}

/// Calls `each` for those of `listed` who are (still) members, in turn, with a handle or why there is none.
///
/// A pid that was read, is opened, and is read again in the list after that is the pidfd's, or its process is dead; so
/// no stranger can be hit through these whatever pids are used again.
pub(crate) fn hold(
    house: &impl AsFd,
    group: &str,
    listed: &[i32],
    mut each: impl FnMut(i32, Result<&Pidfd, Errno>),
) -> Result<(), Errno> {
    let mut next = 0;
    while next < listed.len() {
        let mut end = listed.len().min(next + HANDFUL);
        let mut handles: Vec<(usize, Pidfd)> = Vec::with_capacity(end - next);
        for (at, &pid) in listed.iter().enumerate().take(end).skip(next) {
            match Pidfd::open(pid) {
                Ok(handle) => handles.push((at, handle)),
                Err(Errno::EMFILE | Errno::ENFILE) if handles.len() > LISTING => {
                    // those we have first
                    handles.truncate(handles.len() - LISTING);
                    end = handles.last().map_or(end, |(last, _)| last + 1);
                    break;
                }
                Err(e) => each(pid, Err(e)),
            }
        }
        let still = members(house, group)?;
        for (at, handle) in handles {
            let pid = listed[at];
            if still.binary_search(&pid).is_ok() {
                each(pid, Ok(&handle));
            }
        }
        next = end;
    }
    Ok(())
}
