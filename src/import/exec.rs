//! A command of a unit as a line of a shell script.

use super::words::{self, Names, Piece, Word};

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command {
    /// Its program.
    program: String,
    /// What the program is told that it is called (`@`).
    called: Option<String>,
    arguments: Vec<Word>,
    /// It may fail (`-`).
    pub(super) may_fail: bool,
    /// It keeps svscan's user (`+` and `!`).
    pub(super) privileged: bool,
}

/// The commands of an `Exec…=` line.
pub(super) fn parse(value: &str, names: &Names) -> Result<Vec<Command>, String> {
    words::commands(value)?.into_iter().map(|words| command(words, names)).collect()
}

fn command(words: Vec<String>, names: &Names) -> Result<Command, String> {
    let mut words = words.into_iter();
    let first = words.next().unwrap_or_default();
    let program = first.trim_start_matches(['-', '@', ':', '+', '!']);
    let prefixes = &first[..first.len() - program.len()];
    let program = names.expand(program)?;
    if program.is_empty() {
        return Err("it names no program".into());
    }
    if program.starts_with('|') {
        return Err("the prefix | is not known here: write /bin/sh -c '…'".into());
    }
    let called =
        if prefixes.contains('@') { Some(words.next().ok_or("after @ it lacks a name")?) } else { None };
    let argument = |word: String| -> Result<Word, String> {
        let word = names.expand(&word)?;
        match prefixes.contains(':') {
            true => Ok(Word::One(vec![Piece::Text(word)])),
            false => Ok(words::variables(&word)?),
        }
    };
    let called = called.map(|word| names.expand(&word)).transpose()?;
    Ok(Command {
        program,
        called,
        arguments: words.map(argument).collect::<Result<_, _>>()?,
        may_fail: prefixes.contains('-'),
        // `!!` matters only to kernels without ambient capabilities
        privileged: prefixes.contains('+') || prefixes.matches('!').count() == 1,
    })
}

impl Command {
    /// As a line for sh, after `wrapper`, the words of a program that executes it.
    pub(super) fn line(&self, wrapper: &[String]) -> String {
        let mut line: Vec<String> = wrapper.to_vec();
        if let Some(called) = &self.called {
            line.push(format!("pinfold chpst -b {}", quoted(called)));
        }
        line.push(program(&self.program));
        line.extend(self.arguments.iter().map(|word| match word {
            Word::Split(name) => format!("${name}"),
            Word::One(pieces) if pieces.is_empty() => "''".to_owned(),
            Word::One(pieces) => pieces.iter().map(piece).collect(),
        }));
        line.join(" ")
    }

    /// Whether the shell is to split the value of a variable.
    pub(super) fn splits(&self) -> bool {
        self.arguments.iter().any(|word| matches!(word, Word::Split(_)))
    }

    /// The names of the variables whose values are split.
    pub(super) fn split_variables(&self) -> impl Iterator<Item = &str> {
        self.arguments.iter().filter_map(|word| match word {
            Word::Split(name) => Some(&**name),
            Word::One(_) => None,
        })
    }

    /// Whether it only sends HUP to the main process, as `svc -h` does.
    pub(super) fn is_hang_up(&self) -> bool {
        let is_kill = self.program.rsplit('/').next() == Some("kill");
        let line = self.line(&[]);
        let arguments: Vec<&str> = line.split(' ').skip(1).filter(|word| *word != "-s").collect();
        let signal = |word: &str| matches!(word, "-HUP" | "-1" | "HUP" | "SIGHUP" | "-SIGHUP" | "1");
        is_kill && matches!(arguments[..], [first, "$MAINPID" | "\"${MAINPID-}\""] if signal(first))
    }
}

fn piece(piece: &Piece) -> String {
    match piece {
        Piece::Text(text) => quoted(text),
        Piece::Variable(name) => format!("\"${{{name}-}}\""),
    }
}

/// A program's name: nothing that the shell takes for an assignment or a word of its own.
fn program(name: &str) -> String {
    let is_path = name.contains('/') && !name.contains('=');
    if is_path { quoted(name) } else { format!("'{}'", name.replace('\'', r"'\''")) }
}

/// A word for sh.
pub(super) fn quoted(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&b);
    if !text.is_empty() && text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(value: &str) -> Vec<String> {
        let commands = parse(value, &Names::of("web@8080.service")).unwrap();
        commands.iter().map(|command| command.line(&[])).collect()
    }

    #[test]
    fn words_mean_the_same_to_the_shell() {
        for (value, line) in [
            ("/bin/a b-c --d=e", "/bin/a b-c --d=e"),
            ("/bin/a 'it''s' \"a b\" ''", "/bin/a its 'a b' ''"),
            (r#"/bin/a "it's" '*' ~ 'a$b'"#, r"/bin/a 'it'\''s' '*' '~' 'a$b'"),
            ("/bin/a $OPTS ${X}y", "/bin/a $OPTS \"${X-}\"y"),
            (":/bin/a $OPTS ${X}", "/bin/a '$OPTS' '${X}'"),
            ("/bin/a -p %i %%", "/bin/a -p 8080 %"),
            ("@/bin/a me b", "pinfold chpst -b me /bin/a b"),
            ("/bin/a=b c", "'/bin/a=b' c"),
            ("echo if", "'echo' if"),
        ] {
            assert_eq!(lines(value), [line], "{value}");
        }
        assert_eq!(lines("/bin/a ; /bin/b \\;"), ["/bin/a", "/bin/b ';'"]);
        assert!(lines("").is_empty());
    }

    /// What the shell makes of a quoted word is that word.
    #[test]
    fn a_quoted_word_is_that_word_to_sh() {
        for word in ["", "a", "it's", "a b\tc\nd", "$HOME `id` \\ \"", "*?[a]~#&;|<>(){}!", "-n", "ä€"] {
            let script = format!("printf %s {}", quoted(word));
            let said = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(said.stdout).unwrap(), word, "{script}");
        }
    }

    #[test]
    fn prefixes_are_understood_in_any_order() {
        let one = |value: &str| parse(value, &Names::of("a.service")).unwrap().remove(0);
        assert!(one("-/bin/a").may_fail && one("-+/bin/a").may_fail && !one("/bin/a").may_fail);
        assert!(one("!/bin/a").privileged && one("+-/bin/a").privileged && !one("!!/bin/a").privileged);
        for wrong in ["-", "@/bin/a", "|echo", "/bin/a %H", "/bin/a 'b"] {
            assert!(parse(wrong, &Names::of("a.service")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_plain_hang_up_is_recognised() {
        let hup = |value: &str| parse(value, &Names::of("a.service")).unwrap()[0].is_hang_up();
        assert!(
            hup("/bin/kill -HUP $MAINPID") && hup("kill -s HUP ${MAINPID}") && hup("/bin/kill -1 $MAINPID")
        );
        assert!(!hup("/bin/kill -USR2 $MAINPID") && !hup("/bin/kill -HUP 1") && !hup("/bin/true"));
    }
}
