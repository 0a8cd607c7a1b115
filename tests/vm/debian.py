# SPDX-License-Identifier: LGPL-2.1-or-later
"""A small Debian with systemd, as a guest with a disk: its image in the cache, made of packages that are unpacked and not
configured, and the archive that it starts from."""

import json
import pathlib
import re
import shutil
import subprocess
import tempfile

import initramfs
from initramfs import find_tool

HERE = pathlib.Path(__file__).resolve().parent

# What every guest has.
PACKAGES = [
    "base-files", "bash", "coreutils", "dash", "dbus", "dbus-daemon", "grep", "kmod", "mount", "sed", "systemd",
    "util-linux",
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
Requires=basic.target checks.service
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
    "etc/systemd/system/checks.target": TARGET,
    "etc/systemd/system/checks.service": SERVICE,
}
LINKS = {"var/run": "/run"}  # what base-files does when it is configured
ARGUMENTS = "systemd.unit=checks.target systemd.condition_needs_update=0 systemd.mask=ldconfig.service"

# The programs under test run with the libraries of the machine that built them.
WRAPPER = """\
#!/bin/bash
exec -a {name} /payload{loader} --library-path {folders} /payload/bin/{name} "$@"
"""
START = """\
#!/bin/bash
mkdir -p /out
timeout 1200 bash /payload/checks.sh 2>&1 | tee /dev/console >/out/log
echo "${PIPESTATUS[0]}" >/out/status
dmesg >/out/dmesg
journalctl -b --no-pager >/out/journal 2>&1
b=/payload/bin/busybox
$b stty -F /dev/ttyS1 raw -echo
$b tar -c -C /out . | $b gzip -1 >/dev/ttyS1
sleep 0.2
$b poweroff -f
"""


def unpack(deb, root):
    excluded = [f"--exclude=./usr/share/{name}" for name in LEFT_OUT]
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as package:
        subprocess.run(["tar", "-x", "--keep-directory-symlink", "-C", root, *excluded], stdin=package.stdout, check=True)


def record(debs, root):
    """Lets dpkg know of the packages as installed, though nobody has configured them."""
    place = root / "var/lib/dpkg"
    for name in ("info", "triggers", "updates"):
        (place / name).mkdir(parents=True, exist_ok=True)
    with open(place / "status", "w", encoding="utf-8") as status:
        for deb in sorted(debs.glob("*.deb")):
            about = subprocess.run(["dpkg-deb", "--field", deb], capture_output=True, text=True, check=True).stdout
            status.write(about.replace("\n", "\nStatus: install ok installed\n", 1) + "\n")
            fields = dict(re.findall(r"^(Package|Architecture|Multi-Arch): (.*)$", about, re.MULTILINE))
            same = f":{fields['Architecture']}" if fields.get("Multi-Arch") == "same" else ""
            (place / "info" / f"{fields['Package']}{same}.list").write_text("/.\n")


def fill(image, debs, root, files, links):
    """Makes the image of the packages in a folder."""
    root.mkdir()
    # Older packages have files in /bin and so on still.
    for name in ("bin", "lib", "lib64", "sbin"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for deb in sorted(debs.glob("*.deb")):
        unpack(deb, root)
    record(debs, root)
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for name, target in links.items():
        shutil.rmtree(root / name, ignore_errors=True)
        (root / name).symlink_to(target)
    for name in ("proc", "sys", "dev", "run", "tmp", "payload"):
        (root / name).mkdir(exist_ok=True)
    subprocess.run([find_tool("mke2fs", "e2fsprogs"), "-q", "-t", "ext4", "-O", "^has_journal,^metadata_csum",
                    "-E", "root_owner=0:0", "-d", root, image, SIZE], check=True, stdout=subprocess.DEVNULL)


def disk(fetcher, suite, scene, packages=(), files=None, links=None):
    """Path of the image of a suite with these packages beside PACKAGES, these files (name -> text) in place of or beside
    FILES, and these symbolic links (name -> target) beside LINKS. Raises kernels.Unavailable."""
    target = fetcher.dir / "trees" / f"{suite}-{scene}"
    image, have = target / "disk.ext4", target / "packages.json"
    wanted = {"packages": [*PACKAGES, *packages], "files": {**FILES, **(files or {})}, "links": {**LINKS, **(links or {})},
              "size": SIZE}
    if have.exists() and json.loads(have.read_text()) == wanted:
        return image
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=fetcher.dir) as folder:
        debs, root = pathlib.Path(folder) / "debs", pathlib.Path(folder) / "root"
        fetcher.download(wanted["packages"], suite, debs)
        have.unlink(missing_ok=True)
        fill(pathlib.Path(folder) / "disk.ext4", debs, root, wanted["files"], wanted["links"])
        shutil.move(pathlib.Path(folder) / "disk.ext4", image)
    have.write_text(json.dumps(wanted))
    return image


def drive(image):
    """QEMU's options for a disk that forgets what is written."""
    return ["-drive", f"file={image},format=raw,if=virtio,snapshot=on"]


def wrapper(program, name):
    """A script that runs /payload/bin/NAME."""
    libraries = initramfs.libraries(program)
    (loader,) = (library for library in libraries if "/ld-linux" in library)
    folders = ":".join(sorted({f"/payload{pathlib.Path(library).parent}" for library in libraries}))
    return WRAPPER.format(name=name, loader=loader, folders=folders)


def archive(checks, programs):
    """What the guest starts from, as an archive to which more may be added below /payload, which goes to the disk. It
    runs the script of the path `checks` there, beside it /payload/tools with the programs (name -> path here)."""
    made = initramfs.Archive()
    for name in ("dev", "proc", "lib", "lib64", "usr", "bin"):
        made.directory(name)
    made.device("dev/console", 5, 1)
    made.file("init", (HERE / "debian-init").read_bytes(), 0o755)
    made.program(find_tool("busybox", "busybox-static"), "/bin/busybox")
    made.file("payload/checks.sh", checks.read_bytes())
    made.file("payload/await.sh", (HERE / "await.sh").read_bytes())
    made.file("payload/start", START, 0o755)
    for name, program in programs.items():
        made.program(program, f"/bin/{name}")
        made.file(f"payload/tools/{name}", wrapper(program, name), 0o755)
    return made
