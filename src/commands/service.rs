//! A service as the commands meet it: its directory, the table that has it, and its `control`.
//!
//! There is no connection to the supervisor: what it thinks stands in the table and in
//! `supervise/status`, and it is told by letters. So the same commands also work, as far as that goes,
//! under daemontools' supervise and runit's runsv, which have the latter two only.

use super::failure::{Failure, shown};
use super::tables::{self, Life};
use crate::machine::{Ms, Phase, Want};
use crate::place;
use crate::record::{self, Record};
use crate::service::name;
use crate::table::{self, Head, View};
use compat::control::Command;
use compat::status::{self, RunState, Status};
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use sys::process::Identity;
use sys::{Directory, Errno, files, resolve};

/// One service.
pub(super) struct Service {
    /// Its directory as it was named, with a slash at its end, for people.
    pub(super) shown: String,
    /// The same, absolute.
    pub(super) directory: PathBuf,
    /// Its `supervise`, also where the directory itself is gone.
    pub(super) supervise: PathBuf,
    /// Device and inode of the directory: the service, whatever it is called.
    pub(super) inode: (u64, u64),
    /// Where pinfold's table has it; `None` under another family's supervisor.
    pub(super) entry: Option<Entry>,
}

/// A service's place in a table.
pub(super) struct Entry {
    /// The supervisor's run directory.
    pub(super) run: PathBuf,
    /// The table's head.
    pub(super) head: Head,
    /// Its name below the scan directory.
    pub(super) name: Vec<u8>,
    slot: u32,
    head_sum: u64,
}

/// What can be seen of a service at one moment.
#[derive(Clone, Debug)]
pub(super) enum Sight {
    /// What pinfold's table says.
    Ours(Box<Record>),
    /// What another family's supervisor says.
    Others(Status),
    /// Nobody supervises it.
    Nobody,
}

/// What tells one run of a service from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Run {
    /// When pinfold started it, on the monotonic clock.
    Ours(Ms),
    /// When it changed, and the pid.
    Others(compat::tai::Tai64n, u32),
    /// Not known.
    None,
}

impl Service {
    /// The service an administrator means by `name`. Whether anybody supervises it is not asked here.
    pub(super) fn find(name: &OsStr) -> Result<Service, Failure> {
        let named = name::resolve(name);
        let directory = std::path::absolute(&named).unwrap_or(named.clone());
        let meta = match std::fs::metadata(&directory) {
            Ok(meta) if meta.is_dir() => meta,
            Ok(_) => return Err(Failure::no(format!("{} is not a directory", shown(&named)))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Service::without_directory(&named, directory).ok_or_else(|| unknown(&named));
            }
            Err(e) => return Err(Failure::at("look at", &named, sys::fail::errno_of(&e))),
        };
        let inode = (meta.dev(), meta.ino());
        let entry = locate(&directory, inode);
        let (shown, supervise) = (slashed(&named), directory.join("supervise"));
        Ok(Service { shown, directory, supervise, inode, entry })
    }

    /// One whose directory was removed while it runs: its supervisor has it still.
    fn without_directory(named: &Path, directory: PathBuf) -> Option<Service> {
        let there = directory.ancestors().find_map(|path| Some((path, std::fs::canonicalize(path).ok()?)));
        let real = there.and_then(|(path, real)| Some(real.join(directory.strip_prefix(path).ok()?)))?;
        let living = tables::all().into_iter().filter(|view| tables::life(&view.head) != Life::Gone);
        let entry = living.into_iter().find_map(|view| {
            let is_it = |record: &Record| tables::directory_of(&view.head, record) == real;
            let (slot, record) = view.records.iter().find(|(_, record)| is_it(record))?;
            Some(Entry::new(&view, *slot, record))
        })?;
        let supervise = place::house(&entry.run, &entry.name);
        // no directory has this inode
        Some(Service { shown: slashed(named), directory, supervise, inode: (0, 0), entry: Some(entry) })
    }

    /// Its directory was removed: it can be stopped, and never started again.
    pub(super) fn is_removed(&self) -> bool {
        !self.directory.exists()
    }

    /// How it is called in messages before it is known to exist.
    pub(super) fn as_named(name: &OsStr) -> String {
        slashed(&name::resolve(name))
    }

    /// What can be seen of it now.
    pub(super) fn look(&mut self) -> Sight {
        if let Some(entry) = &mut self.entry
            && let Some(record) = entry.read()
            && tables::life(&entry.head) != Life::Gone
        {
            return Sight::Ours(Box::new(record));
        }
        self.entry = locate(&self.directory, self.inode);
        if let Some(record) = self.entry.as_mut().and_then(Entry::read) {
            return Sight::Ours(Box::new(record));
        }
        match self.reader_of("ok").and_then(|()| self.status()) {
            Ok(status) => Sight::Others(status),
            Err(_) => Sight::Nobody,
        }
    }

