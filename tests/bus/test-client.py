#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""bpfmonctl, as people and scripts use it."""

import fcntl
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import termios
import time
import unicodedata

import bed
from bed import contains, equal, wait_until

CTL = os.environ["BPFMONCTL"]


def refused(b, status, *arguments):
    """Runs a bpfmonctl that must fail. Returns the one line that it says."""
    process = b.ctl(*arguments)
    equal(process.popen.returncode, status, f"exit status of {arguments} ({process.errors()})")
    equal(process.output(), "", f"stdout of {arguments}")
    lines = process.errors().splitlines()
    equal(len(lines), 1, f"lines said by {arguments}: {lines}")
    # As systemd's tools have it: a capital is a name's.
    equal(re.match(r"bpfmonctl: (bpfmond: |not authorized: |bpfmond is of another version: )?[A-Z][a-z']* ", lines[0]), None,
          f"case of {lines[0]!r}")
    return lines[0]


def succeeded(b, *arguments):
    process = b.ctl(*arguments)
    equal(process.popen.returncode, 0, f"exit status of {arguments} ({process.errors()})")
    return process.output()


def harmless(text, what):
    """Checks that a text can be shown on a terminal: no control characters but line ends, none that hide or reorder."""
    for character in text:
        if character != "\n" and unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp", "Cs"):
            raise AssertionError(f"{what} has {character!r}: {text!r}")


def test_usage(b):
    """What cannot be is refused with exit status 2 and one line, with the nearest name"""
    b.daemon()
    for arguments, part in ((["subscibe"], '"subscribe"'), (["nonsense"], "nonsense"), (["--nonsense"], "nonsense"),
                            (["subscribe", "evnet=prog-load"], '"event"'), (["subscribe", "prog.id=x"], "prog.id=x"),
                            (["callers", "proces.pid=1"], '"process.pid"'), (["subscribe", "event"], "event"),
                            (["subscribe", "--json=xml"], "xml"), (["subscribe", "-n", "x"], "x"), (["--jsn=short", "status"], '"--json"'), (["status", "-n"], "-n"),
                            (["subscribe", "event=prog-laod"], '"prog-load"'),
                            (["subscribe", "event=hidden-objct"], '"hidden-object"'),
                            (["subscribe", "event=nonsense"], "bpfmon-event(7)"),
                            (["query", "result=refused"], "ok, rejected, denied or failed"),
                            (["connections", "network.transport!=sctp"], "tcp or unix"),
                            (["callers", "bpf.cmd=map_cretae"], '"MAP_CREATE"'),
                            (["query", "prog.type!=kprob"], '"kprobe"'), (["--json=shrt", "status"], '"short"'), (["status", "more"], "more"),
                            (["subscribe", "--stream", "-H", "there"], "--stream"),
                            (["-H", "-oProxyCommand=x", "status"], "-oProxyCommand"),
                            (["subscribe", "prog-load"], '"event=prog-load"'), (["query", "kprobe"], '"prog.type=kprobe"'),
                            (["query", "event==pin"], '"event=pin"'), (["query", "unit!==x"], '"unit!=x"'),
                            # As a shell takes it between these quotes.
                            (["callers", "process.name==x"], r'("process.name=\\=x" asks for a value that begins with =)'),
                            (["query", "--since=-1h", "--until=-2h"], "--until"),
                            (["help", "qery"], '"query"'),
                            (["query", "prog.id="], "no value in"), (["query", "zzzz=1"], 'unknown field "zzzz"'),
                            (["query"] + ["prog.id=1"] * 200, "more than 128 terms"),
                            (["subscribe", "--fields=prog.nmae"], '"prog.name"')):
        contains(refused(b, 2, *arguments), part, f"what {arguments} says")


