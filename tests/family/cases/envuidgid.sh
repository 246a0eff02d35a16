#: usage
code envuidgid
code envuidgid root

#: an unknown account
for name in nosuchaccount '' 0 -x; do code envuidgid "$name" true; done

#: the variables, and their places
env -i A=1 UID=old B=2 C=3 "$(command -v envuidgid)" nobody /usr/bin/env
env -i "$(command -v envuidgid)" root /usr/bin/env

#: nothing else changes
envuidgid nobody sh -c '[ $(id -u) != 65534 ] || [ $UID = 65534 ]'

#: no such program
code envuidgid nobody nosuchprogram
