#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs in a guest with a Debian of its own, as root under systemd: installs bpfmon as a package would, and lets users of
# several kinds ask for what they may and may not have. Nothing is judged here; everything goes to /out.

PATH=/usr/sbin:/usr/bin:/payload/tools
rule=/etc/polkit-1/rules.d/50-bpfmon.rules
unit=bpfmond.service

# shellcheck source=tests/vm/await.sh
. /payload/await.sh

# of PROPERTY of the service.
of() {
        systemctl show -P "$1" $unit
}

main_is_not() {
        [[ $(of MainPID) != "$1" && $(of MainPID) != 0 && $(of ActiveState) == active ]]
}

# run NAME USER COMMAND…: keeps what it prints, and how it ends. The user has no session.
run() {
        start "$@"
        wait "${started[$1]}"
        echo $? >"/out/$1.status"
}

declare -A started

# start NAME USER COMMAND…: in the background.
start() {
        local name=$1 user=$2
        shift 2
        timeout --foreground -k 5 "${patience:-240}" setpriv --reuid "$user" --regid "$user" --init-groups --reset-env -- "$@" \
                >"/out/$name" 2>"/out/$name.err" </dev/null &
        started[$name]=$!
}

# stop NAME: by Ctrl-C.
stop() {
        kill -INT "${started[$1]}"
        wait "${started[$1]}"
        echo $? >"/out/$1.status"
}

# A map that is gone at once; of a user who may not make one, a call that is refused.
make_map() {
        setpriv --reuid "$1" --regid "$1" --init-groups --reset-env /payload/tools/trigger map-create >/dev/null 2>&1
}

has_map() {
        grep -q "\"event\":\"map-create\".*\"user.id\":$(id -u "$2")\b" "$1"
}

# told NAME USER: until the one that was started has seen a call of this user, or has ended.
told() {
        for _ in {1..40}; do
                make_map "$2"
                sleep 0.3
                has_map "/out/$1" "$2" && return
                kill -0 "${started[$1]}" 2>/dev/null || break
        done
        echo "told: $1 has seen nothing of $2"
}

# The ids of what the service has in the kernel: others' objects come and go with their own services.
list_ours() {
        for each in programs:prog maps:map links:link btf:btf; do
                bpfmonctl "${each%:*}" own=yes --json=short | grep -o "\"${each#*:}\.id\":[0-9]*" |
                        sed "s/.*:/${each#*:}s /" | sort -u
        done
}

# Writes those of them that are still there.
list_left() {
        local now ids
        now=$(trigger list-objects)
        : >/out/objects.left
        while read -r kind id; do
                ids=${now#*\""$kind"\":[}
                [[ ,${ids%%]*}, != *,"$id",* ]] || echo "$kind $id" >>/out/objects.left
        done </out/objects.ours
}

nothing_left() {
        list_left
        [[ ! -s /out/objects.left ]]
}

# with NAME LINE…: a drop-in of the service.
with() {
        local name=$1
        shift
        mkdir -p "/run/systemd/system/$unit.d"
        printf '%s\n' '[Service]' "$@" >"/run/systemd/system/$unit.d/$name.conf"
        systemctl daemon-reload
}

without() {
        rm "/run/systemd/system/$unit.d/$1.conf"
        systemctl daemon-reload
}

# What packages do when they are installed: polkit's, and ours. The bus is told of new policies as Debian's trigger does
# it.
install_it() {
        chmod 4755 /usr/lib/polkit-1/polkit-agent-helper-1
        cp -a /payload/install/. /
        systemd-sysusers
        systemd-tmpfiles --create
        journalctl --update-catalog
        systemctl daemon-reload
        systemctl preset $unit
        run enabled root systemctl is-enabled $unit
        busctl call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus ReloadConfig
        sed -i 's/^\(bpfmon:[^:]*:[^:]*:\).*/\1bob/' /etc/group
        systemctl start systemd-logind
        systemctl start polkit || journalctl -u polkit --no-pager
}

