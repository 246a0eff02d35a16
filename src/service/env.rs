//! The `env` directory: one file a variable, by envdir's rules.

use crate::environment;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use sys::files;

/// The most that is read of all its files: no program can be given more. See execve(2).
const MOST: usize = 2 * 1024 * 1024;

/// Applies `directory` to `environment`: an empty file removes its variable; else the value is the first
/// line, without blanks at its end, NUL bytes as newlines. Unlike envdir, an unreadable entry names itself.
pub fn apply(directory: &Path, environment: &mut Vec<CString>) -> Result<(), String> {
    let listing = files::list(directory).map_err(|fail| fail.to_string())?;
    let mut total = 0;
    for entry in listing.flatten().take(super::settings::MOST_ENTRIES) {
        let name = entry.file_name();
        let name = name.as_bytes();
        if name.starts_with(b".") {
            continue;
        }
        let path = directory.join(entry.file_name());
        let data = files::read(&path, files::BOUND).map_err(|fail| fail.to_string())?;
        total += data.as_ref().map_or(0, Vec::len);
        if total > MOST {
            return Err(sys::Fail::at("read directory", directory, sys::Errno::E2BIG).to_string());
        }
        match data.as_deref() {
            None => {}
            Some([]) => environment::unset(environment, name),
            Some(data) => environment::set(environment, name, &value(data)),
        }
    }
    Ok(())
}

fn value(data: &[u8]) -> Vec<u8> {
    let line = data.split(|&b| b == b'\n').next().unwrap_or(data);
    let end = line.iter().rposition(|&b| b != b' ' && b != b'\t').map_or(0, |last| last + 1);
    line[..end].iter().map(|&b| if b == 0 { b'\n' } else { b }).collect()
}
