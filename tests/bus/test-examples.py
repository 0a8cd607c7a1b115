#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The examples do what they say, with the real daemon."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys

import bed
from bed import Skip, contains, equal, wait_until

EXAMPLES = pathlib.Path(os.environ["EXAMPLES"])


def need(command):
    if not shutil.which(command):
        raise Skip(f"{command} is not installed")


def start(b, *command):
    """Starts an example, and returns once it has subscribed."""
    client = b.client()
    before = client.property("Subscribers")
    process = bed.Process(b, pathlib.Path(command[-1]).name, list(map(str, command)))
    wait_until(lambda: client.property("Subscribers") > before or not process.running(), 60, "its subscription")
    if not process.running():
        raise AssertionError(f"it ended with {process.popen.returncode}: {process.errors()}")
    return process


def test_python(b):
    """python/loaders.py tells who loads programs, also after the daemon was restarted"""
    if subprocess.run([sys.executable, "-c", "import dasbus"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        raise Skip("dasbus is not installed")
    daemon = b.daemon()
    example = start(b, sys.executable, EXAMPLES / "python/loaders.py")
    truth = b.trigger("prog-load").go().truth()[0]
    wait_until(lambda: "trigger[" in example.output(), what="the event")
    contains(example.output(), f"{truth['name']}, ok", "output")
    contains(example.output(), "of root", "output")

    daemon.stop()
    wait_until(lambda: "away" in example.output(), what="a word that it is away")
    b.daemon()
    client = b.client()
    wait_until(lambda: client.property("Subscribers") == 1, what="its new subscription")
    b.trigger("prog-load").go().truth()
    wait_until(lambda: example.output().count("trigger[") == 2, what="the event after the restart")
    equal(example.errors(), "", "errors")


def test_python_matches(b):
    """python/loaders.py takes matches, and says when one is wrong"""
    if subprocess.run([sys.executable, "-c", "import dasbus"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        raise Skip("dasbus is not installed")
    b.daemon()
    example = b.run(sys.executable, EXAMPLES / "python/loaders.py", "no.such.field=1")
    contains(example.errors(), "no.such.field", "errors")


def test_stream(b):
    """python/stream.py counts each of many events"""
    b.daemon()
    client = b.client()
    example = bed.Process(b, "stream", [sys.executable, str(EXAMPLES / "python/stream.py"), "10", "event=map-access"])
    wait_until(lambda: client.call("GetStatus")["streams"] == 1 or not example.running(), what="its stream")
    b.trigger("map-elements", "lookup", 2000).go().truth()
    equal(example.wait(), 0, f"status ({example.errors()})")
    contains(example.output(), "2000 map-access           trigger", "output")


def install(folder):
    """Brings what the example in JavaScript needs."""
    return subprocess.run(["npm", "install", "--ignore-scripts", "--omit=optional", "--no-package-lock", "--no-audit",
                           "--no-fund", "--prefer-offline"], cwd=folder, capture_output=True, check=False,
                          encoding="utf-8", timeout=200)


def test_javascript(b):
    """javascript/alerts.js tells what was refused, and loses nothing of many events"""
    need("node")
    need("npm")
    folder = b.directory / "javascript"
    shutil.copytree(EXAMPLES / "javascript", folder, ignore=shutil.ignore_patterns("node_modules"))
    try:
        installed = install(folder)
    except subprocess.TimeoutExpired as error:
        raise Skip("npm comes to no end within 200 s") from error
    if installed.returncode != 0:
        raise Skip(f"npm cannot install dbus-next: {installed.stderr.strip().splitlines()[-1:]}")

    b.daemon()
    example = start(b, "node", folder / "alerts.js")
    wait_until(lambda: "subscribed" in example.errors(), what="its subscriptions")
    b.trigger("prog-load").go().truth()
    b.trigger("prog-reject").go().truth()
    wait_until(lambda: "rejected" in example.output(), what="the refusal")
    equal(len(example.output().splitlines()), 1, f"lines of {example.output()!r}")

    many = start(b, "node", folder / "alerts.js", "event=map-access")
    b.trigger("map-elements", "lookup", 3000).go().truth()
    wait_until(lambda: len(many.output().splitlines()) == 3000, what="3000 events")
    equal("lost" in many.output(), False, "it lost some")
    for process in (example, many):
        process.stop(signal.SIGINT)


def test_shell(b):
    """shell/recent.sh tells the last programs that were loaded, the newest last"""
    need("busctl")
    need("jq")
    (b.directory / "state").mkdir()
    b.environment["STATE_DIRECTORY"] = str(b.directory / "state")  # where it keeps the past
    b.daemon()
    loaded = [b.trigger("prog-load").go().truth()[0] for _ in range(3)]
    example = b.run(EXAMPLES / "shell/recent.sh", 2)
    equal(example.wait(), 0, f"status ({example.errors()})")
    lines = example.output().splitlines()
    equal(len(lines), 3, f"lines of {lines}")
    for line, program in zip(lines, loaded[1:]):
        contains(line, f"trigger of root: socket_filter {program['name']}, ok", "line")
    contains(lines[2], "has seen", "the last line")


bed.main([test_python, test_python_matches, test_stream, test_javascript, test_shell])
