#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""counter.py MATCH…: subscribes, and prints what it has received and lost whenever that has changed. A process of its
own, so that a test can stop it."""

import json
import os
import sys
import time

import bed


def main():
    subscriber = bed.Subscriber(os.environ["DBUS_SYSTEM_BUS_ADDRESS"], sys.argv[1:], keep=False)
    said = None
    while True:
        now = {"received": subscriber.received, "lost": subscriber.lost}
        if now != said:
            print(json.dumps(now), flush=True)
            said = now
        seen, pause = subscriber.signals, time.monotonic() + 0.1
        bed.wait_until(lambda: subscriber.signals > seen + 100  # pylint: disable=cell-var-from-loop
                       or time.monotonic() > pause, 60)


main()
