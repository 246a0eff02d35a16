//! notify, timeout-watchdog: what a service says by sd_notify(3), and by whom it is heard.

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use nix::sys::signal::Signal;
use pinfold::machine::{Cause, Leader, Phase};

use super::common::{Family, Sandbox, expect, skipped};
use super::scene::{STARTED, STAYS, Scene};

/// Says what is written to its FIFO `say`, a message a line (`|` for a newline). Of itself; or, after a `<`, by a
/// process that has left it long ago.
pub(crate) const SAYS: &str = r#"#!/usr/bin/perl
use Socket;
$SIG{CHLD} = 'IGNORE';
socket(my $socket, AF_UNIX, SOCK_DGRAM, 0) or die;
sub note { my ($file, $text) = @_; open(my $out, ">>", $file) or die; syswrite($out, "$text\n") }
sub say_it {
    my $text = shift;
    $text =~ s/\$\$/$$/g;
    $text =~ s/\|/\n/g;
    defined send($socket, $text, 0, pack_sockaddr_un($ENV{NOTIFY_SOCKET})) or note("failed", "$text: $!");
}
$SIG{TERM} = sub { -e "slow" ? say_it("EXTEND_TIMEOUT_USEC=900000000") : exit };
note("environment", join(" ", map { "$_=" . ($ENV{$_} // "unset") } qw(NOTIFY_SOCKET WATCHDOG_USEC WATCHDOG_PID)));
open(my $in, "+<", "say") or die;
note("starts", $$);
while (1) {
    my $line = <$in> // next;
    chomp $line;
    if ($line =~ s/^<//) { fork or fork && exit or do { sleep 0.01 until getppid() != $$; say_it($line); exit } }
    else { say_it($line) }
}
"#;

pub(crate) trait Says {
    fn says_by(&self, service: &str);
    fn say(&self, service: &str, line: &str);
    fn heard(&self, service: &str, status: &str);
    fn mailbox(&self, service: &str) -> PathBuf;
}

impl Says for Scene {
    /// A service that says what it is told to.
    fn says_by(&self, service: &str) {
        self.sandbox.file(&format!("{service}/run"), SAYS);
        self.sandbox.file(&format!("{service}/notify"), "");
        nix::unistd::mkfifo(&self.path(service).join("say"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    }

    fn say(&self, service: &str, line: &str) {
        let mut fifo = fs::File::options().write(true).open(self.path(service).join("say")).unwrap();
        fifo.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn heard(&self, service: &str, status: &str) {
        self.recorded(service, status, |record| record.words.status == status);
    }

    fn mailbox(&self, service: &str) -> PathBuf {
        let lines = self.count(&format!("{service}/environment"), 1);
        let last = lines.last().unwrap();
        PathBuf::from(last.split_once("NOTIFY_SOCKET=").unwrap().1.split(' ').next().unwrap())
    }
}

fn is_ready(phase: Phase) -> bool {
    matches!(phase, Phase::Ready { .. })
}

#[test]
fn what_a_service_says_of_itself_is_shown() {
    let mut scene = Scene::new("sd-notify");
    scene.says_by("squid");
    scene.sandbox.file("plain/run", "#!/bin/sh\necho ${NOTIFY_SOCKET-unset} >>shown\nexec sleep 1000000\n");
    scene.open();
    scene.started("squid");
    assert_eq!(scene.count("plain/shown", 1), ["unset"]);
    scene.say("squid", "STATUS=warming up");
    scene.heard("squid", "warming up");
    scene.phase("squid", "starting", |phase| matches!(phase, Phase::Starting { .. }));
    scene.say("squid", "READY=1|STATUS=10% \u{1b}[31mred");
    scene.phase("squid", "ready", is_ready);
    let shown = || scene.sandbox.run("pinfold", ["status", "./squid"]).out;
    let text = shown();
    assert!(text.contains("ready") && text.contains("says: 10% ") && !text.contains('\u{1b}'), "{text}");
    let json = scene.sandbox.run("pinfold", ["status", "--json", "./squid"]).out;
    assert!(json.contains(r#""status_text": "10% \u001b[31mred""#), "{json}");
    scene.say("squid", "RELOADING=1|MONOTONIC_USEC=5");
    scene.recorded("squid", "reloading", |record| record.words.reloading);
    assert!(shown().contains("reloading"));
    scene.say("squid", "READY=1|STATUS=");
    scene.recorded("squid", "reloaded", |record| !record.words.reloading && record.words.status.is_empty());
    scene.say("squid", "STOPPING=1");
    scene.recorded("squid", "ending by itself", |record| record.words.ending);
    assert!(shown().contains("ending by itself"));
    // a new run has said nothing yet
    let pid = scene.started("squid");
    scene.process(pid).signal(Signal::SIGKILL);
    scene.other("squid", pid);
    scene.recorded("squid", "as new", |record| record.words == Default::default());
    scene.close();
}

#[test]
fn not_ready_by_sd_notify_within_timeout_up_it_is_stopped_and_tried_again() {
    let mut scene = Scene::new("sd-notify-late");
    scene.says_by("squid");
    scene.sandbox.file("squid/timeout-up", "300\n");
    scene.open();
    scene.says(&["squid", "not ready in time", "timeout-up"]);
    scene.count("squid/starts", 2);
    scene.close();
}

#[test]
fn a_watchdog_that_is_not_fed_ends_the_service_and_starts_it_again() {
    let mut scene = Scene::new("watchdog");
    scene.says_by("squid");
    scene.sandbox.file("squid/timeout-watchdog", "900000\n");
    scene.open();
    let pid = scene.started("squid");
    let environment = scene.text("squid/environment");
    assert!(environment.contains("WATCHDOG_USEC=900000000 WATCHDOG_PID=unset"), "{environment}");
    scene.say("squid", "READY=1");
    let first = scene.recorded("squid", "watched", |record| is_ready(record.state.phase)).state.deadline;
    assert!(first.is_some());
    std::thread::sleep(std::time::Duration::from_millis(2)); // bounded: a deadline in another millisecond
    scene.say("squid", "WATCHDOG=1");
    scene.recorded("squid", "its watchdog fed", |record| record.state.deadline > first);
    // what it says itself needs no waiting
    scene.say("squid", "WATCHDOG=trigger");
    scene.says(&["squid", "it hangs"]);
    let second = scene.other("squid", pid);
    scene.svc("-d", "squid");
    scene.sandbox.down("squid");
    // and now nobody feeds it
    scene.sandbox.file("squid/timeout-watchdog", "300\n");
    scene.svc("-u", "squid");
    let third = scene.other("squid", second);
    scene.say("squid", "READY=1");
    scene.says(&["squid", "no WATCHDOG=1 in time", "timeout-watchdog"]);
    scene.other("squid", third);
    scene.close();
}

/// A watchdog is none without somebody who could feed it.
#[test]
fn a_watchdog_without_notify_does_nothing() {
    let mut scene = Scene::new("watchdog-alone");
    scene.sandbox.file("squid/run", STAYS);
    scene.sandbox.file("squid/timeout-watchdog", "1\n");
    scene.open();
    scene.started("squid");
    assert_eq!(scene.record("squid").unwrap().state.deadline, None);
    let said = scene.sandbox.run("pinfold", ["check", "./squid"]);
    assert!(said.out.contains("timeout-watchdog: has no effect without `notify`"), "{}", said.out);
    scene.close();
}

#[test]
fn the_time_that_it_asks_for_it_gets() {
    let mut scene = Scene::new("extend");
    scene.says_by("squid");
    scene.sandbox.file("squid/timeout-up", "600000\n");
    scene.sandbox.file("squid/timeout-kill", "600000\n");
    scene.touch("squid/slow");
    scene.open();
    scene.started("squid");
    let first = scene.record("squid").unwrap().state.deadline;
    scene.say("squid", "EXTEND_TIMEOUT_USEC=900000000");
    scene.recorded("squid", "more time to start", |record| {
        record.state.deadline > first.map(|at| at + 200_000)
    });
    scene.say("squid", "READY=1");
    scene.phase("squid", "ready", is_ready);
    let before = sys::clock::monotonic_ms();
    scene.svc("-d", "squid");
    scene.recorded("squid", "more time to stop", |record| {
        let stopping = matches!(record.state.phase, Phase::Stopping { cause: Cause::Asked, .. });
        stopping && record.state.deadline > Some(before + 800_000)
    });
    scene.svc("-k", "squid");
    scene.sandbox.down("squid");
    scene.close();
}

/// `run` makes a daemon, which says that it is the one, and ends.
const NAMES: &str = r#"#!/usr/bin/perl
use Socket; use POSIX;
sub note { my ($file, $text) = @_; open(my $out, ">>", $file) or die; syswrite($out, "$text\n") }
note("runs", $$);
if (fork) { sleep 0.01 until -e "go"; exit 0 }
POSIX::setsid();
socket(my $socket, AF_UNIX, SOCK_DGRAM, 0) or die;
if (!fork) { sleep 1000000 }
send($socket, "MAINPID=$$\nREADY=1", 0, pack_sockaddr_un($ENV{NOTIFY_SOCKET})) or die;
note("starts", $$);
sleep 1000000;
"#;

#[test]
fn the_process_that_it_names_stands_for_it() {
    let mut scene = Scene::new("mainpid");
    scene.sandbox.file("squid/run", NAMES);
    scene.sandbox.file("squid/notify", "");
    scene.open();
    let led = |record: &pinfold::record::Record| {
        matches!(record.state.phase, Phase::Ready { leader: Leader::Daemon, .. })
    };
    scene.recorded("squid", "led by a daemon", led);
    let daemon = scene.started("squid");
    let run: i32 = scene.count("squid/runs", 1)[0].parse().unwrap();
    assert_ne!(run, daemon);
    // the end of `run` is nobody's business now
    let run = scene.process(run);
    scene.touch("squid/go");
    scene.gone(&run);
    scene.recorded("squid", "still led", led);
    assert_eq!(scene.sandbox.up("squid"), daemon);
    scene.lose_supervisor();
    assert_eq!(scene.sandbox.up("squid"), daemon);
    // but its own end is the service's, whoever is left
    scene.process(daemon).signal(Signal::SIGKILL);
    scene.sandbox.wait_for("another daemon", || {
        let pid = scene.sandbox.status("squid").map_or(0, |status| status.pid);
        let starts = scene.lines("squid/starts");
        expect(pid != daemon && starts.len() == 2 && starts[1] == pid.to_string(), (pid, starts))
    });
    scene.close();
}

#[test]
fn whom_it_may_not_name_does_not_lead() {
    let mut scene = Scene::new("foreign");
    scene.says_by("squid");
    scene.sandbox.file("sound/run", STAYS);
    scene.open();
    let (pid, sound) = (scene.started("squid"), scene.started("sound"));
    for other in [sound, 1, 0, i32::MAX, scene.guardian().pid, scene.supervisor().pid] {
        scene.say("squid", &format!("MAINPID={other}|STATUS=named {other}"));
        scene.heard("squid", &format!("named {other}"));
        assert_eq!(scene.sandbox.up("squid"), pid);
    }
    scene.says(&["squid", &format!("names pid {sound} as its main process")]);
    assert_eq!(scene.sandbox.up("sound"), sound);
    scene.close();
}

#[test]
fn nobody_else_is_heard() {
    for rung in ["", "subtree"] {
        let sandbox = Sandbox::new("not-heard", Family::Ours).unwrap().set("PINFOLD_CONTAINMENT", rung);
        let mut scene = Scene::of(sandbox);
        scene.says_by("squid");
        scene.says_by("squib");
        scene.open();
        let pid = scene.started("squid");
        let foreign = UnixDatagram::unbound().unwrap();
        foreign.connect(scene.mailbox("squid")).unwrap();
        foreign.send(b"READY=1\nSTATUS=of the test").unwrap();
        // one service in the name of another: first its own mailbox, then the other's
        scene.started("squib");
        let other = scene.mailbox("squid");
        assert_ne!(other, scene.mailbox("squib"));
        scene.svc("-d", "squib");
        scene.sandbox.down("squib");
        let lies = format!("{STARTED}export NOTIFY_SOCKET={}\nexec perl ./says\n", other.display());
        scene.sandbox.file("squib/says", SAYS);
        scene.sandbox.file("squib/run", &lies);
        scene.svc("-u", "squib");
        scene.started("squib");
        scene.sandbox.wait_for("the other's mailbox", || {
            let now = scene.lines("squib/environment");
            expect(now.last().unwrap().contains(other.to_str().unwrap()), now)
        });
        scene.say("squib", &format!("READY=1|STATUS=of another|WATCHDOG=trigger|MAINPID={pid}"));
        scene.say("squib", "<READY=1|STATUS=of another's orphan");
        // what it then says itself is read after all that
        scene.sandbox.wait_for("a word of its own", || {
            scene.say("squid", "<STATUS=of its own orphan");
            let status = scene.record("squid").unwrap().words.status;
            assert!(["", "of its own orphan"].contains(&&*status), "{status}");
            expect(!status.is_empty(), status)
        });
        let record = scene.record("squid").unwrap();
        assert!(matches!(record.state.phase, Phase::Starting { .. }), "{record:?}");
        assert_eq!((scene.sandbox.up("squid"), scene.starts("squid")), (pid, 1));
        assert_eq!(scene.text("squib/failed"), "");
        scene.close();
    }
}

#[test]
fn what_is_said_while_there_is_no_supervisor_is_heard_by_the_next() {
    let mut scene = Scene::new("sd-notify-gap");
    scene.says_by("squid");
    scene.open();
    scene.started("squid");
    let (guardian, supervisor) = (scene.guardian(), scene.supervisor());
    guardian.signal(Signal::SIGSTOP);
    scene.state(guardian.pid, 'T');
    scene.kill(&supervisor);
    scene.say("squid", "READY=1|STATUS=in the gap");
    guardian.signal(Signal::SIGCONT);
    scene.supervisor_after(&supervisor);
    scene.heard("squid", "in the gap");
    scene.phase("squid", "ready", is_ready);
    // an upgrade is no gap at all
    let upgraded = scene.sandbox.run("pinfold", ["upgrade", scene.sandbox.scan().to_str().unwrap()]);
    assert_eq!(upgraded.code, 0, "{upgraded:?}");
    scene.say("squid", "STATUS=upgraded");
    scene.heard("squid", "upgraded");
    // and when all have died, the path is the same again
    let mailbox = scene.mailbox("squid");
    let (guardian, supervisor) = (scene.guardian(), scene.supervisor());
    guardian.signal(Signal::SIGSTOP);
    scene.kill(&supervisor);
    scene.kill(&guardian);
    scene.scanner.take().unwrap().ended();
    scene.open();
    scene.supervisor_after(&supervisor);
    scene.sandbox.wait_for("a word after all have died", || {
        scene.say("squid", "STATUS=after all");
        let status = scene.record("squid").map(|record| record.words.status);
        expect(status.as_deref() == Some("after all"), status)
    });
    assert!(mailbox.exists());
    assert_eq!(scene.starts("squid"), 1);
    scene.close();
}

/// The client that shell scripts have. It waits (BARRIER=1) until what it said has been heard.
#[test]
fn systemd_notify_is_heard_from_a_shell() {
    if !std::path::Path::new("/usr/bin/systemd-notify").exists() {
        return skipped("there is no systemd-notify");
    }
    let mut scene = Scene::new("systemd-notify");
    let run = format!(
        "{STARTED}systemd-notify --ready --status='from a shell' && echo said >>said\nexec sleep 1000000\n"
    );
    scene.sandbox.file("squid/run", &run);
    scene.sandbox.file("squid/notify", "");
    scene.open();
    scene.started("squid");
    scene.line("squid/said", "said");
    let record = scene.record("squid").unwrap();
    assert_eq!(record.words.status, "from a shell");
    assert!(is_ready(record.state.phase));
    scene.close();
}

#[test]
fn a_notify_script_of_another_family_is_told_and_not_taken_for_ours() {
    let mut scene = Scene::new("notify-script");
    scene.sandbox.file("squid/run", STAYS);
    scene.sandbox.file("squid/notify", "#!/bin/sh\nlogger \"$@\"\n");
    scene.open();
    scene.says(&["squid/notify", "line 1", "expected no script"]);
    assert_eq!(scene.starts("squid"), 0);
    fs::remove_file(scene.path("squid/notify")).unwrap();
    scene.started("squid");
    scene.close();
}
