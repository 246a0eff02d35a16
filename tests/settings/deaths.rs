//! What comes after an end: finish, backoff, the tally, and when a service is started again.

use pinfold::machine::Phase;

use super::scene::{STAYS, Scene};

/// A finish that writes down its arguments.
const FINISH: &str = "#!/bin/sh\necho \"$@\" >>finishes\n[ ! -e give-up ] || exit 125\n";

#[test]
fn finish_is_told_how_it_ended() {
    let mut scene = Scene::new("finish");
    let runs = [
        ("code", "exit 7", "7 0"),
        ("signal", "kill -HUP $$; sleep 100", "-1 1"),
        // 128 is added where a core was dumped
        ("core", "ulimit -c unlimited; kill -SEGV $$; sleep 100", "-1 11"),
        ("clean", "exit 0", "0 0"),
    ];
    for (service, how, _) in runs {
        scene.sandbox.file(&format!("{service}/run"), &format!("#!/bin/sh\necho $$ >>starts\n{how}\n"));
        scene.sandbox.file(&format!("{service}/finish"), FINISH);
    }
    scene.open();
    for (service, _, arguments) in runs {
        let first = scene.count(&format!("{service}/finishes"), 1).remove(0);
        let dumped = service == "core" && first == "-1 139";
        assert!(first == arguments || dumped, "{service}: {first}");
    }
    // one after each end
    let ends = scene.count("code/finishes", 3).len();
    assert!(scene.starts("code").abs_diff(ends) <= 1);
    scene.close();
}

#[test]
fn finish_gives_up_by_125_until_somebody_says_up() {
    let mut scene = Scene::new("give-up");
    scene
        .sandbox
        .file("squid/run", "#!/bin/sh\necho $$ >>starts\n[ -e stays ] || exit 1\nexec sleep 1000000\n");
    scene.sandbox.file("squid/finish", FINISH);
    scene.sandbox.file("squid/give-up", "");
    scene.open();
    scene.says(&["squid", "125", "svc -u"]);
    scene.phase("squid", "failed", |phase| matches!(phase, Phase::Failed { .. }));
    scene.lose_supervisor();
    scene.phase("squid", "failed", |phase| matches!(phase, Phase::Failed { .. }));
    assert_eq!(scene.starts("squid"), 1);
    scene.touch("squid/stays");
    scene.svc("-u", "squid");
    scene.count("squid/starts", 2);
    scene.phase("squid", "ready", |phase| matches!(phase, Phase::Ready { .. }));
    scene.close();
}

#[test]
fn timeout_finish_ends_a_finish() {
    let mut scene = Scene::new("timeout-finish");
    scene.sandbox.file("squid/run", STAYS);
    scene.sandbox.file("squid/finish", "#!/bin/sh\necho $$ >>finishes\nexec sleep 1000000\n");
    scene.sandbox.file("squid/timeout-finish", "300\n");
    scene.open();
    scene.started("squid");
    scene.svc("-t", "squid");
    let finish = scene.count("squid/finishes", 1).remove(0).parse().unwrap();
    scene.count("squid/starts", 2);
    let left = super::common::processes::Process::look(finish);
    assert!(left.is_none_or(|process| process.command != "sleep"), "it still runs");
    scene.close();
}

#[test]
fn too_many_quick_deaths_are_failure() {
    let mut scene = Scene::new("tally");
    scene.sandbox.file("squid/run", "#!/bin/sh\necho $$ >>starts\nexit 1\n");
    scene.sandbox.file("squid/max-death-tally", "3\n");
    scene.sandbox.file("squid/backoff-max", "1\n");
    scene.open();
    scene.phase("squid", "failed", |phase| matches!(phase, Phase::Failed { .. }));
    assert_eq!(scene.starts("squid"), 3);
    scene.says(&["squid", "max-death-tally", "svc -u"]);
    scene.svc("-u", "squid");
    scene.count("squid/starts", 6);
    scene.phase("squid", "failed again", |phase| matches!(phase, Phase::Failed { .. }));
    assert_eq!(scene.starts("squid"), 6);
    scene.close();
}

/// The moments of the starts, as the run scripts took them: nanoseconds.
fn gaps(scene: &Scene, service: &str, starts: usize) -> Vec<f64> {
    let times = scene.count(&format!("{service}/starts"), starts);
    let times: Vec<f64> = times.iter().map(|time| time.parse::<f64>().unwrap() / 1e9).collect();
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn quick_deaths_back_off_and_are_reported_once() {
    let mut scene = Scene::new("backoff");
    let run = |code: u8| format!("#!/bin/sh\necho $(date +%s%N) >>starts\nexit {code}\n");
    scene.sandbox.file("capped/run", &run(1));
    scene.sandbox.file("capped/backoff-max", "2\n");
    scene.sandbox.file("grows/run", &run(1));
    scene.sandbox.file("clean/run", &run(0));
    scene.open();
    // A script takes the time a little after its start, so the bounds are a little looser than what is promised;
    // nothing bounds them above but that the cap is smaller than what it would have grown to.
    let grows = gaps(&scene, "grows", 4);
    let grown = scene.record("grows").unwrap().state;
    assert!(grows[0] > 0.7 && grows[1] > 1.7 && grows[2] > 3.7, "{grows:?}");
    assert!(grown.quick_deaths >= 3);
    let clean = gaps(&scene, "clean", 5);
    assert!(clean.iter().all(|gap| *gap > 0.7), "{clean:?}");
    assert_eq!(scene.record("clean").unwrap().state.quick_deaths, 0, "exit 0 never backs off");
    let capped = scene.recorded("capped", "capped", |record| record.state.quick_deaths >= 5).state;
    let wait = capped.deadline.map_or(0, |deadline| deadline - capped.started);
    assert!(wait <= 2000 + 5000 && scene.starts("capped") >= 4, "{capped:?}");
    scene.says(&["grows", "crash loop"]);
    assert_eq!(scene.said(&["grows", "crash loop"]), 1);
    assert_eq!(scene.said(&["clean", "crash loop"]), 0);
    scene.close();
}

#[test]
fn what_ran_for_a_second_is_started_again_at_once() {
    let mut scene = Scene::new("at-once");
    scene.sandbox.file("squid/run", "#!/bin/sh\necho $$ >>starts\nsleep 1.3\nexit 1\n");
    scene.open();
    // never in backoff, however often it dies: no look of ours sees that phase, and no death counts as quick
    scene.count("squid/starts", 4);
    let state = scene.record("squid").unwrap().state;
    assert_eq!(state.quick_deaths, 0, "{state:?}");
    assert_eq!(scene.said(&["squid", "crash loop"]), 0);
    scene.close();
}
