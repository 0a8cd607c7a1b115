#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What happens arrives: each action of the trigger program becomes an event that says the same."""

import json
import os
import pathlib
import shutil
import time

import bed
from bed import Skip, Trigger, equal, wait_until

MAP = {"map.id": "id", "map.name": "name", "map.key_size": "key_size", "map.value_size": "value_size",
       "map.max_entries": "max_entries"}

# Action and arguments -> the event; the fields that must be what the trigger says: field -> its key; and other fields.
ACTIONS = {
    ("map-create", "a_map"): ("map-create", MAP, {"map.type": "hash", "class": "install"}),
    ("prog-load", "a_prog"): ("prog-load", {"prog.id": "id", "prog.name": "name", "prog.tag": "tag", "prog.gpl": "gpl"},
                              {"prog.type": "socket_filter", "prog.license": "GPL", "class": "install"}),
    ("btf-load",): ("btf-load", {"btf.id": "id", "btf.size": "size"}, {"class": "install"}),
    ("link-create",): ("link-create", {"link.id": "id", "prog.id": "prog_id"}, {"link.type": "netns"}),
    ("raw-tracepoint-open",): ("attach", {"link.id": "id", "prog.id": "prog_id"},
                               {"attach.via": "raw-tracepoint-open", "attach.target": "cgroup_mkdir"}),
    ("map-freeze",): ("map-freeze", {"map.id": "id"}, {"class": "change"}),
    ("prog-reject",): ("prog-load", {}, {"result": "rejected", "prog.id": None}),
    ("fail-einval",): ("map-create", {}, {"result": "failed", "errno": "EINVAL", "map.id": None}),
    ("fail-ebadf",): ("map-freeze", {}, {"result": "failed", "errno": "EBADF"}),
    ("fail-impostor",): ("map-freeze", {}, {"result": "failed", "errno": "EINVAL", "map.id": None, "map.name": None}),
    ("fail-efault",): ("map-create", {}, {"result": "failed", "errno": "EFAULT", "map.id": None}),
    ("fail-eperm",): ("prog-load", {}, {"result": "denied", "errno": "EPERM", "user.id": 65534, "prog.id": None}),
    ("short-lived",): ("map-create", MAP, {"map.name": "trigger_short"}),
    ("threads",): ("map-create", MAP, {"process.name": "second-thread"}),
    ("exec",): ("map-create", MAP, {}),
}


def wait_event(subscriber, pid, kind, **fields):
    def find():
        for event in subscriber.events:
            if event.get("process.pid") == pid and event["event"] == kind and \
                    all(event.get(key) == value for key, value in fields.items()):
                return event
        return None
    return wait_until(find, what=f"{kind} of {pid}; there are {[str(e['event']) for e in subscriber.events]}")


def check_event(event, truth, fields, others):
    """Compares an event (plain values) with the trigger's truth. A field that must be None must be absent."""
    want = {"process.pid": truth["pid"], "process.tid": truth["tid"], "user.id": truth["uid"],
            "process.name": truth["comm"], "process.executable": truth["executable"], "bpf.cmd": truth["cmd"],
            "errno": truth["errno"] or None}
    if truth["ret"] >= 0:
        want["result"] = "ok"
    want |= {field: truth[key] for field, key in fields.items()} | others
    equal({field: event.get(field) for field in want}, want, f"event of {truth['action']}")
    age = time.time() - event["time"] / 1e6
    if not 0 <= age < 60:
        raise AssertionError(f"it happened {age} s ago")


