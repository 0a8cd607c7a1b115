# SPDX-License-Identifier: LGPL-2.1-or-later
"""What bpfmon lists, beside what bpftool lists at the same time, and beside what was attached."""

import json
import re

# What is held while both look: label -> action, the attachment that is to be listed (a regular expression), and the
# kernel that can do it first. Each in a network namespace of its own where it begins with "apart".
HELD = {
    "map": ("map-create held", None, ()),
    "maps": ("prog-maps", None, ()),
    "btf": ("btf-load", None, ()),
    "pin": ("obj-pin /sys/fs/bpf/held", None, ()),
    "cgroup link": ("link-create /sys/fs/cgroup/test", r"cgroup_inet_ingress /test, link {id}", ()),
    "cgroup": ("prog-attach /sys/fs/cgroup/held", r"cgroup_inet_ingress /held, prog-attach", ()),
    "cgroup multi": ("cgroup-attach /sys/fs/cgroup/held-multi multi", r"cgroup_inet_ingress /held-multi, prog-attach", ()),
    "netns link": ("link-create", r"flow_dissector netns \d+, link {id}", ()),
    "netns": ("apart netns-attach", r"flow_dissector netns \d+, prog-attach", ()),
    "sk-lookup": ("apart link sk-lookup", r"sk_lookup netns \d+, link {id}", ()),
    "raw tracepoint": ("raw-tracepoint-open", r"raw_tracepoint cgroup_mkdir, link {id}", ()),
    "fexit": ("open-tracing fexit", r"trace_fexit {target}, link {id}", (5, 13)),
    "lsm": ("open-tracing lsm", r"lsm_mac {target}, link {id}", (5, 13)),
    "freplace": ("open-tracing freplace", r"freplace {target}, link {id}", (5, 13)),
    "iter": ("link iter", r"iter task, link {id}", ()),
    "kprobe": ("perf-attach kprobe", r"perf_event {target} by trigger\[{pid}\], perf-ioctl", ()),
    "tracepoint": ("perf-attach tracepoint", r"perf_event cgroup_mkdir by trigger\[{pid}\], perf-ioctl", ()),
    "uprobe": ("perf-attach uprobe", r"perf_event \S+/trigger\S+ by trigger\[{pid}\], perf-ioctl", ()),
    "kprobe link": ("perf-link kprobe", r"perf_event {target}, link {id}", (5, 15)),
    "tracepoint link": ("perf-link tracepoint", r"perf_event cgroup_mkdir, link {id}", (5, 15)),
    "uprobe link": ("perf-link uprobe", r"perf_event \S+/trigger\S+, link {id}", (5, 15)),
    "kprobe-multi": ("link kprobe-multi", r"kprobe_multi \d+ functions, link {id}", (6, 6)),
    "uprobe-multi": ("link uprobe-multi", r"uprobe_multi \S+/trigger at \d+ places, link {id}", (6, 8)),
    "netfilter": ("apart link netfilter", r"netfilter ipv4/\w+ priority -?\d+, link {id}", (6, 4)),
    "sockhash": ("sockhash-attach", r'sk_msg_verdict map \d+ "trigger_\w+", prog-attach', (5, 17)),
    "tcx link": ("link tcx", r"tcx_ingress lo, link {id}", (6, 6)),
    "tcx": ("apart attach-tcx", r"tcx_ingress lo in netns \d+, prog-attach", (6, 6)),
    "netkit": ("apart link netkit", r"netkit_primary bpfmon0 in netns \d+, link {id}", (6, 7)),
    "xdp": ("xdp-attach", r"xdp bpfmon0 generic, netlink-xdp", ()),
    "xdp elsewhere": ("apart xdp-attach", r"xdp bpfmon0 generic in netns \d+, netlink-xdp", ()),
    "xdp link": ("apart link xdp", r"xdp (lo|bpfmon0) in netns \d+, link {id}", (5, 15)),
    "tc": ("apart tc-attach", r"tc bpfmon0 ingress pref 7 handle 0x5 in netns \d+, netlink-tc", ()),
    "tc action": ("apart act-attach", r"tc_action netns \d+, netlink-tc", ()),
    "struct-ops": ("struct-ops-link", None, (6, 4)),
}

