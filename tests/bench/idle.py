# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the daemon costs while nothing happens: time to start, memory, wake-ups."""

import time

import bench

STARTS = 5
IDLE = 10
LOOKUPS_SECONDS = 1
PROCESSES = 500

MEMORY = ["VmRSS", "RssAnon", "RssFile", "RssShmem", "VmHWM"]


def wakeups(daemon):
    """A second, once what came before has settled."""
    time.sleep(1)
    before = daemon.wakeups()
    time.sleep(IDLE)
    return (daemon.wakeups() - before) / IDLE


def burst(bed):
    """Many calls of one process, few calls of many."""
    subscriber = bed.subscriber("event=map-access")
    bed.caller.run("array", LOOKUPS_SECONDS)
    bed.caller.run("processes", PROCESSES)
    bed.caller.run("load", LOOKUPS_SECONDS)
    subscriber.settle()
    subscriber.close()


def idle(bed):
    starts = []
    for _ in range(STARTS):
        daemon = bed.daemon()
        starts.append(1000 * daemon.starting)
        daemon.stop()

    daemon = bed.daemon()
    memory, rates = {}, {}
    memory["after the start"] = daemon.memory()
    rates["no subscriber"] = wakeups(daemon)
    subscriber = bed.subscriber("event=map-access")
    rates["one subscriber"] = wakeups(daemon)
    memory["one idle subscriber"] = daemon.memory()
    subscriber.close()
    burst(bed)
    memory["after a burst"] = daemon.memory()
    rates["after a burst"] = wakeups(daemon)

    bench.table("From exec to READY=1: ms", ["", "median (least–most)", "target"],
                [[f"{STARTS} starts", bench.spread(starts, ".0f"), "< 300"]])
    bench.table("Memory: MiB; RssFile has the ring, which is mapped twice, twice", ["", *MEMORY, "target"],
                [[when, *(f"{kinds[kind]:.1f}" for kind in MEMORY), "VmRSS < 12"] for when, kinds in memory.items()])
    bench.table(f"Wake-ups a second over {IDLE} s", ["", "wake-ups/s", "target"],
                [[when, f"{rate:.1f}", "0"] for when, rate in rates.items()])


bench.main(idle)
