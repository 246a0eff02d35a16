//! What is delivered beside the executable.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

const TOP: &str = env!("CARGO_MANIFEST_DIR");

fn bill() -> Option<(String, Value)> {
    let made =
        Command::new("packaging/sbom").current_dir(TOP).env("SOURCE_DATE_EPOCH", "86400").output().ok()?;
    let errors = String::from_utf8_lossy(&made.stderr);
    if errors.contains("tomllib") || made.status.code() == Some(127) {
        return None;
    }
    assert!(made.status.success(), "{errors}");
    let text = String::from_utf8(made.stdout).unwrap();
    let bill = serde_json::from_str(&text).unwrap();
    Some((text, bill))
}

/// What cargo compiles into the executable is on the bill, by the checksums of Cargo.lock, and nothing that only tests
/// need.
#[test]
fn the_bill_of_materials_names_what_is_in_the_executable() {
    let Some((text, bill)) = bill() else { return common::skipped("python3 is missing, or older than 3.11") };
    let tree = ["tree", "--locked", "--edges=normal,build", "--prefix=none", "--format={p}"];
    let tree = Command::new(env!("CARGO")).args(tree).current_dir(TOP).output().unwrap();
    let wanted: BTreeSet<String> = String::from_utf8(tree.stdout)
        .unwrap()
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some(format!("{}@{}", words.next()?, words.next()?.strip_prefix('v')?))
        })
        .collect();
    let of = |component: &Value| {
        format!("{}@{}", component["name"].as_str().unwrap(), component["version"].as_str().unwrap())
    };
    let components = bill["components"].as_array().unwrap();
    let mut listed: BTreeSet<String> = components.iter().map(of).collect();
    listed.insert(of(&bill["metadata"]["component"]));
    assert_eq!(listed, wanted);
    assert!(wanted.len() > 20 && !text.contains("clap_mangen"), "{listed:?}");

    let lock = std::fs::read_to_string(format!("{TOP}/Cargo.lock")).unwrap();
    for component in components {
        assert!(component["licenses"][0]["expression"].is_string(), "{component}");
        match component["hashes"][0]["content"].as_str() {
            Some(sum) => assert!(lock.contains(sum), "{component}"),
            None => assert!(component["name"].as_str().unwrap().starts_with("pinfold-"), "{component}"),
        }
    }
    assert_eq!(bill["metadata"]["timestamp"], "1970-01-02T00:00:00Z");
    assert_eq!(self::bill().unwrap().0, text, "made twice, it is not the same");
}
