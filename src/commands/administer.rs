//! Starting, stopping and restarting services by name, one after the other, a line each: the engine of
//! `svcstart`, `svcstop`, `svcreset`, `svcrestart` and of the verbs of the same names.

use super::cli;
use super::failure::{Failure, NO, OK};
use super::line::Line;
use super::service::Service;
use super::session::Session;
use super::{start, stop};
use clap::{ArgMatches, Command};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use sys::fail::errno_of;

/// What is to be done with each service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    /// Start it, and see that it works.
    Start,
    /// Stop it, and see that nothing is left.
    Stop,
    /// Stop and start it, if it is running.
    Restart,
    /// As it was meant to be: stopped if there is a file `down`, else started.
    Reset,
    /// Start it, now and at the next boot.
    Enable,
    /// Stop it, now and at the next boot.
    Disable,
}

/// A task as a command.
pub(super) struct Order {
    task: Task,
    /// As Syn-3's administrators call it: `svcstart`. Its exit codes are 0 and 1 only.
    applet: Option<&'static str>,
    /// As a verb of `pinfold`.
    verb: &'static str,
    about: &'static str,
    more: &'static str,
}

/// All tasks.
static ORDERS: [Order; 6] = [
    Order {
        task: Task::Start,
        applet: Some("svcstart"),
        verb: "start",
        about: "Start services, and check that they work",
        more: STARTED,
    },
    Order {
        task: Task::Stop,
        applet: Some("svcstop"),
        verb: "stop",
        about: "Stop services, and check that nothing of them is left",
        more: STOPPED,
    },
    Order {
        task: Task::Restart,
        applet: Some("svcrestart"),
        verb: "restart",
        about: "Stop and start services, those that are running",
        more: "With a service that is not running nothing is done, which is no failure.",
    },
    Order {
        task: Task::Reset,
        applet: Some("svcreset"),
        verb: "reset",
        about: "Stop services that have a file `down` in their directory, start the others",
        more: "So every service is again as it will be after the next boot.",
    },
    Order {
        task: Task::Enable,
        applet: None,
        verb: "enable",
        about: "Start services, now and at every boot",
        more: "Removes the file `down` from the service's directory, then does as `start`.",
    },
    Order {
        task: Task::Disable,
        applet: None,
        verb: "disable",
        about: "Stop services, now and at every boot",
        more: "Makes a file `down` in the service's directory, then does as `stop`.",
    },
];

const STARTED: &str = "\
A service has started when its script `start` exits 0 and it really runs then. Without that script it has when \
it says so on its notification-fd, or its script `check` exits 0, or else when it has been up for --settle \
seconds. One that crashes meanwhile has failed; then the last lines it said are shown.";

const STOPPED: &str = "\
A service has stopped when no process of it is left, also none that has left its process group, its session \
or its parents. Its script `stop` is run if it has one. What does not end when it is told to is killed after \
`timeout-kill` (90 s).";

/// The task of this verb.
pub(super) fn order(verb: &str) -> &'static Order {
    // the first is only named to be total: a test finds every verb and applet in the table
    ORDERS.iter().find(|order| order.verb == verb).unwrap_or(&ORDERS[0])
}

/// Runs the applet of this name.
pub(super) fn applet(name: &str, args: &[OsString]) -> u8 {
    ORDERS.iter().find(|order| order.applet == Some(name)).unwrap_or(&ORDERS[0]).run_applet(args)
}

/// The command lines of all applets.
pub(super) fn define_applets() -> impl Iterator<Item = Command> {
    ORDERS.iter().filter_map(|order| Some(order.define_applet(order.applet?)))
}

impl Order {
    fn starts(&self) -> bool {
        !matches!(self.task, Task::Stop | Task::Disable)
    }

    fn stops(&self) -> bool {
        !matches!(self.task, Task::Start | Task::Enable)
    }

    /// Its command line, under the name `called`.
    fn define(&self, called: &'static str, codes: &str) -> Command {
        let program =
            if self.applet == Some(called) { called.to_owned() } else { format!("pinfold {called}") };
        let mut examples = format!("Examples:\n  {program} squid\n  {program} /service/squid/ mysql\n");
        if self.stops() {
            examples.push_str(&format!("  {program} -v -k squid\n"));
        }
        let command = cli::command(called, self.about, self.more, &format!("{examples}\n{codes}"));
        cli::with_manner(command, self.starts(), self.stops())
    }

    /// The verb's command line.
    pub(super) fn define_verb(&self) -> Command {
        self.define(self.verb, "Exit codes: 0 all done; 1 not all; 2 wrong usage; 4 no permission.")
    }

