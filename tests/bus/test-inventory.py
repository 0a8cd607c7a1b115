#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is in the kernel, and who brought it: it agrees with bpftool, and outlives the one who brought it and the daemon."""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import time

import dbus
import dbus.lowlevel

import bed
from bed import Skip, contains, equal, wait_until
from fake_polkit import NO, YES, Polkit

ERROR = "org.bpfmon1.Error."
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
# Who has another user's id and may load programs none the less.
NOBODY_LOADS = (*NOBODY, "--inh-caps=+bpf,+perfmon,+net_admin", "--ambient-caps=+bpf,+perfmon,+net_admin")
KINDS = {"prog": ("ListPrograms", "GetProgram"), "map": ("ListMaps", "GetMap"), "link": ("ListLinks", "GetLink"),
         "btf": ("ListBtf", "GetBtf")}


def plain(value):
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, str):
        return str(value)
    return bool(value) if isinstance(value, dbus.Boolean) else int(value)


def start(b, *options):
    """A daemon with a state directory."""
    state = b.directory / "state"
    state.mkdir(exist_ok=True)
    b.environment["STATE_DIRECTORY"] = str(state)
    return b.daemon(*options)


def rows(b, kind, *matches, client=None, **options):
    types = {"limit": dbus.UInt32, "after": dbus.UInt32, "scope": dbus.String, "fields": lambda n: dbus.Array(n, "s")}
    options = {name: types[name](value) for name, value in options.items()}
    return [plain(row) for row in (client or b.client()).call(KINDS[kind][0], dbus.Array(matches, "s"),
                                                              dbus.Dictionary(options, "sv"))]


def row(b, kind, number, **options):
    found = rows(b, kind, f"{kind}.id={number}", **options)
    equal(len(found), 1, f"rows of {kind} {number}")
    return found[0]


def get(b, kind, number):
    return plain(b.client().call(KINDS[kind][1], dbus.UInt32(number)))


def hold(b, *action, **options):
    """What an action makes stays until the test lets it go. Returns the process and what it did."""
    process = b.trigger(*action, pause=True, **options).go()
    return process, process.acted()[0]