def test_begins_with_equal(b):
    r"""A value that begins with = is asked for as \="""
    b.daemon()
    odd = b.directory / "=x"
    odd.symlink_to(os.environ["TRIGGER"])
    equal(b.run(odd, "map-create").wait(), 0, "exit status")
    for term, wanted in ((r"process.name=\=x", ["=x"]), (r"process.name=\=?", ["=x"]), (r"process.name!=\=x", []), ("process.name=x", [])):
        names = {row["process.name"] for row in b.ctl("callers", "-j", term).objects()}
        equal([name for name in names if name == "=x"], wanted, f"who is found by {term}")


def test_help(b):
    """-h lists the verbs, --version says the version; both need no daemon"""
    text = succeeded(b, "-h")
    equal(succeeded(b, "help"), text, "help")
    equal(succeeded(b, "help", "query"), succeeded(b, "query", "-h"), "help of a command")
    for verb in ("subscribe", "status", "probes", "callers"):
        contains(text, verb, "help")
    contains(succeeded(b, "--version"), ".", "version")


def test_no_daemon(b):
    """Without the daemon each verb says how to start it and exits with 1"""
    for verb in ("subscribe", "status", "probes", "callers"):
        contains(refused(b, 1, verb), "systemctl start bpfmond", f"what {verb} says")


class Older(bed.Client):
    """A bpfmond that lacks something: all its methods answer with one error."""

    def __init__(self, b, error, message):
        super().__init__(b.address)
        b.clients.append(self)
        self.reply = error, message
        self.bus.add_message_filter(self._filter)
        self.bus.request_name(bed.NAME)

    def _filter(self, _connection, message):
        if not message.is_method_call(bed.MANAGER, message.get_member() or ""):
            return bed.dbus.lowlevel.HANDLER_RESULT_NOT_YET_HANDLED
        self.bus.send_message(bed.dbus.lowlevel.ErrorMessage(message, *self.reply))
        return bed.dbus.lowlevel.HANDLER_RESULT_HANDLED


def test_older_daemon(b):
    """A bpfmond that does not know a method, a field or an option yet is said to be of another version, with exit status 1"""
    for error, message in (("org.freedesktop.DBus.Error.UnknownMethod", "Unknown method ListThings"),
                           ("org.bpfmon1.Error.InvalidOption", 'Unknown field "of.tomorrow" in the option fields'),
                           ("org.bpfmon1.Error.InvalidOption", 'Unknown option "later"; valid options of ListMaps: fields')):
        daemon = Older(b, error, message)
        for verb in ("subscribe", "query", "maps", "status", "top --batch"):
            line = refused(b, 1, *verb.split())
            contains(line, "another version", f"what {verb} says of {message}")
            contains(line, "systemctl restart bpfmond", f"what {verb} says to do")
        daemon.close()
        b.clients.remove(daemon)


class Without(bed.Client):
    """A bpfmond that knows no services, or not of them."""

    def __init__(self, b, knows):
        super().__init__(b.address)
        b.clients.append(self)
        self.knows = knows
        self.bus.add_message_filter(self._filter)
        self.bus.request_name(bed.NAME)

    def _filter(self, _connection, message):
        if not message.is_method_call("org.freedesktop.DBus.Properties", "Get"):
            return bed.dbus.lowlevel.HANDLER_RESULT_NOT_YET_HANDLED
        if self.knows:
            reply = bed.dbus.lowlevel.MethodReturnMessage(message)
            reply.append(bed.dbus.Array([], "s"), signature="v")
        else:
            reply = bed.dbus.lowlevel.ErrorMessage(message, "org.freedesktop.DBus.Error.UnknownProperty", "Unknown property.")
        self.bus.send_message(reply)
        return bed.dbus.lowlevel.HANDLER_RESULT_HANDLED


def test_no_services(b):
    """A bpfmond that knows no services, or cannot tell them, is told apart from one that has others"""
    without = Without(b, True)
    contains(refused(b, 2, "connections", "--service=redis"), "no service is called", "of a service")
    equal(succeeded(b, "connections", "--service=help"), "", "the list of none")
    equal(succeeded(b, "--complete", "--", "connections", "service.name="), "", "names behind Tab")
    without.knows = False
    contains(refused(b, 1, "connections", "--service=help"), "another version", "what an older one lists")
    contains(succeeded(b, "--complete", "--", "connections", "--service=re"), "redis", "names behind Tab, of an older one")


