//! Units, made into directories: every line is translated, or said.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use pinfold::import::{Level, Plan, translate};
use pinfold::service::Settings;
use pinfold::service::settings::{Kind, lookup};

use crate::common::{family::peers, skipped};

struct Made {
    files: BTreeMap<String, String>,
    remarks: Vec<(usize, Level, String)>,
}

impl Made {
    fn lines_of(&self, level: Level) -> Vec<usize> {
        self.remarks.iter().filter(|(_, l, _)| *l == level).map(|(line, ..)| *line).collect()
    }

    #[track_caller]
    fn has(&self, path: &str, part: &str) {
        let text = self.files.get(path).unwrap_or_else(|| panic!("no {path} in {:?}", self.files.keys()));
        assert!(text.contains(part), "no {part:?} in {path}:\n{text}");
    }
}

fn plan(name: &str, text: &str) -> Result<Plan, String> {
    let files = [(PathBuf::from(name), text.as_bytes().to_vec())];
    translate(name, &files).map_err(|remark| remark.text)
}

#[track_caller]
fn made(text: &str) -> Made {
    let plan = plan("web@8080.service", text).unwrap_or_else(|why| panic!("{why}"));
    let files = plan.files.into_iter().map(|file| (file.path, file.text)).collect();
    let remarks = plan.remarks.into_iter().map(|r| (r.line, r.level, r.directive)).collect();
    Made { files, remarks }
}

#[test]
fn who_notifies_is_heard_and_watched() {
    let made_of = |rest: &str| made(&format!("[Service]\nExecStart=/bin/web\n{rest}\n"));
    let heard = made_of("Type=notify\nWatchdogSec=1min 30s");
    assert_eq!(heard.files["notify"], "");
    heard.has("timeout-watchdog", "90000\n");
    assert!(heard.lines_of(Level::LeftOut).is_empty(), "{:?}", heard.remarks);
    let unwatched = made_of("Type=notify\nWatchdogSec=0");
    assert!(!unwatched.files.contains_key("timeout-watchdog"), "{:?}", unwatched.files);
    let silent = made_of("WatchdogSec=30");
    assert!(!silent.files.contains_key("timeout-watchdog") && !silent.files.contains_key("notify"));
    assert_eq!(silent.lines_of(Level::LeftOut), [3]);
}

#[test]
fn each_directive_becomes_what_the_guide_says() {
    let made = made(
        "[Unit]\nDescription=The web\n[Service]\nType=forking\nPIDFile=/var/run/web.pid\nUser=www\nGroup=www\n\
         WorkingDirectory=/srv/%i\nUMask=0027\nEnvironment=\"A=b c\" PORT=%i D= 'E=f '\nEnvironmentFile=-/etc/no/such\n\
         UnsetEnvironment=LANG\nLimitNOFILE=4096\nLimitCORE=0:infinity\nLimitNPROC=50\nNice=5\nOOMScoreAdjust=-500\n\
         RuntimeDirectory=web\nRuntimeDirectoryMode=0750\nExecStartPre=+-/bin/prepare\nExecStart=/bin/web -p $PORT \
         ${A} '$$x'\nExecReload=/bin/kill -USR1 $MAINPID\nExecStop=/bin/web stop\nExecStopPost=/bin/clean\n\
         KillSignal=SIGQUIT\nKillMode=process\nTimeoutStartSec=2min\nTimeoutStopSec=0\nRestart=on-failure\n\
         SuccessExitStatus=143 SIGUSR2\nRestartPreventExitStatus=3\nStandardOutput=append:/var/log/web\n\
         NoNewPrivileges=yes\n[Install]\nWantedBy=multi-user.target\n",
    );
    assert!(made.lines_of(Level::LeftOut).is_empty(), "{:?}", made.remarks);
    assert!(made.lines_of(Level::Security).is_empty(), "{:?}", made.remarks);
    let www = "pinfold softlimit -p 50 pinfold chpst -n 5 pinfold setuidgid -s www setpriv --no-new-privs";
    for (path, part) in [
        ("run", "#!/bin/sh\n# The web\n# made by pinfold import from web@8080.service\n"),
        ("run", "export USER=www LOGNAME=www HOME=~www\numask 0027\n"),
        ("run", "cd /srv/8080 || exit 111\n"),
        ("run", "[ ! -e /etc/no/such ] || { set -a; . /etc/no/such; set +a; }\n"),
        ("run", "unset LANG\n"),
        ("run", "export E='f '\n"),
        ("run", "ulimit -n 4096\n"),
        ("run", "ulimit -H -c unlimited && ulimit -S -c 0\n"),
        ("run", "echo -500 >/proc/self/oom_score_adj\n"),
        ("run", "install -d -m 0750 -o www -g www /run/web || exit 111\n"),
        ("run", "exec >>/var/log/web || exit 111\n"),
        ("run", "pinfold softlimit -p 50 pinfold chpst -n 5 /bin/prepare || :\n"),
        ("run", "set -f\n"),
        ("run", &format!("exec {www} /bin/web -p $PORT \"${{A-}}\" '$x'\n")),
        ("control/h", "read -r MAINPID <supervise/pid; export MAINPID\n"),
        ("control/h", &format!("{www} /bin/kill -USR1 $MAINPID || exit 0\n")),
        ("control/d", &format!("{www} /bin/web stop || :\n# then the signal, too\nexit 1\n")),
        ("finish", &format!("{www} /bin/clean || :\n")),
        ("finish", "\t1|2|13|15|12) exit 125 ;;\n\t*) exit 0 ;;\n"),
        ("finish", "\t3) exit 125 ;;\n\t0|143) exit 125 ;;\n\t*) exit 0 ;;\n"),
    ] {
        made.has(path, part);
    }
    for (path, text) in [
        ("daemonised", "yes\n"),
        ("pidfile", "/run/web.pid\n"),
        ("env/A", "b c\n"),
        ("env/PORT", "8080\n"),
        ("env/D", "\n"),
        ("down-signal", "QUIT\n"),
        ("kill-mode", "leader\n"),
        ("timeout-up", "120000\n"),
        ("timeout-kill", "0\n"),
        ("timeout-finish", "0\n"),
        ("down", ""),
    ] {
        assert_eq!(made.files.get(path).map(|text| &**text), Some(text), "{path}");
    }
}

