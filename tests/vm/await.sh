# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
# What the checks of all guests begin with.

# await TENTHS COMMAND…: repeats a command until it succeeds. Says so when it does not.
await() {
        left=$1
        shift
        until "$@"; do
                left=$((left - 1))
                [ "$left" -gt 0 ] || {
                        echo "await: no success: $*"
                        return 1
                }
                sleep 0.1
        done
}

# Whether everything is attached. What bpfmonctl said last stays in wait.log.
watching() {
        bpfmonctl status --json=short >"${out:-/out}/wait.log" 2>&1 &&
                grep -q '"state":"watching"' "${out:-/out}/wait.log"
}

watching_or_dead() {
        # shellcheck disable=SC2154 # of who started it
        watching || ! kill -0 "$daemon" 2>/dev/null
}

# rounds ROADS: a round for each of them, with the options that keep bpfmond to it.
rounds() {
        for road in $1; do
                case $road in
                kprobes) round kprobes ;;
                tracepoints) round tracepoints --no-kprobes ;;
                esac
        done
}
