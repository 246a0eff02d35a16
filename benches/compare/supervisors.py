"""The field: how each supervisor is given its services, started, and told things. All of them get the same service,
`tick`, in directories of the same names, on tmpfs."""

import contextlib
import itertools
import os
import signal
import struct
import subprocess
import time
from pathlib import Path

from machine import Ends, Pen, Ticks, command

# short names for the trees, as long as /run/pinfold/service is: pinfold's links repeat the path
TREES = itertools.count()


class Supervisor:
    """One supervisor over a scan directory of its own. `by_rule` has what it is slow at by a rule of its own."""

    name = ""
    by_rule = {}
    most_services = 1 << 20

    def __init__(self, tools, work):
        self.tools, self.work = tools, work / str(next(TREES))
        self.scan = self.work / "scan"
        self.scan.mkdir(parents=True)
        self.ticks = Ticks(self.scan / ".tick")
        self.pen = Pen(self.name)
        self.root = None
        self.pid_of = {}
        self.environment_now = self.environment()
        self.silence = [(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0),
                        (os.POSIX_SPAWN_OPEN, 2, str(self.work / "said"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)]
        os.chdir(self.scan)

    # what differs from one to the other

    def arguments(self):
        """What starts it."""
        raise NotImplementedError

    def letter(self, name, what):
        """Tells one service's keeper; `what` is "u" or "d"."""
        with open(self.scan / name / "supervise/control", "wb", buffering=0) as control:
            control.write(what.encode())

    def is_down(self, name):
        """Whether it is published as down. The pid of daemontools' status record, which runit has too."""
        with contextlib.suppress(OSError):
            return struct.unpack_from("<I", (self.scan / name / "supervise/status").read_bytes(), 12)[0] == 0
        return False

    def stop_command(self, name):
        """What an administrator says to stop one."""
        raise NotImplementedError

    def status_commands(self, names):
        """What shows all services, as one command line: {"status": …}, and `svstat` where there is one."""
        raise NotImplementedError

    def rescan_command(self, name):
        """What makes it take up a new directory, where it has to be told."""

    def lay_out(self, name, where=None):
        """Makes a service's directory."""
        directory = (where or self.scan) / name
        directory.mkdir()
        os.link(self.tools.tick, directory / "run")
        return directory

    def stop_all(self, names):
        for name in names:
            self.letter(name, "d")

    def is_there(self, name):
        """Whether a service has a keeper that can be told things."""
        try:
            os.close(os.open(self.scan / name / "supervise/control", os.O_WRONLY | os.O_NONBLOCK))
            return True
        except OSError:
            return False

    # what is the same

    def environment(self):
        libraries = [str(path) for path in self.tools.peers.glob("lib*/usr/lib/*/")]
        return os.environ | {"LD_LIBRARY_PATH": ":".join(libraries), "PINFOLD_RUN": str(self.work / "run")}

    def program(self, name):
        return str(self.tools.program(self.name, name))

    def run(self, arguments):
        """Runs a command in the scan directory, where we are: (seconds it took, CPU time of its processes)."""
        begun = time.perf_counter()
        pid = os.posix_spawn(arguments[0], arguments, self.environment_now, file_actions=self.silence)
        _, status, usage = os.wait4(pid, 0)
        taken = time.perf_counter() - begun
        if os.waitstatus_to_exitcode(status) != 0:
            raise RuntimeError(f"{arguments[:3]} returned {os.waitstatus_to_exitcode(status)}")
        return taken, usage.ru_utime + usage.ru_stime

    def said(self):
        return open(self.work / "said", "a")

    def start(self):
        # runit waits until a directory has been left alone for a second
        os.utime(self.scan, (0, 0))
        self.root = subprocess.Popen(self.arguments(), env=self.environment(), preexec_fn=self.pen.enter, cwd=self.work,
                                     stdin=subprocess.DEVNULL, stdout=self.said(), stderr=self.said(),
                                     start_new_session=True)

    def note(self, came):
        self.pid_of.update({name: pid for pid, name in came})

    def keepers(self):
        """Its own processes: everybody who is no service. Of services nothing is read below /proc: whoever has been
        looked at there takes his parent twice the time to reap."""
        services = set(self.pid_of.values())
        return [pid for pid in self.pen.pids() if pid not in services and command(pid) not in ("run", "")]

    def leave(self):
        """Orderly, where it knows how; then by force."""
        if self.root and self.root.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.root.send_signal(signal.SIGTERM)
                self.root.wait(60)

    def end(self):
        self.leave()
        self.pen.close()
        if self.root:
            self.root.wait()
        self.ticks.close()
        os.chdir("/")
        subprocess.run(["rm", "-rf", self.work], check=True)

    def stopped(self, names, most=180):
        """Stops these and waits: (seconds until their processes are gone, until they are published as down too)."""
        ends = Ends([self.pid_of[name] for name in names])
        begun = time.perf_counter()
        self.stop_all(names)
        if left := ends.wait(most):
            raise RuntimeError(f"{self.name}: {left} not stopped")
        gone = time.perf_counter() - begun
        ends.close()
        for name in names:
            self.await_down(name)
        return gone, time.perf_counter() - begun

    def await_down(self, name, most=60):
        until = time.monotonic() + most
        while not self.is_down(name):
            if time.monotonic() > until:
                raise TimeoutError(f"{self.name}: {name} is not published as down")


class Pinfold(Supervisor):
    name = "pinfold"

    def arguments(self):
        return [self.program("svscan"), str(self.scan)]

    def stop_command(self, name):
        return [self.program("svc"), "-d", name]

    def status_commands(self, names):
        return {"status": [self.program("pinfold"), "status"], "svstat": [self.program("svstat"), *names]}


class Daemontools(Supervisor):
    name = "daemontools"
    by_rule = {"pick-up": "looks every 5 s", "leftovers": "leaves what a service has started"}
    most_services = 1000

    def arguments(self):
        return [self.program("svscan"), str(self.scan)]

    def environment(self):
        return super().environment() | {"PATH": f"{Path(self.program('svc')).parent}:{os.environ['PATH']}"}

    def stop_command(self, name):
        return [self.program("svc"), "-d", name]

    def status_commands(self, names):
        command = [self.program("svstat"), *names]
        return {"status": command, "svstat": command}

    def leave(self):
        # svscan has no orderly end: what it started would go on
        self.root.kill()


class Runit(Daemontools):
    name = "runit"
    by_rule = {"pick-up": "looks every 5 s when the directory has changed",
               "leftovers": "leaves what a service has started"}

    def arguments(self):
        return [self.program("runsvdir"), "-P", str(self.scan)]

    def environment(self):
        return Supervisor.environment(self) | {
            "PATH": f"{Path(self.program('sv')).parent}:{os.environ['PATH']}", "SVDIR": str(self.scan)}

    def stop_command(self, name):
        return [self.program("sv"), "down", name]

    def status_commands(self, names):
        return {"status": [self.program("sv"), "status", *names]}


class S6(Daemontools):
    name = "s6"
    by_rule = {"crash": "restarts after 1 s", "leftovers": "leaves what a service has started"}
    most_services = 1 << 20

    def environment(self):
        return Supervisor.environment(self) | {"PATH": f"{Path(self.program('s6-svc')).parent}:{os.environ['PATH']}"}

    def arguments(self):
        # it looks for s6-supervise in /usr/bin: what is unpacked is laid over that, for nobody else to see
        layers = f"lowerdir={Path(self.program('s6-svscan')).parent}:/usr/bin"
        command = 'mount -t overlay overlay -o "$1" /usr/bin && exec s6-svscan -c 10000 "$2"'
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", command, "sh", layers, str(self.scan)]

    def is_down(self, name):
        with contextlib.suppress(OSError, struct.error):
            return struct.unpack_from(">Q", (self.scan / name / "supervise/status").read_bytes(), 24)[0] == 0
        return False

    def stop_command(self, name):
        return [self.program("s6-svc"), "-d", name]

    def status_commands(self, names):
        # it takes one directory
        return {"status": ["/bin/sh", "-c", 'for name do s6-svstat "$name"; done', "sh", *names]}

    def rescan_command(self, name):
        return [self.program("s6-svscanctl"), "-a", str(self.scan)]


class Dinit(Supervisor):
    """All services hang on one, `pen`, so that one command stops them."""

    name = "dinit"

    def __init__(self, tools, work):
        super().__init__(tools, work)
        self.described = self.work / "described"
        (self.described / "all").mkdir(parents=True)
        (self.described / "boot").write_text("type = internal\nwaits-for.d = all\n")
        (self.described / "pen").write_text("type = internal\n")

    def arguments(self):
        return [self.program("dinit"), "-d", str(self.described), "-p", str(self.work / "socket"), "-q", "boot"]

    def control(self, *arguments):
        return [self.program("dinitctl"), "-p", str(self.work / "socket"), *arguments]

    def lay_out(self, name, where=None):
        directory = super().lay_out(name, where)
        (self.described / name).write_text(
            f"type = process\ncommand = {self.scan / name}/run\nworking-dir = {self.scan / name}\n"
            "restart = true\nsmooth-recovery = true\ndepends-on = pen\n")
        if where is None:
            (self.described / "all" / name).symlink_to(f"../{name}")
        return directory

    def stop_all(self, names):
        self.run(self.control("stop", "--force", "pen"))

    def is_down(self, name):
        return True  # dinitctl returns when it is

    def is_there(self, name):
        return (self.work / "socket").exists()

    def stop_command(self, name):
        return self.control("stop", name)

    def status_commands(self, names):
        return {"status": self.control("list")}

    def rescan_command(self, name):
        return self.control("start", name)


class Floor(Supervisor):
    """No supervisor: vfork, exec, wait."""

    name = "floor"

    def arguments(self):
        return [str(self.tools.floor), str(self.scan)]

    def stop_all(self, names):
        self.root.send_signal(signal.SIGUSR1)

    def is_down(self, name):
        return True

    def is_there(self, name):
        return True

    def leave(self):
        self.root.kill()


FIELD = [Pinfold, Daemontools, Runit, S6, Dinit, Floor]