# Two users call at once what is not running. An emulated machine takes longer to load the programs than clients wait.
activate() {
        of ActiveState >/out/activation.before
        start activation.busctl bob busctl --json=short call org.bpfmon1 /org/bpfmon1 org.bpfmon1.Manager \
                ListCallers 'asa{sv}' 0 0
        run activation alice bpfmonctl status --json=short
        wait "${started[activation.busctl]}"
        echo $? >/out/activation.busctl.status
        systemctl start $unit
        of ActiveState >/out/activation.after
        run activated alice bpfmonctl status --json=short
}

look_at_it() {
        local pid
        pid=$(of MainPID)
        cat "/proc/$pid/status" >/out/process
        stat -c '%U:%G %a' /var/lib/bpfmon >/out/state
        id bpfmon >/out/account
        of WatchdogUSec >/out/watchdog
        run security root systemd-analyze security --no-pager $unit
        run probes.service root bpfmonctl probes --json=short
}

# alice's own and nobody else's, root's with everything that only its capabilities let the daemon see.
see_own() {
        start own alice bpfmonctl subscribe --json=short
        start everything root bpfmonctl subscribe --json=short
        told own alice
        told everything root
        trigger perf-attach kprobe-address >/out/kprobe
        trigger perf-attach uprobe >/out/uprobe
        make_map bob
        make_map alice
        told everything bob
        stop own
        stop everything
        run others alice bpfmonctl subscribe --scope=all --no-ask-password
        run others.alerts alice bpfmonctl subscribe --scope=alerts --no-ask-password
        run level alice busctl set-property org.bpfmon1 /org/freedesktop/LogControl1 org.freedesktop.LogControl1 LogLevel s debug
        run reload alice busctl call org.bpfmon1 /org/bpfmon1 org.bpfmon1.Manager Reload
}

lets_in() {
        setpriv --reuid "$1" --regid "$1" --init-groups --reset-env -- \
                bpfmonctl callers --scope=all --no-ask-password >/dev/null 2>&1
}

# The example rule lets bob in, and alice not; without it bob has to leave. polkit finds it by itself.
let_in() {
        cp /usr/share/doc/bpfmon/examples/50-bpfmon.rules "$rule"
        await 300 lets_in bob
        start group bob bpfmonctl subscribe --scope=all --no-ask-password --json=short
        told group root
        run no_group alice bpfmonctl subscribe --scope=all --no-ask-password
        rm "$rule"
        wait "${started[group]}"
        echo $? >/out/group.status
}

# session NAME USER TTY INPUT COMMAND…: there, with its output in /out/NAME.
session() {
        local name=$1 user=$2 tty=$3 input=$4
        shift 4
        systemd-run --quiet --unit="$name" -p User="$user" -p PAMName=login -p TTYPath="/dev/$tty" \
                -p StandardInput="$input" -p StandardOutput="file:/out/$name" -p StandardError="file:/out/$name.err" \
                -p RuntimeMaxSec=300 "$@"
}

not_running() {
        [[ $(systemctl show -P ActiveState "$1") != active ]]
}

# type_password NAME ENDED…: gives the password to what has asked for it; then maps are made until it has ended.
type_password() {
        local name=$1
        shift
        exec 5>/tmp/keys
        await 300 grep -q "Password:" "/out/$name" && cat /payload/password >&5
        for _ in {1..60}; do
                make_map root
                sleep 0.3
                "$@" && break
        done
        exec 5>&-
}

has_ended() {
        ! kill -0 "${started[$1]}" 2>/dev/null
}

# At a terminal, in a session and without one, the password of an administrator lets alice in.
ask_password() {
        local watch="bpfmonctl subscribe --scope=all --json=short -n 1 event=map-create user.id=0"
        mkfifo /tmp/keys
        : >/out/password.status
        chown alice /out/password.status
        # shellcheck disable=SC2016 # of the other shell
        session password alice tty3 file:/tmp/keys bash -c 'script -qefc "$0" /dev/null; echo $? >/out/password.status' \
                "$watch"
        type_password password not_running password
        systemctl stop password 2>/dev/null
        start password.bare alice bash -c 'script -qefc "$0" /dev/null </tmp/keys' "$watch"
        type_password password.bare has_ended password.bare
        wait "${started[password.bare]}"
        echo $? >/out/password.bare.status
}

