#: no argument
svc

#: no directory
svc -u

#: a bad option
svc -z a

#: a bad option after good ones
svc -u -duz a

#: called by a path
"$(command -v svc)" -z

#: a lone dash is a name
svc -u -

#: two dashes end the options
svc -u -- -d
svc -u --d -d

#: options after a name are names
svc a -u

#: no such directory, an empty name, a file
echo >file
svc -u nosuch '' file

#: never supervised
mkdir a
svc -u a

#: supervisor died
dead a
svc -u a

#: no command
dead a
svc a
fake b ''
svc b

#: what is written
while read -r options; do
	fake a ''
	svc $options a
	echo "$options: $(commands a)"
	unfake a
done <<'END'
-u
-d
-o
-x
-p
-c
-h
-a
-i
-t
-k
-dx
-d -x
-xd
-uuu
-ud -du
-udopchaitkx
-xktiahcpodu -udopchaitkx
-d --
END

#: the other families' letters
#! differs: QUIT, USR1, USR2 and WINCH can be sent too, as by daemontools-encore's svc
fake a ''
svc -q12w a
commands a

#: several, good and bad
fake a ''
fake b ''
svc -dx a nosuch b a
commands a
commands b

#: by other names
fake a ''
svc -u a/ ./a "$PWD/a"
cd a
svc -d .
cd supervise
svc -x ..
commands ..

#: down and up
#! peers
service a
supervised a
svc -d a
await says a ': down'
svstat a
svc -u a
await says a ': up'
svstat a

#: once, and it is not restarted
#! peers
service a
touch a/down
supervised a
svc -o a
await says a ': up'
svc -t a
await says a ': down'
svstat a

#: pause and continue
#! peers
service a
supervised a
svc -p a
await says a paused
svc -c a
await says a 'seconds$'
svstat a

#: signals
#! peers
mkdir a
cat >a/run <<'END'
#!/bin/sh
for s in HUP INT ALRM TERM; do trap "echo got $s >>log" $s; done
echo ready >>log
while :; do sleep 1000 & wait; done
END
chmod +x a/run
supervised a
await grep -sq ready a/log
for s in h:HUP i:INT a:ALRM t:TERM; do
	svc -${s%:*} a
	await grep -sq "${s#*:}" a/log
done
touch a/down
svc -k a
await sh -c '[ $(grep -c ready a/log) = 2 ]'
cat a/log

#: supervisor and service go
#! peers
service a
supervised a
svc -dx a
wait
svstat a

#: runit's runsv
#! peers
service a
"$THEIRS/runsv" a &
await says a ': up'
svc -d a
await says a ': down'
svc -u a
await says a ': up'
svc -x a
wait
svstat a

#: control is a file
#! differs: whoever may write to supervise/ would have root write where he may not
mkdir -p a/supervise
printf 123456 >a/supervise/control
svc -dx a
cat a/supervise/control

#: control is a directory
mkdir -p a/supervise/control
svc -u a

#: supervise is a file
mkdir a
echo >a/supervise
svc -u a

#: control cannot be written
#! root
fake a ''
chmod 711 a a/supervise
chmod 600 a/supervise/control
as_nobody svc -u a

#: supervise cannot be searched
#! root
fake a ''
chmod 700 a/supervise
as_nobody svc -u a

#: the directory cannot be searched
#! root
mkdir -m 700 a
as_nobody svc -u a

#: the directory cannot be read
#! root
mkdir -p here/a
chmod 711 here
cd here
as_nobody svc -u a

#: control is on a full disk
#! differs: a device is not even opened
dead a
rm a/supervise/control
ln -s /dev/full a/supervise/control
svc -u a

#: a name that is no text
printf 'svc -u "a\377\nb"' >script
. ./script

#: standard error is closed
svc -u a 2>&-
