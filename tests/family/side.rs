//! The two sides, and the running of a script with the tools of one.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, geteuid};

use crate::case::{self, Case};
use crate::outcome::Outcome;

/// Whose tools.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Theirs,
    Ours,
}

/// How long a script may take before it is called hung.
const LIMIT: Duration = Duration::from_secs(120);

/// A script starts with the standard descriptors only: some cases count what is open, and what the tests
/// themselves were started with differs from place to place. (`/bin/sh` can't close those above nine.)
const BARE: &str = r#"for fd in /proc/$$/fd/*; do
    fd=${fd##*/}
    [ "$fd" -le 2 ] || eval "exec $fd>&-"
done
exec /bin/sh -c "$1""#;

/// How many scripts of a tool run side by side.
const AT_A_TIME: usize = 4;

/// A scratch directory with both sides' tools.
pub(crate) struct Bench {
    tool: String,
    scratch: PathBuf,
    peers: bool,
}

/// Debian's packages are unpacked here (see `tests/run`).
fn peers() -> PathBuf {
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers");
    std::env::var_os("PINFOLD_PEERS").map_or(usual, PathBuf::from)
}

/// A copy, so that an ordinary user reaches it wherever this was built; a link where that does the same.
fn bring(from: &Path, to: &Path) {
    if fs::hard_link(from, to).is_err() {
        fs::copy(from, to).unwrap();
    }
}

impl Bench {
    pub(crate) fn new(tool: &str) -> Bench {
        let scratch = std::env::temp_dir().join(format!("pinfold-family-{tool}-{}", std::process::id()));
        let (ours, theirs) = (scratch.join("ours"), scratch.join("theirs"));
        fs::create_dir_all(&ours).unwrap();
        fs::create_dir_all(&theirs).unwrap();
        bring(Path::new(env!("CARGO_BIN_EXE_pinfold")), &ours.join("pinfold"));
        for applet in compat::APPLETS {
            symlink("pinfold", ours.join(applet.name)).unwrap();
        }
        let mut found = 0;
        for package in ["daemontools", "runit"] {
            let Ok(bin) = peers().join(package).join("usr/bin").read_dir() else { continue };
            found += 1;
            bin.flatten().for_each(|entry| bring(&entry.path(), &theirs.join(entry.file_name())));
        }
        fs::set_permissions(&scratch, Permissions::from_mode(0o755)).unwrap();
        let bench = Bench { tool: tool.to_owned(), scratch, peers: found == 2 };
        if !bench.peers {
            println!("SKIPPED: {tool}: theirs, as Debian's packages are not in {}", peers().display());
        }
        bench
    }

    pub(crate) fn has(&self, side: Side) -> bool {
        side == Side::Ours || self.peers
    }

    /// Whether the case has what it needs here; says so if not.
    pub(crate) fn can_run(&self, case: &Case) -> bool {
        let missing = match case {
            Case { root: true, .. } if !geteuid().is_root() => "root",
            Case { peers: true, .. } if !self.peers => "Debian's packages",
            _ => return true,
        };
        println!("SKIPPED: {}: {}: needs {missing}", self.tool, case.name);
        false
    }

    /// Runs every case, a few at a time: they mostly wait.
    pub(crate) fn run_all(&self, side: Side, cases: &[&Case]) -> Vec<Outcome> {
        let next = AtomicUsize::new(0);
        let outcomes: Vec<OnceLock<Outcome>> = cases.iter().map(|_| OnceLock::new()).collect();
        let work = || {
            while let (at, Some(case)) = next_of(&next, cases) {
                assert!(outcomes[at].set(self.run(side, case, at)).is_ok());
            }
        };
        std::thread::scope(|scope| (0..AT_A_TIME).for_each(|_| drop(scope.spawn(work))));
        outcomes.into_iter().map(|outcome| outcome.into_inner().expect("every case was run")).collect()
    }

    /// Runs the case's script in an empty directory and says what it did.
    fn run(&self, side: Side, case: &Case, number: usize) -> Outcome {
        let place = self.scratch.join(format!("T{number}"));
        fs::create_dir(&place).unwrap();
        fs::set_permissions(&place, Permissions::from_mode(0o777)).unwrap();
        let file = |name: &str| self.scratch.join(format!("{name}{number}"));
        let (out, err) = (file("out"), file("err"));
        let child = self
            .shell(side, case)
            .current_dir(&place)
            .stdin(Stdio::null())
            .stdout(File::create(&out).unwrap())
            .stderr(File::create(&err).unwrap())
            .process_group(0)
            .spawn()
            .unwrap();
        let group = Pid::from_raw(child.id().cast_signed());
        let end = wait(child);
        // What the script left running stayed in its process group.
        let _ = killpg(group, Signal::SIGKILL);
        let scratch = place.to_str().unwrap();
        let outcome = Outcome::new(&fs::read(out).unwrap(), &fs::read(err).unwrap(), &end, scratch);
        remove(&place);
        outcome
    }

    /// A place in the scratch directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.scratch.join(name)
    }

    /// One side's tool of that name.
    pub(crate) fn tool(&self, side: Side, name: &str) -> PathBuf {
        self.scratch.join(if side == Side::Ours { "ours" } else { "theirs" }).join(name)
    }

    fn shell(&self, side: Side, case: &Case) -> Command {
        let tools = self.tool(side, "");
        let mut shell = Command::new("bash");
        shell
            .args(["-c", BARE, "bare"])
            .arg(format!(". {}/lib.sh\n{}", case::folder().display(), case.script))
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin:/usr/sbin:/sbin", tools.display()))
            .env("THEIRS", self.scratch.join("theirs"))
            .env("TZ", "UTC")
            .env("LC_ALL", "C");
        shell
    }
}

/// The next case that nobody has taken yet, with its number.
fn next_of<'a>(next: &AtomicUsize, cases: &[&'a Case]) -> (usize, Option<&'a Case>) {
    let at = next.fetch_add(1, Ordering::Relaxed);
    (at, cases.get(at).copied())
}

impl Drop for Bench {
    fn drop(&mut self) {
        remove(&self.scratch);
    }
}

/// Removes a directory; processes just killed may still be making files in it.
fn remove(dir: &Path) {
    let start = Instant::now();
    while fs::remove_dir_all(dir).is_err() && dir.exists() {
        assert!(start.elapsed() < LIMIT, "cannot remove {}", dir.display());
        std::thread::sleep(Duration::from_millis(5)); // bounded: by LIMIT
    }
}

/// The exit code or signal; a script that hangs is killed and said to hang.
fn wait(mut child: Child) -> String {
    let start = Instant::now();
    let status: ExitStatus = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > LIMIT {
            let _ = killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL);
            let _ = child.wait();
            return "hung".to_owned();
        }
        std::thread::sleep(Duration::from_millis(2)); // bounded: by LIMIT
    };
    match status.code() {
        Some(code) => code.to_string(),
        None => format!("signal {}", status.signal().unwrap_or_default()),
    }
}