def test_no_bus(b):
    """Without a bus it says so and exits with 1"""
    b.environment["DBUS_SYSTEM_BUS_ADDRESS"] = f"unix:path={b.directory}/nowhere"
    contains(refused(b, 1, "status"), "bus", "what it says")


def fake_ssh(b, script):
    """Puts a program in ssh's place, as sd-bus finds it."""
    directory = b.directory / "bin"
    directory.mkdir()
    (directory / "ssh").write_text(f"#!/bin/sh\n{script}\n")
    (directory / "ssh").chmod(0o755)
    b.environment["PATH"] = f"{directory}:{b.environment['PATH']}"


def test_host(b):
    """-H asks the daemon of another machine by ssh, as systemd's tools do, and follows its events"""
    if not shutil.which("systemd-stdio-bridge"):
        raise bed.Skip("systemd-stdio-bridge is not installed")
    b.daemon()
    there = b.environment["DBUS_SYSTEM_BUS_ADDRESS"]
    b.environment["DBUS_SYSTEM_BUS_ADDRESS"] = "unix:path=/nowhere"
    fake_ssh(b, f'echo "$@" >>{b.directory}/arguments; exec systemd-stdio-bridge --bus-path={there}')
    status = json.loads(succeeded(b, "-H", "root@there", "status", "-j"))
    equal("events.seen" in status, True, f"the status of there: {status}")
    contains((b.directory / "arguments").read_text(), "there", "what ssh was told")
    follower = b.follow("--host=there", "event=map-create", "-n", "1", "-j")
    truth = b.trigger("map-create").go().truth()[0]
    equal(follower.wait(), 0, follower.errors())
    equal(follower.objects()[0]["map.id"], truth["id"], "the event of there")


def test_host_unreachable(b):
    """What ssh says of a host that it cannot reach comes in one harmless line that names the host"""
    fake_ssh(b, "printf 'Warning: one\\nssh: connect to host there port 22: \\033[31mNo route\\n' >&2; exit 255")
    line = refused(b, 1, "-H", "there", "status")
    for part in ("there: ", "port 22", "No route"):
        contains(line, part, "what it says")
    harmless(line, "what it says")
    contains(refused(b, 1, "-M", "no-such-container", "status"), "no-such-container: ", "what it says of a container")


def test_unattended(b):
    """Tab behind -H asks for no password and waits for nobody"""
    fake_ssh(b, f'echo "$@" >>{b.directory}/arguments; exec sleep 30')
    began = time.monotonic()
    process = b.ctl("--complete", "--", "-H", "there", "show", "prog", "")
    equal((process.output(), process.errors()), ("", ""), "what it says")
    equal(time.monotonic() - began < 25, True, "it waits for a host that says nothing")
    told = (b.directory / "arguments").read_text()
    for option in ("BatchMode=yes", "ConnectTimeout="):
        contains(told, option, "what ssh was told")
    contains(refused(b, 2, "-H", "there:", "status"), "PORT", "what it says of half a host")


def test_not_authorized(b):
    """A user without privileges is told so in one line, with exit status 77"""
    b.daemon()
    b.directory.chmod(0o711)
    process = b.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", CTL, "status")
    equal(process.popen.returncode, 77, f"exit status ({process.errors()})")
    equal(len(process.errors().splitlines()), 1, f"lines said: {process.errors()}")
    contains(process.errors(), "sudo", "what it says")


