//! One rung: all forms as services of one scanner, through restart, crash and stop.

#[path = "phases.rs"]
mod phases;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use super::common::cgroups::Hierarchy;
use super::common::processes::Process;
use super::common::{Family, Marker, Sandbox, is_root};
use super::forms::{FORMS, Form};
use super::table::Cell;

/// A rung of the ladder, or Debian's svscan.
#[derive(Clone, Copy)]
pub(crate) struct Rung {
    pub(crate) name: &'static str,
    /// What to force by `PINFOLD_CONTAINMENT`.
    containment: Option<&'static str>,
    unprivileged: bool,
}

impl Rung {
    pub(crate) fn ours() -> Vec<Rung> {
        let rung = |name| Rung { name, containment: Some(name), unprivileged: false };
        let mut rungs: Vec<Rung> = ["kill", "freeze", "list", "v1", "subtree"].map(rung).into();
        rungs.push(Rung { name: "subtree-user", containment: Some("subtree"), unprivileged: true });
        rungs
    }

    pub(crate) fn original() -> Rung {
        Rung { name: "original", containment: None, unprivileged: false }
    }

    /// Where the forms that make or enter groups do so: where this rung has its folds.
    fn hierarchy(&self) -> Option<&'static Hierarchy> {
        Hierarchy::find(self.containment != Some("v1")).or_else(|| Hierarchy::find(false))
    }

    /// Why a form may leave somebody on this rung.
    fn excuse(&self, form: &Form) -> Option<&'static str> {
        let told_to_kill = form.settings.contains(&("strays", "kill"));
        let exact = matches!(self.containment, None | Some("subtree")) || told_to_kill;
        (form.moves && !exact).then_some("has moved to another cgroup on purpose: reported and left alone")
    }
}

/// What Debian's svscan is tried with: enough to show that each kind of survivor is found.
const CONTRAST: &[&str] = &[
    "hold",
    "flush",
    "wrapper",
    "background",
    "double-fork-setsid",
    "closed",
    "daemonise",
    "children",
    "comet",
    "comet-setsid",
    "clone-parent",
    "thread",
    "undumpable",
    "fork-on-term",
    "stopped-child",
    "traced",
    "pid-namespace",
    "setuid",
    "subgroup",
    "frozen",
    "mover",
    "nested",
    "su-login",
    "crash",
];

pub(crate) struct Trial<'a> {
    rung: &'a Rung,
    sandbox: Sandbox,
    forms: Vec<&'static Form>,
    cells: BTreeMap<&'static str, Cell>,
    /// Those that could not be brought into position, and are not waited for again.
    lost: BTreeSet<&'static str>,
    /// The groups each service's processes were seen in.
    groups: BTreeMap<&'static str, BTreeSet<PathBuf>>,
}

impl<'a> Trial<'a> {
    /// An error says why this rung cannot be tried here.
    pub(crate) fn new(rung: &'a Rung) -> Result<Self, String> {
        let privileged = is_root() && !rung.unprivileged;
        if !privileged && rung.containment.is_some_and(|containment| containment != "subtree") {
            return Err("needs root".into());
        }
        if matches!(rung.containment, Some("kill" | "freeze" | "list")) && Hierarchy::find(true).is_none() {
            return Err("no cgroup v2 is mounted".into());
        }
        if rung.containment == Some("v1") && Hierarchy::find(false).is_none() {
            return Err("no cgroup v1 freezer is mounted".into());
        }
        program()?;
        let family = if rung.containment.is_some() { Family::Ours } else { Family::Daemontools };
        let mut sandbox = Sandbox::new(&format!("escape-{}", rung.name), family)?;
        if let Some(containment) = rung.containment {
            sandbox = sandbox.set("PINFOLD_CONTAINMENT", containment);
        }
        if rung.unprivileged {
            sandbox = sandbox.unprivileged();
        }
        let makes_sense = |form: &&Form| {
            (privileged || !form.root_only)
                && (rung.containment.is_some() || CONTRAST.contains(&form.name))
                && super::chosen("PINFOLD_FORMS", form.name)
                && form.needs_group.is_none_or(|v2| rung.hierarchy().is_some_and(|one| one.is_v2() || !v2))
        };
        let forms: Vec<_> = FORMS.iter().filter(makes_sense).collect();
        let trial = Trial {
            rung,
            sandbox,
            forms,
            cells: BTreeMap::new(),
            lost: BTreeSet::new(),
            groups: BTreeMap::new(),
        };
        trial.furnish();
        Ok(trial)
    }

