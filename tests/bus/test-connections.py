#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Connections: who is connected to whom, what passes, how long answers take."""

import contextlib
import errno
import fcntl
import os
import resource
import signal
import socket
import statistics
import struct
import subprocess
import sys
import termios
import time

import dbus

import bed
from bed import contains, equal, wait_until
from fake_polkit import Polkit, YES
from keeper import Keeper

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")

# A server that answers each line with as many bytes as it says, after so many milliseconds; and a client of it.
SERVER = """
import socket, sys, time
family = socket.AF_UNIX if "/" in sys.argv[1] else socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
s = socket.socket(family, socket.SOCK_STREAM)
s.bind(sys.argv[1] if family == socket.AF_UNIX else (sys.argv[1], 0))
s.listen(100)
print(s.getsockname() if family == socket.AF_UNIX else s.getsockname()[1], flush=True)
while True:
    c, _ = s.accept()
    f = c.makefile("rwb")
    for line in f:
        size, delay = map(int, line.split()[:2])
        time.sleep(delay / 1000)
        f.write(b"x" * size)
        f.flush()
    f.close()
    c.close()
    print("closed", flush=True)
"""

CLIENT = """
import socket, sys
family = socket.AF_UNIX if "/" in sys.argv[1] else socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
s = socket.socket(family, socket.SOCK_STREAM)
s.connect(sys.argv[1] if family == socket.AF_UNIX else (sys.argv[1], int(sys.argv[2])))
f = s.makefile("rwb")
print("connected", flush=True)
for request in sys.stdin:
    f.write(request.encode())
    f.flush()
    size = int(request.split()[0])
    assert len(f.read(size)) == size
    print("answered", flush=True)
f.close()
s.close()
sys.stdin.close()
"""


# Lists connections, as any user.
LISTER = """
import dbus, dbus.bus, json, sys
bus = dbus.bus.BusConnection(sys.argv[1])
manager = bus.get_object("org.bpfmon1", "/org/bpfmon1", introspect=False)
rows = manager.get_dbus_method("ListConnections", "org.bpfmon1.Manager")(dbus.Array(sys.argv[2:], "s"),
                                                                         dbus.Dictionary({}, "sv"))
print(json.dumps([{str(k): v for k, v in row.items()} for row in rows], default=int))
"""


class Talk:
    """A server and a client of it."""

    def __init__(self, b, address, prefix=()):
        self.server = bed.Process(b, "server", [sys.executable, "-c", SERVER, address])
        bed.wait_until(lambda: "\n" in self.server.output(), what="the server")
        self.address = address
        self.port = 0 if "/" in address else int(self.server.output())
        self.client = bed.Process(b, "client", [*prefix, sys.executable, "-u", "-c", CLIENT, address, str(self.port)],
                                  stdin=subprocess.PIPE)
        bed.wait_until(lambda: "connected" in self.client.output(), what="the client")
        self.sent = self.received = self.requests = 0

    def match(self):
        return f"destination.port={self.port}" if self.port else f"destination.address={self.address}"

    def ask(self, size, delay=0):
        line = f"{size} {delay} {'-' * 20}\n".encode()
        self.client.popen.stdin.write(line)
        self.client.popen.stdin.flush()
        self.sent += len(line)
        self.received += size
        self.requests += 1
        bed.wait_until(lambda: self.client.output().count("answered") == self.requests, what="the answer")
        return self

    def end(self):
        self.client.popen.stdin.close()
        self.client.wait()

    def check(self, row):
        """What is told of the connection is what passed."""
        equal(row["bytes.sent"], self.sent, "bytes sent")
        equal(row["bytes.received"], self.received, "bytes received")
        equal(row["connection.requests"], self.requests, "requests")
        equal(sum(row["connection.latency.histogram"]), self.requests, "requests in the histogram")
        equal(row["connection.side"], "client", "side")


def plain(value):
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, dbus.Boolean):
        return bool(value)
    return str(value) if isinstance(value, str) else int(value)


def listed(b, *matches, **options):
    rows = b.client().call("ListConnections", dbus.Array(matches, "s"), dbus.Dictionary(options, "sv"))
    return [plain(row) for row in rows]


def one(rows, what="rows"):
    equal(len(rows), 1, f"{what} {rows}")
    return rows[0]


def events_of(watcher, *kinds):
    return [plain(e) for e in watcher.events if str(e["event"]) in kinds]


def wait_event(watcher, kind):
    return one(wait_until(lambda: events_of(watcher, kind), what=kind), kind)


def state(b, client=None):
    """Of the probe."""
    rows = (client or b.client()).call("ListProbes")
    return one([str(r["probe.state"]) for r in rows if r["probe.name"] == "connection"])


def configured(b, text):
    """A daemon with these lines in its configuration."""
    path = b.directory / "test.conf"
    path.write_text(text)
    return b.daemon("--no-kprobes", f"--config={path}")


