//! What the kernel refuses, injected into the supervisor's system calls: no more files in the whole system, no memory.

use std::fs;

use nix::sys::signal::Signal;

use super::common::inject::Injection;
use super::common::{expect, skipped};
use super::ordeal::Ordeal;
use super::scene::STAYS;

impl Ordeal {
    /// Every one of `calls` of the supervisor's fails with `error` from now on; `None` if that can't be had here.
    fn refuse(&self, calls: &str, error: &str) -> Option<Injection> {
        Injection::new(&self.sandbox, &self.supervisor, calls, &format!("error={error}"))
            .map_err(|why| skipped(&why))
            .ok()
    }

    /// A service dies, another appears, commands are given: it is said why nothing comes of it, and not often.
    fn suffers(&self, words: &str) {
        self.process(self.sandbox.up("squid")).signal(Signal::SIGKILL);
        self.says(&["squid: ", words]);
        self.sandbox.file("late/run", STAYS);
        for letter in ["d", "u", "p", "c", "h"] {
            fs::write(self.path("squid/supervise/control"), letter).unwrap();
        }
        self.while_it_lasts();
        self.unharmed();
        assert!(self.said(&[words]) <= 12, "{}", self.sandbox.reports());
        self.said_at_most(6, &["squid: ", words]);
        assert_eq!(self.copies("squid").len(), 0);
    }

    /// What was to be done meanwhile is done, and nobody has noticed who had nothing to do with it.
    fn recovers(self, other: i32) {
        self.started("squid");
        self.started("late");
        assert_eq!(self.sandbox.up("other"), other);
        self.over(&["squid", "late", "other"]);
    }
}

fn refused(label: &str, calls: &str, error: &str, words: &str) {
    let ordeal = Ordeal::new(label, &["squid", "other"]);
    let other = ordeal.sandbox.up("other");
    let Some(injection) = ordeal.refuse(calls, error) else { return };
    ordeal.suffers(words);
    drop(injection);
    ordeal.recovers(other);
}

#[test]
fn no_more_files_in_the_system() {
    refused("enfile", "openat,openat2,pipe2", "ENFILE", "too many open files in the whole system");
}

#[test]
fn no_memory_for_another_process() {
    refused("enomem-clone", "clone3,clone,fork,vfork", "ENOMEM", "out of memory");
}

#[test]
fn no_memory_for_anything_in_a_file_system() {
    refused("enomem-files", "openat,openat2,pipe2,mkdirat,unlinkat,renameat2", "ENOMEM", "out of memory");
}

/// What was started then is heard all the same: once a second, until there is memory again.
#[test]
fn what_can_not_be_watched() {
    let ordeal = Ordeal::new("enomem-epoll", &["squid", "other"]);
    let Some(injection) = ordeal.refuse("epoll_ctl,inotify_add_watch", "ENOMEM") else { return };
    ordeal.sandbox.file("late/run", STAYS);
    ordeal.sandbox.file("late/notification-fd", "3\n");
    ordeal.started("late");
    ordeal.works("squid");
    ordeal.svc("-d", "late");
    ordeal.sandbox.down("late");
    ordeal.while_it_lasts();
    ordeal.unharmed();
    ordeal.said_at_most(1, &["watch a descriptor", "trying again"]);
    drop(injection);
    ordeal.over(&["squid", "late", "other"]);
}

/// The supervisor's own memory: where an allocation fails it ends, and services and commands go on under the next.
#[test]
fn no_memory_for_the_supervisor_itself() {
    let ordeal = Ordeal::new("enomem-own", &["squid", "other"]);
    let other = ordeal.sandbox.up("other");
    let Some(injection) = ordeal.refuse("mmap,brk,mremap", "ENOMEM") else { return };
    for _ in 0..5 {
        let before = ordeal.started("squid");
        ordeal.svc("-t", "squid");
        let mut lost = false;
        ordeal.sandbox.wait_for("another", || {
            // the supervisor may have ended with the command in its hand
            if !ordeal.supervisor.is_alive() && !std::mem::replace(&mut lost, true) {
                ordeal.svc("-t", "squid");
            }
            let status = ordeal.sandbox.status("squid");
            expect(status.as_ref().is_some_and(|status| ![0, before].contains(&status.pid)), status)
        });
    }
    ordeal.sandbox.file("late/run", STAYS);
    ordeal.started("late");
    drop(injection);
    assert!(ordeal.guardian.is_alive());
    assert_eq!((ordeal.sandbox.up("other"), ordeal.starts("other")), (other, 1));
    ordeal.works("squid");
    ordeal.works("late");
    ordeal.scene.close();
}
