# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
# Runs in a guest: the daemon, what it watches, and two subscriptions that write down what they get. Nothing is judged
# here; everything goes to /out.

export DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/bus

# shellcheck source=tests/vm/await.sh
. /await.sh

# settle FILE KIND ACTION…: until an event that the action makes now has come: so have those before it.
settle() {
        file=$1 kind="\"event\":\"$2\""
        shift 2
        seen=$(grep -c "$kind" "$file")
        left=100
        while [ "$(grep -c "$kind" "$file")" -le "$seen" ]; do
                left=$((left - 1))
                [ "$left" -gt 0 ] || {
                        echo "settle: no $kind in $file"
                        return 1
                }
                trigger "$@" >/dev/null
                sleep 0.2
        done
}

settle_both() {
        settle "$out/events" map-create map-create
        settle "$out/use" prog-run prog-run
}

# What is in the kernel, without what changes from call to call.
objects() {
        trigger list-objects | sed 's/.*"progs"/{"progs"/'
}

same_objects() {
        [ "$(objects)" = "$(cat "$out/before")" ]
}

# act: the actions on standard input, a label and an action a line; their reports go to $out/truth. One that is labelled
# "settle" waits until all before it have been told.
# shellcheck disable=SC2086
act() {
        while read -r label action; do
                [ "$label" != settle ] || {
                        settle_both
                        continue
                }
                trigger $action >"$out/truth/$label" 2>"$out/truth/$label.err" </dev/null
                echo $? >"$out/truth/$label.status"
        done
}

# hold: the actions on standard input, each in a process of its own that stays until fd 7 is closed.
# shellcheck disable=SC2086
hold() {
        rm -f /tmp/held
        mkfifo /tmp/held
        exec 7<>/tmp/held
        held=
        while read -r label action; do
                set -- trigger --hold ${action#apart }
                [ "$action" = "${action#apart }" ] || set -- unshare -n "$@"
                "$@" >"$out/inventory/held/$label" 2>"$out/inventory/held/$label.err" </tmp/held 7>&- &
                held="$held $!"
                # One after the other: some take the same device.
                left=300
                until [ -s "$out/inventory/held/$label" ] || ! kill -0 $! 2>/dev/null || [ "$left" = 0 ]; do
                        left=$((left - 1))
                        sleep 0.1
                done
        done
}

let_go() {
        exec 7>&-
        # shellcheck disable=SC2086
        wait $held
        rm -f /sys/fs/bpf/held
}

# inventory: what bpfmon and bpftool list at the same time.
inventory() {
        mkdir -p "$out/inventory/held"
        hold </held
        for kind in prog map link btf; do
                bpftool -jf $kind list >"$out/inventory/$kind.before" 2>>"$out/inventory/bpftool.err"
        done
        for kind in programs maps links btf; do
                bpfmonctl --json=short $kind >"$out/inventory/$kind.ours" 2>"$out/inventory/$kind.err"
        done
        for kind in prog map link btf; do
                bpftool -jf $kind list >"$out/inventory/$kind.after" 2>>"$out/inventory/bpftool.err"
        done
        # Of all at once, bpftool tells the BTF of the map before for a map without any (from Linux 6.18 on).
        grep -v '"map.btf_id"' "$out/inventory/maps.ours" | sed 's/.*"map.id":\([0-9]*\).*/\1/' | while read -r id; do
                bpftool -jf map show id "$id" 2>>"$out/inventory/bpftool.err"
        done >"$out/inventory/map.alone"
        bpftool -j net list >"$out/inventory/net" 2>>"$out/inventory/bpftool.err"
        bpftool -j cgroup tree >"$out/inventory/cgroup" 2>>"$out/inventory/bpftool.err"
        bpftool -j perf list >"$out/inventory/perf" 2>>"$out/inventory/bpftool.err"
        let_go
}

# hide: a program that answers in the kernel's place, when somebody lists programs, that there are none.
hide() {
        grep -c '"event":"hidden-object"' "$out/events" >"$out/inventory/hidden.before"
        echo "hide hide-programs" >/tmp/hide
        hold </tmp/hide
        bpfmonctl --json=short programs >"$out/inventory/hidden.ours" 2>"$out/inventory/hidden.err"
        settle "$out/events" map-create map-create
        let_go
}

content_fields=seq,event,class,result,errno,process.pid,process.tid,process.name,process.executable,user.id,\
bpf.cmd,bpf.return,map.id,map.name,map.key,map.value

# round NAME [OPTION…]: the daemon with these options, from start to end.
round() {
        out=/out/$1
        shift
        mkdir -p "$out/truth"
        objects >"$out/before"

        trigger life-leave /sys/fs/bpf/existing

        bpfmond --debug "$@" >"$out/daemon.log" 2>&1 &
        daemon=$!
        await 900 watching_or_dead
        watching || return
        # What is settled in is there before who writes it.
        : >"$out/events" >"$out/use" >"$out/content"
        bpfmonctl subscribe --json=short >"$out/events" 2>"$out/events.err" &
        events=$!
        bpfmonctl subscribe --json=short class=use class=look >"$out/use" 2>"$out/use.err" &
        use=$!
        settle_both
        # The first look: what it finds missing is told as hidden when it still is two minutes later.
        bpfmonctl programs >/dev/null 2>&1

        act </actions
        rm -f /sys/fs/bpf/pinned /sys/fs/bpf/existing
        settle_both

        # Keys and values are there while somebody asks for them.
        bpfmonctl subscribe --json=short --fields="$content_fields" class=use >"$out/content" 2>"$out/content.err" &
        content=$!
        settle "$out/content" prog-run prog-run
        act </contents
        settle "$out/content" prog-run prog-run
        settle_both
        kill -TERM "$content"
        wait "$content"

        inventory
        hide
        settle_both
        for verb in probes status callers; do
                bpfmonctl $verb --json=short >"$out/$verb" 2>"$out/$verb.err"
        done
        timeout 60 bpfmond "$@" >"$out/second.log" 2>&1
        echo $? >"$out/second.status"

        kill -TERM "$events" "$use"
        wait "$events" "$use"
        kill -TERM "$daemon"
        wait "$daemon"
        echo $? >"$out/daemon.status"
        # The kernel frees late what was attached, later where it is emulated. What leaks stays for ever.
        await 300 same_objects
        objects >"$out/after"
}

mkdir -p /sys/fs/cgroup/test /sys/fs/cgroup/held /sys/fs/cgroup/held-multi
dbus-daemon --config-file=/bus.conf --fork --nopidfile
dmesg >/out/dmesg-before
# A word of the kernel's command line says which.
rounds "$(sed 's/.*roads=\([a-z,]*\).*/\1/; s/,/ /g' /proc/cmdline)"
