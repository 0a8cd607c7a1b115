#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Streams: lines of JSON through a pipe, and what becomes of readers that are slow, strange or gone."""

import fcntl
import json
import os
import signal
import time

import dbus

import bed
from bed import Process, contains, equal, wait_until

LIMIT_EXCEEDED = "org.bpfmon1.Error.LimitExceeded"
ELEMENTS = "event=map-access"
FLOOD = 100000
PER_USER = 16
STREAM_BYTES = 2 * 1024 * 1024  # pipe and buffer of one stream, daemon/stream.c
F_SETPIPE_SZ = 1031  # linux/fcntl.h; Python has it from 3.10 on


class Stream:
    """A stream and what came of it. Reads `chunk` bytes at once."""

    def __init__(self, client, *matches, fields=None, chunk=1 << 20):
        options = dbus.Dictionary({"fields": dbus.Array(fields, "s")} if fields else {}, "sv")
        self.fd = client.call("OpenStream", dbus.Array(matches, "s"), options).take()
        os.set_blocking(self.fd, False)
        self.chunk = chunk
        self.data = bytearray()
        self.parsed = []  # the rows of the data before `rest`
        self.rest = 0
        self.ended = False

    def read(self):
        """Takes what is there."""
        while not self.ended:
            try:
                data = os.read(self.fd, self.chunk)
            except BlockingIOError:
                return
            self.data += data
            self.ended = not data

    def lines(self):
        """The complete lines."""
        self.read()
        return self.data.decode().split("\n")[:-1]

    def rows(self):
        self.read()
        end = self.data.rfind(b"\n") + 1
        self.parsed += map(json.loads, self.data[self.rest:end].splitlines())
        self.rest = max(end, self.rest)
        return self.parsed

    def events(self):
        return [row for row in self.rows() if row["event"] != "lost"]

    def lost(self, where=None):
        return sum(row["lost.count"] for row in self.rows() if row["event"] == "lost" and
                   where in (None, row["lost.where"]))

    def total(self):
        return len(self.events()) + self.lost()

    def wait(self, total, timeout=60):
        """Returns once so many events have come or are lost, and no more come."""
        end = time.monotonic() + timeout
        while self.total() < total:
            if time.monotonic() > end:
                raise AssertionError(f"got {len(self.events())} and lost {self.lost()} of {total} in {timeout} s")
            time.sleep(0.1)
        time.sleep(0.2)
        equal(self.total(), total, f"events {len(self.events())} and lost {self.lost()}")
        if not self.data.endswith(b"\n"):
            raise AssertionError(f"the last line is cut: {self.data[-100:]!r}")

    def close(self):
        os.close(self.fd)


def status(b, name):
    return b.client().call("GetStatus")[name]


def wait_streams(b, number):
    client = b.client()
    wait_until(lambda: client.call("GetStatus")["streams"] == number, what=f"{number} streams")


def lookups(b, number=FLOOD):
    b.trigger("map-elements", "lookup", number).go().truth()


def test_same_lines(b):
    """A stream has the lines that bpfmonctl prints, byte by byte"""
    b.daemon()
    matches = ("class=*", "class!=traffic")  # which one of them has already when the other one begins
    follower = b.follow("--json=short", *matches)
    stream = Stream(b.client(), *matches)
    for action in (("prog-load",), ("map-create",), ("map-elements", "lookup", 3), ("prog-reject",), ("map-btf",),
                   ("bind-map",), ("reject-log-long",), ("seccomp", "seccomp"), ("element", "lookup")):
        b.trigger(*action).go().truth()
    def lines():
        """Of both, if they have as many; a line that is not yet complete is left out."""
        both = stream.lines(), follower.output().split("\n")[:-1]
        return both if "seccomp-filter" in follower.output() and len(both[0]) == len(both[1]) else None

    for line, other in zip(*wait_until(lines, what="as many lines of both")):
        equal(line, other, "line of the stream")
    equal({type(value) for row in stream.events() for value in row.values()}, {bool, int, str, list, dict}, "types")


def test_match_and_fields(b):
    """It carries the events and fields that were asked for, and no others"""
    b.daemon()
    client = b.client()
    few = Stream(client, "event=map-create", fields=["map.type", "event", "prog.id"])
    every = Stream(client)
    b.trigger("map-create").go().truth()
    b.trigger("prog-load").go().truth()
    wait_until(lambda: {"map-create", "prog-load"} <= {row["event"] for row in every.rows()} and few.lines(), what="the events")
    equal(few.lines(), ['{"event":"map-create","map.type":"hash"}'])


