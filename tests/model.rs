//! Checks the machine in every world that it can get into.
//!
//! `pinfold::machine::step` says what a supervisor does. The world here is everything else, and it is
//! malicious: processes end, fork, stray, ignore what they are told or say it too late, notices are
//! late, spawns fail, commands come at any moment, and the supervisor itself is killed between any two
//! of its actions. With small times the number of worlds is finite, and all of them are looked at.
//!
//! What must hold is in `model/laws.rs` (safety, in every world) and `model/progress.rs` (it gets down, it
//! gets up). That these laws would notice is shown by mistakes planted into the machine
//! (`model/mutants.rs`). Real times are too many to exhaust: `model/walk.rs` walks there at random.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "model/conform.rs"]
mod conform;
#[path = "model/explore.rs"]
mod explore;
#[path = "model/graph.rs"]
mod graph;
#[path = "model/laws.rs"]
mod laws;
#[path = "model/moves.rs"]
mod moves;
#[path = "model/mutants.rs"]
mod mutants;
#[path = "model/progress.rs"]
mod progress;
#[path = "model/real.rs"]
mod real;
#[path = "model/supervisor.rs"]
mod supervisor;
#[path = "model/table.rs"]
mod table;
#[path = "model/walk.rs"]
mod walk;
#[path = "model/words.rs"]
mod words;
#[path = "model/world.rs"]
mod world;

use pinfold::machine::{Actions, Config, Daemonised, Event, Ms, State, Times, step};
use std::cell::RefCell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use table::Table;
use walk::Walk;
use world::{Model, Step, World};

/// The smallest times in which everything that may happen before, at and after a moment can.
const TINY: Times = Times { spacing: 1, look: 1, minute: 2, rekill: 1 };
const TIMEOUT: Option<Ms> = Some(2);
const BACKOFF_MAX: Ms = 2;
/// The longest time that the machine looks back.
const HORIZON: Ms = 2;

/// All combinations of settings that make a difference.
fn configs() -> Vec<Config> {
    let mut all = Vec::new();
    for (notifies, timeout_up, watchdog) in
        [(false, None, None), (true, None, None), (true, TIMEOUT, None), (true, TIMEOUT, TIMEOUT)]
    {
        for (has_finish, timeout_finish) in [(false, None), (true, None), (true, TIMEOUT)] {
            for timeout_kill in [None, TIMEOUT] {
                for (leader_only, daemonised) in [
                    (true, Daemonised::Auto), // which `kill-mode: leader` overrides
                    (false, Daemonised::No),
                    (false, Daemonised::Auto),
                    (false, Daemonised::Yes),
                ] {
                    all.extend([0, 2].map(|max_quick_deaths| Config {
                        has_finish,
                        notifies,
                        timeout_up,
                        timeout_kill,
                        timeout_finish,
                        watchdog,
                        leader_only,
                        daemonised,
                        backoff_max: BACKOFF_MAX,
                        max_quick_deaths,
                        times: TINY,
                    }));
                }
            }
        }
    }
    all
}

/// The machine as it is.
fn real(w: &World, event: Event, config: &Config) -> (State, Actions) {
    step(w.s, event, w.now, config)
}

/// Strays have nothing to do with readiness and with `finish`: without those there are few enough worlds to
/// have them in. (The walk has them together.)
fn model<'a>(config: Config, step: &'a Step<'a>) -> Model<'a> {
    Model { config, horizon: HORIZON, strays: !config.notifies && !config.has_finish, step }
}

/// A `debug_assert` of the machine is a broken law, and is reported as one.
fn hush_the_machine() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !info.location().is_some_and(|at| at.file().contains("src/machine")) {
            usual(info);
        }
    }));
}

