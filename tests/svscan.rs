//! `svscan` and `supervise` on real processes: what becomes a service, what output goes where, how all of it
//! ends, and that none of it depends on one supervisor living.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "svscan/adopting.rs"]
mod adopting;
mod common;
#[path = "svscan/deaths.rs"]
mod deaths;
#[path = "svscan/ending.rs"]
mod ending;
#[path = "svscan/journal.rs"]
mod journal;
#[path = "svscan/lost.rs"]
mod lost;
#[path = "svscan/manager.rs"]
mod manager;
#[path = "svscan/manners.rs"]
mod manners;
#[path = "svscan/output.rs"]
mod output;
#[path = "svscan/scanning.rs"]
mod scanning;
#[path = "svscan/scene.rs"]
mod scene;
#[path = "svscan/takeover.rs"]
mod takeover;
#[path = "svscan/upgrade.rs"]
mod upgrade;
