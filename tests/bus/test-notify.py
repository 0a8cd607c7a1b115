#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""bpfmon-notify: alerts of the real daemon, or of one that the test plays, become notifications."""

import os
import pathlib
import signal
import time

import dbus

import bed
from bed import contains, equal, wait_until
from desktop import CRITICAL, NORMAL, Desktop
from fake_bpfmon import OK, REFUSED, Daemon
from fake_polkit import NO, YES, Polkit

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


def played(b, *options, capabilities="body body-markup actions", answer=OK):
    """A session, a daemon that the test plays, and bpfmon-notify subscribed to it."""
    desktop = Desktop(b)
    desktop.start_server(capabilities)
    daemon = Daemon(b, answer)
    notify = desktop.notify(*options)
    if answer is OK:
        daemon.wait_subscriber()
    return desktop, daemon, notify


def tamper(b, daemon):
    """Opens a map of this daemon's, which is an alert; others may run on this machine."""
    maps = [line.split()[1] for text in daemon.descriptors() for line in text.splitlines() if line.startswith("map_id:")]
    b.trigger("tamper-open", maps[0]).go().truth()


def test_real_alert(b):
    """Whoever touches the daemon's own objects is on the desktop, and that is critical"""
    desktop = Desktop(b)
    desktop.start_server()
    daemon = b.daemon()
    desktop.notify()
    client = b.client()
    wait_until(lambda: client.property("Subscribers") == 1, what="its subscription")
    tamper(b, daemon)
    shown = desktop.wait_shown()
    equal(shown.urgency, CRITICAL, "urgency")
    equal(shown.title, "trigger touched bpfmon's own objects", "title")
    contains(shown.body, "opened bpfmond&#39;s own", "body")
    contains(shown.body, os.environ["TRIGGER"], "body")
    equal(shown.hints["desktop-entry"], "org.bpfmon1.Notify", "desktop entry")


def test_real_rule(b):
    """What a rule raises is on the desktop, with what the rule is about; what the daemon folds is counted"""
    desktop = Desktop(b)
    desktop.start_server()
    rules = b.directory / "rules"
    rules.mkdir()
    (rules / "maps.conf").write_text("[Rule]\nDescription=Maps of the test\nMatch=event=map-create\nSeverity=warning\n"
                                     "Message=Look at {map.name}\nFold=20\n")
    b.daemon(f"--rules={rules}")
    desktop.notify()
    client = b.client()
    wait_until(lambda: client.property("Subscribers") == 1, what="its subscription")
    for number in range(4):
        b.trigger("map-create", f"map{number}").go().truth()
    shown = desktop.wait_shown()
    equal((shown.title, shown.urgency), ("trigger created a BPF map", NORMAL), "title and urgency")
    contains(shown.body, "Look at map0", "body")
    contains(desktop.wait_shown(2, timeout=60).body, "4 times", "what was folded")
    equal(len(desktop.shown()), 2, "notifications")


def test_somebody_else(b):
    """A user without privilege is told of root's alert, but not paths; polkit decides, and may take it back"""
    b.directory.chmod(0o711)
    desktop = Desktop(b)
    for directory in (desktop.home, desktop.runtime):
        os.chown(directory, 65534, 65534)
    desktop.start_server()
    daemon = b.daemon()
    polkit = Polkit(b, watch_alerts=NO)
    notify = desktop.notify(prefix=NOBODY)
    wait_until(lambda: "no alerts" in notify.errors(), what="a word that it may not")
    equal({question["interactive"] for question in polkit.asked}, {False}, "asked for a password")

    client = b.client()
    polkit.answers["org.bpfmon1.watch-alerts"] = YES
    polkit.changed()  # as when a session becomes active
    wait_until(lambda: client.property("Subscribers") == 1, what="its subscription")
    tamper(b, daemon)
    shown = desktop.wait_shown()
    equal(shown.title, "trigger touched bpfmon's own objects", "title")
    contains(shown.body, "trigger (process ", "body")
    contains(shown.body, "user root", "body")
    equal(os.environ["TRIGGER"] in shown.body, False, "the path is told")

    polkit.answers["org.bpfmon1.watch-alerts"] = NO
    polkit.changed()
    wait_until(lambda: "no more alerts" in notify.errors(), what="a word that it may no more")
    equal(notify.running(), True, "it waits")
    polkit.answers["org.bpfmon1.watch-alerts"] = YES
    polkit.changed()
    wait_until(lambda: client.property("Subscribers") == 1, what="its subscription")


