# SPDX-License-Identifier: LGPL-2.1-or-later
"""A client that means no good. Runs as any user: gets its program text by -c, since it may not read our files.

stranger.py ADDRESS TASK ARGUMENT…; prints one JSON object a line, and ends when its standard input does, if it says
"holding" before."""

import json
import os
import random
import sys
import xml.etree.ElementTree as ElementTree

import dbus
import dbus.bus
import dbus.exceptions
import dbus.lowlevel

NAME, PATH = "org.bpfmon1", "/org/bpfmon1"
MANAGER, SUBSCRIPTION = "org.bpfmon1.Manager", "org.bpfmon1.Subscription"
INTROSPECTABLE, PROPERTIES = "org.freedesktop.DBus.Introspectable", "org.freedesktop.DBus.Properties"
LOG_PATH = "/org/freedesktop/LogControl1"
TIMEOUT = 120
NO_ANSWER = ("org.freedesktop.DBus.Error.NoReply", "org.freedesktop.DBus.Error.Timeout",
             "org.freedesktop.DBus.Error.TimedOut")


def tell(**what):
    print(json.dumps(what), flush=True)


def hold(**what):
    """Keeps what there is until standard input ends."""
    tell(holding=True, **what)
    sys.stdin.read()


def plain(value):
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, dbus.types.UnixFd):
        os.close(value.take())
        return "fd"
    if isinstance(value, str):
        return str(value)
    if isinstance(value, float):
        return float(value)
    return int(value)


class Connection:
    def __init__(self, address):
        self.address = address
        self.bus = dbus.bus.BusConnection(address)
        self.bus.set_exit_on_disconnect(False)

    def call(self, path, interface, method, signature, *arguments):
        """The values of the reply, or the name and words of the error."""
        try:
            return plain([self.bus.call_blocking(NAME, path, interface, method, signature, arguments,
                                                 timeout=TIMEOUT)]), None
        except dbus.exceptions.DBusException as error:
            return None, (error.get_dbus_name(), error.get_dbus_message())

    def manager(self, method, *terms, options=None):
        return self.call(PATH, MANAGER, method, "asa{sv}", dbus.Array(terms, "s"),
                         dbus.Dictionary(options or {}, "sv"))


def task_subscribe(c, number):
    """Subscribes so many times, and keeps what it gets."""
    paths, errors = [], {}
    for _ in range(int(number)):
        path, error = c.manager("Subscribe", "event=prog-load")
        if path:
            paths += path
        else:
            errors[error[0]] = errors.get(error[0], 0) + 1
    hold(granted=len(paths), errors=errors)


def task_readers(c, subscriptions, streams, *matches):
    """Has readers, and reads nothing."""
    for _ in range(int(subscriptions)):
        _, error = c.manager("Subscribe", *matches)
        assert not error, error
    kept = [c.bus.call_blocking(NAME, PATH, MANAGER, "OpenStream", "asa{sv}",
                                (dbus.Array(matches, "s"), dbus.Dictionary({}, "sv")), timeout=TIMEOUT)
            for _ in range(int(streams))]
    hold(streams=len(kept))


def task_calls(c, *calls):
    """Makes calls: JSON of [path, interface, method, signature, arguments]; tells the answers."""
    for text in calls:
        value, error = c.call(*_unpacked(json.loads(text)))
        tell(value=value, error=error)


def _unpacked(call):
    path, interface, method, signature, arguments = call
    return path, interface, method, signature, *[_variants(a) for a in arguments]


def _variants(value):
    """Types for what JSON has: empty lists are of strings, empty dictionaries of variants."""
    if value == []:
        return dbus.Array([], "s")
    if value == {}:
        return dbus.Dictionary({}, "sv")
    if isinstance(value, dict) and "u" in value:
        return dbus.UInt32(value["u"])
    return value


def big_calls():
    terms = dbus.Array(["process.name=x"], "s")
    million = "x" * (1 << 20)
    yield from ((dbus.Array([f"process.name={million}"], "s"), {}),
                (dbus.Array([million], "s"), {}),
                (dbus.Array(["process.pid!=1"] * 100000, "s"), {}),
                (dbus.Array([""] * 100000, "s"), {}),
                (dbus.Array(["process.name=" + "x" * 4000] * 2000, "s"), {}),
                (terms, {"scope": million}),
                (terms, {million: "x"}),
                (terms, {"fields": dbus.Array(["process.name"] * 100000, "s")}),
                (terms, {"cursor": million}),
                (terms, {str(i): dbus.UInt32(i) for i in range(20000)}))


