//! Stopping a service, and finding out whether it is really stopped: its fold is empty.

use super::failure::Failure;
use super::line::Line;
use super::members::{self, Member, Members, left_over};
use super::reason;
use super::script::Scripts;
use super::service::{Service, Sight};
use super::session::Session;
use super::terminal;
use crate::machine::{Ms, Phase, Want};
use crate::record::{Met, Receipt, Record};
use compat::control::Command;
use sys::clock::monotonic_ms;
use sys::reap::Ending;

/// How long a stop is waited for unless told otherwise.
const WAIT_MS: Ms = 90_000;
/// How much longer if what will not end is killed just then.
const KILL_MS: Ms = 5000;
/// How long after a script's return a stop must have begun.
const GRACE_MS: Ms = 3000;
/// How many of those who are left are named.
const NAMED: usize = 10;
const GOES_ON: &str = "the stop goes on in the supervisor";

/// What there is to say of a stop, a line each.
pub(super) struct Stopped {
    /// Who was there, and how each ended.
    pub(super) receipt: Vec<String>,
    /// What an administrator would want to know in any case.
    pub(super) remarks: Vec<String>,
}

/// Stops a service by its `stop` script, else by the supervisor, and waits until nothing of it is left.
/// Gives what there is to say of the stop.
pub(super) fn stop(
    session: &mut Session,
    service: &mut Service,
    line: &mut Line,
) -> Result<Stopped, Failure> {
    session.vigil.watch(service);
    // whoever may not control it, or finds nobody to control, is told so at once
    service.tell(&[])?;
    let before = service.look();
    let deadline = monotonic_ms() + wait(session, &before);
    let script = service.has_script("stop") && !session.wish.kill && !Scripts::is_within(service, "stop");
    if script {
        by_script(session, service, deadline, line)?;
    }
    if !script || session.wish.all {
        by_supervisor(session, service, &before, deadline, line)?;
    }
    session.vigil.await_published(service);
    let after = service.look();
    let aside = if session.wish.all { people_aside(service) } else { Vec::new() };
    // named by what is said with -v anyway
    let told = session.wish.kill || session.wish.verbose;
    let killed = if told { None } else { killed(&before, &after) };
    let stopped =
        Stopped { receipt: receipt(&before, &after), remarks: killed.into_iter().chain(aside).collect() };
    if service.is_removed() {
        // there is nothing to come back to
        let _ = service.tell(&[Command::Exit]);
    }
    Ok(stopped)
}

fn wait(session: &Session, before: &Sight) -> Ms {
    match (session.wish.wait, before) {
        (Some(wait), _) => wait.as_millis() as Ms,
        // a kill that is due is waited for
        (None, Sight::Ours(record)) if record.timeout_kill.is_some_and(|ms| ms <= WAIT_MS) => {
            WAIT_MS + KILL_MS
        }
        (None, _) => WAIT_MS,
    }
}

fn by_supervisor(
    session: &mut Session,
    service: &mut Service,
    before: &Sight,
    deadline: Ms,
    line: &mut Line,
) -> Result<(), Failure> {
    let commands: &'static [Command] = match (before, session.wish.kill, session.wish.all) {
        // nobody else's supervisor knows these two
        (Sight::Others(_), true, _) => &[Command::Down, Command::Kill],
        (Sight::Others(_), false, _) => &[Command::Down],
        (_, true, _) => &[Command::DownNow],
        (_, false, true) => &[Command::DownAll],
        (_, false, false) => &[Command::Down],
    };
    let mut told = Session::tell(service, commands)?;
    let mut obeyed = false;
    loop {
        let sight = service.look();
        match state(session, service, &sight) {
            Going::Gone => return Ok(()),
            Going::Down => obeyed = true,
            Going::Up if obeyed => return Err(Failure::no("somebody has started it again meanwhile")),
            Going::Up => {}
        }
        if monotonic_ms() >= deadline {
            return Err(still_there(service, &sight));
        }
        told.again_if_changed(service);
        session.turn(line, deadline, &[], GOES_ON)?;
    }
}

fn by_script(
    session: &mut Session,
    service: &mut Service,
    deadline: Ms,
    line: &mut Line,
) -> Result<(), Failure> {
    match session.run_script(service, "stop", Some(deadline), line)? {
        Ending::Code(0) => {}
        ending => return Err(Failure::no(format!("stop: {}", reason::ending_words(ending)))),
    }
    let grace = monotonic_ms() + GRACE_MS;
    loop {
        let (sight, now) = (service.look(), monotonic_ms());
        match state(session, service, &sight) {
            Going::Gone => return Ok(()),
            Going::Up if now >= grace => {
                let reason = "stop returned 0, but the service still runs".to_owned();
                return Err(Failure { reason, ..still_there(service, &sight) });
            }
            Going::Up | Going::Down => {}
        }
        if now >= deadline {
            return Err(still_there(service, &sight));
        }
        session.turn(line, grace.max(now + 1).min(deadline), &[], GOES_ON)?;
    }
}

/// How far a stop has got.
enum Going {
    /// It runs, and nothing says that it will not go on.
    Up,
    /// On its way down.
    Down,
    /// Nothing is left.
    Gone,
}

