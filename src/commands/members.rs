//! Who is in a service's fold, as a reader finds out: from its group, or below its fold root.

use crate::record::Record;
use crate::table::Head;
use cgroup::mounts::{self, Hierarchy};
use std::cell::OnceCell;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use sys::process::Stat;

/// How deep sub-groups are followed.
const DEPTH: usize = 32;

/// A process of a fold.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// What the kernel says of it.
    pub(super) stat: Stat,
    /// It is not in the service's group, though it comes from it.
    pub(super) strayed: bool,
}

/// Finds members; one walk of `/proc` serves all services that need it.
#[derive(Default)]
pub(super) struct Members {
    walk: OnceCell<Vec<Stat>>,
}

impl Members {
    /// How many live processes are in the service's fold; `None` where that can't be told from here.
    pub(super) fn count(&self, head: &Head, record: &Record) -> Option<usize> {
        if record.root.is_some() {
            return Some(self.of(head, record).len());
        }
        match group(head, record) {
            Some(group) => Some(pids(&group).len()),
            None if record.leader.is_none() => Some(0),
            None => None,
        }
    }

    /// Everybody in the fold who is not yet dead, and the descendants that have left its group.
    pub(super) fn of(&self, head: &Head, record: &Record) -> Vec<Member> {
        let inside: Vec<i32> = group(head, record).map_or(Vec::new(), |group| pids(&group));
        let walk = self.walk.get_or_init(sys::process::all);
        let by_pid: HashMap<i32, &Stat> = walk.iter().map(|stat| (stat.pid, stat)).collect();
        let root = record.root.filter(|root| by_pid.get(&root.pid).is_some_and(|s| s.identity() == *root));
        let leader = record.leader.filter(|who| by_pid.get(&who.pid).is_some_and(|s| s.identity() == *who));
        let comes_from_it = |stat: &Stat| {
            ancestors(&by_pid, stat).any(|pid| {
                inside.contains(&pid)
                    || root.is_some_and(|r| r.pid == pid)
                    || leader.is_some_and(|l| l.pid == pid)
            })
        };
        let grouped = !head.house.is_empty();
        let living = walk.iter().filter(|stat| !stat.is_zombie() && root.is_none_or(|r| r.pid != stat.pid));
        let members = living.filter_map(|stat| {
            let here = inside.contains(&stat.pid);
            let is_leader = leader.is_some_and(|leader| leader.pid == stat.pid);
            let member = here || is_leader || comes_from_it(stat);
            member.then(|| Member { stat: stat.clone(), strayed: grouped && !here })
        });
        members.collect()
    }
}

/// The pids above a process, nearest first.
fn ancestors<'a>(by_pid: &'a HashMap<i32, &Stat>, stat: &Stat) -> impl Iterator<Item = i32> + 'a {
    let mut next = stat.parent;
    // a chain that was read while it changed could be a ring
    std::iter::from_fn(move || {
        let this = by_pid.get(&next)?;
        next = this.parent;
        Some(this.pid)
    })
    .take(1000)
}

/// The directory of a service's group, whether it is there or not; `None` without groups.
pub(super) fn group(head: &Head, record: &Record) -> Option<PathBuf> {
    if head.house.is_empty() {
        return None;
    }
    let mut name = cgroup::names::of_service(&record.name);
    if record.generation > 0 {
        name.push_str(&format!(".{}", record.generation));
    }
    Some(Path::new(OsStr::from_bytes(&head.house)).join(name))
}

/// People whom this supervisor has found in services and set aside.
pub(super) fn people(head: &Head) -> Vec<Stat> {
    if head.house.is_empty() {
        return Vec::new();
    }
    let group = Path::new(OsStr::from_bytes(&head.house)).join(cgroup::Group::people().name());
    pids(&group).into_iter().filter_map(Stat::read).filter(|stat| !stat.is_zombie()).collect()
}

/// The pids in a group and below it. One that is not there has none.
pub(super) fn pids(group: &Path) -> Vec<i32> {
    let mut found = Vec::new();
    collect(group, DEPTH, &mut found);
    found.sort_unstable();
    found.dedup();
    found
}

