//! Services of other managers, made into service directories: what `pinfold import` writes, and what it could not
//! translate. Nothing here writes anything.

pub mod amounts;
mod deaths;
mod environment;
mod exec;
mod lifetime;
mod limits;
mod plan;
mod privileges;
mod rules;
mod scripts;
mod systemd;
pub mod unit;
pub mod words;

pub use plan::{File, Level, Plan, Remark};
pub use systemd::translate;
