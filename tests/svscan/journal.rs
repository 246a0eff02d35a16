//! Under systemd, what services write goes to the journal, each under its own name.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use nix::sys::signal::Signal;

use super::common::{Family, Sandbox, expect};
use super::scene::{STAYS, Scene};

const SPEAKS: &str = "#!/bin/sh\necho $$ >>starts\necho out of $$\necho error of $$ >&2\n\
                      stat -Lc \"%d:%i\" /dev/fd/2 >fd2\necho \"$JOURNAL_STREAM\" >stream\n\
                      while :; do echo beat; sleep 0.05; done\n";

/// A journald of our own: what has come, by the names of the streams, header lines and all.
#[derive(Clone, Default)]
struct Journald(Arc<Mutex<Vec<(String, String)>>>);

impl Journald {
    fn listen(path: &Path) -> Journald {
        let (journald, listener) = (Journald::default(), UnixListener::bind(path).unwrap());
        let heard = journald.clone();
        // ends with the test's process
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let heard = heard.clone();
                thread::spawn(move || {
                    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
                    let header: Vec<String> = lines.by_ref().take(7).collect();
                    lines.for_each(|line| heard.0.lock().unwrap().push((header.join("|"), line)));
                });
            }
        });
        journald
    }

    /// What a service has said.
    fn of(&self, service: &str) -> Vec<String> {
        let header = format!("{service}||6|1|0|0|0");
        let heard = self.0.lock().unwrap();
        heard.iter().filter(|(from, _)| *from == header).map(|(_, line)| line.clone()).collect()
    }
}

/// A scene whose svscan's standard error is the journal, as far as it can tell.
fn scene(label: &str, lie: bool) -> (Scene, PathBuf) {
    let sandbox = Sandbox::new(label, Family::Ours).unwrap();
    let reports = sandbox.lab().parent().unwrap().join("reports");
    fs::write(&reports, "").unwrap();
    let meta = reports.metadata().unwrap();
    let stream = format!("{}:{}", meta.dev(), meta.ino() + u64::from(lie));
    let socket = sandbox.lab().join("journal");
    let sandbox = sandbox.set("JOURNAL_STREAM", &stream).set("PINFOLD_JOURNAL", socket.to_str().unwrap());
    (Scene::of(sandbox), socket)
}

#[test]
fn services_write_to_the_journal_under_their_names() {
    let (mut scene, socket) = scene("journal", false);
    let journald = Journald::listen(&socket);
    scene.sandbox.file("squid/run", SPEAKS);
    scene.sandbox.file("logged/run", SPEAKS);
    scene.sandbox.file("logged/log/run", "#!/bin/sh\necho logger speaks\nexec cat >>../logged\n");
    scene.sandbox.file("squid/finish", "#!/bin/sh\necho finish of $1 $2\n");
    scene.open();
    let said = |service: &str, line: &str| {
        scene.sandbox.wait_for(&format!("{service}: {line}"), || {
            let mut said = journald.of(service);
            said.retain(|one| one != "beat");
            expect(said.iter().any(|one| one == line), said)
        });
    };
    let pid = scene.started("squid");
    said("squid", &format!("out of {pid}"));
    said("squid", &format!("error of {pid}"));
    // who asks may find out where he writes to: sd_journal_stream_fd(3)
    assert_eq!(scene.count("squid/stream", 1), scene.count("squid/fd2", 1));
    // with a logger: only what the logger does not get
    let logged = scene.started("logged");
    said("logged", &format!("error of {logged}"));
    said("logged/log", "logger speaks");
    scene.line("logged/logged", &format!("out of {logged}"));
    assert!(!journald.of("logged").contains(&format!("out of {logged}")));
    // nothing of it passes through pinfold, and who looks for it is told where it is
    assert_eq!(scene.said(&["out of"]) + scene.said(&["beat"]) + scene.said(&["speaks"]), 0);
    let status = scene.sandbox.run("pinfold", ["status", "-v", "./squid"]).out;
    assert!(status.contains("in the journal: journalctl -t squid"), "{status}");
    let json = scene.sandbox.run("pinfold", ["status", "--json", "./squid"]).out;
    assert!(json.contains("\"journal\": true"), "{json}");
    // the stream is the service's own, whoever dies
    scene.lose_supervisor();
    let before = journald.of("squid").len();
    scene.sandbox.wait_for("more of it", || {
        let now = journald.of("squid").len();
        expect(now > before + 5, now)
    });
    assert_eq!(scene.sandbox.up("squid"), pid);
    // and the next run gets one, from the next supervisor
    scene.process(pid).signal(Signal::SIGKILL);
    let starts = scene.count("squid/starts", 2);
    said("squid", "finish of -1 9");
    said("squid", &format!("out of {}", starts[1]));
    scene.close();
}

#[test]
fn without_journald_it_is_as_ever() {
    // one that does not answer, one that is not there, one that is not where our words go
    for (lie, there) in [(false, true), (false, false), (true, true)] {
        let (mut scene, socket) = scene("no-journal", lie);
        let listener = there.then(|| UnixListener::bind(&socket).unwrap());
        let mut waiting = Vec::new();
        if listener.is_some() && !lie {
            // so many wait for an answer that nobody else may
            loop {
                let one = nix::sys::socket::socket(
                    nix::sys::socket::AddressFamily::Unix,
                    nix::sys::socket::SockType::Stream,
                    nix::sys::socket::SockFlag::SOCK_NONBLOCK,
                    None,
                )
                .unwrap();
                let address = nix::sys::socket::UnixAddr::new(&socket).unwrap();
                use std::os::fd::AsRawFd;
                if nix::sys::socket::connect(one.as_raw_fd(), &address).is_err() {
                    break;
                }
                waiting.push(one);
            }
        }
        scene.sandbox.file("squid/run", SPEAKS);
        scene.sandbox.file("sound/run", STAYS);
        scene.open();
        let pid = scene.started("squid");
        scene.says(&[&format!("out of {pid}")]);
        scene.started("sound");
        assert_eq!(scene.said(&["squid", "its output goes to svscan's"]), usize::from(!lie));
        scene.close();
        drop((listener, waiting));
    }
}
