#!/usr/bin/env bash
# What calling the small tools costs, against Debian's originals in one run.
#
#   benches/tools.sh [RUNS [ROUNDS]]   100 calls of each, 7 rounds
#
# Rounds are interleaved, so that what else the machine does hits all alike; shown are medians of CPU time (user and
# system) per call, and ours as a ratio. svstat is asked about 1000 services, all under our svscan and down.
# BUILD (target/x86_64-unknown-linux-gnu/release) and PINFOLD_PEERS (target/peers) say where the programs are.
set -eu -o pipefail
cd "$(dirname "$0")/.."
runs=${1:-100} rounds=${2:-7}
peers=${PINFOLD_PEERS:-$PWD/target/peers}/daemontools/usr/bin
build=${BUILD:-$PWD/target/x86_64-unknown-linux-gnu/release}
work=$(mktemp -d -p /dev/shm)
export PINFOLD_RUN=$work/run
mkdir "$work/scan" "$work/ours" "$work/env" "$work/run"
echo value >"$work/env/NAME"
for tool in svc svstat svok setuidgid envdir softlimit setlock; do ln -s "$build/pinfold" "$work/ours/$tool"; done
for n in $(seq -w 0 999); do
	mkdir "$work/scan/s$n" && printf '#!/bin/sh\nexec sleep 1000\n' >"$work/scan/s$n/run"
	chmod 755 "$work/scan/s$n/run" && : >"$work/scan/s$n/down"
done
"$build/pinfold" svscan "$work/scan" 2>"$work/said" &
scanner=$!
trap 'kill $scanner; wait $scanner; rm -rf "$work"' EXIT
until "$peers/svok" "$work/scan/s999"; do sleep 0.1; done

measure() { # NAME TOOLS COUNT TOOL ARGUMENTS...: a line "NAME CPU-MICROSECONDS-PER-CALL"
	local name=$1 tools=$2 count=$3 tool=$4 times
	shift 4
	TIMEFORMAT='%U %S'
	times=$({ time for ((n = 0; n < count; n++)); do "$tools/$tool" "$@" >/dev/null 2>&1 || :; done; } 2>&1)
	echo "$name $(awk -v n="$count" '{ print ($1 + $2) / n * 1e6 }' <<<"$times")"
}

compare() { # NAME COUNT TOOL ARGUMENTS...
	local name=$1 count=$2 round
	shift 2
	for ((round = 0; round < rounds; round++)); do
		measure "$name ours" "$work/ours" "$count" "$@"
		measure "$name theirs" "$peers" "$count" "$@"
	done
}

{
	compare svstat-1000 5 svstat "$work"/scan/*
	compare svok "$runs" svok "$work/scan/s500"
	compare svc "$runs" svc -u "$work/nothing"
	compare setuidgid "$runs" setuidgid root true
	compare envdir "$runs" envdir "$work/env" true
	compare softlimit "$runs" softlimit -o 100 true
	compare setlock "$runs" setlock "$work/lock" true
} 2>/dev/null >"$work/all"
awk '{ print $1, $2, $3 }' "$work/all" | sort -k1,2 -k3n | awk '
	{ key = $1 " " $2; v[key, ++n[key]] = $3; if (!($1 in seen)) { seen[$1] = 1; names[++count] = $1 } }
	END {
		printf "%-12s %12s %12s %8s\n", "", "ours (µs)", "theirs (µs)", "ratio"
		for (i = 1; i <= count; i++) {
			o = names[i] " ours"; t = names[i] " theirs"
			a = v[o, int((n[o] + 1) / 2)]; b = v[t, int((n[t] + 1) / 2)]
			printf "%-12s %12.0f %12.0f %8.2f\n", names[i], a, b, a / b
		}
	}'
