#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""bpfmonctl explain, timeline and subscribe --exec, and what is shown while something takes its time."""

import json
import os
import pathlib
import pty
import shutil
import signal
import subprocess
import threading
import time
import xml.etree.ElementTree

import bed
from bed import contains, equal, wait_until

CTL = os.environ["BPFMONCTL"]


def start(b):
    """A daemon with a history."""
    state = b.directory / "state"
    state.mkdir()
    b.environment["STATE_DIRECTORY"] = str(state)
    return b.daemon()


def succeeded(b, *arguments):
    process = b.ctl(*arguments)
    equal(process.popen.returncode, 0, f"exit status of {arguments} ({process.errors()})")
    return process.output()


def refused(b, status, *arguments):
    """Runs a bpfmonctl that must fail. Returns the one line that it says."""
    process = b.ctl(*arguments)
    equal(process.popen.returncode, status, f"exit status of {arguments} ({process.errors()})")
    equal(process.output(), "", f"stdout of {arguments}")
    equal(len(process.errors().splitlines()), 1, f"lines said by {arguments}: {process.errors()}")
    return process.errors()


def stored(b, *matches):
    return [json.loads(line) for line in succeeded(b, "query", "-j", *matches).splitlines()]


def test_explain(b):
    """explain says what happened to what by whom, and takes the number of an event alone"""
    start(b)
    created = b.trigger("map-create", "sessions").go().truth()[0]
    rejected = b.trigger("prog-reject").go().truth()[0]
    events = wait_until(lambda: len(e := stored(b, "event=map-create", "event=prog-load")) == 2 and e,
                        what="the history")
    text = " ".join(succeeded(b, "explain", str(events[0]["seq"])).split())
    for part in (f"trigger[{created['pid']}] of root created a map \"sessions\"", str(created["id"]), "memory"):
        contains(text, part, "what is said of the map")
    told = json.loads(succeeded(b, "explain", "-j", str(events[1]["seq"])))
    equal(told["event"], "prog-load")
    for part in (f"trigger[{rejected['pid']}]", "tried to load", "rejected it", events[1]["verifier.reason"]):
        contains(told["explain.happened"], part, "what happened")
    contains(refused(b, 1, "explain", "987654321"), "987654321", "what is said of no event")
    contains(refused(b, 2, "explain", "x"), "number", "what is said of no number")
    contains(refused(b, 2, "explain"), "SEQ", "what is said of nothing")


def test_timeline(b):
    """timeline counts the events by time and kind, as JSON, as bars and as a picture"""
    start(b)
    b.trigger("map-create", "m").go().truth()
    b.trigger("map-create", "m").go().truth()
    b.trigger("prog-reject").go().truth()
    # Maps go later, in nobody's name, where that is seen at all; the program comes last.
    wait_until(lambda: "prog-load" in [e["event"] for e in stored(b)], what="the history")
    time.sleep(0.5)
    events = stored(b)
    rows = [json.loads(line) for line in succeeded(b, "timeline", "-j", "--since=-1h").splitlines()]
    counted = {}
    for row in rows:
        counted[row["event"]] = counted.get(row["event"], 0) + row["events"]
        inside = [e for e in events if row["time"] <= e["time"] < row["time"] + row["interval"]]
        equal(len([e for e in inside if e["event"] == row["event"]]), row["events"], f"events in {row}")
    equal(counted, {kind: len([e for e in events if e["event"] == kind]) for kind in {e["event"] for e in events}})
    lines = succeeded(b, "timeline").splitlines()
    equal(max(map(len, lines)) <= 80, True, f"columns: {lines}")
    equal(next(line for line in lines if line.startswith("map-create")).split()[-1], "2", "maps in the text")
    equal(next(line for line in lines if line.startswith("prog-load")).split()[-2:], ["1", "1"], "programs, and failed")
    contains(lines[-1], f"{len(events)} events", "the sum")
    picture = b.directory / "picture.svg"
    equal(succeeded(b, "timeline", "--since=-1h", f"--svg={picture}"), "")
    root = xml.etree.ElementTree.parse(picture).getroot()
    titles = [t.text for t in root.iter("{http://www.w3.org/2000/svg}title")]
    equal(any(t.startswith("map-create: ") for t in titles), True, f"bars: {titles}")
    for element in root.iter():
        for name, value in element.attrib.items():
            equal("href" in name or "url(" in value, False, f"the picture needs {value}")
    contains(succeeded(b, "timeline", "prog.name=nobody-has-this"), "0 events", "without events")


