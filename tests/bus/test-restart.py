#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A daemon that takes over from the one before: nothing is lost, nothing comes twice, nothing is left behind."""

import fcntl
import json
import os
import signal
import time

import bed
from bed import Process, contains, equal, wait_until
from keeper import Keeper

KILLS, PROCESSES = 10, 2
# Loads a second by each process, for so many seconds: longer than the kills take.
RATE, SECONDS = (40, 60) if bed.SANITIZED else (100, 15)
# Of the ring: a machine that stands still for some seconds must not fill it, which is what a loss would be.
ROOM = 16 * 1024 * 1024
PATIENCE = 2  # seconds that a daemon which takes over waits for readers: daemon/pipeline.c
CREATED = ("event=map-create", "event=prog-load")


def told(follower):
    """The events that a reader was told of, and how many it was told were lost. No event comes twice, or too late."""
    rows = follower.objects()
    events = [row for row in rows if row["event"] != "lost"]
    numbers = [row["seq"] for row in events]
    for before, after in zip(numbers, numbers[1:]):
        if after <= before:
            raise AssertionError(f"event {after} came after {before}")
    return events, sum(row.get("lost.count", 1) for row in rows if row["event"] == "lost")


def objects(events):
    """What they are about."""
    return [("prog", e["prog.id"]) if e["event"] == "prog-load" else ("map", e["map.id"]) for e in events]


def restart(keeper, daemon, number=signal.SIGKILL):
    daemon.stop(number)
    return keeper.start()


def count_readers(client):
    status = client.call("GetStatus")
    return int(status["subscriptions"] + status["streams"])


def wait_readers(b, number):
    client = b.client()
    wait_until(lambda: count_readers(client) == number, what=f"{number} readers")


def follow(b, *arguments):
    """Starts `bpfmonctl subscribe`, and returns once it reads, by signals or a stream."""
    before = count_readers(b.client())
    follower = Process(b, "bpfmonctl", [os.environ["BPFMONCTL"], "subscribe", *arguments])
    wait_readers(b, before + 1)
    return follower


def check_nothing_left(b, keeper, daemon):
    """The end of the daemon, and then of the store, leaves nothing in the kernel."""
    daemon.stop()
    ids = keeper.objects()
    equal({kind for kind, _ in ids}, {"prog", "map", "link"}, "kinds of objects that are kept")

    def existing():
        return {(kind, row["id"]) for kind in ("prog", "map", "link")
                for row in json.loads(b.run("bpftool", "-j", kind, "list").output() or "[]")}

    equal(ids - existing(), set(), "objects that bpftool does not list")
    keeper.forget()
    wait_until(lambda: not ids & existing(), 60, "the end of what was kept")


def test_killed(b):
    """Ten times SIGKILL in a storm of loads and new maps: each reader is told of each once, in order"""
    with Keeper(b, f"--ring-size={ROOM}") as keeper:
        daemon = keeper.start()
        readers = {"signals": follow(b, *CREATED, "-j"), "stream": follow(b, *CREATED, "-j", "--stream"),
                   "fields": follow(b, *CREATED, "-j")}
        storm = b.trigger("load-storm", RATE, SECONDS, PROCESSES).go()
        maps = b.trigger("short-storm", 1000).go()
        pauses, began = [], time.monotonic()
        for i in range(1, KILLS + 1):
            time.sleep(max(began + i - time.monotonic(), 0.2))  # one a second: what they take is no more of the storm
            start = time.monotonic()
            daemon = restart(keeper, daemon)
            pauses.append(time.monotonic() - start)
            wait_readers(b, len(readers))
        equal(storm.running(), True, "the storm outlasts the kills")
        made = {("map", number) for number in maps.truth()[0]["ids"]}
        for truth in storm.truth():
            made |= {("prog", number) for number in truth["ids"]}
        equal(len(made), RATE * SECONDS * PROCESSES + 1000, "objects made")
        for name, follower in readers.items():
            wait_until(lambda f=follower: sum(map(len, told(f)[:1])) + told(f)[1] >= len(made), 30,
                       f"all events, by {name}: {follower.errors()}")
            events, lost = told(follower)
            print(f"# {name}: {len(events)} events of {len(made)}, {lost} lost", flush=True)
            equal(lost, 0, f"lost, by {name}")
            equal(sorted(objects(events)), sorted(made), f"what {name} tell of")
            for event in events:
                equal((event["process.name"], event["result"]), ("trigger", "ok"), f"who, in {event}")
            contains(follower.errors(), "goes on where it was", f"what is said with {name}")
        print(f"# from kill to ready: {min(pauses):.2f} to {max(pauses):.2f} s", flush=True)
        status = b.client().call("GetStatus")
        equal((status["events.lost"], status["records.bad"]), (0, 0), "losses")
        check_nothing_left(b, keeper, daemon)


