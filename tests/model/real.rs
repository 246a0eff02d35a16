//! A real svscan over services of many kinds, for a trace.

use crate::common::conformance;
use crate::common::processes::Process;
use crate::common::{Family, Sandbox, expect};
use nix::sys::signal::Signal;
use pinfold::table;
use pinfold::trace::Turn;

const SAYS: &str = r#"#!/usr/bin/perl
use Socket;
socket(my $socket, AF_UNIX, SOCK_DGRAM, 0) or die;
send($socket, $_, 0, pack_sockaddr_un($ENV{NOTIFY_SOCKET})) for "EXTEND_TIMEOUT_USEC=1000", "READY=1", "WATCHDOG=1";
sleep 1000000;
"#;

const SERVICES: [(&str, &[(&str, &str)]); 9] = [
    ("plain", &[("run", "#!/bin/sh\nexec sleep 1000000\n")]),
    ("wrapper", &[("run", "#!/bin/sh\nsleep 1000000\necho over\n")]),
    ("crashes", &[("run", "#!/bin/sh\nexit 3\n"), ("backoff-max", "2000")]),
    ("missing", &[("run", "#!/no/such/interpreter\n")]),
    ("daemon", &[("run", "#!/bin/sh\nsetsid sleep 1000000 &\n")]),
    ("deaf", &[("run", "#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 0.1; done\n"), ("timeout-kill", "300")]),
    ("finishes", &[("run", "#!/bin/sh\nexec sleep 1000000\n"), ("finish", "#!/bin/sh\nsleep 0.1\n")]),
    ("says", &[("run", SAYS), ("notify", ""), ("timeout-watchdog", "600000")]),
    (
        "notifies",
        &[("run", "#!/bin/sh\nsleep 0.2\necho >&5\nexec sleep 1000000\n"), ("notification-fd", "5")],
    ),
];

/// Letters that everybody gets, with deaths of the supervisor (`!`) and of all leaders (`k`) between them.
const STORY: &str = "pctt!kdu!hkodt!u!pd";

/// What it did.
pub(crate) fn turns() -> Vec<Turn> {
    let sandbox = Sandbox::new("traced", Family::Ours).unwrap();
    for (name, files) in SERVICES {
        for (file, text) in files {
            sandbox.file(&format!("{name}/{file}"), text);
        }
    }
    let mut scanner = sandbox.scanner();
    let names = SERVICES.map(|(name, _)| name);
    let traced = || conformance::turns(&sandbox.trace()).len();
    let calm = || {
        // until nothing has happened for a while
        let mut before = usize::MAX;
        sandbox.wait_for("a calm", || {
            std::thread::sleep(std::time::Duration::from_millis(300)); // bounded: how long a while is
            let now = traced();
            expect(std::mem::replace(&mut before, now) == now || now > 3000, now)
        });
    };
    calm();
    for act in STORY.chars() {
        match act {
            '!' => {
                let run = sandbox.run_directory().join(pinfold::place::escape(sandbox.scan().as_os_str()));
                let named = || table::read(&run).ok().and_then(|view| view.head.supervisor);
                let before = named().unwrap();
                Process::look(before.pid).unwrap().signal(Signal::SIGKILL);
                sandbox.wait_for("another supervisor", || expect(named() != Some(before), before));
            }
            'k' => {
                names.iter().filter_map(|name| Process::look(sandbox.status(name)?.pid)).for_each(|leader| {
                    leader.signal(Signal::SIGKILL);
                })
            }
            letter => {
                let letter = format!("-{letter}");
                sandbox.run("svc", [&*letter].into_iter().chain(names));
            }
        }
        calm();
    }
    assert_eq!(scanner.terminate(), 0);
    conformance::turns(&sandbox.trace())
}
