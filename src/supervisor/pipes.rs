//! Pipes that nobody has kept: when supervisor, guardian and catcher have all died, the services still hold their
//! ends, and the kernel lets both ends of a pipe be opened by way of one. See proc_pid_fd(5).

use super::Supervisor;
use super::service::Pipe;
use crate::guardian_line::Kind;
use crate::record::Record;
use nix::fcntl::{FcntlArg, OFlag, fcntl, open};
use nix::sys::stat::{Mode, SFlag, fstat};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use sys::spawn::above_tray;

impl Supervisor {
    /// Takes up the pipes that the records name and nobody has kept.
    pub(super) fn find_pipes(&mut self, taken: &[(u32, Record)]) {
        for (index, record) in taken {
            let (log, output) = record.pipes;
            let leader = record.leader.map(|who| who.pid);
            if output != 0 && self.service(*index).is_some_and(|service| service.output.is_none()) {
                self.find_output(*index, leader, output);
            }
            if log != 0 && !self.pipes.contains_key(&record.name) {
                self.find_log_pipe(*index, leader, &record.name, log);
            }
        }
    }

    fn find_output(&mut self, index: u32, leader: Option<i32>, inode: u64) {
        let Some(pipe) = self.pipe_of(index, leader, inode) else { return };
        if let Some(service) = self.service(index) {
            service.output = Some(pipe);
        }
        self.keep(index, Kind::Output);
    }

    fn find_log_pipe(&mut self, index: u32, leader: Option<i32>, name: &[u8], inode: u64) {
        let logger = self.by_name.get(&*[name, b"/log"].concat()).copied();
        let found = self.pipe_of(index, leader, inode).or_else(|| self.pipe_of(logger?, None, inode));
        if let Some(pipe) = found {
            self.pipes.insert(name.to_vec(), pipe);
            self.note(super::keeping::Note::Keep(Kind::Log, name.to_vec()));
        }
    }

    /// The pipe with this inode, if somebody in the service's fold has it.
    fn pipe_of(&mut self, index: u32, leader: Option<i32>, inode: u64) -> Option<Pipe> {
        let service = self.services.get_mut(index as usize)?.as_mut()?;
        let members = service.fold.members(&mut self.fence);
        let pids = leader.into_iter().chain(members.iter().map(|stat| stat.pid));
        pids.into_iter().find_map(|pid| find(pid, inode))
    }
}

/// Both ends of a pipe that a process has open.
fn find(pid: i32, inode: u64) -> Option<Pipe> {
    let name = format!("pipe:[{inode}]");
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    let mut paths = descriptors.flatten().map(|entry| entry.path());
    let path = paths.find(|path| std::fs::read_link(path).is_ok_and(|link| link.as_os_str() == &*name))?;
    // the reading end first, and without waiting: the other may be the last one that is open
    let read = end(&path, OFlag::O_RDONLY, inode)?;
    let write = end(&path, OFlag::O_WRONLY, inode)?;
    Some(Pipe { read, write, inode })
}

/// One end, blocking as a service expects it; `None` if by now something else is there.
fn end(path: &Path, access: OFlag, inode: u64) -> Option<OwnedFd> {
    let fd = open(path, access | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC, Mode::empty()).ok()?;
    let stat = fstat(&fd).ok()?;
    let is_pipe = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFIFO;
    fcntl(&fd, FcntlArg::F_SETFL(OFlag::empty())).ok()?;
    (is_pipe && stat.st_ino == inode).then(|| above_tray(fd.as_fd()).ok())?
}
