#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Connections of real databases: what is told of them is what they, ss and strace say."""

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import bed
from bed import contains, equal, wait_until

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import databases  # noqa: E402  pylint: disable=wrong-import-position

TERMINATE = 5  # bytes of the message by which a client of PostgreSQL leaves


def plain(value):
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return str(value) if isinstance(value, str) else int(value)


def need(*programs):
    for name in programs:
        if not shutil.which(name):
            raise bed.Skip(f"{name} is not installed")


def postgres(b):
    if not databases.postgres_folder() or not (databases.postgres_folder() / "initdb").exists():
        raise bed.Skip("postgresql is not installed")
    b.directory.chmod(0o711)
    return databases.Postgres(b.directory / "postgres")


def redis(b):
    need("redis-server", "redis-benchmark")
    b.directory.chmod(0o711)
    return databases.Redis(b.directory / "redis")


def watch(b, server, service):
    """A daemon that knows the server's port, and a subscription to its connections."""
    path = b.directory / "test.conf"
    path.write_text(f"[Connections]\nService={service} {server.port}\n")
    b.daemon("--no-kprobes", f"--config={path}")
    return b.subscriber("event=connection-open", "event=connection-close", f"service.name={service}")


def closed(watcher, name, number, requests=0):
    """The ends of so many connections of that process, and so many requests."""
    def found():
        return [e for e in map(plain, watcher.events) if e["event"] == "connection-close" and e.get("process.name") == name]
    wait_until(lambda: len(found()) >= number and sum(e["connection.requests"] for e in found()) >= requests,
               what=f"{number} connections of {name} with {requests} requests")
    watcher.settle()
    return found()


def near(got, want, what):
    if abs(got - want) > want / 100:
        raise AssertionError(f"{what}: got {got}, want {want} within 1 %")


def place(server, where):
    return {"destination.port": server.port} if where == "tcp" else {"network.transport": "unix"}


