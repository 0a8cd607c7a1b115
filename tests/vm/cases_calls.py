# SPDX-License-Identifier: LGPL-2.1-or-later
"""What bpf() calls do besides the ordinary: every command, several targets, programs that say much."""

import hashlib
import struct

from cases import ABSENT, PRESENT, Case

CGROUP = "/sys/fs/cgroup/test"
MISSING = {"prog.id": ABSENT, "map.id": ABSENT, "link.id": ABSENT}


def look(label, event, result=None, errno=None, **more):
    """A call that only looks, or uses what there is."""
    fields = {**({"result": result, "errno": errno} if errno else {}), **more.pop("fields", {})}
    return Case(label, label, event, fields=fields, stream="use", **more)


def refused(label, event, errno, result="failed", **more):
    return Case(label, more.pop("action", label), event, fields={"errno": errno, "result": result, **more.pop("fields", {})},
                **more)


# By id ------------------------------------------------------------------------------------------------------------------

BY_ID = []
for kind, obj in (("program", "program"), ("map", "map"), ("link", "link"), ("btf", "btf")):
    BY_ID += [
        look(f"next-id {kind}", "object-query"),
        look(f"next-id {kind} fail", "object-query", "failed", "ENOENT"),
        look(f"by-id {kind}", "object-get", object=obj),
        look(f"by-id {kind} fail", "object-get", "failed", "ENOENT", fields=MISSING),
    ]

# Elements ---------------------------------------------------------------------------------------------------------------

OPERATIONS = ("lookup", "lookup-and-delete", "update", "delete")
BATCHES = [look(f"batch {op}", "map-access", copied={"id": "map.id"}, source=("kernel",),
                fields={"bpf.attr.count": PRESENT, "map.name": "trigger_batch"}) for op in OPERATIONS]
BATCHES += [look(f"batch {op} fail", "map-access", "failed", "EINVAL", copied={"id": "map.id"}) for op in OPERATIONS]

KEY, OTHER = "01020304", "05000000"
VALUE = bytes(range(0x80, 0x80 + 64)).hex()


def content(operation, key, value, errno=None, **more):
    """An operation as a subscription sees it that asks for keys and values: of the value the first 64 bytes."""
    fields = {"map.key": key, "map.value": value or ABSENT, "map.name": "trigger_element",
              "result": "failed" if errno else "ok", "errno": errno or ABSENT}
    return Case(f"content {operation}", f"element {operation}", "map-access", fields=fields, copied={"id": "map.id"},
                stream="content", source=None, **more)


CONTENTS = [
    content("update", KEY, VALUE),
    content("lookup", KEY, VALUE),
    content("lookup-missing", OTHER, None, "ENOENT"),
    content("delete", KEY, None),
    content("delete-missing", OTHER, None, "ENOENT"),
    content("next-key", OTHER, None),
    content("next-key-end", KEY, None, "ENOENT"),
    content("lookup-and-delete", KEY, VALUE, since=(5, 14)),
]
# Nobody gets them who did not ask.
CONTENTS += [Case("no-content lookup", "element lookup", "map-access", copied={"id": "map.id"}, stream="use", source=None,
                  fields={"map.key": ABSENT, "map.value": ABSENT, "map.name": "trigger_element"})]

# Programs ---------------------------------------------------------------------------------------------------------------


def instruction(code, dst=0, src=0, off=0, imm=0):
    return struct.pack("<BBhi", code, dst | src << 4, off, imm)


def sha256(*instructions):
    return hashlib.sha256(b"".join(instructions)).hexdigest()


EXIT = instruction(0x95)
WRONG = instruction(0xbf, 0, 7)  # r0 = r7, which nothing was written to


def with_maps(last):
    """The program of prog-maps, fds of maps taken as 0."""
    def load(register):
        return instruction(0x18, register, 1) + instruction(0)
    return sha256(instruction(0x62, 10, 0, -4), instruction(0xbf, 2, 10), instruction(0x07, 2, 0, 0, -4), load(1),
                  instruction(0x85, imm=1), load(6), load(6), instruction(0x85, imm=8), instruction(0x85, imm=8), last,
                  EXIT)


def refusal(n):
    return sha256(*(instruction(0xb7, imm=i) for i in range(n)), WRONG, EXIT)


HELPERS = ["map_lookup_elem", "get_smp_processor_id"]
REASON = "R7 !read_ok"


def verdict(label, n, log=True, reason=REASON, **more):
    fields = {"result": "rejected", "errno": "EACCES", "prog.name": "trigger_verdict", "prog.sha256": refusal(n),
              **({"verifier.reason": reason} if reason else {}), **({} if log else {"verifier.log": ABSENT}),
              **more.pop("fields", {})}
    return Case(label, more.pop("action", label), "prog-load", fields=fields,
                endings={"log": "verifier.log"} if log else {}, **more)