def task_big(c, rounds):
    """Arguments as large as they get. Tells of the calls that were not refused, and how long errors are."""
    accepted, longest, made = [], 0, 0
    for _ in range(int(rounds)):
        for terms, options in big_calls():
            for method in ("Subscribe", "OpenStream", "ListCallers", "QueryEvents"):
                value, error = c.call(PATH, MANAGER, method, "asa{sv}", terms, dbus.Dictionary(options, "sv"))
                made += 1
                if value:
                    accepted.append(f"{method} {str(terms)[:50]} {str(options)[:50]}")
                else:
                    longest = max(longest, len(error[1]))
                    assert error[0] not in NO_ANSWER, error
    tell(made=made, accepted=accepted, longest=longest)


def task_fds(c, number):
    """Sends file descriptors that nobody asked for."""
    with open("/dev/null", "rb") as null:
        for _ in range(int(number)):
            fds = dbus.Array([dbus.types.UnixFd(null) for _ in range(16)], "h")
            _, error = c.manager("Subscribe", options={"fds": fds})
            assert error, "taken"
            _, error = c.call(PATH, MANAGER, "GetStatus", "ah", fds)
            assert error, "taken"
    tell(made=2 * int(number))


def task_history(c, cursor, number, seed):
    """Asks for the past by somebody else's cursor and ones that it makes up. Tells the users and names of all that
    came."""
    r = random.Random(int(seed))
    users, names, errors = set(), set(), {}
    for i in range(int(number)):
        forged = list(cursor)
        for _ in range(r.randrange(3) if i else 0):
            forged[r.randrange(len(forged))] = r.choice("0123456789abcdef:;=-. x")
        if i % 10 == 9:
            forged = [r.choice("0123456789abcdef:;=") for _ in range(r.randrange(200))]
        if i % 10 == 8:
            forged = forged[:r.randrange(len(forged))]
        options = {"cursor": "".join(forged), "reverse": dbus.Boolean(r.random() < 0.5)}
        if r.random() < 0.3:
            options = {"since": dbus.UInt64(r.choice([0, 1, 2**63, 2**64 - 1]))}
        value, error = c.manager("QueryEvents", options=options)
        if error:
            errors[error[0]] = errors.get(error[0], 0) + 1
            continue
        for event in value[0][0]:
            users.add(event.get("user.id"))
            names.add(event.get("map.name"))
    tell(users=sorted(users, key=str), names=sorted(names, key=str), errors=errors)


# Fuzzing -------------------------------------------------------------------------------------------------------------

BASIC = "ybnqiuxtdsog"
NUMBERS = {"y": (0, 2**8), "n": (-2**15, 2**15), "q": (0, 2**16), "i": (-2**31, 2**31), "u": (0, 2**32),
           "x": (-2**63, 2**63), "t": (0, 2**64)}
TYPES = {"y": dbus.Byte, "n": dbus.Int16, "q": dbus.UInt16, "i": dbus.Int32, "u": dbus.UInt32, "x": dbus.Int64,
         "t": dbus.UInt64, "d": dbus.Double, "b": dbus.Boolean, "s": dbus.String, "o": dbus.ObjectPath,
         "g": dbus.Signature}
WORDS = ["", "event=prog-load", "event=*", "class=*", "process.name=a*a*a*a*b", "fields", "scope", "all", "own",
         "alerts", "cursor", "since", "until", "limit", "reverse", "process.pid<5", "prog.nmae=1", "*", "=", "!=",
         "event", "\x7f\x01\n", "é" * 50, "%s%n%d", "x" * 5000, "LogLevel", "debug", MANAGER, "bpf.attr.x=1"]


def a_signature(r, depth=0):
    kind = r.random()
    if depth > 6 or kind < 0.55:
        return r.choice(BASIC)
    if kind < 0.7:
        return "v"
    if kind < 0.85:
        return "a" + a_signature(r, depth + 1)
    if kind < 0.93:
        return "(" + "".join(a_signature(r, depth + 1) for _ in range(r.randint(1, 3))) + ")"
    return "a{" + r.choice(BASIC) + a_signature(r, depth + 1) + "}"


def basic_value(r, kind):
    if kind in NUMBERS:
        low, high = NUMBERS[kind]
        value = r.choice([low, high - 1, 0, 1, r.randrange(low, high)])
    else:
        value = {"d": lambda: r.choice([0.0, -1.5, float("inf"), float("nan")]),
                 "b": lambda: r.random() < 0.5,
                 "s": lambda: r.choice(WORDS),
                 "o": lambda: r.choice(["/", PATH, f"{PATH}/subscription/{r.randrange(99)}", "/x" * 100]),
                 "g": lambda: r.choice(["", "s", "a{sv}", "(((i)))", "a" * 30 + "s"])}[kind]()
    return value


def single_types(signature):
    return list(map(str, dbus.Signature(signature)))


