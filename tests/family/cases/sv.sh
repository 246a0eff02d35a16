#: usage
code sv
code sv status
code sv -v
code sv -z
code sv -w
for action in nonsense '' restar relo force-nonsense w U; do code sv "$action" a; done

#: the version
#! differs: it is another version
code sv -V
code sv -V status a

#: called by another name
ln -s "$(command -v sv)" name
code ./name
code ./name nonsense
code ./name s
code ./name -z
code ./name -w 2>&1

#: no such service
mkdir services
export SVDIR=$PWD/services
code sv status a ./a /nosuch/a a/ '' a b
code sv up a
code sv stop a b
unset SVDIR
SVDIR=/nosuch
export SVDIR
code sv status a

#: more than 99 failures
export SVDIR=$PWD
names=$(seq -f a%g 150)
sv status $names | wc -l
sv status $names >/dev/null
echo "exit $?"

#: names
#! peers
mkdir -p services/d
service services/a
touch services/a/down
runsv services/a
export SVDIR=$PWD/services
sv status a ./services/a "$PWD/services/a" services/a/ a/ a//
cd services
sv status a ./a a/
cd a
sv status . a

#: never supervised
mkdir a
code sv status ./a
code sv up ./a
code sv check ./a
code sv exit ./a
code sv -v down ./a

#: supervisor died
dead a
code sv status ./a
code sv up ./a
code sv check ./a
code sv start ./a
code sv exit ./a
code sv shutdown ./a
code sv -v exit ./a

#: every status there is
for pid in '\1\0\0\0' '\0\0\0\0'; do
	for paused in '\0' '\1'; do
		for want in u d '\0'; do
			for term in '\0' '\1'; do
				for state in '\0' '\1' '\2'; do
					for down in no down; do
						echo "pid $pid paused $paused want $want term $term state $state $down"
						fake_runit a "$pid$paused$want$term$state"
						[ $down = no ] || touch a/down
						sv status ./a | sed 's/ [0-9][0-9]*s/ T/'
						unfake a
					done
				done
			done
		done
	done
done

#: a state that there is not
#! differs: the original has no word for it; pinfold goes by the pid
fake_runit a '\1\0\0\0\0u\0\7'
sv status ./a | sed 's/ [0-9][0-9]*s/ T/'

#: pids and times beyond all measure
fake a '\377\377\377\377\377\377\377\377\0\0\0\0\377\377\377\377\0u\0\1'
sv status ./a | sed 's/pid /p/'
fake b '\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0u\0\1'
n=$(sv status ./b | sed 's/.*) //;s/s.*//')
echo $(((n - 4611686018427387914 - $(date +%s)) / 100))

#: daemontools' status is too short for it
#! peers
service a
supervised a
code sv status ./a
code sv up ./a

#: longer, empty, none, a directory
fake_runit a '\0\0\0\0\0d\0\0and more'
code sv status ./a | sed 's/ [0-9][0-9]*s/ T/'
fake b ''
code sv status ./b
rm b/supervise/status
code sv status ./b
mkdir b/supervise/status
code sv status ./b

#: no permission
#! root
fake_runit a '\0\0\0\0\0d\0\0'
chmod 755 a a/supervise
chmod 600 a/supervise/ok a/supervise/status a/supervise/control
as_nobody sv status ./a
chmod 622 a/supervise/ok
as_nobody sv status ./a
chmod 644 a/supervise/status
as_nobody sv up ./a; echo "exit $?"
chmod 700 a/supervise
as_nobody sv status ./a; echo "exit $?"
chmod 700 a
as_nobody sv status ./a; echo "exit $?"

#: where one may not read
#! root
mkdir -m 711 here
cd here
as_nobody sv status ./a; echo "exit $?"
ln -s "$(command -v sv)" name
as_nobody ./name status; echo "exit $?"

