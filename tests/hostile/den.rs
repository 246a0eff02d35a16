//! Root's svscan over services that belong to an ordinary user, and something of root's that is to stay as it is.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use super::common::{Supervisor, expect, is_root, skipped};
use super::yard::Yard;

/// The service's user: nobody that this machine knows.
pub(crate) const USER: u32 = 64_217;
/// What root keeps to himself.
pub(crate) const SECRET: &str = "TOPSECRET-e5d1";

/// A run script as root writes it: it becomes the service's user.
pub(crate) fn run() -> String {
    format!("#!/bin/sh\nexec setpriv --reuid={USER} --regid={USER} --clear-groups sleep 1000000\n")
}

pub(crate) struct Den {
    pub(crate) yard: Yard,
    before: Vec<String>,
}

impl Den {
    /// With a sound service of root's; `None`, and a word about it, for anybody but root.
    pub(crate) fn new(label: &str) -> Option<Den> {
        if !is_root() {
            skipped("only root can be misled into what others may not do");
            return None;
        }
        let yard = Yard::new(label);
        let victim = yard.sandbox.lab().join("victim");
        fs::create_dir(&victim).unwrap();
        for name in ["precious", "status", "run"] {
            fs::write(victim.join(name), format!("#!{SECRET}\n")).unwrap();
            fs::set_permissions(victim.join(name), fs::Permissions::from_mode(0o600)).unwrap();
        }
        let before = listing(&victim);
        Some(Den { yard, before })
    }

    /// A directory of root's, readable for nobody else as to its files.
    pub(crate) fn victim(&self) -> PathBuf {
        self.yard.sandbox.lab().join("victim")
    }

    /// A service in a directory of the user's, with a `supervise` of his.
    pub(crate) fn service(&self, name: &str) -> PathBuf {
        self.yard.sandbox.file(&format!("{name}/run"), &run());
        let path = self.yard.path(name);
        self.give(&path);
        path
    }

    pub(crate) fn with_supervise(&self, name: &str) -> PathBuf {
        let path = self.service(name);
        fs::create_dir(path.join("supervise")).unwrap();
        self.give(&path.join("supervise"));
        path
    }

    pub(crate) fn give(&self, path: &Path) {
        chown(path, Some(USER), Some(USER)).unwrap();
    }

    /// Starts what the user does, in this directory of his.
    pub(crate) fn start_as_user(&self, directory: &Path, script: &str) -> Supervisor {
        let mut command = self.yard.sandbox.command("setpriv");
        command.args([&format!("--reuid={USER}"), &format!("--regid={USER}"), "--clear-groups"]);
        command.args(["bash", "-ec", script]).env("VICTIM", self.victim()).current_dir(directory);
        self.yard.sandbox.start_command(command)
    }

    /// The user does something, and succeeds.
    #[track_caller]
    pub(crate) fn as_user(&self, directory: &Path, script: &str) {
        assert_eq!(self.start_as_user(directory, script).ended(), 0, "{script}");
    }

    /// Starts the scanner; every service of the user's has been taken up, or told of.
    pub(crate) fn open(&mut self) {
        self.yard.open();
    }

    /// Starts the scanner with nobody to hear it.
    pub(crate) fn open_unheard(&mut self) {
        let script = r#"exec svscan "$0" 2>/dev/null"#;
        let scanner =
            self.yard.sandbox.start("sh", ["-c", script, self.yard.sandbox.scan().to_str().unwrap()]);
        self.yard.open_as(scanner);
    }

    /// Waits until the service runs, or something has been said of it.
    #[track_caller]
    pub(crate) fn settled(&self, service: &str) {
        self.yard.sandbox.wait_for(&format!("{service} to run, or a word about it"), || {
            let runs = self.pid(service) != 0;
            let reports = self.yard.sandbox.reports();
            expect(runs || reports.contains(&format!("{service}: ")), reports)
        });
    }

    /// The pid that a service's status says, whatever the user has put in its place; 0 if it says none.
    pub(crate) fn pid(&self, service: &str) -> i32 {
        let status = sys::files::read(&self.yard.path(service).join("supervise/status"), 100).ok().flatten();
        let pid = status.and_then(|status| Some(i32::from_le_bytes(status.get(12..16)?.try_into().ok()?)));
        pid.unwrap_or(0)
    }

    /// Nothing of root's has changed, nor is anything new, nor has a secret been told.
    #[track_caller]
    pub(crate) fn untouched(&self) {
        let reports = self.yard.sandbox.reports();
        assert_eq!(listing(&self.victim()), self.before, "{reports}");
        assert!(!reports.contains(SECRET), "{reports}");
    }

    /// The sound service works, and nothing has been touched: now, and when all is over.
    #[track_caller]
    pub(crate) fn close(self) {
        self.yard.sound_works();
        self.untouched();
        let (victim, before) = (self.victim(), self.before);
        // looked at while the sandbox still stands
        let seen = std::cell::RefCell::new(Vec::new());
        self.yard.close_and(|| seen.replace(listing(&victim)));
        assert_eq!(seen.into_inner(), before);
    }
}

/// Everything about the files of a directory that somebody else could have changed.
fn listing(directory: &Path) -> Vec<String> {
    let mut all: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .flatten()
        .map(|entry| {
            let meta = entry.path().symlink_metadata().unwrap();
            let content = fs::read(entry.path()).unwrap_or_default();
            let (uid, mode, content) =
                (meta.uid(), meta.mode(), String::from_utf8_lossy(&content).into_owned());
            format!("{:?} {uid} {mode:o} {:?} {content:?}", entry.file_name(), meta.modified().unwrap())
        })
        .collect();
    all.sort();
    all
}
