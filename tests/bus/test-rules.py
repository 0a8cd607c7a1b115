#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rules: what they raise, what they say, what is told of once, and what is no news any more."""

import os
import pathlib
import re
import shutil
import signal

import dbus

import bed
from bed import contains, equal, wait_until

ALERTS = "severity>=warning"


def write(test, /, **files):
    """Writes rule files, name=text. Returns the option that has them read."""
    folder = test.directory / "rules"
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.conf").write_text(text)
    return f"--rules={folder}"


def rule(match, severity="warning", **settings):
    return "\n".join(["[Rule]", f"Match={match}", f"Severity={severity}",
                      *(f"{key}={value}" for key, value in settings.items()), ""])


def of(b, *action, prefix=()):
    """Has the test program do something; returns its process id and what it reports."""
    trigger = b.trigger(*action, prefix=prefix).go()
    truth = trigger.truth()
    return trigger.pid, truth


def find(subscriber, what="an event", **fields):
    fields = {key.replace("__", "."): value for key, value in fields.items()}

    def found():
        for event in subscriber.events:
            if all(event.get(key) == value for key, value in fields.items()):
                return event
        return None
    return wait_until(found, what=f"{what} with {fields}; there are {[(str(e['event']), e.get('map.name'), e.get('severity')) for e in subscriber.events]}")


def status(b, name):
    return int(b.client().call("GetStatus")[name])


def test_raises(b):
    """A rule gives what it matches its severity, its words and its name; other events stay as they are"""
    b.daemon(write(b, memory=rule("event=map-create map.name=bad*", "critical",
                                  Message="{process.name}[{process.pid}] made {map.name} ({map.value_size}, {prog.id})",
                                  Description="Bad maps"),
                   low=rule("event=map-create", "notice", Message="a map")))
    alerts, everything = b.subscriber(ALERTS), b.subscriber()
    of(b, "map-create", "good")
    evil = b.directory / "ev\x1b[2Jil"
    shutil.copy(os.environ["TRIGGER"], evil)
    process = bed.Process(b, "evil", [evil, "map-create", "bad"])
    equal(process.wait(), 0, "exit status")
    pid, truth = process.pid, process.objects()
    event = find(alerts, map__id=truth[0]["id"])
    want = {"severity": "critical", "rule.name": ["memory", "low"], "rule.description": "Bad maps", "alert.count": 1,
            "message": f"ev\\x1b[2Jil[{pid}] made bad ({truth[0]['value_size']}, ?)"}
    equal({key: event.get(key) for key in want}, want, "alert")
    event = find(everything, map__name="good")
    equal((event["severity"], event["rule.name"], event["message"]), ("notice", ["low"], "a map"), "notice")
    pid, _ = of(b, "prog-load")
    event = find(everything, event="prog-load", process__pid=pid)
    equal((event["severity"], event.get("rule.name")), ("info", None), "event that no rule is for")
    equal(len(alerts.events), 1, "alerts")
    equal([status(b, name) for name in ("rules", "alerts", "alerts.folded")], [2, 1, 0], "status")


def test_ignores(b):
    """What one rule ignores no other one raises"""
    b.daemon(write(b, a=rule("event=map-create"), z=rule("map.name=mine", "ignore")))
    everything = b.subscriber()
    of(b, "map-create", "mine")
    of(b, "map-create", "other")
    equal(find(everything, map__name="mine")["severity"], "info", "severity of what is ignored")
    equal(find(everything, map__name="other")["severity"], "warning", "severity of another one")


