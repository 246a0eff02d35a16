//! The JSON of `status` and `tree`: see docs/json.md, which lists these fields. What is there now stays,
//! with its meaning; more may be added.

use super::reason;
use super::rows::{Keeper, Known, Row};
use super::tables::Life;
use crate::machine::{Phase, Rung, Want};
use crate::record::{Receipt, Record};
use cgroup::controllers::Usage;
use serde::Serialize;
use std::io::Write;
use sys::clock::monotonic_ms;
use sys::process::Identity;
use sys::reap::Ending;

/// A supervisor.
#[derive(Serialize)]
struct Supervisor {
    directory: String,
    pid: Option<i32>,
    guardian_pid: Option<i32>,
    life: &'static str,
    containment: String,
    cannot_catch: String,
    run_directory: String,
    journal: bool,
}

/// A service.
#[derive(Serialize)]
struct Service {
    name: String,
    directory: String,
    supervisor: Option<String>,
    family: &'static str,
    state: &'static str,
    state_text: String,
    last_known: bool,
    running: bool,
    want: &'static str,
    paused: bool,
    enabled: Option<bool>,
    log: bool,
    pid: Option<i32>,
    seconds: u64,
    due_seconds: Option<u64>,
    processes: Option<usize>,
    memory_bytes: Option<u64>,
    memory_peak_bytes: Option<u64>,
    tasks: Option<u64>,
    cpu_seconds: Option<f64>,
    containment: Option<String>,
    notifies: Option<bool>,
    strayed: Option<bool>,
    restarts: Option<u32>,
    quick_deaths: Option<u16>,
    last_exit: Option<Exit>,
    not_started: Option<NotStarted>,
    message: String,
    status_text: String,
    reloading: bool,
    ending: bool,
    last_stop: Option<Stop>,
    last_lines: Vec<String>,
}

/// How a process ended.
#[derive(Serialize)]
struct Exit {
    text: String,
    code: Option<u8>,
    signal: Option<u8>,
    core: bool,
}

/// Why it could not be started.
#[derive(Serialize)]
struct NotStarted {
    stage: &'static str,
    errno: i32,
    text: String,
}

/// The last stop.
#[derive(Serialize)]
struct Stop {
    seconds: f64,
    found: u32,
    killed: u32,
    processes: Vec<Met>,
}

/// A process that was met in a stop.
#[derive(Serialize)]
struct Met {
    pid: i32,
    command: String,
    leader: bool,
    stray: bool,
    killed: bool,
    exit: Option<Exit>,
}

#[derive(Serialize)]
struct Status {
    supervisors: Vec<Supervisor>,
    services: Vec<Service>,
}

/// Prints what `pinfold status --json` does.
pub(super) fn print_status(rows: &[Row]) -> std::io::Result<()> {
    let mut keepers: Vec<&Keeper> = Vec::new();
    for keeper in rows.iter().filter_map(Row::keeper) {
        if !keepers.iter().any(|known| known.run == keeper.run) {
            keepers.push(keeper);
        }
    }
    let supervisors = keepers.into_iter().map(supervisor).collect();
    print(&Status { supervisors, services: rows.iter().map(service).collect() })
}