def test_executable(b):
    """The file of the executable is told from others of its name: by inode, time of change, and who may write to it"""
    b.daemon()
    subscriber = b.subscriber()
    copy = b.directory / "copy"
    for mode in (0o755, 0o775, 0o757):
        shutil.copyfile(os.environ["TRIGGER"], copy)
        copy.chmod(mode)
        truth = bed.Process(b, "copy", [copy, "map-create", "of_copy"])
        equal(truth.wait(), 0, f"exit status of {copy}: {truth.errors()}")
        event, found = wait_event(subscriber, truth.pid, "map-create"), copy.stat()
        want = {"process.executable": str(copy), "process.executable_inode": found.st_ino,
                "process.executable_changed": found.st_ctime_ns // 1000, "process.executable_protected": mode == 0o755}
        equal({name: event.get(name) for name in want}, want, f"file of mode {mode:o}")


def test_actions(b):
    """Each action arrives at bpfmonctl and at dbus-python, with its process, outcome and ids"""
    b.daemon()
    subscriber, follower = b.subscriber(), b.follow("--json=short")

    def line_of(event):
        return wait_until(lambda: next((r for r in follower.objects() if r.get("seq") == event["seq"]), None),
                          what=f"bpfmonctl's line of {event['seq']}")
    for action, (kind, fields, others) in ACTIONS.items():
        for truth in b.trigger(*action).go().truth():
            event = wait_event(subscriber, truth["pid"], kind, **{"process.name": truth["comm"],
                                                                  "bpf.cmd": truth["cmd"]})
            check_event(event, truth, fields, others)
            check_event(line_of(event), truth, fields, others)


def test_parent(b):
    """The parent's process id is right, also for a process that is gone at once"""
    b.daemon()
    subscriber = b.subscriber("event=map-create")
    trigger = b.trigger("short-lived")
    child = trigger.go().truth()[0]
    equal(wait_event(subscriber, child["pid"], "map-create")["process.ppid"], trigger.pid)
    truth = b.trigger("map-create").go().truth()[0]
    equal(wait_event(subscriber, truth["pid"], "map-create")["process.ppid"], os.getpid())


def test_bpftool_agrees(b):
    """What an event says of a map and a program is what bpftool says of it"""
    b.daemon()
    subscriber = b.subscriber("event=map-create", "event=prog-load")
    for action, kind in (("map-create", "map"), ("prog-load", "prog")):
        trigger = b.trigger(action, pause=True).go()
        truth = trigger.acted()[0]
        event = wait_event(subscriber, truth["pid"], action)
        shown = json.loads(b.run("bpftool", "-j", kind, "show", "id", truth["id"]).output())
        want = {f"{kind}.id": shown["id"], f"{kind}.type": shown["type"], f"{kind}.name": shown["name"]}
        if kind == "map":
            want |= {"map.key_size": shown["bytes_key"], "map.value_size": shown["bytes_value"],
                     "map.max_entries": shown["max_entries"]}
        else:
            want |= {"prog.tag": shown["tag"], "prog.gpl": shown["gpl_compatible"]}
        equal({field: event.get(field) for field in want}, want, action)
        trigger.truth()


def test_attributes(b):
    """bpf.attr holds the attributes that the caller gave"""
    b.daemon()
    subscriber = b.subscriber("event=map-create", "bpf.attr.max_entries=16")
    truth = b.trigger("map-create", "attr_map").go().truth()[0]
    event = wait_event(subscriber, truth["pid"], "map-create")
    attributes = event["bpf.attr"]
    want = {"key_size": truth["key_size"], "value_size": truth["value_size"], "max_entries": truth["max_entries"],
            "map_name": truth["name"]}
    equal({key: attributes.get(key) for key in want}, want, "bpf.attr")
    equal(str(event["bpf.attr_source"]) in ("kernel", "user"), True, "bpf.attr_source")


def test_pinned(b):
    """The path of a pin is in the event"""
    directory = bpf_file_system()
    path = directory / f"bpfmon-test-{os.getpid()}"
    b.daemon()
    subscriber = b.subscriber("event=pin")
    try:
        truth = b.trigger("obj-pin", path).go().truth()[0]
        event = wait_event(subscriber, truth["pid"], "pin")
        equal(event["pin.path"], str(path))
    finally:
        path.unlink(missing_ok=True)


def bpf_file_system():
    for line in pathlib.Path("/proc/mounts").read_text().splitlines():
        if line.split()[2] == "bpf":
            return pathlib.Path(line.split()[1])
    raise Skip("no BPF file system is mounted")


def test_elements(b):
    """An element operation carries its map and its outcome"""
    b.daemon()
    for operation, result, error in (("lookup", "ok", None), ("lookup-missing", "failed", "ENOENT")):
        subscriber = b.subscriber("event=map-access")
        truth = b.trigger("map-elements", operation, 5).go().truth()[0]
        subscriber.wait_total(5)
        subscriber.settle()
        want = {"process.pid": truth["pid"], "bpf.cmd": "MAP_LOOKUP_ELEM", "result": result, "errno": error,
                "map.id": truth["id"], "map.name": truth["name"]}
        equal([{field: event.get(field) for field in want} for event in subscriber.events], [want] * 5, operation)


def test_not_asked_for(b):
    """Without a match that names them no element operations and queries are sent"""
    b.daemon()
    subscriber = b.subscriber()
    b.trigger("map-elements", "lookup", 100).go().truth()
    b.trigger("list-objects").go().truth()
    truth = b.trigger("prog-load").go().truth()[0]
    wait_event(subscriber, truth["pid"], "prog-load")
    subscriber.settle()
    equal([str(e["event"]) for e in subscriber.events if e["class"] in ("use", "look")], [])


def test_short_lived(b):
    """A process that is gone at once still has its executable"""
    b.daemon()
    subscriber = b.subscriber("event=prog-load")
    triggers = [b.trigger("prog-load") for _ in range(20)]
    for trigger in triggers:
        trigger.go()
    for trigger in triggers:
        truth = trigger.truth()[0]
        equal(wait_event(subscriber, truth["pid"], "prog-load")["process.executable"], truth["executable"])


def test_outside_tree(b):
    """--observe=pid: a process outside the tree is not seen, its siblings and children are"""
    parked = b.trigger("prog-load")
    b.daemon(observe=f"pid:{parked.pid}")
    subscriber = b.subscriber()
    outside = b.trigger("prog-load").go().truth()[0]
    inside = parked.go().truth()[0]
    wait_event(subscriber, inside["pid"], "prog-load")
    subscriber.settle()
    equal({int(e["process.pid"]) for e in subscriber.events}, {inside["pid"]}, f"pids ({outside['pid']} is outside)")


def cgroup_root():
    for line in pathlib.Path("/proc/mounts").read_text().splitlines():
        if line.split()[2] == "cgroup2":
            return pathlib.Path(line.split()[1])
    raise Skip("no cgroup v2 hierarchy is mounted")


def test_cgroup(b):
    """--observe=cgroup: what is in the cgroup and below it is seen, with its path; nothing else is"""
    root = cgroup_root()
    top = root / f"bpfmon-test-{os.getpid()}"
    below = top / "below"
    try:
        below.mkdir(parents=True)
    except OSError as error:
        raise Skip(f"cannot make cgroups: {error.strerror}") from error
    try:
        b.daemon(observe=f"cgroup:{top}")
        subscriber = b.subscriber()
        outside = b.trigger("prog-load")
        inside = {}
        for directory in (top, below):
            trigger = b.trigger("prog-load")
            (directory / "cgroup.procs").write_text(str(trigger.pid))
            inside[trigger] = directory
        outside.go().truth()
        for trigger, directory in inside.items():
            truth = trigger.go().truth()[0]
            event = wait_event(subscriber, truth["pid"], "prog-load")
            equal(event["cgroup.path"], f"/{directory.relative_to(root)}")
            equal(event["cgroup.id"], directory.stat().st_ino)
        subscriber.settle()
        # What goes in nobody's name is told of what those processes brought.
        pids = {int(e.get("process.pid", e.get("loaded_by.pid", 0))) for e in subscriber.events}
        equal(pids, {t.pid for t in inside}, "pids")
    finally:
        for directory in (below, top):
            wait_until(lambda: remove(directory), what=f"the end of {directory}")  # pylint: disable=cell-var-from-loop


def remove(directory):
    try:
        directory.rmdir()
    except FileNotFoundError:
        pass
    except OSError:
        return False
    return True


def test_started_before(b):
    """Children that were there before the daemon are observed, too"""
    parked = Trigger(b, "prog-load", prefix=("sh", "-c", '"$@"; true', "sh"))
    wait_until(lambda: len(pathlib.Path(f"/proc/{parked.pid}/task/{parked.pid}/children").read_text().split()) == 1,
               what="the child of the shell")
    b.daemon(observe=f"pid:{parked.pid}")
    subscriber = b.subscriber()
    truth = parked.go().truth()[0]
    equal(truth["pid"] != parked.pid, True, "it is a child")
    wait_event(subscriber, truth["pid"], "prog-load")


def test_own_calls(b):
    """The daemon's own calls are not reported, though it is in the tree that it observes"""
    daemon = b.daemon()
    subscriber = b.subscriber("class=install", "class=use", "class=look", "class=change")
    b.client().call("ListCallers", bed.dbus.Array([], "s"), bed.dbus.Dictionary({}, "sv"))
    truth = b.trigger("prog-load").go().truth()[0]
    wait_event(subscriber, truth["pid"], "prog-load")
    equal([e for e in subscriber.events if e["process.pid"] == daemon.pid], [])


bed.main([test_actions, test_executable, test_parent, test_bpftool_agrees, test_attributes, test_pinned, test_elements,
          test_not_asked_for, test_short_lived, test_outside_tree, test_cgroup, test_started_before,
          test_own_calls])
