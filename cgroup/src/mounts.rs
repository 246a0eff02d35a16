//! Where control groups are mounted, and where in them we are: `/proc/self/mountinfo` and
//! `/proc/self/cgroup`. See proc_pid_mountinfo(5), cgroups(7).

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// A hierarchy of control groups.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Hierarchy {
    /// The one of version 2.
    V2,
    /// One of version 1, by one of its controllers (`freezer`), or its name (`name=systemd`).
    V1(String),
}

impl Hierarchy {
    /// Whether this is its line in `/proc/PID/cgroup`, by the line's second field.
    fn owns(&self, controllers: &[u8]) -> bool {
        match self {
            Hierarchy::V2 => controllers.is_empty(),
            Hierarchy::V1(name) => controllers.split(|&b| b == b',').any(|one| one == name.as_bytes()),
        }
    }

    /// Whether it can stop all of a group's processes.
    pub fn has_freezer(&self) -> bool {
        match self {
            Hierarchy::V2 => true,
            Hierarchy::V1(name) => name == "freezer",
        }
    }
}

/// A place where a hierarchy, or a part of it, is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// What is mounted.
    pub hierarchy: Hierarchy,
    /// The group that is visible at `point`, as our cgroup namespace names it.
    pub root: PathBuf,
    /// Where.
    pub point: PathBuf,
}

impl Mount {
    /// The directory of the group `path` (as `/proc/PID/cgroup` shows it), if it is below this mount.
    pub fn directory(&self, path: &Path) -> Option<PathBuf> {
        let below = path.strip_prefix(&self.root).ok()?;
        // outside our cgroup namespace
        if path.components().any(|part| part.as_os_str() == "..") {
            return None;
        }
        Some(if below.as_os_str().is_empty() { self.point.clone() } else { self.point.join(below) })
    }

    /// The other way round: the group whose directory this is.
    pub fn group(&self, directory: &Path) -> Option<PathBuf> {
        directory.strip_prefix(&self.point).ok().map(|below| self.root.join(below))
    }
}

/// The mounts of use to us, the best first: version 2 at `/sys/fs/cgroup`, then elsewhere; then version 1's
/// freezer, then named ones, systemd's last. `text` is that of `/proc/self/mountinfo`.
pub fn parse(text: &[u8]) -> Vec<Mount> {
    let mut found: Vec<Mount> = text.split(|&b| b == b'\n').filter_map(mount).collect();
    // stable: otherwise in the order of mounting
    found.sort_by_key(|mount| match &mount.hierarchy {
        Hierarchy::V2 => u8::from(mount.point != Path::new("/sys/fs/cgroup")),
        Hierarchy::V1(name) if name == "freezer" => 2,
        Hierarchy::V1(name) if name == "name=systemd" => 4,
        Hierarchy::V1(_) => 3,
    });
    found
}

fn mount(line: &[u8]) -> Option<Mount> {
    // ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [FIELD...] - TYPE SOURCE SUPER-OPTIONS
    let mut fields = line.split(|&b| b == b' ');
    let root = fields.nth(3)?;
    let point = fields.next()?;
    let mut rest = fields.skip_while(|field| *field != b"-").skip(1);
    let kind = rest.next()?;
    let options = rest.nth(1)?;
    let hierarchy = match kind {
        b"cgroup2" => Hierarchy::V2,
        b"cgroup" => {
            let mut options = options.split(|&b| b == b',');
            let wanted = options.find(|option| *option == b"freezer" || option.starts_with(b"name="))?;
            Hierarchy::V1(String::from_utf8(wanted.to_vec()).ok()?)
        }
        _ => return None,
    };
    Some(Mount { hierarchy, root: unescaped(root), point: unescaped(point) })
}

/// Undoes the kernel's octal escapes of space, tab, newline and backslash.
fn unescaped(field: &[u8]) -> PathBuf {
    let mut path = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        let octal = |b: u8| (b'0'..=b'7').contains(&b).then(|| b - b'0');
        let escape = match tail {
            [a, b, c, ..] if *first == b'\\' => octal(*a).zip(octal(*b)).zip(octal(*c)),
            _ => None,
        };
        match escape {
            Some(((a, b), c)) => {
                path.push(a << 6 | b << 3 | c);
                rest = &tail[3..];
            }
            None => {
                path.push(*first);
                rest = tail;
            }
        }
    }
    PathBuf::from(OsString::from_vec(path))
}

/// A process' group in `hierarchy`: `text` is that of its `/proc/PID/cgroup`.
pub fn position(text: &[u8], hierarchy: &Hierarchy) -> Option<PathBuf> {
    text.split(|&b| b == b'\n').find_map(|line| {
        // ID:CONTROLLERS:PATH; the path may hold colons
        let mut fields = line.splitn(3, |&b| b == b':');
        let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        hierarchy.owns(controllers).then(|| PathBuf::from(OsString::from_vec(path.to_vec())))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &[u8] = b"\
22 1 0:20 / /proc rw,nosuid - proc proc rw
30 22 0:26 / /sys/fs/cgroup/systemd rw shared:9 - cgroup cgroup rw,xattr,name=systemd
31 22 0:27 / /sys/fs/cgroup/a\\040b rw shared:9 master:1 - cgroup cgroup rw,name=mine
32 22 0:28 /x /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer
33 22 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct
34 22 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate
35 22 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw
short line
";

    #[test]
    fn mounts_are_found_and_ordered() {
        let points: Vec<_> = parse(MOUNTS).into_iter().map(|mount| mount.point).collect();
        let wanted = [
            "/sys/fs/cgroup",
            "/sys/fs/cgroup/unified",
            "/sys/fs/cgroup/freezer",
            "/sys/fs/cgroup/a b",
            "/sys/fs/cgroup/systemd",
        ];
        assert_eq!(points, wanted.map(PathBuf::from));
    }

    #[test]
    fn positions_and_directories() {
        let text = b"9:name=systemd:/init.scope\n6:cpu,freezer:/x/y:z\n0::/user.slice\n";
        let freezer = Hierarchy::V1("freezer".into());
        assert_eq!(position(text, &freezer), Some("/x/y:z".into()));
        assert_eq!(position(text, &Hierarchy::V2), Some("/user.slice".into()));
        assert_eq!(position(text, &Hierarchy::V1("name=other".into())), None);
        assert_eq!(position(b"", &Hierarchy::V2), None);
        let mount = &parse(MOUNTS)[2];
        assert_eq!(mount.directory(Path::new("/x/y:z")), Some("/sys/fs/cgroup/freezer/y:z".into()));
        assert_eq!(mount.directory(Path::new("/x")), Some("/sys/fs/cgroup/freezer".into()));
        assert_eq!(mount.directory(Path::new("/xy")), None);
        assert_eq!(mount.directory(Path::new("/x/../y")), None);
    }
}
