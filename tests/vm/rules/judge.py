# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the rules that are installed make of a stock machine, and of bad actors there."""

import json

MARKS = ("stock_is_over", "harm_is_over", "restarted", "all_is_over")


def text(path):
    return path.read_text(errors="replace").strip() if path.exists() else "(no such file)"


def lines_of(path):
    return [json.loads(line) for line in text(path).splitlines() if line.startswith("{")]


def parts(events):
    """The events before each mark."""
    found, part = {}, []
    for event in events:
        part.append(event)
        name = event.get("map.name")
        if event.get("event") == "map-create" and name in MARKS and name not in found:
            found[name], part = part, []
    return found


def is_alert(event):
    return event.get("severity") in ("warning", "critical")


def of(folder, name, events):
    """The alert about the program that an act loaded: its id tells."""
    truth = lines_of(folder / "acts" / name)
    if not truth:
        raise LookupError(f"{name}: {text(folder / 'acts' / (name + '.err'))}")
    return truth[0], [e for e in events if is_alert(e) and e.get("prog.id") == truth[0].get("id")]


def stock(events):
    """systemd's own programs, and those of services, raise nothing."""
    loaded = [e for e in events if e.get("event") == "prog-load" and e.get("result") == "ok"]
    loaders = {e.get("unit") for e in loaded}
    lines = [f"an alert: {e}" for e in events if is_alert(e)]
    if not {"init.scope", "agent.service"} <= loaders or len(loaded) < 5:
        lines.append(f"little was loaded at all: {len(loaded)} programs, by {loaders}")
    return lines


def first_seen(events):
    """Each loader is marked once for a type of program, and not again. What containers do makes nobody known."""
    events = [e for e in events if not e.get("container.id")]
    pairs = [(e["process.executable"], e.get("prog.type")) for e in events
             if e.get("event") == "prog-load" and e.get("first_seen")]
    loads = {(e["process.executable"], e.get("prog.type")) for e in events
             if e.get("event") == "prog-load" and e.get("result") == "ok" and e.get("process.executable")}
    lines = [f"twice: {pair}" for pair in set(pairs) if pairs.count(pair) > 1]
    lines += [f"never: {pair}" for pair in loads - set(pairs)]
    notices = [e for e in events if e.get("first_seen") and e.get("severity") == "info"]
    return lines + [f"no notice: {e}" for e in notices] + ([] if pairs else ["nothing is marked"])


def told(folder, events, name, rule, severity="warning"):
    truth, alerts = of(folder, name, events)
    rules = [r for e in alerts for r in e.get("rule.name", [])]
    right = len(alerts) == 1 and rule in rules and alerts[0]["severity"] == severity
    return [] if right else [f"{rule}: {truth}", *map(str, alerts)]


def counted(folder, events, name, rule):
    truth, _ = of(folder, name, events)
    found = [e for e in events if e.get("event") == "prog-load" and e.get("prog.id") == truth["id"]]
    right = len(found) == 1 and found[0].get("rule.name", [""])[0] == rule and not is_alert(found[0]) and found[0]["alert.count"] >= 1
    return [] if right else [truth, *found]


def about_each(events, rule):
    """One alert about each object that somebody touched, and no more."""
    found = [e for e in events if is_alert(e) and rule in e.get("rule.name", [])]
    objects = {(e["process.pid"], e["event"], e.get("map.id"), e.get("prog.id")) for e in found}
    return [] if found and len(objects) == len(found) else found


def journal(folder, past):
    """Every alert is in the journal, with all its fields."""
    rows = lines_of(folder / "alerts")
    lines = []
    by_number = {row.get("BPFMON_SEQ"): row for row in rows}
    for event in past:
        row = by_number.get(str(event["seq"]))
        if not row:
            if event.get("event") != "lost":
                lines.append(f"not in the journal: {event}")
            continue
        for name, value in event.items():
            if name in ("message", "boot.id") or isinstance(value, (dict, list)):
                continue
            wanted = {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
            field = "BPFMON_" + name.upper().replace(".", "_")
            if name != "process.capabilities" and row.get(field) != wanted:
                lines.append(f"{field}={row.get(field)}, wanted {wanted}")
        if not row["MESSAGE"].startswith(event["message"]) or row["PRIORITY"] not in ("2", "4"):
            lines.append(f"{row['MESSAGE']}, {row['PRIORITY']}")
    return lines if past else ["there are no alerts"]


def explained(folder):
    words = text(folder / "alerts.text")
    return [] if "An alert: " in words and "Further" in words else [words[:2000]]


def check(tap, folder, kernel):
    """All checks of what the guest left behind."""
    def ok(name, judge, *arguments):
        try:
            lines = judge(*arguments)
        except (LookupError, TypeError, ValueError, OSError) as error:
            lines = [f"{type(error).__name__}: {error}"]
        tap.ok(not lines, f"{kernel}: {name}", *map(str, lines[:20]))

    log = text(folder / "log")
    ok("the checks came to their end", lambda: [] if text(folder / "status") != "(no such file)" and "await:" not in log else [log, text(folder / "daemon.log"), text(folder / "journal")[-4000:]])
    events = lines_of(folder / "events")
    part = parts(events)
    for mark in MARKS:
        part.setdefault(mark, [])
    harm = part["harm_is_over"]
    ok("a stock machine raises no alert", stock, part["stock_is_over"])
    ok("what loaders do for the first time is a notice, once", first_seen, lines_of(folder / "loads"))
    ok("a program that writes memory is an alert", told, folder, harm, "memory", "20-dangerous-helpers")
    ok("a tracing program from outside of services is an alert", told, folder, harm, "outside", "30-outside-services")
    ok("a program from a container is an alert", told, folder, harm, "container", "40-container")
    ok("a program of somebody without privileges is an alert", told, folder, harm, "unprivileged", "50-unprivileged")
    ok("tampering is an alert about each object", about_each, harm, "10-tamper")
    rejected = [e for e in harm if is_alert(e) and "70-rejected-often" in e.get("rule.name", [])]
    ok("programs that are rejected often are one alert", lambda: [] if len(rejected) == 1 else rejected)
    ok("what repeats is counted, and no alert", counted, folder, harm, "again", "20-dangerous-helpers")
    ok("what was seen before a restart is known after it",
       lambda: [str(e) for e in part["restarted"] + part["all_is_over"] if e.get("first_seen") and e.get("event") == "prog-load"])
    past = lines_of(folder / "past")
    ok("every alert is in the journal with its fields", journal, folder, past)
    ok("journalctl -x explains it", explained, folder)
