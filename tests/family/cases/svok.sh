#: no argument
svok

#: no such directory
svok nosuch

#: an empty name
svok ''

#: not a directory
echo >file
svok file

#: no options, so this is a name
svok -x

#: never supervised
mkdir a
svok a

#: a supervisor runs
#! peers
service a
supervised a
svok a

#: only the first directory counts
#! peers
service a
supervised a
code svok a nosuch
code svok nosuch a

#: the current directory
#! peers
service a
supervised a
cd a && svok .

#: supervisor died
dead a
svok a

#: runit's
#! peers
service a
"$THEIRS/runsv" a &
await svok a
svok a

#: ok is an ordinary file
mkdir -p a/supervise
echo >a/supervise/ok
svok a

#: ok is a directory
mkdir -p a/supervise/ok
svok a

#: supervise is not a directory
mkdir a
echo >a/supervise
svok a

#: ok cannot be written
#! root
fake a ''
chmod 711 a a/supervise
chmod 600 a/supervise/ok
as_nobody svok a

#: supervise cannot be searched
#! root
fake a ''
chmod 700 a/supervise
as_nobody svok a

#: the directory cannot be searched
#! root
mkdir -m 700 a
as_nobody svok a

#: a name that is no text
printf 'mkdir "a\377\nb" && svok "a\377\nb/c"' >script
. ./script

#: a dangling link
ln -s nosuch a
svok a

#: a loop of links
ln -s a a
svok a