def test_verbs(b):
    """status, probes and callers show what there is, as text and as JSON"""
    b.daemon()
    trigger = b.trigger("map-create", pause=True).go()
    truth = trigger.acted()[0]
    for verb in ("status", "probes", "callers"):
        text = succeeded(b, verb)
        equal(len(text.splitlines()) > 1, True, f"{verb} has lines: {text!r}")
        harmless(text, verb)
    rows = [json.loads(line) for line in succeeded(b, "callers", "--json=short").splitlines()]
    mine = {row["bpf.cmd"]: row for row in rows if row.get("process.pid") == truth["pid"]}
    equal(mine["MAP_CREATE"]["calls"], 1, "calls of MAP_CREATE")
    equal(mine["MAP_CREATE"]["process.executable"], truth["executable"])
    contains(succeeded(b, "callers", "bpf.cmd=MAP_CREATE", f"process.pid={truth['pid']}"), "MAP_CREATE", "callers")
    equal(succeeded(b, "callers", "--json=short", "process.pid=1"), "", "callers of a match that none passes")
    contains(succeeded(b, "status"), "Connections at most: none, as nobody asks\n", "the status before anybody asks")
    status = json.loads(succeeded(b, "status", "--json=pretty"))
    equal(len(succeeded(b, "status", "--json=short").splitlines()), 1, "lines of the status")
    if not status:
        raise AssertionError("the status is empty")
    names = {json.loads(line)["probe.name"] for line in succeeded(b, "probes", "--json=short").splitlines()}
    for name in names:
        contains(succeeded(b, "probes"), name, "probes as text")
    trigger.truth()


def test_count(b):
    """-n ends after so many events, with exit status 0"""
    b.daemon()
    follower = b.follow("event=map-access", "-n", "3", "--json=short")
    b.trigger("map-elements", "lookup", 100).go().truth()
    equal(follower.wait(), 0, f"exit status ({follower.errors()})")
    equal([row["event"] for row in follower.objects()], ["map-access"] * 3)


def test_fields(b):
    """--fields shows these and no others"""
    b.daemon()
    json_follower = b.follow("event=map-create", "-n", "1", "--json=short", "--fields=map.id,process.pid,prog.id")
    text_follower = b.follow("event=map-create", "-n", "1", "--fields=map.id,process.pid")
    truth = b.trigger("map-create").go().truth()[0]
    equal((json_follower.wait(), text_follower.wait()), (0, 0))
    equal(json_follower.objects(), [{"map.id": truth["id"], "process.pid": truth["pid"]}])
    equal(text_follower.output().splitlines()[-1].split(), [str(truth["id"]), str(truth["pid"])])


def test_text(b):
    """A line of text names what happened, to what, by whom and how it ended"""
    b.daemon()
    follower = b.follow("event=map-create", "event=prog-load")
    created = b.trigger("map-create").go().truth()[0]
    rejected = b.trigger("prog-reject").go().truth()[0]
    wait_until(lambda: "prog-load" in follower.output(), what="the line of the program")
    lines = follower.output().splitlines()
    created_line = next(line for line in lines if "map-create" in line)
    for part in (created["name"], str(created["id"]), f"trigger[{created['pid']}]", "root", "ok"):
        contains(created_line, part, "line of the map")
    rejected_line = next(line for line in lines if "prog-load" in line)
    for part in ("REJECTED", rejected["errno"], f"trigger[{rejected['pid']}]"):
        contains(rejected_line, part, "line of the rejected program")
    harmless(follower.output(), "output that is not on a terminal")


def test_interrupt(b):
    """Ctrl-C ends subscribe with exit status 0, and it says how many events there were"""
    b.daemon()
    follower = b.follow("bpf.cmd=MAP_LOOKUP_ELEM", "--json=short")
    b.trigger("map-elements", "lookup", 7).go().truth()
    wait_until(lambda: len(follower.objects()) == 7, what="7 lines")
    equal(follower.stop(signal.SIGINT), 0, f"exit status ({follower.errors()})")
    contains(follower.errors(), "7", "what it says")


