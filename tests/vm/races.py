# SPDX-License-Identifier: LGPL-2.1-or-later
"""Races and storms: actions that make many events, or try to be told wrong. Each with its judge."""

from expect import lookup, of_call


def by_id(events, field):
    """id -> the events that have it."""
    found = {}
    for event in events:
        found.setdefault(lookup(event, field), []).append(event)
    return found


def complete(truth, wanted):
    """Whether the action itself did what it was asked to."""
    return [] if len(truth["ids"]) == wanted else [f"the action itself failed: {len(truth['ids'])} of {wanted}"]


def one_each(events, ids, field):
    """Lines for ids without exactly one event, and id -> event for all others."""
    found = by_id(events, field)
    counts = {number: len(found.get(number, [])) for number in ids}
    lines = [f"{field} {number}: {count} events" for number, count in counts.items() if count != 1]
    return lines, {number: found[number][0] for number, count in counts.items() if count == 1}


def told_lost(events):
    """How many events the stream said were lost."""
    return sum(e.get("lost.count", 0) for e in events if e.get("event") == "lost")


def one_each_or_lost(events, kind, ids, field):
    """As one_each(), of a storm: an emulated processor may not follow it, but then what is missing was said to be
    lost."""
    events = events[:len(events) - len(of_crowd(events))]
    lines, found = one_each([e for e in events if e.get("event") == kind], ids, field)
    missing = [line for line in lines if line.endswith(": 0 events")]
    if missing and len(missing) <= told_lost(events):
        print(f"# {len(missing)} of {len(ids)} {kind} events were lost, and said to be", flush=True)
        lines = [line for line in lines if line not in missing]
    return lines, found


def different(event, wanted):
    return [f"{field}: expected {value!r}, got {lookup(event, field)!r}: {event}"
            for field, value in wanted.items() if lookup(event, field) != value]


def check_flips(rows, events, road):
    """Attributes that change: the events say what the kernel used."""
    (truth,) = rows
    lines, found = one_each(of_call(events, truth), truth["ids"], "map.id")
    lines += complete(truth, truth["calls"])
    for number, size in zip(truth["ids"], truth["value_sizes"]):
        if number not in found:
            continue
        event = found[number]
        if event.get("map.value_size") != size:
            lines.append(f"map {number}: map.value_size: expected {size}, got {event.get('map.value_size')}")
        elif road == "kprobes" and (event["bpf.attr_source"], event["bpf.attr"]["value_size"]) != ("kernel", size):
            lines.append(f"map {number}: bpf.attr: expected the kernel's {size}, got {event['bpf.attr']}")
        elif road == "tracepoints" and event["bpf.attr_source"] != "user":
            lines.append(f"map {number}: attributes of the caller given out as the kernel's")
    return lines


def check_made(rows, events, road):
    """The fd on return is another's: the events say what was made. Tracepoints alone do not know, and
    `bpfmonctl probes` says so."""
    (truth,) = rows
    kind = "map" if truth["cmd"] == "MAP_CREATE" else "prog"
    lines = complete(truth, truth["calls"])
    if truth["in_time"] < truth["calls"] / 2:
        lines.append(f"swapped in time {truth['in_time']} times of {truth['calls']}: that is no race")
    found = [e for e in of_call(events, truth) if (e.get("bpf.attr") or {}).get(f"{kind}_name") == truth["name"]]
    if len(found) != truth["calls"]:
        lines.append(f"expected {truth['calls']} events, got {len(found)}")
    if road == "kprobes":
        missing, found = one_each(found, truth["ids"], f"{kind}.id")
        lines += missing
        for event in found.values():
            lines += different(event, {f"{kind}.name": truth["name"]})
    return lines


def check_used(rows, events, _road):
    """The fd that was given is another's before the kernel takes it, or after: the events say what it took."""
    (truth,) = rows
    lines, found = one_each(of_call(events, truth), truth["ids"], "link.id")
    lines += complete(truth, truth["calls"])
    if len(set(truth["prog_ids"])) != 2:
        lines.append(f"one program was used all the time: {truth['prog_ids']}")
    for number, program in zip(truth["ids"], truth["prog_ids"]):
        if number in found:
            lines += different(found[number], {"prog.id": program})
    return lines


