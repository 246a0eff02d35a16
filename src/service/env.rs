//! The `env` directory: one file a variable, by envdir's rules.

use crate::environment;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use sys::files;

/// Applies `directory` to `environment`: an empty file removes its variable; else the value is the first
/// line, without blanks at its end, NUL bytes as newlines. Unlike envdir, an unreadable entry names itself.
pub fn apply(directory: &Path, environment: &mut Vec<CString>) -> Result<(), String> {
    let listing = std::fs::read_dir(directory)
        .map_err(|e| sys::Fail::io("read directory", directory, &e).to_string())?;
    for entry in listing.flatten().take(super::settings::MOST_ENTRIES) {
        let name = entry.file_name();
        let name = name.as_bytes();
        if name.starts_with(b".") {
            continue;
        }
        let data = files::read(&entry.path(), files::BOUND).map_err(|fail| fail.to_string())?;
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