#[test]
fn every_world_is_sound() {
    hush_the_machine();
    let (configs, next) = (configs(), AtomicUsize::new(0));
    let (sums, broken) = (Mutex::new((0, 0)), Mutex::new(Vec::new()));
    let work = || {
        while let Some(&config) = configs.get(next.fetch_add(1, Ordering::Relaxed)) {
            match explore::explore(&model(config, &real)) {
                Ok(found) => {
                    let mut sums = sums.lock().unwrap();
                    *sums = (sums.0 + found.worlds.len(), sums.1 + found.transitions);
                }
                Err(law) => broken.lock().unwrap().push(format!("{law}\n    with {config:?}")),
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(4);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let (worlds, transitions) = *sums.lock().unwrap();
    println!("{} configurations, {worlds} worlds, {transitions} transitions", configs.len());
    let broken = broken.into_inner().unwrap();
    assert!(broken.is_empty(), "{} configurations break a law:\n{}", broken.len(), broken[0]);
}

#[test]
fn every_planted_mistake_is_caught() {
    hush_the_machine();
    let mut missed = Vec::new();
    for mutant in mutants::all() {
        let model =
            Model { config: mutant.config, horizon: HORIZON, strays: mutant.strays, step: &mutant.step };
        match explore::explore(&model) {
            Ok(_) => missed.push(mutant.name),
            Err(law) => {
                let lines: Vec<&str> = law.lines().map(str::trim).collect();
                println!("{}: {}, {}", mutant.name, lines[0], lines[lines.len() - 1]);
            }
        }
    }
    assert!(missed.is_empty(), "not caught: {missed:#?}");
}

/// Settings as they are met: the defaults, or everything much stricter.
fn usual_config(seed: usize) -> Config {
    let [has_finish, notifies, leader_only, strict] = [1, 2, 4, 8].map(|bit| seed & bit != 0);
    Config {
        has_finish,
        notifies,
        timeout_up: Some(if strict { 3_000 } else { 60_000 }),
        timeout_kill: Some(if strict { 700 } else { 90_000 }),
        timeout_finish: Some(5_000),
        watchdog: (notifies && strict).then_some(2_000),
        leader_only,
        daemonised: if strict { Daemonised::Yes } else { Daemonised::Auto },
        backoff_max: if strict { 1 } else { 10_000 },
        max_quick_deaths: if strict { 100 } else { 0 },
        times: Times::REAL,
    }
}

#[test]
fn a_long_walk_meets_no_broken_law() {
    hush_the_machine();
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(2025);
    println!("SEED={seed}");
    let mut phases = [0; 9];
    for n in 0..16 {
        let config = usual_config(n);
        let model = Model { config, horizon: 200_000, strays: true, step: &real };
        let mut walk = Walk::new(model, seed + n as u64);
        walk.walk(64_000).unwrap_or_else(|law| panic!("{law}\n    with {config:?}, SEED={seed}"));
        (0..9).for_each(|i| phases[i] += walk.phases[i]);
    }
    println!("phases entered: {phases:?}");
    assert!(phases.iter().all(|&times| times > 100), "hardly ever been in some phase: {phases:?}");
}

#[test]
fn the_table_in_the_architecture_is_true() {
    hush_the_machine();
    let table = RefCell::new(Table::default());
    let listen = |w: &World, event: Event, config: &Config| {
        let (s, actions) = real(w, event, config);
        table.borrow_mut().record(w, event, &s, &actions);
        (s, actions)
    };
    let limited = |c: &Config| {
        c.timeout_kill.is_some()
            && c.max_quick_deaths != 0
            && c.notifies == c.timeout_up.is_some()
            && c.has_finish == c.timeout_finish.is_some()
    };
    for config in configs().into_iter().filter(limited) {
        explore::explore(&model(config, &listen)).unwrap_or_else(|law| panic!("{law}"));
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/ARCHITECTURE.md");
    let is = std::fs::read_to_string(path).unwrap_or_default();
    let should = table.borrow().put_into(&is);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &should).unwrap();
    } else {
        assert!(is == should, "the table in ARCHITECTURE.md is stale: UPDATE=1 cargo test --test model");
    }
}

/// What real services go through, with the supervisor killed now and then.
#[test]
fn real_supervisors_are_walks_of_the_model() {
    hush_the_machine();
    let turns = real::turns();
    let mut names: Vec<&str> = turns.iter().map(|turn| turn.service.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let (mut inexplicable, mut noticed) = (Vec::new(), 0);
    for &name in &names {
        let own: Vec<_> = turns.iter().filter(|turn| turn.service == name).cloned().collect();
        println!("{name}: {} turns", own.len());
        assert!(own.len() > 3, "{name} has done next to nothing");
        inexplicable.extend(conform::follow(&own).err().map(|why| format!("{name}: {why}")));
        // and one that did something else would be noticed, as a rule
        let mut other = own.clone();
        other.remove(own.len() / 2);
        noticed += usize::from(conform::follow(&other).is_err());
    }
    assert!(inexplicable.is_empty(), "{}", inexplicable.join("\n"));
    println!("with a turn left out, {noticed} of {} are inexplicable", names.len());
    assert!(noticed >= 3, "anything is explained");
}
