# SPDX-License-Identifier: LGPL-2.1-or-later
"""A display without a screen: Xvfb, whose picture is in a file."""

import os
import pathlib
import shutil
import struct
import zlib

import bed
from bed import Skip, wait_until

WIDTH, HEIGHT = 800, 300

# The header of an X window dump, as X11/XWDFile.h has it: 25 numbers, most significant byte first.
HEADER = struct.Struct(">25I")


class Screen:
    """Use it within a bed."""

    def __init__(self, b):
        if not shutil.which("Xvfb"):
            raise Skip("Xvfb is not installed")
        self.directory = b.directory / "screen"
        self.directory.mkdir()
        read, write = os.pipe()
        server = bed.Process(b, "Xvfb", ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{WIDTH}x{HEIGHT}x24",
                                         "-nolisten", "tcp", "-fbdir", str(self.directory)], pass_fds=[write])
        os.close(write)
        os.set_blocking(read, False)
        number = b""

        def started():
            nonlocal number
            try:
                number += os.read(read, 16)
            except BlockingIOError:
                pass
            return number.endswith(b"\n") or not server.running()
        wait_until(started, what="Xvfb")
        os.close(read)
        if not server.running():
            raise Skip(f"Xvfb does not start: {server.errors()}")
        b.environment["DISPLAY"] = f":{number.decode().strip()}"
        b.environment.pop("WAYLAND_DISPLAY", None)

    def pixels(self):
        """The picture, a list of rows of (blue, green, red, 0)."""
        data = (self.directory / "Xvfb_screen0").read_bytes()
        header = HEADER.unpack_from(data)
        size, stride, colours = header[0], header[12], header[19]
        start = size + colours * 12
        return [data[start + y * stride:start + y * stride + WIDTH * 4] for y in range(HEIGHT)]

    def drawn(self):
        """How many pixels are not black."""
        return sum(row[i:i + 3] != b"\0\0\0" for row in self.pixels() for i in range(0, len(row), 4))

    def keep(self, name):
        """Writes a PNG for people to look at into the folder that SCREENSHOTS names."""
        folder = os.environ.get("SCREENSHOTS")
        if not folder:
            return
        rows = b"".join(b"\0" + b"".join(row[i:i + 3][::-1] for i in range(0, len(row), 4)) for row in self.pixels())

        def chunk(kind, content):
            return (struct.pack(">I", len(content)) + kind + content +
                    struct.pack(">I", zlib.crc32(kind + content)))
        pathlib.Path(folder, f"{name}.png").write_bytes(
            b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
