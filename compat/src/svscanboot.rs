//! `svscanboot`: what init starts; sets the stage for `svscan` (`svscanboot(8)`).
//!
//! The original is a shell script that waits for a pipeline `svscan | readproctitle`. Here the process
//! becomes `svscan` itself, so that whoever started it has the pid that ends everything in order.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::errors::{Die, code, errno_of};
use crate::fifo;

/// The path that everything below runs with, and all of the environment that it gets.
const PATH: &str = "/command:/usr/local/bin:/usr/local/sbin:/bin:/sbin:/usr/bin:/usr/sbin:/usr/X11R6/bin";

/// How many bytes of the services' messages the process list shows.
const TITLE: usize = 400;

/// `svscanboot [DIR]`: stops what an earlier `svscan` of DIR left, then becomes `svscan DIR` with its
/// messages shown by `readproctitle`. DIR is `/service` if that exists, else `/etc/service`.
///
/// The services of a supervisor that `goes_on` without its `svscan` are left as they are: the new one
/// takes them over.
pub fn main(args: &[OsString], goes_on: impl Fn(&Path) -> bool) -> u8 {
    let dir = args.get(1).map_or_else(default_dir, PathBuf::from);
    if !goes_on(&dir) {
        stop_left_over(&dir);
    }
    let ended = become_svscan(&dir);
    code(ended.map_err(|e| Die::sys("svscanboot", &[b"unable to start"], errno_of(&e))))
}

/// Where services are: `/service` if there is such a thing, else `/etc/service`.
pub(crate) fn default_dir() -> PathBuf {
    let usual = Path::new("/service");
    if usual.exists() { usual } else { Path::new("/etc/service") }.to_path_buf()
}

/// Tells every supervisor that still runs there to stop its service and go: `svc -dx DIR/* DIR/*/log`.
fn stop_left_over(dir: &Path) {
    let Ok(entries) = dir.read_dir() else { return };
    let mut services: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| !entry.file_name().as_bytes().starts_with(b"."))
        .map(|entry| entry.path())
        .collect();
    services.sort();
    let logs: Vec<PathBuf> = services.iter().map(|service| service.join("log")).collect();
    for service in services.iter().chain(&logs) {
        // where nobody listens there is nobody to tell
        let _ = fifo::open(&service.join("supervise"), "control").map(|fifo| nix::unistd::write(fifo, b"dx"));
    }
}

/// Starts `readproctitle` and becomes `svscan`, which writes to it; comes back only with an error.
fn become_svscan(dir: &Path) -> io::Result<u8> {
    let (messages, output) = io::pipe()?;
    let null = File::options().read(true).write(true).open("/dev/null")?;
    let null = || null.try_clone().map(Stdio::from);
    tool("readproctitle")?
        .args(["service", "errors:"])
        .arg(".".repeat(TITLE))
        .stdin(OwnedFd::from(messages))
        .stdout(null()?)
        .stderr(null()?)
        .spawn()?;
    let errors = output.try_clone()?;
    Err(tool("svscan")?
        .arg(dir)
        .stdin(null()?)
        .stdout(OwnedFd::from(output))
        .stderr(OwnedFd::from(errors))
        .exec())
}

/// The tool of that name beside this executable, else this executable under that name; never another
/// version that happens to be on the path.
fn tool(name: &str) -> io::Result<Command> {
    let this = std::env::current_exe()?;
    let beside = this.with_file_name(name);
    let mut command = Command::new(if beside.exists() { beside } else { this });
    command.arg0(OsStr::new(name)).env_clear().env("PATH", PATH);
    Ok(command)
}
