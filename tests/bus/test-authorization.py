#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What polkit lets users see: one that answers, hangs, lies and changes its mind."""

import os
import re
import signal

import dbus
import dbus.lowlevel

import bed
from bed import MANAGER, NAME, PATH, SUBSCRIPTION, contains, equal, wait_until
from fake_polkit import CHALLENGE, HANG, NO, POLKIT, YES, Polkit

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
NOT_AUTHORIZED = 77


def start(b, **answers):
    """A daemon, and a polkit that answers so."""
    b.directory.chmod(0o711)
    b.daemon()
    return Polkit(b, **answers)


def ctl(b, *arguments):
    """Starts bpfmonctl as nobody."""
    return bed.Process(b, "bpfmonctl", [*NOBODY, os.environ["BPFMONCTL"], *arguments])


def follow(b, *arguments):
    """bpfmonctl subscribe as nobody, once it has subscribed."""
    client = b.client()
    before = client.property("Subscribers")
    process = ctl(b, "subscribe", "-j", *arguments)
    wait_until(lambda: client.property("Subscribers") > before or not process.running(), what="the subscription")
    equal(process.running(), True, f"bpfmonctl runs ({process.errors()})")
    return process


def call(b, method, *arguments):
    return bed.Process(b, "busctl", [*NOBODY, "busctl", f"--address={b.address}", "--timeout=60", "call", NAME, PATH,
                                     MANAGER, method, *arguments])


def refused(process, *words):
    """It ended without permission, and said why in one line."""
    equal(process.wait(), NOT_AUTHORIZED, f"exit status ({process.errors()})")
    equal(process.errors().count("\n"), 1, f"lines of {process.errors()!r}")
    for word in words:
        contains(process.errors(), word)


def act(b):
    """Makes a map as nobody (who may not be allowed to) and one as root; returns when root has seen both."""
    witness = b.subscriber("event=map-create")
    nobody = b.trigger("map-create", prefix=NOBODY).go()
    nobody.popen.stdin.close()
    nobody.wait()
    b.trigger("map-create").go().truth()
    wait_until(lambda: {65534, 0} <= {int(event["user.id"]) for event in witness.events}, what="both events")


def users(process):
    return {event["user.id"] for event in process.objects() if "user.id" in event}


def test_own(b):
    """A user sees what its own processes do, and not what root's do"""
    polkit = start(b, watch_own=YES)
    process = follow(b)
    act(b)
    wait_until(lambda: users(process), what="own events")
    b.subscriber().settle()
    equal(users(process), {65534}, "users whose events nobody saw")
    question = polkit.asked[0]
    equal((question["kind"], question["action"], question["interactive"]),
          ("system-bus-name", "org.bpfmon1.watch-own", False), "what polkit was asked")
    contains(question["name"], ":")


def test_all(b):
    """Who may watch everything sees root's events; who may not is refused"""
    polkit = start(b, watch_own=YES, watch=NO)
    refused(ctl(b, "subscribe", "--scope=all"), "org.bpfmon1.watch")
    refused(ctl(b, "callers", "--scope=all"), "org.bpfmon1.watch")
    polkit.answers["org.bpfmon1.watch"] = YES
    process = follow(b, "--scope=all")
    act(b)
    wait_until(lambda: users(process) == {0, 65534}, what="events of both")


def test_callers(b):
    """A list of callers has the user's own rows only"""
    start(b, watch_own=YES)
    act(b)
    process = ctl(b, "callers", "-j")
    equal(process.wait(), 0, process.errors())
    equal(users(process), {65534}, "users listed")
    process = ctl(b, "callers", "--scope=alerts")
    equal(process.wait() != 0, True, "status without alerts")


def test_alert_match(b):
    """In the scope alerts a match may not ask about what is not shown"""
    start(b, watch_alerts=YES)
    refused(ctl(b, "subscribe", "--scope=alerts", "process.executable=/usr/bin/*"), "process.executable")
    refused(ctl(b, "subscribe", "--scope=alerts", "message!=x"), "message")
    follow(b, "--scope=alerts", "process.name=*")


