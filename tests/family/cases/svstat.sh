#: no argument
svstat

#: no options, so these are names
svstat -x -- -

#: no such directory, an empty name, a file
echo >file
svstat nosuch '' file file/x

#: never supervised
mkdir a
svstat a

#: supervisor died
dead a
svstat a

#: up
#! peers
service a
supervised a
svstat a

#: up, by other names
#! peers
service a
supervised a
svstat a/ ./a "$PWD/a" a//.
cd a
svstat . ../a
cd supervise
svstat ..

#: several, good and bad
#! peers
service a
service b
touch b/down
supervised a
supervised b
svstat a nosuch b a

#: normally down
#! peers
service a
supervised a
touch a/down
svstat a

#: down and normally down
#! peers
service a
touch a/down
supervised a
svstat a

#: down and normally up
#! peers
service a
supervised a
"$THEIRS/svc" -d a
await says a ': down'
svstat a

#: paused
#! peers
service a
supervised a
"$THEIRS/svc" -p a
await says a paused
svstat a

#: TERM ignored
#! peers
mkdir a
printf '#!/bin/sh\ntrap "" TERM\necho >ready\nexec sleep 1000\n' >a/run
chmod +x a/run
supervised a
await test -e a/ready
"$THEIRS/svc" -d a
await says a 'want down'
svstat a

#: once
#! peers
service a
touch a/down
supervised a
"$THEIRS/svc" -o a
await says a ': up'
svstat a

#: runit's runsv: up
#! peers
service a
"$THEIRS/runsv" a &
await says a ': up'
svstat a

#: runit's runsv: once
#! peers
service a
touch a/down
"$THEIRS/runsv" a &
await says a ': down'
"$THEIRS/svc" -o a
await says a ': up'
svstat a

#: runit's runsv: finishing
#! peers
mkdir a
printf '#!/bin/sh\nexit 1\n' >a/run
printf '#!/bin/sh\necho >finishing\nexec sleep 1000\n' >a/finish
chmod +x a/run a/finish
"$THEIRS/runsv" a &
await test -e a/finishing
await says a ': up'
svstat a

#: every status there is
for pid in '\1\0\0\0' '\0\0\0\0' '\377\377\377\377'; do
	for paused in '\0' '\1' '\2'; do
		for want in u d '\0' x; do
			for down in no down; do
				echo "pid $pid paused $paused want $want $down"
				fake a "@\0\0\0\0\0\0\012\0\0\0\0$pid$paused$want"
				[ $down = no ] || touch a/down
				svstat a | sed 's/[0-9]* seconds/T/'
				unfake a
			done
		done
	done
done

#: seconds from 1970, the label's zero, and the future
# The first is rounded to the next multiple of 1024 by a double.
fake a '\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0u'
seconds=$(svstat a | sed 's/.*) //; s/ .*//')
echo "rest $((seconds % 1024)), $(((seconds - 4611686018427387914 - $(date +%s)) / 1000)) thousands off"
fake b '@\0\0\0\0\0\0\012\0\0\0\0\1\0\0\0\0u'
seconds=$(svstat b | sed 's/.*) //; s/ .*//')
echo "$((($(date +%s) - seconds) / 120)) minutes off"
fake c '\100\0\0\177\0\0\0\0\0\0\0\0\1\0\0\0\0u'
svstat c | sed 's/seconds/s/'
fake d '\377\377\377\377\377\377\377\377\0\0\0\0\1\0\0\0\0u'
svstat d | sed 's/seconds/s/'

#: nanoseconds do not count
# A second ago less a nanosecond, ten times, is a second each time.
for n in 1 2 3 4 5 6 7 8 9 10; do
	label=$(($(date +%s) - 1 + 10))
	fake a "@\0\0\0$(octal $label)\73\232\311\377\1\0\0\0\0u"
	svstat a | sed 's/0 seconds/too few seconds/; s/[123] seconds/seconds/'
	unfake a
