//! A systemd unit: made into scripts and settings, or refused by one line; every setting can be read back.
#![no_main]

use pinfold::import::translate;
use pinfold::service::Settings;
use pinfold::service::settings::{Kind, lookup};
use std::path::PathBuf;

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    let file = PathBuf::from("web@a-b.service");
    let lines = text.split(|&b| b == b'\n').count();
    let Ok(plan) = translate("web@a-b.service", &[(file.clone(), text.to_vec())]) else { return };
    assert!(plan.files.iter().any(|made| made.path == "run" && made.executable));
    for made in &plan.files {
        assert!(!made.path.contains("..") && !made.path.starts_with('/'), "{}", made.path);
        if let Some(Kind::File(read)) = lookup(made.path.as_bytes()).map(|setting| setting.kind) {
            let word = made.text.lines().next().unwrap_or("").trim();
            assert!(read(&mut Settings::default(), word).is_ok(), "{}: {word}", made.path);
        }
    }
    let ours = plan.remarks.iter().filter(|remark| remark.file == file);
    ours.for_each(|remark| assert!((1..=lines).contains(&remark.line), "{remark:?}"));
});
