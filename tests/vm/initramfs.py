# SPDX-License-Identifier: LGPL-2.1-or-later
"""The file system that the guests start from: busybox, a message bus, and the programs under test with what they are
linked to."""

import gzip
import os
import pathlib
import re
import shutil
import stat
import subprocess

HERE = pathlib.Path(__file__).parent
DIRECTORIES = ["dev", "proc", "sys", "run", "tmp", "out", "etc", "bin", "sbin", "usr/bin", "usr/sbin", "var"]
FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
}


def find_tool(name, package):
    """Path of a program of the machine, wherever it is kept."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not path:
        raise FileNotFoundError(f"{name} is not installed (Debian: {package})")
    return path


def libraries(program):
    """Paths of what a program is linked to, the dynamic loader among them."""
    listing = subprocess.run(["ldd", program], text=True, capture_output=True, check=False).stdout
    if "not found" in listing:
        raise FileNotFoundError(f"{program}: {listing}")
    return re.findall(r"(/\S+) \(0x", listing)


class Archive:
    """A cpio archive of the kind that the kernel unpacks (Documentation/driver-api/early-userspace/buffer-format)."""

    def __init__(self):
        self.parts = []
        self.names = set()

    def _entry(self, name, mode, data, device=(0, 0)):
        raw = name.encode() + b"\0"
        fields = [len(self.names) + 1, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(raw), 0]
        header = b"070701" + b"".join(b"%08X" % field for field in fields)
        for part in (header + raw, data):
            self.parts.append(part + b"\0" * (-len(part) % 4))
        self.names.add(name)

    def directory(self, name):
        name = name.strip("/")
        if name and name not in self.names:
            self.directory(os.path.dirname(name))
            self._entry(name, stat.S_IFDIR | 0o755, b"")

    def file(self, name, data, mode=0o644):
        name = name.strip("/")
        if name not in self.names:
            self.directory(os.path.dirname(name))
            self._entry(name, stat.S_IFREG | mode, data if isinstance(data, bytes) else data.encode())

    def program(self, path, name=None, needs=None, root="/"):
        """A program, with its libraries at the paths where it looks for them: those of this machine, or what `needs`
        finds below `root`."""
        root = pathlib.Path(root)
        self.file(name or f"/{pathlib.Path(path).relative_to(root)}", pathlib.Path(path).read_bytes(), 0o755)
        for library in needs(path, root) if needs else libraries(path):
            self.file(library, (root / library.lstrip("/")).read_bytes(), 0o755)

    def device(self, name, major, minor):
        self._entry(name, stat.S_IFCHR | 0o600, b"", (major, minor))

    def write(self, path):
        self._entry("TRAILER!!!", 0, b"")
        with gzip.open(path, "wb", compresslevel=1) as out:
            for part in self.parts:
                out.write(part)


def build(path, programs, files, needs=None, root="/"):
    """Writes the archive. `programs`: name in the guest -> path here; `files`: name in the guest -> text; `needs` and
    `root`: as of Archive.program(), for another machine than this one."""
    archive = Archive()
    for name in DIRECTORIES:
        archive.directory(name)
    archive.device("dev/console", 5, 1)
    for name, text in {**FILES, **files}.items():
        archive.file(name, text)
    archive.file("init", (HERE / "init").read_bytes(), 0o755)
    archive.file("checks.sh", (HERE / "checks.sh").read_bytes())
    archive.file("await.sh", (HERE / "await.sh").read_bytes())
    archive.file("bus.conf", (HERE / "bus.conf").read_bytes())
    if needs:
        tools = {"/bin/busybox": root / "bin/busybox", "/usr/bin/dbus-daemon": root / "usr/bin/dbus-daemon"}
    else:
        tools = {"/bin/busybox": find_tool("busybox", "busybox-static"),
                 "/usr/bin/dbus-daemon": find_tool("dbus-daemon", "dbus-daemon")}
    for name, program in {**tools, **programs}.items():
        archive.program(program, name, needs, root)
    archive.write(path)
