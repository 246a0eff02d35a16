#: where the program is looked for
mkdir a b c
for place in a b c; do printf '#!/bin/sh\necho "$0 $*"\n' >$place/prog; done
chmod 755 b/prog c/prog
try() { PATH=$1 "$LOADER" prog 1 2; echo "exit $?"; }
LOADER=$(command -v pgrphack)
try $PWD/b:$PWD/c
try $PWD/a:$PWD/c
try $PWD/nosuch:$PWD/c
try $PWD/a/prog:$PWD/c
try $PWD/a
try $PWD/a:$PWD/nosuch
try nosuch:b
cd b
try :/nowhere
try /nowhere:
try /nowhere::/nowhere
try ''
unset PATH
"$LOADER" prog
"$LOADER" echo found
"$LOADER" ./prog
"$LOADER" ../a/prog
"$LOADER" ''
"$LOADER" /

#: programs that are none
: >empty
printf 'echo no interpreter\n' >text
printf '#!/nosuch\n' >nosuch
mkdir dir
ln -s loop loop
chmod 755 *
for prog in empty text nosuch dir loop text/x; do code pgrphack ./$prog; done
code pgrphack nosuchprogram
code pgrphack "$(printf 'a\377b')"

#: signals the program gets
show() { "$@" cat /proc/self/status | sed -n 's/^Sig\(...\):.*\(.....\)$/\1 \2/p' | tr '\n' ' '; echo "$@"; }
mkdir d
for loader in env pgrphack 'envdir d' 'envuidgid root' softlimit 'setlock lock' fghack; do
	show $loader
	(trap '' PIPE HUP; show $loader)
done

#: descriptors the program gets
# Those it would not have without the loader, and those it lacks.
fds() {
	"$@" ls /proc/self/fd >with
	env ls /proc/self/fd >without
	echo "$* $(sort with >a; sort without | comm -3 a - | tr '\t\n' '- ')"
}
mkdir d
for loader in pgrphack 'envdir d' 'envuidgid root' softlimit 'setlock lock'; do
	fds $loader
	fds $loader <&-
	fds $loader 2>&-
	fds $loader <&- 2>&-
	fds $loader 9</dev/null
done 5>&1
