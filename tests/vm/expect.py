# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a guest is asked to do, and what bpfmon has to say about it: a table of actions, and the comparison of events
with what the test program says really happened."""

import cases_attach
import cases_calls
import cases_lives
import cases_networks
import cases_perf
import cases_sockets
from cases import ABSENT, PRESENT, Case

# Members of the test program's report -> fields of the event.
CALLER = {"pid": "process.pid", "tid": "process.tid", "uid": "user.id", "comm": "process.name",
          "executable": "process.executable"}
OBJECTS = {
    "map": {"id": "map.id", "name": "map.name", "key_size": "map.key_size", "value_size": "map.value_size",
            "max_entries": "map.max_entries"},
    "program": {"id": "prog.id", "name": "prog.name", "tag": "prog.tag", "instructions": "prog.instructions",
                "jited_size": "prog.jited_size", "gpl": "prog.gpl"},
    "link": {"id": "link.id", "prog_id": "prog.id"},
    "btf": {"id": "btf.id", "size": "btf.size"},
    "none": {},
}


def map_case(label, action, name, **more):
    return Case(label, action, "map-create", "map", {"map.name": name, "map.type": "hash", "class": "install"}, **more)


def failure(label, event, errno, result="failed", **more):
    fields = {"errno": errno, "result": result, "map.id": ABSENT, "prog.id": ABSENT, **more.pop("fields", {})}
    return Case(label, label, event, "none", fields, **more)


CASES = [
    map_case("map-create", "map-create", "trigger_map",
             copied={"value_size": "bpf.attr.value_size", "name": "bpf.attr.map_name"}),
    Case("map-freeze", "map-freeze", "map-freeze", "map", {"map.type": "array", "class": "change"}),
    Case("prog-load", "prog-load", "prog-load", "program",
         {"prog.type": "socket_filter", "prog.license": "GPL", "class": "install", "bpf.attr.insn_cnt": 2,
          "bpf.attr.prog_type": "socket_filter"}),
    Case("prog-run", "prog-run", "prog-run", "program", {"class": "use"}, stream="use"),
    Case("btf-load", "btf-load", "btf-load", "btf", {"class": "install"}, copied={"size": "bpf.attr.btf_size"}),
    Case("link-create netns", "link-create", "link-create", "link",
         {"link.type": "netns", "prog.type": "flow_dissector", "attach.type": "flow_dissector",
          "attach.via": "link-create"}),
    Case("link-create cgroup", "link-create /sys/fs/cgroup/test", "link-create", "link",
         {"link.type": "cgroup", "prog.type": "cgroup_skb", "attach.type": "cgroup_inet_ingress",
          "attach.via": "link-create"}),
    Case("raw-tracepoint-open", "raw-tracepoint-open", "attach", "link",
         {"link.type": "raw_tracepoint", "prog.type": "raw_tracepoint", "attach.target": "cgroup_mkdir",
          "attach.via": "raw-tracepoint-open"}),
    Case("prog-attach", "prog-attach /sys/fs/cgroup/test", "attach", "program",
         {"prog.type": "cgroup_skb", "attach.type": "cgroup_inet_ingress", "attach.via": "prog-attach"}),
    Case("prog-detach", "prog-detach /sys/fs/cgroup/test", "detach", "program",
         {"prog.type": "cgroup_skb", "class": "remove"}, kprobes={"bpf.by_fd": ["target"]},
         tracepoints={"bpf.by_fd": ["object", "target"]}),
    Case("obj-pin", "obj-pin /sys/fs/bpf/pinned", "pin", "map", {"map.name": "trigger_pinned"},
         kprobes={"bpf.by_fd": ABSENT}, tracepoints={"bpf.by_fd": ["object"]}, copied={"path": "pin.path"}),
    Case("obj-get", "obj-get /sys/fs/bpf/pinned", "object-get", "map",
         {"map.name": "trigger_pinned", "class": "look"}, copied={"path": "pin.path"}, stream="use"),
    Case("prog-reject", "prog-reject", "prog-load", "none",
         {"result": "rejected", "errno": "EACCES", "prog.id": ABSENT, "prog.name": "trigger_reject",
          "severity": "notice"}),
    Case("common-attrs", "common-attrs", "prog-load", "program", {"bpf.cmd_number": 5, "bpf.attr.common.log_level": 1},
         copied={"log_size": "bpf.attr.common.log_size", "log_true_size": "bpf.attr.common.log_true_size"}, since=(7, 0)),
    failure("common-attrs-fail", "prog-load", "EINVAL", fields={"bpf.cmd_number": 5, "bpf.attr.common.log_level": 7}),
    failure("fail-einval", "map-create", "EINVAL"),
    failure("fail-ebadf", "map-freeze", "EBADF"),
    failure("fail-impostor", "map-freeze", "EINVAL", fields={"map.name": ABSENT}),
    # Not in any class that is sent unasked: what an unknown command does is not known.
    failure("fail-command", "object-query", "EINVAL", fields={"bpf.cmd_number": 9999}, stream="use"),
    failure("fail-e2big", "map-create", "E2BIG", source=("user",)),
    failure("fail-efault", "map-create", "EFAULT", source=None),
    # Refused before or after the kernel has its copy: that changed between kernels.
    failure("fail-eperm", "prog-load", "EPERM", "denied", source=("kernel", "user"), fields={"user.id": 65534}),
    map_case("compat", "compat", "trigger_compat", kprobes={"bpf.compat": True}, blind="call-exit-32bit",
             only="amd64"),
    failure("compat-efault", "map-create", "EFAULT", source=None, kprobes={"bpf.compat": True},
            blind="call-exit-32bit", only="amd64"),
    map_case("nested", "nested", "trigger_inner", kprobes={"bpf.in_kernel": True}, blind="call-exit-program",
             since=(5, 14)),
    map_case("toctou-untouched", "toctou-untouched", "trigger_untouch", copied={"value_size": "bpf.attr.value_size"}),
    map_case("toctou-swap", "toctou-swap", "trigger_swap", kprobes={"bpf.attr.value_size": 64}),
    map_case("short-lived", "short-lived", "trigger_short"),
    map_case("threads", "threads", "trigger_thread"),
]

for module in (cases_attach, cases_calls, cases_lives, cases_networks, cases_perf, cases_sockets):
    CASES += module.CASES

# Several events of one action, each line of the report with its case.
SEQUENCES = {
    "exec": ("exec", [map_case("before", "", "trigger_before"), map_case("after", "", "trigger_map")]),
    "demo": ("demo 0", [
        map_case("map", "", "demo_map"),
        Case("program", "", "prog-load", "program", {"prog.type": "raw_tracepoint"}),
        Case("link", "", "attach", "link", {"link.type": "raw_tracepoint"}),
        Case("pin", "", "pin", copied={"path": "pin.path"}),
    ]),
}

# label -> action: every call is an event of its own, and a count of the caller's.
ELEMENTS = {
    "map-elements lookup": "map-elements lookup 1000",
    "map-elements lookup-missing": "map-elements lookup-missing 100",
    "map-elements update": "map-elements update 100",
    "map-elements delete": "map-elements delete 100",
    "map-elements next-key": "map-elements next-key 100",
}

UNWATCHED = {"drop": "drop"}


# Actions that do the same thing to the same object again: each time is told.
REPEATED = {"swap-made map", "swap-made program"}


def actions():
    """The lines of the guest's list: a label without blanks and an action."""
    rows = [(case.label, case.action) for case in CASES if case.stream != "content"]
    rows += [(label, action) for label, (action, _) in SEQUENCES.items()]
    rows += [row for table in (ELEMENTS, UNWATCHED) for row in table.items()]
    return [(label.replace(" ", "."), action) for label, action in rows]


