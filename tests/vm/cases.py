# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a row of the tables of actions says."""

import dataclasses

ABSENT = object()  # a field that must not be there
PRESENT = object()  # one that must be there, whatever it says

@dataclasses.dataclass
class Case:
    """An action of the test program and the event that it makes."""

    label: str
    action: str
    event: str
    object: str = "none"
    fields: dict = dataclasses.field(default_factory=dict)  # fields that are always so
    kprobes: dict = dataclasses.field(default_factory=dict)  # fields with kprobes only
    tracepoints: dict = dataclasses.field(default_factory=dict)  # fields without kprobes only
    copied: dict = dataclasses.field(default_factory=dict)  # members of the report -> fields
    words: dict = dataclasses.field(default_factory=dict)  # fields -> text with members of the report: "map {id}"
    endings: dict = dataclasses.field(default_factory=dict)  # members of the report -> fields that end as they do
    stream: str = "events"
    # Which copy of the attributes was read with kprobes; None: the kernel never got so far, and none could be read.
    source: tuple = ("kernel",)
    blind: str = ""  # the probe without which the call is not seen: missing without kprobes
    since: tuple = ()  # the kernel that can do it first
    until: tuple = ()  # the first kernel that cannot do it any more
    only: str = ""  # the architecture that alone can do it
    beside: str = ""  # an event that the call is told as, too
    # For events that are not of a bpf() call of the caller (the report then has no member "cmd"): found by the process
    # of the report and the event's name, and by these: members of the report -> fields. Without "pid" among the fields
    # to be found by (`anonymous`), the process is not asked for: the kernel did it in nobody's name.
    found_by: dict = dataclasses.field(default_factory=dict)
    anonymous: bool = False
    thread: bool = True  # False: it is another thread of the process that does it, and nobody knows which
    # Tracepoints alone (and monitors) do not see it: it must be absent there.
    needs_kprobes: bool = False
    # No event of the process has these fields.
    never: dict = dataclasses.field(default_factory=dict)
    # Without kprobes a monitor of the daemon's tells it, in nobody's name, when the object may be gone: what is told of
    # it is its id. These fields are different then; None: not said.
    monitored: dict = None

    def without_kprobes(self):
        fields = {field: value for field, value in {**self.fields, **self.monitored}.items() if value is not None}
        return dataclasses.replace(self, object="none", fields=fields, anonymous=True)