def test_refusals(b):
    """Wrong matches and options are refused as they are for subscriptions"""
    b.daemon()
    client = b.client()
    options = dbus.Dictionary({}, "sv")
    equal(client.error("OpenStream", dbus.Array(["evnet=x"], "s"), options)[0], "org.bpfmon1.Error.InvalidMatch")
    name, message = client.error("OpenStream", dbus.Array([], "s"), dbus.Dictionary({"colour": "red"}, "sv"))
    equal(name, "org.bpfmon1.Error.InvalidOption")
    contains(message, "OpenStream", "message")
    equal(status(b, "streams"), 0, "streams")


def test_exact_loss(b):
    """A reader that reads too late is told, where they are missing, exactly how many events it lost"""
    b.daemon("--ring-size=67108864")
    stream = Stream(b.client(), ELEMENTS)
    lookups(b)
    stream.wait(FLOOD)
    rows = stream.rows()
    equal(stream.lost("stream") > 0, True, "it lost events")
    equal(status(b, "stream.lost"), stream.lost("stream"), "stream.lost")
    for i, row in enumerate(rows):
        if row["event"] == "lost" and 0 < i < len(rows) - 1:
            equal(rows[i + 1]["seq"] - rows[i - 1]["seq"] - 1, row["lost.count"], "the gap and what it tells")


def test_told_at_rest(b):
    """What was lost last is told when the reader goes on, without another event"""
    b.daemon("--ring-size=67108864")
    stream = Stream(b.client(), ELEMENTS)
    lookups(b)
    time.sleep(0.5)
    stream.wait(FLOOD)
    equal(stream.rows()[-1]["event"], "lost", "the last line")


def test_small_ring(b):
    """Events that were lost in the kernel are told, too"""
    b.daemon("--ring-size=65536")
    stream = Stream(b.client(), ELEMENTS)
    trigger = b.trigger("map-elements", "lookup", FLOOD).go()
    wait_until(lambda: stream.read() or not trigger.running(), 60, "the lookups")
    trigger.truth()
    stream.wait(FLOOD)
    equal(stream.lost("ring") > 0, True, "it lost events")


def test_byte_by_byte(b):
    """A reader that reads single bytes from a pipe that it made small gets whole lines, or is told"""
    b.daemon()
    stream = Stream(b.client(), ELEMENTS, chunk=1)
    fcntl.fcntl(stream.fd, F_SETPIPE_SZ, 4096)
    lookups(b, 20000)
    os.set_blocking(stream.fd, True)
    for _ in range(20000):
        stream.data += os.read(stream.fd, 1)
    os.set_blocking(stream.fd, False)
    stream.chunk = 1000
    stream.wait(20000)
    fields = {tuple(row) for row in stream.events()}
    equal(len(fields), 1, "sets of fields")


def test_independent(b):
    """Of readers each has its own losses; stopped ones take little memory, and nothing from others"""
    daemon = b.daemon()
    client = b.client()
    good = Stream(client, ELEMENTS)
    before = daemon.memory()
    stopped = [Stream(client, ELEMENTS) for _ in range(10)]
    rounds, each = 40, 500
    for i in range(rounds):
        lookups(b, each)
        good.wait(each * (i + 1))
    bed.grew(daemon.memory() - before, 10 * STREAM_BYTES)
    equal(good.lost(), 0, "lost by the reader that reads")
    for stream in stopped:
        stream.wait(rounds * each)
        equal(stream.lost() > 0, True, "a stopped one lost events")


def test_close(b):
    """Closing it ends it, also in the middle of a flood, and elements are not captured any more"""
    daemon = b.daemon()
    streams = [Stream(b.client(), ELEMENTS) for _ in range(3)]
    wait_streams(b, 3)
    trigger = b.trigger("map-elements", "lookup", FLOOD).go()
    for stream in streams:
        wait_until(lambda: stream.read() or len(stream.data) > 100000, what="events")  # pylint: disable=W0640
        stream.close()
    wait_streams(b, 0)
    trigger.truth()
    witness = b.subscriber("event=map-create")
    b.trigger("map-create").go().truth()
    witness.wait_total(1)  # what was sent before that is counted
    before = b.client().property("EventsSeen")
    lookups(b, 1000)
    equal(b.client().property("EventsSeen") - before < 100, True, "lookups are not sent")
    equal(daemon.running(), True, "the daemon runs")


def test_handed_on(b):
    """It lives as long as a copy of it, when its caller leaves the bus as well"""
    b.daemon()
    caller = b.client()
    stream = Stream(caller, "event=map-create")
    copy = os.dup(stream.fd)
    stream.close()
    stream.fd = copy
    caller.close()
    b.clients.remove(caller)
    b.trigger("map-create").go().truth()
    wait_until(lambda: stream.events(), what="an event")
    stream.close()
    wait_streams(b, 0)


