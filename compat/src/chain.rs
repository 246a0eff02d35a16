//! Chain loading: becoming the next program, found by daemontools' rules.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use nix::errno::Errno;
use nix::unistd::execve;

use crate::environment::Environment;
use crate::errors::Die;

/// Where programs are looked for if there is no `PATH`.
const DEFAULT_PATH: &[u8] = b"/bin:/usr/bin";

/// Puts back what the runtime has changed, as the next program is to find it: for the start of a
/// chain-loading tool.
pub(crate) fn begin() {
    sys::startup::restore_signals();
    sys::startup::restore_descriptors();
}

/// Becomes `args`, a program's name and its arguments; comes back only as the tool's end.
pub(crate) fn run(prog: &str, args: &[OsString], environment: &Environment) -> Die {
    match args {
        [] => Die::sys(prog, &[b"unable to run "], Errno::ENOENT),
        [file, ..] => Die::sys(prog, &[b"unable to run ", file.as_bytes()], exec(file, args, environment)),
    }
}

/// Becomes `file` with the arguments `args` (the name first); comes back only with the reason why not.
pub(crate) fn exec(file: &OsStr, args: &[OsString], environment: &Environment) -> Errno {
    let args = strings(args);
    match search(file, |path| execve(path, &args, environment.strings())) {
        Ok(never) => match never {},
        Err(e) => e,
    }
}

/// Arguments as the kernel takes them. They have been arguments before, so there is no NUL in them.
pub(crate) fn strings(args: &[OsString]) -> Vec<CString> {
    args.iter().flat_map(|arg| CString::new(arg.clone().into_vec())).collect()
}

/// Tries `attempt` with the file, or with each place of `PATH` if there is no slash in its name.
///
/// It goes on after a place that has no such file or does not give it; that it exists but was not given
/// is then the reason to be told. The `PATH` is this program's own, also if the next is given another.
pub(crate) fn search<T>(file: &OsStr, attempt: impl FnMut(&CStr) -> Result<T, Errno>) -> Result<T, Errno> {
    let path = std::env::var_os("PATH").map_or(DEFAULT_PATH.to_vec(), OsString::into_vec);
    search_in(&path, file.as_bytes(), attempt)
}

fn search_in<T>(
    path: &[u8],
    file: &[u8],
    mut attempt: impl FnMut(&CStr) -> Result<T, Errno>,
) -> Result<T, Errno> {
    let mut attempt = |name: Vec<u8>| attempt(&CString::new(name).map_err(|_| Errno::ENOENT)?);
    if file.contains(&b'/') {
        return attempt(file.to_vec());
    }
    let mut reason = Errno::ENOENT;
    for place in path.split(|b| *b == b':') {
        let place = if place.is_empty() { b"." } else { place };
        match attempt([place, b"/", file].concat()) {
            Ok(done) => return Ok(done),
            Err(Errno::ENOENT) => {}
            Err(e @ (Errno::EACCES | Errno::EPERM | Errno::EISDIR)) => reason = e,
            Err(e) => return Err(e),
        }
    }
    Err(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is tried, when the places answer with these errors.
    fn tried(path: &str, file: &str, answers: &[Errno]) -> (Vec<String>, Errno) {
        let mut names = Vec::new();
        let result: Result<(), Errno> = search_in(path.as_bytes(), file.as_bytes(), |name| {
            names.push(name.to_str().unwrap().to_owned());
            Err(answers[names.len() - 1])
        });
        (names, result.unwrap_err())
    }

    #[test]
    fn places() {
        use Errno::*;
        let all = |names: &[&str], e| (names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>(), e);
        let none = [ENOENT; 4];
        assert_eq!(tried("/a:/b", "x", &none), all(&["/a/x", "/b/x"], ENOENT));
        assert_eq!(tried(":/a::", "x", &none), all(&["./x", "/a/x", "./x", "./x"], ENOENT));
        assert_eq!(tried("", "x", &none), all(&["./x"], ENOENT));
        assert_eq!(tried("/a:/b", "c/x", &none), all(&["c/x"], ENOENT));
        assert_eq!(tried("/a:/b", "/x", &[EACCES]), all(&["/x"], EACCES));
        assert_eq!(tried("/a:/b:/c", "x", &[EACCES, ENOENT, ENOENT]), all(&["/a/x", "/b/x", "/c/x"], EACCES));
        assert_eq!(tried("/a:/b", "x", &[EPERM, EISDIR]), all(&["/a/x", "/b/x"], EISDIR));
        assert_eq!(tried("/a:/b", "x", &[ENOEXEC, ENOENT]), all(&["/a/x"], ENOEXEC));
        assert_eq!(tried("/a:/b", "x", &[EACCES, ENOTDIR]), all(&["/a/x", "/b/x"], ENOTDIR));
    }
}
