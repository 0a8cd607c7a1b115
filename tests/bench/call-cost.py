# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a bpf() call costs that is made often: looking up an element of a map; and what any
other system call costs, because an attached system call tracepoint sends all of them through the kernel's slow entry."""

import bench

ROUNDS = 20
SECONDS = 0.08

MODES = {
    "counted, no subscriber": None,
    "counted, one subscriber to loads": ["event=prog-load"],
    "streamed to one subscriber": ["event=map-access"],
}
WORKS = {
    "another system call, getppid()": ("getppid", SECONDS),
    "array lookups at 20,000/s": ("array", SECONDS, 20000),
    "array lookups without pause": ("array", SECONDS),
    "hash lookups without pause": ("hash", SECONDS),
}


def call_cost(bed):
    comparison = bench.Comparison(bed, MODES, WORKS)
    comparison.measure(ROUNDS)
    comparison.print()
    print("\nTarget: counted at most 1.3 times without bpfmon, without pause")


bench.main(call_cost)
