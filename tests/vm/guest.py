# SPDX-License-Identifier: LGPL-2.1-or-later
"""One guest: a kernel and an initramfs under QEMU, from power on to power off."""

import contextlib
import dataclasses
import fcntl
import gzip
import io
import os
import pathlib
import re
import subprocess
import tarfile
import time

from initramfs import find_tool
from kernels import cache_dir


@dataclasses.dataclass
class Machine:
    """What QEMU is told, and what the kernel."""

    emulator: tuple  # program, and its package
    options: list
    console: str
    results: str  # device of the second serial port
    second: list  # … and how it is plugged in


# thread=multi is not an option: with it, text patching (kprobes) makes guests of two processors panic.
COMMON = ["-accel", "tcg,thread=single,tb-size=512", "-smp", "2", "-nographic", "-no-reboot", "-nodefaults"]
MACHINES = {
    "amd64": Machine(("qemu-system-x86_64", "qemu-system-x86"), ["-cpu", "Nehalem"], "ttyS0", "ttyS1",
                     ["-serial", "chardev:results"]),
    "arm64": Machine(("qemu-system-aarch64", "qemu-system-arm"), ["-machine", "virt", "-cpu", "cortex-a72"], "ttyAMA0",
                     "ttyS0", ["-device", "pci-serial,chardev=results"]),
}
# Each program that comes to a hook, or leaves it, waits for RCU; and to ask the HPET for the time takes long.
KERNEL_ARGUMENTS = "quiet tsc=reliable rcupdate.rcu_expedited=1 rdinit=/init panic=-1 mitigations=off"
TIMEOUT = 900


class Failed(Exception):
    """The guest did not come up, or did not come to its end; the message has the end of its console."""


def console_tail(folder, lines=40):
    text = (folder / "console").read_bytes().decode(errors="replace") if (folder / "console").exists() else ""
    # Colours and the like of the firmware's screen.
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b.|[^\n\t -~]", "", text)
    return "\n".join(text.splitlines()[-lines:])


def unpack(archive, folder):
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(archive.read_bytes()))) as tar:
        for member in tar:
            target = (folder / member.name).resolve()
            if member.isfile() and target.is_relative_to(folder.resolve()):
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(tar.extractfile(member).read())


def with_modules(image, initramfs, folder):
    """The initramfs, followed by the modules that the cache has beside the kernel's image."""
    modules = pathlib.Path(image).with_name("modules.cpio.gz")
    if not modules.exists():
        return initramfs
    joined = folder / "initramfs"
    joined.write_bytes(pathlib.Path(initramfs).read_bytes() + modules.read_bytes())
    return joined


@contextlib.contextmanager
def processor():
    """Waits until one of the machine's processors has no guest, whoever started it: more of them come to no end."""
    folder = cache_dir()
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        locks = [stack.enter_context(open(folder / f"processor-{n}", "w", encoding="ascii"))
                 for n in range(os.cpu_count() or 1)]
        while True:
            for lock in locks:
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    yield
                    return
            time.sleep(1)


def run(image, initramfs, folder, architecture="amd64", memory=1024, arguments="", options=(), timeout=TIMEOUT):
    """Boots, waits for the end, and leaves what the guest hands over in `folder`/out. `memory` is in MiB, `arguments`
    are the kernel's, `options` QEMU's. Returns the seconds it took."""
    machine = MACHINES[architecture]
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    initramfs = with_modules(image, initramfs, folder)
    arguments = f"console={machine.console} results={machine.results} {KERNEL_ARGUMENTS} {arguments}"
    command = [find_tool(*machine.emulator), *COMMON, *machine.options, "-m", str(memory), *options,
               "-serial", f"file:{folder}/console", "-chardev", f"file,id=results,path={folder}/out.tar.gz",
               *machine.second, "-kernel", str(image), "-initrd", str(initramfs), "-append", arguments]
    with processor():
        return boot(command, folder, timeout)


def boot(command, folder, timeout):
    """The part of run() that has a processor."""
    start = time.monotonic()
    try:
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                                timeout=timeout, check=False)
    except subprocess.TimeoutExpired as error:
        raise Failed(f"not at its end after {timeout} s; its console:\n{console_tail(folder)}") from error
    if result.returncode:
        raise Failed(f"QEMU: exit status {result.returncode}: {result.stderr.strip()}")
    try:
        unpack(folder / "out.tar.gz", folder / "out")
    except (OSError, EOFError, tarfile.TarError) as error:
        raise Failed(f"ended without results ({error}); its console:\n{console_tail(folder)}") from error
    return time.monotonic() - start
