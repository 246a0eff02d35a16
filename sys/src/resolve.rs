//! From a path to what it names, so that no link of another user's can lead us where he could not go himself.
//!
//! A symbolic link is the word of whoever made it. Followed are root's links and our own, and any in a directory
//! that only root or we can write to; another's is followed only to what belongs to that same user. What is found
//! is held, not opened: opening a device can do something, opening a FIFO can wait.

use crate::Fail;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, open, openat, openat2, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, mkdirat};
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

/// What a path that is refused is reported as; see [`fail`].
pub const REFUSED: Errno = Errno::ENOLINK;
/// As many links as the kernel follows; path_resolution(7).
const MOST_LINKS: usize = 40;
const HOLD: OFlag = OFlag::O_PATH.union(OFlag::O_CLOEXEC);

/// Something that a path names.
pub struct Found {
    fd: OwnedFd,
    /// What it is.
    pub stat: FileStat,
    /// No link led there.
    straight: bool,
}

impl Found {
    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        kind(self.stat.st_mode) == SFlag::S_IFDIR
    }

    /// Whether it is a regular file.
    pub fn is_file(&self) -> bool {
        kind(self.stat.st_mode) == SFlag::S_IFREG
    }

    /// Device and inode.
    pub fn inode(&self) -> (u64, u64) {
        (self.stat.st_dev, self.stat.st_ino)
    }

    /// Opens this very thing. Only what is known to be harmless should be: a regular file, or a directory.
    pub fn open(&self, flags: OFlag) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        open(&self.magic(), flags, Mode::empty())
    }

    /// A path to this very thing, for as long as it is held.
    pub fn magic(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.fd.as_raw_fd()))
    }

    /// Where it is now, without links.
    pub fn path(&self) -> Result<PathBuf, Errno> {
        nix::fcntl::readlink(&self.magic()).map(PathBuf::from)
    }

    /// The same of what was found as `path`, which may be the answer.
    pub fn real(&self, path: PathBuf) -> PathBuf {
        let plain = |part: Component<'_>| matches!(part, Component::RootDir | Component::Normal(_));
        if self.straight && path.is_absolute() && path.components().all(plain) {
            return path;
        }
        self.path().unwrap_or(path)
    }

    /// The descriptor that holds it (`O_PATH`).
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }
}

