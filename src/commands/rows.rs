//! What there is to show of services: one [`Row`] each, for the table and for JSON.

use super::failure::Failure;
use super::last_words;
use super::members::{self, Members};
use super::service::{Service, Sight};
use super::tables::{self, Life};
use crate::machine::{Ms, Phase};
use crate::record::Record;
use crate::table::{Head, View};
use cgroup::controllers::Usage;
use compat::status::Status;
use compat::tai::Tai64n;
use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::rc::Rc;
use sys::clock::{monotonic_ms, wall};

/// A supervisor, for what is shown.
#[derive(Clone, Debug)]
pub(super) struct Keeper {
    /// What it says of itself.
    pub(super) head: Head,
    /// Its run directory.
    pub(super) run: PathBuf,
    /// Whether it lives.
    pub(super) life: Life,
    /// What it says of its services.
    records: Vec<(u32, Record)>,
}

/// What is known of a service, and from whom.
#[derive(Clone, Copy, Debug)]
pub(super) enum Known<'a> {
    /// Pinfold's table.
    Ours(&'a Record),
    /// Another family's supervisor.
    Others(&'a Status),
}

/// Where that stands.
#[derive(Clone, Debug)]
enum Source {
    /// At this place among its supervisor's records.
    Table(Rc<Keeper>, usize),
    /// In the service's directory.
    Status(Status, PathBuf),
}

/// What is not in the table.
#[derive(Clone, Debug, Default)]
pub(super) struct Closer {
    /// How many processes are in its fold, if that can be told.
    pub(super) processes: Option<usize>,
    /// What they use of memory, in bytes, where the kernel counts it.
    pub(super) memory: Option<u64>,
    /// There is no file `down`: it is started at boot.
    pub(super) enabled: bool,
    /// What its group uses, if it was asked for by name.
    pub(super) usage: Usage,
    /// What it last said, likewise.
    pub(super) last_lines: Vec<String>,
}

/// A service, for what is shown.
#[derive(Clone, Debug)]
pub(super) struct Row {
    source: Source,
    /// What takes a closer look.
    pub(super) closer: Option<Box<Closer>>,
}

/// Everything that pinfold supervises, by scan directory and name.
pub(super) fn all() -> Vec<Row> {
    let mut rows = Vec::new();
    for mut view in tables::all() {
        view.records.sort_unstable_by(|(_, one), (_, other)| order(one).cmp(&order(other)));
        let keeper = Rc::new(Keeper::new(view));
        rows.extend((0..keeper.records.len()).map(|at| Row::new(Source::Table(Rc::clone(&keeper), at))));
    }
    rows
}

/// A log service below its service, whatever else begins with that one's name.
fn order(record: &Record) -> (&[u8], usize) {
    (record.name.strip_suffix(b"/log").unwrap_or(&record.name), record.name.len())
}

/// Takes a closer look at each: counts its processes and their memory. For a thousand services the kernel
/// takes longer over this than over all else together. Those that were `named` are looked at closer still.
pub(super) fn look_closer(rows: &mut [Row], named: bool) {
    let members = Members::default();
    for row in rows {
        let mut closer = row.look(&members);
        if named {
            let group = row.record().zip(row.keeper()).and_then(|(r, k)| members::group(&k.head, r));
            closer.usage = group.map_or(Usage::default(), |group| cgroup::controllers::usage(&group));
            let entry = row.record().zip(row.keeper()).map(|(r, k)| (&*k.run, &*r.name));
            closer.last_lines = last_words::all(&row.directory(), entry);
        }
        row.closer = Some(Box::new(closer));
    }
}

/// The one service that is meant by `name`, as its living supervisor has it, else as it was last known.
pub(super) fn one(name: &OsStr) -> Result<Row, Failure> {
    let mut service = Service::find(name)?;
    match service.look() {
        Sight::Ours(record) => {
            let Some(entry) = &service.entry else { return Err(Failure::no("not supervised")) };
            let (head, run) = (entry.head.clone(), entry.run.clone());
            Ok(Row::only(View { head, run, records: vec![(0, *record)] }))
        }
        Sight::Others(status) => Ok(Row::new(Source::Status(status, service.directory))),
        Sight::Nobody => last_known(&service).ok_or_else(|| match service.tell(&[]) {
            Err(failure) => failure,
            Ok(()) => Failure::no("not supervised"),
        }),
    }
}

/// Those of `names`; for each that can't be shown, its name and why.
pub(super) fn named(names: &[OsString]) -> (Vec<Row>, Vec<(String, Failure)>) {
    let mut rows = Vec::new();
    let mut failures = Vec::new();
    for name in names {
        match one(name) {
            Ok(row) => rows.push(row),
            Err(failure) => failures.push((Service::as_named(name), failure)),
        }
    }
    (rows, failures)
}

/// From a table whose supervisor is gone.
fn last_known(service: &Service) -> Option<Row> {
    tables::all().into_iter().find_map(|View { head, records, run }| {
        let is_it = |record: &Record| {
            let meta = std::fs::metadata(tables::directory_of(&head, record));
            meta.is_ok_and(|meta| (meta.dev(), meta.ino()) == service.inode)
        };
        let found = records.into_iter().find(|(_, record)| is_it(record))?;
        Some(Row::only(View { head, run, records: vec![found] }))
    })
}

impl Keeper {
    fn new(view: View) -> Keeper {
        let View { head, records, run } = view;
        Keeper { life: tables::life(&head), head, run, records }
    }
}

impl Row {
    fn new(source: Source) -> Row {
        Row { source, closer: None }
    }

    /// The only one of a table.
    fn only(view: View) -> Row {
        Row::new(Source::Table(Rc::new(Keeper::new(view)), 0))
    }

    fn look(&self, members: &Members) -> Closer {
        let enabled = !self.directory().join("down").exists();
        let Some((record, keeper)) = self.record().zip(self.keeper()) else {
            return Closer { enabled, ..Closer::default() };
        };
        let group = members::group(&keeper.head, record);
        Closer {
            processes: members.count(&keeper.head, record),
            memory: group.and_then(|group| members::memory(&group)),
            enabled,
            ..Closer::default()
        }
    }

    /// What is known of it.
    pub(super) fn known(&self) -> Known<'_> {
        match &self.source {
            Source::Table(keeper, at) => Known::Ours(&keeper.records[*at].1),
            Source::Status(status, _) => Known::Others(status),
        }
    }

    /// Its name below the scan directory; bytes that are no text are replaced.
    pub(super) fn name(&self) -> Cow<'_, str> {
        match &self.source {
            Source::Table(keeper, at) => String::from_utf8_lossy(&keeper.records[*at].1.name),
            Source::Status(_, directory) => {
                directory.file_name().unwrap_or(directory.as_os_str()).to_string_lossy()
            }
        }
    }

    /// Its directory.
    pub(super) fn directory(&self) -> PathBuf {
        match &self.source {
            Source::Table(keeper, at) => tables::directory_of(&keeper.head, &keeper.records[*at].1),
            Source::Status(_, directory) => directory.clone(),
        }
    }

    /// The table's record, if pinfold supervises it.
    pub(super) fn record(&self) -> Option<&Record> {
        match self.known() {
            Known::Ours(record) => Some(record),
            Known::Others(_) => None,
        }
    }

    /// Pinfold's supervisor over it.
    pub(super) fn keeper(&self) -> Option<&Rc<Keeper>> {
        match &self.source {
            Source::Table(keeper, _) => Some(keeper),
            Source::Status(..) => None,
        }
    }

    /// What is shown is how it was when its supervisor died.
    pub(super) fn is_last_known(&self) -> bool {
        self.keeper().is_some_and(|keeper| keeper.life == Life::Gone)
    }

    /// It is the log service of another.
    pub(super) fn is_log(&self) -> bool {
        self.name().ends_with("/log")
    }

    /// The process that stands for it; one that has died unnoticed is none.
    pub(super) fn pid(&self) -> Option<i32> {
        match self.known() {
            Known::Ours(record) if self.is_last_known() => {
                record.leader.filter(|who| who.exists()).map(|who| who.pid)
            }
            Known::Ours(record) => record.leader.map(|who| who.pid),
            Known::Others(status) => i32::try_from(status.pid).ok().filter(|&pid| pid != 0),
        }
    }

    /// Whether something of it runs, as init scripts' `status` means it.
    pub(super) fn is_running(&self) -> bool {
        match self.known() {
            Known::Ours(_) if self.is_last_known() => self.pid().is_some(),
            Known::Ours(record) => !record.state.phase.is_still(),
            Known::Others(_) => self.pid().is_some(),
        }
    }

    /// How long it has been up, or down: seconds.
    pub(super) fn seconds(&self) -> u64 {
        match self.known() {
            Known::Ours(record) => match record.state.phase {
                Phase::Starting { since, .. } | Phase::Ready { since, .. } | Phase::Daemonising { since } => {
                    monotonic_ms().saturating_sub(since) / 1000
                }
                _ => u64::try_from(wall().0 - record.changed.0).unwrap_or(0),
            },
            Known::Others(status) => status.stamp.seconds_until(Tai64n::now()),
        }
    }

    /// In how many seconds the supervisor does the next thing by itself: starts it, kills it.
    pub(super) fn due(&self, now: Ms) -> Option<u64> {
        let deadline = self.record()?.state.deadline?;
        Some(deadline.saturating_sub(now).div_ceil(1000))
    }
}
