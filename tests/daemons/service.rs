//! A service of a real daemon in a sandbox of its own, controlled as an administrator does it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};

use nix::unistd::User;

use crate::common::processes::Process;
use crate::common::sandbox::Said;
use crate::common::{self, Family, Sandbox, Supervisor, is_root, skipped};

/// Who runs the scanner and its services.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    Root,
    /// Nobody, or who runs the test.
    Ordinary,
}

/// One service under a scanner. The fields are dropped in this order: the scanner before its sandbox.
pub(crate) struct Service {
    pub(crate) name: &'static str,
    svscan: Option<Supervisor>,
    pub(crate) sandbox: Sandbox,
}

impl Service {
    /// Installs `tests/daemons/FROM` as service `name`, down. `None`, and said so, when the machine lacks
    /// one of `programs`, or the test is not root as the service needs it.
    pub(crate) fn install(
        owner: Owner,
        name: &'static str,
        from: &[&str],
        programs: &[&str],
    ) -> Option<Self> {
        let lacking = programs.iter().find(|program| !on_path(program));
        if let Some(why) = lacking.map(|program| format!("no {program}; tests/setup installs it")) {
            skipped(&why);
            return None;
        }
        if owner == Owner::Root && !is_root() {
            skipped("needs root, as the daemon itself does");
            return None;
        }
        let sandbox = Sandbox::new(name, Family::Ours).unwrap_or_else(|why| panic!("{why}"));
        let sandbox = if owner == Owner::Ordinary { sandbox.unprivileged() } else { sandbox };
        let root = sandbox.scan().into_os_string().into_string().unwrap();
        let sandbox = sandbox.set("SVDIR", &root);
        sandbox.file(&format!("{name}/down"), "");
        let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/daemons");
        for entry in from.iter().flat_map(|from| fs::read_dir(templates.join(from)).unwrap()) {
            let entry = entry.unwrap();
            let file = entry.file_name().into_string().unwrap();
            sandbox.file(&format!("{name}/{file}"), &fs::read_to_string(entry.path()).unwrap());
            let mode = entry.metadata().unwrap().permissions();
            fs::set_permissions(sandbox.scan().join(name).join(file), mode).unwrap();
        }
        Some(Service { name, svscan: None, sandbox })
    }

    /// With the scanner running.
    pub(crate) fn scanned(mut self) -> Self {
        self.svscan = Some(self.sandbox.scanner());
        self.sandbox.wait_for("svscan to take the service up", || {
            let said = self.sandbox.run("svok", [self.name]);
            common::expect(said.code == 0, said)
        });
        self
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.sandbox.scan().join(self.name).join(file)
    }

    pub(crate) fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap_or_default()
    }

    /// Fails unless a file of the service contains `text`.
    pub(crate) fn assert_says(&self, file: &str, text: &str) {
        let content = self.read(file);
        assert!(content.contains(text), "{file} does not say {text:?}:\n{content}");
    }

    pub(crate) fn write(&self, file: &str, content: &str) {
        self.sandbox.file(&format!("{}/{file}", self.name), content);
    }

    /// A directory of the service that belongs to its owner.
    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        self.sandbox.directory(&path);
        path
    }

    /// A directory of the service that belongs to `user`.
    pub(crate) fn directory_of(&self, user: &str, name: &str) -> PathBuf {
        let path = self.directory(name);
        let user = User::from_name(user).unwrap().unwrap_or_else(|| panic!("no user {user}"));
        std::os::unix::fs::chown(&path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
        path
    }

    /// Starts it by `svcstart`, which must find it working.
    pub(crate) fn start(&self) -> Said {
        let said = self.sandbox.run("svcstart", [self.name]);
        assert_eq!(said.code, 0, "{said:?}\n{}", self.sandbox.reports());
        said
    }

    /// Stops it by `svcstop`: nothing of it may be left by the time that says so.
    pub(crate) fn stop(&self) -> Said {
        let present = self.processes();
        assert!(!present.is_empty(), "there is nothing to stop");
        let groups: Vec<_> =
            present.iter().flat_map(|process| self.sandbox.note_groups(process.pid)).collect();
        let said = self.sandbox.run("svcstop", ["-v", self.name]);
        let left = self.processes();
        assert_eq!((said.code, &left[..]), (0, &[][..]), "{said:?}\n{}", self.sandbox.reports());
        let left: Vec<_> = groups.into_iter().filter(|group| group.exists()).collect();
        assert!(left.is_empty(), "cgroups left: {left:?}");
        assert!(self.sandbox.svstat(self.name).starts_with("down"), "{}", self.sandbox.svstat(self.name));
        said
    }

    /// All that come from the service's directory (by argument, environment, descriptor or working
    /// directory), except pinfold's own.
    pub(crate) fn processes(&self) -> Vec<Process> {
        let directory = self.sandbox.scan().join(self.name);
        let word = directory.to_str().unwrap();
        let pinfold = self.sandbox.programs().join("pinfold");
        let is_ours =
            |pid: i32| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|program| program == pinfold);
        let mut all = Process::all();
        all.retain(|process| {
            process.is_alive()
                && process.traces().lead_to(&directory, word).is_some()
                && !is_ours(process.pid)
        });
        all
    }

    /// The only process of the service with this name, as in /proc/PID/comm.
    pub(crate) fn process(&self, command: &str) -> Process {
        self.sandbox.wait_for(&format!("a {command}"), || {
            let mut found = self.processes();
            found.retain(|process| process.command == command);
            <[Process; 1]>::try_from(found).map(|[only]| only).map_err(|found| format!("{found:?}"))
        })
    }

    /// Gives the service an address of this test's own in its file `address`, so that nobody else can
    /// have the port: 127.0.0.0/8 is all loopback.
    pub(crate) fn own_address(&self) -> String {
        static PORT: AtomicU16 = AtomicU16::new(8000);
        let [_, a, b, c] = std::process::id().to_be_bytes();
        let address = format!("127.{}.{b}.{c}:{}", a + 1, PORT.fetch_add(1, Ordering::Relaxed));
        self.write("address", &address);
        address
    }
}

fn on_path(program: &str) -> bool {
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        .iter()
        .any(|directory| Path::new(directory).join(program).exists())
}