def test_pgbench(b):
    """Requests are pgbench's transactions times their statements, by TCP and by the socket"""
    with postgres(b) as server:
        server.make_tables()
        watcher = watch(b, server, "postgresql")
        for where in ("tcp", "unix"):
            for script, statements in (("select-only", 1), ("tpcb-like", 7)):
                watcher.events.clear()
                report = server.bench(where, "-b", script, "-c", 3, "-j", 1, "-t", 2100 // statements)
                done = int(re.search(r"actually processed: (\d+)", report)[1])
                rows = closed(watcher, "pgbench", 3, done * statements)  # one more asks what there is
                near(sum(r["connection.requests"] for r in rows), done * statements, f"requests of {script} by {where}")
                for row in rows:
                    for name, value in place(server, where).items():
                        equal(row[name], value, name)
                    equal(row.get("destination.process.name"), "postgres", f"server of {row}")
                    equal(sum(row["connection.latency.histogram"]), row["connection.requests"], "requests in the histogram")


def test_redis(b):
    """Requests are redis-benchmark's, by TCP and by the socket"""
    with redis(b) as server:
        watcher = watch(b, server, "redis")
        for where in ("tcp", "unix"):
            watcher.events.clear()
            server.bench(where, "-t", "get", "-n", 3000, "-c", 5, "-q")
            rows = closed(watcher, "redis-benchmark"[:15], 5, 3000)
            near(sum(r["connection.requests"] for r in rows), 3000, f"requests by {where}")
            equal({r["destination.process.name"] for r in rows}, {"redis-server"}, "servers")


def ss_bytes(port):
    """bytes_acked and bytes_received of the client's socket, as ss has them."""
    text = databases.run(["ss", "-Htin", "state", "established", f"( dport = :{port} )"])
    numbers = {name: [int(n) for n in re.findall(rf"{name}:(\d+)", text)] for name in ("bytes_acked", "bytes_received")}
    equal([len(v) for v in numbers.values()], [1, 1], f"sockets in {text}")
    return numbers["bytes_acked"][0], numbers["bytes_received"][0]


def test_ss(b):
    """At the end bytes are exactly those of ss: acknowledged but for the SYN, and received"""
    need("ss")
    with redis(b) as server:
        watcher = watch(b, server, "redis")
        client = socket.create_connection(("127.0.0.1", server.port))
        for i in range(50):
            value = b"x" * (i * 331)
            client.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n%s\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n" % (len(value), value))
            answer = b""
            while not answer.endswith(b"%s\r\n" % value) or len(answer) < len(value) + 9:
                answer += client.recv(65536)
        time.sleep(0.3)  # the last byte is acknowledged
        acked, received = ss_bytes(server.port)
        client.close()
        (row,) = closed(watcher, pathlib.Path(f"/proc/{os.getpid()}/comm").read_text().strip(), 1)
        equal((row["bytes.sent"], row["bytes.received"]), (acked - 1, received), "bytes")
        equal(row["connection.requests"], 50, "requests")


class Psql:
    """A session that is told what to ask."""

    def __init__(self, b, server, where, prefix=()):
        self.process = bed.Process(b, "psql", [*prefix, *map(str, server.client("psql", where, "-qAt", "-d", "postgres"))],
                                   stdin=subprocess.PIPE)
        self.asked = 0

    def ask(self, statement):
        self.process.popen.stdin.write(f"{statement}; SELECT 'mark-{self.asked}';\n".encode())
        self.process.popen.stdin.flush()
        wait_until(lambda: f"mark-{self.asked}" in self.process.output(), what="the answer")
        self.asked += 1

    def end(self):
        self.process.popen.stdin.close()
        equal(self.process.wait(), 0, self.process.errors())


def test_psql(b):
    """A session by TCP has ss's bytes and the message that ends it; one by the socket has strace's"""
    need("ss", "strace")
    with postgres(b) as server:
        watcher = watch(b, server, "postgresql")
        session = Psql(b, server, "tcp")
        for i in range(20):
            session.ask(f"SELECT repeat('x', {i * 997})")
        time.sleep(0.3)
        acked, received = ss_bytes(server.port)
        session.end()
        (row,) = closed(watcher, "psql", 1)
        equal((row["bytes.sent"], row["bytes.received"]), (acked - 1 + TERMINATE, received), "bytes by TCP")

        watcher.events.clear()
        log = b.directory / "postgres" / "strace"
        session = Psql(b, server, "unix", ["strace", "-f", "-yy", "-o", str(log), "-e",
                                           "trace=read,write,sendto,recvfrom,sendmsg,recvmsg,readv,writev"])
        for i in range(20):
            session.ask(f"SELECT repeat('x', {i * 997})")
        session.end()
        (row,) = closed(watcher, "psql", 1)
        sums = {"out": 0, "in": 0}
        for line in log.read_text(errors="replace").splitlines():
            if call := re.search(r"\b(read|readv|recvfrom|recvmsg|write|writev|sendto|sendmsg)\(\d+<UNIX-STREAM:.*= (\d+)$", line):
                sums["in" if call[1].startswith("re") else "out"] += int(call[2])
        equal((row["bytes.sent"], row["bytes.received"]), (sums["out"], sums["in"]), "bytes by the socket")
        equal(row["destination.process.name"], "postgres", "server")


def test_slow(b):
    """A query that sleeps stands out at the end of the latencies, and in what --watch shows"""
    with postgres(b) as server:
        watch(b, server, "postgresql")
        session = Psql(b, server, "unix")
        for _ in range(30):
            session.ask("SELECT 1")
        rows = b.ctl("connections", "-j", "--service=postgresql").objects()
        equal(len(rows), 1, "sessions")
        if rows[0]["connection.latency.p99"] > 250e6:
            raise bed.Skip("this machine is so slow that every query is")
        watched = bed.Process(b, "bpfmonctl", [os.environ["BPFMONCTL"], "connections", "--watch", "--service=postgresql"])
        wait_until(lambda: watched.output().count("RATE/S") >= 2, what="two looks")
        session.ask("SELECT pg_sleep(0.6)")
        (row,) = b.ctl("connections", "-j", "--service=postgresql").objects()
        if row["connection.latency.p99"] < 268e6 or row["connection.latency.max"] < 600e6:
            raise AssertionError(f"the slow query is missing: {row}")
        # One among many does not move the middle beyond what was the end; the histogram knows powers of two.
        if row["connection.latency.p50"] > 2 * rows[0]["connection.latency.p99"]:
            raise AssertionError(f"it does not stand out: {row}")
        wait_until(lambda: re.search(r"postgresql.*\b([5-9]\d\d ms|[1-9][\d.]* s)", watched.output()),
                   what="the slow query in a look")
        equal(watched.stop(signal.SIGINT), 0, "status after Ctrl-C")
        page = b.ctl("show", "connection", str(row["connection.id"])).output()
        contains(page, "postgresql", "page")
        session.end()


bed.main([test_pgbench, test_redis, test_ss, test_psql, test_slow])
