#!/usr/bin/env bash
# The logger against multilog, svlogd and s6-log: throughput and CPU on the same input in one run.
#
#   benches/logger.sh [MEGABYTES [ROUNDS]]   200 MB of 100-byte lines, 5 rounds, logs on tmpfs
#
# Rounds are interleaved, so that what else the machine does hits all alike; shown are medians, and ours as a
# ratio to the best peer. BUILD (target/x86_64-unknown-linux-gnu/release) and PINFOLD_PEERS (target/peers) say where the programs are.
set -eu -o pipefail
cd "$(dirname "$0")/.."
megabytes=${1:-200} rounds=${2:-5}
peers=${PINFOLD_PEERS:-$PWD/target/peers}
build=${BUILD:-$PWD/target/x86_64-unknown-linux-gnu/release}
work=$(mktemp -d -p /dev/shm)
trap 'rm -rf "$work"' EXIT
export LD_LIBRARY_PATH=
for lib in "$peers"/lib*/usr/lib/*/ "$peers"/lib*/lib/*/; do [ -d "$lib" ] && LD_LIBRARY_PATH+=:$lib; done
awk -v n=$((megabytes * 10000)) 'BEGIN { for (i = 0; i < n; i++) printf "%08d %091d\n", i, 0 }' | tail -c +2 >"$work/input"
ln -s "$build/pinfold" "$work/ours"

run() { # NAME COMMAND...: one line "NAME SECONDS CPU-SECONDS"
	local name=$1 times
	shift
	mkdir "$work/d"
	TIMEFORMAT='%R %U %S'
	times=$({ time cat "$work/input" | { TIMEFORMAT='%U %S'; time "$@" >/dev/null 2>"$work/said"; } 2>"$work/cpu"; } 2>&1)
	[ ! -s "$work/said" ] || cat "$work/said" >&2
	echo "$name ${times%% *} $(awk '{ print $1 + $2 }' "$work/cpu")"
	(($(du -sb "$work/d" | cut -f1) > 1000000)) || { echo "$name has written nothing" >&2 && return 1; }
	rm -rf "$work/d"
}

for ((round = 0; round < rounds; round++)); do
	run ours "$work/ours" multilog s16777215 n3 "$work/d"
	run multilog "$peers/daemontools/usr/bin/multilog" s16777215 n3 "$work/d"
	printf 's16777215\nn3\n' >"$work/config"
	run svlogd sh -c 'cp "$1/config" "$1/d/config" && exec "$2" "$1/d"' sh "$work" "$peers/runit/usr/bin/svlogd"
	run s6-log "$peers/s6/usr/bin/s6-log" s16777215 n3 "$work/d"
	run ours-t "$work/ours" multilog t s16777215 n3 "$work/d"
	run multilog-t "$peers/daemontools/usr/bin/multilog" t s16777215 n3 "$work/d"
	run s6-log-t "$peers/s6/usr/bin/s6-log" t s16777215 n3 "$work/d"
done >"$work/all"

median() { awk -v name="$1" -v column="$2" '$1 == name { print $column }' "$work/all" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
table() { # OURS PEER...
	local name wall cpu best_wall='' best_cpu=''
	for name in "$@"; do
		wall=$(median "$name" 2) cpu=$(median "$name" 3)
		awk -v n="$name" -v w="$wall" -v c="$cpu" -v m="$megabytes" 'BEGIN { printf "%-11s %7.0f MB/s  %6.2f CPU s/GB\n", n, m / w, c / m * 1000 }'
		[ "$name" != "$1" ] || continue
		best_wall=$(printf '%s\n' "$wall" ${best_wall:+"$best_wall"} | sort -n | head -1)
		best_cpu=$(printf '%s\n' "$cpu" ${best_cpu:+"$best_cpu"} | sort -n | head -1)
	done
	awk -v n="$1" -v w="$(median "$1" 2)" -v c="$(median "$1" 3)" -v bw="$best_wall" -v bc="$best_cpu" \
		'BEGIN { printf "%s: %.2f x the throughput of the best peer, %.2f x its CPU\n\n", n, bw / w, c / bc }'
}
table ours multilog svlogd s6-log
table ours-t multilog-t s6-log-t