has_alert() {
        grep -q '"event":"tamper"' /out/desktop && return
        trigger tamper-open >/dev/null
        sleep 0.3
        grep -q '"event":"tamper"' /out/desktop
}

sit_down() {
        for each in "desktop dora tty1" "elsewhere alice tty2"; do
                # shellcheck disable=SC2086 # three words
                session $each tty-force bpfmonctl subscribe --scope=alerts --no-ask-password --json=short
        done
        await 300 has_alert
        loginctl --no-legend list-sessions >/out/sessions
        for each in $(loginctl --no-legend list-sessions | sed 's/^ *\([^ ]*\).*/\1/'); do
                loginctl show-session "$each" -p Name -p Active -p Remote -p Type -p TTY
        done >>/out/sessions
        systemctl stop desktop
        await 100 not_running elsewhere
        systemctl show -P Result elsewhere >/out/elsewhere.result
}

told_storm() {
        [[ -s /out/storm ]] && return
        make_map root
        sleep 0.3
        [[ -s /out/storm ]]
}

# Reads its configuration while events come.
reload_it() {
        systemctl service-log-level $unit debug
        systemctl service-log-level $unit >/out/log-level
        start storm root bpfmonctl subscribe --json=short --fields=event,process.pid,map.name event=map-create
        await 200 told_storm
        local pid
        pid=$(of MainPID)
        : >/out/made
        for each in {1..24}; do
                trigger map-create >>/out/made
                ((each % 6)) || systemctl reload $unit || echo "reload: $?"
        done
        await 300 grep -q "\"process.pid\":$(sed -n '$s/.*"pid":\([0-9]*\).*/\1/p' /out/made)\b" /out/storm
        stop storm
        [[ $pid == $(of MainPID) ]] || echo "reload: another process"
        systemctl service-log-level $unit info
        run reloaded root bpfmonctl status --json=short
}

# Loads programs until that is enough.
load_programs() {
        until [[ -e /tmp/enough ]]; do
                trigger load-storm 5 5 1
        done
}

# Kills it ten times while programs are loaded and maps made, and restarts it once. What a reader is told is compared with
# what was made.
kill_it() {
        local pid
        # More often than the service manager takes for an accident.
        with accident '[Unit]' StartLimitIntervalSec=0
        start killed root bpfmonctl subscribe --json=short event=map-create event=prog-load event=tamper \
                --fields=event,user.id,prog.id,map.id,seq,lost.count,lost.where
        told killed root
        load_programs >/out/killed.programs &
        local programs=$!
        trigger short-storm 200 >/out/killed.maps
        for each in {1..10}; do
                pid=$(of MainPID)
                kill -KILL "$pid"
                await 300 main_is_not "$pid"
        done
        of NRestarts >/out/killed.restarts
        pid=$(of MainPID)
        systemctl restart $unit
        await 300 main_is_not "$pid"
        : >/tmp/enough
        wait $programs
        # When this one is told, all before it are.
        await 300 grep -q "\"map.id\":$(trigger map-create | sed 's/.*"id":\([0-9]*\).*/\1/')\b" /out/killed
        stop killed
        without accident
        run after_kill alice bpfmonctl status --json=short
}

break_it() {
        local pid
        with dog 'WatchdogSec=15s'
        systemctl restart $unit
        pid=$(of MainPID)
        kill -STOP "$pid"
        await 600 main_is_not "$pid"
        run after_dog alice bpfmonctl status
        without dog
}

end_it() {
        list_ours >/out/objects.ours
        list_left
        cp /out/objects.left /out/objects.before
        systemctl stop $unit
        await 300 nothing_left
        journalctl -u $unit -o json --no-pager >/out/journal.json
        journalctl -x -u $unit --no-pager >/out/journal.text
}

# As root, without what the service manager takes from it.
compare() {
        systemctl disable $unit # so that no question starts it
        /usr/libexec/bpfmon/bpfmond >/out/root.log 2>&1 &
        local pid=$!
        await 900 watching
        run probes.root root bpfmonctl probes --json=short
        kill -TERM $pid
        wait $pid
}

for step in install_it activate look_at_it see_own let_in ask_password sit_down reload_it kill_it break_it end_it compare; do
        echo "== $step at $SECONDS s"
        $step
done
