//! How the administrator's commands end when the answer is not yes.

use std::path::Path;
use sys::{Errno, Fail};

/// Done, or yes.
pub(super) const OK: u8 = 0;
/// It failed, or no.
pub(super) const NO: u8 = 1;
/// The command line makes no sense.
pub(super) const USAGE: u8 = 2;
/// The one service that was asked about is not running, as init scripts' `status` says it (LSB).
pub(super) const NOT_RUNNING: u8 = 3;
/// Not allowed.
pub(super) const NO_PERMISSION: u8 = 4;

/// Why something could not be done, for people, and as an exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// The reason, half a sentence.
    pub(super) reason: String,
    /// More lines: who is left, what the service last said.
    pub(super) details: Vec<String>,
    /// The exit code of `pinfold`'s verbs; `svcstart` and its kin make it 1.
    pub(super) code: u8,
}

impl Failure {
    /// No, because of `reason`.
    pub(super) fn no(reason: impl Into<String>) -> Failure {
        Failure { reason: reason.into(), details: Vec::new(), code: NO }
    }

    /// Not allowed to do what `fail` says.
    pub(super) fn forbidden(fail: &Fail) -> Failure {
        let advice = if nix::unistd::geteuid().is_root() { "" } else { " (try it as root)" };
        Failure { code: NO_PERMISSION, ..Failure::no(format!("{fail}{advice}")) }
    }

    /// What the kernel said about `path`.
    pub(super) fn at(doing: &'static str, path: &Path, errno: Errno) -> Failure {
        let fail = Fail::at(doing, path, errno);
        match errno {
            Errno::EACCES | Errno::EPERM => Failure::forbidden(&fail),
            _ => Failure::no(fail.to_string()),
        }
    }

    /// The same with more to say.
    pub(super) fn with(self, details: Vec<String>) -> Failure {
        Failure { details, ..self }
    }
}

/// A path for people: control characters escaped.
pub(super) fn shown(path: &Path) -> String {
    path.display().to_string().escape_debug().to_string()
}
