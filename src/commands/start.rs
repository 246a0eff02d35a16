//! Starting a service, and finding out whether it works.

use super::failure::Failure;
use super::judge::{Judge, Verdict};
use super::last_words::LastWords;
use super::line::Line;
use super::reason;
use super::script::{Script, Scripts};
use super::service::{Service, Sight};
use super::session::{Session, Told};
use crate::machine::{Ms, Phase};
use crate::service::Settings;
use compat::control::Command;
use sys::clock::monotonic_ms;
use sys::reap::Ending;

/// The least that a start may take unless told otherwise, as long as a stop: a script may poll for long.
const WAIT_MS: Ms = 90_000;
/// How long after a script's return what it has done may take to show.
const GRACE_MS: Ms = 5000;
/// From one run of `check` to the next.
const CHECK_MS: Ms = 1000;
const GOES_ON: &str = "the supervisor goes on with the start";

/// Starts a service by its `start` script, else by the supervisor, and waits until it works. Gives what
/// there is to say of it then.
pub(super) fn start(
    session: &mut Session,
    service: &mut Service,
    line: &mut Line,
) -> Result<String, Failure> {
    session.vigil.watch(service);
    // whoever may not control it, or finds nobody to control, is told so at once
    service.tell(&[])?;
    let words = LastWords::before(service);
    let started = if service.has_script("start") && !Scripts::is_within(service, "start") {
        by_script(session, service, line)
    } else {
        by_supervisor(session, service, line)
    };
    match started {
        Ok(()) => {
            session.vigil.await_published(service);
            Ok(uptime(session, service))
        }
        Err(failure) if session.vigil.is_interrupted() => Err(failure),
        Err(failure) => {
            let said = words.since(&mut session.vigil);
            Err(failure.with(heading("the last lines of its output:", said)))
        }
    }
}

fn uptime(session: &Session, service: &mut Service) -> String {
    let sight = service.look();
    match sight.pid() {
        Some(pid) if session.wish.verbose => {
            let now = monotonic_ms();
            format!("pid {pid}, up for {} s", now.saturating_sub(sight.up_since(now)) / 1000)
        }
        _ => String::new(),
    }
}

fn heading(heading: &str, lines: Vec<String>) -> Vec<String> {
    let heading = (!lines.is_empty()).then(|| heading.to_owned());
    heading.into_iter().chain(lines.iter().map(|line| format!("  {line}"))).collect()
}

/// Until when a start is waited for: as the user says, else at least as long as `timeout-up`, which may be
/// for ever.
fn deadline(session: &Session, service: &Service) -> Option<Ms> {
    let wait = match session.wish.wait {
        Some(wait) => Some(wait.as_millis() as Ms),
        None => {
            // settings that can't be read are the supervisor's to complain about
            let settings = Settings::read(&service.directory).unwrap_or_default();
            settings.config.timeout_up.map(|ms| ms.max(WAIT_MS))
        }
    };
    wait.map(|ms| monotonic_ms() + ms)
}

/// What an administrator would want to know of a service that works: its logger does not, and who writes to it will wait.
pub(super) fn remarks(service: &Service) -> Vec<String> {
    let directory = service.directory.join("log");
    let Some(mut log) = directory.is_dir().then(|| Service::find(directory.as_os_str()).ok()).flatten()
    else {
        return Vec::new();
    };
    let sight = log.look();
    match &sight {
        Sight::Ours(record) if matches!(record.state.phase, Phase::Backoff { .. } | Phase::Failed { .. }) => {
            vec![format!("but its log service does not run: {}", reason::over(&sight))]
        }
        _ => Vec::new(),
    }
}

fn by_supervisor(session: &mut Session, service: &mut Service, line: &mut Line) -> Result<(), Failure> {
    let deadline = deadline(session, service);
    service.await_sight();
    let judge = judge(session, &service.look());
    let told = Session::tell(service, &[Command::Up])?;
    let check = service.has_script("check").then(Check::default);
    Trial { judge, check, told: Some(told), deadline, grace: None }.run(session, service, line)
}

