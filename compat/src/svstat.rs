//! `svstat`: what services do (`svstat(8)`).

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, stat};
use nix::unistd::{chdir, read};

use crate::errors::{Die, code, error_str};
use crate::origin::Origin;
use crate::status::{DJB_LEN, Status, Want};
use crate::tai::Tai64n;

/// The text is written out when it has grown to this many bytes.
const CHUNK: usize = 16 * 1024;

/// How a service's files are opened: without waiting, and not by a link, which could lead to a device.
const LOOK: OFlag = OFlag::O_NONBLOCK.union(OFlag::O_NOFOLLOW);

/// `svstat DIR...`: one line each on standard output; 0 whatever they say.
pub fn main(args: &[OsString]) -> u8 {
    sys::startup::restore_sigpipe();
    code(run(args))
}

fn run(args: &[OsString]) -> Result<u8, Die> {
    let origin = Origin::remember("svstat")?;
    let mut text = Vec::with_capacity(CHUNK + 1024);
    let mut names = Names::default();
    for dir in args.iter().skip(1) {
        text.extend_from_slice(dir.as_bytes());
        text.extend_from_slice(b": ");
        describe(&look(dir, &origin, &mut names)?, &mut text);
        text.push(b'\n');
        if text.len() > CHUNK {
            print(&mut text);
        }
    }
    print(&mut text);
    Ok(0)
}

/// Writes the text to standard output; like the original without regard to errors.
fn print(text: &mut Vec<u8>) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text).and_then(|()| out.flush());
    text.clear();
}

/// A supervised service.
struct View {
    status: Status,
    /// There is no `down` file.
    normally_up: bool,
}

/// Why a service cannot be shown.
enum Trouble {
    NotRunning,
    BadFormat,
    /// What could not be done, and why.
    Unable(&'static str, Errno),
}

/// Looks at one service. `names` is scratch space.
///
/// The original goes into each directory and back. The same is seen from outside, with fewer system
/// calls; only when something is wrong do we go inside, to find out what exactly.
fn look(dir: &OsStr, origin: &Origin, names: &mut Names) -> Result<Result<View, Trouble>, Die> {
    if !dir.is_empty() {
        names.start_with(&[dir.as_bytes(), b"/"]);
        if let found @ (Ok(_) | Err(Trouble::NotRunning)) = look_below(names) {
            return Ok(found);
        }
    }
    names.start_with(&[]);
    let found = match chdir(dir) {
        Ok(()) => look_below(names),
        Err(e) => Err(Trouble::Unable("unable to chdir", e)),
    };
    origin.back()?;
    Ok(found)
}

/// File names with a common beginning, built in one buffer.
#[derive(Default)]
struct Names {
    text: Vec<u8>,
    start: usize,
}

impl Names {
    fn start_with(&mut self, parts: &[&[u8]]) {
        self.text.clear();
        parts.iter().for_each(|part| self.text.extend_from_slice(part));
        self.start = self.text.len();
    }

    fn of(&mut self, file: &str) -> &[u8] {
        self.text.truncate(self.start);
        self.text.extend_from_slice(file.as_bytes());
        &self.text
    }
}

/// Looks at the service's files in the original's order.
fn look_below(names: &mut Names) -> Result<View, Trouble> {
    let normally_up = match stat(names.of("down")) {
        Ok(_) => false,
        Err(Errno::ENOENT) => true,
        Err(e) => return Err(Trouble::Unable("unable to stat down", e)),
    };
    // Non-blocking: the open fails with ENXIO unless a supervisor holds the other end.
    match open(names.of("supervise/ok"), OFlag::O_WRONLY | LOOK, Mode::empty()) {
        Ok(_) => {}
        Err(Errno::ENXIO) => return Err(Trouble::NotRunning),
        Err(e) => return Err(Trouble::Unable("unable to open supervise/ok", e)),
    }
    let file = open(names.of("supervise/status"), OFlag::O_RDONLY | LOOK, Mode::empty())
        .map_err(|e| Trouble::Unable("unable to open supervise/status", e))?;
    let mut bytes = [0; DJB_LEN];
    let len = read(&file, &mut bytes).map_err(|e| Trouble::Unable("unable to read supervise/status", e))?;
    let status = Status::decode(&bytes[..len]).ok_or(Trouble::BadFormat)?;
    Ok(View { status, normally_up })
}

/// Appends what is said about a service.
fn describe(found: &Result<View, Trouble>, text: &mut Vec<u8>) {
    // Writing to a vector cannot fail.
    let _ = match found {
        Ok(view) => view.describe(text),
        Err(Trouble::NotRunning) => write!(text, "supervise not running"),
        Err(Trouble::BadFormat) => write!(text, "unable to read supervise/status: bad format"),
        Err(Trouble::Unable(what, e)) => write!(text, "{what}: {}", error_str(*e)),
    };
}

impl View {
    fn describe(&self, text: &mut Vec<u8>) -> std::io::Result<()> {
        let Status { pid, want, paused, stamp, .. } = self.status;
        let up = pid != 0;
        match up {
            true => write!(text, "up (pid {pid}) ")?,
            false => write!(text, "down ")?,
        }
        // The original's difference goes through a double, which rounds absurd ones.
        let seconds = stamp.seconds_until(Tai64n::now()) as f64 as u64;
        write!(text, "{seconds} seconds")?;
        let notes = [
            (up && !self.normally_up, ", normally down"),
            (!up && self.normally_up, ", normally up"),
            (up && paused, ", paused"),
            (!up && want == Want::Up, ", want up"),
            (up && want == Want::Down, ", want down"),
        ];
        for (_, note) in notes.iter().filter(|(said, _)| *said) {
            text.extend_from_slice(note.as_bytes());
        }
        Ok(())
    }
}
