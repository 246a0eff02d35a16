//! The fold root: a tiny subreaper above a service, so that none of its orphans gets away.
//!
//! The program (`foldroot/foldroot.rs`, one to two kilobytes, no C library) is embedded here. It is started in
//! the place of the service's own, which it starts as its child, and reports what becomes of its children.

use crate::reap::{self, Ending, Whom};
use crate::spawn::{Place, Program, Spawner, above_tray};
use crate::{Errno, Fail};
use nix::fcntl::{FcntlArg, OFlag, SealFlag, fcntl, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::Mode;
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

static PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/foldroot"));

/// Its name in `ps`, and in `/proc/PID/stat`.
pub const NAME: &str = "foldroot";
/// The length of a record on its descriptor.
pub const RECORD: usize = 16;
/// How it ends when it is started with too few arguments: by which a trial recognises it.
const TOO_FEW: u8 = 100;

/// The program, ready to be executed.
pub struct FoldRoot {
    path: CString,
    /// The program itself, if it is in memory only.
    _memory: Option<OwnedFd>,
}

impl FoldRoot {
    /// Puts the program where it can be executed: into sealed memory, or, where that is forbidden
    /// (`vm.memfd_noexec`, no `/proc`), into the file `foldroot` of `directory`. Tries it.
    pub fn prepare(directory: &Path, spawner: &mut Spawner) -> Result<FoldRoot, Fail> {
        let from_memory = in_memory().and_then(|this| this.tried(spawner));
        from_memory.or_else(|_| in_file(directory)?.tried(spawner))
    }

    /// `program`, below a fold root that reports to the descriptor `report` (the number that the spawner gives it).
    /// With [`Program::session`], both lead sessions of their own. The program never gets that descriptor.
    pub fn above(&self, program: Program, report: i32) -> Program {
        let number = CString::new(report.to_string()).unwrap_or_default();
        let mut arguments = Vec::with_capacity(program.arguments.len() + 3);
        arguments.extend([c"foldroot".to_owned(), number, program.file]);
        arguments.extend(program.arguments);
        Program { file: self.path.clone(), arguments, ..program }
    }

    fn tried(self, spawner: &mut Spawner) -> Result<FoldRoot, Fail> {
        let program = Program {
            file: self.path.clone(),
            arguments: vec![c"foldroot".to_owned()],
            environment: Vec::new(),
            directory: c"/".to_owned(),
            session: false,
        };
        let fail = |errno| Fail::at("execute", Path::new(&*self.path.to_string_lossy()), errno);
        let child = spawner.spawn(program, &Place::Here, &[]).map_err(fail)?;
        let mut fds = [PollFd::new(child.pidfd.as_fd(), PollFlags::POLLIN)];
        while poll(&mut fds, PollTimeout::from(10_000u16)) == Err(Errno::EINTR) {}
        let end = reap::reap(Whom::Pid(child.pid));
        match (spawner.verdict(child.pid), end) {
            (None, Some((_, Ending::Code(TOO_FEW)))) => Ok(self),
            (Some(failed), _) => Err(fail(failed.errno)),
            // a wrong architecture, or a filter that kills
            (None, _) => Err(fail(Errno::ENOEXEC)),
        }
    }
}

fn in_memory() -> Result<FoldRoot, Fail> {
    let fail = |errno| Fail::of("keep the fold root in memory", errno);
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    // Linux 6.3 wants to be told that it is to be executed; those before do not know the flag
    let executable = MFdFlags::from_bits_retain(libc::MFD_EXEC);
    let memory = match memfd_create(NAME, flags | executable) {
        Err(Errno::EINVAL) => memfd_create(NAME, flags),
        result => result,
    };
    let memory = above_tray(memory.map_err(fail)?.as_fd())?;
    write_all(&memory).map_err(fail)?;
    let seals =
        SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_SEAL;
    fcntl(&memory, FcntlArg::F_ADD_SEALS(seals)).map_err(fail)?;
    // Through this process' descriptors: a child keeps none but those of its tray. So nothing of it is
    // inherited by a service.
    let path = format!("/proc/{}/fd/{}", std::process::id(), memory.as_raw_fd());
    Ok(FoldRoot { path: CString::new(path).unwrap_or_default(), _memory: Some(memory) })
}

fn in_file(directory: &Path) -> Result<FoldRoot, Fail> {
    let (path, fresh) = (directory.join(NAME), directory.join("foldroot.new"));
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
    let mode = Mode::from_bits_truncate(0o755);
    let file = open(&fresh, flags, mode).map_err(|e| Fail::at("create", &fresh, e))?;
    write_all(&file).map_err(|e| Fail::at("write", &fresh, e))?;
    drop(file);
    std::fs::rename(&fresh, &path).map_err(|e| Fail::io("rename", &fresh, &e))?;
    let path = CString::new(path.as_os_str().as_bytes()).unwrap_or_default();
    Ok(FoldRoot { path, _memory: None })
}

fn write_all(file: &OwnedFd) -> Result<(), Errno> {
    let mut rest = PROGRAM;
    while !rest.is_empty() {
        match nix::unistd::write(file, rest) {
            Ok(written) => rest = &rest[written..],
            Err(Errno::EINTR) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Whether a process runs this program, whichever version of it, as our own user: by its user ids and its executable,
/// since its names are its own to choose (prctl(2), execve(2)).
pub fn is_one(pid: i32) -> bool {
    let ours = format!("{0}\t{0}\t{0}\t{0}", nix::unistd::geteuid());
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let is_ours = status.lines().filter_map(|line| line.strip_prefix("Uid:\t")).any(|ids| ids == ours);
    let program = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    let program = program.as_os_str().as_bytes();
    let program = program.strip_suffix(b" (deleted)").unwrap_or(program);
    is_ours && (program == b"/memfd:foldroot" || program.ends_with(b"/foldroot"))
}

/// What a fold root says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// The leader exists, and is about to become the program. Comes first.
    Started {
        /// The leader.
        pid: i32,
    },
    /// The leader could not become the program; its end follows. Or, with pid 0, could not be made.
    Failed {
        /// The leader, or 0.
        pid: i32,
        /// The kernel's reason.
        errno: Errno,
    },
    /// A child has ended: the leader, or an orphan of the service. An orphan's end may be left out when the
    /// reader is behind. The fold root ends by itself after the last one.
    Ended {
        /// The child.
        pid: i32,
        /// How.
        ending: Ending,
    },
}

impl Report {
    /// One record; `None` if it is none. Numbers are in the machine's own order.
    pub fn parse(record: &[u8; RECORD]) -> Option<Report> {
        let [kind, pid, code, status] =
            [0, 4, 8, 12].map(|at| i32::from_ne_bytes([0, 1, 2, 3].map(|n| record[at + n])));
        match kind {
            1 => Some(Report::Started { pid }),
            2 => Some(Report::Failed { pid, errno: Errno::from_raw(code) }),
            3 => Some(Report::Ended { pid, ending: reap::ending(code, status) }),
            _ => None,
        }
    }

    /// All records of what was read. Each is written whole, and [`RECORD`] divides the size of a pipe.
    pub fn parse_all(bytes: &[u8]) -> impl Iterator<Item = Report> + '_ {
        bytes.as_chunks::<RECORD>().0.iter().filter_map(Report::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records() {
        let record = |fields: [i32; 4]| {
            let mut bytes = [0; RECORD];
            for (n, field) in fields.into_iter().enumerate() {
                bytes[n * 4..n * 4 + 4].copy_from_slice(&field.to_ne_bytes());
            }
            bytes
        };
        let all =
            [[1, 7, 0, 0], [2, 7, 2, 0], [9, 0, 0, 0], [3, 7, libc::CLD_EXITED, 111]].map(record).concat();
        let reports: Vec<_> = Report::parse_all(&all).collect();
        assert_eq!(
            reports,
            [
                Report::Started { pid: 7 },
                Report::Failed { pid: 7, errno: Errno::ENOENT },
                Report::Ended { pid: 7, ending: Ending::Code(111) },
            ]
        );
        assert_eq!(Report::parse_all(&all[..15]).count(), 0);
    }

    #[test]
    fn the_program_is_small() {
        assert_eq!(&PROGRAM[..4], b"\x7fELF");
        assert!(PROGRAM.len() < 4096, "{}", PROGRAM.len());
    }
}
