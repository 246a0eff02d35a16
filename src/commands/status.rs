//! `pinfold status`: a table of services.

use super::failure::{Failure, NO, NOT_RUNNING, OK};
use super::rows::{self, Known, Row};
use super::tables::Life;
use super::terminal::{Paint, Table};
use super::{cli, json, last_words, reason};
use crate::machine::{Cause, Phase};
use crate::record::Record;
use clap::{ArgMatches, Command};
use std::borrow::Cow;
use std::io::Write;
use sys::clock::monotonic_ms;

/// So many services at the most are looked at closer without being asked for.
const MANY: usize = 200;

/// The verb's command line.
pub(super) fn define() -> Command {
    let more = "\
Without NAMEs everything that pinfold supervises is shown; log services only if they are in trouble, or with -v. \
Of NAMEs that are in trouble the last lines they said are shown, too. \
PROCESSES counts everybody in the service's fold, MEMORY is theirs where the kernel counts it. What is known comes \
from the supervisor's table, so it is shown also when the supervisor hangs or is gone. With more than 200 services \
processes, memory and files `down` are looked at only with -v, NAMEs or --json: that takes longer than all else.";
    let after = "\
Examples:
  pinfold status
  pinfold status -v squid
  pinfold status --json | jq -r '.services[] | select(.state == \"failed\").name'

Exit codes: 0 shown; 1 a NAME is not supervised, or nothing is; 2 wrong usage; 3 the one NAME given is not \
running; 4 no permission.";
    cli::command("status", "Show what services do", more, after)
        .arg(cli::names(false))
        .arg(cli::switch("json", None, "Print JSON; its fields are listed in docs/json.md"))
        .arg(cli::switch(
            "verbose",
            Some('v'),
            "Show log services and last stops; of NAMEs also what they use, and what they last said",
        ))
}

/// Does it.
pub(super) fn run(matches: &ArgMatches) -> u8 {
    let names = cli::named(matches);
    let (mut rows, failures) = if names.is_empty() { (rows::all(), Vec::new()) } else { rows::named(&names) };
    let (verbose, json) = (cli::is_on(matches, "verbose"), cli::is_on(matches, "json"));
    if rows.len() <= MANY || verbose || json || !names.is_empty() {
        rows::look_closer(&mut rows, !names.is_empty());
    }
    let printed = match json {
        true => json::print_status(&rows),
        false => print(&rows, verbose, &names),
    };
    complain(&failures);
    let worst = failures.iter().map(|(_, failure)| failure.code).max();
    match (worst, &rows[..], names.len()) {
        _ if !cli::is_out(&printed) => NO,
        (Some(code), ..) => code,
        (None, [], 0) => {
            nothing_here();
            NO
        }
        (None, [row], 1) if !row.is_running() => NOT_RUNNING,
        (None, ..) => OK,
    }
}

/// Tells what to do where there is nothing to show.
pub(super) fn nothing_here() {
    let root = crate::service::name::root();
    let first = if root.is_dir() { "" } else { ", once there is such a directory" };
    let _ = writeln!(
        std::io::stderr(),
        "pinfold: nothing is supervised here; `svscan {}` starts it{first} (see man svscan)",
        super::failure::shown(&root)
    );
}

/// Tells which names can't be shown.
pub(super) fn complain(failures: &[(String, Failure)]) {
    for (name, failure) in failures {
        let _ = writeln!(std::io::stderr(), "{name}: {}", failure.reason);
    }
}

fn print(rows: &[Row], verbose: bool, names: &[std::ffi::OsString]) -> std::io::Result<()> {
    let head = ["NAME", "STATE", "PID", "UPTIME", "PROCESSES", "MEMORY", "CONTAINMENT", "LAST EXIT", ""];
    // where there is no room: containment first, then memory, processes, pid and uptime
    let mut table = Table::new(&head, &[6, 5, 4, 2, 3]);
    let several = rows.windows(2).any(|two| directory(&two[0]) != directory(&two[1]));
    let mut last = None;
    for row in rows.iter().filter(|row| !row.is_log() || verbose || is_troubled(row) || names.len() == 1) {
        if last != Some(directory(row)) {
            table.title(title(row, several));
            last = Some(directory(row));
        }
        let (cells, paint) = cells(row);
        table.row(&cells, paint);
        let more = if verbose { used(row).into_iter().chain(last_stop(row)).collect() } else { Vec::new() };
        let said = if verbose || is_failing(row) { said(row) } else { Vec::new() };
        more.into_iter().chain(said).for_each(|line| table.note(&line));
    }
    table.print()
}

fn last_stop(row: &Row) -> Vec<String> {
    let record = row.record().filter(|record| record.receipt.found > 0);
    let lines = record.map_or(Vec::new(), |record| super::stop::lines(&record.receipt));
    lines.into_iter().map(|line| format!("last stop: {line}")).collect()
}

/// It crashes, or could not be started; perhaps it is just being tried again.
fn is_failing(row: &Row) -> bool {
    let state = row.record().map(|record| record.state);
    state.is_some_and(|state| {
        state.quick_deaths > 0 || matches!(state.phase, Phase::Backoff { .. } | Phase::Failed { .. })
    })
}

/// The last lines of its output, where that is known.
fn said(row: &Row) -> Vec<String> {
    let lines = row.closer.iter().flat_map(|closer| &closer.last_lines);
    let said: Vec<String> = lines.map(|line| format!("said: {line}")).collect();
    match row.keeper() {
        Some(keeper) if said.is_empty() && keeper.head.journal => vec![last_words::in_journal(&row.name())],
        _ => said,
    }
}