def test_limits(b):
    """A user has so many streams and no more; one that is closed makes room"""
    b.daemon()
    client = b.client()
    streams = [Stream(client, "process.pid=1") for _ in range(PER_USER)]
    name, message = client.error("OpenStream", dbus.Array([], "s"), dbus.Dictionary({}, "sv"))
    equal(name, LIMIT_EXCEEDED)
    contains(message, str(PER_USER), "message")
    equal((status(b, "streams"), status(b, "subscriptions")), (PER_USER, 0), "streams and subscriptions")
    streams.pop().close()
    wait_streams(b, PER_USER - 1)
    streams.append(Stream(client, "process.pid=1"))


def follow(b, *arguments):
    """Starts `bpfmonctl subscribe --stream`, and returns once it has its stream."""
    before = status(b, "streams")
    follower = Process(b, "bpfmonctl", [os.environ["BPFMONCTL"], "subscribe", "--stream", *arguments])
    wait_until(lambda: status(b, "streams") > before or not follower.running(), what="bpfmonctl's stream")
    return follower


def test_bpfmonctl(b):
    """bpfmonctl subscribe prints the same with --stream and without, as text, as JSON and as columns"""
    b.daemon()
    pairs = [(follow(b, *arguments), b.follow(*arguments)) for arguments in (
        ["event=map-*"], ["--json=short"], ["--json=pretty"], ["--json=short", "--fields=map.type,event"],
        ["--fields=event,result", "event=prog-load"], ["-n", "2", "event=map-create"])]
    for _ in range(3):
        b.trigger("map-create").go().truth()
        b.trigger("prog-load").go().truth()
    for stream, signals in pairs:
        wait_until(lambda: stream.output() and stream.output() == signals.output(),  # pylint: disable=W0640
                   what=f"the same of {stream.popen.args}: {stream.output()!r} {signals.output()!r} {stream.errors()}")
    equal([process.wait() for process in pairs[-1]], [0, 0], "exit statuses after two events")
    equal(len(pairs[-1][0].output().splitlines()), 2, "lines of -n 2")
    wait_streams(b, len(pairs) - 1)  # it finds that they were closed


def test_bpfmonctl_counts(b):
    """bpfmonctl --stream tells what was lost, and counts it; Ctrl-C ends it"""
    b.daemon()
    followers = [follow(b, ELEMENTS, *options) for options in (["--json=short"], ["--fields=map.id", "-j"])]
    followers[0].kill(signal.SIGSTOP)
    lookups(b)
    followers[0].kill(signal.SIGCONT)
    for follower in followers:
        wait_until(lambda: sum(row.get("lost.count", 1) for row in follower.objects()) >= FLOOD,  # pylint: disable=W0640
                   60, "all lookups")
        rows = follower.objects()
        equal(sum(row.get("lost.count", 1) for row in rows), FLOOD, "received and lost")
        follower.kill(signal.SIGINT)
        equal(follower.wait(), 0, "exit status")
        lost = sum(row.get("lost.count", 0) for row in rows)
        contains(follower.errors(), f"{FLOOD - lost} events, {lost} lost", "what it says")
    wait_streams(b, 0)


def test_bpfmonctl_restart(b):
    """bpfmonctl --stream goes on when the daemon is restarted"""
    daemon = b.daemon()
    follower = follow(b, "event=map-create", "-j")
    b.trigger("map-create").go().truth()
    wait_until(lambda: len(follower.objects()) == 1, what="the first event")
    daemon.stop()
    wait_until(lambda: "went away" in follower.errors(), what="a word of that")
    b.daemon()
    wait_until(lambda: "is back" in follower.errors(), what="the second stream")
    b.trigger("map-create").go().truth()
    wait_until(lambda: len(follower.objects()) == 2, what="the second event")
    equal(follower.stop(signal.SIGINT), 0, "exit status")


def test_daemon_ends(b):
    """When the daemon ends, a stream does"""
    daemon = b.daemon()
    stream = Stream(b.client())
    daemon.stop(signal.SIGTERM)
    stream.read()
    equal(stream.ended, True, "end of file")


bed.main([test_same_lines, test_match_and_fields, test_refusals, test_exact_loss, test_told_at_rest, test_small_ring,
          test_byte_by_byte, test_independent, test_close, test_handed_on, test_limits, test_bpfmonctl, test_bpfmonctl_counts,
          test_bpfmonctl_restart, test_daemon_ends])
