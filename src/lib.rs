//! pinfold: a process supervisor in which no process strays.
//!
//! The floors, from the bottom: `sys` (kernel calls), `cgroup` and `compat`, then this crate's
//! modules; ARCHITECTURE.md has the map.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod catcher;
pub mod commands;
pub mod environment;
pub mod fold;
pub mod guardian;
pub mod guardian_line;
pub mod import;
pub mod journal;
pub mod limits;
pub mod machine;
pub mod notice;
pub mod place;
pub mod record;
pub mod say;
pub mod seat;
pub mod service;
pub mod supervisor;
pub mod table;
pub mod tools;
pub mod trace;
pub mod upgrade;
