#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Attacks by unprivileged users: the daemon stays, serves others meanwhile, keeps to its limits, and tells nobody
what is not for them."""

import json
import os
import pathlib
import pwd
import resource
import shutil
import signal
import stat
import subprocess

import dbus
import dbus.lowlevel

import bed
from bed import MANAGER, NAME, PATH, SUBSCRIPTION, Process, contains, equal, wait_until
from fake_polkit import HANG, NO, YES, Polkit

MIB = 1024 * 1024
NOBODY = 65534
# The bus lets in whom the system knows.
USERS = (NOBODY, *[u.pw_uid for u in pwd.getpwall() if u.pw_name != "bpfmon" and u.pw_uid not in (0, NOBODY)][:3])
LIMIT_EXCEEDED = "org.bpfmon1.Error.LimitExceeded"
ACCESS_DENIED = "org.freedesktop.DBus.Error.AccessDenied"
PROPERTIES = "org.freedesktop.DBus.Properties"
LOG, LOG_PATH = "org.freedesktop.LogControl1", "/org/freedesktop/LogControl1"
STRANGER = (pathlib.Path(__file__).parent / "stranger.py").read_text(encoding="utf-8")
ELEMENTS = "event=map-access"
SECRET = "hush5ecret"

# By default, as in daemon/settings.def.
SUBSCRIPTIONS, SUBSCRIPTIONS_PER_USER = 96, 64
PENDING, PENDING_PER_USER = 24, 8

# What readers that do not read may cost: what all subscriptions have on their way (60 MiB of their own, 60 that they
# share), and of each stream what its pipe does not take.
WINDOWS, STREAM = 120 * MIB, MIB
SLACK = 24 * MIB  # for what is allocated once, and what malloc() keeps


class Stranger(Process):
    """Does a task of stranger.py as some user."""

    def __init__(self, b, uid, task, *arguments):
        command = ["/usr/bin/python3", "-c", STRANGER, b.address, task, *map(str, arguments)]
        super().__init__(b, f"stranger-{task}", command, stdin=subprocess.PIPE, user=uid, group=uid, extra_groups=[],
                         cwd="/")

    def said(self, timeout=120):
        """The object that it prints when it holds what it took, or has ended."""
        wait_until(lambda: self.objects() or not self.running(), timeout, f"{self.name}: {self.errors()}")
        if not self.objects():
            raise AssertionError(f"{self.name} ended with {self.popen.returncode}: {self.errors()}")
        return self.objects()[-1]

    def all(self, timeout=250):
        """The objects that it printed, once it has ended."""
        equal(self.wait(timeout), 0, f"exit status of {self.name} ({self.errors()[-1000:]})")
        return self.objects()

    def leave(self):
        self.kill(signal.SIGCONT)
        self.popen.stdin.close()
        equal(self.wait(), 0, f"exit status of {self.name} ({self.errors()[-1000:]})")


def configure(b, text):
    (b.directory / "test.conf").write_text(text, encoding="ascii")
    return f"--config={b.directory}/test.conf"


def start(b, *options, **answers):
    """A daemon, a polkit that answers so, and somebody who watches maps being made. All users reach the bus."""
    b.directory.chmod(0o711)
    daemon = b.daemon(*options)
    polkit = Polkit(b, **(answers or {"watch_own": YES, "watch": NO, "watch_alerts": NO, "manage": NO}))
    witness = b.subscriber("event=map-create")
    return daemon, polkit, witness


def status(b):
    return b.client().call("GetStatus")


def serves(b, witness):
    """The witness hears of what happens, now."""
    before = witness.received
    b.trigger("map-create").go().truth()
    wait_until(lambda: witness.received > before, what="the event that somebody else waits for")
    equal(witness.lost, 0, "events that somebody else lost")
    status(b)


def open_files(process):
    return len(os.listdir(f"/proc/{process.pid}/fd"))


def wait_alone(b, subscriptions=1):
    """Nothing is left of those who left."""
    client = b.client()
    wait_until(lambda: (client.property("Subscribers"), client.call("GetStatus")["streams"]) == (subscriptions, 0),
               what="the end of all others")


def test_subscriptions(b):
    """Of 10,000 subscriptions of one user those above the limit are refused, and none is left when it leaves"""
    most = 400  # of the setting
    settings = f"[Limits]\nSubscriptionsMax={most}\nSubscriptionsPerUserMax={most}\n"
    daemon, _, witness = start(b, configure(b, settings))
    before = daemon.memory()
    greedy = Stranger(b, 0, "subscribe", 10000)
    said = greedy.said(250)
    equal((said["granted"], said["errors"]), (most - 1, {LIMIT_EXCEEDED: 10000 - most + 1}), "subscriptions")
    serves(b, witness)
    bed.grew(daemon.memory() - before, SLACK)
    greedy.leave()
    wait_alone(b)
    serves(b, witness)


def test_subscriptions_of_users(b):
    """No user takes more than its share, and all together no more than there are"""
    daemon, polkit, witness = start(b)
    before = daemon.memory()
    tries = 300
    strangers = [Stranger(b, uid, "subscribe", tries) for uid in USERS]
    said = [s.said(250) for s in strangers]
    for one in said:
        equal(one["granted"] <= SUBSCRIPTIONS_PER_USER, True, f"{one['granted']} of one user")
        equal(one["errors"], {LIMIT_EXCEEDED: tries - one["granted"]}, "refusals")
    equal(sum(one["granted"] for one in said), SUBSCRIPTIONS - 1, "subscriptions of the strangers")
    equal({q["action"] for q in polkit.asked}, {"org.bpfmon1.watch-own"}, "what polkit was asked")
    counted = status(b)
    equal(counted["refused.subscriptions"] + counted["refused.subscriptions_per_user"],
          len(USERS) * tries - SUBSCRIPTIONS + 1, "refusals counted")
    serves(b, witness)
    bed.grew(daemon.memory() - before, SLACK)
    for stranger in strangers:
        stranger.leave()
    wait_alone(b)


def test_replies(b):
    """Readers that are stopped, and a polkit that hangs, leave room among the daemon's calls for everybody else"""
    daemon, polkit, witness = start(b, configure(b, f"[Limits]\nSubscriptionsPerUserMax={SUBSCRIPTIONS}\n"),
                                    watch_own=HANG)
    stopped = Stranger(b, 0, "readers", SUBSCRIPTIONS - 1, 0, "event=map-create")
    stopped.said()
    stopped.kill(signal.SIGSTOP)
    b.trigger("map-create").go().truth()  # a ping to each
    hanging = [Stranger(b, uid, "calls", json.dumps([PATH, MANAGER, "GetStatus", "", []]))
               for uid in USERS for _ in range(PENDING // 3)]
    wait_until(lambda: sum(not s.running() for s in hanging) == len(hanging) - PENDING, what="refusals")
    for stranger in hanging:
        if not stranger.running():
            name, words = stranger.said()["error"]
            equal(name, LIMIT_EXCEEDED, words)
    equal(len(polkit.open), PENDING, "questions")
    for _ in range(3):
        serves(b, witness)
    for question in list(polkit.open):
        polkit.reply(question, YES)
    equal(sum(s.all()[-1]["error"] is None for s in hanging), PENDING, "calls that were answered")
    stopped.leave()
    wait_alone(b)
    equal(daemon.running(), True)


def test_big_arguments(b):
    """Terms of 1 MiB, 100,000 terms and huge options are refused in a few words, and cost no memory"""
    daemon, _, witness = start(b)
    stranger = Stranger(b, NOBODY, "big", 1)
    stranger.all()
    before = daemon.memory()
    stranger = Stranger(b, NOBODY, "big", 3)
    serves(b, witness)
    said = stranger.all()[-1]
    equal(said["accepted"], [], "calls that were not refused")
    equal(said["made"], 120, "calls")
    equal(said["longest"] < 1000, True, f"an error of {said['longest']} characters")
    bed.grew(daemon.memory() - before, SLACK)
    serves(b, witness)


def test_globs(b):
    """Matches full of wildcards cost a bounded number of steps for each event: it goes on"""
    b.directory.chmod(0o711)
    b.daemon()
    field = "process.executable"
    folder = b.directory / ("a" * 200) / ("a" * 200) / ("a" * 200)
    folder.mkdir(parents=True)
    program = shutil.copy(os.environ["TRIGGER"], folder)
    subject = ("sh", "-c", 'shift; exec "$0" "$@"', program)
    bombs = [f"{field}=*{'a*' * 1900}{letter}" for letter in "bcdefghijklmnop"]
    holders = [b.subscriber(*bombs) for _ in range(5)]
    witness = b.subscriber("event=map-create")
    hits = b.subscriber(f"{field}=*{'a*' * 500}trigger", f"{field}=*{'a?' * 60}*{'*a' * 50}*/trig*r")
    for i in range(1, 6):
        b.trigger("map-create", prefix=subject).go().truth()
        wait_until(lambda: min(witness.received, hits.received) >= i, what="the events")  # pylint: disable=W0640
    contains(str(witness.events[0][field]), "a" * 200, field)
    equal([h.received for h in holders], [0] * 5, "events that pass a bomb")
    serves(b, witness)


def test_descriptors(b):
    """When the daemon has no file descriptors left, it says so, and the others do not notice"""
    daemon, _, witness = start(b, configure(b, "[Limits]\nStreamsMax=1024\nStreamsPerUserMax=1024\n"))
    room = 40
    limit = open_files(daemon) + room
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (limit, limit))
    client = b.client()
    streams = []

    def open_stream():
        streams.append(client.call("OpenStream", dbus.Array([], "s"), dbus.Dictionary({}, "sv")).take())

    try:
        while len(streams) < 10 * room:
            open_stream()
    except dbus.DBusException as error:
        contains(error.get_dbus_name(), "Error", "the refusal")
    equal(room // 4 < len(streams) < room, True, f"{len(streams)} streams")
    for _ in range(3):
        client.error("OpenStream", dbus.Array([], "s"), dbus.Dictionary({}, "sv"))
        serves(b, witness)
    client.call("Reload")
    for fd in streams:
        os.close(fd)
    wait_alone(b)
    streams.clear()
    open_stream()
    os.close(streams[0])
    wait_alone(b)
    wait_until(lambda: open_files(daemon) <= limit - room, what="the end of all file descriptors of streams")


def test_descriptors_sent(b):
    """File descriptors that somebody sends are closed"""
    daemon, _, witness = start(b)
    serves(b, witness)
    before = open_files(daemon)
    Stranger(b, NOBODY, "fds", 100).all()
    serves(b, witness)
    wait_until(lambda: open_files(daemon) <= before, what=f"no more than {before} open files")


def test_stopped_readers(b):
    """Fifty readers that are stopped during a flood cost their own windows, and the one who reads nothing"""
    daemon, _, witness = start(b, configure(b, "[Limits]\nStreamsPerUserMax=64\n"))
    stopped = [Stranger(b, 0, "readers", 1, 1, ELEMENTS) for _ in range(25)]
    for reader in stopped:
        reader.said()
    good = b.subscriber(ELEMENTS, keep=False)
    for reader in stopped:
        reader.kill(signal.SIGSTOP)
    before = daemon.memory()
    rounds, each = 120, 100  # twice as many fit into what is one reader's own, whatever others have taken
    for i in range(1, rounds + 1):
        b.trigger("map-elements", "lookup", each).go().truth()
        good.wait_total(each * i)
    equal((good.received, good.lost), (rounds * each, 0), "received and lost by who reads")
    serves(b, witness)
    bed.grew(daemon.memory() - before, WINDOWS + len(stopped) * STREAM + SLACK)
    equal(status(b)["stream.lost"] > 0, True, "what streams lost is counted")
    for reader in stopped[:5]:
        reader.kill(signal.SIGKILL)  # a stopped process, too, can go
        reader.wait()
    for reader in stopped[5:]:
        reader.leave()
    wait_alone(b, 2)
    serves(b, witness)


HARMLESS = {"Version", "Since", "EventsSeen", "EventsResumed", "EventsLost", "Subscribers", "Degraded", "Services"}


def call(path, interface, method, signature="", *arguments):
    return json.dumps([path, interface, method, signature, list(arguments)])


def test_properties(b):
    """Everyone may read the properties, which tell numbers, versions and names of services; nobody may write them"""
    _, _, witness = start(b)
    hidden = b.client().subscribe([f"process.name={SECRET}"])
    for action in (("map-create", SECRET), ("prog-load", SECRET)):
        b.trigger(*action).go().truth()
    wait_until(lambda: witness.received, what="an event")
    paths = ["/", PATH, f"{PATH}/subscription", hidden, LOG_PATH, "/org", f"{PATH}/subscription/999"]
    reads = [call(path, PROPERTIES, "GetAll", "s", interface) for path in paths
             for interface in (MANAGER, SUBSCRIPTION, LOG, "")]
    reads += [call(path, "org.freedesktop.DBus.Introspectable", "Introspect") for path in paths]
    answers = Stranger(b, NOBODY, "calls", *reads).all()
    for question, answer in zip(reads, answers):
        for word in (SECRET, "hush", "map-create"):
            equal(word in repr(answer), False, f"{word} in what {question} tells")
    every = {name for answer in answers for value in answer["value"] or [] if isinstance(value, dict) for name in value}
    equal(every, HARMLESS | {"LogLevel", "LogTarget", "SyslogIdentifier"}, "properties")

    writes = [call(PATH, PROPERTIES, "Set", "ssv", MANAGER, name, "x") for name in sorted(HARMLESS)]
    writes += [call(LOG_PATH, PROPERTIES, "Set", "ssv", LOG, name, value)
               for name, value in (("LogLevel", "debug"), ("LogTarget", "null"), ("SyslogIdentifier", "x"))]
    before = b.client().call("GetAll", LOG, path=LOG_PATH, interface=PROPERTIES)
    for question, answer in zip(writes, Stranger(b, NOBODY, "calls", *writes).all()):
        equal(answer["error"] is not None, True, f"{question} is refused")
    equal(b.client().call("GetAll", LOG, path=LOG_PATH, interface=PROPERTIES), before, "what they are")


def test_knobs(b):
    """What only those who manage may do is refused to a user, and counted"""
    daemon, polkit, witness = start(b)
    configure(b, "")
    before = status(b)["refused.denied"]
    answers = Stranger(b, NOBODY, "calls", call(PATH, MANAGER, "Reload"),
                       call(LOG_PATH, PROPERTIES, "Set", "ssv", LOG, "LogLevel", "debug"),
                       call(LOG_PATH, PROPERTIES, "Set", "ssv", LOG, "LogTarget", "null")).all()
    equal([answer["error"][0] for answer in answers], [ACCESS_DENIED] * 3, "errors")
    equal(status(b)["refused.denied"] - before, 1, "refusals by polkit counted")
    equal("Read the configuration" in daemon.errors(), False, "a reload")
    equal([q["action"] for q in polkit.asked], ["org.bpfmon1.manage"], "what polkit was asked")
    serves(b, witness)


class Listener(bed.Client):
    """Asks the bus for every signal there is, and keeps those of the daemon."""

    def __init__(self, b, *rules):
        super().__init__(b.address)
        b.clients.append(self)
        self.heard = []
        self.refused = []
        self.bus.add_message_filter(self._filter)
        for rule in rules:
            try:
                self.bus.add_match_string(rule)
            except dbus.DBusException as error:
                self.refused.append(error.get_dbus_name())

    def _filter(self, _connection, message):
        if message.get_interface() == SUBSCRIPTION:
            self.heard.append(message)
        return dbus.lowlevel.HANDLER_RESULT_NOT_YET_HANDLED


def listen(b, witness):
    """What others hear of the witness's events: users who monitor, and connections that match all signals."""
    everything = ("type='signal'", f"type='signal',sender='{NAME}'", f"type='signal',interface='{SUBSCRIPTION}'",
                  f"type='signal',path='{witness.path}'", "eavesdrop='true'", "eavesdrop='true',type='signal'")
    listener = Listener(b, *everything)
    monitors = [Process(b, "monitor", command, user=NOBODY, group=NOBODY, extra_groups=[])
                for command in (["dbus-monitor", "--address", b.address],
                                ["dbus-monitor", "--address", b.address, "eavesdrop=true,type='signal'"],
                                ["busctl", f"--address={b.address}", "monitor"])]
    wait_until(lambda: all(m.output() or m.errors() for m in monitors),
               what="monitors")
    before = witness.received
    for _ in range(5):
        b.trigger("map-create", SECRET[:15]).go().truth()
    wait_until(lambda: witness.received >= before + 5, what="the events")
    contains(str(witness.events[-1]["map.name"]), SECRET[:5], "what the witness sees")
    witness.settle(0.5)
    equal(len(listener.heard), 0, "signals that another connection heard")
    for monitor in monitors:
        for word in (SECRET[:8], "Events", "aa{sv}"):
            equal(word in monitor.output(), False, f"{word} in what {monitor.popen.args} shows")


def test_eavesdropping(b):
    """Signals of a subscription reach its owner alone, whoever asks the bus for all of them"""
    b.directory.chmod(0o711)
    b.daemon()
    listen(b, b.subscriber("event=map-create"))


def test_policy(b):
    """With our bus policy a user cannot eavesdrop, take our name, or send anything but the calls that there are"""
    b.use_our_policy()
    b.directory.chmod(0o711)
    b.daemon()
    witness = b.subscriber("event=map-create")
    listen(b, witness)
    answers = Stranger(b, NOBODY, "calls", call(PATH, LOG, "x"),
                       call(LOG_PATH, PROPERTIES, "Set", "ssv", LOG, "LogLevel", "debug"),
                       call(PATH, "org.freedesktop.systemd1.Manager", "Reload"),
                       call(witness.path, SUBSCRIPTION, "Close")).all()
    equal([a["error"][0] for a in answers], [ACCESS_DENIED] * 4, "errors")
    forged = b.run("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "busctl",
                   f"--address={b.address}", "emit", witness.path, SUBSCRIPTION, "Closed", "s", "forged")
    equal(forged.popen.returncode, 0, "a broadcast, which no rule of ours forbids")
    serves(b, witness)


def test_forged_signals(b):
    """bpfmonctl takes events from the daemon alone"""
    b.directory.chmod(0o711)
    b.daemon()
    follower = b.follow("-j", "event=map-create")
    forger = b.client()
    path = f"{PATH}/subscription/1"
    for name, signature, arguments in (("Closed", "s", ("forged",)), ("Events", "ttaa{sv}", (1, 0, [{"event": SECRET}]))):
        message = dbus.lowlevel.SignalMessage(path, SUBSCRIPTION, name)
        message.append(*arguments, signature=signature)
        forger.bus.send_message(message)
        for owner in forger.bus.list_names():
            if owner.startswith(":"):
                message = dbus.lowlevel.SignalMessage(path, SUBSCRIPTION, name)
                message.set_destination(owner)
                message.append(*arguments, signature=signature)
                forger.bus.send_message(message)
    b.trigger("map-create").go().truth()
    wait_until(lambda: follower.objects(), what="the true event")
    equal((follower.running(), SECRET in follower.output()), (True, False), "it goes on, without what was forged")


def keep_history(b, mode=0o700):
    state = b.directory / "state"
    state.mkdir()
    state.chmod(mode)
    b.environment["STATE_DIRECTORY"] = str(state)
    return state


def test_history(b):
    """Of the past a user sees its own, whatever cursor it comes with"""
    keep_history(b)
    _, _, witness = start(b)
    for i in range(30):
        name = f"own{i}" if i % 3 == 0 else SECRET[:12]
        options = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if i % 3 == 0 else {}
        trigger = b.trigger("map-create", name, **options).go()
        trigger.popen.stdin.close()
        trigger.wait()
    wait_until(lambda: witness.received >= 30, what="the events")
    _, cursor = b.client().call("QueryEvents", dbus.Array(["event=map-create"], "s"),
                                dbus.Dictionary({"limit": dbus.UInt32(5)}, "sv"))
    _, plain_cursor = b.client().call("QueryEvents", dbus.Array([], "s"), dbus.Dictionary({"limit": dbus.UInt32(5)}, "sv"))
    for one in (cursor, plain_cursor):
        seed = int.from_bytes(os.urandom(4), "big")
        print(f"# seed {seed}", flush=True)
        said = Stranger(b, NOBODY, "history", str(one), 300, seed).all()[-1]
        equal(set(said["users"]) <= {NOBODY, None}, True, f"users of {said}")
        equal(any(SECRET[:6] in str(name) for name in said["names"]), False, f"names of {said}")
        equal(any("own" in str(name) for name in said["names"]), True, f"own events in {said}")
        equal(set(said["errors"]) <= {"org.bpfmon1.Error.InvalidOption", LIMIT_EXCEEDED}, True, f"errors of {said}")
    answers = Stranger(b, NOBODY, "calls", *[json.dumps([PATH, MANAGER, "QueryEvents", "asa{sv}", [[], {"scope": s}]])
                                             for s in ("all", "alerts")]).all()
    equal([a["error"][0] for a in answers], [ACCESS_DENIED] * 2, "wider scopes")
    # Whether somebody else's map has this name is not told by where to go on, either.
    answers = Stranger(b, NOBODY, "calls", *[json.dumps([PATH, MANAGER, "QueryEvents", "asa{sv}", [[match], options]])
                                             for options in ({}, {"reverse": True}, {"cursor": str(cursor)})
                                             for match in (f"map.name={SECRET[:12]}", "map.name=nobody-has-it")]).all()
    equal([a["error"] for a in answers], [None] * 6, "errors")
    said = [a["value"][0] for a in answers]
    equal([events for events, _ in said], [[]] * 6, "events of others")
    equal([at for _, at in said[::2]], [at for _, at in said[1::2]], "cursors after no events")
    serves(b, witness)


def test_history_files(b):
    """The history is in files that nobody else may open, whatever directory they are in"""
    state = keep_history(b, 0o755)
    _, _, witness = start(b)
    serves(b, witness)
    wait_until(lambda: list(state.iterdir()), what="files")
    for file in state.iterdir():
        equal(stat.S_IMODE(file.stat().st_mode) & 0o077, 0, f"permissions of others for {file.name}")


def test_fuzz(b):
    """Every method with arguments of the right and of wrong types is answered, and tells nothing of others"""
    keep_history(b)
    daemon, _, witness = start(b)
    number = int(os.environ.get("FUZZ_CALLS", "2500"))
    seed = int(os.environ.get("FUZZ_SEED", "0")) or int.from_bytes(os.urandom(4), "big")
    print(f"# FUZZ_SEED={seed}", flush=True)
    b.trigger("map-create", SECRET[:15]).go().truth()
    wait_until(lambda: witness.received, what="an event")
    files, memory = open_files(daemon), daemon.memory()
    fuzzer = Stranger(b, NOBODY, "fuzz", seed, number, SECRET[:10])
    rounds = 0
    while fuzzer.running() and rounds < 60:
        rounds += 1
        b.trigger("map-create", SECRET[:15]).go().truth()
        wait_until(lambda: witness.received > rounds, what="an event while calls are made")  # pylint: disable=W0640
        witness.settle(0.5)
    said = fuzzer.all()
    for one in said[:-1]:
        raise AssertionError(f"seed {seed}: {one}")
    said = said[-1]
    print(f"# {said['answers']} answers, {said['errors']} errors, {said['unwritten']} not written", flush=True)
    equal(said["answers"] + said["errors"] + said["unwritten"], number, "calls")
    equal(said["answers"] > number / 50 and said["errors"] > number / 10, True, f"answers and errors of {said}")
    contains(said["answered"], f"{MANAGER}.Subscribe", "what was answered")
    equal(daemon.running(), True, f"the daemon runs after {seed}")
    wait_alone(b)
    serves(b, witness)
    bed.grew(daemon.memory() - memory, 64 * MIB)
    # Connections are measured for a while after they were listed.
    wait_until(lambda: open_files(daemon) <= files + 4, 60, f"no more than 4 files beside the {files} that were open before")


bed.main([test_subscriptions, test_subscriptions_of_users, test_replies, test_big_arguments, test_globs,
          test_descriptors, test_descriptors_sent, test_stopped_readers, test_properties, test_knobs,
          test_eavesdropping, test_policy, test_forged_signals, test_history, test_history_files, test_fuzz])
