"""The measurements. Each round makes a tree of one supervisor and N services, puts it through its life, and gives
what was measured as {name: value}; times are seconds, memory bytes, all per service where the name says "each"."""

import contextlib
import os
import signal
import time

from machine import Ends, descriptors, memory, run_time, waits


def names(count):
    return [f"s{number:05}" for number in range(count)]


class Round:
    """One supervisor with N services, once."""

    def __init__(self, kind, tools, work, count):
        self.tree = kind(tools, work)
        self.names = names(count)
        self.keepers = []
        self.found = {}
        for name in self.names:
            self.tree.lay_out(name)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.tree.end()

    def cpu(self):
        """CPU time of all in the tree, and of the supervisor's own processes."""
        return self.tree.pen.cpu(), run_time(self.tree.keepers())

    def start(self):
        """Until all services run; CPU until it is quiet, all that was started included."""
        tree, pen = self.tree, self.tree.pen
        kernel = pen.kernel_memory()
        begun = time.perf_counter()
        tree.start()
        tree.note(tree.ticks.wait(len(self.names)))
        self.found["start wall"] = time.perf_counter() - begun
        self.found["start cpu"] = pen.settle()
        until = time.monotonic() + 30
        while not all(tree.is_there(name) for name in self.names) and time.monotonic() < until:
            time.sleep(0.05)
        self.keepers = tree.keepers()
        self.found["start own cpu"] = run_time(self.keepers)
        each = 1 / len(self.names)
        private, proportional = memory(self.keepers)
        self.found["private each"], self.found["proportional each"] = private * each, proportional * each
        self.found["descriptors each"] = descriptors(self.keepers) * each
        if kernel is not None and (now := pen.kernel_memory()) is not None:
            self.found["kernel each"] = (now - kernel) * each

    def rest(self, seconds):
        """At rest: how often its processes wake up, and what CPU time they use."""
        self.tree.pen.settle()
        before = waits(self.keepers), run_time(self.keepers)
        time.sleep(seconds)
        after = waits(self.keepers), run_time(self.keepers)
        self.found["rest wakes"] = (after[0] - before[0]) / seconds
        self.found["rest cpu"] = (after[1] - before[1]) / seconds

    def status(self):
        """Everybody's status: the shortest of three; what the supervisor does for it included."""
        tree = self.tree
        for name, command in tree.status_commands(self.names).items():
            before = tree.pen.settle()
            taken = [tree.run(command) for _ in range(3)]
            asked = (tree.pen.settle() - before) / len(taken)
            self.found[f"{name} wall"] = min(wall for wall, _ in taken)
            self.found[f"{name} cpu"] = min(cpu for _, cpu in taken) + asked

    def crashes(self, count):
        """From SIGKILL until it runs again."""
        tree, walls, before = self.tree, [], self.cpu()
        for name in self.names[:count]:
            begun = time.perf_counter()
            os.kill(tree.pid_of[name], signal.SIGKILL)
            tree.pid_of[name] = tree.ticks.wait_for(name)
            walls.append(time.perf_counter() - begun)
        self.keep_events("crash", walls, before)

    def stops(self, chosen):
        """One service after the other stopped by command: until it is gone, until it is published as down."""
        tree, gone, down, commands, before = self.tree, [], [], 0, self.cpu()
        for name in chosen:
            ends = Ends([tree.pid_of[name]])
            begun = time.perf_counter()
            commands += tree.run(tree.stop_command(name))[1]
            ends.wait()
            gone.append(time.perf_counter() - begun)
            tree.await_down(name)
            down.append(time.perf_counter() - begun)
            ends.close()
        self.found["stop gone wall"] = median(gone)
        self.keep_events("stop", down, before)
        self.found["stop cpu"] += commands / len(chosen)

    def keep_events(self, name, walls, before):
        self.found[f"{name} wall"] = median(walls)
        self.tree.pen.settle()
        total, own = self.cpu()
        self.found[f"{name} cpu"] = (total - before[0]) / len(walls)
        self.found[f"{name} own cpu"] = (own - before[1]) / len(walls)

    def stop_all(self, left):
        """All that are left: until they are gone, until they are published as down."""
        before = self.tree.pen.cpu()
        self.found["stop all gone wall"], self.found["stop all wall"] = self.tree.stopped(left)
        self.found["stop all cpu"] = self.tree.pen.settle() - before

    def pick_up(self, count, most=30):
        """A new directory, whole at once, until its service runs."""
        tree, walls, commands = self.tree, [], 0
        before = tree.pen.settle()
        aside = tree.work / "aside"
        aside.mkdir()
        for number in range(count):
            name = f"new{number:05}"
            tree.lay_out(name, aside)
            begun = time.perf_counter()
            (aside / name).rename(tree.scan / name)
            if command := tree.rescan_command(name):
                commands += tree.run(command)[1]
            tree.pid_of[name] = tree.ticks.wait_for(name, most)
            walls.append(time.perf_counter() - begun)
        self.found["pick-up wall"] = median(walls)
        self.found["pick-up cpu"] = (tree.pen.settle() - before + commands) / count


def whole_life(kind, tools, work, plan):
    """Start, rest, status, crashes, single stops, the end of all."""
    with Round(kind, tools, work, min(plan["count"], kind.most_services)) as tree:
        tree.start()
        chosen = 0
        if plan.get("rest") or plan.get("events"):
            # a service that ran for less than a second is started again later, by most
            time.sleep(1.1)
        if plan.get("rest") and kind.name != "floor":
            tree.rest(plan["rest"])
        if plan.get("events"):
            slow = "crash" in kind.by_rule
            tree.crashes(2 if slow else plan["events"])
        if plan.get("events") and kind.name != "floor":
            chosen = plan["events"]
            tree.stops(tree.names[-chosen:])
        if plan.get("status") and kind.name != "floor":
            tree.status()
        tree.stop_all(tree.names[: len(tree.names) - chosen])
        return tree.found


def new_directories(kind, tools, work, plan):
    """Pick-up, with some services there already."""
    if kind.name == "floor":
        return {}
    with Round(kind, tools, work, plan["count"]) as tree:
        tree.start()
        time.sleep(0.3)
        tree.pick_up(1 if "pick-up" in kind.by_rule else plan["events"])
        return {name: value for name, value in tree.found.items() if name.startswith("pick-up")}


def leftovers(kind, tools, work, plan):
    """A service that has started children: until it is published as down, and who is left then."""
    if kind.name == "floor":
        return {}
    count, found = plan["leftovers"], {}
    with Round(kind, tools, work, 1) as tree:
        (tree.tree.scan / tree.names[0] / "leftovers").write_text(str(count))
        tree.tree.start()
        came = tree.tree.ticks.wait(count + 1)
        tree.tree.pen.settle()
        with contextlib.closing(Ends([pid for pid, _ in came])) as ends:
            keeper_of = tree.tree.pid_of
            keeper_of[tree.names[0]] = came[0][0]
            begun = time.perf_counter()
            tree.tree.run(tree.tree.stop_command(tree.names[0]))
            tree.tree.await_down(tree.names[0])
            found["leftovers wall"] = time.perf_counter() - begun
            found["leftovers left"] = ends.wait(0.3)
    return found


def median(values):
    values = sorted(values)
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2
