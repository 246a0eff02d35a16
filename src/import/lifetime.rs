//! How it starts, how it is ended, and how often it is started again: settings.

use super::amounts;
use super::plan::Level;
use super::systemd::{Translation, Type};
use crate::service::settings::{self, Kind, Settings};

/// Starts are at least so far apart, in ms.
const APART: u64 = 1000;
/// The cap of the delay between quick deaths that is usual, in seconds.
const BACKOFF_MAX: u64 = 10;

impl Translation {
    pub(super) fn lifetime(&mut self, kind: Type) {
        self.readiness(kind);
        let whole = self.take("TimeoutSec");
        for (key, file) in [("TimeoutStartSec", "timeout-up"), ("TimeoutStopSec", "timeout-kill")] {
            let Some(entry) = self.take(key).or_else(|| whole.clone()) else {
                // systemd waits longer for word that it is ready
                if kind == Type::Notify && file == "timeout-up" {
                    self.plan.file(file, "90000\n");
                }
                continue;
            };
            match amounts::milliseconds(&entry.value) {
                // 0 is for ever here and there
                Some(ms) => self.plan.file(file, format!("{}\n", ms.unwrap_or(0))),
                None => self.say(Level::LeftOut, &entry, "is no time"),
            }
        }
        if kind == Type::Notify
            && let Some(entry) = self.take("WatchdogSec")
        {
            match amounts::milliseconds(&entry.value) {
                Some(Some(ms)) if ms > 0 => self.plan.file("timeout-watchdog", format!("{ms}\n")),
                Some(_) => {}
                None => self.say(Level::LeftOut, &entry, "is no time"),
            }
        }
        self.stop_signals();
        self.restarts();
    }

    fn readiness(&mut self, kind: Type) {
        let pidfile = self.take_expanded("PIDFile").map(|entry| entry.value);
        match (kind, pidfile) {
            (Type::Forking, pidfile) => {
                self.plan.file("daemonised", "yes\n");
                if let Some(path) = pidfile {
                    let path = if path.starts_with('/') { path } else { format!("/run/{path}") };
                    self.plan.file("pidfile", format!("{}\n", path.replacen("/var/run/", "/run/", 1)));
                }
            }
            _ => self.plan.file("daemonised", "no\n"),
        }
        // whoever of the service speaks is heard
        self.take("NotifyAccess");
        if kind == Type::Notify {
            self.plan.file("notify", "");
        }
    }

    fn stop_signals(&mut self) {
        if let Some(entry) = self.take("KillSignal") {
            let name = entry.value.strip_prefix("SIG").unwrap_or(&entry.value).to_owned();
            match accepts("down-signal", &name) {
                true if name == "TERM" || name == "15" => {}
                true => self.plan.file("down-signal", format!("{name}\n")),
                false => self.say(Level::LeftOut, &entry, "is no signal that it could be sent: TERM is"),
            }
        }
        if let Some(entry) = self.take("SendSIGKILL")
            && amounts::boolean(&entry.value) == Some(false)
        {
            self.plan.files.retain(|file| file.path != "timeout-kill");
            self.plan.file("timeout-kill", "0\n");
        }
        let Some(entry) = self.take("KillMode") else { return };
        match &*entry.value {
            // both: the leader is asked first, the others when it is gone, and who does not go is killed
            "control-group" | "mixed" => {}
            "process" => self.plan.file("kill-mode", "leader\n"),
            "none" => {
                self.plan.file("kill-mode", "leader\n");
                self.say(Level::Changed, &entry, "its main process is stopped, others are not");
            }
            _ => self.say(Level::LeftOut, &entry, "is not known"),
        }
    }

    fn restarts(&mut self) {
        if let Some(entry) = self.take("RestartSec") {
            match amounts::milliseconds(&entry.value) {
                Some(Some(ms)) if ms <= APART => {}
                Some(ms) => {
                    let seconds = ms.unwrap_or(u64::MAX).div_ceil(1000).clamp(BACKOFF_MAX, 86_400);
                    if seconds > BACKOFF_MAX {
                        self.plan.file("backoff-max", format!("{seconds}\n"));
                    }
                    let text = format!(
                        "a service that ran for a second is started again at once; one that dies quickly after delays \
                         that grow up to {seconds} s (backoff-max)"
                    );
                    self.say(Level::Changed, &entry, text);
                }
                None => self.say(Level::LeftOut, &entry, "is no time"),
            }
        }
        self.start_limit();
    }

    fn start_limit(&mut self) {
        let burst = self.unit.take("Unit", "StartLimitBurst").or_else(|| self.take("StartLimitBurst"));
        let mut interval = None;
        for key in ["StartLimitIntervalSec", "StartLimitInterval"] {
            let found = self.unit.take("Unit", key).or_else(|| self.take(key));
            interval = interval.or(found);
        }
        let is_off = interval.is_some_and(|entry| amounts::milliseconds(&entry.value) == Some(Some(0)));
        let Some(entry) = burst.filter(|_| !is_off) else { return };
        match entry.value.parse::<u16>() {
            Ok(0) => {}
            Ok(most) if most <= 4096 => {
                self.plan.file("max-death-tally", format!("{most}\n"));
                let text = "so many deaths in a row, each within a second of its start, make it failed \
                            (max-death-tally), whatever the interval";
                self.say(Level::Changed, &entry, text);
            }
            _ => self.say(Level::LeftOut, &entry, "is no number up to 4096"),
        }
    }
}

/// Whether a setting can have this value.
fn accepts(setting: &str, value: &str) -> bool {
    match settings::lookup(setting.as_bytes()).map(|setting| setting.kind) {
        Some(Kind::File(read)) => read(&mut Settings::default(), value).is_ok(),
        _ => false,
    }
}
