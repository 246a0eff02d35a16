//! What is said of assignments that no part of the translation has understood.

use super::amounts;
use super::plan::Level;
use super::unit::Entry;

/// Of no consequence to the service itself.
const SILENT: &[&str] = &[
    "Documentation",
    "SourcePath",
    "DefaultDependencies",
    "SyslogIdentifier",
    "SyslogFacility",
    "SyslogLevel",
    "SyslogLevelPrefix",
    "GuessMainPID",
    "WantedBy",
    "RequiredBy",
    "UpheldBy",
    "DefaultInstance",
    "PassEnvironment",
    "LimitRSS",
    "TimeoutAbortSec",
    "RuntimeDirectoryPreserve",
    "SetLoginEnvironment",
    "CollectMode",
    "StopWhenUnneeded",
    "JobTimeoutSec",
    "TTYPath",
];

/// Those that shut a service in, or out: the beginnings of their names.
const SECURITY: &[&str] = &[
    "Protect",
    "Private",
    "Restrict",
    "SystemCall",
    "CapabilityBoundingSet",
    "AmbientCapabilities",
    "SecureBits",
    "NoNewPrivileges",
    "LockPersonality",
    "MemoryDenyWriteExecute",
    "ReadWrite",
    "ReadOnly",
    "Inaccessible",
    "ExecPaths",
    "NoExecPaths",
    "TemporaryFileSystem",
    "Bind",
    "RootDirectory",
    "RootImage",
    "RootHash",
    "RootEphemeral",
    "MountFlags",
    "MountAPIVFS",
    "MountImages",
    "ExtensionImages",
    "DevicePolicy",
    "DeviceAllow",
    "IPAddress",
    "IPIngress",
    "IPEgress",
    "SocketBind",
    "RemoveIPC",
    "KeyringMode",
    "SELinuxContext",
    "AppArmorProfile",
    "Smack",
    "LoadCredential",
    "SetCredential",
    "ImportCredential",
    "ProcSubset",
    "NetworkNamespacePath",
    "IPCNamespacePath",
    "UserNamespacePath",
    "PAMName",
    "Delegate",
    "SupplementaryGroups",
    "CoredumpFilter",
    "Personality",
    "DisallowWrite",
];

/// Words of order and need, which name other units.
const ORDER: &[&str] = &["After", "Before", "Wants"];
const NEED: &[&str] = &["Requires", "Requisite", "BindsTo", "PartOf", "Upholds", "Conflicts"];

/// Others for which there is advice.
const ADVICE: &[(&str, &str)] = &[
    ("ExecCondition", "test it in run, which can say `exec pinfold svc -d .`"),
    ("RemainAfterExit", "means something to Type=oneshot only"),
    ("WatchdogSec", "it is watched for where Type is notify"),
    ("Sockets", "no sockets are passed: let the program open its own"),
    ("NonBlocking", "no sockets are passed: let the program open its own"),
    ("FileDescriptorStoreMax", "nobody keeps its descriptors"),
    ("BusName", "nobody waits for its name on the bus"),
    ("RuntimeMaxSec", "write `timeout` before the program in run"),
    ("IOSchedulingClass", "write `ionice` before the program in run"),
    ("IOSchedulingPriority", "write `ionice` before the program in run"),
    ("CPUSchedulingPolicy", "write `chrt` before the program in run"),
    ("CPUSchedulingPriority", "write `chrt` before the program in run"),
    ("CPUAffinity", "write `taskset -c` before the program in run"),
    ("NUMAPolicy", "write `numactl` before the program in run"),
    ("TimerSlackNSec", "write `prlimit`, or leave it"),
    ("FinalKillSignal", "who does not end is sent KILL"),
    ("RestartKillSignal", "a restart sends what a stop does"),
    ("SendSIGHUP", "HUP is not sent beside the signal: control/d could"),
    ("OOMPolicy", "a process that is killed for want of memory ends alone"),
    ("Slice", "the service's group is pinfold's: see pinfold-service(5)"),
    ("OnFailure", "finish could do it, or what reads `pinfold status --json`"),
    ("OnSuccess", "finish could do it"),
    ("Alias", "it has one name: a link in the scan directory would be a second service"),
    ("Also", "import that unit, too, if it is wanted"),
    ("ReloadPropagatedFrom", "a reload concerns one service"),
    ("PropagatesReloadTo", "a reload concerns one service"),
];

/// Limits for the whole service, which its control group would have.
const RESOURCES: &[&str] =
    &["Memory", "CPU", "IO", "Tasks", "BlockIO", "StartupCPU", "StartupIO", "StartupMemory"];

