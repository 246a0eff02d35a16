//! What can be called: the lasting processes, and the administrator's commands.

mod lasting;

use compat::Applet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Pinfold's own commands by their names, beside the family's in [`compat::APPLETS`].
pub const APPLETS: &[Applet] = &[
    Applet { name: "svscan", main: lasting::svscan, help: "supervise every service of a directory" },
    Applet { name: "supervise", main: lasting::supervise, help: "supervise one service by hand" },
];

/// Names that pinfold gives its own processes, for `ps`; not for people to call.
const OWN: &[Applet] = &[
    Applet { name: "pinfold:", main: lasting::supervisor, help: "" },
    Applet { name: "pinfold-catcher:", main: lasting::catcher, help: "" },
];

/// Finds a command, the family's or pinfold's own, by exactly its name.
pub fn find(name: &OsStr) -> Option<&'static Applet> {
    compat::APPLETS.iter().chain(APPLETS).chain(OWN).find(|applet| applet.name.as_bytes() == name.as_bytes())
}
