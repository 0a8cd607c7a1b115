#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The life of a subscription: who may change it, and when it ends."""

import signal
import time

import dbus

import bed
from bed import SUBSCRIPTION, contains, equal, wait_until

ACCESS_DENIED = "org.freedesktop.DBus.Error.AccessDenied"
INVALID_MATCH = "org.bpfmon1.Error.InvalidMatch"
UNKNOWN_OBJECT = "org.freedesktop.DBus.Error.UnknownObject"
BUS_TIMEOUT = 2  # seconds that the bus may take to answer, daemon/daemon.c
MANY = 50        # subscriptions; a user may have 64


def update(subscriber, *matches):
    subscriber.call("Update", dbus.Array(matches, "s"), path=subscriber.path, interface=SUBSCRIPTION)


def close(subscriber):
    subscriber.call("Close", path=subscriber.path, interface=SUBSCRIPTION)


def kinds(subscriber):
    return [str(event["event"]) for event in subscriber.events]


def make_events(b, witness):
    """Creates a map and loads a program, and returns when a witness who sees all has seen both."""
    before = len(witness.events)
    b.trigger("map-create").go().truth()
    b.trigger("prog-load").go().truth()
    wait_until(lambda: {"map-create", "prog-load"} <= set(kinds(witness)[before:]), what="events at the witness")


def test_match(b):
    """Each subscriber gets what it asked for, and only that"""
    b.daemon()
    maps, programs, nothing = (b.subscriber(m) for m in ("event=map-create", "event=prog-load", "process.pid=1"))
    witness = b.subscriber()
    make_events(b, witness)
    wait_until(lambda: kinds(programs), what="what the second asked for")
    maps.settle()
    equal(kinds(maps), ["map-create"])
    equal(kinds(programs), ["prog-load"])
    equal(kinds(nothing), [])


def test_fields(b):
    """A subscriber gets the fields that it asked for, and no others"""
    b.daemon()
    few = b.subscriber("event=map-create", options={"fields": dbus.Array(["event", "map.type", "prog.id"], "s")})
    witness = b.subscriber()
    make_events(b, witness)
    few.settle()
    equal([{str(k): str(v) for k, v in event.items()} for event in few.events],
          [{"event": "map-create", "map.type": "hash"}])


def test_unicast(b):
    """Signals go to the subscription's owner alone"""
    b.daemon()
    owner = b.subscriber()
    stranger = b.subscriber("process.pid=1")
    seen = []
    stranger.bus.add_signal_receiver(lambda *_, **__: seen.append(1), dbus_interface=SUBSCRIPTION)
    make_events(b, owner)
    stranger.settle()
    equal(seen, [], "what a stranger with a match rule for all of them got")


def test_sequence(b):
    """Events carry rising sequence numbers, and a signal says the first of its own"""
    b.daemon()
    firsts = []
    subscriber = b.subscriber()
    subscriber.bus.add_signal_receiver(lambda first, lost, events: firsts.append((int(first), int(events[0]["seq"]))),
                                       dbus_interface=SUBSCRIPTION, signal_name="Events")
    for _ in range(5):
        make_events(b, subscriber)
    numbers = [int(event["seq"]) for event in subscriber.events]
    equal(numbers, sorted(set(numbers)), "sequence numbers")
    equal(b.client().property("EventsSeen") >= numbers[-1], True, "EventsSeen counts them")


def test_update(b):
    """Update takes effect before it returns; a wrong one leaves the old match"""
    b.daemon()
    subscriber, witness = b.subscriber("event=map-create"), b.subscriber()
    update(subscriber, "event=prog-load")
    make_events(b, witness)
    subscriber.settle()
    equal(kinds(subscriber), ["prog-load"], "after the update")
    name, message = subscriber.error("Update", dbus.Array(["evnet=map-create"], "s"), path=subscriber.path,
                                     interface=SUBSCRIPTION)
    equal(name, INVALID_MATCH)
    contains(message, '"event"', "suggestion")
    make_events(b, witness)
    subscriber.settle()
    equal(kinds(subscriber), ["prog-load"] * 2, "after the refused update")


