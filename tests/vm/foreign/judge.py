# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compares what bpfmon told of with what bpftool saw.

Around each of bpftool's looks there are two marks among the events. What the events make exist from the first mark to
the second must be seen; what is seen must have existed at some time between them."""

import dataclasses
import json
import re


def lines_of(path):
    return [json.loads(line) for line in path.read_text(errors="replace").splitlines() if line.startswith("{")]


def text(path):
    return path.read_text(errors="replace").strip() if path.exists() else "(no such file)"


def seen(path):
    """What one bpftool command printed."""
    found = json.loads(path.read_text() or "[]")
    if isinstance(found, dict) and "error" in found:
        raise ValueError(f"{path.name}: {found['error']}")
    return found


# What bpftool sees ------------------------------------------------------------------------------------------------

def perf_words(row):
    """The target of a row of `bpftool perf show`, as far as both sides tell it."""
    kind = row["fd_type"]
    if kind.startswith("uprobe") or kind.startswith("uretprobe"):
        return row["filename"]
    if "tracepoint" in kind:
        return row["tracepoint"]
    return row.get("func", "")


def seen_in(folder):
    """kind of thing -> {what tells it apart: what else must agree}"""
    net, cgroups = seen(folder / "net"), seen(folder / "cgroup")
    return {
        "program": {row["id"]: {"prog.type": row["type"], "prog.tag": row["tag"], "prog.name": row.get("name")}
                    for row in seen(folder / "prog")},
        "map": {row["id"]: {"map.type": row["type"], "map.name": row.get("name"), "map.key_size": row["bytes_key"],
                            "map.value_size": row["bytes_value"], "map.max_entries": row["max_entries"]}
                for row in seen(folder / "map")},
        "link": {row["id"]: {"link.type": row["type"], "prog.id": row.get("prog_id")} for row in seen(folder / "link")},
        "xdp": {(row["ifindex"], row["id"]): {} for part in net for row in part["xdp"]},
        "tc": {(row["ifindex"], row["id"]): {} for part in net for row in part["tc"]},
        "cgroup": {(row["cgroup"].removeprefix("/sys/fs/cgroup") or "/", program["id"]):
                   {"attach.type": program["attach_type"]}
                   for row in cgroups for program in row["programs"]},
        "perf": {(row["pid"], row["prog_id"], perf_words(row)): {} for row in seen(folder / "perf")},
    }


# What bpfmon tells ------------------------------------------------------------------------------------------------

def perf_target(event):
    """The same words as perf_words()."""
    target = event.get("attach.target", "")
    if re.match(r"[a-z0-9_]+:[a-z0-9_]+$", target):
        return target.partition(":")[2]
    if target.startswith("/"):
        return re.sub(r"[:+].*", "", target)
    return re.sub(r"\+.*", "", target)


def by_road(event):
    """(kind of thing, what tells it apart) of an attachment that is no link of its own."""
    via, program = event.get("attach.via"), event.get("prog.id")
    if via == "netlink-xdp" or event.get("link.type") == "xdp":
        return "xdp", (event.get("attach.ifindex"), program)
    if via == "netlink-tc":
        return "tc", (event.get("attach.ifindex"), program)
    if event.get("link.type") == "cgroup" or (via == "prog-attach" and str(event.get("prog.type")).startswith("cgroup")):
        return "cgroup", (event.get("attach.target", "").removeprefix("/sys/fs/cgroup") or "/", program)
    if via == "perf-ioctl" or event.get("link.type") in ("perf_event", "raw_tracepoint"):
        return "perf", (event.get("process.pid"), program, perf_target(event))
    return None


OBJECTS = {"prog-load": ("program", "prog.id"), "map-create": ("map", "map.id")}
OBJECT_KINDS = ("program", "map", "link")
ENDS = {"prog-unload": ("program", "prog.id"), "map-free": ("map", "map.id"), "link-free": ("link", "link.id")}


@dataclasses.dataclass
class Thing:
    event: dict
    link: int = 0  # what it ends with


class World:
    """What exists, by the events."""

    def __init__(self):
        self.things = {}

    def add(self, kind, key, event, link=0):
        self.things[kind, key] = Thing(event, link)

    def end(self, kind, number):
        """An object is gone, and with it what it was attached by."""
        self.things.pop((kind, number), None)
        for at, thing in list(self.things.items()):
            if (kind == "link" and thing.link == number) or (
                    kind == "program" and at[0] not in OBJECT_KINDS and thing.event.get("prog.id") == number):
                del self.things[at]

    def follow(self, event):
        if event.get("result") != "ok" and event.get("class") == "install":
            return
        name = event.get("event")
        if name in OBJECTS:
            kind, field = OBJECTS[name]
            self.add(kind, event[field], event)
        elif name in ENDS:
            kind, field = ENDS[name]
            self.end(kind, event.get(field))
        elif name in ("attach", "link-create"):
            if "link.id" in event:
                self.add("link", event["link.id"], event)
            road = by_road(event)
            if road:
                self.add(*road, event, event.get("link.id", 0))
        elif name == "detach":
            road = by_road(event)
            if road:
                self.things.pop(road, None)


def between_marks(events, name):
    """What the events make exist all the time, and at any time, while bpftool looked."""
    world, must, may = World(), None, {}
    for event in events:
        world.follow(event)
        if event.get("event") == "map-create" and event.get("map.name") == f"b_{name}":
            must, may = dict(world.things), dict(world.things)
        if must is None:
            continue
        must = {at: thing for at, thing in must.items() if world.things.get(at) is thing}
        may.update(world.things)
        if event.get("event") == "map-create" and event.get("map.name") == f"e_{name}":
            return must, may
    raise LookupError(f"the marks of {name} are missing among the events")


# The comparison ---------------------------------------------------------------------------------------------------

def disagrees(wanted, event):
    lines = []
    for field, value in wanted.items():
        got = event.get(field)
        # bpftool takes the full name of a program from its BTF; the kernel keeps 15 bytes.
        same = str(value).startswith(got) if field == "prog.name" and value and got else value == got
        if not same:
            lines.append(f"{field}: bpftool has {value!r}, bpfmon {got!r}")
    return lines


def is_elsewhere(at, thing):
    """`bpftool perf` looks for perf events where processes have them open: not for links that are pinned."""
    return at[0] == "perf" and thing.link


def compare(folder, events, before):
    """Lines about what is different, and kind -> what both have."""
    must, may = between_marks(events, folder.name)
    lines, common = [], {}
    for kind, rows in seen_in(folder).items():
        known = before.get(kind, {})
        for key, wanted in rows.items():
            if key in known:
                continue
            thing = may.get((kind, key))
            if not thing:
                lines.append(f"{kind} {key}: bpftool sees it, bpfmon told of no such thing: {wanted}")
                continue
            common.setdefault(kind, {})[key] = thing.event
            lines += [f"{kind} {key}: {line}" for line in disagrees(wanted, thing.event)]
        lines += [f"{at[0]} {at[1]}: bpfmon told of it, bpftool does not see it: {thing.event}"
                  for at, thing in must.items() if at[0] == kind and at[1] not in rows and not is_elsewhere(at, thing)]
    return lines, common


@dataclasses.dataclass
class Step:
    """What must be among what both saw."""

    loader: set  # names of the processes that load the programs
    kinds: set
    programs: set = dataclasses.field(default_factory=set)


@dataclasses.dataclass
class Lack:
    """What a step has not, because the tool that would make it is too old, or built without."""

    why: str
    kinds: set = dataclasses.field(default_factory=set)
    programs: set = dataclasses.field(default_factory=set)


@dataclasses.dataclass
class Debian:
    """What differs between the guests."""

    suite: str
    libbpf_tools: str  # what it puts after the names of libbpf's tools
    lacks: dict = dataclasses.field(default_factory=dict)  # step -> what its tools cannot do there

    def step(self, name):
        """What is wanted of a step here."""
        step = STEPS[name]
        loaders = {f"{name}{self.libbpf_tools}"[:15]} if name in LIBBPF_TOOLS else step.loader
        lack = self.lacks.get(name, Lack(""))
        return Step(loaders, step.kinds - lack.kinds, step.programs - lack.programs)


# Kernel -> what runs there.
GUESTS = {
    "6.12": Debian("trixie", "-libbpf"),
    "6.1": Debian("bookworm", "", {
        "bpftool": Lack("this bpftool has no autoattach: no links", {"link"}),
        "off_bpftool": Lack("this bpftool has no autoattach: no links", {"link"}),
        "systemd": Lack("systemd is built without BPF_FRAMEWORK: RestrictNetworkInterfaces= does nothing", {"link"},
                        {"sd_restrictif_i", "sd_restrictif_e"}),
    }),
}
LIBBPF_TOOLS = ("opensnoop", "execsnoop", "tcplife")
OBJECTS_OF_LIBBPF = {"program", "map", "link", "perf"}
FOREIGN = {"foreign_xdp", "foreign_tc", "foreign_egress", "foreign_mkdir"}
STEPS = {
    "idle": Step(set(), set()),
    "bpftool": Step({"bpftool"}, {"program", "map", "link", "xdp", "cgroup"}, FOREIGN),
    "off_bpftool": Step({"bpftool"}, {"program", "map", "link"}, FOREIGN),
    "no_bpftool": Step(set(), set()),
    "iproute2": Step({"ip", "tc"}, {"program", "map", "xdp", "tc"}, {"foreign_xdp", "foreign_tc"}),
    "no_iproute2": Step(set(), set()),
    "tcpdump": Step(set(), set()),
    **{name: Step({name}, OBJECTS_OF_LIBBPF) for name in LIBBPF_TOOLS},
    "bpftrace": Step({"bpftrace"}, {"program", "map", "perf"}),
    "systemd": Step({"systemd"}, {"program", "map", "link", "cgroup"},
                    {"sd_devices", "sd_fw_egress", "sd_fw_ingress", "sd_restrictif_i", "sd_restrictif_e"}),
    "no_systemd": Step(set(), set()),
}


def check_step(step, common):
    """Whether it was about something."""
    programs = common.get("program", {}).values()
    names, loaders = {e["prog.name"] for e in programs}, {e["process.name"] for e in programs}
    lines = [f"nothing of this kind is there: {kind}" for kind in sorted(step.kinds - set(common))]
    if loaders != step.loader:
        lines.append(f"loaded by: expected {step.loader}, got {loaders}")
    if not step.programs <= names:
        lines.append(f"programs: expected {step.programs}, got {names}")
    if set(common) - step.kinds:
        lines.append(f"expected {sorted(step.kinds)} alone, got {common}")
    return lines


def check_filters(out, events):
    """What tcpdump put on its socket reads as tcpdump itself prints it."""
    wanted = text(out / "tools/tcpdump-d")
    got = [e.get("filter.disassembly") for e in events
           if e.get("event") == "socket-filter-attach" and e.get("process.name") == "tcpdump"]
    return [] if got and got[-1] == wanted else [f"expected {wanted}", f"got {got}"]


def check_seccomp(events):
    """SystemCallFilter=~@swap, which systemd puts on before it executes what the unit runs."""
    got = [e for e in events if e.get("event") == "seccomp-filter" and e.get("result") == "ok"]
    named = [e for e in got if e.get("unit") == "foreign-limits.service"
             and {"swapon", "swapoff"} <= set(e.get("seccomp.syscalls", []))]
    return [] if named else ["no filter of foreign-limits.service names swapon and swapoff", *got]


def check_own(out, events, idle):
    """bpfmon's own objects are told of where somebody touches them, and nowhere else."""
    lines = []
    for kind, field, name in (("program", "prog.id", "prog"), ("map", "map.id", "map"), ("link", "link.id", "link")):
        own = set(idle[kind]) - {row["id"] for row in seen(out / f"before.{name}")}
        if not own:
            lines.append(f"no {kind} of its own: the daemon was not there")
        lines += [str(e) for e in events if e.get(field) in own and e.get("class") != "self"]
    return lines