def test_picture_is_whole(b):
    """A picture that cannot be written is said in one line, and leaves what was there"""
    start(b)
    picture = b.directory / "picture.svg"
    picture.write_text("before")
    contains(refused(b, 1, "timeline", "--svg=/dev/full"), "No space left", "what it says of a full disk")
    contains(refused(b, 1, "timeline", f"--svg={b.directory}/none/x.svg"), "No such file", "of no directory")
    contains(refused(b, 1, "timeline", f"--svg={b.directory}"), "directory", "of a directory")
    mount = b.directory / "full"
    mount.mkdir()
    script = (f"mount -t tmpfs -o size=4k none {mount} && cp {picture} {mount}/x.svg && "
              f"{CTL} timeline --svg={mount}/x.svg; echo $?; cat {mount}/x.svg; ls {mount}")
    process = b.run("unshare", "--mount", "sh", "-c", script)
    equal(process.output(), "1\nbeforex.svg\n", f"after a full disk ({process.errors()})")
    equal(len(process.errors().splitlines()), 1, process.errors())
    equal(refused(b, 2, "timeline", "--since=-1h", "--interval=1s", "--until=-2h")[:10], "bpfmonctl:")
    contains(refused(b, 2, "timeline", "--interval=0"), "--interval=0", "of no time")


def test_no_history(b):
    """Where no history is kept that is said in one line; where nobody reads on nothing is said"""
    b.environment.pop("STATE_DIRECTORY", None)
    b.daemon()
    for arguments in (("timeline",), ("explain", "1"), ("query",)):
        line = refused(b, 1, *arguments)
        contains(line, "no history", f"what {arguments} says")
        equal(line.count("bpfmond:"), 0, f"what {arguments} says: {line}")
    for arguments in ("top --batch", "timeline --help"):
        with bed.alone("statistics"):
            process = b.run("sh", "-c", f"{CTL} {arguments} | head -n 1")
        equal(process.errors(), "", f"what {arguments} says")
        equal(len(process.output().splitlines()), 1, f"lines of {arguments}")


def test_exec(b):
    """--exec runs a command for each event, whose fields are in its environment and in no shell's hands"""
    b.daemon()
    log = b.directory / "log"
    script = b.directory / "script"
    script.write_text(f"#!/bin/sh\nenv | grep ^BPFMON_ >>{log}.$BPFMON_SEQ\necho \"$#:$1:$2\" >>{log}\n")
    script.chmod(0o755)
    b.environment["BPFMON_EVENT"] = "forged"
    b.environment["BPFMON_HOSTILE"] = "1"
    program = b.directory / "$(touch pwned); `touch pwned`"
    shutil.copy2(os.environ["TRIGGER"], program)
    follower = b.follow("event=map-create", "-n", "2", f"--exec={script} 'a  b' $HOME")
    for _ in range(2):
        subprocess.run([program, "map-create", "m"], stdout=subprocess.DEVNULL, env=b.environment, check=True,
                       cwd=b.directory)
    equal(follower.wait(), 0, follower.errors())
    equal(follower.output(), "", "what it prints")
    equal(log.read_text(), "2:a  b:$HOME\n" * 2, "arguments")
    seen = 0
    for file in b.directory.glob("log.*"):
        variables = dict(line.split("=", 1) for line in file.read_text().splitlines())
        equal(variables["BPFMON_EVENT"], "map-create")
        equal(variables["BPFMON_PROCESS_EXECUTABLE"], str(program))
        equal(variables["BPFMON_MAP_NAME"], "m")
        equal("BPFMON_HOSTILE" in variables, False, "what is not the event's")
        seen += 1
    equal(seen, 2, "commands")
    equal((b.directory / "pwned").exists(), False, "a shell saw it")


