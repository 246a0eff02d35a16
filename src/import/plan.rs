//! What is to be written, and what is to be said about it.

use super::unit::Entry;
use serde::Serialize;
use std::path::PathBuf;

/// How much a line that was not simply translated matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Translated, but pinfold does it in another way.
    Changed,
    /// Not translated: the service may behave otherwise.
    LeftOut,
    /// Not translated, and the service may do, or be done to, what it could not before.
    Security,
}

impl Level {
    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Level::Changed => "changed",
            Level::LeftOut => "left out",
            Level::Security => "security, left out",
        }
    }
}

/// Something to be said about a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// How much it matters.
    pub level: Level,
    /// The file.
    pub file: PathBuf,
    /// The line in it, from 1.
    pub line: usize,
    /// The line, as far as it is needed to recognise it.
    pub directive: String,
    /// Why, and what to do.
    pub text: String,
}

/// A file of a service's directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct File {
    /// Its path below the directory.
    pub path: String,
    /// Whether it is a script.
    pub executable: bool,
    /// What is in it.
    pub text: String,
}

/// A service's directory.
#[derive(Debug, Default)]
pub struct Plan {
    /// What is in it.
    pub files: Vec<File>,
    /// What is to be said.
    pub remarks: Vec<Remark>,
}

impl Plan {
    /// A setting, or another file that is not executed.
    pub(super) fn file(&mut self, path: &str, text: impl Into<String>) {
        self.files.push(File { path: path.into(), executable: false, text: text.into() });
    }

    /// A script.
    pub(super) fn script(&mut self, path: &str, text: impl Into<String>) {
        self.files.push(File { path: path.into(), executable: true, text: text.into() });
    }

    /// Says something about an assignment.
    pub(super) fn say(&mut self, level: Level, entry: &Entry, text: impl Into<String>) {
        let whole =
            if entry.key.is_empty() { entry.value.clone() } else { format!("{}={}", entry.key, entry.value) };
        let mut directive: String = whole.chars().take(60).collect();
        if directive.len() < whole.len() {
            directive.push('…');
        }
        let (file, line) = (entry.file.to_path_buf(), entry.line);
        self.remarks.push(Remark { level, file, line, directive, text: text.into() });
    }
}
