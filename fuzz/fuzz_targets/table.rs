//! The table as a file: damage, and what looks whole but was written by nobody we know.
#![no_main]

use pinfold::record::SIZE;
use pinfold::{place, table};
use std::path::PathBuf;
use std::sync::LazyLock;

static RUN: LazyLock<PathBuf> = LazyLock::new(|| {
    let run = std::env::current_exe().unwrap().with_extension(std::process::id().to_string());
    std::fs::create_dir_all(&run).unwrap();
    run
});

libfuzzer_sys::fuzz_target!(|input: (&[u8], &[u8], &[u8])| {
    let (rest, head, state) = input;
    let head = whole(&[b"pinfold1", &(SIZE as u32).to_le_bytes(), head]);
    // its name has 262 bytes' room
    let record = whole(&[b"\x05\0squid", &[0; 257], state]);
    std::fs::write(RUN.join(table::NAME), [&head, &record, rest].concat()).unwrap();
    if let Ok(view) = table::read(&RUN) {
        assert!(view.records.iter().all(|(slot, _)| (*slot as usize) <= rest.len() / SIZE));
    }
});

/// A block with this beginning, and its hash.
fn whole(parts: &[&[u8]]) -> Vec<u8> {
    let mut block = parts.concat();
    block.resize(SIZE - 8, 0);
    let sum = place::hash(&block);
    block.extend(sum.to_le_bytes());
    block
}
