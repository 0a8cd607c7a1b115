/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdbool.h>
#include <stddef.h>

#include "action.h"
#include "attr.h"
#include "event.h"
#include "flags.h"
#include "util.h"

/* Of the objects that go. */
static const struct command_info frees[_OBJECT_MAX] = {
        [OBJECT_PROG] = {"prog-unload", "remove", NULL, "unloaded", "unload", "a program"},
        [OBJECT_MAP] = {"map-free", "remove", NULL, "freed", "free", "a map"},
        [OBJECT_LINK] = {"link-free", "remove", NULL, "freed", "free", "a link"},
        [OBJECT_BTF] = {"btf-free", "remove", NULL, "freed", "free", "BTF"},
};

static const struct command_info pins[] = {
        [ACTION_PIN] = {"pin", "install", NULL, "pinned", "pin", "an object"},
        [ACTION_UNPIN] = {"unpin", "remove", NULL, "unpinned", "unpin", "an object"},
        /* Of bpfmond's own objects alone: tamper.c says it in other words. */
        [ACTION_TAKE] = {"object-take", "self", "pidfd-getfd", "copied", "copy", "an object"},
        [ACTION_RECEIVE] = {"object-receive", "self", "message", "got", "get", "an object"},
};

#define PROGRAM_BY(via)                                                            \
        {                                                                          \
                {"attach", "install", via, "attached", "attach", "a program"}, {   \
                        "detach", "remove", via, "detached", "detach", "a program" \
                }                                                                  \
        }
#define SOCKET_FILTER_BY(via)                                                                   \
        {                                                                                       \
                {"socket-filter-attach", "install", via, "attached", "attach", "a filter"}, {   \
                        "socket-filter-detach", "remove", via, "detached", "detach", "a filter" \
                }                                                                               \
        }
#define SECCOMP_BY(via)                                                                          \
        {                                                                                        \
                { "seccomp-filter", "install", via, "installed", "install", "a seccomp filter" } \
        }

/* By road: how a program comes, and how it goes. */
static const struct command_info roads[_ROAD_MAX][2] = {
        [ROAD_PERF_IOCTL] = PROGRAM_BY("perf-ioctl"),
        [ROAD_NETLINK_XDP] = PROGRAM_BY("netlink-xdp"),
        [ROAD_NETLINK_TC] = PROGRAM_BY("netlink-tc"),
        [ROAD_NETLINK_LWT] = PROGRAM_BY("netlink-lwt"),
        [ROAD_LINK] = PROGRAM_BY("link-create"),
        [ROAD_SETSOCKOPT] = SOCKET_FILTER_BY("setsockopt"),
        [ROAD_SETSOCKOPT_REUSEPORT] = SOCKET_FILTER_BY("setsockopt-reuseport"),
        [ROAD_PACKET_FANOUT] = SOCKET_FILTER_BY("packet-fanout"),
        [ROAD_SECCOMP] = SECCOMP_BY("seccomp"),
        [ROAD_PRCTL] = SECCOMP_BY("prctl"),
        [ROAD_TUN_IOCTL] = SOCKET_FILTER_BY("tun-ioctl"),
        [ROAD_PROG_ATTACH] = PROGRAM_BY("prog-attach"),
        [ROAD_STRUCT_OPS] = {{"attach", "install", "struct-ops", "registered", "register",
                              "functions"},
                             {"detach", "remove", "struct-ops", "unregistered", "unregister",
                              "functions"}},
        [ROAD_IO_URING] = {{"attach", "install", "io-uring", "attached", "attach", "a filter"}},
};

/* The same where an io_uring was asked to take the road, instead of a call. */
static const struct command_info uring_roads[_ROAD_MAX][2] = {
        [ROAD_SETSOCKOPT] = SOCKET_FILTER_BY("io-uring-setsockopt"),
        [ROAD_SETSOCKOPT_REUSEPORT] = SOCKET_FILTER_BY("io-uring-setsockopt-reuseport"),
        [ROAD_PACKET_FANOUT] = SOCKET_FILTER_BY("io-uring-packet-fanout"),
};

static const struct command_info *road_info(const struct record_action *r) {
        size_t detaches = !!(r->flags & CALL_DETACHES);

        if (r->via >= _ROAD_MAX)
                return NULL;
        if (r->flags & CALL_URING && uring_roads[r->via][detaches].event)
                return &uring_roads[r->via][detaches];
        return &roads[r->via][detaches];
}

const struct command_info *action_free_info(uint32_t kind) {
        return kind < _OBJECT_MAX && frees[kind].event ? &frees[kind] : NULL;
}

const struct command_info *action_info(const struct record_action *r) {
        const struct command_info *info = NULL;

        switch (r->action) {
        case ACTION_ATTACH:
                info = road_info(r);
                break;
        case ACTION_FREE:
                info = action_free_info(r->object.kind);
                break;
        case ACTION_PIN:
        case ACTION_UNPIN:
        case ACTION_TAKE:
        case ACTION_RECEIVE:
                info = &pins[r->action];
                break;
        }
        return info && info->event ? info : NULL;
}

/* What the flags of a road are, and which field tells them. */
static const struct road_flags {
        enum flag_set set;
        enum field field;
} road_flags[_ROAD_MAX] = {
        [ROAD_SECCOMP] = {FLAGS_SECCOMP, FIELD_SECCOMP_FLAGS},
        [ROAD_NETLINK_XDP] = {FLAGS_XDP, FIELD_ATTACH_FLAGS},
        [ROAD_NETLINK_TC] = {FLAGS_TC, FIELD_ATTACH_FLAGS},
        [ROAD_TUN_IOCTL] = {FLAGS_TUN, FIELD_ATTACH_FLAGS},
        [ROAD_IO_URING] = {FLAGS_IO_URING, FIELD_ATTACH_FLAGS},
};

static void describe_flags(struct event *e, const struct record_action *r) {
        const char *items[FLAGS_NAMES_MAX];
        char rest[FLAGS_REST_SIZE];

        if (r->road_flags == 0 || r->via >= _ROAD_MAX || road_flags[r->via].set == FLAGS_NONE)
                return;
        event_set_strings(e, road_flags[r->via].field, items,
                          flags_names(road_flags[r->via].set, r->road_flags, items, rest));
}

void road_describe(struct event *e, const struct record_action *r) {
        if (r->filter_length > 0 && r->flags & CALL_KERNEL_ATTR)
                event_set_static(e, FIELD_FILTER_SOURCE, "kernel");
        else if (r->filter_length > 0 && r->flags & CALL_USER_ATTR)
                event_set_static(e, FIELD_FILTER_SOURCE, "user");
        describe_flags(e, r);
}