def bpftool(*arguments):
    path = shutil.which("bpftool", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not path:
        raise Skip("bpftool is not installed")
    return json.loads(subprocess.run([path, "-j", *map(str, arguments)], capture_output=True, check=True).stdout)


def agrees(b):
    """Programs, maps, links and BTF are as bpftool has them"""
    start(b)
    _, program = hold(b, "prog-maps")
    _, linked = hold(b, "link-create")
    _, btf = hold(b, "btf-load")

    it, ours = bpftool("prog", "show", "id", program["id"]), row(b, "prog", program["id"])
    for key, field in (("id", "prog.id"), ("type", "prog.type"), ("name", "prog.name"), ("tag", "prog.tag"),
                       ("bytes_xlated", "prog.xlated_size"), ("bytes_jited", "prog.jited_size"),
                       ("bytes_memlock", "memory"), ("gpl_compatible", "prog.gpl"), ("uid", "loaded_by.user.id")):
        equal(ours[field], it[key], field)
    equal(ours["prog.load_time"] // 1000000 - it["loaded_at"] in (-1, 0, 1), True, "load time")
    equal(sorted(ours["prog.maps"]), sorted(it["map_ids"]), "maps")
    for number in it["map_ids"]:
        theirs, one = bpftool("map", "show", "id", number), row(b, "map", number)
        for key, field in (("type", "map.type"), ("name", "map.name"), ("bytes_key", "map.key_size"),
                           ("bytes_value", "map.value_size"), ("max_entries", "map.max_entries"),
                           ("bytes_memlock", "memory")):
            equal(one.get(field), theirs.get(key), f"{field} of map {number}")
        equal(one["map.frozen"], bool(theirs["frozen"]), "frozen")
        contains(one["map.progs"], program["id"], "programs of the map")

    it, ours = bpftool("link", "show", "id", linked["id"]), row(b, "link", linked["id"])
    equal((ours["link.type"], ours["prog.id"]), (it["type"], it["prog_id"]), "link")
    equal(ours["attach.namespace.net"], it["netns_ino"], "network namespace")
    equal(ours["attach.type"], it["attach_type"], "attach type")
    contains(row(b, "prog", linked["prog_id"])["prog.links"], linked["id"], "links of the program")
    equal(row(b, "prog", linked["prog_id"])["attachments"],
          [f"{it['attach_type']} netns {it['netns_ino']}, link {linked['id']}"], "attachments")

    it, ours = bpftool("btf", "show", "id", btf["id"]), row(b, "btf", btf["id"])
    it = it[0] if isinstance(it, list) else it  # of one id a newer bpftool gives no list
    equal((ours["btf.size"], ours["btf.kernel"]), (it["size"], False), "BTF")
    # All of it, by number: what others on this machine make and drop meanwhile is in one of the two alone.
    for kind in KINDS:
        before = {x["id"] for x in bpftool(kind, "list")}
        listed = {x[f"{kind}.id"] for x in rows(b, kind, fields=[f"{kind}.id"])}
        after = {x["id"] for x in bpftool(kind, "list")}
        equal(before & after - listed, set(), f"{kind}: not listed")
        equal(listed - before - after - {x for x in listed if x > max(before, default=0)}, set(), f"{kind}: listed alone")


def who_brought_it(b):
    """Who brought an object is told while it lives, after its loader has gone, and after a restart"""
    daemon = start(b)
    first, made = hold(b, "map-create", "provenance")
    _, program = hold(b, "prog-maps")
    _, link = hold(b, "link-create")
    for kind, it in (("map", made), ("prog", program), ("link", link)):
        one = row(b, kind, it["id"])
        equal((one["loaded_by.pid"], one["loaded_by.name"], one["loaded_by.executable"], one["loaded_by.user.id"]),
              (it["pid"], "trigger", os.environ["TRIGGER"], 0), f"loader of the {kind}")
        equal("existed" in one, False, "existed")
        contains(one["holders"], f"trigger[{it['pid']}]", "holders")
    # Somebody else holds it from now on.
    other, _ = hold(b, "map-by-id", str(made["id"]))
    first.truth()
    one = row(b, "map", made["id"])
    equal(one["holders"], [f"trigger[{other.pid}]"], "holders")
    equal(one["loaded_by.pid"], made["pid"], "loader")
    brought = {kind: row(b, kind, it["id"]) for kind, it in (("map", made), ("prog", program), ("link", link))}
    daemon.stop(signal.SIGTERM)
    start(b)
    for kind, before in brought.items():
        after = row(b, kind, before[f"{kind}.id"])
        for field in ("loaded_by.pid", "loaded_by.name", "loaded_by.executable", "loaded_by.user.id", "loaded_by.time"):
            equal(after.get(field), before[field], f"{field} of the {kind} after a restart")
        equal("existed" in after, False, "existed after a restart")
    one = get(b, "prog", program["id"])
    contains(one["prog.helpers"], "map_lookup_elem", "helpers, from the history")
    equal(one["prog.instructions"], program["instructions"], "instructions, from the history")


def build_id(b):
    """The build id of the executable that brought it is the one in its file, before and after a restart"""
    notes = subprocess.run(["readelf", "-n", os.environ["TRIGGER"]], capture_output=True, text=True, check=True).stdout
    want = re.search(r"Build ID: ([0-9a-f]+)", notes)
    if not want:
        raise Skip("the test program has no build id")
    daemon = start(b)
    _, made = hold(b, "map-create", "built")
    equal(row(b, "map", made["id"])["loaded_by.build_id"], want[1], "build id")
    daemon.stop()
    start(b)
    equal(row(b, "map", made["id"]).get("loaded_by.build_id"), want[1], "build id, from the history")


def existed(b):
    """Of what was there before bpfmond it is said that nobody knows who brought it"""
    _, made = hold(b, "map-create", "early")
    _, program = hold(b, "prog-load", "early")
    start(b)
    one = row(b, "map", made["id"])
    equal(one["existed"], True, "existed")
    equal([f for f in one if f.startswith("loaded_by.")], [], "what is known of its loader")
    one = row(b, "prog", program["id"])
    equal((one["existed"], one["loaded_by.user.id"]), (True, 0), "what the kernel knows")
    equal("loaded_by.pid" in one, False, "its process")
    result = b.ctl("show", "map", made["id"])
    contains(result.output(), "before bpfmond")
    lines = b.ctl("show", "map", made["id"], "--fields=map.id,map.name,loaded_by.name").output().splitlines()
    equal([line.split(": ") for line in lines], [["        map.id", str(made["id"])], ["      map.name", "early"], ["loaded_by.name", "-"]],
          "the fields that were asked for")


def own_objects(b):
    """bpfmond lists its own objects as its own"""
    start(b)
    own = rows(b, "prog", "own=yes")
    equal(len(own) > 3, True, "programs of its own")
    equal({x["loaded_by.name"] for x in own}, {"bpfmond"}, "who brought them")


def selection(b):
    """Matches, fields, limit and after say what comes; too much is refused"""
    start(b)
    page = f"page{os.getpid()}_"  # the other bus's test runs at the same time
    made = [hold(b, "map-create", f"{page}{i}")[1]["id"] for i in range(5)]
    listed = rows(b, "map", f"map.name={page}*", "map.max_entries>=16", fields=["map.id", "map.name"])
    equal(listed, [{"map.id": n, "map.name": f"{page}{i}"} for i, n in enumerate(made)], "rows in the order of ids")
    equal([x["map.id"] for x in rows(b, "map", f"map.name={page}*", limit=2)], made[:2], "limit")
    equal([x["map.id"] for x in rows(b, "map", f"map.name={page}*", limit=2, after=made[1])], made[2:4], "after")
    holder = row(b, "map", made[0])["holders"][0]
    equal([x["map.id"] for x in rows(b, "map", f"holders={holder}", fields=["map.id"])], made[:1], "by its holder")
    call = b.client()
    for method, arguments, name in (
            ("ListMaps", (dbus.Array(["x"], "s"), dbus.Dictionary({}, "sv")), "InvalidMatch"),
            ("ListMaps", (dbus.Array([], "s"), dbus.Dictionary({"cursor": "x"}, "sv")), "InvalidOption"),
            ("ListMaps", (dbus.Array([], "s"), dbus.Dictionary({"after": "x"}, "sv")), "InvalidOption"),
            ("ListMaps", (dbus.Array([], "s"), dbus.Dictionary({"scope": "alerts"}, "sv")), "InvalidOption"),
            ("GetMap", (dbus.UInt32(0),), "NoObject"), ("GetMap", (dbus.UInt32(4294967295),), "NoObject")):
        equal(call.error(method, *arguments)[0], ERROR + name, f"{method}{arguments}")
    (b.directory / "bpfmond.conf").write_text("[Limits]\nQueryRowsMax=3\n")
    b.processes[[p.name for p in b.processes].index("bpfmond")].stop()
    b.daemon(f"--config={b.directory}/bpfmond.conf")
    equal(call.error("ListMaps", dbus.Array([f"map.name={page}*"], "s"), dbus.Dictionary({}, "sv"))[0], ERROR + "LimitExceeded")
    equal([x["map.id"] for x in rows(b, "map", f"map.name={page}*", limit=100)], made[:3], "so many as there may be")
    result = b.ctl("maps", f"map.name={page}*", "--json=short")
    equal([x["map.id"] for x in result.objects()], made, f"bpfmonctl asks for the rest ({result.errors()})")


def scopes(b):
    """A user sees what it brought, and everything only where polkit lets it"""
    b.directory.chmod(0o711)
    start(b)
    polkit = Polkit(b, watch_own=YES, watch=NO)
    _, mine = hold(b, "map-create", "mine", prefix=NOBODY_LOADS)
    _, theirs = hold(b, "map-create", "theirs")
    if "id" not in mine:
        raise Skip("nobody cannot make a map, even with the privilege")
    # Root holds what is nobody's, too.
    other, _ = hold(b, "map-by-id", str(mine["id"]))

    def ctl(*arguments):
        process = bed.Process(b, "bpfmonctl", [*NOBODY, os.environ["BPFMONCTL"], *map(str, arguments)])
        return process.wait(), process

    status, process = ctl("maps", "-j", "map.name=mine", "map.name=theirs")
    equal(status, 0, process.errors())
    (seen,) = process.objects()
    equal((seen["map.name"], seen["loaded_by.user.id"], seen["holders"]), ("mine", 65534, [f"trigger[{mine['pid']}]"]), "own")
    contains(row(b, "map", mine["id"])["holders"], f"trigger[{other.pid}]", "root sees both")
    status, process = ctl("programs", "-j", "own=yes")
    equal((status, process.output()), (0, ""), "bpfmond's own")
    equal(ctl("show", "map", mine["id"])[0], 0, "show of one's own")
    equal(ctl("show", "map", theirs["id"])[0], 77, "show of somebody else's")
    equal(ctl("show", "map", 4294967295)[0], 77, "show of none: not to be told apart")
    equal(ctl("maps", "--scope=all")[0], 77, "all, without permission")
    polkit.answers["org.bpfmon1.watch"] = YES
    status, process = ctl("maps", "--scope=all", "-j", "map.name=theirs")
    equal((status, len(process.objects())), (0, 1), process.errors())


def pins(b):
    """Pins are found in the BPF file systems of all mount namespaces"""
    start(b)
    pin = ("unshare", "--mount", "--propagation", "private", "sh", "-c",
           'mount -t bpf bpf /sys/fs/bpf && mkdir "/sys/fs/bpf/a b" && exec "$@"', "sh")
    process, made = hold(b, "obj-pin", "/sys/fs/bpf/a b/x", prefix=pin)
    one = row(b, "map", made["id"])
    equal(one["pin.paths"], [f"/proc/{process.pid}/root/sys/fs/bpf/a b/x"], "paths")
    equal(os.path.exists(one["pin.paths"][0]), True, "the path leads there")


def hostile_names(b):
    """Names of processes reach nobody's terminal as they are"""
    start(b)
    evil = b.directory / "\x1b[31mev\nil"
    shutil.copy(os.environ["TRIGGER"], evil)
    process = bed.Process(b, "evil", [evil, "--wait", "--pause", "map-create", "evil"], stdin=subprocess.PIPE)
    process.popen.stdin.write(b"x")
    process.popen.stdin.flush()
    made = wait_until(process.objects, what="the map")[0]
    for arguments in (("maps",), ("show", "map", made["id"]), ("maps", "--json=pretty")):
        result = b.ctl(*arguments)
        equal(result.wait(), 0, result.errors())
        equal("\x1b" in result.output(), False, f"escape in {arguments}: {result.output()!r}")
    contains(b.ctl("show", "map", made["id"]).output(), "ev")


def statistics(b):
    """Run times are counted while somebody asks for it, and no longer"""
    start(b)
    with bed.alone("statistics"):  # the kernel counts for everybody
        count_runs(b)


def count_runs(b):
    client, other = b.client(), b.client()
    process, made = hold(b, "prog-run")
    client.call("AcquireStatistics")
    other.call("AcquireStatistics")
    equal(client.call("GetStatus")["statistics.users"], 2, "users")
    before = row(b, "prog", made["id"])
    equal(before["statistics"], True, "counted")
    again = b.trigger("prog-run-id", str(made["id"]), "500").go()
    equal(again.truth()[0]["ret"], 0)
    bed.time.sleep(0.6)
    after = row(b, "prog", made["id"])
    equal(after["prog.run_count"] - before.get("prog.run_count", 0), 500, "runs")
    equal(after["prog.run_time"] > before.get("prog.run_time", 0), True, "run time")
    equal(after["prog.run_rate"] > 0 and after["prog.time_rate"] > 0, True, "rates")
    client.call("ReleaseStatistics")
    equal(row(b, "prog", made["id"])["statistics"], True, "counted for the other")
    other.close()
    wait_until(lambda: not b.client().call("GetStatus")["statistics"], what="the end of it")
    last = row(b, "prog", made["id"])
    b.trigger("prog-run-id", str(made["id"]), "500").go().truth()
    now = row(b, "prog", made["id"])
    equal((now["statistics"], now["prog.run_count"]), (False, last["prog.run_count"]), "no longer counted")
    process.truth()


def differences(b):
    """diff tells what was added since, by whom, and what is gone again"""
    start(b)
    b.trigger("drop").go().truth()
    begin = f"@{bed.time.time():.6f}"
    process, program = hold(b, "prog-maps")
    other, link = hold(b, "link-create")

    def changes():
        """Those that the daemon saw; of other tests' objects the kernel's list alone tells."""
        return [x for x in b.ctl("diff", "--since", begin, "-j").objects() if "event" in x]

    found = {(x["change"], x["event"], x.get("prog.id"), x.get("map.id"), x.get("link.id")): x for x in changes()}
    want = {("added", "prog-load", program["id"], None, None), ("added", "prog-load", link["prog_id"], None, None),
            ("added", "link-create", link["prog_id"], None, link["id"]),
            *(("added", "map-create", None, number, None) for number in program["maps"])}
    equal(set(found), want, "changes")
    equal({x["process.pid"] for x in found.values()}, {process.pid, other.pid}, "who did it")
    text = b.ctl("diff", "--since", begin).output()
    contains(text, " added, 0 removed")
    contains(text, f"trigger[{process.pid}]")
    contains(b.ctl("diff", "--since=-5min").output(), "came and went in between")
    equal(b.ctl("diff", "--since", begin, "--until", begin, "-j").output(), "", "nothing in no time")
    process.truth()
    other.truth()
    # No hook tells here that a map is freed; the kernel's list says so.
    wait_until(lambda: not changes(), what="the end of it")
    equal(b.ctl("diff").wait(), 2, "without a time")


def absent(b):
    """What went while no bpfmond ran is told by the next one, with the time in which that must have been; once"""
    daemon = start(b)
    first, gone = hold(b, "prog-maps")
    second, _ = hold(b, "prog-maps")

    def unloads():
        return b.ctl("query", "-j", "event=prog-unload", f"prog.id={gone['id']}").objects()

    equal(unloads(), [], "removals")
    begin = bed.time.time()
    daemon.stop()
    first.truth()
    end = bed.time.time()
    for _ in range(2):
        daemon = start(b)
        wait_until(unloads, what="the removal")
        b.subscriber().settle()
        (event,) = unloads()
        equal(event["time.after"] <= begin * 1e6 and event["time"] >= end * 1e6, True, f"{event}, {begin}, {end}")
        equal((event["prog.name"], event["loaded_by.pid"], event["attributed"]), (gone["name"], first.pid, False), "what is told")
        equal("process.pid" in event, False, "who did it")
        daemon.stop()
    start(b)
    rows = [x for x in b.ctl("diff", f"--since=@{begin:.6f}", "-j").objects() if x.get("event") == "prog-unload"]
    equal([(x["change"], x["prog.id"], x["time.after"]) for x in rows], [("removed", gone["id"], event["time.after"])], "diff")
    (line,) = [x for x in b.ctl("diff", f"--since=@{begin:.6f}").output().splitlines() if f" {gone['id']} " in x]
    contains(line, " … ")
    second.truth()


def absent_lost(b):
    """Of what went while a daemon ran and lost events, the next one does not say that it went after that daemon"""
    daemon = start(b, "--ring-size=65536")
    held = [hold(b, "prog-maps") for _ in range(4)]
    last, link = hold(b, "link-create")
    attached = bed.time.time()
    daemon.kill(signal.SIGSTOP)
    b.trigger("short-storm", 300).go().truth()
    for process, _ in (*held, (last, link)):
        process.truth()
    end = bed.time.time()
    daemon.kill(signal.SIGCONT)
    wait_until(lambda: b.ctl("query", "-j", "event=lost").objects(), what="a loss")
    b.subscriber().settle()
    daemon.stop()
    start(b)

    def unloads():
        wanted = [f"prog.id={it['id']}" for _, it in held] + [f"prog.id={link['prog_id']}"]
        return b.ctl("query", "-j", "event=prog-unload", *wanted).objects()

    wait_until(lambda: len(unloads()) == len(held) + 1, what="the removals")
    b.subscriber().settle()
    late = [x for x in unloads() if "time.after" in x]
    equal(len(unloads()), len(held) + 1, "removals, each told once")
    equal(len(late) > 0, True, "some are told by the next daemon")
    for event in late:
        equal(event["time.after"] <= end * 1e6 <= event["time"], True, f"{event}, {end}")
        # It was there when the link was made.
        if event["prog.id"] == link["prog_id"]:
            equal(event["loaded_by.time"] < event["time.after"] <= attached * 1e6, True, f"{event}, {attached}")


def many_at_once(b):
    """Many who ask at once share a look; one who leaves or has too many holds up nobody"""
    start(b)
    clients = [b.client() for _ in range(8)]
    answers = []

    def ask(client):
        client.bus.call_async(bed.NAME, bed.PATH, bed.MANAGER, "ListPrograms", "asa{sv}",
                              (dbus.Array([], "s"), dbus.Dictionary({}, "sv")),
                              lambda listed: answers.append(len(listed)), answers.append)
    for client in clients:
        for _ in range(8):
            ask(client)
    clients[0].close()
    wait_until(lambda: len(answers) >= 56, what="answers")
    refused = [a for a in answers if isinstance(a, dbus.DBusException)]
    equal({a.get_dbus_name() for a in refused} - {ERROR + "LimitExceeded"}, set(), "refusals")
    equal(len(refused) < len(answers), True, "some are answered")
    equal(len(rows(b, "prog")) > 0, True, "and so is the next")


def fair(b):
    """Whoever calls while a long list is made is answered before it"""
    slow = start_slow(b, "SLOW_LINKS")
    hold(b, "prog-many", 1000)
    client = b.client()
    order = []

    def ask(what, method, signature="", *arguments):
        # By one connection: there answers come in the order in which they were sent.
        client.bus.call_async(bed.NAME, bed.PATH, bed.MANAGER, method, signature, arguments,
                              lambda *_: order.append(what), order.append)

    def ask_list(what, *matches, **options):
        options["fields"] = dbus.Array(["prog.id"], "s")
        ask(what, "ListPrograms", "asa{sv}", dbus.Array(matches, "s"), dbus.Dictionary(options, "sv"))

    slow.touch()
    ask_list("first", limit=dbus.UInt32(1))
    ask_list("long", "prog.name=nothing")  # waits for the first one's look, and shares the next one with this:
    ask_list("short", limit=dbus.UInt32(1))
    ask("status", "GetStatus")
    wait_until(lambda: order, what="an answer")
    equal(order, ["status"], "answers while the first look goes on")
    slow.unlink()
    wait_until(lambda: len(order) == 4, what="all answers")
    equal(order, ["status", "first", "short", "long"], "answers")


CROWD = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
reading, writing = os.pipe()
one = os.eventfd(0)
for _ in range(resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 100):
    os.dup(one)
for _ in range(int(sys.argv[1])):
    if os.fork() == 0:
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
print("ready", flush=True)
sys.stdin.read()
"""


def crowd(b):
    """A user with millions of file descriptors hides no attachments, pins, and holders that are root's"""
    start(b)
    _, link = hold(b, "link-create")
    most = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 500000)
    process = bed.Process(b, "crowd", ["prlimit", f"--nofile={most}:{most}", *NOBODY, "/usr/bin/python3", "-c", CROWD,
                                       str(5000000 // most)], stdin=subprocess.PIPE)
    wait_until(lambda: "ready" in process.output() or not process.running(), 60, "the crowd")
    equal(process.running(), True, process.errors())
    one = row(b, "prog", link["prog_id"])
    equal(len(one["attachments"]), 1, "attachments")
    contains(one["attachments"][0], f"link {link['id']}")
    contains(one["holders"], f"trigger[{link['pid']}]", "holders")
    equal(set(one.get("incomplete", [])) - {"holders"}, set(), "what else is incomplete")
    print(f"# incomplete: {one.get('incomplete', 'nothing')}")
    process.popen.stdin.close()
    process.wait()


def start_slow(b, what):
    """A daemon for which something takes long while a file is there, which is returned."""
    slow = b.directory / "slow"
    b.environment.update({"LD_PRELOAD": os.environ["SLOW_KERNEL_LIBRARY"], what: str(slow),
                          "ASAN_OPTIONS": f"{b.environment.get('ASAN_OPTIONS', '')}:verify_asan_link_order=0"})
    start(b)
    del b.environment["LD_PRELOAD"]
    return slow


def cut_short(b):
    """Where the kernel takes too long to list its links, the lists say that those are missing, and why"""
    slow = start_slow(b, "SLOW_LINKS")
    begin = f"@{bed.time.time():.6f}"
    _, link = hold(b, "link-create")
    equal("incomplete" in row(b, "link", link["id"], fields=["link.id", "incomplete"]), False, "incomplete")
    slow.touch()
    fields = ["incomplete", "incomplete.reasons"]
    some = rows(b, "link", fields=fields)
    equal(len(some) > 0, True, "links that were found")
    for one in some:
        contains(one["incomplete"], "links", "what is incomplete")
        contains(one["incomplete.reasons"], "links: out of time", "why")
        equal([x for x in one["incomplete"] if x in ("programs", "maps", "holders")], [], "what else is incomplete")
    process = b.ctl("links")
    equal(process.wait(), 0, "exit status")
    contains(process.errors(), "links: out of time", "what bpfmonctl says")
    contains(b.ctl("show", "prog", link["prog_id"]).output(), "links: out of time", "what it says of a program")
    # What came is still there, as far as anybody knows.
    process = b.ctl("diff", "--since", begin, "-j")
    contains([x.get("link.id") for x in process.objects()], link["id"], "links that were added")
    contains(process.errors(), "not all links", "what it says of them")
    # The last one that there is was not reached: that is not to say that it does not exist.
    error, _ = b.client().error("ListLinks", dbus.Array([f"link.id={link['id']}"], "s"), dbus.Dictionary({}, "sv"))
    equal(error, "org.freedesktop.DBus.Error.Timeout", "a list of it alone")
    process = b.ctl("links", f"link.id={link['id']}")
    equal((process.wait(), process.output()), (1, ""), "that list")
    contains(process.errors(), "bpfmond: what is in the kernel can't be read", "what bpfmonctl says of it")
    process = b.ctl("show", "link", link["id"])
    equal((process.wait(), "no link" in process.errors()), (1, False), f"exit status ({process.errors()})")
    slow.unlink()
    contains(b.ctl("show", "link", link["id"]).output(), f"Link {link['id']}")


class Parts(bed.Client):
    """Stands for a bpfmond with more links than one reply has room for, whose looks end early when the test says so:
    `parts` are the replies. It has seen a link come that is in none of them."""

    def __init__(self, b, parts):
        super().__init__(b.address)
        b.clients.append(self)
        self.parts = parts
        self.bus.add_message_filter(self._filter)
        self.bus.request_name(bed.NAME)

    def _filter(self, _connection, message):
        method = message.get_member()
        if not message.is_method_call(bed.MANAGER, method):
            return dbus.lowlevel.HANDLER_RESULT_NOT_YET_HANDLED
        matches, options = message.get_args_list()
        reply = dbus.lowlevel.MethodReturnMessage(message)
        if method == "QueryEvents":
            event = {"seq": dbus.UInt64(1), "time": dbus.UInt64(time.time() * 1e6), "event": "link-create",
                     "class": "install", "result": "ok", "link.id": dbus.UInt32(9)}
            first = "cursor" not in options
            reply.append(dbus.Array([dbus.Dictionary(event, "sv")] if first else [], "a{sv}"), "1" if first else "",
                         signature="aa{sv}s")
        elif method != "ListLinks":
            reply.append(dbus.Array([], "a{sv}"), signature="aa{sv}")
        elif "limit" not in options:
            reply = dbus.lowlevel.ErrorMessage(message, ERROR + "LimitExceeded", "too large")
        else:
            part = self.parts[options["after"]] if options["after"] < len(self.parts) else None
            if part is None:  # as bpfmond says it: see cut_short
                reply = dbus.lowlevel.ErrorMessage(message, "org.freedesktop.DBus.Error.Timeout",
                                                   "What is in the kernel can't be read: Timer expired")
            else:
                row = {"link.id": dbus.UInt32(options["after"] + 1)}
                if part == "cut":
                    row.update({"incomplete": dbus.Array(["links"], "s"),
                                "incomplete.reasons": dbus.Array(["links: out of time"], "s")})
                reply.append(dbus.Array([dbus.Dictionary(row, "sv")], "a{sv}"), signature="aa{sv}")
        self.bus.send_message(reply)
        return dbus.lowlevel.HANDLER_RESULT_HANDLED


def cut_part(b):
    """Where a list comes in parts and one of them is cut short, bpfmonctl does not take it for all that there is"""
    daemon = Parts(b, ["whole", "cut"])
    process = b.ctl("links")
    equal((process.wait(), len(process.output().splitlines()) >= 2), (0, True), process.errors())
    contains(process.errors(), "this is not all: links: out of time", "what it says of the rest")
    equal([x["link.id"] for x in b.ctl("links", "-j").objects()], [1, 2], "links")
    process = b.ctl("diff", "--since=-1min", "-j")
    contains([x.get("link.id") for x in process.objects()], 9, f"links that were added ({process.errors()})")
    contains(process.errors(), "not all links", "what diff says of them")
    # The last part is cut before its first row.
    daemon.parts = ["whole", "whole"]
    process = b.ctl("links", "-j")
    equal((process.wait(), process.output()), (1, ""), f"the list ({process.errors()})")
    contains(process.errors(), "can't be read", "what it says then")


def asked_alone(b):
    """Who asks for one thing alone gets it, also where it takes longer than its share of the time for all"""
    slow = start_slow(b, "SLOW_PROC")
    process, made = hold(b, "map-create")
    slow.touch()
    one = row(b, "map", made["id"], fields=["map.id", "holders", "incomplete"])
    equal((one.get("holders"), one.get("incomplete")), ([f"trigger[{process.pid}]"], None), "holders, asked for alone")
    one = row(b, "map", made["id"], fields=["map.id", "holders", "pin.paths", "incomplete.reasons"])
    contains(one.get("incomplete.reasons", []), "holders: out of time", "the same with pins")


TESTS = [agrees, crowd, cut_short, cut_part, asked_alone, who_brought_it, build_id, existed, own_objects, selection, scopes, pins, hostile_names,
         statistics, differences, absent, absent_lost, many_at_once, fair]

if __name__ == "__main__":
    bed.main(TESTS)
