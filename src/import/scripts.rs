//! `run`, `start`, `finish` and `control/`: the commands of a unit as scripts for sh.

use super::exec::Command;
use super::plan::{Level, Remark};
use super::systemd::{Translation, Type};
use super::unit::Entry;
use std::path::Path;

type Commands = Vec<(Entry, Command)>;

impl Translation {
    pub(super) fn scripts(&mut self, of: &Path, kind: Type, remains: bool) -> Result<(), Remark> {
        let described = self.unit.take("Unit", "Description").map(|entry| entry.value);
        let head = head(described.as_deref(), of);
        let before = self.commands("ExecStartPre");
        let said = self.plan.remarks.len();
        let main = self.commands("ExecStart");
        let after = self.commands("ExecStartPost");
        if main.is_empty() || (main.len() > 1 && kind != Type::Oneshot) {
            let none = Remark {
                level: Level::LeftOut,
                file: of.to_owned(),
                line: 1,
                directive: "ExecStart=".into(),
                text: match main.len() {
                    0 => "there is none, so nothing could be run".into(),
                    _ => "there are several, which only Type=oneshot can have".into(),
                },
            };
            return Err(self.plan.remarks.split_off(said).into_iter().next().unwrap_or(none));
        }
        self.quoted_values(&main);
        // it says itself when it is ready: nothing else tells `start` when what comes before has been done
        let ready =
            !after.is_empty() && self.setting("notify").is_none() && (kind != Type::Oneshot || remains);
        if ready {
            self.plan.file("notification-fd", "3\n");
        }
        let run = format!("{head}{}{}", self.prepare(&before, &main), self.main(kind, &main, remains, ready));
        self.plan.script("run", run);
        if !after.is_empty() {
            let goal = if kind == Type::Oneshot && !remains { "--up" } else { "--ready" };
            self.start(&head, &after, goal);
        }
        let stop = self.commands("ExecStop");
        let stopped = self.commands("ExecStopPost");
        match kind {
            Type::Oneshot => self.finish(&head, [stop, stopped].concat()),
            _ => {
                self.stop(&head, &stop);
                self.finish(&head, stopped);
            }
        }
        self.reload(&head);
        Ok(())
    }

    /// What `run` does before the service's own program.
    fn prepare(&self, before: &Commands, main: &Commands) -> String {
        let mut text = self.begin(before.iter().chain(main));
        self.setup.iter().for_each(|line| text.push_str(&format!("{line}\n")));
        text.push_str(&self.lines(before, "exit 1"));
        text
    }

    fn main(&mut self, kind: Type, main: &Commands, remains: bool, ready: bool) -> String {
        let ready = if ready { "echo >&3; exec 3>&-\n" } else { "" };
        match (kind, main.split_last()) {
            // what it has done lasts until it is stopped
            (Type::Oneshot, _) if remains => {
                format!("{}{ready}exec sleep infinity\n", self.lines(main, "exit 1"))
            }
            // it is ready when the program has put itself into the background
            (Type::Forking, _) if !ready.is_empty() => {
                format!("{{\n{}}} 3>&-\n{ready}", self.lines(main, "exit 1"))
            }
            (_, Some(((entry, command), others))) => {
                if command.may_fail {
                    self.say(Level::Changed, entry, "the - counts for nothing: its failure is a failure");
                }
                let line = command.line(self.wrapper_of(command));
                format!("{}{ready}exec {line}\n", self.lines(others, "exit 1"))
            }
            (_, None) => String::new(),
        }
    }

    /// `start`: starts the service, and then what is to be done when it has started.
    fn start(&mut self, head: &str, after: &Commands, goal: &str) {
        for (entry, _) in after {
            let text = "is done by `pinfold start` and after an automatic restart (script start), not when svscan \
                        starts the service at boot";
            self.say(Level::Changed, entry, text);
        }
        let mut text = format!("{head}service=$PWD\n{}", self.variables());
        let bound = match self.setting("timeout-up").map(|ms| ms.trim_end().parse::<u64>()) {
            Some(Ok(0)) => String::new(),
            Some(Ok(ms)) => format!("-t {} ", ms.div_ceil(1000)),
            _ => "-t 90 ".to_owned(),
        };
        text.push_str(&format!("pinfold svc -u . && pinfold wait {goal} {bound}. || exit 1\n"));
        text.push_str(&format!("{MAIN_PID}{}", self.begin(after)));
        text.push_str(&self.lines(after, "{ pinfold svc -d \"$service\"; exit 1; }"));
        self.plan.script("start", text);
    }

