//! What pinfold's lasting processes say on standard error: short lines, each with who speaks.

use std::os::fd::AsFd;
use std::sync::OnceLock;

static SPEAKER: OnceLock<&'static str> = OnceLock::new();

/// Names who speaks: `svscan`, `supervise`. The first call counts.
pub fn speaks(name: &'static str) {
    let _ = SPEAKER.set(name);
}

/// Something that deserves attention; pinfold goes on.
pub fn warning(text: &str) {
    line("warning", text);
}

/// Something an administrator would want to know.
pub fn info(text: &str) {
    line("info", text);
}

/// One write, so that lines of several processes do not mix. Standard error may be closed, or a full pipe that
/// nobody reads: then there is nobody to tell, and no service waits for that to change.
fn line(level: &str, text: &str) {
    let speaker = SPEAKER.get().unwrap_or(&"pinfold");
    let line = format!("{speaker}: {level}: {text}\n");
    let _ = sys::voice::write_now(std::io::stderr().as_fd(), line.as_bytes());
}
