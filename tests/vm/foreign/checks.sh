#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs in a guest with a Debian of its own, under systemd: tools that know nothing of bpfmon do what they do, and after
# each step bpftool writes down what it sees. Nothing is judged here; everything goes to /out.

# Else opensnoop sees itself look for the time zone, for ever.
export TZ=UTC0
PATH=/usr/sbin:/usr/bin:/payload/tools
programs=/payload/programs.bpf.o
pins=/sys/fs/bpf
. /payload/names
group=/sys/fs/cgroup/foreign

# shellcheck source=tests/vm/await.sh
. /payload/await.sh

# A map that is gone at once.
make_map() {
        bpftool map create "$pins/$1" type array key 4 value 4 entries 1 name "$1"
        rm "$pins/$1"
}

# Whether events come.
listening() {
        make_map first
        sleep 0.3
        [[ -s /out/events ]]
}

# A map whose event says how far the events have come.
mark() {
        make_map "$1"
        await 300 grep -q "\"map.name\":\"$1\"" /out/events || echo "mark: $1 did not come"
}

# snapshot NAME: what bpftool sees, between two marks.
snapshot() {
        local folder=/out/snapshots/$1 what
        mkdir -p "$folder"
        mark "b_$1"
        for what in prog map link net perf; do
                bpftool -j "$what" show >"$folder/$what" 2>"$folder/$what.err"
        done
        bpftool -j cgroup tree /sys/fs/cgroup >"$folder/cgroup" 2>"$folder/cgroup.err"
        mark "e_$1"
}

# start NAME PATTERN COMMAND…: in the background, until what it prints has the pattern.
start() {
        local pattern=$2
        name=$1
        shift 2
        stdbuf -oL "$@" >"/out/tools/$name" 2>&1 &
        tool=$!
        await 3000 grep -q -- "$pattern" "/out/tools/$name" || {
                echo "start: $name did not come up"
                ps -eo pid,ppid,stat,etimes,cputimes,wchan:32,args
                cat "/proc/$tool/stack"
        }
}

stop() {
        kill -INT "$tool"
        wait "$tool"
        echo "$name: status $?"
}

# tool NAME PATTERN COMMAND…: what it has in the kernel while it runs.
tool() {
        echo "== $1, after $SECONDS s"
        start "$@"
        snapshot "$1"
        stop
}

use_bpftool() {
        echo "== bpftool, after $SECONDS s"
        bpftool prog loadall "$programs" "$pins/foreign" pinmaps "$pins/foreign_maps"
        mkdir "$group"
        bpftool cgroup attach "$group" egress pinned "$pins/foreign/foreign_egress"
        bpftool net attach xdpgeneric pinned "$pins/foreign/foreign_xdp" dev dummy0
        mkdir "$pins/attached"
        bpftool prog loadall "$programs" "$pins/attached" autoattach
        snapshot bpftool
        bpftool net detach xdpgeneric dev dummy0
        bpftool cgroup detach "$group" egress pinned "$pins/foreign/foreign_egress"
        snapshot off_bpftool
        rm -r "$pins/foreign" "$pins/foreign_maps" "$pins/attached"
        snapshot no_bpftool
}

use_iproute2() {
        echo "== iproute2, after $SECONDS s"
        ip link set dev dummy0 xdpgeneric obj "$programs" sec xdp
        tc qdisc add dev dummy0 clsact
        tc filter add dev dummy0 ingress bpf direct-action obj "$programs" sec tc
        snapshot iproute2
        tc filter del dev dummy0 ingress
        ip link set dev dummy0 xdpgeneric off
        tc qdisc del dev dummy0 clsact
        snapshot no_iproute2
}

use_systemd() {
        echo "== systemd, after $SECONDS s"
        systemd-run --unit=foreign-limits \
                -p IPAddressDeny=192.0.2.0/24 -p RestrictNetworkInterfaces=~dummy0 -p DevicePolicy=closed \
                -p RestrictFileSystems=~tracefs -p SystemCallFilter=~@swap sleep infinity
        snapshot systemd
        systemctl stop foreign-limits
        snapshot no_systemd
}

mkdir -p /out/tools /out/snapshots
ip link add dummy0 type dummy
ip link set dev dummy0 up
for what in prog map link; do
        bpftool -j "$what" show >"/out/before.$what"
done
bpfmond --debug >/out/daemon.log 2>&1 &
daemon=$!
await 600 watching || exit 1
bpfmonctl subscribe --json=short >/out/events 2>/out/events.err &
events=$!
await 60 listening

snapshot idle
use_bpftool
use_iproute2
tool tcpdump "listening on" tcpdump -i lo -n -l 'tcp port 80 or udp'
tcpdump -i lo -d 'tcp port 80 or udp' >/out/tools/tcpdump-d
# shellcheck disable=SC2154 # of /payload/names
for each in "opensnoop PID" "execsnoop PCOMM" "tcplife PID"; do
        tool "${each% *}" "${each#* }" "${each% *}$libbpf_tools"
done
tool bpftrace "Attaching" bpftrace -e 'kprobe:do_nanosleep { @[comm] = count(); } tracepoint:syscalls:sys_enter_nanosleep { @a = count(); } uprobe:/usr/bin/bash:main { @b = count(); }'
use_systemd

bpfmonctl probes --json=short >/out/probes 2>/out/probes.err
kill -TERM "$events"
wait "$events"
kill -TERM "$daemon"
wait "$daemon"
echo $? >/out/daemon.status
