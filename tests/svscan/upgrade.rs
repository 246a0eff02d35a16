//! A new executable takes the place of the running one, and no service notices.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use nix::sys::signal::Signal;
use sys::reap::Ending;

use super::common::expect;
use super::common::processes::Process;
use super::scene::{COUNTS, LOGS, STAYS, Scene, assert_counted};

/// Says what a service was started with. (The shell counts its descriptors itself: in a pipe it would have some for that.)
const BORN: &str = "#!/bin/sh\necho $$ >>starts\n{ grep -e SigBlk -e SigIgn /proc/self/status; ulimit -Sn; ulimit -Hn; \
                    env | sort; set -- /proc/$$/fd/*; echo $#; } >born.$$\nexec sleep 1000000\n";

impl Scene {
    /// The executable that svscan was started from.
    fn executable(&self) -> PathBuf {
        let link = fs::read_link(format!("/proc/{}/exe", self.guardian().pid)).unwrap();
        PathBuf::from(link.to_str().unwrap().trim_end_matches(" (deleted)"))
    }

    /// Puts another file in its place, as a package manager does.
    fn install(&self, bytes: &[u8]) -> PathBuf {
        let path = self.executable();
        let fresh = path.with_extension("new");
        fs::write(&fresh, bytes).unwrap();
        fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(&fresh, &path).unwrap();
        path
    }

    fn upgrade(&self) -> (i32, String) {
        let said = self.sandbox.run("pinfold", ["upgrade", self.sandbox.scan().to_str().unwrap()]);
        (said.code, said.err)
    }
}

fn runs(process: &Process, path: &PathBuf) -> bool {
    let running = fs::metadata(format!("/proc/{}/exe", process.pid)).unwrap();
    running.ino() == fs::metadata(path).unwrap().ino()
}

#[test]
fn nobody_notices_a_new_executable() {
    let mut scene = Scene::new("upgrade");
    scene.sandbox.file("counts/run", COUNTS);
    scene.sandbox.file("counts/log/run", LOGS);
    scene.sandbox.file("born/run", BORN);
    scene.sandbox.file("talks/run", "#!/bin/sh\necho $$ >>starts\nwhile :; do echo talk; sleep 0.3; done\n");
    scene.sandbox.file(
        "exits/run",
        "#!/bin/sh\necho $$ >>starts\nwhile [ ! -e go ]; do sleep 0.05; done\nrm go\nexit 7\n",
    );
    scene.open();
    scene.count("counts/logged", 10);
    let pids = || ["counts", "counts/log", "born", "talks", "exits"].map(|service| scene.sandbox.up(service));
    let (before, guardian, supervisor) = (pids(), scene.guardian(), scene.supervisor());
    let image = fs::read(scene.executable()).unwrap();
    for _ in 0..3 {
        let path = scene.install(&image);
        assert!(!runs(&guardian, &path) && !runs(&supervisor, &path));
        assert_eq!(scene.upgrade(), (0, String::new()), "{}", scene.sandbox.reports());
        assert!(runs(&guardian, &path) && runs(&supervisor, &path));
        assert_eq!((scene.guardian().pid, scene.supervisor().pid), (guardian.pid, supervisor.pid));
        assert_eq!(pids(), before);
        let logged = scene.lines("counts/logged").len();
        scene.count("counts/logged", logged + 20);
    }
    // its children are its children still
    scene.touch("exits/go");
    scene.count("exits/starts", 2);
    scene.recorded("exits", "exited 7", |record| record.last_exit == Some(Ending::Code(7)));
    // a service is born into the same world
    scene.svc("-t", "born");
    let born = scene.other("born", before[2]);
    let text = |pid: i32| scene.text(&format!("born/born.{pid}"));
    scene.sandbox.wait_for("it to be born as before", || {
        let (now, then) = (text(born), text(before[2]));
        expect(now.trim_end() == then.trim_end(), (now, then))
    });
    // and everything is watched as before
    let path = pinfold::catcher::path(&scene.run(), b"talks");
    fs::remove_file(&path).unwrap();
    scene.sandbox.wait_for("more to be caught", || expect(path.exists(), &path));
    scene.lose_supervisor();
    scene.svc("-d", "counts");
    scene.sandbox.down("counts");
    let mut scene = scene;
    scene.end();
    assert_counted(&scene.text("counts/logged"));
}

#[test]
fn what_can_not_take_over_is_refused_and_changes_nothing() {
    let scene = Scene::with("upgrade-refused", "squid", STAYS);
    let (squid, guardian, supervisor) = (scene.started("squid"), scene.guardian(), scene.supervisor());
    let image = fs::read(scene.executable()).unwrap();
    let others: [(&[u8], &str); 4] = [
        (b"#!/bin/sh\nexit 1\n", "is no pinfold that can take over"),
        (b"#!/bin/sh\necho pinfold forms: guardian 77, table 1\n", "guardian 77"),
        (b"#!/no/such/interpreter\n", "execute"),
        (b"", "execute"),
    ];
    for (other, why) in others {
        scene.install(other);
        // svscan itself refuses as well
        guardian.signal(Signal::SIGUSR1);
        scene.says(&["not upgraded", why]);
        assert!(!runs(&guardian, &scene.executable()) && !runs(&supervisor, &scene.executable()));
        assert_eq!((scene.guardian().pid, scene.supervisor().pid), (guardian.pid, supervisor.pid));
    }
    scene.install(&image);
    assert_eq!(scene.upgrade().0, 0, "{}", scene.sandbox.reports());
    assert_eq!(scene.sandbox.up("squid"), squid);
    scene.close();
}