class Pair:
    """A connection within this process."""

    def __init__(self, listener):
        self.client = socket.socket(listener.family, socket.SOCK_STREAM)
        self.client.connect(listener.getsockname())
        self.server, _ = listener.accept()

    def close(self):
        self.client.close()
        self.server.close()


@contextlib.contextmanager
def many_files():
    """Room for thousands of sockets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def listen(address):
    listener = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(address)
    listener.listen(1000)
    return listener


def test_life(b):
    """A connection is told when it opens and when it closes, with both ends and what passed"""
    b.daemon("--no-kprobes")
    for address in ("127.0.0.1", "::1", f"{b.directory}/s.sock"):
        watcher = b.subscriber("event=connection-open", "event=connection-close", f"destination.address={address}")
        talk = Talk(b, address)
        for size in (1, 100, 100000):
            talk.ask(size)
        opened = wait_event(watcher, "connection-open")
        talk.end()
        closed = wait_event(watcher, "connection-close")
        watcher.settle()
        equal([str(e["event"]) for e in watcher.events], ["connection-open", "connection-close"], f"events of {address}")
        talk.check(closed)
        for event in (opened, closed):
            # Without kprobes a use tells of AF_UNIX: its server may be seen to read before its client is seen to have
            # written, and who that is is not known yet.
            if event is closed or talk.port or "process.pid" in event:
                equal(event["process.pid"], talk.client.pid, "client")
                equal(event["process.executable"], os.path.realpath(sys.executable), "client's executable")
            equal(event["network.transport"], "tcp" if talk.port else "unix", "transport")
            equal(event.get("destination.port", 0), talk.port, "port")
            equal(event["connection.id"], opened["connection.id"], "number")
            contains(event["message"], address)
        equal(closed["destination.process.pid"], talk.server.pid, "server")
        equal(closed["destination.process.executable"], os.path.realpath(sys.executable), "server's executable")
        equal("existed" in closed, False, "existed before")
        if closed["connection.duration"] > (closed["time"] - opened["connection.start"] + 1000) * 1000:
            raise AssertionError(f"a longer life than there was time: {opened} {closed}")
        watcher.close()


def test_list(b):
    """Those that are open are listed, and picked up where they were open before anybody asked"""
    b.daemon("--no-kprobes")
    talks = [Talk(b, address).ask(1000) for address in ("127.0.0.1", f"{b.directory}/s.sock")]
    for talk in talks:
        listed(b)
        talk.ask(2000).ask(1, 20)
        row = one(listed(b, talk.match()))
        equal(row["process.pid"], talk.client.pid, "client")
        equal(row["destination.process.pid"], talk.server.pid, "server")
        if talk.port:  # what passed before, TCP has counted
            equal(row["existed"], True, "existed before")
            equal((row["bytes.sent"], row["bytes.received"]), (talk.sent, talk.received), "bytes")
            contains(b.ctl("connections", talk.match()).output().split("\n")[1], "  >", "an age that is not known")
            page = b.ctl("show", "connection", str(row["connection.id"])).output()
            contains(page, "Opened: before ", "page")
            contains(page, "Measured: for ", "page")
        equal(row["connection.requests"], 2, "requests since")
        equal(set(one(listed(b, talk.match(), fields=dbus.Array(["connection.id"], "s")))), {"connection.id"}, "fields")
        talk.end()
        wait_until(lambda t=talk: not listed(b, t.match()), what="its end")


def test_rates(b):
    """Who is the first to ask gets rates of about a second, not of the moment since measuring began"""
    def in_table(*options):
        head, line = b.ctl("connections", *options, talk.match()).output().splitlines()[:2]
        return float(line[:head.index("RATE/S") + len("RATE/S")].split()[-1])

    def in_json(*arguments):
        row = one(b.ctl("connections", "--json=short", *arguments).objects())
        if row["connection.duration"] < 0.9e9:
            raise AssertionError(f"measured for {row['connection.duration']} ns alone")
        return row["connection.requests"] * 1e9 / row["connection.duration"]

    ways = (lambda: in_table(), lambda: in_table("--by=client"), lambda: in_json(talk.match()),
            lambda: in_json("--by=service", talk.match()),
            lambda: in_json(talk.match(), "connection.latency.p50>10ms"),
            lambda: in_json(talk.match(), "--fields=connection.duration,connection.requests"))
    for rate in ways:
        daemon = b.daemon("--no-kprobes")
        talk = Talk(b, "127.0.0.1")
        talk.client.popen.stdin.write(b"1 25\n" * 4000)  # 40 in a second at most
        talk.client.popen.stdin.flush()
        wait_until(lambda t=talk: t.client.output().count("answered") > 10, what="requests")
        equal("connections.duration" in b.client().call("GetStatus"), False, "measured although nobody asked")
        told = rate()
        if not 5 <= told <= 45:
            raise AssertionError(f"a rate of {told}")
        if b.client().call("GetStatus")["connections.duration"] < 0.9e9:
            raise AssertionError("they are not measured for a second")
        daemon.stop()
        talk.client.stop(signal.SIGKILL)
        talk.server.stop(signal.SIGKILL)


def test_attached(b):
    """The probe is attached while somebody asks, and not otherwise"""
    b.daemon("--no-kprobes")
    everything = b.subscriber()
    others = b.subscriber("event=prog-load", "event!=connection-open")
    equal(state(b), "waiting", "state where nobody asks for connections")
    for matches in (["event=connection-*"], ["class=traffic"], ["service.name=redis"]):
        watcher = b.subscriber(*matches)
        equal(state(b), "attached", f"state with {matches}")
        watcher.call("Close", path=watcher.path, interface=bed.SUBSCRIPTION)
        equal(state(b), "waiting", f"state after {matches}")
    listed(b)
    equal(state(b), "attached", "state after a list")
    client = b.client()
    wait_until(lambda: time.sleep(0.2) or state(b, client) == "waiting", 40, "the end of what a list began")
    for reader in (everything, others):
        equal(events_of(reader, "connection-open", "connection-close", "connection-stats"), [],
              "events that nobody asked for")


def test_stats(b):
    """How a connection does is told at the interval that is asked for, and not while nothing passes"""
    b.daemon("--no-kprobes")
    listener = listen(("127.0.0.1", 0))
    pair, asked = Pair(listener), 0
    matches = ("event=connection-stats", f"destination.port={listener.getsockname()[1]}")

    def ask():
        """Without another process, which a busy machine keeps waiting."""
        nonlocal asked
        for source, target, data in ((pair.client, pair.server, b"question"), (pair.server, pair.client, b"answer")):
            source.sendall(data)
            equal(target.recv(100), data)
        asked += 1
        return asked

    often = b.subscriber(*matches, options={"interval": dbus.UInt64(100000)})
    seldom = b.subscriber(*matches, options={"interval": dbus.UInt64(1000000)})
    wait_until(lambda: ask() and len(seldom.events) >= 3 and len(often.events) > 2 * len(seldom.events), 60,
               "events at 10/s and 1/s")
    wait_until(lambda: plain(often.events[-1])["connection.requests"] == asked, what="the last request")
    last = plain(often.events[-1])
    equal((last["bytes.sent"], last["bytes.received"], sum(last["connection.latency.histogram"]), last["connection.side"]),
          (8 * asked, 6 * asked, asked, "client"), "bytes, requests in the histogram, and side")
    for watcher, interval in ((often, 0.1), (seldom, 1)):
        times = [plain(e)["time"] / 1e6 for e in watcher.events]
        shortest = min(after - before for before, after in zip(times, times[1:]))
        if not interval * 0.7 <= shortest <= interval * 3:
            raise AssertionError(f"told every {shortest} s, asked for {interval}")
    requests = [plain(e)["connection.requests"] for e in often.events]
    equal(requests, sorted(requests), "requests, told as they grow")
    before = len(often.events)
    often.settle(1)
    if len(often.events) > before + 1:
        raise AssertionError("an idle connection is told of over and over")
    for interval in (0, 99999, 86400000001):
        name, _ = b.client().error("Subscribe", dbus.Array(matches, "s"),
                                   dbus.Dictionary({"interval": dbus.UInt64(interval)}, "sv"))
        equal(name, "org.bpfmon1.Error.InvalidOption", f"interval {interval}")


def test_slow(b):
    """One slow answer among many stands out at the end of the latencies, not in the middle"""
    b.daemon("--no-kprobes")
    b.subscriber("event=connection-close")
    for address in ("127.0.0.1", f"{b.directory}/s.sock"):
        talk, took = Talk(b, address), []
        for i in range(50):
            start = time.monotonic()
            talk.ask(10, 400 if i == 20 else 0)
            took.append(time.monotonic() - start)
        row = one(listed(b, talk.match()))
        talk.check(row)
        if row["connection.latency.max"] < 400e6 or row["connection.latency.p99"] < 200e6:
            raise AssertionError(f"the slow one is missing: {row}")
        # So many were slow as this machine made so, which took longer here; the histogram knows powers of two.
        if row["connection.latency.p50"] > 2e9 * statistics.median(took):
            raise AssertionError(f"all look slow: {row}")


def test_odd(b):
    """Peeking moves nothing, half-closed is open, socketpair() is no connection, and one that fails never was"""
    b.daemon("--no-kprobes")
    watcher = b.subscriber("event=connection-*")
    for listener in (listen(("127.0.0.1", 0)), listen(str(b.directory / "odd.sock"))):
        where = (f"destination.port={listener.getsockname()[1]}" if listener.family == socket.AF_INET
                 else f"destination.address={listener.getsockname()}")
        pair = Pair(listener)
        pair.client.sendall(b"question")
        for _ in range(3):
            equal(pair.server.recv(100, socket.MSG_PEEK), b"question")
        equal(pair.server.recv(3), b"que")
        equal(pair.server.recv(100), b"stion")
        pair.client.shutdown(socket.SHUT_WR)
        equal(pair.server.recv(100), b"")
        row = one(listed(b, where))
        pair.server.sendall(b"answer")
        equal(pair.client.recv(100), b"answer")
        row = one(listed(b, where))
        equal((row["bytes.sent"], row["bytes.received"], row["connection.requests"]), (8, 6, 1), "bytes and requests")
        pair.server.close()
        equal(pair.client.recv(100), b"")
        pair.client.close()
        wait_until(lambda w=where: not listed(b, w), what="its end")
    wait_until(lambda: len(ours(events_of(watcher, "connection-close"))) == 2, what="both ends")
    before = len(events_of(watcher, "connection-open", "connection-close"))
    left, right = socket.socketpair()
    left.sendall(b"x")
    right.recv(1)
    with socket.socket() as nobody, socket.socket() as refused:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        equal(refused.connect_ex(nobody.getsockname()), errno.ECONNREFUSED, "connecting to nobody")
    watcher.settle()
    equal(ours(events_of(watcher, "connection-open", "connection-close")[before:]), [], "events of none")


def ours(events):
    """But for connections to the bus."""
    return [e for e in events if not e.get("destination.address", "").endswith("/bus")]


def test_silent_end(b):
    """An AF_UNIX connection that ends without anybody reading so is found to be gone"""
    b.daemon("--no-kprobes")
    path = str(b.directory / "silent.sock")
    watcher = b.subscriber("event=connection-close", f"destination.address={path}")
    pair = Pair(listen(path))
    pair.client.sendall(b"question")
    pair.close()
    closed = wait_event(watcher, "connection-close")
    equal(closed["bytes.sent"], 8, "bytes")


def test_behind(b):
    """Of a connection that was open before, both ends are told, although a daemon that is behind knew of neither"""
    daemon = b.daemon("--no-kprobes")
    talk = Talk(b, "127.0.0.1").ask(10)
    watcher = b.subscriber("event=connection-close", "destination.address=127.0.0.1")
    wait_until(lambda: state(b) == "attached", what="the probe")
    daemon.kill(signal.SIGSTOP)
    talk.ask(20)
    talk.end()
    wait_until(lambda: "closed" in talk.server.output(), what="the server's end")
    daemon.kill(signal.SIGCONT)
    closed = wait_event(watcher, "connection-close")
    equal((closed.get("process.pid"), closed.get("destination.process.pid")), (talk.client.pid, talk.server.pid), "processes")
    equal((closed["bytes.sent"], closed["bytes.received"]), (talk.sent, talk.received), "bytes")
    equal(closed.get("existed"), 1, "existed")
    watcher.settle()
    equal(len(watcher.events), 1, "events")


def test_idle(b):
    """Connections on which nothing passes for long are still there, and listed"""
    b.daemon("--no-kprobes")
    watcher = b.subscriber("event=connection-close")
    talks = [Talk(b, address).ask(10) for address in ("127.0.0.1", "::1", f"{b.directory}/s.sock")]
    watcher.settle(12)
    for talk in talks:
        row = one(listed(b, talk.match()))
        talk.check(row)
        if row["connection.idle"] < 5e9:
            raise AssertionError(f"not idle: {row}")
    equal([e for e in events_of(watcher, "connection-close") if e.get("process.pid") in [t.client.pid for t in talks]], [],
          "ends of connections that are open")
    for talk in talks:
        talk.ask(10).end()


@many_files()
def test_limit(b):
    """Of too many connections the silent ones are left out, and counted"""
    configured(b, "[Connections]\nConnectionsMax=1024\n")
    watcher = b.subscriber("event=connection-close")
    listener = listen(("127.0.0.1", 0))
    pairs = [Pair(listener) for _ in range(2000)]
    for pair in pairs:
        pair.client.sendall(b"x")
        pair.server.recv(1)
    rows = listed(b, f"destination.port={listener.getsockname()[1]}")
    status = b.client().call("GetStatus")
    equal(int(status["connections.max"]), 1024, "limit")
    if not 512 <= len(rows) <= 1024 + 1024:
        raise AssertionError(f"{len(rows)} of 2000 are listed")
    evicted = int(status["connections.evicted"])
    if evicted < 4000 - 2048:
        raise AssertionError(f"only {evicted} of 4000 ends were told to be left out")
    wait_until(lambda: watcher.lost >= evicted, what=f"word of the {evicted} that were left out")
    for pair in pairs:
        pair.close()


@many_files()
def test_lists(b):
    """A user's lists are made as many at a time as the limit says: what is more is refused, and counted"""
    daemon = configured(b, "[Limits]\nConnectionListsPerUserMax=1\n")
    listener = listen(("127.0.0.1", 0))
    match = f"destination.port={listener.getsockname()[1]}"
    listed(b, match)
    pairs = [Pair(listener) for _ in range(1000)]
    client = b.client()
    answers, errors = [], []
    daemon.kill(signal.SIGSTOP)  # so that all come at once
    for _ in range(8):
        client.bus.call_async(bed.NAME, bed.PATH, bed.MANAGER, "ListConnections", "asa{sv}",
                              (dbus.Array([match], "s"), dbus.Dictionary({}, "sv")), lambda rows: answers.append(len(rows)),
                              errors.append)
    client.pass_on()
    daemon.kill(signal.SIGCONT)
    wait_until(lambda: len(answers) + len(errors) == 8, what="eight answers")
    equal(set(answers), {1000}, "rows")
    for error in errors:
        equal(error.get_dbus_name(), "org.bpfmon1.Error.LimitExceeded", "error")
        contains(str(error), "ConnectionListsPerUserMax=", "message")
    equal(int(b.client().call("GetStatus")["refused.connection_lists_per_user"]), len(errors), "refusals that are counted")
    equal(len(answers) >= 1 and len(errors) >= 1, True, f"{len(answers)} answers, {len(errors)} refusals")
    for pair in pairs:
        pair.close()


