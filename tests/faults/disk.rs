//! Disks that are full or can't be written, seen by svscan alone: in a mount namespace of its own.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::common::processes::Process;
use super::common::{Family, Sandbox, Status, expect, is_root, skipped};
use super::ordeal::Ordeal;
use super::scene::{STAYS, Scene};

/// An svscan with mounts of its own.
struct Inside {
    ordeal: Ordeal,
}

impl Inside {
    /// `supervise/` of squid is `size` bytes, of a file system that nobody else sees.
    fn new(label: &str, size: &str) -> Option<Inside> {
        if !is_root() {
            skipped("needs root to mount a file system");
            return None;
        }
        let sandbox = Sandbox::new(label, Family::Ours).unwrap();
        Some(Inside::mounted(sandbox, &format!("mount -t tmpfs -o size={size} none \"$1\"")))
    }

    /// The same on a disk of its own, the file `disk` of the laboratory.
    fn on_disk(label: &str) -> Option<Inside> {
        let sandbox = Sandbox::new(label, Family::Ours).unwrap();
        let disk = sandbox.lab().join("disk");
        let (disk, mount) = (disk.to_str().unwrap(), "mount -o loop,errors=remount-ro");
        let make = format!("truncate -s 8M {disk} && mke2fs -q -t ext4 {disk} && {mount} {disk} /mnt");
        let tried = sandbox.run("unshare", ["-m", "sh", "-c", &make]);
        if tried.code != 0 {
            skipped(&format!("no ext4 in a file can be mounted: {}", tried.err.trim_end()));
            return None;
        }
        let mount = format!("{mount} {disk} \"$1\"");
        Some(Inside::mounted(sandbox, &mount))
    }

    fn mounted(sandbox: Sandbox, mount: &str) -> Inside {
        for service in ["squid", "other"] {
            sandbox.file(&format!("{service}/run"), STAYS);
        }
        let desk = sandbox.scan().join("squid/supervise");
        sandbox.directory(&desk);
        let script = format!("{mount} && exec svscan \"$2\"");
        let mut command = sandbox.command("unshare");
        command.args(["-m", "sh", "-c", &script, "sh"]).arg(desk).arg(sandbox.scan());
        let mut scene = Scene::of(sandbox);
        scene.scanner = Some(scene.sandbox.start_command(command));
        scene.sandbox.wait_for("svscan to be started", || {
            let process = Process::look(scene.guardian().pid);
            expect(process.as_ref().is_some_and(|process| process.command == "svscan"), process)
        });
        let inside = Inside { ordeal: Ordeal::of(scene) };
        inside.squid(|status| status.pid != 0);
        inside.ordeal.started("other");
        inside
    }

    fn path(&self, path: &str) -> PathBuf {
        let root = format!("/proc/{}/root", self.ordeal.guardian.pid);
        Path::new(&root).join(self.ordeal.path(path).strip_prefix("/").unwrap())
    }

    fn squid(&self, is_so: impl Fn(&Status) -> bool) -> Status {
        self.ordeal.sandbox.wait_for("squid's status", || {
            let status = Status::read_in(&self.path("squid/supervise"));
            status.clone().filter(&is_so).ok_or_else(|| format!("{status:?}"))
        })
    }

    fn tell(&self, letters: &str) {
        fs::write(self.path("squid/supervise/control"), letters).unwrap();
    }

    /// Does something in svscan's mount namespace.
    fn mount(&self, arguments: &[&str]) {
        let pid = self.ordeal.guardian.pid.to_string();
        let said = self.ordeal.sandbox.run("nsenter", ["-m", "-t", &pid].iter().chain(arguments));
        assert_eq!(said.code, 0, "{said:?}");
    }

    /// While nothing can be written: commands are obeyed, it is said once, nobody else suffers.
    fn is_obeyed_all_the_same(&self, words: &str) {
        let copies = || self.ordeal.copies("squid");
        for _ in 0..4 {
            let before = copies();
            self.tell("t");
            self.ordeal.sandbox.wait_for("a restart", || {
                let now = copies();
                expect(now.len() == 1 && now != before, now)
            });
        }
        self.tell("d");
        self.ordeal.sandbox.wait_for("a stop", || expect(copies().is_empty(), copies()));
        self.ordeal.says(&["squid: ", words]);
        self.ordeal.works("other");
        self.ordeal.while_it_lasts();
        self.ordeal.said_at_most(1, &["squid: ", words]);
    }

