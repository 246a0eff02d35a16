# What the cases have in common. $THEIRS holds Debian's originals, for supervisors and for waiting.

# Waits until a command succeeds.
await() {
	turns=0
	until "$@"; do
		turns=$((turns + 1))
		if [ $turns -gt 3000 ]; then echo "gave up waiting: $*"; exit 99; fi
		sleep 0.01
	done
}

# Runs a command as a user without rights.
as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }

# Runs a command and tells its exit code.
code() { "$@"; echo "exit $?"; }

# Makes a service that runs until it is told otherwise.
service() {
	mkdir -p "$1"
	printf '#!/bin/sh\nexec sleep 1000\n' >"$1/run"
	chmod 755 "$1/run"
}

says() { "$THEIRS/svstat" "$1" | grep -q "$2"; }

# Waits until a service's start was in an earlier second: sv takes one in the second of a restart for its own.
aged() { await says "$1" ' [1-9][0-9]* seconds'; }

# Puts a service under Debian's supervise and waits until it is as its down file wants it. supervise is
# deaf for a second after each start; it can be told things when it has written the status again.
supervised() {
	# The shell starts what is in the background with these ignored, and a service's shell could not trap them.
	env --default-signal=INT,QUIT "$THEIRS/supervise" "$1" &
	pid=$!
	await "$THEIRS/svok" "$1"
	if [ -e "$1/down" ]; then await says "$1" ': down'; else await says "$1" ': up'; fi
}

# A supervise directory as a dead supervise leaves it: fifos without readers and this status.
dead() {
	mkdir -p "$1/supervise"
	mkfifo "$1/supervise/ok" "$1/supervise/control"
}

# The same with somebody reading the fifos; the status is given as printf's format.
fake() {
	dead "$1"
	printf "$2" >"$1/supervise/status"
	sleep 1000 <>"$1/supervise/ok" 3<>"$1/supervise/control" &
	await svok "$1"
}

# A number as printf's format for four bytes, the greatest first.
octal() { printf '\\%03o\\%03o\\%03o\\%03o' $(($1 >> 24 & 255)) $(($1 >> 16 & 255)) $(($1 >> 8 & 255)) $(($1 & 255)); }

# Ends what the last fake left, and removes it.
unfake() {
	kill $!
	{ wait $!; } 2>/dev/null
	rm -rf "$1"
}

# What was written to a fake's control.
commands() { dd if="$1/supervise/control" bs=100 count=1 iflag=nonblock 2>/dev/null; }

# Puts a service, and its log service if it has one, under Debian's runsv and waits until each is as its
# down file wants it.
runsv() {
	env --default-signal=INT,QUIT "$THEIRS/runsv" "$1" &
	for dir in "$1" "$1/log"; do
		[ -d "$dir" ] || continue
		await "$THEIRS/svok" "$dir"
		if [ -e "$dir/down" ]; then await says "$dir" ': down'; else await says "$dir" ': up'; fi
	done
}

# A service that writes down which signals it gets, and ends with TERM.
listener() {
	mkdir -p "$1"
	cat >"$1/run" <<-'END'
		#!/bin/sh
		for s in HUP INT QUIT ALRM USR1 USR2 CONT; do trap "echo $s >>got" $s; done
		trap 'echo TERM >>got; exit' TERM
		echo ready >>got
		while :; do sleep 1000 & wait; done
	END
	chmod 755 "$1/run"
}

# A status of runit's: fakes a service with its pid, paused, want, got TERM and state, as printf's format.
fake_runit() { fake "$1" "@\0\0\0\0\0\0\012\0\0\0\0$2"; }
