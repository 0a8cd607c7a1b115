#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What happened is kept: the past is told as the present was, across restarts and kills."""

import signal

import dbus

import bed
from bed import equal, wait_until

ERROR = "org.bpfmon1.Error."


def plain(value):
    """A value without the types of D-Bus, byte arrays as bytes."""
    if isinstance(value, dbus.ByteArray):
        return bytes(value)
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, str):
        return str(value)
    if isinstance(value, dbus.Boolean):
        return bool(value)
    return int(value)


def start(test):
    """A daemon with a state directory."""
    state = test.directory / "state"
    state.mkdir(exist_ok=True)
    test.environment["STATE_DIRECTORY"] = str(state)
    return test.daemon()


def query(test, *matches, **options):
    types = {"since": dbus.UInt64, "until": dbus.UInt64, "limit": dbus.UInt32, "reverse": dbus.Boolean,
             "cursor": dbus.String, "fields": lambda names: dbus.Array(names, "s")}
    options = {name: types[name](value) for name, value in options.items()}
    events, cursor = test.client().call("QueryEvents", dbus.Array(matches, "s"), dbus.Dictionary(options, "sv"))
    return [plain(event) for event in events], str(cursor)


def maps(test, *names):
    for name in names:
        test.trigger("map-create", name).go().truth()


def as_it_was(test):
    """Events of the past are those that were told when they happened, field by field"""
    start(test)
    subscriber = test.subscriber()
    for action in (["prog-load", "p"], ["map-create", "m"], ["link-create"], ["prog-reject"], ["btf-load"], ["fail-eperm"]):
        test.trigger(*action).go().truth()
    wait_until(lambda: {"prog-load", "map-create", "link-create", "btf-load"} <=
               {str(e["event"]) for e in subscriber.events}, what="the events")
    past, _ = query(test)
    subscriber.settle()
    # What is gone by itself may be told after that.
    live = [event for event in map(plain, subscriber.events) if event["seq"] <= past[-1]["seq"]]
    boot = open("/proc/sys/kernel/random/boot_id", encoding="ascii").read().strip().replace("-", "")
    for event in past:
        equal(event.pop("boot.id"), boot, "boot.id")
    equal(len(past), len(live), "number of events")
    for before, after in zip(live, past):
        equal(after, before, f"event {before['seq']}")


def numbers_go_on(test):
    """After a restart and after kill -9 numbers and events go on"""
    daemon = start(test)
    maps(test, "one", "two")
    equal([e["seq"] for e in query(test, "event=map-create")[0]], [1, 2], "seq")
    daemon.stop()
    daemon = start(test)
    maps(test, "three")
    found, _ = query(test, "event=map-create")
    equal([e["map.name"] for e in found], ["one", "two", "three"], "maps")
    equal(found[2]["seq"] > found[1]["seq"], True, "seq goes on")
    daemon.stop(signal.SIGKILL)
    start(test)
    maps(test, "four")
    found, _ = query(test, "event=map-create")
    equal([e["map.name"] for e in found], ["one", "two", "three", "four"], "maps")
    numbers = [e["seq"] for e in found]
    equal(numbers, sorted(set(numbers)), "numbers rise")


def options_select(test):
    """Matches, times, limit, reverse, fields and cursors say what comes"""
    start(test)
    maps(test, *(f"map{i}" for i in range(7)))
    everything, _ = query(test, "event=map-create")
    equal(len(everything), 7, "maps")
    equal([e["map.name"] for e in query(test, "map.name=map2", "map.name=map4")[0]], ["map2", "map4"], "alternatives")
    equal([e["map.name"] for e in query(test, "event=map-create", limit=2, reverse=True)[0]], ["map6", "map5"], "newest")
    equal(query(test, "event=map-create", fields=["map.name"], limit=1)[0], [{"map.name": "map0"}], "fields")
    since = everything[3]["time"]
    equal([e["map.name"] for e in query(test, "event=map-create", since=since)[0]], [f"map{i}" for i in range(3, 7)], "since")
    equal([e["map.name"] for e in query(test, "event=map-create", until=since)[0]], [f"map{i}" for i in range(4)], "until")
    seen, cursor = [], ""
    while True:
        page, cursor = query(test, "event=map-create", limit=3, cursor=cursor)
        seen += [e["map.name"] for e in page]
        if len(page) < 3:
            break
    equal(seen, [f"map{i}" for i in range(7)], "pages")
    equal(query(test, "map.name=x' OR 1=1 --")[0], [], "not SQL")


