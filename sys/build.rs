//! Builds the fold root, a program of its own without a C library, for `src/foldroot.rs` to embed.

use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::process::Command;

const SOURCE: &str = "foldroot/foldroot.rs";

/// Small first. Linked by the same linker as everything else, without anything of the C library's.
const OPTIONS: [&str; 7] = [
    "opt-level=s",
    "panic=abort",
    "relocation-model=static",
    "target-feature=+crt-static",
    "force-unwind-tables=no",
    "debuginfo=0",
    "strip=symbols",
];
const LINK: [&str; 8] = [
    "-nostartfiles",
    "-nostdlib",
    "-static",
    "-Wl,--build-id=none",
    // one segment: the fewest pages and page tables
    "-Wl,-z,noseparate-code",
    "-Wl,-z,norelro",
    "-Wl,-z,max-page-size=4096",
    "-Wl,-z,noexecstack",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={SOURCE}");
    let variable = |name: &str| env::var_os(name).ok_or_else(|| format!("cargo did not set {name}"));
    let mut rustc = Command::new(variable("RUSTC")?);
    rustc.args(["--edition=2024", "--crate-name=foldroot", "--crate-type=bin", SOURCE]);
    rustc.arg("--target").arg(variable("TARGET")?);
    rustc.arg("-o").arg(PathBuf::from(variable("OUT_DIR")?).join("foldroot"));
    for option in OPTIONS {
        rustc.args(["-C", option]);
    }
    for option in LINK {
        rustc.args(["-C", &format!("link-arg={option}")]);
    }
    if env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|name| name == "musl") {
        // or it would bring that library's own start
        rustc.args(["-C", "link-self-contained=no"]);
    }
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        let mut option = std::ffi::OsString::from("linker=");
        option.push(linker);
        rustc.arg("-C").arg(option);
    }
    if !rustc.status()?.success() {
        return Err(format!("{SOURCE} could not be built").into());
    }
    Ok(())
}
