"""The ways to run svscan: under each init and service manager, and in each kind of confinement."""
import os
import re
import signal
import subprocess

from yard import BIN, PATIENCE, Broken, Yard, call, pids, read, until

ROOTLESS = 'advice: .*systemd-run --user'
READ_ONLY = 'read-only file system.*advice: mount the cgroup file system writable'


class Place:
    """svscan as a plain child, behind the words of `prefix`, which lead to its surroundings."""

    # The rung of the containment ladder that is to be had here, and a pattern for the words that say why not more.
    rung, why = 'kill', ''
    prefix = ()
    # What is said about it at start: nothing, when there is nothing better.
    said_once = False

    def __init__(self, name, user=None, **chosen):
        self.name, self.user = name, user
        self.__dict__.update(chosen)
        self.said_once = self.rung == 'subtree'
        self.yard = Yard(re.sub('[^a-z0-9]+', '-', name.lower()).strip('-'), user)
        self.log = self.yard.lab + '/messages'
        self.process = None

    def svscan(self):
        return [*self.prefix, f'{BIN}/svscan', self.yard.directory]

    def start(self):
        with open(self.log, 'a') as log:
            self.process = subprocess.Popen(self.svscan(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def stop(self):
        """Ends everything in order; returns when svscan is gone."""
        os.kill(self.guardian(), signal.SIGTERM)
        status = self.process.wait(PATIENCE)
        if status != 0:
            raise Broken(f'svscan ended with {status}: {self.messages()}')

    def doctor(self):
        """What `pinfold doctor` says in the same surroundings."""
        return call(*self.prefix, f'{BIN}/pinfold', 'doctor')[1]

    def tool(self, *words):
        """Runs a command as the one whose services they are."""
        return call(*self.prefix, *words)

    def messages(self):
        return read(self.log)

    def named(self, *name):
        """Everybody with exactly these arguments."""
        return [pid for pid in pids() if read(f'/proc/{pid}/cmdline').rstrip('\0').split('\0') == list(name)]

    def guardian(self):
        found = self.named(f'{BIN}/svscan', self.yard.directory)
        return found[0] if found else 0

    def supervisor(self):
        found = self.named('pinfold:', self.yard.directory)
        return found[0] if found else 0

    def is_gone(self):
        return not self.guardian() and not self.supervisor()


class Unit(Place):
    """A system service of systemd's."""

    settings = 'Delegate=yes\nKillMode=mixed\n'

    def start(self):
        with open(f'/etc/systemd/system/{self.unit()}', 'w') as file:
            file.write(f'[Service]\nExecStart={" ".join(self.svscan())}\nStandardError=append:{self.log}\n'
                       + self.settings)
        call('systemctl', 'daemon-reload')
        status, words = call('systemctl', 'start', self.unit())
        if status != 0:
            raise Broken(f'systemctl start: {words}')

    def unit(self):
        return f'{os.path.basename(self.yard.directory)}.service'

    def stop(self):
        status, words = call('systemctl', 'stop', self.unit())
        result = call('systemctl', 'show', '-p', 'Result', self.unit())[1].strip()
        if status != 0 or result != 'Result=success':
            raise Broken(f'systemctl stop: {words}{result}: {self.messages()}')

    def doctor(self):
        properties = [word for line in self.settings.split() for word in ('-p', line) if 'Kill' not in line]
        return call('systemd-run', '--wait', '--pipe', '-q', *properties, *self.prefix, f'{BIN}/pinfold', 'doctor')[1]


class UserUnit(Unit):
    """A service of a user's own systemd."""

    home = '/home/tester'

    def __init__(self, *words, **chosen):
        super().__init__(*words, **chosen)
        self.prefix_user = ('setpriv', f'--reuid={self.user}', '--regid=1000', '--init-groups', 'env', '-C', self.home,
                            'XDG_RUNTIME_DIR=/run/user/1000', f'HOME={self.home}')

    def user_systemctl(self, *words):
        status, words = call(*self.prefix_user, 'systemctl', '--user', *words)
        if status != 0:
            raise Broken(f'systemctl --user: {words}')
        return words

    def start(self):
        call('loginctl', 'enable-linger', self.user)
        if not until(lambda: os.path.exists('/run/user/1000/systemd/private')):
            raise Broken('there is no user manager')
        self.write_unit(self.unit(), f'ExecStart={" ".join(self.svscan())}\nStandardError=append:{self.log}\n')
        self.user_systemctl('start', self.unit())

    def write_unit(self, name, lines):
        units = f'{self.home}/.config/systemd/user'
        call(*self.prefix_user, 'mkdir', '-p', units)
        with open(f'{units}/{name}', 'w') as file:
            file.write(f'[Service]\n{lines}{self.settings}')
        self.user_systemctl('daemon-reload')

    def stop(self):
        self.user_systemctl('stop', self.unit())

    def tool(self, *words):
        return call(*self.prefix_user, *words)

    def doctor(self):
        self.write_unit('doctor.service', f'Type=oneshot\nSuccessExitStatus=1\nExecStart={BIN}/pinfold doctor\n'
                        f'StandardOutput=file:{self.yard.lab}/doctor\n')
        self.user_systemctl('start', 'doctor.service')
        return read(f'{self.yard.lab}/doctor')


class Inittab(Place):
    """A line of sysvinit's, as daemontools installs itself."""

    def init(self, *lines):
        text = read('/etc/inittab').splitlines()
        text = [line for line in text if not line.startswith('SV:')] + list(lines)
        with open('/etc/inittab', 'w') as file:
            file.write('\n'.join(text) + '\n')
        call('/opt/sysvinit/sbin/init', 'q')

    def start(self):
        self.init(f'SV:2:respawn:{" ".join(self.svscan())} >>{self.log} 2>&1')

    def stop(self):
        self.init()
        if not until(self.is_gone):
            raise Broken(f'svscan goes on: {self.messages()}')

    def guardian(self):
        # sysvinit runs a line with redirections by a shell, which becomes the command
        return next((pid for pid in pids() if read(f'/proc/{pid}/cmdline').rstrip('\0')
                     == '\0'.join(self.svscan())), 0)


class OpenRc(Place):
    """A service of OpenRC's."""

    def start(self):
        self.program(f'{BIN}/logged', f'#!/bin/sh\nexec {" ".join(self.svscan())} >>{self.log} 2>&1\n')
        self.program('/etc/init.d/pinfold', f'#!/sbin/openrc-run\ncommand={BIN}/logged\ncommand_background=yes\n'
                     'pidfile=/run/svscan.pid\n'
                     'stop() { start-stop-daemon --stop --pidfile $pidfile --retry TERM/90; }\n')
        self.service('start')

    def program(self, path, text):
        with open(path, 'w') as file:
            file.write(text)
        os.chmod(path, 0o755)

    def service(self, what):
        status, words = call('rc-service', 'pinfold', what)
        if status != 0:
            raise Broken(f'rc-service pinfold {what}: {words}; {self.messages()}')

    def stop(self):
        self.service('stop')


class Process1(Place):
    """svscan is process 1 already, and its end is the machine's."""

    def start(self):
        pass

    def guardian(self):
        return 1

    def lay_ending(self):
        """A service that takes its time over its end, and a logger that says whether it had it."""
        cell = f'cell|{self.name}|end|'
        self.yard.logger('last', '#!/bin/sh\nread -r words\nwhile read -r more; do words="$words $more"; done\n'
                         f'[ "$words" = "begun flushed" ] && words="{cell}ok|" || words="{cell}FAILED|said: $words"\n'
                         'echo "$words" >/dev/ttyS1\n')
        self.yard.service('last', 'trap "sleep 1; echo flushed; exit" TERM\necho begun\n'
                          'while :; do sleep 1; done')

    def power_off(self):
        os.kill(1, signal.SIGTERM)
        signal.pause()


def unprivileged(user):
    return ('setpriv', f'--reuid={user}', '--regid=1000', '--init-groups', 'env', '-u', 'XDG_RUNTIME_DIR')


def namespaced(name, flags, script):
    """In namespaces of its own, after `script`: as a program of that name, which needs no quoting."""
    path = f'{BIN}/{name}'
    with open(path, 'w') as file:
        file.write(f'#!/bin/sh\nexec unshare {flags} sh -c \'{script}; exec "$@"\' sh "$@"\n')
    os.chmod(path, 0o755)
    return (path,)
