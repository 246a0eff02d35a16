//! The man pages and completions in `packaging/`: there is a page for everything that can be called, what clap knows
//! is in it, what the table of settings knows is in it, and the exit codes are those that one gets.
//!
//! `UPDATE=1 cargo test --test man` writes anew what is made from the program.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "man/page.rs"]
mod page;

use clap_complete::Shell;
use page::Page;
use pinfold::commands::{APPLETS, command_lines};
use pinfold::service::settings::TABLE;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const BEGIN: &str = ".\\\" made from the table of settings: begin\n";
const END: &str = ".\\\" made from the table of settings: end\n";

fn packaging(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(path)
}

/// Is this what the file says? With `UPDATE` it is made to.
fn expect_file(path: &Path, should: &str) {
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, should).unwrap();
    }
    let is = std::fs::read_to_string(path).unwrap_or_default();
    assert!(is == should, "{} is stale: UPDATE=1 cargo test --test man", path.display());
}

/// Everything that can be called, by the name of its page.
fn callable() -> Vec<String> {
    let lines = command_lines();
    let verbs = lines[0].get_subcommands().map(|verb| format!("pinfold-{}", verb.get_name()));
    let tools = compat::APPLETS.iter().chain(APPLETS).map(|tool| tool.name.to_owned());
    std::iter::once("pinfold".to_owned()).chain(verbs).chain(tools).collect()
}

#[test]
fn everything_that_can_be_called_has_a_page() {
    let missing: Vec<String> = callable().into_iter().filter(|name| Page::read(name).is_none()).collect();
    assert!(missing.is_empty(), "no page for {missing:?}");
    for name in callable() {
        let page = Page::read(&name).unwrap();
        assert!(page.section("NAME").replace('\\', "").contains(&name), "{name}.8 is about another");
        assert!(!page.codes().is_empty(), "{name}.8 lists no exit codes");
    }
}

#[test]
fn the_pages_of_what_clap_reads_are_those_it_makes() {
    for command in command_lines() {
        let name = command.get_name().to_owned();
        expect_file(&packaging(&format!("man/{name}.8")), &page::of(&command, &name));
        for verb in command.get_subcommands() {
            let name = format!("{name}-{}", verb.get_name());
            expect_file(&packaging(&format!("man/{name}.8")), &page::of(verb, &name));
        }
    }
}

#[test]
fn completions_are_those_that_clap_makes() {
    for mut command in command_lines() {
        let name = command.get_name().to_owned();
        for (shell, file) in [
            (Shell::Bash, format!("bash/{name}")),
            (Shell::Zsh, format!("zsh/_{name}")),
            (Shell::Fish, format!("fish/{name}.fish")),
        ] {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut command, &name, &mut text);
            expect_file(&packaging("completions").join(file), &String::from_utf8(text).unwrap());
        }
    }
}

#[test]
fn every_setting_is_in_the_page_of_the_service_directory() {
    let path = packaging("man/pinfold-service.5");
    let is = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = is.split_once(BEGIN).expect("the page has a place for them");
    let (_, after) = rest.split_once(END).expect("and that has an end");
    let mut list = String::new();
    for setting in TABLE {
        let help = page::escaped(setting.help);
        list.push_str(&format!(".It Pa {}\n{help}\n.Pq {}\n", setting.name, setting.from));
    }
    expect_file(&path, &format!("{before}{BEGIN}{list}{END}{after}"));
}

#[test]
fn exit_codes_are_those_of_the_help() {
    let (verbs, tools): (Vec<_>, Vec<_>) =
        callable().into_iter().partition(|name| name.starts_with("pinfold"));
    let with_help = |name: &String| command_lines().iter().any(|command| command.get_name() == name);
    for name in verbs.iter().chain(tools.iter().filter(|name| with_help(name))) {
        let words = name.strip_prefix("pinfold").map_or(&**name, |verb| verb.trim_start_matches('-'));
        let words = if words.is_empty() { vec!["help"] } else { vec![words, "--help"] };
        let help = String::from_utf8(pinfold(&words).stdout).unwrap();
        let said = page::codes_of_help(&help);
        assert!(!said.is_empty(), "{name}: no exit codes in its help:\n{help}");
        assert_eq!(Page::read(name).unwrap().codes(), said, "{name}");
    }
}

/// A classic tool has no help that could be compared, but it can be called wrongly, or with nothing to do.
#[test]
fn what_a_tool_gives_without_arguments_is_in_its_page() {
    for tool in compat::APPLETS {
        let code = pinfold(&[tool.name]).status.code().unwrap();
        let known = Page::read(tool.name).unwrap().codes();
        assert!(known.contains(&code), "{}: gives {code}, its page says {known:?}", tool.name);
    }
}

#[test]
fn every_option_of_a_classic_tool_is_in_its_page() {
    for (tool, options) in [
        ("svc", "udopcaithkxq12w"),
        ("setlock", "nNxX"),
        ("softlimit", "acdflmoprst"),
        ("chpst", "uUbemdopfcrt/CnlLvP012V"),
        ("sv", "wvV"),
        ("setuidgid", "s"),
    ] {
        let text = Page::read(tool).unwrap().text;
        let missing: Vec<char> = options.chars().filter(|o| !text.contains(&format!(" Fl {o}"))).collect();
        assert!(missing.is_empty(), "{tool}.8 says nothing of {missing:?}");
    }
}

fn pinfold(words: &[&str]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pinfold"));
    command.args(words).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn pages_are_well_formed() {
    let pages = page::all();
    assert!(pages.len() > 30, "{pages:?}");
    let mut checked = false;
    for (program, arguments) in
        [("mandoc", &["-Tlint", "-Wwarning"][..]), ("groff", &["-mandoc", "-Tutf8", "-ww"])]
    {
        let Ok(ended) = Command::new(program).args(arguments).args(&pages).output() else { continue };
        checked = true;
        let said = if program == "mandoc" { ended.stdout } else { ended.stderr };
        let said = String::from_utf8_lossy(&said);
        assert!(said.trim().is_empty(), "{program}:\n{said}");
    }
    if !checked {
        println!("SKIPPED: neither mandoc nor groff is installed");
    }
}

/// The packages make a link for each of these.
#[test]
fn the_list_of_classic_names_is_complete() {
    let own: Vec<String> = command_lines().iter().map(|command| command.get_name().to_owned()).collect();
    let mut should: Vec<&str> = compat::APPLETS.iter().chain(APPLETS).map(|tool| tool.name).collect();
    should.retain(|name| !own.iter().any(|own| own == name));
    should.sort_unstable();
    expect_file(&packaging("classic-names"), &(should.join("\n") + "\n"));
}