def test_daemon_restart(b):
    """It waits for the daemon, and subscribes again when that was restarted"""
    desktop = Desktop(b)
    desktop.start_server()
    notify = desktop.notify()
    wait_until(lambda: "not running" in notify.errors(), what="a word that there is no daemon")
    for number in (1, 2):
        daemon = b.daemon()
        client = b.client()
        wait_until(lambda: client.property("Subscribers") == 1, what="its subscription")  # pylint: disable=W0640
        tamper(b, daemon)
        shown = desktop.wait_shown(number)
        equal(shown.title, "trigger touched bpfmon's own objects", "title")
        equal(shown.count(), number, "times")
        daemon.stop()
    equal(notify.running(), True, "it runs")


def test_question(b):
    """It asks for alerts, or what it is told to ask for, and never for a password"""
    _desktop, daemon, _notify = played(b)
    equal(daemon.questions[0]["options"], {"scope": "alerts"}, "options")
    equal(daemon.questions[0]["matches"], [], "matches")


def test_scope(b):
    """With --scope=all it asks for everybody's alerts with everything in them"""
    _desktop, daemon, _notify = played(b, "--scope=all")
    equal(daemon.questions[0]["options"], {"scope": "all"}, "options")
    equal(daemon.questions[0]["matches"], ["severity>=warning"], "matches")


def test_fold(b):
    """One notification for each program and cause: the same again replaces it and counts"""
    desktop, daemon, _notify = played(b)
    daemon.alert()
    first = desktop.wait_shown()
    equal((first.replaces, first.count(), first.urgency), (0, 1, NORMAL), "the first")
    daemon.alert(times=4)
    wait_until(lambda: desktop.shown()[-1].count() == 5, what="the count")
    replaced = [shown.replaces for shown in desktop.shown()[1:]]
    equal(replaced in ([1], [1, 1]), True, f"what was replaced: {replaced}")  # a part may be shown before the rest comes
    before = 1 + len(replaced)
    daemon.alert(process_name="other")
    third = desktop.wait_shown(before + 1)
    equal((third.replaces, third.count()), (0, 1), "of another program")
    daemon.alert(event="map-create")
    equal(desktop.wait_shown(before + 2).replaces, 0, "of another cause")
    daemon.alert(rule_name=dbus.Array(["spies"], "s"), rule_description="Who spies")
    of_rule = desktop.wait_shown(before + 3)
    equal(of_rule.replaces, 0, "of a rule")
    contains(of_rule.body, "Who spies", "of a rule")
    daemon.alert(event="alert", rule_name=dbus.Array(["spies"], "s"), alert_count=dbus.UInt64(30))
    again = desktop.wait_shown(before + 4)
    equal((again.replaces, again.count(), again.title), (4, 31, of_rule.title), "what the daemon has counted")


def test_flood(b):
    """A flood of different programs is a few notifications and one that counts the rest"""
    desktop, daemon, _notify = played(b)
    daemon.send(*(daemon.event(process_name=f"p{i}") for i in range(64)))
    for start in range(64, 1000, 64):
        daemon.send(*(daemon.event(process_name=f"p{i}") for i in range(start, min(start + 64, 1000))))
    wait_until(lambda: any("more alerts" in shown.title for shown in desktop.shown()), what="the one for the rest")
    daemon.alert(severity="critical", event="tamper", process_name="evil")
    wait_until(lambda: any(shown.title.startswith("evil") for shown in desktop.shown()), what="the critical one")
    wait_until(lambda: any(shown.title == "996 more alerts" for shown in desktop.shown()), 60, "the count")
    # The count is told after 1, 2, 4, 8… seconds, in the place of the one before.
    seen = desktop.shown()
    equal(len([shown for shown in seen if not shown.replaces]) <= 6 and len(seen) <= 12, True, f"{seen}")


def test_lost(b):
    """What the daemon could not send is told"""
    desktop, daemon, _notify = played(b)
    daemon.send(lost=17)
    shown = desktop.wait_shown()
    contains(shown.title, "did not see everything", "title")
    contains(shown.body, "17", "body")
    equal("mute" in shown.actions, False, "it can be muted")


def test_twice(b):
    """What a daemon that took over sends a second time is counted once"""
    desktop, daemon, _notify = played(b)
    event = daemon.event()
    daemon.send(event)
    daemon.send(event)
    daemon.alert(process_name="other")
    seen = desktop.wait_shown(2)
    equal((seen.replaces, seen.title), (0, "other loaded a BPF program"), "the second")


