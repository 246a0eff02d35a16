//! Faults from outside, injected into a running `svscan`: full and read-only disks, no more descriptors, processes
//! or cgroups, stopped processes, floods. After start-up neither guardian nor supervisor ends because of any of
//! them, each is said once and not in a loop, and when it is over everything works again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "faults/clock.rs"]
mod clock;
mod common;
#[path = "faults/disk.rs"]
mod disk;
#[path = "faults/floods.rs"]
mod floods;
#[path = "faults/groups.rs"]
mod groups;
#[path = "faults/identity.rs"]
mod identity;
#[path = "faults/kernel.rs"]
mod kernel;
#[path = "faults/limits.rs"]
mod limits;
#[path = "faults/ordeal.rs"]
mod ordeal;
#[path = "faults/replaced.rs"]
mod replaced;
#[path = "svscan/scene.rs"]
mod scene;
#[path = "faults/stopped.rs"]
mod stopped;