# Where there is no room for the log, that is the error.
SMALL = {"result": "failed", "errno": "ENOSPC"}
PROGRAMS = [
    Case("prog-maps", "prog-maps", "prog-load", "program",
         {"prog.helpers": HELPERS, "prog.kfuncs": ABSENT, "prog.sha256": with_maps(instruction(0xb7))},
         copied={"maps": "prog.maps"}),
    Case("prog-maps reject", "prog-maps reject", "prog-load",
         fields={"prog.helpers": HELPERS, "prog.sha256": with_maps(WRONG), "result": "rejected", "errno": "EACCES",
                 "verifier.log": ABSENT, "verifier.reason": ABSENT},
         copied={"maps": "prog.maps"}, tracepoints={"prog.maps": ABSENT}),
    Case("prog-long", "prog-long 20000", "prog-load", "program",
         {"prog.sha256": sha256(*[instruction(0xb7)] * 19999, EXIT)}),
    # More than is kept of a program.
    Case("prog-huge", "prog-long 200000", "prog-load", "program", {"prog.sha256": ABSENT}),
    verdict("reject-log", 20),
    verdict("reject-log-old", 20),
    # The kernel keeps the end of the log from 6.4 on; before, its beginning.
    verdict("reject-log-small", 20, fields=SMALL, reason=None),
    verdict("reject-log-small-old", 20, fields=SMALL, reason=None),
    verdict("reject-log-long", 3000),
    verdict("reject-log-long-old", 3000),
    verdict("reject-quiet", 20, log=False, reason=ABSENT),
    Case("btf-fail", "btf-fail", "btf-load", fields={"result": "failed", "errno": "EINVAL"},
         endings={"log": "verifier.log"}),
]

# Links ------------------------------------------------------------------------------------------------------------------


def link(kind, since=(), words=None, fields=None, copied=None, **more):
    return Case(f"link {kind}", f"link {kind}", "link-create", "link",
                {"attach.via": "link-create", "link.type": kind.replace("-", "_"), **(fields or {})},
                copied={"target": "attach.target", "program": "prog.id", **(copied or {})}, words=words or {}, since=since,
                **more)


def program_fd(name):
    return {"bpf.fds.prog_fd": f'program {{program}} "{name}"'}


LINKS = [
    link("tracing", (5, 19), program_fd("trigger_fentry"), {"attach.type": "trace_fentry"}),
    link("iter", (), program_fd("trigger_iter")),
    link("netfilter", (6, 4), program_fd("trigger_netf")),
    link("tcx", (6, 6), program_fd("trigger_tcx"), {"attach.ifindex": 1, "attach.type": "tcx_ingress"}),
    link("xdp", (), program_fd("trigger_xdp"), {"attach.ifindex": 1, "attach.type": "xdp"}),
    link("perf", (5, 15), program_fd("trigger_perf"), {"link.type": "perf_event", "bpf.fds.target_fd": "perf event"}),
    # Came with 5.18, for arm64 later; Debian's 6.1 is built without.
    link("kprobe-multi", (6, 2), program_fd("trigger_kmulti"),
         {"attach.targets": ["bpf_fentry_test1", "bpf_fentry_test2"]}, only="amd64"),
    link("uprobe-multi", (6, 6), {**program_fd("trigger_umulti"), "bpf.attr.uprobe_multi.path": "{executable}"}),
    link("sockmap", (6, 10), {**program_fd("trigger_sk_skb"), "bpf.fds.target_fd": "{target}"}),
    Case("open-tracing", "open-tracing", "attach", "link", {"attach.via": "raw-tracepoint-open", "link.type": "tracing"},
         copied={"target": "attach.target"}),
    Case("link-update", f"link-update {CGROUP}", "link-update", "link",
         {"link.type": "cgroup", "attach.target": "/test"}, copied={"after": "prog.id"},
         words={"bpf.fds.link_fd": "link {id}", "bpf.fds.new_prog_fd": 'program {after} "trigger_after"'}),
    Case("link-update fail", f"link-update {CGROUP} fail", "link-update", "link",
         {"result": "denied", "errno": "EPERM", "attach.target": "/test"}, copied={"before": "prog.id"},
         words={"bpf.fds.old_prog_fd": 'program {after} "trigger_after"'}),
    Case("link-detach", f"link-detach {CGROUP}", "detach", "link",
         {"attach.via": "link-create", "link.type": "cgroup", "attach.target": "/test", "class": "remove"},
         tracepoints={"attach.target": ABSENT}, words={"bpf.fds.link_fd": "link {id}"}),
    Case("link-detach fail", "link-detach", "detach", "link",
         {"result": "failed", "errno": "EOPNOTSUPP", "link.type": "raw_tracepoint", "attach.target": "cgroup_mkdir"}),
    refused("link-fail", "link-create", "EBADF", copied={"prog_fd": "bpf.fds.prog_fd", "target_fd": "bpf.fds.target_fd"},
            fields={"link.id": ABSENT, "attach.target": ABSENT}),
    refused("link-fail map", "link-create", "EINVAL",
            copied={"prog_fd": "bpf.fds.prog_fd", "target_fd": "bpf.fds.target_fd"}, fields={"link.id": ABSENT}),
    look("iter-create", "iter-create", object="link", words={"bpf.fds.link_fd": "link {id}"},
         fields={"link.type": "iter"}),
    look("iter-create fail", "iter-create", "failed", "EINVAL",
         words={"bpf.fds.link_fd": 'program {program} "trigger_iter"'}, fields={"link.id": ABSENT}),
]

