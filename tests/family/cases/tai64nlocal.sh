#: the manual's example, in several places
echo '@400000003b4a39c23294b13c hi' >in
for TZ in UTC EST5EDT,M3.2.0,M11.1.0 XXX-14 'Nonsense/Nowhere' '' :; do
	export TZ
	tai64nlocal <in
done
# Zones by name, where they are known, are as date shows them.
for TZ in America/New_York Asia/Kolkata :Europe/Berlin; do
	[ "$(tai64nlocal <in)" = "$(date -d @994720184 '+%F %T.848605500 hi')" ] && echo as date
done
unset TZ
[ "$(tai64nlocal <in)" = "$(date -d @994720184 '+%F %T.848605500 hi')" ] && echo as date

#: where stamps are, and where not
tai64nlocal <<'END'
@400000003b4a39c23294b13c
@400000003b4a39c23294b13cx
@400000003b4a39c23294b13c @400000003b4a39c23294b13c
 @400000003b4a39c23294b13c
x@400000003b4a39c23294b13c

no stamp
END

#: odd stamps
tai64nlocal <<'END'
@400000003b4a39c2ffffffff nanoseconds
@ffffffff400000003b4a39c23294b13c longer
@400000000000000a00000000 epoch
@400000000000000900000001 before
@3fffffffc000000000000000 long before
@400000010000000000000000 later
@4000000fffffffff00000000 much later
END

#: years that are not four digits
tai64nlocal <<'END'
@4000003fffffffff00000000 later
@400000ffffffffff00000000 last
@3ffffff0ffffffff00000000 before the first
@3fffff000000000fffffffff long before
END

#: stamps that are no time
#! differs: the original crashes
for stamp in 4000 '' 7fffffffffffffff00000000 400fffffffffffff00000000 @400000003b4a39c23294b13c \
	400000003b4a39c23294b13C 400000003b4a39c2 4000000000000000000000009; do
	echo "@$stamp z" | tai64nlocal
	echo "exit $?"
done 2>/dev/null

#: a stamp at the end of input
#! differs: the original loses what it has read of it
printf 'a\n@400000003b4a39c2' | tai64nlocal

#: no newline at the end
printf '@400000003b4a39c23294b13c a' | tai64nlocal
printf 'a' | tai64nlocal
printf '' | tai64nlocal
printf '@400000003b4a39c23294b13c ' | tai64nlocal

#: bytes
printf '@400000003b4a39c23294b13c\0a\377\n\0\n@400000003b4a39c23294b13c\t\n' | tai64nlocal

#: a long line, and many
{ printf '@400000003b4a39c23294b13c '; head -c 300000 /dev/zero; echo; } | tai64nlocal | cksum
yes '@400000003b4a39c23294b13c y' | head -n 50000 | tai64nlocal | cksum

#: in pieces
mkfifo in out
tai64nlocal <in >out &
exec 3>in 4<out
printf '@400000003b4a' >&3
printf '39c23294b13c' >&3
printf ' x' >&3
dd bs=100 count=1 <&4 2>/dev/null
exec 3>&-
wait $!
echo "exit $?"

#: input that cannot be read, output that cannot be written
code tai64nlocal </
code tai64nlocal <&-
echo a >in
tai64nlocal <in >/dev/full
echo "exit $?" >full
tai64nlocal <in >&-
echo "exit $?" >closed
cat full closed

#: arguments are ignored
echo a | tai64nlocal x -y
