#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How long it takes to list what is in the kernel when there is much of it, beside bpftool."""

import os
import shutil
import subprocess
import time

import bench

ROUNDS = 5
NUMBERS = [100, 2000, 10000]


def taken(bed, *command):
    """Milliseconds, and how many lines came."""
    begin = time.monotonic()
    output = subprocess.run(command, env=bed.environment, capture_output=True, check=True).stdout
    return 1000 * (time.monotonic() - begin), output.count(b"\n")


def many(bed, number):
    """A process that has so many programs."""
    process = bench.Process(bed, [os.environ["TRIGGER"], "--hold", "prog-many", str(number)], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE)
    process.hear()
    return process


def inventory(bed):
    daemon = bed.daemon()
    ctl = os.environ["BPFMONCTL"]
    bpftool = shutil.which("bpftool", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    commands = {
        "bpfmonctl programs": [ctl, "programs", "prog.name=one_of_many"],
        "bpfmonctl programs --json=short": [ctl, "programs", "-j", "prog.name=one_of_many"],
        "bpfmonctl programs --fields=prog.id,prog.name": [ctl, "programs", "prog.name=one_of_many", "--fields=prog.id,prog.name"],
        **({"bpftool prog list": [bpftool, "prog", "list"]} if bpftool else {}),
    }
    rows = []
    for number in NUMBERS:
        process = many(bed, number)
        for name, command in commands.items():
            times = [taken(bed, *command) for _ in range(ROUNDS)]
            rows.append([f"{name}, {number} programs", bench.spread([t for t, _ in times], ".0f"), str(times[-1][1]),
                         "< 1000" if name == "bpfmonctl programs" else ""])
        process.popen.stdin.close()
        process.popen.wait(60)
    bench.table("From the command to its end: ms", ["", "median (least–most)", "lines", "target"], rows)
    bench.table("Memory of the daemon afterwards: MiB", ["", "VmRSS"], [["", f"{daemon.memory()['VmRSS']:.1f}"]])


bench.main(inventory)
