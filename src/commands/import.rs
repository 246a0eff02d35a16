//! `pinfold import`: services of other managers, linked or translated into the scan directory.

use super::failure::{Failure, NO, OK, shown};
use super::lint::{Finding, Level};
use super::service::{Service, Sight};
use super::{check, cli, json, terminal};
use crate::import::{self, File, Plan, Remark, unit};
use crate::service::name;
use clap::{Arg, ArgMatches, Command, value_parser};
use nix::fcntl::AT_FDCWD;
use nix::libc::RENAME_NOREPLACE;
use serde::Serialize;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use sys::fail::errno_of;
use sys::{Errno, files};

/// The verb's command line.
pub(super) fn define() -> Command {
    let more = "\
A SOURCE is a service directory of daemontools or runit, which is linked into the scan directory and not changed; or a \
systemd unit, a file or a name ending in .service, of which a new service directory is made, drop-ins included. Nothing \
that is there is ever overwritten.

A service made of a unit has a file `down`: it is not started before `pinfold enable NAME`, so that it can be looked at \
first. What was not simply translated is said line by line: `changed` is done in another way, `left out` is not done \
at all, and `security` is left out and kept the service from something or others from it. A linked service is started \
at once, unless it has a file `down`, and is looked at as by `pinfold check`.";
    let after = "\
Examples:
  pinfold import /etc/sv/ssh
  pinfold import --dry-run nginx.service
  pinfold import --into /etc/service getty@tty1.service ./my.service

Exit codes: 0 imported, and nothing was left out; 1 something was left out, or not imported, as is said; 2 wrong usage; \
4 no permission.";
    cli::command("import", "Take over services of daemontools, runit and systemd", more, after)
        .arg(
            Arg::new("sources")
                .value_name("SOURCE")
                .help("Service directories, or systemd units by path or name")
                .num_args(1..)
                .required(true)
                .value_parser(value_parser!(OsString)),
        )
        .arg(
            Arg::new("into")
                .long("into")
                .value_name("DIR")
                .help("The scan directory [default: $SVDIR, else /service, else /etc/service]")
                .value_parser(value_parser!(PathBuf)),
        )
        .arg(
            Arg::new("name")
                .long("name")
                .value_name("NAME")
                .help("What the service is to be called [default: as its directory or unit]; with one SOURCE only")
                .value_parser(value_parser!(OsString)),
        )
        .arg(cli::switch("dry-run", Some('n'), "Only show what would be written"))
        .arg(cli::switch("json", None, "Print JSON; its fields are listed in docs/json.md"))
}

/// What has become of a source.
#[derive(Serialize)]
struct Import {
    source: String,
    name: String,
    directory: PathBuf,
    kind: &'static str,
    done: bool,
    failure: Option<String>,
    files: Vec<File>,
    remarks: Vec<Remark>,
    findings: Vec<Finding>,
    #[serde(skip)]
    code: u8,
}

/// Does it.
pub(super) fn run(matches: &ArgMatches) -> u8 {
    let into = matches.get_one::<PathBuf>("into").cloned().unwrap_or_else(name::root);
    let sources: Vec<&OsString> = matches.get_many("sources").into_iter().flatten().collect();
    let called = matches.get_one::<OsString>("name");
    if called.is_some() && sources.len() > 1 {
        let _ = writeln!(std::io::stderr(), "pinfold import: --name is for one SOURCE");
        return super::failure::USAGE;
    }
    let dry = cli::is_on(matches, "dry-run");
    let imports: Vec<Import> =
        sources.into_iter().map(|source| one(source, called.map(|name| &**name), &into, dry)).collect();
    let printed = if cli::is_on(matches, "json") {
        #[derive(Serialize)]
        struct Report<'a> {
            imports: &'a [Import],
        }
        json::print(&Report { imports: &imports })
    } else {
        imports.iter().try_for_each(|import| print(import, dry))
    };
    let worst = imports.iter().map(|import| import.code).max().unwrap_or(OK);
    if !cli::is_out(&printed) { worst.max(NO) } else { worst }
}

