#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""bpfmonctl top on a terminal, and its rows."""

import functools
import ctypes
import fcntl
import os
import pty
import re
import resource
import select
import signal
import struct
import termios
import time

import pyte

import bed
from bed import contains, equal, wait_until

CTL = os.environ["BPFMONCTL"]
LEAVES = b"\x1b[?1049l"  # xterm's rmcup: back to the screen before
SHOWS = b"\x1b[?12l\x1b[?25h"  # its cnorm
BPF_NUMBER = {"x86_64": 321, "aarch64": 280}[os.uname().machine]  # bpf(), asm/unistd.h


class Terminal:
    """bpfmonctl top on a terminal of its own."""

    def __init__(self, b, *arguments, columns=100, lines=20, term="linux", locale="C.UTF-8"):
        self.environment = dict(b.environment, TERM=term, LC_ALL=locale)
        self.environment.pop("COLUMNS", None)
        self.environment.pop("LINES", None)
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
            os.execve(CTL, [CTL, "top", *arguments], self.environment)
        self.data = b""  # what it has written
        self.screen = pyte.Screen(columns, lines)  # and what that makes of a screen
        self.stream = pyte.ByteStream(self.screen)
        self.before = termios.tcgetattr(self.terminal)

    def read(self, milliseconds=100):
        poll = select.poll()
        poll.register(self.terminal, select.POLLIN)
        if not poll.poll(milliseconds):
            return False
        try:
            part = os.read(self.terminal, 65536)
        except OSError:  # EIO: it has ended
            part = b""
        self.data += part
        self.stream.feed(part)
        return bool(part)

    def shown(self):
        return "\n".join(line.rstrip() for line in self.screen.display)

    def expect(self, pattern, timeout=30):
        """Waits until the screen shows it."""
        end = time.monotonic() + timeout
        while not (found := re.search(pattern, self.shown())):
            if time.monotonic() > end:
                raise AssertionError(f"no {pattern!r} on the screen:\n{self.shown()}")
            self.read()
        return found

    def is_sorted(self, column):
        """Whether the rows are in the order of a column now: the heading comes before them, and both in parts."""
        self.read()
        rows = [line.split() for line in self.shown().splitlines()[3:-1] if line.strip()]
        values = [int(row[0]) if column == 0 else row[1] for row in rows]
        return len(values) > 1 and values == sorted(values)

    def send(self, keys):
        os.write(self.terminal, keys.encode())

    def resize(self, columns, lines):
        self.screen.resize(lines, columns)
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def end(self, timeout=30):
        """How it ended; what else it wrote is read."""
        limit = time.monotonic() + timeout
        while time.monotonic() < limit:
            self.read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                while self.read(50):
                    pass
                return status
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        raise AssertionError("it does not end")


def check_clean(t, what):
    """The terminal (an xterm) is as it was before: its modes, its screen, its cursor."""
    equal(t.data.count(b"\x1b[?1049h"), 1, "it takes the screen")
    contains(t.data[t.data.index(b"\x1b[?1049h"):], LEAVES, f"what {what} leaves")
    contains(t.data[t.data.rindex(b"\x1b[?25l"):], SHOWS, f"the cursor after {what}")
    equal(termios.tcgetattr(t.terminal)[:4], t.before[:4], f"modes of the terminal after {what}")


class Programs:
    """Socket filters in the kernel, while this is there."""

    def __init__(self, number):
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(limit[0], number + 1000), max(limit[1], number + 1000)))
        libc = ctypes.CDLL(None, use_errno=True)
        code = ctypes.create_string_buffer(struct.pack("<BBhiBBhi", 0xb7, 0, 0, 0, 0x95, 0, 0, 0))
        license_text = ctypes.create_string_buffer(b"GPL")
        self.fds = []
        for i in range(number):
            attributes = struct.pack("<IIQQIIQII16s", 1, 2, ctypes.addressof(code), ctypes.addressof(license_text), 0, 0,
                                     0, 0, 0, b"many_%d" % i)
            fd = libc.syscall(BPF_NUMBER, 5, ctypes.create_string_buffer(attributes, 128), len(attributes))
            if fd < 0:
                raise AssertionError(f"program {i}: {os.strerror(ctypes.get_errno())}")
            self.fds.append(fd)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for fd in self.fds:
            os.close(fd)