def test_hostile(b):
    """Names of programs are neither markup nor lines"""
    desktop, daemon, _notify = played(b)
    daemon.alert(process_name="<b>x\n\u202e&", user_name="<img src=x>", message="<u>y</u>")
    shown = desktop.wait_shown()
    equal(shown.title, "<b>x\\x0a\\u{202E}& loaded a BPF program", "title, which has no markup")
    contains(shown.body, "&lt;u&gt;y&lt;/u&gt;", "body")
    equal("<" in shown.body, False, f"markup in {shown.body!r}")


def test_plain_server(b):
    """A server without buttons and markup gets neither"""
    desktop, daemon, _notify = played(b, capabilities="body")
    daemon.alert(process_name="a&b<i>")
    shown = desktop.wait_shown()
    equal(shown.actions, {}, "buttons")
    contains(shown.body, "a&b‹i› (process", "body")


def test_title_only(b):
    """A server that shows titles alone gets all in one"""
    desktop, daemon, _notify = played(b, capabilities="actions")
    daemon.alert(message="It may read passwords")
    shown = desktop.wait_shown()
    equal((shown.title, shown.body), ("loader loaded a BPF program: It may read passwords", ""), "words")


def test_mute(b):
    """The button mutes the program, across restarts, until it is taken back"""
    desktop, daemon, notify = played(b)
    daemon.alert(process_executable="/usr/bin/loader")
    equal("mute" in desktop.wait_shown().actions, True, "the button")
    daemon.alert(event="map-create", process_executable="/usr/bin/loader")
    desktop.wait_shown(2)
    desktop.press(1, "mute")
    said = desktop.wait_shown(3)
    equal(said.title, "Muted: /usr/bin/loader", "what it says")
    wait_until(lambda: 2 in desktop.closed(), what="the end of its other notification")
    file = desktop.home / ".config/bpfmon/mutes"
    contains(file.read_text(), "\n/usr/bin/loader\n", str(file))

    daemon.alert(process_executable="/usr/bin/loader")
    daemon.alert(process_executable="/usr/bin/other")
    contains(desktop.wait_shown(4).body, "/usr/bin/other", "what is shown")
    notify.stop()
    daemon.subscriber = None
    notify = desktop.notify()
    daemon.wait_subscriber()
    daemon.alert(process_executable="/usr/bin/loader")
    daemon.alert(process_executable="/usr/bin/other")
    contains(desktop.wait_shown(5).body, "/usr/bin/other", "what is shown after a restart")

    equal(b.run(notify.popen.args[0], "--list-mutes").output(), "/usr/bin/loader\n", "the list")
    equal(b.run(notify.popen.args[0], "--unmute=/usr/bin/loader").wait(), 0, "status")
    daemon.alert(process_executable="/usr/bin/loader")
    contains(desktop.wait_shown(6).body, "/usr/bin/loader", "what is shown after it was taken back")


def test_undo(b):
    """Muting can be undone where it is told; without a path it is by user and name"""
    desktop, daemon, _notify = played(b)
    daemon.alert()
    desktop.wait_shown()
    desktop.press(1, "mute")
    said = desktop.wait_shown(2)
    equal((said.title, said.actions), ("Muted: root:loader", {"undo": "Undo"}), "what it says")
    desktop.press(2, "undo")
    equal(desktop.wait_shown(3).title, "Not muted any more: root:loader", "what it says")
    daemon.alert()
    wait_until(lambda: desktop.shown()[-1].title == "loader loaded a BPF program", timeout=60, what="it again")


def test_mute_by_hand(b):
    """What somebody writes into the file counts at once; a file that is none is left alone"""
    desktop, daemon, notify = played(b)
    file = desktop.home / ".config/bpfmon/mutes"
    file.parent.mkdir(parents=True)
    file.write_text("# mine\nroot:loader\n")
    daemon.alert()
    daemon.alert(process_name="other")
    equal(desktop.wait_shown().title, "other loaded a BPF program", "the first")
    file.unlink()
    file.mkdir()
    daemon.alert(process_name="third")
    desktop.wait_shown(2)
    desktop.press(2, "mute")
    equal(desktop.wait_shown(3).title, "The program could not be muted", "what it says")
    contains(notify.errors(), "mutes", "errors")