/// Imports one source.
fn one(source: &OsStr, called: Option<&OsStr>, into: &Path, dry: bool) -> Import {
    let path = Path::new(source);
    let is_directory = path.is_dir();
    let own_name = match is_directory {
        true => fs::canonicalize(path).ok().and_then(|real| real.file_name().map(OsStr::to_owned)),
        false => path.file_stem().map(OsStr::to_owned),
    };
    // as it was given, unless that is `.` or the like
    let given = path.file_name().filter(|_| is_directory).map(OsStr::to_owned);
    let name = called.map(OsStr::to_owned).or(given).or(own_name).unwrap_or_default();
    let mut import = Import {
        source: path.display().to_string(),
        name: name.to_string_lossy().into_owned(),
        directory: into.join(&name),
        kind: if is_directory { "link" } else { "unit" },
        done: false,
        failure: None,
        files: Vec::new(),
        remarks: Vec::new(),
        findings: Vec::new(),
        code: OK,
    };
    let is_name = !name.as_bytes().starts_with(b".") && !name.as_bytes().contains(&b'/') && !name.is_empty();
    let result = match (is_name, is_directory) {
        (false, _) => Err(Failure::no("a service can't have this name: give it another by --name")),
        (true, true) => link(path, &mut import, dry),
        (true, false) => translate(path, &mut import, dry),
    };
    import.done = result.is_ok() && !dry;
    import.code = judged(&import);
    if let Err(failure) = result {
        import.code = failure.code;
        import.failure = Some(failure.reason);
    }
    import
}

/// The exit code for what was found on the way.
fn judged(import: &Import) -> u8 {
    let left_out = import.remarks.iter().any(|remark| remark.level > import::Level::Changed);
    let wrong = import.findings.iter().any(|finding| finding.level > Level::Hint);
    if left_out || wrong { NO } else { OK }
}

/// A service directory is linked.
fn link(path: &Path, import: &mut Import, dry: bool) -> Result<(), Failure> {
    let unable = |doing, path: &Path, e: &std::io::Error| Failure::at(doing, path, errno_of(e));
    let real = fs::canonicalize(path).map_err(|e| unable("look at", path, &e))?;
    if real.join("run").symlink_metadata().is_err() {
        return Err(Failure::no(match holds_services(&real) {
            true => "is a directory of services, not one: name those in it that you want",
            false => "has no run, so it is no service",
        }));
    }
    free(&import.directory)?;
    let into = import.directory.parent().unwrap_or(Path::new("."));
    for entry in fs::read_dir(into).map_err(|e| unable("read directory", into, &e))?.flatten() {
        if fs::canonicalize(entry.path()).is_ok_and(|other| other == real) {
            return Err(Failure::no(format!("is already there, as {}", shown(&entry.path()))));
        }
    }
    let supervised = |directory: &Path| {
        Service::find(directory.as_os_str()).is_ok_and(|mut service| !matches!(service.look(), Sight::Nobody))
    };
    if let Some(there) = [real.clone(), real.join("log")].iter().find(|directory| supervised(directory)) {
        let advice = format!("`svc -dx {}` ends that", shown(there));
        return Err(Failure::no(format!(
            "is supervised already: take it out of its scan directory; {advice}"
        )));
    }
    import.findings = check::one(&real);
    if dry {
        return Ok(());
    }
    symlink(&real, &import.directory).map_err(|e| unable("link", &import.directory, &e))
}

fn holds_services(directory: &Path) -> bool {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| entry.path().join("run").exists())
}

/// Nothing is overwritten.
fn free(directory: &Path) -> Result<(), Failure> {
    match directory.symlink_metadata() {
        Ok(_) => Err(Failure::at("make", directory, Errno::EEXIST)),
        Err(_) => Ok(()),
    }
}

