# SPDX-License-Identifier: LGPL-2.1-or-later
"""Real databases for the tests: PostgreSQL and Redis of this machine, each started in a folder of its own, on a port and
a socket of its own, as a user without privileges."""

import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import time

USER = "nobody"
SETTINGS = """
fsync = off
full_page_writes = off
shared_buffers = 16MB
max_connections = 40
timezone = 'GMT'
log_timezone = 'GMT'
autovacuum = off
ssl = off
"""


def keep_port():
    """A socket bound to a free port, which nobody else is given while it is there; a server may listen there."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", 0))
    return s


def postgres_folder():
    """Where the programs of PostgreSQL are; None: it is not installed."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if found:
        return found[-1].parent
    program = shutil.which("postgres")
    return pathlib.Path(program).resolve().parent if program else None


def as_user(command):
    """The command, as one without privileges."""
    user = pwd.getpwnam(USER)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", *map(str, command)]


def run(command, **options):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, **options)
    if done.returncode:
        raise AssertionError(f"{command}: {done.stdout}\n{done.stderr}")
    return done.stdout


def wait_for(condition, process, what, timeout=60):
    end = time.monotonic() + timeout
    while not condition():
        if process.poll() is not None or time.monotonic() > end:
            raise AssertionError(f"{what} does not come up")
        time.sleep(0.05)


class Server:
    """Use it in a with statement: it ends with it."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        user = pwd.getpwnam(USER)
        os.chown(self.folder, user.pw_uid, user.pw_gid)
        self.kept = keep_port()
        self.port, self.process = self.kept.getsockname()[1], None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.send_signal(self.stop_signal)
            self.process.wait(60)
        self.kept.close()

    def spawn(self, command):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(as_user(command), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            cwd=self.folder)


class Postgres(Server):
    stop_signal = 2  # SIGINT: without waiting for clients

    def __init__(self, folder):
        super().__init__(folder)
        self.programs, self.data = postgres_folder(), self.folder / "data"

    def prepare(self):
        run(as_user([self.programs / "initdb", "-D", self.data, "-A", "trust", "-U", USER, "--no-locale", "-E", "UTF8"]))
        with open(self.data / "postgresql.conf", "a", encoding="ascii") as f:
            f.write(SETTINGS)

    def start(self):
        if not self.data.exists():
            self.prepare()
        self.spawn([self.programs / "postgres", "-D", self.data, "-p", self.port, "-k", self.folder, "-h", "127.0.0.1"])
        ready = [self.programs / "pg_isready", "-q", "-h", self.folder, "-p", str(self.port)]
        wait_for(lambda: subprocess.run(ready, check=False).returncode == 0, self.process, "PostgreSQL")

    def client(self, program, where, *arguments):
        """The command of a client; `where`: tcp or unix."""
        host = "127.0.0.1" if where == "tcp" else self.folder
        return as_user([self.programs / program, "-h", host, "-p", self.port, "-U", USER, *arguments])

    def bench(self, where, *arguments):
        return run(self.client("pgbench", where, "-n", *arguments, "postgres"))

    def make_tables(self, scale=1):
        run(self.client("pgbench", "unix", "-q", "-i", "-s", scale, "postgres"))


class Redis(Server):
    stop_signal = 15

    def __init__(self, folder):
        super().__init__(folder)
        self.socket = self.folder / "redis.sock"

    def start(self):
        self.spawn(["redis-server", "--port", self.port, "--bind", "127.0.0.1", "--unixsocket", self.socket, "--save", "",
                    "--dir", self.folder])
        wait_for(self.socket.exists, self.process, "Redis")

    def bench(self, where, *arguments):
        place = ["-p", self.port] if where == "tcp" else ["-s", self.socket]
        return run(as_user(["redis-benchmark", *place, *arguments]))
