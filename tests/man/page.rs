//! One man page: made from what clap knows of a command, or read.

use clap::Command;
use clap_mangen::Man;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Of the pages that are made here.
const DATE: &str = "2026-11-22";

/// A page as it is in `packaging/man`.
pub(crate) struct Page {
    /// Its source.
    pub(crate) text: String,
}

/// All pages that are there.
pub(crate) fn all() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/man");
    let mut pages: Vec<PathBuf> = directory.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.sort();
    pages
}

impl Page {
    /// The page of a tool.
    pub(crate) fn read(name: &str) -> Option<Page> {
        let path = format!("{}/packaging/man/{name}.8", env!("CARGO_MANIFEST_DIR"));
        Some(Page { text: std::fs::read_to_string(path).ok()? })
    }

    /// What is below a heading.
    pub(crate) fn section(&self, heading: &str) -> String {
        let is_heading = |line: &&str| line.to_ascii_lowercase().starts_with(".sh ");
        let named = |line: &&str| is_heading(line) && line[4..].trim_matches('"') == heading;
        let below = self.text.lines().skip_while(|line| !named(line)).skip(1);
        below.take_while(|line| !is_heading(line)).collect::<Vec<_>>().join("\n")
    }

    /// The exit codes that it lists.
    pub(crate) fn codes(&self) -> BTreeSet<i32> {
        let section = self.section("EXIT STATUS");
        let listed = section.lines().filter_map(|line| {
            line.strip_prefix(".It ").or_else(|| line.strip_prefix("\\fB")?.strip_suffix("\\fR"))
        });
        listed.filter_map(|code| code.parse().ok()).collect()
    }
}

/// The exit codes that a help ends with: `Exit codes: 0 …; 1 …`.
pub(crate) fn codes_of_help(help: &str) -> BTreeSet<i32> {
    let Some((_, codes)) = help.split_once("Exit codes: ") else { return BTreeSet::new() };
    // the help is folded to the width of the terminal
    let codes = codes.split_whitespace().collect::<Vec<_>>().join(" ");
    codes.split("; ").filter_map(|code| code.split_once(' ')?.0.parse().ok()).collect()
}

/// The page of a command, called `name`.
pub(crate) fn of(command: &Command, name: &str) -> String {
    let bin = name.replacen("pinfold-", "pinfold ", 1);
    // the title is the page's name, the synopsis what is typed
    let mut command =
        command.clone().name(&*name.to_owned().leak()).bin_name(bin).disable_help_subcommand(true);
    command.build();
    let after = command.get_after_long_help().or(command.get_after_help()).map(ToString::to_string);
    let mut page = heading(&mut command, name).into_bytes();
    let man = Man::new(command.clone());
    man.render_description_section(&mut page).unwrap();
    man.render_options_section(&mut page).unwrap();
    let mut page = String::from_utf8(page).unwrap();
    verbs(&command, &mut page);
    epilogue(&after.unwrap_or_default(), &mut page);
    page.push_str(".SH \"SEE ALSO\"\n");
    let others = ["pinfold(8)", "pinfold(7)", "pinfold-service(5)"];
    let others = others.iter().filter(|other| **other != format!("{name}(8)"));
    page.push_str(&others.map(|other| reference(other)).collect::<Vec<_>>().join(",\n"));
    page.push('\n');
    page
}

/// Title, name and synopsis: the name is the first line only of what is said about the command, and the synopsis the
/// usage line of its help.
fn heading(command: &mut Command, name: &str) -> String {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let about = about.lines().next().unwrap_or_default().trim_end_matches('.');
    let usage = command.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    let (name, about, usage) = (escaped(name), escaped(about), escaped(usage));
    format!(
        ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n.TH \"{}\" 8 {DATE} pinfold pinfold\n\
         .SH NAME\n{name} \\- {about}\n.SH SYNOPSIS\n.nf\n{usage}\n.fi\n",
        name.to_uppercase()
    )
}

/// A list of the verbs, each with a page of its own.
fn verbs(command: &Command, page: &mut String) {
    if command.get_subcommands().next().is_some() {
        page.push_str(".SH VERBS\n");
    }
    for verb in command.get_subcommands() {
        let about = escaped(&verb.get_about().map(ToString::to_string).unwrap_or_default());
        let title = reference(&format!("pinfold-{}(8)", verb.get_name()));
        page.push_str(&format!(".TP\n{title}\n{about}\n"));
    }
}

/// What stands below the options in a help, as sections: examples, lists, exit codes.
fn epilogue(text: &str, page: &mut String) {
    for paragraph in text.split("\n\n") {
        let (heading, rest) = paragraph.split_once(':').unwrap_or((paragraph, ""));
        if heading == "Exit codes" {
            page.push_str(".SH \"EXIT STATUS\"\n");
            for code in rest.trim().trim_end_matches('.').split("; ") {
                let (number, meaning) = code.split_once(' ').unwrap_or((code, ""));
                page.push_str(&format!(".TP\n\\fB{number}\\fR\n{}\n", escaped(meaning)));
            }
        } else {
            let (words, lines) = heading.split_once(',').unwrap_or((heading, ""));
            page.push_str(&format!(".SH {}\n", words.to_uppercase()));
            if !lines.is_empty() {
                page.push_str(&format!("Also {}:\n.PP\n", escaped(lines.trim())));
            }
            page.push_str(&format!(".nf\n{}\n.fi\n", escaped(rest.trim_start_matches('\n'))));
        }
    }
}

/// `name(8)` in bold and plain.
fn reference(page: &str) -> String {
    let (name, section) = page.split_once('(').unwrap_or((page, "8)"));
    format!("\\fB{}\\fR({section}", escaped(name))
}

/// Text for roff.
pub(crate) fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    let lines = text
        .lines()
        .map(|line| if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line.to_owned() });
    lines.collect::<Vec<_>>().join("\n")
}
