# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stock Debian kernels, fetched with an apt state of their own and kept in a cache.

The mirror is the machine's own (or BPFMON_TEST_MIRROR); package names are looked up when they are needed, since they
carry the version. Of a package only the kernel image is kept, and some modules."""

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

import initramfs
from initramfs import find_tool

# Name of the kernel in the results -> suites that may have it: of several, the newest kernel wins.
KERNELS = {
    "5.10": ["bullseye"],
    "6.1": ["bookworm"],
    "6.12": ["trixie"],
    "newest": ["trixie-backports", "forky"],
    "arm64": ["trixie"],
}
FOREIGN = {"arm64": "arm64"}  # kernels for another architecture than amd64, as Debian calls it
CODENAMES = {"bullseye", "bookworm", "trixie", "forky", "sid", "oldstable", "stable", "testing", "unstable"}
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
INDEX_AGE = 24 * 3600
VMLINUZ = re.compile(r"\./(boot/vmlinuz-[^/]+|(usr/)?lib/modules/[^/]+/vmlinuz)$")
MODULE = re.compile(r"\./(?:usr/)?lib/modules/([^/]+)/(kernel/.+\.ko(?:\.xz|\.zst)?|modules\.[a-z.]+)$")
DECOMPRESS = {".xz": ("xz", "xz-utils"), ".zst": ("zstd", "zstd")}

# Modules that are kept, with those that they depend on: networks and what attaches there, and what a guest with a disk
# needs. A kernel may lack some, or have them built in.
MODULES = [
    "act_bpf", "cls_bpf", "dummy", "netkit", "sch_ingress", "tun", "veth",
    "autofs4", "crc32c_generic", "ext4", "virtio_blk", "virtio_pci",
]

CONFIG = """\
Dir::State "{apt}/state";
Dir::State::status "{apt}/status";
Dir::Cache "{apt}/cache";
Dir::Log "{apt}/log";
Dir::Etc::sourcelist "{apt}/kernels.sources";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Architecture "{architecture}";
APT::Architectures {{ "{architecture}"; }};
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


def architecture(name):
    """That of a kernel of KERNELS."""
    return FOREIGN.get(name, "amd64")


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