def test_details(b):
    """A click opens a page with all that is known, in what the user reads text with"""
    desktop, daemon, _notify = played(b)
    record = desktop.have_xdg_open()
    daemon.alert(message="It may read \x1b[2Jpasswords", prog_helpers=dbus.Array(["probe_read_user"], "s"))
    desktop.wait_shown()
    desktop.press(1, "default", token="let-me-in")
    wait_until(record.exists, what="the page")
    file, token = record.read_text().split("\n")[:2]
    equal(token, "let-me-in", "token of the window")
    page = pathlib.Path(file)
    equal(page.parent, desktop.runtime / "bpfmon", "place of the page")
    equal(page.parent.stat().st_mode & 0o777, 0o700, "mode of its folder")
    text = page.read_text()
    contains(text, "loader loaded a BPF program", "page")
    contains(text, "It may read \\x1b[2Jpasswords", "page")
    contains(text, "probe_read_user", "page")
    contains(text, "bpfmonctl query", "page")


def test_no_details(b):
    """Where nothing opens the page, it says where that is"""
    desktop, daemon, _notify = played(b)
    desktop.have_xdg_open(status=3)
    daemon.alert()
    desktop.wait_shown()
    desktop.press(1, "default")
    said = desktop.wait_shown(2)
    equal(said.title, "The details could not be opened", "title")
    contains(said.body, f"{desktop.runtime}/bpfmon/alert-1.txt", "body")


def test_strangers(b):
    """Signals of others on the session bus press no buttons"""
    desktop, daemon, _notify = played(b)
    record = desktop.have_xdg_open()
    daemon.alert()
    desktop.wait_shown()
    stranger = bed.Client(b.environment["DBUS_SESSION_BUS_ADDRESS"])
    b.clients.append(stranger)
    for action in ("default", "mute"):
        message = dbus.lowlevel.SignalMessage("/org/freedesktop/Notifications", "org.freedesktop.Notifications",
                                              "ActionInvoked")
        message.append(dbus.UInt32(1), action, signature="us")
        stranger.bus.send_message(message)
    stranger.bus.flush()
    daemon.alert(process_name="other")
    desktop.wait_shown(2)
    equal(record.exists(), False, "a page was opened")
    equal((desktop.home / ".config").exists(), False, "something was muted")


def test_server_restart(b):
    """A new notification server gets what the old one showed, and all that comes"""
    desktop, daemon, notify = played(b)
    daemon.alert()
    daemon.alert(process_name="dismissed")
    desktop.wait_shown(2)
    desktop.close(2, 2)
    desktop.stop_server()
    daemon.alert(process_name="meanwhile")
    time.sleep(0.3)
    desktop.start_server(capabilities="body")
    desktop.wait_shown(2)
    equal({shown.title for shown in desktop.shown()},
          {"loader loaded a BPF program", "meanwhile loaded a BPF program"}, "what is there")
    equal({int(shown.replaces) for shown in desktop.shown()}, {0}, "numbers of the old server")
    equal(desktop.shown()[0].actions, {}, "buttons, which the new one has not")
    equal(notify.running(), True, "it runs")


def test_late_server(b):
    """An alert waits for a notification server that comes later"""
    desktop = Desktop(b)
    daemon = Daemon(b)
    notify = desktop.notify()
    daemon.wait_subscriber()
    daemon.alert()
    wait_until(lambda: "no notification server" in notify.errors(), what="a word about it")
    desktop.start_server()
    equal(desktop.wait_shown().title, "loader loaded a BPF program", "title")


def test_session_bus_restart(b):
    """It comes back to a session bus that was restarted"""
    desktop, daemon, notify = played(b)
    daemon.alert()
    desktop.wait_shown()
    desktop.stop_session()
    wait_until(lambda: "session bus went away" in notify.errors(), what="a word about it")
    desktop.start_session()
    desktop.start_server()
    wait_until(lambda: desktop.client.bus.name_has_owner("org.bpfmon1.Notify"), what="its name")
    daemon.alert(process_name="other")
    wait_until(lambda: {"other loaded a BPF program", "loader loaded a BPF program"} ==
               {shown.title for shown in desktop.shown()}, what="both")


def test_system_bus_restart(b):
    """It comes back to a system bus that was restarted"""
    desktop, daemon, notify = played(b)
    b.clients.remove(daemon)
    b.processes[0].stop()
    wait_until(lambda: "system bus went away" in notify.errors(), what="a word about it")
    (b.directory / "bus").unlink(missing_ok=True)
    b.start_bus()
    daemon = Daemon(b)
    daemon.wait_subscriber()
    daemon.alert()
    equal(desktop.wait_shown().title, "loader loaded a BPF program", "title")


