# SPDX-License-Identifier: LGPL-2.1-or-later
"""One guest: a kernel and an initramfs under QEMU, from power on to power off."""

import gzip
import io
import pathlib
import re
import subprocess
import tarfile
import time

from initramfs import find_tool

# thread=multi is not an option: with it, text patching (kprobes) makes guests of two processors panic.
COMMAND = ["-accel", "tcg,thread=single,tb-size=512", "-cpu", "max,la57=off", "-smp", "2", "-m", "1024",
           "-nographic", "-no-reboot", "-nodefaults"]
KERNEL_ARGUMENTS = "console=ttyS0 quiet rdinit=/init panic=-1 mitigations=off"
TIMEOUT = 480


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


def run(image, initramfs, folder):
    """Boots, waits for the end, and leaves what the guest hands over in `folder`/out. Returns the seconds it took."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    initramfs = with_modules(image, initramfs, folder)
    command = [find_tool("qemu-system-x86_64", "qemu-system-x86"), *COMMAND,
               "-serial", f"file:{folder}/console", "-serial", f"file:{folder}/out.tar.gz",
               "-kernel", str(image), "-initrd", str(initramfs), "-append", KERNEL_ARGUMENTS]
    start = time.monotonic()
    try:
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                                timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired as error:
        raise Failed(f"not at its end after {TIMEOUT} s; its console:\n{console_tail(folder)}") from error
    if result.returncode:
        raise Failed(f"QEMU: exit status {result.returncode}: {result.stderr.strip()}")
    try:
        unpack(folder / "out.tar.gz", folder / "out")
    except (OSError, EOFError, tarfile.TarError) as error:
        raise Failed(f"ended without results ({error}); its console:\n{console_tail(folder)}") from error
    return time.monotonic() - start
