#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The examples of the manual pages are run as they stand there."""

import os
import pathlib
import re
import signal

import bed
from bed import Process, Skip, equal, wait_until

PAGES = sorted(pathlib.Path(os.environ["MANUALS"]).glob("*.scd"))
# What takes more than the bus and the daemon.
ELSEWHERE = {"journalctl": "needs a journal with alerts", "bpfmon-notify": "needs a desktop; see the suite notify",
             "systemctl": "needs systemd"}


def examples():
    """(page, command) of each example."""
    for page in PAGES:
        _, _, text = page.read_text(encoding="utf-8").partition("\n# EXAMPLES\n")
        text, _, _ = text.partition("\n# ")
        for line in re.findall(r"^\t(\S.*)", text, re.MULTILINE):
            command = re.sub(r"\\(.)", r"\1", line.removesuffix("++"))
            if re.match(r"[a-z][a-z-]+ ", command):
                yield page.stem, command


def prepare(b):
    """A daemon with a past, and our programs under their names."""
    state, programs = b.directory / "state", b.directory / "bin"
    state.mkdir()
    programs.mkdir()
    (programs / "bpfmonctl").symlink_to(os.environ["BPFMONCTL"])
    b.environment.update(STATE_DIRECTORY=str(state), PATH=f"{programs}:{os.environ['PATH']}")
    b.daemon()
    for action in ("map-create", "prog-load"):
        b.trigger(action).go().truth()


def run(b, command):
    prepare(b)
    client = b.client()
    process = Process(b, "example", ["/bin/sh", "-c", f"exec {command}"], cwd=b.directory)
    if " subscribe" in command:
        wait_until(lambda: client.property("Subscribers") > 0 or not process.running(), what="the subscription")
        process.kill(signal.SIGINT)
    if " --watch" in command:
        wait_until(lambda: process.output().count("RATE/S") >= 2 or not process.running(), what="two looks")
        process.kill(signal.SIGINT)
    equal(process.wait(), 0, f"exit status; it says: {process.errors()}")
    # Of these there may be nothing to tell here.
    if not re.search(" subscribe| query|--svg", command) and not process.output().strip():
        raise AssertionError("it prints nothing")


def example_test(page, command):
    def test(b):
        program = command.split()[0]
        if program in ELSEWHERE:
            raise Skip(ELSEWHERE[program])
        run(b, command)
    test.__doc__ = f"{page}: {command}"
    return test


def configuration(b):
    """bpfmond.conf(5): the example is understood, line by line"""
    text = next(page for page in PAGES if page.stem == "bpfmond.conf.5").read_text(encoding="utf-8")
    example = "".join(re.findall(r"```\n(\[.*?)```", text.partition("# EXAMPLES\n")[2], re.DOTALL))
    file = b.directory / "bpfmond.conf"
    file.write_text(example, encoding="utf-8")
    daemon = b.daemon(f"--config={file}")
    equal([line for line in daemon.errors().splitlines() if "bpfmond.conf" in line], [], "what the log says of it")
    equal(int(b.client().call("GetStatus")["subscriptions.max"]) > 0, True, "it works")


def pages_have_some(_b):
    """Each page has examples"""
    found = {page for page, _ in examples()}
    equal(sorted(page.stem for page in PAGES if page.stem not in found), [], "pages without")


bed.main([pages_have_some, configuration, *(example_test(page, command) for page, command in examples())])
