#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon's life: starting, refusing to start, ending."""

import json
import os
import signal
import time

import bed
from bed import MANAGER, NAME, Process, contains, equal, limit, wait_until


def held_objects(process):
    """The BPF objects that a process holds fds of: a set of (kind, id)."""
    held = set()
    for text in process.descriptors():
        for line in text.splitlines():
            key, _, value = line.partition(":")
            if key in ("prog_id", "map_id", "link_id"):
                held.add((key.removesuffix("_id"), int(value)))
    return held


def existing_objects(b):
    """The BPF objects that the kernel has, as bpftool lists them."""
    return {(kind, row["id"]) for kind in ("prog", "map", "link")
            for row in json.loads(b.run("bpftool", "-j", kind, "list").output() or "[]")}


def check_nothing_left(b, end):
    daemon = b.daemon()
    held = held_objects(daemon)
    equal({kind for kind, _ in held}, {"prog", "map", "link"}, "kinds of objects the daemon holds")
    if missing := held - existing_objects(b):
        raise AssertionError(f"bpftool does not list {missing}: the check would not notice them left behind")
    status = end(daemon)
    wait_until(lambda: not held & existing_objects(b), 60, f"the end of {held}")
    return daemon, status


def refusal(b, want_status, *command):
    """Runs a bpfmond that must not start. Returns the one line that it says."""
    process = b.run(*command)
    equal(process.popen.returncode, want_status, f"exit status ({process.errors()})")
    lines = process.errors().splitlines()
    equal(len(lines), 1, f"lines said: {lines}")
    return lines[0]


def test_start(b):
    """The daemon owns its name before clients give up, and says what it is"""
    began = time.time()
    daemon = b.daemon(ready=False)
    client = b.client()
    wait_until(lambda: client.bus.name_has_owner(NAME) or not daemon.running(), 25, "the name")
    b.wait_ready(daemon)
    owner = client.bus.get_name_owner(NAME)
    equal(client.bus.call_blocking("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                   "GetConnectionUnixProcessID", "s", (owner,)), daemon.pid, "owner")
    since = client.property("Since") / 1e6
    if not began - 0.1 < since <= time.time():
        raise AssertionError(f"Since is {since}, now is {time.time()}, it was started at {began}")
    contains(b.run(os.environ["BPFMOND"], "--version").output(), client.property("Version"), "version")


def test_second(b):
    """A second daemon on the same bus says so and exits with 1; the first goes on"""
    first = b.daemon()
    line = refusal(b, 1, os.environ["BPFMOND"], f"--observe=pid:{os.getpid()}")
    contains(line, "Another bpfmond", "what the second says")
    equal(first.running(), True, "the first is running")
    b.client().call("GetStatus")


def test_terminated(b):
    """SIGTERM ends the daemon with 0, and no program, map or link of it stays"""
    daemon, status = check_nothing_left(b, lambda daemon: daemon.stop(signal.SIGTERM))
    equal(status, 0, f"exit status ({daemon.errors()})")


def test_killed(b):
    """SIGKILL leaves no program, map or link behind either"""
    check_nothing_left(b, lambda daemon: daemon.stop(signal.SIGKILL))


def test_terminated_while_busy(b):
    """SIGTERM during a flood to a subscriber ends the daemon with 0, and does not wait for the flood's end"""
    daemon = b.daemon()
    subscriber = b.subscriber("event=map-access", keep=False)
    trigger = b.trigger("map-elements", "lookup", 200000000).go()
    wait_until(lambda: subscriber.received > 100, what="the flood")
    equal(daemon.stop(signal.SIGTERM, limit(30)), 0, f"exit status ({daemon.errors()})")
    equal(trigger.running(), True, "the flood goes on")
    trigger.stop(signal.SIGKILL)


def test_no_bus(b):
    """Without a bus the daemon says so in one line and exits with 1"""
    b.environment["DBUS_SYSTEM_BUS_ADDRESS"] = f"unix:path={b.directory}/nowhere"
    contains(refusal(b, 1, os.environ["BPFMOND"], f"--observe=pid:{os.getpid()}"), "bus", "what it says")


def test_bus_ends(b):
    """When the bus ends the daemon ends, and says so"""
    daemon = b.daemon()
    b.processes[0].stop()
    daemon.wait()
    contains(daemon.errors(), "bus", "what it says")


def test_not_root(b):
    """Without privileges the daemon says in one line what to do and exits with 77"""
    b.directory.chmod(0o711)
    line = refusal(b, 77, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", os.environ["BPFMOND"],
                   f"--observe=pid:{os.getpid()}")
    contains(line, "root", "what it says")


def test_options(b):
    """Options that cannot be are refused in one line that names them, with exit status 2"""
    for option, named in (("--observe=pid:1x", "1x"), ("--observe=tree:1", "tree:1"), ("--observe=pid:-1", "-1"),
                          ("--ring-size=1000", "1000"), ("--ring-size=x", "x"), ("--nonsense", "nonsense")):
        contains(refusal(b, 2, os.environ["BPFMOND"], option), named, option)
    line = refusal(b, 1, os.environ["BPFMOND"], "--observe=cgroup:/nowhere/at/all")
    contains(line, "/nowhere/at/all", "what it says")


def test_hangs_on_nobody(b):
    """A client that is stopped in the middle of a call does not hold up others"""
    b.daemon()
    caller = Process(b, "busctl", ["busctl", f"--address={b.address}", "monitor", NAME])
    caller.kill(signal.SIGSTOP)
    for _ in range(100):
        b.client().call("GetStatus", interface=MANAGER, timeout=20)


bed.main([test_start, test_second, test_terminated, test_killed, test_terminated_while_busy, test_no_bus,
          test_bus_ends, test_not_root, test_options, test_hangs_on_nobody])
