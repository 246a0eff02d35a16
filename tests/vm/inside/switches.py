"""What a service starts by `su` and its kin is the service's, though logind makes a login session of it."""
import os
import signal

from core import check, keep, stop, tell
from places import Unit
from yard import BIN, call, position, read, until

SLEEP = 'sleep 87654'
DAEMON = f'setsid {SLEEP} </dev/null >/dev/null 2>&1 &'
# Whoever has started the daemon ends when there is a file `go`.
AWAY = f'{DAEMON} until test -e LAB/go; do sleep 0.2; done'
# Run scripts that change the user through PAM.
FORMS = {
    'su-exec': f"exec su tester -c 'exec {SLEEP}'",
    'su-login-exec': f"exec su - tester -c 'exec {SLEEP}'",
    'runuser-exec': f"exec runuser -l tester -c 'exec {SLEEP}'",
    'su': f"su tester -c '{SLEEP}; :'\necho ended",
    'su-login': f"su - tester -c '{SLEEP}; :'\necho ended",
    'runuser': f"runuser -l tester -c '{SLEEP}; :'\necho ended",
    'su-daemon': f"su - tester -c '{AWAY}'\nexec {SLEEP}",
    'su-background': f"( su - tester -c '{SLEEP}; :' & )\nexec {SLEEP}",
    'env-i': f"env -i /bin/su - tester -c '{AWAY}'\nexec {SLEEP}",
    'su-in-su': f"su - root -c \"su - tester -c '{AWAY}'\"\nexec {SLEEP}",
}
# Those that leave a daemon, at once.
HASTY = {f'{form}-hasty': FORMS[form].replace(AWAY, DAEMON) for form in ('su-daemon', 'env-i', 'su-in-su')}
# Those that keep in their environment what the service was started with.
ASKING = ['su-exec', 'su-login-exec', 'runuser-exec', 'su', 'su-login', 'runuser', 'su-background']


def twins(form):
    """Each form runs twice, for the same user: what is stopped must be the right one."""
    return [f'{form}-one', f'{form}-two']


ALL = [name for form in FORMS for name in twins(form)]


def sleepers(name, daemons):
    """How many processes stand at the end of the chain; those that leave a daemon have left `daemons`."""
    form = name.rpartition('-')[0]
    if form in HASTY or form == 'su-background':
        return 2
    return daemons if f'{form}-hasty' in HASTY else 1


def asleep(place, names, daemons):
    """Everybody has got where he wanted to be. Returns the crowd as it is then."""
    wanted = SLEEP.replace(' ', '\0') + '\0'
    last = {}

    def there():
        last.update(place.yard.crowd())
        counts = {name: sum(read(f'/proc/{pid}/cmdline') == wanted for pid in last.get(name, [])) for name in names}
        return all(counts[name] == sleepers(name, daemons) for name in names)
    check(until(there), f'not all up: {", ".join(place.yard.left(name) for name in names)}; {place.messages()}')
    return last


def outside(who):
    """Those of them who are in a login session now."""
    return [pid for pid in who if 'session-' in position(pid)]


def moved(place, names):
    """logind has taken members of each service out of its group: without this nothing is tried here."""
    seen = set()

    def all_seen():
        crowd = place.yard.crowd()
        seen.update(name for name in names if outside(crowd.get(name, [])))
        return seen == set(names)
    check(until(all_seen), f'never moved to a session: {sorted(set(names) - seen)}')


def lay(place, forms):
    for form, run in forms.items():
        for name in twins(form):
            place.yard.service(name, run.replace('LAB', place.yard.lab), timeout_kill=20000)


def stop_each(place, names):
    """One after another: nothing of it is left, and all the others are untouched."""
    crowd = place.yard.crowd()
    for name in sorted(names, key=lambda name: name.rpartition('-')[2]):
        stop(place, name)
        crowd.pop(name)
        now = place.yard.crowd()
        for other, who in crowd.items():
            check(now.get(other) == who, f'when {name} was stopped, {other} was {who}, is {place.yard.left(other)}')
    check(not place.yard.overlaps(), f'two generations at once: {place.yard.overlaps()}')


def stopped(place):
    """Those who open a session, and stay or leave somebody there."""
    lay(place, FORMS)
    place.yard.service('plain', f'exec {SLEEP}')
    place.start()
    asleep(place, ALL, 1)
    moved(place, ALL)
    # the supervisor has seen the sessions when it obeys a later command: now their openers may end
    stop(place, 'plain')
    open(f'{place.yard.lab}/go', 'w').close()
    asleep(place, ALL, 2)
    stop_each(place, ALL)


def hasty(place):
    """Who opens a session and ends at once was seen all the same, also the first time."""
    lay(place, HASTY)
    names = [name for form in HASTY for name in twins(form)]
    asleep(place, names, 2)
    moved(place, names)
    stop_each(place, names)


def unseen(place):
    """The second time it is exact also where nobody has looked: the supervisor sleeps, and is killed."""
    for name in ALL:
        call(f'{BIN}/svc', '-u', place.yard.path(name))
    started = until(lambda: not set(ALL) - set(place.yard.crowd()))
    check(started, f'not started: {set(ALL) - set(place.yard.crowd())}; {place.messages()}')
    old = place.supervisor()
    os.kill(old, signal.SIGSTOP)
    asleep(place, ALL, 2)
    moved(place, ALL)
    os.kill(old, signal.SIGKILL)
    new = until(lambda: place.supervisor() not in (0, old) and place.supervisor())
    check(new, f'no new supervisor: {place.messages()}')
    for name in ALL:
        stop(place, name)


def leaders():
    """Who has opened the sessions that there are."""
    directory = '/run/systemd/sessions'
    names = [name for name in os.listdir(directory) if name.isalnum()]  # beside each there is a FIFO
    lines = [line for name in names for line in read(f'{directory}/{name}').splitlines()]
    return {int(line.partition('=')[2]) for line in lines if line.startswith('LEADER=')}


def without_session(place):
    """`session` = `none`: nobody is moved, no session is there. Without it there is, as the twin shows."""
    for form in ASKING:
        place.yard.service(f'{form}-none', FORMS[form], session='none')
        place.yard.service(f'{form}-some', FORMS[form])
    none, some = ([f'{form}-{which}' for form in ASKING] for which in ('none', 'some'))
    moved(place, some)
    # PAM has done all it does by the time that there are sleepers
    crowd = asleep(place, none + some, 1)
    opened = leaders()
    for name in none:
        who = crowd[name]
        wrong = outside(who) or opened & set(who)
        check(not wrong, f'{name} has a session: {place.yard.left(name)}; {opened}')
        check(all(f'/{name}.service' in position(pid) for pid in who), f'{name}: {place.yard.left(name)}')
    for name in none + some:
        stop(place, name)


def scene(label):
    """Where logind is."""
    place = Unit(f'{label} su')
    place.name = label
    if keep(place, 'su', stopped):
        keep(place, 'su unseen', unseen)
        keep(place, 'su in haste', hasty)
        keep(place, 'session none', without_session)
    else:
        for promise in ('su unseen', 'su in haste', 'session none'):
            tell(place, promise, 'FAILED', 'not tried')
    place.stop()
