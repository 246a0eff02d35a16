//! Logging in through ssh.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use crate::common::processes::Process;
use crate::common::{bound, look_until};
use crate::machine::Machine;

const KEY: &str = "/root/key";

/// Gives the machine keys: its own, and one by which `visitor` may log in.
pub(crate) fn make_keys(machine: &Machine) {
    let script = "cp /usr/share/openssh/sshd_config /etc/ssh/sshd_config
        rm -rf /etc/ssh/sshd_config.d
        ssh-keygen -q -t ed25519 -N '' -f /root/key
        [ -e /etc/ssh/ssh_host_ed25519_key ] || ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
        mkdir -p ~visitor/.ssh
        cp /root/key.pub ~visitor/.ssh/authorized_keys
        chown -R visitor: ~visitor";
    machine.must("sh", &["-euc", script]);
}

/// The client, whose shell is to run `command`; without one, it is a login.
pub(crate) fn ssh(machine: &Machine, command: &[&str]) -> Command {
    let mut ssh = machine.command("ssh");
    ssh.args(["-F", "none", "-i", KEY, "-T", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"]);
    ssh.args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]);
    ssh.arg("visitor@127.0.0.1").args(command);
    ssh
}

/// Waits until one can log in.
#[track_caller]
pub(crate) fn is_possible(machine: &Machine) {
    machine.sandbox.wait_for("a login", || {
        let said = machine.sandbox.finish(ssh(machine, &["echo", "welcome"]));
        if said.out == "welcome\n" { Ok(()) } else { Err(format!("{said:?}")) }
    });
}

/// Somebody who has logged in.
pub(crate) struct Login {
    client: Child,
    types: ChildStdin,
    sees: Receiver<String>,
    /// Their shell.
    pub(crate) shell: Process,
}

impl Login {
    pub(crate) fn open(machine: &Machine) -> Login {
        let mut ssh = ssh(machine, &[]);
        let mut client = ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (sender, sees) = mpsc::channel();
        let output = BufReader::new(client.stdout.take().unwrap());
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let types = client.stdin.take().unwrap();
        let shell = Process::look(std::process::id() as i32).unwrap();
        let mut login = Login { client, types, sees, shell };
        login.shell = Process::look(login.shell_says()).unwrap();
        login
    }

    /// What the shell says its pid is.
    fn shell_says(&mut self) -> i32 {
        self.types.write_all(b"echo shell $$\n").unwrap();
        loop {
            let line = self.sees.recv_timeout(bound()).expect("the login is gone");
            if let Some(pid) = line.strip_prefix("shell ") {
                return pid.parse().unwrap();
            }
        }
    }

    /// Fails unless it is still the same shell that answers.
    #[track_caller]
    pub(crate) fn is_still_there(&mut self) {
        assert_eq!(self.shell_says(), self.shell.pid);
    }

    /// Whether the kernel knows that this is a login: what tells it from a daemon.
    pub(crate) fn is_known(&self) -> bool {
        let uid = std::fs::read_to_string(format!("/proc/{}/loginuid", self.shell.pid)).unwrap_or_default();
        uid.trim().parse().is_ok_and(|uid: u32| uid != u32::MAX)
    }

    /// Waits for the client to notice that all is over.
    pub(crate) fn ends(mut self) {
        let end = look_until(|| self.client.try_wait().unwrap().ok_or_else(|| "connected".to_owned()));
        assert!(!end.unwrap().success());
        assert!(!self.shell.is_alive());
    }
}
