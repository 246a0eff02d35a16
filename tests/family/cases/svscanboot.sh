#: what svscan and readproctitle get, and what is told to what was left
#! root
# The real script has its paths built in, so it gets a file system of its own. What it starts here
# writes down how it was started; a service has a supervisor that writes down what it is told.
mkdir -p bin etc/service/.hidden etc/service/none
case $(command -v svc) in
*/ours/*) cp "$(command -v pinfold)" bin/svscanboot ;;
*) cp "$THEIRS/svscanboot" "$THEIRS/svc" bin ;;
esac
cat >bin/svscan <<'END'
#!/bin/sh
name=${0##*/}
{
	echo "$name $*"
	tr '\0' '\n' </proc/$$/environ | sed 's/^/env /'
	for fd in 0 1 2; do echo "fd $fd $(readlink /proc/$$/fd/$fd | sed 's/[0-9][0-9]*/N/')"; done
	echo "SIGPIPE ignored: $((0x$(sed -n 's/SigIgn:.//p' /proc/$$/status) >> 12 & 1))"
} | tee etc/$name.log >/dev/null
if [ $name = svscan ]; then
	echo to standard output
	echo to standard error >&2
else
	cat >etc/messages
	echo done >etc/done
fi
END
cp bin/svscan bin/readproctitle
chmod 755 bin/*
for service in b a .hidden; do
	for service in $service $service/log; do
		fake etc/service/$service ''
	done
done
echo >etc/service/file
# A job of the shell's ignores INT and QUIT.
unshare --mount sh -c '
	mount --bind bin /usr/local/bin
	mount --bind etc /etc
	cd /
	env -i MORE=1 PATH=/nowhere /usr/local/bin/svscanboot /etc/service <&- &
	wait
'
await test -e etc/done
for service in b a .hidden; do
	for service in $service $service/log; do
		echo "$service $(commands etc/service/$service)"
	done
done
cat etc/*.log etc/messages
