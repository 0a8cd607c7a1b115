# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the checks of the guest left behind, against what an administrator and users may expect."""

import json
import re

MEMORY_MAX = 24  # MiB, with what a day of work leaves in the allocator
SCORE_MAX = 2.5  # of systemd-analyze security
CAPABILITIES = {"dac_read_search": 2, "sys_ptrace": 19, "sys_admin": 21, "syslog": 34}
STARTED = "025ed4a489754a729d45b6cdb900357d"  # daemon/message-ids.h


class Folder:
    def __init__(self, path):
        self.path = path

    def text(self, name):
        path = self.path / name
        return path.read_text(errors="replace").strip() if path.exists() else "(no such file)"

    def rows(self, name):
        """The JSON objects of a file, one a line; lines that are none are left out."""
        rows = []
        for line in self.text(name).splitlines():
            try:
                rows.append(json.loads(line[max(line.find("{"), 0):]))  # an agent's colours may stand before it
            except ValueError:
                pass
        return [row for row in rows if isinstance(row, dict)]

    def said(self, name):
        return f"status {self.text(name + '.status')}", self.text(name)[:2000], self.text(name + ".err")[:2000]

    def well(self, name):
        return self.text(name + ".status") == "0"


def of_user(rows, uid):
    return [row for row in rows if row.get("user.id") == uid]


def hooks(rows):
    """Each probe without what changes from minute to minute, and depends on what happened."""
    changing = ("probe.lost", "probe.hits", "probe.idle")
    return {row.get("probe.name"): {key: value for key, value in row.items() if key not in changing} for row in rows}


def installed(out):
    yield "the preset enables the service", out.text("enabled") == "enabled", out.said("enabled")
    yield "it has a user, a group of its own, and one for people", \
        re.search(r"uid=\d+\(bpfmon\) gid=\d+\(bpfmond\)", out.text("account")) and "(bpfmon)" not in \
        out.text("account").split("groups=")[-1], out.text("account")


def activated(out):
    yield "it does not run before somebody calls", out.text("activation.before") == "inactive", out.text("activation.before")
    states = {name: (out.rows(name) or [{}])[0].get("state") for name in ("activation", "activated")}
    yield "the first call of an unprivileged user starts it, and is answered while it starts", \
        out.well("activation") and states["activation"] == "starting", out.said("activation")
    yield "and so is another's, that needs the probes", out.well("activation.busctl"), out.said("activation.busctl")
    yield "systemctl start returns when they are attached", \
        out.text("activation.after") == "active" and states["activated"] == "watching", \
        (out.text("activation.after"), out.said("activated"))


