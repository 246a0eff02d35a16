//! `pinfold check`: reads service directories as the supervisor does, and says what is wrong with them.

use super::failure::{Failure, NO, OK, shown};
use super::lint::{self, Finding, Level};
use super::service::unknown;
use super::{cli, json, terminal};
use crate::service::{name, settings};
use clap::{Arg, ArgMatches, Command, value_parser};
use serde::Serialize;
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The verb's command line.
pub(super) fn define() -> Command {
    let settings: Vec<String> = settings::TABLE
        .iter()
        .map(|setting| format!("  {:16} {} ({})", setting.name, setting.help, setting.from))
        .collect();
    let more = format!(
        "An error is what keeps a service from starting; a warning is probably not what was meant; a hint is worth \
         knowing. Nothing is started or changed. These names are known in a service's directory:\n\n{}",
        settings.join("\n")
    );
    let after = "\
Examples:
  pinfold check
  pinfold check /etc/service
  pinfold check squid ./my-new-service

Exit codes: 0 no errors and no warnings; 1 some; 2 wrong usage; 4 no permission.";
    cli::command("check", "Look for mistakes in service directories", &more, after)
        .arg(
            Arg::new("places")
                .value_name("DIR|NAME")
                .help(
                    "Directories of services, or services by name or path [default: $SVDIR, else /service, \
                       else /etc/service]",
                )
                .num_args(0..)
                .value_parser(value_parser!(OsString)),
        )
        .arg(cli::switch("json", None, "Print JSON; its fields are listed in docs/json.md"))
}

#[derive(Serialize)]
struct Report {
    services: usize,
    findings: Vec<Finding>,
}

/// Does it.
pub(super) fn run(matches: &ArgMatches) -> u8 {
    let given = matches.get_many::<OsString>("places").into_iter().flatten();
    let mut places: Vec<PathBuf> = given.map(|place| name::resolve(place)).collect();
    if places.is_empty() {
        places.push(name::root());
    }
    let mut report = Report { services: 0, findings: Vec::new() };
    let mut code = OK;
    for place in &places {
        match services(place) {
            Ok(directories) => {
                report.services += directories.len();
                report.findings.extend(directories.iter().flat_map(|directory| lint::service(directory)));
            }
            Err(failure) => {
                let _ = writeln!(std::io::stderr(), "pinfold check: {}: {}", shown(place), failure.reason);
                code = code.max(failure.code);
            }
        }
    }
    let printed = match (cli::is_on(matches, "json"), report.services, code) {
        (true, ..) => json::print(&report),
        // what has just been said is all there is to say
        (false, 0, NO..) => Ok(()),
        (false, ..) => print(&report),
    };
    let wrong = !cli::is_out(&printed) || report.findings.iter().any(|finding| finding.level > Level::Hint);
    code.max(if wrong { NO } else { OK })
}

/// The services at a place: itself, or, if it is a directory of services, those in it; and their loggers.
fn services(place: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unable = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::NotFound => unknown(place),
        std::io::ErrorKind::NotADirectory => Failure::no("is not a directory"),
        _ => Failure::at("read directory", place, sys::fail::errno_of(&e)),
    };
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(place).map_err(unable)?.flatten().map(|entry| entry.path()).collect();
    entries.sort();
    let is_service = |directory: &Path| directory.join("run").symlink_metadata().is_ok();
    let hidden = |path: &Path| path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"."));
    entries.retain(|path| path.is_dir() && !hidden(path));
    let holds_services =
        !is_service(place) && entries.iter().any(|path| is_service(path) && !path.ends_with("log"));
    let mains = if holds_services { entries } else { vec![place.to_owned()] };
    let with_logs = mains.into_iter().flat_map(|main| {
        let log = Some(main.join("log")).filter(|log| log.is_dir());
        std::iter::once(main).chain(log)
    });
    Ok(with_logs.collect())
}

/// Everything about one service and its logger.
pub(super) fn one(directory: &Path) -> Vec<Finding> {
    let log = Some(directory.join("log")).filter(|log| log.is_dir());
    let mut found = lint::service(directory);
    found.extend(log.iter().flat_map(|log| lint::service(log)));
    found
}

/// A line for each.
pub(super) fn lines(findings: &[Finding]) -> String {
    let mut text = String::new();
    for Finding { level, file, line, text: what } in findings {
        let word = match level {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Hint => "hint",
        };
        let line = line.map_or(String::new(), |line| format!(", line {line}"));
        text.push_str(&format!("{word}: {}{line}: {}\n", shown(file), terminal::clean(what)));
    }
    text
}

fn print(report: &Report) -> std::io::Result<()> {
    let mut text = lines(&report.findings);
    let count = |level| report.findings.iter().filter(|finding| finding.level == level).count();
    text.push_str(&format!(
        "{} checked: {}, {}, {}\n",
        counted(report.services, "service"),
        counted(count(Level::Error), "error"),
        counted(count(Level::Warning), "warning"),
        counted(count(Level::Hint), "hint"),
    ));
    std::io::stdout().write_all(text.as_bytes())
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
