"""What is read of the machine: control groups, processes, ticks of services. Times are seconds, memory bytes."""

import contextlib
import fcntl
import os
import select
import signal
import struct
import time
from pathlib import Path

RECORD = struct.Struct("i28s")  # as tick.c writes it
CGROUP = Path("/sys/fs/cgroup")


def own_group(controller):
    """The directory of this process's group in the v1 hierarchy of a controller ("" for v2), or None."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            for base in [CGROUP / controller] if controller else [CGROUP / "unified", CGROUP]:
                if (base / path[1:] / "cgroup.procs").exists():
                    return base / path[1:]
    return None


class Pen:
    """Control groups of our own in which one supervisor and all it starts live: they count its CPU time and its
    kernel memory, and say who is still there."""

    def __init__(self, label):
        name = f"pinfold-compare-{os.getpid()}-{label}"
        found = {of: own_group(of) for of in ("", "cpuacct", "memory")}
        self.groups = {of: base / name for of, base in found.items() if base}
        for group in self.groups.values():
            group.mkdir()
        if not self.groups:
            raise SystemExit("compare: no control group hierarchy is mounted")

    def enter(self):
        """Called in the child before its exec."""
        for group in self.groups.values():
            (group / "cgroup.procs").write_text("0")

    def cpu(self):
        """CPU time of everybody who is or was in it."""
        if "cpuacct" in self.groups:
            return int((self.groups["cpuacct"] / "cpuacct.usage").read_text()) / 1e9
        return keyed(self.groups[""] / "cpu.stat")["usage_usec"] / 1e6

    def kernel_memory(self):
        """Kernel memory charged to it, or None where that is not counted."""
        with contextlib.suppress(OSError, KeyError):
            if "memory" in self.groups:
                return int((self.groups["memory"] / "memory.kmem.usage_in_bytes").read_text())
            return keyed(self.groups[""] / "memory.stat")["kernel"]
        return None

    def pids(self):
        """Everybody in it, in one hierarchy that nothing below it moves processes about in, or in the whole tree."""
        flat = self.groups.get("cpuacct")
        groups = [flat] if flat else [Path(path) for path, _, _ in os.walk(self.groups[""])]
        found = []
        for group in groups:
            with contextlib.suppress(OSError):
                found += [int(line) for line in (group / "cgroup.procs").read_text().split()]
        return found

    def close(self):
        """Ends everybody and removes the groups."""
        deadline = time.monotonic() + 60
        while (pids := self.pids()) and time.monotonic() < deadline:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)  # it is in our own group: no other process can have this pid
            time.sleep(0.05)
        for group in self.groups.values():
            for path, _, _ in os.walk(group, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(path)
            if group.exists():
                print(f"compare: {group} could not be removed", flush=True)

    def settle(self, quiet=0.3, most=20):
        """Waits until nobody in it has used CPU time for a moment."""
        deadline = time.monotonic() + most
        before = -1.0
        while (now := self.cpu()) - before > 0.0005 and time.monotonic() < deadline:
            before = now
            time.sleep(quiet)
        return now


def keyed(path):
    """A file of "NAME NUMBER" lines."""
    return {name: int(value) for name, value in (line.split() for line in path.read_text().splitlines())}


class Ticks:
    """The FIFO over which services say that they run."""

    def __init__(self, path):
        os.mkfifo(path)
        self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        with contextlib.suppress(OSError):
            fcntl.fcntl(self.fd, fcntl.F_SETPIPE_SZ, 1 << 20)
        self.rest = b""

    def read(self, until):
        """The (pid, name) that have come; waits for the first until a time."""
        if not select.select([self.fd], [], [], max(0, until - time.monotonic()))[0]:
            raise TimeoutError("a service was not started in time")
        self.rest += os.read(self.fd, 1 << 20)
        whole = len(self.rest) // RECORD.size * RECORD.size
        records, self.rest = self.rest[:whole], self.rest[whole:]
        return [(pid, name.rstrip(b"\0").decode()) for pid, name in RECORD.iter_unpack(records)]

    def wait(self, count, most=20):
        """Waits for so many; a list of (pid, name)."""
        until = time.monotonic() + most
        came = []
        while len(came) < count:
            came += self.read(until)
        return came

    def wait_for(self, name, most=30):
        """Waits until this one says that it runs; its pid."""
        until = time.monotonic() + most
        while True:
            for pid, who in self.read(until):
                if who == name:
                    return pid

    def close(self):
        os.close(self.fd)


class Ends:
    """Waits for the ends of processes."""

    def __init__(self, pids):
        self.poll = select.epoll()
        self.fds = {os.pidfd_open(pid) for pid in pids}
        for fd in self.fds:
            self.poll.register(fd, select.EPOLLIN)

    def wait(self, most=120):
        """How many were still there after at most so long; 0 as soon as all have ended."""
        until = time.monotonic() + most
        while self.fds and (left := until - time.monotonic()) > 0:
            for fd, _ in self.poll.poll(left, 1024):
                self.fds.discard(fd)
                os.close(fd)
        return len(self.fds)

    def close(self):
        for fd in self.fds:
            os.close(fd)
        self.poll.close()


def command(pid):
    """The short name of a process."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def run_time(pids):
    """CPU time these living processes have had, all of one thread."""
    return sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for pid in pids) / 1e9


def waits(pids):
    """How often these processes have waited for something."""
    return sum(int(field(Path(f"/proc/{pid}/status"), "voluntary_ctxt_switches")) for pid in pids)


def field(path, name):
    for line in path.read_text().splitlines():
        if line.startswith(name + ":"):
            return line.split()[1]
    raise KeyError(name)


def memory(pids):
    """(private, proportional) memory of these processes together."""
    private = proportional = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Private_"):
                private += int(line.split()[1]) * 1024
            elif line.startswith("Pss:"):
                proportional += int(line.split()[1]) * 1024
    return private, proportional


def descriptors(pids):
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)