@many_files()
def test_turns(b):
    """Who calls while several lists are made is answered before most of them, however long each takes"""
    lists = 10
    daemon = configured(b, f"[Limits]\nConnectionListsPerUserMax={lists}\n")
    listener = listen(("127.0.0.1", 0))
    match = f"destination.port={listener.getsockname()[1]}"
    listed(b, match)
    pairs = [Pair(listener) for _ in range(1000)]
    listed(b, match)
    client = b.client()
    order = []

    def ask(what, method, signature="", *arguments):
        client.bus.call_async(bed.NAME, bed.PATH, bed.MANAGER, method, signature, arguments, lambda *_: order.append(what),
                              order.append)

    daemon.kill(signal.SIGSTOP)  # so that all come at once
    for _ in range(lists):
        ask("list", "ListConnections", "asa{sv}", dbus.Array([match], "s"), dbus.Dictionary({}, "sv"))
    ask("status", "GetStatus")
    client.pass_on()
    daemon.kill(signal.SIGCONT)
    wait_until(lambda: len(order) == lists + 1, bed.limit(30), what=f"all answers; {order}")
    equal(order.index("status") < lists / 2, True, f"the answers came as {order}")
    for pair in pairs:
        pair.close()


def test_config(b):
    """Services are named by the configuration; with Always= the history has connections that nobody asked for"""
    state_directory = b.directory / "state"
    state_directory.mkdir()
    b.environment["STATE_DIRECTORY"] = str(state_directory)
    listener = listen(("127.0.0.1", 0))
    port, path = listener.getsockname()[1], str(b.directory / "app.sock")
    configured(b, f"[Connections]\nAlways=yes\nService=ledger 1 {port}\nService=ledger-local {b.directory}/app.*\n")
    equal(state(b), "attached", "state with Always=yes")
    for place in (listener, listen(path)):
        pair = Pair(place)
        pair.client.sendall(b"question")
        equal(pair.server.recv(100), b"question")
        pair.client.close()
        equal(pair.server.recv(100), b"")
        pair.server.close()
    for name in ("ledger", "ledger-local"):
        def kept(name=name):
            events, _ = b.client().call("QueryEvents", dbus.Array([f"service.name={name}"], "s"),
                                        dbus.Dictionary({}, "sv"))
            return [str(e["event"]) for e in events]
        wait_until(lambda k=kept: len(k()) >= 2, what=f"the history of {name}")
        equal(kept(), ["connection-open", "connection-close"], f"history of {name}")


