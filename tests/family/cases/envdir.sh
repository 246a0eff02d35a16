#: usage
code envdir
code envdir d
mkdir d
code envdir d

#: no such directory, an empty name, a file
echo >file
code envdir nosuch true
code envdir '' true
code envdir file true

#: no options, so this is a directory
envdir -p d true

#: what becomes of contents
mkdir d
printf x >d/PLAIN
printf 'x\n' >d/LINE
printf 'x\ny\n' >d/LINES
printf 'x \t \n' >d/BLANKS
printf ' \tx y' >d/LEADING
printf 'x\r\n' >d/DOS
printf 'a\0b\n' >d/NUL
printf '\0\0' >d/NULS
printf '\n' >d/EMPTY
printf ' \t' >d/BLANK
printf '\377\303\251' >d/BYTES
: >d/UNSET
: >d/NOSUCH
env -i UNSET=1 KEPT=1 PATH=/usr/bin:/bin "$(command -v envdir)" d env | sort

#: names
mkdir d
for name in lower 'with space' 'new
line' '1' é -x .hidden ..dots 'Q?*'; do echo 1 >"d/$name"; done
env -i "$(command -v envdir)" d /usr/bin/env | sort

#: names with an equals sign
mkdir d
echo 1 >'d/B=C'
env -i B=2 "$(command -v envdir)" d /usr/bin/env | sort
: >'d/B=C'
env -i B=2 "$(command -v envdir)" d /usr/bin/env | sort
rm 'd/B=C'
echo 1 >'d/=C'
env -i B=2 "$(command -v envdir)" d /usr/bin/env | sort

#: an environment with names that come twice, and strings that are none
cat >twice.c <<'END'
#include <unistd.h>
int main(int c, char **v) { char *e[] = {"A=1", "B=2", "odd", "A=3", "=x", "", "C=4", 0}; (void)c; return execve(v[1], v + 1, e); }
END
cat >show.c <<'END'
#include <stdio.h>
extern char **environ;
int main(void) { for (char **e = environ; *e; e++) puts(*e); return 0; }
END
cc -o twice twice.c && cc -o show show.c || exit
mkdir d
echo new >d/B
./twice "$(command -v envdir)" d ./show
echo new >d/A
rm d/B
./twice "$(command -v envdir)" d ./show
: >d/A
./twice "$(command -v envdir)" d ./show

#: the order of the environment
mkdir d
echo new >d/B
env -i A=1 B=2 C=3 D=4 "$(command -v envdir)" d /usr/bin/env
: >d/B
env -i A=1 B=2 C=3 D=4 "$(command -v envdir)" d /usr/bin/env

#: the program is looked for by the old path
mkdir d bin
echo /nowhere >d/PATH
printf '#!/bin/sh\necho found by $PATH\n' >bin/prog
chmod +x bin/prog
PATH=$PATH:$PWD/bin
envdir d prog

#: links
mkdir d
echo 1 >file
ln -s ../file d/FILE
ln -s /dev/null d/NULL
env -i NULL=1 "$(command -v envdir)" d /usr/bin/env

#: a dangling link
#! differs: the original takes a name that cannot be opened for the file before it, or for an empty one
mkdir d
ln -s nosuch d/A
env -i A=1 B=2 "$(command -v envdir)" d /usr/bin/env

#: a directory in it
mkdir -p d/SUB
envdir d true

#: a loop of links in it
mkdir d
ln -s LOOP d/LOOP
envdir d true

#: a fifo in it counts as empty
mkdir d
mkfifo d/FIFO
env -i FIFO=1 A=2 "$(command -v envdir)" d /usr/bin/env

#: a fifo that somebody writes to
mkdir d
mkfifo d/FIFO
sleep 1000 <>d/FIFO &
await sh -c "readlink /proc/$!/fd/0 | grep -q FIFO"
env -i FIFO=1 "$(command -v envdir)" d /usr/bin/env

#: a file that may not be read
#! root
mkdir d
echo 1 >d/FILE
chmod 600 d/FILE
as_nobody envdir d true

#: a directory that may not be searched
#! root
mkdir -m 700 d
as_nobody envdir d true
chmod 744 d
as_nobody envdir d true

#: a directory that may not be read
#! root
mkdir d
echo 1 >d/A
chmod 711 d
as_nobody envdir d true

#: started where one may not read
#! root
#! differs: the original must be able to open the directory it is started in
mkdir -p here/d
echo 1 >here/d/A
chmod 711 here
cd here
as_nobody env -i "$(command -v envdir)" d /usr/bin/env

#: a long value
mkdir d
head -c 131069 /dev/zero | tr '\0' x >d/A
env -i "$(command -v envdir)" d /usr/bin/env | wc -c

#: a value that is too long
#! differs: the original finds out when it runs the program
mkdir d
head -c 200000 /dev/zero | tr '\0' x >d/A
env -i "$(command -v envdir)" d /usr/bin/env | wc -c

#: a short first line of a large file
mkdir d
{ echo x; head -c 1000000 /dev/zero; } >d/A
env -i "$(command -v envdir)" d /usr/bin/env

#: several of them
mkdir d e
echo 1 >d/A
echo 2 >e/A
: >e/B
env -i B=1 "$(command -v envdir)" d "$(command -v envdir)" e /usr/bin/env
