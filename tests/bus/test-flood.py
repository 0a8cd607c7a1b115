#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""More events than anybody can read: every one arrives, or is counted."""

import pathlib
import signal
import sys

import dbus

import bed
from bed import Process, equal, wait_until

FLOOD = 100000
WINDOW = 4 * 1024 * 1024  # bytes on their way to one subscriber, daemon/subscription.c


def flood(b, *options):
    """Makes the lookups with one subscriber to them. Returns what came of them, there and in the daemon's counters."""
    b.daemon(*options)
    subscriber = b.subscriber("event=map-access", keep=False)
    others = [b.trigger("prog-load") for _ in range(10)]
    trigger = b.trigger("map-elements", "lookup", FLOOD).go()
    for other in others:  # they come and go meanwhile; what is lost of theirs is no lookup
        other.go()
    for process in (trigger, *others):
        process.truth()
    subscriber.wait_total(FLOOD, 120)
    subscriber.settle(1)
    equal(subscriber.total(), FLOOD, f"received {subscriber.received} and lost {subscriber.lost}")
    return subscriber


def test_flood(b):
    """Of 100,000 lookups each is received or counted as lost, exactly"""
    if flood(b).received == 0:
        raise AssertionError("none was received")


def test_small_ring(b):
    """So it is with a ring of 64 KiB, which overflows"""
    subscriber = flood(b, "--ring-size=65536")
    if subscriber.received == 0 or subscriber.lost == 0:
        raise AssertionError(f"received {subscriber.received}, lost {subscriber.lost}: it did not overflow")
    if subscriber.property("EventsLost") == 0:
        raise AssertionError("EventsLost is 0")


def callers(client, pid):
    """What ListCallers says of a process: command -> (calls, errors)."""
    rows = client.call("ListCallers", dbus.Array([f"process.pid={pid}"], "s"), dbus.Dictionary({}, "sv"))
    return {str(row["bpf.cmd"]): (int(row["calls"]), int(row.get("errors", 0))) for row in rows}


def test_callers(b):
    """With no subscriber ListCallers counts exactly the calls and errors, also after the process has left"""
    b.daemon()
    client = b.client()
    for operation, errors in (("lookup", 0), ("lookup-missing", FLOOD)):
        trigger = b.trigger("map-elements", operation, FLOOD, pause=True).go()
        trigger.acted()
        want = {"MAP_CREATE": (1, 0), "MAP_LOOKUP_ELEM": (FLOOD, errors)}
        alive = callers(client, trigger.pid)
        trigger.truth()
        left = callers(client, trigger.pid)
        for rows, when in ((alive, "while it is there"), (left, "after it has left")):
            equal({command: rows.get(command) for command in want}, want, f"callers {when}")
    equal(client.property("EventsSeen") < 1000, True, "lookups are not sent")
    equal(client.property("EventsLost"), 0, "lost")


def test_stopped(b):
    """A stopped subscriber costs its window and nothing else, and when it goes on it learns how many it has lost"""
    rounds, each = 60, 500
    daemon = b.daemon()
    reader = b.subscriber("event=map-access", keep=False)
    stopped = Process(b, "counter", [sys.executable, str(pathlib.Path(__file__).with_name("counter.py")),
                                     "event=map-access"])
    wait_until(lambda: stopped.objects() or not stopped.running(), what="the second subscriber")
    equal(reader.property("Subscribers"), 2, f"subscribers ({stopped.errors()})")

    b.trigger("map-elements", "lookup", each).go().truth()
    reader.wait_total(each)
    wait_until(lambda: sum(stopped.objects()[-1].values()) == each, what="the first round at both")
    before = daemon.memory()
    stopped.kill(signal.SIGSTOP)
    grown = 0
    for i in range(1, rounds):
        b.trigger("map-elements", "lookup", each).go().truth()
        reader.wait_total(each * (i + 1))
        grown = max(grown, daemon.memory() - before)
    equal((reader.received, reader.lost), (rounds * each, 0), "the reader's received and lost")
    bed.grew(grown, WINDOW)

    stopped.kill(signal.SIGCONT)
    wait_until(lambda: sum(stopped.objects()[-1].values()) >= rounds * each, 60,
               f"{rounds * each} events; {stopped.objects()[-1]}")
    reader.settle(0.5)
    last = stopped.objects()[-1]
    equal(sum(last.values()), rounds * each, str(last))
    if last["lost"] == 0:
        raise AssertionError("it lost nothing: the window was never full")


def test_bpfmonctl(b):
    """bpfmonctl --json counts the same: its lines and its lost events add up"""
    b.daemon()
    follower = b.follow("event=map-access", "--json=short")
    b.trigger("map-elements", "lookup", FLOOD).go().truth()

    def total():
        rows = follower.objects()
        return sum(row.get("lost.count", 1) for row in rows)
    wait_until(lambda: total() >= FLOOD, 60, "all lines")
    equal(total(), FLOOD)
    follower.kill(signal.SIGINT)
    equal(follower.wait(), 0, f"exit status ({follower.errors()})")


bed.main([test_flood, test_small_ring, test_callers, test_stopped, test_bpfmonctl])
