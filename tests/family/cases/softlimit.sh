#: usage
code softlimit
code softlimit -o 10
code softlimit -z true
code softlimit -o
code softlimit -m
code softlimit --

#: what is no number
for value in x -1 +1 1k ' 1' 1.5 == '=1' 0x10; do code softlimit -o "$value" true; done

#: what each letter limits
# -r and -p only as far as they can be had everywhere.
show() { softlimit "$@" cat /proc/self/limits | sed 's/   */\t/g' | cut -f 1,2 | grep -v -e 'Max pending' -e 'Max msg' -e realtime -e nice -e 'file locks'; }
limit() { show "$@" >limited; echo "$*"; diff plain limited; }
ulimit -Sn 1000
ulimit -Ss 8192
ulimit -Sl 64
ulimit -Sp 5000
ulimit -Sc 0
show >plain
grep -c . plain
for letter in a d f r s; do limit -$letter 100000000; done
limit -c 0
limit -o 33
limit -p 4001
limit -t 4242
limit -l 4096
limit -m 50000000 | sed 's/^\(> Max locked memory.\).*/\1N/'

#: together, in a word, and one after the other
for options in '-o33 -t 99' '-o 33 -o 44' '-o44 -o33' '-o = -o 20' '-t5 -- '; do
	softlimit $options sh -c 'ulimit -Sn; ulimit -St; ulimit -Hn | grep -c .'
done | sed "s/^$(ulimit -Hn)$/hard/;s/^$(ulimit -Sn)$/soft/"

#: the hard limit
ulimit -n 100
ulimit -Sn 50
for value in = 60 100 101 1000000 18446744073709551615; do softlimit -o $value sh -c 'ulimit -Sn; ulimit -Hn'; done

#: numbers
ulimit -n 100
ulimit -c 1000
for value in '' 0 007 18446744073709551616 18446744073709551623; do softlimit -c "$value" sh -c 'ulimit -Sc'; done

#: large numbers
for value in 9223372036854775807 9223372036854775808 18446744073709551614 18446744073709551615; do
	softlimit -f $value sh -c 'grep "file size" /proc/self/limits' | tr -s ' '
done

#: what limits do
softlimit -t 1 sh -c 'while :; do :; done' 2>/dev/null
echo "exit $?"
softlimit -f 10 sh -c 'echo 12345678901234567890 >file' 2>/dev/null
echo "exit $?"
wc -c <file
softlimit -o 3 true 2>/dev/null
echo "exit $?"

#: no such program
code softlimit -o 10 nosuchprogram

#: options of the program
softlimit -o 50 sh -c 'echo $1' x -o

#: without a program it runs nothing
softlimit -o 50 ''
