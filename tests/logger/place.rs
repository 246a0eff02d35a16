//! A scratch directory for one side's logger, and what is found in it afterwards.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Whose logger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Theirs,
    Ours,
}

/// The sides that can be tested here.
pub(crate) fn sides() -> Vec<Side> {
    if original().exists() {
        return vec![Side::Theirs, Side::Ours];
    }
    eprintln!(
        "SKIPPED: {:?}: theirs, as it is not in {}",
        std::thread::current().name(),
        original().display()
    );
    vec![Side::Ours]
}

fn original() -> PathBuf {
    let usual = || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers");
    std::env::var_os("PINFOLD_PEERS").map_or_else(usual, PathBuf::from).join("daemontools/usr/bin/multilog")
}

impl Side {
    pub(crate) fn program(self) -> PathBuf {
        match self {
            Side::Theirs => original(),
            Side::Ours => env!("CARGO_BIN_EXE_pinfold").into(),
        }
    }
}

/// What a logger said and how it ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) code: Option<i32>,
    pub(crate) said: String,
}

/// A scratch directory, removed in the end.
pub(crate) struct Place(pub(crate) PathBuf);

impl Place {
    pub(crate) fn new() -> Place {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("pinfold-logger-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Place(path)
    }

    pub(crate) fn command(&self, side: Side, script: &[&str]) -> Command {
        let mut command = Command::new(side.program());
        command.arg0("multilog").args(script).current_dir(&self.0);
        command.stdin(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a logger with all of `input`.
    pub(crate) fn log(&self, side: Side, script: &[&str], input: &[u8]) -> End {
        let mut child = self.command(side, script).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::thread::scope(|scope| {
            // A logger that ends early does not read all.
            scope.spawn(move || drop(stdin.write_all(input)));
            end(child)
        })
    }

    pub(crate) fn read(&self, file: &str) -> Vec<u8> {
        fs::read(self.0.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
    }

    pub(crate) fn write(&self, file: &str, mode: u32, content: &[u8]) {
        let path = self.0.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    }

    /// The old files of a log directory, oldest first.
    pub(crate) fn old(&self, dir: &str) -> Vec<String> {
        let entries = fs::read_dir(self.0.join(dir)).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name.starts_with('@'));
        names.sort();
        names
    }

    /// All that was ever logged, old files first.
    pub(crate) fn all(&self, dir: &str) -> Vec<u8> {
        let names = self.old(dir).into_iter().chain(["current".into()]);
        names.flat_map(|name| self.read(&format!("{dir}/{name}"))).collect()
    }

    /// Every file with its mode and content: old files by their number and ending instead of their stamp.
    pub(crate) fn picture(&self, dir: &str) -> BTreeMap<String, (u32, String)> {
        let old = self.old(dir);
        let entries = fs::read_dir(self.0.join(dir)).unwrap().map(|entry| entry.unwrap());
        let look = entries.map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            let shown = match old.iter().position(|old| *old == name) {
                Some(n) => format!("@{n}{}", &name[25..]),
                None => name,
            };
            let content = fs::read(entry.path()).unwrap_or_default();
            (shown, (entry.metadata().unwrap().mode(), content.escape_ascii().to_string()))
        });
        let mut all: BTreeMap<_, _> = look.collect();
        all.insert(".".into(), (fs::metadata(self.0.join(dir)).unwrap().mode(), String::new()));
        all
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Waits for a logger's end.
pub(crate) fn end(child: Child) -> End {
    let output = child.wait_with_output().unwrap();
    End { code: output.status.code(), said: String::from_utf8_lossy(&output.stderr).into_owned() }
}

/// Does the same in a place of each side's, and expects to see the same.
pub(crate) fn same<T: PartialEq + std::fmt::Debug>(act: impl Fn(Side, &Place) -> T) {
    let seen: Vec<(Side, T)> = sides().into_iter().map(|side| (side, act(side, &Place::new()))).collect();
    for pair in seen.windows(2) {
        assert_eq!(pair[0].1, pair[1].1, "{:?} against {:?}", pair[0].0, pair[1].0);
    }
}

/// Looks until it is so.
pub(crate) fn until(what: &str, mut look: impl FnMut() -> bool) {
    let start = Instant::now();
    while !look() {
        assert!(start.elapsed() < Duration::from_secs(60), "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// `count` lines with their numbers.
pub(crate) fn numbered(count: usize) -> Vec<u8> {
    (0..count)
        .flat_map(|n| format!("{n:06} the quick brown fox jumps over the lazy dog\n").into_bytes())
        .collect()
}
