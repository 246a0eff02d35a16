//! Resource limits, working directory, and where output goes: lines of `run`.

use super::amounts;
use super::exec::quoted;
use super::plan::Level;
use super::systemd::Translation;
use super::unit::Entry;

/// Limits by the letter of sh's `ulimit`, and its unit. Softlimit could lower them only.
const LIMITS: [(&str, char, u64); 8] = [
    ("LimitNOFILE", 'n', 1),
    ("LimitCPU", 't', 1),
    ("LimitCORE", 'c', 512),
    ("LimitFSIZE", 'f', 512),
    ("LimitDATA", 'd', 1024),
    ("LimitSTACK", 's', 1024),
    ("LimitAS", 'v', 1024),
    ("LimitMEMLOCK", 'l', 1024),
];

impl Translation {
    pub(super) fn limits(&mut self) {
        for (key, letter, unit) in LIMITS {
            let Some(entry) = self.take(key) else { continue };
            match bounds(&entry, unit) {
                Some((soft, hard)) if soft == hard => self.setup.push(format!("ulimit -{letter} {soft}")),
                Some((soft, hard)) => {
                    // the soft one first down, then the hard one: it can't be set below
                    self.setup.push(format!("ulimit -S -{letter} {soft} 2>/dev/null"));
                    self.setup.push(format!("ulimit -H -{letter} {hard} && ulimit -S -{letter} {soft}"));
                }
                None => self.say(Level::LeftOut, &entry, "is no limit that can be understood"),
            }
        }
        let Some(entry) = self.take("LimitNPROC") else { return };
        match bounds(&entry, 1) {
            // the shells do not agree on a letter
            Some((soft, _)) if soft != "unlimited" => {
                self.privileged.insert(0, format!("pinfold softlimit -p {soft}"));
                self.wrapper.insert(0, format!("pinfold softlimit -p {soft}"));
            }
            Some(_) => {}
            None => self.say(Level::LeftOut, &entry, "is no limit that can be understood"),
        }
    }

    /// Where it works: `run` itself begins in the service's directory.
    pub(super) fn directories(&mut self) {
        let Some(entry) = self.take_expanded("WorkingDirectory") else {
            return self.preamble.insert(0, "cd /".into());
        };
        let path = entry.value.trim_start_matches('-');
        let line = match path {
            "~" => "cd \"${HOME:-/root}\"".to_owned(),
            _ => format!("cd {}", quoted(path)),
        };
        let otherwise = if entry.value.starts_with('-') { "cd /" } else { "exit 111" };
        // after HOME is known
        self.preamble.push(format!("{line} || {otherwise}"));
    }

    /// `StandardOutput=` and its kin, where it is not the manager that takes it.
    pub(super) fn output(&mut self) {
        if self.yes("Service", "IgnoreSIGPIPE") {
            self.setup.push("trap '' PIPE".into());
        }
        for (key, number) in [("StandardInput", "<"), ("StandardOutput", ">"), ("StandardError", "2>")] {
            let Some(entry) = self.take_expanded(key) else { continue };
            let (kind, path) = entry.value.split_once(':').unwrap_or((&entry.value, ""));
            match kind {
                "null" => self.setup.push(format!("exec {number}/dev/null")),
                "file" | "append" | "truncate" if path.starts_with('/') => {
                    let how = match (kind, key) {
                        (_, "StandardInput") => "<",
                        ("append", "StandardError") => "2>>",
                        ("append", _) => ">>",
                        ("truncate", "StandardError") => "2>",
                        ("truncate", _) => ">",
                        (_, "StandardError") => "2<>",
                        _ => "1<>",
                    };
                    self.setup.push(format!("exec {how}{} || exit 111", quoted(path)));
                }
                "inherit" | "journal" | "syslog" | "kmsg" if key != "StandardInput" => {}
                "journal+console" | "syslog+console" | "kmsg+console" => {
                    self.say(Level::Changed, &entry, "goes where all output without a log/ goes");
                }
                _ => self.say(Level::LeftOut, &entry, "has no counterpart: redirect it in run"),
            }
        }
    }
}

/// Soft and hard limit for ulimit.
fn bounds(entry: &Entry, unit: u64) -> Option<(String, String)> {
    let (soft, hard) = entry.value.split_once(':').unwrap_or((&entry.value, &entry.value));
    let one = |text: &str| {
        let amount = match &*entry.key {
            "LimitCPU" => amounts::milliseconds(text)?.map(|ms| ms.div_ceil(1000)),
            _ => amounts::size(text)?,
        };
        Some(amount.map_or("unlimited".to_owned(), |amount| amount.div_ceil(unit).to_string()))
    };
    Some((one(soft.trim())?, one(hard.trim())?))
}