    /// When it can be written again, it is, without anybody's doing.
    fn ends(self) {
        self.squid(|status| status.pid == 0);
        self.ordeal.recorded("squid", "nothing to complain of", |record| record.message.is_empty());
        self.tell("u");
        let up = self.squid(|status| status.pid != 0);
        self.tell("t");
        self.squid(|status| status.pid != 0 && status.pid != up.pid);
        // the place of the mount, as seen from here; it was not svscan that made it
        fs::remove_dir(self.ordeal.path("squid/supervise")).unwrap();
        self.ordeal.over(&["other"]);
    }
}

#[test]
fn no_space_for_a_status() {
    let Some(inside) = Inside::new("enospc", "32k") else { return };
    let filler = inside.path("squid/supervise/filler");
    let mut file = File::create(&filler).unwrap();
    while file.write_all(&[0; 512]).is_ok() {}
    // what would be needed for the next write, too
    for name in ["status.new", "pid.new", "stat.new"] {
        let _ = fs::remove_file(inside.path("squid/supervise").join(name));
        while file.write_all(&[0; 512]).is_ok() {}
    }
    inside.is_obeyed_all_the_same("no space");
    drop(file);
    fs::remove_file(filler).unwrap();
    inside.ends();
}

/// As it goes when a disk has errors: nothing can be written until somebody has repaired it.
#[test]
fn a_disk_that_becomes_read_only() {
    let Some(inside) = Inside::on_disk("erofs-disk") else { return };
    let desk = inside.ordeal.path("squid/supervise");
    let desk = desk.to_str().unwrap();
    let fault = format!("echo test >/sys/fs/ext4/$(basename $(findmnt -no SOURCE {desk}))/trigger_fs_error");
    inside.mount(&["sh", "-c", &fault]);
    inside.is_obeyed_all_the_same("read-only");
    // given up, so that it can be mounted anew; then the scanner takes it up by itself
    inside.tell("x");
    let mend =
        format!("umount {desk} && {{ e2fsck -fy \"$1\" || [ $? = 1 ]; }} && mount -o loop \"$1\" {desk}");
    let disk = inside.ordeal.sandbox.lab().join("disk");
    let pid = inside.ordeal.guardian.pid.to_string();
    inside.ordeal.sandbox.wait_for("it to be let go and repaired", || {
        let mend = ["-m", "-t", &pid, "sh", "-c", &mend, "sh", disk.to_str().unwrap()];
        let said = inside.ordeal.sandbox.run("nsenter", mend);
        expect(said.code == 0, said)
    });
    inside.squid(|status| status.pid != 0);
    inside.tell("d");
    inside.ends();
}

/// The run directory, in which everything of its own stands, and the `supervise/` of a service that brings none.
#[test]
fn a_run_directory_that_is_read_only() {
    let Some(inside) = Inside::new("erofs-run", "1m") else { return };
    let run = inside.ordeal.sandbox.run_directory();
    let run = run.to_str().unwrap();
    inside.mount(&["mount", "--bind", run, run]);
    inside.mount(&["mount", "-o", "remount,bind,ro", run]);
    let other = inside.ordeal.sandbox.up("other");
    inside.ordeal.process(other).signal(nix::sys::signal::Signal::SIGKILL);
    inside.ordeal.says(&["other: ", "read-only"]);
    inside.ordeal.sandbox.file("late/run", STAYS);
    inside.ordeal.says(&["late: ", "read-only"]);
    inside.tell("t");
    inside.ordeal.while_it_lasts();
    inside.ordeal.said_at_most(1, &["other: ", "read-only"]);
    inside.ordeal.said_at_most(1, &["late: ", "read-only"]);
    inside.mount(&["umount", run]);
    inside.ordeal.other("other", other);
    inside.ordeal.started("late");
    inside.ordeal.works("late");
    inside.tell("d");
    inside.ends();
}