def confined(out):
    process = dict(line.split(":\t", 1) for line in out.text("process").splitlines() if ":\t" in line)
    wanted = sum(1 << bit for bit in CAPABILITIES.values())
    sets = {name: int(process.get(name, "-1"), 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")}
    yield "it has the capabilities that it needs, and no other", set(sets.values()) == {wanted}, (f"{wanted:#x}", sets)
    uids = set(process.get("Uid", "0").split())
    yield "it runs as its own user", len(uids) == 1 and f"uid={uids.pop()}(bpfmon)" in out.text("account"), process.get("Uid")
    yield "its system calls are filtered", process.get("Seccomp") == "2" and process.get("NoNewPrivs") == "1", \
        (process.get("Seccomp"), process.get("NoNewPrivs"))
    yield "its state is its own", out.text("state") == "bpfmon:bpfmond 700", out.text("state")
    score = re.search(r"exposure level for bpfmond.service: ([\d.]+)", out.text("security"))
    print(f"# exposure level: {score[1] if score else '?'}", flush=True)
    yield f"systemd-analyze finds at most {SCORE_MAX} to complain about", score and float(score[1]) <= SCORE_MAX, \
        out.text("security")
    service, root = hooks(out.rows("probes.service")), hooks(out.rows("probes.root"))
    yield "every probe is as without the sandbox, as root", service and service == root, \
        [(name, service.get(name), root.get(name)) for name in {*service, *root} if service.get(name) != root.get(name)] \
        or out.said("probes.service")


def looked_up(rows, report, field):
    """The event of what the test program did, with a field that the daemon finds by its capabilities."""
    truth = report[0] if report else {}
    for row in rows:
        if row.get("event") == "attach" and row.get("process.pid") == truth.get("pid", -1) and row.get(field):
            return row
    return None


def own(out):
    rows, everything = out.rows("own"), out.rows("everything")
    others = [row for row in rows if row.get("user.id") != 1000 and row.get("class") != "self"]
    yield "an unprivileged user gets own events", of_user(rows, 1000), out.said("own")
    yield "and nobody else's", not others, others
    for uid in (0, 1000, 1001):
        yield f"root gets those of user {uid}", of_user(everything, uid), out.said("everything")
    for kind in ("kprobe", "uprobe"):
        yield f"a {kind}'s function is named", looked_up(everything, out.rows(kind), "attach.target"), \
            (out.text(kind), [row for row in everything if row.get("event") == "attach"])
    for name, what in (("others", "all events"), ("others.alerts", "alerts"), ("level", "the log level"),
                       ("reload", "reloading")):
        yield f"{what} are not for everybody" if what.endswith("s") else f"{what} is not for everybody", \
            not out.well(name) and re.search("denied|not allowed|auth|password is needed", " ".join(out.said(name)), re.I), out.said(name)


def let_in(out):
    rows = out.rows("group")
    yield "the example rule lets members of the group see everything", of_user(rows, 0), out.said("group")
    yield "and nobody else", not out.well("no_group"), out.said("no_group")
    yield "without the rule they are put out, and told so", \
        not out.well("group") and "not authorized any more" in out.text("group.err"), out.said("group")


def password(out):
    for name, where in (("password", ""), ("password.bare", ", and one without a session")):
        yield f"an administrator's password lets a user at a terminal in{where}", out.well(name) and \
            of_user(out.rows(name), 0), out.said(name)


def sat_down(out):
    alerts = [row for row in out.rows("desktop") if row.get("event") == "tamper"]
    yield "who sits at the machine gets alerts", alerts, (out.text("desktop"), out.text("desktop.err"), out.text("sessions"))
    seen = [row for row in out.rows("desktop") if {"process.executable", "process.arguments", "message"} & set(row)]
    yield "without paths and arguments of others", not seen, seen
    yield "who does not, does not", out.text("elsewhere.result") == "exit-code" and not out.rows("elsewhere"), \
        (out.text("elsewhere.result"), out.text("elsewhere"), out.text("elsewhere.err"), out.text("sessions"))


def reloaded(out):
    yield "systemctl sets the log level", out.text("log-level") == "debug", out.text("log-level")
    made = [row.get("pid") for row in out.rows("made")]
    told = [row.get("process.pid") for row in out.rows("storm")]
    yield "reloading loses nothing", len(made) == 24 and set(made) <= set(told), (made, told, out.said("storm"))
    status = (out.rows("reloaded") or [{}])[0]
    yield "and nothing was lost otherwise", (status.get("events.lost"), status.get("window.lost")) == (0, 0), status


def killed(out):
    yield "when it is killed, systemd starts it again", out.text("killed.restarts") == "10" and out.well("after_kill"), \
        (out.text("killed.restarts"), out.said("after_kill"))
    made = {("prog-load", n) for row in out.rows("killed.programs") for n in row.get("ids", [])}
    made |= {("map-create", n) for row in out.rows("killed.maps") for n in row.get("ids", [])}
    rows = out.rows("killed")
    tampering = [row for row in rows if row["event"] == "tamper"]
    yield "no daemon is told to tamper with what another left it", not tampering, tampering
    rows = [row for row in rows if row["event"] != "tamper"]
    told = [(row["event"], row.get("prog.id", row.get("map.id"))) for row in rows if row["event"] != "lost"]
    told = [what for what in told if what in made]
    lost = [row for row in rows if row["event"] == "lost"]
    print(f"# killed ten times, restarted once: {len(told)} events of {len(made)}, told lost: {lost}", flush=True)
    # What is told lost counts all that may have passed the filter.
    counted = sum(row.get("lost.count", 0) for row in lost)
    yield "events that came and those told lost are those that were made", \
        len(made) >= 225 and len(set(told)) <= len(made) <= len(set(told)) + counted, \
        (len(made), sorted(made - set(told)), lost, out.text("killed.err"))
    yield "none is told twice", len(told) == len(set(told)), sorted(what for what in set(told) if told.count(what) > 1)
    status = (out.rows("after_kill") or [{}])[0]
    yield "none is lost while the ring has room", not lost and status.get("events.lost") == 0, (lost, status)
    numbers = [row["seq"] for row in rows if "seq" in row]
    yield "their numbers go on", numbers == sorted(set(numbers)), numbers
    rss = status.get("memory.rss", 0)
    print(f"# memory after all this: {rss / 2**20:.1f} MiB", flush=True)
    yield f"it takes at most {MEMORY_MAX} MiB", 0 < rss <= MEMORY_MAX << 20, status


def broken(out):
    yield "when it hangs, the watchdog does", out.well("after_dog") and "watchdog" in out.text("journal.text").lower(), \
        (out.said("after_dog"), out.text("journal.text"))
    yield "the watchdog is on", out.text("watchdog") not in ("0", "infinity", ""), out.text("watchdog")


def ended(out):
    ours, before, left = (out.text(f"objects.{name}") for name in ("ours", "before", "left"))
    yield "systemctl stop leaves nothing in the kernel", \
        {line.split()[0] for line in before.splitlines()} >= {"progs", "maps", "links"} and ours == before and not left, \
        (ours, before, left)
    rows = [row for row in out.rows("journal.json") if row.get("MESSAGE_ID") == STARTED]
    yield "the journal has fields", rows and all(row.get("BPFMON_VERSION") for row in rows), out.text("journal.text")
    yield "and explanations", "has attached its probes and offers org.bpfmon1" in out.text("journal.text"), \
        out.text("journal.text")


def check(tap, path, kernel):
    out = Folder(path)
    for chapter in (installed, activated, confined, own, let_in, password, sat_down, reloaded, killed, broken, ended):
        for name, good, why in chapter(out):
            tap.ok(good, f"{kernel}: {name}", *(why if isinstance(why, (tuple, list)) else (why,)))
    tap.ok(out.text("status") == "0" and not re.search("^(await|told|reload):", out.text("log"), re.M), f"{kernel}: the checks came to their end",
           out.text("log"))