class Monitor(bed.Client):
    """Sees all calls on the bus."""

    def __init__(self, b):
        super().__init__(b.address)
        b.clients.append(self)
        self.calls = []
        self.bus.add_message_filter(self._filter)
        self.call("BecomeMonitor", dbus.Array([], "s"), dbus.UInt32(0), path="/org/freedesktop/DBus",
                  interface="org.freedesktop.DBus.Monitoring", name="org.freedesktop.DBus")

    def _filter(self, _connection, message):
        if isinstance(message, dbus.lowlevel.MethodCallMessage):
            self.calls.append((message.get_member(), message.get_sender(), message.get_args_list()))
        return dbus.lowlevel.HANDLER_RESULT_HANDLED


def test_asked_once(b):
    """The bus is asked once for the user of a call, also where polkit is asked in between"""
    start(b, watch_own=YES)
    monitor = Monitor(b)
    daemon = b.client().bus.get_name_owner(NAME)
    for method in (["ListPrograms", "asa{sv}", "0", "0"], ["GetStatus"], ["Subscribe", "asa{sv}", "0", "0"]):
        equal(call(b, *method).wait(), 0, method[0])
        last = b.client()
        last.call("ListProbes")  # when it is here, all that was said before is
        wait_until(lambda: any(c[1] == last.bus.get_unique_name() and c[0] == "ListProbes" for c in monitor.calls),
                   what="the last call")
        caller = next(c[1] for c in monitor.calls if c[0] == method[0])
        asked = [c[0] for c in monitor.calls if c[1] == daemon and c[2] == [caller]
                 and c[0] in ("GetConnectionCredentials", "GetConnectionUnixUser")]
        equal(len(asked), 1, f"questions for the user of {method[0]}: {asked}")


def test_password(b):
    """A password is asked for only where the caller lets it be, and grants when it is given"""
    polkit = start(b, watch=lambda q: polkit.reply(q, YES if q["interactive"] else CHALLENGE))
    refused(ctl(b, "subscribe", "--scope=all", "--no-ask-password"), "password")
    equal([q["interactive"] for q in polkit.asked], [False], "whether polkit might ask")
    polkit.asked.clear()
    follow(b, "--scope=all")
    equal([q["interactive"] for q in polkit.asked], [False, False, True], "without, and with asking")


def test_connections(b):
    """Who lists connections first, and has them measured so, is asked for one password; and needs no other right"""
    polkit = start(b, watch_own=YES, watch=lambda q: polkit.reply(q, YES if q["interactive"] else CHALLENGE))
    process = ctl(b, "connections", "--scope=all")
    equal(process.wait(), 0, process.errors())
    equal(b.client().call("GetStatus")["connections.duration"] > 0, True, "connections are measured")
    equal([q["action"] for q in polkit.asked if q["interactive"]], ["org.bpfmon1.watch"], "questions for a password")
    polkit.answers.update({"org.bpfmon1.watch": YES, "org.bpfmon1.watch-own": NO})
    process = ctl(b, "connections", "--scope=all")
    equal((process.wait(), process.errors()), (0, ""), "what who may not see their own gets")


def test_agent(b):
    """On a terminal an agent that asks for the password is there before polkit is asked to, and gone afterwards"""
    agent = b.directory / "pkttyagent"
    told = b.directory / "told"
    told.touch()
    told.chmod(0o666)
    agent.write_text(f"""#!/bin/sh
echo "$$ $*" > {told}
sleep 0.3
echo registered >> {told}
eval "exec $4>&-"
exec sleep 60
""")
    agent.chmod(0o755)
    b.environment["PATH"] = f"{b.directory}:{b.environment['PATH']}"
    at_question = []

    def answer(question):
        if question["interactive"]:
            at_question.append(told.read_text())
        polkit.reply(question, YES if question["interactive"] else CHALLENGE)

    polkit = start(b, watch=answer)
    _controller, terminal = os.openpty()
    for options in (["--no-ask-password"], []):
        command = [*NOBODY, os.environ["BPFMONCTL"], "callers", "-j", "--scope=all", *options]
        process = bed.Process(b, "bpfmonctl", command, stdin=terminal)
        if options:
            refused(process, "password")
            equal(told.read_text(), "", "what an agent was told without leave to ask")
    equal(process.wait(), 0, process.errors())
    first, registered, *_ = at_question[0].splitlines()
    number, *arguments = first.split()
    # Where polkit takes an agent of the last resort: in a session, as a test may be, of which the cgroup tells.
    with open("/proc/self/cgroup", encoding="utf-8") as cgroup:
        last = ["--fallback"] if re.search(r"/session-\w+\.scope", cgroup.read()) else []
    equal(arguments[::2], ["--process", "--notify-fd", *last], first)
    equal(arguments[1], str(process.pid), "the process that the agent is for")
    equal(registered, "registered", "the agent when polkit was asked")
    equal(os.path.exists(f"/proc/{number}"), False, "the agent is there afterwards")