def test_sums(b):
    """query --follow and top --batch say at Ctrl-C what they counted, as subscribe does"""
    state = b.directory / "state"
    state.mkdir()
    b.environment["STATE_DIRECTORY"] = str(state)
    b.daemon()
    client = b.client()
    follower = bed.Process(b, "bpfmonctl", [CTL, "query", "--follow", "-j", "event=map-create"])
    wait_until(lambda: client.property("Subscribers") == 1, what="its subscription")
    for _ in range(3):
        b.trigger("map-create").go().truth()
    wait_until(lambda: len(follower.objects()) == 3, what="3 lines")
    equal(follower.stop(signal.SIGINT), 0, f"exit status ({follower.errors()})")
    equal(re.match(r"3 events, 0 lost, in [\d.]+ \w+\n$", follower.errors()) is not None, True, follower.errors())
    with bed.alone("statistics"):
        top = bed.Process(b, "bpfmonctl", [CTL, "top", "--interval=200ms", "--json=short", "own=yes"])
        wait_until(top.objects, what="its first rows")
        equal(top.stop(signal.SIGINT), 0, f"exit status ({top.errors()})")
    equal(re.match(r"\d+ looks?, in [\d.]+ \w+\n$", top.errors()) is not None, True, top.errors())


def test_sums_unanswered(b):
    """The same while the daemon does not answer: nothing is wrong with who presses Ctrl-C then"""
    daemon = b.daemon()

    with bed.alone("statistics"):
        top = bed.Process(b, "bpfmonctl", [CTL, "top", "--interval=200ms", "--json=short", "own=yes"])
        wait_until(top.objects, what="its first rows")
        watch = bed.Process(b, "bpfmonctl", [CTL, "connections", "--watch", "--every=100ms"])
        wait_until(watch.output, what="its first look")
        daemon.kill(signal.SIGSTOP)
        query = bed.Process(b, "bpfmonctl", [CTL, "query", "--follow", "-j"])
        time.sleep(1)  # all wait for an answer then
        for process, said in ((top, "look"), (watch, "look"), (query, "0 events, 0 lost")):
            equal(process.stop(signal.SIGINT), 0, f"exit status ({process.errors()})")
            contains(process.errors(), said, "what it says")
            equal(len(process.errors().splitlines()), 1, f"lines of {process.errors()}")
        daemon.kill(signal.SIGCONT)


def test_restart(b):
    """subscribe survives a restart of the daemon, says so, and goes on"""
    first = b.daemon()
    follower = b.follow("event=map-create", "--json=short")
    b.trigger("map-create").go().truth()
    wait_until(lambda: len(follower.objects()) == 1, what="the event before")
    equal(first.stop(), 0)
    wait_until(follower.errors, what="a word about the daemon's end")
    equal(follower.running(), True, "it waits")
    b.daemon()
    client = b.client()
    wait_until(lambda: client.property("Subscribers") == 1, what="its new subscription")
    truth = b.trigger("map-create").go().truth()[0]
    wait_until(lambda: follower.objects()[-1].get("map.id") == truth["id"], what="the event after")
    equal(follower.stop(signal.SIGINT), 0)
    equal(len(follower.errors().splitlines()) >= 2, True, f"it says both: {follower.errors()}")


