#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sums the TAP lines of all test programs, names what failed or was skipped, and says so in one last line.

summary.py LOG…: a log is a file *.json with one object a line, as meson-logs/testlog.json (name, stdout, result,
returncode, stderr), or a file *.tap with what one program printed. Exit status 1 if something failed or nothing ran."""

import json
import pathlib
import re
import sys

RESULT = re.compile(r"^(?P<bad>not )?ok\b(?: *(?P<number>\d+))?(?: *-)? *(?P<name>[^#]*)(?:# *(?P<directive>\w+)\S* *(?P<reason>.*))?")
PLAN = re.compile(r"^1\.\.(\d+)(?: *# *SKIP\S* *(.*))?", re.IGNORECASE)
ENDED_WELL = ("OK", "EXPECTEDFAIL", "SKIP")


class Summary:
    def __init__(self):
        self.passed = 0
        self.failed = []
        self.skipped = []

    def add_line(self, program, match, details):
        name = f"{program}: {match['name'].strip()}"
        if (match["directive"] or "").upper() == "SKIP":
            self.skipped.append((name, [match["reason"] or "no reason given"]))
        elif match["bad"]:
            self.failed.append((name, details))
        else:
            self.passed += 1

    def add_tap(self, program, text):
        """Takes in the lines of one program. Returns how many results it had, how many it announced, and whether it
        announced to skip everything."""
        results, planned, all_skipped = 0, None, False
        lines = text.splitlines()
        for i, line in enumerate(lines):
            if match := RESULT.match(line):
                details = []
                for comment in lines[i + 1:]:
                    if not comment.startswith("#"):
                        break
                    details.append(comment[1:].strip())
                results += 1
                self.add_line(program, match, details)
            elif match := PLAN.match(line):
                planned = int(match[1])
                if planned == 0:
                    all_skipped = True
                    self.skipped.append((program, [match[2] or "no reason given"]))
            elif line.startswith("Bail out!"):
                self.failed.append((program, [line]))
        return results, planned, all_skipped

    def add_program(self, test):
        """Takes in one program: what it printed, and how it ended."""
        name, result = test["name"], test["result"]
        failed_before = len(self.failed)
        results, planned, all_skipped = self.add_tap(name, test.get("stdout") or "")
        ended = f"{result.lower()}, exit status {test.get('returncode')}"
        tail = (test.get("stderr") or "").splitlines()[-20:]
        if all_skipped:
            return
        if results == 0:
            if result == "SKIP":
                self.skipped.append((name, ["it said nothing more"]))
            else:
                self.failed.append((name, [f"no results: {ended}"] + tail))
        elif planned is None:
            self.failed.append((name, [f"it ended early, after {results} results: {ended}"] + tail))
        elif planned != results:
            self.failed.append((name, [f"{results} results of {planned}: {ended}"] + tail))
        elif result not in ENDED_WELL and len(self.failed) == failed_before:
            self.failed.append((name, [ended] + tail))

    def report(self):
        for title, tests in ("Skipped", self.skipped), ("Failed", self.failed):
            if tests:
                print(f"\n{title}:")
            for name, details in tests:
                print(f"  {name}")
                for line in details:
                    print(f"      {line}")
        print(f"\n{self.passed} passed, {len(self.failed)} failed, {len(self.skipped)} skipped")
        return 1 if self.failed or self.passed == 0 else 0


def programs(path):
    """The programs of a log; none where it is missing."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    if path.suffix == ".tap":
        return [{"name": path.stem, "stdout": text, "result": "OK"}]
    return [json.loads(line) for line in text.splitlines()]


def main():
    summary = Summary()
    for path in sys.argv[1:]:
        for program in programs(pathlib.Path(path)):
            summary.add_program(program)
    return summary.report()


if __name__ == "__main__":
    sys.exit(main())
