//! The control letters: what a byte written to `supervise/control` means.
//!
//! One table holds letter, command, signal and help; everything else is looked up in it. The letters
//! are djb's (`svc(8)`) and runit's (`runsv(8)`: `q`, `1`, `2`); WINCH is `w` to daemontools-encore and
//! `y` to s6, and both are understood. A reader ignores the bytes that are not in the table, as all the
//! family's supervisors do.

use nix::sys::signal::Signal;

/// What a service's supervisor can be told with one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Start it, and restart it when it ends.
    Up,
    /// Start it, and do not restart it when it ends.
    Once,
    /// Stop it, and do not restart it.
    Down,
    /// The supervisor goes when the service is down.
    Exit,
    /// Send STOP.
    Pause,
    /// Send CONT.
    Continue,
    /// Send HUP.
    Hangup,
    /// Send ALRM.
    Alarm,
    /// Send INT.
    Interrupt,
    /// Send TERM.
    Term,
    /// Send KILL.
    Kill,
    /// Send QUIT.
    Quit,
    /// Send USR1.
    Usr1,
    /// Send USR2.
    Usr2,
    /// Send WINCH.
    Winch,
    /// Pinfold's own: stop it, and everybody with it, whatever its `kill-mode` says.
    DownAll,
    /// Pinfold's own: stop it by killing everybody now.
    DownNow,
    /// Pinfold's own: its start check takes it down; to be tried again later.
    Unfit,
}

/// One command with everything there is to know about it.
#[derive(Debug)]
pub struct Entry {
    /// The command.
    pub command: Command,
    /// The letter it is written as.
    pub letter: u8,
    /// Another letter it is known by, and read as.
    pub alias: Option<u8>,
    /// The signal that is all there is to it; `None` for commands that change what is wanted or paused.
    pub signal: Option<Signal>,
    /// The word for it in `svc`'s options line.
    pub word: &'static str,
}

const fn entry(command: Command, letter: u8, signal: Option<Signal>, word: &'static str) -> Entry {
    Entry { command, letter, alias: None, signal, word }
}

/// All commands: first the [`DJB`] ones in the order of `svc`'s options line, then the later ones.
pub const TABLE: [Entry; 18] = [
    entry(Command::Up, b'u', None, "up"),
    entry(Command::Down, b'd', None, "down"),
    entry(Command::Once, b'o', None, "once"),
    entry(Command::Exit, b'x', None, "exit"),
    entry(Command::Pause, b'p', None, "pause"),
    entry(Command::Continue, b'c', None, "continue"),
    entry(Command::Hangup, b'h', Some(Signal::SIGHUP), "hup"),
    entry(Command::Alarm, b'a', Some(Signal::SIGALRM), "alarm"),
    entry(Command::Interrupt, b'i', Some(Signal::SIGINT), "interrupt"),
    entry(Command::Term, b't', Some(Signal::SIGTERM), "term"),
    entry(Command::Kill, b'k', Some(Signal::SIGKILL), "kill"),
    entry(Command::Quit, b'q', Some(Signal::SIGQUIT), "quit"),
    entry(Command::Usr1, b'1', Some(Signal::SIGUSR1), "usr1"),
    entry(Command::Usr2, b'2', Some(Signal::SIGUSR2), "usr2"),
    Entry { alias: Some(b'y'), ..entry(Command::Winch, b'w', Some(Signal::SIGWINCH), "winch") },
    // nobody else's supervisor knows these letters, and all ignore what they don't know, but for s6's `K`
    // (KILL to the group), which is near enough
    entry(Command::DownAll, b'A', None, "down all"),
    entry(Command::DownNow, b'K', None, "down now"),
    entry(Command::Unfit, b'F', None, "unfit"),
];

/// How many entries of [`TABLE`], from its start, daemontools itself knows.
pub const DJB: usize = 11;

/// The letters of [`TABLE`], as options for [`Getopt`](crate::getopt::Getopt).
pub const LETTERS: [u8; TABLE.len()] = {
    let mut letters = [0; TABLE.len()];
    let mut n = 0;
    while n < letters.len() {
        letters[n] = TABLE[n].letter;
        n += 1;
    }
    letters
};

impl Command {
    /// The command a byte read from `supervise/control` stands for, if any.
    pub fn from_letter(letter: u8) -> Option<Command> {
        let entry = TABLE.iter().find(|e| e.letter == letter || e.alias == Some(letter))?;
        Some(entry.command)
    }

    /// The byte that is written to `supervise/control`.
    pub fn letter(self) -> u8 {
        self.entry().letter
    }

    /// The signal, where sending it is all the command does.
    pub fn signal(self) -> Option<Signal> {
        self.entry().signal
    }

    /// The command's line of the table.
    pub fn entry(self) -> &'static Entry {
        // Up is only named to be total: a test finds every command at its place in the table.
        TABLE.iter().find(|e| e.command == self).unwrap_or(&TABLE[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every variant, kept complete by the match: a new one does not compile until it is here too.
    fn all() -> Vec<Command> {
        use Command::*;
        let next = |c: Command| match c {
            Up => Some(Once),
            Once => Some(Down),
            Down => Some(Exit),
            Exit => Some(Pause),
            Pause => Some(Continue),
            Continue => Some(Hangup),
            Hangup => Some(Alarm),
            Alarm => Some(Interrupt),
            Interrupt => Some(Term),
            Term => Some(Kill),
            Kill => Some(Quit),
            Quit => Some(Usr1),
            Usr1 => Some(Usr2),
            Usr2 => Some(Winch),
            Winch => Some(DownAll),
            DownAll => Some(DownNow),
            DownNow => Some(Unfit),
            Unfit => None,
        };
        std::iter::successors(Some(Up), |c| next(*c)).collect()
    }

    #[test]
    fn every_command_has_its_own_letter() {
        assert_eq!(all().len(), TABLE.len());
        for command in all() {
            assert_eq!(command.entry().command, command);
            assert_eq!(Command::from_letter(command.letter()), Some(command));
        }
    }

    #[test]
    fn letters_and_aliases_are_unique() {
        let mut letters: Vec<u8> = TABLE.iter().flat_map(|e| [Some(e.letter), e.alias]).flatten().collect();
        letters.sort_unstable();
        let count = letters.len();
        letters.dedup();
        assert_eq!(letters.len(), count);
    }

    #[test]
    fn the_known_letters_are_the_familys() {
        let known: String =
            (0..=u8::MAX).filter(|b| Command::from_letter(*b).is_some()).map(char::from).collect();
        assert_eq!(known, "12AFKacdhikopqtuwxy");
        let djb: String = TABLE[..DJB].iter().map(|e| char::from(e.letter)).collect();
        assert_eq!(djb, "udoxpchaitk");
    }

    #[test]
    fn pure_signals() {
        assert_eq!(Command::from_letter(b'y'), Some(Command::Winch));
        assert_eq!(Command::Kill.signal(), Some(Signal::SIGKILL));
        assert_eq!(Command::Alarm.signal(), Some(Signal::SIGALRM));
        let none = [Command::Up, Command::Once, Command::Down, Command::Exit, Command::Pause];
        assert!(none.iter().all(|c| c.signal().is_none()) && Command::Continue.signal().is_none());
    }
}
