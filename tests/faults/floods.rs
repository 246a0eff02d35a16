//! More commands than anybody means, and readers that do not read.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;

use nix::libc::O_NONBLOCK;
use nix::sys::signal::Signal;

use super::common::{Family, Sandbox, expect};
use super::ordeal::Ordeal;
use super::scene::{STARTED, STAYS, Scene};

#[test]
fn ten_thousand_letters_at_once() {
    let ordeal = Ordeal::new("letters", &["squid", "other"]);
    let before = ordeal.started("squid");
    let letters: Vec<u8> = b"dutpch?\0\n1".iter().copied().cycle().take(9_998).chain(*b"cu").collect();
    fs::write(ordeal.path("squid/supervise/control"), letters).unwrap();
    ordeal.works("other");
    ordeal.other("squid", before);
    // it had time for one or the other start, not for thousands
    assert!(ordeal.starts("squid") < 20, "{} starts", ordeal.starts("squid"));
    ordeal.over(&["squid", "other"]);
}

#[test]
fn a_full_control() {
    let ordeal = Ordeal::new("full-control", &["squid", "other"]);
    ordeal.supervisor.signal(Signal::SIGSTOP);
    ordeal.state(ordeal.supervisor.pid, 'T');
    let path = ordeal.path("squid/supervise/control");
    let mut control = File::options().write(true).custom_flags(O_NONBLOCK).open(path).unwrap();
    while control.write_all(b"h").is_ok() {}
    // svcstop does not wait for room, as djb's svc does
    let said = ordeal.sandbox.run("svcstop", [ordeal.path("squid")]);
    assert!(said.code == 1 && said.out.contains("control is full"), "{said:?}");
    let before = ordeal.sandbox.up("squid");
    ordeal.supervisor.signal(Signal::SIGCONT);
    // HUP has ended it
    ordeal.other("squid", before);
    ordeal.over(&["squid", "other"]);
}

/// A logger that does not read: its service waits in the middle of a write, and can be stopped there.
#[test]
fn a_logger_that_does_not_read() {
    let sandbox = Sandbox::new("deaf-logger", Family::Ours).unwrap();
    sandbox.file("talks/run", &format!("{STARTED}exec cat /dev/zero\n"));
    sandbox.file("talks/log/run", "#!/bin/sh\nexec sleep 1000000\n");
    sandbox.file("other/run", STAYS);
    let mut scene = Scene::of(sandbox);
    scene.open();
    let ordeal = Ordeal::of(scene);
    for _ in 0..3 {
        let talks = ordeal.started("talks");
        ordeal.sandbox.wait_for("it to wait for its logger", || {
            let waits = fs::read_to_string(format!("/proc/{talks}/wchan")).unwrap_or_default();
            let process = super::common::processes::Process::look(talks);
            let asleep = process.is_some_and(|process| process.command == "cat" && process.state == 'S');
            expect(asleep, waits)
        });
        ordeal.svc("-t", "talks");
        ordeal.other("talks", talks);
    }
    ordeal.works("talks");
    ordeal.over(&["other", "talks"]);
}

/// svscan's own standard error is a pipe that nobody reads.
#[test]
fn nobody_reads_what_svscan_says() {
    let sandbox = Sandbox::new("unheard", Family::Ours).unwrap();
    sandbox.file("other/run", STAYS);
    sandbox.file("talks/run", &format!("{STARTED}exec cat /dev/zero >&2\n"));
    for n in 0..200 {
        sandbox.file(&format!("bad{n}/run"), STAYS);
        sandbox.file(&format!("bad{n}/timeout-kill"), &format!("{}\n", "soon".repeat(50)));
    }
    let (mut read, write) = std::io::pipe().unwrap();
    let mut command = sandbox.command("sh");
    // the pipe comes as standard input, since the sandbox keeps standard error for itself
    command.args(["-c", "exec svscan \"$1\" 2>&0 </dev/null", "sh"]).arg(sandbox.scan()).stdin(write);
    let mut scene = Scene::of(sandbox);
    scene.scanner = Some(scene.sandbox.start_command(command));
    scene.started("other");
    let ordeal = Ordeal::of(scene);
    ordeal.works("talks");
    ordeal.while_it_lasts();
    ordeal.over(&["other", "talks"]);
    let mut said = vec![0; 1000];
    assert!(read.read(&mut said).unwrap() > 0);
}

/// One that never stops talking keeps nobody else from being heard.
#[test]
fn somebody_who_never_stops_talking() {
    let sandbox = Sandbox::new("talker", Family::Ours).unwrap();
    sandbox.file("talks/run", &format!("{STARTED}exec yes\n"));
    let mut scene = Scene::of(sandbox);
    scene.open();
    let ordeal = Ordeal::of(scene);
    ordeal.started("talks");
    ordeal.sandbox.file("whispers/run", "#!/bin/sh\necho here I am\nexec sleep 1000000\n");
    let path = pinfold::catcher::path(&ordeal.run(), b"whispers");
    ordeal.sandbox.wait_for("the whisper to be heard", || {
        let text = fs::read_to_string(&path).unwrap_or_default();
        expect(text.contains("here I am"), text)
    });
    ordeal.svc("-d", "talks");
    ordeal.sandbox.down("talks");
    ordeal.scene.close();
}
