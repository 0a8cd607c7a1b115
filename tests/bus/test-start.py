#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon while it starts on a machine whose kernel takes its time: it is called before its probes are attached."""

import contextlib
import json
import os
import signal
import socket
import time

import bed
from bed import MANAGER, NAME, PATH, Process, contains, equal, wait_until
from keeper import Keeper

PATIENCE = 10  # seconds that a call waits: daemon/early.c
CLIENT = 25    # seconds after which clients give up


class Slow:
    """A daemon whose kernel loads no program until go()."""

    def __init__(self, b, **environment):
        self.bed = b
        self.file = b.directory / "slow"
        self.file.touch()
        before = b.environment
        b.environment = dict(before, LD_PRELOAD=os.environ["SLOW_KERNEL_LIBRARY"], SLOW_KERNEL=str(self.file),
                             ASAN_OPTIONS=f"{before.get('ASAN_OPTIONS', '')}:verify_asan_link_order=0", **environment)
        self.daemon = b.daemon(ready=False)
        b.environment = before
        self.client = b.client()
        wait_until(lambda: self.client.bus.name_has_owner(NAME) or not self.daemon.running(), what="the name")
        self.since = time.monotonic()

    def state(self):
        return self.client.call("GetStatus")["state"]

    def go(self):
        self.file.unlink()
        self.bed.wait_ready(self.daemon)

    def call(self, method, *arguments):
        """A call by another program, which does not wait for it here."""
        return Process(self.bed, method, ["busctl", "--json=short", f"--timeout={CLIENT}", "call", NAME, PATH, MANAGER, method,
                                          *arguments])


NOTHING = ("asa{sv}", "0", "0")


def test_status(b):
    """While programs are being loaded the status says so, and the bus is served"""
    slow = Slow(b)
    equal(slow.state(), "starting", "state")
    status = slow.client.call("GetStatus")
    equal((bool(status["degraded"]), int(status["probes.attached"])), (True, 0), "degraded, probes attached")
    contains(slow.client.call("Introspect", interface="org.freedesktop.DBus.Introspectable"), "OpenStream", "what is offered")
    slow.client.call("Ping", interface="org.freedesktop.DBus.Peer")
    equal(int(slow.client.property("Subscribers")), 0, "subscribers")
    contains(b.ctl("status").output(), "starting", "bpfmonctl status")
    slow.go()
    equal(slow.state(), "watching", "state")


def test_waiting(b):
    """Calls that need the probes wait for them, and who subscribed misses nothing then"""
    slow = Slow(b)
    calls = [slow.call(name, *arguments) for name, arguments in (("ListCallers", NOTHING), ("ListProbes", ()))]
    reader = Process(b, "bpfmonctl", [os.environ["BPFMONCTL"], "subscribe", "--json=short", "event=map-create"])
    end = time.monotonic() + 0.5
    wait_until(lambda: time.monotonic() > end)
    equal([process.running() for process in calls], [True, True], "waiting")
    equal(int(slow.client.property("Subscribers")), 0, "subscribers")
    slow.go()
    equal([process.wait() for process in calls], [0, 0], "exit statuses")
    states = {row["probe.state"]["data"] for row in json.loads(calls[1].output())["data"][0]}
    equal("starting" in states, False, f"states of probes: {states}")
    wait_until(lambda: slow.client.property("Subscribers") == 1, what="the subscription")
    (truth,) = b.trigger("map-create").go().truth()
    wait_until(reader.objects, what="the event")
    equal([(row["event"], row["process.pid"]) for row in reader.objects()], [("map-create", truth["pid"])], "events")


def test_many(b):
    """No user has more than eight calls wait; further ones are answered as it stands"""
    slow = Slow(b)
    calls = [slow.call("ListCallers", *NOTHING) for _ in range(12)]
    wait_until(lambda: sum(not process.running() for process in calls) == 4, what="those that do not wait")
    end = time.monotonic() + 0.5
    wait_until(lambda: time.monotonic() > end)
    equal(sum(process.running() for process in calls), 8, "those that wait")
    slow.go()
    equal([process.wait() for process in calls], [0] * 12, "exit statuses")


