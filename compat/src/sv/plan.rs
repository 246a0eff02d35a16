//! What a command of `sv`'s means.

/// What to do to each service at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Show it.
    Status,
    /// Write these letters to its supervisor.
    Send(&'static [u8]),
    /// Nothing, only look.
    Nothing,
}

/// What a command means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) act: Act,
    /// The conditions to be met, by the letters of the commands that bring them about, and `C` for "the
    /// check is content".
    pub(super) conditions: &'static [u8],
    /// Whether to wait for them.
    pub(super) wait: bool,
    /// Whether to kill what does not meet them in time.
    pub(super) kill: bool,
}

/// The letters that are a command each, known by its first letter.
const LETTERS: &[u8] = b"udopchaitkq12";

/// `x` tells daemontools' supervise to go when the service is down, and runit's to take it down as well;
/// with a `d` before it both do what `sv exit` is to do.
const EXIT: &[u8] = b"dx";

/// The plan for a command; `None` if there is no such command.
pub(super) fn plan(action: &[u8], verbose: bool, lsb: bool) -> Option<Plan> {
    let (send, conditions): (&[u8], &[u8]) = match action {
        b"start" => (b"u", b"u"),
        b"stop" | b"force-stop" => (b"d", b"d"),
        b"reload" => (b"h", b"h"),
        b"restart" | b"force-restart" => (b"tcu", b"tcu"),
        b"try-restart" | b"force-reload" => (b"tc", b"tc"),
        b"shutdown" | b"force-shutdown" => (EXIT, b"x"),
        b"check" => (b"", b"C"),
        [b'x' | b'e' | b'X' | b'E', ..] => (EXIT, b"x"),
        [b'D', ..] => (b"d", b"d"),
        [b'T', ..] => (b"tc", b"tc"),
        [b's', ..] if !lsb || action == b"status" => (b"", b""),
        [letter, ..] => {
            let at = LETTERS.iter().position(|known| known == letter)?;
            (&LETTERS[at..=at], &LETTERS[at..=at])
        }
        [] => return None,
    };
    let act = match (send, conditions) {
        (b"", b"") => Act::Status,
        (b"", _) => Act::Nothing,
        _ => Act::Send(send),
    };
    let kill = matches!(action, [b'D' | b'T' | b'X' | b'E' | b'f', ..]);
    let word = matches!(
        action,
        b"start" | b"stop" | b"reload" | b"restart" | b"try-restart" | b"shutdown" | b"check"
    );
    Some(Plan { act, conditions, wait: act != Act::Status && (verbose || kill || word), kill })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `SEND/CONDITIONS` and marks for waiting and killing.
    fn text(action: &str, verbose: bool, lsb: bool) -> String {
        let Some(plan) = plan(action.as_bytes(), verbose, lsb) else { return "none".to_owned() };
        let send = match plan.act {
            Act::Status => "status",
            Act::Nothing => "",
            Act::Send(letters) => str::from_utf8(letters).unwrap(),
        };
        let conditions = str::from_utf8(plan.conditions).unwrap();
        let marks = [(plan.wait, " wait"), (plan.kill, " kill")];
        let marks: String = marks.iter().filter(|(set, _)| *set).map(|(_, mark)| *mark).collect();
        format!("{send}/{conditions}{marks}")
    }

    #[test]
    fn commands() {
        for (action, expected) in [
            ("status", "status/"),
            ("s", "status/"),
            ("up", "u/u"),
            ("u", "u/u"),
            ("down", "d/d"),
            ("once", "o/o"),
            ("pause", "p/p"),
            ("cont", "c/c"),
            ("hup", "h/h"),
            ("alarm", "a/a"),
            ("interrupt", "i/i"),
            ("quit", "q/q"),
            ("1", "1/1"),
            ("2", "2/2"),
            ("term", "t/t"),
            ("kill", "k/k"),
            ("exit", "dx/x"),
            ("x", "dx/x"),
            ("start", "u/u wait"),
            ("stop", "d/d wait"),
            ("reload", "h/h wait"),
            ("restart", "tcu/tcu wait"),
            ("try-restart", "tc/tc wait"),
            ("check", "/C wait"),
            ("shutdown", "dx/x wait"),
            ("force-stop", "d/d wait kill"),
            ("D", "d/d wait kill"),
            ("force-reload", "tc/tc wait kill"),
            ("T", "tc/tc wait kill"),
            ("force-restart", "tcu/tcu wait kill"),
            ("force-shutdown", "dx/x wait kill"),
            ("X", "dx/x wait kill"),
            ("E", "dx/x wait kill"),
            ("", "none"),
            ("r", "none"),
            ("f", "none"),
            ("force-x", "none"),
            ("w", "none"),
            ("3", "none"),
            ("U", "none"),
        ] {
            assert_eq!(text(action, false, false), expected, "{action}");
        }
    }

    #[test]
    fn verbose_waits_and_init_scripts_are_strict() {
        assert_eq!(text("down", true, false), "d/d wait");
        assert_eq!(text("status", true, false), "status/");
        assert_eq!(text("s", false, true), "none");
        assert_eq!(text("status", false, true), "status/");
        assert_eq!(text("stop", false, true), "d/d wait");
    }
}
