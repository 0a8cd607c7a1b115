# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
# Runs in a guest whose kernel can be preempted anywhere: programs are loaded beside somebody who is put aside in the
# middle of calls at a map. Nothing is judged here; everything goes to /out.

export DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/bus

# shellcheck source=tests/vm/await.sh
. /await.sh

listening() {
        trigger map-create first >/dev/null
        [ -s "$out/events" ]
}

round() {
        out=/out/$1
        shift
        mkdir -p "$out"
        bpfmond --debug "$@" >"$out/daemon.log" 2>&1 &
        daemon=$!
        await 900 watching || return
        bpfmonctl subscribe --json=short event=prog-load event=map-create >"$out/events" 2>"$out/events.err" &
        events=$!
        await 300 listening
        trigger hold-map 20 &
        holder=$!
        sleep 3
        trigger load-storm 100 10 2 >"$out/truth" 2>&1
        wait "$holder"
        sleep 2
        bpfmonctl status --json=short >"$out/status"
        sleep 2
        bpfmonctl probes --json=short >"$out/probes"
        kill "$events"
        wait "$events"
        kill "$daemon"
        wait "$daemon"
}

dbus-daemon --config-file=/bus.conf --fork --nopidfile
dmesg >/out/dmesg-before
cat /sys/kernel/debug/sched/preempt >/out/preempt
read -r roads </roads
rounds "$roads"
