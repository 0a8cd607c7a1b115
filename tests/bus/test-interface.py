#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The D-Bus interface, as clients see it that we did not write: busctl and dbus-python."""

import json
import os
import xml.etree.ElementTree as ElementTree

import dbus

import bed
from bed import MANAGER, NAME, PATH, SUBSCRIPTION, contains, equal, wait_until

INVALID_MATCH = "org.bpfmon1.Error.InvalidMatch"
INVALID_OPTION = "org.bpfmon1.Error.InvalidOption"
LIMIT_EXCEEDED = "org.bpfmon1.Error.LimitExceeded"


def members(interface):
    """What an interface consists of, in a form that can be compared."""
    found = {}
    for member in interface:
        if member.tag == "property":
            changes = [a.get("value") for a in member.iter("annotation")
                       if a.get("name") == "org.freedesktop.DBus.Property.EmitsChangedSignal"]
            found[member.get("name")] = ("property", member.get("type"), member.get("access"), *changes)
        elif member.tag in ("method", "signal"):
            direction = "in" if member.tag == "method" else "out"
            found[member.get("name")] = (member.tag, *[(a.get("direction", direction), a.get("type"), a.get("name"))
                                                       for a in member.iter("arg")])
    return found


def interfaces(text):
    return {i.get("name"): members(i) for i in ElementTree.fromstring(text).iter("interface")}


def introspect(client, path):
    return str(client.call("Introspect", path=path, interface="org.freedesktop.DBus.Introspectable"))


def busctl(b, *arguments):
    process = b.run("busctl", f"--address={b.address}", *arguments)
    equal(process.popen.returncode, 0, f"busctl {arguments}: {process.errors()}")
    return process.output()


def test_introspection(b):
    """What the live daemon introspects is what the installed XML says"""
    b.daemon()
    client = b.client()
    path = client.subscribe(["event=prog-load"])
    with open(os.environ["BUS_XML"], encoding="utf-8") as file:
        want = interfaces(file.read())
    equal(set(want), {MANAGER, SUBSCRIPTION}, "interfaces in the XML")
    equal(interfaces(introspect(client, PATH))[MANAGER], want[MANAGER], MANAGER)
    equal(interfaces(introspect(client, path))[SUBSCRIPTION], want[SUBSCRIPTION], SUBSCRIPTION)


def test_busctl(b):
    """busctl finds its way: tree, introspection, properties, calls"""
    b.daemon()
    path = b.client().subscribe()
    contains(busctl(b, "tree", "--list", NAME), PATH, "tree")
    contains(busctl(b, "introspect", NAME, PATH), ".Subscribe", "introspection")
    contains(busctl(b, "introspect", NAME, path), ".Events", "introspection")
    values = {name: busctl(b, "get-property", NAME, PATH, MANAGER, name).split()
              for name in ("Version", "Since", "EventsSeen", "EventsResumed", "EventsLost", "Subscribers", "Degraded", "Services")}
    equal({name: value[0] for name, value in values.items()},
          {"Version": "s", "Since": "t", "EventsSeen": "t", "EventsResumed": "t", "EventsLost": "t", "Subscribers": "u", "Degraded": "b",
           "Services": "as"})
    equal(values["Subscribers"], ["u", "1"])
    status = json.loads(busctl(b, "--json=short", "call", NAME, PATH, MANAGER, "GetStatus"))
    equal(status["type"], "a{sv}")
    probes = json.loads(busctl(b, "--json=short", "call", NAME, PATH, MANAGER, "ListProbes"))
    equal(probes["type"], "aa{sv}")
    names = {row["probe.name"]["data"] for row in probes["data"][0]}
    if not names:
        raise AssertionError("no probes are listed")


def test_invalid_match(b):
    """A wrong match is refused by InvalidMatch, which names the term and the nearest field"""
    b.daemon()
    client = b.client()
    empty = dbus.Dictionary({}, "sv")
    for term in ("prog.nmae=x", "prog.id=abc", "prog.id", "=x", "", "prog.name<5", f"process.pid=1{'0' * 30}"):
        name, message = client.error("Subscribe", dbus.Array([term], "s"), empty)
        equal(name, INVALID_MATCH, f"error of {term!r}")
        contains(message, f'"{term}"', f"message of {term!r}")
    _, message = client.error("Subscribe", dbus.Array(["prog.nmae=x"], "s"), empty)
    contains(message, '"prog.name"', "suggestion")
    name, _ = client.error("ListCallers", dbus.Array(["nonsense=1"], "s"), empty)
    equal(name, INVALID_MATCH, "error of ListCallers")
    equal(client.property("Subscribers"), 0, "subscribers after refusals")