def test_services(b):
    """A name that no service has is refused with the nearest one; those that are configured are names, too"""
    def offered():
        return b.ctl("--complete", "--", "connections", "--service=").output().split()

    equal(("--service=redis" in offered(), "--service=ledger" in offered()), (True, False), "completion without bpfmond")
    configured(b, f"[Connections]\nService=ledger {b.directory}/l.sock\nService=redis {b.directory}/r.sock\n")
    equal(("--service=redis" in offered(), "--service=ledger" in offered()), (True, True), "completion")
    for arguments, meant in ((["--service=postgres"], '"postgresql"'), (["--service=ledgr"], '"ledger"'), (["--service=elastic"], '"elasticsearch"'),
                             (["service.name=postgres"], '"postgresql"'), (["--watch", "--service=Redis"], '"redis"'),
                             (["--service=nothing.like"], "Service=")):
        refused = b.ctl("connections", *arguments)
        equal((refused.popen.returncode, refused.output()), (2, ""), f"{arguments}")
        contains(refused.errors(), meant, f"what {arguments} gets")
        contains(refused.errors(), "--service=help", f"what {arguments} gets")
    refused = b.ctl("subscribe", "service.name=postgres")
    equal(refused.popen.returncode, 2, "status of a subscription to what there is not")
    contains(refused.errors(), '"postgresql"', "what it gets")
    b.follow("service.name=ledger")
    b.follow("service.name=postgres*")
    for arguments in (["--service=ledger"], ["--service=led*"], ["--service=nothing*"], ["service.name!=postgres"], ["service.name=redis"]):
        taken = b.ctl("connections", *arguments)
        equal((taken.popen.returncode, taken.errors()), (0, ""), f"{arguments}")
    names = b.ctl("connections", "--service=help").output().split()
    equal(names, sorted(set(names)), "the list")
    equal({"ledger", "redis", "postgresql", "ssh"} <= set(names), True, f"names in {names}")
    equal([o["service.name"] for o in b.ctl("connections", "--service=help", "-j").objects()], names, "the same in JSON")


