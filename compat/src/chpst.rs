//! `chpst`: runs a program with a changed process state (`chpst(8)` of runit).

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{chdir, chroot, close, setsid};

use crate::account::{become_user, identity};
use crate::chain;
use crate::envdir;
use crate::environment::Environment;
use crate::errors::{Die, code, warn};
use crate::getopt::{Getopt, Opt};
use crate::setlock;
use crate::softlimit::number;

const USAGE: &str = "usage: chpst [-vVP012] [-u user[:group]] [-U user[:group]] [-b argv0] [-e dir] [-/ root] \
     [-n nice] [-l|-L lock] [-m n] [-d n] [-o n] [-p n] [-f n] [-c n] [-t n] prog\n";

/// The options, as they are to be carried out; their order does not matter.
#[derive(Default)]
struct Change<'a> {
    session: bool,
    environment: Option<&'a OsStr>,
    root: Option<&'a OsStr>,
    directory: Option<&'a OsStr>,
    nice: i32,
    identity_shown: Option<&'a OsStr>,
    identity: Option<&'a OsStr>,
    /// The file, and whether to wait for its lock.
    lock: Option<(&'a OsStr, bool)>,
    closed: [bool; 3],
    /// In the order in which they are set. A number below 0, as only one beyond 2^63 can be, is the hard limit.
    limits: [Option<i64>; LIMITS.len()],
    name: Option<&'a OsStr>,
    verbose: bool,
}

/// What is limited, by which options.
const LIMITS: [(Resource, &[u8]); 10] = [
    (Resource::RLIMIT_DATA, b"dm"),
    (Resource::RLIMIT_STACK, b"m"),
    (Resource::RLIMIT_MEMLOCK, b"m"),
    (Resource::RLIMIT_AS, b"m"),
    (Resource::RLIMIT_NOFILE, b"o"),
    (Resource::RLIMIT_NPROC, b"p"),
    (Resource::RLIMIT_FSIZE, b"f"),
    (Resource::RLIMIT_CORE, b"c"),
    (Resource::RLIMIT_RSS, b"r"),
    (Resource::RLIMIT_CPU, b"t"),
];

/// `chpst [OPTION]... PROGRAM...`. Beyond Debian's there is `-C DIR`, from Void's runit: the directory to
/// start the program in.
pub fn main(args: &[OsString]) -> u8 {
    chain::begin();
    code(run(args))
}

fn run(args: &[OsString]) -> Result<u8, Die> {
    let mut options = Getopt::new(args, b"u:U:b:e:m:d:o:p:f:c:r:t:/:C:n:l:L:vP012V");
    let mut change = Change::default();
    for option in options.by_ref() {
        match option.map_err(|bad| Die::option(&bad, &args[0], USAGE))? {
            Opt::Flag(letter) => change.flag(letter),
            Opt::Value(letter, value) => change.value(letter, value).ok_or_else(|| Die::usage(USAGE))?,
        }
    }
    let [file, ..] = options.rest() else { return Err(Die::usage(USAGE)) };
    let mut environment = Environment::inherited();
    change.carry_out(&mut environment)?;
    let mut arguments = options.rest().to_vec();
    if let (Some(name), Some(first)) = (change.name, arguments.first_mut()) {
        *first = name.to_owned();
    }
    let errno = chain::exec(file, &arguments, &environment);
    Err(fatal("unable to run", &arguments[0], errno))
}

/// `chpst: fatal: DOING: WHAT: WHY`
fn fatal(doing: &str, what: &OsStr, errno: Errno) -> Die {
    Die::sys("chpst", &[doing.as_bytes(), b": ", what.as_bytes()], errno)
}

/// `chpst: fatal: DOING: WHY`
fn unable(doing: &'static str) -> impl Fn(Errno) -> Die {
    move |errno| Die::sys("chpst", &[doing.as_bytes()], errno)
}

impl<'a> Change<'a> {
    fn flag(&mut self, letter: u8) {
        match letter {
            b'v' => self.verbose = true,
            b'P' => self.session = true,
            b'0'..=b'2' => self.closed[usize::from(letter - b'0')] = true,
            // Like the original it says so and goes on.
            _ => eprintln!("pinfold {}", env!("CARGO_PKG_VERSION")),
        }
    }

    /// Takes an option's value; `None` if it cannot be.
    fn value(&mut self, letter: u8, value: &'a OsStr) -> Option<()> {
        match letter {
            b'u' => self.identity = Some(value),
            b'U' => self.identity_shown = Some(value),
            b'b' => self.name = Some(value),
            b'e' => self.environment = Some(value),
            b'/' => self.root = Some(value),
            b'C' => self.directory = Some(value),
            b'n' => self.nice = nice(value.as_bytes())?,
            b'l' | b'L' if self.lock.is_some() => return None,
            b'l' | b'L' => self.lock = Some((value, letter == b'l')),
            _ => {
                let limit = number(value.as_bytes())?.cast_signed();
                for (at, (_, letters)) in LIMITS.iter().enumerate() {
                    if letters.contains(&letter) {
                        self.limits[at] = Some(limit);
                    }
                }
            }
        }
        Some(())
    }

