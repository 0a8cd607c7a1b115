# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon's tables of attributes, names and flags against what each kernel says of itself."""

import pathlib
import subprocess

import btf

CHECKS = {"attributes": "every attribute is in the table", "names": "every name is in the tables"}
ROWS = "every row of the table is some kernel's"


class Tables:
    """Compares with the test program's help, one kernel after the other."""

    def __init__(self, tap, program, folder):
        self.tap, self.program, self.folder = tap, pathlib.Path(program), folder
        self.files = {}

    def _check(self, name, *arguments):
        if not self.program.exists():
            self.tap.skip(name, f"{self.program.name} is not built")
            return
        result = subprocess.run([self.program, *arguments], text=True, capture_output=True, check=False)
        self.tap.ok(result.returncode == 0, name, result.stdout, result.stderr)

    def kernel(self, name, image):
        """The tables lack nothing that the kernel has."""
        path = self.folder / f"{name}.btf"
        try:
            path.write_bytes(btf.extract(image))
        except btf.Failed as error:
            self.tap.ok(False, f"{name}: the image has BTF", error)
            return
        self.files[name] = path
        for check, meaning in CHECKS.items():
            self._check(f"{name}: {meaning}", check, path)

    def rows(self, names):
        """And they have nothing that no kernel has: shows when the newest is among those compared."""
        if set(names) <= set(self.files):
            self._check(ROWS, "rows", *self.files.values())
        else:
            self.tap.skip(ROWS, "not all kernels were compared")