def test_scopes(b):
    """Users see connections with an end of theirs, and of the other end that there is one"""
    b.directory.chmod(0o711)
    b.daemon("--no-kprobes")
    Polkit(b, watch_own=YES)
    polite, roots = Talk(b, "127.0.0.1", NOBODY), Talk(b, "127.0.0.1")
    ports = (f"destination.port={polite.port}", f"destination.port={roots.port}")

    def ask(*arguments):
        process = bed.Process(b, "client", [*NOBODY, sys.executable, "-c", LISTER, b.address, *arguments])
        equal(process.wait(), 0, process.errors())
        return process.objects()[0]

    ask(*ports)
    polite.ask(10)
    roots.ask(10)
    row = one(ask(*ports))
    equal(row["process.pid"], polite.client.pid, "client")
    equal(row["user.id"], 65534, "user")
    equal([k for k in row if k.startswith("destination.") and k.split(".")[1] in ("process", "user", "unit")], [],
          "what is told of root's end")
    equal(len(listed(b, *ports)), 2, "what root sees")


def test_restart(b):
    """A connection that outlives the daemon is told once, with all that passed before and after"""
    with Keeper(b) as keeper:
        daemon = keeper.start("--no-kprobes")
        b.wait_ready(daemon)
        watcher = b.subscriber("event=connection-open", "event=connection-close", "destination.address=127.0.0.1")
        talk = Talk(b, "127.0.0.1").ask(10).ask(20)
        number = wait_event(watcher, "connection-open")["connection.id"]
        for signal_number in (signal.SIGTERM, signal.SIGKILL):
            daemon.stop(signal_number)
            talk.ask(30)
            daemon = keeper.start("--no-kprobes")
            b.wait_ready(daemon)
            watcher = b.subscriber("event=connection-open", "event=connection-close", "destination.address=127.0.0.1")
            equal(state(b), "attached", "state after the restart")
            talk.ask(40)
            talk.check(one(listed(b, talk.match())))
        talk.end()
        closed = wait_event(watcher, "connection-close")
        talk.check(closed)
        equal(closed["connection.id"], number, "number")
        equal(closed["process.executable"], os.path.realpath(sys.executable), "executable")
        equal(events_of(watcher, "connection-open"), [], "openings after the restarts")


