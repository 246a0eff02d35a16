//! A new executable in the place of this one, in the same processes: what guardian and supervisor have in common.
//!
//! The executable is asked first which forms of what is handed over it understands, and refused if these are not
//! ours: then nothing has been given up yet. What a process was started with (blocked signals, limits) travels in
//! the environment, and out of it again before anybody else could see it.

use crate::{environment, table};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::ffi::CString;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use sys::reap::{Ending, Whom, reap};
use sys::spawn::{Place, Program, Spawner};
use sys::{Errno, Fail};

/// The argument by which an executable is asked what it understands.
pub const ASK: &str = "pinfold-forms:";
/// The form of what a guardian leaves to its successor; see `guardian/upgrade.rs`.
const GUARDIAN_FORM: u32 = 1;
/// The variable with what the process was started with.
const STARTED: &str = "PINFOLD_STARTED";
/// The variable with the number of the descriptor of what is handed over.
const HANDOVER: &str = "PINFOLD_HANDOVER";
/// How long an executable may take to say what it understands.
const PATIENCE_MS: u16 = 10_000;

/// What this executable understands, as it says it.
pub fn forms() -> String {
    format!("pinfold forms: guardian {GUARDIAN_FORM}, table {:x}\n", table::MAGIC)
}

/// Where this executable was found, and its successor will be. To be asked at the start: later the file may have
/// been replaced.
pub fn executable() -> Result<PathBuf, Fail> {
    std::env::current_exe().map_err(|e| Fail::io("find", Path::new("/proc/self/exe"), &e))
}

/// Asks the executable what it understands. An error says why it can't take our place.
pub fn ask(executable: &Path, spawner: &mut Spawner) -> Result<(), String> {
    let shown = executable.display().to_string().escape_debug().to_string();
    let fail = |errno: Errno| Fail::at("execute", executable, errno).to_string();
    let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(fail)?;
    let program = Program {
        file: path(executable).map_err(fail)?,
        arguments: vec![c"pinfold".into(), CString::new(ASK).unwrap_or_default()],
        environment: Vec::new(),
        directory: c"/".into(),
        session: true,
    };
    let child = spawner.spawn(program, &Place::Here, &[(write.as_fd(), 1)]).map_err(fail)?;
    drop(write);
    let ended =
        poll(&mut [PollFd::new(child.pidfd.as_fd(), PollFlags::POLLIN)], PollTimeout::from(PATIENCE_MS));
    if ended == Ok(0) {
        let _ = child.pidfd.signal(nix::sys::signal::Signal::SIGKILL);
    }
    let _ = poll(&mut [PollFd::new(child.pidfd.as_fd(), PollFlags::POLLIN)], PollTimeout::from(PATIENCE_MS));
    let ending = reap(Whom::Pid(child.pid)).map(|(_, ending)| ending);
    if let Some(why) = spawner.verdict(child.pid) {
        return Err(fail(why.errno));
    }
    let mut said = [0; 256];
    let length = nix::unistd::read(&read, &mut said).unwrap_or(0);
    match ending {
        Some(Ending::Code(0)) if said[..length] == *forms().as_bytes() => Ok(()),
        Some(Ending::Code(0)) => {
            let theirs = String::from_utf8_lossy(&said[..length]).trim_end().escape_debug().to_string();
            Err(format!(
                "{shown} says \"{theirs}\", this one is \"{}\": restart svscan instead",
                forms().trim_end()
            ))
        }
        Some(ending) => Err(format!("{shown} is no pinfold that can take over: {ending}")),
        None => Err(format!("{shown} does not say what it is")),
    }
}

/// Becomes the executable. Comes back only with the reason why not.
pub fn become_it(
    executable: &Path,
    arguments: &[CString],
    environment: &[CString],
    limit: (u64, u64),
    handover: Option<i32>,
) -> Errno {
    let mut environment = environment.to_vec();
    let started = format!("{} {} {}", limit.0, limit.1, sys::startup::as_text());
    environment::set(&mut environment, STARTED.as_bytes(), started.as_bytes());
    if let Some(number) = handover {
        environment::set(&mut environment, HANDOVER.as_bytes(), number.to_string().as_bytes());
    }
    let Ok(path) = path(executable) else { return Errno::EINVAL };
    match nix::unistd::execve(&path, arguments, &environment) {
        Err(errno) => errno,
    }
}

/// What a predecessor in this process has left: its limits (soft, hard) on descriptors, and what it wrote down.
#[derive(Debug, Default)]
pub struct Succession {
    /// The limits that it was started with, and that services get.
    pub limit: Option<(u64, u64)>,
    /// The descriptor of what it has written down.
    pub handover: Option<i32>,
}

/// Finds out whether this process has had a predecessor; counts as started as that was.
pub fn succession() -> Succession {
    let limit = std::env::var(STARTED).ok().and_then(|text| {
        let mut words = text.splitn(3, ' ');
        let (soft, hard) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        sys::startup::succeed(words.next()?)?;
        Some((soft, hard))
    });
    let handover = std::env::var(HANDOVER).ok().and_then(|number| number.parse().ok());
    Succession { limit, handover: handover.filter(|_| limit.is_some()) }
}

/// The names of the variables that are between predecessor and successor only.
pub const VARIABLES: [&str; 2] = [STARTED, HANDOVER];

fn path(executable: &Path) -> Result<CString, Errno> {
    CString::new(executable.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)
}
