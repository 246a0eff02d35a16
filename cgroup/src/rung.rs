//! The ladder of containment.

use std::fmt;

/// A way of keeping a service's processes together, the best first. A lower rung catches less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rung {
    /// cgroup v2: one write to `cgroup.kill` ends all members at once (Linux 5.14).
    Kill,
    /// cgroup v2: freeze, list, kill each (Linux 5.2).
    Freeze,
    /// cgroup v2: list and kill each, until the list is empty.
    List,
    /// cgroup v1: the freezer's hierarchy (freeze, list, kill, thaw), or a named one (list and kill).
    V1,
    /// No cgroup: a subreaper above the service, and a walk of all of `/proc`.
    Subtree,
}

impl Rung {
    /// All of them, the best first.
    pub const LADDER: [Rung; 5] = [Rung::Kill, Rung::Freeze, Rung::List, Rung::V1, Rung::Subtree];

    /// The word for it, in `PINFOLD_CONTAINMENT`, in a service's `containment`, and in every report.
    pub fn name(self) -> &'static str {
        match self {
            Rung::Kill => "kill",
            Rung::Freeze => "freeze",
            Rung::List => "list",
            Rung::V1 => "v1",
            Rung::Subtree => "subtree",
        }
    }

    /// The rung of that name.
    pub fn parse(name: &str) -> Option<Rung> {
        Rung::LADDER.into_iter().find(|rung| rung.name() == name)
    }

    /// Whether it is at least as good as `least`.
    pub fn is_at_least(self, least: Rung) -> bool {
        self <= least
    }

    /// What it means, in half a sentence.
    pub fn meaning(self) -> &'static str {
        match self {
            Rung::Kill => "cgroup v2, killed at once",
            Rung::Freeze => "cgroup v2, frozen, listed and killed",
            Rung::List => "cgroup v2, listed and killed until empty",
            Rung::V1 => "cgroup v1, listed and killed until empty",
            Rung::Subtree => "no cgroup, a subreaper per service",
        }
    }

    /// What escapes this rung; empty if nothing does but what is moved out of its cgroup.
    pub fn cannot_catch(self) -> &'static str {
        match self {
            Rung::Kill => "",
            Rung::Freeze => "processes in a pid namespace that cannot be seen from here",
            Rung::List => {
                "processes in a pid namespace that cannot be seen from here; \
                 programs that fork faster than they can be listed are only caught by luck"
            }
            Rung::V1 => {
                "processes in a pid namespace that cannot be seen from here; without a freezer also programs \
                 that fork faster than they can be listed; and whatever root moves to another group, which v1 \
                 lets any of its processes do"
            }
            Rung::Subtree => {
                "what a service has others start for it (at, cron, a container manager, ssh to itself); \
                 everything, if one of its processes kills the `foldroot` above it"
            }
        }
    }
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rung_is_found_by_its_name_and_they_are_in_order() {
        for pair in Rung::LADDER.windows(2) {
            assert!(pair[0].is_at_least(pair[1]) && !pair[1].is_at_least(pair[0]));
        }
        for rung in Rung::LADDER {
            assert_eq!(Rung::parse(rung.name()), Some(rung));
        }
        assert_eq!(Rung::parse("Kill"), None);
    }
}