    /// The variables of `env/`, where it is not the supervisor that starts a script.
    fn variables(&self) -> String {
        let has_env = self.plan.files.iter().any(|file| file.path.starts_with("env/"));
        let again = "[ -n \"${IMPORTED-}\" ] || IMPORTED=1 exec pinfold envdir env ./start\n";
        if has_env { again.to_owned() } else { String::new() }
    }

    /// `control/d`: what is to be done before the signal.
    fn stop(&mut self, head: &str, stop: &Commands) {
        let Some((entry, _)) = stop.first() else { return };
        self.say(Level::Changed, entry, "has 5 s (script control/d), then the signal is sent");
        let mut text = format!("{head}{MAIN_PID}{}{}", self.begin(stop), self.lines(stop, ":"));
        text.push_str("# then the signal, too\nexit 1\n");
        self.plan.script("control/d", text);
    }

    /// `finish`: what is to be done after the end, and whether to start again.
    fn finish(&mut self, head: &str, stopped: Commands) {
        let verdict = self.verdict();
        if stopped.is_empty() && verdict.is_empty() {
            return;
        }
        let begin = if stopped.is_empty() { String::new() } else { self.begin(&stopped) };
        let text = format!("{head}{begin}{}{verdict}", self.lines(&stopped, ":"));
        self.plan.script("finish", text);
        if !stopped.is_empty() {
            // the commands were bounded as the rest of a stop is
            let bound = self.setting("timeout-kill").unwrap_or("90000\n").to_owned();
            self.plan.file("timeout-finish", bound);
        }
    }

    /// What has been written so far for a setting.
    fn setting(&self, name: &str) -> Option<&str> {
        self.plan.files.iter().find(|file| file.path == name).map(|file| &*file.text)
    }

    /// `control/h`, unless HUP is what is sent anyway.
    fn reload(&mut self, head: &str) {
        let reload = self.commands("ExecReload");
        if reload.iter().all(|(_, command)| command.is_hang_up()) {
            return;
        }
        let mut text = format!("{head}{MAIN_PID}{}", self.begin(&reload));
        // no HUP after it, also when it has failed
        text.push_str(&self.lines(&reload, "exit 0"));
        self.plan.script("control/h", text);
    }

    /// What scripts begin with.
    fn begin<'a>(&self, commands: impl IntoIterator<Item = &'a (Entry, Command)>) -> String {
        let mut text: String = self.preamble.iter().map(|line| format!("{line}\n")).collect();
        if commands.into_iter().any(|(_, command)| command.splits()) {
            text.push_str("# the values of variables are split, and no more\nset -f\n");
        }
        text
    }

    fn lines(&self, commands: &[(Entry, Command)], otherwise: &str) -> String {
        let line = |(_, command): &(Entry, Command)| {
            let otherwise = if command.may_fail { ":" } else { otherwise };
            format!("{} || {otherwise}\n", command.line(self.wrapper_of(command)))
        };
        commands.iter().map(line).collect()
    }

    /// systemd heeds quotes in values that it splits; the shell does not.
    fn quoted_values(&mut self, main: &Commands) {
        for (entry, command) in main {
            for name in command.split_variables() {
                let path = format!("env/{name}");
                let mut values = self.plan.files.iter().filter(|file| file.path == path);
                if values.any(|file| file.text.contains(['"', '\'', '\\'])) {
                    let text = format!("quotes in the value of {name} are taken as they stand");
                    self.plan.say(Level::LeftOut, entry, text);
                }
            }
        }
    }
}

/// The pid that `control/` and `start` are about.
const MAIN_PID: &str = "read -r MAINPID <supervise/pid; export MAINPID\n";

fn head(described: Option<&str>, of: &Path) -> String {
    let printable = |text: &str| text.replace(char::is_control, "?");
    let described = described.map_or(String::new(), |text| format!("# {}\n", printable(text)));
    format!("#!/bin/sh\n{described}# made by pinfold import from {}\n", printable(&of.display().to_string()))
}
