#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tells who loads BPF programs, until Ctrl-C. Arguments are further matches: loaders.py prog.type=kprobe"""

import sys
from datetime import datetime

from dasbus.client.observer import DBusObserver
from dasbus.connection import SystemMessageBus
from dasbus.error import DBusError
from dasbus.loop import EventLoop
from dasbus.typing import Variant, get_native
from gi.repository import Gio

NAME, PATH = "org.bpfmon1", "/org/bpfmon1"
FIELDS = ["time", "process.name", "process.pid", "user.name", "prog.type", "prog.name", "prog.id", "result"]


def tell(event):
    """One event: a dictionary; what is not known is not in it."""
    when = datetime.fromtimestamp(event["time"] / 1e6)
    program = " ".join(str(event[key]) for key in ("prog.type", "prog.name") if key in event)
    print(f"{when:%H:%M:%S} {event.get('process.name', '?')}[{event.get('process.pid', '?')}] "
          f"of {event.get('user.name', '?')}: {program or 'a program'}, {event['result']}", flush=True)


def on_events(_connection, _sender, _path, _interface, _signal, parameters):
    """The signal Events(t first_seq, t lost, aa{sv} events)."""
    _first, lost, events = get_native(parameters)
    if lost:
        print(f"-- {lost} events lost --", flush=True)
    for event in events:
        tell(event)


def main(matches):
    bus = SystemMessageBus()
    loop = EventLoop()

    # Before Subscribe(): the first events may be here before its answer is. The bus lets nobody but the owner of the
    # name send as org.bpfmon1.
    bus.connection.signal_subscribe(NAME, "org.bpfmon1.Subscription", "Events", None, None, Gio.DBusSignalFlags.NONE,
                                    on_events)

    def subscribe(_observer):
        try:
            bus.get_proxy(NAME, PATH).Subscribe(["event=prog-load", *matches], {"fields": Variant("as", FIELDS)})
        except DBusError as error:
            print(error, file=sys.stderr)
            loop.quit()

    # A daemon that is restarted knows nothing of those who had subscribed: so do it whenever there is one.
    observer = DBusObserver(bus, NAME)
    observer.service_available.connect(subscribe)
    observer.service_unavailable.connect(lambda _observer: print("-- bpfmond is away --", flush=True))
    observer.connect_once_available()
    loop.run()


try:
    main(sys.argv[1:])
except KeyboardInterrupt:
    pass
