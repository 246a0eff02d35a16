//! In words: how a service's run ended, and what it does now.

use super::service::Sight;
use super::terminal::clean;
use crate::machine::{Cause, Ms, Phase, Rung, Want};
use crate::record::Record;
use std::borrow::Cow;
use sys::reap::Ending;

/// Why the run that was watched is over.
pub(super) fn over(sight: &Sight) -> String {
    match sight {
        Sight::Ours(record) => of_record(record),
        Sight::Others(_) => "it ended again soon after its start".to_owned(),
        Sight::Nobody => "nobody supervises it any more".to_owned(),
    }
}

fn of_record(record: &Record) -> String {
    match cause(record) {
        Some(Cause::NotStarted) => not_started(record),
        Some(Cause::Late) => "not ready in time (timeout-up)".to_owned(),
        Some(Cause::Hung) => "it hung: no sign of life in time (timeout-watchdog)".to_owned(),
        Some(Cause::Unfit) => "its own start check took it down".to_owned(),
        Some(Cause::GaveUp) => said(record, "finish exited 125: not to be started again"),
        Some(Cause::Exited { quick: true, .. }) => ended(record, "it ended within a second of its start"),
        Some(Cause::Exited { quick: false, .. }) => ended(record, "it ended"),
        // it is up again, or was told to go
        Some(Cause::Asked) | None => ended(record, "it ended, and was started again"),
    }
}

fn cause(record: &Record) -> Option<Cause> {
    match record.state.phase {
        Phase::Stopping { cause, .. }
        | Phase::Sweeping { cause, .. }
        | Phase::Finishing { cause, .. }
        | Phase::Backoff { cause }
        | Phase::Failed { cause } => Some(cause),
        Phase::Down | Phase::Starting { .. } | Phase::Ready { .. } | Phase::Daemonising { .. } => None,
    }
}

fn ended(record: &Record, how: &str) -> String {
    match record.last_exit {
        Some(ending) => format!("{how}: {}", ending_words(ending)),
        None if record.not_started.is_some() => not_started(record),
        None => how.to_owned(),
    }
}

fn not_started(record: &Record) -> String {
    let Some((stage, errno)) = record.not_started else { return said(record, "it could not be started") };
    let errno = sys::Errno::from_raw(errno);
    said(record, &format!("{}: {}", stage.doing(), sys::fail::words(errno)))
}

fn said(record: &Record, otherwise: &str) -> String {
    let message = if record.message.is_empty() { otherwise } else { &record.message };
    clean(message).into_owned()
}

/// `exit 1`, `ended by SIGSEGV (core dumped)`.
pub(super) fn ending_words(ending: Ending) -> String {
    match ending {
        Ending::Signal { .. } => format!("ended by {ending}"),
        Ending::Code(_) | Ending::Unknown => ending.to_string(),
    }
}

/// What a service does, as `pinfold status` says it. `now` is on the monotonic clock.
pub(super) fn state(record: &Record, now: Ms) -> Cow<'static, str> {
    let state = &record.state;
    let word = match state.phase {
        _ if state.paused => Cow::Borrowed("paused"),
        Phase::Down => "down".into(),
        Phase::Starting { since, .. } => match state.deadline {
            Some(at) => format!("starting for {} s of {}", seconds(since, now), seconds(since, at)).into(),
            None => format!("starting for {} s", seconds(since, now)).into(),
        },
        Phase::Ready { .. } if record.words.ending => "ending by itself".into(),
        Phase::Ready { .. } if record.words.reloading => "reloading".into(),
        Phase::Ready { .. } if record.notifies => "ready".into(),
        Phase::Ready { .. } => "up".into(),
        Phase::Daemonising { .. } => "daemonising".into(),
        Phase::Stopping { rung, .. } => ending_for("stopping", rung, record, now).into(),
        Phase::Sweeping { cause: Cause::Asked, rung, .. } => ending_for("stopping", rung, record, now).into(),
        Phase::Sweeping { rung, .. } => ending_for("sweeping", rung, record, now).into(),
        Phase::Finishing { .. } => "finishing".into(),
        Phase::Backoff { cause: Cause::NotStarted } => {
            format!("can't start{}", again(state.deadline, now)).into()
        }
        Phase::Backoff { .. } if state.quick_deaths > 1 => {
            format!("crash loop{}", again(state.deadline, now)).into()
        }
        Phase::Backoff { .. } => format!("restarting{}", again(state.deadline, now)).into(),
        Phase::Failed { .. } => "failed".into(),
    };
    match (state.want, state.phase) {
        (Want::Once, phase) if phase.is_up() => word + " once",
        _ => word,
    }
}

/// `stopping for 35 s of 90`: until what was told to end is killed.
fn ending_for(word: &str, rung: Rung, record: &Record, now: Ms) -> String {
    match (rung, record.timeout_kill, record.state.deadline) {
        (Rung::Killed, ..) => format!("{word}, killed and not gone yet"),
        (Rung::Asked, Some(whole), Some(deadline)) => {
            let passed = whole.saturating_sub(deadline.saturating_sub(now));
            format!("{word} for {} s of {}", passed / 1000, whole.div_ceil(1000))
        }
        (Rung::Asked, ..) => format!("{word}, however long it takes"),
    }
}

fn again(deadline: Option<Ms>, now: Ms) -> String {
    deadline.map_or(String::new(), |at| format!(", again in {} s", at.saturating_sub(now).div_ceil(1000)))
}

fn seconds(from: Ms, to: Ms) -> Ms {
    to.saturating_sub(from) / 1000
}

#[cfg(test)]
#[path = "reason_tests.rs"]
mod tests;
