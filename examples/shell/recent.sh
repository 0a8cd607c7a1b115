#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Tells the last programs that were loaded (10, or the first argument) and how the daemon is. Further arguments are
# matches: recent.sh 5 prog.type=kprobe
set -eu

number=${1-10}
shift || true
matches=("event=prog-load" "$@")

# busctl wants arrays with their length before them, and values of options with their type.
call() {
        busctl --json=short call org.bpfmon1 /org/bpfmon1 org.bpfmon1.Manager "$@"
}

# Its JSON has a {"type":…,"data":…} for each variant. What is not known is absent.
call QueryEvents 'asa{sv}' "${#matches[@]}" "${matches[@]}" 2 limit u "$number" reverse b true |
        jq --raw-output '
                .data[0] | reverse | .[] | map_values(.data) |
                "\(.time / 1000000 | floor | todate) \(.["process.name"] // "?") of \(.["user.name"] // "?"): " +
                "\(.["prog.type"] // "?") \(.["prog.name"] // ""), \(.result)"'

call GetStatus |
        jq --raw-output '
                .data[0] | map_values(.data) |
                "bpfmond \(.version) has seen \(.["events.seen"]) events and lost \(.["events.lost"])" +
                if .degraded then "; it does not see everything: bpfmonctl probes" else "" end'
