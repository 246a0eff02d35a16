//! One service's group.

use crate::house::{self, House, generation_name};
use crate::kill::{self, Pass};
use crate::names;
use crate::probe::c_path;
use crate::rung::Rung;
use crate::{at, tree};
use nix::errno::Errno;
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;
use sys::Fail;
use sys::process::Pidfd;
use sys::spawn::Place;

/// The group for people.
const PEOPLE: &str = "people";
/// How often a name is tried again with another generation.
const GENERATIONS: u16 = 1000;

/// A group for the processes of one service: its name and what has happened to it. Holds no descriptor.
#[derive(Clone, Debug)]
pub struct Group {
    /// The directory in the house, generation included.
    name: Box<str>,
    /// How much of the name is not the generation.
    stem: u16,
    /// Whether the directory exists, as far as we know.
    made: bool,
    /// Whether it has been killed, or may have been: on Linux 6.1 to 6.18 whatever is born
    /// into such a group is killed at birth.
    spent: bool,
    /// Passes of a kill that found it not frozen yet.
    waited: u8,
}

/// The way into a group, for one start.
pub enum Entry {
    /// To be born inside.
    Into(OwnedFd),
    /// To write itself into this file.
    Writes(CString),
}

impl Entry {
    /// The same, as the spawner wants it.
    pub fn place(&self) -> Place<'_> {
        match self {
            Entry::Into(group) => Place::Into(group.as_fd()),
            Entry::Writes(procs) => Place::Writes(procs.clone()),
        }
    }
}

impl Group {
    /// The group of a service, by the service's name (`squid`, `squid/log`). Makes nothing yet.
    pub fn new(service: &[u8]) -> Group {
        Group::of(names::of_service(service))
    }

    /// The one group for all people found in services: see [`crate::strays`]. It looks like no service's. Made when it
    /// is missing, it is never made anew: people are moved in, not born in.
    pub fn people() -> Group {
        Group::of(PEOPLE.to_owned())
    }

    fn of(name: String) -> Group {
        let stem = name.len() as u16;
        Group { name: name.into(), stem, made: false, spent: false, waited: 0 }
    }

    /// The group of a service as an earlier supervisor left it: the newest with a living member, if any.
    pub fn find(house: &House, service: &[u8]) -> Option<Group> {
        /// The lowest free generation is taken, so there are gaps only where one was removed since.
        const GAP: usize = 4;
        let group = Group::new(service);
        let mut newest = None;
        let mut missing = 0;
        for name in (0..GENERATIONS).map(|generation| generation_name(&group.name, generation)) {
            match house::populated(house, house.hierarchy(), &name) {
                Ok(true) => newest = Some(name),
                Err(Errno::ENOENT) if missing == GAP => break,
                Err(Errno::ENOENT) => missing += 1,
                _ => missing = 0,
            }
        }
        // whether it was ever killed is not known
        newest.map(|name| Group { name: name.into(), made: true, spent: true, ..group })
    }

    fn stem(&self) -> &str {
        self.name.get(..usize::from(self.stem)).unwrap_or(&self.name)
    }

    /// Its name in the house.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is in the file system, when it is there.
    pub fn path(&self, house: &House) -> PathBuf {
        house.path().join(&*self.name)
    }

    /// Whether it was made, and not removed since.
    pub fn is_made(&self) -> bool {
        self.made
    }

    /// Makes sure that it is there and, if it can be, good to be born into: makes it; or, after a kill, removes it
    /// and makes it anew, under the next generation's name if it can't be removed though it is empty.
    /// A group in which somebody lives stays, but not frozen: who is born into a frozen group never gets as far as
    /// its program, and a pass of a kill, or the service itself, may have left it so.
    pub fn make(&mut self, house: &House) -> Result<(), Fail> {
        if &*self.name == PEOPLE {
            return self.make_if_missing(house);
        }
        // somebody may have tidied up
        if self.made && at::exists(house, &self.name) {
            let lives = || house::populated(house, house.hierarchy(), &self.name) != Ok(false);
            if !self.spent || (remove(house, &self.name).is_err() && lives()) {
                // where nothing can be frozen, nothing is
                let _ = self.thaw(house);
                return Ok(());
            }
        }
        self.make_anew(house)
    }

    /// Makes it if it is not there, and leaves it as it is otherwise.
    pub fn make_if_missing(&mut self, house: &House) -> Result<(), Fail> {
        if at::exists(house, &self.name) {
            // found, not made: nothing is known of it
            self.spent |= !self.made;
            self.made = true;
            return Ok(());
        }
        self.make_anew(house)
    }

    fn make_anew(&mut self, house: &House) -> Result<(), Fail> {
        let stem = self.stem().to_owned();
        for generation in 0..GENERATIONS {
            let name = generation_name(&stem, generation);
            let made = match at::make(house, name.as_str()) {
                Err(Errno::EEXIST) if remove(house, &name).is_ok() => at::make(house, name.as_str()),
                result => result,
            };
            match made {
                Ok(()) => {
                    *self = Group { name: name.into(), made: true, spent: false, waited: 0, ..*self };
                    return Ok(());
                }
                Err(Errno::EEXIST) => {}
                Err(e) => return Err(Fail::at("make cgroup", &house.path().join(&name), e)),
            }
        }
        Err(Fail::at("make cgroup", &self.path(house), Errno::EEXIST))
    }

