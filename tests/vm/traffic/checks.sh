# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
# Runs in a guest: connections, and a subscription to them that writes down what it gets. Nothing is judged here;
# everything goes to /out.

export DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/bus

# shellcheck source=tests/vm/await.sh
. /await.sh

attached() {
        bpfmonctl probes --json=short | grep '"probe.name":"connection-state"' | grep -q '"probe.state":"attached"'
}

# talk LABEL ARGUMENT…: a connection of the test program.
talk() {
        act talk "$@"
}

# act ACTION LABEL ARGUMENT…
act() {
        action=$1 label=$2
        shift 2
        trigger "$action" "$@" >"$out/truth/$label" 2>"$out/truth/$label.err"
}

# Over and over: the daemon is interrupted while it reads the map, too.
listing() {
        while bpfmonctl connections >/dev/null 2>&1; do
                :
        done
}

# Whether the connections to each place have been told to be closed.
all_closed() {
        for truth in "$out"/truth/existing-tcp4 "$out"/truth/existing-unix "$out"/truth/talk-tcp4 \
                "$out"/truth/talk-tcp6 "$out"/truth/talk-unix "$out"/truth/chatter-*; do
                place=$(sed -n 's/.*"port":\([0-9]*\).*/"destination.port":\1[,}]/p
                        s/.*"path":\("[^"]*"\).*/"destination.address":\1/p' "$truth")
                [ "$place" ] || return 1
                connections=$(sed -n 's/.*"connections":\([0-9]*\).*/\1/p' "$truth")
                closed=$(grep '"event":"connection-close"' "$out/events" | grep -c "$place")
                [ "$closed" -ge "${connections:-1}" ] || return 1
        done
}

redis_up() {
        redis-cli -p 6379 ping >/dev/null 2>&1
}

# A real server under its own load, by TCP and by its socket.
redis() {
        redis-server --port 6379 --unixsocket /tmp/redis.sock --save '' --dir /tmp >"$out/redis.log" 2>&1 &
        server=$!
        await 300 redis_up
        redis-benchmark -p 6379 -t get -n 1000 -c 2 --csv >"$out/redis-tcp" 2>&1
        redis-benchmark -s /tmp/redis.sock -t get -n 1000 -c 2 --csv >"$out/redis-unix" 2>&1
        kill "$server"
        wait "$server"
}

postgres_ready() {
        await 600 postgres_up_or_dead
}

postgres_up_or_dead() {
        postgres_up || ! kill -0 "$server" 2>/dev/null
}

postgres_up() {
        psql -h /tmp -U nobody -d postgres -c 'SELECT 1' >/dev/null 2>&1
}

# As nobody: it runs as no superuser. pgbench says how many transactions it made.
postgres() {
        [ -d /postgres/data ] || return
        chown -R 65534:65534 /postgres
        chmod 700 /postgres/data
        chmod 1777 /tmp /dev/shm
        become --reuid=65534 --regid=65534 --clear-groups "$bin/postgres" -D /postgres/data -k /tmp -h 127.0.0.1 \
                >"$out/postgres.log" 2>&1 &
        server=$!
        postgres_ready
        for where in 127.0.0.1 /tmp; do
                pgbench -h "$where" -U nobody -n -S -c 1 -t 100 postgres
                psql -h "$where" -U nobody -d postgres -c 'SELECT pg_sleep(3)'
        done >"$out/pgbench" 2>&1
        kill -INT "$server"
        wait "$server"
}

# round NAME [OPTION…]: the daemon with these options, from start to end.
round() {
        out=/out/$1
        shift
        mkdir -p "$out/truth"
        bpfmond --debug "$@" >"$out/daemon.log" 2>&1 &
        daemon=$!
        await 900 watching_or_dead
        watching || return
        # Two are open before anybody asks for any.
        for kind in tcp4 unix; do
                rm -f "/tmp/$kind.there" "/tmp/$kind.go"
                talk "existing-$kind" "$kind" "/tmp/$kind" &
                await 300 [ -e "/tmp/$kind.there" ]
        done
        bpfmonctl subscribe --json=short event=connection-open event=connection-close event=lost >"$out/events" \
                2>"$out/events.err" &
        events=$!
        await 300 attached
        bpfmonctl connections --json=short >"$out/before" 2>"$out/before.err"
        touch /tmp/tcp4.go /tmp/unix.go
        for kind in tcp4 tcp6 unix; do
                talk "talk-$kind" "$kind"
        done
        for kind in tcp4 unix; do
                listing &
                lister=$!
                act chatter "chatter-$kind" "$kind"
                kill "$lister"
                wait "$lister"
        done
        # Those of AF_UNIX are found to be gone within a few seconds where nobody reads so.
        await 150 all_closed
        redis
        postgres
        sleep 8
        bpfmonctl connections --json=short >"$out/after" 2>"$out/after.err"
        bpfmonctl probes --json=short >"$out/probes" 2>"$out/probes.err"
        bpfmonctl status --json=short >"$out/status" 2>"$out/status.err"
        kill -TERM "$events"
        wait "$events"
        kill -TERM "$daemon"
        wait "$daemon"
        echo $? >"$out/daemon.status"
}

bin=$(cat /postgres/bin 2>/dev/null)
mkdir -p /dev/shm /root
mount -t tmpfs tmpfs /dev/shm
dbus-daemon --config-file=/bus.conf --fork --nopidfile
dmesg >/out/dmesg-before
read -r roads </roads
rounds "$roads"
