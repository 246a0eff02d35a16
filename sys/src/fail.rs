//! What went wrong: the verb, the object, the reason.

use nix::errno::Errno;
use std::borrow::Cow;
use std::fmt;
use std::path::Path;

/// A failed operation: what was being done, to which path, and the kernel's reason.
///
/// Shown as `open /service/squid/run: permission denied`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fail {
    /// The operation, a verb in the imperative: `open`, `make directory`.
    pub doing: Cow<'static, str>,
    /// What it was done to; may be empty.
    pub what: String,
    /// The kernel's reason.
    pub errno: Errno,
}

impl Fail {
    /// A failure of `doing` to `path`.
    pub fn at(doing: &'static str, path: &Path, errno: Errno) -> Fail {
        Fail { doing: Cow::Borrowed(doing), what: path.display().to_string(), errno }
    }

    /// A failure of `doing` that concerns no path.
    pub fn of(doing: &'static str, errno: Errno) -> Fail {
        Fail { doing: Cow::Borrowed(doing), what: String::new(), errno }
    }

    /// Whether the system or this process is short of something, which may pass: descriptors or memory.
    pub fn is_lack(&self) -> bool {
        matches!(self.errno, Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM)
    }

    /// The same, from the standard library's error; one without an errno counts as `EIO`.
    pub fn io(doing: &'static str, path: &Path, error: &std::io::Error) -> Fail {
        Fail::at(doing, path, errno_of(error))
    }
}

/// The errno inside a standard library error, `EIO` if it has none.
pub fn errno_of(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

impl fmt::Display for Fail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.doing)?;
        if !self.what.is_empty() {
            write!(f, " {}", self.what.escape_debug())?;
        }
        write!(f, ": {}", words(self.errno))?;
        match limit(&self.doing, self.errno) {
            Some(limit) => write!(f, " ({limit})"),
            None => Ok(()),
        }
    }
}

/// The setting that would let more be had, where a limit has been met.
fn limit(doing: &str, errno: Errno) -> Option<&'static str> {
    match errno {
        Errno::EMFILE => Some("more by RLIMIT_NOFILE: ulimit -n, LimitNOFILE="),
        Errno::ENFILE => Some("more by the sysctl fs.file-max"),
        Errno::EAGAIN if doing == "start" => {
            Some("more by pids.max of its cgroups, the sysctl kernel.pid_max, or RLIMIT_NPROC")
        }
        Errno::EAGAIN if doing == "make cgroup" => Some("more by cgroup.max.descendants of those above it"),
        Errno::ENOSPC if doing == "watch" => Some("more by the sysctl fs.inotify.max_user_watches"),
        _ => None,
    }
}

impl std::error::Error for Fail {}

/// The reason in words, in lower case, as the rest of the sentence is.
pub fn words(errno: Errno) -> String {
    let mut text = match errno {
        // "file table overflow"
        Errno::ENFILE => "too many open files in the whole system".to_owned(),
        _ => errno.desc().to_owned(),
    };
    if let Some(first) = text.get_mut(0..1) {
        first.make_ascii_lowercase();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_was_met_is_named() {
        for (doing, errno, setting) in [
            ("open", Errno::EMFILE, "RLIMIT_NOFILE"),
            ("open", Errno::ENFILE, "fs.file-max"),
            ("start", Errno::EAGAIN, "pids.max"),
            ("make cgroup", Errno::EAGAIN, "cgroup.max.descendants"),
            ("watch", Errno::ENOSPC, "max_user_watches"),
        ] {
            let said = Fail::at(doing, Path::new("/x"), errno).to_string();
            assert!(said.contains(setting) && said.ends_with(')'), "{said}");
        }
        assert_eq!(Fail::of("lock", Errno::EAGAIN).to_string(), "lock: try again");
    }
}