# Members of bpftool's lists -> fields.
FIELDS = {
    "prog": {"id": "prog.id", "type": "prog.type", "tag": "prog.tag", "bytes_xlated": "prog.xlated_size",
             "bytes_jited": "prog.jited_size", "bytes_memlock": "memory", "btf_id": "prog.btf_id",
             "gpl_compatible": "prog.gpl", "run_time_ns": "prog.run_time", "run_cnt": "prog.run_count"},
    "map": {"id": "map.id", "type": "map.type", "name": "map.name", "bytes_key": "map.key_size",
            "bytes_value": "map.value_size", "max_entries": "map.max_entries", "bytes_memlock": "memory",
            "btf_id": "map.btf_id"},
    "link": {"id": "link.id", "type": "link.type", "prog_id": "prog.id", "attach_type": "attach.type",
             "cgroup_id": "attach.cgroup.id", "netns_ino": "attach.namespace.net"},
    "btf": {"id": "btf.id", "size": "btf.size", "prog_ids": "btf.progs", "map_ids": "btf.maps"},
}
# Names that bpftool 7.1 does not know yet are numbers there.
NUMBERED = {"prog": "prog.type", "map": "map.type", "link": "link.type"}
OURS = {"prog": "programs", "map": "maps", "link": "links", "btf": "btf"}


def actions():
    return "".join(f"{label.replace(' ', '_')} {action}\n" for label, (action, _, _) in HELD.items())


def read(path):
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def lines(path):
    try:
        return [json.loads(line) for line in path.read_text().splitlines()]
    except (OSError, ValueError):
        return None


