# SPDX-License-Identifier: LGPL-2.1-or-later
"""A polkit that answers as the test says."""

import dbus
import dbus.lowlevel

import bed

POLKIT = "org.freedesktop.PolicyKit1"
POLKIT_PATH = "/org/freedesktop/PolicyKit1/Authority"
AUTHORITY = "org.freedesktop.PolicyKit1.Authority"

YES, NO, CHALLENGE = (True, False, {}), (False, False, {}), (False, True, {})
HANG = None


class Polkit(bed.Client):
    """Answers by `answers`, from actions to (authorized, challenge, details), HANG, or a function of the question
    that sends what it likes. Runs whenever the test waits."""

    def __init__(self, b, **answers):
        super().__init__(b.address)
        b.clients.append(self)
        self.answers = {f"org.bpfmon1.{name.replace('_', '-')}": answer for name, answer in answers.items()}
        self.asked, self.cancelled, self.open = [], [], []
        self.bus.add_message_filter(self._filter)
        self.bus.request_name(POLKIT)

    def _filter(self, _connection, message):
        if message.is_method_call(AUTHORITY, "CancelCheckAuthorization"):
            self.cancelled.append(str(message.get_args_list()[0]))
        elif message.is_method_call(AUTHORITY, "CheckAuthorization"):
            subject, action, _details, flags, number = message.get_args_list()
            question = {"kind": str(subject[0]), "name": str(subject[1]["name"]), "action": str(action),
                        "interactive": bool(flags & 1), "id": str(number), "message": message}
            self.asked.append(question)
            answer = self.answers.get(question["action"], NO)
            if callable(answer):
                answer(question)
            elif answer is HANG:
                self.open.append(question)
            else:
                self.reply(question, answer)
        else:
            return dbus.lowlevel.HANDLER_RESULT_NOT_YET_HANDLED
        return dbus.lowlevel.HANDLER_RESULT_HANDLED

    def reply(self, question, answer):
        reply = dbus.lowlevel.MethodReturnMessage(question["message"])
        authorized, challenge, details = answer
        reply.append(dbus.Struct((authorized, challenge, dbus.Dictionary(details, "ss")), signature="bba{ss}"))
        self.bus.send_message(reply)

    def changed(self, times=1):
        for _ in range(times):
            self.bus.send_message(dbus.lowlevel.SignalMessage(POLKIT_PATH, AUTHORITY, "Changed"))