#: what is written
export SVDIR=$PWD
while read -r command; do
	fake_runit a '\0\0\0\0\0\0\0\0'
	sv -w 0 $command a | sed 's/ [0-9][0-9]*s/ T/'
	echo "$command: $(commands a)"
	unfake a
done <<'END'
up
down
once
pause
cont
hup
alarm
interrupt
quit
1
2
term
kill
u
d
o
p
c
h
a
i
q
t
k
start
stop
reload
restart
try-restart
force-stop
D
force-reload
T
force-restart
status
check
END

#: exit is written with a d before it
#! differs: x alone leaves a service up that is supervised by daemontools' rules
export SVDIR=$PWD
for command in exit x e shutdown force-shutdown X E; do
	fake_runit a '\0\0\0\0\0\0\0\0'
	sv $command a &
	await sh -c '[ -n "$(dd if=a/supervise/control bs=100 count=1 iflag=nonblock 2>/dev/null | tee -a told)" ]'
	{ kill $!; wait $!; } 2>/dev/null
	echo "$command: $(cat told)"
	rm told
	rm -rf a
done

#: what is not written, as it is wanted already
export SVDIR=$PWD
for status in 'u\0\0' 'u\1\1' 'd\0\0' 'd\0\1' 'd\1\1' '\0\0\1'; do
	for command in u d start stop once; do
		fake_runit a "\1\0\0\0\0$status"
		SVWAIT=0 sv $command a >/dev/null
		echo "$status $command: $(commands a)"
		unfake a
	done
done

#: down and up
#! peers
service a
runsv a
export SVDIR=$PWD
code sv status a
code sv -v down a
code sv status a
code sv -v down a
code sv -v up a
code sv status a
code sv stop a
code sv start a
code sv start a
code sv -v once a
code sv check a

#: several at once
#! peers
service a
service b
touch b/down
runsv a
runsv b
export SVDIR=$PWD
sv start b a nosuch | sort
sv stop a nosuch b | sort

#: restart
#! peers
listener a
runsv a
export SVDIR=$PWD
times=1
for command in restart try-restart force-restart force-reload T; do
	await sh -c "[ \$(grep -sc ready a/got) = $times ]"
	aged a
	code sv $command a
	times=$((times + 1))
done
grep -v CONT a/got

#: restart and try-restart of what is down
#! peers
service a
touch a/down
runsv a
export SVDIR=$PWD
code sv try-restart a
code sv restart a
code sv status a

#: signals
#! peers
listener a
runsv a
export SVDIR=$PWD
await grep -sq ready a/got
for command in hup:HUP alarm:ALRM interrupt:INT quit:QUIT 1:USR1 2:USR2 cont:CONT reload:HUP; do
	rm -f a/got
	code sv ${command%:*} a
	await grep -sq ${command#*:} a/got
	cat a/got
done
touch a/down
rm a/got
code sv -v term a
await grep -sq ready a/got
cat a/got
code sv -v kill a

#: pause and continue
#! peers
service a
runsv a
export SVDIR=$PWD
code sv -v pause a
code sv status a
code sv -v cont a
code sv status a

#: exit
#! peers
service a
runsv a
export SVDIR=$PWD
code sv -v exit a
wait
code sv status a
code sv shutdown a

#: shutdown with a log service
#! peers
service a
mkdir a/log
printf '#!/bin/sh\nexec cat >/dev/null\n' >a/log/run
chmod 755 a/log/run
runsv a
export SVDIR=$PWD
code sv shutdown a
wait

#: too late
#! peers
mkdir a
printf '#!/bin/sh\ntrap "" TERM\necho >ready\nexec sleep 1000\n' >a/run
chmod 755 a/run
runsv a
export SVDIR=$PWD
await test -e a/ready
code sv -w 0 stop a
code sv -w 1 stop a
SVWAIT=1 code sv status a
SVWAIT=1
export SVWAIT
code sv stop a
sv start a >/dev/null
echo "exit $?"
await says a 'seconds$'
code sv status a

#: too late, and killed
#! peers
export SVDIR=$PWD
for command in force-stop D force-reload T force-restart force-shutdown; do
	mkdir $command
	printf '#!/bin/sh\ntrap "" TERM\necho >>ready\nexec sleep 1000\n' >$command/run
	chmod 755 $command/run
	runsv $command
done
for command in force-stop D force-reload T force-restart force-shutdown; do
	# A start in the second of the command would be taken for the restart.
	await says $command '[2-9] seconds'
	await test -s $command/ready
	code sv -w 1 $command $command
	case $command in
	force-stop | D) await says $command ': down' ;;
	force-shutdown) await says $command 'not running' ;;
	*) await sh -c "[ \$(wc -l <$command/ready) = 2 ]" ;;
	esac
	sv status $command
