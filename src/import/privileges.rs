//! Who the service is, and what it may do.

use super::exec::quoted;
use super::plan::Level;
use super::systemd::Translation;

impl Translation {
    /// `User=` and its kin become the program that runs the service's.
    pub(super) fn privileges(&mut self) {
        self.niceness();
        self.wrapper = self.privileged.clone();
        let user = self.account();
        let group = self.take_expanded("Group").map(|entry| entry.value);
        match (&user, &group) {
            (None, None) => {}
            (None, Some(group)) => self.wrapper.push(format!("pinfold chpst -u root:{}", quoted(group))),
            (Some(user), _) => {
                let become_it = self.become_user(user, group.as_deref());
                self.wrapper.push(become_it);
                self.login(user);
            }
        }
        self.file_mode();
        self.private_directories(user.as_deref(), group.as_deref());
        if self.yes("Service", "NoNewPrivileges") {
            self.wrapper.push("setpriv --no-new-privs".into());
        }
    }

    /// The account that the service has, unless that is root.
    fn account(&mut self) -> Option<String> {
        let user = self.take_expanded("User").map(|entry| entry.value);
        let user = user.filter(|user| user != "root" && user != "0");
        if let Some(entry) = self.take("DynamicUser") {
            if super::amounts::boolean(&entry.value) == Some(false) {
                return user;
            }
            let user = user.unwrap_or_else(|| self.names.whole.replace('@', "-"));
            let text = format!(
                "no account is made for it: make {user} one (useradd --system), it does not start without"
            );
            self.say(Level::Security, &entry, text);
            return Some(user);
        }
        user
    }

    fn become_user(&mut self, user: &str, group: Option<&str>) -> String {
        let is_number = |name: &str| name.bytes().all(|b| b.is_ascii_digit());
        match group {
            None if is_number(user) => format!("pinfold chpst -u :{user}:{user}"),
            Some(group) if is_number(user) && is_number(group) => format!("pinfold chpst -u :{user}:{group}"),
            // nearly always the account's own group, and all of its groups count
            Some(group) if group == user => format!("pinfold setuidgid -s {}", quoted(user)),
            None => format!("pinfold setuidgid -s {}", quoted(user)),
            Some(group) => format!("pinfold chpst -u {}", quoted(&format!("{user}:{group}"))),
        }
    }

    /// The variables that systemd sets with `User=`; `~name` is the shell's word for a home.
    fn login(&mut self, user: &str) {
        if !user.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
            return;
        }
        self.preamble.push(format!("export USER={user} LOGNAME={user} HOME=~{user}"));
    }

    fn file_mode(&mut self) {
        let Some(entry) = self.take("UMask") else { return };
        if entry.value.is_empty() || !entry.value.bytes().all(|b| (b'0'..=b'7').contains(&b)) {
            return self.say(Level::LeftOut, &entry, "is no octal number");
        }
        self.preamble.push(format!("umask {}", entry.value));
    }

    fn niceness(&mut self) {
        if let Some(entry) = self.take("Nice") {
            match entry.value.parse::<i8>() {
                Ok(nice) if (-20..=19).contains(&nice) => {
                    self.privileged.push(format!("pinfold chpst -n {nice}"));
                }
                _ => self.say(Level::LeftOut, &entry, "is no number from -20 to 19"),
            }
        }
        if let Some(entry) = self.take("OOMScoreAdjust") {
            match entry.value.parse::<i16>() {
                Ok(score) => self.setup.push(format!("echo {score} >/proc/self/oom_score_adj")),
                Err(_) => self.say(Level::LeftOut, &entry, "is no number"),
            }
        }
    }

    /// `RuntimeDirectory=` and its kin: made by `run`, and named in the environment.
    fn private_directories(&mut self, user: Option<&str>, group: Option<&str>) {
        for (kind, place) in [
            ("Runtime", "/run"),
            ("State", "/var/lib"),
            ("Cache", "/var/cache"),
            ("Logs", "/var/log"),
            ("Configuration", "/etc"),
        ] {
            let mode = self.take(&format!("{kind}DirectoryMode")).map_or("0755".into(), |entry| entry.value);
            let owner = user.filter(|_| kind != "Configuration").map_or(String::new(), |user| {
                let group = group.map_or(format!("\"$(id -g {})\"", quoted(user)), quoted);
                format!(" -o {} -g {group}", quoted(user))
            });
            let mut made = Vec::new();
            for entry in self.unit.take_all("Service", &format!("{kind}Directory")) {
                let Some(entry) = self.expanded(entry) else { continue };
                for name in entry.value.split_whitespace() {
                    let is_plain = !name.contains(':') && !name.split('/').any(|part| part == "..");
                    if is_plain && mode.bytes().all(|b| (b'0'..=b'7').contains(&b)) {
                        made.push(format!("{place}/{}", name.trim_start_matches('/')));
                    } else {
                        self.say(Level::LeftOut, &entry, "make this directory in run");
                    }
                }
            }
            for path in &made {
                self.setup.push(format!("install -d -m {mode}{owner} {} || exit 111", quoted(path)));
            }
            if !made.is_empty() {
                let variable = format!("{}_DIRECTORY", kind.to_uppercase());
                self.preamble.push(format!("export {variable}={}", quoted(&made.join(":"))));
            }
        }
    }
}
