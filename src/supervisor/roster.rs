//! The roster: services are entered in it with their files open, and forgotten when they are down.

use super::desk::{self, Desk};
use super::service::{Inode, Kin, Pipe, Service};
use super::timers::Kind as Timer;
use super::{Source, Supervisor, Task};
use crate::fold::Fold;
use crate::guardian_line::Kind;
use crate::service::Settings;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use sys::spawn::lift;
use sys::{Errno, Fail, resolve};

impl Supervisor {
    /// A service with its files open; nothing is started yet.
    pub(super) fn new_service(
        &mut self,
        name: &[u8],
        directory: PathBuf,
        inode: Inode,
        kin: Kin,
    ) -> Result<u32, Fail> {
        let house = self.house_of(name);
        let settings = Settings::read(&directory);
        let spot = desk::place(&directory, house.as_deref())?;
        let desk = Desk::take(spot, self.kept_desk(name))?;
        if !crate::limits::leaves_some(desk.control()) {
            return Err(Fail::at("take up", &directory, Errno::EMFILE));
        }
        let slot = self.table.take_slot();
        let fold = Fold::find(&self.fence, name).unwrap_or_else(|| Fold::new(name));
        let mut service = Service::new(name, directory, fold, desk, slot);
        service.inode = Some(inode);
        service.kin = kin;
        service.just_read = settings.is_ok();
        service.go_by(settings.clone().unwrap_or_default());
        let index = self.insert(service);
        self.keep(index, Kind::Desk);
        if let Err(unusable) = settings {
            self.complain(index, &unusable.to_string());
        }
        Ok(index)
    }

    /// Makes a service's files be found in its directory, which is another than before.
    pub(super) fn move_desk(&mut self, index: u32) -> Result<(), Fail> {
        let Some(service) = self.services.get(index as usize).and_then(Option::as_ref) else { return Ok(()) };
        // where they are; a link may be put there now
        let inode = |path: &PathBuf| resolve::find(path).map(|found| found.inode()).ok();
        let before = inode(&service.desk.path);
        let spot = desk::place(&service.directory, self.house_of(&service.name).as_deref())?;
        if before.is_some() && inode(&spot.path) == before {
            return Ok(());
        }
        let desk = Desk::open(spot)?;
        self.unwatch(service.desk.control());
        self.watch(desk.control(), Source::Control(index));
        if let Some(service) = self.service(index) {
            service.desk = desk;
        }
        self.keep(index, Kind::Desk);
        self.touch(index);
        Ok(())
    }

    /// Where a service's files are made, if it brings no place of its own.
    pub(super) fn house_of(&self, name: &[u8]) -> Option<PathBuf> {
        match self.task {
            Task::Directory(_) => Some(desk::house(&self.run, name)),
            Task::One(_) => None,
        }
    }

    pub(super) fn insert(&mut self, service: Service) -> u32 {
        let index = self.free.pop().unwrap_or_else(|| {
            self.services.push(None);
            self.services.len() as u32 - 1
        });
        self.by_name.insert(service.name.clone(), index);
        self.by_inode.extend(service.inode.map(|inode| (inode, index)));
        self.watch(service.desk.control(), Source::Control(index));
        self.services[index as usize] = Some(service);
        index
    }

    /// The service whose directory this is, wherever it stands by now; of one that was moved before it was taken over
    /// only its files in `supervise` tell.
    pub(super) fn of_directory(&self, inode: Inode, path: &Path) -> Option<u32> {
        if let Some(&index) = self.by_inode.get(&inode) {
            return Some(index);
        }
        if self.by_inode.len() >= self.by_name.len() {
            return None;
        }
        let desk = resolve::find(&path.join("supervise")).and_then(|desk| desk.path()).ok();
        let is_it = |service: &Service| service.inode.is_none() && Some(&service.desk.path) == desk.as_ref();
        let index = self.services.iter().position(|service| service.as_ref().is_some_and(is_it))?;
        u32::try_from(index).ok()
    }