def test_impatient(b):
    """They do not wait for longer than clients do; who subscribed then is told that something was missed"""
    slow = Slow(b)
    calls = [slow.call(name, *arguments) for name, arguments in (("ListCallers", NOTHING), ("ListProbes", ()), ("Reload", ()))]
    reader = Process(b, "bpfmonctl", [os.environ["BPFMONCTL"], "subscribe", "--json=short"])
    equal([process.wait(PATIENCE + 30) for process in calls], [0, 0, 0], "exit statuses")
    if time.monotonic() - slow.since < PATIENCE - 1:
        raise AssertionError("they did not wait")
    wait_until(lambda: slow.client.property("Subscribers") == 1, what="the subscription")
    equal(slow.state(), "starting", "state")
    states = {row["probe.state"]["data"] for row in json.loads(calls[1].output())["data"][0]}
    equal(states, {"starting"}, "states of probes")
    b.trigger("map-create").go().truth()
    slow.client.call("ListProbes", timeout=PATIENCE - 1)  # nobody waits any more
    slow.go()
    (truth,) = b.trigger("map-create").go().truth()
    told = wait_until(lambda: len(reader.objects()) > 1 and reader.objects(), what="events")
    equal((told[0]["event"], told[0].get("lost.where"), told[0].get("lost.count")), ("lost", "start", None), "first event")
    equal([row["process.pid"] for row in told[1:]], [truth["pid"]], "events")


@contextlib.contextmanager
def manager(b):
    """What a service manager would be told: a function that returns it, line by line."""
    path = b.directory / "notify"
    told = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(str(path))
        s.setblocking(False)

        def hear():
            with contextlib.suppress(BlockingIOError):
                while True:
                    told.extend(s.recv(4096).decode().splitlines())
            return told

        yield str(path), hear


def test_manager(b):
    """The service manager hears that it is ready when it is, and of its life before, also when it reloads"""
    with manager(b) as (path, hear):
        slow = Slow(b, NOTIFY_SOCKET=path, WATCHDOG_USEC="1000000")
        wait_until(lambda: hear().count("WATCHDOG=1") >= 4, what="signs of life")
        slow.daemon.kill(signal.SIGHUP)
        wait_until(lambda: "Read the configuration" in slow.daemon.errors(), what="the reload")
        slow.client.call("GetStatus")
        lines = hear()
        equal([line for line in lines if line.startswith(("READY=", "RELOADING="))], [], "told before it is ready")
        contains(lines, "STATUS=Attaching the probes", "told")
        slow.file.unlink()
        wait_until(lambda: "READY=1" in hear(), what="READY=1")
        equal(slow.state(), "watching", "state when it says that it is ready")


def test_takeover(b):
    """A takeover that takes long costs nobody the bus"""
    with Keeper(b) as keeper:
        keeper.start().stop(signal.SIGKILL)
        slow = b.directory / "slow"
        slow.touch()
        b.environment.update(LD_PRELOAD=os.environ["SLOW_KERNEL_LIBRARY"], SLOW_KERNEL=str(slow),
                             ASAN_OPTIONS=f"{b.environment.get('ASAN_OPTIONS', '')}:verify_asan_link_order=0")
        daemon = keeper.start(ready=False)
        client = b.client()
        wait_until(lambda: client.bus.name_has_owner(NAME) or not daemon.running(), what="the name")
        end = time.monotonic() + 4
        wait_until(lambda: time.monotonic() > end)
        slow.unlink()
        b.wait_ready(daemon)
        equal(count_events(b), 1, "events")
        equal(daemon.stop(), 0, f"exit status: {daemon.errors()}")


def count_events(b):
    """How many events a reader gets of one map."""
    reader = b.subscriber("event=map-create")
    b.trigger("map-create").go().truth()
    reader.wait_total(1)
    return reader.received


def test_end(b):
    """It can be ended while it starts: that waits for the kernel, and nothing stays behind"""
    slow = Slow(b)
    call = slow.call("ListProbes")
    end = time.monotonic() + 0.5
    wait_until(lambda: time.monotonic() > end)
    slow.daemon.kill(signal.SIGTERM)
    slow.file.unlink()
    equal(slow.daemon.wait(), 0, f"exit status: {slow.daemon.errors()}")
    if call.wait() == 0:
        raise AssertionError(f"the call was answered: {call.output()}")


if __name__ == "__main__":
    bed.main([test_status, test_waiting, test_many, test_impatient, test_manager, test_takeover, test_end])