def refusals(test):
    """Wrong calls are refused with a reason, and without a history that is said"""
    start(test)
    call = test.client()
    for options, name in (({"cursor": dbus.String("x")}, "InvalidOption"), ({"limit": dbus.String("x")}, "InvalidOption"),
                          ({"since": dbus.UInt32(1)}, "InvalidOption"), ({"nonsense": dbus.UInt32(1)}, "InvalidOption")):
        equal(call.error("QueryEvents", dbus.Array([], "s"), dbus.Dictionary(options, "sv"))[0], ERROR + name, options)
    equal(call.error("QueryEvents", dbus.Array(["x"], "s"), dbus.Dictionary({}, "sv"))[0], ERROR + "InvalidMatch")
    equal(test.processes[-1].running(), True)
    test.processes[-1].stop()
    del test.environment["STATE_DIRECTORY"]
    test.daemon()
    equal(test.client().error("QueryEvents", dbus.Array([], "s"), dbus.Dictionary({}, "sv"))[0], ERROR + "NoHistory")


def garbage(test):
    """A file that is garbage is set aside, and watching goes on"""
    state = test.directory / "state"
    state.mkdir()
    (state / "history.db").write_bytes(b"garbage" * 5000)
    daemon = start(test)
    maps(test, "after")
    equal([e["map.name"] for e in query(test, "event=map-create")[0]], ["after"], "maps")
    equal(len(list(state.glob("history.db.2*Z"))), 1, "files set aside")
    wait_until(lambda: "a new one begins" in daemon.errors(), what="the message")


def client(test):
    """bpfmonctl query shows the last events, in either order, as lines, tables and JSON"""
    start(test)
    maps(test, *(f"map{i}" for i in range(5)))

    def names(*arguments):
        shown = test.ctl("query", "event=map-create", "-j", *arguments)
        equal(shown.popen.returncode, 0, shown.errors())
        return [event["map.name"] for event in shown.objects()]

    equal(names(), [f"map{i}" for i in range(5)], "all")
    equal(names("-n", "2"), ["map3", "map4"], "the last")
    equal(names("-n2", "-r"), ["map4", "map3"], "the newest first")
    equal(names("--since=-1h", "--until=now"), [f"map{i}" for i in range(5)], "times")
    equal(names("--until=yesterday"), [], "nothing before")
    equal(test.ctl("query", "map.name=map1", "--fields=map.name", "--no-legend").output().strip(), "map1", "table")
    bed.contains(test.ctl("query", "map.name=map1").output(), "map-create", "line")
    wrong = test.ctl("query", "--since=soon")
    equal(wrong.popen.returncode, 2, "exit status")
    bed.contains(wrong.errors(), "is not a time", "error")
    equal(test.ctl("query", "-f", "-r").popen.returncode, 2, "exit status")


def follow(test):
    """bpfmonctl query --follow goes from the past to what comes without gap or duplicate"""
    start(test)
    maps(test, "before")
    busy = test.trigger("map-create", "x")
    followers = []
    made = ["before"]
    for i in range(6):
        if i % 2 == 0:
            followers.append(bed.Process(test, "bpfmonctl", [bed.os.environ["BPFMONCTL"], "query", "--follow", "-j",
                                                             "--fields=seq,map.name", "event=map-create"]))
        maps(test, f"map{i}")
        made.append(f"map{i}")
    busy.go().truth()
    made.append("x")
    for follower in followers:
        wait_until(lambda f=follower: len(f.objects()) >= len(made), what=f"all maps: {follower.errors()}")
        equal([e["map.name"] for e in follower.objects()], made, "maps")
        follower.kill(signal.SIGTERM)


