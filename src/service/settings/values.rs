//! What a setting's word may be: one reader for each. The error says what was expected.

use super::Settings;
use crate::machine::Daemonised;
use nix::sys::signal::Signal;

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

fn milliseconds(text: &str) -> Result<Option<u64>, &'static str> {
    let ms = number(text).filter(|&ms| ms < 1 << 40).ok_or("a number of milliseconds")?;
    Ok((ms != 0).then_some(ms))
}

pub(super) fn timeout_up(settings: &mut Settings, text: &str) -> Result<(), &'static str> {
    settings.config.timeout_up = milliseconds(text)?;
    Ok(())
}

pub(super) fn timeout_kill(settings: &mut Settings, text: &str) -> Result<(), &'static str> {
    settings.config.timeout_kill = milliseconds(text)?;
    Ok(())
}

pub(super) fn timeout_finish(settings: &mut Settings, text: &str) -> Result<(), &'static str> {
    settings.config.timeout_finish = milliseconds(text)?;
    Ok(())
}

pub(super) fn notification_fd(settings: &mut Settings, text: &str) -> Result<(), &'static str> {
    let fd = number(text).filter(|fd| (1..1024).contains(fd)).ok_or("a descriptor number from 1 to 1023")?;
    settings.notification_fd = Some(fd as i32);
    settings.config.notifies = true;
    Ok(())
}

pub(super) fn notify(settings: &mut Settings, text: &str) -> Result<(), &'static str> {
    // daemontools-encore has a script of this name
    if text.starts_with("#!") {
        return Err("no script: a file of this name asks for sd_notify's socket, and is best empty");
    }
    settings.notify = true;
    settings.config.notifies = true;
    Ok(())
}

pub(super) fn timeout_watchdog(settings: &mut Settings, text: &str) -> Result<(), &'static str> {
    settings.config.watchdog = milliseconds(text)?;
    Ok(())
}

pub(super) fn down_signal(settings: &mut Settings, text: &str) -> Result<(), &'static str> {
    let upper = text.to_ascii_uppercase();
    let by_name = || format!("SIG{}", upper.strip_prefix("SIG").unwrap_or(&upper)).parse().ok();
    let by_number = || number(text).and_then(|n| Signal::try_from(n as i32).ok());
    settings.down_signal = by_number().or_else(by_name).ok_or("a signal's name or number, as TERM or 15")?;
    Ok(())
}

pub(super) fn max_deaths(settings: &mut Settings, text: &str) -> Result<(), &'static str> {
    settings.config.max_quick_deaths =
        number(text).filter(|&n| n <= 4096).ok_or("a number from 0 to 4096")? as u16;
    Ok(())
}

pub(super) fn kill_mode(settings: &mut Settings, text: &str) -> Result<(), &'static str> {
    settings.config.leader_only = match text {
        "fold" => false,
        "leader" => true,
        _ => return Err("fold or leader"),
    };
    Ok(())
}

pub(super) fn strays(settings: &mut Settings, text: &str) -> Result<(), &'static str> {
    settings.kill_strays = match text {
        "report" => false,
        "kill" => true,
        _ => return Err("report or kill"),
    };
    Ok(())
}

pub(super) fn session(settings: &mut Settings, text: &str) -> Result<(), &'static str> {
    if text != "none" {
        return Err("none");
    }
    settings.no_session = true;
    Ok(())
}

pub(super) fn containment(settings: &mut Settings, text: &str) -> Result<(), &'static str> {
    if !["kill", "freeze", "list", "v1", "subtree", "cgroup"].contains(&text) {
        return Err("kill, freeze, list, v1, subtree or cgroup");
    }
    settings.containment = Some(text.to_owned());
    Ok(())
}

pub(super) fn daemonised(settings: &mut Settings, text: &str) -> Result<(), &'static str> {
    settings.config.daemonised = match text {
        "auto" => Daemonised::Auto,
        "yes" => Daemonised::Yes,
        "no" => Daemonised::No,
        _ => return Err("auto, yes or no"),
    };
    Ok(())
}

pub(super) fn pidfile(settings: &mut Settings, text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("a path");
    }
    settings.pidfile = Some(text.to_owned());
    Ok(())
}

pub(super) fn backoff_max(settings: &mut Settings, text: &str) -> Result<(), &'static str> {
    let seconds = number(text).filter(|s| (1..=86_400).contains(s)).ok_or("seconds from 1 to 86400")?;
    settings.config.backoff_max = seconds * 1000;
    Ok(())
}