def test_update_to_elements(b):
    """Element operations are sent once an Update asks for them, and no more after the next"""
    b.daemon()
    subscriber = b.subscriber("event=prog-load")
    b.trigger("map-elements", "lookup", 10).go().truth()
    update(subscriber, "event=map-access", "bpf.cmd=MAP_LOOKUP_ELEM")
    b.trigger("map-elements", "lookup", 20).go().truth()
    subscriber.wait_total(20)
    update(subscriber, "event=prog-load")
    b.trigger("map-elements", "lookup", 30).go().truth()
    b.trigger("prog-load").go().truth()
    subscriber.wait_total(21)
    subscriber.settle()
    equal({kind: kinds(subscriber).count(kind) for kind in kinds(subscriber)}, {"map-access": 20, "prog-load": 1})


def test_close(b):
    """After Close nothing comes any more, and the object is gone"""
    b.daemon()
    subscriber, witness = b.subscriber(), b.subscriber()
    close(subscriber)
    equal(witness.property("Subscribers"), 1)
    make_events(b, witness)
    subscriber.settle()
    equal(kinds(subscriber), [])
    name, _ = subscriber.error("Close", path=subscriber.path, interface=SUBSCRIPTION)
    equal(name, UNKNOWN_OBJECT, "a second Close")


def test_peer_leaves(b):
    """A subscription ends with its owner's connection, also in the middle of a flood"""
    daemon = b.daemon()
    witness = b.client()
    for matches in ([], ["event=map-access"]):
        subscriber = b.subscriber(*matches, keep=False)
        equal(witness.property("Subscribers"), 1)
        trigger = b.trigger("map-elements", "lookup", 50000).go()
        if matches:
            wait_until(lambda: subscriber.received, what="the flood")  # pylint: disable=cell-var-from-loop
        subscriber.close()
        b.clients.remove(subscriber)
        wait_until(lambda: witness.property("Subscribers") == 0, what="the end of the subscription")
        trigger.truth()
    equal(daemon.running(), True, "the daemon runs")


def test_stranger(b):
    """Another connection may neither close nor update a subscription"""
    b.daemon()
    subscriber, stranger = b.subscriber("event=map-create"), b.client()
    for call in (("Close",), ("Update", dbus.Array(["event=prog-load"], "s"))):
        name, _ = stranger.error(*call, path=subscriber.path, interface=SUBSCRIPTION)
        equal(name, ACCESS_DENIED, call[0])
    make_events(b, b.subscriber())
    subscriber.settle()
    equal(kinds(subscriber), ["map-create"], "the owner goes on as before")


def test_standstill(b):
    """A daemon that stands still for longer than a call may take, while many subscribe, loses nobody"""
    daemon = b.daemon()
    client, paths, errors = b.client(), [], []
    for _ in range(MANY):
        client.bus.call_async(bed.NAME, bed.PATH, bed.MANAGER, "Subscribe", "asa{sv}", (["event=map-create"], {}),
                              paths.append, errors.append)
    wait_until(lambda: paths or errors, what="the first answer")
    daemon.kill(signal.SIGSTOP)
    end = time.monotonic() + BUS_TIMEOUT + 0.5
    wait_until(lambda: time.monotonic() > end)
    daemon.kill(signal.SIGCONT)
    wait_until(lambda: len(paths) + len(errors) == MANY or not daemon.running(), what="all answers")
    equal((len(paths), errors), (MANY, []), f"subscriptions, errors ({daemon.errors()})")
    make_events(b, b.subscriber())
    equal(b.client().property("Subscribers"), MANY + 1)
    client.close()
    b.clients.remove(client)
    wait_until(lambda: b.client().property("Subscribers") == 1, what="the end of all others")


bed.main([test_match, test_fields, test_unicast, test_sequence, test_update, test_update_to_elements, test_close,
          test_peer_leaves, test_stranger, test_standstill])
