# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stock Debian kernels, fetched with an apt state of their own and kept in a cache.

The mirror is the machine's own (or BPFMON_TEST_MIRROR); package names are looked up when they are needed, since they
carry the version. Of a package only the kernel image is kept."""

import fcntl
import json
import os
import pathlib
import re
import shutil
import subprocess
import tarfile
import tempfile
import time

# Name of the kernel in the results -> suites that may have it: of several, the newest kernel wins.
KERNELS = {
    "5.10": ["bullseye"],
    "6.1": ["bookworm"],
    "6.12": ["trixie"],
    "newest": ["trixie-backports", "forky"],
}
CODENAMES = {"bullseye", "bookworm", "trixie", "forky", "sid", "oldstable", "stable", "testing", "unstable"}
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
INDEX_AGE = 24 * 3600
VMLINUZ = re.compile(r"\./(boot/vmlinuz-[^/]+|(usr/)?lib/modules/[^/]+/vmlinuz)$")

CONFIG = """\
Dir::State "{apt}/state";
Dir::State::status "{apt}/status";
Dir::Cache "{apt}/cache";
Dir::Log "{apt}/log";
Dir::Etc::sourcelist "{apt}/kernels.sources";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Architecture "amd64";
APT::Architectures {{ "amd64"; }};
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::Retries "3";
// Suites that are not updated any more keep their last signature.
Acquire::Check-Valid-Until "false";
"""

SOURCES = """\
Types: deb
URIs: {mirror}
Suites: {suites}
Components: main
"""


class Unavailable(Exception):
    """A kernel could not be had; the message says why."""


def cache_dir():
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base) / "bpfmon-test"


def machine_mirror():
    """The Debian mirror that this machine uses."""
    if "BPFMON_TEST_MIRROR" in os.environ:
        return os.environ["BPFMON_TEST_MIRROR"]
    if not shutil.which("apt-get"):
        raise Unavailable("no apt-get here: the kernels come from Debian packages")
    form = "$(ORIGIN)|$(LABEL)|$(RELEASE)|$(REPO_URI)"
    command = ["apt-get", "indextargets", "--format", form, "Created-By: Packages"]
    rows = [line.split("|") for line in subprocess.check_output(command, text=True).splitlines()]
    for origin, label, release, uri in rows:
        # Before the first "apt-get update" nothing is known but the name of the suite.
        if (origin, label) == ("Debian", "Debian") or (origin.startswith("$") and release in CODENAMES):
            return uri
    raise Unavailable("apt uses no Debian mirror here: set BPFMON_TEST_MIRROR to the URI of one")


class Fetcher:
    """One private apt state. Use it in a with statement: it holds the lock of the cache."""

    def __init__(self):
        self.dir = cache_dir()
        self.apt = self.dir / "apt"
        self.dir.mkdir(parents=True, exist_ok=True)
        self.index_error = None

    def __enter__(self):
        self.lock = open(self.dir / "lock", "w")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        return self

    def __exit__(self, *_):
        self.lock.close()

    def run(self, *command, **options):
        env = dict(os.environ, APT_CONFIG=str(self.apt / "apt.conf"), LC_ALL="C.UTF-8")
        return subprocess.run(command, env=env, text=True, capture_output=True, **options)

    def update(self):
        """Brings the package lists up to date, at most once a day."""
        suites = [suite for names in KERNELS.values() for suite in names]
        sources = SOURCES.format(mirror=machine_mirror(), suites=" ".join(suites))
        if os.path.exists(KEYRING):
            sources += f"Signed-By: {KEYRING}\n"
        listed, stamp = self.apt / "kernels.sources", self.apt / "updated"
        if stamp.exists() and listed.read_text() == sources and time.time() - stamp.stat().st_mtime < INDEX_AGE:
            return
        for name in ("state/lists/partial", "cache/archives/partial", "log"):
            (self.apt / name).mkdir(parents=True, exist_ok=True)
        (self.apt / "status").touch()
        (self.apt / "apt.conf").write_text(CONFIG.format(apt=self.apt))
        listed.write_text(sources)
        result = self.run("apt-get", "update")
        if result.returncode or re.search(r"^[EW]:.*Failed", result.stderr, re.M):
            # Whether it matters shows when a kernel is looked up.
            self.index_error = result.stderr.strip()
        else:
            stamp.touch()

    def depends(self, package, suite):
        """Version and dependencies of a package in a suite, or None."""
        result = self.run("apt-cache", "show", "--no-all-versions", f"{package}/{suite}")
        if result.returncode or not result.stdout:
            return None
        fields = dict(re.findall(r"^(Version|Depends): (.*)$", result.stdout, re.M))
        return fields["Version"], re.findall(r"linux-(?:image|binary)-[0-9][^ ,|]*", fields.get("Depends", ""))

    def newest(self, suites):
        """(version, suite, packages to look into) of the newest kernel of these suites."""
        best = None
        for suite in suites:
            found = self.depends("linux-image-amd64", suite)
            if not found:
                continue
            version, packages = found
            older = best and self.run("dpkg", "--compare-versions", version, "le", best[0]).returncode == 0
            if not older:
                best = version, suite, packages
        if not best:
            raise Unavailable(f"no kernel in {', '.join(suites)}: {self.index_error or 'not on the mirror'}")
        return best

    def extract(self, package, suite, target):
        """Downloads a package and keeps its kernel image. Returns whether it has one."""
        with tempfile.TemporaryDirectory(dir=self.dir) as folder:
            result = self.run("apt-get", "download", f"{package}/{suite}", cwd=folder)
            if result.returncode:
                raise Unavailable(f"{package} cannot be downloaded: {result.stderr.strip()}")
            (deb,) = pathlib.Path(folder).glob("*.deb")
            with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as unpack:
                with tarfile.open(fileobj=unpack.stdout, mode="r|") as archive:
                    for member in archive:
                        if member.isfile() and VMLINUZ.match(member.name):
                            image = pathlib.Path(folder) / "vmlinuz"
                            with open(image, "wb") as out:
                                shutil.copyfileobj(archive.extractfile(member), out)
                            image.rename(target / "vmlinuz")
                            unpack.terminate()
                            return True
        return False

    def kernel(self, name):
        """Path of the image and version of a kernel of KERNELS. Raises Unavailable."""
        target = self.dir / "kernels" / name
        have = target / "package.json"
        known = json.loads(have.read_text()) if have.exists() else None
        try:
            self.update()
            version, suite, packages = self.newest(KERNELS[name])
            if known and known["version"] == version:
                return target / "vmlinuz", version
            target.mkdir(parents=True, exist_ok=True)
            packages = list(packages)
            for package in packages:
                if self.extract(package, suite, target):
                    have.write_text(json.dumps({"version": version, "package": package, "suite": suite}))
                    return target / "vmlinuz", version
                # Newer packages keep the image in a package that this one depends on.
                packages += self.depends(package, suite)[1]
            raise Unavailable(f"no kernel image in {', '.join(packages)}")
        except Unavailable as error:
            if known:
                print(f"# {name}: {error}; using {known['version']}, fetched earlier", flush=True)
                return target / "vmlinuz", known["version"]
            raise