def test_folds(b):
    """What repeats is told once, counted, and told of again when the interval is over, if the executable goes on"""
    b.daemon(write(b, a=rule("event=map-create", Fold="20s", Message="a map {map.name}")))
    alerts, everything = b.subscriber(ALERTS), b.subscriber("event=map-create")
    for i in range(6):
        of(b, "map-create", f"m{i}")
    wait_until(lambda: len(everything.events) == 6, what="all maps")
    equal([e["map.name"] for e in alerts.events], ["m0"], "alerts at first")
    equal([(int(e["alert.count"]), str(e["severity"])) for e in everything.events[1:]],
          [(i, "info") for i in range(1, 6)], "what is counted")
    last = find(alerts, event="alert")
    want = {"alert.count": 5, "severity": "warning", "rule.name": ["a"], "class": "self", "map.name": "m5"}
    equal({key: last.get(key) for key in want}, want, "what is told of the others")
    equal(last["process.executable"], os.environ["TRIGGER"], "executable")
    equal(bool(re.fullmatch(r"5 more in \d+ seconds: a map m5", last["message"])), True, last["message"])
    equal([int(e["seq"]) for e in alerts.events], [int(everything.events[0]["seq"]), int(everything.events[5]["seq"]) + 1], "seq")
    equal([status(b, name) for name in ("alerts", "alerts.folded")], [2, 5], "status")


def test_folds_of_rules(b):
    """What several rules fold is told of for each of them, in its own words, also where another one has news"""
    b.daemon(write(b, a=rule("event=map-create", Fold="3s", Message="one {alert.count} {map.name}"),
                   m=rule("map.name=m2", "critical", Fold="0", Message="at once"),
                   z=rule("event=map-create", "critical", Fold="3s", Message="two {map.name}", Description="Z")))
    alerts = b.subscriber(ALERTS)
    triggers = [b.trigger("map-create", f"m{i}") for i in range(3)]
    for trigger in triggers:  # all within the three seconds
        trigger.go().truth()
    equal(find(alerts, map__name="m2")["message"], "at once", "news")
    for first, severity, description, words in (("a", "warning", None, "one 2 m2"), ("z", "critical", "Z", "two m2")):
        event = wait_until(lambda: [e for e in alerts.events if e["event"] == "alert" and e["rule.name"][0] == first],  # pylint: disable=W0640
                           what=f"what was folded of {first}")[0]
        equal((event["severity"], event.get("rule.description"), event["alert.count"]), (severity, description, 2), first)
        equal(bool(re.fullmatch(rf"2 more in \d+ seconds: {words}", event["message"])), True, event["message"])


def test_counts(b):
    """A rule that wants many events says nothing before they are there"""
    b.daemon(write(b, a=rule("event=prog-load result=rejected", Count=3, Within="1min",
                             Message="{alert.count} rejected: {verifier.reason}")))
    everything = b.subscriber("event=prog-load")
    for _ in range(4):
        of(b, "reject-log")
    wait_until(lambda: len(everything.events) == 4, what="all loads")
    equal([str(e["severity"]) for e in everything.events], ["notice", "notice", "warning", "notice"], "severities")
    equal([e.get("rule.name") for e in everything.events[:2]], [None, None], "rules before")
    contains(str(everything.events[2]["message"]), "3 rejected: R7 !read_ok", "message")


def test_reloads(b):
    """Rules are read again without a restart; a wrong one is named with file and line, and the others stand"""
    daemon = b.daemon(write(b, a=rule("event=map-create"), b=rule("event=map-create", "critical")))
    everything = b.subscriber("event=map-create")
    of(b, "map-create", "one")
    equal(find(everything, map__name="one")["severity"], "critical", "severity")
    write(b, b=rule("event=map-create map.nmae=x", "critical"))
    daemon.kill(signal.SIGHUP)
    wait_until(lambda: "rules/b.conf:2: " in daemon.errors(), what="the complaint")
    contains(daemon.errors(), 'did you mean "map.name"?; the rule is left out', "complaint")
    of(b, "map-create", "two")
    equal(find(everything, map__name="two")["rule.name"], ["a"], "rule that stands")
    shutil.rmtree(b.directory / "rules")
    b.client().call("Reload")
    of(b, "map-create", "three")
    equal(find(everything, map__name="three").get("rule.name"), None, "rule after all are gone")
    equal(status(b, "rules"), 0, "rules")


