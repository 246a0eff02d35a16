#: no argument
readproctitle

#: an area that is too short
code readproctitle ....
code readproctitle title ....

#: the shortest area
readproctitle ..... </dev/null

#: standard input is closed
readproctitle ..... <&-

#: standard input is a directory
readproctitle ..... </

#: what ps shows
mkfifo pipe
readproctitle service errors: ................ <pipe &
exec 7>pipe
shows() { tr '\0' '|' </proc/$!/cmdline | grep -q "$1"; }
show() {
	await shows "$1"
	tr '\0' '|' </proc/$!/cmdline | sed 's/^[^|]*|//'
	echo
}
show '|\.*|$'
printf x >&7
show 'x|$'
printf 'y\nz' >&7
show 'z|$'
printf 'no\0nul' >&7
show 'nul|$'
printf '01234567890123456789' >&7
show '9|$'
printf 'caf\303\251' >&7
await sh -c "! tr '\0' '|' </proc/$!/cmdline | grep -q '9|$'"
show .
exec 7>&-
wait $!
echo "exit $?"

#: other arguments are left alone
mkfifo pipe
readproctitle a '' b 'c d' xxxxxxxxxx <pipe &
exec 7>pipe
await grep -q '\.\.\.' /proc/$!/cmdline
printf 123 >&7
await grep -q 123 /proc/$!/cmdline
tr '\0' '|' </proc/$!/cmdline | sed 's/^[^|]*|//'

#: TERM ends it
mkfifo pipe
readproctitle ........... <pipe &
exec 7>pipe
kill $!
wait $!
