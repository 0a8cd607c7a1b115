# SPDX-License-Identifier: LGPL-2.1-or-later
"""A desktop session for bpfmon-notify: a session bus, and a notification server on it that the test plays through
python-dbusmock, or a real one."""

import os
import re
import shutil
import subprocess
import sys

import dbus

import bed
from bed import Skip, wait_until

NOTIFY = os.environ.get("BPFMON_NOTIFY")
SERVER = "org.freedesktop.Notifications"
SERVER_PATH = "/org/freedesktop/Notifications"
MOCK = "org.freedesktop.DBus.Mock"

LOW, NORMAL, CRITICAL = 0, 1, 2

SESSION_CONFIG = """<busconfig>
  <type>session</type>
  <listen>unix:path={path}</listen>
  <auth>EXTERNAL</auth>
  {allow}
</busconfig>
"""


class Notification:
    """One call of Notify(), in the server's words."""

    def __init__(self, arguments):
        (self.application, self.replaces, self.icon, self.title, self.body, actions, hints,
         self.timeout) = arguments
        self.actions = dict(zip(map(str, actions[::2]), map(str, actions[1::2])))
        self.urgency = int(hints["urgency"])
        self.hints = hints

    def count(self):
        """How often it says that it happened."""
        found = re.search(r"(\d+) times", self.body)
        return int(found.group(1)) if found else 1

    def __repr__(self):
        return f"<{self.title!r}: {self.body!r}, replaces {int(self.replaces)}>"


class Desktop:
    """Use it within a bed, which ends what it starts."""

    def __init__(self, b):
        self.b = b
        self.home = b.directory / "home"
        self.runtime = b.directory / "run"
        self.programs = b.directory / "bin"
        for directory in (self.home, self.runtime, self.programs):
            directory.mkdir(mode=0o700)
        self.session_path = b.directory / "session"
        b.environment.update(HOME=str(self.home), XDG_RUNTIME_DIR=str(self.runtime),
                             DBUS_SESSION_BUS_ADDRESS=f"unix:path={self.session_path}",
                             PATH=f"{self.programs}:{os.environ['PATH']}")
        b.environment.pop("XDG_CONFIG_HOME", None)
        self.bus = self.server = None
        self.client = None
        self.start_session()

    def start_session(self):
        self.session_path.unlink(missing_ok=True)
        if os.environ["BPFMON_BUS"] == "dbus-broker":
            self.bus = bed.Process(self.b, "session", [os.environ["BROKER_LAUNCH"], str(self.session_path)])
        else:
            config = self.b.directory / "session.conf"
            config.write_text(SESSION_CONFIG.format(path=self.session_path, allow=bed.ALLOW_ALL))
            self.bus = bed.Process(self.b, "session", ["dbus-daemon", f"--config-file={config}", "--nofork",
                                                       "--nopidfile", "--nosyslog", "--print-address"])
        wait_until(lambda: self.bus.output() or not self.bus.running(), what="the session bus")
        self.client = bed.Client(self.b.environment["DBUS_SESSION_BUS_ADDRESS"])
        self.b.clients.append(self.client)

    def stop_session(self):
        self.bus.stop()
        self.b.clients.remove(self.client)

    def start_server(self, capabilities="body body-markup actions"):
        """python-dbusmock's notification server."""
        if subprocess.run([sys.executable, "-c", "import dbusmock"], stderr=subprocess.DEVNULL,
                          check=False).returncode != 0:
            raise Skip("python3-dbusmock is not installed")
        self.server = bed.Process(self.b, "server", [sys.executable, "-m", "dbusmock", "--session", "--template",
                                                     "notification_daemon", "--parameters",
                                                     f'{{"capabilities": "{capabilities}"}}'])
        self.wait_server()

    def start_real(self, *command):
        """A real one. Its programs need a display; see Screen."""
        if not shutil.which(command[0]):
            raise Skip(f"{command[0]} is not installed")
        self.server = bed.Process(self.b, "server", list(command))
        self.wait_server()

    def wait_server(self):
        wait_until(lambda: self.client.bus.name_has_owner(SERVER) or not self.server.running(),
                   what="the notification server")
        if not self.server.running():
            raise AssertionError(f"the notification server ended: {self.server.errors()}")

    def stop_server(self):
        self.server.stop()
        wait_until(lambda: not self.client.bus.name_has_owner(SERVER), what="the end of the notification server")

    def notify(self, *options, prefix=()):
        """Starts bpfmon-notify."""
        return bed.Process(self.b, "bpfmon-notify", [*prefix, NOTIFY, *options])

    def mock(self, method, *arguments):
        return self.client.call(method, *arguments, path=SERVER_PATH, interface=MOCK, name=SERVER)

    def emit(self, name, signature, *arguments):
        """The server sends a signal."""
        self.mock("EmitSignal", SERVER, name, signature, dbus.Array(arguments, "v"))

    def shown(self):
        """What the server was asked to show since it started, the oldest first."""
        return [Notification(arguments) for _time, method, arguments in self.mock("GetCalls") if method == "Notify"]

    def closed(self):
        """The numbers of those that it was asked to close."""
        return [int(arguments[0]) for _time, method, arguments in self.mock("GetCalls")
                if method == "CloseNotification"]

    def wait_shown(self, number=1, timeout=30):
        """Waits until so many were shown; returns the last."""
        seen = []

        def enough():
            seen[:] = self.shown()
            return len(seen) >= number
        try:
            wait_until(enough, timeout)
        except AssertionError as error:
            raise AssertionError(f"{len(seen)} notifications of {number}: {seen}") from error
        return seen[-1]

    def press(self, number, action, token=None):
        """Somebody presses a button. As the specification has it, the notification is closed then."""
        if token:
            self.emit("ActivationToken", "us", dbus.UInt32(number), token)
        self.emit("ActionInvoked", "us", dbus.UInt32(number), action)
        self.close(number, 2)

    def close(self, number, reason):
        """1: it expired, 2: somebody dismissed it."""
        self.emit("NotificationClosed", "uu", dbus.UInt32(number), dbus.UInt32(reason))

    def have_xdg_open(self, status=0):
        """An xdg-open that keeps what it was given in a file, which is returned."""
        record = self.b.directory / "opened"
        program = self.programs / "xdg-open"
        program.write_text("#!/bin/sh\n"
                           f'printf "%s\\n%s\\n" "$1" "$XDG_ACTIVATION_TOKEN" >{record}.new\n'
                           f"mv {record}.new {record}\nexit {status}\n")
        program.chmod(0o755)
        return record
