//! What services say: to their loggers, or by way of the catcher.

use std::fs;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;

use nix::fcntl::OFlag;
use nix::sys::signal::Signal;

use super::common::{expect, look_until};
use super::scene::{COUNTS, LOGS, STAYS, Scene, assert_counted};

fn counting(label: &str) -> Scene {
    let mut scene = Scene::new(label);
    scene.sandbox.file("counts/run", COUNTS);
    scene.sandbox.file("counts/log/run", LOGS);
    scene.open();
    scene.count("counts/logged", 10);
    scene
}

/// Waits until the logger has written more than it has now.
fn goes_on(scene: &Scene) {
    let now = scene.lines("counts/logged").len();
    scene.count("counts/logged", now + 20);
}

#[test]
fn a_log_pipe_survives_restarts_of_everybody() {
    let mut scene = counting("log-pipe");
    for round in 0..4 {
        let (service, logger) = (scene.sandbox.up("counts"), scene.sandbox.up("counts/log"));
        scene.svc("-t", "counts/log");
        scene.other("counts/log", logger);
        goes_on(&scene);
        scene.svc("-t", "counts");
        scene.other("counts", service);
        goes_on(&scene);
        if round % 2 == 0 {
            scene.lose_supervisor();
            goes_on(&scene);
        }
    }
    // down for a while: what is said meanwhile waits in the pipe
    scene.svc("-d", "counts/log");
    scene.sandbox.down("counts/log");
    let service = scene.sandbox.up("counts");
    scene.svc("-t", "counts");
    scene.other("counts", service);
    scene.svc("-u", "counts/log");
    goes_on(&scene);
    scene.end();
    let logged = scene.text("counts/logged");
    assert_counted(&logged);
    let generations = logged.lines().filter(|line| line.contains("end")).count();
    assert_eq!(generations, 6, "one to begin with, four restarts, one more");
}

#[test]
fn ten_supervisors_killed_in_a_row_lose_no_line() {
    let mut scene = counting("ten");
    let (service, logger) = (scene.sandbox.up("counts"), scene.sandbox.up("counts/log"));
    let stamp = scene.stamp("counts");
    for _ in 0..10 {
        scene.lose_supervisor();
        goes_on(&scene);
    }
    assert_eq!((scene.sandbox.up("counts"), scene.sandbox.up("counts/log")), (service, logger));
    assert_eq!(scene.stamp("counts"), stamp);
    scene.svc("-d", "counts");
    scene.sandbox.down("counts");
    scene.end();
    let logged = scene.text("counts/logged");
    assert_counted(&logged);
    assert_eq!(logged.lines().filter(|line| line.contains("end")).count(), 1, "one generation");
}

