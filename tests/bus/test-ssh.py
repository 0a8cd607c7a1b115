#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""bpfmonctl -H through a real ssh and sshd, on the loopback: root's account, with keys, ports and files of its own. What
sshd starts is what systemd-stdio-bridge is told on a real machine, but for the bus."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys

import bed
from bed import contains, equal, wait_until

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import databases  # noqa: E402  pylint: disable=wrong-import-position

PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"

SERVER = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
PidFile none
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
AuthorizedKeysFile {folder}/key.pub
Banner {folder}/banner
ForceCommand echo $$ "$SSH_ORIGINAL_COMMAND" >>{folder}/told; exec systemd-stdio-bridge --bus-path={bus}
"""
CLIENT = """\
Host *
IdentityFile {folder}/key
IdentitiesOnly yes
UserKnownHostsFile {folder}/known
StrictHostKeyChecking yes
"""


def locked():
    """Whether root's account is, so that sshd lets nobody in."""
    try:
        lines = pathlib.Path("/etc/shadow").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    return any(line.startswith("root:!") for line in lines)


class Server:
    """sshd, and an ssh that knows of it and of nothing else on this machine."""

    def __init__(self, b):
        program = shutil.which("sshd", path=PATH)
        for name in ("sshd", "ssh", "ssh-keygen", "systemd-stdio-bridge"):
            if not shutil.which(name, path=PATH):
                raise bed.Skip(f"{name} is not installed")
        if locked():
            raise bed.Skip("root's account is locked")
        self.folder = b.directory / "ssh"
        self.folder.mkdir()
        pathlib.Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd asks for it
        for name in ("host", "key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.folder / name], check=True)
        self.kept = databases.keep_port()
        self.port = self.kept.getsockname()[1]
        (self.folder / "banner").write_text("All that you do is watched.\n\nThe owner\n")
        (self.folder / "server").write_text(SERVER.format(folder=self.folder, port=self.port, bus=b.address))
        (self.folder / "client").write_text(CLIENT.format(folder=self.folder))
        (self.folder / "known").write_text(f"[127.0.0.1]:{self.port} {(self.folder / 'host.pub').read_text()}")
        (self.folder / "ssh").write_text(f'#!/bin/sh\nexec ssh -F {self.folder}/client "$@"\n')
        (self.folder / "ssh").chmod(0o755)
        b.environment.update(SYSTEMD_SSH=str(self.folder / "ssh"), DBUS_SYSTEM_BUS_ADDRESS="unix:path=/nowhere")
        self.process = bed.Process(b, "sshd", [program, "-D", "-e", "-f", self.folder / "server"])
        wait_until(self.listens, what="sshd")
        self.host = f"root@127.0.0.1:{self.port}"

    def listens(self):
        if not self.process.running():
            raise AssertionError(f"sshd ended: {self.process.errors()}")
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
        except ConnectionRefusedError:
            return False
        return True

    def told(self):
        """Pid and command of each call."""
        try:
            return [line.split(maxsplit=1) for line in (self.folder / "told").read_text().splitlines()]
        except FileNotFoundError:
            return []


def start(b):
    state = b.directory / "state"
    state.mkdir()
    b.environment["STATE_DIRECTORY"] = str(state)
    b.daemon()
    return Server(b)


def one_line(b, *arguments):
    process = b.ctl(*arguments)
    equal((process.popen.returncode, process.output()), (1, ""), f"status and output of {arguments} ({process.errors()})")
    equal(len(process.errors().splitlines()), 1, process.errors())
    return process.errors()


def test_host(b):
    """-H shows what the daemon there knows and tells, and takes no banner for a complaint"""
    server = start(b)
    held = b.trigger("prog-load", "there", pause=True).go()
    truth = held.acted()[0]
    process = b.ctl("-H", server.host, "programs", "-j", "prog.name=there")
    equal((process.popen.returncode, process.errors()), (0, ""), "status, and what it says")
    equal([row["prog.id"] for row in process.objects()], [truth["id"]], "programs of there")
    equal(server.told()[0][1], "systemd-stdio-bridge", "what is run there")
    # Behind Tab it waits for nobody for long: then it is pressed again.
    wait_until(lambda: f"{truth['id']}\t" in b.ctl("-H", server.host, "--complete", "--", "-H", server.host, "show", "prog",
                                                   str(truth["id"])[:-1]).output(), what="ids of there behind Tab")
    process = b.ctl("-H", server.host, "query", "-n", "1", "-j", "event=prog-load", "prog.name=there")
    equal(process.objects()[0]["prog.id"], truth["id"], f"the past of there ({process.errors()})")


def test_events(b):
    """-H follows the events of there until Ctrl-C, which leaves nothing behind there"""
    server = start(b)
    follower = b.follow("-H", server.host, "event=map-create", "-j")
    truth = b.trigger("map-create", "m").go().truth()[0]
    wait_until(follower.objects, what="the event")
    equal(follower.objects()[0]["map.id"], truth["id"], "the event of there")
    equal(follower.stop(signal.SIGINT), 0, follower.errors())
    contains(follower.errors(), "1 event, 0 lost", "what it says at the end")
    pid = server.told()[-1][0]
    wait_until(lambda: not pathlib.Path(f"/proc/{pid}").exists(), what="the end of the bridge there")
    follower = b.follow("-H", server.host, "event=map-create")
    b.trigger("map-create", "m").go().truth()
    wait_until(follower.output, what="the event")  # it knows that it has subscribed
    os.kill(int(server.told()[-1][0]), signal.SIGKILL)
    equal(follower.wait(), 1, "status when the connection ends")
    equal(len(follower.errors().splitlines()), 1, follower.errors())
    contains(follower.errors(), "went away", "what it says")


def test_refusals(b):
    """A host that is not there, is another than before, or lets nobody in is said in one line"""
    server = start(b)
    with databases.keep_port() as nobody:
        port = nobody.getsockname()[1]
        contains(one_line(b, "-H", f"127.0.0.1:{port}", "status"), "refused", "of a port where nobody listens")
    known = server.folder / "known"
    right = known.read_text()
    known.write_text(f"[127.0.0.1]:{server.port} {(server.folder / 'key.pub').read_text()}")
    contains(one_line(b, "-H", server.host, "status"), "Host key verification failed", "of another key")
    known.write_text(right)
    (server.folder / "key.pub").write_text("")
    line = one_line(b, "-H", server.host, "status")
    contains(line, f"{server.host}: ", "which host it is about")
    contains(line, "Permission denied", "of who may not come in")
    equal(server.told(), [], "what was run there")


bed.main([test_host, test_events, test_refusals])