class Inventory:
    """One round's lists. Each check returns lines of what is wrong."""

    def __init__(self, folder):
        self.folder = folder
        self.truth = {label: lines(folder / "held" / label.replace(" ", "_")) for label in HELD}
        self.ours = {kind: {row[f"{kind}.id"]: row for row in lines(folder / f"{name}.ours") or []}
                     for kind, name in OURS.items()}
        self.before = {kind: {row["id"]: row for row in read(folder / f"{kind}.before") or []} for kind in OURS}
        self.alone = {row["id"]: row for row in lines(folder / "map.alone") or []}
        self.after = {kind: {row["id"]: row for row in read(folder / f"{kind}.after") or []} for kind in OURS}

    def kind(self, kind):
        """The same objects, and the same of each."""
        ours, before, after = self.ours[kind], self.before[kind], self.after[kind]
        if not before or not after:
            return [f"bpftool lists nothing: {(self.folder / 'bpftool.err').read_text()[-500:]}"]
        both = set(before) & set(after)
        wrong = [f"{number} is not listed: {before[number]}" for number in both - set(ours)]
        wrong += [f"{number} is listed alone: {ours[number]}" for number in set(ours) - set(before) - set(after)]
        for number in both & set(ours):
            theirs = before[number]
            if kind == "map" and "btf_id" not in self.alone.get(number, theirs):
                theirs = {key: value for key, value in theirs.items() if key != "btf_id"}
            wrong += self.same(kind, theirs, ours[number])
        return wrong

    def same(self, kind, theirs, ours):
        wrong = []
        for key, field in FIELDS[kind].items():
            if key not in theirs or (key == "type" and field == NUMBERED.get(kind) and str(theirs[key]).isdigit()):
                continue
            if key == "attach_type" and ours.get("prog.type") == "ext":
                continue  # the kernel says 0, which means nothing there
            want, got = theirs[key], ours.get(field)
            if isinstance(want, list):
                want, got = sorted(want), sorted(got or [])
            if key == "attach_type" and got != want and str(want).replace("_", "") == str(got).replace("_", ""):
                continue
            if want in (0, "") and got is None:
                continue
            if got != want:
                wrong.append(f"{kind} {theirs['id']}: {field} is {got!r}, bpftool has {key} {want!r}")
        if kind == "prog":
            wrong += self.same_program(theirs, ours)
        if kind == "map" and bool(theirs.get("frozen")) != ours["map.frozen"]:
            wrong.append(f"map {theirs['id']}: frozen is {ours['map.frozen']}")
        pinned = theirs.get("pinned", [])
        if set(pinned) != set(ours.get("pin.paths", [])):
            wrong.append(f"{kind} {theirs['id']}: pins are {ours.get('pin.paths')}, bpftool has {pinned}")
        holders = {f"{p['comm']}[{p['pid']}]" for p in theirs.get("pids", []) if p["comm"] != "bpftool"}
        # The iterator that bpftool asks sees threads, under the names of their own.
        missing = {h for h in holders - set(ours.get("holders", [])) if f"[{h.rsplit('[', 1)[1]}" not in str(ours.get("holders"))}
        if missing:
            wrong.append(f"{kind} {theirs['id']}: holders are {ours.get('holders')}, bpftool has {sorted(holders)}")
        return wrong

    def same_program(self, theirs, ours):
        wrong = []
        # bpftool tells longer names, from BTF.
        if not str(theirs.get("name", "")).startswith(ours.get("prog.name", "")):
            wrong.append(f"prog {theirs['id']}: name is {ours.get('prog.name')!r}, bpftool has {theirs.get('name')!r}")
        if sorted(theirs.get("map_ids", [])) != sorted(ours.get("prog.maps", [])):
            wrong.append(f"prog {theirs['id']}: maps are {ours.get('prog.maps')}, bpftool has {theirs.get('map_ids')}")
        if theirs["uid"] != ours.get("loaded_by.user.id"):
            wrong.append(f"prog {theirs['id']}: user is {ours.get('loaded_by.user.id')}, bpftool has {theirs['uid']}")
        if abs(ours["prog.load_time"] / 1e6 - theirs["loaded_at"]) > 2:
            wrong.append(f"prog {theirs['id']}: load time is {ours['prog.load_time']}, bpftool has {theirs['loaded_at']}")
        return wrong

    def attached(self, prog, *words):
        """Whether the program has an attachment with all of these words."""
        listed = self.ours["prog"].get(prog, {}).get("attachments", [])
        return any(all(str(word) in a for word in words) for a in listed)

    def attachments(self):
        """Whatever bpftool finds attached is listed, too."""
        wrong = []
        for net in read(self.folder / "net") or []:
            for entry in net.get("xdp", []):
                for mode in [entry, *entry.get("multi_attachments", [])]:
                    if "id" in mode and not self.attached(mode["id"], "xdp", entry["devname"]):
                        wrong.append(f"xdp: {entry}")
            for entry in net.get("tc", []):
                if "id" in entry and not self.attached(entry["id"], "tc", entry["devname"]):
                    wrong.append(f"tc: {entry}")
            for entry in net.get("flow_dissector", []):
                if not self.attached(entry["id"], "flow_dissector"):
                    wrong.append(f"flow dissector: {entry}")
        for group in read(self.folder / "cgroup") or []:
            path = group["cgroup"].removeprefix("/sys/fs/cgroup") or "/"
            for program in group["programs"]:
                if not self.attached(program["id"], program["attach_type"], f" {path},"):
                    wrong.append(f"cgroup {path}: {program}")
        for entry in read(self.folder / "perf") or []:
            name = entry.get("tracepoint") or entry.get("func") or entry.get("filename") or ""
            if not self.attached(entry["prog_id"], name):
                wrong.append(f"perf event: {entry}")
        return wrong

    def held(self, label, version):
        """What was attached is listed as that, with who did it."""
        action, pattern, since = HELD[label]
        truth = self.truth[label]
        if version < since:
            return None
        if not truth:
            return [f"{action} did nothing: {(self.folder / 'held' / (label.replace(' ', '_') + '.err')).read_text()}"]
        row = truth[-1]
        if "link" in row and "id" not in row:
            row = {**row, "id": row["link"]}
        kind, wrong = ("link" if "prog_id" in row or "program" in row else "prog" if "tag" in row else None), []
        if pattern:
            number = row.get("prog_id") or row.get("program") or row["id"]
            wanted = pattern.format(**{key: re.escape(str(value)) for key, value in row.items()})
            listed = self.ours["prog"].get(number, {}).get("attachments", [])
            if not any(re.fullmatch(wanted, a) for a in listed):
                wrong.append(f"attachments of program {number} are {listed}, want {wanted}")
        one = self.ours[kind].get(row["id"], {}) if kind else None
        if one is not None and one.get("loaded_by.pid") != row["pid"]:
            wrong.append(f"loaded by {one.get('loaded_by.pid')}, want {row['pid']}: {one}")
        if one is not None and f"trigger[{row['pid']}]" not in one.get("holders", []):
            wrong.append(f"held by {one.get('holders')}, want trigger[{row['pid']}]")
        return wrong

    def not_hidden(self):
        """Whatever came and went in this round, nothing was told to be hidden."""
        count = (self.folder / "hidden.before").read_text().strip()
        return [] if count == "0" else [e for e in lines(self.folder.parent / "events") if e.get("event") == "hidden-object"]

    def why_not_hidden(self):
        """Why this kernel lets nobody hide programs so, or None."""
        truth = lines(self.folder / "held/hide")
        return truth[0].get("skip") if truth else None

    def hidden(self):
        """Programs that the list has not any more are told, those of bpfmond too."""
        truth = lines(self.folder / "held/hide")
        if not truth:
            return [f"nothing was hidden: {(self.folder / 'held/hide.err').read_text()}"]
        told = [e for e in lines(self.folder.parent / "events") if e.get("event") == "hidden-object"]
        wrong = []
        if lines(self.folder / "hidden.ours"):
            wrong.append(f"they are listed: {lines(self.folder / 'hidden.ours')[:2]}")
        if not told or len({e.get("prog.id") for e in told}) != len(told):
            wrong.append(f"told: {told}")
        for event in told:
            if (event.get("hidden.from"), event.get("severity"), event.get("class")) != ("list", "critical", "self"):
                wrong.append(f"told: {event}")
        return wrong
