#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Thousands of programs a second, by several processes at once: nothing is lost, nothing is taken for another's."""

import os

import dbus

import bed
from bed import equal

RATE, SECONDS, PROCESSES = 1000, 10, 2


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


bed.main([test_storm])
