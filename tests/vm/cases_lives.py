# SPDX-License-Identifier: LGPL-2.1-or-later
"""The lives of objects: who drops them, pins them, and touches what is not theirs."""

from cases import ABSENT, Case

# Members of the report -> where the event names the object.
ID = {"program": {"id": "prog.id"}, "map": {"id": "map.id"}, "link": {"id": "link.id"}, "btf": {"id": "btf.id"}}
FREED = {"program": "prog-unload", "map": "map-free", "link": "link-free", "btf": "btf-free"}
LOADER = {"loader": "loaded_by.pid", "executable": "loaded_by.executable", "uid": "loaded_by.user.id",
          "comm": "loaded_by.name"}
REMOVED = {"class": "remove", "result": "ok", "existed": ABSENT}
FOLDER = "/sys/fs/bpf"


def freed(kind, action, label="", **more):
    """An object that goes. Without kprobes a monitor tells of programs, in nobody's name."""
    known = {"needs_kprobes": True} if kind != "program" else {"monitored": {}}
    return Case(label or f"{action} {kind}", f"{action} {kind}", FREED[kind], kind,
                {**REMOVED, **more.pop("fields", {})}, copied={**LOADER, **more.pop("copied", {})}, found_by=ID[kind],
                **known, **more)


def pinned(kind, action, **more):
    return Case(f"{action} {kind}", f"{action} {kind}", "unpin", kind, REMOVED, copied={**LOADER, "path": "pin.path"},
                found_by=ID[kind], needs_kprobes=True, **more)


def unlucky(label, errno, result="failed"):
    return Case(label, label, "pin", "map", {"errno": errno, "result": result, "class": "install"},
                copied={"path": "pin.path", **LOADER})


def tamper(action, kind="map", label="", found_by=None, fields=None, **more):
    """Whoever touches what is the daemon's own. What is reported is what was touched, or what touches it."""
    return Case(label or action, action, "tamper", more.pop("object", kind),
                {"class": "self", "severity": "critical", **(fields or {})},
                found_by={**ID[kind], **(found_by or {"command": "bpf.cmd"})}, **more)


# Where it is, as the first line of the actions pins it.
STOLEN = {"pin.path": f"{FOLDER}/stolen"}
# Element operations are told briefly.
BRIEF = {"object": "none", "copied": {"name": "map.name"}}

def renamed(label, event, copied, found_by):
    """The same action makes several events."""
    return Case(f"life-rename {label}", "life-rename", event, "none", {"result": "ok"}, copied={**LOADER, **copied},
                found_by=found_by, needs_kprobes=True)


CASES = [
    *(freed(kind, action) for action in ("life-close", "life-exit", "life-passed") for kind in FREED),
    # Whether it goes at once, or when RCU has come round: in nobody's name.
    freed("program", "life-unpinned", since=(5, 15)),
    freed("map", "life-unpinned", since=(5, 15)),
    Case("life-unpinned later", "life-unpinned program later", "prog-unload", "program", REMOVED, copied=LOADER,
         found_by=ID["program"], anonymous=True, until=(5, 15), monitored={}),
    Case("life-used", "life-used", "map-free", "map", REMOVED, copied=LOADER, found_by=ID["map"], anonymous=True,
         needs_kprobes=True),
    Case("life-inner", "life-inner", "map-free", "map", REMOVED, copied=LOADER, found_by=ID["map"], anonymous=True,
         needs_kprobes=True),
    Case("life-detach", "life-detach /sys/fs/cgroup/test", "detach", "link",
         {"class": "remove", "link.type": "cgroup"}, copied=LOADER),
    Case("life-detach-refused", "life-detach-refused", "detach", "link",
         {"errno": "EOPNOTSUPP", "result": "failed", "link.type": "raw_tracepoint"}),
    Case("life-reopened", "life-reopened", "attach", "link",
         {"class": "install", "attach.via": "raw-tracepoint-open", "loaded_by.name": "trigger"},
         copied={"loader": "loaded_by.pid"}),
    Case("life-pin-relative", "life-pin-relative", "pin", "map", {"class": "install"},
         kprobes={"pin.path": f"{FOLDER}/life_folder/pin"}, copied=LOADER),
    unlucky("life-pin-taken", "EEXIST"),
    unlucky("life-pin-elsewhere", "EPERM", "denied"),
    *(pinned(kind, "life-unpin") for kind in ("program", "map", "link")),
    *(Case(f"life-link {kind}", f"life-link {kind}", "pin", kind, {"class": "install", "result": "ok"},
           copied={**LOADER, "path": "pin.path"}, found_by={**ID[kind], "path": "pin.path"}, needs_kprobes=True)
      for kind in ("program", "map", "link")),
    renamed("from", "unpin", {"from": "pin.path"}, {**ID["program"], "from": "pin.path"}),
    renamed("to", "pin", {}, {**ID["program"], "to": "pin.path"}),
    renamed("replaced", "unpin", {"to": "pin.path"}, {"replaced": "map.id"}),
    Case("life-found", f"life-found {FOLDER}/existing", "prog-unload", "program",
         {**REMOVED, "existed": True, "loaded_by.pid": ABSENT, "loaded_by.user.id": 0, "prog.name": "life_left"},
         found_by=ID["program"], monitored={}),
    # The first to touch anything: nobody looks at who writes until somebody has got an fd.
    tamper("tamper-take", label="tamper-take write", **BRIEF),
    tamper("tamper-take", label="tamper-take", fields={"bpf.cmd": ABSENT, "attach.via": "pidfd-getfd"},
           found_by={"comm": "process.name"}),
    tamper("tamper-open"),
    tamper("tamper-write", fields={"calls": ABSENT}, **BRIEF),
    # The 1st, 2nd, 4th and 8th time are told.
    tamper("tamper-write 8", label="tamper-write often", found_by={"command": "bpf.cmd", "calls": "calls"}, **BRIEF),
    tamper("tamper-pin", fields=STOLEN),
    tamper("tamper-get", fields=STOLEN),
    tamper("tamper-unpin", fields={**STOLEN, "bpf.cmd": ABSENT}, found_by={"path": "pin.path"}, needs_kprobes=True),
    tamper("tamper-use", "program", fields={"prog.name": "tamper_use"}, beside="prog-load"),
    tamper("tamper-trace", "program", fields={"prog.name": "tamper_trace"}, beside="prog-load"),
    tamper("tamper-trace attach", "link", fields={"link.type": "tracing"}, beside="attach"),
    tamper("tamper-detach", "link", fields={"result": "failed"}),
    tamper("tamper-freeze"),
]