# Attachments without links ----------------------------------------------------------------------------------------------

ATTACHMENTS = [
    Case("attach-sockmap", "attach-sockmap", "attach", "program",
         {"attach.via": "prog-attach", "attach.type": "sk_msg_verdict"},
         copied={"target": "attach.target"}, words={"bpf.fds.target_fd": "{target}"}),
    Case("attach-tcx", "attach-tcx", "attach", "program",
         {"attach.via": "prog-attach", "attach.target": "lo", "attach.ifindex": 1, "attach.type": "tcx_ingress"},
         since=(6, 6)),
    Case("attach-tcx detach", "attach-tcx detach", "detach", "program",
         {"attach.via": "prog-attach", "attach.target": "lo", "attach.ifindex": 1}, since=(6, 6)),
    Case("attach-tcx fail", "attach-tcx fail", "attach", "program",
         {"errno": "ENODEV", "result": "failed", "attach.ifindex": 0x7fffffff}, since=(6, 6)),
]
ATTACHMENTS += [Case(f"wrong-fd {kind}", f"wrong-fd {kind}", "attach", "program", {"errno": "EBADF", "result": "failed"},
                     copied={"target_fd": "bpf.fds.target_fd"})
                for kind in ("socket", "perf", "iterator", "file", "netns", "link", "btf", "map", "program")]
ATTACHMENTS += [
    Case("wrong-fd pidns", "wrong-fd pidns", "attach", "program",
         {"errno": "EBADF", "result": "failed", "bpf.fds.target_fd": PRESENT, "attach.target": ABSENT}),
    Case("wrong-fd nothing", "wrong-fd nothing", "attach", "program",
         {"errno": "EBADF", "result": "failed", "bpf.fds.target_fd": ABSENT}),
]

# Maps and the rest ------------------------------------------------------------------------------------------------------

OTHERS = [
    Case("map-in-map", "map-in-map", "map-create", "map", {"map.type": "hash_of_maps"},
         words={"bpf.fds.inner_map_fd": 'map {inner} "trigger_in_map"'}),
    refused("map-in-map fail", "map-create", "EBADF", object="map",
            fields={"map.name": "trigger_outer", "bpf.fds": ABSENT, "map.id": ABSENT}),
    Case("map-btf", "map-btf", "map-create", "map", {"map.type": "array"}, words={"bpf.fds.btf_fd": "BTF {btf}"}),
    refused("map-btf fail", "map-create", "EINVAL", object="map", fields={"map.id": ABSENT},
            words={"bpf.fds.btf_fd": "BTF {btf}"}),
    Case("bind-map", "bind-map", "prog-bind-map", "program",
         words={"bpf.fds.prog_fd": 'program {id} "trigger_bind"', "bpf.fds.map_fd": 'map {map} "trigger_bound"'}),
    refused("bind-map fail", "prog-bind-map", "EINVAL", object="program",
            words={"bpf.fds.map_fd": 'program {id} "trigger_bind"'}),
    Case("enable-stats", "enable-stats", "stats-enable"),
    refused("enable-stats fail", "stats-enable", "EINVAL"),
    look("info", "object-query", copied={"id": "map.id"},
         words={"bpf.fds.bpf_fd": 'map {id} "trigger_info"'}),
    look("info fail", "object-query", "failed", "EINVAL", fields={"bpf.fds.bpf_fd": "socket"}),
    look("task-fd-query", "object-query"),
    look("task-fd-query fail", "object-query", "failed", "EBADF"),
    Case("prog-query", f"prog-query {CGROUP}", "object-query", fields={"bpf.fds.target_fd": 'cgroup "test"'}, stream="use"),
    Case("prog-query fail", "prog-query /dev/null", "object-query",
         fields={"errno": "EBADF", "result": "failed", "bpf.fds.target_fd": 'file "null"'}, stream="use"),
    look("stream-read", "object-query", object="program", since=(6, 17),
         words={"bpf.fds.prog_fd": 'program {id} "trigger_stream"'}),
    # Kernels that do not know these refuse them too.
    look("stream-read fail", "object-query", object="program", fields={"result": "failed"}),
    refused("assoc-struct-ops", "prog-assoc-struct-ops", "EINVAL", object="program",
            words={"bpf.fds.prog_fd": 'program {id} "trigger_assoc"'}),
    Case("run-fail", "run-fail", "prog-run", "program", {"errno": "EINVAL", "result": "failed"}, stream="use"),
]

CASES = BY_ID + BATCHES + PROGRAMS + LINKS + ATTACHMENTS + OTHERS + CONTENTS
