"""Who has logged in through a service, or runs a job of theirs there, is not the service's."""
import os
import signal
import subprocess

from core import check, keep
from yard import BIN, call, read, until


class Bystander:
    """A process that must not end with the service through which it came."""

    def __init__(self, place, what, *words):
        self.what, self.words = what, words
        found = until(lambda: place.named(*words))
        check(found, f'{what}: not there; {place.messages()}')
        # its parent, too: sshd's of the connection, cron's of the job
        self.who = [found[0], parent(found[0])]

    def survives(self, place, event):
        there = place.named(*self.words) == self.who[:1] and parent(self.who[0]) == self.who[1]
        check(there, f'{self.what} has not survived {event}: {place.messages()}')


def parent(pid):
    return int(read(f'/proc/{pid}/stat').rpartition(')')[2].split()[1])


def through_all(place, service, came, comes):
    """Whoever has come in survives restart, crash and stop of the service. One more comes to each generation."""
    there = [came]

    def survive(event):
        for one in there:
            one.survives(place, event)
    old = place.yard.pid(service)
    status, words = call(f'{BIN}/svcrestart', place.yard.path(service))
    check(status == 0, f'svcrestart: {words}; {place.messages()}')
    survive('a restart')
    check(until(lambda: place.yard.pid(service) not in (0, old)), f'not restarted: {place.yard.status(service)}')
    there += comes()
    old = place.yard.pid(service)
    os.kill(old, signal.SIGKILL)
    check(until(lambda: place.yard.pid(service) not in (0, old)), 'it was not started again')
    survive('a crash')
    there += comes()
    status, words = call(f'{BIN}/svcstop', '-v', place.yard.path(service))
    check(status == 0, f'svcstop: {words}; {place.messages()}')
    survive('a stop')
    for one in there:
        os.kill(one.who[0], signal.SIGKILL)


def keys():
    """tester may log in from here."""
    call('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', '/root/key')
    os.makedirs('/home/tester/.ssh', exist_ok=True)
    with open('/home/tester/.ssh/authorized_keys', 'w') as file:
        file.write(read('/root/key.pub'))
    call('chown', '-R', 'tester:tester', '/home/tester/.ssh')
    os.makedirs('/run/sshd', exist_ok=True)


def logins(place):
    """Logins through sshd."""
    keys()
    place.yard.service('ssh', 'exec 9>&-\nexec /usr/sbin/sshd -D -e')
    if not place.supervisor():
        place.start()
    check(until(lambda: place.yard.status('ssh').startswith('up')), f'ssh: {place.messages()}')
    ssh = ['ssh', '-o', 'StrictHostKeyChecking=no', '-o', 'BatchMode=yes', '-i', '/root/key', 'tester@127.0.0.1']
    seconds = iter(range(76540, 76549))

    def login():
        words = ['sleep', str(next(seconds))]

        def comes():
            client = subprocess.Popen([*ssh, ' '.join(['exec', *words])], stdin=subprocess.DEVNULL)
            until(lambda: place.named(*words) or client.poll() is not None)
            return place.named(*words)
        check(until(comes), f'no login: {place.messages()}')
        return Bystander(place, 'the login', *words)
    through_all(place, 'ssh', login(), lambda: [login()])


def jobs(place):
    """A job that cron has started, as it does once after a boot."""
    with open('/etc/cron.d/vmtest', 'w') as table:
        table.write('@reboot tester exec sleep 65432 </dev/null >/dev/null 2>&1\n')
    place.yard.service('cron', 'exec 9>&-\nexec /usr/sbin/cron -f')
    if not place.supervisor():
        place.start()
    through_all(place, 'cron', Bystander(place, 'the job', 'sleep', '65432'), lambda: [])


def scene(place, label):
    """In a place of their own, which is shown as a part of another."""
    place.name = label
    keep(place, 'ssh', logins)
    keep(place, 'cron', jobs)
    place.stop()
