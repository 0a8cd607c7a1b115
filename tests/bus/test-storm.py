#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Thousands of programs a second, by several processes at once: nothing is lost, nothing is taken for another's. And
more than the ring holds: each is received or told as lost."""

import ctypes
import os
import signal
import socket
import struct

import dbus

import bed
from bed import equal

RATE, SECONDS, PROCESSES = 1000, 10, 2
SO_ATTACH_FILTER = 26


def test_storm(b):
    """Of 2,000 loads a second for ten seconds each is told once, with its program and its process"""
    b.daemon()
    subscriber = b.subscriber("event=prog-load", options={"fields": dbus.Array(
        ["process.pid", "process.name", "process.executable", "prog.id", "prog.name", "result"], "s")})
    processes = b.trigger("load-storm", RATE, SECONDS, PROCESSES).go().truth()
    equal(len(processes), PROCESSES, "processes that report")
    wanted = {number: (truth["pid"], f"storm_{i:x}") for truth in processes
              for i, number in enumerate(truth["ids"])}
    equal(len(wanted), RATE * SECONDS * PROCESSES, "programs")
    subscriber.wait_total(len(wanted), 120)
    subscriber.settle(1)
    for truth in processes:
        print(f"# {truth['rate']} loads a second by process {truth['pid']}, asked for {truth['wanted']}", flush=True)

    equal((subscriber.received, subscriber.lost), (len(wanted), 0), "received and lost")
    got = {int(e["prog.id"]): (int(e["process.pid"]), str(e["prog.name"])) for e in subscriber.events}
    equal(len(got), len(wanted), "programs told of")
    for number, told in got.items():
        equal(told, wanted.get(number), f"who loaded program {number}, and its name")
    others = {(str(e["process.name"]), str(e["process.executable"]), str(e["result"])) for e in subscriber.events}
    equal(others, {("trigger", os.path.realpath(os.environ["TRIGGER"]), "ok")}, "what all have in common")
    status = b.client().call("GetStatus")
    equal((int(status["events.lost"]), int(status["window.lost"]), int(status["records.bad"])), (0, 0, 0), "losses")


def overflow(b, act):
    """Lets `act` make that many events while the daemon stands still with a ring of 64 KiB."""
    daemon = b.daemon("--ring-size=65536")
    subscriber = b.subscriber(keep=False)
    daemon.kill(signal.SIGSTOP)
    made = act()
    daemon.kill(signal.SIGCONT)
    subscriber.wait_total(made)
    subscriber.settle(1)
    status = subscriber.call("GetStatus")
    equal(subscriber.total(), made, f"received {subscriber.received} and lost {subscriber.lost}")
    equal(subscriber.lost, int(status["events.lost"]), "lost, as told and as in the status")
    if subscriber.received == 0 or subscriber.lost == 0:
        raise AssertionError(f"received {subscriber.received}, lost {subscriber.lost}: it did not overflow")


def test_lost_calls(b):
    """Of more calls than the ring holds each is received or told as lost"""
    maps = [b.trigger("map-create") for _ in range(150)]

    def act():
        for trigger in maps:
            trigger.go().truth()
        return len(maps)
    overflow(b, act)


def test_lost_actions(b):
    """Of more filters of sockets than the ring holds each is received or told as lost"""
    code = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0xffff))  # ret #65535
    program = struct.pack("HP", 1, ctypes.addressof(code))

    def act():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            for _ in range(500):
                s.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
        return 500
    overflow(b, act)


bed.main([test_storm, test_lost_calls, test_lost_actions])
