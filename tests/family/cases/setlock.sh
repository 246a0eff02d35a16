#: usage
code setlock
code setlock lock
code setlock -z lock true
code setlock -n
code setlock -nx lock
ls

#: a new file, and what stands in an old one
umask 0
setlock lock true
ls -l lock | cut -c 1-10
wc -c <lock
echo content >lock
chmod 644 lock
setlock lock cat lock
ls -l lock | cut -c 1-10

#: while it is locked
mkfifo go
setlock lock sh -c 'echo locked >go; read x <go; echo first' &
read x <go
code setlock -n lock echo not reached
code setlock -nx lock echo not reached
code setlock -n -x -X lock echo not reached
code setlock -xn lock echo not reached
setlock lock echo second &
setlock -nN lock echo second &
await sh -c "grep -q FLOCK /proc/locks && [ \$(grep -c -e '->.*FLOCK' /proc/locks) -ge 2 ]"
echo >go
wait

#: as long as a descriptor is open
mkfifo go
setlock lock sh -c 'read x <go' &
code setlock -N other true
await sh -c '! setlock -n lock true 2>/dev/null'
code setlock -n lock true
echo >go
wait
code setlock -n lock true

#: what it cannot open
code setlock . true
code setlock nosuch/lock true
code setlock '' true
code setlock -x nosuch/lock echo not reached
code setlock -x . echo not reached

#: a fifo
mkfifo fifo
code setlock fifo true

#: what it may not open
#! root
echo >lock
chmod 600 lock
as_nobody setlock lock true
chmod 755 .
as_nobody setlock new true

#: the descriptor the program gets
setlock lock sh -c 'readlink /proc/$$/fd/3; grep flags /proc/$$/fdinfo/3'
setlock lock sh -c 'readlink /proc/$$/fd/0; grep flags /proc/$$/fdinfo/0' <&-

#: no such program
code setlock lock nosuchprogram
code setlock -x lock nosuchprogram
