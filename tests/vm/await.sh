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
