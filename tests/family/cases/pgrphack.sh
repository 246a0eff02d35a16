#: usage
pgrphack

#: a session of its own
pgrphack sh -c 'set -- $(cat /proc/$$/stat); [ $1 = $5 ] && [ $1 = $6 ] && echo leads'
sh -c 'set -- $(cat /proc/$$/stat); [ $1 = $5 ] && [ $1 = $6 ] && echo leads'

#: twice
pgrphack pgrphack sh -c 'set -- $(cat /proc/$$/stat); [ $1 = $5 ] && [ $1 = $6 ] && echo leads'

#: it is the same process
pgrphack sh -c 'echo $$ >pid' &
wait
[ $! = $(cat pid) ] && echo same

#: options are the program's name
pgrphack -x
