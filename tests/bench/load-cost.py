# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a bpf() call costs that is made seldom: loading and dropping a program of two instructions. Loads are always
sent to the daemon."""

import bench

ROUNDS = 20
SECONDS = 0.1

MODES = {
    "no subscriber": None,
    "one subscriber to element operations": ["event=map-access"],
    "streamed to one subscriber": ["event=prog-load"],
}
WORKS = {
    "load and close at 1,000/s": ("load", SECONDS, 1000),
    "load and close without pause": ("load", SECONDS),
}


def load_cost(bed):
    comparison = bench.Comparison(bed, MODES, WORKS)
    comparison.measure(ROUNDS)
    comparison.print()
    print("\nFor comparison: a minimal reader that prints one line a load takes 1.02, auditd 1.2, bpftrace 2.6, "
          "strace 6.3")


bench.main(load_cost)
