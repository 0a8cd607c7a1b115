# SPDX-License-Identifier: LGPL-2.1-or-later
"""The programs under test for another machine: built against Debian's packages of it, in a tree of their own."""

import json
import pathlib
import re
import shutil
import subprocess
import tempfile

from initramfs import find_tool

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent
SUITE = "bookworm"
# What the programs are built with, and what runs beside them in a guest.
PACKAGES = [
    "libbpf-dev", "libc6-dev", "libelf-dev", "libjson-c-dev", "libncurses-dev", "libseccomp-dev", "libsqlite3-dev", "libsystemd-dev", "nettle-dev",
    "zlib1g-dev",
    "busybox-static", "dbus-daemon",
]
TARGETS = {"bpfmond": "daemon/bpfmond", "bpfmonctl": "client/bpfmonctl", "trigger": "tests/trigger/trigger"}
CROSS = """\
[constants]
sysroot = '{sysroot}'
[binaries]
c = ['aarch64-linux-gnu-gcc', '--sysroot=' + sysroot]
strip = 'aarch64-linux-gnu-strip'
pkg-config = 'pkg-config'
pkgconfig = 'pkg-config'
[properties]
sys_root = sysroot
pkg_config_libdir = sysroot / 'usr/lib/aarch64-linux-gnu/pkgconfig'
[host_machine]
system = 'linux'
cpu_family = 'aarch64'
cpu = 'aarch64'
endian = 'little'
"""


class Impossible(OSError):
    """This machine lacks what it takes; the message says what."""


def need(name, package):
    try:
        find_tool(name, package)
    except FileNotFoundError as error:
        raise Impossible(str(error)) from error


def sysroot(fetcher):
    """Path of the unpacked packages, in the cache. Raises kernels.Unavailable."""
    target = fetcher.dir / "trees" / fetcher.architecture
    root, have = target / "root", target / "packages.json"
    if have.exists() and json.loads(have.read_text()) == PACKAGES:
        return root
    with tempfile.TemporaryDirectory(dir=fetcher.dir) as folder:
        fetcher.download(PACKAGES, SUITE, pathlib.Path(folder))
        have.unlink(missing_ok=True)
        shutil.rmtree(target, ignore_errors=True)
        root.mkdir(parents=True)
        for deb in sorted(pathlib.Path(folder).glob("*.deb")):
            with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as package:
                subprocess.run(["tar", "-x", "-C", root, "--exclude=./usr/share"], stdin=package.stdout, check=True)
    # Some links lead to the root of the machine that they are made for.
    for link in root.rglob("*.so"):
        if link.is_symlink() and str(link.readlink()).startswith("/"):
            to = root / str(link.readlink()).lstrip("/")
            link.unlink()
            link.symlink_to(to)
    have.write_text(json.dumps(PACKAGES))
    return root


def build(root, folder):
    """Builds the programs. Returns name in the guest -> path here. Raises Impossible without a compiler or an
    emulator."""
    need("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu")
    need("qemu-system-aarch64", "qemu-system-arm")
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "cross.ini"
    if not (folder / "build.ninja").exists():
        settings.write_text(CROSS.format(sysroot=root))
        command("meson", "setup", folder, SOURCE, "--werror", "--cross-file", settings, "-Dtests=disabled")
    command("ninja", "-C", folder, *TARGETS.values())
    return {f"/bin/{name}": folder / path for name, path in TARGETS.items()}


def command(*words):
    result = subprocess.run(words, text=True, capture_output=True, check=False)
    if result.returncode:
        raise OSError(f"{' '.join(map(str, words))}:\n{result.stdout[-3000:]}{result.stderr[-3000:]}")


def libraries(program, root):
    """Paths, as the guest has them, of what a program is linked to; the dynamic loader among them."""
    folders = ["lib", "lib/aarch64-linux-gnu", "usr/lib/aarch64-linux-gnu"]
    found, left = {}, [pathlib.Path(program)]
    while left:
        listing = subprocess.run(["readelf", "-ld", left.pop()], text=True, capture_output=True, check=True).stdout
        for name in re.findall(r"\(NEEDED\).*\[(.+)\]|interpreter: /lib/(.+)\]", listing):
            name = name[0] or name[1]
            if name in found:
                continue
            path = next((f"{folder}/{name}" for folder in folders if (root / folder / name).exists()), None)
            if not path:
                raise FileNotFoundError(f"{program} needs {name}, which is not in the packages")
            found[name] = f"/{path}"
            left.append(root / path)
    return list(found.values())