def contents():
    """The same of what is done while somebody asks for keys and values."""
    return [(case.label.replace(" ", "."), case.action) for case in CASES if case.stream == "content"]


def lookup(event, name):
    """The value of a field; bpf.attr.NAME is a member of the dictionary bpf.attr, bpf.fds.NAME one of bpf.fds."""
    for dictionary in ("bpf.attr", "bpf.fds"):
        if name.startswith(dictionary + "."):
            return (event.get(dictionary) or {}).get(name[len(dictionary) + 1:], ABSENT)
    return event.get(name, ABSENT)


def wanted_fields(case, truth, road):
    """Everything that the event must say: field -> value."""
    wanted = {"event": case.event}
    if "errno" in truth:
        wanted["errno"] = truth["errno"] or ABSENT
        if not truth["errno"]:
            wanted["result"] = "ok"
    if "cmd" in truth:
        wanted.update({"bpf.return": truth["ret"], "bpf.compat": ABSENT, "bpf.in_kernel": ABSENT})
        if not truth["cmd"].isdigit():
            wanted["bpf.cmd"] = truth["cmd"]
    if case.anonymous:
        wanted.update({"attributed": False, "process.pid": ABSENT})
    else:
        wanted.update({field: truth[key] for key, field in CALLER.items() if case.thread or key not in ("tid", "comm")})
    wanted.update({field: truth[key] for key, field in OBJECTS[case.object].items() if key in truth})
    wanted.update({field: truth[key] for key, field in case.copied.items()})
    wanted.update({field: text.format(**truth) for field, text in case.words.items()})
    wanted.update(case.fields)
    wanted.update(case.kprobes if road == "kprobes" else case.tracepoints)
    return wanted


