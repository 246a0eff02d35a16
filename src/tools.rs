//! The classic names as links to this executable, for scripts that call them.

use crate::environment;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A directory in which every tool stands by its own name: made in `run` when it is first needed.
pub fn directory(run: &Path) -> PathBuf {
    let bin = run.join("bin");
    let Ok(program) = std::env::current_exe() else { return bin };
    if std::fs::create_dir(&bin).is_ok() {
        for applet in compat::APPLETS.iter().chain(crate::commands::APPLETS) {
            // a link that can't be made is a tool that is looked for further down the PATH
            let _ = std::os::unix::fs::symlink(&program, bin.join(applet.name));
        }
        let _ = std::os::unix::fs::symlink(&program, bin.join("pinfold"));
    }
    bin
}

/// Puts that directory first on the `PATH` of `environment`.
pub fn put_first(run: &Path, environment: &mut Vec<CString>) {
    let mut path = directory(run).into_os_string().into_encoded_bytes();
    let old = environment::get(environment, b"PATH").unwrap_or(b"/usr/bin:/bin");
    path.push(b':');
    path.extend_from_slice(old);
    let path = std::ffi::OsStr::from_bytes(&path).to_owned();
    environment::set(environment, b"PATH", path.as_bytes());
}
