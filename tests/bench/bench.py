# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the benchmarks run in: a private bus, the real daemon on it, a program that calls bpf(), subscribers, tables.

The daemon observes the calling program and its descendants, nothing else on the machine. From the environment: the
paths BPFMOND, BPFMONCTL, CALLER and SUBSCRIBER."""

import collections
import os
import pathlib
import select
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

STEADY = 1.1  # how much faster one end of a round may be than the other
SKIPPED = 77  # meson's exit status for a test that could not run

BUS_CONFIG = """<busconfig>
  <type>bpfmon-bench</type>
  <listen>unix:path={path}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""

Calls = collections.namedtuple("Calls", "number ns turns")
Counts = collections.namedtuple("Counts", "events lost signals")


class Process:
    """A program that the benchmark started. Programs of ours say "ready" first, and answer a line with a line."""

    def __init__(self, bed, command, talks=False, logged=False, **options):
        self.name = pathlib.Path(command[0]).name
        self.log = bed.directory / f"{self.name}.log"
        pipe = subprocess.PIPE if talks else subprocess.DEVNULL
        with open(self.log if logged else os.devnull, "w", encoding="utf-8") as log:
            options = {"stdin": pipe, "stdout": pipe, "stderr": log if logged else None, **options}
            self.popen = subprocess.Popen(command, env=bed.environment, text=True, **options)
        self.pid = self.popen.pid
        bed.processes.append(self)
        if talks and self.hear() != "ready":
            raise RuntimeError(f"{self.name} did not start")

    def check(self):
        """Raises an exception with what it said if it has ended."""
        if self.popen.poll() is not None:
            raise RuntimeError(f"{self.name} ended with {self.popen.returncode}: {self.log.read_text()}")

    def hear(self):
        """The next line that it prints."""
        line = self.popen.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended with {self.popen.wait()}")
        return line.strip()

    def tell(self, line=""):
        self.popen.stdin.write(f"{line}\n")
        self.popen.stdin.flush()

    def ask(self, line=""):
        self.tell(line)
        return self.hear()

    def stop(self):
        self.popen.terminate()
        self.popen.wait(30)

    def cpu(self):
        """Seconds of CPU time that it has taken."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self):
        """MiB by kind, from /proc/PID/status."""
        lines = pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines if line.endswith(" kB")}

    def wakeups(self):
        """How often its threads have gone to sleep."""
        return sum(int(line.split()[1])
                   for status in pathlib.Path(f"/proc/{self.pid}/task").glob("*/status")
                   for line in status.read_text().splitlines() if line.startswith("voluntary_ctxt_switches"))


class Caller(Process):
    """The program that calls bpf() in a loop."""

    def __init__(self, bed):
        super().__init__(bed, [os.environ["CALLER"]], talks=True)

    def start(self, action, seconds, rate=0):
        self.tell(f"{action} {seconds} {rate}")

    def result(self):
        number, ns, turns = self.hear().split()
        return Calls(int(number), float(ns), float(turns))

    def run(self, action, seconds, rate=0):
        self.start(action, seconds, rate)
        return self.result()


class Subscriber(Process):
    """A subscription that counts what comes. It is made when this returns, and gone once close() does."""

    def __init__(self, bed, *matches):
        super().__init__(bed, [os.environ["SUBSCRIBER"], *matches], talks=True)

    def counts(self):
        return Counts(*map(int, self.ask().split()))

    def settle(self, quiet=0.05, timeout=20):
        """Waits until nothing has come for a while."""
        end = time.monotonic() + timeout
        before, now = None, self.counts()
        while now != before and time.monotonic() < end:
            time.sleep(quiet)
            before, now = now, self.counts()
        return now

    def close(self):
        self.popen.stdin.close()
        counts = Counts(*map(int, self.hear().split()))
        self.popen.wait(30)
        return counts


class Daemon(Process):
    """bpfmond, observing `pid` and its descendants. It is ready when this returns; `starting` is how long that took."""

    def __init__(self, bed, pid):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            path = str(bed.directory / "notify")
            notify.bind(path)
            bed.environment["NOTIFY_SOCKET"] = path
            begin = time.monotonic()
            super().__init__(bed, [os.environ["BPFMOND"], f"--observe=pid:{pid}"], logged=True)
            del bed.environment["NOTIFY_SOCKET"]
            while b"READY=1" not in self._notification(notify):
                pass
            self.starting = time.monotonic() - begin
            os.unlink(path)

    def _notification(self, notify):
        while not select.select([notify], [], [], 0.5)[0]:
            self.check()
        return notify.recv(4096).splitlines()


class Bed:
    """Use it in a with statement: everything it started ends with it."""

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="bpfmon-bench-"))
        self.processes = []
        self.environment = dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=f"unix:path={self.directory}/bus")
        self.bus = self.caller = None

    def __enter__(self):
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            config = self.directory / "bus.conf"
            config.write_text(BUS_CONFIG.format(path=f"{self.directory}/bus"))
            command = ["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile", "--nosyslog"]
            self.bus = Process(self, command, logged=True)
            while not (self.directory / "bus").exists():
                self.bus.check()
                time.sleep(0.01)
            self.caller = Caller(self)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            if process.popen.poll() is None:
                process.popen.terminate()
                try:
                    process.popen.wait(10)
                except subprocess.TimeoutExpired:
                    process.popen.kill()
                    process.popen.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def daemon(self, pid=None):
        return Daemon(self, pid or self.caller.pid)

    def subscriber(self, *matches):
        return Subscriber(self, *matches)


class Load:
    """The CPU time that processes take from here to shares(), in percent of one CPU."""

    def __init__(self, *processes):
        self.processes = processes
        self.begin = time.monotonic()
        self.before = [process.cpu() for process in processes]

    def shares(self):
        elapsed = time.monotonic() - self.begin
        return [100 * (process.cpu() - before) / elapsed for process, before in zip(self.processes, self.before)]


def spread(values, form=".2f"):
    """The median, and the range that it comes from."""
    return f"{statistics.median(values):{form}} ({min(values):{form}}–{max(values):{form}})"


def table(title, head, rows):
    """Prints a table: the first column to the left, numbers to the right."""
    rows = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(map(len, column)) for column in zip(*rows)]
    print(f"\n{title}")
    for i, row in enumerate(rows):
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))]
        print("  " + "  ".join(cells).rstrip())
        if i == 0:
            print("  " + "  ".join("─" * width for width in widths))
    sys.stdout.flush()


def other_daemons():
    """Whether a bpfmond runs that is not ours: every bpf() call passes its probes too, if only to be left out."""
    for comm in pathlib.Path("/proc").glob("[0-9]*/comm"):
        try:
            if comm.read_text() == "bpfmond\n":
                return True
        except OSError:  # it has ended
            pass
    return False


class Comparison:
    """What `works` (what it is called → the caller's order) cost in each of `modes` (what it is called → the matches of
    a subscription; None: no subscription).

    The machine drifts within seconds. So there are many short rounds, each with a daemon of its own, and each begins
    and ends without one: a ratio is to the mean of these two, and of times taken in turns of the caller's loop."""

    BEFORE, AFTER = "without bpfmon", "without bpfmon, again"

    def __init__(self, bed, modes, works):
        self.bed, self.modes, self.works = bed, modes, works
        self.rounds, self.disturbed = [], 0

    def _without(self):
        return {work: (self.bed.caller.run(*order), (0, 0)) for work, order in self.works.items()}

    def _with(self, matches):
        subscriber = self.bed.subscriber(*matches) if matches else None
        results = {}
        before = Counts(0, 0, 0)
        for work, order in self.works.items():
            calls = self.bed.caller.run(*order)
            after = subscriber.settle() if subscriber else before
            lost = after.lost - before.lost
            results[work] = calls, (lost, lost + after.events - before.events)
            before = after
        if subscriber:
            subscriber.close()
        return results

    def _round(self):
        results = {self.BEFORE: self._without()}
        daemon = self.bed.daemon()
        results.update((mode, self._with(matches)) for mode, matches in self.modes.items())
        daemon.stop()
        results[self.AFTER] = self._without()
        return results

    def measure(self, rounds, seconds=60):
        """Takes so many rounds, as long as there is time. Rounds with a foreign bpfmond do not count."""
        end = time.monotonic() + seconds
        while len(self.rounds) < rounds and time.monotonic() < end:
            if other_daemons():
                time.sleep(0.1)
                continue
            results = self._round()
            if other_daemons():
                self.disturbed += 1
            else:
                self.rounds.append(results)
        if len(self.rounds) < 4:
            sys.exit("Another bpfmond is running; stop it first")

    def _steady(self, work):
        """The rounds in which the machine was as fast at the end as at the beginning; at least the better half."""
        def change(results):
            before, after = (results[mode][work][0].turns for mode in (self.BEFORE, self.AFTER))
            return max(before, after) / min(before, after)

        rounds = sorted(self.rounds, key=change)
        return [results for i, results in enumerate(rounds) if change(results) <= STEADY or i <= len(rounds) // 2]

    def _row(self, rounds, work, mode):
        results = [results[mode][work] for results in rounds]
        without = [statistics.mean(results[mode][work][0].turns for mode in (self.BEFORE, self.AFTER))
                   for results in rounds]
        ratios = [calls.turns / base for (calls, _), base in zip(results, without)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        lost, sent = map(sum, zip(*(events for _, events in results)))
        return [mode, f"{statistics.median(calls.ns for calls, _ in results):,.0f}", f"{middle:.2f}",
                f"{low:.2f}–{high:.2f}", f"{min(ratios):.2f}–{max(ratios):.2f}",
                f"{100 * lost / sent:.1f} %" if sent else "–"]

    def print(self):
        for work in self.works:
            rounds = self._steady(work)
            table(f"{work}: the {len(rounds)} steadiest of {len(self.rounds)} rounds",
                  ["mode", "ns a call", "ratio", "half of them", "all of them", "lost"],
                  [self._row(rounds, work, mode) for mode in [self.BEFORE, self.AFTER, *self.modes]])
        if self.disturbed:
            print(f"\n{self.disturbed} more were thrown away: another bpfmond ran")


def main(benchmark):
    """Runs `benchmark(bed)`, and prints what it ran on."""
    missing = [name for name in ("BPFMOND", "BPFMONCTL", "CALLER", "SUBSCRIBER") if name not in os.environ]
    if missing:
        sys.exit(f"Run it with meson test --benchmark: {', '.join(missing)} not set")
    if os.geteuid() != 0:
        print("Skipped: only root can load the probes")
        sys.exit(SKIPPED)
    if not shutil.which("dbus-daemon"):
        print("Skipped: dbus-daemon is not installed")
        sys.exit(SKIPPED)
    system = os.uname()
    print(f"{system.sysname} {system.release} {system.machine}, {os.cpu_count()} CPUs, "
          f"load average {os.getloadavg()[0]:.2f}", flush=True)
    begin = time.monotonic()
    with Bed() as bed:
        benchmark(bed)
    print(f"\nTook {time.monotonic() - begin:.0f} s")
