//! `envdir`: runs a program with variables that stand in a directory, one file each (`envdir(8)`).

use std::ffi::{CStr, CString, OsStr, OsString};
use std::fmt;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;

use crate::chain;
use crate::environment::Environment;
use crate::errors::{Die, TEMPORARY, code, error_str};

/// The longest value: what the kernel takes as one string of an environment (`MAX_ARG_STRLEN`).
pub const VALUE_MAX: usize = 128 * 1024;

/// The most that is read of a directory in all: what the kernel takes as arguments and environment under
/// any limit (three quarters of `_STK_LIM`).
pub const TOTAL_MAX: usize = 6 * 1024 * 1024;

/// A variable and what is to become of it: a value, or `None` for none.
pub type Change = (OsString, Option<OsString>);

/// Why a directory could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What could not be done: `unable to read`.
    pub doing: &'static str,
    /// The directory, or the file in it.
    pub path: PathBuf,
    /// The reason.
    pub errno: Errno,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.doing, self.path.display(), error_str(self.errno))
    }
}

impl std::error::Error for Problem {}

/// Reads the files of a directory, in the directory's order; names that begin with a dot are left out,
/// and so is what vanishes meanwhile.
///
/// Nothing that stands there instead of a file can make it wait: a fifo counts as empty. What could never
/// be given to a program (more than [`VALUE_MAX`] or [`TOTAL_MAX`]) is `E2BIG`.
pub fn read(dir: &Path) -> Result<Vec<Change>, Problem> {
    let mut changes = Vec::new();
    each(dir, |name, content| {
        changes.push((name.to_os_string(), content?));
        Ok(())
    })?;
    Ok(changes)
}

/// Reads a directory as [`read`] does, and gives each file to `take`, which may put up with a problem.
pub(crate) fn each(
    dir: &Path,
    mut take: impl FnMut(&OsStr, Result<Option<OsString>, Problem>) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let problem = |doing, errno| Problem { doing, path: dir.to_owned(), errno };
    let place = enter(dir).map_err(|e| problem("unable to switch to directory", e))?;
    let names = names(&place).map_err(|e| problem("unable to read directory", e))?;
    let mut room = TOTAL_MAX;
    for name in names {
        let file = OsStr::from_bytes(name.to_bytes());
        let content = match first_line(&place, &name) {
            Ok(None) => continue,
            Ok(Some(line)) if line.len() > room => Err(Errno::E2BIG),
            Ok(Some(line)) => {
                room -= line.len();
                Ok(value(&line))
            }
            Err(e) => Err(e),
        };
        let path = || dir.join(file);
        take(file, content.map_err(|errno| Problem { doing: "unable to read", path: path(), errno }))?;
    }
    Ok(())
}

/// A handle on a directory that may be searched, like going there.
fn enter(dir: &Path) -> Result<OwnedFd, Errno> {
    if dir.as_os_str().is_empty() {
        return Err(Errno::ENOENT);
    }
    open(&dir.join("."), OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
}

fn names(place: &OwnedFd) -> Result<Vec<CString>, Errno> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut names = Vec::new();
    for entry in Dir::openat(place, ".", flags, Mode::empty())?.iter() {
        let name = entry?.file_name().to_owned();
        if !name.to_bytes().starts_with(b".") {
            names.push(name);
        }
    }
    Ok(names)
}

/// A file's content up to and with its first newline; `None` if there is no such file.
fn first_line(place: &OwnedFd, name: &CStr) -> Result<Option<Vec<u8>>, Errno> {
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let file = match openat(place, name, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::ENOENT) => return Ok(None),
        Err(e) => return Err(e),
    };
    let mut line = Vec::new();
    let mut bytes = [0; 1024];
    loop {
        let len = match nix::unistd::read(&file, &mut bytes) {
            Ok(0) => return Ok(Some(line)),
            Ok(len) => len,
            Err(Errno::EINTR) => continue,
            Err(e) => return Err(e),
        };
        let end = bytes[..len].iter().position(|b| *b == b'\n');
        line.extend_from_slice(&bytes[..end.map_or(len, |at| at + 1)]);
        if end.is_some() {
            return Ok(Some(line));
        }
        if line.len() > VALUE_MAX {
            return Err(Errno::E2BIG);
        }
    }
}

/// The value a file's beginning stands for: nothing at all is none; else the first line without the
/// blanks at its end, NULs for newlines.
pub(crate) fn value(content: &[u8]) -> Option<OsString> {
    if content.is_empty() {
        return None;
    }
    let line = content.split(|b| *b == b'\n').next().unwrap_or_default();
    let len = line.iter().rposition(|b| !matches!(b, b' ' | b'\t')).map_or(0, |last| last + 1);
    let value = line[..len].iter().map(|b| if *b == 0 { b'\n' } else { *b }).collect();
    Some(OsString::from_vec(value))
}

/// `envdir DIR PROGRAM...`; unlike its fellows it ends with 111 also when it is called wrongly.
pub fn main(args: &[OsString]) -> u8 {
    chain::begin();
    code(run(args))
}

fn run(args: &[OsString]) -> Result<u8, Die> {
    let [_, dir, child @ ..] = args else { return Err(usage()) };
    if child.is_empty() {
        return Err(usage());
    }
    let mut environment = Environment::inherited();
    let changes = read(Path::new(dir)).map_err(|p| {
        Die::sys("envdir", &[p.doing.as_bytes(), b" ", p.path.as_os_str().as_bytes()], p.errno)
    })?;
    for (name, value) in changes {
        environment.change(name.as_bytes(), value.as_deref().map(OsStr::as_bytes));
    }
    Err(chain::run("envdir", child, &environment))
}

fn usage() -> Die {
    Die::usage("envdir: usage: envdir dir child").with_code(TEMPORARY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn values() {
        for (content, expected) in [
            ("x", "x"),
            ("x\n", "x"),
            ("x\ny\n", "x"),
            ("x \t \n", "x"),
            (" \tx y", " \tx y"),
            ("x\r\n", "x\r"),
            ("a\0b\n", "a\nb"),
            ("a\0 \n", "a\n"),
            ("\n", ""),
            (" \t", ""),
            ("\0", "\n"),
        ] {
            assert_eq!(value(content.as_bytes()), Some(OsString::from(expected)), "{content:?}");
        }
        assert_eq!(value(b""), None);
    }

    /// Against the manual's words, taken one after the other.
    #[test]
    fn values_at_random() {
        let mut random = Random::new("envdir");
        for _ in 0..10_000 {
            let content = random.bytes(b"a \t\n\0\xff", 12);
            let naive = (!content.is_empty()).then(|| {
                let mut line: Vec<u8> = content.iter().copied().take_while(|b| *b != b'\n').collect();
                while line.last().is_some_and(|b| *b == b' ' || *b == b'\t') {
                    line.pop();
                }
                line.iter_mut().filter(|b| **b == 0).for_each(|b| *b = b'\n');
                OsString::from_vec(line)
            });
            assert_eq!(value(&content), naive, "{}", content.escape_ascii());
        }
    }
}
