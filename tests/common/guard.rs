//! Sweeps up after a test that was itself killed: what forks for ever must not go on for ever.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Waits for the end of the test. Without the word that its sandbox was swept (it was killed), removes the
/// leash and kills, in a few rounds, whoever has the sandbox in his environment.
const GUARD: &str = r#"read -r name leash; read -r swept && exit
for round in 1 2 3 4 5; do
    rm -f "$leash"
    for process in /proc/[0-9]*; do
        grep -qsz "^PINFOLD_SANDBOX=$name$" "$process/environ" && kill -9 "${process#/proc/}"
    done
    sleep 1
done 2>/dev/null"#;

/// A process that notices the end of this one.
pub(crate) struct Guard(Child);

impl Guard {
    /// Over everything with `PINFOLD_SANDBOX=name` in its environment.
    pub(crate) fn post(name: &str, leash: &Path) -> Self {
        let mut guard = Command::new("sh");
        // What it watches over comes by the pipe, so that it is not taken for a process of the sandbox.
        guard.args(["-c", GUARD]).current_dir("/").process_group(0);
        guard.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut guard = guard.spawn().unwrap();
        writeln!(guard.stdin.as_mut().unwrap(), "{name} {}", leash.display()).unwrap();
        Guard(guard)
    }

    /// All is swept; it ends.
    pub(crate) fn dismiss(&mut self) {
        let _ = self.0.stdin.take().map(|mut pipe| pipe.write_all(b"swept\n"));
        let _ = self.0.wait();
    }
}
