//! `pinfold metrics`: what Prometheus is told.

use std::collections::BTreeMap;

use super::house::{House, STAYS, contains};
use crate::common::expect;

/// The samples, and that each metric is described once, before them, and has no sample twice.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let mut samples = BTreeMap::new();
    let mut described: Vec<&str> = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let name = rest.split(' ').next().unwrap();
            assert!(!described.contains(&name), "{name} is described twice");
            described.push(name);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(described.last() == Some(&name) && ["gauge", "counter"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            assert_eq!(series.split('{').next(), described.last().copied(), "{line}");
            assert!(series.ends_with('}'), "{line}");
            assert!(samples.insert(series.to_owned(), value.parse().unwrap()).is_none(), "twice: {line}");
        }
    }
    samples
}

#[test]
fn metrics_are_what_status_says() {
    let house = House::new("metrics");
    house.service("web", STAYS, &[("log/run", "exec cat >/dev/null")]);
    house.service("odd\\ \"name", STAYS, &[]);
    house.service("broken", "exit 3", &[("max-death-tally", "1"), ("backoff-max", "1")]);
    let house = house.scanned();
    house.done("svc", &["-u", "web", "broken"]);
    house.sandbox.up("web");
    house.sandbox.wait_for("it to be given up", || {
        let out = house.run("pinfold", &["status", "broken", "--json"]).out;
        expect(out.contains("\"state\": \"failed\""), out)
    });

    let text = house.done("pinfold", &["metrics"]);
    let samples = samples(&text);
    let scan = std::fs::canonicalize(house.sandbox.scan()).unwrap();
    let of = |metric: &str, service: &str| {
        let series =
            format!("pinfold_service_{metric}{{directory=\"{}\",service=\"{service}\"}}", scan.display());
        samples.get(&series).copied()
    };
    assert_eq!(of("running", "web"), Some(1.0), "{text}");
    assert_eq!((of("wanted", "web"), of("enabled", "web")), (Some(1.0), Some(0.0)));
    assert_eq!((of("running", "odd\\\\ \\\"name"), of("wanted", "odd\\\\ \\\"name")), (Some(0.0), Some(0.0)));
    assert_eq!((of("failed", "broken"), of("last_exit_code", "broken")), (Some(1.0), Some(3.0)));
    assert_eq!(
        (of("failed", "web"), of("last_exit_code", "web"), of("ready", "web")),
        (Some(0.0), None, None)
    );
    assert!(of("running", "web/log").is_some() && of("restarts_total", "web") == Some(0.0));
    contains(&text, "pinfold_supervisor_alive{");
    contains(&text, "service=\"broken\",state=\"failed\"} 1\n");

    // of one that is named, and of nothing at all
    assert!(!house.done("pinfold", &["metrics", "web"]).contains("broken"));
    assert_eq!(house.run("pinfold", &["metrics", "nowhere"]).code, 1);
}

/// Also when nobody is there any more to ask.
#[test]
fn a_dead_supervisor_is_told_of() {
    let mut house = House::new("metrics-gone");
    house.service("web", STAYS, &[]);
    house = house.scanned();
    contains(&house.done("pinfold", &["metrics"]), "containment=\"");
    assert!(
        house
            .done("pinfold", &["metrics"])
            .lines()
            .any(|l| l.starts_with("pinfold_supervisor_alive") && l.ends_with(" 1"))
    );
    house.terminate();
    let out = house.run("pinfold", &["metrics"]);
    assert!(out.out.is_empty() || out.out.contains("} 0\n"), "{out:?}");
}