fn state(session: &Session, service: &mut Service, sight: &Sight) -> Going {
    match sight {
        Sight::Ours(record) => match record.state.phase {
            Phase::Down if session.wish.all && inside(service, record) > 0 => Going::Down,
            Phase::Down => Going::Gone,
            _ if record.state.want == Want::Down => Going::Down,
            _ => Going::Up,
        },
        Sight::Others(_) if sight.is_down() => Going::Gone,
        Sight::Others(status) if status.want == compat::status::Want::Down => Going::Down,
        Sight::Others(_) => Going::Up,
        // the supervisor has gone, as it may when the service is down; what it last said holds
        Sight::Nobody => match service.status() {
            Ok(status) if status.pid != 0 => Going::Up,
            _ => Going::Gone,
        },
    }
}

/// Everybody of the service.
fn left(service: &Service, record: &Record) -> Vec<Member> {
    let entry = service.entry.as_ref();
    entry.map_or(Vec::new(), |entry| Members::default().of(&entry.head, record))
}

/// How many are in its fold. What has strayed on purpose is left alone also by `--all`.
fn inside(service: &Service, record: &Record) -> usize {
    left(service, record).iter().filter(|member| !member.strayed).count()
}

/// Why a stop is given up: who is left, and what becomes of them.
fn still_there(service: &Service, sight: &Sight) -> Failure {
    let Sight::Ours(record) = sight else {
        let pid = sight.pid().map_or(String::new(), |pid| format!(" (pid {pid})"));
        return Failure::no(format!("it still runs{pid}"));
    };
    let mut members = left(service, record);
    if members.is_empty() {
        members.extend(members::unreaped(record));
    }
    let count = members.len();
    let mut lines: Vec<String> = members.iter().take(NAMED).map(left_over).collect();
    if count > NAMED {
        lines.push(format!("and {} more", count - NAMED));
    }
    let now = monotonic_ms();
    let processes = if count == 1 { "process is" } else { "processes are" };
    Failure::no(format!("{count} {processes} left ({})", reason::state(record, now))).with(lines)
}

/// What the stop has found, if it has found anything; else it was down before.
fn receipt(before: &Sight, after: &Sight) -> Vec<String> {
    match (before, after) {
        (Sight::Ours(before), Sight::Ours(after)) if !before.state.phase.is_still() => lines(&after.receipt),
        (Sight::Others(_), _) if !before.is_down() => {
            vec!["(what it may have left behind is not known to its supervisor)".to_owned()]
        }
        _ => vec!["nothing of it was running".to_owned()],
    }
}

/// Some would not end. The next stop will take as long.
fn killed(before: &Sight, after: &Sight) -> Option<String> {
    let (Sight::Ours(before), Sight::Ours(after)) = (before, after) else { return None };
    let Receipt { found, killed, .. } = after.receipt;
    let were = if killed == 1 { "was" } else { "were" };
    (!before.state.phase.is_still() && killed > 0).then(|| {
        format!(
            "{killed} of {found} did not end when told to, and {were} killed (pinfold status -v shows whom)"
        )
    })
}

/// Those who were set aside at an earlier stop, of whatever service: nothing but the end of svscan ends them.
fn people_aside(service: &Service) -> Vec<String> {
    let people = service.entry.as_ref().map_or(Vec::new(), |entry| members::people(&entry.head));
    let one = |stat: &sys::process::Stat| {
        let command = terminal::clean(&stat.command).into_owned();
        format!(
            "left alone: {} {command}, a login's, set aside at an earlier stop (kill ends it, or the end of svscan)",
            stat.pid
        )
    };
    people.iter().map(one).collect()
}

/// A receipt in words: how many, how long, and what became of each.
pub(super) fn lines(receipt: &Receipt) -> Vec<String> {
    let processes = if receipt.found == 1 { "process" } else { "processes" };
    let killed = match receipt.killed {
        0 => String::new(),
        n => format!(", {n} killed"),
    };
    let seconds = f64::from(receipt.took_ms) / 1000.0;
    let mut lines = vec![format!("{} {processes} ended in {seconds:.1} s{killed}", receipt.found)];
    lines.extend(receipt.named.iter().map(met));
    let unnamed = (receipt.found as usize).saturating_sub(receipt.named.len());
    if unnamed > 0 {
        lines.push(format!("and {unnamed} more"));
    }
    lines
}

/// `1240 squid: told to end, exit 0, leader`.
fn met(met: &Met) -> String {
    let command = terminal::clean(&met.command);
    let ended = match (met.killed, met.ended) {
        (true, None | Some(Ending::Signal { number: 9, .. })) => "killed".to_owned(),
        (true, Some(ending)) => format!("to be killed, {}", reason::ending_words(ending)),
        (false, Some(ending)) => format!("told to end, {}", reason::ending_words(ending)),
        (false, None) => "told to end, ended".to_owned(),
    };
    let marks = [(met.leader, ", leader"), (met.stray, ", stray")];
    let marks: String = marks.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect();
    format!("{} {command}: {ended}{marks}", met.pid)
}
