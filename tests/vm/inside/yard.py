"""A directory of services, and the marks by which their processes are found again, whatever they have become."""
import fcntl
import os
import subprocess
import time

BIN = '/usr/local/bin'
HOST = '/mnt/host/share'
# Emulated, and on a machine that may have other things to do.
PATIENCE = 300

# What every run script begins with: no older generation may be alive, then its own mark is taken, a locked
# file that is open in everybody who descends from it.
BEGIN = '''#!/bin/sh
service=${{PWD##*/}} lab={lab}
for older in $lab/marks/$service.*; do
	[ ! -e "$older" ] || flock -n "$older" true || echo "$service.$$ overlaps ${{older##*.}}" >>$lab/events
done
exec 9>>$lab/marks/$service.$$
flock 9
'''


class Broken(Exception):
    """A promise that was not kept."""


def until(condition, seconds=PATIENCE):
    """The first true value of `condition()`; its last value when the time is over."""
    begun = time.monotonic()
    while True:
        asked = time.monotonic()
        value = condition()
        now = time.monotonic()
        if value or now > begun + seconds:
            return value
        # whoever is waited for needs the processor more
        time.sleep(max(0.05, 2 * (now - asked)))


def call(*words, **options):
    """Runs a command; its exit status and what it said."""
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=PATIENCE * 2, **options)
    return done.returncode, done.stdout.decode(errors='replace')


def read(path):
    """A file's text; empty if it can't be read."""
    try:
        with open(path, 'rb') as file:
            return file.read().decode(errors='replace')
    except OSError:
        return ''


def pids():
    return sorted(int(name) for name in os.listdir('/proc') if name.isdigit())


def shown(pid):
    """Who this is, and where: for messages."""
    words = read(f'/proc/{pid}/cmdline').replace('\0', ' ').strip() or read(f'/proc/{pid}/comm').strip()
    return f'{pid} `{words}` in {position(pid)}'


def position(pid):
    """The last line of /proc/PID/cgroup: the cgroup v2, where there is one."""
    return (read(f'/proc/{pid}/cgroup').strip().splitlines() or [''])[-1]


def mark(pid):
    """The file that the run script from which it descends has locked, see BEGIN; empty if there is none."""
    try:
        return os.readlink(f'/proc/{pid}/fd/9')
    except OSError:
        return ''  # also when it has ended


class Yard:
    """The services of one supervisor, as `user` (None: root)."""

    def __init__(self, name, user=None):
        self.directory, self.lab, self.user = f'/srv/{name}', f'/srv/{name}.lab', user
        for directory in (self.directory, self.lab, self.lab + '/marks'):
            os.makedirs(directory)
            self.give(directory)
        for file in ('events', 'leash'):
            open(f'{self.lab}/{file}', 'w').close()
            self.give(f'{self.lab}/{file}')

    def give(self, path):
        if self.user:
            entry = read('/etc/passwd').split(f'\n{self.user}:')[1].split(':')
            os.chown(path, int(entry[1]), int(entry[2]))

    def service(self, name, run, **settings):
        """A service, ready to be picked up. In a setting's name `_` stands for `-`."""
        new = f'{self.directory}/.{name}'
        os.makedirs(new, exist_ok=True)
        for setting, value in settings.items():
            self.write(f'{new}/{setting.replace("_", "-")}', f'{value}\n')
        self.write(f'{new}/run', BEGIN.format(lab=self.lab) + run + '\n', 0o755)
        self.give(new)
        os.rename(new, f'{self.directory}/{name}')

    def logger(self, name, run):
        """A log service for the one that is made next."""
        os.makedirs(f'{self.directory}/.{name}/log')
        self.write(f'{self.directory}/.{name}/log/run', run, 0o755)

    def write(self, path, text, mode=0o644):
        with open(path, 'w') as file:
            file.write(text)
        os.chmod(path, mode)
        self.give(path)

    def crowd(self):
        """Everybody alive who descends from a run script, by service: in one look, since there may be many."""
        found, start = {}, f'{self.lab}/marks/'
        for pid in pids():
            taken = mark(pid)
            if taken.startswith(start):
                found.setdefault(taken[len(start):].rpartition('.')[0], []).append(pid)
        return found

    def holders(self, service):
        """Everybody alive who descends from this one's run script."""
        return self.crowd().get(service, [])

    def generations(self, service):
        names = os.listdir(f'{self.lab}/marks')
        return [name for name in names if name.rpartition('.')[0] == service]

    def left(self, service):
        """Words on everybody who is left of a service; empty if nobody is.

        The lock is exact: the kernel keeps it as long as anybody has it open, however fast he forks. Those
        who close what they have inherited are found by the word in their arguments.
        """
        found = self.holders(service)
        for pid in pids():
            words = read(f'/proc/{pid}/cmdline')
            if pid not in found and f'{service}.' in words and self.lab in words:
                found.append(pid)
        for name in self.generations(service):
            with open(f'{self.lab}/marks/{name}') as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except OSError:
                    found = found or [0]  # held, by somebody who is in no list
        return ', '.join(shown(pid) if pid else 'the lock is held' for pid in found)

    def overlaps(self):
        return [line for line in read(f'{self.lab}/events').splitlines() if 'overlaps' in line]

    def status(self, service):
        """What svstat says, without the directory and the time."""
        words = call(f'{BIN}/svstat', f'{self.directory}/{service}')[1]
        return words.partition(': ')[2].strip()

    def pid(self, service):
        """The pid that svstat shows; 0 if none."""
        word = self.status(service).partition('(pid ')[2].partition(')')[0]
        return int(word) if word.isdigit() else 0

    def path(self, service):
        return f'{self.directory}/{service}'