def check(tap, out, kernel):
    """All checks of what the guest of a kernel of GUESTS left behind."""
    def ok(name, judge, *arguments):
        try:
            lines = judge(*arguments)
        except (LookupError, TypeError, ValueError, OSError) as error:
            lines = [f"{type(error).__name__}: {error}"]
        tap.ok(not lines, f"{kernel}: {name}", *lines[:20])

    log, debian = text(out / "log"), GUESTS[kernel]
    ok("the tools came to their end", lambda: [] if "did not come" not in log and text(out / "status") == "0" else [log])
    events = lines_of(out / "events")
    idle = seen_in(out / "snapshots/idle")
    for name in STEPS:
        def compare_step(name=name):
            lines, common = compare(out / "snapshots" / name, events, idle)
            return lines + check_step(debian.step(name), common)
        ok(f"{name}: bpfmon reports what bpftool sees", compare_step)
    for name, lack in debian.lacks.items():
        tap.skip(f"{kernel}: {name}: what newer tools do", lack.why)
    ok("tcpdump's filter reads as tcpdump -d prints it", check_filters, out, events)
    ok("a unit's SystemCallFilter= is reported with the calls that it names", check_seccomp, events)
    ok("bpfmon's own objects are no noise", check_own, out, events, idle)
    ok("nothing is lost", lambda: [e for e in events if e.get("event") == "lost"])
    ok("the daemon ends well", lambda: [] if text(out / "daemon.status") == "0" else [text(out / "daemon.log")])
