//! Letters on `control`, and what each means to the machine.

use super::Supervisor;
use crate::machine::{self, Event};
use compat::control::Command;
use nix::sys::signal::Signal;

/// How many letters of one service are obeyed in a turn of the loop.
const MOST_LETTERS: usize = 16;

impl Supervisor {
    /// Reads what has been written to a service's `control`: so much only that somebody who never stops
    /// writing does not keep the other services waiting.
    pub(super) fn read_letters(&mut self, index: u32) {
        let mut buffer = [0; MOST_LETTERS];
        let Some(service) = self.service(index) else { return };
        let letters = service.desk.letters(&mut buffer).to_vec();
        for command in letters.into_iter().filter_map(Command::from_letter) {
            self.obey(index, command);
        }
    }

    /// Carries out one command.
    pub(super) fn obey(&mut self, index: u32, command: Command) {
        let (said, signal) = meaning(command);
        self.passing = signal;
        let stops =
            matches!(said, machine::Command::Down | machine::Command::DownAll | machine::Command::Unfit);
        if stops {
            // what the directory says of stopping counts as of now; what can't be read does not keep anybody
            // from stopping
            // one whose directory has gone is stopped by what was last read there
            if let Err(words) = self.refresh(index)
                && self.service(index).is_some_and(|service| service.directory.exists())
            {
                self.complain(index, &words);
            }
        }
        if matches!(said, machine::Command::Up | machine::Command::Once)
            && let Some(service) = self.service(index)
        {
            service.said = [0; 4]; // what is still wrong is said again
        }
        self.turn(index, Event::Command(said));
        self.passing = None;
    }
}

/// The machine's word for a letter's command, and the signal it carries.
fn meaning(command: Command) -> (machine::Command, Option<Signal>) {
    let said = match command {
        Command::Up => machine::Command::Up,
        Command::Once => machine::Command::Once,
        Command::Down => machine::Command::Down,
        Command::DownAll => machine::Command::DownAll,
        Command::DownNow => machine::Command::DownNow,
        Command::Unfit => machine::Command::Unfit,
        Command::Exit => machine::Command::Leave,
        Command::Pause => machine::Command::Pause,
        Command::Continue => machine::Command::Continue,
        Command::Term => machine::Command::Term,
        Command::Hangup
        | Command::Alarm
        | Command::Interrupt
        | Command::Kill
        | Command::Quit
        | Command::Usr1
        | Command::Usr2
        | Command::Winch => machine::Command::Signal,
    };
    (said, command.signal())
}
