//! logind's session files: what is not as it should be is somebody else's session.
#![no_main]

use cgroup::sessions::Session;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let session = Session::parse("c1", text);
    let first = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    assert_eq!(session.is_some(), first("SERVICE=").is_some());
    let Some(session) = session else { return };
    assert!(session.leader.is_none_or(|pid| pid > 0));
    if session.is_a_switch() {
        assert_eq!(first("SERVICE=").map(|word| word.replace('"', "")), Some(session.service));
    }
});