    /// The applet's command line.
    fn define_applet(&self, name: &'static str) -> Command {
        self.define(name, "Exit codes: 0 all done; 1 not all, for whatever reason.")
    }

    /// Does it as a verb.
    pub(super) fn run_verb(&self, matches: &ArgMatches) -> u8 {
        self.administer(&format!("pinfold {}", self.verb), matches)
    }

    /// Does it as an applet: everything but success is 1.
    pub(super) fn run_applet(&self, args: &[OsString]) -> u8 {
        let name = self.applet.unwrap_or(self.verb);
        cli::parse(self.define_applet(name), args, NO, |matches| self.administer(name, matches).min(NO))
    }

    /// Does it for all services named, in this order, which is the administrator's. Gives the exit code: 0
    /// if all went well, else the worst.
    fn administer(&self, program: &str, matches: &ArgMatches) -> u8 {
        let mut session = match Session::new(program, cli::wish(matches)) {
            Ok(session) => session,
            Err(fail) => {
                let _ = writeln!(std::io::stderr(), "{program}: {fail}");
                return NO;
            }
        };
        let mut worst = OK;
        for name in cli::named(matches) {
            worst = worst.max(session.one(self.task, &name));
            if session.vigil.is_interrupted() {
                break;
            }
        }
        worst
    }
}

impl Session {
    fn one(&mut self, task: Task, name: &OsStr) -> u8 {
        let mut service = match Service::find(name) {
            Ok(service) => service,
            Err(failure) => {
                let verb = if matches!(task, Task::Stop | Task::Disable) { "Stopping" } else { "Starting" };
                self.line(verb, &Service::as_named(name)).failed(&failure);
                return failure.code;
            }
        };
        match task {
            Task::Start => self.start(&mut service),
            Task::Stop => self.stop(&mut service),
            Task::Restart => self.restart(&mut service),
            Task::Reset if service.directory.join("down").exists() => self.stop(&mut service),
            Task::Reset => self.start(&mut service),
            Task::Enable => match set_down(&service, false) {
                Ok(()) => self.start(&mut service),
                Err(failure) => self.refuse("Enabling", &service, &failure),
            },
            Task::Disable => match set_down(&service, true) {
                Ok(()) => self.stop(&mut service),
                Err(failure) => self.refuse("Disabling", &service, &failure),
            },
        }
    }

    fn line(&self, verb: &str, shown: &str) -> Line {
        Line::begin(&self.program, verb, shown, self.wish.quiet)
    }

    fn refuse(&self, verb: &str, service: &Service, failure: &Failure) -> u8 {
        self.line(verb, &service.shown).failed(failure);
        failure.code
    }

    fn start(&mut self, service: &mut Service) -> u8 {
        let mut line = self.line("Starting", &service.shown);
        match start::start(self, service, &mut line) {
            Ok(note) => {
                line.ok(&note, &start::remarks(service));
                OK
            }
            Err(failure) => {
                line.failed(&failure);
                failure.code
            }
        }
    }

    fn stop(&mut self, service: &mut Service) -> u8 {
        let mut line = self.line("Stopping", &service.shown);
        match stop::stop(self, service, &mut line) {
            Ok(stopped) => {
                let receipt = if self.wish.verbose { stopped.receipt } else { Vec::new() };
                line.close("OK", &[receipt, stopped.remarks].concat());
                OK
            }
            Err(failure) => {
                line.failed(&failure);
                failure.code
            }
        }
    }

    fn restart(&mut self, service: &mut Service) -> u8 {
        // whoever may not control it is told so, also when there is nothing to do
        if let Err(failure) = service.tell(&[]) {
            return self.refuse("Restarting", service, &failure);
        }
        if !service.look().is_meant_to_run() {
            self.line("Restarting", &service.shown).close("not running: nothing done", &[]);
            return OK;
        }
        match self.stop(service) {
            OK => self.start(service),
            code => code,
        }
    }
}

/// Makes or removes the file `down`, for good: it is on disk before anything is started or stopped.
fn set_down(service: &Service, down: bool) -> Result<(), Failure> {
    let path = service.directory.join("down");
    let result = match down {
        true => match File::options().create_new(true).write(true).open(&path) {
            // one that is there may say why: it is left as it is, whatever it is
            Err(e) if e.kind() == ErrorKind::AlreadyExists => return Ok(()),
            result => result.map(drop),
        },
        false => match fs::remove_file(&path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            result => result,
        },
    };
    let doing = if down { "make" } else { "remove" };
    result.map_err(|e| Failure::at(doing, &path, errno_of(&e)))?;
    // a file system that can't be synced keeps its promises in its own time
    let _ = File::open(&service.directory).and_then(|directory| directory.sync_all());
    Ok(())
}
