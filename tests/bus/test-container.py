#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""bpfmonctl -M and a real container, which systemd-nspawn makes of this machine's /usr. systemd-machined is not there: what
it would write of the container the test does. The bus in it is the one of the test."""

import os
import pathlib
import shutil
import signal

import bed
from bed import contains, equal, wait_until

CTL = os.environ["BPFMONCTL"]
MACHINES = pathlib.Path("/run/systemd/machines")  # where libsystemd looks for the leader of a container


def children(pid):
    return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


class Container:
    """Use it in a with statement."""

    def __init__(self, b, *options):
        if not shutil.which("systemd-nspawn"):
            raise bed.Skip("systemd-nspawn is not installed")
        self.name = f"bpfmon-test-{os.getpid()}"
        root = b.directory / "root"
        for name in ("usr", "etc", "var", "tmp", "proc", "sys", "dev", "run"):
            (root / name).mkdir(parents=True)
        for name in ("bin", "lib", "lib64", "sbin"):
            (root / name).symlink_to(f"usr/{name}")
        (root / "var/run").symlink_to("/run")
        (root / "etc/os-release").write_text("ID=test\n")
        b.directory.chmod(0o755)
        self.process = bed.Process(b, "nspawn", ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--pipe",
                                                 f"--directory={root}", "--bind-ro=/usr", *options,
                                                 "/bin/sh", "-c", "echo up; exec sleep 1000"])
        wait_until(lambda: "up" in self.process.output() or not self.process.running(), what="the container")
        if not self.process.running():
            raise bed.Skip(f"systemd-nspawn does not run here: {' '.join(self.process.errors().split())}")
        (leader,) = children(self.process.pid)
        self.made = not MACHINES.exists()
        MACHINES.mkdir(parents=True, exist_ok=True)
        self.file = MACHINES / self.name
        self.file.write_text(f"LEADER={leader}\nCLASS=container\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.unlink()
        if self.made:
            MACHINES.rmdir()
        self.process.stop(signal.SIGTERM)


def test_container(b):
    """-M asks the bpfmond of a container, and follows its events until Ctrl-C"""
    b.daemon()
    bus = f"{b.directory}/bus"
    with Container(b, f"--bind={bus}:/run/dbus/system_bus_socket") as there:
        b.environment["DBUS_SYSTEM_BUS_ADDRESS"] = "unix:path=/nowhere"
        held = b.trigger("prog-load", "there", pause=True).go()
        truth = held.acted()[0]
        process = b.ctl("-M", there.name, "programs", "-j", "prog.name=there")
        equal((process.popen.returncode, process.errors()), (0, ""), "status, and what it says")
        equal([row["prog.id"] for row in process.objects()], [truth["id"]], "programs of there")
        # Behind Tab it waits for nobody for long: then it is pressed again.
        wait_until(lambda: f"{truth['id']}\t" in b.ctl("--complete", "--", "-M", there.name, "show", "prog",
                                                       str(truth["id"])[:-1]).output(), what="ids of there behind Tab")
        follower = b.follow("-M", there.name, "event=map-create", "-j")
        truth = b.trigger("map-create", "m").go().truth()[0]
        wait_until(follower.objects, what="the event")
        equal(follower.objects()[0]["map.id"], truth["id"], "the event of there")
        equal(follower.stop(signal.SIGINT), 0, follower.errors())
        process = b.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", CTL, "-M", there.name, "status")
        equal((process.popen.returncode, len(process.errors().splitlines())), (77, 1), process.errors())


def test_refusals(b):
    """A container that is not there, and one without a bus, are told apart in one line"""
    with Container(b) as there:
        for name, why in ((there.name, "no system bus"), ("no-such-container", "no such container")):
            process = b.ctl("-M", name, "status")
            equal((process.popen.returncode, process.output(), len(process.errors().splitlines())), (1, "", 1), process.errors())
            contains(process.errors(), f"{name}: ", "which container it is about")
            contains(process.errors(), why, "what it says")


bed.main([test_container, test_refusals])
