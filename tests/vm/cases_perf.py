# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs attached to perf events by ioctl()."""

from cases import ABSENT, Case

VIA = {"attach.via": "perf-ioctl"}
ON_RETURN = {"attach.flags": ["return"]}
NOT_ON_RETURN = {"attach.flags": ABSENT}


def attach(kind, program="kprobe", fields=None, copied=None):
    return Case(f"perf {kind}", f"perf-attach {kind}", "attach", "program",
                {"class": "install", "prog.type": program, **NOT_ON_RETURN, **VIA, **(fields or {})},
                copied={"target": "attach.target", **(copied or {})})


def detach(label, action, program="kprobe", **more):
    """What ends with its event: no ioctl says so."""
    return Case(label, action, "detach", "program", {"class": "remove", "prog.type": program, **VIA},
                copied={"target": "attach.target"}, needs_kprobes=True, **more)


def failure(label, errno, **more):
    return Case(label, label, "attach", more.pop("object", "none"),
                {"errno": errno, "result": "failed", "attach.target": "vfs_statfs", **VIA, **more.pop("fields", {})},
                **more)


CASES = [
    attach("kprobe"),
    attach("kretprobe", fields=ON_RETURN),
    attach("kprobe-offset"),
    attach("kprobe-tracefs", fields=ON_RETURN),
    attach("uprobe"),
    attach("uretprobe", fields=ON_RETURN),
    attach("uprobe-nowhere"),
    attach("uprobe-tracefs"),
    attach("tracepoint", "tracepoint", {"attach.target": "cgroup:cgroup_mkdir"}),
    attach("syscall", "tracepoint", {"attach.target": "syscalls:sys_enter_swapoff"}),
    attach("software", "perf_event"),
    attach("breakpoint", "perf_event"),
    Case("perf-32bit", "perf-32bit", "attach", "program", {"prog.type": "kprobe", **VIA},
         copied={"target": "attach.target"}, needs_kprobes=True, only="amd64"),
    failure("perf-bad-fd", "EBADF", fields={"prog.id": ABSENT}),
    failure("perf-map", "EINVAL", fields={"prog.id": ABSENT, "map.id": ABSENT}),
    failure("perf-wrong-type", "EINVAL", object="program", fields={"prog.type": "socket_filter"}),
    failure("perf-twice", "EEXIST", object="program", fields={"prog.name": "trigger_second"},
            found_by={"errno": "errno"}),
    detach("perf-detach", "perf-detach"),
    detach("perf-detach tracepoint", "perf-detach tracepoint", "tracepoint"),
    detach("perf-detach software", "perf-detach software", "perf_event"),
    detach("perf-exit", "perf-exit uprobe"),
    detach("perf-inherit", "perf-inherit"),
    # What a link holds goes with the link, and is not told twice.
    *(Case(f"perf-link {kind}", f"perf-link {kind}", "link-create", "link",
           {"link.type": "perf_event", "attach.via": "link-create"},
           copied={"target": "attach.target"}, since=(5, 15), never=VIA)
      for kind in ("kprobe", "uprobe", "tracepoint", "software")),
    # The last: for a while after it, an emulated processor has no time left to look for names of functions.
    attach("kprobe-address", copied={"address": "attach.address"}),
]