fn output(scene: &Scene, service: &str) -> String {
    let path = pinfold::catcher::path(&scene.run(), service.as_bytes());
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

fn output_has(scene: &Scene, service: &str, word: &str) {
    scene.sandbox.wait_for(&format!("{word:?} in the output of {service}"), || {
        let output = output(scene, service);
        expect(output.contains(word), output)
    });
}

/// Says what is written into `say`, on standard output and on standard error.
const PARROT: &str = r#"#!/bin/sh
echo $$ >>starts
[ -p say ] || mkfifo say
while :; do while read -r line; do echo "out $line"; echo "err $line" >&2; done <say; done
"#;

fn tell(scene: &Scene, service: &str, words: &str) {
    let path = scene.path(service).join("say");
    scene.sandbox.wait_for("the parrot's ear", || expect(path.exists(), "none"));
    fs::write(path, format!("{words}\n")).unwrap();
}

#[test]
fn output_without_a_logger_is_kept_and_passed_on() {
    let scene = Scene::with("caught", "parrot", PARROT);
    scene.started("parrot");
    tell(&scene, "parrot", "hello");
    scene.says(&["out hello"]);
    scene.says(&["err hello"]);
    output_has(&scene, "parrot", "out hello\nerr hello\n");

    let before = scene.catcher();
    scene.kill(&before);
    tell(&scene, "parrot", "again");
    scene.says(&["out again"]);
    output_has(&scene, "parrot", "hello");
    output_has(&scene, "parrot", "err again");
    assert_ne!(scene.catcher().pid, before.pid);

    scene.lose_supervisor();
    tell(&scene, "parrot", "third");
    scene.says(&["out third"]);
    output_has(&scene, "parrot", "err third");
    assert_eq!(scene.starts("parrot"), 1, "nobody died of it");
    scene.close();
}

#[test]
fn only_the_last_lines_are_kept() {
    let chatty = "#!/bin/sh\necho $$ >>starts\nn=0\nwhile [ $n -lt 2000 ]; do n=$((n+1)); echo line $n; done\n\
                  exec sleep 1000000\n";
    let scene = Scene::with("bounded", "chatty", chatty);
    output_has(&scene, "chatty", "line 2000\n");
    let kept = output(&scene, "chatty");
    assert!(
        kept.len() <= pinfold::catcher::KEPT && kept.len() > pinfold::catcher::KEPT / 2,
        "{}",
        kept.len()
    );
    let numbers: Vec<u32> =
        kept.lines().map(|line| line.strip_prefix("line ").unwrap().parse().unwrap()).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{kept}");
    scene.close();
}

/// A service with a logger says on standard error what its logger never sees.
#[test]
fn with_a_logger_standard_error_goes_to_the_catcher() {
    let mut scene = Scene::new("stderr");
    scene.sandbox.file("parrot/run", PARROT);
    scene.sandbox.file("parrot/log/run", "#!/bin/sh\necho logger here >&2\nexec cat >>../logged\n");
    scene.open();
    tell(&scene, "parrot", "hello");
    scene.line("parrot/logged", "out hello");
    scene.says(&["err hello"]);
    scene.says(&["logger here"]);
    assert!(!scene.text("parrot/logged").contains("err hello"));
    scene.close();
}

/// Opens the scene with a pipe as svscan's standard error, and gives the only one who could read it.
fn open_with_pipe(scene: &mut Scene) -> fs::File {
    let pipe = scene.sandbox.lab().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let reader = fs::File::options().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(&pipe).unwrap();
    let mut command = scene.sandbox.command("sh");
    command.args(["-c", "exec svscan . 2>\"$0\""]).arg(&pipe);
    scene.scanner = Some(scene.sandbox.start_command(command));
    reader
}

#[test]
fn nobody_waits_for_a_reader_of_standard_error() {
    let mut scene = Scene::new("unread");
    let flood = "#!/bin/sh\necho $$ >>starts\nn=0\nwhile [ $n -lt 40000 ]; do n=$((n+1)); echo line $n of many; done\n\
                 echo done >>done\nexec sleep 1000000\n";
    scene.sandbox.file("flood/run", flood);
    scene.sandbox.file("squid/run", STAYS);
    // it holds 64 KiB, of which nothing is read until the end
    let mut reader = open_with_pipe(&mut scene);
    scene.line("flood/done", "done");
    let pid = scene.started("squid");
    // whoever has something to say is not stopped by it either: guardian, supervisor, catcher
    scene.lose_supervisor();
    scene.kill(&scene.catcher());
    std::fs::rename(scene.path("flood"), scene.path("renamed")).unwrap();
    scene.svc("-t", "squid");
    scene.other("squid", pid);
    scene.scanner.as_ref().unwrap().process().signal(Signal::SIGTERM);
    assert_eq!(scene.scanner.as_mut().unwrap().ended(), 0);
    scene.nothing_left();
    let mut said = vec![0; 1 << 20];
    let length = reader.read(&mut said).unwrap();
    let said = String::from_utf8_lossy(&said[..length]);
    assert!(length > 32_000 && said.contains("line 1 of many\n"), "it was not full: {length}");
}

#[test]
fn nobody_dies_of_a_standard_error_that_is_gone() {
    let mut scene = Scene::new("broken");
    scene.sandbox.file("parrot/run", PARROT);
    let reader = open_with_pipe(&mut scene);
    scene.started("parrot");
    drop(reader);
    tell(&scene, "parrot", "hello");
    output_has(&scene, "parrot", "err hello");
    tell(&scene, "parrot", "again");
    output_has(&scene, "parrot", "err again");
    look_until(|| expect(scene.starts("parrot") == 1, "restarted")).unwrap();
    scene.close();
}