def test_watched_sums(b):
    """--watch --by shows sums of what passed since the look before, also of connections that were not there then"""
    configured(b, f"[Connections]\nService=ledger {b.directory}/l*.sock\nService=idle {b.directory}/i*.sock\n")
    talks = [Talk(b, f"{b.directory}/{name}.sock") for name in ("l1", "l2", "i")]
    where = f"destination.address={b.directory}/*.sock"

    def watch(*options):
        return bed.Process(b, "bpfmonctl", [os.environ["BPFMONCTL"], "connections", "--watch", "--every=500ms", where, *options])

    table = watch("--by=service")
    wait_until(lambda: "SERVICE" in table.output(), what="the first look")
    for talk in talks:
        talk.ask(1000, 20)
    objects, busiest = watch("--by=service", "-j"), watch("--by=service", "-j", "--lines=1")

    def looks():
        return [look for look in table.output().split("SERVICE")[1:] if "services\n" in look]

    wait_until(lambda: [talk.ask(1000, 20) for talk in talks[:2]] and len(looks()) >= 4, what="four looks")

    def parts(look):
        """Lines by their first word, and the rate of each service."""
        lines = {line.split()[0]: line for line in look.splitlines() if line.split()[1:]}
        end = ("SERVICE" + look.splitlines()[0]).index("RATE/S") + len("RATE/S")
        return lines, {name: float(lines[name][:end].split()[-1]) for name in ("ledger", "idle")}

    # A busy machine may have let some look see nothing.
    lines, rates = max(map(parts, looks()[2:]), key=lambda look: look[1]["ledger"])
    equal((lines["ledger"].split()[1], lines["idle"].split()[1], lines["2"]), ("2", "1", "2 services"), lines)
    # Each answer takes 20 ms, and each waits for the one before.
    if not 2 <= rates["ledger"] <= 50 or rates["idle"] != 0:
        raise AssertionError(f"rates: {lines}")
    contains(lines["ledger"], " ms", "latencies")
    contains(lines["ledger"], "▁", "bars")
    equal(" ms" in lines["idle"], False, "latencies of those that are silent")
    wait_until(lambda: [talk.ask(1000, 20) for talk in talks[:2]] and "ledger" in {o["service.name"] for o in busiest.objects()[1:]},
               what="the busiest as the only one")
    first = [o for o in objects.objects() if o["service.name"] == "ledger"]
    equal("connection.request_rate" in first[0], False, "a rate of the first look")
    best = max(first[1:], key=lambda o: o["connection.request_rate"])
    if not 2 <= best["connection.request_rate"] <= 50 or not best["bytes.received_rate"] > 1000:
        raise AssertionError(f"rates: {best}")
    equal((best["connections"], "connection.latency.p99" in best), (2, True), "sums")
    for process in (table, objects, busiest):
        equal(process.stop(signal.SIGINT), 0, "status after Ctrl-C")