done

#: a check
#! peers
service a
printf '#!/bin/sh\necho output\necho checking >&2\n[ -e available ]\n' >a/check
chmod 755 a/check
runsv a
export SVDIR=$PWD
code sv -w 1 check a 2>/dev/null
code sv -w 1 start a 2>/dev/null
touch a/available
code sv check a
code sv start a
aged a
code sv restart a 2>/dev/null
code sv stop a
code sv check a

#: checks that cannot be run
#! peers
service a
runsv a
export SVDIR=$PWD
echo >a/check
code sv check a
chmod 755 a/check
code sv check a
rm a/check
mkdir a/check
code sv check a
rmdir a/check
ln -s check a/check
code sv -w 0 check a 2>&1 | sort -u
rm a/check
ln -s nosuch a/check
code sv check a

#: with a log service
#! peers
service a
mkdir a/log
printf '#!/bin/sh\nexec cat >/dev/null\n' >a/log/run
chmod 755 a/log/run
runsv a
export SVDIR=$PWD
code sv status a a/log ./a/log
code sv down a/log
await says a/log ': down'
code sv status a
touch a/down a/log/down
code sv status a
code sv -v up a/log
code sv stop a
code sv status a

#: log services that are none
#! peers
service a
runsv a
export SVDIR=$PWD
echo >a/log
code sv status a
rm a/log
ln -s log a/log
code sv status a
rm a/log
dead a/log
code sv status a

#: a log service that cannot be seen
#! peers
#! differs: the original shows the service's own status as that of the log service, after the warning
service a
runsv a
export SVDIR=$PWD
mkdir a/log
code sv status a

#: a down file that cannot be looked at
#! peers
service a
runsv a
export SVDIR=$PWD
ln -s down a/down
code sv status a

#: an init script
#! peers
listener a
runsv a
export SVDIR=$PWD
ln -s "$(command -v sv)" init-a
mkdir init
for name in a b c d; do ln -s "$(command -v sv)" init/$name; done
await grep -sq ready a/got
code init/a status
code init/a stop
code init/a status
code init/a start
for command in '-w 3 restart' try-restart force-reload; do
	aged a
	code init/a $command
done
await sh -c '[ $(grep -c ready a/got) = 5 ]'
code init/a reload
code init/a force-stop
code init/b status
code init/b start
code ./init-a status
mkdir c
code init/c status
code init/c stop
dead d
code init/d status
code init/d stop

#: an init script: status with a log service
#! peers
#! differs: the original's exit code is that of the log service
service a
mkdir a/log
printf '#!/bin/sh\nexec cat >/dev/null\n' >a/log/run
chmod 755 a/log/run
runsv a
export SVDIR=$PWD
mkdir init
ln -s "$(command -v sv)" init/a
code init/a status
code init/a stop
code init/a status

#: a name with a slash at its end is waited for
#! peers
#! differs: the original looks for it below SVDIR when it waits
service a
runsv a
export SVDIR=/nosuch
code sv stop a/

#: the reader has gone
mkfifo pipe
(sleep 1000 <>pipe & echo $! >reader; exec 7>pipe; kill "$(cat reader)"; wait; sv status ./a >&7; echo "exit $?")
