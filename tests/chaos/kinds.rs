//! The kinds of services that there are in the world.

use super::common::Sandbox;
use super::scene::LOGS;

/// Name, body of the run script, settings.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    body: &'static str,
    settings: &'static [(&'static str, &'static str)],
}

const fn kind(
    name: &'static str,
    body: &'static str,
    settings: &'static [(&'static str, &'static str)],
) -> Kind {
    Kind { name, body, settings }
}

pub(crate) const KINDS: &[Kind] = &[
    kind("plain", "exec sleep 1000000", &[]),
    kind("wrapper", "sleep 1000000 & sleep 1000000\n:", &[("timeout-kill", "2000")]),
    kind("daemon", "setsid sleep 1000000 &\nexit 0", &[]),
    kind("deaf", "trap '' TERM HUP\nwhile :; do sleep 0.2; done", &[("timeout-kill", "300")]),
    kind("crashing", "sleep 0.3\nexit 1", &[("backoff-max", "1")]),
    kind("finish", "exec sleep 1000000", &[("finish", FINISH)]),
    kind("stays", "(trap '' HUP INT; sleep 1000000) &\nexec sleep 1000000", &[("timeout-kill", "500")]),
    kind("counts", COUNTS, &[("log/run", LOGS)]),
];

/// Counts to its standard output: `PID N`.
const COUNTS: &str = "exec perl -e '$| = 1; while (1) { $n++; 1 while !defined syswrite(STDOUT, \"$$ $n\\n\"); \
                      select(undef, undef, undef, 0.01) }'";

/// Is started, as `run` is, when nobody is left: the lock of who was there before is free. It says when it was born as
/// well: a `run` that is told to end before it can say so is followed by it.
const FINISH: &str = "#!/bin/sh\nlock=LAB/locks/${PWD##*/}\nexec 9>>\"$lock\"\necho finish >&9\n\
                      flock -n 9 || echo \"${PWD##*/}: finish beside somebody\" >>LAB/overlaps\nexit 0\n";

/// Each generation takes a lock, which is held for as long as anybody of it is alive. The file's time of change says
/// when it was born.
const BEGIN: &str = "#!/bin/sh\nlock=LAB/locks/${PWD##*/}\nexec 9>>\"$lock\"\necho $$ >&9\n\
                     flock -n 9 || echo \"${PWD##*/}: $$ is beside somebody\" >>LAB/overlaps\n";

impl Kind {
    /// Lays out a service of this kind below the scan directory.
    pub(crate) fn lay_out(&self, sandbox: &Sandbox, service: &str) {
        let lab = sandbox.lab().display().to_string();
        sandbox.directory(&sandbox.lab().join("locks"));
        // whole at once, as a package would do it
        let hidden = format!(".{service}");
        for (name, content) in self.settings {
            sandbox.file(&format!("{hidden}/{name}"), &content.replace("LAB", &lab));
        }
        let run = format!("{}{}\n", BEGIN.replace("LAB", &lab), self.body);
        sandbox.file(&format!("{hidden}/run"), &run);
        std::fs::rename(sandbox.scan().join(hidden), sandbox.scan().join(service)).unwrap();
    }
}
