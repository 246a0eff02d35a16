//! Environments for programs that are started: as byte strings, ready for exec.

use crate::upgrade::VARIABLES;
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;

/// This process's own environment, but for what a predecessor in it has left to it.
pub fn inherited() -> Vec<CString> {
    let variables = std::env::vars_os().filter(|(name, _)| !VARIABLES.iter().any(|ours| name == ours));
    variables.filter_map(|(name, value)| entry(&name, &value)).collect()
}

fn entry(name: &std::ffi::OsStr, value: &std::ffi::OsStr) -> Option<CString> {
    let mut text: OsString = name.to_owned();
    text.push("=");
    text.push(value);
    CString::new(text.into_vec()).ok()
}

/// Sets a variable in `environment`, in place of the one of this name.
pub fn set(environment: &mut Vec<CString>, name: &[u8], value: &[u8]) {
    unset(environment, name);
    if let Ok(entry) = CString::new([name, b"=", value].concat()) {
        environment.push(entry);
    }
}

/// Removes a variable.
pub fn unset(environment: &mut Vec<CString>, name: &[u8]) {
    environment
        .retain(|entry| entry.to_bytes().strip_prefix(name).is_none_or(|rest| !rest.starts_with(b"=")));
}

/// The value of a variable.
pub fn get<'a>(environment: &'a [CString], name: &[u8]) -> Option<&'a [u8]> {
    environment.iter().find_map(|entry| entry.to_bytes().strip_prefix(name)?.strip_prefix(b"="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_set_once_and_prefixes_are_no_names() {
        let mut all = vec![c"PATH=/bin".to_owned(), c"PATHS=x".to_owned()];
        set(&mut all, b"PATH", b"/sbin");
        assert_eq!(all, [c"PATHS=x".to_owned(), c"PATH=/sbin".to_owned()]);
        assert_eq!(get(&all, b"PATH"), Some(&b"/sbin"[..]));
        unset(&mut all, b"PATH");
        assert_eq!(get(&all, b"PATH"), None);
    }
}
