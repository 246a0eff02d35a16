//! A service's directory, replaced while it runs: by a package manager, or by somebody's `mv`.

use std::fs;

use super::common::{Family, Sandbox, expect};
use super::ordeal::Ordeal;
use super::scene::{STARTED, STAYS, Scene};

/// The new directory under the old name is the service from its next start on.
#[test]
fn by_another_directory_of_the_same_name() {
    let ordeal = Ordeal::new("replaced", &["squid", "other"]);
    let before = ordeal.started("squid");
    let (squid, aside, fresh) =
        (ordeal.path("squid"), ordeal.sandbox.lab().join("aside"), ordeal.sandbox.lab().join("fresh"));
    fs::create_dir(&fresh).unwrap();
    fs::copy(squid.join("run"), fresh.join("run")).unwrap();
    fs::write(fresh.join("new"), "").unwrap();
    fs::rename(&squid, &aside).unwrap();
    fs::rename(&fresh, &squid).unwrap();
    // it can be controlled where an administrator looks, and there is one of it
    ordeal.sandbox.wait_for("it to be controlled in its new place", || {
        expect(squid.join("supervise/control").exists(), ordeal.sandbox.reports())
    });
    assert_eq!(ordeal.sandbox.up("squid"), before);
    ordeal.svc("-t", "squid");
    ordeal.other("squid", before);
    ordeal.sandbox.wait_for("it to run in the new directory", || expect(ordeal.starts("squid") == 1, ()));
    ordeal.process(ordeal.sandbox.up("squid"));
    let _ = fs::remove_file(aside.join("supervise"));
    ordeal.over(&["squid", "other"]);
}

/// The same where the service has its files in its own directory, and a logger.
#[test]
fn with_everything_that_was_in_it() {
    let sandbox = Sandbox::new("replaced-whole", Family::Ours).unwrap();
    sandbox.file("squid/run", &format!("{STARTED}exec sleep 1000000\n"));
    sandbox.file("squid/log/run", "#!/bin/sh\nexec cat\n");
    for desk in ["squid/supervise", "squid/log/supervise"] {
        sandbox.directory(&sandbox.scan().join(desk));
    }
    let mut scene = Scene::of(sandbox);
    scene.open();
    let ordeal = Ordeal::of(scene);
    let (before, log) = (ordeal.started("squid"), ordeal.sandbox.up("squid/log"));
    let squid = ordeal.path("squid");
    fs::rename(&squid, ordeal.sandbox.lab().join("aside")).unwrap();
    ordeal.sandbox.file(".squid/run", STAYS);
    ordeal.sandbox.file(".squid/log/run", "#!/bin/sh\nexec cat >/dev/null\n");
    fs::rename(ordeal.path(".squid"), &squid).unwrap();
    assert_eq!((ordeal.sandbox.up("squid"), ordeal.sandbox.up("squid/log")), (before, log));
    ordeal.svc("-t", "squid");
    ordeal.other("squid", before);
    ordeal.works("squid");
    ordeal.svc("-t", "squid/log");
    ordeal.other("squid/log", log);
    // the next supervisor finds it all
    ordeal.lose_supervisor();
    ordeal.works("squid");
    ordeal.scene.close();
}

/// As `rsync` or an unpacked archive does: its files are replaced, its directory stays.
#[test]
fn file_by_file() {
    let ordeal = Ordeal::new("refilled", &["squid", "other"]);
    let before = ordeal.started("squid");
    ordeal.sandbox.file("squid/run.new", STAYS);
    fs::rename(ordeal.path("squid/run"), ordeal.path("squid/run.old")).unwrap();
    fs::copy(ordeal.path("squid/run.old"), ordeal.path("squid/run.new")).unwrap();
    fs::rename(ordeal.path("squid/run.new"), ordeal.path("squid/run")).unwrap();
    assert_eq!(ordeal.sandbox.up("squid"), before);
    ordeal.over(&["squid", "other"]);
}
