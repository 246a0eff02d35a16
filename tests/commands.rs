//! The administrator's commands on real services: `svcstart` and its kin, and the verbs of `pinfold`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "commands/check.rs"]
mod check;
#[path = "commands/codes.rs"]
mod codes;
mod common;
#[path = "commands/house.rs"]
mod house;
#[path = "commands/metrics.rs"]
mod metrics;
#[path = "commands/others.rs"]
mod others;
#[path = "commands/scripts.rs"]
mod scripts;
#[path = "commands/start.rs"]
mod start;
#[path = "commands/status.rs"]
mod status;
#[path = "commands/stop.rs"]
mod stop;
#[path = "commands/verbs.rs"]
mod verbs;
