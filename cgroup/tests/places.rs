//! Machines of other kinds, made with namespaces: what is found there, and what is said.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use cgroup::mounts::Hierarchy;
use cgroup::{Containment, Group, House, Request, Rung};
use common::{Service, contained, is_root, own_position, rungs_here, scenario, scenario_by, skipped, until};
use sys::spawn::{Spawner, Way};

/// A shell in a mount namespace of its own that makes `changes`, then becomes the scenario.
fn after<'a>(changes: &'a str, script: &'a mut String) -> Vec<&'a str> {
    *script = format!("set -e; {changes}\nexec \"$@\"");
    vec!["unshare", "--mount", "sh", "-c", script, "sh"]
}

fn best(house: &str, spawner: &mut Spawner) -> Containment {
    Containment::probe(&Request { house, rung: None, earlier: None }, spawner)
}

/// A service in a group there, killed.
fn works(house: &House, spawner: &mut Spawner) {
    let mut group = Group::new(b"service");
    let entry = group.entry(house).unwrap();
    let service = Service::start("setsid sleep 1000 & echo x >&8; wait", &entry.place(), spawner);
    service.wait_for(2);
    assert_eq!(group.members(house).unwrap().len(), 2);
    until("the group is removed", || {
        group.kill(house).unwrap();
        group.remove(house).is_ok()
    });
    service.wait_for_end(spawner);
}

fn only_root() -> bool {
    if !is_root() {
        skipped("only root can make namespaces here");
    }
    is_root()
}

/// What `findmnt` would say: the points of all cgroup mounts.
const POINTS: &str = "points() { awk '{ for (i = 7; $i != \"-\"; i++); if ($(i+1) ~ /^cgroup2?$/) print $5 }' /proc/self/mountinfo; }";

#[test]
fn a_read_only_file_system() {
    if !only_root() {
        return;
    }
    let changes = format!("{POINTS}; for point in $(points); do mount -o remount,ro,bind $point; done");
    let mut script = String::new();
    scenario_by(&after(&changes, &mut script), "a_read_only_file_system", |house| {
        let mut spawner = Spawner::new().unwrap();
        let containment = best(house, &mut spawner);
        assert_eq!(containment.rung, Rung::Subtree);
        let why = containment.why_not_more.clone().unwrap();
        assert!(
            why.starts_with("make cgroup /sys/fs/cgroup") && why.contains("read-only file system"),
            "{why}"
        );
        assert!(containment.advice.as_ref().unwrap().contains("writable"));
        containment.leave().unwrap();
    });
}

#[test]
fn only_version_1_is_writable() {
    if !only_root() {
        return;
    }
    let changes = format!(
        "{POINTS}; for point in $(points); do case $point in */freezer) ;; *) mount -o remount,ro,bind $point;; esac; done"
    );
    let mut script = String::new();
    scenario_by(&after(&changes, &mut script), "only_version_1_is_writable", |house| {
        let mut spawner = Spawner::new().unwrap();
        let containment = best(house, &mut spawner);
        if containment.rung == Rung::Subtree {
            return skipped("there is no version 1 here");
        }
        assert_eq!(containment.rung, Rung::V1);
        assert!(containment.why_not_more.as_ref().unwrap().contains("read-only file system"));
        works(containment.house().unwrap(), &mut spawner);
        containment.leave().unwrap();
    });
}