def on_terminal(b, talk, width):
    """What --watch shows on a terminal fits it, the end of the server's address and the last bar included."""
    controller, terminal = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    command = [os.environ["BPFMONCTL"], "connections", "--watch", "--every=200ms", "--service=ledger"]
    shown = b""
    with subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal,
                          env=dict(b.environment, TERM="xterm", LC_ALL="C.UTF-8")) as watch:
        os.close(terminal)
        while shown.count(b"RATE/S") < 6:
            talk.ask(10)
            shown += os.read(controller, 4096)
        watch.send_signal(signal.SIGINT)
        with contextlib.suppress(OSError):  # EIO: all has been read
            while part := os.read(controller, 4096):
                shown += part
    os.close(controller)
    equal(watch.returncode, 0, "status after Ctrl-C")
    look = shown.decode().replace("\r\n", "\n").split("\x1b[H\x1b[J")[5]
    for line in look.split("\x1b")[0].splitlines():
        if len(line) > width:
            raise AssertionError(f"{len(line)} columns of {width}: {line!r}")
    row = one([line for line in look.splitlines() if ".sock " in line], look)
    equal("ledger" in row, width >= 80, f"the service on {width} columns")
    contains(row, ".sock ", f"the server's address on {width} columns")
    equal("LATENCY" in look, width >= 100, f"bars on {width} columns: {look}")
    if width >= 100:
        contains("▁▂▃▄▅▆▇█", row[-1], f"the last bar: {row}")


def test_restart_own(b):
    """A daemon that takes over does not list its own connections, though they are older than its taking over"""
    with Keeper(b) as keeper:
        daemon = keeper.start("--no-kprobes")
        follower = b.follow("-j", "event=connection-open")
        wait_until(lambda: state(b) == "attached", what="the probe")
        daemon.stop(signal.SIGKILL)
        daemon = keeper.start("--no-kprobes")
        client = b.client()
        client.call("GetStatus")
        wait_until(lambda: [row for row in listed(b) if row.get("process.pid") == os.getpid()], what="connections of the test")
        time.sleep(1.2)  # what is no longer there stays for two looks
        rows = [row for row in listed(b) if daemon.pid in (row.get("process.pid"), row.get("destination.process.pid"))]
        equal(rows, [], "the daemon's own")
        equal([e for e in follower.objects() if e.get("process.pid") == daemon.pid], [], "what is told of its own")
        daemon.stop()


def test_restart_waiting(b):
    """A connection that closes a moment before the daemon ends, while its other end is still open, is told once"""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with Keeper(b) as keeper:
            daemon = keeper.start("--no-kprobes")
            b.wait_ready(daemon)
            talk = Talk(b, "127.0.0.1").ask(10)
            matches = ("event=connection-close", "destination.address=127.0.0.1")
            watchers = [b.subscriber(*matches)]
            wait_until(lambda: state(b) == "attached", what="the probe")
            talk.server.kill(signal.SIGSTOP)
            talk.client.popen.stdin.write(b"10 0\n")
            talk.client.popen.stdin.flush()
            time.sleep(0.3)
            talk.client.stop(signal.SIGKILL)
            client = b.client()
            wait_until(lambda: not client.call("ListConnections", dbus.Array([talk.match(), f"process.pid={talk.client.pid}"], "s"),
                                               dbus.Dictionary({}, "sv")), what="the end in the list")
            daemon.stop(number)
            daemon = keeper.start("--no-kprobes")
            b.wait_ready(daemon)
            watchers.append(b.subscriber(*matches))
            wait_until(lambda: [e for w in watchers for e in events_of(w, "connection-close")], what="the end")
            time.sleep(1)
            equal(len([e for w in watchers for e in events_of(w, "connection-close")]), 1, "ends")
            talk.server.kill(signal.SIGCONT)
            daemon.stop()