    /// Makes the changes, in runit's order.
    fn carry_out(&self, environment: &mut Environment) -> Result<(), Die> {
        if self.session {
            let _ = setsid();
        }
        if let Some(dir) = self.environment {
            self.read_environment(dir, environment)?;
        }
        if let Some(root) = self.root {
            chdir(root).map_err(|e| fatal("unable to change directory", root, e))?;
            chroot(".").map_err(unable("unable to change root directory"))?;
        }
        if let Some(dir) = self.directory {
            chdir(dir).map_err(|e| fatal("unable to change directory", dir, e))?;
        }
        if self.nice != 0 {
            sys::classic::nice(self.nice).map_err(unable("unable to set nice level"))?;
        }
        if let Some(text) = self.identity_shown {
            let (uid, groups) = who(text)?;
            environment.change(b"GID", Some(groups.first().unwrap_or(&0).to_string().as_bytes()));
            environment.change(b"UID", Some(uid.to_string().as_bytes()));
        }
        if let Some(text) = self.identity {
            let (uid, groups) = who(text)?;
            become_user(uid, &groups)
                .map_err(|(call, e)| Die::sys("chpst", &[b"unable to ", call.as_bytes()], e))?;
        }
        if let Some((file, wait)) = self.lock {
            // It stays open, and locked, until the program closes it.
            std::mem::forget(lock(file, wait)?);
        }
        for (fd, name) in (0..).zip(["stdin", "stdout", "stderr"]) {
            if self.closed[usize::from(fd as u8)] {
                close(fd).map_err(|e| Die::sys("chpst", &[b"unable to close ", name.as_bytes()], e))?;
            }
        }
        self.set_limits()
    }

    fn read_environment(&self, dir: &OsStr, environment: &mut Environment) -> Result<(), Die> {
        let read = envdir::each(Path::new(dir), |name, value| {
            match value {
                Ok(value) => environment.change(name.as_bytes(), value.as_deref().map(OsStr::as_bytes)),
                Err(p) if p.errno == Errno::EISDIR => {
                    if self.verbose {
                        let path = p.path.as_os_str().as_bytes();
                        warn("chpst", &[p.doing.as_bytes(), b" ", path], Some(p.errno));
                    }
                }
                Err(p) => return Err(p),
            }
            Ok(())
        });
        read.map_err(|p| match p.doing {
            "unable to read" => {
                Die::sys("chpst", &[p.doing.as_bytes(), b" ", p.path.as_os_str().as_bytes()], p.errno)
            }
            "unable to read directory" => fatal("unable to open directory", p.path.as_os_str(), p.errno),
            doing => fatal(doing, p.path.as_os_str(), p.errno),
        })
    }

    fn set_limits(&self) -> Result<(), Die> {
        for ((resource, _), limit) in LIMITS.iter().zip(self.limits) {
            // The original's mark for "not given" is -2, so the number that wraps to it is none.
            let Some(limit) = limit.filter(|limit| *limit != -2 && *limit >= -1) else { continue };
            let (_, hard) = getrlimit(*resource).map_err(unable("unable to getrlimit()"))?;
            let soft = u64::try_from(limit).map_or(hard, |limit| limit.min(hard));
            setrlimit(*resource, soft, hard).map_err(unable("unable to setrlimit()"))?;
        }
        Ok(())
    }
}

/// The nice value of `-n`: a number with or without a sign.
fn nice(text: &[u8]) -> Option<i32> {
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] => (1, digits),
        digits => (1, digits),
    };
    Some(sign * i32::try_from(number(digits)?).unwrap_or(i32::MAX))
}

fn lock(file: &OsStr, wait: bool) -> Result<File, Die> {
    setlock::lock(file, wait).map_err(|(doing, e)| match doing {
        b"unable to open " => fatal("unable to open lock", file, e),
        _ => fatal("unable to lock", file, e),
    })
}

/// The numbers of `-u` and `-U`.
fn who(text: &OsStr) -> Result<(u32, Vec<u32>), Die> {
    identity(text).ok_or_else(|| match text.as_bytes() {
        [b':', numbers @ ..] => Die::fatal("chpst", &[b"invalid uid/gids: ", numbers]),
        names => Die::fatal("chpst", &[b"unknown user/group: ", names]),
    })
}
