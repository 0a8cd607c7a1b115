# SPDX-License-Identifier: LGPL-2.1-or-later
# bpfmonctl(1) completion for bash: bpfmonctl itself knows what may come.

_bpfmonctl() {
        local line=${COMP_LINE:0:COMP_POINT} word before candidate IFS=$' \t\n'
        local -a words

        # bash breaks words at = and others; we do not.
        read -ra words <<<"$line"
        [[ $line == *[[:space:]] ]] && words+=("")
        word=${words[-1]}

        # What bash takes for the word begins behind the last of these.
        before=${word%"${word##*[=:<>]}"}
        COMPREPLY=()
        while IFS=$'\t' read -r candidate _; do
                case $candidate in
                :files*)
                        compopt -o filenames 2>/dev/null
                        mapfile -t COMPREPLY < <(compgen -f -- "${word#"${candidate#:files }"}")
                        return
                        ;;
                :commands*)
                        mapfile -t COMPREPLY < <(compgen -c -- "${word#"${candidate#:commands }"}")
                        return
                        ;;
                *=)
                        compopt -o nospace 2>/dev/null
                        ;;
                esac
                COMPREPLY+=("${candidate#"$before"}")
        done < <("$1" --complete -- "${words[@]:1}" 2>/dev/null)
}
complete -F _bpfmonctl bpfmonctl
