//! Fold roots: what they report, and their end.

use super::Supervisor;

impl Supervisor {
    pub(super) fn read_report(&mut self, _index: u32) {}

    pub(super) fn root_ended(&mut self, _index: u32) {}
}
