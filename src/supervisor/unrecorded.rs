//! What lives and is recorded nowhere: the table was lost (an emptied run directory) while services went on.
//!
//! Of these only the kernel tells: they are in a house without a supervisor, or below fold roots of our name. Who is
//! the leader of what can't be known; so a fold in which somebody lives is emptied before its service is started,
//! and never is there a second copy.

use super::Supervisor;
use super::keeping::Kept;
use super::service::Pipe;
use crate::fold::has_root_in;
use crate::guardian_line::{Key, Kind};
use crate::machine::{Event, State};
use crate::{place, say, seat, table};
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use sys::clock::monotonic_ms;
use sys::{Errno, Fail};

impl Supervisor {
    /// At a start without a table: whether somebody is left of an earlier supervisor all the same, or whether that
    /// one even lives. `kept` is what a guardian has kept.
    pub(super) fn look_for_unrecorded(&mut self, kept: Kept) -> Result<(), Fail> {
        if let Some(pid) = self.fence.house().and_then(cgroup::House::neighbour) {
            let what = format!("{} (run directory {})", self.task.directory().display(), self.run.display());
            say::warning(&format!(
                "pid {pid} supervises this directory and has lost its run directory, or uses another: end it first \
                 (by TERM to it, or to its svscan)"
            ));
            return Err(Fail { doing: "supervise".into(), what, errno: Errno::EBUSY });
        }
        self.kept = kept;
        self.unrecorded =
            self.fence.house().is_some_and(cgroup::House::is_adopted) || has_root_in(self.task.directory());
        if self.unrecorded {
            say::warning(&format!(
                "services of an earlier supervisor are alive and nothing is recorded of them ({} was lost?): \
                 each is ended before it is started anew",
                self.run.display().to_string().escape_debug()
            ));
        }
        Ok(())
    }

    /// Somebody may have emptied the run directory: then all that stood there is made again, and services can be
    /// controlled and looked at as before.
    pub(super) fn make_run_directory_again(&mut self) {
        if !self.run.join(table::NAME).exists() {
            if let Err(fail) = self.make_seat_and_table_again() {
                return say::warning(&fail.to_string());
            }
            let run = self.run.display().to_string();
            say::warning(&format!("{} was lost, and is made again", run.escape_debug()));
            self.put_head();
            self.indices().into_iter().for_each(|index| self.touch(index));
        }
        for index in self.indices() {
            if self.service(index).is_some_and(|service| !service.desk.path.exists())
                && let Err(fail) = self.move_desk(index)
            {
                self.complain(index, &fail.to_string());
            }
        }
    }

    fn make_seat_and_table_again(&mut self) -> Result<(), Fail> {
        let run = place::make(self.task.directory())?;
        if let Some(seat) = seat::take(&run)? {
            self.seat = sys::spawn::above_tray(seat.as_fd())?;
        }
        self.table.make_again(&run)
    }

    /// Ends whoever is in the fold of a service that is just being taken up. Leftovers that were left on purpose, and
    /// then given up by `svc -x`, are not meant.
    pub(super) fn sweep_unrecorded(&mut self, index: u32) {
        let Ok(name) = self.root_name(index) else { return };
        let Some(service) = self.services[index as usize].as_mut() else { return };
        if self.unrecorded {
            service.fold.find_roots(&mut self.fence, &name);
        }
        let left_on_purpose = service.settings.config.leader_only && !self.unrecorded;
        if left_on_purpose || service.fold.is_empty(&mut self.fence) {
            return;
        }
        let name = service.shown_name();
        service.state = State::unrecorded(monotonic_ms());
        say::info(&format!("{name}: somebody of it is alive of whom nothing is recorded: ended first"));
        self.turn(index, Event::Adopted { present: false, emptied: false });
    }

    /// What the guardian kept for this service, for a start without a table.
    pub(super) fn kept_desk(&mut self, name: &[u8]) -> Vec<OwnedFd> {
        self.kept.remove(&Key { kind: Kind::Desk, name: name.to_vec() }).unwrap_or_default()
    }

    /// The pipe to a logger which the guardian kept, for a start without a table.
    pub(super) fn kept_log_pipe(&mut self, name: &[u8]) -> Option<Pipe> {
        let mut ends = self.kept.remove(&Key { kind: Kind::Log, name: name.to_vec() })?.into_iter();
        Some(Pipe::of(ends.next()?, ends.next()?))
    }

    /// Everything has been taken up: what is still kept or alive belongs to no service of this directory.
    pub(super) fn name_unrecorded(&mut self) {
        // what could not be taken up yet is tried again
        let waits = |name: &[u8]| {
            let main = name.strip_suffix(b"/log").unwrap_or(name);
            self.scan.is_pending(OsStr::from_bytes(main))
        };
        let gone: Vec<Key> = self.kept.keys().filter(|key| !waits(&key.name)).cloned().collect();
        for key in gone {
            self.kept.remove(&key);
            self.unkeep(key.kind, &key.name);
        }
        if !self.unrecorded {
            return;
        }
        self.end_checks();
        let Some(house) = self.fence.house() else { return };
        let is_ours =
            |group: &str| self.services.iter().flatten().any(|service| service.fold.is_called(group));
        for group in house.inhabited().iter().filter(|group| !is_ours(group)) {
            say::warning(&format!(
                "{}: somebody is alive in it, and no service here is called so",
                house.path().join(group).display().to_string().escape_debug()
            ));
        }
    }
}