def differences(case, truth, event, road):
    """What is wrong with an event, a line each."""
    lines = []
    for field, value in wanted_fields(case, truth, road).items():
        got = lookup(event, field)
        if value is PRESENT and got is not ABSENT:
            continue
        if got is not value and got != value:
            lines.append(f"{field}: expected {'nothing' if value is ABSENT else 'something' if value is PRESENT else repr(value)}, "
                         f"got {'nothing' if got is ABSENT else repr(got)}")
    for key, field in case.endings.items():
        got = event.get(field)
        if not got or not truth[key].rstrip().endswith(got):
            lines.append(f"{field}: expected the end of {truth[key]!r}, got {got!r}")
    if "cmd" not in truth:
        return lines
    sources = case.source if road == "kprobes" else case.source and ("user",)
    got = lookup(event, "bpf.attr_source")
    if got not in (sources or (ABSENT,)):
        lines.append(f"bpf.attr_source: expected {' or '.join(sources or ['nothing'])}, got {got!r}")
    if not lookup(event, "duration") is ABSENT and not 0 < event["duration"] < 60e9:
        lines.append(f"duration: {event['duration']} ns is out of reason")
    return lines


def of_action(case, events, truth):
    """The events of an action that is no bpf() call."""
    keys = {"event": case.event, **{field: truth[key] for key, field in case.found_by.items()}}
    if not case.anonymous:
        keys["process.pid"] = truth["pid"]
    if "attach.via" in case.fields:
        keys["attach.via"] = case.fields["attach.via"]
    return [e for e in events if all(lookup(e, field) == value for field, value in keys.items())]


def of_call(events, truth):
    """The events of the caller and command that the report is about."""
    command = ("bpf.cmd_number", int(truth["cmd"])) if truth["cmd"].isdigit() else ("bpf.cmd", truth["cmd"])
    return [e for e in events if e.get("process.pid") == truth["pid"] and e.get(command[0]) == command[1]]


def check_case(case, truth, events, road):
    if case.monitored is not None and road == "tracepoints":
        case = case.without_kprobes()
    found = of_call(events, truth) if "cmd" in truth else of_action(case, events, truth)
    if "cmd" in truth and case.object == "map" and case.event == "map-create":
        found = [e for e in found if e.get("map.name") == truth["name"]]
    if (case.blind or case.needs_kprobes) and road == "tracepoints":
        return [f"seen by a road that was thought blind: {e}" for e in found]
    besides = [e for e in events if case.beside and (e["event"], e.get("process.pid")) == (case.beside, truth["pid"])]
    found = [e for e in found if e not in besides]
    if len(found) != 1 or len(besides) != bool(case.beside):
        return [f"expected one event, got {len(found)}: {found + besides}", f"report: {truth}"]
    lines = differences(case, truth, found[0], road)
    lines += [f"told besides: {e}" for e in events if case.never and e.get("process.pid") == truth["pid"]
              and all(lookup(e, field) == value for field, value in case.never.items())]
    return lines + [f"event: {found[0]}", f"report: {truth}"] if lines else []


def check_impossible(case, truth, events):
    """The action says that this kernel cannot do it: then nobody says that it was done."""
    told = [e for e in events if e.get("process.pid") == truth["pid"] and e["event"] == case.event
            and e["event"] != "map-access"  # what it prepares is one, too
            and all(lookup(e, name) == case.fields[name] for name in ("attach.via", "link.type") if name in case.fields)]
    return [f"told, and not possible: {e}" for e in told if e.get("result") == "ok"] + ([] if "skip" in truth else [truth])


# What differs each time that the same thing is told.
PASSING = {"seq", "time", "duration", "source", "message"}


def check_twice(truth, events):
    """Nothing of a process is told twice: two events that differ in when, and by which hook, alone. Element operations
    and tampering are told again and again."""
    seen, lines = {}, []
    for event in events:
        if event.get("process.pid") != truth.get("pid") or event.get("class") not in ("install", "remove", "change"):
            continue
        key = repr(sorted((name, value) for name, value in event.items() if name not in PASSING))
        if key in seen:
            lines.append(f"told twice: {seen[key]} and {event}")
        seen[key] = event
    return lines


def check_elements(truth, events, callers):
    """Each call arrived, told right, and counted right."""
    found, lines = of_call(events, truth), []
    failed = sum(e["result"] != "ok" for e in found)
    if (len(found), failed) != (truth["calls"], truth["errors"]):
        lines.append(f"expected {truth['calls']} events with {truth['errors']} errors, got {len(found)} with {failed}")
    for field, value in {"event": "map-access", "class": "use", "map.id": truth["id"],
                         "map.name": truth["name"]}.items():
        others = {str(e.get(field)) for e in found} - {str(value)}
        if others:
            lines.append(f"{field}: expected {value!r}, got {', '.join(others)}")
    counted = [(row.get("calls"), row.get("errors", 0)) for row in of_call(callers, truth)]
    if counted != [(truth["calls"], truth["errors"])]:
        lines.append(f"callers: expected {truth['calls']} calls and {truth['errors']} errors, got {counted}")
    return lines + [f"report: {truth}"] if lines else []