    /// Waits, but not for long, while a service is just being taken up: it can be told things, and nothing is said of
    /// it yet.
    pub(super) fn await_sight(&mut self) {
        for _ in 0..500 {
            let taken = self.reader_of("ok").is_ok() && matches!(self.look(), Sight::Nobody);
            if !taken {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(1)); // bounded: half a second
        }
    }

    /// Whether its supervisor lives at this moment, and not only the guardian that will start another.
    pub(super) fn is_watched_over(&self) -> bool {
        self.entry.as_ref().is_none_or(|entry| tables::life(&entry.head) == Life::Supervised)
    }

    /// The supervisor that is told: another one afterwards must be told again.
    pub(super) fn supervisor(&self) -> Option<Identity> {
        self.entry.as_ref().and_then(|entry| entry.head.supervisor)
    }

    /// Whether `supervise/status` already says what the table does: the table is written first, and who has
    /// waited for one may look at the other next.
    pub(super) fn is_published(&self, sight: &Sight) -> bool {
        match (sight, self.status()) {
            (Sight::Ours(record), Ok(status)) => record.state.phase.is_still() == (status.pid == 0),
            _ => true,
        }
    }

    /// The record that daemontools' and runit's supervisors keep, too.
    pub(super) fn status(&self) -> Result<Status, Errno> {
        let path = self.supervise.join("status");
        let bytes = files::read(&path, files::BOUND).map_err(|fail| fail.errno)?.ok_or(Errno::ENOENT)?;
        Status::decode(&bytes[..bytes.len().min(status::LEN)]).ok_or(Errno::EBADMSG)
    }

    /// Whether somebody has the FIFO open for reading: `ENXIO` if nobody has.
    fn reader_of(&self, fifo: &str) -> Result<(), Errno> {
        self.open_fifo(fifo).map(drop)
    }

    /// Opens a FIFO of `supervise/` without ever waiting for its reader.
    fn open_fifo(&self, name: &str) -> Result<std::os::fd::OwnedFd, Errno> {
        let supervise = Directory::open(&self.supervise).map_err(|fail| fail.errno)?;
        supervise.open_to_tell(OsStr::new(name))
    }

    /// Sends commands, all at once. Never waits: an unsupervised service, a forbidden one and a supervisor
    /// that reads no more are each an error.
    pub(super) fn tell(&self, commands: &[Command]) -> Result<(), Failure> {
        let letters: Vec<u8> = commands.iter().map(|command| command.letter()).collect();
        let control = self.supervise.join("control");
        let sent = self.open_fifo("control").and_then(|fifo| nix::unistd::write(&fifo, &letters));
        match sent {
            Ok(n) if n == letters.len() => Ok(()),
            Ok(_) | Err(Errno::EAGAIN) => Err(Failure::no(
                "its supervisor does not take commands: supervise/control is full (does it hang?)",
            )),
            Err(Errno::ENXIO | Errno::EPIPE) => Err(Failure::no(
                "not supervised: supervise/control is there, but nobody reads it (start svscan again)",
            )),
            Err(Errno::ENOENT) => Err(Failure::no("not supervised: nobody has ever taken it up (svscan?)")),
            Err(Errno::ESPIPE) => Err(Failure::no(format!("{} is not a FIFO", shown(&control)))),
            Err(errno) => Err(Failure::at("open", &control, errno)),
        }
    }

    /// A file in its directory that its owner may execute.
    pub(super) fn has_script(&self, name: &str) -> bool {
        let meta = std::fs::metadata(self.directory.join(name));
        meta.is_ok_and(|meta| meta.is_file() && meta.mode() & 0o100 != 0)
    }
}

impl Entry {
    fn new(view: &View, slot: u32, record: &Record) -> Entry {
        let (run, head) = (view.run.clone(), view.head.clone());
        Entry { run, head, name: record.name.clone(), slot, head_sum: 0 }
    }

    /// Its record as of now: two small reads, unless the supervisor is another one by now.
    fn read(&mut self) -> Option<Record> {
        let file = File::open(self.run.join(table::NAME)).ok()?;
        let mut block = [0; record::SIZE];
        file.read_exact_at(&mut block, 0).ok()?;
        let sum = place::hash(&block);
        if sum == self.head_sum {
            file.read_exact_at(&mut block, (u64::from(self.slot) + 1) * record::SIZE as u64).ok()?;
            if let Some(record) = Record::decode(&block).filter(|record| record.name == self.name) {
                return Some(record);
            }
        }
        let view = table::read(&self.run).ok()?;
        let (slot, record) = view.records.into_iter().find(|(_, record)| record.name == self.name)?;
        (self.slot, self.head, self.head_sum) = (slot, view.head, sum);
        Some(record)
    }
}

