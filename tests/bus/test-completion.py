#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What bash, zsh and fish make of Tab behind bpfmonctl and bpfmon-notify. COMPLETIONS is where their files are."""

import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import time

import bed
from bed import contains, equal, wait_until

PROGRAMS = {"bpfmonctl": os.environ["BPFMONCTL"], "bpfmon-notify": os.environ["BPFMON_NOTIFY"]}
FILES = pathlib.Path(os.environ["COMPLETIONS"])
CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]|\x1b\][^\x07]*\x07|[\x00-\x09\x0b-\x1f]")


def programs(b):
    """A folder for PATH that has them."""
    directory = b.directory / "bin"
    directory.mkdir(exist_ok=True)
    for name, path in PROGRAMS.items():
        (directory / name).symlink_to(path)
    return directory


class Shell:
    """An interactive shell on a terminal of its own."""

    def __init__(self, b, command, setup):
        if not shutil.which(command[0]):
            raise bed.Skip(f"{command[0]} is not installed")
        environment = dict(b.environment, PATH=f"{programs(b)}:{b.environment['PATH']}", TERM="dumb", HOME=str(b.directory),
                           ZDOTDIR=str(b.directory), COLUMNS="200", LC_ALL="C.UTF-8")
        environment.pop("ENV", None)
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.chdir(b.directory)
            os.execvpe(command[0], command, environment)
        self.text = ""
        for line in setup:
            self.send(line + "\r")
        self.send("echo rea''dy\r")
        self.expect("\nready")

    def send(self, text):
        self.text = ""
        os.write(self.terminal, text.encode())

    def read(self, seconds):
        if select.select([self.terminal], [], [], seconds)[0]:
            self.text += CONTROL.sub("", os.read(self.terminal, 65536).decode(errors="replace"))
            return True
        return False

    def expect(self, part, timeout=30):
        end = time.monotonic() + timeout
        while part not in self.text:
            if time.monotonic() > end:
                raise AssertionError(f"no {part!r} in {self.text!r}")
            self.read(0.1)
        return self.text

    def complete(self, line):
        """Types a line and Tab, then has the shell print the words that it would run."""
        self.send(line)
        while self.read(0.3):
            pass
        self.send("\t")
        while self.read(1):
            pass
        self.send("\x01printf '{%s}\\n' \x05; echo do''ne\r")  # at the beginning of the line, and at its end
        text = self.expect("\ndone")
        return re.findall(r"^\{(.*)\}$", text, re.MULTILINE)

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.terminal)


CASES = [
    ("sub", "subscribe"),
    ("subscribe event=prog-l", "subscribe event=prog-load"),
    ("subscribe event!=map-cr", "subscribe event!=map-create"),
    ("subscribe prog.ty", "subscribe prog.type="),
    ("subscribe --fields=time,process.ex", "subscribe --fields=time,process.executable"),
    ("--json=sh", "--json=short"),
    ("query --sco", "query --scope="),
    ("query bpf.cmd=PROG_LO", "query bpf.cmd=PROG_LOAD"),
    ("show ma", "show map"),
    ("show con", "show connection"),
    ("connections network.transport=u", "connections network.transport=unix"),
    ("connections --service=postg", "connections --service=postgresql"),
    ("connections --service clickh", "connections --service clickhouse"),
    ("subscribe service.name=memc", "subscribe service.name=memcached"),
]
NOTIFY_CASES = [
    ("--te", "--test"),
    ("--sco", "--scope="),
    ("--scope=al", "--scope=al"),  # alerts, all
    ("--scope=ow", "--scope=own"),
    ("--scope ale", "--scope alerts"),
    ("--mute=some", "--mute=some file.svg"),
    ("--unmute=/opt/", "--unmute=/opt/tool"),
    ("--unmute root:bpf", "--unmute root:bpftrace"),
]


def start(b):
    muted = b.directory / ".config/bpfmon"
    muted.mkdir(parents=True)
    (muted / "mutes").write_text("/opt/tool\nroot:bpftrace\n/opt/$(touch pwned)\n/usr/bin/with space\n")
    b.environment.pop("XDG_CONFIG_HOME", None)
    state = b.directory / "state"
    state.mkdir()
    b.environment["STATE_DIRECTORY"] = str(state)
    b.daemon()
    b.trigger("map-create", "m").go().truth()
    client = b.client()
    wait_until(lambda: client.call("QueryEvents", bed.dbus.Array([], "s"), bed.dbus.Dictionary({}, "sv"))[0],
               what="the history")


