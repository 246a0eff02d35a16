complete -c svcstop -s w -l wait -d 'Wait at most so long [default: 90]' -r
complete -c svcstop -s k -l kill -d 'Kill at once, instead of telling it to end and waiting'
complete -c svcstop -s A -l all -d 'Also stop those that `kill-mode: leader` would leave'
complete -c svcstop -s q -l quiet -d 'Say nothing but failures'
complete -c svcstop -s v -l verbose -d 'Tell who was there and how each ended'
complete -c svcstop -s h -l help -d 'Print help (see more with \'--help\')'
