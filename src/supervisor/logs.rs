//! Log services: what `log/` makes of a service and its logger, and the pipe between them.

use super::roster::make_pipe;
use super::scan::taken;
use super::service::Kin;
use super::{Supervisor, Task};
use crate::guardian_line::Kind;
use sys::{Errno, resolve};

impl Supervisor {
    /// Takes up the log service of `main`, if it has one that is not there yet.
    pub(super) fn take_up_log(&mut self, main: u32) {
        if !matches!(self.task, Task::Directory(_)) {
            return;
        }
        let Some(service) = self.service(main) else { return };
        if !service.settings.log || service.kin != Kin::Alone {
            return;
        }
        let directory = service.directory.join("log");
        let name = [&service.name[..], b"/log"].concat();
        let found = match resolve::find(&directory) {
            Ok(found) => found,
            Err(Errno::ENOENT) => return,
            Err(e) => return self.complain(main, &resolve::fail("use", &directory, e).to_string()),
        };
        if !found.is_directory() {
            return self.complain(main, "log is not a directory: its output goes to the catcher");
        }
        let inode = found.inode();
        // as with every service: its real directory
        let directory = found.real(directory);
        let main_name = service.name.to_vec();
        let taken = self.make_log_pipe(&main_name).and_then(|()| match self.by_name.get(&*name) {
            // it outlived the service it belonged to, which is back now
            Some(&log) => Ok((log, false)),
            None => {
                let log = self.new_service(&name, directory, inode, Kin::LogOf(Some(main)));
                log.map(|log| (log, true)).map_err(|fail| taken(&fail))
            }
        });
        match taken {
            Ok((log, new)) => {
                self.join(main, log);
                if new {
                    self.begin(log);
                }
            }
            Err(words) => self.complain(main, &format!("its log service: {words}")),
        }
    }

    /// Service and logger know of each other.
    pub(super) fn join(&mut self, main: u32, log: u32) {
        let pipe = self.service(main).map(|service| service.name.to_vec());
        let inode = pipe.and_then(|name| self.pipes.get(&name)).map_or(0, |pipe| pipe.inode);
        if let Some(service) = self.service(main) {
            service.kin = Kin::LoggedBy(log);
            service.log_inode = inode;
        }
        if let Some(service) = self.service(log) {
            service.kin = Kin::LogOf(Some(main));
        }
    }

    /// The pipe of a service that has a logger, or is one. It may have been lost with everybody who had it open.
    pub(super) fn renew_log_pipe(&mut self, index: u32) -> Result<(), String> {
        let Some(service) = self.service(index) else { return Ok(()) };
        let main = match service.kin {
            Kin::LoggedBy(_) => service.name.to_vec(),
            Kin::LogOf(_) => service.name.strip_suffix(b"/log").unwrap_or(&service.name).to_vec(),
            Kin::Alone => return Ok(()),
        };
        if self.pipes.contains_key(&main) {
            return Ok(());
        }
        self.make_log_pipe(&main)?;
        let inode = self.pipes.get(&main).map_or(0, |pipe| pipe.inode);
        if let Some(&main) = self.by_name.get(&*main)
            && let Some(service) = self.service(main)
        {
            service.log_inode = inode;
            self.save(main);
        }
        Ok(())
    }

    /// The pipe between a service and its logger, if it is not there yet.
    fn make_log_pipe(&mut self, main: &[u8]) -> Result<(), String> {
        if !self.pipes.contains_key(main) {
            let pipe = self.kept_log_pipe(main).map_or_else(make_pipe, Ok)?;
            self.pipes.insert(main.to_vec(), pipe);
            self.note(super::keeping::Note::Keep(Kind::Log, main.to_vec()));
        }
        Ok(())
    }
}