def test_terminated(b):
    """SIGTERM hands over as well; numbers, counts and Since go on, and nothing is missed while nobody runs"""
    with Keeper(b) as keeper:
        daemon = keeper.start()
        client = b.client()
        since = client.property("Since")
        follower = follow(b, *CREATED, "-j")
        b.trigger("map-create").go().truth()
        wait_until(lambda: len(follower.objects()) == 1, what="the event before")
        seen = client.property("EventsSeen")
        equal(daemon.stop(), 0, "exit status")
        between = b.trigger("map-create").go().truth()[0]
        daemon = keeper.start()
        wait_until(lambda: len(follower.objects()) == 2, what="the event between")
        before, event = follower.objects()
        equal((event["map.id"], event["process.pid"], event["process.executable"]),
              (between["id"], between["pid"], os.path.realpath(os.environ["TRIGGER"])), "the event between")
        equal(event["seq"] > before["seq"], True, "numbers go on")
        equal(client.property("Since"), since, "Since")
        equal(client.property("EventsResumed"), seen, "EventsResumed")
        equal("duration" in event, "duration" in before, "how long it took is known as before")
        check_nothing_left(b, keeper, daemon)


def test_probes(b):
    """The probes are the same after a takeover, their hits go on, and each call is told once"""
    with Keeper(b) as keeper:
        daemon = keeper.start()
        follower = follow(b, "event=map-create", "event=map-access", "-j")

        def probes():
            return {json.loads(line)["probe.name"]: json.loads(line)
                    for line in b.ctl("probes", "-j").output().splitlines()}

        b.trigger("map-elements", "lookup", 100).go().truth()
        before = probes()
        names = sorted(keeper.names())
        daemon = restart(keeper, daemon)
        wait_readers(b, 1)
        after = probes()
        equal(sorted(keeper.names()), names, "what is kept")
        equal(len(names), len(set(names)), "names of what is kept")
        for name, probe in before.items():
            for field in ("probe.state", "probe.hook", "probe.failed"):
                equal(after[name].get(field), probe.get(field), f"{field} of {name}")
            if probe.get("probe.hits", 0) > after[name].get("probe.hits", 0):
                raise AssertionError(f"hits of {name} went back: {probe}, {after[name]}")
        equal(before["call-exit"]["probe.hits"] >= 100, True, "hits")
        b.trigger("map-elements", "lookup", 100).go().truth()
        hits = probes()["call-exit"]["probe.hits"] - after["call-exit"]["probe.hits"]
        equal(100 <= hits < 200, True, f"hits of 100 calls: {hits}")
        wait_until(lambda: len([e for e in follower.objects() if e["event"] == "map-access"]) == 200, what="lookups")
        equal(told(follower)[1], 0, "lost")
        # Nobody listens: what is only attached then goes, from the store as well.
        follower.stop(signal.SIGINT)
        wait_until(lambda: probes()["call-entry"]["probe.state"] != "attached"
                   or before["call-entry"]["probe.hook"].startswith("kprobe"), what="the end of call-entry")
        b.trigger("map-create").go().truth()
        daemon = restart(keeper, daemon)
        check_nothing_left(b, keeper, daemon)


