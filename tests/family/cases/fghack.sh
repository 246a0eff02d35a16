#: usage
fghack

#: exit codes
for code in 0 1 42 100 111 255; do code fghack sh -c "exit $code"; done

#: killed
code fghack sh -c 'kill -9 $$'
code fghack sh -c 'kill -TERM $$'

#: no such program
code fghack nosuchprogram
code fghack ./nosuch
code fghack /

#: what goes into the background is waited for
mkfifo go
fghack sh -c 'sh -c "echo started >go; read x <go; echo ended" & exit 7' &
read x <go
kill -0 $! && echo waits
echo >go
wait $!
echo "exit $?"

#: the descriptors
fghack ls -l /proc/self/fd >fds
sed -n 's/.* pipe:/pipe:/p' fds | sort | uniq -c | sed 's/[0-9]*\]/N]/'

#: what is written to them is dropped
fghack sh -c 'fd=$(ls /proc/$$/fd | tail -n 1); for n in 3 4 5 6 7 8 9; do [ ! -e /proc/$$/fd/$n ] || head -c 100000 /dev/zero >&$n; done; echo done' 2>/dev/null

#: a signal to it does not reach the program
mkfifo go
fghack sh -c 'trap "" TERM; echo $$ >go; read x <go; echo ended' &
read pid <go
kill $!
{ wait $!; } 2>/dev/null
echo "exit $?"
kill -0 $pid && echo lives
echo >go
await sh -c "! kill -0 $pid 2>/dev/null"

#: standard input is closed
fghack echo started <&-
