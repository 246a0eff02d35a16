#: lines
stamp() { sed 's/^@4[0-9a-f]\{23\} /STAMP /'; }
printf 'a\n\nb' | tai64n | stamp
printf '' | tai64n | stamp
printf '\n\n' | tai64n | stamp
printf 'a\0b\377\n@4000 x\n' | tai64n | stamp

#: arguments are ignored
echo a | tai64n x -y | sed 's/^@4[0-9a-f]\{23\} /STAMP /'

#: stamps are now, and rise
printf 'a\nb\nc\n' | tai64n | cut -d ' ' -f 1 >stamps
sort -c stamps && wc -l <stamps
now=$(date +%s)
for stamp in $(cut -c 10-17 stamps); do echo $(((now + 10 - 0x$stamp) / 30)); done

#: a long line, and many
head -c 300000 /dev/zero | tr '\0' x | tai64n | wc -c
yes | head -n 100000 | tai64n | wc

#: a line in pieces gets one stamp, when it begins
mkfifo in out
tai64n <in >out &
exec 3>in 4<out
printf 'first ' >&3
dd bs=100 count=1 <&4 2>/dev/null | sed 's/^@4[0-9a-f]\{23\} /STAMP /'
echo
printf 'second\n' >&3
dd bs=100 count=1 <&4 2>/dev/null
printf 'third' >&3
dd bs=100 count=1 <&4 2>/dev/null | sed 's/^@4[0-9a-f]\{23\} /STAMP /'
exec 3>&-
wait $!
echo "exit $?"

#: input that cannot be read
code tai64n </
code tai64n <&-

#: output that cannot be written
echo a >in
tai64n <in >/dev/full
echo "exit $?" >full
tai64n <in >&-
echo "exit $?" >closed
cat full closed

#: the reader has gone
(yes; echo "exit $?" >yes) 2>/dev/null | (tai64n; echo "exit $?" >code) | head -c 1 | wc -c
await test -s code
cat code
