# SPDX-License-Identifier: LGPL-2.1-or-later
"""How many events a second reach one reader through a stream, beside signals, and what that takes of the CPUs."""

import time

import bench

ROUNDS = 3
FLOOD_SECONDS = 3
PACED_SECONDS = 2
RATES = [100000, 200000, 300000, 400000]
MATCH = "event=map-access"
FIELDS = ["process.pid", "bpf.cmd", "map.id"]
TARGET = 300000

HEAD = ["calls", "made/s", "received/s", "lost", "unaccounted", "bpfmond", "ns an event", "subscriber", "caller"]


def measure(bed, daemon, subscriber, name, seconds, rate=0):
    """A row of the table, and the events a second that came while calls were made. What is lost is known when all has
    come."""
    load = bench.Load(daemon, subscriber, bed.caller)
    begin = time.monotonic()
    calls = bed.caller.run("array", seconds, rate).number
    elapsed = time.monotonic() - begin
    daemon_share, *shares = load.shares()
    arrived = subscriber.counts().events
    subscriber.settle(0.3)
    total = subscriber.close()
    lost = f"{100 * total.lost / calls:.2f} %" if total.lost else "none"
    return [name, f"{calls:,}", f"{calls / elapsed:,.0f}", f"{arrived / elapsed:,.0f}", lost,
            calls - total.events - total.lost, f"{daemon_share:.0f} %",
            f"{daemon_share * 1e7 * elapsed / max(arrived, 1):,.0f}", *(f"{share:.0f} %" for share in shares)
            ], arrived / elapsed


def stream(bed):
    daemon = bed.daemon()
    best = 0
    for title, options in (("all fields", []), (f"{len(FIELDS)} fields", ["--fields", *FIELDS])):
        rows = []
        for way, arguments in (("signals", []), ("stream", ["--stream"])):
            for _ in range(ROUNDS):
                row, rate = measure(bed, daemon, bed.subscriber(*arguments, MATCH, *options),
                                    f"{way}, without pause", FLOOD_SECONDS)
                rows.append(row)
                if arguments:
                    best = max(best, rate)
        rows += [measure(bed, daemon, bed.subscriber("--stream", MATCH, *options), f"stream, {rate:,}/s",
                         PACED_SECONDS, rate)[0] for rate in RATES]
        bench.table(f"Events to a minimal reader that wants {title}", ["producer", *HEAD], rows)
    print(f"\nTarget: at least {TARGET:,} events/s through a stream to one reader; the most here: {best:,.0f}")


bench.main(stream)
