# SPDX-License-Identifier: LGPL-2.1-or-later
"""What bpf() attaches by roads of their own, and how it goes without a call."""

from cases import ABSENT, PRESENT, Case

CGROUPS = "/sys/fs/cgroup"
PLACE = {"target": "attach.target"}
REMOVE = {"class": "remove"}


# Functions and hooks ----------------------------------------------------------------------------------------------------

def link(kind, attach_type, since, words=None, **more):
    """By LINK_CREATE."""
    fields = {"attach.via": "link-create", "attach.type": attach_type, "link.type": "tracing", **more.pop("fields", {})}
    return Case(f"link {kind}", f"link {kind}", "link-create", "link", fields,
                copied={**PLACE, "program": "prog.id", **more.pop("copied", {})}, words=words or {}, since=since, **more)


def opened(kind, program="tracing", **more):
    """By RAW_TRACEPOINT_OPEN, as before 5.19."""
    fields = {"attach.via": "raw-tracepoint-open", "link.type": "tracing", "prog.type": program,
              **more.pop("fields", {})}
    return Case(f"open {kind}", f"open-tracing {kind}", "attach", "link", fields,
                copied={**PLACE, "program": "prog.id"}, **more)


RETURN = {"fields": {"attach.flags": ["return"]}}
TRACEPOINT = {"fields": {"link.type": "raw_tracepoint"}}

FUNCTIONS = [
    opened("fexit", **RETURN),
    opened("fmod-ret"),
    opened("raw-tracepoint", **TRACEPOINT),
    opened("lsm", "lsm"),
    opened("freplace", "ext"),
    link("fexit", "trace_fexit", (5, 19), **RETURN),
    link("fmod-ret", "modify_return", (5, 19)),
    link("raw-tracepoint", "trace_raw_tp", (5, 19), **TRACEPOINT),
    link("lsm", "lsm_mac", (5, 19)),
    link("lsm-cgroup", "lsm_cgroup", (6, 0), fields={"link.type": "cgroup"}),
    link("freplace", ABSENT, ()),
    link("tracing-multi", "trace_fentry_multi", (7, 1),
         fields={"link.type": "tracing_multi", "attach.targets": ["bpf_fentry_test1", "bpf_fentry_test2"]}),
]

# Networks ---------------------------------------------------------------------------------------------------------------

NETWORKS = [
    link("sk-lookup", "sk_lookup", (), fields={"link.type": "netns"}, words={"bpf.fds.target_fd": "{target}"}),
    link("netkit", "netkit_primary", (6, 7), fields={"link.type": "netkit", "attach.ifindex": PRESENT}),
    Case("link netkit-fail", "link netkit-fail fail", "link-create",
         fields={"attach.via": "link-create", "result": "failed", "attach.type": "netkit_primary", "attach.ifindex": 1},
         copied=PLACE),
    Case("netns-attach", "netns-attach", "attach", "program",
         {"attach.via": "prog-attach", "attach.type": "flow_dissector"}, copied=PLACE),
    Case("netns-attach detach", "netns-attach detach", "detach", "program",
         {"attach.via": "prog-attach", "attach.type": "flow_dissector", **REMOVE}, copied=PLACE),
    Case("netns-attach fail", "netns-attach fail", "attach", "program",
         {"attach.via": "prog-attach", "result": "failed", "errno": "EINVAL"}),
    Case("sockhash-attach", "sockhash-attach", "attach", "program",
         {"attach.via": "prog-attach", "attach.type": "sk_msg_verdict"}, copied=PLACE),
    Case("sockhash-attach detach", "sockhash-attach detach", "detach", "program",
         {"attach.via": "prog-attach", "attach.type": "sk_msg_verdict", **REMOVE}, copied=PLACE),
    Case("sockhash-attach fail", "sockhash-attach fail", "attach", "program",
         {"attach.via": "prog-attach", "result": "failed", "errno": "EINVAL"}, copied=PLACE),
]

# Control groups ---------------------------------------------------------------------------------------------------------


def mode(name, flags, **more):
    fields = {"attach.via": "prog-attach", "attach.type": "cgroup_inet_ingress", "attach.target": f"/modes-{name}",
              "bpf.attr.attach_flags": flags, **more.pop("fields", {})}
    return Case(f"cgroup-attach {name}", f"cgroup-attach {CGROUPS}/modes-{name} {name}", "attach", "program", fields,
                found_by={"id": "prog.id"}, **more)


