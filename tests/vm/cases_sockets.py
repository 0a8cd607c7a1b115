# SPDX-License-Identifier: LGPL-2.1-or-later
"""Filters of sockets, seccomp, tun devices and io_uring."""

from cases import ABSENT, Case

LENGTH = {"length": "filter.instructions"}
PLACE = {"target": "attach.target", "netns": "attach.namespace.net"}


def attach(label, action, via, **more):
    """A classic filter, with the instructions that the kernel took."""
    fields = {"class": "install", "attach.via": via, "severity": "info", "attributed": ABSENT, "prog.id": ABSENT,
              "filter.source": "kernel", **more.pop("fields", {})}
    return Case(label, action, "socket-filter-attach", fields=fields, copied={**LENGTH, **PLACE}, **more)


def program(label, action, via, event="socket-filter-attach", **more):
    """A BPF program."""
    fields = {"class": "install", "attach.via": via, "prog.type": "socket_filter", "filter.instructions": ABSENT,
              "filter.source": ABSENT, **more.pop("fields", {})}
    return Case(label, action, event, "program", fields, copied=PLACE, **more)


def refused(label, action, via, result="failed", copied=None, **more):
    """A filter that the kernel did not take. What it was is the caller's word."""
    fields = {"class": "install", "attach.via": via, "result": result, "filter.source": "user",
              "severity": "notice" if result == "denied" else "info", "prog.id": ABSENT, **more.pop("fields", {})}
    copied = {**LENGTH, **PLACE} if copied is None else copied
    return Case(label, action, more.pop("event", "socket-filter-attach"), fields=fields, copied=copied, **more)


def seccomp(label, action, via, flags=ABSENT, **more):
    fields = {"class": "install", "attach.via": via, "seccomp.flags": flags, "filter.source": "kernel",
              **more.pop("fields", {})}
    return Case(label, action, "seccomp-filter", fields=fields, copied={**LENGTH, "target": "attach.target"},
                found_by=LENGTH, **more)


SOCKETS = [
    *(attach(f"sock-attach {kind}", f"sock-attach {kind}", "setsockopt")
      for kind in ("udp", "tcp6", "unix", "netlink", "raw", "packet")),
    program("sock-attach-bpf", "sock-attach-bpf", "setsockopt"),
    Case("sock-attach-other", "sock-attach-other", "socket-filter-attach", "program",
         {"attach.via": "setsockopt", "result": "failed", "prog.type": "raw_tracepoint"}, copied=PLACE),
    Case("sock-attach-none", "sock-attach-other none", "socket-filter-attach",
         fields={"attach.via": "setsockopt", "result": "failed", "prog.id": ABSENT}, copied=PLACE),
    # Without kprobes nobody saw what was there.
    Case("sock-detach", "sock-detach", "socket-filter-detach",
         fields={"class": "remove", "attach.via": "setsockopt", "attributed": ABSENT},
         kprobes={"filter.instructions": 5, "filter.source": "kernel"}, copied=PLACE),
    Case("sock-detach-none", "sock-detach none", "socket-filter-detach",
         fields={"attach.via": "setsockopt", "result": "failed", "filter.instructions": ABSENT}, copied=PLACE),
    refused("sock-refuse bad", "sock-refuse bad", "setsockopt"),
    refused("sock-refuse long", "sock-refuse long", "setsockopt", fields={"filter.source": ABSENT}),
    refused("sock-refuse size", "sock-refuse size", "setsockopt"),
    refused("sock-refuse locked", "sock-refuse locked", "setsockopt", "denied", found_by=LENGTH),
    # What is replaced on the way, or shared by other sockets, does not go twice.
    Case("sock-close", "sock-close packet", "socket-filter-detach",
         fields={"class": "remove", "attach.via": "setsockopt", "attributed": ABSENT, "filter.source": "kernel"},
         copied={**LENGTH, **PLACE}, since=(5, 11), needs_kprobes=True),
    Case("sock-close nobody", "sock-close udp", "socket-filter-detach",
         fields={"class": "remove", "attach.via": "setsockopt", "filter.instructions": 10}, copied=PLACE,
         found_by=PLACE, anonymous=True, needs_kprobes=True),
    Case("sock-inherit", "sock-inherit", "socket-filter-detach", fields={"attach.via": "setsockopt"},
         found_by=LENGTH, anonymous=True, needs_kprobes=True),
    attach("sock-compat", "sock-compat", "setsockopt", needs_kprobes=True, only="amd64"),
]

