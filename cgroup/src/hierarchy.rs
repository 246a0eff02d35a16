//! What containment this machine allows, found by trying.

use crate::advice::{self, Here, Surroundings};
use crate::house::{self, House};
use crate::mounts::{self, Hierarchy, Mount};
use crate::rung::Rung;
use crate::{probe, rights};
use nix::errno::Errno;
use std::path::Path;
use sys::Fail;
use sys::spawn::Spawner;

/// What containment is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The word that tells this supervisor's house from others': its scan directory as one name of a file, of at
    /// most 240 bytes.
    pub house: &'a str,
    /// This rung, if it can be had, else the next lower that can; `None`: the best there is.
    pub rung: Option<Rung>,
    /// The house that an earlier supervisor had, as [`House::path`] told. If somebody lives in it, it is taken over,
    /// wherever this process has been started. One of our name in which services live and no supervisor sits is taken
    /// over in any case.
    pub earlier: Option<&'a Path>,
}

/// The containment in force.
pub struct Containment {
    /// The rung of the ladder. May be lower than the requested one; never higher.
    pub rung: Rung,
    /// Why it is not the best, or not what was requested: a clause with path and reason.
    pub why_not_more: Option<String>,
    /// What to do about it, for the user.
    pub advice: Option<String>,
    /// What a service can do that will not be noticed: a clause each.
    pub cannot_catch: Vec<String>,
    house: Option<House>,
}

impl Containment {
    /// Tries the ladder from the top, makes the house and moves this process into it. Takes milliseconds.
    ///
    /// Every rung is proven by doing it: a child born into a fresh group and seen to live, another one
    /// frozen and killed. Where [`Spawner::way`] does not work here, it is set to one that does.
    pub fn probe(request: &Request<'_>, spawner: &mut Spawner) -> Containment {
        probe::settle_way(spawner);
        let wanted = request.rung.unwrap_or(Rung::Kill);
        let mut obstacles: Vec<Fail> = Vec::new();
        if wanted != Rung::Subtree {
            for mount in candidates(wanted, request.earlier) {
                match insist(&mount, request, wanted, spawner) {
                    Ok((house, lower)) => return Containment::in_house(house, wanted, lower, &obstacles),
                    Err(fail) => obstacles.push(fail),
                }
            }
            if obstacles.is_empty() {
                let place = Path::new("/sys/fs/cgroup");
                obstacles.push(Fail::at("find a mounted cgroup hierarchy, as at", place, Errno::ENOENT));
            }
        }
        Containment {
            rung: Rung::Subtree,
            why_not_more: sentence(&obstacles),
            advice: obstacles.first().and_then(advise),
            cannot_catch: rights::cannot_catch(Rung::Subtree),
            house: None,
        }
    }

    fn in_house(house: House, wanted: Rung, lower: Option<Fail>, obstacles: &[Fail]) -> Containment {
        // an obstacle on the way to what was wanted is none
        let obstacles = if house.rung == wanted { &[] } else { obstacles };
        Containment {
            rung: house.rung,
            why_not_more: lower.map(|fail| fail.to_string()).or_else(|| sentence(obstacles)),
            advice: obstacles.first().and_then(advise),
            cannot_catch: rights::cannot_catch(house.rung),
            house: Some(house),
        }
    }

    /// The house with the services' groups; `None` on the subtree rung.
    pub fn house(&self) -> Option<&House> {
        self.house.as_ref()
    }

    /// Takes this process back to the group it came from, and removes the house if nobody lives in it:
    /// else `EBUSY`, with the name of a group that is not empty.
    pub fn leave(self) -> Result<(), Fail> {
        self.house.map_or(Ok(()), House::leave)
    }
}

/// The mounts to be tried, the best first.
fn candidates(wanted: Rung, earlier: Option<&Path>) -> Vec<Mount> {
    let text = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    let mut mounts = mounts::parse(&text);
    mounts.retain(|mount| wanted != Rung::V1 || mount.hierarchy != Hierarchy::V2);
    // stable: first where services are
    mounts.sort_by_key(|mount| !earlier.is_some_and(|house| house::is_at(mount, house)));
    mounts
}

/// An [`attempt`], repeated for a while where services live already: they must not be left for another hierarchy because of
/// something that passes.
fn insist(
    mount: &Mount,
    request: &Request<'_>,
    wanted: Rung,
    spawner: &mut Spawner,
) -> Result<(House, Option<Fail>), Fail> {
    let mut result = attempt(mount, request, wanted, spawner);
    for _ in 0..100 {
        if result.is_ok() || !house::is_lived_in(mount, request.house, request.earlier) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20)); // bounded, and at start-up only
        result = attempt(mount, request, wanted, spawner);
    }
    result
}

/// A house in this mount, and what kept it from a better rung.
fn attempt(
    mount: &Mount,
    request: &Request<'_>,
    wanted: Rung,
    spawner: &mut Spawner,
) -> Result<(House, Option<Fail>), Fail> {
    let mut house = House::enter(mount, request.house, request.earlier)?;
    match probe::prove(&mut house, wanted, spawner) {
        Ok(lower) => Ok((house, lower)),
        Err(fail) => {
            // the reason for failing is the better one to tell
            let _ = house.leave();
            Err(fail)
        }
    }
}

fn sentence(obstacles: &[Fail]) -> Option<String> {
    let mut words: Vec<String> = Vec::new();
    for obstacle in obstacles {
        let text = obstacle.to_string();
        if !words.contains(&text) {
            words.push(text);
        }
    }
    (!words.is_empty()).then(|| words.join("; "))
}

/// What to do about it, here.
fn advise(obstacle: &Fail) -> Option<String> {
    let here = Here {
        is_root: nix::unistd::geteuid().is_root(),
        may_mount: rights::may_mount(),
        is_mounted: is_mounted(),
        surroundings: Surroundings::look(),
    };
    advice::advice(obstacle.errno, &here)
}

/// Whether version 2 is at its usual place. If that is of no use, it shows a part of the tree in which we are not:
/// it is that of another cgroup namespace.
fn is_mounted() -> bool {
    let usual =
        |mount: &Mount| mount.hierarchy == Hierarchy::V2 && mount.point == Path::new("/sys/fs/cgroup");
    candidates(Rung::Kill, None).iter().any(usual)
}