#[test]
fn a_unit_that_asks_for_little_becomes_little() {
    let made = made("[Service]\nExecStart=/bin/web\nRestart=always\nExecReload=/bin/kill -HUP $MAINPID\n");
    let files: Vec<&str> = made.files.keys().map(|path| &**path).collect();
    assert_eq!(files, ["daemonised", "down", "run"]);
    assert_eq!(
        made.files["run"],
        "#!/bin/sh\n# made by pinfold import from web@8080.service\ncd /\nexec /bin/web\n"
    );
    assert!(made.remarks.is_empty());
}

#[test]
fn what_says_that_it_is_ready_is_heard() {
    let made = made(
        "[Service]\nType=notify\nNotifyAccess=all\nWatchdogSec=30\nExecStart=/bin/a\nRestart=always\n\
                     ExecStartPost=/bin/b\n",
    );
    assert_eq!(made.files["notify"], "");
    assert_eq!((&*made.files["timeout-watchdog"], &*made.files["timeout-up"]), ("30000\n", "90000\n"));
    made.has("start", "pinfold svc -u . && pinfold wait --ready -t 90 . || exit 1\n");
    assert!(!made.files.contains_key("notification-fd") && made.lines_of(Level::LeftOut).is_empty());
}

#[test]
fn a_daemon_is_ready_when_it_is_in_the_background() {
    let made = made("[Service]\nType=forking\nExecStart=/bin/a -d\nExecStartPost=/bin/b\nRestart=always\n");
    made.has("run", "cd /\n{\n/bin/a -d || exit 1\n} 3>&-\necho >&3; exec 3>&-\n");
    made.has(
        "start",
        "pinfold wait --ready -t 90 . || exit 1\nread -r MAINPID <supervise/pid; export MAINPID\n",
    );
}

#[test]
fn a_oneshot_is_done_and_lasts_only_if_it_says_so() {
    let once = made("[Service]\nType=oneshot\nExecStart=/bin/a\nExecStart=/bin/b\n");
    once.has("run", "/bin/a || exit 1\nexec /bin/b\n");
    once.has("finish", "# Restart=no: not again\nexit 125\n");
    let lasting = made("[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/a\nExecStop=/bin/b\n");
    lasting.has("run", "/bin/a || exit 1\nexec sleep infinity\n");
    lasting.has("finish", "/bin/b || :\n");
    assert!(lasting.remarks.is_empty());
}

#[test]
fn what_can_not_be_kept_is_said_with_its_line() {
    let made = made(
        "[Unit]\nAfter=network.target\nAfter=db.service\nConditionPathExists=/x\n[Service]\nExecStart=/bin/web\n\
         ExecStartPost=/bin/after\nProtectSystem=full\nPrivateTmp=no\nCapabilityBoundingSet=\nDynamicUser=yes\n\
         MemoryMax=1G\nRestartSec=30\nUnheardOf=1\nExecStartPre=/bin/x %H\nSupplementaryGroups=adm\nnonsense\n",
    );
    assert_eq!(made.lines_of(Level::Security), [8, 10, 11, 16]);
    assert_eq!(made.lines_of(Level::LeftOut), [3, 4, 12, 14, 15, 17]);
    assert_eq!(made.lines_of(Level::Changed), [2, 7, 13]);
    // without its account it must not start as root
    made.has("run", "exec pinfold setuidgid -s web-8080 /bin/web\n");
    made.has("start", "pinfold svc -u . && pinfold wait --ready -t 90 . || exit 1\n");
    made.has("run", "echo >&3; exec 3>&-\nexec pinfold");
    made.has("notification-fd", "3\n");
    made.has("backoff-max", "30\n");
}

