//! The house: the one group below which all of this supervisor's groups are.

use crate::claim::{self, Claimed, Origin};
use crate::mounts::{self, Hierarchy, Mount};
use crate::rung::Rung;
use crate::{at, tree};
use nix::errno::Errno;
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use sys::Fail;

/// The supervisor's own group in the house.
pub(crate) const SEAT: &str = "supervisor";
/// How many generations of a name are tried.
pub(crate) const GENERATIONS: u16 = 100;

/// A group of our own making below the one we were started in, with a group per service in it.
pub struct House {
    directory: OwnedFd,
    path: PathBuf,
    /// As `/proc/PID/cgroup` shows it.
    position: PathBuf,
    hierarchy: Hierarchy,
    name: String,
    seat: String,
    origin: Origin,
    pub(crate) rung: Rung,
    pub(crate) born_inside: bool,
    pub(crate) freezer: bool,
}

impl House {
    /// Makes the house `pinfold.<name>` below the present group of this process, in the hierarchy mounted
    /// there, and moves this process into a fresh group in it.
    ///
    /// If somebody lives in the `earlier` one, it is that; else whether it is a new one, or an earlier supervisor's, is
    /// decided by [`claim`].
    pub(crate) fn enter(mount: &Mount, name: &str, earlier: Option<&Path>) -> Result<House, Fail> {
        let wanted = format!("pinfold.{name}");
        let open =
            |base: &Path| at::directory(&nix::fcntl::AT_FDCWD, base).map_err(|e| Fail::at("open", base, e));
        let (parent, base, position, claimed) = match earlier.and_then(|house| place(mount, house)) {
            Some((base, position, name)) => {
                (open(&base)?, base, position, Claimed { name, origin: Origin::Adopted })
            }
            None => {
                let (base, position) = base(mount, &wanted)?;
                let parent = open(&base)?;
                let claimed = claim::claim(&parent, &base, &wanted)?;
                (parent, base, position, claimed)
            }
        };
        let Claimed { name, origin } = claimed;
        let path = base.join(&name);
        let directory = at::directory(&parent, name.as_str()).map_err(|e| Fail::at("open", &path, e))?;
        let mut house = House {
            directory,
            position: position.join(&name),
            path,
            freezer: mount.hierarchy.has_freezer(),
            hierarchy: mount.hierarchy.clone(),
            name,
            seat: String::new(),
            origin,
            rung: Rung::List,
            born_inside: false,
        };
        match house.sit() {
            Ok(()) => Ok(house),
            Err(fail) => {
                // undo what was made; an adopted house is busy and stays
                let _ = house.clear();
                Err(fail)
            }
        }
    }

    /// Moves this process into a fresh group: a `cgroup.kill` of the group it sat in, ever, would kill at
    /// birth every child that it has born into another group (seen on Linux 6.1 to 6.18).
    fn sit(&mut self) -> Result<(), Fail> {
        let fail = |house: &House, doing, what: &str, e| Fail::at(doing, &house.path.join(what), e);
        for generation in 0..GENERATIONS {
            let seat = generation_name(SEAT, generation);
            let made = match at::make(&self.directory, seat.as_str()) {
                // an earlier supervisor's; or our own, if this program has replaced itself
                Err(Errno::EEXIST) if tree::remove(&self.directory, &seat).is_ok() => {
                    at::make(&self.directory, seat.as_str())
                }
                result => result,
            };
            match made {
                Ok(()) => {}
                Err(Errno::EEXIST) => continue,
                Err(e) => return Err(fail(self, "make cgroup", &seat, e)),
            }
            let procs = format!("{seat}/cgroup.procs");
            at::write(&self.directory, procs.as_str(), b"0").map_err(|e| fail(self, "write", &procs, e))?;
            self.seat = seat;
            return self.look();
        }
        Err(fail(self, "make cgroup", SEAT, Errno::EEXIST))
    }

    /// Are we where we believe to be? A mount over the mount would deceive us.
    fn look(&self) -> Result<(), Fail> {
        let mine = own_position(&self.hierarchy)?;
        if mine == self.position.join(&self.seat) {
            return Ok(());
        }
        Err(Fail::at("enter cgroup", &self.path.join(&self.seat), Errno::ESTALE))
    }

