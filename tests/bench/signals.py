# SPDX-License-Identifier: LGPL-2.1-or-later
"""How many events a second reach one subscriber, and what that takes of the CPUs."""

import json
import os
import re
import signal
import subprocess
import time

import bench

FLOOD_SECONDS = 4
PACED_SECONDS = 2
RATES = [20000, 40000, 50000, 60000, 80000]
MATCH = "event=map-access"
FIELDS = ["process.pid", "bpf.cmd", "map.id"]

HEAD = ["calls", "calls/s", "events/s", "lost", "unaccounted", "signals/s", "bpfmond", "dbus-daemon", "subscriber",
        "caller"]
LOST = 1 + HEAD.index("lost")


class Ctl(bench.Process):
    """bpfmonctl as the subscriber, writing to /dev/null. Ended with Ctrl-C, it says what it counted."""

    def __init__(self, bed):
        with open(os.devnull, "w", encoding="utf-8") as null:
            super().__init__(bed, [os.environ["BPFMONCTL"], "subscribe", MATCH, "--json=short"],
                             stdout=null, stderr=subprocess.PIPE)
        status = [os.environ["BPFMONCTL"], "status", "--json=short"]
        while json.loads(subprocess.check_output(status, env=bed.environment))["subscriptions"] == 0:
            time.sleep(0.02)

    def counts(self):
        return None

    def settle(self, quiet):
        """Waits until it has nothing to do any more."""
        before, now = None, self.cpu()
        while now != before:
            time.sleep(quiet)
            before, now = now, self.cpu()

    def close(self):
        self.popen.send_signal(signal.SIGINT)
        _, said = self.popen.communicate(timeout=30)
        events, lost = re.search(r"^(\d+) events?, (\d+) lost", said, re.MULTILINE).groups()
        return bench.Counts(int(events), int(lost), None)


def measure(bed, daemon, subscriber, name, seconds, rate=0):
    """A row of the table. What arrives while calls are made is the rate; what is lost is known when all has come."""
    load = bench.Load(daemon, bed.bus, subscriber, bed.caller)
    begin = time.monotonic()
    calls = bed.caller.run("array", seconds, rate).number
    elapsed = time.monotonic() - begin
    shares = load.shares()
    arrived = subscriber.counts()
    subscriber.settle(0.5)
    total = subscriber.close()
    arrived = arrived or total  # bpfmonctl does not tell before its end
    return [name, f"{calls:,}", f"{calls / elapsed:,.0f}", f"{arrived.events / elapsed:,.0f}",
            f"{100 * total.lost / calls:.2f} %" if total.lost else "none", calls - total.events - total.lost,
            f"{arrived.signals / elapsed:,.0f}" if arrived.signals else "–", *(f"{share:.0f} %" for share in shares)]


def signals(bed):
    daemon = bed.daemon()
    for title, subscribe, rates in (
            ("a minimal subscriber", lambda: bed.subscriber(MATCH), RATES),
            (f"a minimal subscriber that wants {len(FIELDS)} fields",
             lambda: bed.subscriber(MATCH, "--fields", *FIELDS), [2 * rate for rate in RATES]),
            ("bpfmonctl subscribe --json=short > /dev/null", lambda: Ctl(bed), RATES),
    ):
        rows = [measure(bed, daemon, subscribe(), "without pause", FLOOD_SECONDS)]
        rows += [measure(bed, daemon, subscribe(), f"{rate:,}/s", PACED_SECONDS, rate) for rate in rates]
        kept = [rate for rate, row in zip(rates, rows[1:]) if row[LOST] == "none"]
        bench.table(f"Events to {title}", ["producer", *HEAD], rows)
        print(f"  Highest rate without loss: {f'{max(kept):,}/s' if kept else 'none of these'}")
    print("\nTarget: at least 50,000 events/s to one subscriber")


bench.main(signals)
