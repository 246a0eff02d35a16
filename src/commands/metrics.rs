//! `pinfold metrics`: what `status` knows, for Prometheus to scrape by way of a file. There is no server.

use super::failure::{NO, OK};
use super::rows::{self, Known, Row};
use super::tables::Life;
use super::{cli, json};
use crate::machine::{Phase, Want};
use clap::{ArgMatches, Command};
use std::fmt::Write as _;
use std::io::Write as _;
use sys::reap::Ending;

/// The verb's command line.
pub(super) fn define() -> Command {
    let more = "\
In the text format of Prometheus (version 0.0.4), for the textfile collector of node_exporter or a like one, from the \
supervisor's table: it costs the supervisor nothing, and works when that hangs or is gone.";
    let after = "\
Examples:
  pinfold metrics >/var/lib/prometheus/node-exporter/pinfold.new &&
    mv /var/lib/prometheus/node-exporter/pinfold.new /var/lib/prometheus/node-exporter/pinfold.prom

Exit codes: 0 printed; 1 nothing is supervised; 2 wrong usage.";
    cli::command("metrics", "Print the state of services for Prometheus", more, after).arg(cli::names(false))
}

/// Does it.
pub(super) fn run(matches: &ArgMatches) -> u8 {
    let names = cli::named(matches);
    let (mut rows, failures) = if names.is_empty() { (rows::all(), Vec::new()) } else { rows::named(&names) };
    rows::look_closer(&mut rows, false);
    super::status::complain(&failures);
    let printed = std::io::stdout().write_all(text(&rows).as_bytes());
    if rows.is_empty() && failures.is_empty() {
        super::status::nothing_here();
    }
    if cli::is_out(&printed) && failures.is_empty() && !rows.is_empty() { OK } else { NO }
}

/// One metric: its name, type, meaning, and its value for a service, if it has one.
struct Metric(&'static str, &'static str, &'static str, fn(&Row) -> Option<f64>);

const METRICS: &[Metric] = &[
    Metric("running", "gauge", "Something of the service is alive.", |row| truth(row.is_running())),
    Metric("wanted", "gauge", "The service is meant to be up.", |row| {
        truth(row.record()?.state.want != Want::Down)
    }),
    Metric("ready", "gauge", "It has said that it is ready; of services that say so.", |row| {
        let record = row.record().filter(|record| record.notifies)?;
        truth(matches!(record.state.phase, Phase::Ready { .. }))
    }),
    Metric("failed", "gauge", "It has been given up, or waits after a failure to be tried again.", |row| {
        truth(matches!(row.record()?.state.phase, Phase::Failed { .. } | Phase::Backoff { .. }))
    }),
    Metric("paused", "gauge", "It is stopped by svc -p.", |row| truth(row.record()?.state.paused)),
    Metric("enabled", "gauge", "It is started at boot.", |row| truth(row.closer.as_ref()?.enabled)),
    Metric("changed_timestamp_seconds", "gauge", "When it last came up or went down.", |row| {
        match row.known() {
            Known::Ours(record) => Some(record.changed.0 as f64),
            Known::Others(_) => None,
        }
    }),
    Metric("restarts_total", "counter", "Starts after the first.", |row| Some(row.record()?.restarts.into())),
    Metric("quick_deaths", "gauge", "Deaths in a row within a second of the start.", |row| {
        Some(row.record()?.state.quick_deaths.into())
    }),
    Metric("last_exit_code", "gauge", "The exit code of its last end, if it exited.", |row| {
        match row.record()?.last_exit? {
            Ending::Code(code) => Some(code.into()),
            _ => None,
        }
    }),
    Metric("last_exit_signal", "gauge", "The signal of its last end, if that was one.", |row| {
        match row.record()?.last_exit? {
            Ending::Signal { number, .. } => Some(number.into()),
            _ => None,
        }
    }),
    Metric("last_stop_seconds", "gauge", "How long its last stop took, until nothing was left.", |row| {
        let receipt = &row.record()?.receipt;
        (receipt.found > 0).then(|| f64::from(receipt.took_ms) / 1000.0)
    }),
    Metric("last_stop_killed", "gauge", "How many processes had to be killed in its last stop.", |row| {
        let receipt = &row.record()?.receipt;
        (receipt.found > 0).then(|| receipt.killed.into())
    }),
    Metric("strayed", "gauge", "A process of it has once been found outside its cgroup.", |row| {
        truth(row.record()?.strayed)
    }),
    Metric("processes", "gauge", "Processes in its fold.", |row| {
        Some(row.closer.as_ref()?.processes? as f64)
    }),
    Metric("memory_bytes", "gauge", "What they use of memory, where the kernel counts it.", |row| {
        Some(row.closer.as_ref()?.memory? as f64)
    }),
];

fn truth(is: bool) -> Option<f64> {
    Some(f64::from(u8::from(is)))
}

fn text(rows: &[Row]) -> String {
    let mut text = String::new();
    supervisors(rows, &mut text);
    for Metric(name, kind, help, value) in METRICS {
        let mut head =
            format!("# HELP pinfold_service_{name} {help}\n# TYPE pinfold_service_{name} {kind}\n");
        for (row, value) in rows.iter().filter_map(|row| Some((row, value(row)?))) {
            // what can't fail: a String takes everything
            let _ = writeln!(text, "{head}pinfold_service_{name}{{{}}} {value}", labels(row));
            head.clear();
        }
    }
    let mut head = "# HELP pinfold_service_state The state it is in, as in pinfold status --json.\n\
                    # TYPE pinfold_service_state gauge\n"
        .to_owned();
    for (row, record) in rows.iter().filter_map(|row| Some((row, row.record()?))) {
        let (labels, state) = (labels(row), json::word(record));
        let _ = writeln!(text, "{head}pinfold_service_state{{{labels},state=\"{state}\"}} 1");
        head.clear();
    }
    text
}

fn supervisors(rows: &[Row], text: &mut String) {
    let mut known: Vec<&[u8]> = Vec::new();
    for keeper in rows.iter().filter_map(Row::keeper) {
        if known.contains(&&*keeper.head.directory) {
            continue;
        }
        if known.is_empty() {
            text.push_str("# HELP pinfold_supervisor_alive Its services are supervised at this moment.\n");
            text.push_str("# TYPE pinfold_supervisor_alive gauge\n");
        }
        known.push(&keeper.head.directory);
        let (directory, containment) =
            (label(&keeper.head.directory), label(keeper.head.containment.as_bytes()));
        let alive = u8::from(keeper.life == Life::Supervised);
        let _ = writeln!(
            text,
            "pinfold_supervisor_alive{{directory=\"{directory}\",containment=\"{containment}\"}} {alive}"
        );
    }
}

fn labels(row: &Row) -> String {
    let directory = row.keeper().map_or(String::new(), |keeper| label(&keeper.head.directory));
    format!("directory=\"{directory}\",service=\"{}\"", label(row.name().as_bytes()))
}

/// A label's value.
fn label(value: &[u8]) -> String {
    String::from_utf8_lossy(value).replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
