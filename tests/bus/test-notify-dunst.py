#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""bpfmon-notify with dunst, a notification server that people use, on a display of its own. With SCREENSHOTS=FOLDER the
pictures are kept."""

import time

import dbus

import bed
from bed import contains, equal, wait_until
from desktop import SERVER, SERVER_PATH, Desktop
from fake_bpfmon import Daemon
from screen import Screen

DUNST = "org.dunstproject.cmd0"


class Dunst:
    """Shows alerts of a daemon that the test plays."""

    def __init__(self, b, markup="markup = full"):
        self.screen = Screen(b)
        self.desktop = Desktop(b)
        config = b.directory / "dunstrc"
        config.write_text(f"[global]\nfont = Monospace 9\nwidth = 500\n{markup}\n")
        self.start(config)
        self.daemon = Daemon(b)
        self.notify = self.desktop.notify()
        self.daemon.wait_subscriber()

    def start(self, config):
        self.desktop.start_real("dunst", "-config", str(config), "-print")

    def said(self):
        """What dunst was told, in its words."""
        return self.desktop.server.output()

    def do(self, method, *arguments):
        return self.desktop.client.call(method, *arguments, path=SERVER_PATH, interface=DUNST, name=SERVER)

    def property(self, name):
        return self.desktop.client.call("Get", DUNST, name, path=SERVER_PATH, name=SERVER,
                                        interface="org.freedesktop.DBus.Properties")

    def displayed(self):
        return int(self.property("displayedLength"))


def alert(dunst):
    """Alerts of programs that are called after markup; returns what they look like."""
    dunst.daemon.alert(process_name="<u>loader</u>", prog_type="kprobe", prog_name="<b>spy</b>&amp;", prog_id=7)
    dunst.daemon.alert(event="tamper", severity="critical", process_name="evil")
    dunst.daemon.send(lost=3)
    wait_until(lambda: dunst.displayed() == 3, what="three notifications")
    wait_until(lambda: dunst.screen.drawn() > 20000, what="them on the screen")
    time.sleep(0.5)


def test_screen(b):
    """Alerts are on the screen, and no name in them is more than text"""
    dunst = Dunst(b)
    equal(dunst.screen.drawn(), 0, "pixels before")
    alert(dunst)
    dunst.screen.keep("dunst")
    contains(dunst.said(), "<b>&lt;u&gt;loader&lt;/u&gt; loaded a BPF program</b>", "title")
    contains(dunst.said(), "kprobe program &quot;&lt;b&gt;spy&lt;/b&gt;&amp;amp;&quot; (id 7)", "body")
    contains(dunst.said(), "urgency: CRITICAL", "urgency")


def test_markup_unasked(b):
    """Without the setting dunst says that it has no markup, and has some: names are text all the same"""
    dunst = Dunst(b, markup="")
    alert(dunst)
    dunst.screen.keep("dunst-unasked")
    contains(dunst.said(), "kprobe program \"‹b›spy‹/b›&amp;\" (id 7)\n‹u›loader‹/u›", "body")


def test_count(b):
    """What happens again is the same notification, with a count"""
    dunst = Dunst(b)
    dunst.daemon.alert()
    wait_until(lambda: dunst.displayed() == 1, what="it")
    dunst.daemon.alert(times=6)
    wait_until(lambda: "7 times since" in dunst.said(), what="its count")
    equal(dunst.displayed(), 1, "notifications")


def test_click(b):
    """A click opens the details"""
    dunst = Dunst(b)
    record = dunst.desktop.have_xdg_open()
    dunst.daemon.alert()
    wait_until(lambda: dunst.displayed() == 1, what="it")
    dunst.do("NotificationAction", dbus.UInt32(0))
    wait_until(record.exists, what="the page")


def test_restart(b):
    """When dunst is restarted it shows again what was there"""
    dunst = Dunst(b)
    dunst.daemon.alert()
    wait_until(lambda: dunst.displayed() == 1, what="it")
    dunst.desktop.stop_server()
    dunst.start(b.directory / "dunstrc")
    wait_until(lambda: dunst.displayed() == 1, what="it again")
    equal(dunst.notify.running(), True, "it runs")


bed.main([test_screen, test_markup_unasked, test_count, test_click, test_restart])
