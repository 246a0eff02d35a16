//! A service manager hears from svscan how things are; services do not speak in its name.

use std::os::unix::net::UnixDatagram;

use nix::sys::signal::Signal;

use super::common::{Family, Sandbox, bound};
use super::scene::Scene;

/// What was said next.
fn next(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).expect("svscan to say something");
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

#[test]
fn a_manager_hears_of_start_upgrade_and_end() {
    let sandbox = Sandbox::new("manager", Family::Ours).unwrap();
    let path = sandbox.lab().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(bound())).unwrap();
    let sandbox = sandbox.set("NOTIFY_SOCKET", path.to_str().unwrap()).set("WATCHDOG_USEC", "400000");
    sandbox.file("squid/run", "#!/bin/sh\necho $$ >>starts\nenv >environment\nexec sleep 1000000\n");
    let mut scene = Scene::of(sandbox);
    scene.open();
    let said = |word: &str| loop {
        let said = next(&socket);
        if said.starts_with(word) {
            return said;
        }
        // a sign of life comes between everything
        assert!(said == "WATCHDOG=1" || said.starts_with("EXTEND_TIMEOUT_USEC="), "{said}, not {word}");
    };
    assert!(said("READY=1").contains("STATUS=supervising"));
    scene.started("squid");
    let environment = scene.text("squid/environment");
    assert!(!environment.contains("NOTIFY_SOCKET") && !environment.contains("WATCHDOG"), "{environment}");
    said("WATCHDOG=1");
    said("WATCHDOG=1");
    scene.guardian().signal(Signal::SIGUSR1);
    assert!(said("RELOADING=1").contains("MONOTONIC_USEC="));
    said("READY=1");
    said("WATCHDOG=1");
    scene.guardian().signal(Signal::SIGTERM);
    said("STOPPING=1");
    assert_eq!(scene.scanner.as_mut().unwrap().ended(), 0, "{}", scene.sandbox.reports());
    scene.nothing_left();
}

/// `systemctl stop` waits for as long as services take.
#[test]
fn a_manager_is_asked_for_more_time_while_services_end() {
    let sandbox = Sandbox::new("more-time", Family::Ours).unwrap();
    let path = sandbox.lab().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(bound())).unwrap();
    let sandbox = sandbox.set("NOTIFY_SOCKET", path.to_str().unwrap());
    let stubborn =
        "#!/bin/sh\ntrap 'test -e go && exit' TERM\necho $$ >>starts\nwhile :; do sleep 0.05; done\n";
    sandbox.file("squid/run", stubborn);
    sandbox.file("squid/timeout-kill", "0\n");
    let mut scene = Scene::of(sandbox);
    scene.open();
    assert!(next(&socket).starts_with("READY=1"));
    let squid = scene.process(scene.started("squid"));
    scene.guardian().signal(Signal::SIGTERM);
    assert!(next(&socket).starts_with("STOPPING=1"));
    assert_eq!(next(&socket), "EXTEND_TIMEOUT_USEC=60000000");
    assert!(squid.is_alive());
    scene.touch("squid/go");
    squid.signal(Signal::SIGTERM);
    assert_eq!(scene.scanner.as_mut().unwrap().ended(), 0, "{}", scene.sandbox.reports());
    scene.nothing_left();
}

/// One that does not listen is not waited for.
#[test]
fn a_manager_that_is_deaf_holds_up_nobody() {
    let sandbox = Sandbox::new("deaf-manager", Family::Ours).unwrap();
    let path = sandbox.lab().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    // until no more fits
    let filler = UnixDatagram::unbound().unwrap();
    filler.set_nonblocking(true).unwrap();
    while filler.send_to(b"x", &path).is_ok() {}
    let sandbox = sandbox.set("NOTIFY_SOCKET", path.to_str().unwrap()).set("WATCHDOG_USEC", "2000");
    sandbox.file("squid/run", "#!/bin/sh\necho $$ >>starts\nexec sleep 1000000\n");
    let mut scene = Scene::of(sandbox);
    scene.open();
    scene.started("squid");
    scene.end();
    drop(socket);
}
