"""Login sessions: what a service starts by `su` and its kin is the service's; who has logged in is not."""
import os
import signal
import subprocess

from core import check, keep, stop, tell
from places import Place, Unit
from yard import BIN, call, position, read, until

SLEEP = 'sleep 87654'
# A daemon; whoever has started it ends when there is a file `go`.
AWAY = f'setsid {SLEEP} </dev/null >/dev/null 2>&1 & until test -e LAB/go; do sleep 0.2; done'
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


DAEMONS = ['su-daemon', 'env-i', 'su-in-su']


def twins(form):
    """Each form runs twice, for the same user: what is stopped must be the right one."""
    return [f'{form}-one', f'{form}-two']


ALL = [name for form in FORMS for name in twins(form)]


def sleepers(place, name):
    """The processes at the end of each chain."""
    wanted = SLEEP.replace(' ', '\0') + '\0'
    return [pid for pid in place.yard.holders(name) if read(f'/proc/{pid}/cmdline') == wanted]


def asleep(place, names, daemons):
    """Everybody has got where he wanted to be; those that leave a daemon are so many sleepers by now."""
    def there(name):
        form = name.rpartition('-')[0]
        count = daemons if form in DAEMONS else 2 if form == 'su-background' else 1
        return len(sleepers(place, name)) == count
    for name in names:
        check(until(lambda: there(name)), f'{name} is not up: {place.yard.status(name)}; {place.yard.left(name)}; '
                                          f'{place.messages()}')


def outside(place, name):
    """Those of a service who are in a login session now."""
    return [pid for pid in place.yard.holders(name) if 'session-' in position(pid)]


def moved(place, names):
    """logind has taken members of each service out of its group: without this nothing is tried here."""
    seen = set()

    def all_seen():
        seen.update(name for name in names if outside(place, name))
        return seen == set(names)
    return until(all_seen) or check(False, f'never moved to a session: {sorted(set(names) - seen)}')


def stopped(place):
    """One after another is stopped: nothing of it is left, and all the others are untouched."""
    for form, run in FORMS.items():
        for name in twins(form):
            place.yard.service(name, run.replace('LAB', place.yard.lab), timeout_kill=20000)
    place.yard.service('plain', f'exec {SLEEP}')
    place.start()
    asleep(place, ALL, 1)
    moved(place, ALL)
    # the supervisor has seen the sessions when it obeys a later command: now their openers may end
    stop(place, 'plain')
    open(f'{place.yard.lab}/go', 'w').close()
    asleep(place, ALL, 2)
    there = {name: sorted(place.yard.holders(name)) for name in ALL}
    for name in sorted(ALL, key=lambda name: name.rpartition('-')[2]):
        stop(place, name)
        del there[name]
        for other, who in there.items():
            check(sorted(place.yard.holders(other)) == who,
                  f'when {name} was stopped, {other} was {who}, is {place.yard.left(other)}')
    check(not place.yard.overlaps(), f'two generations at once: {place.yard.overlaps()}')


def unseen(place):
    """The second time the same is exact also where nobody has looked: the supervisor sleeps, and is killed."""
    for name in ALL:
        call(f'{BIN}/svc', '-u', place.yard.path(name))
    for name in ALL:
        check(until(lambda: place.yard.holders(name)), f'{name} is not started: {place.messages()}')
    old = place.supervisor()
    os.kill(old, signal.SIGSTOP)
    asleep(place, ALL, 2)
    moved(place, ALL)
    os.kill(old, signal.SIGKILL)
    new = until(lambda: place.supervisor() not in (0, old) and place.supervisor())
    check(new, f'no new supervisor: {place.messages()}')
    for name in ALL:
        stop(place, name)


def keys():
    """tester may log in from here."""
    call('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', '/root/key')
    os.makedirs('/home/tester/.ssh', exist_ok=True)
    with open('/home/tester/.ssh/authorized_keys', 'w') as file:
        file.write(read('/root/key.pub'))
    call('chown', '-R', 'tester:tester', '/home/tester/.ssh')
    os.makedirs('/run/sshd', exist_ok=True)


def logins(place):
    """A login through sshd survives restart and crash of the service, and its stop."""
    keys()
    place.yard.service('ssh', 'exec 9>&-\nexec /usr/sbin/sshd -D -e')
    if not place.supervisor():
        place.start()
    check(until(lambda: place.yard.status('ssh').startswith('up')), f'ssh: {place.messages()}')
    ssh = ['ssh', '-o', 'StrictHostKeyChecking=no', '-o', 'BatchMode=yes', '-i', '/root/key', 'tester@127.0.0.1']
    check(until(lambda: call(*ssh, 'true')[0] == 0), f'no login: {call(*ssh, "true")[1]}; {place.messages()}')
    client = subprocess.Popen([*ssh, 'exec sleep 76543'], stdin=subprocess.DEVNULL)
    shell = until(lambda: place.named('sleep', '76543'))
    check(shell, 'the login does not get to its command')

    def survives(what):
        check(place.named('sleep', '76543') == shell and client.poll() is None,
              f'the login has not survived {what}: {place.messages()}')
    old = place.yard.pid('ssh')
    status, words = call(f'{BIN}/svcrestart', place.yard.path('ssh'))
    check(status == 0, f'svcrestart: {words}; {place.messages()}')
    survives('a restart')
    check(until(lambda: place.yard.pid('ssh') not in (0, old)), f'sshd was not restarted: {place.yard.status("ssh")}')
    old = place.yard.pid('ssh')
    os.kill(old, signal.SIGKILL)
    check(until(lambda: place.yard.pid('ssh') not in (0, old)), 'sshd was not started again')
    survives('a crash')
    status, words = call(f'{BIN}/svcstop', '-v', place.yard.path('ssh'))
    check(status == 0, f'svcstop: {words}; {place.messages()}')
    survives('a stop')
    client.kill()
    os.kill(shell[0], signal.SIGKILL)


def scene(label):
    """Sessions that services open, and a login through sshd; where logind is."""
    place = Unit(f'{label} login')
    place.name = label
    if keep(place, 'su', stopped):
        keep(place, 'su unseen', unseen)
    else:
        tell(place, 'su unseen', 'FAILED', 'not tried')
    keep(place, 'ssh', logins)
    place.stop()


def without_logind(label):
    """The same login where nobody makes a session of it: it is known by its audit login uid."""
    place = Place(f'{label} login')
    place.name = label
    keep(place, 'ssh', logins)
    place.stop()