def test_oversized_match(b):
    """Too many or too long terms are refused, and as many as allowed are taken"""
    b.daemon()
    client = b.client()
    empty = dbus.Dictionary({}, "sv")
    for terms in (["process.pid!=1"] * 129, ["process.name=" + "x" * 4096], ["process.pid!=1"] * 20000):
        name, _ = client.error("Subscribe", dbus.Array(terms, "s"), empty)
        if name not in (INVALID_MATCH, LIMIT_EXCEEDED):
            raise AssertionError(f"{len(terms)} terms: {name}")
    client.subscribe(["process.pid!=1"] * 128)
    client.subscribe(["process.name=" + "x" * 4000])


def test_invalid_option(b):
    """An unknown option is refused by InvalidOption, which names it"""
    b.daemon()
    client = b.client()
    options = dbus.Dictionary({"colour": "red"}, "sv")
    for method in ("Subscribe", "ListCallers"):
        name, message = client.error(method, dbus.Array([], "s"), options)
        equal(name, INVALID_OPTION, f"error of {method}")
        contains(message, "colour", f"message of {method}")


def test_option_fields(b):
    """The option fields takes names of fields; anything else is refused by InvalidOption, which says what is meant"""
    b.daemon()
    client = b.client()
    for value, told in ((dbus.Array(["event", "prog.nmae"], "s"), 'did you mean "prog.name"?'), ("event", "array"),
                        (dbus.Array(["event"] * 5000, "s"), "fields")):
        name, message = client.error("Subscribe", dbus.Array([], "s"), dbus.Dictionary({"fields": value}, "sv"))
        equal(name, INVALID_OPTION, f"error of {value!r}"[:100])
        contains(message, told, "message")
    equal(client.property("Subscribers"), 0, "subscribers after refusals")


def test_wrong_calls(b):
    """Calls with wrong types, unknown methods and unknown objects are errors, and the daemon goes on"""
    daemon = b.daemon()
    client = b.client()
    for arguments, options in ((("Subscribe", 5), {}), (("Subscribe",), {}), (("Nonsense",), {}),
                               (("GetStatus", "x"), {}), (("Close",), {"interface": SUBSCRIPTION}),
                               (("Close",), {"path": f"{PATH}/subscription/99", "interface": SUBSCRIPTION}),
                               (("Close",), {"path": f"{PATH}/subscription/x", "interface": SUBSCRIPTION}),
                               (("Close",), {"path": f"{PATH}/subscription/18446744073709551616",
                                             "interface": SUBSCRIPTION}),
                               (("Set", MANAGER, "Version", "9"), {"interface": "org.freedesktop.DBus.Properties"})):
        name, _ = client.error(*arguments, **options)
        contains(name, "org.freedesktop.DBus.Error.", f"error of {arguments}")
    equal(daemon.running(), True, "the daemon runs")
    client.call("GetStatus")


def test_limit(b):
    """A user who has too many subscriptions is refused by LimitExceeded, until one is closed"""
    b.daemon()
    client = b.client()
    paths = []
    try:
        while len(paths) < 5000:
            paths.append(client.subscribe(["event=prog-load"]))
    except dbus.DBusException as error:
        equal(error.get_dbus_name(), LIMIT_EXCEEDED)
    if not 4 <= len(paths) < 5000:
        raise AssertionError(f"{len(paths)} subscriptions were allowed")
    equal(len(set(paths)), len(paths), "different paths")
    equal(client.property("Subscribers"), len(paths), "subscribers at the limit")
    name, _ = b.client().error("Subscribe", dbus.Array([], "s"), dbus.Dictionary({}, "sv"))
    equal(name, LIMIT_EXCEEDED, "another connection of the same user")
    client.call("Close", path=paths[0], interface=SUBSCRIPTION)
    client.subscribe()
    client.close()
    b.clients.remove(client)
    other = b.client()
    wait_until(lambda: other.property("Subscribers") == 0, what="all subscriptions to end with their peer")
    other.subscribe()


def test_policy(b):
    """With our bus policy root calls, subscribes and confirms what it reads; others may do nothing without polkit"""
    b.use_our_policy()
    b.daemon()
    b.directory.chmod(0o711)
    for arguments in (("call", NAME, PATH, MANAGER, "GetStatus"),
                      ("call", NAME, PATH, MANAGER, "Subscribe", "asa{sv}", "0", "0"),
                      ("call", "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName",
                       "su", f"{NAME}.x", "0")):
        process = b.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "busctl",
                        f"--address={b.address}", *arguments)
        equal(process.popen.returncode, 1, f"busctl {arguments} of nobody ({process.output()})")
    subscriber = b.subscriber("event=map-access", keep=False)
    for i in range(1, 41):  # more than the window holds: it goes on only if its pings get through
        b.trigger("map-elements", "lookup", 500).go().truth()
        subscriber.wait_total(500 * i)
    equal((subscriber.received, subscriber.lost), (20000, 0), "received and lost")


bed.main([test_introspection, test_busctl, test_invalid_match, test_oversized_match, test_invalid_option,
          test_option_fields, test_wrong_calls, test_limit, test_policy])
