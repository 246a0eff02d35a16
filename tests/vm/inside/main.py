#!/usr/bin/env python3
"""main.py SCENE LABEL: what is tried in one machine. Each cell of the table is said on a line of its own:
`cell|WHERE|PROMISE|OUTCOME|WORDS`."""
import os
import subprocess
import sys
import traceback

sys.dont_write_bytecode = True

import containers  # noqa: E402
import core  # noqa: E402
import people  # noqa: E402
import switches  # noqa: E402
from places import (READ_ONLY, ROOTLESS, Inittab, OpenRc, Place, Process1, Unit, UserUnit,  # noqa: E402
                    namespaced, unprivileged)
from yard import BIN, HOST, call, pids, read, until  # noqa: E402


def install():
    """pinfold, under each name that it has."""
    call('cp', f'{HOST}/pinfold', f'{BIN}/pinfold')
    for name in ('svscan', 'svscanboot', 'supervise', 'svc', 'svstat', 'svcstart', 'svcstop', 'svcrestart'):
        os.symlink('pinfold', f'{BIN}/{name}')


def keep(place):
    core.lay(place)
    core.keep_all(place)


def side_by_side(*scenes):
    """Does all of them at once: they wait more than they work."""
    source, sink = os.pipe()
    children = []
    for scene in scenes:
        child = os.fork()
        if child == 0:
            os.dup2(sink, 1)
            try:
                scene()
                os._exit(0)
            finally:
                traceback.print_exc()
                os._exit(1)
        children.append(child)
    os.close(sink)
    # through one hand, that lines do not mix
    with open(source, errors='replace') as said:
        for line in said:
            print(line, end='', flush=True)
    if any([os.waitpid(child, 0)[1] for child in children]):
        sys.exit(1)


def systemd(label, rung='kill'):
    """A system service."""
    keep(Unit(label, rung=rung))


def sessions(label):
    """A system service; beside it others, from which sessions are opened, and containers are started."""
    def others():
        keep(Unit(label))
        people.scene(Unit(f'{label} people'), label)
        containers.scene(label)
    side_by_side(others, lambda: switches.scene(label))


def advised(*prefix):
    """What doctor advises in a unit there."""
    said = call('systemd-run', '--wait', '--pipe', '-q', '-p', 'Delegate=yes', *prefix, f'{BIN}/pinfold', 'doctor')[1]
    return said.partition('advice: ')[2].partition('\n')[0] or 'true'


def confined(_):
    """Under one systemd, in all that may confine a supervisor there."""
    mount = advised('unshare', '-Cm')
    places = [
        UserUnit('`systemd --user`, delegated', 'tester'),
        Place('ordinary user, nothing delegated', 'tester', prefix=unprivileged('tester'), rung='subtree',
              why=ROOTLESS),
        Unit('cgroup namespace, nsdelegate', prefix=namespaced('namespaced', '-Cm', mount)),
        Unit('cgroup v2 read-only, unit with ProtectControlGroups', rung='subtree', why=READ_ONLY,
             settings='ProtectControlGroups=yes\nKillMode=mixed\n'),
    ]
    side_by_side(*(lambda place=place: keep(place) for place in places))


def mount_hybrid():
    """The hierarchies as systemd mounts them in its hybrid mode, without systemd."""
    call('mount', '-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', '/sys/fs/cgroup')
    for line in read('/proc/cgroups').splitlines()[1:]:
        controller, _, _, enabled = line.split()
        at = f'/sys/fs/cgroup/{controller}'
        os.mkdir(at)
        if enabled != '1' or call('mount', '-t', 'cgroup', '-o', controller, controller, at)[0] != 0:
            os.rmdir(at)
    os.mkdir('/sys/fs/cgroup/unified')
    call('mount', '-t', 'cgroup2', 'cgroup2', '/sys/fs/cgroup/unified')


def bare(_):
    """No service manager: no cgroups at all, then cgroup v2 read-only, then hybrid."""
    keep(Place('no cgroups mounted', rung='subtree', why='advice: mount -t cgroup2'))
    call('mount', '-t', 'cgroup2', 'cgroup2', '/sys/fs/cgroup')
    call('mount', '-o', 'remount,bind,ro', '/sys/fs/cgroup')
    keep(Place('cgroup v2 read-only, as in a container', rung='subtree', why=READ_ONLY))
    call('umount', '/sys/fs/cgroup')
    mount_hybrid()
    keep(Place('hybrid, without systemd'))


def sysvinit(label):
    side_by_side(lambda: keep(Inittab(label)), lambda: people.scene(Place(f'{label} people'), label))


def openrc(label):
    keep(OpenRc(label))


def process1(label):
    """svscan is the machine's process 1."""
    place = Process1(label)
    core.lay(place)
    place.lay_ending()
    if os.fork():
        os.execv(f'{BIN}/svscan', [f'{BIN}/svscan', place.yard.directory])
    core.keep_all(place, {name: core.PROMISES[name] for name in core.PROMISES if name != 'end'})
    core.keep(place, 'reaping', reaps)
    # the machine's end is the end of this, too: its loggers say how it was
    place.power_off()


def reaps(_):
    """An orphan that is nobody's service is taken in, and not left as a zombie."""
    child = subprocess.run(['sh', '-c', 'sleep 0.3 >/dev/null & echo $!'], stdout=subprocess.PIPE).stdout
    pid = int(child)
    core.check(until(lambda: pid not in pids()), f'not reaped: {read(f"/proc/{pid}/status")}')


SCENES = {'systemd': systemd, 'sessions': sessions, 'confined': confined, 'bare': bare, 'sysvinit': sysvinit,
          'openrc': openrc, 'process1': process1}

if __name__ == '__main__':
    install()
    SCENES[sys.argv[1]](*sys.argv[2:])
