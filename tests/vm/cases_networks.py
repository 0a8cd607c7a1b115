# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs that come by netlink: traffic control, XDP and routes."""

from cases import ABSENT, Case

# How an event is found: by the program that it is about, by the device, or by what else it alone has.
PROGRAM, DEVICE = {"id": "prog.id"}, {"ifindex": "attach.ifindex"}
NAME = {"interface": "attach.target"}
INSTALL, REMOVE = {"class": "install"}, {"class": "remove"}
# Where `trigger` puts its filters, in words.
PLACE = "bpfmon0 ingress pref 7 handle 0x5"
GONE = {"attributed": False, "process.pid": ABSENT}


def xdp(label, event="attach", action=None, flags=("skb_mode",), **more):
    """A program of a device; without kprobes the device tells which one it runs, and nobody who did it."""
    fields = {"attach.via": "netlink-xdp", "prog.type": "xdp", **(INSTALL if event == "attach" else REMOVE)}
    kprobes = {"attach.flags": list(flags) if flags else ABSENT, **more.pop("kprobes", {})}
    return Case(label, action or label, event, "program", fields, kprobes, copied={**DEVICE, **NAME}, found_by=PROGRAM,
                monitored=more.pop("monitored", {"attach.flags": ["skb_mode"]}), **more)


def refused(label, via, event="attach", action=None, result="failed", **more):
    """What the kernel refuses: no monitor hears of it."""
    fields = {"attach.via": via, "result": result, **(INSTALL if event == "attach" else REMOVE), **more.pop("fields", {})}
    return Case(label, action or label, event, more.pop("object", "none"), fields,
                copied=more.pop("copied", {**DEVICE, **NAME}), needs_kprobes=True, **more)


def tc(label, event="attach", action=None, **more):
    """A program of traffic control."""
    fields = {"attach.via": "netlink-tc", "prog.type": "sched_cls", "attach.target": PLACE,
              **(INSTALL if event == "attach" else REMOVE), **more.pop("fields", {})}
    if event == "attach":
        fields["attach.flags"] = ["direct_action"]
    return Case(label, action or label, event, "program", fields, copied=DEVICE, found_by=PROGRAM,
                monitored=more.pop("monitored", {"attach.target": None}), **more)


def act(label, event="attach", action=None, **more):
    """A program of an action, which is nowhere in particular."""
    fields = {"attach.via": "netlink-tc", "prog.type": "sched_act", "attach.ifindex": ABSENT,
              **(INSTALL if event == "attach" else REMOVE)}
    return Case(label, action or label, event, "program", fields, found_by=PROGRAM,
                monitored=more.pop("monitored", {}), **more)


CASES = [
    xdp("xdp-attach"),
    xdp("xdp-quiet"),
    xdp("xdp-detach", "detach"),
    xdp("xdp-replace new", flags=("skb_mode", "replace")),
    xdp("xdp-replace old", "detach", flags=("skb_mode", "replace")),
    xdp("xdp-device-gone", "detach", flags=None),
    xdp("xdp-namespace-gone", "detach", flags=None, anonymous=True, monitored=None, needs_kprobes=True),
    Case("xdp-link-gone", "xdp-link-gone", "detach", "link",
         {"attach.via": "link-create", "link.type": "xdp", "prog.type": "xdp", **REMOVE},
         copied={**DEVICE, **NAME}, found_by={"id": "link.id"}, needs_kprobes=True),
    refused("xdp-busy", "netlink-xdp", object="program", found_by=PROGRAM,
            fields={"errno": "EBUSY", "attach.flags": ["update_if_noexist", "skb_mode"]}),
    refused("xdp-bad-fd", "netlink-xdp", fields={"errno": "EBADF", "prog.id": ABSENT}),
    refused("xdp-denied", "netlink-xdp", result="denied", fields={"severity": "notice", "errno": "EPERM"}),

    tc("tc-attach"),
    tc("tc-attach-delete", "detach", action="tc-delete"),
    tc("tc-replace new"),
    tc("tc-replace old", "detach"),
    tc("tc-qdisc-gone", "detach"),
    tc("tc-device-gone", "detach"),
    tc("tc-namespace-gone", "detach", anonymous=True, monitored=None, needs_kprobes=True),
    Case("tc-classic", "tc-classic good", "attach", fields={
        "attach.via": "netlink-tc", "filter.instructions": 4, "prog.id": ABSENT, **INSTALL}, copied=DEVICE,
         found_by=DEVICE, kprobes={"filter.source": "kernel", "attach.target": PLACE}, monitored={}),
    Case("tc-classic-gone", "tc-classic good", "detach", fields={
        "attach.via": "netlink-tc", "filter.instructions": 4, "prog.id": ABSENT, **REMOVE}, copied=DEVICE,
         found_by=DEVICE, kprobes={"attach.target": PLACE}, monitored={}),
    refused("tc-classic-bad", "netlink-tc", action="tc-classic bad", copied=DEVICE,
            fields={"attach.target": PLACE, "errno": "EINVAL", "filter.instructions": 4}),
    refused("tc-bad-fd", "netlink-tc", copied=DEVICE, fields={"attach.target": PLACE, "errno": "EBADF"}),
    # Two come in this action: one that is let in, and this one.
    refused("tc-exists", "netlink-tc", copied=DEVICE, found_by={"errno": "errno"},
            fields={"attach.target": PLACE, "errno": "EEXIST"}),
    refused("tc-missing", "netlink-tc", "detach", copied=DEVICE, fields={"attach.target": PLACE, "errno": "ENOENT"}),
    refused("tc-denied", "netlink-tc", copied=DEVICE, result="denied",
            fields={"attach.target": PLACE, "errno": "EPERM", "severity": "notice"}),
    Case("tc-with-actions filter", "tc-with-actions filter", "attach", "program",
         {"attach.via": "netlink-tc", "prog.type": "sched_cls"}, copied=DEVICE, found_by=PROGRAM,
         kprobes={"attach.target": PLACE}, monitored={}),
    # Without kprobes only the filter is told: what is in it has a shape that each classifier has for itself.
    Case("tc-with-actions first", "tc-with-actions first", "attach", "program",
         {"attach.via": "netlink-tc", "prog.type": "sched_act", "attach.target": PLACE}, copied=DEVICE,
         found_by=PROGRAM, needs_kprobes=True),
    Case("tc-with-actions second", "tc-with-actions second", "attach", "program",
         {"attach.via": "netlink-tc", "prog.type": "sched_act", "attach.target": PLACE}, copied=DEVICE,
         found_by=PROGRAM, needs_kprobes=True),

    act("act-attach"),
    act("act-delete", "detach"),
    act("act-replace new"),
    act("act-replace old", "detach", monitored=None, needs_kprobes=True),
    refused("act-bad-fd", "netlink-tc", copied={}, fields={"errno": "EBADF", "attach.ifindex": ABSENT}),

    Case("route-attach", "route-attach good", "attach", "program",
         {"attach.via": "netlink-lwt", "prog.type": "lwt_out", **INSTALL}, copied={**DEVICE, **NAME},
         found_by=PROGRAM, needs_kprobes=True),
    Case("route-gone", "route-attach good", "detach", "program",
         {"attach.via": "netlink-lwt", "prog.type": "lwt_out", **REMOVE}, found_by=PROGRAM, anonymous=True,
         needs_kprobes=True),
    refused("route-attach-bad", "netlink-lwt", action="route-attach bad", fields={"errno": "EBADF"}),
]
