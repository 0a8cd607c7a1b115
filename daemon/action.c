/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "action.h"
#include "attr.h"
#include "event.h"
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
                info = &pins[r->action];
                break;
        }
        return info && info->event ? info : NULL;
}

/* Flags of a road, lowest bit first. */
static const struct road_flags {
        uint32_t via;
        enum field field;
        const char *names[12];
} road_flags[] = {
        /* include/uapi/linux/seccomp.h */
        {ROAD_SECCOMP,
         FIELD_SECCOMP_FLAGS,
         {"tsync", "log", "spec_allow", "new_listener", "tsync_esrch", "wait_killable_recv"}},
        /* include/uapi/linux/if_link.h */
        {ROAD_NETLINK_XDP,
         FIELD_ATTACH_FLAGS,
         {"update_if_noexist", "skb_mode", "drv_mode", "hw_mode", "replace"}},
        /* include/uapi/linux/pkt_cls.h: TCA_BPF_FLAG_* */
        {ROAD_NETLINK_TC, FIELD_ATTACH_FLAGS, {"direct_action"}},
        /* Which of its programs: TUNSETSTEERINGEBPF, TUNSETFILTEREBPF */
        {ROAD_TUN_IOCTL, FIELD_ATTACH_FLAGS, {"steering", "filter"}},
        /* include/uapi/linux/io_uring/bpf_filter.h */
        {ROAD_IO_URING, FIELD_ATTACH_FLAGS, {"deny_rest", "sz_strict"}},
};

static void describe_flags(struct event *e, const struct record_action *r) {
        const char *items[ELEMENTSOF(road_flags[0].names) + 1];
        char rest[16];
        uint32_t left = r->road_flags;
        size_t n = 0;

        if (left == 0)
                return;
        for (const struct road_flags *f = road_flags; f < road_flags + ELEMENTSOF(road_flags);
             f++) {
                if (f->via != r->via)
                        continue;
                for (size_t bit = 0; bit < ELEMENTSOF(f->names); bit++)
                        if (f->names[bit] && left & 1U << bit) {
                                items[n++] = f->names[bit];
                                left &= ~(1U << bit);
                        }
                if (left) {
                        snprintf(rest, sizeof(rest), "0x%x", left);
                        items[n++] = rest;
                }
                event_set_strings(e, f->field, items, n);
                return;
        }
}

void road_describe(struct event *e, const struct record_action *r) {
        if (r->filter_length > 0 && r->flags & CALL_KERNEL_ATTR)
                event_set_static(e, FIELD_FILTER_SOURCE, "kernel");
        else if (r->filter_length > 0 && r->flags & CALL_USER_ATTR)
                event_set_static(e, FIELD_FILTER_SOURCE, "user");
        describe_flags(e, r);
}