def test_masses(b):
    """A rule for element operations has them told, though nobody subscribed to them"""
    state = b.directory / "state"
    state.mkdir()
    b.environment["STATE_DIRECTORY"] = str(state)
    daemon = b.daemon(write(b, a=rule("event=map-access bpf.cmd=MAP_UPDATE_ELEM", Message="{process.name} writes")))
    alerts = b.subscriber(ALERTS)
    of(b, "map-elements", "lookup", 5)
    of(b, "map-elements", "update", 5)
    event = find(alerts, event="map-access")
    equal((event["bpf.cmd"], event["message"]), ("MAP_UPDATE_ELEM", "trigger writes"), "alert")
    write(b, a="")
    daemon.kill(signal.SIGHUP)
    wait_until(lambda: status(b, "rules") == 0, what="no rules")
    seen = int(b.client().property("EventsSeen"))
    of(b, "map-elements", "update", 50)
    equal(int(b.client().property("EventsSeen")) - seen < 10, True, "nobody asks for them any more")


def first(subscriber, name):
    return bool(find(subscriber, map__name=name).get("first_seen"))


def test_first_seen(b):
    """What an executable does for the first time is marked; with a history it is known after a restart, too"""
    folder = b.directory / "state"
    folder.mkdir()
    for state in (folder, None):
        b.environment.pop("STATE_DIRECTORY", None)
        if state:
            b.environment["STATE_DIRECTORY"] = str(state)
        daemon = b.daemon(write(b))
        everything = b.subscriber()
        of(b, "map-create", "one")
        of(b, "map-create", "two")
        pid, _ = of(b, "prog-load")
        equal([first(everything, "one"), first(everything, "two")], [True, False], "first seen")
        equal(find(everything, event="prog-load", process__pid=pid).get("first_seen"), True, "another kind")
        daemon.stop(signal.SIGKILL if state is None else signal.SIGTERM)
        daemon = b.daemon(write(b))
        everything = b.subscriber()
        of(b, "map-create", "three")
        equal(first(everything, "three"), state is None, "first seen after a restart")
        daemon.stop()


def test_history_replaced(b):
    """A history that is set aside takes nothing with it of what was seen"""
    folder = b.directory / "state"
    folder.mkdir()
    b.environment["STATE_DIRECTORY"] = str(folder)
    daemon = b.daemon(write(b))
    everything = b.subscriber()
    of(b, "map-create", "one")
    equal(first(everything, "one"), True, "first seen")
    for name in ("history.db", "history.db-wal", "history.db-shm"):
        (folder / name).unlink(missing_ok=True)
    of(b, "map-create", "two")
    wait_until(lambda: "replaced" in daemon.errors(), what="the message about the file")
    of(b, "map-create", "three")
    daemon.stop()
    b.daemon(write(b))
    everything = b.subscriber()
    of(b, "map-create", "four")
    equal(first(everything, "four"), False, "first seen after a restart")


def test_scope(b):
    """In the scope alerts whoever may see them sees alerts of rules, and of others' no words that may tell a secret"""
    b.daemon(write(b, a=rule("event=map-create map.name=bad", Message="secret {process.executable}", Description="Bad maps"),
                   b=rule("event=map-create", "notice", Message="no alert")))
    alerts = b.subscriber(options={"scope": "alerts"})
    mine = b.subscriber("rule.name=a", options={"scope": "alerts"})
    of(b, "map-create", "good")
    of(b, "map-create", "bad", prefix=("setpriv", "--reuid=12345", "--inh-caps=+sys_admin", "--ambient-caps=+sys_admin"))
    event = find(alerts, map__name="bad")
    equal({key: event.get(key) for key in ("rule.name", "rule.description", "alert.count", "severity", "message",
                                           "process.executable")},
          {"rule.name": ["a", "b"], "rule.description": "Bad maps", "alert.count": 1, "severity": "warning",
           "message": None, "process.executable": None}, "alert")
    find(mine, map__name="bad")
    equal([str(e["map.name"]) for e in alerts.events], ["bad"], "what is told at all")