/// A named hierarchy of version 1, without freezer.
#[test]
fn only_a_named_hierarchy() {
    if !only_root() {
        return;
    }
    let changes = format!(
        "{POINTS}; for point in $(points); do mount -o remount,ro,bind $point; done; mkdir -p $TMPDIR/named; \
         mount -t cgroup -o none,name=pinfold-test none $TMPDIR/named || {{ echo NONE; mkdir $TMPDIR/no; }}"
    );
    let directory = std::env::temp_dir().join(format!("pinfold-places-{}", std::process::id()));
    std::fs::create_dir(&directory).unwrap();
    let variable = format!("TMPDIR={}", directory.display());
    let mut script = String::new();
    let mut wrapper = vec!["env", &variable];
    wrapper.extend(after(&changes, &mut script));
    let outside = scenario_by(&wrapper, "only_a_named_hierarchy", |house| {
        if std::env::temp_dir().join("no").exists() {
            return skipped("this kernel has no version 1");
        }
        let mut spawner = Spawner::new().unwrap();
        let containment = best(house, &mut spawner);
        assert_eq!(containment.rung, Rung::V1, "{:?}", containment.why_not_more);
        let house = containment.house().unwrap();
        assert_eq!(*house.hierarchy(), Hierarchy::V1("name=pinfold-test".into()));
        assert!(!house.can_freeze());
        assert!(Group::new(b"x").freeze(house).is_err());
        works(house, &mut spawner);
        containment.leave().unwrap();
    });
    if !outside {
        return;
    }
    // A hierarchy whose last group was removed while it was mounted outlives that mount, a line in every process'
    // /proc/PID/cgroup; the next unmount takes it away some time later, if the kernel has finished with its groups.
    until("the hierarchy is gone", || {
        let again = "mount -t cgroup -o none,name=pinfold-test none \"$0\" && umount \"$0\"; sleep 0.5";
        let there = || std::fs::read_to_string("/proc/self/cgroup").unwrap().contains("name=pinfold-test");
        let mut command = std::process::Command::new("unshare");
        command.args(["--mount", "sh", "-c", again]).arg(&directory);
        !there() || command.status().is_err() || !there()
    });
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn no_file_system_at_all() {
    if !only_root() {
        return;
    }
    let changes = format!("{POINTS}; for point in $(points); do umount -l $point; done");
    let mut script = String::new();
    scenario_by(&after(&changes, &mut script), "no_file_system_at_all", |house| {
        let mut spawner = Spawner::new().unwrap();
        let containment = best(house, &mut spawner);
        assert_eq!(containment.rung, Rung::Subtree);
        let why = containment.why_not_more.unwrap();
        assert!(why.contains("find a mounted cgroup hierarchy"), "{why}");
        assert_eq!(containment.advice.as_deref(), Some("mount -t cgroup2 none /sys/fs/cgroup"));
    });
}

/// Where a directory can be made, but no group.
#[test]
fn a_mount_over_the_mount() {
    if !only_root() {
        return;
    }
    let changes = format!("{POINTS}; for point in $(points); do mount -t tmpfs none $point; done");
    let mut script = String::new();
    scenario_by(&after(&changes, &mut script), "a_mount_over_the_mount", |house| {
        let mut spawner = Spawner::new().unwrap();
        let containment = best(house, &mut spawner);
        assert_eq!(containment.rung, Rung::Subtree);
        let why = containment.why_not_more.unwrap();
        // where we are in the root, a directory can be made; elsewhere, ours is not there
        assert!(why.contains("not supported") || why.contains("no such file"), "{why}");
    });
}

/// A shell that enters a group of its own below that of version 2, and removes it when the scenario is over.
/// `$V2` is where version 2 is mounted, `$G` the group.
fn in_a_group(changes: &str) -> Option<[String; 4]> {
    let mounts = cgroup::mounts::parse(&std::fs::read("/proc/self/mountinfo").unwrap());
    let point = mounts.into_iter().find(|mount| mount.hierarchy == Hierarchy::V2)?.point;
    let script = format!(
        "V2={}; G=$V2/outer-$PINFOLD_TEST_HOUSE; mkdir $G || exit; export V2 G\n\
         sh -c 'set -e; {changes}\nexec \"$@\"' sh \"$@\"; code=$?; rmdir $G || sleep 0.1 && rmdir -p $G/x 2>/dev/null; \
         rmdir $G 2>/dev/null; exit $code",
        point.display()
    );
    Some(["sh".into(), "-c".into(), script, "sh".into()])
}

/// Runs a scenario in a group of its own, with more changes.
fn scenario_in_a_group(changes: &str, name: &str, body: impl FnOnce(&str)) {
    if !only_root() {
        return;
    }
    let Some(words) = in_a_group(changes) else { return skipped("there is no cgroup v2 here") };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    scenario_by(&words, name, body);
}

#[test]
fn a_cgroup_namespace() {
    let changes = "echo 0 > $G/cgroup.procs; set -- unshare --cgroup --mount sh -c \
        \"umount -l /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup; exec \\\"\\$@\\\"\" sh \"$@\"";
    scenario_in_a_group(changes, "a_cgroup_namespace", |name| {
        let mut spawner = Spawner::new().unwrap();
        let containment = best(name, &mut spawner);
        assert_eq!(containment.rung, Rung::Kill, "{:?}", containment.why_not_more);
        let house = containment.house().unwrap();
        assert_eq!(house.path().to_str().unwrap(), format!("/sys/fs/cgroup/pinfold.{name}"));
        assert_eq!(house.position().to_str().unwrap(), format!("/pinfold.{name}"));
        works(house, &mut spawner);
        containment.leave().unwrap();
    });
}

/// Nobody has mounted the hierarchy anew: it shows a part of the tree in which we are not. What is advised works.
fn the_old_mount(namespaces: &str, name: &str) {
    let changes = format!(
        "echo 0 > $G/cgroup.procs; set -- unshare --mount sh -c \
        \"umount -l /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup; exec unshare {namespaces} \\\"\\$@\\\"\" \
        sh \"$@\""
    );
    scenario_in_a_group(&changes, name, |house| {
        let mut spawner = Spawner::new().unwrap();
        let containment = best(house, &mut spawner);
        assert_eq!(containment.rung, Rung::Subtree);
        let why = containment.why_not_more.clone().unwrap();
        assert!(why.contains("find our own cgroup"), "{why}");
        let advice = containment.advice.clone().unwrap();
        containment.leave().unwrap();
        let followed = std::process::Command::new("sh").args(["-c", &advice]).status().unwrap();
        assert!(followed.success(), "{advice}");
        let containment = best(house, &mut spawner);
        assert_eq!(containment.rung, Rung::Kill, "{:?}", containment.why_not_more);
        works(containment.house().unwrap(), &mut spawner);
        containment.leave().unwrap();
    });
}

#[test]
fn an_old_mount_in_a_cgroup_namespace() {
    the_old_mount("--cgroup --mount", "an_old_mount_in_a_cgroup_namespace");
}

#[test]
fn an_old_mount_in_a_user_namespace() {
    let can = std::process::Command::new("unshare").args(["--user", "--map-root-user", "true"]).status();
    if !can.is_ok_and(|status| status.success()) {
        return skipped("no user namespace can be made here");
    }
    the_old_mount("--user --map-root-user --cgroup --mount", "an_old_mount_in_a_user_namespace");
}

/// The hierarchy is mounted, but a part of it in which we are not.
#[test]
fn another_part_of_the_tree() {
    let changes = "set -- unshare --mount sh -c \
        \"mount --bind $G $G; mount --move $G /sys/fs/cgroup; exec \\\"\\$@\\\"\" sh \"$@\"";
    scenario_in_a_group(changes, "another_part_of_the_tree", |name| {
        let mut spawner = Spawner::new().unwrap();
        let request = Request { house: name, rung: Some(Rung::Kill), earlier: None };
        let containment = Containment::probe(&request, &mut spawner);
        let why = containment.why_not_more.clone().unwrap();
        assert!(containment.rung > Rung::List && why.contains("find our own cgroup"), "{why}");
        containment.leave().unwrap();
    });
}

/// An ordinary user with a group given to them, as by systemd's Delegate= and User=.
#[test]
fn a_delegated_group() {
    let changes = "chown nobody $G $G/cgroup.procs $G/cgroup.subtree_control; echo 0 > $G/cgroup.procs; \
        set -- setpriv --reuid nobody --regid nogroup --clear-groups \"$@\"";
    scenario_in_a_group(changes, "a_delegated_group", |name| {
        let mut spawner = Spawner::new().unwrap();
        let containment = best(name, &mut spawner);
        assert_eq!(containment.rung, Rung::Kill, "{:?}", containment.why_not_more);
        assert!(containment.cannot_catch.iter().any(|clause| clause.contains("CAP_DAC_OVERRIDE")));
        let house = containment.house().unwrap();
        assert!(house.born_inside());
        works(house, &mut spawner);
        containment.leave().unwrap();
        for rung in [Rung::Freeze, Rung::List] {
            let containment = contained(name, rung, &mut spawner);
            assert!(containment.cannot_catch.iter().any(|clause| clause.contains("CAP_KILL")));
            works(containment.house().unwrap(), &mut spawner);
            containment.leave().unwrap();
        }
    });
}

/// Not delegated: one may sit in it, and change nothing.
#[test]
fn a_group_of_somebody_elses() {
    let changes =
        "echo 0 > $G/cgroup.procs; set -- setpriv --reuid nobody --regid nogroup --clear-groups \"$@\"";
    scenario_in_a_group(changes, "a_group_of_somebody_elses", |name| {
        let mut spawner = Spawner::new().unwrap();
        let containment = best(name, &mut spawner);
        assert_eq!(containment.rung, Rung::Subtree);
        assert!(containment.why_not_more.unwrap().contains("permission denied"));
    });
}

/// A process of another pid namespace in a service's group: the list shows it as 0.
#[test]
fn a_process_that_cannot_be_seen() {
    let changes = "echo 0 > $G/cgroup.procs; (group=$G/pinfold.$PINFOLD_TEST_HOUSE/service.service; \
        until [ -e $group/cgroup.procs ]; do sleep 0.01; done; echo 0 > $group/cgroup.procs; exec sleep 1000) & \
        set -- unshare --pid --fork --mount-proc \"$@\"";
    scenario_in_a_group(changes, "a_process_that_cannot_be_seen", |name| {
        let mut spawner = Spawner::new().unwrap();
        let containment = contained(name, Rung::Kill, &mut spawner);
        let house = containment.house().unwrap();
        let mut group = Group::new(b"service");
        group.make(house).unwrap();
        until("it has come", || group.populated(house).unwrap());
        assert!(group.members(house).unwrap().is_empty());
        until("the group is removed", || {
            group.kill(house).unwrap();
            group.remove(house).is_ok()
        });
        containment.leave().unwrap();
    });
}

/// Where clone3 is not to be had, children write themselves into their groups.
#[test]
fn an_older_way_of_making_children() {
    scenario("an_older_way_of_making_children", |name| {
        if !only_root() {
            return;
        }
        let mut spawner = Spawner::new().unwrap();
        for way in [Way::Vfork, Way::Clone] {
            for rung in rungs_here() {
                spawner.way = way;
                let containment = contained(name, rung, &mut spawner);
                assert_eq!(spawner.way, way);
                let house = containment.house().unwrap();
                let inside = way == Way::Vfork && rung != Rung::V1;
                assert_eq!(house.born_inside(), inside);
                // on version 1 nobody is
                let why = containment.why_not_more.as_deref().unwrap_or_default();
                assert_eq!(why.contains("start a process in cgroup"), !inside && rung != Rung::V1, "{why}");
                works(house, &mut spawner);
                containment.leave().unwrap();
            }
        }
    });
}

/// A supervisor in a service of another one: its house is in that one's, and goes with it.
#[test]
fn a_supervisor_in_a_service() {
    scenario("a_supervisor_in_a_service", |name| {
        if !only_root() {
            return;
        }
        let mut spawner = Spawner::new().unwrap();
        for rung in rungs_here() {
            let outer = contained(name, rung, &mut spawner);
            let mut inner_service = Group::new(b"inner");
            let house = outer.house().unwrap();
            inner_service.make(house).unwrap();
            inner_service.take_in(house, std::process::id() as i32).unwrap();
            let inner = contained(&format!("{name}-inner"), rung, &mut spawner);
            let inner_house = inner.house().unwrap();
            assert!(inner_house.path().starts_with(inner_service.path(house)));
            let mut group = Group::new(b"service");
            let entry = group.entry(inner_house).unwrap();
            let service = Service::start("echo x >&8; exec sleep 1000", &entry.place(), &mut spawner);
            service.wait_for(2);
            assert_eq!(house.group_of(service.child.pid).as_deref(), Some(inner_service.name()));
            assert!(inner_service.members(house).unwrap().contains(&service.child.pid));
            // this process goes back to where the outer one sits
            let seat = house.path().join("supervisor");
            std::fs::write(seat.join("cgroup.procs"), "0").unwrap();
            assert_eq!(own_position(house), house.position().join("supervisor"));
            until("the inner house is gone", || {
                inner_service.kill(house).unwrap();
                inner_service.remove(house).is_ok()
            });
            service.wait_for_end(&mut spawner);
            drop(inner);
            outer.leave().unwrap();
        }
    });
}
