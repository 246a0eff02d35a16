complete -c svcrestart -l settle -d 'How long it must stay up to count as started, unless it says itself when it is ready' -r
complete -c svcrestart -s w -l wait -d 'Wait at most so long for each step [default: 90, a start at least timeout-up]' -r
complete -c svcrestart -s k -l kill -d 'Kill at once, instead of telling it to end and waiting'
complete -c svcrestart -s A -l all -d 'Also stop those that `kill-mode: leader` would leave'
complete -c svcrestart -s q -l quiet -d 'Say nothing but failures'
complete -c svcrestart -s v -l verbose -d 'Tell who was there and how each ended'
complete -c svcrestart -s h -l help -d 'Print help (see more with \'--help\')'