MODES = [
    mode("single", ABSENT),
    mode("override", ["allow_override"]),
    mode("multi", ["allow_multi"]),
    mode("replace", ["allow_multi", "replace"], words={"bpf.fds.replace_bpf_fd": 'program {first} "trigger_first"'}),
    mode("fail", ABSENT, fields={"result": "denied", "errno": "EPERM"}),
]

# Functions that the kernel calls ----------------------------------------------------------------------------------------

TCP = 'tcp_congestion_ops "trigger_ops"'


def functions(label, action, event, **more):
    """By their map."""
    fields = {"attach.via": "struct-ops", "map.type": "struct_ops", "attach.target": TCP,
              "class": "remove" if event == "detach" else "install", **more.pop("fields", {})}
    return Case(label, action, event, "map", fields, found_by={"id": "map.id"}, needs_kprobes=True, **more)


FUNCTION_SETS = [
    functions("struct-ops", "struct-ops", "attach"),
    functions("struct-ops detach", "struct-ops", "detach"),
    functions("struct-ops taken", "struct-ops taken", "attach", fields={"result": "failed", "errno": "EEXIST"}),
    functions("struct-ops nothing", "struct-ops nothing", "detach", fields={"result": "failed"}),
    Case("struct-ops-link", "struct-ops-link", "link-create", "none",
         {"attach.via": "link-create", "link.type": "struct_ops", "attach.type": "struct_ops", "prog.id": ABSENT},
         copied={**PLACE, "link": "link.id"},
         words={"bpf.fds.map_fd": 'map {map} "trigger_ops"'}, since=(6, 4), never={"attach.via": "struct-ops"}),
    Case("struct-ops-link fail", "struct-ops-link fail", "link-create",
         fields={"attach.via": "link-create", "attach.type": "struct_ops", "result": "failed", "errno": "EINVAL"}),
    Case("struct-ops-link scheduler", "struct-ops-link scheduler", "link-create", "none",
         {"attach.via": "link-create", "link.type": "struct_ops", "attach.type": "struct_ops", "prog.id": ABSENT},
         copied={**PLACE, "link": "link.id"},
         # Debian's 6.12 has none.
         since=(6, 13)),
    Case("struct-ops-update", "struct-ops-update", "link-update", "none", {"link.type": "struct_ops"}, copied={"link": "link.id"},
         words={"bpf.fds.new_map_fd": 'map {map} "trigger_ops"', "attach.target": TCP}, since=(6, 4)),
]

# What goes with its place -----------------------------------------------------------------------------------------------


def gone(action, types=None, label=None, links=True, **more):
    """A program that was attached alone, and a link."""
    program, linked = types
    label = label or action.split()[0]
    cases = [Case(label, action, "detach", "program",
                  {"attach.via": "prog-attach", "prog.type": program, **REMOVE}, copied=PLACE,
                  found_by={"id": "prog.id"}, needs_kprobes=True, **more)]
    if links:
        cases.append(Case(f"{label} link", action, "detach", "none",
                          {"attach.via": "link-create", "link.type": linked, **REMOVE}, copied=PLACE,
                          found_by={"link": "link.id"}, needs_kprobes=True, **more))
    return cases


GONE = [
    *gone(f"cgroup-gone {CGROUPS}/gone", ("cgroup_skb", "cgroup"), anonymous=True),
    *gone("netns-gone", ("flow_dissector", "netns"), anonymous=True),
    *gone("sockmap-gone", ("sk_msg", None), links=False),
    *gone("sockmap-gone hash", ("sk_msg", None), "sockhash-gone", links=False),
    *gone("tcx-gone", ("sched_cls", "tcx"), since=(6, 6)),
    *gone("netkit-gone", ("sched_cls", "netkit"), since=(6, 7)),
]

CASES = FUNCTIONS + NETWORKS + MODES + FUNCTION_SETS + GONE
CASES += [
    Case("common-attrs-reject", "common-attrs-reject", "prog-load",
         fields={"result": "rejected", "errno": "EACCES", "verifier.reason": "R7 !read_ok"},
         endings={"log": "verifier.log"}, since=(7, 0)),
]
