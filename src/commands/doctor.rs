//! `pinfold doctor`: what containment there is, why not more, and what else may get in the way here.

use super::failure::{NO, OK, shown};
use super::tables::{self, Life};
use super::{cli, json};
use caps::{CapSet, Capability};
use cgroup::{Containment, Request, Rung, mounts};
use clap::{ArgMatches, Command};
use nix::sys::resource::{Resource, getrlimit};
use serde::Serialize;
use std::io::Write;
use std::path::Path;
use sys::signals::Signals;
use sys::spawn::Spawner;

/// The verb's command line.
pub(super) fn define() -> Command {
    let more = "\
Shows how the services of every supervisor here are kept together, and what that cannot catch. Then it tries \
the same from where it is started itself: it makes a control group beside its own, tries what works in it, and \
removes it again. So run it as the user, and in the container or unit, that is to run svscan.";
    let after = "\
Examples:
  pinfold doctor
  systemd-run --user --scope -p Delegate=yes pinfold doctor

Exit codes: 0 services are kept together by control groups; 1 something could be better; 2 wrong usage.";
    cli::command("doctor", "Find out how well services can be kept together here", more, after)
        .arg(cli::switch("json", None, "Print JSON; its fields are listed in docs/json.md"))
}

#[derive(Serialize)]
struct Report {
    version: &'static str,
    kernel: String,
    supervisors: Vec<Supervisor>,
    here: Here,
    hierarchies: Vec<String>,
    notes: Vec<String>,
}

/// A supervisor, and what its services are kept in.
#[derive(Serialize)]
struct Supervisor {
    directory: String,
    pid: Option<i32>,
    alive: bool,
    containment: String,
    meaning: &'static str,
    cannot_catch: String,
}

/// What a supervisor that was started from here would have.
#[derive(Serialize)]
struct Here {
    containment: String,
    meaning: &'static str,
    why_not_more: Option<String>,
    advice: Option<String>,
    cannot_catch: Vec<String>,
    left_behind: Option<String>,
}

/// Does it.
pub(super) fn run(matches: &ArgMatches) -> u8 {
    let here = match probe() {
        Ok(here) => here,
        Err(fail) => {
            let _ = writeln!(std::io::stderr(), "pinfold doctor: {fail}");
            return NO;
        }
    };
    let report = Report {
        version: env!("CARGO_PKG_VERSION"),
        kernel: std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
        supervisors: supervisors(),
        hierarchies: hierarchies(),
        notes: notes(),
        here,
    };
    let printed = if cli::is_on(matches, "json") { json::print(&report) } else { print(&report) };
    let subtree = Rung::Subtree.name();
    let worse = report.here.containment == subtree
        || report.supervisors.iter().any(|s| s.containment == subtree || !s.alive);
    if !cli::is_out(&printed) || worse || !report.notes.is_empty() { NO } else { OK }
}

/// Tries what a supervisor would, and undoes it.
fn probe() -> Result<Here, sys::Fail> {
    // an interruption in the middle would leave a group behind
    let _signals = Signals::take(&[])?;
    let mut spawner = Spawner::new()?;
    let house = format!("doctor-{}", std::process::id());
    let request = Request { house: &house, rung: None, earlier: None };
    let mut containment = Containment::probe(&request, &mut spawner);
    let (why_not_more, advice) = (containment.why_not_more.take(), containment.advice.take());
    let cannot_catch = std::mem::take(&mut containment.cannot_catch);
    let rung = containment.rung;
    let left_behind = containment.leave().err().map(|fail| fail.to_string());
    let (containment, meaning) = (rung.name().to_owned(), rung.meaning());
    Ok(Here { containment, meaning, why_not_more, advice, cannot_catch, left_behind })
}

fn supervisors() -> Vec<Supervisor> {
    let view = |view: crate::table::View| Supervisor {
        directory: String::from_utf8_lossy(&view.head.directory).into_owned(),
        pid: view.head.supervisor.map(|who| who.pid),
        alive: tables::life(&view.head) != Life::Gone,
        meaning: Rung::parse(&view.head.containment).map_or("", Rung::meaning),
        containment: view.head.containment,
        cannot_catch: view.head.cannot_catch,
    };
    tables::all().into_iter().map(view).collect()
}

