#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What happened is kept: the past is told as the present was, across restarts and kills."""

import signal

import dbus

import bed
from bed import equal, wait_until

ERROR = "org.bpfmon1.Error."


def plain(value):
    """A value without the types of D-Bus, byte arrays as bytes."""
    if isinstance(value, dbus.ByteArray):
        return bytes(value)
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, str):
        return str(value)
    if isinstance(value, dbus.Boolean):
        return bool(value)
    return int(value)


def start(test):
    """A daemon with a state directory."""
    state = test.directory / "state"
    state.mkdir(exist_ok=True)
    test.environment["STATE_DIRECTORY"] = str(state)
    return test.daemon()


def query(test, *matches, **options):
    types = {"since": dbus.UInt64, "until": dbus.UInt64, "limit": dbus.UInt32, "reverse": dbus.Boolean,
             "cursor": dbus.String, "fields": lambda names: dbus.Array(names, "s")}
    options = {name: types[name](value) for name, value in options.items()}
    events, cursor = test.client().call("QueryEvents", dbus.Array(matches, "s"), dbus.Dictionary(options, "sv"))
    return [plain(event) for event in events], str(cursor)


def maps(test, *names):
    for name in names:
        test.trigger("map-create", name).go().truth()


def as_it_was(test):
    """Events of the past are those that were told when they happened, field by field"""
    start(test)
    subscriber = test.subscriber()
    for action in (["prog-load", "p"], ["map-create", "m"], ["link-create"], ["prog-reject"], ["btf-load"], ["fail-eperm"]):
        test.trigger(*action).go().truth()
    wait_until(lambda: {"prog-load", "map-create", "link-create", "btf-load"} <=
               {str(e["event"]) for e in subscriber.events}, what="the events")
    subscriber.settle()
    live = [plain(event) for event in subscriber.events]
    past, _ = query(test)
    boot = open("/proc/sys/kernel/random/boot_id", encoding="ascii").read().strip().replace("-", "")
    for event in past:
        equal(event.pop("boot.id"), boot, "boot.id")
    equal(len(past), len(live), "number of events")
    for before, after in zip(live, past):
        equal(after, before, f"event {before['seq']}")


def numbers_go_on(test):
    """After a restart and after kill -9 numbers and events go on"""
    daemon = start(test)
    maps(test, "one", "two")
    equal([e["seq"] for e in query(test, "event=map-create")[0]], [1, 2], "seq")
    daemon.stop()
    daemon = start(test)
    maps(test, "three")
    found, _ = query(test, "event=map-create")
    equal([e["map.name"] for e in found], ["one", "two", "three"], "maps")
    equal(found[2]["seq"] > found[1]["seq"], True, "seq goes on")
    daemon.stop(signal.SIGKILL)
    start(test)
    maps(test, "four")
    found, _ = query(test, "event=map-create")
    equal([e["map.name"] for e in found], ["one", "two", "three", "four"], "maps")
    numbers = [e["seq"] for e in found]
    equal(numbers, sorted(set(numbers)), "numbers rise")


def options_select(test):
    """Matches, times, limit, reverse, fields and cursors say what comes"""
    start(test)
    maps(test, *(f"map{i}" for i in range(7)))
    everything, _ = query(test, "event=map-create")
    equal(len(everything), 7, "maps")
    equal([e["map.name"] for e in query(test, "map.name=map2", "map.name=map4")[0]], ["map2", "map4"], "alternatives")
    equal([e["map.name"] for e in query(test, "event=map-create", limit=2, reverse=True)[0]], ["map6", "map5"], "newest")
    equal(query(test, "event=map-create", fields=["map.name"], limit=1)[0], [{"map.name": "map0"}], "fields")
    since = everything[3]["time"]
    equal([e["map.name"] for e in query(test, "event=map-create", since=since)[0]], [f"map{i}" for i in range(3, 7)], "since")
    equal([e["map.name"] for e in query(test, "event=map-create", until=since)[0]], [f"map{i}" for i in range(4)], "until")
    seen, cursor = [], ""
    while True:
        page, cursor = query(test, "event=map-create", limit=3, cursor=cursor)
        seen += [e["map.name"] for e in page]
        if len(page) < 3:
            break
    equal(seen, [f"map{i}" for i in range(7)], "pages")
    equal(query(test, "map.name=x' OR 1=1 --")[0], [], "not SQL")


def refusals(test):
    """Wrong calls are refused with a reason, and without a history that is said"""
    start(test)
    call = test.client()
    for options, name in (({"cursor": dbus.String("x")}, "InvalidOption"), ({"limit": dbus.String("x")}, "InvalidOption"),
                          ({"since": dbus.UInt32(1)}, "InvalidOption"), ({"nonsense": dbus.UInt32(1)}, "InvalidOption")):
        equal(call.error("QueryEvents", dbus.Array([], "s"), dbus.Dictionary(options, "sv"))[0], ERROR + name, options)
    equal(call.error("QueryEvents", dbus.Array(["x"], "s"), dbus.Dictionary({}, "sv"))[0], ERROR + "InvalidMatch")
    equal(test.processes[-1].running(), True)
    test.processes[-1].stop()
    del test.environment["STATE_DIRECTORY"]
    test.daemon()
    equal(test.client().error("QueryEvents", dbus.Array([], "s"), dbus.Dictionary({}, "sv"))[0], ERROR + "NoHistory")


def garbage(test):
    """A file that is garbage is set aside, and watching goes on"""
    state = test.directory / "state"
    state.mkdir()
    (state / "history.db").write_bytes(b"garbage" * 5000)
    daemon = start(test)
    maps(test, "after")
    equal([e["map.name"] for e in query(test, "event=map-create")[0]], ["after"], "maps")
    equal(len(list(state.glob("history.db.2*Z"))), 1, "files set aside")
    wait_until(lambda: "a new one begins" in daemon.errors(), what="the message")


if __name__ == "__main__":
    bed.main([as_it_was, numbers_go_on, options_select, refusals, garbage])
