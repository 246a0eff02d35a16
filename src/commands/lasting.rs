//! The processes that last: svscan with its supervisor and catcher, and supervise.

use crate::guardian::{self, LINE};
use crate::supervisor::{Supervisor, Task};
use crate::upgrade::{self, Succession};
use crate::{place, say, seat, table};
use compat::errors::{Die, code};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use sys::Fail;
use sys::handover::Line;

/// `svscan [DIR]`: the guardian, which starts the rest. See svscan(8).
pub(super) fn svscan(args: &[OsString]) -> u8 {
    say::speaks("svscan");
    code(try_svscan(args.get(1).map(OsString::as_os_str)))
}

fn try_svscan(directory: Option<&OsStr>) -> Result<u8, Die> {
    let Succession { limit, handover } = upgrade::succession();
    let directory = enter("svscan", directory)?;
    let run = run_directory("svscan", &directory)?;
    let fatal = |fail: Fail| fatal("svscan", &fail);
    let ended = match (limit, handover.and_then(sys::handover::inherited)) {
        (Some(limit), Some(text)) => {
            sys::process::set_command_name(c"svscan");
            guardian::succeed(&directory, &run, text, limit).map_err(fatal)
        }
        _ => {
            let lock = sys::files::lock(&run.join("lock")).map_err(|fail| {
                if fail.errno == sys::Errno::EAGAIN {
                    let words = [directory.as_os_str().as_bytes(), b" is scanned by another svscan already"];
                    return Die::fatal("svscan", &words);
                }
                fatal(fail)
            })?;
            guardian::run(&directory, &run, lock).map_err(fatal)
        }
    };
    if let Ok(0) = ended {
        tidy_up(&run);
    }
    ended
}

/// Everything has been stopped, and the supervisor has ended; if it was killed at its very end, its empty house is left.
fn tidy_up(run: &Path) {
    if let Ok(view) = table::read(run) {
        let _ = cgroup::house::clear(Path::new(OsStr::from_bytes(&view.head.house)));
    }
    place::remove(run);
}

/// `supervise DIR`: one service, without guardian and catcher. See supervise(8).
pub(super) fn supervise(args: &[OsString]) -> u8 {
    say::speaks("supervise");
    code(try_supervise(args))
}

fn try_supervise(args: &[OsString]) -> Result<u8, Die> {
    let [_, given] = args else { return Err(Die::usage("supervise: usage: supervise dir")) };
    let directory = enter("supervise", Some(given))?;
    let run = run_directory("supervise", &directory)?;
    // before anything else is touched: it may be another's
    let lock = sys::files::lock(&run.join("lock")).map_err(|fail| not_locked(given, &fail))?;
    let supervisor = Supervisor::open(Task::One(directory), lock, None, None).map_err(|fail| {
        if fail.errno == sys::Errno::EAGAIN {
            // another has the service; what was made here is nobody's
            place::remove(&run);
        }
        not_locked(given, &fail)
    })?;
    if supervisor.run() {
        place::remove(&run);
    }
    Ok(0)
}

/// daemontools' words for a service that is supervised already.
fn not_locked(directory: &OsStr, fail: &Fail) -> Die {
    if fail.errno == sys::Errno::EAGAIN {
        let lock = [b"unable to acquire ", directory.as_bytes(), b"/supervise/lock"];
        return Die::sys("supervise", &lock, fail.errno);
    }
    fatal("supervise", fail)
}

fn run_directory(program: &str, directory: &Path) -> Result<PathBuf, Die> {
    place::make(directory).map_err(|fail| fatal(program, &fail))
}

/// The supervisor below a guardian; `ps` shows `pinfold: /service`.
pub(super) fn supervisor(args: &[OsString]) -> u8 {
    say::speaks("svscan");
    sys::process::set_command_name(c"pinfold");
    let limit = upgrade::succession().limit;
    let line = sys::handover::inherited(LINE).map(Line::from_fd);
    let directory = PathBuf::from(args.get(1).cloned().unwrap_or_default());
    let begun = place::make(&directory).and_then(|run| seat::take(&run)).and_then(|seat| {
        seat.map(|seat| Supervisor::open(Task::Directory(directory), seat, line, limit)).transpose()
    });
    match begun {
        Ok(Some(supervisor)) => {
            supervisor.run();
            0
        }
        Ok(None) => seat::LATER,
        Err(fail) if fail.is_lack() => {
            say::warning(&fail.to_string());
            seat::LATER
        }
        Err(fail) => code(Err(fatal("svscan", &fail))),
    }
}

/// The catcher below a guardian; `ps` shows `pinfold-catcher: /service`.
pub(super) fn catcher(args: &[OsString]) -> u8 {
    say::speaks("svscan");
    sys::process::set_command_name(c"pinfold-catcher");
    let run = place::base().join(place::escape(args.get(1).map_or(OsStr::new(""), OsString::as_os_str)));
    code(crate::catcher::run(&run).map(|()| 0).map_err(|fail| fatal("svscan", &fail)))
}

/// What another version wants to know before this one takes its place.
pub(super) fn forms(_: &[OsString]) -> u8 {
    use std::io::Write;
    u8::from(std::io::stdout().write_all(upgrade::forms().as_bytes()).is_err())
}

/// Changes to the directory and gives its real path.
fn enter(program: &str, directory: Option<&OsStr>) -> Result<PathBuf, Die> {
    let shown = directory.unwrap_or(OsStr::new("."));
    let unable = |e: &std::io::Error| {
        Die::sys(program, &[b"unable to chdir to ", shown.as_bytes()], sys::fail::errno_of(e))
    };
    std::env::set_current_dir(Path::new(shown)).map_err(|e| unable(&e))?;
    std::env::current_dir().map_err(|e| unable(&e))
}

fn fatal(program: &str, fail: &Fail) -> Die {
    Die::fatal(program, &[fail.to_string().as_bytes()])
}
