# SPDX-License-Identifier: LGPL-2.1-or-later
"""A service manager that does one thing: it keeps the file descriptors of the daemon, and starts it again with them, as
systemd does (sd_notify(3), FDSTORE=; sd_listen_fds(3))."""

import array
import os
import pathlib
import socket
import sys
import threading

from bed import Process

# Puts the descriptors in place: they begin at 3, and the process that gets them must be named.
STARTER = """
import fcntl, os, sys
count = int(sys.argv[1])
high = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 600) for fd in sys.argv[2:2 + count]]
for i, fd in enumerate(high):
    os.dup2(fd, 3 + i)
    os.close(fd)
os.closerange(3 + count, 1024)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2 + count], sys.argv[2 + count:])
"""


class Keeper:
    """Use it in a with statement: the descriptors are closed at its end."""

    def __init__(self, b, *options, observe=None):
        self.bed = b
        self.options = [f"--observe={observe or f'pid:{os.getpid()}'}", *options]
        self.store = []  # (name, descriptor), as they came
        self.lock = threading.Lock()
        self.settled = threading.Event()
        self.path = b.directory / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.thread = threading.Thread(target=self._receive, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """As the service manager does when the service is stopped for good."""
        self.forget()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.sendto(b"END=1", str(self.path))
        self.thread.join()
        self.socket.close()
        self.path.unlink()

    def forget(self):
        with self.lock:
            for _, fd in self.store:
                os.close(fd)
            self.store = []

    def _receive(self):
        fds = array.array("i")
        while True:
            data, ancillary, _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(253 * fds.itemsize))
            received = array.array("i")
            for level, kind, payload in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    received.frombytes(payload[:len(payload) - len(payload) % received.itemsize])
            lines = dict(line.partition("=")[::2] for line in data.decode().splitlines())
            if "END" in lines:
                return
            if "SETTLE" in lines:
                self.settled.set()
                continue
            with self.lock:
                self._take(lines, list(received))

    def _take(self, lines, fds):
        name = lines.get("FDNAME", "stored")
        if "FDSTORE" in lines:
            assert ":" not in name and len(name) < 256, name
            self.store += [(name, fd) for fd in fds]
        if "FDSTOREREMOVE" in lines:
            for known, fd in self.store:
                if known == name:
                    os.close(fd)
            self.store = [(known, fd) for known, fd in self.store if known != name]

    def settle(self):
        """Waits until all that was sent up to now has been taken."""
        self.settled.clear()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.sendto(b"SETTLE=1", str(self.path))
        self.settled.wait()

    def objects(self):
        """The BPF objects that are kept: a set of (kind, id)."""
        self.settle()
        with self.lock:
            return kernel_ids(fd for _, fd in self.store)

    def names(self):
        self.settle()
        with self.lock:
            return [name for name, _ in self.store]

    def start(self, *options, ready=True):
        """Starts bpfmond with what is in the store."""
        self.settle()  # the one before may have sent more a moment ago
        with self.lock:
            store = list(self.store)
        fds = [fd for _, fd in store]
        environment = dict(self.bed.environment, NOTIFY_SOCKET=str(self.path))
        if store:
            environment.update(LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=":".join(name for name, _ in store))
        saved, self.bed.environment = self.bed.environment, environment
        try:
            daemon = Process(self.bed, "bpfmond",
                             [sys.executable, "-S", "-E", "-c", STARTER, str(len(fds)), *map(str, fds),
                              os.environ["BPFMOND"], *self.options, *options], pass_fds=fds)
        finally:
            self.bed.environment = saved
        if ready:
            self.bed.wait_ready(daemon)
        return daemon


def kernel_ids(fds):
    """The BPF objects behind descriptors of this process: a set of (kind, id)."""
    found = set()
    for fd in fds:
        for line in pathlib.Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines():
            key, _, value = line.partition(":")
            # A link's has its program's id as well.
            if key in ("prog_id", "map_id", "link_id"):
                found.add((key.removesuffix("_id"), int(value)))
    return found
