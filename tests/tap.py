# SPDX-License-Identifier: LGPL-2.1-or-later
"""A few lines that print the Test Anything Protocol: one line a check, its reason when it fails or is skipped."""

import sys
import traceback


class Skip(Exception):
    """Raised by a test that cannot run here; the message is the reason."""


class Tap:
    def __init__(self):
        self.count = self.failed = 0
        print("TAP version 13", flush=True)

    def _line(self, ok, name, suffix=""):
        self.count += 1
        self.failed += not ok
        print(f"{'ok' if ok else 'not ok'} {self.count} - {name}{suffix}", flush=True)

    def ok(self, condition, name, *details):
        """One check. `details` are printed when it fails."""
        self._line(bool(condition), name)
        if not condition:
            for detail in details:
                for line in str(detail).splitlines():
                    print(f"#   {line}", flush=True)
        return bool(condition)

    def skip(self, name, reason):
        self._line(True, name, f" # SKIP {reason}")

    def run(self, name, test, *args):
        """Runs `test(*args)` as one check: an exception fails it."""
        try:
            test(*args)
        except Skip as reason:
            self.skip(name, reason)
        except BaseException as error:  # pylint: disable=broad-except
            if isinstance(error, KeyboardInterrupt):
                raise
            self.ok(False, name, traceback.format_exc())
        else:
            self.ok(True, name)

    def done(self):
        """Prints the plan and returns the exit status."""
        print(f"1..{self.count}", flush=True)
        sys.stdout.flush()
        return 1 if self.failed else 0