def pack_modules(folder, version, path):
    """Writes the modules of MODULES, and those that they need, below `folder`/lib/modules/`version` as an archive of the
    kind that may follow an initramfs: decompressed, and with the lists that modprobe reads."""
    depmod = find_tool("depmod", "kmod")
    every = folder / "lib/modules" / version
    subprocess.run([depmod, "-b", folder, version], check=True, capture_output=True)
    needs = dict(line.split(":") for line in (every / "modules.dep").read_text().splitlines())
    names = {re.sub(r".*/|\.ko.*", "", file): file for file in needs}
    kept = every.parent / "kept/lib/modules" / version
    for file in {file for name in MODULES if name in names for file in [names[name], *needs[names[name]].split()]}:
        (kept / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(every / file, kept / file)
        tool = DECOMPRESS.get((kept / file).suffix)
        if tool:
            subprocess.run([find_tool(*tool), "-d", "-q", "--rm" if tool[0] == "zstd" else "--", kept / file], check=True)
    for file in every.glob("modules.builtin*"):
        shutil.move(file, kept / file.name)
    (kept / "modules.order").touch()
    subprocess.run([depmod, "-b", every.parent / "kept", version], check=True, capture_output=True)
    archive = initramfs.Archive()
    for file in sorted(kept.rglob("*")):
        if file.is_file() and not file.name.endswith(".bin"):
            archive.file(str(file.relative_to(every.parent / "kept")), file.read_bytes())
    archive.write(path)


class Fetcher:
    """One private apt state. Use it in a with statement: it holds the lock of the cache."""

    def __init__(self, architecture="amd64"):
        self.dir = cache_dir()
        self.architecture = architecture
        self.apt = self.dir / ("apt" if architecture == "amd64" else f"apt-{architecture}")
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
        suites = dict.fromkeys(suite for names in KERNELS.values() for suite in names)
        sources = SOURCES.format(mirror=machine_mirror(), suites=" ".join(suites))
        if os.path.exists(KEYRING):
            sources += f"Signed-By: {KEYRING}\n"
        listed, stamp = self.apt / "kernels.sources", self.apt / "updated"
        if stamp.exists() and listed.read_text() == sources and time.time() - stamp.stat().st_mtime < INDEX_AGE:
            return
        for name in ("state/lists/partial", "cache/archives/partial", "log"):
            (self.apt / name).mkdir(parents=True, exist_ok=True)
        (self.apt / "status").touch()
        (self.apt / "apt.conf").write_text(CONFIG.format(apt=self.apt, architecture=self.architecture))
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
        return fields["Version"], re.findall(r"linux-(?:image|binary|modules)-[0-9][^ ,|]*", fields.get("Depends", ""))

    def newest(self, suites):
        """(version, suite, packages to look into) of the newest kernel of these suites."""
        best = None
        for suite in suites:
            found = self.depends(f"linux-image-{self.architecture}", suite)
            if not found:
                continue
            version, packages = found
            older = best and self.run("dpkg", "--compare-versions", version, "le", best[0]).returncode == 0
            if not older:
                best = version, suite, packages
        if not best:
            raise Unavailable(f"no kernel in {', '.join(suites)}: {self.index_error or 'not on the mirror'}")
        return best

    def download(self, names, suite, folder):
        """Downloads packages of a suite with all that they depend on into a folder. Returns the names of the files,
        which carry the versions."""
        self.update()
        options = [f"APT::Default-Release={suite}", f"Dir::Cache::archives={folder}"]
        (folder / "partial").mkdir(parents=True, exist_ok=True)
        result = self.run("apt-get", "install", "--download-only", "--yes", "--no-install-recommends", "-qq",
                          *(f"-o{option}" for option in options), *names)
        if result.returncode:
            raise Unavailable(f"{', '.join(names)} cannot be downloaded: {(result.stderr or result.stdout).strip()}")
        return sorted(file.name for file in folder.glob("*.deb"))

    def unpack(self, package, suite, folder):
        """Downloads a package and unpacks its kernel image as vmlinuz, its modules as lib/modules/VERSION."""
        result = self.run("apt-get", "download", f"{package}/{suite}", cwd=folder)
        if result.returncode:
            raise Unavailable(f"{package} cannot be downloaded: {result.stderr.strip()}")
        (deb,) = folder.glob("*.deb")
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as unpack:
            with tarfile.open(fileobj=unpack.stdout, mode="r|") as archive:
                for member in archive:
                    module = MODULE.match(member.name)
                    target = folder / "vmlinuz" if VMLINUZ.match(member.name) else \
                        module and folder.joinpath("lib/modules", *module.groups())
                    if target and member.isfile():
                        target.parent.mkdir(parents=True, exist_ok=True)
                        with open(target, "wb") as out:
                            shutil.copyfileobj(archive.extractfile(member), out)
        deb.unlink()

    def keep(self, folder, target):
        """Moves what was unpacked to the cache: of the modules those of MODULES, as an archive for the initramfs."""
        (modules,) = (folder / "lib/modules").iterdir()
        pack_modules(folder, modules.name, target / "modules.cpio.gz")
        (folder / "vmlinuz").rename(target / "vmlinuz")

    def kernel(self, name):
        """Path of the image and version of a kernel of KERNELS. Beside the image, in modules.cpio.gz, are its modules.
        Raises Unavailable."""
        target = self.dir / "kernels" / name
        have = target / "package.json"
        known = json.loads(have.read_text()) if have.exists() else None
        try:
            self.update()
            version, suite, packages = self.newest(KERNELS[name])
            if known and known["version"] == version and known.get("modules") == MODULES:
                return target / "vmlinuz", version
            target.mkdir(parents=True, exist_ok=True)
            packages = list(packages)
            with tempfile.TemporaryDirectory(dir=self.dir) as temporary:
                folder = pathlib.Path(temporary)
                for package in packages:
                    self.unpack(package, suite, folder)
                    if (folder / "vmlinuz").exists() and (folder / "lib/modules").exists():
                        break
                    # Newer packages keep the image and the modules in packages that this one depends on.
                    packages += self.depends(package, suite)[1]
                else:
                    raise Unavailable(f"no kernel image, or no modules, in {', '.join(packages)}")
                have.unlink(missing_ok=True)
                self.keep(folder, target)
            have.write_text(json.dumps({"version": version, "package": packages[0], "suite": suite,
                                        "modules": MODULES}))
            return target / "vmlinuz", version
        except Unavailable as error:
            if known:
                print(f"# {name}: {error}; using {known['version']}, fetched earlier", flush=True)
                return target / "vmlinuz", known["version"]
            raise