def follow_restarts(test):
    """query --follow goes on when bpfmond is restarted or killed: what it kept meanwhile is shown, nothing twice"""
    daemon = start(test)
    maps(test, "before")
    commands = [["event=map-create"], ["-n", "1", "event=map-create"]]
    followers = [bed.Process(test, "bpfmonctl", [bed.os.environ["BPFMONCTL"], "query", "--follow", "-j", *arguments])
                 for arguments in commands]
    made = ["before"]

    def shown(names):
        for follower in followers:
            wait_until(lambda f=follower: [e.get("map.name") for e in f.objects()][-1:] == names[-1:] or not f.running(),
                       what=f"{names}: {follower.output()} {follower.errors()}")
            equal([e["map.name"] for e in follower.objects() if e["event"] == "map-create"], names, "maps")
    shown(made)
    for i, number in enumerate((signal.SIGTERM, signal.SIGKILL, signal.SIGTERM)):
        # Killed, it has not written the last ones: the next one begins with their numbers.
        maps(test, f"a{i}", f"b{i}")
        made += [f"a{i}", f"b{i}"]
        shown(made)
        daemon.stop(number)
        for follower in followers:
            wait_until(lambda f=follower: f.errors().count("went away") == i + 1, what="the note")
            if i == 2:
                follower.kill(signal.SIGSTOP)
        daemon = start(test)
        maps(test, f"c{i}")
        made.append(f"c{i}")
        for follower in followers:
            follower.kill(signal.SIGCONT)
        shown(made)
        for follower in followers:
            equal(follower.errors().count("is back"), i + 1, follower.errors())


def follow_killed_again(test):
    """query --follow goes on, too, when bpfmond is killed while it answers what is asked after its restart"""
    daemon = start(test)
    maps(test, "before")
    follower = bed.Process(test, "bpfmonctl", [bed.os.environ["BPFMONCTL"], "query", "--follow", "-j", "event=map-create"])
    wait_until(follower.objects, what="the past")
    daemon.stop()
    wait_until(lambda: "went away" in follower.errors(), what="the note")
    follower.kill(signal.SIGSTOP)
    daemon = start(test)
    daemon.kill(signal.SIGSTOP)
    follower.kill(signal.SIGCONT)
    bed.time.sleep(0.5)  # the question is on its way
    daemon.stop(signal.SIGKILL)
    wait_until(lambda: follower.errors().count("went away") == 2 or not follower.running(), what="the second note")
    equal(follower.running(), True, f"it follows on: {follower.errors()}")
    start(test)
    maps(test, "after")
    wait_until(lambda: len(follower.objects()) > 1, what=f"the event after: {follower.errors()}")
    equal([e["map.name"] for e in follower.objects() if e["event"] == "map-create"], ["before", "after"], "maps")


def masses(test):
    """Element operations are kept by their numbers, of each process"""
    daemon = start(test)
    (truth,) = test.trigger("map-elements", "lookup-missing", "500").go().truth()
    daemon.stop()
    start(test)
    found, _ = query(test, "event=map-access", "bpf.cmd=MAP_LOOKUP_ELEM", f"process.pid={truth['pid']}")
    equal([(e["calls"], e["errors"], e["class"]) for e in found], [(500, 500, "use")], "calls, errors, class")
    status = {str(k): v for k, v in test.client().call("GetStatus").items()}
    equal((bool(status["history.working"]), int(status["history.lost"])), (True, 0), "working, lost")
    equal(status["history.size"] > 0, True, "size")


def just_now(test):
    """Who asks for the past is told what happened before it asked, also where the daemon has not read that yet"""
    daemon = start(test)
    client = test.client()

    def ask():
        """A question that the daemon finds together with what it has not read: both wait for it to go on."""
        answers = []
        client.bus.call_async(bed.NAME, bed.PATH, bed.MANAGER, "QueryEvents", "asa{sv}",
                              (dbus.Array(["class=install"], "s"), dbus.Dictionary({"reverse": True}, "sv")),
                              lambda events, _cursor: answers.append(plain(events)), answers.append)
        client.bus.flush()
        test.run("sleep", "0.02")
        daemon.kill(signal.SIGCONT)
        wait_until(lambda: answers, what="the answer")
        return {(e["event"], e.get("prog.id", e.get("map.id"))) for e in answers[0]}

    # The first of them wakes the daemon, which then looks again a few milliseconds later.
    for _ in range(60):
        trigger = test.trigger("prog-maps", pause=True).go()
        wait_until(lambda t=trigger: t.out.stat().st_size > 0, what="what it did")
        daemon.kill(signal.SIGSTOP)
        made = trigger.acted()[0]
        told = ask()
        wanted = {("prog-load", made["id"]), *(("map-create", number) for number in made["maps"])}
        equal(wanted - told, set(), "events that are missing")
        trigger.truth()


if __name__ == "__main__":
    bed.main([masses, as_it_was, just_now, numbers_go_on, options_select, refusals, garbage, client, follow,
              follow_restarts, follow_killed_again])
