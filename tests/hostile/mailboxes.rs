//! What services say by sd_notify(3), and what others could say in their name.

use std::fs;
use std::path::PathBuf;

use super::common::{expect, skipped};
use super::den::{Den, USER};

/// A run script of root's: the user's program, with the mailbox that it was offered written down.
fn run(program: &str) -> String {
    format!(
        "#!/bin/sh\necho $NOTIFY_SOCKET >mailbox\n\
         exec setpriv --reuid={USER} --regid={USER} --clear-groups {program}\n"
    )
}

fn mailbox(den: &Den, service: &str) -> PathBuf {
    let text = den.yard.sandbox.wait_for("the path of its mailbox", || {
        let text = fs::read_to_string(den.yard.path(service).join("mailbox")).unwrap_or_default();
        expect(text.ends_with('\n'), &text).map(|()| text)
    });
    PathBuf::from(text.trim_end())
}

fn shown(den: &Den, service: &str) -> String {
    den.yard.sandbox.run("pinfold", ["status", "--json", &format!("./{service}")]).out
}

const FLOODS: &str = r#"perl -MSocket -e '
    socket(S, AF_UNIX, SOCK_DGRAM, 0); my $to = pack_sockaddr_un($ENV{TO} // $ENV{NOTIFY_SOCKET});
    while (1) { send(S, $_, 0, $to) for "READY=1\nSTATUS=flood", "x" x 4000, "WATCHDOG=1", "MAINPID=1", "" }'"#;

#[test]
fn a_flood_of_messages_drowns_nobody() {
    let Some(mut den) = Den::new("mail") else { return };
    den.yard.sandbox.file("squid/run", &run(FLOODS));
    den.yard.sandbox.file("squid/notify", "");
    den.yard.sandbox.file("victim/run", &run("sleep 1000000"));
    den.yard.sandbox.file("victim/notify", "");
    den.open();
    den.yard.sandbox.wait_for("the flood", || {
        let shown = shown(&den, "squid");
        expect(shown.contains(r#""status_text": "flood""#), shown)
    });
    // into another's mailbox, which nobody finds by looking for it
    let victim = mailbox(&den, "victim");
    let home = den.yard.sandbox.lab().join("home");
    fs::create_dir(&home).unwrap();
    den.give(&home);
    let directory = victim.parent().unwrap().display().to_string();
    den.as_user(&home, &format!("test -x {directory}; if ls {directory}; then exit 1; fi"));
    let mut other = den.start_as_user(&home, &format!("TO={} exec {FLOODS}", victim.display()));
    for _ in 0..3 {
        den.yard.sound_works();
    }
    assert!(!other.has_ended());
    drop(other);
    let shown = shown(&den, "victim");
    assert!(shown.contains(r#""state": "starting""#) && shown.contains(r#""status_text": """#), "{shown}");
    den.close();
}

/// A connection whose close waits for a peer that never reads: whoever closes it last waits for a day.
const LINGERS: &str = r#"
import array, os, socket, struct, time
box = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener = socket.create_server(("127.0.0.1", 0))
peers = []
for n in range(3):
    client = socket.create_connection(listener.getsockname())
    peers.append(listener.accept())
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 100000))
    client.setblocking(False)
    try:
        while True: client.send(b"x" * 65536)
    except BlockingIOError: pass
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [client.fileno()]))]
    box.sendmsg([b"READY=1\nFDSTORE=1\nSTATUS=laden"], rights, 0, os.environ["NOTIFY_SOCKET"])
    os.close(client.detach())
time.sleep(1000000) # bounded: the test ends it by pid
"#;

#[test]
fn a_descriptor_that_takes_long_to_close_holds_up_nobody() {
    if !std::path::Path::new("/usr/bin/python3").exists() {
        return skipped("there is no /usr/bin/python3");
    }
    let Some(mut den) = Den::new("laden") else { return };
    den.yard.sandbox.file("squid/lingers", LINGERS);
    den.yard.sandbox.file("squid/run", &run("/usr/bin/python3 ./lingers"));
    den.yard.sandbox.file("squid/notify", "");
    den.open();
    den.yard.sandbox.wait_for("what it said", || {
        let shown = shown(&den, "squid");
        expect(shown.contains(r#""status_text": "laden""#), shown)
    });
    den.yard.sound_works();
    den.yard.sandbox.run("svc", ["-d", "squid"]);
    den.yard.sandbox.down("squid");
    // nor does it hold up the next run
    den.yard.sandbox.file("squid/lingers", &LINGERS.replace("laden", "again"));
    den.yard.sandbox.run("svc", ["-u", "squid"]);
    den.yard.sandbox.wait_for("what it then said", || {
        let shown = shown(&den, "squid");
        expect(shown.contains(r#""status_text": "again""#), shown)
    });
    den.yard.lose_supervisor();
    den.yard.sound_works();
    den.close();
}
