"""The promises that are kept everywhere: each a function of a place, which raises Broken with what is wrong."""
import os
import re
import signal
import time

from yard import BIN, HOST, Broken, call, read, shown, until

SLEEP = 'sleep 98765'
# Run scripts as people write them, and how many processes each becomes.
SERVICES = {
    'plain': (f'exec {SLEEP}', 1),
    'wrapper': (f'{SLEEP}\necho ended', 2),
    'daemon': (f'( setsid {SLEEP} </dev/null >/dev/null 2>&1 & )', 1),
    'escapee': (f'( setsid {SLEEP} </dev/null >/dev/null 2>&1 & )\nexec {SLEEP}', 2),
}
# Forms of the program `escape`, of the test of that name: those that each rung catches in its own way.
TORTURE = ['children', 'closed', 'fork-on-term', 'ignore-all', 'stopped-child', 'comet-setsid']


def lay(place):
    """The services that all promises but the torture are about."""
    for name, (run, _) in SERVICES.items():
        place.yard.service(name, run)


def check(true, words):
    if not true:
        raise Broken(words)


def all_up(place):
    for name, (_, count) in SERVICES.items():
        there = until(lambda: place.yard.status(name).startswith('up') and len(place.yard.holders(name)) == count)
        check(there, f'{name} is not up as {count} processes: {place.yard.status(name)}; {place.yard.left(name)}; '
                     f'{place.messages()}')


def stop(place, name):
    """When svcstop says that it is down, nothing of it is alive: at once, not after a while."""
    code, words = place.tool(f'{BIN}/svcstop', '-v', place.yard.path(name))
    status, left = place.yard.status(name), place.yard.left(name)
    good = code == 0 and status.startswith('down') and not left
    check(good, f'svcstop {name}: {code}: {words}; svstat: {status}; left: {left}; {place.messages()}')


def starts(place):
    place.start()
    all_up(place)
    for name in SERVICES if place.rung != 'subtree' else ():
        for pid in place.yard.holders(name):
            check(f'/{name}.service' in read(f'/proc/{pid}/cgroup'), f'outside its group: {shown(pid)}')


def stops(place):
    for name in SERVICES:
        stop(place, name)


def start_all(place):
    for name in SERVICES:
        place.tool(f'{BIN}/svc', '-u', place.yard.path(name))
    all_up(place)


def restarts(place):
    """By svcrestart, which waits until they work, and by the family's own TERM."""
    start_all(place)
    before = {name: set(place.yard.holders(name)) for name in SERVICES}
    status, words = place.tool(f'{BIN}/svcrestart', place.yard.path('wrapper'))
    check(status == 0, f'svcrestart: {words}')
    for name in ('plain', 'daemon', 'escapee'):
        place.tool(f'{BIN}/svc', '-t', place.yard.path(name))
        check(until(lambda: place.yard.pid(name) not in {0, *before[name]}), f'{name} is not restarted')
    all_up(place)
    for name, old in before.items():
        check(not old & set(place.yard.holders(name)), f'{name} is the old one: {place.yard.left(name)}')
    check(not place.yard.overlaps(), f'two generations at once: {place.yard.overlaps()}')


def adopts(place):
    """The supervisor is killed; services go on under the next, which stops and starts them."""
    before = {name: sorted(place.yard.holders(name)) for name in SERVICES}
    old = place.supervisor()
    check(old, 'there is no supervisor')
    os.kill(old, signal.SIGKILL)
    new = until(lambda: place.supervisor() not in (0, old) and place.supervisor())
    check(new, f'no new supervisor: {place.messages()}')
    status, words = place.tool(f'{BIN}/svcstart', place.yard.path('plain'))
    check(status == 0, f'svcstart after the takeover: {words}')
    for name, who in before.items():
        check(sorted(place.yard.holders(name)) == who, f'{name} was {who}, is {place.yard.left(name)}')
        check(place.yard.pid(name) in who, f'{name}: svstat says {place.yard.status(name)}')
    for name in SERVICES:
        stop(place, name)
    check(not place.yard.overlaps(), f'two generations at once: {place.yard.overlaps()}')


