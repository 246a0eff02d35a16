//! What is written to `supervise/control`: a letter stands for one command, or for none.
#![no_main]

use compat::control::{Command, TABLE};

libfuzzer_sys::fuzz_target!(|letters: &[u8]| {
    for &letter in letters {
        let mut entries = TABLE.iter().filter(|entry| entry.letter == letter || entry.alias == Some(letter));
        let command = Command::from_letter(letter);
        assert_eq!(command, entries.next().map(|entry| entry.command));
        assert!(entries.next().is_none());
        if let Some(command) = command {
            assert_eq!(Command::from_letter(command.letter()), Some(command));
        }
    }
});
