#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs in a guest with a Debian of its own, under systemd: with the rules that are installed, first what a stock machine
# does by itself, then what somebody does who means harm. Nothing is judged here; everything goes to /out.

PATH=/usr/sbin:/usr/bin:/payload/tools
unit=watch.service

# shellcheck source=tests/vm/await.sh
. /payload/await.sh

listening() {
        trigger map-create first >/dev/null
        sleep 0.3
        [[ -s /out/$1 ]]
}

# A map whose event says how far the events have come.
mark() {
        trigger map-create "$1" >/dev/null
        await 300 grep -q "\"map.name\":\"$1\"" /out/events
}

# act NAME COMMAND…: what it reports goes to a file.
act() {
        local name=$1
        shift
        "$@" >"/out/acts/$name" 2>"/out/acts/$name.err"
        echo $? >"/out/acts/$name.status"
}

# What systemd does for its own services, all of which have BPF programs or filters; and for one with all that it has.
stock() {
        systemctl daemon-reexec
        systemctl restart systemd-udevd systemd-journald
        systemctl start systemd-logind
        systemctl restart systemd-logind
        systemd-run --wait --unit=limited -p IPAddressDeny=192.0.2.0/24 -p RestrictNetworkInterfaces=~lo \
                -p DevicePolicy=closed -p RestrictFileSystems=~tracefs -p SystemCallFilter=~@swap true
        systemd-run --wait --unit=agent -p StandardOutput=file:/out/acts/agent trigger prog-type 2
        systemd-run --scope --unit=session-7 trigger map-create
}

harm() {
        for kind in memory result signal; do
                act "$kind" trigger prog-dangerous "$kind"
        done
        act outside systemd-run --quiet --scope trigger prog-type 2
        act container systemd-run --quiet --scope --unit=machine-box trigger prog-load
        sysctl -q kernel.unprivileged_bpf_disabled=0 || echo 0 >/proc/sys/kernel/unprivileged_bpf_disabled
        act unprivileged setpriv --reuid 65534 --regid 65534 --clear-groups trigger prog-load
        for _ in {1..52}; do
                trigger prog-reject
        done >/out/acts/rejected
        act tamper trigger tamper-open
        act again trigger prog-dangerous memory
}

mkdir -p /out/acts
systemctl start $unit || systemctl status --no-pager $unit
await 1200 watching || exit 1
bpfmonctl subscribe --json=short >/out/events 2>/out/events.err &
events=$!
await 60 listening events

echo "== stock"
stock
mark stock_is_over
echo "== harm"
harm
mark harm_is_over

# What was seen is kept over a restart.
systemctl restart $unit
await 1200 watching
mark restarted
act known trigger prog-load
mark all_is_over

bpfmonctl query --json=short 'severity>=warning' >/out/past 2>/out/past.err
bpfmonctl query --json=short event=prog-load >/out/loads 2>/out/loads.err
journalctl --update-catalog
journalctl -o json --all --no-pager MESSAGE_ID=b1bd85dc2c7d4e009cec17933e8fe75e >/out/alerts
journalctl -x --no-pager MESSAGE_ID=b1bd85dc2c7d4e009cec17933e8fe75e >/out/alerts.text
bpfmonctl status --json=short >/out/status
kill -TERM "$events"
wait "$events"
systemctl stop $unit
journalctl -u $unit --no-pager >/out/daemon.log
