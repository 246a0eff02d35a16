//! A directory of its own for a test: services, a supervisor over them, and an end that leaves nothing.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;

use nix::sys::signal::Signal;

use super::guard::Guard;
use super::processes::Process;
use super::supervisor::{Status, Supervisor, code, reports};
use super::{Family, NOBODY, bound, cgroups, conformance, look_until};
use pinfold::trace;

/// Set in everything that runs in a sandbox, to its name.
const VARIABLE: &str = "PINFOLD_SANDBOX";

pub(crate) struct Sandbox {
    /// Unlike any other on this machine; part of every path.
    pub(crate) name: String,
    root: PathBuf,
    family: Family,
    programs: PathBuf,
    unprivileged: bool,
    environment: Vec<(String, String)>,
    /// Sweeps up when this test itself is killed.
    guard: Guard,
    /// Groups its processes were seen in, for the end.
    groups: RefCell<BTreeSet<PathBuf>>,
}

/// What a command said and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    /// The exit code, or minus the signal.
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Sandbox {
    /// For programs of `family`. An error says what is missing on this machine.
    pub(crate) fn new(label: &str, family: Family) -> Result<Self, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        // Of letters that no escaping of file or cgroup names changes, so that it is found in all of them.
        let label = label.replace(|letter: char| !letter.is_ascii_alphanumeric(), "_");
        let name = format!("pf{}_{}_{label}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let root = std::env::temp_dir().join(&name);
        let programs = match family {
            Family::Ours => root.join("bin"),
            _ => family.peer_directory()?,
        };
        for directory in ["scan", "lab", "run"] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        fs::write(root.join("lab/leash"), "").unwrap();
        // for whoever the supervisors run as
        fs::write(root.join("trace"), "").unwrap();
        fs::set_permissions(root.join("trace"), fs::Permissions::from_mode(0o666)).unwrap();
        Family::install_ours(&root.join("bin"));
        let (guard, groups) = (Guard::post(&name, &root.join("lab/leash")), RefCell::default());
        Ok(Sandbox {
            name,
            root,
            family,
            programs,
            unprivileged: false,
            environment: Vec::new(),
            guard,
            groups,
        })
    }

    /// Lets the supervisor and its services run as an ordinary user, also when the test runs as root.
    pub(crate) fn unprivileged(mut self) -> Self {
        self.unprivileged = true;
        for directory in ["scan", "lab", "run"] {
            self.give_away(&self.root.join(directory));
        }
        self
    }

    /// Sets an environment variable for everything started from here.
    pub(crate) fn set(mut self, variable: &str, value: &str) -> Self {
        self.environment.push((variable.into(), value.into()));
        self
    }

    /// The scan directory.
    pub(crate) fn scan(&self) -> PathBuf {
        self.root.join("scan")
    }

    /// What stands for `/run/pinfold`.
    pub(crate) fn run_directory(&self) -> PathBuf {
        self.root.join("run")
    }

    /// Where supervisors write down their turns.
    pub(crate) fn trace(&self) -> PathBuf {
        self.root.join("trace")
    }

    /// A path outside the scan directory, for the test's own files.
    pub(crate) fn lab(&self) -> PathBuf {
        self.root.join("lab")
    }

    /// Exists as long as the sandbox: the test programs end themselves when it is gone.
    pub(crate) fn leash(&self) -> PathBuf {
        self.lab().join("leash")
    }

    /// The directory of the programs under test.
    pub(crate) fn programs(&self) -> &Path {
        &self.programs
    }

    /// Writes a file of the scan directory (`squid/run`), with its directories. Scripts are executable.
    pub(crate) fn file(&self, path: &str, content: &str) {
        let path = self.scan().join(path);
        self.directory(path.parent().unwrap());
        let name = path.file_name().unwrap().to_str().unwrap_or_default();
        let executable = matches!(name, "run" | "start" | "stop" | "finish" | "check")
            || path.parent().is_some_and(|parent| parent.ends_with("control"));
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(if executable { 0o755 } else { 0o644 }))
            .unwrap();
        self.give_away(&path);
    }

    /// Makes a directory and those above it, the user's where there is one.
    pub(crate) fn directory(&self, path: &Path) {
        if !path.exists() {
            self.directory(path.parent().unwrap());
            fs::create_dir(path).unwrap();
            self.give_away(path);
        }
    }

    fn give_away(&self, path: &Path) {
        if self.unprivileged && super::is_root() {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }

    /// A command in the scan directory, its programs first on PATH and nothing else in its environment.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        self.command_in(&self.programs, program.as_ref())
    }

    /// The same of another family's program.
    pub(crate) fn command_of(&self, family: Family, program: &str) -> Command {
        let programs = match family {
            Family::Ours => self.root.join("bin"),
            _ => family.peer_directory().unwrap(),
        };
        self.command_in(&programs, program.as_ref())
    }

    fn command_in(&self, programs: &Path, program: &OsStr) -> Command {
        let path =
            format!("{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", programs.display());
        // An applet is looked up here: Command would look along the test's own PATH.
        let own = programs.join(program);
        let mut command = Command::new(if own.exists() { own.as_os_str() } else { program });
        if own.exists() {
            command.arg0(program);
        }
        command.env_clear().env("PATH", path).env("LANG", "C").env(VARIABLE, &self.name);
        command.env("PINFOLD_RUN", self.run_directory()).env(trace::VARIABLE, self.trace());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.current_dir(self.scan()).stdin(Stdio::null()).process_group(0);
        if self.unprivileged && super::is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    /// Runs a command to its end; one that hangs fails the test.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, program: &str, arguments: impl IntoIterator<Item = S>) -> Said {
        let mut command = self.command(program);
        command.args(arguments);
        self.finish(command)
    }

    /// Runs a prepared command to its end.
    pub(crate) fn finish(&self, mut command: Command) -> Said {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let process = Process::look(child.id() as i32);
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || sender.send(child.wait_with_output()));
        let Ok(output) = receiver.recv_timeout(bound()) else {
            if let Some(process) = process {
                process.signal(Signal::SIGKILL);
            }
            panic!("{command:?} has not come back after {:?}\n{}", bound(), self.reports());
        };
        let output = output.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Said { code: code(output.status), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Starts a supervisor (`svscan`, `supervise`, `runsv` …) whose output is kept for [`Self::reports`].
    pub(crate) fn start<S: AsRef<OsStr>>(
        &self,
        program: &str,
        arguments: impl IntoIterator<Item = S>,
    ) -> Supervisor {
        let mut command = self.command(program);
        command.args(arguments);
        self.start_command(command)
    }

    /// Starts a prepared command as a supervisor.
    pub(crate) fn start_command(&self, mut command: Command) -> Supervisor {
        let log = fs::File::options().create(true).append(true).open(self.root.join("reports")).unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Supervisor::new(child, self.root.join("reports"))
    }

    /// Starts the family's scanner over the scan directory.
    pub(crate) fn scanner(&self) -> Supervisor {
        self.start(if self.family == Family::Runit { "runsvdir" } else { "svscan" }, [self.scan()])
    }

    /// Everything the supervisors and their services have said.
    pub(crate) fn reports(&self) -> String {
        reports(&self.root.join("reports"))
    }

    /// Waits until `look` succeeds; fails with what was seen last and what the supervisor said.
    #[track_caller]
    pub(crate) fn wait_for<T>(&self, what: &str, look: impl FnMut() -> Result<T, String>) -> T {
        // No closure: the failure is reported with the line of the test.
        match look_until(look) {
            Ok(found) => found,
            Err(seen) => {
                let processes: Vec<_> = self.processes().iter().map(Process::to_string).collect();
                let (processes, reports) = (processes.join("\n"), self.reports());
                let bound = bound();
                panic!(
                    "waited {bound:?} for {what}; last seen: {seen}\n--- processes\n{processes}\n--- reports\n{reports}"
                )
            }
        }
    }

    /// `svstat`'s line without the name.
    pub(crate) fn svstat(&self, service: &str) -> String {
        let said = self.run("svstat", [service]);
        let line = said.out.trim_end();
        line.strip_prefix(&format!("{service}: ")).unwrap_or(line).to_owned()
    }

    pub(crate) fn status(&self, service: &str) -> Option<Status> {
        Status::read(&self.scan().join(service))
    }

    /// Waits until a service runs, and gives its pid.
    #[track_caller]
    pub(crate) fn up(&self, service: &str) -> i32 {
        self.wait_for(&format!("{service} to be up"), || match self.status(service) {
            Some(status) if status.pid != 0 => Ok(status.pid),
            other => Err(format!("{other:?}")),
        })
    }

    #[track_caller]
    pub(crate) fn down(&self, service: &str) {
        self.wait_for(&format!("{service} to be down"), || {
            let status = self.status(service);
            super::expect(status.as_ref().is_some_and(|status| status.pid == 0), status)
        });
    }

    /// Remembers the groups a process is in, so that they are gone after the test.
    pub(crate) fn note_groups(&self, pid: i32) -> Vec<PathBuf> {
        let groups = cgroups::of(pid);
        self.groups.borrow_mut().extend(groups.iter().cloned());
        groups
    }

    /// Everything that comes from this sandbox: by environment, arguments, descriptors or working directory.
    pub(crate) fn processes(&self) -> Vec<Process> {
        let own = std::process::id() as i32;
        let programs = self.root.join("bin");
        let ours = |process: &Process| {
            let traces = process.traces().but_for_readers_of(&programs);
            process.pid != own && traces.lead_to(&self.root, &self.name).is_some()
        };
        Process::all().into_iter().filter(ours).collect()
    }

    /// The groups that carry this sandbox's name, or were noted, and still exist. The deepest first.
    pub(crate) fn cgroups(&self) -> Vec<PathBuf> {
        let noted = self.groups.borrow().iter().flat_map(|group| cgroups::below(group)).collect::<Vec<_>>();
        cgroups::named(&self.name).into_iter().chain(noted).collect()
    }

    /// Without mercy, and until nothing is left.
    fn sweep(&mut self) -> Result<(), String> {
        let _ = fs::remove_file(self.leash());
        look_until(|| {
            self.cgroups().iter().for_each(|group| cgroups::thaw_and_kill(group));
            let left = self.processes();
            left.iter().for_each(|process| process.signal(Signal::SIGKILL));
            let left: Vec<_> = left.into_iter().filter(Process::is_alive).collect();
            super::expect(left.is_empty(), left)
        })?;
        look_until(|| {
            let left = self.cgroups();
            left.iter().for_each(|group| drop(fs::remove_dir(group)));
            super::expect(left.is_empty(), left)
        })
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let swept = self.sweep();
        let differences = conformance::differences(&conformance::turns(&self.trace()));
        if swept.is_ok() {
            self.guard.dismiss();
        }
        if std::env::var_os("PINFOLD_KEEP").is_some() {
            let _ = writeln!(io::stderr(), "kept: {}", self.root.display());
        } else {
            let _ = fs::remove_dir_all(&self.root);
        }
        if let (Err(left), false) = (swept, thread::panicking()) {
            panic!("{}: cannot be swept: {left}", self.name);
        }
        if !thread::panicking() {
            assert!(differences.is_empty(), "not what the machine says:\n{}", differences.join("\n"));
        }
    }
}