#[test]
fn what_could_not_be_run_is_not_written() {
    for (text, why) in [
        ("", "there is none"),
        ("[Service]\nExecStart=\n", "there is none"),
        ("[Service]\nExecStart=/bin/a\nExecStart=/bin/b\n", "there are several"),
        ("[Service]\nExecStart=/bin/a 'b\n", "a quote is not closed"),
        ("[Service]\nExecStart=/bin/a %H\n", "%H is not known here"),
    ] {
        let refused = plan("a.service", text).unwrap_err();
        assert!(refused.contains(why), "{refused}");
    }
}

/// Debian's own: each is translated, its scripts are scripts, and all that shuts it in is named.
#[test]
fn debians_units_are_translated() {
    let mut found = Vec::new();
    units_below(&peers().join("units"), &mut found);
    if found.len() < 5 {
        return skipped("Debian's units are not unpacked (tests/setup does)");
    }
    for path in &found {
        let text = std::fs::read_to_string(path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap().replace("@.", "@one.");
        let plan = match translate(&name, &[(path.clone(), text.clone().into_bytes())]) {
            Ok(plan) => plan,
            Err(remark) => panic!("{}: {}", path.display(), remark.text),
        };
        for file in plan.files.iter().filter(|file| file.executable) {
            let checked = Command::new("sh").args(["-n", "-c", &file.text]).output().unwrap();
            assert!(checked.status.success(), "{} of {}:\n{}", file.path, path.display(), file.text);
        }
        let said: Vec<usize> = plan.remarks.iter().map(|remark| remark.line).collect();
        let shut_in = (1..).zip(text.lines()).filter(|(_, line)| {
            let words = ["Protect", "Restrict", "SystemCall", "ReadWrite", "CapabilityBoundingSet", "NoExec"];
            words.iter().any(|word| line.starts_with(word)) && !line.ends_with("=false")
        });
        for (number, line) in shut_in {
            assert!(said.contains(&number), "{}:{number}: {line}: nothing is said", path.display());
        }
    }
}

fn units_below(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            units_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "service") {
            found.push(path);
        }
    }
}

/// Whatever a unit says, it is translated or refused, and every setting can be read back.
#[test]
fn no_unit_is_too_strange() {
    let sample = "[Unit]\nDescription=x\nAfter=a.service\n[Service]\nType=forking\nPIDFile=/run/%p.pid\nUser=www\n\
                  Environment=\"A=b c\" D=\\x41 'E=%i'\nEnvironmentFile=-/nowhere\nLimitNOFILE=1:2K\nKillSignal=SIGQUIT\n\
                  TimeoutStopSec=1min 2s\nExecStartPre=-+/bin/a $X ; /bin/b \\\n ${Y}\nExecStart=@/bin/c d 'e f' \\u00e9\n\
                  RestartSec=5\nRestart=on-failure\nSuccessExitStatus=1 SIGHUP\nWorkingDirectory=~\nProtectHome=yes\n";
    let mut state = 1_u64;
    let mut dice = |sides: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % sides
    };
    let strange = b"\\\"'%$;={}[]\n \t-@:+!~0\xc3\xa9\xff\0";
    let mut translated = 0;
    for _ in 0..3000 {
        let mut text = sample.as_bytes().to_vec();
        for _ in 0..=dice(6) {
            let at = dice(text.len());
            match dice(3) {
                0 => drop(text.remove(at)),
                1 => text.insert(at, strange[dice(strange.len())]),
                _ => text[at] = strange[dice(strange.len())],
            }
        }
        let file = PathBuf::from("web@a-b.service");
        let Ok(plan) = translate("web@a-b.service", &[(file, text.clone())]) else { continue };
        translated += 1;
        for made in &plan.files {
            assert!(!made.path.contains("..") && !made.path.starts_with('/'), "{}", made.path);
            if let Some(Kind::File(read)) = lookup(made.path.as_bytes()).map(|setting| setting.kind) {
                let word = made.text.lines().next().unwrap_or("").trim();
                assert!(read(&mut Settings::default(), word).is_ok(), "{}: {word}", made.path);
            }
        }
    }
    assert!(translated > 500, "{translated}");
}
