//! Cgroups that can't be made, entered or killed, and such as somebody else removes. Root and cgroup v2 only: there
//! each can be brought about.

use std::fs;
use std::path::PathBuf;

use nix::sys::signal::Signal;
use pinfold::table;

use super::common::cgroups::{Hierarchy, members};
use super::common::processes::Process;
use super::common::{Family, Sandbox, expect, is_root, skipped};
use super::ordeal::Ordeal;
use super::scene::{STARTED, STAYS, Scene};

/// Dies as soon as it has started; its group is there while it waits for the next time.
const CRASHES: &str = "#!/bin/sh\necho $$ >>starts\nexit 1\n";

/// Ignores TERM, and is killed soon.
const DEAF: &str = "#!/bin/sh\ntrap '' TERM\necho $$ >>starts\nwhile :; do sleep 0.1; done\n";

struct Grouped {
    ordeal: Ordeal,
    house: PathBuf,
}

impl Grouped {
    fn new(label: &str, run: &str) -> Option<Grouped> {
        if !is_root() || Hierarchy::find(true).is_none() {
            skipped("needs root and cgroup v2");
            return None;
        }
        let sandbox = Sandbox::new(label, Family::Ours).unwrap();
        sandbox.file("squid/run", run);
        sandbox.file("squid/timeout-kill", "300\n");
        sandbox.file("other/run", STAYS);
        let mut command = sandbox.command("unshare");
        command.args(["-m", "svscan"]).arg(sandbox.scan());
        let mut scene = Scene::of(sandbox);
        scene.scanner = Some(scene.sandbox.start_command(command));
        scene.started("other");
        scene.count("squid/starts", 1);
        let ordeal = Ordeal::of(scene);
        let head = table::read(&ordeal.run()).unwrap().head;
        let house = PathBuf::from(String::from_utf8(head.house).unwrap());
        Some(Grouped { ordeal, house })
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.house.join(file);
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// Something in svscan's mount namespace.
    fn mount(&self, arguments: &[&str]) {
        let pid = self.ordeal.guardian.pid.to_string();
        let said = self.ordeal.sandbox.run("nsenter", ["-m", "-t", &pid].iter().chain(arguments));
        assert_eq!(said.code, 0, "{said:?}");
    }

    fn others(&self) -> PathBuf {
        // where members are put by somebody: a group of the test's, beside the house
        let group = self.house.parent().unwrap().join(format!("{}-elsewhere", self.ordeal.sandbox.name));
        fs::create_dir_all(&group).unwrap();
        group
    }
}

#[test]
fn no_group_can_be_made() {
    let Some(grouped) = Grouped::new("no-group", STAYS) else { return };
    let ordeal = &grouped.ordeal;
    ordeal.svc("-d", "squid");
    ordeal.sandbox.down("squid");
    grouped.write("cgroup.max.descendants", "0");
    ordeal.svc("-u", "squid");
    ordeal.says(&["squid: ", "make cgroup"]);
    ordeal.while_it_lasts();
    ordeal.said_at_most(1, &["squid: "]);
    assert!(ordeal.copies("squid").is_empty(), "nothing is started outside of its fold");
    grouped.write("cgroup.max.descendants", "max");
    ordeal.started("squid");
    grouped.ordeal.over(&["squid", "other"]);
}

#[test]
fn a_group_that_refuses_its_processes() {
    let Some(grouped) = Grouped::new("refuses", CRASHES) else { return };
    let ordeal = &grouped.ordeal;
    // something that is no group in its place: nobody can be born into it, or write himself into it
    let (empty, group) = (ordeal.sandbox.lab().join("empty"), grouped.house.join("squid.service"));
    fs::create_dir(&empty).unwrap();
    let (empty, group) = (empty.to_str().unwrap(), group.to_str().unwrap());
    ordeal.sandbox.wait_for("its group to be there", || expect(fs::exists(group).unwrap(), ()));
    grouped.mount(&["mount", "--bind", empty, group]);
    ordeal.says(&["squid: start "]);
    let starts = ordeal.starts("squid");
    ordeal.while_it_lasts();
    ordeal.said_at_most(1, &["squid: start "]);
    assert_eq!(ordeal.starts("squid"), starts, "nothing is started outside of its fold");
    fs::write(ordeal.path("squid/run"), STAYS).unwrap();
    grouped.mount(&["umount", group]);
    grouped.ordeal.over(&["squid", "other"]);
}

/// Then they are killed one by one.
#[test]
fn a_kill_that_is_refused() {
    let Some(grouped) = Grouped::new("no-kill", DEAF) else { return };
    let ordeal = &grouped.ordeal;
    let kill = grouped.house.join("squid.service/cgroup.kill");
    // whatever is written to it, there is no space left on this device
    grouped.mount(&["mount", "--bind", "/dev/full", kill.to_str().unwrap()]);
    let everybody = ordeal.copies("squid");
    ordeal.svc("-d", "squid");
    ordeal.sandbox.down("squid");
    assert!(everybody.iter().all(|one| !one.is_alive()));
    grouped.ordeal.over(&["other"]);
}

#[test]
fn an_empty_group_that_somebody_removes() {
    let Some(grouped) = Grouped::new("removed", CRASHES) else { return };
    let ordeal = &grouped.ordeal;
    for _ in 0..3 {
        ordeal.sandbox.wait_for("its group to be empty, and removed", || {
            fs::remove_dir(grouped.house.join("squid.service")).map_err(|error| error.to_string())
        });
        let starts = ordeal.starts("squid");
        ordeal.count("squid/starts", starts + 1);
    }
    fs::write(ordeal.path("squid/run"), STAYS).unwrap();
    ordeal.svc("-u", "squid");
    grouped.ordeal.over(&["squid", "other"]);
}

/// Its members put elsewhere, and the group removed: the leader is known all the same.
#[test]
fn a_group_that_somebody_empties_and_removes() {
    let Some(grouped) = Grouped::new("emptied", &format!("{STARTED}sleep 77777 &\nexec sleep 1000000\n"))
    else {
        return;
    };
    let (ordeal, elsewhere) = (&grouped.ordeal, grouped.others());
    let everybody = || {
        let squid = ordeal.path("squid");
        let is_there =
            |one: &Process| fs::read_link(format!("/proc/{}/cwd", one.pid)).is_ok_and(|cwd| cwd == squid);
        Process::all().into_iter().filter(is_there).collect::<Vec<_>>()
    };
    let remove = || {
        ordeal.sandbox.wait_for("its child", || expect(everybody().len() == 2, everybody()));
        let group = grouped.house.join("squid.service");
        for pid in members(&group) {
            fs::write(elsewhere.join("cgroup.procs"), pid.to_string()).unwrap();
        }
        ordeal.sandbox.wait_for("the group to be removed", || {
            fs::remove_dir(&group).map_err(|error| error.to_string())
        });
    };
    // stopped: whoever descends from it was reached
    remove();
    ordeal.svc("-d", "squid");
    ordeal.sandbox.down("squid");
    ordeal.sandbox.wait_for("its leader's end", || {
        let leader =
            everybody().into_iter().find(|one| one.parent == ordeal.supervisor.pid && one.state != 'Z');
        expect(leader.is_none_or(|one| one.command == "sleep"), everybody())
    });
    everybody().iter().for_each(|one| one.signal(Signal::SIGKILL));
    ordeal.svc("-u", "squid");
    // restarted, and killed
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let before = ordeal.started("squid");
        remove();
        ordeal.process(before).signal(signal);
        ordeal.other("squid", before);
        let old = |one: &Process| members(&elsewhere).contains(&one.pid);
        everybody().iter().filter(|one| old(one)).for_each(|one| one.signal(Signal::SIGKILL));
    }
    ordeal.sandbox.wait_for("the other group to be empty", || {
        fs::remove_dir(&elsewhere).map_err(|error| error.to_string())
    });
    ordeal.svc("-d", "squid");
    ordeal.sandbox.down("squid");
    grouped.ordeal.over(&["other"]);
}
