# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a bpf() call costs that is made often: looking up an element of a map."""

import bench

ROUNDS = 7
SECONDS = 0.25

MODES = {
    "counted, no subscriber": None,
    "counted, one subscriber to loads": ["event=prog-load"],
    "streamed to one subscriber": ["event=map-access"],
}
WORKS = {
    "lookup at 20,000/s": ("array", SECONDS, 20000),
    "array lookups without pause": ("array", SECONDS),
    "hash lookups without pause": ("hash", SECONDS),
}


def call_cost(bed):
    bench.compare_modes(bed, MODES, WORKS, ROUNDS)
    print("\nTarget: counted at most 1.3 times without bpfmon, without pause")


bench.main(call_cost)