def a_value(r, signature, depth=0):
    kind = signature[0]
    if kind == "v":
        return a_variant(r, depth)
    if kind == "a":
        many = r.choice([0, 0, 1, 2, 5, 300 if depth == 0 else 3])
        if signature[1] == "{":
            key, value = signature[2], signature[3:-1]
            return dbus.Dictionary({basic_value(r, key): a_value(r, value, depth + 1) for _ in range(many)},
                                   signature[2:-1])
        return dbus.Array([a_value(r, signature[1:], depth + 1) for _ in range(many)], signature[1:])
    if kind == "(":
        return dbus.Struct([a_value(r, s, depth + 1) for s in single_types(signature[1:-1])],
                           signature=signature[1:-1])
    return TYPES[kind](basic_value(r, kind))


def a_variant(r, depth):
    kind = r.choice(BASIC)
    level = r.choice([1, 1, 1, 2, 40 if depth == 0 else 3])
    if depth < 6 and r.random() < 0.3:
        signature = "a" + a_signature(r, 5)
        value = a_value(r, signature, 6)
        return type(value)(value, signature[2:-1] if signature[1] == "{" else signature[1:], variant_level=level)
    return TYPES[kind](basic_value(r, kind), variant_level=level)


def right_options(r):
    """Options as they should be, or nearly."""
    right = {"fields": lambda: dbus.Array(r.sample(["event", "user.id", "process.name", "seq"], 2), "s"),
             "scope": lambda: r.choice(["own", "alerts", "all"]),
             "since": lambda: dbus.UInt64(r.randrange(2**64)), "until": lambda: dbus.UInt64(r.randrange(2**64)),
             "limit": lambda: dbus.UInt32(r.randrange(2**32)), "reverse": lambda: dbus.Boolean(r.random() < 0.5),
             "cursor": lambda: r.choice(WORDS)}
    return dbus.Dictionary({name: right[name]() for name in r.sample(sorted(right), r.randrange(3))}, "sv")


def arguments_for(r, interface, method, signature):
    """A signature and values for it: mostly the right signature."""
    luck = r.random()
    if interface == PROPERTIES and luck < 0.5:
        return signature, [{"s": lambda: r.choice([MANAGER, SUBSCRIPTION, "", "Version", "LogLevel",
                                                   "org.freedesktop.LogControl1"]),
                            "v": lambda: a_variant(r, 0)}[s]() for s in single_types(signature)]
    if signature == "asa{sv}" and luck < 0.5:
        return signature, [dbus.Array(r.sample(WORDS[1:5], r.randrange(3)), "s"), right_options(r)]
    if luck > 0.75:
        signature = "".join(a_signature(r) for _ in range(r.randrange(4)))
    return signature, [a_value(r, s) for s in (single_types(signature) if signature else [])]


def find_methods(c, path="/"):
    """All of [path, interface, method, signature] from here on."""
    value, error = c.call(path, INTROSPECTABLE, "Introspect", "")
    if error:
        return []
    node = ElementTree.fromstring(value[0])
    found = [(path, i.get("name"), m.get("name"),
              "".join(a.get("type") for a in m.iter("arg") if a.get("direction", "in") == "in"))
             for i in node.iter("interface") for m in i.iter("method")]
    for child in node.findall("node"):
        if child.get("name"):
            found += find_methods(c, f"{path.rstrip('/')}/{child.get('name')}")
    return found


def fuzz_once(c, r, secret, methods, counts):
    path, interface, method, signature = r.choice(methods)
    signature, values = arguments_for(r, interface, method, signature)
    try:
        value, error = c.call(path, interface, method, signature, *values)
    except (TypeError, ValueError, OverflowError):  # dbus-python cannot write it
        counts["unwritten"] += 1
        return None
    counts["answers" if value is not None else "errors"] += 1
    told = repr(value if value is not None else error)
    if secret in told:
        tell(leak=f"{path} {interface}.{method}: {told[:500]}")
    if error and error[0] in NO_ANSWER:
        tell(unanswered=f"{path} {interface}.{method}({signature})")
    if error and "NoReply" not in error[0] and not c.bus.get_is_connected():
        return Connection(c.address)
    return (interface, method) if value is not None else None


def task_fuzz(c, seed, number, secret):
    """Calls everything with anything."""
    r = random.Random(int(seed))
    counts = {"answers": 0, "errors": 0, "unwritten": 0, "reconnected": 0}
    answered = set()
    path, _ = c.manager("Subscribe")
    methods = find_methods(c)
    for i in range(int(number)):
        if i % 200 == 199:
            methods = find_methods(c)
        came = fuzz_once(c, r, secret, methods, counts)
        if isinstance(came, Connection):
            c = came
            counts["reconnected"] += 1
        elif came:
            answered.add(".".join(came))
    tell(objects=sorted({m[0] for m in methods})[:9], own=path, answered=sorted(answered), **counts)


def main():
    address, task, *arguments = sys.argv[1:]
    globals()[f"task_{task}"](Connection(address), *arguments)


main()
