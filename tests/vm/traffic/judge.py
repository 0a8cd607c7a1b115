# SPDX-License-Identifier: LGPL-2.1-or-later
"""What has to be told of connections in a guest, by what those who had them say: the test program (its action talk) of
each byte, and real databases' own benchmarks of their requests."""

import collections
import json
import re

TRACEPOINTS = (6, 3)  # the first kernel that tells by tracepoints what passes; before, kprobes do
PREEMPTS = (7, 0)  # the first that lets other tasks in while a program of a tracepoint runs
SLEEP_NS = 3_000_000_000  # pg_sleep() of the guest's checks
ROADS = ["kprobes", "tracepoints"]
TALKS = ["existing-tcp4", "existing-unix", "talk-tcp4", "talk-tcp6", "talk-unix"]
CHATTER = ["chatter-tcp4", "chatter-unix"]
COMPLAINT = re.compile(r"\bBUG\b|WARNING:|Oops|general protection|Call Trace|kernel panic", re.I)


def json_lines(path):
    """The objects of a file, one a line; a last line that was cut off is none."""
    rows = []
    for line in path.read_text(errors="replace").splitlines() if path.exists() else []:
        try:
            rows.append(json.loads(line))
        except ValueError:
            rows.append({"unreadable": line})
    return rows


def text(path):
    return path.read_text(errors="replace").strip() if path.exists() else "(no such file)"


def differences(event, wanted):
    return [f"{name}: expected {value!r}, got {event.get(name)!r}" for name, value in wanted.items()
            if event.get(name) != value]


# Of the test program ---------------------------------------------------------------------------------------------------

def find(truth, events, kind):
    place = {"destination.port": truth["port"]} if "port" in truth else {"destination.address": truth["path"]}
    return [e for e in events if e.get("event") == kind and not differences(e, place)]


def check_traffic(truth, event, existing):
    """Bytes, requests and their latency. Requests before anybody asked are not counted."""
    requests = truth["requests"] - (2 if existing else 0)
    lines = differences(event, {"connection.requests": requests})
    if sum(event.get("connection.latency.histogram", [])) != requests:
        lines.append("the histogram has another number of requests")
    if not event.get("connection.latency.max", 0) >= truth["slow_ns"]:
        lines.append("the slow answer is not the longest")
    if not event.get("connection.latency.p50", truth["slow_ns"]) < event.get("connection.latency.p99", 0):
        lines.append("the slow answer does not stand out")
    if truth["transport"] == "tcp" or not existing:
        lines += differences(event, {"bytes.sent": truth["sent"], "bytes.received": truth["received"]})
    return lines


def check_talk(truth, events, seen, existing, road):
    opened, closed = find(truth, events, "connection-open"), find(truth, events, "connection-close")
    if truth["transport"] == "unix" and not seen:  # by kprobes it is seen that it opens and closes
        if existing or road != "kprobes":
            return [*opened, *closed] and ["told, although nothing sees it", *opened, *closed]
        lines = [] if len(opened) == len(closed) == 1 else [f"{len(opened)} openings, {len(closed)} ends"]
        return [*lines, *(line for e in opened + closed for line in differences(e, {"process.pid": truth["pid"], "bytes.sent": None}))]
    lines = [f"{len(opened)} openings"] if len(opened) != (0 if existing else 1) else []
    if len(closed) != 1:
        return [*lines, f"{len(closed)} ends are told"]
    (event,) = closed
    lines += differences(event, {"network.transport": truth["transport"]})
    if opened:
        lines += differences(event, {"connection.id": opened[0].get("connection.id")})
    if truth["transport"] == "tcp":  # of what is acknowledged, one is the SYN
        lines += differences(event, {"bytes.sent": truth["bytes_acked"] - 1, "bytes.received": truth["bytes_received"]})
    if seen:
        lines += check_traffic(truth, event, existing)
        lines += differences(event, {"destination.process.pid": truth["server"],
                                     "destination.process.executable": truth["executable"]})
    if seen or not existing:
        lines += differences(event, {"process.pid": truth["pid"], "process.executable": truth["executable"]})
    if existing != event.get("existed", False):
        lines.append("says wrongly whether it was open before")
    return lines and [*lines, truth, *opened, *closed]


def check_chatter(truth, events, preempts):
    """Many who send as fast as they can. Where the kernel preempts them anywhere, it may be that some of it is missed, and
    then it is told; of TCP, the bytes are right all the same."""
    closed = find(truth, events, "connection-close")
    if len(closed) != truth["connections"]:
        return [f"{len(closed)} ends are told", truth]
    lost = sum(e.get("lost.count", 0) for e in events if e.get("event") == "lost")
    exact = not preempts or not lost
    lines, missed = [], 0
    for event in closed:
        wanted = {"bytes.sent": truth["sent"], "bytes.received": truth["received"]}
        if truth["transport"] == "tcp" or exact:
            lines += differences(event, wanted)
        if exact:
            lines += differences(event, {"connection.requests": truth["requests"], "connection.sends": truth["sends"]})
        missed += truth["sends"] - event.get("connection.sends", 0)
        for name, value in {**wanted, "connection.requests": truth["requests"]}.items():
            if event.get(name, 0) > value:
                lines.append(f"{name}: {event[name]} is more than {value}")
    if missed > lost:
        lines.append(f"{missed} calls are missed, {lost} are told to be")
    print(f"# {truth['transport']}: {missed} calls that send are missed, {lost} are told to be lost", flush=True)
    return lines and [*lines, truth, *closed]


