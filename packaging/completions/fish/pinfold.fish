# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_pinfold_global_optspecs
    string join \n h/help V/version
end

function __fish_pinfold_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_pinfold_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_pinfold_using_subcommand
    set -l cmd (__fish_pinfold_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c pinfold -n "__fish_pinfold_needs_command" -s h -l help -d 'Print help'
complete -c pinfold -n "__fish_pinfold_needs_command" -s V -l version -d 'Print version'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "status" -d 'Show what services do'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "tree" -d 'Show the processes of services'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "metrics" -d 'Print the state of services for Prometheus'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "start" -d 'Start services, and check that they work'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "stop" -d 'Stop services, and check that nothing of them is left'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "restart" -d 'Stop and start services, those that are running'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "reset" -d 'Stop services that have a file `down` in their directory, start the others'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "enable" -d 'Start services, now and at every boot'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "disable" -d 'Stop services, now and at every boot'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "wait" -d 'Wait until services are up, ready or down'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "scan" -d 'Have svscan look at its directory again'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "upgrade" -d 'Replace the running svscan by the installed one'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "check" -d 'Look for mistakes in service directories'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "import" -d 'Take over services of daemontools, runit and systemd'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "doctor" -d 'Find out how well services can be kept together here'
complete -c pinfold -n "__fish_pinfold_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pinfold -n "__fish_pinfold_using_subcommand status" -l json -d 'Print JSON; its fields are listed in docs/json.md'
complete -c pinfold -n "__fish_pinfold_using_subcommand status" -s v -l verbose -d 'Show log services and last stops; of NAMEs also what they use, and what they last said'
complete -c pinfold -n "__fish_pinfold_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pinfold -n "__fish_pinfold_using_subcommand tree" -l json -d 'Print JSON; its fields are listed in docs/json.md'
complete -c pinfold -n "__fish_pinfold_using_subcommand tree" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pinfold -n "__fish_pinfold_using_subcommand metrics" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pinfold -n "__fish_pinfold_using_subcommand start" -l settle -d 'How long it must stay up to count as started, unless it says itself when it is ready' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand start" -s w -l wait -d 'Wait at most so long [default: as timeout-up says, 90 at least]' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand start" -s q -l quiet -d 'Say nothing but failures'
complete -c pinfold -n "__fish_pinfold_using_subcommand start" -s v -l verbose -d 'Tell pid and uptime'
complete -c pinfold -n "__fish_pinfold_using_subcommand start" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pinfold -n "__fish_pinfold_using_subcommand stop" -s w -l wait -d 'Wait at most so long [default: 90]' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand stop" -s k -l kill -d 'Kill at once, instead of telling it to end and waiting'
complete -c pinfold -n "__fish_pinfold_using_subcommand stop" -s A -l all -d 'Also stop those that `kill-mode: leader` would leave'
complete -c pinfold -n "__fish_pinfold_using_subcommand stop" -s q -l quiet -d 'Say nothing but failures'
complete -c pinfold -n "__fish_pinfold_using_subcommand stop" -s v -l verbose -d 'Tell who was there and how each ended'
complete -c pinfold -n "__fish_pinfold_using_subcommand stop" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pinfold -n "__fish_pinfold_using_subcommand restart" -l settle -d 'How long it must stay up to count as started, unless it says itself when it is ready' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand restart" -s w -l wait -d 'Wait at most so long for each step [default: 90, a start at least timeout-up]' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand restart" -s k -l kill -d 'Kill at once, instead of telling it to end and waiting'
complete -c pinfold -n "__fish_pinfold_using_subcommand restart" -s A -l all -d 'Also stop those that `kill-mode: leader` would leave'
complete -c pinfold -n "__fish_pinfold_using_subcommand restart" -s q -l quiet -d 'Say nothing but failures'
complete -c pinfold -n "__fish_pinfold_using_subcommand restart" -s v -l verbose -d 'Tell who was there and how each ended'
complete -c pinfold -n "__fish_pinfold_using_subcommand restart" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pinfold -n "__fish_pinfold_using_subcommand reset" -l settle -d 'How long it must stay up to count as started, unless it says itself when it is ready' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand reset" -s w -l wait -d 'Wait at most so long for each step [default: 90, a start at least timeout-up]' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand reset" -s k -l kill -d 'Kill at once, instead of telling it to end and waiting'
complete -c pinfold -n "__fish_pinfold_using_subcommand reset" -s A -l all -d 'Also stop those that `kill-mode: leader` would leave'
complete -c pinfold -n "__fish_pinfold_using_subcommand reset" -s q -l quiet -d 'Say nothing but failures'
complete -c pinfold -n "__fish_pinfold_using_subcommand reset" -s v -l verbose -d 'Tell who was there and how each ended'
complete -c pinfold -n "__fish_pinfold_using_subcommand reset" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pinfold -n "__fish_pinfold_using_subcommand enable" -l settle -d 'How long it must stay up to count as started, unless it says itself when it is ready' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand enable" -s w -l wait -d 'Wait at most so long [default: as timeout-up says, 90 at least]' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand enable" -s q -l quiet -d 'Say nothing but failures'
complete -c pinfold -n "__fish_pinfold_using_subcommand enable" -s v -l verbose -d 'Tell pid and uptime'
complete -c pinfold -n "__fish_pinfold_using_subcommand enable" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pinfold -n "__fish_pinfold_using_subcommand disable" -s w -l wait -d 'Wait at most so long [default: 90]' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand disable" -s k -l kill -d 'Kill at once, instead of telling it to end and waiting'
complete -c pinfold -n "__fish_pinfold_using_subcommand disable" -s A -l all -d 'Also stop those that `kill-mode: leader` would leave'
complete -c pinfold -n "__fish_pinfold_using_subcommand disable" -s q -l quiet -d 'Say nothing but failures'
complete -c pinfold -n "__fish_pinfold_using_subcommand disable" -s v -l verbose -d 'Tell who was there and how each ended'
complete -c pinfold -n "__fish_pinfold_using_subcommand disable" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pinfold -n "__fish_pinfold_using_subcommand wait" -s t -l timeout -d 'Wait at most so long [default: for ever]' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand wait" -l up -d 'Wait until they are up'
complete -c pinfold -n "__fish_pinfold_using_subcommand wait" -l ready -d 'Wait until they are ready'
complete -c pinfold -n "__fish_pinfold_using_subcommand wait" -l down -d 'Wait until they are down'
complete -c pinfold -n "__fish_pinfold_using_subcommand wait" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pinfold -n "__fish_pinfold_using_subcommand scan" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pinfold -n "__fish_pinfold_using_subcommand upgrade" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pinfold -n "__fish_pinfold_using_subcommand check" -l json -d 'Print JSON; its fields are listed in docs/json.md'
complete -c pinfold -n "__fish_pinfold_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pinfold -n "__fish_pinfold_using_subcommand import" -l into -d 'The scan directory [default: $SVDIR, else /service, else /etc/service]' -r -F
complete -c pinfold -n "__fish_pinfold_using_subcommand import" -l name -d 'What the service is to be called [default: as its directory or unit]; with one SOURCE only' -r
complete -c pinfold -n "__fish_pinfold_using_subcommand import" -s n -l dry-run -d 'Only show what would be written'
complete -c pinfold -n "__fish_pinfold_using_subcommand import" -l json -d 'Print JSON; its fields are listed in docs/json.md'
complete -c pinfold -n "__fish_pinfold_using_subcommand import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pinfold -n "__fish_pinfold_using_subcommand doctor" -l json -d 'Print JSON; its fields are listed in docs/json.md'
complete -c pinfold -n "__fish_pinfold_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from status tree metrics start stop restart reset enable disable wait scan upgrade check import doctor help" -f -a "status" -d 'Show what services do'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from status tree metrics start stop restart reset enable disable wait scan upgrade check import doctor help" -f -a "tree" -d 'Show the processes of services'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from status tree metrics start stop restart reset enable disable wait scan upgrade check import doctor help" -f -a "metrics" -d 'Print the state of services for Prometheus'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from status tree metrics start stop restart reset enable disable wait scan upgrade check import doctor help" -f -a "start" -d 'Start services, and check that they work'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from status tree metrics start stop restart reset enable disable wait scan upgrade check import doctor help" -f -a "stop" -d 'Stop services, and check that nothing of them is left'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from status tree metrics start stop restart reset enable disable wait scan upgrade check import doctor help" -f -a "restart" -d 'Stop and start services, those that are running'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from status tree metrics start stop restart reset enable disable wait scan upgrade check import doctor help" -f -a "reset" -d 'Stop services that have a file `down` in their directory, start the others'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from status tree metrics start stop restart reset enable disable wait scan upgrade check import doctor help" -f -a "enable" -d 'Start services, now and at every boot'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from status tree metrics start stop restart reset enable disable wait scan upgrade check import doctor help" -f -a "disable" -d 'Stop services, now and at every boot'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from status tree metrics start stop restart reset enable disable wait scan upgrade check import doctor help" -f -a "wait" -d 'Wait until services are up, ready or down'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from status tree metrics start stop restart reset enable disable wait scan upgrade check import doctor help" -f -a "scan" -d 'Have svscan look at its directory again'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from status tree metrics start stop restart reset enable disable wait scan upgrade check import doctor help" -f -a "upgrade" -d 'Replace the running svscan by the installed one'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from status tree metrics start stop restart reset enable disable wait scan upgrade check import doctor help" -f -a "check" -d 'Look for mistakes in service directories'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from status tree metrics start stop restart reset enable disable wait scan upgrade check import doctor help" -f -a "import" -d 'Take over services of daemontools, runit and systemd'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from status tree metrics start stop restart reset enable disable wait scan upgrade check import doctor help" -f -a "doctor" -d 'Find out how well services can be kept together here'
complete -c pinfold -n "__fish_pinfold_using_subcommand help; and not __fish_seen_subcommand_from status tree metrics start stop restart reset enable disable wait scan upgrade check import doctor help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