def test_batch(b):
    """--batch prints what ran how often, as rows and as JSON, as often as it is told"""
    b.daemon()
    held = b.trigger("prog-load", "busy", pause=True).go()
    truth = held.acted()[0]
    process = b.ctl("top", "-n", "2", "-j", f"prog.id={truth['id']}")
    equal(process.popen.returncode, 0, process.errors())
    rows = process.objects()
    equal(len(rows), 2, "looks")
    for row in rows:
        equal((row["prog.id"], row["prog.name"], row["prog.run_rate"], row["prog.time_rate"]),
              (truth["id"], "busy", 0, 0))
        equal(row["statistics"], True, "the kernel counts")
    text = b.ctl("top", "--batch", "-n", "1", "prog.name=busy").output()
    equal(text.splitlines()[0].split()[:4], ["ID", "NAME", "TYPE", "CPU"], "headings")
    equal(text.splitlines()[1].split()[:3], [str(truth["id"]), "busy", "socket_filter"], "its row")
    busy = b.ctl("top", "--batch", "-n", "1", "-j", "own=yes", "--sort=runs").objects()
    rates = [row["prog.run_rate"] for row in busy]
    equal(rates, sorted(rates, reverse=True), "by runs")
    equal(rates[0] > 0, True, f"bpfmond's own programs ran: {rates}")
    process = b.ctl("top")
    equal(process.popen.returncode, 1, "without a terminal")
    contains(process.errors(), "--batch", "what it says without a terminal")
    equal(len(process.errors().splitlines()), 1)


def test_screen(b):
    """The screen shows the programs; keys sort, filter, pause, and show one"""
    b.daemon()
    held = b.trigger("prog-load", "shown", pause=True).go()
    truth = held.acted()[0]
    t = Terminal(b)
    t.expect(r"CPU %.*LAST MINUTE")
    t.send("/prog.name=shown\r")
    t.expect(r"only prog.name=shown")
    t.expect(rf"(?s)1 shown.*{truth['id']} shown")
    t.send("p")
    t.expect(r"PAUSED, by CPU")
    t.send("p\r")
    t.expect(rf"Program {truth['id']} \"shown\"")
    t.send("\x1b")
    t.expect(r"LAST MINUTE")
    t.send("/\x15prog.nmae=x\r")
    t.expect(r'did you mean "prog.name"')
    t.send("\x1b")
    t.expect(r"only prog.name=shown")
    t.send("/\x15own=yes\r")
    t.expect(r"only own=yes")
    for key, name, column in (("i", "ID", 0), ("N", "NAME", 1)):
        t.send(key)
        t.expect(rf"by {name}")
        wait_until(lambda column=column: t.is_sorted(column), what=f"rows by {name}")
    t.send("r")
    t.expect(r"backwards")
    t.resize(60, 12)
    t.expect(r"(?s)LAST MINUTE.*q quit.*…$")
    equal(len(t.shown().splitlines()), 12, "lines")
    t.resize(20, 3)
    t.expect(r"too small")
    t.resize(140, 30)
    t.expect(r"BROUGHT BY")
    t.send("q")
    equal(t.end(), 0, "status")


def test_ascii(b):
    """Without UTF-8 nothing but ASCII is written, and units, cuts and foreign letters still take their columns"""
    b.daemon()
    t = Terminal(b, "prog.name=µ\u65e5é", columns=50, locale="C")
    t.expect(r"(?m)only prog.name=u\?\?\?$")
    contains(t.expect(r"q quit.*").group(), "~", "the sign of what is cut")
    t.send("q")
    equal(t.end(), 0, "how it ended")
    equal(t.data.decode("ascii", errors="replace").count("\ufffd"), 0, "bytes that are not ASCII")


def test_long_filter(b):
    """A filter from the command line counts whole, however long, and as it was quoted; typing shows its end"""
    b.daemon()
    held = b.trigger("prog-load", "shown", pause=True).go()
    held.acted()
    many = [f"prog.name=nobody_{i:04}" for i in range(100)]
    t = Terminal(b, *many, r"prog.name=with\backslash", "prog.name=sho'n", "prog.name=shown")
    t.expect(r"1 shown")
    t.send("/")
    t.expect(r"Filter: ….*prog.name=shown_")
    t.send(" prog.name=typed\r")
    t.expect(r"1 shown")
    t.send("q")
    equal(t.end(), 0)
    t = Terminal(b, r"prog.name=with\backslash")
    t.expect(r"only 'prog.name=with\\(\\)?backslash'")
    t.send("q")
    equal(t.end(), 0)
    process = b.ctl("top", "--fields=prog.id")
    equal((process.popen.returncode, len(process.errors().splitlines())), (2, 1), process.errors())
    contains(process.errors(), "--fields", "what it says")


