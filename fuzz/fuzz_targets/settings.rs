//! The files of a service directory: read, or refused by one line that names the file.
#![no_main]

use pinfold::service::Settings;
use pinfold::service::settings::TABLE;
use std::path::PathBuf;
use std::sync::LazyLock;

static SERVICE: LazyLock<PathBuf> = LazyLock::new(|| {
    let service = std::env::current_exe().unwrap().with_extension(std::process::id().to_string());
    std::fs::create_dir_all(&service).unwrap();
    service
});

libfuzzer_sys::fuzz_target!(|input: (u8, &[u8])| {
    let (which, content) = input;
    let name = TABLE[usize::from(which) % TABLE.len()].name;
    let file = SERVICE.join(name);
    std::fs::write(&file, content).unwrap();
    let read = Settings::read(&SERVICE);
    std::fs::remove_file(&file).unwrap();
    match read {
        Ok(settings) => {
            assert!(settings.notification_fd.is_none_or(|fd| (1..1024).contains(&fd)));
            assert!((1000..=86_400_000).contains(&settings.config.backoff_max));
        }
        Err(unusable) => {
            let unusable = unusable.to_string();
            assert!(unusable.contains(name), "{unusable}");
            assert!(!unusable.contains(char::is_control), "{unusable:?}");
        }
    }
});