def test_exec_bounds(b):
    """Commands that hang are few; events beyond what may wait get none, which is counted and said"""
    b.daemon()
    log = b.directory / "log"
    follower = b.follow("event=map-access", f"--exec=sh -c 'echo x >>{log}; exec sleep 1000'")
    subscriber = b.subscriber("event=map-access", keep=False)
    b.trigger("map-elements", "lookup", 1000).go().truth()
    subscriber.wait_total(1000)
    wait_until(lambda: "do not keep up" in follower.errors(), what="a word about it")
    children = pathlib.Path(f"/proc/{follower.pid}/task/{follower.pid}/children").read_text().split()
    wait_until(log.exists, what="the first command")
    try:
        equal(len(children) <= 8, True, f"children {children}")
        equal(len(log.read_text().splitlines()) <= 8, True, "commands")
        subscriber.wait_read(follower)
        follower.kill(signal.SIGINT)
        wait_until(lambda: "without" in follower.errors(), what="the sum")
        equal(follower.running(), True, "it waits for its commands")
    finally:
        for child in children:
            os.kill(int(child), signal.SIGTERM)
    equal(follower.wait(), 0, follower.errors())
    numbers = [int(word) for word in follower.errors().replace(",", " ").split() if word.isdigit()]
    equal(numbers[0], 1000, f"events: {follower.errors()}")
    equal(numbers[-1], 1000 - len(children), f"events without a command: {follower.errors()}")


def test_exec_refusals(b):
    """A command that is not there, or not one, is said in one line"""
    b.daemon()
    for command, why in (("/no/such/command x", "No such file"), ("no-such-command x", "No such file"), ("/etc/passwd", "denied"),
                         ("/", "denied")):
        line = refused(b, 1, "subscribe", "event=map-create", f"--exec={command}")  # before any event
        contains(line, command, "what it says")
        contains(line, why, "what it says")
    follower = b.follow("event=map-create", "-n", "1", "--exec=true")
    b.trigger("map-create").go().truth()
    equal((follower.wait(), follower.errors()), (0, ""), "a program from PATH")
    contains(refused(b, 2, "subscribe", "--exec='x"), "quotes", "what it says of an open quote")
    contains(refused(b, 2, "subscribe", "-j", "--exec=x"), "--json", "what it says of JSON")


def on_terminal(b, *arguments, interrupt=False):
    """Runs bpfmonctl with a terminal as its standard error while the daemon is stopped for a while; or until it is
    interrupted. Returns what the terminal got, and standard output."""
    daemon = next(p for p in b.processes if p.name == "bpfmond")
    master, slave = pty.openpty()
    said = []

    def read():
        try:
            while part := os.read(master, 4096):
                said.append(part)
        except OSError:  # EIO: all has been read
            pass

    daemon.kill(signal.SIGSTOP)
    with subprocess.Popen([CTL, *arguments], stdout=subprocess.PIPE, stderr=slave, stdin=subprocess.DEVNULL,
                          env=dict(b.environment, TERM="xterm")) as process:
        os.close(slave)
        reader = threading.Thread(target=read)
        reader.start()
        try:
            wait_until(lambda: b"\x1b[K" in b"".join(said), what=f"a word of {arguments}")
            if interrupt:
                process.send_signal(signal.SIGINT)
                process.wait(30)
        finally:
            daemon.kill(signal.SIGCONT)
        output = process.stdout.read().decode()
    reader.join()
    os.close(master)
    equal(process.returncode, -signal.SIGINT if interrupt else 0, f"exit status of {arguments}: {said}")
    return b"".join(said).decode(), output


def test_progress(b):
    """What takes more than a second is said on a terminal, and is gone when it is done"""
    start(b)
    b.trigger("map-create", "m").go().truth()
    wait_until(lambda: stored(b), what="the history")
    for verb, word in (("query", "history"), ("timeline", "history"), ("status", "Waiting")):
        said, output = on_terminal(b, verb)
        contains(said, word, f"what {verb} says")
        equal(said.endswith("\r\x1b[K"), True, f"it is gone: {said!r}")
        equal(bool(output) and word not in output, True, f"output of {verb}")
    said, _output = on_terminal(b, "timeline", interrupt=True)
    equal(said.endswith("\r\x1b[K"), True, f"it is gone after Ctrl-C, too: {said!r}")
    daemon = next(p for p in b.processes if p.name == "bpfmond")
    daemon.kill(signal.SIGSTOP)
    process = bed.Process(b, "bpfmonctl", [CTL, "query"])
    time.sleep(1.6)
    daemon.kill(signal.SIGCONT)
    equal(process.wait(), 0)
    equal(process.errors(), "", "what is said where there is no terminal")


bed.main([test_explain, test_timeline, test_picture_is_whole, test_no_history, test_exec, test_exec_bounds, test_exec_refusals,
          test_progress])