def test_second(b):
    """A second one in the same session ends at once, and says why"""
    desktop, _daemon, notify = played(b)
    wait_until(lambda: desktop.client.bus.name_has_owner("org.bpfmon1.Notify"), what="the name of the first")
    second = desktop.notify()
    equal(second.wait(), 0, "status")
    contains(second.errors(), "already", "errors")
    equal(notify.running(), True, "the first runs")


def test_refused(b):
    """Where it may not see alerts it says so once, and waits"""
    _desktop, daemon, notify = played(b, answer=REFUSED)
    wait_until(lambda: "not now" in notify.errors(), what="why")
    time.sleep(0.5)
    equal(len(daemon.questions), 1, "how often it asked")
    equal(notify.running(), True, "it runs")
    equal(notify.errors().count("\n"), 1, f"lines of {notify.errors()!r}")


def test_sample(b):
    """--test shows a sample with its buttons, which work, and ends with it"""
    desktop = Desktop(b)
    desktop.start_server()
    record = desktop.have_xdg_open()
    sample = desktop.notify("--test")
    shown = desktop.wait_shown()
    contains(shown.body, "sample", "body")
    equal(set(shown.actions), {"default", "mute"}, "buttons")
    wait_until(lambda: "mock-notify" in sample.output(), what="who shows it")
    desktop.press(1, "default")
    equal(sample.wait(), 0, "status")
    wait_until(record.exists, what="the page")

    sample = desktop.notify("--test")
    desktop.wait_shown(2)
    desktop.press(2, "mute")
    desktop.wait_shown(3)
    equal(sample.running(), True, "it waits for the undo")
    desktop.close(3, 1)
    equal(sample.wait(), 0, "status")
    equal(b.run(os.environ["BPFMON_NOTIFY"], "--list-mutes").output(), "", "a sample stays muted")


def test_no_session(b):
    """Without a session, or without a notification server for the sample, it says so in one line"""
    desktop = Desktop(b)
    sample = desktop.notify("--test")
    equal(sample.wait(), 1, "status")
    contains(sample.errors(), "no notification server", "errors")
    equal(sample.errors().count("\n"), 1, f"lines of {sample.errors()!r}")
    b.environment["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={b.directory}/nowhere"
    for options in ((), ("--test",)):
        process = desktop.notify(*options)
        equal(process.wait(), 1, "status")
        contains(process.errors(), "no session bus", "errors")
        equal(process.errors().count("\n"), 1, f"lines of {process.errors()!r}")


def test_end(b):
    """SIGTERM ends it quietly"""
    _desktop, _daemon, notify = played(b)
    equal(notify.stop(signal.SIGTERM), 0, "status")
    equal(notify.errors(), "", "errors")


def test_command_line(b):
    """Help, version and mistakes"""
    program = os.environ["BPFMON_NOTIFY"]
    contains(b.run(program, "--help").output(), "--test", "help")
    contains(b.run(program, "--version").output(), "bpfmon-notify 0", "version")
    for arguments in (("--what",), ("--scope=mine",), ("argument",), ("--test=1",)):
        process = b.run(program, *arguments)
        equal(process.wait(), 2, f"status of {arguments}")
        equal(process.errors().count("\n"), 1, f"lines of {process.errors()!r}")
    b.environment["XDG_CONFIG_HOME"] = str(b.directory / "config")
    equal(b.run(program, "--mute=/bin/a").wait(), 0, "status")
    equal(b.run(program, "--list-mutes").output(), "/bin/a\n", "the list")
    equal(b.run(program, "--mute=/bin/a").wait(), 1, "status of the second")
    equal(b.run(program, "--unmute=/bin/b").wait(), 1, "status of what is not there")
    equal(b.run(program, "--mute=").wait(), 1, "status of nothing")


bed.main([test_real_alert, test_real_rule, test_somebody_else, test_daemon_restart, test_question, test_scope, test_fold, test_flood,
          test_lost, test_twice, test_hostile, test_plain_server, test_title_only, test_mute, test_undo,
          test_mute_by_hand, test_details, test_no_details, test_strangers, test_server_restart, test_late_server,
          test_session_bus_restart, test_system_bus_restart, test_second, test_refused, test_sample, test_no_session,
          test_end, test_command_line])
