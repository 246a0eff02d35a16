//! How processes end.

use nix::errno::Errno;
use std::fmt;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// It exited with this code.
    Code(u8),
    /// A signal ended it; `core` if it dumped core.
    Signal {
        /// The signal's number, real-time signals included.
        number: u8,
        /// Whether a core was dumped.
        core: bool,
    },
    /// It is gone, and nobody could say how (it was not our child).
    Unknown,
}

impl Ending {
    /// From a status as wait(2) gives it.
    pub fn of_status(status: i32) -> Ending {
        match (status & 0x7f, status >> 8) {
            (0, code) => Ending::Code(code as u8),
            (number, _) => Ending::Signal { number: number as u8, core: status & 0x80 != 0 },
        }
    }

    /// The low byte of the wait status, as runit's `finish` gets it: the signal's number, + 128 with a core.
    pub fn status_byte(self) -> u8 {
        match self {
            Ending::Code(_) | Ending::Unknown => 0,
            Ending::Signal { number, core } => number | if core { 0x80 } else { 0 },
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Ending::Code(code) => write!(f, "exit {code}"),
            Ending::Signal { number, core } => {
                match nix::sys::signal::Signal::try_from(i32::from(number)) {
                    Ok(signal) => write!(f, "{signal}")?,
                    Err(_) => write!(f, "signal {number}")?,
                }
                f.write_str(if core { " (core dumped)" } else { "" })
            }
            Ending::Unknown => f.write_str("ended, status unknown"),
        }
    }
}

/// Which child to ask about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// Any child.
    Any,
    /// The child with this pid.
    Pid(i32),
}

/// Takes the end of a dead child; `None` if there is none (or no child at all). See waitid(2).
pub fn reap(whom: Whom) -> Option<(i32, Ending)> {
    wait(whom, 0)
}

/// Looks at the end of a dead child and leaves it a zombie, so that its pid can't be reused.
pub fn peek(whom: Whom) -> Option<(i32, Ending)> {
    wait(whom, libc::WNOWAIT)
}

fn wait(whom: Whom, flags: i32) -> Option<(i32, Ending)> {
    let (kind, id) = match whom {
        Whom::Any => (libc::P_ALL, 0),
        Whom::Pid(pid) => (libc::P_PID, pid as libc::id_t),
    };
    loop {
        // SAFETY: siginfo_t is plain data, for which all zeros is a value.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: `info` is valid for the call to fill.
        let result = unsafe { libc::waitid(kind, id, &raw mut info, libc::WEXITED | libc::WNOHANG | flags) };
        if result == -1 {
            match Errno::last() {
                Errno::EINTR => continue,
                _ => return None,
            }
        }
        // SAFETY: after a successful waitid these fields are the ones that are set; pid 0 means nobody.
        let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
        return (pid != 0).then(|| (pid, ending(info.si_code, status)));
    }
}

pub(crate) fn ending(code: i32, status: i32) -> Ending {
    match code {
        libc::CLD_EXITED => Ending::Code(status as u8),
        libc::CLD_KILLED => Ending::Signal { number: status as u8, core: false },
        libc::CLD_DUMPED => Ending::Signal { number: status as u8, core: true },
        _ => Ending::Unknown,
    }
}
