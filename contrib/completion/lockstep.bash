# shellcheck shell=bash
# Completion of lockstep(1) for bash.  The program itself knows what may follow:
# "lockstep __complete WORD... CURRENT" (manager-tui/complete.h).

_lockstep() {
    local line=${COMP_LINE:0:COMP_POINT} breaks=${COMP_WORDBREAKS//[^=:]/}
    local words=() rest word kind value i

    # bash has split at "=" and ":" too: what has no blank between is one word.
    for ((i = 0; i <= COMP_CWORD; i++)); do
        rest=${line#"${line%%[![:space:]]*}"}
        word=${COMP_WORDS[i]}
        ((i < COMP_CWORD)) || word=$rest
        if ((i > 0)) && [[ -n $line && $rest == "$line" ]]; then
            words[${#words[@]} - 1]+=$word
        else
            words+=("$word")
        fi
        line=${rest#"$word"}
    done
    # Only what stands behind the last such character is replaced.
    word=${words[${#words[@]} - 1]}
    [[ -z $breaks ]] || word=${word##*["$breaks"]}
    word=${words[${#words[@]} - 1]%"$word"}

    COMPREPLY=()
    {
        read -r kind
        while IFS=$'\t' read -r value _; do
            value=${value#"$word"}
            if [[ $value == *[!A-Za-z0-9_.:/=,@%+-]* ]]; then
                printf -v value %q "$value"
            fi
            COMPREPLY+=("$value")
        done
    } < <("$1" __complete "${words[@]:1}" 2>/dev/null)
    case $kind in
    files) compopt -o default ;;
    folders) compopt -o dirnames ;;
    esac
}

complete -F _lockstep lockstep