    /// Where it is in the file system.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where it is as `/proc/PID/cgroup` shows it.
    pub fn position(&self) -> &Path {
        &self.position
    }

    /// The hierarchy it is in.
    pub fn hierarchy(&self) -> &Hierarchy {
        &self.hierarchy
    }

    /// How its groups are killed: never [`Rung::Subtree`].
    pub fn rung(&self) -> Rung {
        self.rung
    }

    /// Whether a process can be born inside a group; else it enters by writing `cgroup.procs`.
    pub fn born_inside(&self) -> bool {
        self.born_inside
    }

    /// Whether its groups can be frozen.
    pub fn can_freeze(&self) -> bool {
        self.freezer
    }

    /// Whether it was there, with an earlier supervisor's services in it.
    pub fn is_adopted(&self) -> bool {
        self.origin == Origin::Adopted
    }

    /// Another supervisor that lives in a house of this name, in the same file system as we do.
    pub fn neighbour(&self) -> Option<i32> {
        if let Origin::Beside(pid) = self.origin { Some(pid) } else { None }
    }

    /// Whether `position` (of a process in this hierarchy) is in the group `group` of this house.
    pub fn holds(&self, group: &str, position: &Path) -> bool {
        position.strip_prefix(&self.position).is_ok_and(|below| below.starts_with(group))
    }

    /// Where a process is in this hierarchy; `None` if it is gone.
    pub fn position_of(&self, pid: i32) -> Option<PathBuf> {
        position_of(pid, &self.hierarchy)
    }

    /// The group of this house that a process is in, itself or below; `None` if it is not in the house, or gone.
    pub fn group_of(&self, pid: i32) -> Option<String> {
        let position = self.position_of(pid)?;
        let below = position.strip_prefix(&self.position).ok()?;
        Some(below.iter().next()?.to_str()?.to_owned())
    }

    /// The names of all groups in the house but the supervisor's own, in no order.
    pub fn groups(&self) -> Vec<String> {
        let names = tree::children(&self.directory).into_iter();
        names.filter_map(|name| name.into_string().ok()).filter(|name| *name != self.seat).collect()
    }

    /// The groups of services that have living members, in no order.
    pub fn inhabited(&self) -> Vec<String> {
        let people = crate::Group::people();
        let mut groups = self.groups();
        groups.retain(|group| {
            !is_generation_of(OsStr::new(group), SEAT)
                && group != people.name()
                && populated(&self.directory, &self.hierarchy, group) == Ok(true)
        });
        groups
    }

    /// Removes every group in the house that has no members, the supervisor's old seats included.
    /// Returns the names of those that stay.
    pub fn tidy(&self) -> Vec<String> {
        let mut groups = self.groups();
        groups.retain(|group| {
            populated(&self.directory, &self.hierarchy, group) != Ok(false)
                || tree::remove(&self.directory, group).is_err()
        });
        groups
    }

    /// Takes this process back to the group it came from, and removes the house, if nobody lives in it.
    /// `EBUSY` with the name of a group that is not empty.
    pub fn leave(self) -> Result<(), Fail> {
        let procs = self.path.with_file_name("cgroup.procs");
        at::write(&self.directory, "../cgroup.procs", b"0").map_err(|e| Fail::at("write", &procs, e))?;
        self.clear()
    }

    fn clear(&self) -> Result<(), Fail> {
        if let Some(group) = self.tidy().first() {
            return Err(Fail::at("remove cgroup", &self.path.join(group), Errno::EBUSY));
        }
        let fail = |e| Fail::at("remove cgroup", &self.path, e);
        let parent = at::directory(&self.directory, "..").map_err(fail)?;
        tree::remove(&parent, &self.name).map_err(fail)
    }
}

impl AsFd for House {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

/// Removes what is left of the house at `path` when nobody lives in it: for the process that is left when
/// the supervisor is gone. One that is not there counts as removed.
pub fn clear(path: &Path) -> Result<(), Fail> {
    let fail = |e| Fail::at("remove cgroup", path, e);
    let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(OsStr::to_str)) else {
        return Err(fail(Errno::EINVAL));
    };
    let parent = match at::directory(&nix::fcntl::AT_FDCWD, parent) {
        Err(Errno::ENOENT) => return Ok(()),
        result => result.map_err(fail)?,
    };
    tree::remove(&parent, name).map_err(fail)
}