def test_past(b):
    """Alerts of the past are found by severity and rule"""
    folder = b.directory / "state"
    folder.mkdir()
    b.environment["STATE_DIRECTORY"] = str(folder)
    b.daemon(write(b, a=rule("event=map-create map.name=bad*", Fold=0)))
    for name in ("good", "bad1", "other", "bad2"):
        of(b, "map-create", name)

    def names(*matches):
        events, _ = b.client().call("QueryEvents", dbus.Array(matches, "s"), dbus.Dictionary({}, "sv"))
        return [str(e.get("map.name")) for e in events]
    equal(names(ALERTS), ["bad1", "bad2"], "by severity")
    equal(names("rule.name=a"), ["bad1", "bad2"], "by rule")
    equal(names("severity<warning", "event=map-create"), ["good", "other"], "what is none")
    out = b.ctl("query", ALERTS)
    equal(out.output().count("╰ warning: "), 2, f"lines of bpfmonctl: {out.output()}")
    contains(out.output(), "(a)", "bpfmonctl")


def examples():
    """The files that bpfmon.rules(5) shows."""
    page = (pathlib.Path(os.environ["RULES"]).parent / "man/bpfmon.rules.5.scd").read_text()
    blocks = [block for block in re.findall(r"^```\n(.*?)^```$", page, re.M | re.S) if "[Rule]" in block]
    equal(len(blocks), 4, "examples")
    return {f"{i}0-example": block for i, block in enumerate(blocks)}


def test_examples(b):
    """The rules that the manual page shows are right, and do what it says"""
    texts = examples()
    agent = b.directory / "agentd"
    shutil.copy(os.environ["TRIGGER"], agent)
    agent.chmod(0o777)
    everywhere = {name: text.replace("/opt/agent/bin/agentd", str(agent)).replace("unit=agent.service", "unit!=agent.service")
                  for name, text in texts.items()}
    daemon = b.daemon(write(b, **everywhere))
    equal(daemon.errors().count("rule"), 0, f"complaints: {daemon.errors()}")
    equal(status(b, "rules"), 5, "rules")
    everything = b.subscriber()

    def load(mode):
        agent.chmod(mode)
        process = bed.Process(b, "agentd", [agent, "prog-load"])
        equal(process.wait(), 0, process.errors())
        return find(everything, event="prog-load", process__pid=process.pid)
    event = load(0o777)
    equal(event["rule.name"], ["30-example"], "who may be changed by others")
    contains(str(event["message"]), f"root's agentd[{event['process.pid']}] is {agent}, which", "message")
    equal(load(0o755).get("rule.name"), None, "our agent")
    for _ in range(10):
        of(b, "fail-eperm")
    event = find(everything, rule__name=["denied-often"])
    equal((event["severity"], event["alert.count"]), ("critical", 10), "loads that are refused")


def map_of(daemon):
    """Id of a map that the daemon has open."""
    for text in daemon.descriptors():
        found = re.search(r"^map_id:\s*(\d+)", text, re.M)
        if found:
            return found[1]
    raise AssertionError("the daemon has no map")


def test_defaults(b):
    """The rules that are installed speak up for planted bad actors"""
    daemon = b.daemon(f"--rules={os.environ['RULES']}")
    alerts = b.subscriber(ALERTS)
    of(b, "prog-load")
    of(b, "map-create")
    of(b, "fail-eperm")
    b.run("bpftool", "map", "show", "id", map_of(daemon))
    event = find(alerts, event="tamper")
    equal((event["rule.name"], event["severity"]), (["10-tamper"], "critical"), "tampering")
    equal(len(alerts.events), 1, "alerts up to here")
    for _ in range(60):
        of(b, "prog-reject")
    event = find(alerts, event="prog-load")
    equal((event["rule.name"], event["alert.count"]), (["70-rejected-often"], 50), "many rejections")
    contains(str(event["message"]), "rejected 50 programs of ", "message")
    pid, truth = of(b, "prog-dangerous", "memory")
    if "skip" in truth[0]:
        raise bed.Skip(f"programs that change memory (the rest passed): {truth[0]['skip']}")
    event = find(alerts, process__pid=pid)
    contains([str(name) for name in event["rule.name"]], "20-dangerous-helpers", "rules")


bed.main([test_raises, test_ignores, test_folds, test_folds_of_rules, test_counts, test_reloads, test_masses, test_first_seen,
          test_history_replaced, test_scope, test_past, test_examples, test_defaults])
