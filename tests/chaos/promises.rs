//! What must be so at every moment.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use super::common::processes::Process;
use super::common::{Status, expect};
use super::deeds::Chaos;

/// How much older than its `down` somebody must be to be sure that he was there before: file times are coarse.
const SURE: Duration = Duration::from_millis(50);

impl Chaos {
    /// Looks at everything once.
    pub(crate) fn promises_hold(&mut self) {
        let overlaps = fs::read_to_string(self.scene.sandbox.lab().join("overlaps")).unwrap_or_default();
        let whose = overlaps.split(':').next().unwrap_or_default();
        assert!(
            overlaps.is_empty(),
            "two generations:\n{overlaps}\n{}\n{}",
            self.turns_of(whose),
            self.story()
        );
        for service in self.services() {
            self.down_is_empty(&service);
        }
        assert!(!self.scene.scanner.as_mut().unwrap().has_ended(), "svscan has ended\n{}", self.story());
    }

    /// Down is published when nobody is left who was there before.
    fn down_is_empty(&self, service: &str) {
        let path = self.place(service);
        let Some(status) = Status::read(&path).filter(|status| status.pid == 0) else { return };
        let Some(since) = stamp(&path) else { return };
        // first who holds it, then how old it is: another generation writes before it locks
        let lock = self.scene.sandbox.lab().join("locks").join(service);
        let Ok(meta) = fs::metadata(&lock) else { return };
        if !is_locked(meta.ino()) {
            return;
        }
        let Ok(meta) = fs::metadata(&lock) else { return };
        let born = Duration::new(meta.mtime() as u64, meta.mtime_nsec() as u32);
        assert!(
            born + SURE >= since,
            "{service} is down, and somebody is left: {status:?}\n{}\n{}",
            self.turns_of(service),
            self.story()
        );
    }

    /// Nobody who has ended stays behind.
    pub(crate) fn no_zombies(&self) {
        self.scene.sandbox.wait_for("all zombies to be reaped", || {
            let supervisor = self.supervisor().map_or(0, |process| process.pid);
            let ours = [self.scene.guardian().pid, supervisor];
            let zombies: Vec<_> = Process::all()
                .into_iter()
                .filter(|one| one.state == 'Z' && ours.contains(&one.parent))
                .collect();
            expect(zombies.is_empty(), zombies)
        });
    }

    /// The lines of each generation are there, none missing and none twice.
    pub(crate) fn logged(&self, service: &str) {
        let logged = fs::read_to_string(self.place(service).join("logged")).unwrap_or_default();
        let mut next = std::collections::BTreeMap::new();
        for line in logged.lines() {
            let (pid, number) = line.split_once(' ').unwrap_or_else(|| panic!("torn line {line:?}"));
            let due = next.entry(pid).or_insert(1u64);
            assert_eq!(number.parse(), Ok(*due), "{service}: line {line:?}\n{}", self.story());
            *due += 1;
        }
        assert!(!next.is_empty(), "{service} has logged nothing");
    }
}

/// When a service went down, since 1970: the TAI64N stamp of its status.
fn stamp(service: &std::path::Path) -> Option<Duration> {
    let record = fs::read(service.join("supervise/status")).ok()?;
    let seconds = u64::from_be_bytes(record.get(..8)?.try_into().ok()?);
    let nanos = u32::from_be_bytes(record.get(8..12)?.try_into().ok()?);
    Some(Duration::new(seconds.checked_sub((1 << 62) + 10)?, nanos))
}

/// Whether anybody holds a lock on the file of this inode, without asking for it: that could keep another from it.
fn is_locked(inode: u64) -> bool {
    let locks = fs::read_to_string("/proc/locks").unwrap();
    let held: HashSet<&str> = locks
        .lines()
        .filter(|line| line.contains("FLOCK"))
        .filter_map(|line| line.rsplit(':').next())
        .collect();
    held.iter().any(|rest| rest.split(' ').next() == Some(&inode.to_string()))
}