fn by_script(session: &mut Session, service: &mut Service, line: &mut Line) -> Result<(), Failure> {
    let before = service.look();
    let until = deadline(session, service);
    match session.run_script(service, "start", until, line)? {
        Ending::Code(0) => {}
        ending => return Err(Failure::no(format!("start: {}", reason::ending_words(ending)))),
    }
    // the run that is there now counts; else the one that the script has begun
    let after = service.look();
    let judge = judge(session, if after.is_up() { &after } else { &before });
    let grace = Some(monotonic_ms() + GRACE_MS);
    let deadline = deadline(session, service);
    Trial { judge, check: None, told: None, deadline, grace }.run(session, service, line)
}

fn judge(session: &Session, sight: &Sight) -> Judge {
    Judge::new(sight, session.wish.settle.as_millis() as Ms, monotonic_ms())
}

/// A start that is being watched.
struct Trial {
    judge: Judge,
    /// The service's own `check`, where that decides.
    check: Option<Check>,
    told: Option<Told>,
    deadline: Option<Ms>,
    /// Until when what a script has done must have begun to show.
    grace: Option<Ms>,
}

/// Runs of `check`, a second apart.
#[derive(Default)]
struct Check {
    running: Option<Script>,
    next: Ms,
    /// How it last ended.
    last: Option<String>,
}

impl Trial {
    fn run(mut self, session: &mut Session, service: &mut Service, line: &mut Line) -> Result<(), Failure> {
        let ended = self.watch(session, service, line);
        if self.check.is_some() {
            session.scripts.clear_up(service);
        }
        ended
    }

    fn watch(
        &mut self,
        session: &mut Session,
        service: &mut Service,
        line: &mut Line,
    ) -> Result<(), Failure> {
        loop {
            let now = monotonic_ms();
            let sight = service.look();
            let next = match (self.judge.look(&sight, now), &mut self.check) {
                (Verdict::Bad(reason), _) => return Err(Failure::no(reason)),
                // what a dead supervisor has last seen is no success
                (Verdict::Good, _) if !service.is_watched_over() => Ms::MAX,
                (Verdict::Good, None) => return Ok(()),
                (Verdict::Up(_) | Verdict::Good, Some(check)) => {
                    if check.passes(session, service, now)? {
                        return Ok(());
                    }
                    check.next
                }
                (Verdict::Up(steady), None) => steady,
                (Verdict::Wait, _) if sight.is_up() => Ms::MAX,
                (Verdict::Wait, _) => self.begun_by(now)?,
            };
            if self.deadline.is_some_and(|at| at <= now) {
                return Err(self.late());
            }
            if let Some(told) = &mut self.told {
                told.again_if_changed(service);
            }
            let until = next.min(self.deadline.unwrap_or(Ms::MAX));
            let check = self.check.as_ref().and_then(|check| check.running.as_ref());
            let fds = check.map(Script::fds);
            session.turn(line, until, fds.as_ref().map_or(&[], |fds| &fds[..1]), GOES_ON)?;
        }
    }

    /// When a start that has not begun is looked at again; a script's must have begun by then.
    fn begun_by(&self, now: Ms) -> Result<Ms, Failure> {
        match self.grace {
            Some(at) if at <= now => Err(Failure::no("start returned 0, but the service is not up")),
            Some(at) => Ok(at),
            None => Ok(Ms::MAX),
        }
    }

    fn late(&self) -> Failure {
        let last = self.check.as_ref().and_then(|check| check.last.as_ref());
        Failure::no(match last {
            Some(last) => format!("check does not succeed: {last}"),
            None if self.judge.has_begun() => "not up for long enough in time".to_owned(),
            None => "its supervisor has not started it in time; does it hang?".to_owned(),
        })
    }
}

impl Check {
    /// Runs `check` when it is time, and sees whether the last run of it has succeeded.
    fn passes(&mut self, session: &mut Session, service: &Service, now: Ms) -> Result<bool, Failure> {
        if let Some(script) = &self.running {
            let mut said = Vec::new();
            script.listen(|bytes| said.extend_from_slice(bytes));
            match session.scripts.ended(script) {
                None => return Ok(false),
                Some(Ok(Ending::Code(0))) => return Ok(true),
                Some(Ok(ending)) => self.last = Some(reason::ending_words(ending)),
                Some(Err(failure)) => {
                    return Err(Failure { reason: format!("check {}", failure.reason), ..failure });
                }
            }
            self.running = None;
        }
        if now >= self.next {
            self.running = Some(session.scripts.start(service, "check")?);
            self.next = now + CHECK_MS;
        }
        Ok(false)
    }
}
