//! Where a supervisor keeps what it knows, when somebody else was there first.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::PathBuf;

use super::common::{Family, Sandbox, is_root, skipped};
use super::yard::SOUND;

/// Makes a place, with a directory of its user's and the uid of another.
type Furnish = fn(&PathBuf, &PathBuf, u32);

/// `/tmp/pinfold-UID` is anybody's to make.
#[test]
fn a_run_directory_made_by_another_is_refused() {
    if !is_root() {
        return skipped("only root can be two others");
    }
    let sandbox = Sandbox::new("house", Family::Ours).unwrap();
    let uid = 1_000_000_000 + std::process::id();
    let (other, victim) = (super::den::USER, sandbox.lab().join("victim"));
    fs::create_dir(&victim).unwrap();
    chown(&victim, Some(uid), Some(uid)).unwrap();
    sandbox.file("squid/run", SOUND);
    chown(sandbox.scan(), Some(uid), Some(uid)).unwrap();
    chown(sandbox.scan().join("squid"), Some(uid), Some(uid)).unwrap();
    let base = PathBuf::from(format!("/tmp/pinfold-{uid}"));
    let forms: [(&str, Furnish); 3] = [
        ("another's", |base, _, other| {
            fs::create_dir(base).unwrap();
            fs::set_permissions(base, fs::Permissions::from_mode(0o777)).unwrap();
            chown(base, Some(other), Some(other)).unwrap();
        }),
        ("a link", |base, victim, other| {
            symlink(victim, base).unwrap();
            std::os::unix::fs::lchown(base, Some(other), Some(other)).unwrap();
        }),
        ("open to all", |base, victim, _| {
            fs::create_dir(base).unwrap();
            let uid = fs::metadata(victim).unwrap().uid();
            chown(base, Some(uid), Some(uid)).unwrap();
            fs::set_permissions(base, fs::Permissions::from_mode(0o777)).unwrap();
        }),
    ];
    for (name, make) in forms {
        make(&base, &victim, other);
        for (program, argument) in [("svscan", "."), ("supervise", "squid")] {
            let mut command = sandbox.command("setpriv");
            command.args([&format!("--reuid={uid}"), &format!("--regid={uid}"), "--clear-groups"]);
            command.arg(sandbox.programs().join(program)).arg(argument).env_remove("PINFOLD_RUN");
            let said = sandbox.finish(command);
            let left: Vec<_> =
                fs::read_dir(&victim).unwrap().chain(fs::read_dir(&base).unwrap()).flatten().collect();
            let _ = (said.code == 111).then(|| assert!(left.is_empty(), "{name}: {left:?}"));
            assert_eq!(said.code, 111, "{name}: {program}: {said:?}");
            assert!(said.err.contains(base.to_str().unwrap()), "{name}: {said:?}");
        }
        let _ = fs::remove_file(&base);
        let _ = fs::remove_dir_all(&base);
    }
}