def test_closed_output(b):
    """When nobody reads its output any more it ends, and complains of nothing"""
    b.daemon()
    client = b.client()
    with subprocess.Popen([CTL, "subscribe", "event=map-access"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=b.environment) as follower:
        wait_until(lambda: client.property("Subscribers") == 1, what="its subscription")
        follower.stdout.close()
        b.trigger("map-elements", "lookup", 10).go().truth()
        wait_until(lambda: follower.poll() is not None, what="its end")
        equal(follower.stderr.read(), b"", "what it says")
    wait_until(lambda: client.property("Subscribers") == 0, what="the end of its subscription")
    for arguments in ("status", "callers", "--version", "--help"):
        process = b.run("sh", "-c", f"exec {CTL} {arguments} >&-")
        equal((process.popen.returncode, len(process.errors().splitlines())), (1, 1), f"{arguments}: {process.errors()}")
        contains(process.errors(), "output", f"what {arguments} says where it has none")


def test_hostile_name(b):
    """The name and the path of a hostile program never reach the output raw"""
    b.daemon()
    name = b"\x1b[31m\xff\xc2\x9b\n\xe2\x80\xae!"
    program = os.path.join(os.fsencode(b.directory), name)
    shutil.copy2(os.environ["TRIGGER"], program)
    subscriber = b.subscriber("event=map-create")
    followers = [b.follow("event=map-create", *options)
                 for options in ([], ["--json=short"], ["--json=pretty"], ["--color=always"])]
    b.environment["TRIGGER"] = os.fsdecode(program)
    process = subprocess.run([program, "map-create"], stdout=subprocess.PIPE, env=b.environment, check=True)
    subscriber.wait_total(1)
    contains(subscriber.events[0]["process.name"], "[31m\ufffd", "name on the bus")
    contains(subscriber.events[0]["process.executable"], "[31m\ufffd", "path on the bus")
    for follower in followers:
        wait_until(lambda: "31m" in follower.output(), what="its line")  # pylint: disable=cell-var-from-loop
    subscriber.settle()
    text, short, pretty, coloured = (follower.out.read_bytes().decode() for follower in followers)
    harmless(text, "text")
    contains(text, r"\x1b[31m", "text")
    harmless(re.sub(r"\x1b\[[0-9;]*m", "", coloured), "coloured text")
    contains(coloured, r"\x1b[31m", "coloured text")
    harmless(short, "JSON")
    harmless(pretty, "JSON")
    equal(len(short.splitlines()), 1, "lines of JSON")
    equal(json.loads(short)["process.name"], str(subscriber.events[0]["process.name"]))
    equal(json.loads(pretty)["process.name"], json.loads(short)["process.name"])
    equal(process.returncode, 0)
    harmless(succeeded(b, "callers"), "callers")


def test_terminal(b):
    """On a terminal lines are coloured and fit its width"""
    b.daemon()
    client = b.client()
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    b.environment.update(TERM="xterm-256color")
    b.environment.pop("NO_COLOR", None)
    with subprocess.Popen([CTL, "subscribe", "event=map-create", "-n", "1"], stdout=slave, stderr=slave,
                          stdin=slave, env=b.environment) as follower:
        os.close(slave)
        wait_until(lambda: client.property("Subscribers") == 1, what="its subscription")
        b.trigger("map-create").go().truth()
        wait_until(lambda: follower.poll() is not None, what="its end")
    output = b""
    try:
        while part := os.read(master, 4096):
            output += part
    except OSError:  # EIO: all has been read
        pass
    os.close(master)
    text = output.decode()
    contains(text, "\x1b[", "colours")
    plain = re.sub(r"\x1b\[[0-9;]*[mK]", "", text).replace("\r\n", "\n")
    harmless(plain, "the rest")
    contains(plain, "map-create", "text")
    for line in plain.splitlines():
        if len(line) > 60:
            raise AssertionError(f"{len(line)} columns of 60: {line!r}")


def on_terminal(b, *arguments, **environment):
    """What bpfmonctl writes on a terminal that is its output."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 200, 100, 0, 0))
    with subprocess.Popen([CTL, *arguments], stdout=slave, stderr=slave, stdin=slave,
                          env=dict(b.environment, TERM="xterm", **environment)) as process:
        os.close(slave)
        output = b""
        try:
            while part := os.read(master, 4096):
                output += part
        except OSError:  # EIO: all has been read
            pass
    os.close(master)
    return output.decode().replace("\r\n", "\n")


def test_empty(b):
    """Who looks for events that there are none of is told so on the terminal; scripts get nothing"""
    state = b.directory / "state"
    state.mkdir()
    b.environment["STATE_DIRECTORY"] = str(state)
    b.daemon()
    equal(on_terminal(b, "query", "--color=never", NO_COLOR="1"), "-- no events --\n", "what a terminal gets")
    equal(on_terminal(b, "query", "-r", "prog.name=nothing.like.it", NO_COLOR="1"), "-- no events --\n", "what a terminal gets")
    for quiet in ("--json=short", "--no-legend"):
        equal(on_terminal(b, "query", quiet), "", f"what a terminal gets with {quiet}")
    process = b.ctl("query")
    equal((process.popen.returncode, process.output(), process.errors()), (0, "", ""), "what a script gets")
    b.trigger("map-create", "m").go().truth()
    client = b.client()
    wait_until(lambda: client.call("QueryEvents", bed.dbus.Array([], "s"), bed.dbus.Dictionary({}, "sv"))[0], what="the history")
    equal("no events" in on_terminal(b, "query", "--no-pager"), False, "a remark beside events")


def test_colours(b):
    """Colour is used on a terminal, and elsewhere, as the option or the environment says"""
    for name in ("NO_COLOR", "SYSTEMD_COLORS", "PAGER", "BPFMON_PAGER", "SYSTEMD_PAGER"):
        b.environment.pop(name, None)
    on, off = "--color=always", "--color=never"
    for arguments, environment, terminal, coloured in (
            ((), {}, True, True), ((), {}, False, False), ((on,), {}, False, True), ((off,), {}, True, False),
            ((), {"NO_COLOR": "1"}, True, False), ((on,), {"NO_COLOR": "1"}, True, True),
            ((), {"NO_COLOR": ""}, True, True), ((), {"SYSTEMD_COLORS": "1"}, False, True),
            ((), {"SYSTEMD_COLORS": "0"}, True, False), ((), {"SYSTEMD_COLORS": "16", "NO_COLOR": "1"}, True, True)):
        if terminal:
            output = on_terminal(b, "-h", "--no-pager", *arguments, **environment)
        else:
            output = subprocess.run([CTL, "-h", *arguments], env=dict(b.environment, **environment), check=True,
                                    capture_output=True, encoding="utf-8").stdout
        equal("\x1b[1m" in output, coloured, f"colour with {arguments}, {environment}, terminal {terminal}")


def test_pager(b):
    """The pager gets the output on a terminal alone, and is kept from starting others where privileges were got"""
    show = "sed 's/^/paged: /;$a'\"less=$LESS secure=$LESSSECURE\""
    for name in ("SUDO_UID", "PKEXEC_UID", "SYSTEMD_PAGERSECURE", "SYSTEMD_LESS", "LESSSECURE"):
        b.environment.pop(name, None)
    trusted = {"SYSTEMD_PAGERSECURE": "0"}
    output = on_terminal(b, "-h", BPFMON_PAGER=show, **trusted)
    contains(output, "paged: bpfmonctl [OPTION", "what the pager shows")
    contains(output, "less=FRSXMK secure=\n", "options of less")
    equal("paged" in on_terminal(b, "-h", "--no-pager", PAGER=show, **trusted), False, "with --no-pager")
    contains(on_terminal(b, "-h", PAGER=show, SYSTEMD_LESS="F", **trusted), "less=F secure=\n", "options that were given")
    contains(on_terminal(b, "-h", PAGER=show, SYSTEMD_PAGERSECURE="1"), "secure=1\n", "a pager that is trusted")
    equal("paged" in on_terminal(b, "-h", PAGER=show, SUDO_UID="1000"), False, "a pager of whoever ran sudo")
    equal("paged" in on_terminal(b, "-h", PAGER="", BPFMON_PAGER="cat", **trusted), False, "no pager")


bed.main([test_usage, test_begins_with_equal, test_help, test_no_daemon, test_older_daemon, test_no_services, test_no_bus, test_host, test_host_unreachable, test_unattended, test_not_authorized, test_verbs, test_count, test_fields,
          test_text, test_interrupt, test_sums, test_sums_unanswered, test_restart, test_closed_output, test_hostile_name, test_terminal,
          test_empty, test_colours, test_pager])
