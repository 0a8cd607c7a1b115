# SPDX-License-Identifier: LGPL-2.1-or-later
"""The BTF of a kernel image (bzImage), without starting it."""

import lzma
import shutil
import struct
import subprocess
import zlib


class Failed(Exception):
    """The image has no BTF that could be found; the message says why."""


def piped(*command):
    """Decompresses with a program. What follows the compressed data makes it complain, when all has been written."""
    def run(data):
        if not shutil.which(command[0]):
            raise Failed(f"{command[0]} is not installed")
        return subprocess.run(command, input=data, capture_output=True, check=False).stdout
    return run


# How the payload of an image begins -> what unpacks it (scripts/extract-vmlinux of Linux).
FORMATS = {
    b"\x1f\x8b": lambda data: zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(data),
    b"\xfd7zXZ": lambda data: lzma.LZMADecompressor().decompress(data),
    b"\x28\xb5\x2f\xfd": piped("zstd", "-dcqq"),
}


def payload(image):
    """The compressed kernel (Documentation/arch/x86/boot.rst: payload_offset counts from the protected-mode code)."""
    if image[0x202:0x206] != b"HdrS":
        raise Failed("not an x86 kernel image")
    sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (sectors + 1) * 512 + offset
    return image[start:start + length]


def section(elf, name):
    """The bytes of a section of a 64-bit little-endian ELF file."""
    if elf[:6] != b"\x7fELF\x02\x01":
        raise Failed("what was unpacked is no kernel")
    table, size, count, names = struct.unpack_from("<Q10xHHH", elf, 0x28)
    headers = [struct.unpack_from("<II16xQQ", elf, table + i * size) for i in range(count)]
    for start, _, offset, length in headers:
        start += headers[names][2]
        if elf[start:elf.index(b"\0", start)] == name:
            return elf[offset:offset + length]
    raise Failed(f"no section {name.decode()}")


def extract(image):
    """The BTF of the kernel image at the path `image`. Raises Failed."""
    packed = payload(image.read_bytes())
    for magic, unpack in FORMATS.items():
        if packed.startswith(magic):
            return section(unpack(packed), b".BTF")
    raise Failed(f"compressed in a way that is not known: {packed[:6].hex()}")