/// Finds a service in the tables of the living supervisors, by its directory's identity: the same service
/// may have several names.
fn locate(directory: &Path, inode: (u64, u64)) -> Option<Entry> {
    let views: Vec<View> =
        tables::all().into_iter().filter(|view| tables::life(&view.head) != Life::Gone).collect();
    let last = directory.file_name().map(OsStr::as_bytes);
    // those of the same name first: then one stat is enough
    let same_name = |record: &Record| record.name.rsplit(|&b| b == b'/').next() == last;
    let is_it = |view: &View, record: &Record| {
        let found = std::fs::metadata(tables::directory_of(&view.head, record));
        found.is_ok_and(|meta| (meta.dev(), meta.ino()) == inode)
    };
    for wanted in [true, false] {
        for view in &views {
            let candidates = view.records.iter().filter(|(_, record)| same_name(record) == wanted);
            if let Some((slot, record)) = candidates.into_iter().find(|(_, record)| is_it(view, record)) {
                return Some(Entry::new(view, *slot, record));
            }
        }
    }
    by_link(directory, &views)
}

/// A service that was moved is known by where its `supervise` leads.
fn by_link(directory: &Path, views: &[View]) -> Option<Entry> {
    let desk = resolve::find(&directory.join("supervise")).and_then(|desk| desk.path()).ok()?;
    let run = desk.parent()?.parent()?;
    let view = views.iter().find(|view| std::fs::canonicalize(&view.run).is_ok_and(|real| real == run))?;
    let is_it = |record: &Record| desk.file_name() == Some(&place::escape(OsStr::from_bytes(&record.name)));
    let (slot, record) = view.records.iter().find(|(_, record)| is_it(record))?;
    Some(Entry::new(view, *slot, record))
}

impl Sight {
    /// The process that stands for the service, or the last of it.
    pub(super) fn pid(&self) -> Option<i32> {
        match self {
            Sight::Ours(record) => record.leader.map(|who| who.pid),
            Sight::Others(status) => i32::try_from(status.pid).ok().filter(|&pid| pid != 0),
            Sight::Nobody => None,
        }
    }

    /// Nothing of it is alive, and nothing will be started.
    pub(super) fn is_down(&self) -> bool {
        match self {
            Sight::Ours(record) => record.state.phase == Phase::Down,
            Sight::Others(status) => status.pid == 0 && status.want != status::Want::Up,
            Sight::Nobody => false,
        }
    }

    /// It is up, or on its way there, or would be if it did not crash.
    pub(super) fn is_meant_to_run(&self) -> bool {
        match self {
            Sight::Ours(record) => {
                let at_rest = matches!(record.state.phase, Phase::Down | Phase::Failed { .. });
                record.state.want != Want::Down && !at_rest
            }
            Sight::Others(status) => status.pid != 0 || status.want == status::Want::Up,
            Sight::Nobody => false,
        }
    }

    /// It is up: its program runs, or the daemon that it left.
    pub(super) fn is_up(&self) -> bool {
        match self {
            Sight::Ours(record) => record.state.phase.is_up(),
            Sight::Others(status) => status.pid != 0 && status.run == RunState::Run,
            Sight::Nobody => false,
        }
    }

    /// Which run this is: another one after each start.
    pub(super) fn run(&self) -> Run {
        match self {
            Sight::Ours(record) => Run::Ours(record.state.started),
            Sight::Others(status) => Run::Others(status.stamp, status.pid),
            Sight::Nobody => Run::None,
        }
    }

    /// Since when it has been up, on the monotonic clock, as far as that is told.
    pub(super) fn up_since(&self, now: Ms) -> Ms {
        match self {
            Sight::Ours(record) => match record.state.phase {
                Phase::Starting { since, .. } | Phase::Ready { since, .. } | Phase::Daemonising { since } => {
                    since
                }
                _ => now,
            },
            Sight::Others(status) => {
                now.saturating_sub(status.stamp.seconds_until(compat::tai::Tai64n::now()) * 1000)
            }
            Sight::Nobody => now,
        }
    }
}

/// A directory for people, with a slash at its end.
fn slashed(path: &Path) -> String {
    format!("{}/", shown(path).trim_end_matches('/'))
}

/// There is nothing of this name; perhaps another was meant.
pub(super) fn unknown(named: &Path) -> Failure {
    let hint = neighbour(named).map_or(String::new(), |near| format!("; did you mean {near}?"));
    Failure::no(format!("no such service: {} does not exist{hint}", shown(named)))
}

/// A service beside the one that is not there, whose name is almost the same.
fn neighbour(named: &Path) -> Option<String> {
    let wanted = named.file_name()?.to_string_lossy().into_owned();
    let beside = std::fs::read_dir(named.parent()?).ok()?.flatten().filter(|entry| entry.path().is_dir());
    let names = beside.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let near = names.map(|name| (strsim::osa_distance(&name, &wanted), name));
    let (distance, name) = near.filter(|(_, name)| !name.starts_with('.')).min()?;
    (distance <= 1 + wanted.chars().count() / 4).then(|| name.escape_debug().to_string())
}