def test_client(b):
    """bpfmonctl lists connections, sums them up, shows one with its histogram, and watches them"""
    configured(b, f"[Connections]\nService=ledger {b.directory}/*.sock\n")
    talk = Talk(b, f"{b.directory}/s.sock")
    follower = b.follow("--json=short", "--every=200ms", "event=connection-*", talk.match())
    for i in range(40):
        talk.ask(100, 150 if i == 7 else 0)
    listing = b.ctl("connections", "--service=ledger", "--no-legend")
    equal((listing.popen.returncode, listing.errors()), (0, ""), "status and errors")
    line = one(listing.output().splitlines(), "lines")
    for part in ("ledger", f"python3[{talk.client.pid}]", f"python3[{talk.server.pid}]", "3.9 KiB", " 40 "):
        contains(line, part, "line")
    row = one(b.ctl("connections", "-j", talk.match()).objects())
    talk.check(row)
    number = str(row["connection.id"])
    for by, name in (("service", "ledger"), ("client", "python3"), ("unit", "python3")):
        line = one(b.ctl("connections", f"--by={by}", "--service=ledger", "--no-legend").output().splitlines(), by)
        equal(line.split()[:2], [name, "1"], f"sum by {by}")
        contains(line, " 40 ", f"requests by {by}")
    equal(b.ctl("connections", "--by=unit", "--service=ledger").output().splitlines()[-2:], ["", "1 unit"], "last line of sums")
    equal(b.ctl("connections", "--by=service", "-n", "0", "--service=ledger").output().splitlines()[-1], "0 services of 1", "last line of sums")
    total = one(b.ctl("connections", "--by=service", "-j", "service.name=ledger").objects())
    equal((total["connections"], total["connection.requests"]), (1, 40), "sums")
    page = b.ctl("show", "connection", number).output()
    for part in ("ledger", str(talk.client.pid), talk.address, "measured at the client", "█"):
        contains(page, part, "page")
    shown = [int(line.split()[4]) for line in page.splitlines() if line.split()[1:2] and line.split()[1] in ("µs", "ms", "ns")
             and line.split()[3:4] and line.split()[3] in ("µs", "ms", "ns", "s")]
    equal(sum(shown), 40, f"requests in the picture {page}")
    young = Talk(b, f"{b.directory}/young")
    for _ in range(3):
        young.ask(1)
    head, line = b.ctl("connections", young.match()).output().splitlines()[:2]
    rate = float(line[:head.index("RATE/S") + len("RATE/S")].split()[-1])
    equal(0 < rate <= 3, True, f"requests a second, of three in all: {rate}")
    equal(b.ctl("show", "connection", "999999").popen.returncode, 1, "status for a connection that is not there")
    equal(b.ctl("show", "connection", "x").popen.returncode, 2, "status for no number")
    equal(b.ctl("connections", "--by=unit", "--fields=unit").popen.returncode, 2, "status for fields of sums")
    watch = bed.Process(b, "bpfmonctl", [os.environ["BPFMONCTL"], "connections", "--watch", "--every=200ms",
                                         "--service=ledger"])
    wait_until(lambda: talk.ask(10) and watch.output().count("RATE/S") >= 4, what="four looks")
    wait_until(lambda: talk.ask(10, 300) and any(" ms" in line and "▁" in line for line in watch.output().splitlines()
                                                 if "ledger" in line), what="a slow answer in the line of latencies")
    equal(watch.stop(signal.SIGINT), 0, "status after Ctrl-C")
    for width in (45, 60, 80, 100):
        on_terminal(b, talk, width)
    talk.end()
    told = wait_until(lambda: [e for e in follower.objects() if e["event"] == "connection-close"], what="the end")
    talk.check(one(told))
    equal({e["event"] for e in follower.objects()}, {"connection-stats", "connection-open", "connection-close"}, "events")


bed.main([test_life, test_list, test_rates, test_attached, test_stats, test_slow, test_odd, test_silent_end, test_behind,
          test_idle, test_limit, test_lists, test_turns, test_config, test_services,
          test_scopes, test_restart, test_restart_own, test_restart_waiting, test_watched_sums, test_client])