fn hierarchies() -> Vec<String> {
    let text = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    let name = |mount: mounts::Mount| {
        let kind = match mount.hierarchy {
            mounts::Hierarchy::V2 => "v2".to_owned(),
            mounts::Hierarchy::V1(name) => format!("v1 {name}"),
        };
        format!("{kind} at {}", shown(&mount.point))
    };
    mounts::parse(&text).into_iter().map(name).collect()
}

/// What may get in the way, beside containment.
fn notes() -> Vec<String> {
    let mut notes = Vec::new();
    let root = crate::service::name::root();
    if !root.is_dir() {
        notes.push(match std::env::var_os("SVDIR").filter(|v| !v.is_empty()) {
            Some(_) => format!("there is no service root: SVDIR is {}, which is no directory", shown(&root)),
            None => "there is no service root: neither /service nor /etc/service exists (mkdir /service, or set SVDIR)"
                .to_owned(),
        });
    }
    let base = crate::place::base();
    if nearest(&base).is_some_and(|there| nix::unistd::access(there, nix::unistd::AccessFlags::W_OK).is_err())
    {
        notes.push(format!("{} can't be written to: svscan can't be started by this user", shown(&base)));
    }
    if nix::unistd::geteuid().is_root() {
        let wanted = [
            (Capability::CAP_KILL, "services of other users can't be signalled"),
            (Capability::CAP_DAC_OVERRIDE, "strays in other users' cgroups can't be brought back"),
            (Capability::CAP_SETUID, "no service can run as another user"),
        ];
        let lacks = |capability| !caps::has_cap(None, CapSet::Effective, capability).unwrap_or(true);
        let missing = wanted.into_iter().filter(|&(capability, _)| lacks(capability));
        notes.extend(missing.map(|(capability, what)| format!("without {capability}: {what}")));
    }
    let instances = std::fs::read_to_string("/proc/sys/fs/inotify/max_user_instances");
    if instances.ok().and_then(|text| text.trim().parse::<u32>().ok()).is_some_and(|count| count < 16) {
        notes.push("fs.inotify.max_user_instances is very low: new services may be noticed late".to_owned());
    }
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && hard < 4096
    {
        notes.push(format!("only {hard} descriptors may be open: more than {} services will fail", hard / 4));
    }
    notes
}

/// The path itself, or the nearest directory above it that exists.
fn nearest(path: &Path) -> Option<&Path> {
    path.ancestors().find(|path| path.exists())
}

fn print(report: &Report) -> std::io::Result<()> {
    let mut text = format!("pinfold {} on Linux {}\n", report.version, report.kernel);
    for supervisor in &report.supervisors {
        let pid = supervisor.pid.map_or(String::new(), |pid| format!(" (pid {pid})"));
        let gone = if supervisor.alive { "" } else { ", which is gone" };
        let directory = supervisor.directory.escape_debug();
        text.push_str(&format!("\nThe supervisor of {directory}{pid}{gone}:\n"));
        text.push_str(&format!("  containment: {} ({})\n", supervisor.containment, supervisor.meaning));
        text.push_str(&format!("  cannot catch: {}\n", or_nothing(&supervisor.cannot_catch)));
    }
    let here = &report.here;
    text.push_str("\nA supervisor started from here would have:\n");
    text.push_str(&format!("  containment: {} ({})\n", here.containment, here.meaning));
    text.push_str(&format!("  cannot catch: {}\n", or_nothing(&here.cannot_catch.join("; "))));
    let more =
        [("why not more", &here.why_not_more), ("advice", &here.advice), ("left behind", &here.left_behind)];
    for (what, words) in more.iter().filter_map(|(what, words)| words.as_ref().map(|words| (what, words))) {
        text.push_str(&format!("  {what}: {words}\n"));
    }
    text.push_str("\nControl groups mounted, in the order in which they are tried:\n");
    for hierarchy in &report.hierarchies {
        text.push_str(&format!("  {hierarchy}\n"));
    }
    if report.hierarchies.is_empty() {
        text.push_str("  none\n");
    }
    if !report.notes.is_empty() {
        text.push_str("\nWhat may get in the way:\n");
        report.notes.iter().for_each(|note| text.push_str(&format!("  {note}\n")));
    }
    std::io::stdout().write_all(text.as_bytes())
}

fn or_nothing(words: &str) -> &str {
    if words.is_empty() { "nothing but what moves to another cgroup on purpose" } else { words }
}
