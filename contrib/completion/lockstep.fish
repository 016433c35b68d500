# Completion of lockstep(1) for fish.  The program itself knows what may follow:
# "lockstep __complete WORD... CURRENT" (manager-tui/complete.h).

function __lockstep_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program $words[1]
    set -e words[1]
    set -l lines ($program __complete $words "$current" 2>/dev/null)
    switch "$lines[1]"
        case files
            __fish_complete_path "$current"
        case folders
            __fish_complete_directories "$current"
        case words
            set -e lines[1]
            printf '%s\n' $lines
    end
end

complete -c lockstep -f -a '(__lockstep_complete)'
