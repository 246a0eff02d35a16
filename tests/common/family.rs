//! Whose programs a test runs: ours, or Debian's.

use std::env;
use std::path::{Path, PathBuf};

/// Our applets, as the names an administrator types.
const APPLETS: &str = "svscanboot svscan supervise svc svstat svok svcstart svcstop svcreset svcrestart sv chpst \
    readproctitle multilog setuidgid envuidgid envdir softlimit setlock pgrphack fghack tai64n tai64nlocal";

/// Where Debian's packages are unpacked: `PINFOLD_PEERS`, else `target/peers`.
pub(crate) fn peers() -> PathBuf {
    env::var_os("PINFOLD_PEERS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers"), PathBuf::from)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// The executable under test.
    Ours,
    /// Debian's daemontools 0.76.
    Daemontools,
    /// Debian's runit 2.1.2.
    Runit,
}

impl Family {
    /// The directory of the peer's programs: unpacked in [`peers`], else the system's. An error says what is
    /// missing.
    pub(crate) fn peer_directory(self) -> Result<PathBuf, String> {
        let (name, program) = match self {
            Family::Ours => return Err("no peer".into()),
            Family::Daemontools => ("daemontools", "supervise"),
            Family::Runit => ("runit", "runsv"),
        };
        let peers = peers();
        [peers.join(name).join("usr/bin"), PathBuf::from("/usr/bin")]
            .into_iter()
            .find(|directory| directory.join(program).exists())
            .ok_or_else(|| {
                format!("Debian's {name} is neither installed nor unpacked in {}", peers.display())
            })
    }

    /// Makes the directory of our applets, as an installation would: links to one executable.
    /// It is copied, because an unprivileged user may not be able to reach the build directory.
    pub(crate) fn install_ours(directory: &Path) {
        std::fs::create_dir_all(directory).unwrap();
        let built = env!("CARGO_BIN_EXE_pinfold");
        let executable = directory.join("pinfold");
        std::fs::hard_link(built, &executable)
            .or_else(|_| std::fs::copy(built, &executable).map(drop))
            .unwrap();
        for applet in APPLETS.split_ascii_whitespace() {
            std::os::unix::fs::symlink("pinfold", directory.join(applet)).unwrap();
        }
    }
}