fn collect(group: &Path, depth: usize, found: &mut Vec<i32>) {
    let Ok(text) = std::fs::read_to_string(group.join("cgroup.procs")) else { return };
    // a process of a pid namespace that can't be seen from here is 0
    found.extend(text.lines().filter_map(|line| line.parse().ok()).filter(|&pid: &i32| pid > 0));
    // on a cgroup file system a directory has a link for each sub-group
    if depth == 0 || std::fs::metadata(group).is_ok_and(|meta| meta.nlink() == 2) {
        return;
    }
    for entry in std::fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), depth - 1, found);
        }
    }
}

/// How much memory the group uses, in bytes, where the kernel counts it: a memory controller is enabled.
pub(super) fn memory(group: &Path) -> Option<u64> {
    std::fs::read_to_string(group.join("memory.current")).ok()?.trim().parse().ok()
}

/// A leader that has ended, which nobody has been told: somebody traces it, or its parent does not reap it.
pub(super) fn unreaped(record: &Record) -> Option<Member> {
    let leader = record.leader?;
    let stat = Stat::read(leader.pid).filter(|stat| stat.identity() == leader && stat.is_zombie())?;
    Some(Member { stat, strayed: false })
}

/// Who keeps a zombie: see ptrace(2), a tracer is told of its end before its parent is.
fn unreaped_by(stat: &Stat) -> String {
    let status = std::fs::read_to_string(format!("/proc/{}/status", stat.pid)).unwrap_or_default();
    let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:")?.trim().parse().ok());
    let (pid, does) = match tracer {
        Some(0) | None => (stat.parent, "has not reaped it"),
        Some(tracer) => (tracer, "traces it and does not let it go"),
    };
    let command = Stat::read(pid).map_or(String::new(), |stat| super::terminal::clean(&stat.command).into());
    format!("{pid} {command} {does}")
}

/// The cgroup in which a process is held: in the freezer of v1, from which nothing but a thaw lets it go, or frozen in
/// v2, where a kill reaches it. One that slept when it was frozen by v1 still shows what it slept in.
fn frozen_in(pid: i32, waiting: &str) -> Option<String> {
    let groups = std::fs::read(format!("/proc/{pid}/cgroup")).ok()?;
    let freezer = Hierarchy::V1("freezer".to_owned());
    let group = match waiting {
        "__refrigerator" => mounts::position(&groups, &freezer)?,
        "do_freezer_trap" => mounts::position(&groups, &Hierarchy::V2)?,
        _ => mounts::position(&groups, &freezer).filter(|group| is_frozen(group, &freezer))?,
    };
    Some(super::terminal::clean(&group.to_string_lossy()).into())
}

/// Whether this group of v1's freezer is frozen, or about to be.
fn is_frozen(group: &Path, freezer: &Hierarchy) -> bool {
    let text = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    let mounts = mounts::parse(&text);
    let places = mounts.iter().filter(|mount| mount.hierarchy == *freezer);
    let mut states = places.filter_map(|mount| {
        let state = std::fs::read_to_string(mount.directory(group)?.join("freezer.state"));
        state.ok()
    });
    states.any(|state| state.trim() != "THAWED")
}

/// A line for somebody who should be gone: `123 mysqld (state S)`, and what holds up the one that can't be
/// ended.
pub(super) fn left_over(member: &Member) -> String {
    let stat = &member.stat;
    let waiting = std::fs::read_to_string(format!("/proc/{}/wchan", stat.pid)).unwrap_or_default();
    let frozen = frozen_in(stat.pid, &waiting);
    let state = match (stat.state, frozen) {
        (b'Z', _) => format!("state Z: it has ended, but {}", unreaped_by(stat)),
        (b'D', Some(group)) => {
            format!("state D: frozen in cgroup {group}, nothing can end it before it is thawed")
        }
        (state, Some(group)) => format!("state {}: frozen in cgroup {group}", char::from(state)),
        (b'D', None) if !waiting.is_empty() && waiting != "0" => {
            format!("state D: nothing can end it before it returns from {waiting}")
        }
        (state, None) => format!("state {}", char::from(state)),
    };
    let stray = if member.strayed { ", stray" } else { "" };
    format!("{} {} ({state}{stray})", stat.pid, super::terminal::clean(&stat.command))
}
