//! What a group uses, where the kernel counts it.
//!
//! Containment needs no controller, and `cgroups-rs` is of no use for it: no birth inside a group, no
//! `cgroup.events`, version 2 at one fixed place only. It is used here, and only for the view of one
//! service that somebody asks for: its tree of dependencies is large, and it reads eight files to tell
//! how much memory is in use. Nothing that runs all the time links it, hence the feature `controllers`.

use cgroups_rs::fs::cpu::CpuController;
use cgroups_rs::fs::memory::MemController;
use cgroups_rs::fs::pid::PidController;
use std::path::Path;
use std::time::Duration;

/// What the processes of a group use, all below it included. `None` is what is not counted: the controller
/// is not enabled for this group, or the group is one of version 1's freezer, or gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Memory in use, in bytes, page cache included.
    pub memory: Option<u64>,
    /// The most memory that was ever in use at a time, in bytes (Linux 5.19).
    pub memory_peak: Option<u64>,
    /// Processes and threads.
    pub tasks: Option<u64>,
    /// Processor time, user and system. Counted in version 2 without a controller.
    pub cpu: Option<Duration>,
}

/// Of the group (a directory of cgroup v2).
pub fn usage(group: &Path) -> Usage {
    let here = || group.to_owned();
    // what can't be read counts as 0 with cgroups-rs: ask first
    let has = |file: &str| group.join(file).exists();
    let memory = has("memory.current").then(|| MemController::new(here(), here(), true).memory_stat());
    let cpu = CpuController::new(here(), here(), true).cpu().stat;
    Usage {
        memory: memory.as_ref().map(|stat| stat.usage_in_bytes),
        memory_peak: memory.filter(|_| has("memory.peak")).map(|stat| stat.max_usage_in_bytes),
        tasks: PidController::new(here(), here(), true).get_pid_current().ok(),
        cpu: field(&cpu, "usage_usec").map(Duration::from_micros),
    }
}

fn field(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On the kernel's own files, where this machine enables the controllers; else on files like them.
    #[test]
    fn names_and_units() {
        let group = std::env::temp_dir().join(format!("pinfold-usage-{}", std::process::id()));
        assert_eq!(usage(&group), Usage::default());
        std::fs::create_dir(&group).unwrap();
        let files = [
            ("cpu.stat", "usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\n"),
            ("memory.current", "1048576\n"),
            ("memory.peak", "2097152\n"),
            ("memory.max", "max\n"),
            ("pids.current", "3\n"),
        ];
        for (name, text) in files {
            std::fs::write(group.join(name), text).unwrap();
        }
        let all = usage(&group);
        std::fs::remove_dir_all(&group).unwrap();
        let wanted = Usage {
            memory: Some(1 << 20),
            memory_peak: Some(2 << 20),
            tasks: Some(3),
            cpu: Some(Duration::from_millis(2500)),
        };
        assert_eq!(all, wanted);
    }
}
