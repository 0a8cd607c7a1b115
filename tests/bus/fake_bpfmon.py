# SPDX-License-Identifier: LGPL-2.1-or-later
"""A bpfmond that sends what the test says: for alerts that this machine has no cause for."""

import time

import dbus
import dbus.lowlevel

import bed

SUBSCRIPTION_PATH = "/org/bpfmon1/subscription/1"

OK, REFUSED = None, "org.freedesktop.DBus.Error.AccessDenied"


class Daemon(bed.Client):
    """Owns the daemon's name. `answer`: what Subscribe() gets, OK or the name of an error."""

    def __init__(self, b, answer=OK):
        super().__init__(b.address)
        b.clients.append(self)
        self.answer = answer
        self.subscriber, self.questions, self.seq = None, [], 0
        self.bus.add_message_filter(self._filter)
        self.bus.request_name(bed.NAME)

    def _filter(self, _connection, message):
        if not message.is_method_call(bed.MANAGER, "Subscribe"):
            return dbus.lowlevel.HANDLER_RESULT_NOT_YET_HANDLED
        matches, options = message.get_args_list()
        self.questions.append({"matches": list(map(str, matches)), "options": dict(options),
                               "sender": message.get_sender()})
        if self.answer is OK:
            self.subscriber = message.get_sender()
            reply = dbus.lowlevel.MethodReturnMessage(message)
            reply.append(dbus.ObjectPath(SUBSCRIPTION_PATH), signature="o")
        else:
            reply = dbus.lowlevel.ErrorMessage(message, self.answer, "not now")
        self.bus.send_message(reply)
        return dbus.lowlevel.HANDLER_RESULT_HANDLED

    def wait_subscriber(self):
        bed.wait_until(lambda: self.subscriber, what="a subscription")

    def event(self, **fields):
        """An alert about a process, as the scope alerts has it. process_name=… is process.name."""
        self.seq += 1
        row = {"seq": dbus.UInt64(self.seq), "time": dbus.UInt64(time.time_ns() // 1000), "event": "prog-load",
               "class": "install", "severity": "warning", "result": "ok", "process.name": "loader",
               "process.pid": dbus.UInt32(812), "user.id": dbus.UInt32(0), "user.name": "root"}
        row.update({key.replace("_", ".", 1): value for key, value in fields.items()})
        return dbus.Dictionary({key: value for key, value in row.items() if value is not None}, "sv")

    def signal(self, name, signature, *arguments):
        message = dbus.lowlevel.SignalMessage(SUBSCRIPTION_PATH, bed.SUBSCRIPTION, name)
        message.set_destination(self.subscriber)
        message.append(*arguments, signature=signature)
        self.bus.send_message(message)

    def send(self, *events, lost=0):
        first = events[0].get("seq", 0) if events else 0
        self.signal("Events", "ttaa{sv}", dbus.UInt64(first), dbus.UInt64(lost), dbus.Array(events, "a{sv}"))

    def alert(self, times=1, **fields):
        for _ in range(times):
            self.send(self.event(**fields))
