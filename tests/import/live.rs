//! Units, imported and run: what systemd would have done happens.

use std::fs;

use crate::common::{expect, is_root};
use crate::house::{House, contains};

/// A service that writes down what it was given, and what it is told.
const WORKER: &str = r#"#!/bin/sh
echo "run $* A=$A B=$B user=$(id -un) nofile=$(ulimit -n) pwd=$(pwd)" >>"$LAB/said"
trap 'echo usr1 >>"$LAB/said"' USR1
trap 'echo quit >>"$LAB/said"; exit 0' USR2
while :; do sleep 1000000 & wait; done
"#;

fn house(label: &str) -> House {
    let house = House::new(label);
    fs::write(house.lab("worker"), WORKER).unwrap();
    fs::set_permissions(house.lab("worker"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    fs::write(house.lab("said"), "").unwrap();
    fs::set_permissions(house.lab("said"), std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    fs::write(house.lab("defaults"), "B='from the file'\nOPTS=\"-x -y\"\n").unwrap();
    house
}

fn unit(house: &House, user: &str, more: &str) -> String {
    let lab = house.lab("").display().to_string();
    let lab = lab.trim_end_matches('/');
    let text = format!(
        "[Unit]\nDescription=A worker\nAfter=network.target\n[Service]\n{user}WorkingDirectory=/\n\
         Environment=LAB={lab} 'A=x  y'\nEnvironmentFile={lab}/defaults\nLimitNOFILE=512\n\
         ExecStartPre=/bin/sh -c 'echo pre >>\"$$LAB/said\"'\nExecStart={lab}/worker $OPTS ${{B}} %p\n\
         ExecStartPost=/bin/sh -c 'echo post $MAINPID >>\"$$LAB/said\"'\n\
         ExecReload=/bin/kill -USR1 $MAINPID\nKillSignal=SIGUSR2\n\
         ExecStopPost=/bin/sh -c 'echo stopped >>\"$$LAB/said\"'\n{more}"
    );
    fs::write(house.lab("worker.service"), text).unwrap();
    format!("{lab}/worker.service")
}

#[test]
fn an_imported_unit_runs_as_it_did() {
    let user = if is_root() { "User=nobody\nNoNewPrivileges=yes\n" } else { "" };
    let house = house("import-live").scanned();
    let unit = unit(&house, user, "Restart=always\n");
    let said = house.done("pinfold", &["import", &unit]);
    contains(&said, "worker: made from ");
    contains(&said, "worker.service:3: After=network.target: changed: ");
    contains(&house.done("pinfold", &["check", "worker"]), " 0 errors, 0 warnings, ");
    house.taken_up("worker");
    // it is looked at first
    house.sandbox.down("worker");

    house.done("pinfold", &["enable", "worker"]);
    let pid = house.sandbox.up("worker");
    house.says("said", &format!("post {pid}\n"));
    let nobody = if is_root() { "nobody".to_owned() } else { whoami() };
    let run =
        format!("run -x -y from the file worker A=x  y B=from the file user={nobody} nofile=512 pwd=/\n");
    house.says("said", &run);
    let text = fs::read_to_string(house.lab("said")).unwrap();
    assert!(text.starts_with("pre\n"), "{text}");

    house.done("svc", &["-h", "worker"]);
    house.says("said", "usr1\n");
    house.done("pinfold", &["disable", "worker"]);
    house.says("said", "quit\nstopped\n");
    assert!(house.is_down("worker"));
}

fn whoami() -> String {
    let said = std::process::Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(said.stdout).unwrap().trim().to_owned()
}

/// `Restart=on-failure`: a failure is started again, a success is not.
#[test]
fn what_systemd_would_not_start_again_is_not() {
    let house = house("import-restart").scanned();
    let lab = house.lab("");
    let script = "#!/bin/sh\necho run >>\"$1/runs\"\n[ $(wc -l <\"$1/runs\") -ge 3 ] || exit 7\n";
    fs::write(house.lab("thrice"), script).unwrap();
    fs::set_permissions(house.lab("thrice"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let unit = house.lab("thrice.service");
    let lab = lab.to_str().unwrap().trim_end_matches('/');
    fs::write(&unit, format!("[Service]\nExecStart={lab}/thrice {lab}\nRestart=on-failure\n")).unwrap();
    house.done("pinfold", &["import", unit.to_str().unwrap()]);
    house.taken_up("thrice");
    house.done("svc", &["-u", "thrice"]);
    house.sandbox.wait_for("it to be given up", || {
        let out = house.run("pinfold", &["status", "thrice", "--json"]).out;
        expect(out.contains("\"state\": \"failed\""), out)
    });
    assert_eq!(fs::read_to_string(house.lab("runs")).unwrap(), "run\nrun\nrun\n");
}

/// Drop-ins count, what is there is not overwritten, and what was left out is said and makes the exit code 1.
#[test]
fn nothing_is_overwritten_and_what_is_left_out_is_said() {
    let house = house("import-said");
    let unit = unit(&house, "", "Restart=always\nProtectSystem=strict\n");
    let more = house.lab("worker.service.d");
    fs::create_dir(&more).unwrap();
    fs::write(more.join("10-more.conf"), "[Service]\nExecStartPost=\nMemoryMax=1G\n").unwrap();

    let dry = house.fails("pinfold", &["import", "-n", &unit]);
    contains(&dry, "worker: would be made from ");
    contains(&dry, "== run\n#!/bin/sh\n# A worker\n");
    assert!(!house.path("worker").exists());
    let said = house.fails("pinfold", &["import", &unit]);
    contains(&said, "worker.service:16: ProtectSystem=strict: security, left out: is not enforced");
    contains(&said, "10-more.conf:3: MemoryMax=1G: left out: ");
    assert!(!house.path("worker/start").exists(), "the drop-in takes ExecStartPost back");
    let run = house.read("worker/run");
    contains(&house.fails("pinfold", &["import", &unit]), "worker: file exists");
    assert_eq!(house.read("worker/run"), run);
    let hidden = fs::read_dir(house.sandbox.scan()).unwrap();
    assert_eq!(hidden.count(), 1, "nothing half made is left");

    let json = house.run("pinfold", &["import", "-n", "--json", "--name", "other", &unit]);
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    let import = json["imports"][0].as_object().unwrap();
    let docs = include_str!("../../docs/json.md");
    let (_, docs) = docs.split_once("## `pinfold import --json`").unwrap();
    let documented = |name: &String| docs.contains(&format!("| `{name}` |"));
    assert!(import.keys().all(documented), "{:?}", import.keys());
    assert!(import["remarks"][0].as_object().unwrap().keys().all(documented));
    assert_eq!(import["remarks"][1]["level"], "security");

    let refused = house.run("pinfold", &["import", "--json", "--name", ".x", &unit]);
    assert_eq!(refused.code, 1);
    contains(&refused.out, "\"failure\": \"a service can't have this name");
    contains(&house.fails("pinfold", &["import", "getty@.service"]), "is a template");
}
