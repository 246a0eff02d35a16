//! Comparisons that need more than a script: every error text, and the number of system calls.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::side::{Bench, Side};

/// Makes daemontools' own svok fail with every errno in turn.
#[test]
fn error_texts() {
    let bench = Bench::new("error_texts");
    let Some(shim) = compile(&bench, CHDIR_FAILS).filter(|_| bench.has(Side::Theirs)) else { return };
    // From 1: nix has one name for "no error" and for what it does not know.
    for errno in 1..=140 {
        let out = Command::new(bench.tool(Side::Theirs, "svok"))
            .arg("x")
            .env("LD_PRELOAD", &shim)
            .env("ERRNO", errno.to_string())
            .output()
            .unwrap();
        let text = compat::errors::error_str(nix::errno::Errno::from_raw(errno));
        let expected = format!("svok: fatal: unable to chdir to x: {text}\n");
        assert_eq!(String::from_utf8_lossy(&out.stderr), expected, "errno {errno}");
    }
}

const CHDIR_FAILS: &str = r#"
    #include <errno.h>
    #include <stdlib.h>
    int chdir(const char *path) { (void)path; errno = atoi(getenv("ERRNO")); return -1; }
"#;

/// Compiles a library to be preloaded; `None`, and said so, where there is no compiler.
fn compile(bench: &Bench, source: &str) -> Option<std::path::PathBuf> {
    let (from, to) = (bench.path("shim.c"), bench.path("shim.so"));
    fs::write(&from, source).unwrap();
    match Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&to).arg(&from).status() {
        Ok(status) => {
            assert!(status.success());
            Some(to)
        }
        Err(e) => {
            println!("SKIPPED: no cc: {e}");
            None
        }
    }
}

/// What one more service costs svstat, in system calls.
#[test]
fn system_calls_of_svstat() {
    let bench = Bench::new("system_calls");
    let service = bench.path("a");
    fs::create_dir_all(service.join("supervise")).unwrap();
    let ok = service.join("supervise/ok");
    nix::unistd::mkfifo(&ok, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let _reader = fs::File::options().read(true).write(true).open(&ok).unwrap();
    fs::write(service.join("supervise/status"), [0; 20]).unwrap();
    let calls = |side| {
        let count = |times| system_calls(&bench, &bench.tool(side, "svstat"), &service, times);
        Some((count(101)? - count(1)?) / 100)
    };
    let Some(ours) = calls(Side::Ours) else { return };
    assert!(ours > 1);
    if bench.has(Side::Theirs) {
        let theirs = calls(Side::Theirs).unwrap();
        println!("system calls of svstat per service: theirs {theirs}, ours {ours}");
        assert!(ours <= theirs, "theirs {theirs}, ours {ours}");
    }
}

fn system_calls(bench: &Bench, tool: &Path, service: &Path, times: usize) -> Option<usize> {
    let log = bench.path("strace");
    let strace = Command::new("strace")
        .arg("-o")
        .arg(&log)
        .arg(tool)
        .args(std::iter::repeat_n(service, times))
        .stdout(Stdio::null())
        .status();
    match strace {
        Ok(status) if status.success() => Some(fs::read_to_string(log).unwrap().lines().count()),
        result => {
            println!("SKIPPED: no strace here: {result:?}");
            None
        }
    }
}