/// Whether somebody lives in the house that would be entered in this mount.
pub(crate) fn is_lived_in(mount: &Mount, name: &str, earlier: Option<&Path>) -> bool {
    let wanted = format!("pinfold.{name}");
    let here = || {
        let (base, _) = base(mount, &wanted).ok()?;
        claim::latest(&at::directory(&nix::fcntl::AT_FDCWD, &base).ok()?, &wanted)
    };
    earlier.is_some_and(|house| is_at(mount, house)) || here().is_some()
}

/// Whether this house is in this mount, and somebody lives in it.
pub(crate) fn is_at(mount: &Mount, house: &Path) -> bool {
    place(mount, house).is_some()
}

/// Where the house at this path is, if somebody lives in it: the directory and the position of the group above it, and
/// its name.
fn place(mount: &Mount, house: &Path) -> Option<(PathBuf, PathBuf, String)> {
    let name = house.file_name()?.to_str()?;
    let base = house.parent()?;
    let position = mount.group(base)?;
    let parent = at::directory(&nix::fcntl::AT_FDCWD, base).ok()?;
    claim::is_alive(&parent, name).then(|| (base.to_owned(), position, name.to_owned()))
}

/// Whether somebody lives in the house at this path, as [`House::path`] told it.
pub fn is_alive(house: &Path) -> bool {
    let (Some(base), Some(name)) = (house.parent(), house.file_name().and_then(OsStr::to_str)) else {
        return false;
    };
    at::directory(&nix::fcntl::AT_FDCWD, base).is_ok_and(|parent| claim::is_alive(&parent, name))
}

/// The group we were started in, as (directory, position). After the program has replaced itself it sits in
/// its old house; then it is the group above that.
fn base(mount: &Mount, wanted: &str) -> Result<(PathBuf, PathBuf), Fail> {
    let mut position = own_position(&mount.hierarchy)?;
    let names: Vec<&OsStr> = position.iter().rev().take(2).collect();
    if let [seat, house] = names[..]
        && is_generation_of(seat, SEAT)
        && is_generation_of(house, wanted)
    {
        position.pop();
        position.pop();
    }
    match mount.directory(&position) {
        Some(directory) => Ok((directory, position)),
        // mounted, but another part of the tree than ours
        None => Err(Fail::at("find our own cgroup in", &mount.point, Errno::ENOENT)),
    }
}

/// `name`, `name.1`, `name.2` …
pub(crate) fn generation_name(name: &str, generation: u16) -> String {
    if generation == 0 { name.to_owned() } else { format!("{name}.{generation}") }
}

pub(crate) fn is_generation_of(name: &OsStr, of: &str) -> bool {
    match name.as_bytes().strip_prefix(of.as_bytes()) {
        Some([b'.', digits @ ..]) => !digits.is_empty() && digits.iter().all(u8::is_ascii_digit),
        Some(rest) => rest.is_empty(),
        None => false,
    }
}

/// Whether a group has a living process in it or below. Zombies do not count.
pub(crate) fn populated(parent: &impl AsFd, hierarchy: &Hierarchy, group: &str) -> Result<bool, Errno> {
    if *hierarchy == Hierarchy::V2 {
        return at::flag(parent, &format!("{group}/cgroup.events"), "populated");
    }
    let mut any = false;
    tree::each(parent, group, |group| {
        // nobody is in a group that is gone by now
        let _ = at::read(group, "cgroup.procs", |text| any |= !text.is_empty());
    })?;
    Ok(any)
}

pub(crate) fn position_of(pid: i32, hierarchy: &Hierarchy) -> Option<PathBuf> {
    let mut text = Vec::new();
    let path = format!("/proc/{pid}/cgroup");
    at::read(&nix::fcntl::AT_FDCWD, path.as_str(), |piece| text.extend_from_slice(piece)).ok()?;
    mounts::position(&text, hierarchy)
}

fn own_position(hierarchy: &Hierarchy) -> Result<PathBuf, Fail> {
    let me = nix::unistd::getpid().as_raw();
    position_of(me, hierarchy)
        .ok_or_else(|| Fail::at("find our own cgroup in", Path::new("/proc/self/cgroup"), Errno::ENOENT))
}
