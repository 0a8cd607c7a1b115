#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Counts events by process and kind for some seconds (10, or the first argument): from a stream, which passes many
thousands of events a second. Further arguments are matches: stream.py 5 event=map-access"""

import collections
import json
import select
import sys
import time

import dbus


def main(seconds, matches):
    manager = dbus.SystemBus().get_object("org.bpfmon1", "/org/bpfmon1")
    fields = dbus.Array(["event", "process.name", "lost.count"], "s")
    fd = manager.OpenStream(dbus.Array(matches, "s"), dbus.Dictionary({"fields": fields}, "sv"),
                            dbus_interface="org.bpfmon1.Manager").take()

    # Each line is an object of JSON. The bus is not needed any more; closing the file ends the stream.
    counts, lost = collections.Counter(), 0
    end = time.monotonic() + seconds
    with open(fd, "rb", buffering=0) as stream:
        rest = b""
        while (left := end - time.monotonic()) > 0:
            if not select.select([stream], [], [], left)[0]:
                break
            part = stream.read(1 << 16)
            if not part:
                print("bpfmond ended the stream", file=sys.stderr)
                break
            *lines, rest = (rest + part).split(b"\n")
            for line in lines:
                event = json.loads(line)
                if event["event"] == "lost":  # comes whatever was asked for
                    lost += event.get("lost.count", 0)
                else:
                    counts[event.get("process.name", "(kernel)"), event["event"]] += 1

    for (process, kind), count in counts.most_common():
        print(f"{count:8} {kind:20} {process}")
    if lost:
        print(f"{lost:8} lost")


main(float(sys.argv[1]) if len(sys.argv) > 1 else 10, sys.argv[2:])
