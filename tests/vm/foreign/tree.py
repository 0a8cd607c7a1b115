# SPDX-License-Identifier: LGPL-2.1-or-later
"""A small Debian with systemd, as a disk image in the cache: packages, unpacked and not configured."""

import json
import pathlib
import shutil
import subprocess
import tempfile

from initramfs import find_tool

# What every guest has, and the tools that are tried there.
PACKAGES = [
    "base-files", "bash", "coreutils", "dash", "dbus", "dbus-daemon", "grep", "kmod", "mount", "sed", "systemd",
    "util-linux",
    "bpftool", "bpftrace", "iproute2", "libbpf-tools", "tcpdump",
]
LEFT_OUT = ["doc", "info", "locale", "man", "bash-completion", "lintian", "bcc", "perl5"]
SIZE = "640M"

PASSWD = """\
root:x:0:0:root:/root:/bin/bash
messagebus:x:100:100::/nonexistent:/usr/sbin/nologin
tcpdump:x:101:101::/nonexistent:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""
GROUP = "root:x:0:\ntty:x:5:\nmessagebus:x:100:\ntcpdump:x:101:\nnogroup:x:65534:\n"

# Ends with the machine's power: nothing else is started.
TARGET = """\
[Unit]
Requires=basic.target foreign.service
After=basic.target
"""
SERVICE = """\
[Unit]
Wants=dbus.service
After=basic.target dbus.service
[Service]
Type=oneshot
TimeoutStartSec=infinity
ExecStart=/payload/start
"""
FILES = {
    "etc/passwd": PASSWD,
    "etc/group": GROUP,
    "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
    "etc/hostname": "guest\n",
    "etc/fstab": "",
    "etc/systemd/system/foreign.target": TARGET,
    "etc/systemd/system/foreign.service": SERVICE,
}


def unpack(deb, root):
    excluded = [f"--exclude=./usr/share/{name}" for name in LEFT_OUT]
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as package:
        subprocess.run(["tar", "-x", "--keep-directory-symlink", "-C", root, *excluded], stdin=package.stdout, check=True)


def fill(image, debs, root):
    """Makes the image of the packages in a folder."""
    root.mkdir()
    # Older packages have files in /bin and so on still.
    for name in ("bin", "lib", "lib64", "sbin"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for deb in sorted(debs.glob("*.deb")):
        unpack(deb, root)
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for name in ("proc", "sys", "dev", "run", "tmp", "payload"):
        (root / name).mkdir(exist_ok=True)
    subprocess.run([find_tool("mke2fs", "e2fsprogs"), "-q", "-t", "ext4", "-O", "^has_journal,^metadata_csum",
                    "-E", "root_owner=0:0", "-d", root, image, SIZE], check=True, stdout=subprocess.DEVNULL)


def disk(fetcher, suite):
    """Path of the image of a suite. Raises kernels.Unavailable."""
    target = fetcher.dir / "trees" / suite
    image, have = target / "disk.ext4", target / "packages.json"
    wanted = {"packages": PACKAGES, "files": FILES, "size": SIZE}
    if have.exists() and json.loads(have.read_text()) == wanted:
        return image
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=fetcher.dir) as folder:
        debs, root = pathlib.Path(folder) / "debs", pathlib.Path(folder) / "root"
        fetcher.download(PACKAGES, suite, debs)
        have.unlink(missing_ok=True)
        fill(pathlib.Path(folder) / "disk.ext4", debs, root)
        shutil.move(pathlib.Path(folder) / "disk.ext4", image)
    have.write_text(json.dumps(wanted))
    return image
