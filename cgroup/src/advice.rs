//! What to do where there are no groups to be had: the line that gives more, for whoever has started us.

use nix::errno::Errno;
use std::path::Path;

/// Who has made the place we are in, as far as that can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Surroundings {
    /// A pod's container.
    Kubernetes,
    /// A container of podman's, which leaves a mark for those inside.
    Podman,
    /// The same of docker's.
    Docker,
    /// A unit of systemd's.
    Unit,
    /// A machine started by OpenRC.
    OpenRc,
    /// Nothing that we know.
    Unknown,
}

/// What the advice depends on.
pub(crate) struct Here {
    pub(crate) is_root: bool,
    pub(crate) may_mount: bool,
    /// cgroup v2 is mounted at its usual place, of use to us or not.
    pub(crate) is_mounted: bool,
    pub(crate) surroundings: Surroundings,
}

impl Surroundings {
    /// Looks around.
    pub(crate) fn look() -> Surroundings {
        let is_set = |name| std::env::var_os(name).is_some();
        let exists = |path: &str| Path::new(path).exists();
        match () {
            () if is_set("KUBERNETES_SERVICE_HOST") => Surroundings::Kubernetes,
            () if exists("/run/.containerenv") => Surroundings::Podman,
            () if exists("/.dockerenv") => Surroundings::Docker,
            () if is_set("INVOCATION_ID") => Surroundings::Unit,
            () if exists("/run/openrc") => Surroundings::OpenRc,
            () => Surroundings::Unknown,
        }
    }

    /// What makes a read-only cgroup file system writable.
    fn makes_writable(self) -> &'static str {
        match self {
            Surroundings::Kubernetes => {
                "by a runtime class of containerd 2.1 or later with cgroup_writable = true, or \
                 securityContext: {privileged: true}"
            }
            Surroundings::Podman => "podman run --security-opt unmask=/sys/fs/cgroup",
            Surroundings::Docker => {
                "docker run --cgroupns=private --security-opt writable-cgroups=true (Docker 28 or later)"
            }
            Surroundings::Unit => "ProtectControlGroups=no in the systemd unit, beside Delegate=yes",
            Surroundings::OpenRc | Surroundings::Unknown => {
                "in a container by its private cgroup namespace and a writable /sys/fs/cgroup, in a systemd unit \
                 without ProtectControlGroups="
            }
        }
    }
}

/// What to do about a hierarchy that could not be used for this reason; `None` where nothing is known to help.
pub(crate) fn advice(errno: Errno, here: &Here) -> Option<String> {
    let text = match errno {
        Errno::EROFS => {
            let line = here.surroundings.makes_writable();
            return Some(format!("mount the cgroup file system writable: {line}"));
        }
        Errno::EACCES | Errno::EPERM if !here.is_root => {
            "run as root, or in a cgroup delegated to this user: \
             systemd-run --user --scope -p Delegate=yes COMMAND"
        }
        Errno::ENOENT if here.surroundings == Surroundings::OpenRc && here.is_root => {
            "rc-update add cgroups sysinit && rc-service cgroups start"
        }
        // the kernel mounts no file system over itself, and lets nobody unmount what came with a user namespace
        Errno::ENOENT if here.may_mount && here.is_mounted => {
            "mount -t tmpfs none /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup"
        }
        Errno::ENOENT if here.may_mount => "mount -t cgroup2 none /sys/fs/cgroup",
        Errno::ENOENT => "have whoever made this container or machine mount /sys/fs/cgroup",
        _ => return None,
    };
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(errno: Errno, surroundings: Surroundings) -> String {
        let here = Here { is_root: true, may_mount: true, is_mounted: false, surroundings };
        advice(errno, &here).unwrap_or_default()
    }

    #[test]
    fn each_place_gets_the_line_that_gives_more_there() {
        let lines = [
            (Errno::EROFS, Surroundings::Docker, "writable-cgroups=true"),
            (Errno::EROFS, Surroundings::Podman, "unmask=/sys/fs/cgroup"),
            (Errno::EROFS, Surroundings::Kubernetes, "cgroup_writable"),
            (Errno::EROFS, Surroundings::Unit, "ProtectControlGroups=no"),
            (Errno::EROFS, Surroundings::Unknown, "private cgroup namespace"),
            (Errno::ENOENT, Surroundings::OpenRc, "rc-service cgroups start"),
            (Errno::ENOENT, Surroundings::Docker, "mount -t cgroup2 none /sys/fs/cgroup"),
        ];
        for (errno, surroundings, line) in lines {
            let said = said(errno, surroundings);
            assert!(said.contains(line), "{surroundings:?}: {said}");
        }
        assert_eq!(said(Errno::EIO, Surroundings::Unknown), "");
    }

    #[test]
    fn who_may_not_mount_is_told_whom_to_ask() {
        let surroundings = Surroundings::Unknown;
        let here = Here { is_root: false, may_mount: false, is_mounted: true, surroundings };
        assert!(advice(Errno::ENOENT, &here).is_some_and(|said| said.starts_with("have whoever")));
        assert!(advice(Errno::EACCES, &here).is_some_and(|said| said.contains("Delegate=yes")));
    }
}