def test_manage(b):
    """Who may manage has the configuration read again; who may only watch is refused, and that is counted"""
    polkit = start(b, watch=YES, watch_own=YES, watch_alerts=YES, manage=NO)
    log = next(p for p in b.processes if p.name == "bpfmond")

    def reload(answer, *words):
        polkit.answers["org.bpfmon1.manage"] = answer
        before = b.client().call("GetStatus")["refused.denied"]
        process = call(b, "Reload")
        equal(process.wait(), 1 if words else 0, f"Reload ({process.errors()})")
        for word in words:
            contains(process.errors(), word)
        equal(b.client().call("GetStatus")["refused.denied"] - before, bool(words), "what is counted")

    reload(NO, "ccess denied")
    reload(CHALLENGE, "password", "org.bpfmon1.manage")
    equal("Read the configuration again" in log.errors(), False, "a reload")
    polkit.asked.clear()
    reload(YES)
    contains(log.errors(), "Read the configuration again")
    equal({q["action"] for q in polkit.asked}, {"org.bpfmon1.manage"}, "what polkit was asked")


def test_dismissed(b):
    """A password that is not given is a refusal"""
    polkit = start(b, watch=lambda q: polkit.reply(
        q, (False, False, {"polkit.dismissed": "true"}) if q["interactive"] else CHALLENGE))
    refused(ctl(b, "subscribe", "--scope=all"), "not given")


def test_absent(b):
    """Without polkit users are refused, and root is not"""
    b.directory.chmod(0o711)
    b.daemon()
    refused(ctl(b, "status"), "polkit is not running")
    b.client().call("GetStatus")


def test_nonsense(b):
    """Answers that make no sense, errors, and polkit's death are refusals"""
    polkit = start(b)

    def strange(question):
        reply = dbus.lowlevel.MethodReturnMessage(question["message"])
        reply.append("yes")
        polkit.bus.send_message(reply)

    def failing(question):
        polkit.bus.send_message(dbus.lowlevel.ErrorMessage(question["message"], f"{POLKIT}.Error.Failed", "no"))

    for answer in (strange, failing):
        polkit.answers["org.bpfmon1.watch-own"] = answer
        refused(ctl(b, "status"), "polkit")
    polkit.answers["org.bpfmon1.watch-own"] = HANG
    process = ctl(b, "status")
    wait_until(lambda: polkit.open, what="the question")
    polkit.close()
    b.clients.remove(polkit)
    refused(process, "polkit")


def test_twice(b):
    """An answer counts once, for the call that it was given to"""
    polkit = start(b)

    def twice(question):
        polkit.reply(question, YES)
        polkit.reply(question, YES)

    polkit.answers["org.bpfmon1.watch-own"] = twice
    equal(ctl(b, "status").wait(), 0, "the first")
    polkit.answers["org.bpfmon1.watch-own"] = NO
    refused(ctl(b, "status"))


def test_hanging(b):
    """While polkit hangs others are served; a caller who leaves has its question cancelled; a late answer is none"""
    polkit = start(b, watch_own=HANG)
    process = ctl(b, "status")
    wait_until(lambda: polkit.open, what="the question")
    client = b.client()
    client.call("GetStatus", timeout=20)
    process.stop(signal.SIGKILL)
    wait_until(lambda: polkit.cancelled, what="the cancellation")
    equal(polkit.cancelled, [polkit.open[0]["id"]], "what was cancelled")
    polkit.reply(polkit.open[0], YES)
    client.call("GetStatus", timeout=20)
    equal(client.property("Subscribers"), 0)


