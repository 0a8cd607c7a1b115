#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is installed is where the conventions have it, and the tools of systemd accept it.

Argument: the directory of the build."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from tap import Skip, Tap

SCORE_MAX = 2.5  # exposure, as systemd-analyze security counts it

# Below the prefix: where bus, polkit, systemd and people look.
PLACES = [
    "bin/bpfmon-notify",
    "bin/bpfmonctl",
    "lib/bpfmon/bpfmond.conf",
    "lib/bpfmon/rules.d/10-tamper.conf",
    "lib/systemd/catalog/bpfmond.catalog",
    "lib/systemd/system-preset/90-bpfmon.preset",
    "lib/systemd/system/bpfmond.service",
    "lib/systemd/user-preset/90-bpfmon.preset",
    "lib/systemd/user/bpfmon-notify.service",
    "lib/sysusers.d/bpfmon.conf",
    "lib/tmpfiles.d/bpfmon.conf",
    "libexec/bpfmon/bpfmond",
    "share/applications/org.bpfmon1.Notify.desktop",
    "share/bash-completion/completions/bpfmon-notify",
    "share/bash-completion/completions/bpfmonctl",
    "share/dbus-1/interfaces/org.bpfmon1.xml",
    "share/dbus-1/system-services/org.bpfmon1.service",
    "share/dbus-1/system.d/org.bpfmon1.conf",
    "share/doc/bpfmon/examples/50-bpfmon.rules",
    "share/doc/bpfmon/examples/python/stream.py",
    "share/fish/vendor_completions.d/bpfmon-notify.fish",
    "share/fish/vendor_completions.d/bpfmonctl.fish",
    "share/icons/hicolor/scalable/apps/org.bpfmon1.Notify.svg",
    "share/man/man1/bpfmon-notify.1",
    "share/man/man1/bpfmonctl.1",
    "share/man/man5/bpfmon.rules.5",
    "share/man/man5/bpfmond.conf.5",
    "share/man/man5/org.bpfmon1.5",
    "share/man/man7/bpfmon-event.7",
    "share/man/man8/bpfmond.8",
    "share/metainfo/org.bpfmon1.Monitor.metainfo.xml",
    "share/polkit-1/actions/org.bpfmon1.policy",
    "share/zsh/vendor-completions/_bpfmon-notify",
    "share/zsh/vendor-completions/_bpfmonctl",
]

build = pathlib.Path(sys.argv[1])


def tool(*command, root=None, **options):
    """What a program of systemd prints."""
    if not shutil.which(command[0]):
        raise Skip(f"{command[0]} is not installed")
    result = subprocess.run([*command, *([f"--root={root}"] if root else [])], capture_output=True, text=True,
                            env=dict(os.environ, LC_ALL="C.UTF-8"), check=False, **options)
    if result.returncode:
        raise AssertionError(f"{' '.join(map(str, command))}: {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout + result.stderr


class Installed:
    def __init__(self, folder):
        subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", folder], check=True,
                       stdout=subprocess.DEVNULL)
        self.root = pathlib.Path(folder)
        (self.unit,) = self.root.rglob("bpfmond.service")
        self.prefix = self.unit.parents[3]
        for name in ("etc", "var/lib", "run"):
            (self.root / name).mkdir(parents=True, exist_ok=True)

    def at_usr(self):
        if self.prefix != self.root / "usr":
            raise Skip(f"the prefix is /{self.prefix.relative_to(self.root)}; tools look below /usr")


def test_places(installed):
    """Everything is where it is looked for"""
    names = {str(path.relative_to(installed.prefix)) for path in installed.prefix.rglob("*") if path.is_file()}
    missing = [name for name in PLACES if not any(other == name or other == f"{name}.gz" for other in names)]
    if missing:
        raise AssertionError(f"not there: {missing} of {sorted(names)}")


def test_unit(installed):
    """The service passes systemd-analyze verify"""
    installed.at_usr()
    text = installed.unit.read_text()
    # What it is to run is below the folder, here.
    here = installed.root / "run/bpfmond.service"
    here.write_text(text.replace("ExecStart=/usr", f"ExecStart={installed.root}/usr"))
    said = tool("systemd-analyze", "verify", "--man=no", here)
    said = [line for line in said.splitlines() if "bpfmond" in line]
    if said:
        raise AssertionError("\n".join(said))


def test_exposure(installed):
    """systemd-analyze security finds little that the service could do"""
    said = tool("systemd-analyze", "security", "--offline=true", "--no-pager", installed.unit)
    score = re.search(r"exposure level for bpfmond.service: ([\d.]+)", said)
    print(f"# exposure level: {score[1] if score else '?'}", flush=True)
    if not score or float(score[1]) > SCORE_MAX:
        raise AssertionError(f"more than {SCORE_MAX}:\n{said}")


def test_users(installed):
    """There is a user with a group of its own, and another group for people"""
    if os.geteuid() != 0:
        raise Skip("needs root")
    installed.at_usr()
    tool("systemd-sysusers", root=installed.root)
    groups = {row[0]: row for row in (line.split(":") for line in (installed.root / "etc/group").read_text().splitlines())}
    users = {row[0]: row for row in (line.split(":") for line in (installed.root / "etc/passwd").read_text().splitlines())}
    if users["bpfmon"][3] != groups["bpfmond"][2] or "bpfmon" not in groups:
        raise AssertionError(f"{users}, {groups}")
    if any(row[3] for row in groups.values()):
        raise AssertionError(f"somebody is in a group already: {groups}")
    tool("systemd-tmpfiles", "--create", root=installed.root)
    state = (installed.root / "var/lib/bpfmon").stat()
    if (str(state.st_uid), str(state.st_gid), state.st_mode & 0o7777) != (users["bpfmon"][2], groups["bpfmond"][2], 0o700):
        raise AssertionError(f"{state}")
    if not (installed.root / "etc/bpfmon/bpfmond.conf.d").is_dir():
        raise AssertionError("there is nowhere to put drop-ins")


def test_preset(installed):
    """Where presets count the service is enabled, and a call on the bus finds it by its alias"""
    installed.at_usr()
    tool("systemctl", "preset", "bpfmond.service", root=installed.root)
    alias = installed.root / "etc/systemd/system/dbus-org.bpfmon1.service"
    if not alias.is_symlink() or pathlib.Path(os.readlink(alias)).name != "bpfmond.service":
        raise AssertionError(f"no alias: {sorted(map(str, (installed.root / 'etc').rglob('*')))}")
    activation = (installed.prefix / "share/dbus-1/system-services/org.bpfmon1.service").read_text()
    if f"SystemdService={alias.name}" not in activation:
        raise AssertionError(activation)


def test_catalog(installed):
    """journalctl takes the catalog's messages up"""
    installed.at_usr()
    tool("journalctl", "--update-catalog", root=installed.root)
    listed = tool("journalctl", "--list-catalog", root=installed.root)
    ids = re.findall(r"^-- ([0-9a-f]{32})$", (installed.prefix / "lib/systemd/catalog/bpfmond.catalog").read_text(), re.M)
    missing = [each for each in ids if each not in listed.replace("-", "")]
    if missing or not ids:
        raise AssertionError(f"{missing} of {ids} are not listed:\n{listed}")


def main():
    tap = Tap()
    with tempfile.TemporaryDirectory(prefix="bpfmon-installation-") as folder:
        installed = Installed(folder)
        for test in (test_places, test_unit, test_exposure, test_users, test_preset, test_catalog):
            tap.run(test.__doc__.splitlines()[0], test, installed)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
