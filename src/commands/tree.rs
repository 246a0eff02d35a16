//! `pinfold tree`: the processes of each fold as a tree, and where strays went.

use super::failure::{NO, OK};
use super::members::{Member, Members};
use super::rows::{self, Row};
use super::{cli, json, reason, status, terminal};
use clap::{ArgMatches, Command};
use procfs::process::Process;
use serde::Serialize;
use std::io::Write;
use sys::clock::monotonic_ms;

/// The verb's command line.
pub(super) fn define() -> Command {
    let more = "\
A process that is outside its service's cgroup though it comes from the service is marked as a stray, with the \
cgroup it is in: a login session it was moved to by su, say.";
    let after = "\
Examples:
  pinfold tree
  pinfold tree squid
  pinfold tree --json | jq '.services[].processes[] | select(.stray)'

Exit codes: 0 shown; 1 a NAME is not supervised, or nothing is; 2 wrong usage; 4 no permission.";
    cli::command("tree", "Show the processes of services", more, after)
        .arg(cli::names(false))
        .arg(cli::switch("json", None, "Print JSON; its fields are listed in docs/json.md"))
}

/// Does it.
pub(super) fn run(matches: &ArgMatches) -> u8 {
    let names = cli::named(matches);
    let (rows, failures) = if names.is_empty() { (rows::all(), Vec::new()) } else { rows::named(&names) };
    let members = Members::default();
    let trees: Vec<Tree> = rows.iter().map(|row| tree(row, &members)).collect();
    let printed = match cli::is_on(matches, "json") {
        true => json::print(&Trees { services: trees }),
        false => print(&trees),
    };
    status::complain(&failures);
    if rows.is_empty() && names.is_empty() {
        status::nothing_here();
        return NO;
    }
    let worst = failures.iter().map(|(_, failure)| failure.code).max();
    if !cli::is_out(&printed) { NO } else { worst.unwrap_or(OK) }
}

#[derive(Serialize)]
struct Trees {
    services: Vec<Tree>,
}

/// A service and everybody in its fold, by pid.
#[derive(Serialize)]
struct Tree {
    name: String,
    directory: String,
    state_text: String,
    processes: Vec<Node>,
}

/// A process.
#[derive(Serialize)]
struct Node {
    pid: i32,
    parent_pid: i32,
    command: String,
    arguments: Vec<String>,
    /// Resident memory, in bytes.
    resident_bytes: u64,
    leader: bool,
    stray: bool,
    /// The cgroup it is in, if it is a stray.
    cgroup: Option<String>,
}

fn tree(row: &Row, members: &Members) -> Tree {
    let now = monotonic_ms();
    let (state_text, mut found) = match (row.record(), row.keeper()) {
        (Some(record), Some(keeper)) => {
            (reason::state(record, now).into_owned(), members.of(&keeper.head, record))
        }
        // what another supervisor's service has started is not known; its own process is
        _ => {
            let stat = row.pid().and_then(sys::process::Stat::read);
            let members = stat.map(|stat| Member { stat, strayed: false }).into_iter().collect();
            (if row.is_running() { "up" } else { "down" }.to_owned(), members)
        }
    };
    found.sort_by_key(|member| member.stat.pid);
    let leader = row.pid();
    let processes = found.iter().map(|member| node(member, leader)).collect();
    Tree {
        name: row.name().into_owned(),
        directory: row.directory().display().to_string(),
        state_text,
        processes,
    }
}

/// What can still be known of a process that may be ending.
fn node(member: &Member, leader: Option<i32>) -> Node {
    let stat = &member.stat;
    let process = Process::new(stat.pid).ok();
    let arguments = process.as_ref().and_then(|process| process.cmdline().ok()).unwrap_or_default();
    let pages = process.as_ref().and_then(|process| process.statm().ok()).map_or(0, |statm| statm.resident);
    Node {
        pid: stat.pid,
        parent_pid: stat.parent,
        command: stat.command.clone(),
        arguments,
        resident_bytes: pages * procfs::page_size(),
        leader: leader == Some(stat.pid),
        stray: member.strayed,
        cgroup: process.filter(|_| member.strayed).and_then(|process| cgroup_of(&process)),
    }
}

/// The group of a process where services are kept in: version 2's, else the freezer's.
fn cgroup_of(process: &Process) -> Option<String> {
    let groups = process.cgroups().ok()?.0;
    let of = |wanted: &dyn Fn(&procfs::ProcessCGroup) -> bool| {
        groups.iter().find(|group| wanted(group)).map(|group| group.pathname.clone())
    };
    of(&|group| group.hierarchy == 0)
        .or_else(|| of(&|group| group.controllers.iter().any(|c| c == "freezer")))
}

fn print(trees: &[Tree]) -> std::io::Result<()> {
    let width = terminal::width();
    let mut text = String::new();
    for tree in trees {
        text.push_str(&format!("{}  {}\n", terminal::clean(&tree.name), tree.state_text));
        let is_top = |node: &&Node| !tree.processes.iter().any(|other| other.pid == node.parent_pid);
        let tops: Vec<&Node> = tree.processes.iter().filter(is_top).collect();
        branches(&tops, tree, "", width, &mut text);
    }
    std::io::stdout().write_all(text.as_bytes())
}

fn branches(nodes: &[&Node], tree: &Tree, before: &str, width: Option<usize>, text: &mut String) {
    for (n, node) in nodes.iter().enumerate() {
        let last = n + 1 == nodes.len();
        let line = format!("{before}{}{}", if last { "└─ " } else { "├─ " }, described(node));
        text.push_str(&terminal::cut(&line, width));
        text.push('\n');
        let children: Vec<&Node> =
            tree.processes.iter().filter(|child| child.parent_pid == node.pid).collect();
        let below = format!("{before}{}", if last { "   " } else { "│  " });
        branches(&children, tree, &below, width, text);
    }
}

fn described(node: &Node) -> String {
    let stray = match &node.cgroup {
        Some(cgroup) if node.stray => format!("[stray, now in {cgroup}] "),
        _ if node.stray => "[stray] ".to_owned(),
        _ => String::new(),
    };
    let command = match node.arguments.is_empty() {
        true => format!("({})", node.command),
        false => node.arguments.join(" "),
    };
    terminal::clean(&format!("{} {stray}{command}", node.pid)).into_owned()
}
