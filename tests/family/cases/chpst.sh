#: usage
code chpst
code chpst -v
code chpst -z true
code chpst -u
code chpst -l a -L b true
for option in -m -d -o -p -f -c -r -t -n; do code chpst $option x true 2>&1 | tail -n 1; done

#: the directory to start in
#! differs: Debian's has no -C, Void's has
mkdir d
chpst -C d pwd
code chpst -C nosuch pwd

#: the version, and on it goes
#! differs: it is another version
chpst -V echo on

#: nothing to change
chpst echo -u x
chpst -- echo -u x
chpst -P -- echo x

#: who to be
#! root
for who in nobody daemon:adm daemon:adm:bin :1:2 :1:2:3 :1:2:3: :65534: ::; do chpst -u $who id; done
setpriv --groups=1,2,3 chpst -u nobody id

#: who one cannot be
for who in '' nosuch 0 root: root:nosuch root:0 : :0 :0:x :x:0 :0:0:1:x : ::x; do code chpst -u "$who" true; code chpst -U "$who" true; done

#: who one may not be
#! root
as_nobody chpst -u root true
as_nobody chpst -u :0:0 true
as_nobody chpst -u nobody true

#: user and group in the environment
for who in nobody daemon:adm :1:2:3; do env -i A=1 UID=2 B=3 "$(command -v chpst)" -U $who /usr/bin/env; done
env -i "$(command -v chpst)" -U nobody -U root /usr/bin/env

#: a directory of variables
mkdir -p d/SUB
echo 1 >d/A
: >d/B
printf ' x \t\ny\n' >d/C
env -i B=1 "$(command -v chpst)" -e d /usr/bin/env
env -i B=1 "$(command -v chpst)" -v -e d /usr/bin/env
code chpst -e nosuch true
code chpst -e d/A true
code chpst -e '' true

#: a directory of variables that may not be read
#! root
mkdir -p d e
echo 1 >d/A
chmod 600 d/A
as_nobody chpst -e d true
chmod 711 e
as_nobody chpst -e e true
chmod 700 e
as_nobody chpst -e e true

#: the variables do not change where the program is looked for
mkdir d
echo /nowhere >d/PATH
chpst -e d echo found

#: another name
chpst -b name sh -c 'tr "\0" " " </proc/$$/cmdline; echo'
chpst -b -name sh -c 'echo $0'
chpst -b name nosuchprogram
chpst -b '' sh -c 'tr "\0" "|" </proc/$$/cmdline; echo'

#: no such program
code chpst nosuchprogram
code chpst ./nosuch
code chpst /
code chpst ''

#: nice
for n in 5 +5 007 '' + 19; do chpst -n "$n" nice; done

#: nice, upwards
#! root
chpst -n -5 nice
chpst -n 5 chpst -n -2 nice
chpst -n - nice
as_nobody chpst -n -5 nice
chpst -n -100 nice

#: a session of its own
chpst -P sh -c 'set -- $(cat /proc/$$/stat); [ $1 = $5 ] && [ $1 = $6 ] && echo leads'
chpst sh -c 'set -- $(cat /proc/$$/stat); [ $1 = $5 ] && [ $1 = $6 ] && echo leads'

#: a lock
mkfifo go
umask 0
chpst -l lock sh -c 'echo locked >go; read x <go; echo first' &
read x <go
ls -l lock | cut -c 1-10
code chpst -L lock echo not reached
chpst -l lock echo second &
await sh -c "grep -q -e '->.*FLOCK' /proc/locks"
echo >go
wait
code chpst -L lock echo third
code chpst -l . true
code chpst -L nosuch/lock true

#: closed descriptors
chpst -0 ls -l /proc/self/fd 2>&1 | grep -c '> /dev/null'
chpst -1 sh -c 'echo x' 2>&1 | sed 's/.*: //'
chpst -2 sh -c 'echo x >&2' 2>&1; echo "exit $?"
chpst -012 sh -c 'ls /proc/$$/fd >fds 2>/dev/null'; grep -c '^[0-9]$' fds
chpst -0 true <&-; echo "exit $?"
chpst -12 nosuchprogram; echo "exit $?"
chpst -2 nosuchprogram; echo "exit $?"

#: limits
show() { chpst "$@" cat /proc/self/limits | sed 's/   */\t/g' | cut -f 1,2 | grep -v -e 'Max pending' -e 'Max msg' -e realtime -e nice -e 'file locks'; }
limit() { show "$@" >limited; echo "$*"; diff plain limited; }
ulimit -Sn 1000
ulimit -Ss 8192
ulimit -Sl 64
ulimit -Sp 5000
ulimit -Sc 0
show >plain
for letter in d f r; do limit -$letter 100000000; done
limit -c 0
limit -o 33
limit -p 4001
limit -t 4242
limit -m 50000000 | sed 's/^\(> Max locked memory.\).*/\1N/'
limit -m 50000000 -d 60000000 | sed 's/^\(> Max locked memory.\).*/\1N/'
limit -d 60000000 -m 50000000 | sed 's/^\(> Max locked memory.\).*/\1N/'
limit -o 33 -o 44

#: limits and hard limits
ulimit -n 100
ulimit -Sn 50
for value in 60 100 101 1000000 '' 9223372036854775807 9223372036854775808 18446744073709551613 18446744073709551614 18446744073709551615; do
	chpst -o "$value" /bin/sh -c 'ulimit -Sn; ulimit -Hn'
done 2>&1 | sed 's/.*: //'

#: another root
#! root
mkdir -p root/bin root/etc
cp "$(command -v chpst)" root/bin/prog
echo 'inside:x:4242:4243::/:' >root/etc/passwd
code chpst -/ nosuch true
code chpst -/ root nosuchprogram
code chpst -/ root -u nobody nosuchprogram
code chpst -/ root -U inside nosuchprogram
as_nobody chpst -/ root true