def check_short(rows, events, _road):
    """Nothing is left of the callers when the daemon reads of them."""
    (truth,) = rows
    lines, found = one_each_or_lost(events, "map-create", truth["ids"], "map.id")
    lines += complete(truth, len(truth["pids"]))
    for number, pid in zip(truth["ids"], truth["pids"]):
        if number in found:
            lines += different(found[number], {
                "process.pid": pid, "process.tid": pid, "process.ppid": truth["pid"], "process.name": truth["comm"],
                "process.executable": truth["executable"], "bpf.cmd": truth["cmd"]})
    return lines


def check_storm(rows, events, _road):
    """Programs that are loaded and gone by the thousand: each load and unload is told once, and of whom,
    or counted as lost."""
    lines = []
    for truth in rows:
        missing, loads = one_each_or_lost(events, "prog-load", truth["ids"], "prog.id")
        lines += missing
        missing, unloads = one_each_or_lost(events, "prog-unload", truth["ids"], "prog.id")
        lines += missing
        for i, number in enumerate(truth["ids"]):
            name = {"prog.name": f"{truth['name']}{i:x}"}
            if number in loads:
                lines += different(loads[number], {
                    **name, "result": "ok", "process.pid": truth["pid"], "process.name": truth["comm"],
                    "process.executable": truth["executable"]})
            if number in unloads:
                loader = {"loaded_by.pid": truth["pid"], "loaded_by.name": truth["comm"]}
                # A notice of perf's has the id alone: the rest is remembered, unless the load was lost.
                known = number in loads or unloads[number]["source"] != "perf:bpf-event"
                lines += different(unloads[number], {**(name if known else {}), **(loader if number in loads else {})})
        print(f"# load-storm: {truth['rate']} loads a second by process {truth['pid']}, asked for {truth['wanted']}",
              flush=True)
    return lines


def check_held(kind):
    """Threads that the kernel kept within one function: each is told once. Where the kernel lets other tasks in while it
    runs the program at the end of a call, it may be lost, and that is told."""
    def check(rows, events, _road):
        (truth,) = rows
        events = events[:len(events) - len(of_crowd(events))]
        own = [e for e in events if e.get("process.pid") == truth["pid"] or e["event"] == "lost"]
        lines, found = one_each_or_lost(own, kind, truth["tids"], "process.tid")
        for event in found.values():
            lines += different(event, {"result": "ok", "filter.instructions": 1})
        return lines
    return check


def check_crowd(rows, events, _road):
    """Who has no privilege does not get the half of the ring that others need, and what it lost is told."""
    (truth,) = rows
    lines, _ = one_each(of_call(events, truth), truth["ids"], "map.id")
    lines += complete(truth, truth["calls"])
    told = sum(e.get("event") == "socket-filter-attach" and e.get("process.pid") == truth["crowd"] for e in events)
    lost = told_lost(of_crowd(events))
    if not 0 < told < truth["attached"] or told + lost < truth["attached"]:
        lines.append(f"of {truth['attached']} filters, {told} were told, and {lost} said to be lost")
    return lines


def of_crowd(events):
    """What came from the above on: it is the last of the actions. What it lost may be told before what it did not."""
    crowd = [e for e in events if e.get("process.name") == "crowd"]
    if not crowd:
        return []
    parent = crowd[0]["process.ppid"]
    before = [i for i, e in enumerate(events[:events.index(crowd[0])]) if e.get("process.pid", parent) < parent]
    return events[before[-1] + 1 if before else 0:]


# label -> action, judge
RACES = {
    "toctou-flip": ("toctou-flip 200", check_flips),
    "swap-made map": ("swap-made map 100", check_made),
    "swap-made program": ("swap-made program 100", check_made),
    "swap-used": ("swap-used 200", check_used),
    "short-storm": ("short-storm 500", check_short),
    "hold-seccomp": ("hold-seccomp", check_held("seccomp-filter")),
    "hold-sockets": ("hold-sockets", check_held("socket-filter-attach")),
    "load-storm": ("load-storm 50 10 2", check_storm),
}

# The same of what comes after all else: it is meant to lose events.
LAST = {
    "crowd": ("crowd 400", check_crowd),
}


def actions(table):
    """The lines of the guest's list, as in expect.actions()."""
    return [(label.replace(" ", "."), action) for label, (action, _) in table.items()]