    /// Lays out the test program, the common beginning of the run scripts, and the services.
    fn furnish(&self) {
        let (sandbox, lab) = (&self.sandbox, self.sandbox.lab());
        let (name, lab_text) = (&sandbox.name, lab.display());
        fs::write(lab.join("escape"), program().unwrap()).unwrap();
        fs::write(
            lab.join("begin"),
            format!(
                "service=${{PWD##*/}} MARK=\"${{PWD##*/}}.$$@{name}\" E=\"{lab_text}/escape {lab_text} ${{PWD##*/}}.$$@{name}\"\n\
                 exec 9>>\"{lab_text}/marks/$service.$$\"\n$E claim || exit 99\n"
            ),
        )
        .unwrap();
        fs::write(lab.join("events"), "").unwrap();
        sandbox.directory(&lab.join("marks"));
        for (path, mode) in [("escape", 0o755), ("events", 0o666)] {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
            fs::set_permissions(lab.join(path), mode).unwrap();
        }
        let peers = Family::Daemontools.peer_directory().unwrap_or_default();
        let (group, foreign) = self.places();
        for form in &self.forms {
            let body = form.run.replace("$GROUP", &group).replace("$FOREIGN", &foreign);
            let body = body.replace("$PEERS", &peers.display().to_string());
            sandbox.file(&format!("{}/run", form.name), &format!("#!/bin/sh\n. {lab_text}/begin\n{body}\n"));
            for (setting, value) in form.settings {
                sandbox.file(&format!("{}/{setting}", form.name), &format!("{value}\n"));
            }
        }
    }

    /// What stands for `$GROUP` and `$FOREIGN` in the run scripts; makes the foreign group.
    fn places(&self) -> (String, String) {
        let Some(hierarchy) = self.rung.hierarchy() else { return Default::default() };
        let foreign = hierarchy.mount.join(format!("{}-foreign", self.sandbox.name));
        if self.forms.iter().any(|form| form.moves) {
            fs::create_dir(&foreign).unwrap();
        }
        (format!("{}:{}", hierarchy.mount.display(), hierarchy.selector), foreign.display().to_string())
    }

    /// The generations of a form that have said `what`, in order.
    fn said(&self, form: &Form, what: &str) -> Vec<String> {
        let events = fs::read_to_string(self.sandbox.lab().join("events")).unwrap_or_default();
        let own = |line: &str| {
            let (mark, said) = line.split_once(' ')?;
            let (service, generation) = mark.split_once('@')?.0.rsplit_once('.')?;
            (service == form.name && said.starts_with(what)).then(|| generation.to_owned())
        };
        events.lines().filter_map(own).collect()
    }

    /// The last generation in position.
    fn latest(&self, form: &Form) -> Option<String> {
        self.said(form, "ready").pop()
    }

    fn leader(&self, form: &Form) -> Option<Process> {
        let pid = self.sandbox.status(form.name)?.pid;
        Process::look(pid).filter(|_| pid != 0)
    }

    fn marker(&self, form: &Form, generation: &str) -> Marker {
        let mark = format!("{}.{generation}", form.name);
        Marker::new(&self.sandbox.lab().join("marks").join(&mark), &format!("{mark}@{}", self.sandbox.name))
    }

    /// Every generation there has been, in no order.
    fn markers(&self, form: &Form) -> Vec<Marker> {
        let marks = fs::read_dir(self.sandbox.lab().join("marks")).unwrap();
        let names = marks.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        names
            .filter_map(|name| {
                name.rsplit_once('.').map(|(service, generation)| (service.to_owned(), generation.to_owned()))
            })
            .filter(|(service, _)| service == form.name)
            .map(|(_, generation)| self.marker(form, &generation))
            .collect()
    }
}

/// The test program, compiled once.
fn program() -> Result<&'static [u8], String> {
    static PROGRAM: OnceLock<Result<Vec<u8>, String>> = OnceLock::new();
    let compile = || {
        let sources = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/escape");
        let output = std::env::temp_dir().join(format!("escape.{}", std::process::id()));
        let files =
            ["escape.c", "claim.c", "ancestry.c", "signals.c", "kernel.c"].map(|file| sources.join(file));
        let mut compiler = Command::new("cc");
        compiler.args(["-O1", "-Wall", "-Wextra", "-pthread", "-o"]).arg(&output).args(files);
        let done = compiler.output().map_err(|error| format!("no C compiler: cc: {error}"))?;
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let program = fs::read(&output).map_err(|error| error.to_string());
        let _ = fs::remove_file(output);
        program
    };
    PROGRAM.get_or_init(compile).as_deref().map_err(Clone::clone)
}
