#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs in a guest with a Debian of its own, as root under systemd: installs the packages with dpkg, uses what they bring,
# installs them again, removes and purges them. Nothing is judged here; everything goes to /out.

PATH=/usr/sbin:/usr/bin:/payload/tools
export DEBIAN_FRONTEND=noninteractive
packages="bpfmond bpfmonctl bpfmon-notify"

# run NAME COMMAND…: keeps what it prints, and how it ends.
run() {
        local name=$1
        shift
        "$@" >"/out/$name" 2>&1 </dev/null
        echo $? >"/out/$name.status"
}

# All files and accounts, but for what changes by itself: logs, what dpkg and systemd write for themselves.
snapshot() {
        find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /out -o -path /payload \
                -o -path /var/log -o -path /var/lib/dpkg -o -path /var/cache -o -path /var/lib/systemd \) -prune -o -print |
                grep -Ev '^/etc/(.*-|g?shadow|\.pwd\.lock)$' | sort # of accounts, of which there is more below
        find /var -xdev -name '*bpfmon*' # even there
        getent passwd | cut -d: -f1 | sed 's/^/user /'
        getent group | cut -d: -f1 | sed 's/^/group /'
}

active() {
        systemctl is-active bpfmond
}

snapshot >/out/before

# It may take a while on an emulated processor: until then it is activating.
settled() {
        for _ in {1..300}; do
                [[ $(systemctl show -P ActiveState bpfmond) != activating ]] && return
                sleep 1
        done
}

run install dpkg --install /payload/packages/*.deb
settled
run active active
run journal journalctl -u bpfmond --no-pager
run enabled systemctl is-enabled bpfmond
run global systemctl --global is-enabled bpfmon-notify
run client bpfmonctl status
(timeout 60 bpfmonctl subscribe -j -n 1 event=map-create >/out/subscribe 2>/out/subscribe.err) &
subscriber=$!
for _ in {1..200}; do
        trigger map-create >/dev/null
        sleep 0.3
        kill -0 $subscriber 2>/dev/null || break
done
wait $subscriber
run query bpfmonctl query -n 1 -j event=map-create
run notify bpfmon-notify --version
run unit env XDG_RUNTIME_DIR=/tmp systemd-analyze --user --man=no verify /usr/lib/systemd/user/bpfmon-notify.service
run programs sh -c 'ls /usr/bin/bpfmon /usr/sbin/bpfmon /bin/bpfmon'

run again dpkg --install /payload/packages/*.deb
settled
run again-active active
run again-query bpfmonctl query -n 1 -j event=map-create

# shellcheck disable=SC2086
run remove dpkg --remove $packages
run removed-active active
snapshot >/out/removed
# shellcheck disable=SC2086
run purge dpkg --purge $packages
snapshot >/out/purged
run reload systemctl list-unit-files --no-legend 'bpfmon*' 'dbus-org.bpfmon1*'
