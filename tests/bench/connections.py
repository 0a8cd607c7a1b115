# SPDX-License-Identifier: LGPL-2.1-or-later
"""What measuring connections costs a database, and how long a list of very many takes."""

import json
import os
import pathlib
import re
import resource
import signal
import socket
import statistics
import subprocess
import sys
import time

import bench

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import databases  # noqa: E402  pylint: disable=wrong-import-position

ROUNDS = 15
SECONDS = 1
CONNECTIONS = 10000
LISTS = 5


def throughput(server, where):
    """Transactions a second."""
    report = server.bench(where, "-S", "-c", 2, "-j", 1, "-T", SECONDS)
    return float(re.search(r"tps = ([\d.]+)", report)[1])


def one_round(bed, server, where):
    """How much of the throughput is left: (while nobody asks, while somebody does, without bpfmond again)."""
    before = throughput(server, where)
    daemon = bed.daemon(os.getpid())
    idle = throughput(server, where)
    subscriber = bed.subscriber("event=connection-close")
    measured = throughput(server, where)
    subscriber.close()
    daemon.stop()
    after = throughput(server, where)
    base = (before + after) / 2
    return idle / base, measured / base, after / before, base


def pgbench(bed):
    if not databases.postgres_folder():
        print("PostgreSQL is not installed: what measuring costs it is not measured")
        return
    bed.directory.chmod(0o711)
    with databases.Postgres(bed.directory / "postgres") as server:
        server.make_tables()
        for where, what in (("tcp", "TCP"), ("unix", "its socket")):
            throughput(server, where)
            rounds = [one_round(bed, server, where) for _ in range(ROUNDS)]
            idle, measured, again, base = zip(*rounds)
            bench.table(f"pgbench by {what}: {statistics.median(base):,.0f} transactions/s without bpfmond; "
                        f"{ROUNDS} rounds, of that",
                        ["", "median (least–most)", "target"],
                        [["nobody asks for connections", bench.spread(idle), "1.00"],
                         ["measured for a subscriber", bench.spread(measured), ">= 0.95"],
                         ["without bpfmond, again", bench.spread(again), "1.00 if nothing drifts"]])


def serve(listener):
    """Answers each byte, and keeps the connections open: in a process of its own, as one may have so many files alone."""
    pid = os.fork()
    if pid:
        return pid
    try:
        ends = []
        while True:
            end, _ = listener.accept()
            end.sendall(end.recv(1))
            ends.append(end)
    finally:
        os._exit(0)


def status(bed):
    done = subprocess.run([os.environ["BPFMONCTL"], "status", "--json=short"], env=bed.environment, capture_output=True,
                          check=True)
    return json.loads(done.stdout)


def many(bed):
    """As many connections as there are to be, each with a request; then lists of them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, CONNECTIONS + 1000), hard))
    daemon = bed.daemon(os.getpid())
    before = daemon.memory()["VmRSS"]
    subscriber = bed.subscriber("event=connection-close")
    listener = socket.create_server(("127.0.0.1", 0), backlog=1000)
    command = [os.environ["BPFMONCTL"], "connections", "--no-legend", f"destination.port={listener.getsockname()[1]}"]
    server, clients, times, lines = serve(listener), [], [], 0
    try:
        for _ in range(CONNECTIONS):
            client = socket.create_connection(listener.getsockname())
            client.sendall(b"?")
            client.recv(1)
            clients.append(client)
        for _ in range(LISTS):
            begin = time.monotonic()
            done = subprocess.run(command, env=bed.environment, capture_output=True, text=True, check=False)
            times.append(1000 * (time.monotonic() - begin))
            lines = done.stdout.count("\n")
            if done.returncode:
                print(done.stderr)
        bench.table(f"{CONNECTIONS:,} connections at a time, both ends here", ["", "median (least–most)", "target"],
                    [[f"bpfmonctl connections, {lines:,} rows: ms", bench.spread(times, ".0f"), "< 1000"],
                     ["the daemon's memory beyond that at its start: MiB", f"{daemon.memory()['VmRSS'] - before:.1f}", "bounded"],
                     ["ends that were left out for newer ones", status(bed)["connections.evicted"], "0"]])
    finally:
        os.kill(server, signal.SIGKILL)
        os.waitpid(server, 0)
    for client in clients:
        client.close()
    subscriber.close()
    daemon.stop()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connections(bed):
    pgbench(bed)
    many(bed)


bench.main(connections)