/// Prints a value as readable JSON, and a newline. It may be printed on a terminal: what a terminal would obey is
/// escaped also where JSON need not.
pub(super) fn print(value: &impl Serialize) -> std::io::Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    let obeyed = |c: char| c != '\n' && super::terminal::is_active(c);
    if text.contains(obeyed) {
        let escaped = |c: char| if obeyed(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
        text = text.chars().map(escaped).collect();
    }
    text.push('\n');
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn supervisor(keeper: &Keeper) -> Supervisor {
    let pid = |who: Option<Identity>| who.map(|who| who.pid);
    Supervisor {
        directory: String::from_utf8_lossy(&keeper.head.directory).into_owned(),
        pid: pid(keeper.head.supervisor),
        guardian_pid: pid(keeper.head.guardian),
        life: match keeper.life {
            Life::Supervised => "supervised",
            Life::Between => "between",
            Life::Gone => "gone",
        },
        containment: keeper.head.containment.clone(),
        cannot_catch: keeper.head.cannot_catch.clone(),
        run_directory: keeper.run.display().to_string(),
        journal: keeper.head.journal,
    }
}

fn service(row: &Row) -> Service {
    let now = monotonic_ms();
    let usage = row.closer.as_ref().map_or(Usage::default(), |closer| closer.usage);
    let (record, keeper, closer) = (row.record(), row.keeper(), row.closer.as_ref());
    let (state, state_text, want, paused) = match row.known() {
        Known::Ours(record) => {
            let want = match record.state.want {
                Want::Up => "up",
                Want::Once => "once",
                Want::Down => "down",
            };
            (word(record), reason::state(record, now).into_owned(), want, record.state.paused)
        }
        Known::Others(status) => {
            let state = if status.pid == 0 { "down" } else { "up" };
            let want = match status.want {
                compat::status::Want::Up => "up",
                compat::status::Want::Once => "once",
                compat::status::Want::Down => "down",
            };
            (state, state.to_owned(), want, status.paused)
        }
    };
    Service {
        name: row.name().into_owned(),
        directory: row.directory().display().to_string(),
        supervisor: keeper.map(|keeper| String::from_utf8_lossy(&keeper.head.directory).into_owned()),
        family: if record.is_some() { "pinfold" } else { "other" },
        state,
        state_text,
        last_known: row.is_last_known(),
        running: row.is_running(),
        want,
        paused,
        enabled: closer.map(|closer| closer.enabled),
        log: row.is_log(),
        pid: row.pid(),
        seconds: row.seconds(),
        due_seconds: row.due(now),
        processes: closer.and_then(|closer| closer.processes),
        memory_bytes: closer.and_then(|closer| closer.memory),
        memory_peak_bytes: usage.memory_peak,
        tasks: usage.tasks,
        cpu_seconds: usage.cpu.map(|cpu| cpu.as_secs_f64()),
        containment: keeper.map(|keeper| keeper.head.containment.clone()),
        notifies: record.map(|record| record.notifies),
        strayed: record.map(|record| record.strayed),
        restarts: record.map(|record| record.restarts),
        quick_deaths: record.map(|record| record.state.quick_deaths),
        last_exit: record.and_then(|record| record.last_exit).map(exit),
        not_started: record.and_then(not_started),
        message: record.map_or(String::new(), |record| record.message.clone()),
        status_text: record.map_or(String::new(), |record| record.words.status.clone()),
        reloading: record.is_some_and(|record| record.words.reloading),
        ending: record.is_some_and(|record| record.words.ending),
        last_stop: record.and_then(|record| stop(&record.receipt)),
        last_lines: closer.map_or(Vec::new(), |closer| closer.last_lines.clone()),
    }
}

/// The phase, in the one word that programs may go by.
pub(super) fn word(record: &Record) -> &'static str {
    match record.state.phase {
        Phase::Down => "down",
        Phase::Starting { .. } => "starting",
        Phase::Ready { .. } if record.notifies => "ready",
        Phase::Ready { .. } => "up",
        Phase::Daemonising { .. } => "daemonising",
        Phase::Stopping { rung: Rung::Killed, .. } | Phase::Sweeping { rung: Rung::Killed, .. } => "killing",
        Phase::Stopping { .. } => "stopping",
        Phase::Sweeping { .. } => "sweeping",
        Phase::Finishing { .. } => "finishing",
        Phase::Backoff { .. } => "backoff",
        Phase::Failed { .. } => "failed",
    }
}

fn exit(ending: Ending) -> Exit {
    let (code, signal, core) = match ending {
        Ending::Code(code) => (Some(code), None, false),
        Ending::Signal { number, core } => (None, Some(number), core),
        Ending::Unknown => (None, None, false),
    };
    Exit { text: ending.to_string(), code, signal, core }
}

fn not_started(record: &Record) -> Option<NotStarted> {
    let (stage, errno) = record.not_started?;
    let text = sys::fail::words(sys::Errno::from_raw(errno));
    Some(NotStarted { stage: stage.doing(), errno, text })
}

fn stop(receipt: &Receipt) -> Option<Stop> {
    let met = |met: &crate::record::Met| Met {
        pid: met.pid,
        command: met.command.clone(),
        leader: met.leader,
        stray: met.stray,
        killed: met.killed,
        exit: met.ended.map(exit),
    };
    (receipt.found > 0).then(|| Stop {
        seconds: f64::from(receipt.took_ms) / 1000.0,
        found: receipt.found,
        killed: receipt.killed,
        processes: receipt.named.iter().map(met).collect(),
    })
}
