//! The machine's cgroups, as directories. Only groups of tests are ever changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A mounted hierarchy.
#[derive(Clone, Debug)]
pub(crate) struct Hierarchy {
    pub(crate) mount: PathBuf,
    /// As in /proc/PID/cgroup: "" for v2, else the controllers or `name=…`.
    pub(crate) selector: String,
}

impl Hierarchy {
    pub(crate) fn is_v2(&self) -> bool {
        self.selector.is_empty()
    }

    /// The hierarchy of v2, or v1's of the freezer: where services are contained.
    pub(crate) fn find(v2: bool) -> Option<&'static Hierarchy> {
        hierarchies()
            .iter()
            .find(|one| if v2 { one.is_v2() } else { one.selector.split(',').any(|name| name == "freezer") })
    }
}

/// Every hierarchy that is mounted, in order of mounting.
pub(crate) fn hierarchies() -> &'static [Hierarchy] {
    static FOUND: OnceLock<Vec<Hierarchy>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let selectors = fs::read_to_string("/proc/self/cgroup").unwrap();
        let selectors: Vec<&str> = selectors.lines().filter_map(|line| line.split(':').nth(1)).collect();
        mounts
            .lines()
            .filter_map(|line| {
                let mut fields = line.split(' ').skip(1);
                let (mount, kind, options) = (fields.next()?, fields.next()?, fields.next()?);
                let has = |name: &str| options.split(',').any(|option| option == name);
                let selector = match kind {
                    "cgroup2" => "",
                    "cgroup" => selectors.iter().find(|all| !all.is_empty() && all.split(',').all(has))?,
                    _ => return None,
                };
                Some(Hierarchy { mount: mount.into(), selector: selector.into() })
            })
            .collect()
    })
}

/// The groups of a process as directories, without those in which this test itself is (or something above it).
pub(crate) fn of(pid: i32) -> Vec<PathBuf> {
    let (theirs, own) = (raw(&pid.to_string()), raw("self"));
    theirs.into_iter().filter(|group| !own.iter().any(|mine| mine.starts_with(group))).collect()
}

fn raw(pid: &str) -> Vec<PathBuf> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let (selector, path) = line.split_once(':')?.1.split_once(':')?;
            let hierarchy = hierarchies().iter().find(|one| one.selector == selector)?;
            Some(hierarchy.mount.join(path.trim_start_matches('/')))
        })
        .collect()
}

/// Every group whose path contains `word`, the deepest first.
pub(crate) fn named(word: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for hierarchy in hierarchies() {
        collect(&hierarchy.mount, &mut |group| {
            if group.to_string_lossy().contains(word) {
                found.push(group.to_owned());
            }
        });
    }
    found
}

/// A group and all below it, the deepest first.
pub(crate) fn below(group: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(group, &mut |group| found.push(group.to_owned()));
    found
}

fn collect(group: &Path, each: &mut impl FnMut(&Path)) {
    let Ok(entries) = fs::read_dir(group) else { return };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), each);
        }
    }
    each(group);
}

/// The processes in a group itself.
pub(crate) fn members(group: &Path) -> Vec<i32> {
    let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// Ends everything in a group of a test's and below it: v2 at once, v1 thawed so that a kill is noticed.
pub(crate) fn thaw_and_kill(group: &Path) {
    let _ = fs::write(group.join("cgroup.freeze"), "0");
    let _ = fs::write(group.join("cgroup.kill"), "1");
    let _ = fs::write(group.join("freezer.state"), "THAWED");
}
