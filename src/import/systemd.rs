//! A systemd `.service` unit as a service directory. Each assignment is taken out of the unit by the part that
//! understands it; what nobody has taken is said, by [`rules`](super::rules).

use super::exec::Command;
use super::plan::{Level, Plan, Remark};
use super::rules;
use super::unit::{Entry, Unit};
use super::words::Names;
use super::{amounts, exec};
use std::path::PathBuf;

/// What a service manager is told of the start of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Simple,
    Forking,
    Notify,
    Oneshot,
}

/// A unit on its way.
pub(super) struct Translation {
    pub(super) unit: Unit,
    pub(super) names: Names,
    pub(super) plan: Plan,
    /// Lines of sh that every script begins with.
    pub(super) preamble: Vec<String>,
    /// Lines of sh that only `run` has, before its commands.
    pub(super) setup: Vec<String>,
    /// What executes commands that keep svscan's user.
    pub(super) privileged: Vec<String>,
    /// What executes the others.
    pub(super) wrapper: Vec<String>,
}

/// The service directory of a unit called `name`, from its own file and its drop-ins: paths and contents. The error
/// is why there is none.
pub fn translate(name: &str, files: &[(PathBuf, Vec<u8>)]) -> Result<Plan, Remark> {
    let mut unit = Unit::default();
    files.iter().for_each(|(path, text)| unit.read(path, text));
    let mut translation = Translation {
        unit,
        names: Names::of(name),
        plan: Plan::default(),
        preamble: Vec::new(),
        setup: Vec::new(),
        privileged: Vec::new(),
        wrapper: Vec::new(),
    };
    let of = files.first().map(|(path, _)| path.clone()).unwrap_or_default();
    translation.everything(&of)?;
    let Translation { unit, mut plan, .. } = translation;
    for entry in unit.rest() {
        if let Some((level, text)) = rules::judge(&entry) {
            plan.say(level, &entry, text);
        }
    }
    let place = |remark: &Remark| {
        let file = files.iter().position(|(path, _)| *path == remark.file);
        (file.unwrap_or(files.len()), remark.line)
    };
    plan.remarks.sort_by_key(place);
    plan.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(plan)
}

impl Translation {
    fn everything(&mut self, of: &std::path::Path) -> Result<(), Remark> {
        let kind = self.kind();
        self.privileges();
        self.environment();
        self.limits();
        self.directories();
        self.output();
        let remains = self.yes("Service", "RemainAfterExit") && kind == Type::Oneshot;
        self.lifetime(kind);
        self.scripts(of, kind, remains)?;
        // what is written is looked at first, and started by `pinfold enable`
        self.plan.file("down", "");
        Ok(())
    }

    fn kind(&mut self) -> Type {
        let Some(entry) = self.take("Type") else {
            // without a program to be started it is what oneshot is
            return Type::Simple;
        };
        match &*entry.value {
            "simple" | "exec" => Type::Simple,
            "forking" => Type::Forking,
            "oneshot" => Type::Oneshot,
            "notify" => Type::Notify,
            "notify-reload" => {
                self.say(Level::Changed, &entry, "svc -h sends HUP, and waits for nothing");
                Type::Notify
            }
            "idle" => {
                self.say(Level::Changed, &entry, "it is started when its turn comes");
                Type::Simple
            }
            "dbus" => {
                let text =
                    "nobody waits for its name on the bus: it counts as ready when it has been started";
                self.say(Level::LeftOut, &entry, text);
                Type::Simple
            }
            _ => {
                self.say(Level::LeftOut, &entry, "no such type is known: it is taken for simple");
                Type::Simple
            }
        }
    }

    /// Takes an assignment out of `[Service]`.
    pub(super) fn take(&mut self, key: &str) -> Option<Entry> {
        self.unit.take("Service", key)
    }

    /// The same with its specifiers replaced; one that can't be is said, and is none.
    pub(super) fn take_expanded(&mut self, key: &str) -> Option<Entry> {
        let entry = self.take(key)?;
        self.expanded(entry)
    }

    /// An assignment with its specifiers replaced.
    pub(super) fn expanded(&mut self, mut entry: Entry) -> Option<Entry> {
        match self.names.expand(&entry.value) {
            Ok(value) => {
                entry.value = value;
                Some(entry)
            }
            Err(why) => {
                self.say(Level::LeftOut, &entry, why);
                None
            }
        }
    }

    /// Whether something is said to be so.
    pub(super) fn yes(&mut self, section: &str, key: &str) -> bool {
        let Some(entry) = self.unit.take(section, key) else { return false };
        amounts::boolean(&entry.value).unwrap_or_else(|| {
            self.say(Level::LeftOut, &entry, "is neither yes nor no");
            false
        })
    }

    /// The commands of an `Exec…=`, with the lines they stand in. One that can't be understood is said, and is none.
    pub(super) fn commands(&mut self, key: &str) -> Vec<(Entry, Command)> {
        let mut found = Vec::new();
        for entry in self.unit.take_all("Service", key) {
            match exec::parse(&entry.value, &self.names) {
                Ok(commands) => found.extend(commands.into_iter().map(|command| (entry.clone(), command))),
                Err(why) => self.say(Level::LeftOut, &entry, why),
            }
        }
        found
    }

    /// Says something about an assignment.
    pub(super) fn say(&mut self, level: Level, entry: &Entry, text: impl Into<String>) {
        self.plan.say(level, entry, text);
    }

    /// What executes a command.
    pub(super) fn wrapper_of(&self, command: &Command) -> &[String] {
        if command.privileged { &self.privileged } else { &self.wrapper }
    }
}
