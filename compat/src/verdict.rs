//! What a start script says when it takes down the very service that it checks.
//!
//! A start script takes a service down that does not work. When nobody but the supervisor has called it, that
//! is its verdict, not an administrator's wish: the service is to be tried again. What the script says to other
//! services stays as it is, and other supervisors set no such variables.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::control::Command;

/// In the environment of a start script that pinfold's supervisor runs as the check after a restart.
pub const CHECK: &str = "PINFOLD_CHECK";

/// Beside [`CHECK`]: the directory of the service that is checked.
pub const SERVICE: &str = "PINFOLD_SERVICE";

/// Makes `d` to the service in `directory` a verdict, if this process belongs to the check of that service.
pub(crate) fn judge(letters: &mut [u8], directory: &Path) {
    if std::env::var_os(CHECK).is_some()
        && std::env::var_os(SERVICE).is_some_and(|checked| are_one(Path::new(&checked), directory))
    {
        unfit(letters);
    }
}

fn unfit(letters: &mut [u8]) {
    for letter in letters.iter_mut().filter(|letter| **letter == Command::Down.letter()) {
        *letter = Command::Unfit.letter();
    }
}

fn are_one(a: &Path, b: &Path) -> bool {
    let id = |path: &Path| path.metadata().map(|meta| (meta.dev(), meta.ino()));
    matches!((id(a), id(b)), (Ok(a), Ok(b)) if a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn down_is_the_verdict_and_all_else_is_as_ever() {
        let mut letters = *b"dxtuk";
        unfit(&mut letters);
        assert_eq!(&letters, b"Fxtuk");
        assert_eq!(Command::from_letter(letters[0]), Some(Command::Unfit));
    }

    #[test]
    fn a_directory_is_known_by_what_it_is() {
        assert!(are_one(Path::new("."), Path::new("./src/..")));
        assert!(!are_one(Path::new("."), Path::new("..")));
        assert!(!are_one(Path::new("./nothing"), Path::new("./nothing")));
    }
}
