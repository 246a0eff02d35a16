//! Those who have left their service's cgroup.
//!
//! Moving to another cgroup does not change parentage: when a leader ends, whoever of its people is still
//! alive becomes a child of the supervisor. So one look at our own children then shows who is in no
//! group of ours. (With a fold root there is no need to look: what descends from it is the service's.)

use super::Supervisor;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use sys::process::Stat;

impl Supervisor {
    /// Looks for strays among our children after these services' leaders have ended.
    pub(super) fn look_for_strays(&mut self, ended: &[u32]) {
        let Some(house) = self.fence.house() else { return };
        // complete only while no child of ours ends meanwhile, and those that do are no strays; proc(5)
        let Ok(children) = std::fs::read_to_string("/proc/thread-self/children") else { return };
        let unknown = children.split_ascii_whitespace().filter_map(|pid| pid.parse::<i32>().ok());
        let unknown: Vec<i32> = unknown.filter(|pid| !self.pids.contains_key(pid)).collect();
        let mut strays: Vec<(Stat, PathBuf)> = Vec::new();
        for pid in unknown {
            let Some(position) = house.position_of(pid) else { continue };
            if position.starts_with(house.position()) {
                continue; // in a group of ours: the stop sees it there
            }
            strays.extend(Stat::read(pid).filter(|stat| !stat.is_zombie()).map(|stat| (stat, position)));
        }
        for (stat, position) in strays {
            // known from now on: it is named once, and nobody else's
            self.pids.insert(stat.pid, (u32::MAX, super::Role::Stray));
            let whose = self.whose(&stat, ended);
            self.name_stray(whose, &stat, &position);
        }
    }

    /// Whose stray it is: of the service in whose session it still is, or of the only one that ended.
    fn whose(&self, stat: &Stat, ended: &[u32]) -> Option<u32> {
        let sessions = |index: &u32| {
            self.services[*index as usize].as_ref().is_some_and(|service| service.session == stat.session)
        };
        match ended {
            [only] => Some(*only),
            several => several.iter().copied().find(sessions),
        }
    }

    /// Says where it went, once; from the next start on the service is kept together by descent as well.
    fn name_stray(&mut self, whose: Option<u32>, stat: &Stat, position: &std::path::Path) {
        let where_to = String::from_utf8_lossy(position.as_os_str().as_bytes()).escape_debug().to_string();
        let who = format!("{} (pid {})", stat.command.escape_debug(), stat.pid);
        let Some(index) = whose else {
            crate::say::info(&format!(
                "{who} has left its service's cgroup for {where_to}; it is left alone"
            ));
            return;
        };
        if let Some(service) = self.service(index) {
            service.fold.strayed = true;
            if let Some(stop) = &mut service.stop {
                stop.meet(stat.identity(), &stat.command, false, true, false);
            }
        }
        let hint = "a file `strays` with `kill` would end it with the rest";
        self.inform(index, &format!("left alone outside its cgroup: {who}, in {where_to} ({hint})"));
    }
}
