//! Login sessions as logind (or elogind) keeps them, for one question: whose is it?
//!
//! The files say of themselves that they are not to be parsed; but their D-Bus equivalent would make a
//! supervisor wait for another daemon, and three of their fields have been the same since 2011. What can't be
//! read is treated as somebody else's session.

use std::ffi::OsStr;
use std::path::Path;

/// Where they are.
pub const DIRECTORY: &str = "/run/systemd/sessions";
/// The PAM services of programs that change the user for another program, not for a person. They run in a
/// service by its own doing, so the session they open is a detail of that service.
const SWITCHES: [&str; 7] = ["su", "su-l", "runuser", "runuser-l", "sudo", "sudo-i", "doas"];
/// Longer ones are not logind's.
const BOUND: usize = 8192;

/// One session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its name: `5`, `c1`.
    pub id: String,
    /// The PAM service that opened it: `sshd`, `login`, `su-l`.
    pub service: String,
    /// The process that opened it. The pid stays here when that process has ended.
    pub leader: Option<i32>,
    /// Whether its leader has ended.
    pub closing: bool,
}

impl Session {
    /// Reads one by its name; `None` if there is none, or it can't be understood.
    pub fn read(directory: &Path, id: &str) -> Option<Session> {
        // beside each session's file there is a FIFO, and `.`, and files being written
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return None;
        }
        let text = sys::files::read(&directory.join(id), BOUND).ok()??;
        Session::parse(id, std::str::from_utf8(&text).ok()?)
    }

    /// All that there are.
    pub fn all(directory: &Path) -> Vec<Session> {
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        entries.filter_map(|entry| Session::read(directory, entry.file_name().to_str()?)).collect()
    }

    /// Understands the text of a session's file.
    pub fn parse(id: &str, text: &str) -> Option<Session> {
        let field = |name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
            Some(value.trim_matches('"'))
        };
        Some(Session {
            id: id.to_owned(),
            // logind writes what is special about it with backslashes: then it is none that we know
            service: field("SERVICE")?.to_owned(),
            leader: field("LEADER").and_then(|pid| pid.parse().ok()).filter(|&pid| pid > 0),
            closing: field("STATE") == Some("closing"),
        })
    }

    /// Whether it was opened by a program that changes the user, so that it belongs to whoever called that.
    pub fn is_a_switch(&self) -> bool {
        SWITCHES.contains(&self.service.as_str())
    }
}

/// The name of the session that a group belongs to: logind's `…/session-c1.scope`, with all below it; or
/// elogind's `/c1`, if there is such a session.
pub fn id_of_group(directory: &Path, position: &Path) -> Option<String> {
    let scope =
        |name: &OsStr| Some(name.to_str()?.strip_prefix("session-")?.strip_suffix(".scope")?.to_owned());
    position.iter().find_map(scope).or_else(|| {
        let last = position.file_name()?.to_str()?;
        Session::read(directory, last).map(|session| session.id)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SU: &str = "\
# This is private data. Do not parse.
UID=1000
USER=tester
ACTIVE=1
STATE=active
REMOTE=0
TYPE=unspecified
CLASS=background
SCOPE=session-c1.scope
FIFO=/run/systemd/sessions/c1.ref
SERVICE=su-l
LEADER=4711
";

    #[test]
    fn fields() {
        let session = Session::parse("c1", SU).unwrap();
        assert_eq!(
            session,
            Session { id: "c1".into(), service: "su-l".into(), leader: Some(4711), closing: false }
        );
        assert!(session.is_a_switch());
        let quoted = SU.replace("su-l", "\"sshd\"").replace("active\n", "closing\n").replace("4711", "0");
        let session = Session::parse("5", &quoted).unwrap();
        assert!(!session.is_a_switch() && session.closing);
        assert_eq!((session.service.as_str(), session.leader), ("sshd", None));
        assert_eq!(Session::parse("5", "UID=0\n"), None);
    }

    #[test]
    fn names() {
        let none = Path::new("/nonexistent");
        let id = |position: &str| id_of_group(none, Path::new(position));
        assert_eq!(id("/user.slice/user-1000.slice/session-c1.scope"), Some("c1".into()));
        assert_eq!(id("/user.slice/user-1000.slice/session-7.scope/nested"), Some("7".into()));
        assert_eq!(id("/user.slice/user-1000.slice/user@1000.service/app.slice"), None);
        assert_eq!(id("/"), None);
        assert_eq!(Session::read(none, "../c1"), None);
    }
}