def check_cases(b, complete):
    """What any of the shells must do."""
    (b.directory / "some file.svg").write_text("")
    for line, want in CASES:
        equal(complete(f"bpfmonctl {line}"), ["bpfmonctl", *want.split()], f"what {line!r} becomes")
    equal(complete("bpfmonctl subscribe nothing.like=th"), ["bpfmonctl", "subscribe", "nothing.like=th"], "no candidate")
    # Behind Tab it waits for no daemon for long: then it is pressed again.
    wait_until(lambda: complete("bpfmonctl explain ") == ["bpfmonctl", "explain", "1"], what="the number of the one event that there is")
    equal(complete("bpfmonctl timeline --svg=som"), ["bpfmonctl", "timeline", "--svg=some file.svg"], "a file")
    equal(complete("bpfmonctl timeline --svg som"), ["bpfmonctl", "timeline", "--svg", "some file.svg"], "a file")
    for line, want in NOTIFY_CASES:
        option, _, argument = want.partition(" ") if "=" not in want else (want, "", "")
        equal(complete(f"bpfmon-notify {line}"), ["bpfmon-notify", option, *([argument] if argument else [])],
              f"what {line!r} becomes")


def test_bash(b):
    """bash completes verbs, options, fields, their values, numbers of the daemon's and files"""
    start(b)
    shell = Shell(b, ["bash", "--norc", "--noprofile", "-i"],
                  ["bind 'set enable-bracketed-paste off'", f"source {FILES}/bpfmonctl",
                   f"source {FILES}/bpfmon-notify", "PS1='$ '"])
    try:
        check_cases(b, shell.complete)
    finally:
        shell.end()


def test_zsh(b):
    """zsh completes the same"""
    start(b)
    shell = Shell(b, ["zsh", "-f", "-i"],
                  ["unset zle_bracketed_paste", f"fpath=({FILES} $fpath)", "autoload -U compinit",
                   f"compinit -u -d {b.directory}/dump", "bindkey -e", "PS1='$ '", "unsetopt PROMPT_SP AUTO_MENU"])
    try:
        check_cases(b, shell.complete)
    finally:
        shell.end()


def test_fish(b):
    """fish completes the same, and shows what each is"""
    if not shutil.which("fish"):
        raise bed.Skip("fish is not installed")
    start(b)
    environment = dict(b.environment, PATH=f"{programs(b)}:{b.environment['PATH']}", HOME=str(b.directory))

    def candidates(line):
        quoted = line.replace("'", "\\'")
        run = subprocess.run(["fish", "--no-config", "-c", f"source {FILES}/{line.split()[0]}.fish; complete -C '{quoted}'"],
                             env=environment, cwd=b.directory, capture_output=True, check=True, encoding="utf-8")
        return run.stdout.splitlines()

    def complete(line):
        """The line with the one candidate in its place, as fish would do it."""
        found = [candidate.split("\t")[0] for candidate in candidates(line)]
        before, _, last = line.rpartition(" ")
        common = os.path.commonprefix(found) if found else last
        return [*before.split(" "), common.replace("\\ ", " ")]

    check_cases(b, complete)
    contains("\n".join(candidates("bpfmonctl ti")), "timeline\tShow how many", "what a verb is")


def test_hostile(b):
    """What is offered has no control characters, nothing goes wrong aloud, and Tab does not start the daemon"""
    equal(b.ctl("--complete", "--", "show", "prog", "").output(), "", "without a daemon")
    start(b)
    program = b.directory / "\x1b[31m$(x)"
    shutil.copy2(os.environ["TRIGGER"], program)
    subprocess.run([program, "map-create", "m"], stdout=subprocess.DEVNULL, env=b.environment, check=True)
    offered = wait_until(lambda: "$(x)" in (o := b.ctl("--complete", "--", "explain", "").output()) and o,
                         what="the number of its event")
    equal([c for c in offered if c < " " and c not in "\t\n"], [], f"control characters in {offered!r}")
    equal(all(re.fullmatch(r"\d+\t[ -~]+", line) for line in offered.splitlines()), True, f"lines: {offered!r}")
    for words in ([], [""], ["--"], ["--", ""], ["-"], ["="], ["subscribe", "="], ["show", "nothing", ""], ["-H"],
                  ["--nonsense=x"], ["subscribe", "x" * 5000], ["subscribe", "event=" + "x" * 5000]):
        process = b.ctl("--complete", "--", *words)
        equal((process.popen.returncode, process.errors()), (0, ""), f"--complete -- {words}")


bed.main([test_bash, test_zsh, test_fish, test_hostile])
