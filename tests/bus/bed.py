# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the bus tests run in: a private bus, the real daemon on it, programs that call bpf(), and clients.

The daemon observes the test's own process and its descendants, nothing else on the machine. From the environment:
BPFMON_BUS (dbus-daemon or dbus-broker), and the paths BPFMOND,
BPFMONCTL, TRIGGER, BROKER_LAUNCH, BUS_XML, BUS_POLICY; SANITIZED where they were built with sanitizers."""

import contextlib
import ctypes
import fcntl
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import dbus
import dbus.bus
import dbus.lowlevel
import dbus.mainloop.glib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from tap import Skip, Tap  # noqa: E402  pylint: disable=wrong-import-position,unused-import

NAME = "org.bpfmon1"
PATH = "/org/bpfmon1"
MANAGER = "org.bpfmon1.Manager"
SUBSCRIPTION = "org.bpfmon1.Subscription"

BUS_CONFIG = """<busconfig>
  <type>bpfmon-test</type>
  <listen>unix:path={path}</listen>
  <auth>EXTERNAL</auth>
  {policy}
</busconfig>
"""

ALLOW_ALL = """<policy context="default">
    <allow user="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
    <allow own="*"/>
  </policy>"""

# What the system bus allows before a service's own policy, from dbus-daemon's system.conf; polkit's policy; and ours.
LIKE_SYSTEM = """<policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/>
    <allow send_destination="org.freedesktop.PolicyKit1"/>
  </policy>
  <policy user="root">
    <allow own="org.freedesktop.PolicyKit1"/>
  </policy>
  <include>{file}</include>"""

# Built with sanitizers: what they say fails the test, and memory that is freed is kept for a while.
SANITIZED = "SANITIZED" in os.environ
REPORT = re.compile(r"(Address|Leak|Undefined\w*)Sanitizer|: runtime error: ")
CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP, signal.SIGSYS}

# dbus-python hears signals from GLib's main loop. Turning it takes one function of it.
_glib = ctypes.CDLL("libglib-2.0.so.0")
_glib.g_main_context_iteration.argtypes = [ctypes.c_void_p, ctypes.c_int]
_loop = dbus.mainloop.glib.DBusGMainLoop()


def wait_until(condition, timeout=30, what="it"):
    """Handles bus messages until `condition()` holds; returns its value."""
    end = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout} s for {what} in vain")
        if not _glib.g_main_context_iteration(None, 0):
            time.sleep(0.002)
    return value


def limit(seconds):
    """How long something may take that takes `seconds` at most where nothing is built with sanitizers."""
    return seconds * 6 if SANITIZED else seconds


def equal(got, want, what=""):
    if got != want:
        raise AssertionError(f"{what or 'value'}: got {got!r}, want {want!r}")


def contains(text, part, what=""):
    if part not in text:
        raise AssertionError(f"{what or 'text'}: no {part!r} in {text!r}")


def grew(grown, most):
    """Memory is bounded. A sanitizer keeps what is freed: there it says nothing."""
    if grown > most and not SANITIZED:
        raise AssertionError(f"the daemon grew by {grown} bytes; {most} are allowed")


@contextlib.contextmanager
def alone(what):
    """Waits until no other test on this machine does the same: it changes something of the whole kernel's."""
    folder = pathlib.Path(os.environ.get("XDG_RUNTIME_DIR") or "/run") / "bpfmon-test"
    folder.mkdir(mode=0o700, exist_ok=True)
    with open(folder / what, "a", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Process:
    """A program that the test started; its output goes to files."""

    def __init__(self, bed, name, command, stdin=subprocess.DEVNULL, **options):
        self.name = name
        base = bed.directory / f"{len(bed.processes)}-{name}"
        self.out, self.err = base.with_suffix(".out"), base.with_suffix(".err")
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.popen = subprocess.Popen(command, stdin=stdin, stdout=out, stderr=err, env=bed.environment,
                                          **options)
        self.pid = self.popen.pid
        self.signals = set()  # that we sent
        bed.processes.append(self)

    def running(self):
        return self.popen.poll() is None

    def state(self):
        """What it is doing, for people."""
        if not self.running():
            return f"ended with {self.popen.returncode}"
        return f"waiting in {pathlib.Path(f'/proc/{self.pid}/wchan').read_text()}"

    def output(self):
        return self.out.read_text(errors="replace")

    def errors(self):
        return self.err.read_text(errors="replace")

    def objects(self):
        """The JSON objects that it printed, one a line; a line not yet complete is left out."""
        complete, _, _ = self.output().rpartition("\n")
        return [json.loads(line) for line in complete.splitlines()]

    def kill(self, number):
        """Sends a signal. One that is stopped does nothing more when this returns."""
        self.popen.send_signal(number)
        self.signals.add(number)
        if number == signal.SIGSTOP:
            os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def wait(self, timeout=30):
        """The exit status, once it has ended."""
        return wait_until(lambda: None if self.running() else (self.popen.returncode,), timeout,
                          f"the end of {self.name}: {self.errors()}")[0]

    def stop(self, number=signal.SIGTERM, timeout=30):
        if self.running():
            self.kill(number)
        return self.wait(timeout)

    def crashed(self):
        """Whether it was ended by a signal that nobody sent."""
        return -(self.popen.returncode or 0) in CRASHES - self.signals

    def descriptors(self):
        """What the kernel tells of its file descriptors; of one that it closes meanwhile, nothing."""
        for path in pathlib.Path(f"/proc/{self.pid}/fdinfo").iterdir():
            try:
                text = path.read_text()
            except FileNotFoundError:
                continue
            yield text

    def memory(self):
        """Resident bytes."""
        return int(pathlib.Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


class Trigger(Process):
    """A program that calls bpf() when told to, and prints what it did. With `pause` it stays until truth() is asked."""

    def __init__(self, bed, *actions, prefix=(), pause=False, **options):
        command = [*prefix, os.environ["TRIGGER"], "--wait", *(["--pause"] if pause else []), *map(str, actions)]
        super().__init__(bed, "trigger", command, stdin=subprocess.PIPE, **options)

    def go(self):
        self.popen.stdin.write(b"x")
        self.popen.stdin.flush()
        return self

    def acted(self, timeout=60):
        """What it did, while it is still there (it pauses)."""
        return wait_until(lambda: self.objects() or (not self.running() and [{}]), timeout, f"{self.popen.args}")

    def truth(self, timeout=120):
        """What it did, once it has ended."""
        self.popen.stdin.close()
        equal(self.wait(timeout), 0, f"exit status of {self.popen.args} ({self.errors()})")
        return self.objects()


class Client:
    """A connection to the bus made with dbus-python."""

    def __init__(self, address):
        self.bus = dbus.bus.BusConnection(address, mainloop=_loop)
        self.bus.set_exit_on_disconnect(False)

    def call(self, method, *args, path=PATH, interface=MANAGER, name=NAME, timeout=30):
        return self.bus.get_object(name, path, introspect=False).get_dbus_method(method, interface)(
            *args, timeout=timeout)

    def subscribe(self, matches=(), options=None):
        return self.call("Subscribe", dbus.Array(matches, "s"), dbus.Dictionary(options or {}, "sv"))

    def property(self, name):
        return self.call("Get", MANAGER, name, interface="org.freedesktop.DBus.Properties")

    def ask_bus(self, method, *args):
        """Calls the bus itself."""
        return self.call(method, *args, path="/org/freedesktop/DBus", interface="org.freedesktop.DBus",
                         name="org.freedesktop.DBus")

    def pass_on(self):
        """Waits until the bus has handed over what was sent: it does so before it reads again."""
        for _ in range(2):
            self.ask_bus("GetId")

    def wait_read(self, process):
        """Waits until a program has read what the daemon sent it up to now: it answers behind that."""
        def pid_of(name):
            try:
                return self.ask_bus("GetConnectionUnixProcessID", name)
            except dbus.DBusException:  # it has left
                return None
        self.call("GetStatus")
        (name,) = [name for name in self.bus.list_names() if name.startswith(":") and pid_of(name) == process.pid]
        self.call("Ping", path="/", interface="org.freedesktop.DBus.Peer", name=name)

    def error(self, *args, **options):
        """The name and message of the error that a call must end with."""
        try:
            result = self.call(*args, **options)
        except dbus.DBusException as error:
            return error.get_dbus_name(), error.get_dbus_message()
        raise AssertionError(f"{args} did not fail: {result!r}")

    def close(self):
        self.bus.close()


class Subscriber(Client):
    """A subscription and what came of it. `keep=False` counts only."""

    def __init__(self, address, matches=(), keep=True, options=None):
        super().__init__(address)
        self.keep = keep
        self.events, self.received, self.lost, self.signals = [], 0, 0, 0
        self.path = None
        self.early = []
        self.bus.add_message_filter(self._filter)
        self.path = self.subscribe(matches, options)
        for message in self.early:
            self._take(message)

    def _filter(self, _connection, message):
        if not message.is_signal(SUBSCRIPTION, "Events"):
            return dbus.lowlevel.HANDLER_RESULT_NOT_YET_HANDLED
        if self.path is None:
            self.early.append(message)
        else:
            self._take(message)
        return dbus.lowlevel.HANDLER_RESULT_HANDLED

    def _take(self, message):
        if message.get_path() != self.path:
            return
        _first, lost, events = message.get_args_list(byte_arrays=True)
        self.signals += 1
        self.lost += int(lost)
        self.received += len(events)
        if self.keep:
            self.events += events

    def total(self):
        """How many events it knows of: those that came and those that it was told were lost."""
        return self.received + self.lost

    def wait_total(self, number, timeout=60):
        wait_until(lambda: self.total() >= number, timeout, f"{number} events; got {self.received}, lost {self.lost}")

    def settle(self, seconds=0.3):
        """Takes what has happened up to now, and what else comes within that time."""
        self.call("GetStatus")  # the answer is behind the events
        end = time.monotonic() + seconds
        wait_until(lambda: not _glib.g_main_context_iteration(None, 0) and time.monotonic() > end, seconds + 30)


class Bed:
    """Use it in a with statement: everything it started ends with it."""

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="bpfmon-test-"))
        self.processes = []
        self.clients = []
        self.address = f"unix:path={self.directory}/bus"
        self.environment = dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=self.address, LC_ALL="C.UTF-8")
        self.environment.pop("DBUS_STARTER_ADDRESS", None)

    def __enter__(self):
        if os.geteuid() != 0:
            raise Skip("needs root")
        if not shutil.which(os.environ["BPFMON_BUS"]):
            raise Skip(f"{os.environ['BPFMON_BUS']} is not installed")
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            self.start_bus()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for client in self.clients:
            client.close()
        for process in reversed(self.processes):
            if process.running():
                process.kill(signal.SIGCONT)
                process.kill(signal.SIGTERM)
                try:
                    process.popen.wait(60 if SANITIZED else 5)
                except subprocess.TimeoutExpired:
                    process.popen.kill()
                    process.popen.wait()
        reports = [p.errors() for p in self.processes if SANITIZED and REPORT.search(p.errors())]
        crashes = [f"{p.name}[{p.pid}] ended by {signal.Signals(-p.popen.returncode).name}: {p.errors()[-2000:]}"
                   for p in self.processes if p.crashed()]
        shutil.rmtree(self.directory, ignore_errors=True)
        if crashes:
            raise AssertionError("\n".join(crashes))
        if reports:
            raise AssertionError("\n".join(["a sanitizer reports:", *reports]))

    def start_bus(self, policy=ALLOW_ALL):
        if os.environ["BPFMON_BUS"] == "dbus-broker":
            bus = Process(self, "broker", [os.environ["BROKER_LAUNCH"], f"{self.directory}/bus"])
            wait_until(lambda: "ready" in bus.output() or not bus.running(), what="dbus-broker")
        else:
            config = self.directory / "bus.conf"
            config.write_text(BUS_CONFIG.format(path=f"{self.directory}/bus", policy=policy))
            bus = Process(self, "dbus-daemon", ["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile",
                                                "--nosyslog", "--print-address"])
            wait_until(lambda: "unix:" in bus.output() or not bus.running(), what="dbus-daemon")
        if not bus.running():
            raise AssertionError(f"the bus did not start: {bus.errors()}")

    def use_our_policy(self):
        """Replaces the bus by one that has the system bus's policy and our own file."""
        if os.environ["BPFMON_BUS"] == "dbus-broker":
            raise Skip("dbus-broker itself reads no policy files; systemd's launcher of it does")
        self.processes[0].stop()
        self.start_bus(LIKE_SYSTEM.format(file=os.environ["BUS_POLICY"]))

    def daemon(self, *options, observe=None, ready=True):
        """Starts bpfmond, by default observing this test and its descendants."""
        observe = observe or f"pid:{os.getpid()}"
        daemon = Process(self, "bpfmond", [os.environ["BPFMOND"], f"--observe={observe}", *options])
        if ready:
            self.wait_ready(daemon)
        return daemon

    def wait_ready(self, daemon, timeout=30):
        bus = self.client().bus
        wait_until(lambda: bus.name_has_owner(NAME) or not daemon.running(), timeout, "bpfmond on the bus")
        if not daemon.running():
            raise AssertionError(f"bpfmond ended with {daemon.popen.returncode}: {daemon.errors()}")
        client = self.client()  # it has its name before it has its probes
        wait_until(lambda: not daemon.running() or client.call("GetStatus", timeout=timeout)["state"] == "watching",
                   timeout, f"bpfmond's probes: {daemon.errors()}")
        if not daemon.running():
            raise AssertionError(f"bpfmond ended with {daemon.popen.returncode}: {daemon.errors()}")

    def client(self):
        client = Client(self.address)
        self.clients.append(client)
        return client

    def subscriber(self, *matches, keep=True, options=None):
        subscriber = Subscriber(self.address, matches, keep, options)
        self.clients.append(subscriber)
        return subscriber

    def trigger(self, *actions, **options):
        return Trigger(self, *actions, **options)

    def run(self, *command, timeout=30):
        """Runs a program to its end."""
        process = Process(self, pathlib.Path(command[0]).name, list(map(str, command)))
        process.wait(timeout)
        return process

    def ctl(self, *arguments, timeout=30):
        """Runs bpfmonctl to its end."""
        return self.run(os.environ["BPFMONCTL"], *arguments, timeout=timeout)

    def follow(self, *arguments):
        """Starts `bpfmonctl subscribe`, and returns once it has subscribed."""
        client = self.client()
        before = client.property("Subscribers")
        process = Process(self, "bpfmonctl", [os.environ["BPFMONCTL"], "subscribe", *arguments])
        wait_until(lambda: client.property("Subscribers") > before or not process.running(),
                   what="bpfmonctl's subscription")
        if not process.running():
            raise AssertionError(f"bpfmonctl ended with {process.popen.returncode}: {process.errors()}")
        return process


def main(tests):
    """Runs the test functions of a file, each in a bed of its own, as one TAP check each, named by its first line
    of documentation. Arguments select some by their function names."""
    tap = Tap()
    for test in tests:
        if len(sys.argv) > 1 and test.__name__ not in sys.argv[1:]:
            continue
        tap.run(test.__doc__.splitlines()[0].rstrip("."), in_bed, test)
    sys.exit(tap.done())


def in_bed(test):
    """Runs a test; when it fails, what its processes said goes with the error."""
    with Bed() as bed:
        try:
            test(bed)
        except Skip:
            raise
        except Exception as error:
            logs = [f"--- {p.name}[{p.pid}], {p.state()}, said:\n{p.errors()[-2000:]}" for p in bed.processes
                    if p.errors()]
            raise AssertionError("\n".join([f"{type(error).__name__}: {error}", *logs])).with_traceback(
                error.__traceback__) from None