/// What is to be said of an assignment, if anything.
pub(super) fn judge(entry: &Entry) -> Option<(Level, String)> {
    let key = &*entry.key;
    let begins = |list: &[&str]| list.iter().any(|begin| key.starts_with(begin));
    let left_out = |text: &str| Some((Level::LeftOut, text.to_owned()));
    if key.is_empty() {
        return left_out("is no assignment in a section; systemd ignores it, too");
    }
    if entry.section.starts_with("X-") || key.starts_with("X-") || SILENT.contains(&key) {
        return None;
    }
    // taken back: nothing was asked for
    if entry.value.is_empty() && !["CapabilityBoundingSet", "DeviceAllow"].contains(&key) {
        return None;
    }
    if !["Unit", "Service", "Install"].contains(&&*entry.section) {
        return left_out("stands in a section that a service does not have");
    }
    if key.starts_with("Condition") || key.starts_with("Assert") {
        return left_out("is not tested: run could, and say `exec pinfold svc -d .`");
    }
    if let Some((_, advice)) = ADVICE.iter().find(|(name, _)| *name == key) {
        let level = if matches!(key, "Alias" | "Also") { Level::Changed } else { Level::LeftOut };
        return Some((level, (*advice).to_owned()));
    }
    if begins(SECURITY) {
        return security(entry);
    }
    if ORDER.contains(&key) || NEED.contains(&key) {
        return Some(order(entry));
    }
    if key.starts_with("Limit") {
        return left_out("write `prlimit` before the program in run");
    }
    if begins(RESOURCES) {
        return left_out("limits for the service's group can't be set yet");
    }
    left_out("has no counterpart")
}

/// What a service may do or see is not restricted by pinfold; what was not restricted is not worth a word.
fn security(entry: &Entry) -> Option<(Level, String)> {
    let is_off = amounts::boolean(&entry.value) == Some(false);
    let text = match &*entry.key {
        _ if is_off => return None,
        "CapabilityBoundingSet" => "write `setpriv --bounding-set` before the program in run",
        "AmbientCapabilities" => {
            "write `setpriv --inh-caps … --ambient-caps …` in run, in place of setuidgid"
        }
        "SupplementaryGroups" => "add the groups to the account (usermod -aG)",
        "RootDirectory" => "write `pinfold chpst -/` before the program in run",
        "AppArmorProfile" => "write `aa-exec -p` before the program in run",
        "SELinuxContext" => "write `runcon` before the program in run",
        _ => "is not enforced: `unshare` or `bwrap` in run could, or keep the unit",
    };
    Some((Level::Security, text.to_owned()))
}

fn order(entry: &Entry) -> (Level, String) {
    let passive = [".target", ".mount", ".slice", ".device", ".swap", ".path", ".automount"];
    let is_passive =
        |unit: &str| passive.iter().any(|suffix| unit.ends_with(suffix)) || unit.starts_with("systemd-");
    if ORDER.contains(&&*entry.key) && entry.value.split_whitespace().all(is_passive) {
        let text = "no order is kept: it is started when svscan is";
        return (Level::Changed, text.to_owned());
    }
    let text = "other services are not waited for, and not started or stopped with it: run could say `pinfold wait \
                --ready NAME || exit 1`";
    (Level::LeftOut, text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(section: &str, key: &str, value: &str) -> Option<Level> {
        let file = std::rc::Rc::from(std::path::Path::new("u"));
        let (section, key, value) = (section.into(), key.into(), value.into());
        judge(&Entry { file, line: 1, section, key, value }).map(|(level, _)| level)
    }

    #[test]
    fn what_shuts_a_service_in_is_always_said_and_what_does_not_is_not() {
        for (key, value) in [
            ("ProtectSystem", "full"),
            ("PrivateTmp", "yes"),
            ("NoNewPrivileges", "yes"),
            ("CapabilityBoundingSet", ""),
            ("SystemCallFilter", "~@mount"),
            ("ReadWritePaths", "/srv"),
            ("RestrictAddressFamilies", "none"),
            ("IPAddressDeny", "any"),
        ] {
            assert_eq!(judged("Service", key, value), Some(Level::Security), "{key}");
        }
        assert_eq!(judged("Service", "ProtectSystem", "false"), None);
        assert_eq!(judged("Service", "PrivateTmp", "no"), None);
    }

    #[test]
    fn nothing_else_goes_without_a_word_but_what_has_no_consequence() {
        assert_eq!(judged("Unit", "Documentation", "man:x(8)"), None);
        assert_eq!(judged("Install", "WantedBy", "multi-user.target"), None);
        assert_eq!(judged("X-Vendor", "Anything", "x"), None);
        assert_eq!(judged("Unit", "After", "network.target remote-fs.target"), Some(Level::Changed));
        assert_eq!(judged("Unit", "After", "network.target db.service"), Some(Level::LeftOut));
        assert_eq!(judged("Unit", "Requires", "basic.target"), Some(Level::LeftOut));
        assert_eq!(judged("Unit", "ConditionPathExists", "/x"), Some(Level::LeftOut));
        assert_eq!(judged("Service", "MemoryMax", "1G"), Some(Level::LeftOut));
        assert_eq!(judged("Service", "ExecStrat", "/bin/x"), Some(Level::LeftOut));
        assert_eq!(judged("Socket", "ListenStream", "80"), Some(Level::LeftOut));
        assert_eq!(judged("", "", "noise"), Some(Level::LeftOut));
    }
}
