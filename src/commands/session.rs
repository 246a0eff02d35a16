//! One call of `svcstart`, `svcstop` and their kin: what it has to work with, and its turns of waiting.

use super::failure::Failure;
use super::line::Line;
use super::script::{Script, Scripts};
use super::service::Service;
use super::vigil::Vigil;
use crate::machine::Ms;
use compat::control::Command;
use std::os::fd::BorrowedFd;
use std::time::Duration;
use sys::Fail;
use sys::clock::monotonic_ms;
use sys::process::Identity;
use sys::reap::Ending;

/// What an administrator can ask for beside the services' names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    /// How long a service must stay up to count as started.
    pub(super) settle: Duration,
    /// How long to wait at the most; `None`: as the command does by itself.
    pub(super) wait: Option<Duration>,
    /// Kill at once.
    pub(super) kill: bool,
    /// Also those that `kill-mode: leader` would leave.
    pub(super) all: bool,
    /// Say nothing but failures.
    pub(super) quiet: bool,
    /// Say more.
    pub(super) verbose: bool,
}

/// The working of one call.
pub(super) struct Session {
    /// How it was called: `svcstop`, `pinfold stop`.
    pub(super) program: String,
    /// What is wished for.
    pub(super) wish: Wish,
    /// Runs the services' scripts.
    pub(super) scripts: Scripts,
    /// Waits.
    pub(super) vigil: Vigil,
}

/// What has been told to a service's supervisor; to be told again to another one.
pub(super) struct Told {
    commands: &'static [Command],
    to: Option<Identity>,
}

impl Session {
    /// Gets ready. Nothing may have been opened before.
    pub(super) fn new(program: &str, wish: Wish) -> Result<Session, Fail> {
        let scripts = Scripts::new()?;
        Ok(Session { program: program.to_owned(), wish, scripts, vigil: Vigil::new() })
    }

    /// Tells a service's supervisor.
    pub(super) fn tell(service: &Service, commands: &'static [Command]) -> Result<Told, Failure> {
        service.tell(commands)?;
        Ok(Told { commands, to: service.supervisor() })
    }

    /// A turn of waiting: at most a second, or until something happens to the service or to `others`. An
    /// interruption by the user ends it all; `goes_on` says what the supervisor does then.
    pub(super) fn turn(
        &mut self,
        line: &mut Line,
        until: Ms,
        others: &[BorrowedFd<'_>],
        goes_on: &str,
    ) -> Result<(), Failure> {
        line.dots(monotonic_ms());
        self.vigil.wait(until.min(line.next_dot()), others);
        if self.vigil.is_interrupted() {
            return Err(Failure::no(format!("interrupted; {goes_on}")));
        }
        line.dots(monotonic_ms());
        Ok(())
    }

    /// Runs a script of the service to its end, passing on what it says, until `deadline` at the most; then
    /// ends whatever it has left behind.
    pub(super) fn run_script(
        &mut self,
        service: &mut Service,
        name: &str,
        deadline: Option<Ms>,
        line: &mut Line,
    ) -> Result<Ending, Failure> {
        let begin = monotonic_ms();
        let script = self.scripts.start(service, name)?;
        let ended = self.attend(&script, name, deadline, line);
        self.scripts.clear_up(service);
        // what its last ones said
        script.listen(|said| line.pass(said));
        match ended? {
            Some(ending) => Ok(ending),
            None => {
                let seconds = (monotonic_ms() - begin) / 1000;
                Err(Failure::no(format!("{name} has not come back after {seconds} s, and was ended")))
            }
        }
    }

    fn attend(
        &mut self,
        script: &Script,
        name: &str,
        deadline: Option<Ms>,
        line: &mut Line,
    ) -> Result<Option<Ending>, Failure> {
        let goes_on = format!("{name} was ended");
        let mut silent = false;
        loop {
            silent |= script.listen(|said| line.pass(said));
            if let Some(ended) = self.scripts.ended(script) {
                return ended
                    .map(Some)
                    .map_err(|failure| Failure { reason: format!("{name} {}", failure.reason), ..failure });
            }
            if deadline.is_some_and(|at| at <= monotonic_ms()) {
                return Ok(None);
            }
            let fds = script.fds();
            // an output that has ended would be ready for ever
            let fds = if silent { &fds[..1] } else { &fds[..] };
            self.turn(line, deadline.unwrap_or(Ms::MAX), fds, &goes_on)?;
        }
    }
}

impl Told {
    /// Says it again if the supervisor is not the one that was told: its letters are kept in the FIFO, but
    /// one that had been read may not have been carried out.
    pub(super) fn again_if_changed(&mut self, service: &Service) {
        let now = service.supervisor();
        if now.is_some() && now != self.to && service.tell(self.commands).is_ok() {
            self.to = now;
        }
    }
}