def tortures(place):
    """No way of not ending with one's service."""
    if not os.path.exists(f'{HOST}/escape'):
        return 'there was no C compiler'
    place.yard.write(f'{place.yard.lab}/escape', '', 0o755)
    call('cp', f'{HOST}/escape', f'{place.yard.lab}/escape')
    sandbox = os.path.basename(place.yard.directory)
    for form in TORTURE:
        run = f'E="$lab/escape $lab $service.$$@{sandbox}"\n$E claim || exit 99\nexec $E {form}'
        place.yard.service(form, run, timeout_kill=3000)
    for form in TORTURE:
        up = until(lambda: [line for line in read(f'{place.yard.lab}/events').splitlines()
                            if line.startswith(f'{form}.') and line.endswith(' ready')])
        check(up, f'{form} is not ready: {place.yard.status(form)}; {place.messages()}')
        check(place.yard.left(form), f'{form}: nobody is found of it')
    for form in TORTURE:
        place.tool(f'{BIN}/svc', '-d', place.yard.path(form))
    for form in TORTURE:
        stop(place, form)
    check(not place.yard.overlaps(), f'two generations at once: {place.yard.overlaps()}')
    return None


def words(place):
    """What is said about containment: the truth; the reason; once."""
    doctor = place.doctor()
    own = doctor.partition(f'The supervisor of {place.yard.directory} ')[2].partition('\n\n')[0]
    if place.user is None or own:
        check(f'containment: {place.rung} (' in own, f'doctor of the supervisor: {doctor}')
    here = doctor.partition('A supervisor started from here')[2].partition('\n\n')[0]
    check(f'containment: {place.rung} (' in here, f'doctor from here: {doctor}')
    check(re.search(place.why, here, re.IGNORECASE | re.DOTALL), f'doctor does not say "{place.why}": {doctor}')
    check('left behind' not in here, f'doctor leaves something behind: {doctor}')
    said = [line for line in place.messages().splitlines() if 'containment: ' in line]
    times = 2 if place.said_once else 0  # by the supervisor that was killed, and by its successor
    check(len(said) == times and all(place.rung in line for line in said), f'said of containment: {said}')
    status = place.tool(f'{BIN}/pinfold', 'status', place.yard.path('plain'))[1]
    check(place.rung in status, f'status: {status}')


def groups():
    """pinfold's groups, wherever there are any."""
    return [path for path, _, _ in os.walk('/sys/fs/cgroup') if os.path.basename(path).startswith('pinfold.')]


def ends(place):
    """With everything up, the orderly end leaves no process, no group and no file of its own."""
    start_all(place)
    place.stop()
    check(place.is_gone(), 'svscan is still there')
    left = [shown(pid) for pids in place.yard.crowd().values() for pid in pids]
    check(not left, f'left: {left}; {place.messages()}')
    # as pinfold names it after the directory: `/` becomes `-`, and `-` is escaped
    house = 'pinfold.' + place.yard.directory[1:].replace('-', '\\x2d').replace('/', '-')
    mine = [path for path in groups() if os.path.basename(path).split('.')[:2] == house.split('.')]
    check(not mine, f'groups left: {mine}; {place.messages()}')


PROMISES = {'start': starts, 'stop': stops, 'restart': restarts, 'adoption': adopts, 'torture': tortures,
            'words': words, 'end': ends}


def tell(place, promise, outcome, words=''):
    """One cell of the table, on a line that the host looks for."""
    # at most what a pipe takes in one piece
    print(f'cell|{place.name}|{promise}|{outcome}|{" ".join(words.split())}'[:4000], flush=True)


def keep(place, promise, function):
    """Tries one promise; whether it was kept."""
    begun = time.monotonic()
    try:
        why_not = function(place)
    except Exception as error:  # whatever it is, the others are tried too
        tell(place, promise, 'FAILED', f'{type(error).__name__}: {error}')
        return False
    tell(place, promise, 'skipped' if why_not else 'ok', why_not or f'{time.monotonic() - begun:.1f} s')
    return True


def keep_all(place, promises=PROMISES):
    """All of them; without a start there is nothing to try the others on."""
    started = True
    for promise, function in promises.items():
        if not started:
            tell(place, promise, 'FAILED', 'not tried')
        elif not keep(place, promise, function) and promise == 'start':
            started = False