SHARED = [
    attach("reuseport cbpf", "reuseport cbpf", "setsockopt-reuseport"),
    program("reuseport ebpf", "reuseport ebpf", "setsockopt-reuseport"),
    Case("reuseport detach", "reuseport detach", "socket-filter-detach",
         fields={"class": "remove", "attach.via": "setsockopt-reuseport"},
         kprobes={"prog.type": "socket_filter", "prog.name": "trigger_choose"}, copied=PLACE),
    refused("reuseport fail", "reuseport fail", "setsockopt-reuseport", copied=LENGTH,
            fields={"attach.target": "udp socket"}, kprobes={"filter.source": "kernel"}),
    Case("reuseport close", "reuseport ebpf", "socket-filter-detach",
         fields={"class": "remove", "attach.via": "setsockopt-reuseport", "prog.name": "trigger_choose"},
         found_by={"id": "prog.id"}, anonymous=True, needs_kprobes=True),
    attach("fanout cbpf", "fanout cbpf", "packet-fanout", fields={"filter.source": "user"},
           kprobes={"filter.source": "kernel"}),
    program("fanout ebpf", "fanout ebpf", "packet-fanout"),
    Case("fanout close", "fanout ebpf", "socket-filter-detach", "program",
         {"class": "remove", "attach.via": "packet-fanout", "attributed": ABSENT}, copied=PLACE, needs_kprobes=True),
    Case("fanout fail", "fanout fail", "socket-filter-attach", fields={"attach.via": "packet-fanout", "result": "failed"},
         copied=PLACE),
]

SECCOMP = [
    seccomp("seccomp", "seccomp seccomp", "seccomp", ["log"]),
    seccomp("seccomp prctl", "seccomp prctl", "prctl"),
    seccomp("seccomp listener", "seccomp listener", "seccomp", ["new_listener"]),
    seccomp("seccomp thread", "seccomp-thread", "seccomp"),
    seccomp("seccomp threads", "seccomp-threads", "seccomp", ["tsync"]),
    # Nothing came of it, though the kernel returned no error.
    seccomp("seccomp threads-fail", "seccomp-threads fail", "seccomp", ["tsync"],
            fields={"result": "failed", "errno": "ESRCH", "filter.source": "user"}, kprobes={"filter.source": "kernel"}),
    seccomp("seccomp compat", "seccomp-compat", "prctl", needs_kprobes=True, only="amd64"),
    refused("seccomp bad", "seccomp-refuse bad", "seccomp", event="seccomp-filter",
            copied={**LENGTH, "target": "attach.target"}),
    refused("seccomp denied", "seccomp-refuse denied", "seccomp", "denied", event="seccomp-filter", copied=LENGTH,
            fields={"user.id": 65534}),
    refused("seccomp fault", "seccomp-refuse fault", "seccomp", event="seccomp-filter",
            copied={"target": "attach.target"}, fields={"filter.source": ABSENT, "filter.instructions": ABSENT}),
]

DEVICES = [
    attach("tun-filter", "tun-filter attach", "tun-ioctl", needs_kprobes=True),
    Case("tun-filter detach", "tun-filter detach", "socket-filter-detach",
         fields={"class": "remove", "attach.via": "tun-ioctl", "filter.source": "kernel"}, copied={**LENGTH, **PLACE},
         needs_kprobes=True),
    refused("tun-filter fail", "tun-filter fail", "tun-ioctl", needs_kprobes=True),
    program("tun-program", "tun-program steering", "tun-ioctl", fields={"attach.flags": ["steering"]},
            needs_kprobes=True),
    program("tun-program filter", "tun-program filter", "tun-ioctl", fields={"attach.flags": ["filter"]},
            needs_kprobes=True),
    Case("tun-program fail", "tun-program fail", "socket-filter-attach", "program",
         {"attach.via": "tun-ioctl", "result": "failed"}, copied=PLACE, needs_kprobes=True),
]

RINGS = [
    *(attach(f"uring-setsockopt {how}".strip(), f"uring-setsockopt {how}".strip(), "io-uring-setsockopt", since=(6, 7),
             needs_kprobes=True, thread=not how) for how in ("", "worker")),
    *(Case(f"uring-filter {how}", f"uring-filter {how}", "attach",
           fields={"class": "install", "attach.via": "io-uring", "attach.flags": ["deny_rest"],
                   "filter.source": "user"},
           copied={**LENGTH, "target": "attach.target"}, since=(7, 0), needs_kprobes=True)
      for how in ("ring", "task")),
    refused("uring-filter fail", "uring-filter fail", "io-uring", event="attach", since=(7, 0), needs_kprobes=True,
            copied={**LENGTH, "target": "attach.target"}),
]

CASES = SOCKETS + SHARED + SECCOMP + DEVICES + RINGS
