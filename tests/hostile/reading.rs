//! What root reads in a service's directory: never another's secret, never without end, never something that acts.

use std::fs;
use std::os::unix::fs::symlink;

use nix::sys::signal::Signal;

use super::common::expect;
use super::common::processes::Process;
use super::den::{Den, SECRET, USER};

/// The environment of a service is its user's to read.
#[test]
fn secrets_stay_secret() {
    let Some(mut den) = Den::new("secrets") else { return };
    let links = [
        ("setting", "ln -s $VICTIM/precious timeout-kill"),
        ("signal", "ln -s $VICTIM/precious down-signal"),
        ("variable", "mkdir env && ln -s $VICTIM/precious env/STOLEN"),
        ("variables", "ln -s $VICTIM env"),
        ("interpreter", "mv run old && ln -s $VICTIM/run run"),
    ];
    for (name, script) in links {
        let service = den.service(name);
        den.as_user(&service, script);
    }
    den.open();
    links.iter().for_each(|(name, _)| den.settled(name));
    for (name, _) in links {
        let pid = den.pid(name);
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&environment).contains(SECRET), "{name}");
    }
    let said = den.yard.sandbox.run("pinfold", ["status", "--json"]);
    assert!(!said.out.contains(SECRET), "{said:?}");
    den.close();
}

/// Links of root's, and a user's to his own files, are read as ever.
#[test]
fn links_between_files_of_the_same_user_are_read() {
    let Some(mut den) = Den::new("own") else { return };
    let service = den.service("squid");
    den.as_user(&service, "mkdir env d && echo mine >d/own && ln -s ../d/own env/OWN");
    fs::write(den.yard.sandbox.lab().join("shared"), "roots\n").unwrap();
    symlink(den.yard.sandbox.lab().join("shared"), service.join("env/SHARED")).unwrap();
    den.open();
    let pid = den.yard.runs("squid");
    den.yard.sandbox.wait_for("its environment", || {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let environment = String::from_utf8_lossy(&environment).into_owned();
        expect(environment.contains("OWN=mine") && environment.contains("SHARED=roots"), environment)
    });
    den.close();
}

#[test]
fn fifos_devices_and_masses_in_place_of_settings() {
    let Some(mut den) = Den::new("masses") else { return };
    let forms = [
        ("fifo", "mkfifo timeout-kill"),
        ("device", "ln -s /dev/zero timeout-kill"),
        ("terminal", "ln -s /dev/ptmx timeout-kill"),
        ("process", "ln -s /proc/self/mem timeout-kill"),
        ("huge", "truncate -s 64M timeout-kill"),
        ("many", "mkdir env && for n in {1..1500}; do echo $n >env/V$n; done"),
        ("long", "mkdir env && for n in {1..200}; do printf %60000s x >env/V$n; done"),
        ("fifos", "mkdir env && mkfifo env/FIFO"),
        ("env", "mkfifo env"),
        ("log", "mkfifo log"),
        ("control", "mkfifo control"),
        ("down-fifo", "mkfifo down"),
        ("finish", "mkfifo finish"),
    ];
    for (name, script) in forms {
        let service = den.service(name);
        den.as_user(&service, script);
    }
    den.open();
    for (name, _) in forms.into_iter().filter(|(name, _)| *name != "down-fifo") {
        den.settled(name);
    }
    for name in ["device", "terminal", "process"] {
        den.yard.says(name, &["timeout-kill"]);
    }
    den.close();
}

/// A log service that is somebody else's directory would be started there, and its files made there.
#[test]
fn log_is_no_way_into_anothers_directory() {
    let Some(mut den) = Den::new("log") else { return };
    den.yard.sandbox.file("sound/log/run", &super::den::run());
    let first = den.service("first");
    den.as_user(&first, "ln -s $VICTIM log");
    let second = den.service("second");
    den.as_user(&second, "ln -s ../sound/log log");
    den.open();
    den.yard.runs("sound/log");
    for name in ["first", "second"] {
        den.yard.runs(name);
        den.yard.says(name, &["log"]);
    }
    den.close();
}

/// A link in the scan directory is root's; what it leads to need not be.
#[test]
fn a_service_is_not_led_into_anothers_directory() {
    let Some(mut den) = Den::new("entry") else { return };
    let home = den.yard.sandbox.lab().join("home");
    fs::create_dir(&home).unwrap();
    den.give(&home);
    den.as_user(&home, "ln -s $VICTIM squid");
    symlink(home.join("squid"), den.yard.path("squid")).unwrap();
    den.open();
    den.yard.says("squid", &["squid"]);
    // his own directory is as good as ever
    den.as_user(
        &home,
        "rm squid; mkdir own && ln -s own squid && echo '#!/bin/sh' >own/run && chmod +x own/run",
    );
    fs::write(home.join("own/run"), super::den::run()).unwrap();
    den.yard.runs("squid");
    den.close();
}

#[test]
fn a_forged_pidfile_names_nobody() {
    let Some(mut den) = Den::new("pidfile") else { return };
    let mut bystander = den.yard.sandbox.command("sleep");
    bystander.arg("1000000").current_dir("/");
    let mut bystander = den.yard.sandbox.start_command(bystander);
    let forged = bystander.process();
    let service = den.service("squid");
    // two daemons are left, so that only the pidfile could tell
    let daemons = format!(
        "#!/bin/sh\nfor n in 1 2; do setpriv --reuid={USER} --regid={USER} --clear-groups setsid -f sleep 1000000; done\n"
    );
    den.yard.sandbox.file("squid/run", &daemons);
    den.as_user(
        &service,
        &format!("echo squid.pid >pidfile; echo {} >squid.pid; echo yes >daemonised", forged.pid),
    );
    den.open();
    den.yard.says("squid", &["left 2 processes"]);
    den.yard.sandbox.run("svc", ["-hd", "squid"]);
    den.yard.sandbox.down("squid");
    assert!(forged.is_alive(), "a process of another was ended");
    forged.signal(Signal::SIGKILL);
    bystander.ended();
    den.close();
}

/// The pidfile is read where its setting says, which may be something that acts when it is opened or read.
#[test]
fn a_pidfile_that_is_no_file() {
    let Some(mut den) = Den::new("nofile") else { return };
    let daemon =
        format!("#!/bin/sh\nsetpriv --reuid={USER} --regid={USER} --clear-groups setsid -f sleep 1000000\n");
    for (name, path) in [("kmsg", "/proc/kmsg"), ("ptmx", "/dev/ptmx"), ("fifo", "fifo"), ("tty", "/dev/tty")]
    {
        let service = den.service(name);
        den.yard.sandbox.file(&format!("{name}/run"), &daemon);
        den.as_user(&service, &format!("mkfifo fifo; echo {path} >pidfile; echo yes >daemonised"));
    }
    den.open();
    for name in ["kmsg", "ptmx", "fifo", "tty"] {
        den.yard.says(name, &["is the service now"]);
        assert!(Process::look(den.yard.runs(name)).is_some());
    }
    den.close();
}
