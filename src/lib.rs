//! pinfold: a process supervisor in which no process strays.
//!
//! The floors, from the bottom: `sys` (kernel calls), `cgroup` and `compat`, then this crate's
//! modules; ARCHITECTURE.md has the map.

pub mod machine;