def test_own(b):
    """Neither the daemon's own objects nor its takeover are told of as somebody else's, or as tampering"""
    with Keeper(b, observe=f"pid:{os.getpid()}") as keeper:
        daemon = keeper.start()
        follower = follow(b, "-j", "class!=use")
        for _ in range(3):
            daemon = restart(keeper, daemon)
            wait_readers(b, 1)
        b.trigger("map-create").go().truth()
        wait_until(lambda: [e for e in follower.objects() if e["event"] == "map-create"], what="the event after")
        events, lost = told(follower)
        equal(lost, 0, "lost")
        equal([e["event"] for e in events if e.get("process.name") not in ("trigger", "bpftool")], [], "events of others")
        equal([e for e in events if e["event"] == "tamper"], [], "tampering")
        ids = [number for kind, number in keeper.objects() if kind == "prog"]
        before = len(follower.objects())
        b.run("bpftool", "prog", "show", "id", ids[0])
        wait_until(lambda: [e for e in follower.objects()[before:] if e["event"] == "tamper"],
                   what="tampering by somebody else")


def test_other_layout(b):
    """A ring of another size is not taken over: the gap is told, in the log and to who comes back; numbers go on"""
    with Keeper(b) as keeper:
        daemon = keeper.start()
        followers = [follow(b, *CREATED, "-j"), follow(b, *CREATED, "-j", "--stream")]
        b.trigger("map-create").go().truth()
        wait_until(lambda: all(len(f.objects()) == 1 for f in followers), what="the event before")
        old = keeper.objects()
        daemon.stop(signal.SIGKILL)
        daemon = keeper.start("--ring-size=262144")
        contains(daemon.errors(), "cannot be taken over", "what the log says")
        wait_readers(b, 2)
        b.trigger("map-create").go().truth()
        for follower in followers:
            wait_until(lambda f=follower: len(f.objects()) == 3, what=f"gap and event: {follower.errors()}")
            before, gap, after = follower.objects()
            equal((gap["event"], gap["lost.where"], "lost.count" in gap), ("lost", "restart", False), "the gap")
            equal(before["seq"] < gap["seq"] < after["seq"], True, "numbers go on")
        equal(old & keeper.objects(), set(), "what is still kept of the old")
        # And the new one is taken over in its turn.
        keeper.options.append("--ring-size=262144")
        daemon = restart(keeper, daemon)
        wait_readers(b, 2)
        b.trigger("map-create").go().truth()
        for follower in followers:
            wait_until(lambda f=follower: len(f.objects()) == 4, what=f"the event after: {follower.errors()}")
            equal(told(follower)[1], 1, "gaps")
        check_nothing_left(b, keeper, daemon)


def spoil_pipes(_b, store):
    """Pipes under all names."""
    return [(name, os.pipe()[0]) for name, _ in store]


def spoil_one_map(b, store):
    """Another map of ours where the ring should be."""
    return [(name, os.dup(dict(store)["map.stats"]) if name == "map.ring" else os.dup(fd)) for name, fd in store]


def spoil_state(_b, store):
    """A state of the right size that is full of nonsense, and may shrink."""
    fd = os.memfd_create("x", os.MFD_CLOEXEC)
    os.write(fd, b"\xff" * os.fstat(dict(store)["state"]).st_size)
    return [(name, fd if name == "state" else os.dup(old)) for name, old in store]


def spoil_sealed_state(_b, store):
    """The same, sealed."""
    fd = os.memfd_create("x", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, b"\xff" * os.fstat(dict(store)["state"]).st_size)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL)
    return [(name, fd if name == "state" else os.dup(old)) for name, old in store]


def spoil_missing(_b, store):
    """One link is not there."""
    gone = next(name for name, _ in store if name.startswith("link."))
    return [(name, os.dup(fd)) for name, fd in store if name != gone]


