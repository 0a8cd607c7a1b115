# SPDX-License-Identifier: LGPL-2.1-or-later
"""What `bpfmonctl probes` has to say in a guest: each probe is attached and was hit, except for the rows here."""

import dataclasses

WITH, WITHOUT = "kprobes", "tracepoints"
EVERYWHERE = (WITH, WITHOUT)


@dataclasses.dataclass
class Expected:
    """A probe that is not attached, or not hit, on some kernels."""

    probe: str
    state: str
    why: str  # for whoever reads this table
    since: tuple = ()  # the first kernel where this is so …
    until: tuple = ()  # … and the first where it is not so any more
    roads: tuple = (WITH,)
    hit: bool = True  # what was attached
    only: str = ""  # the architecture where this is so

    def applies(self, road, version, architecture):
        return (road in self.roads and version >= self.since and not (self.until and version >= self.until)
                and self.only in ("", architecture))


EXPECTED = [
    Expected("process-fork", "off", "nothing here observes one process alone", roads=EVERYWHERE),
    *(Expected(name, "off", "there is nothing that kprobes could miss", roads=(WITHOUT,))
      for name in ("socket-filter-end", "seccomp-end")),
    *(Expected(name, "waiting", "nobody asks for connections here: traffic/run does", roads=EVERYWHERE)
      for name in ("connection", "connection-state")),
    Expected("connection-unix", "waiting", "the same"),
    Expected("call-exit-program", "absent", "programs that call bpf() came with 5.14", until=(5, 14)),
    Expected("call-exit-kernel", "absent", "light skeletons came with 5.14", until=(5, 14)),
    Expected("device-end", "absent", "tcx came with 6.6", until=(6, 6)),
    Expected("io-uring-filter", "absent", "filters of io_uring came with 7.0", until=(7, 0)),
    Expected("call-exit-kernel", "attached", "no module here has a light skeleton", since=(5, 14), hit=False),
    *(Expected(name, "attached", "no 32-bit program is there", only="arm64", hit=False)
      for name in ("call-entry-32bit", "call-exit-32bit", "perf-attach-32bit")),
]

# Without kprobes: those whose first, and whose second choice needs none. All others fail, and say so.
AS_GOOD_WITHOUT = {"call-exit", "process-exit", "process-exec", "program-free-notice"}
WORSE_WITHOUT = {"call-entry", "netlink", "netlink-xdp", "own-object-receive", "perf-attach", "seccomp", "socket-filter",
                 "socket-filter-fanout", "socket-filter-reuseport"}


def expected(name, road, version, architecture):
    """What is expected of a probe: (state, whether it was hit)."""
    for row in EXPECTED:
        if row.probe == name and row.applies(road, version, architecture):
            return row.state, row.hit
    if road == WITH or name in AS_GOOD_WITHOUT:
        return "attached", True
    return ("degraded", True) if name in WORSE_WITHOUT else ("failed", False)


def check(row, road, version, architecture):
    """What is wrong with one line of `bpfmonctl probes`."""
    state, hit = expected(row["probe.name"], road, version, architecture)
    got, failed, lines = row.get("probe.state"), row.get("probe.failed"), []
    if got != state:
        lines.append(f"state: expected {state}, got {got} (probes.py has what is expected)")
    if got in ("attached", "degraded") and hit and (row.get("probe.idle") or not row.get("probe.hits")):
        lines.append("attached, and not every hook was hit")
    if got in ("failed", "degraded", "absent") and not (failed and row.get("probe.blind")):
        lines.append("does not say why, or what cannot be seen")
    if got in ("attached", "degraded", "waiting") and not row.get("probe.hook"):
        lines.append("does not say which hook is in use")
    return lines and [*lines, row]


def missing(rows, road, version, architecture):
    """Probes that these tables know, and the daemon does not list."""
    known = {row.probe for row in EXPECTED if row.applies(road, version, architecture)} | AS_GOOD_WITHOUT | WORSE_WITHOUT
    return [f"{name} is not listed" for name in sorted(known - set(rows))]
