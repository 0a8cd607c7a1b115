#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The configuration: what settings do, what wrong ones do not, reading it again, and LogControl1."""

import os
import signal
import socket
import threading

import dbus

import bed
from bed import MANAGER, NAME, PATH, SUBSCRIPTION, contains, equal, wait_until

LIMIT_EXCEEDED = "org.bpfmon1.Error.LimitExceeded"
LOG_PATH = "/org/freedesktop/LogControl1"
LOG = "org.freedesktop.LogControl1"
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


def configure(b, text, drop_in=None):
    """Writes a configuration, or a drop-in of it. Returns the option that has it read."""
    file = b.directory / "test.conf"
    if drop_in:
        file = file.with_name("test.conf.d") / drop_in
        file.parent.mkdir(exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return f"--config={b.directory}/test.conf"


def subscribe(client, *terms):
    return client.subscribe(list(terms))


def refusal(client, method, *terms):
    name, message = client.error(method, dbus.Array(terms, "s"), dbus.Dictionary({}, "sv"))
    equal(name, LIMIT_EXCEEDED, f"error of {method}")
    return message


def refused(client, what):
    return int(client.call("GetStatus")[f"refused.{what}"])


def busctl(b, *arguments, prefix=()):
    return b.run(*prefix, "busctl", f"--address={b.address}", *arguments)


def test_limits(b):
    """Each limit is what the file says, its error names it, and its refusals are counted"""
    b.daemon(configure(b, "[Limits]\nSubscriptionsMax=3\nSubscriptionsPerUserMax=2\nMatchTermsMax=4\n"
                       "MatchBytesMax=256\n"))
    client = b.client()
    contains(refusal(client, "Subscribe", *["process.pid!=1"] * 5), "At most 4 terms", "message")
    contains(refusal(client, "ListCallers", *["process.pid!=1"] * 20000), "MatchTermsMax=", "message")
    contains(refusal(client, "Subscribe", "process.name=" + "x" * 244), "At most 256 bytes", "message")
    equal(refused(client, "match_terms"), 2, "refused for terms")
    equal(refused(client, "match_bytes"), 1, "refused for bytes")
    path = subscribe(client, *["process.pid!=1"] * 4)
    subscribe(client, "process.name=" + "x" * 243)
    name, _ = client.error("Update", dbus.Array(["process.pid!=1"] * 5, "s"), path=path, interface=SUBSCRIPTION)
    equal((name, refused(client, "match_terms")), (LIMIT_EXCEEDED, 3), "Update with too many terms")
    for i in (1, 2):
        message = refusal(client, "Subscribe")
        equal(refused(client, "subscriptions_per_user"), i, "refused for the user")
    contains(message, "At most 2 subscriptions of one user", "message")
    equal(client.call("GetStatus")["subscriptions.max"], 3, "subscriptions.max")
    equal(refused(client, "subscriptions"), 0, "refused for all")
    name, _ = client.error("Subscribe", dbus.Array(["nonsense=1"], "s"), dbus.Dictionary({}, "sv"))
    equal(refused(client, "invalid_matches"), 1, "invalid matches")


def test_all_users(b):
    """The limit of all users together has its own error and counter"""
    b.daemon(configure(b, "[Limits]\nSubscriptionsMax=2\nSubscriptionsPerUserMax=9\n"))
    client = b.client()
    for _ in range(2):
        subscribe(client)
    contains(refusal(b.client(), "Subscribe"), "At most 2 subscriptions of all users", "message")
    equal(refused(client, "subscriptions"), 1, "refused")


def test_replies(b):
    """A reply that would have too many rows or bytes is an error that says so, and is counted"""
    b.daemon(configure(b, "[Limits]\nQueryRowsMax=1\n"))
    client = b.client()
    name, message = client.error("ListProbes")
    equal(name, LIMIT_EXCEEDED, "error of ListProbes")
    contains(message, "At most 1 rows in a reply (QueryRowsMax=", "message")
    b.trigger("map-elements", "lookup", 5).go().truth()
    contains(refusal(client, "ListCallers"), "QueryRowsMax=", "message")
    equal(refused(client, "query_rows"), 2, "refused for rows")
    rows = client.call("ListCallers", dbus.Array(["bpf.cmd=MAP_LOOKUP_ELEM", "process.name=trigger"], "s"),
                       dbus.Dictionary({}, "sv"))
    equal(len(rows), 1, "rows of a narrower call")
    configure(b, "[Limits]\nMessageBytesMax=4K\n")
    client.call("Reload")
    contains(client.error("ListProbes")[1], "At most 4096 bytes in a reply (MessageBytesMax=", "message")
    equal(refused(client, "message_bytes"), 1, "refused for bytes")


def test_denied(b):
    """What a stranger tries with somebody's subscription is counted as denied"""
    b.daemon()
    path = subscribe(b.client())
    stranger = b.client()
    stranger.error("Close", path=path, interface=SUBSCRIPTION)
    stranger.error("Update", dbus.Array([], "s"), path=path, interface=SUBSCRIPTION)
    equal(refused(stranger, "denied"), 2, "denied")


def test_wrong_lines(b):
    """Each wrong line is named with file and line, once; the default stands, and the rest counts"""
    option = configure(b, b"[Limits]\nSubscriptionsMax=none\nSubscriptionMax=5\nSubscriptionsPerUserMax=1\n"
                       b"[Lmits]\nStreamsMax=1\n[Kernel]\nRingSize=\xff\n\0\0\nKProbes=perhaps\n")
    configure(b, "[Log]\nLevel=loud\n", "50-log.conf")
    os.mkfifo(b.directory / "test.conf.d/60-fifo.conf")
    daemon = b.daemon(option)
    lines = daemon.errors().splitlines()
    for where, told in (("test.conf:2", "SubscriptionsMax=none"), ("test.conf:3", "did you mean SubscriptionsMax="),
                        ("test.conf:5", "did you mean [Limits]"), ("test.conf:8", "UTF-8"), ("test.conf:9", "UTF-8"),
                        ("test.conf:10", "KProbes=perhaps"), ("test.conf.d/50-log.conf:2", "Level=loud"),
                        ("test.conf.d/60-fifo.conf", "Is a FIFO")):
        said = [line for line in lines if f"{b.directory}/{where}: " in line]
        equal(len(said), 1, f"lines about {where} in {lines}")
        contains(said[0], told, where)
    client = b.client()
    equal(client.call("GetStatus")["subscriptions.max"], 96, "subscriptions.max")
    subscribe(client)
    contains(refusal(client, "Subscribe"), "At most 1 ", "the line between the wrong ones")


def test_flood_of_wrong_lines(b):
    """A file of nothing but wrong lines does not flood the log, and what is left out is counted"""
    daemon = b.daemon(configure(b, "[Limits]\n" + "Nonsense=1\n" * 5000))
    equal(daemon.stop(), 0, "exit status")
    lines = daemon.errors().splitlines()
    if len(lines) > 30:
        raise AssertionError(f"{len(lines)} lines")
    contains(daemon.errors(), "Left out 4980 more messages", "log")


def test_missing_file(b):
    """A configuration that is not there is told, and the daemon runs on its defaults"""
    daemon = b.daemon(f"--config={b.directory}/nowhere.conf")
    contains(daemon.errors(), "nowhere.conf: No such file", "log")
    equal(b.client().call("GetStatus")["subscriptions.max"], 96, "subscriptions.max")


def test_ring_size(b):
    """The ring has the size of the file, and that of the command line where it says one"""
    def ring(*options):
        daemon = b.daemon(configure(b, "[Kernel]\nRingSize=256K\n"), *options)
        sizes = set()
        for text in daemon.descriptors():
            fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
            if fields.get("map_type", "").strip() == "27":  # BPF_MAP_TYPE_RINGBUF
                sizes.add(int(fields["max_entries"]))
        daemon.stop()
        return sizes
    equal(ring(), {256 * 1024}, "size by the file")
    equal(ring("--ring-size=131072"), {128 * 1024}, "size by the command line")


def test_reload(b):
    """SIGHUP reads the configuration again, under load, and drops no subscriber and no event"""
    daemon = b.daemon(configure(b, "[Limits]\nSubscriptionsPerUserMax=3\n"))
    client = b.client()
    subscriber = b.subscriber("event=map-access", keep=False)
    path = subscribe(client)
    for i in range(1, 12):
        configure(b, f"[Limits]\nSubscriptionsPerUserMax={1 + i % 2}\n")
        trigger = b.trigger("map-elements", "lookup", 500).go()
        daemon.kill(signal.SIGHUP)
        trigger.truth()
        subscriber.wait_total(500 * i)
        wait_until(lambda i=i: daemon.errors().count("Read the configuration again") == i, what="the reload")
    equal((subscriber.received, subscriber.lost), (5500, 0), "received and lost")
    equal(client.property("Subscribers"), 2, "subscribers after a lower limit")
    contains(refusal(client, "Subscribe"), "At most 2 ", "the limit now")
    client.call("Update", dbus.Array(["event=prog-load"], "s"), path=path, interface=SUBSCRIPTION)
    configure(b, "[Limits]\nSubscriptionsPerUserMax=x\n")
    daemon.kill(signal.SIGHUP)
    wait_until(lambda: f"{b.directory}/test.conf:2: " in daemon.errors(), what="the wrong line")
    subscribe(client)


def test_reload_call(b):
    """Reload() has read the configuration when it returns; without polkit only root may call it"""
    daemon = b.daemon(configure(b, ""))
    b.directory.chmod(0o711)
    client = b.client()
    configure(b, "[Limits]\nSubscriptionsMax=7\n[Kernel]\nRingSize=256K\n")
    process = busctl(b, "call", NAME, PATH, MANAGER, "Reload", prefix=NOBODY)
    equal(process.popen.returncode, 1, f"busctl of nobody ({process.output()})")
    contains(process.errors(), "ccess denied", "what nobody is told")
    equal(client.call("GetStatus")["subscriptions.max"], 96, "subscriptions.max after nobody's call")
    client.call("Reload")
    equal(client.call("GetStatus")["subscriptions.max"], 7, "subscriptions.max")
    contains(daemon.errors(), "RingSize=256K takes effect when bpfmond is restarted; until then it is 2M", "log")


def listen(server, told):
    """Takes what is told of the daemon's state, until the end; it also has descriptors kept, which are closed here."""
    while (message := server.recv(4096).decode()) != "END":
        if "FDSTORE" not in message:
            told.append(message)


def test_notify(b):
    """The service manager is told of a reload: RELOADING=1 with its time, then READY=1"""
    path, told = f"{b.directory}/notify", []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(path)
        manager = threading.Thread(target=listen, args=(server, told))
        manager.start()
        try:
            b.environment["NOTIFY_SOCKET"] = path
            daemon = b.daemon()
            wait_until(lambda: any("READY=1" in m for m in told), what="READY=1 at the start")
            told.clear()
            daemon.kill(signal.SIGHUP)
            wait_until(lambda: any("READY=1" in m for m in told), what="READY=1")
        finally:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
                end.sendto(b"END", path)
            manager.join()
    reloading = next(i for i, m in enumerate(told) if "RELOADING=1" in m.splitlines())
    fields = dict(line.split("=", 1) for line in told[reloading].splitlines())
    if not int(fields["MONOTONIC_USEC"]) > 0:
        raise AssertionError(told[reloading])
    ready = next(i for i, m in enumerate(told) if "READY=1" in m.splitlines())
    equal(reloading < ready, True, f"order of {told}")


def log_property(b, name, value=None, prefix=()):
    """Reads a property of LogControl1, or writes it. Returns what busctl did."""
    if value is None:
        return busctl(b, "get-property", NAME, LOG_PATH, LOG, name, prefix=prefix).output().strip()
    return busctl(b, "set-property", NAME, LOG_PATH, LOG, name, "s", value, prefix=prefix)


def test_log_control(b):
    """LogControl1 is read by everyone and written by root alone; what it sets has effect at once"""
    daemon = b.daemon(configure(b, "[Log]\nLevel=warning\n"))
    b.directory.chmod(0o711)
    equal([log_property(b, name) for name in ("LogLevel", "LogTarget", "SyslogIdentifier")],
          ['s "warning"', 's "auto"', 's "bpfmond"'], "properties")
    equal("Watching" in daemon.errors(), False, "an info message at the level warning")
    for name, value in (("LogLevel", "debug"), ("LogTarget", "null")):
        process = log_property(b, name, value, NOBODY)
        equal(process.popen.returncode, 1, f"{name} of nobody ({process.errors()})")
        contains(process.errors(), "ccess denied", f"{name} of nobody")
    equal(log_property(b, "LogLevel", prefix=NOBODY), 's "warning"', "the level that nobody reads")
    for name, value in (("LogLevel", "loud"), ("LogLevel", ""), ("LogTarget", "kmsg"), ("LogTarget", "syslog"),
                        ("SyslogIdentifier", "x")):
        equal(log_property(b, name, value).popen.returncode, 1, f"{name}={value}")
    for name, value in (("LogLevel", "info"), ("LogTarget", "console")):
        process = log_property(b, name, value)
        equal(process.popen.returncode, 0, f"{name}={value} ({process.errors()})")
        equal(log_property(b, name), f's "{value}"', name)
    b.client().call("Reload")
    contains(daemon.errors(), "Read the configuration again", "log at the level info, after a reload")
    equal(log_property(b, "LogTarget", "null").popen.returncode, 0, "LogTarget=null")
    before = daemon.errors()
    b.client().call("Reload")
    equal(daemon.errors(), before, "log at the target null")


def test_log_level_follows(b):
    """A level that the file changes counts over the one set before"""
    b.daemon(configure(b, ""))
    log_property(b, "LogLevel", "err")
    client = b.client()
    client.call("Reload")
    equal(log_property(b, "LogLevel"), 's "err"', "level after a reload that changed nothing")
    configure(b, "[Log]\nLevel=debug\n")
    client.call("Reload")
    equal(log_property(b, "LogLevel"), 's "debug"', "level after a reload that changed it")


bed.main([test_limits, test_all_users, test_replies, test_denied, test_wrong_lines, test_flood_of_wrong_lines, test_missing_file,
          test_ring_size, test_reload, test_reload_call, test_notify, test_log_control, test_log_level_follows])
