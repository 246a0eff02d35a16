"""What has put itself into another cgroup on purpose, as containers do, is left alone; unless it is asked otherwise."""
import os
import signal

from core import check, keep, stop
from places import Unit
from yard import BIN, call, position, until

SLEEP, LEADER = '/usr/bin/sleep 54321', 'sleep 54320'  # by its path, as systemd-run calls it
HOUSE = '/sys/fs/cgroup/containers'
ENTER = f'mkdir -p {HOUSE}/$service.$$ && echo 0 >{HOUSE}/$service.$$/cgroup.procs'
# Run scripts that start one: under its service, and left by whoever has started it, as podman and docker do.
FORMS = {
    'cgroup': f'( {ENTER} && exec {SLEEP} ) &\nexec {LEADER}',
    'cgroup-daemon': f'( ( {ENTER} && exec setsid {SLEEP} ) & )\nexec {LEADER}',
    'scope': f'systemd-run --quiet --scope {SLEEP} &\nexec {LEADER}',
    'scope-daemon': f'( setsid systemd-run --quiet --scope {SLEEP} & )\nexec {LEADER}',
}


def inside(place, name):
    """The containers of a service."""
    return {pid for pid in place.named(*SLEEP.split()) if pid in place.yard.holders(name)}


def begun(place, names, before):
    """Each has a container besides those `before`, outside its group. Returns the new ones."""
    found = {}

    def there():
        found.update({name: inside(place, name) - before.get(name, set()) for name in names})
        return all(found.values())
    check(until(there), f'no container of {[name for name in names if not found[name]]}: {place.messages()}')
    for name, who in found.items():
        check(all('pinfold' not in position(pid) for pid in who), f'in a group of ours: {place.yard.left(name)}')
    return found


def reported(place):
    """They survive each stop of their service, of the first generation and of the second."""
    for form, run in FORMS.items():
        place.yard.service(form, run)
    place.start()
    old = {}
    for generation in ('first', 'second'):
        for form in FORMS:
            call(f'{BIN}/svc', '-u', place.yard.path(form))
        for name, who in begun(place, FORMS, old).items():
            old[name] = old.get(name, set()) | who
        for name, who in old.items():
            code, words = call(f'{BIN}/svcstop', '-v', place.yard.path(name))
            status = place.yard.status(name)
            check(code == 0 and status.startswith('down'), f'svcstop {name}: {code}: {words}; {status}; {place.messages()}')
            left = set(place.yard.holders(name))
            check(left == who, f'{generation} stop of {name}: was {who}, is {place.yard.left(name)}; {place.messages()}')
        check('left alone' in place.messages(), f'nothing is said of them: {place.messages()}')
    for pid in [pid for who in old.values() for pid in who]:
        os.kill(pid, signal.SIGKILL)


def killed(place):
    """With `strays` = `kill` they end with their service."""
    names = [f'{form}-kill' for form in FORMS]
    for form, run in FORMS.items():
        place.yard.service(f'{form}-kill', run, strays='kill')
    begun(place, names, {})
    for name in names:
        stop(place, name)


def scene(label):
    place = Unit(f'{label} containers')
    place.name = label
    keep(place, 'containers', reported)
    keep(place, 'strays kill', killed)
    place.stop()