    /// This is a service's directory from now on. Gives the one before.
    pub(super) fn set_inode(&mut self, index: u32, inode: Inode) -> Option<Inode> {
        let before = self.service(index)?.inode.replace(inode);
        self.forget_inode(index, before);
        self.by_inode.insert(inode, index);
        before
    }

    fn forget_inode(&mut self, index: u32, inode: Option<Inode>) {
        if let Some(inode) = inode
            && self.by_inode.get(&inode) == Some(&index)
        {
            self.by_inode.remove(&inode);
        }
    }

    /// The pipe to the catcher, made when something is first started.
    pub(super) fn make_output(&mut self, index: u32) {
        let Some(service) = self.services[index as usize].as_ref() else { return };
        if service.output.is_some() || self.keeping.is_none() {
            return;
        }
        match make_pipe() {
            Ok(pipe) => {
                if let Some(service) = self.service(index) {
                    service.output = Some(pipe);
                }
                self.keep(index, Kind::Output);
            }
            Err(words) => self.complain(index, &words),
        }
    }

    /// Closes a service's files and forgets it. Its name may still stand in the scan directory: the next
    /// rescan takes it up anew, as daemontools' svscan starts supervise again.
    pub(super) fn forget(&mut self, index: u32) {
        let Some(mut service) = self.services[index as usize].take() else { return };
        self.await_no_end(index);
        let face = service.face();
        let _ = service.desk.publish(&face);
        self.fence.left_behind |= !service.fold.is_cleared(&mut self.fence);
        self.unwatch(service.desk.control());
        for fd in service.ready.iter() {
            self.unwatch(fd.as_fd());
        }
        if let Some(mailbox) = service.mailbox.take() {
            self.discard_mailbox(&mailbox, &service.name);
        }
        for kind in [Timer::Deadline, Timer::Recheck] {
            let at = if kind == Timer::Deadline { service.deadline } else { service.recheck };
            self.timers.set(index, kind, at, None);
        }
        // with a start check that is still running everybody in its fold goes
        service.scripts.iter().for_each(|script| Supervisor::kill_process(&script.process));
        self.pids.retain(|_, (whose, _)| *whose != index);
        self.clear_rubbish();
        self.by_name.remove(&service.name);
        self.forget_inode(index, service.inode);
        if self.shutdown.is_some() {
            // before it is out of the table: who is killed in between is followed by one that does it again
            desk::remove(&service.directory, &service.desk, &self.run);
        }
        let _ = self.table.give_back(service.slot);
        for kind in [Kind::Desk, Kind::Output, Kind::Report, Kind::Ready, Kind::Mail] {
            self.unkeep(kind, &service.name);
        }
        self.part(index, &service);
        self.freed.push(index);
        self.take_up_later(&service);
    }

    /// Service and logger know of each other no more. Their pipe goes with the last of them, or, when all is
    /// being stopped, with the service: that is the end of the logger's input.
    fn part(&mut self, index: u32, service: &Service) {
        let (other, becomes) = match service.kin {
            Kin::LoggedBy(log) => (Some(log), Kin::LogOf(None)),
            Kin::LogOf(main) => (main, Kin::Alone),
            Kin::Alone => return,
        };
        let other = other.and_then(|other| self.service(other));
        let left =
            other.filter(|other| matches!(other.kin, Kin::LoggedBy(n) | Kin::LogOf(Some(n)) if n == index));
        let alone = left.is_none();
        if let Some(other) = left {
            other.kin = becomes;
        }
        if alone || self.shutdown.is_some() {
            let main =
                service.name.strip_suffix(b"/log").filter(|_| service.is_log()).unwrap_or(&service.name);
            self.pipes.remove(main);
            self.unkeep(Kind::Log, main);
        }
    }
}

/// A pipe above the tray, close-on-exec.
pub(super) fn make_pipe() -> Result<Pipe, String> {
    let fail = |errno| Fail::of("make a pipe", errno).to_string();
    let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(fail)?;
    let high = |fd| lift(fd).map_err(|fail| fail.to_string());
    Ok(Pipe::of(high(read)?, high(write)?))
}