/// A unit becomes a new directory.
fn translate(path: &Path, import: &mut Import, dry: bool) -> Result<(), Failure> {
    if path.extension() != Some(OsStr::new("service")) {
        let there =
            if path.exists() { "is neither a directory nor a .service file" } else { "does not exist" };
        return Err(Failure::no(there));
    }
    let unit_name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if import::words::Names::of(&unit_name).is_template() {
        return Err(Failure::no("is a template: name an instance of it, as getty@tty1.service"));
    }
    let mut texts = Vec::new();
    for file in unit::files(path).map_err(Failure::no)? {
        let text = files::read(&file, files::BOUND)
            .map_err(|fail| Failure::at("read", &file, fail.errno))?
            .ok_or_else(|| Failure::at("read", &file, Errno::ENOENT))?;
        texts.push((file, text));
    }
    match import::translate(&unit_name, &texts) {
        Ok(Plan { files, remarks }) => (import.files, import.remarks) = (files, remarks),
        Err(remark) => {
            return Err(Failure::no(format!("nothing is written: {}", line(&remark))));
        }
    }
    free(&import.directory)?;
    if dry {
        return Ok(());
    }
    write(&import.directory, &import.files)?;
    import.findings = check::one(&import.directory);
    Ok(())
}

/// Makes the directory under a name that svscan does not look at, and renames it when it is complete.
fn write(directory: &Path, files: &[File]) -> Result<(), Failure> {
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    let fresh = directory.with_file_name(format!(".{name}.import-{}", std::process::id()));
    fs::create_dir(&fresh).map_err(|e| Failure::at("make", &fresh, errno_of(&e)))?;
    let done = fill(&fresh, files).and_then(|()| {
        let renamed = sys::files::rename(AT_FDCWD, &*fresh, directory, RENAME_NOREPLACE);
        renamed.map_err(|errno| Failure::at("make", directory, errno))
    });
    if done.is_err() {
        let _ = fs::remove_dir_all(&fresh);
    }
    done
}

fn fill(directory: &Path, files: &[File]) -> Result<(), Failure> {
    for File { path, executable, text } in files {
        let path = directory.join(path);
        let written = || {
            fs::create_dir_all(path.parent().unwrap_or(directory))?;
            fs::write(&path, text)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(if *executable { 0o755 } else { 0o644 }))
        };
        written().map_err(|e| Failure::at("write", &path, errno_of(&e)))?;
    }
    Ok(())
}

fn print(import: &Import, dry: bool) -> std::io::Result<()> {
    let mut text = String::new();
    let directory = shown(&import.directory);
    let source = import.source.escape_debug();
    let verb = if dry { "would be " } else { "" };
    match (&import.failure, import.kind) {
        (Some(failure), _) => {
            let _ = writeln!(std::io::stderr(), "pinfold import: {source}: {}", terminal::clean(failure));
        }
        (None, "link") => text.push_str(&format!("{directory}: {verb}linked to {source}\n")),
        (None, _) => {
            let names: Vec<&str> = import.files.iter().map(|file| &*file.path).collect();
            text.push_str(&format!("{directory}: {verb}made from {source}: {}\n", names.join(" ")));
        }
    }
    for remark in &import.remarks {
        text.push_str(&format!("{}\n", terminal::clean(&line(remark))));
    }
    text.push_str(&check::lines(&import.findings));
    if dry {
        for File { path, text: content, .. } in &import.files {
            text.push_str(&format!("== {path}\n{}", terminal::clean_lines(content)));
        }
    } else if import.failure.is_none() && import.kind == "unit" {
        text.push_str(&next(import));
    }
    std::io::stdout().write_all(text.as_bytes())
}

/// What to do now.
fn next(import: &Import) -> String {
    let unit = Path::new(&import.source).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let disable = match Path::new("/run/systemd/system").is_dir() {
        true => format!("systemctl disable --now {unit} && "),
        false => String::new(),
    };
    let directory = shown(&import.directory);
    format!("It is down; when you have looked at it: {disable}pinfold enable {directory}\n")
}

/// `FILE:LINE: DIRECTIVE: LEVEL: TEXT`.
fn line(remark: &Remark) -> String {
    let Remark { level, file, line, directive, text } = remark;
    format!("{}:{line}: {}: {}: {text}", shown(file), directive.escape_debug(), level.words())
}