def spoil_strangers(_b, _store):
    """Nothing of ours, and names that nobody gave."""
    return [("", os.pipe()[0]), ("x" * 200, os.pipe()[0]), ("map.", os.pipe()[0]), ("state", os.pipe()[0])]


def test_garbage(b):
    """What is not what a daemon left is recognised, said, and given back; the daemon begins anew"""
    for spoil in (spoil_pipes, spoil_one_map, spoil_state, spoil_sealed_state, spoil_missing, spoil_strangers):
        with Keeper(b) as keeper:
            daemon = keeper.start()
            daemon.stop(signal.SIGKILL)
            keeper.settle()
            with keeper.lock:
                store = keeper.store
                spoilt = spoil(b, store)
                for _, fd in store:
                    os.close(fd)
                keeper.store = spoilt
            daemon = keeper.start()
            contains(daemon.errors(), "cannot be taken over", f"the log, with {spoil.__doc__}")
            equal(len(daemon.errors().splitlines()), 2, f"lines, with {spoil.__doc__}: {daemon.errors()}")
            subscriber = b.subscriber("event=map-create")
            b.trigger("map-create").go().truth()
            wait_until(lambda s=subscriber: [e for e in s.events if e["event"] == "map-create"], what="an event")
            subscriber.close()
            b.clients.remove(subscriber)
            wait_readers(b, 0)
            equal(len(keeper.names()), len(set(keeper.names())), f"names that are kept, with {spoil.__doc__}")
            check_nothing_left(b, keeper, daemon)


def test_late(b):
    """A reader that comes back when the others have gone on is told what it may have missed"""
    with Keeper(b) as keeper:
        daemon = keeper.start()
        late, early = follow(b, *CREATED, "-j"), follow(b, *CREATED, "-j")
        late.kill(signal.SIGSTOP)
        daemon.stop(signal.SIGKILL)
        b.trigger("map-create").go().truth()
        start = time.monotonic()
        daemon = keeper.start()
        wait_until(lambda: len(early.objects()) == 1, what="the event, by the one that is there")
        waited = time.monotonic() - start
        equal(waited >= PATIENCE, True, f"seconds that it waited for the other: {waited:.1f}")
        late.kill(signal.SIGCONT)
        wait_until(late.objects, what="what the late one is told")
        row = late.objects()[0]
        equal((row["event"], row["lost.where"], row["lost.count"] >= 1), ("lost", "restart", True), "what it is told")
        daemon.stop()


def test_given_up(b):
    """bpfmonctl gives up on a daemon that does not come back within 30 s, with exit status 1"""
    daemon = b.daemon()
    followers = [follow(b, "-j"), follow(b, "-j", "--stream")]
    start = time.monotonic()
    daemon.stop()
    for follower in followers:
        equal(follower.wait(60), 1, f"exit status ({follower.errors()})")
        equal(len(follower.errors().splitlines()), 2, f"lines: {follower.errors()}")
        contains(follower.errors(), "did not come back", "what it says")
    equal(time.monotonic() - start > 25, True, "seconds that they waited")


def test_count_goes_on(b):
    """-n counts across a takeover"""
    with Keeper(b) as keeper:
        daemon = keeper.start()
        followers = [follow(b, "event=map-create", "-j", "-n", "3", *options) for options in ([], ["--stream"])]
        for _ in range(2):
            b.trigger("map-create").go().truth()
            daemon = restart(keeper, daemon)
            wait_readers(b, 2)
        b.trigger("map-create").go().truth()
        for follower in followers:
            equal(follower.wait(), 0, f"exit status ({follower.errors()})")
            equal(len(follower.objects()), 3, "events")
        daemon.stop()


bed.main([test_killed, test_terminated, test_probes, test_own, test_other_layout, test_garbage, test_late, test_given_up,
          test_count_goes_on])
