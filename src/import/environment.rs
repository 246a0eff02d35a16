//! Variables: `Environment=` becomes `env/`, `EnvironmentFile=` is read by the scripts.

use super::exec::quoted;
use super::plan::{Level, Remark};
use super::systemd::Translation;
use super::unit::Entry;
use super::words::{is_name, split};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use sys::files;

impl Translation {
    pub(super) fn environment(&mut self) {
        let mut variables: Vec<(String, String)> = Vec::new();
        for entry in self.unit.take_all("Service", "Environment") {
            let Some(words) = self.entry_words(&entry) else { continue };
            for word in words {
                match word.split_once('=') {
                    Some((name, value)) if is_name(name) => {
                        variables.retain(|(known, _)| known != name);
                        variables.push((name.to_owned(), value.to_owned()));
                    }
                    _ => self.say(Level::LeftOut, &entry, format!("{word} is not NAME=VALUE")),
                }
            }
        }
        // what systemd says of the user does not count beside what the unit says
        let known = |word: &str| variables.iter().any(|(name, _)| word.starts_with(&format!("{name}=")));
        for line in self.preamble.iter_mut().filter(|line| line.starts_with("export USER=")) {
            let words: Vec<&str> = line.split(' ').skip(1).filter(|word| !known(word)).collect();
            *line = if words.is_empty() { ":".into() } else { format!("export {}", words.join(" ")) };
        }
        for (name, value) in variables {
            // envdir's rules: nothing at all would take the variable away, blanks at the end are lost
            if value.ends_with([' ', '\t']) || value.contains('\0') {
                self.preamble.push(format!("export {name}={}", quoted(&value)));
            } else {
                self.plan.file(&format!("env/{name}"), value.replace('\n', "\0") + "\n");
            }
        }
        for entry in self.unit.take_all("Service", "EnvironmentFile") {
            self.environment_file(entry);
        }
        for entry in self.unit.take_all("Service", "UnsetEnvironment") {
            let Some(words) = self.entry_words(&entry) else { continue };
            for word in words {
                match is_name(&word) {
                    true => self.preamble.push(format!("unset {word}")),
                    false => self.say(Level::LeftOut, &entry, format!("{word} is no variable's name")),
                }
            }
        }
    }

    fn entry_words(&mut self, entry: &Entry) -> Option<Vec<String>> {
        let words = split(&entry.value).map_err(ToOwned::to_owned);
        let expanded = words.and_then(|words| words.iter().map(|word| self.names.expand(word)).collect());
        expanded.map_err(|why: String| self.say(Level::LeftOut, entry, why)).ok()
    }

    fn environment_file(&mut self, entry: Entry) {
        let Some(entry) = self.expanded(entry) else { return };
        let path = entry.value.trim_start_matches('-');
        if !path.starts_with('/') || path.contains(['*', '?', '[']) {
            return self.say(Level::LeftOut, &entry, "only one file by its absolute path can be read");
        }
        let name = quoted(path);
        let read = format!("set -a; . {name}; set +a");
        let is_optional = entry.value.starts_with('-');
        self.preamble.push(if is_optional { format!("[ ! -e {name} ] || {{ {read}; }}") } else { read });
        let Ok(Some(text)) = files::read(Path::new(path), files::BOUND) else { return };
        if is_others(Path::new(path)) {
            let text = "others can write to this file, and a shell executes it: systemd would only read it";
            self.say(Level::Security, &entry, text);
        }
        for (line, text) in (1..).zip(String::from_utf8_lossy(&text).lines()) {
            if !is_read_alike(text) {
                let directive: String = text.trim().chars().take(60).collect();
                let text = "scripts have a shell read this file, to which this line may mean something else than to \
                            systemd: write NAME='VALUE'";
                let (level, file) = (Level::Changed, path.into());
                self.plan.remarks.push(Remark { level, file, line, directive, text: text.into() });
            }
        }
    }
}

/// Whether somebody else than root or we could have written a file.
fn is_others(path: &Path) -> bool {
    let ours = nix::unistd::geteuid().as_raw();
    std::fs::metadata(path).is_ok_and(|meta| ![0, ours].contains(&meta.uid()) || meta.mode() & 0o022 != 0)
}

/// Whether a line of an environment file means the same to a shell as to systemd.
fn is_read_alike(line: &str) -> bool {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return true;
    }
    let Some((name, value)) = line.split_once('=') else { return false };
    let is_plain =
        |value: &str| value.bytes().all(|b| b.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&b));
    let within = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    let is_single = within('\'').is_some_and(|inner| !inner.contains('\''));
    let is_double = within('"').is_some_and(|inner| !inner.contains(['"', '$', '`', '\\']));
    is_name(name) && (is_plain(value) || is_single || is_double)
}

#[cfg(test)]
mod tests {
    use super::is_read_alike;

    #[test]
    fn lines_that_a_shell_reads_otherwise_are_known() {
        for alike in ["", "# x", "A=", "A=b/c", "A='b $c'", "A=\"b c\"", "  A=b  "] {
            assert!(is_read_alike(alike), "{alike}");
        }
        for other in [
            "; x",
            "A=b c",
            "A=$B",
            "A=\"$B\"",
            "A='b'c'",
            "export A=b",
            "A=b;c",
            "A",
            "A=\"b\\\"c\"",
            "A=b\\",
        ] {
            assert!(!is_read_alike(other), "{other}");
        }
    }
}
