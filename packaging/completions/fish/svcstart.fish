complete -c svcstart -l settle -d 'How long it must stay up to count as started, unless it says itself when it is ready' -r
complete -c svcstart -s w -l wait -d 'Wait at most so long [default: as timeout-up says, 90 at least]' -r
complete -c svcstart -s q -l quiet -d 'Say nothing but failures'
complete -c svcstart -s v -l verbose -d 'Tell pid and uptime'
complete -c svcstart -s h -l help -d 'Print help (see more with \'--help\')'