    /// The way in for one process. Makes or renews the group if need be; into one that was killed and has somebody
    /// in it all the same, a process writes itself.
    pub fn entry(&mut self, house: &House) -> Result<Entry, Fail> {
        self.make(house)?;
        if self.spent || !house.born_inside() {
            return self.other_entry(house);
        }
        let opened = at::directory(house, &*self.name);
        opened.map(Entry::Into).map_err(|e| Fail::at("open cgroup", &self.path(house), e))
    }

    /// The way in by writing `cgroup.procs`, for the second try after a death at birth.
    pub fn other_entry(&mut self, house: &House) -> Result<Entry, Fail> {
        self.make(house)?;
        Ok(Entry::Writes(c_path(&self.path(house).join("cgroup.procs"))))
    }

    /// The pids in it and in its sub-groups, each once, ascending. Those of a pid namespace that can't be seen
    /// from here are not among them. One that is not there has none.
    pub fn members(&self, house: &House) -> Result<Vec<i32>, Fail> {
        kill::members(house, &self.name).map_err(|e| self.fail("list cgroup", house, e))
    }

    /// Whether a living process is in it or below. Zombies do not count. Right after a death it may be true
    /// for a moment longer: see [`reread_after`].
    pub fn populated(&self, house: &House) -> Result<bool, Fail> {
        match house::populated(house, house.hierarchy(), &self.name) {
            Err(Errno::ENOENT) => Ok(false),
            result => result.map_err(|e| self.fail("read cgroup", house, e)),
        }
    }

    /// Stops everything in it. True if that has already come to pass; call again to see.
    /// `EOPNOTSUPP` where [`House::can_freeze`] is false.
    pub fn freeze(&self, house: &House) -> Result<bool, Fail> {
        kill::freeze(house, &self.name, true).map_err(|e| self.fail("freeze cgroup", house, e))
    }

    /// Lets everything in it go on. True if that has already come to pass.
    pub fn thaw(&self, house: &House) -> Result<bool, Fail> {
        kill::freeze(house, &self.name, false).map_err(|e| self.fail("thaw cgroup", house, e))
    }

    /// Calls `each` for every member, one after the other, held by a handle: a signal through it reaches a member or
    /// nobody, and what `/proc` says of the pid meanwhile is of that member, if a signal still reaches it after that.
    pub fn hold(&self, house: &House, mut each: impl FnMut(i32, &Pidfd)) -> Result<(), Fail> {
        let pids = self.members(house)?;
        let held = kill::hold(house, &self.name, &pids, |pid, handle| {
            // who can't be held has ended
            let _ = handle.map(|handle| each(pid, handle));
        });
        held.map_err(|e| self.fail("list cgroup", house, e))
    }

    /// One pass of the rung's way of killing all in it. Call until the pass is complete and the group is no
    /// longer populated.
    pub fn kill(&mut self, house: &House) -> Result<Pass, Fail> {
        self.spent |= house.rung() == Rung::Kill;
        kill::pass(house, &self.name, &mut self.waited).map_err(|e| self.fail("kill cgroup", house, e))
    }

    /// Removes it with its sub-groups, which succeeds only when nobody living is in any of them: the proof
    /// that the service is gone. `EBUSY` otherwise; see [`reread_after`]. Nothing is forced.
    pub fn remove(&mut self, house: &House) -> Result<(), Errno> {
        remove(house, &self.name)?;
        self.made = false;
        self.spent = false;
        let stem = self.stem();
        if stem.len() < self.name.len() {
            self.name = stem.into();
        }
        Ok(())
    }

    /// Moves a process into it, as it does by itself when born outside. The group must have been made.
    pub fn take_in(&self, house: &House, pid: i32) -> Result<(), Fail> {
        let file = format!("{}/cgroup.procs", self.name);
        let written = at::write(house, file.as_str(), pid.to_string().as_bytes());
        written.map_err(|e| Fail::at("write", &house.path().join(file), e))
    }

    fn fail(&self, doing: &'static str, house: &House, errno: Errno) -> Fail {
        Fail::at(doing, &self.path(house), errno)
    }
}

/// Removes a group, but touches nothing in one that is in use.
fn remove(house: &House, name: &str) -> Result<(), Errno> {
    match at::remove(house, name) {
        Err(Errno::EBUSY) => {}
        result => return result,
    }
    match house::populated(house, house.hierarchy(), name) {
        Ok(true) => Err(Errno::EBUSY),
        Ok(false) => tree::remove(house, name),
        Err(Errno::ENOENT) => Ok(()),
        Err(e) => Err(e),
    }
}

/// When to look again at a group that still seems to have somebody in it though all its known members have
/// ended (newer kernels take a process out of its group a moment after they say that it is dead): after
/// 0.2, 1 and 5 ms, for `attempt` 0, 1 and 2; then believe it.
pub fn reread_after(attempt: u8) -> Option<Duration> {
    const WAITS: [u64; 3] = [200, 1000, 5000];
    WAITS.get(usize::from(attempt)).copied().map(Duration::from_micros)
}