# Of databases ----------------------------------------------------------------------------------------------------------

def near(got, want, what, slack=0):
    return [] if abs(got - want) <= want / 100 + slack else [f"{what}: expected {want}, got {got}"]


def check_redis(out, events, transport):
    """redis-benchmark made 1000 requests by two connections, after one that asks for settings."""
    rows = [e for e in events if e["event"] == "connection-close" and e.get("service.name") == "redis" and
            e.get("network.transport") == transport and e.get("process.name", "").startswith("redis-benchm")]
    got = sum(e.get("connection.requests", 0) for e in rows)
    lines = near(got, 1000, "requests", slack=4)
    for row in rows:
        lines += differences(row, {"destination.process.name": "redis-server"})
    return lines and [*lines, text(out / f"redis-{'tcp' if transport == 'tcp' else 'unix'}"), *rows[:3]]


def check_postgres(out, events, transport):
    """pgbench made 100 transactions of one statement; and somebody slept."""
    rows = [e for e in events if e["event"] == "connection-close" and e.get("service.name") == "postgresql" and
            e.get("network.transport") == transport]
    made = [int(n) for n in re.findall(r"actually processed: (\d+)", text(out / "pgbench"))]
    bench = [e for e in rows if e.get("process.name") == "pgbench"]
    slow = [e for e in rows if e.get("process.name") == "psql" and e.get("connection.latency.max", 0) >= SLEEP_NS]
    lines = near(max([e.get("connection.requests", 0) for e in bench], default=0), (made or [100])[0], "requests", slack=5)
    if len(slow) != 1:
        lines.append(f"{len(slow)} connections have a slow query")
    return lines and [*lines, text(out / "pgbench"), *rows]


# All -------------------------------------------------------------------------------------------------------------------

def noise(events):
    """Connections that are told twice, or close before they open."""
    kinds = collections.defaultdict(list)
    for event in events:
        if "connection.id" in event:
            kinds[event["connection.id"]].append(event["event"])
    return [f"connection {number}: {told}" for number, told in kinds.items()
            if told not in (["connection-open", "connection-close"], ["connection-open"], ["connection-close"])]


def check_probes(rows, road, seen):
    wanted = {"connection": "attached" if seen else "failed", "connection-state": "attached",
              "connection-unix": "attached" if road == "kprobes" else "failed"}
    lines = []
    for name, state in wanted.items():
        row = next((r for r in rows if r.get("probe.name") == name), {})
        lines += [f"{name}: {line}" for line in differences(row, {"probe.state": state})]
        if state == "attached" and (row.get("probe.idle") or not row.get("probe.hits")):
            lines.append(f"{name}: not every hook was hit")
        if state == "failed" and not (row.get("probe.failed") and row.get("probe.blind")):
            lines.append(f"{name}: does not say why, or what cannot be seen")
    return lines and [*lines, *(r for r in rows if r.get("probe.name", "").startswith("connection"))]


def check_round(tap, prefix, out, road, version, has):
    events = json_lines(out / "events")
    seen = version >= TRACEPOINTS or road == "kprobes"

    def check(what, lines):
        tap.ok(not lines, f"{prefix}: {what}", *lines)

    for label in TALKS:
        truths = json_lines(out / "truth" / label)
        check(f"connection {label}", check_talk(truths[0], events, seen, label.startswith("existing"), road)
              if truths and "unreadable" not in truths[0] else [text(out / "truth" / f"{label}.err")])
    for label in CHATTER if seen else []:
        truths = json_lines(out / "truth" / label)
        check(f"connections {label}", check_chatter(truths[0], events, version >= PREEMPTS)
              if truths and "unreadable" not in truths[0] else [text(out / "truth" / f"{label}.err")])
    for transport in ("tcp", "unix"):
        for name, judge in (("redis", check_redis), ("postgres", check_postgres)):
            if not has[name]:
                tap.skip(f"{prefix}: {name} by {transport}", f"{name} is not installed")
            elif seen:
                check(f"{name} by {transport}", judge(out, events, transport))
    check("each connection is told once", noise(events))
    check("probes", check_probes(json_lines(out / "probes"), road, seen))
    open_before = [r for r in json_lines(out / "before") if r.get("process.name") == "trigger" or
                   r.get("destination.process.name") == "trigger" or r.get("network.transport") == "tcp"]
    check("connections that were open before are listed", [] if open_before else ["none", text(out / "before.err")])
    left = [r for r in json_lines(out / "after") if r.get("network.transport") == "tcp" or
            "redis" in r.get("service.name", "")]
    check("none is left at the end", left)
    check("the daemon ends well", [] if text(out / "daemon.status") == "0" else [text(out / "daemon.log")[-2000:]])


def check_guest(tap, kernel, version, out, has, roads):
    numbers = tuple(int(n) for n in re.findall(r"\d+", version)[:2])
    for road in roads:
        if not (out / road / "events").exists():
            tap.ok(False, f"{kernel} {road}: the daemon runs", text(out / road / "wait.log"),
                   text(out / road / "daemon.log")[-3000:], text(out / "log"))
            continue
        check_round(tap, f"{kernel} {road}", out / road, road, numbers, has)
    before = set(text(out / "dmesg-before").splitlines())
    complaints = [line for line in text(out / "dmesg").splitlines() if line not in before and COMPLAINT.search(line)]
    tap.ok(not complaints, f"{kernel}: the kernel has nothing to complain about", *complaints)
    tap.ok(text(out / "status") == "0", f"{kernel}: the checks came to their end", text(out / "log"))
