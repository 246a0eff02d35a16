//! `Restart=` and what belongs to it: the end of `finish`, which exits 125 for "do not start it again".

use super::plan::Level;
use super::systemd::Translation;
use super::unit::Entry;
use nix::sys::signal::Signal;

/// Ends by number: exit codes, and signals.
#[derive(Default)]
struct Ends {
    codes: Vec<u8>,
    signals: Vec<i32>,
}

/// What to start again.
#[derive(Clone, Copy)]
struct Again {
    clean_exit: bool,
    unclean_exit: bool,
    clean_signal: bool,
    unclean_signal: bool,
}

const ALWAYS: Again =
    Again { clean_exit: true, unclean_exit: true, clean_signal: true, unclean_signal: true };
const NEVER: Again =
    Again { clean_exit: false, unclean_exit: false, clean_signal: false, unclean_signal: false };

impl Translation {
    /// Lines of sh that end `finish`; none if it is always started again.
    pub(super) fn verdict(&mut self) -> String {
        let entry = self.take("Restart");
        let again = entry.as_ref().map_or(NEVER, |entry| self.again(entry));
        let success = self.ends("SuccessExitStatus");
        let prevent = self.ends("RestartPreventExitStatus");
        let force = self.ends("RestartForceExitStatus");
        let clean = Ends {
            codes: [vec![0], success.codes].concat(),
            // systemd.service(5): these four are clean
            signals: [1, 2, 13, 15].into_iter().chain(success.signals).collect(),
        };
        let signals = [
            case(&prevent.signals, false),
            case(&force.signals, true),
            unlike(&clean.signals, again.clean_signal, again.unclean_signal),
            otherwise(again.unclean_signal),
        ];
        let codes = [
            case(&prevent.codes, false),
            case(&force.codes, true),
            unlike(&clean.codes, again.clean_exit, again.unclean_exit),
            otherwise(again.unclean_exit),
        ];
        let (signals, codes) = (signals.concat(), codes.concat());
        let why = entry.map_or("no".into(), |entry| entry.value).replace(char::is_control, "?");
        let never = otherwise(false);
        if signals == never && codes == never {
            return format!("# Restart={why}: not again\nexit 125\n");
        }
        if !signals.contains("125") && !codes.contains("125") {
            return String::new();
        }
        format!(
            "# $1 is the exit code, or -1 and $2 the signal; 125: not again. Restart={why}\n\
             if [ \"$1\" = -1 ]; then\n\tcase $2 in\n{signals}\tesac\nelse\n\tcase $1 in\n{codes}\tesac\nfi\n"
        )
    }

    fn again(&mut self, entry: &Entry) -> Again {
        match &*entry.value {
            "always" => ALWAYS,
            "no" | "on-watchdog" => NEVER,
            "on-success" => Again { clean_exit: true, clean_signal: true, ..NEVER },
            "on-failure" => Again { unclean_exit: true, unclean_signal: true, ..NEVER },
            "on-abnormal" | "on-abort" => Again { unclean_signal: true, ..NEVER },
            _ => {
                self.say(Level::LeftOut, entry, "is not known: it is never started again");
                NEVER
            }
        }
    }

    fn ends(&mut self, key: &str) -> Ends {
        let mut ends = Ends::default();
        for entry in self.unit.take_all("Service", key) {
            for word in entry.value.split_whitespace() {
                let signal = format!("SIG{}", word.strip_prefix("SIG").unwrap_or(word)).parse::<Signal>();
                match (word.parse::<u8>(), signal) {
                    (Ok(code), _) => ends.codes.push(code),
                    (_, Ok(signal)) => ends.signals.push(signal as i32),
                    _ => self.say(Level::LeftOut, &entry, format!("{word} is neither a number nor a signal")),
                }
            }
        }
        ends
    }
}

fn case(numbers: &[impl ToString], again: bool) -> String {
    let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    if numbers.is_empty() { String::new() } else { branch(&numbers.join("|"), again) }
}

/// A case that is worth a word because all others are decided otherwise.
fn unlike(numbers: &[impl ToString], again: bool, others: bool) -> String {
    if again == others { String::new() } else { case(numbers, again) }
}

fn otherwise(again: bool) -> String {
    branch("*", again)
}

fn branch(pattern: &str, again: bool) -> String {
    format!("\t{pattern}) exit {} ;;\n", if again { 0 } else { 125 })
}