/// What the service uses, as far as the kernel counts it.
fn used(row: &Row) -> Option<String> {
    let usage = row.closer.as_ref()?.usage;
    let parts = [
        usage.cpu.map(|cpu| format!("{:.1} s of processor time", cpu.as_secs_f64())),
        usage.memory_peak.map(|bytes| format!("{} of memory at the most", size(bytes))),
        usage.tasks.map(|tasks| format!("{tasks} processes and threads")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| format!("uses: {}", parts.join(", ")))
}

fn directory(row: &Row) -> Option<&[u8]> {
    row.keeper().map(|keeper| &keeper.head.directory[..])
}

/// What there is to say above the services of a supervisor.
fn title(row: &Row, several: bool) -> Option<String> {
    let Some(keeper) = row.keeper() else {
        return several.then(|| "supervised by another program:".to_owned());
    };
    let directory = String::from_utf8_lossy(&keeper.head.directory).escape_debug().to_string();
    let trouble = match keeper.life {
        Life::Supervised => return several.then(|| format!("{directory}:")),
        Life::Between => "its supervisor has died, another one is being started",
        Life::Gone => {
            "its supervisor is gone; this is what was last known. Its svscan, started again, takes over what runs"
        }
    };
    Some(format!("{directory}: {trouble}"))
}

fn cells(row: &Row) -> ([Cow<'_, str>; 9], Paint) {
    let dash = Cow::Borrowed("-");
    let shown = |text: Option<String>| text.map_or(dash.clone(), Cow::Owned);
    let name = row.name();
    let name = match name.strip_suffix("/log") {
        Some(main) => Cow::Owned(format!("  {main}/log")),
        None => name,
    };
    let (state, paint) = state(row);
    let (record, closer) = (row.record(), row.closer.as_ref());
    let cells = [
        name,
        state,
        shown(row.pid().map(|pid| pid.to_string())),
        Cow::Owned(time(row.seconds())),
        shown(closer.and_then(|closer| closer.processes).map(|count| count.to_string())),
        shown(closer.and_then(|closer| closer.memory).map(size)),
        Cow::Borrowed(row.keeper().map_or("none", |keeper| &keeper.head.containment)),
        shown(record.and_then(|record| record.last_exit).map(|ending| ending.to_string())),
        notes(row),
    ];
    (cells, paint)
}

fn state(row: &Row) -> (Cow<'_, str>, Paint) {
    let (text, paint) = match row.known() {
        Known::Ours(record) => (reason::state(record, monotonic_ms()), paint(record)),
        Known::Others(status) if status.paused => ("paused".into(), Paint::Busy),
        Known::Others(status) if status.pid == 0 => ("down".into(), Paint::Down),
        Known::Others(_) => ("up".into(), Paint::Good),
    };
    match (row.is_last_known(), row.is_running()) {
        (false, _) => (text, paint),
        (true, true) => (text + "?", Paint::Busy),
        (true, false) => (text + "?", Paint::Down),
    }
}

fn paint(record: &Record) -> Paint {
    match record.state.phase {
        _ if record.state.paused => Paint::Busy,
        Phase::Down => Paint::Down,
        Phase::Ready { .. } => Paint::Good,
        Phase::Failed { .. } | Phase::Backoff { cause: Cause::NotStarted | Cause::Late | Cause::Unfit } => {
            Paint::Bad
        }
        Phase::Backoff { .. } if record.state.quick_deaths > 1 => Paint::Bad,
        _ => Paint::Busy,
    }
}

/// Something an administrator would want to see also of a service that is usually not shown.
fn is_troubled(row: &Row) -> bool {
    row.record().is_some_and(|record| paint(record) != Paint::Good)
}

fn notes(row: &Row) -> Cow<'_, str> {
    let unlike = match (row.is_running(), row.closer.as_ref().map(|closer| closer.enabled)) {
        (true, Some(false)) => Some("normally down"),
        // one that is to be started again says so itself
        (false, Some(true)) if !is_coming_back(row) => Some("normally up"),
        _ => None,
    };
    let message = row.record().map(|record| record.message.as_str()).filter(|text| !text.is_empty());
    let status = row.record().map(|record| &*record.words.status).filter(|text| !text.is_empty());
    let status = status.map(|text| format!("says: {}", super::terminal::clean(text)));
    match (unlike, message, status) {
        (None, None, None) => "".into(),
        (unlike, message, status) => {
            let notes: Vec<&str> = unlike.into_iter().chain(message).chain(status.as_deref()).collect();
            notes.join("; ").into()
        }
    }
}

/// It is down just now, and will be started by itself.
fn is_coming_back(row: &Row) -> bool {
    row.record().is_some_and(|record| matches!(record.state.phase, Phase::Backoff { .. }))
}

/// A time for people: two units at the most.
pub(super) fn time(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{minutes} min"),
        7200..172_800 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// Bytes for people.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if value < 10.0 { format!("{value:.1} {}", UNITS[unit]) } else { format!("{value:.0} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_short() {
        let times = [0, 119, 120, 7199, 7200, 90_061, 172_800].map(time);
        assert_eq!(times, ["0 s", "119 s", "2 min", "119 min", "2 h 0 min", "25 h 1 min", "2 d 0 h"]);
        let sizes = [0, 4096, 12_345, 999_499, 999_600, 1 << 30].map(size);
        assert_eq!(sizes, ["0.0 kB", "4.1 kB", "12 kB", "999 kB", "1.0 MB", "1.1 GB"]);
    }
}