impl AsFd for Found {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The type bits of a mode.
pub fn kind(mode: nix::libc::mode_t) -> SFlag {
    SFlag::from_bits_truncate(mode) & SFlag::S_IFMT
}

/// What `path` names; [`REFUSED`] if only another user's link leads there.
pub fn find(path: &Path) -> Result<Found, Errno> {
    // most paths have no link in them: one system call
    let how = OpenHow::new().flags(HOLD).resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    match openat2(AT_FDCWD, path, how) {
        Ok(fd) => Ok(Found { stat: fstat(&fd)?, fd, straight: true }),
        Err(e @ (Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES)) => Err(e),
        // a link, or a kernel (before 5.6) or a filter that does not know the call
        Err(_) => walk(path, None),
    }
}

/// Opens the directory `path`, found as [`find`] does, to be read.
pub fn open_directory(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let how = OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    match openat2(AT_FDCWD, path, how) {
        Ok(fd) => Ok(fd),
        Err(e @ (Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES)) => Err(e),
        Err(_) => find(path)?.open(OFlag::O_RDONLY | OFlag::O_DIRECTORY),
    }
}

/// The directory `path`, found as [`find`] does, held and not opened (`O_PATH`).
pub fn hold_directory(path: &Path) -> Result<OwnedFd, Errno> {
    let how = OpenHow::new().flags(HOLD | OFlag::O_DIRECTORY).resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    match openat2(AT_FDCWD, path, how) {
        Ok(fd) => Ok(fd),
        Err(e @ (Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES)) => Err(e),
        Err(_) => find(path).and_then(|found| match found.is_directory() {
            true => Ok(found.into_fd()),
            false => Err(Errno::ENOTDIR),
        }),
    }
}

/// The directory `path`, made with those above it (0700) if it does not exist.
pub fn make_directories(path: &Path) -> Result<Found, Errno> {
    if let Some(found) = make_last(path) {
        return found;
    }
    let found = walk(path, Some(Mode::S_IRWXU))?;
    if found.is_directory() { Ok(found) } else { Err(Errno::ENOTDIR) }
}

/// The same where all above it is there, with no link on the way; `None` if it is not so.
fn make_last(path: &Path) -> Option<Result<Found, Errno>> {
    let (above, name) = (path.parent()?, path.file_name()?);
    let how = OpenHow::new().flags(HOLD | OFlag::O_DIRECTORY).resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    let above = openat2(AT_FDCWD, above, how).ok()?;
    match mkdirat(&above, name, Mode::S_IRWXU) {
        Ok(()) => {}
        // what is there may be a link
        Err(_) => return None,
    }
    let fd = openat(&above, name, HOLD | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW, Mode::empty());
    Some(fd.and_then(|fd| Ok(Found { stat: fstat(&fd)?, fd, straight: false })))
}

/// A failure of `doing` to `path`, as [`find`] reports them.
pub fn fail(doing: &'static str, path: &Path, errno: Errno) -> Fail {
    match errno {
        REFUSED => Fail::at("follow another user's link to what is not his,", path, Errno::EPERM),
        errno => Fail::at(doing, path, errno),
    }
}

/// Whose word has brought us here, and how many components will be left when it is kept.
struct Led {
    by: u32,
    until: usize,
}

fn walk(path: &Path, make: Option<Mode>) -> Result<Found, Errno> {
    let mut at = hold(if path.is_absolute() { "/" } else { "." })?;
    let mut left = components(path.as_os_str());
    let mut led: Option<Led> = None;
    let mut links = 0;
    while let Some(name) = left.pop() {
        let next = match step(&at, &name) {
            // nobody's word but root's or our own makes us make something
            Err(Errno::ENOENT) if led.is_none() && make.is_some() => {
                mkdirat(&at, name.as_os_str(), make.unwrap_or(Mode::S_IRWXU))?;
                step(&at, &name)?
            }
            next => next?,
        };
        if kind(next.stat.st_mode) == SFlag::S_IFLNK {
            links += 1;
            let text = readlinkat(&next, "")?;
            if links > MOST_LINKS || text.is_empty() {
                return Err(Errno::ELOOP);
            }
            led = follow(&at, &next, led, left.len())?;
            if text.as_bytes().starts_with(b"/") {
                at = hold("/")?;
            }
            left.extend(components(&text));
            if led.is_none()
                && make.is_none()
                && let Some(found) = at_once(&at, &left)
            {
                return found;
            }
        } else {
            if let Some(Led { by, .. }) = led.take_if(|led| left.len() <= led.until)
                && !is_of(&next, by)
            {
                return Err(REFUSED);
            }
            if !left.is_empty() && !next.is_directory() {
                return Err(Errno::ENOTDIR);
            }
            at = next;
        }
    }
    // a link to nothing but slashes and dots has not been judged yet
    match led {
        Some(Led { by, .. }) if !is_of(&at, by) => Err(REFUSED),
        _ => Ok(at),
    }
}

/// What these components, the first one last, name below `at`; `None` if another link is on the way.
fn at_once(at: &Found, left: &[OsString]) -> Option<Result<Found, Errno>> {
    let mut names = left.iter().rev();
    let mut path = names.next()?.clone();
    names.for_each(|name| path.extend([OsStr::new("/"), name]));
    match openat2(at, &*path, OpenHow::new().flags(HOLD).resolve(ResolveFlag::RESOLVE_NO_SYMLINKS)) {
        Ok(fd) => Some(fstat(&fd).map(|stat| Found { stat, fd, straight: false })),
        Err(e @ (Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES)) => Some(Err(e)),
        Err(_) => None,
    }
}

/// Who is answerable from here on, when the link that was found in `at` is followed.
fn follow(at: &Found, link: &Found, led: Option<Led>, until: usize) -> Result<Option<Led>, Errno> {
    // a second name of root's link is whoever's who has given it
    let is_ours = is_trusted(link.stat.st_uid) && link.stat.st_nlink == 1;
    let only_ours = is_trusted(at.stat.st_uid) && at.stat.st_mode & 0o022 == 0;
    match led {
        _ if is_ours || only_ours => Ok(led),
        Some(led) if led.by != link.stat.st_uid => Err(REFUSED),
        Some(led) => Ok(Some(led)),
        None => Ok(Some(Led { by: link.stat.st_uid, until })),
    }
}

/// Whether it belongs to this user, who is not root, and is something that stays where it is.
fn is_of(found: &Found, user: u32) -> bool {
    // reading of a process can be held up by it: proc(5)
    let lasts = fstatfs(found).is_ok_and(|fs| fs.filesystem_type() != PROC_SUPER_MAGIC);
    found.stat.st_uid == user && !is_trusted(user) && lasts
}

fn is_trusted(user: u32) -> bool {
    user == 0 || user == nix::unistd::geteuid().as_raw()
}

fn step(at: &Found, name: &OsStr) -> Result<Found, Errno> {
    let fd = openat(at, name, HOLD | OFlag::O_NOFOLLOW, Mode::empty())?;
    Ok(Found { stat: fstat(&fd)?, fd, straight: false })
}

fn hold(path: &str) -> Result<Found, Errno> {
    let fd = open(path, HOLD | OFlag::O_DIRECTORY, Mode::empty())?;
    Ok(Found { stat: fstat(&fd)?, fd, straight: false })
}

/// The names of a path, the first one last. A slash at the end asks for a directory, as a dot does.
fn components(path: &OsStr) -> Vec<OsString> {
    let bytes = path.as_bytes();
    let names = bytes.split(|&b| b == b'/').filter(|name| !name.is_empty());
    let mut names: Vec<OsString> = names.map(|name| OsString::from_vec(name.to_vec())).collect();
    if bytes.ends_with(b"/") {
        names.push(".".into());
    }
    names.reverse();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("pinfold-resolve-{}-{name}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    fn same(path: &Path, as_the_kernel: &Path) {
        let inode = fs::metadata(as_the_kernel).map(|meta| (meta.dev(), meta.ino()));
        let errno = |e: std::io::Error| crate::fail::errno_of(&e);
        assert_eq!(walk(path, None).map(|found| found.inode()), inode.map_err(errno), "{path:?}");
    }

    #[test]
    fn our_own_links_are_followed_as_the_kernel_does() {
        let dir = scratch("own");
        fs::create_dir_all(dir.join("a/b")).unwrap();
        fs::write(dir.join("a/file"), "").unwrap();
        for (link, target) in [
            ("up", ".."),
            ("a/b/c", "../../a/file"),
            ("loop", "loop"),
            ("none", "nothing"),
            ("here", "a/b/./.."),
        ] {
            symlink(target, dir.join(link)).unwrap();
        }
        symlink(dir.join("a"), dir.join("a/absolute")).unwrap();
        for path in [
            "",
            "a",
            "a/",
            "a/b/c",
            "a/b/c/",
            "a/b/c/d",
            "a/absolute/absolute/b",
            "here/file",
            "loop",
            "none",
            "up",
            "a/b/../../a//file",
            "none/x",
            "a/file/..",
        ] {
            same(&dir.join(path), &dir.join(path));
            let fast = find(&dir.join(path)).map(|found| found.inode());
            assert_eq!(fast, walk(&dir.join(path), None).map(|found| found.inode()), "{path}");
        }
        same(Path::new("."), Path::new("."));
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn directories_are_made_also_where_a_link_of_ours_leads() {
        let dir = scratch("make");
        symlink("below/that", dir.join("link")).unwrap();
        let made = make_directories(&dir.join("link/and/this")).unwrap();
        assert_eq!(made.path().unwrap(), fs::canonicalize(dir.join("below/that/and/this")).unwrap());
        assert_eq!(fs::metadata(dir.join("below/that")).unwrap().mode() & 0o777, 0o700);
        fs::write(dir.join("file"), "").unwrap();
        assert_eq!(make_directories(&dir.join("file")).err(), Some(Errno::ENOTDIR));
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn anothers_link_leads_to_what_is_his() {
        let other = 64_217;
        let dir = scratch("other");
        let lchown = |name: &str| std::os::unix::fs::lchown(dir.join(name), Some(other), Some(other));
        fs::create_dir_all(dir.join("his/own")).unwrap();
        if lchown("his").is_err() || lchown("his/own").is_err() {
            eprintln!("SKIPPED: only root can make something that is another's");
            return;
        }
        fs::create_dir(dir.join("root")).unwrap();
        for (name, target) in [
            ("his/good", "own"),
            ("his/chain", "good"),
            ("his/bad", "../root"),
            ("his/worse", "../root/none"),
            ("his/up", ".."),
            ("his/process", "/proc/self"),
            ("his/slash", "/"),
        ] {
            symlink(target, dir.join(name)).unwrap();
            lchown(name).unwrap();
        }
        symlink("../root", dir.join("his/roots-word")).unwrap();
        fs::create_dir(dir.join("his/own/by-root")).unwrap();
        let look = |name: &str| find(&dir.join(name)).map(|found| found.inode()).err();
        for name in ["his/good", "his/chain", "his/good/by-root", "his/roots-word", "his/own/by-root"] {
            assert_eq!(look(name), None, "{name}");
        }
        for name in ["his/bad", "his/up", "his/up/root", "his/bad/none", "his/process", "his/slash"] {
            assert_eq!(look(name), Some(REFUSED), "{name}");
        }
        assert_eq!(look("his/worse"), Some(Errno::ENOENT));
        assert_eq!(make_directories(&dir.join("his/worse")).err(), Some(Errno::ENOENT));
        fs::hard_link(dir.join("his/roots-word"), dir.join("his/stolen")).unwrap();
        assert_eq!(look("his/stolen"), Some(REFUSED));
        fs::remove_dir_all(dir).unwrap();
    }
}
