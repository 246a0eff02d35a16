//! The forms of escape: for each a run script, its settings, and what may be asked of it.

/// A way not to end with one's service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    pub(crate) name: &'static str,
    /// The run script after its common beginning: `$E FORM` is the test program.
    pub(crate) run: &'static str,
    pub(crate) settings: &'static [(&'static str, &'static str)],
    /// Needs a privilege an ordinary user has not got.
    pub(crate) root_only: bool,
    /// Needs a cgroup hierarchy below the service (`Some(true)`: only v2 has what it does).
    pub(crate) needs_group: Option<bool>,
    /// Its leader does not end on TERM: `svc -t` starts no new generation.
    pub(crate) outlives_term: bool,
    /// `run` exits 0 and leaves a daemon; the leader, if there is one, is known a little later.
    pub(crate) daemonises: bool,
    /// Its leader exits by itself, generation after generation.
    pub(crate) crashes: bool,
    /// Goes into a cgroup of somebody else's, on purpose.
    pub(crate) moves: bool,
    /// Must be given the time to say "flushed" before it is gone.
    pub(crate) flushes: bool,
    /// Has closed the descriptor with the lock: to be found by its arguments.
    pub(crate) closes: bool,
}

/// Milliseconds until what was told to end is killed: short, since many forms wait for it.
const SHORT: (&str, &str) = ("timeout-kill", "2000");
/// Longer than any flushing here.
const LONG: (&str, &str) = ("timeout-kill", "120000");

const fn form(name: &'static str, run: &'static str) -> Form {
    Form {
        name,
        run,
        settings: &[SHORT],
        root_only: false,
        needs_group: None,
        outlives_term: false,
        daemonises: false,
        crashes: false,
        moves: false,
        flushes: false,
        closes: false,
    }
}

impl Form {
    const fn with(self, settings: &'static [(&'static str, &'static str)]) -> Self {
        Form { settings, ..self }
    }
    const fn root(self) -> Self {
        Form { root_only: true, ..self }
    }
    const fn outlives_term(self) -> Self {
        Form { outlives_term: true, ..self }
    }
    const fn daemonises(self) -> Self {
        Form { daemonises: true, ..self }
    }
    const fn crashes(self) -> Self {
        Form { crashes: true, settings: &[SHORT, ("backoff-max", "1")], ..self }
    }
    const fn closes(self) -> Self {
        Form { closes: true, ..self }
    }
    const fn flushes(self) -> Self {
        Form { flushes: true, settings: &[LONG], ..self }
    }
    const fn in_group(self) -> Self {
        Form { needs_group: Some(false), root_only: true, ..self }
    }
    const fn in_v2_group(self) -> Self {
        Form { needs_group: Some(true), root_only: true, ..self }
    }
    const fn moves(self) -> Self {
        Form { moves: true, root_only: true, ..self }
    }

    /// Is but one process, so that even the originals leave nothing of it.
    pub(crate) fn is_tame(&self) -> bool {
        matches!(self.name, "hold" | "flush" | "thread")
    }
}

/// `$GROUP` is the hierarchy for [`Form::needs_group`], `$FOREIGN` the group [`Form::moves`] goes to, `$PEERS`
/// the directory of Debian's daemontools.
pub(crate) const FORMS: &[Form] = &[
    // The control: nothing to catch.
    form("hold", "exec $E hold"),
    // Run scripts as people write them.
    form("wrapper", "$E hold\necho ended"),
    form("wrapper-program", "exec $E wrapper"),
    form("wrapper-ignore", "$E ignore\necho ended"),
    form("background", "$E hold &\nexec $E quiet"),
    form("pipeline", "$E hold | cat"),
    form("crash", "exec $E crash").crashes(),
    // Out of the family, the group, the session.
    form("double-fork", "exec $E double-fork"),
    form("double-fork-setsid", "exec $E double-fork-setsid"),
    form("setsid", "exec $E setsid"),
    form("setpgid", "exec $E setpgid"),
    form("closed", "exec $E closed").closes(),
    form("daemonise", "exec $E daemonise").daemonises(),
    form("daemonise-pidfile", "exec $E daemonise \"$PWD/pid\"")
        .daemonises()
        .with(&[SHORT, ("pidfile", "pid")]),
    form("daemonise-workers", "exec $E daemonise-workers").daemonises().outlives_term(),
    form("children", "exec $E children"),
    form("chain", "exec $E chain"),
    form("comet", "exec $E comet"),
    form("comet-setsid", "exec $E comet-setsid"),
    form("comet-daemon", "exec $E comet-daemon").daemonises().outlives_term(),
    form("clone-parent", "exec $E clone-parent"),
    form("vfork", "exec $E vfork"),
    form("thread", "exec $E thread"),
    form("odd-name", "exec $E odd-name"),
    form("subreaper", "exec $E subreaper"),
    form("undumpable", "exec $E undumpable"),
    form("exec-loop", "exec $E exec-loop"),
    // Deaf, or with an answer of their own.
    form("ignore", "exec $E ignore").outlives_term(),
    form("ignore-child", "exec $E ignore-child"),
    form("ignore-all", "exec $E ignore-all").outlives_term(),
    form("fork-on-term", "exec $E fork-on-term"),
    form("stopped-child", "exec $E stopped-child"),
    form("stopped-ignore", "exec $E stopped-ignore"),
    form("stopped-leader", "exec $E stopped-leader").outlives_term(),
    form("traced", "exec $E traced"),
    form("flush", "exec $E flush 3").flushes(),
    form("wrapper-flush", "$E flush 3\necho ended").flushes(),
    form("wrapper-program-flush", "exec $E wrapper-flush 3").flushes(),
    // Set apart by the kernel.
    form("pid-namespace", "exec $E pid-namespace").root(),
    form("user-pid-namespace", "exec $E user-pid-namespace"),
    form("user-namespace", "exec $E user-namespace"),
    form("mount-namespace", "exec $E mount-namespace"),
    form("setuid", "exec $E setuid").root(),
    form("subgroup", "exec $E subgroup $GROUP").in_group(),
    form("threaded", "exec $E threaded $GROUP").in_v2_group(),
    form("frozen", "exec $E frozen $GROUP").in_group(),
    form("mover", "exec $E mover $FOREIGN").moves(),
    form("mover-strays-kill", "exec $E mover $FOREIGN").moves().with(&[SHORT, ("strays", "kill")]),
    // Others' programs.
    form(
        "nested",
        "mkdir nest.$$ nest.$$/inner\nprintf '#!/bin/sh\\nexec %s hold\\n' \"$E\" >nest.$$/inner/run\nchmod +x nest.$$/inner/run\nPATH=$PEERS:$PATH\nexec svscan nest.$$",
    ),
    form("exec-su", "exec su -s /bin/sh nobody -c \"exec $E hold\"").root(),
    form("su", "su -s /bin/sh nobody -c \"$E hold; echo ended\"\necho ended").root(),
    form("su-login", "su - -s /bin/sh nobody -c \"exec $E hold\"\necho ended").root(),
    form("su-setsid", "su -s /bin/sh nobody -c \"exec $E double-fork-setsid\"").root(),
    form("exec-su-flush", "exec su -s /bin/sh nobody -c \"exec $E flush 5\"").root().flushes(),
    form("su-flush", "su -s /bin/sh nobody -c \"exec $E flush 5\"\necho ended").root().flushes(),
    form("runuser", "runuser -u nobody -- $E hold\necho ended").root(),
];