def test_ends(b):
    """Ctrl-C, SIGTERM, a hangup and a crash leave the terminal as it was"""
    b.daemon()
    for what, end in (("Ctrl-C", lambda t: t.send("\x03")), ("SIGTERM", lambda t: os.kill(t.pid, signal.SIGTERM)),
                      ("SIGHUP", lambda t: os.kill(t.pid, signal.SIGHUP))):
        t = Terminal(b, term="xterm")
        t.expect(r"LAST MINUTE")
        end(t)
        equal(t.end(), 0, f"status after {what}")
        check_clean(t, what)
    for number in (signal.SIGSEGV, signal.SIGABRT):
        t = Terminal(b, term="xterm")
        t.expect(r"LAST MINUTE")
        while_on = termios.tcgetattr(t.terminal)
        equal(bool(while_on[3] & termios.ICANON), False, "it takes the terminal")
        os.kill(t.pid, number)
        equal(os.WTERMSIG(t.end()), number, "it dies of that")
        check_clean(t, number.name)


def test_refusals(b):
    """Terminals that are too small or not known are refused in one line; a daemon that goes away is waited for"""
    daemon = b.daemon()
    t = Terminal(b, columns=30, lines=5)
    equal(os.waitstatus_to_exitcode(t.end()), 1, "status on a small terminal")
    equal(b"too small" in t.data and t.data.count(b"\n") == 1, True, f"what it says: {t.data}")
    t = Terminal(b, term="no-such-terminal")
    equal(os.waitstatus_to_exitcode(t.end()), 1, "status on an unknown terminal")
    equal(b"no-such-terminal" in t.data and t.data.count(b"\n") == 1, True, f"what it says: {t.data}")
    t = Terminal(b)
    t.expect(r"LAST MINUTE")
    daemon.stop()
    t.expect(r"waiting for it")
    b.daemon()
    t.expect(r"by CPU")
    held = b.trigger("prog-load", "later", pause=True).go()
    held.acted()
    t.send("/prog.name=later\r")
    t.expect(r"1 shown")
    t.send("q")
    equal(t.end(), 0)


def test_many(b):
    """2,000 programs are shown, sorted and scrolled through"""
    b.daemon()
    with Programs(2000):
        t = Terminal(b)
        t.expect(r"[2-9]\d\d\d programs", timeout=60)
        t.send("N")
        t.expect(r"by NAME")
        t.send("/prog.name=many_*\r")
        t.expect(r"2000 shown")
        t.send("G")
        t.expect(r"many_999")
        t.send("\x03")
        equal(t.end(), 0)
        rows = b.ctl("top", "--batch", "-n1", "-j", "prog.name=many_*", timeout=60).objects()
        equal(len(rows), 2000, "rows")


def test_statistics_end(b):
    """Statistics are counted while top runs, and no longer"""
    client = b.client()
    b.daemon()

    def counted():
        rows = client.call("ListPrograms", bed.dbus.Array(["own=yes"], "s"), bed.dbus.Dictionary({}, "sv"))
        return any(row.get("statistics") for row in rows)

    equal(counted(), False, "before")
    t = Terminal(b)
    t.expect(r"LAST MINUTE")
    wait_until(counted, what="statistics")
    os.kill(t.pid, signal.SIGKILL)
    t_status = os.waitpid(t.pid, 0)[1]
    equal(os.WTERMSIG(t_status), signal.SIGKILL)
    wait_until(lambda: not counted(), what="the end of statistics")


def without_others(test):
    """The kernel counts run times for everybody: no other test asks for them meanwhile."""
    @functools.wraps(test)
    def run(b):
        with bed.alone("statistics"):
            test(b)
    return run


bed.main([without_others(test) for test in
          (test_batch, test_screen, test_ascii, test_long_filter, test_ends, test_refusals, test_many, test_statistics_end)])