done

#: a status that is too short
fake a '12345678901234567'
svstat a

#: an empty status
fake a ''
svstat a

#: a longer status
fake a '@\0\0\0\0\0\0\012\0\0\0\0\1\0\0\0\0dand what follows'
svstat a | sed 's/[0-9]* seconds/T/'

#: no status
fake a ''
rm a/supervise/status
svstat a

#: status is a fifo
fake a ''
rm a/supervise/status
mkfifo a/supervise/status
svstat a

#: status is a directory
#! differs: the original does not see that read fails, and shows the status of the service before (or zeros)
fake a ''
rm a/supervise/status
mkdir a/supervise/status
svstat a | sed 's/[0-9]* seconds/T/'

#: status cannot be opened
#! root
fake a ''
chmod 755 a a/supervise
chmod 622 a/supervise/ok
chmod 600 a/supervise/status
as_nobody svstat a

#: ok cannot be opened
#! root
fake a ''
chmod 755 a a/supervise
chmod 600 a/supervise/ok
as_nobody svstat a

#: supervise cannot be searched
#! root
fake a ''
chmod 700 a/supervise
as_nobody svstat a

#: the directory cannot be searched
#! root
mkdir -m 700 a
as_nobody svstat a

#: the directory can be searched but not read
#! root
fake a '@\0\0\0\0\0\0\012\0\0\0\0\1\0\0\0\0u'
chmod 711 a a/supervise
chmod 622 a/supervise/ok
as_nobody svstat a | sed 's/[0-9]* seconds/T/'

#: ok is a file
fake a '@\0\0\0\0\0\0\012\0\0\0\0\1\0\0\0\0u'
rm a/supervise/ok
touch a/supervise/ok
svstat a | sed 's/[0-9]* seconds/T/'

#: ok is a directory
mkdir -p a/supervise/ok
svstat a

#: supervise is a file
mkdir a
echo >a/supervise
svstat a

#: down is a dangling link
fake a '@\0\0\0\0\0\0\012\0\0\0\0\1\0\0\0\0u'
ln -s nosuch a/down
svstat a | sed 's/[0-9]* seconds/T/'

#: down is a loop of links
fake a '@\0\0\0\0\0\0\012\0\0\0\0\1\0\0\0\0u'
ln -s down a/down
svstat a

#: supervise is a link
#! peers
service a
mkdir elsewhere
ln -s ../elsewhere a/supervise
supervised a
svstat a

#: a long name
#! peers
service a
supervised a
name=a$(printf '/../a%.0s' $(seq 818))
echo ${#name}
# The directory can be named, its files cannot.
for name in "$name" "$name/." "$name///" "$name/../" "$name/././" "$name$name"; do
	svstat "$name" | sed 's/^a.*: u/u/'
done

#: a name that is no text
printf 'svstat "a\377\nb"' >script
. ./script

#: a thousand
#! peers
service a
supervised a
names=$(yes a | head -n 1000)
svstat $names | sort | uniq -c

#: cannot come back
#! root
mkdir -p here/a
chmod 711 here
cd here
as_nobody svstat a

#: where it was started is gone
mkdir here
cd here
rmdir ../here
svstat a /

#: standard output is full
fake a '@\0\0\0\0\0\0\012\0\0\0\0\1\0\0\0\0u'
svstat a >/dev/full

#: standard output is closed
mkdir a
svstat a >&-

#: the reader has gone
mkfifo pipe
(sleep 1000 <>pipe & echo $! >reader; exec 7>pipe; kill "$(cat reader)"; wait; svstat a >&7; echo "exit $?")

#: the reader has gone, but SIGPIPE is ignored
mkfifo pipe
trap '' PIPE
(sleep 1000 <>pipe & echo $! >reader; exec 7>pipe; kill "$(cat reader)"; wait; svstat a >&7; echo "exit $?")
