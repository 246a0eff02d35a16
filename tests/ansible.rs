//! Ansible's modules for daemontools (`community.general.svc`) and runit (`community.general.runit`),
//! unmodified: each with the supervisor it was written for, to see that the test is right, and with ours.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::processes::Process;
use common::{Family, Sandbox, Supervisor, expect, family, skipped};

/// Notes each start, and each signal by which it is to read its settings anew.
const RUN: &str = "#!/bin/sh
trap 'echo $$ >>reloads' HUP USR1
echo $$ >>starts
while :; do sleep 0.1; done
";

/// What an administrator has: a service in a place of its own, and a scan directory without it.
struct Site {
    module: &'static str,
    _scanner: Supervisor,
    sandbox: Sandbox,
}

impl Site {
    fn new(module: &'static str, family: Family) -> Option<Site> {
        if !ansible().exists() {
            skipped("no Ansible; tests/setup brings it");
            return None;
        }
        let sandbox = match Sandbox::new(module, family) {
            Ok(sandbox) => sandbox,
            Err(why) => {
                skipped(&why);
                return None;
            }
        };
        sandbox.file("../lab/sv/web/run", RUN);
        let scanner = sandbox.scanner();
        Some(Site { module, _scanner: scanner, sandbox })
    }

    fn service(&self) -> PathBuf {
        self.sandbox.lab().join("sv/web")
    }

    /// Lets Ansible see to it, and fails unless that changes something, or does not, as is said.
    #[track_caller]
    fn ansible(&self, wanted: &str, changes: bool) {
        let mut command = self.sandbox.command(ansible());
        let playbook = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ansible/service.yml");
        command.args(["--inventory", "localhost,"]).arg(playbook);
        let (scan, lab) = (self.sandbox.scan(), self.sandbox.lab());
        let module = format!("module={} scan={}", self.module, scan.display());
        let source = format!("source={}", lab.join("sv").display());
        for variables in [&module, &source, wanted] {
            command.args(["--extra-vars", variables]);
        }
        command.env("ANSIBLE_COLLECTIONS_PATH", family::peers().join("ansible"));
        command.env("LC_ALL", "C.UTF-8").env("HOME", &lab).env("ANSIBLE_REMOTE_TEMP", lab.join("ansible"));
        let said = self.sandbox.finish(command);
        let recap = format!("changed={} ", u8::from(changes));
        assert!(said.code == 0 && said.out.contains(&recap), "{wanted}: {said:?}");
    }

    /// Twice: it is done, and then there is nothing left to do.
    #[track_caller]
    fn both(&self, wanted: &str, until: impl FnOnce()) {
        self.ansible(wanted, true);
        until();
        self.ansible(wanted, false);
    }

    /// Waits until the service runs as another process than `before`, and has begun its work.
    fn up(&self, before: i32) -> i32 {
        self.sandbox.wait_for("the service to be up", || {
            let (status, starts) = (self.sandbox.status("web"), self.text("starts"));
            let pid = status.as_ref().map_or(0, |status| status.pid);
            let is_up = pid != 0 && pid != before && starts.ends_with(&format!("{pid}\n"));
            expect(is_up, (status, starts)).map(|()| pid)
        })
    }

    fn text(&self, file: &str) -> String {
        fs::read_to_string(self.service().join(file)).unwrap_or_default()
    }

    /// Waits until nobody is left of the service.
    fn gone(&self) {
        self.sandbox.wait_for("the end of the service", || {
            let is_there = |process: &Process| {
                process.is_alive()
                    && fs::read_link(format!("/proc/{}/cwd", process.pid))
                        .is_ok_and(|cwd| cwd == self.service())
                    && ["run", "sleep"].contains(&&*process.command)
            };
            let left: Vec<Process> = Process::all().into_iter().filter(is_there).collect();
            expect(left.is_empty(), left)
        });
    }
}

fn ansible() -> PathBuf {
    family::peers().join("ansible/bin/ansible-playbook")
}

/// Everything the module can be asked for.
fn everything(module: &'static str, family: Family) {
    let Some(site) = Site::new(module, family) else { return };
    site.both("enabled=true", || {
        site.up(0);
    });
    site.ansible("state=started", false);
    site.both("state=stopped", || site.sandbox.down("web"));
    site.both("state=started", || {
        site.up(0);
    });

    // these are done each time
    let mut pid = site.up(0);
    for state in ["state=restarted", "state=killed"] {
        site.ansible(state, true);
        if module == "runit" && state == "state=killed" {
            // sv's force-stop leaves it down
            site.sandbox.down("web");
            site.ansible("state=started", true);
        }
        pid = site.up(pid);
    }
    site.ansible("state=reloaded", true);
    // by `svc -1`, which daemontools' own does not know: the module does not look how it ends
    if family != Family::Daemontools {
        site.sandbox.wait_for("a signal", || {
            let reloads = site.text("reloads");
            expect(reloads == format!("{pid}\n"), reloads)
        });
    }
    site.both("state=stopped", || site.sandbox.down("web"));
    match module {
        // which has no working `once`: it looks for a method `on`
        "svc" => {
            site.both("downed=true", || assert!(site.service().join("down").exists()));
            site.both("downed=false", || assert!(!site.service().join("down").exists()));
            site.ansible("state=started", true);
        }
        _ => site.ansible("state=once", true),
    }
    site.up(pid);
    site.both("enabled=false", || site.gone());
    assert!(!site.sandbox.scan().join("web").exists());
}

#[test]
fn svc_under_daemontools() {
    everything("svc", Family::Daemontools);
}

#[test]
fn svc_under_ours() {
    everything("svc", Family::Ours);
}

#[test]
fn runit_under_runit() {
    everything("runit", Family::Runit);
}

#[test]
fn runit_under_ours() {
    everything("runit", Family::Ours);
}