def test_leaving_between(b):
    """Who leaves as the answer comes gets nothing, and leaves nothing behind"""
    polkit = start(b, watch_own=HANG)
    for _ in range(5):
        process = ctl(b, "subscribe")
        wait_until(lambda: polkit.open, what="the question")
        process.kill(signal.SIGKILL)
        polkit.reply(polkit.open.pop(), YES)
        process.wait()
    wait_until(lambda: b.client().property("Subscribers") == 0, what="the end of all subscriptions")


def test_pending(b):
    """Calls that wait for polkit are limited for each user, whatever connections they come by"""
    polkit = start(b, watch_own=HANG)
    waiting = [call(b, "GetStatus") for _ in range(12)]
    wait_until(lambda: sum(not p.running() for p in waiting) == 4, what="four refusals")
    for process in waiting:
        if not process.running():
            contains(process.errors(), "At most 8")
    b.client().call("GetStatus", timeout=20)
    for question in list(polkit.open):
        polkit.reply(question, YES)
    for process in waiting:
        process.wait()
    equal(sum(p.popen.returncode == 0 for p in waiting), 8, "calls that were answered")


def test_strangers(b):
    """Another user's subscription can be neither closed nor updated"""
    start(b, watch_own=YES)
    subscriber = b.subscriber("event=map-create")
    for arguments in (("Close",), ("Update", "as", "0")):
        process = bed.Process(b, "busctl", [*NOBODY, "busctl", f"--address={b.address}", "call", NAME, subscriber.path,
                                            SUBSCRIPTION, *arguments])
        equal(process.wait() != 0, True, f"status of {arguments}")
        contains(process.errors(), "Access denied")
    act(b)
    subscriber.wait_total(2)


def test_revoked(b):
    """When polkit's rules change, a subscription that they do not allow any more ends, and says so"""
    polkit = start(b, watch=YES, watch_own=YES)
    own, everything, stream = follow(b), follow(b, "--scope=all"), ctl(b, "subscribe", "-j", "--scope=all", "--stream")
    root = b.subscriber()
    wait_until(lambda: b.client().call("GetStatus")["streams"] == 1, what="the stream")
    polkit.answers["org.bpfmon1.watch"] = NO
    polkit.asked.clear()
    polkit.changed(50)
    refused(everything, "not authorized any more", "rules")
    refused(stream, "not authorized any more")
    equal(own.running(), True, "the other goes on")
    equal(len(polkit.asked) <= 9, True, f"{len(polkit.asked)} questions for a burst of changes")
    equal({q["interactive"] for q in polkit.asked}, {False}, "whether it might ask for a password")
    act(b)
    wait_until(lambda: users(own), what="events of the one that is left")
    root.wait_total(2)  # who needs no permission goes on


def test_revoked_by_policy(b):
    """The same on a bus with our policy, which lets polkit tell us"""
    b.use_our_policy()
    b.directory.chmod(0o711)
    polkit = start(b, watch=YES)
    everything = follow(b, "--scope=all")
    polkit.answers["org.bpfmon1.watch"] = NO
    polkit.changed()
    refused(everything, "not authorized any more", "rules")


def test_challenged(b):
    """A permission that needs a password by now ends if none was given, or if that was taken back early"""
    polkit = start(b, watch=YES)
    process = follow(b, "--scope=all")
    polkit.answers["org.bpfmon1.watch"] = CHALLENGE
    polkit.changed()
    refused(process, "password")

    kept = (True, False, {"polkit.temporary_authorization_id": "tmpauthz7"})
    polkit.answers["org.bpfmon1.watch"] = lambda q: polkit.reply(q, kept if q["interactive"] else CHALLENGE)
    process = follow(b, "--scope=all")
    polkit.changed()
    refused(process, "taken back")

    polkit.answers["org.bpfmon1.watch"] = lambda q: polkit.reply(q, YES if q["interactive"] else CHALLENGE)
    process = follow(b, "--scope=all")
    polkit.asked.clear()
    polkit.changed()
    wait_until(lambda: polkit.asked, what="the question")
    b.subscriber().settle()
    equal(process.running(), True, "a password that counted once still does")


bed.main([test_own, test_all, test_asked_once, test_callers, test_alert_match, test_password, test_connections, test_agent, test_manage,
          test_dismissed, test_absent, test_nonsense, test_twice, test_hanging, test_leaving_between, test_pending, test_strangers, test_revoked,
          test_revoked_by_policy, test_challenged])
