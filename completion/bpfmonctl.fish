# SPDX-License-Identifier: LGPL-2.1-or-later
# bpfmonctl(1) completion for fish: bpfmonctl itself knows what may come.

function __bpfmonctl_complete
        set -l words (commandline -opc)
        set -l word (commandline -ct)
        for line in ($words[1] --complete -- $words[2..-1] $word 2>/dev/null)
                switch $line
                        case ':files*'
                                set -l prefix (string replace -r '^:files ' '' -- $line)
                                set -l rest (string sub -s (math (string length -- "$prefix") + 1) -- "$word")
                                for path in (__fish_complete_path $rest)
                                        echo $prefix$path
                                end
                        case ':commands*'
                                set -l prefix (string replace -r '^:commands ' '' -- $line)
                                set -l rest (string sub -s (math (string length -- "$prefix") + 1) -- "$word")
                                for command in (__fish_complete_command $rest)
                                        echo $prefix$command
                                end
                        case '*'
                                echo $line
                end
        end
end

complete -c bpfmonctl -f -a '(__bpfmonctl_complete)'
