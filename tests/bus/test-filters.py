#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Filters that come without bpf(), where there are no kprobes: what the guests expect of the tracepoints holds here."""

import pathlib
import platform
import re
import sys

import bed

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "vm"))
import cases_sockets  # noqa: E402  pylint: disable=wrong-import-position
import expect  # noqa: E402  pylint: disable=wrong-import-position

KERNEL = tuple(int(n) for n in re.findall(r"\d+", platform.release())[:2])
CASES = [c for c in cases_sockets.CASES if not c.needs_kprobes and KERNEL >= c.since]


def test_filters(b):
    """Filters of sockets and of seccomp are told, whether they were taken or not"""
    b.daemon("--no-kprobes")
    follower = b.follow("--json=short", "class=install", "class=remove")
    truths = [b.trigger(*c.action.split()).go().truth()[0] for c in CASES]
    marker = b.trigger("map-create", "behind_them").go().truth()[0]
    bed.wait_until(lambda: any(e.get("map.id") == marker["id"] for e in follower.objects()), what="the last event")
    events = follower.objects()
    wrong = {c.label: lines for c, truth in zip(CASES, truths)
             if (lines := expect.check_case(c, truth, events, "tracepoints"))}
    bed.equal(wrong, {}, "differences")


def test_no_listener(b):
    """While nobody listens, the calls are not watched"""
    b.daemon("--no-kprobes")
    states = {row["probe.name"]: row for row in (dict(r) for r in b.client().call("ListProbes"))}
    for name in ("socket-filter", "socket-filter-reuseport", "socket-filter-fanout", "seccomp"):
        bed.equal(str(states[name]["probe.state"]), "waiting", f"state of {name}")
        bed.contains(str(states[name]["probe.blind"]), "32-bit", f"what {name} cannot see")


bed.main([test_filters, test_no_listener])
