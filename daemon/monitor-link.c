/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* XDP programs that come and go, as the devices of the daemon's network namespace tell it: what
 * they run now, compared with what they ran before. Links (BPF_LINK_TYPE_XDP) come by bpf() and are
 * told by that call. */

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "monitor-kind.h"
#include "probe.h"
#include "rtnl.h"
#include "util.h"

enum {
        DEVICES_MAX = 4096, /* with a program; of more, nothing is told */
        LINKS_MAX = 4096,   /* looked through */
        XDP_PROGRAM = 6,    /* BPF_PROG_TYPE_XDP */
};

/* The ways to run a program: what tells its id, and the flag that one asks for it with. */
static const struct mode {
        int attribute;
        uint32_t flag;
} modes[] = {
        {IFLA_XDP_SKB_PROG_ID, XDP_FLAGS_SKB_MODE},
        {IFLA_XDP_DRV_PROG_ID, XDP_FLAGS_DRV_MODE},
        {IFLA_XDP_HW_PROG_ID, XDP_FLAGS_HW_MODE},
};

/* A program that a device runs. */
struct running {
        uint32_t ifindex;
        const struct mode *mode;
        struct record_object program;
        char name[IFNAMSIZ];
        bool by_link;
        bool seen; /* in the dump at hand */
};

struct state {
        struct rtnl *rtnl;
        struct running *running;
        size_t count;
        uint32_t netns;
        bool silent;  /* what there is at the start is not told */
        bool looking; /* what is told is no notice, but was found */
};

/* Whether a link brought the program. */
static bool is_by_link(uint32_t ifindex, uint32_t program) {
        uint32_t id = 0, size;

        for (int i = 0; i < LINKS_MAX && bpf_link_get_next_id(id, &id) >= 0; i++) {
                struct bpf_link_info info = {};
                _cleanup_close_ int fd = bpf_link_get_fd_by_id(id);

                size = sizeof(info);
                if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &size) >= 0 &&
                    info.type == BPF_LINK_TYPE_XDP && info.prog_id == program &&
                    info.xdp.ifindex == ifindex)
                        return true;
        }
        return false;
}

static void tell(struct monitor *m, const struct running *r, uint32_t flags) {
        const struct state *s = m->state;
        struct record_action a = {
                .action = ACTION_ATTACH,
                .via = r->by_link ? ROAD_LINK : ROAD_NETLINK_XDP,
                .flags = flags,
                .road_flags = r->by_link ? 0 : r->mode->flag,
                .object = r->program,
                .target = {.kind = TARGET_INTERFACE, .ifindex = r->ifindex, .netns = s->netns},
        };

        strcpy(a.target.text, r->name);
        a.target.text_size = (uint16_t) (strlen(r->name) + 1);
        /* What led to it hooks have seen; a notice has waited for that. */
        if (s->looking)
                (void) monitor_settle(m);
        monitor_tell(m, &a, 0);
}

static struct running *find(struct state *s, uint32_t ifindex, const struct mode *mode) {
        for (size_t i = 0; i < s->count; i++)
                if (s->running[i].ifindex == ifindex && s->running[i].mode == mode)
                        return &s->running[i];
        return NULL;
}

/* A program is not run any more. What a link brought goes with the link, and is told as that;
 * unless it is the device that goes. */
static void remove_running(struct monitor *m, struct running *r, bool device_goes) {
        struct state *s = m->state;

        if (!r->by_link || device_goes)
                tell(m, r, CALL_DETACHES);
        *r = s->running[--s->count];
}

static void add_running(struct monitor *m, const struct mode *mode, uint32_t ifindex,
                        const char name[IFNAMSIZ], uint32_t program) {
        struct state *s = m->state;
        struct running *grown, *r;

        if (s->count >= DEVICES_MAX)
                return;
        grown = reallocarray(s->running, s->count + 1, sizeof(*grown));
        if (!grown)
                return;
        s->running = grown;
        r = &s->running[s->count++];
        *r = (struct running){.ifindex = ifindex, .mode = mode, .seen = true};
        memcpy(r->name, name, sizeof(r->name));
        monitor_fill_program(&r->program, program);
        r->program.type = XDP_PROGRAM;
        r->by_link = is_by_link(ifindex, program);
        if (!s->silent && !r->by_link)
                tell(m, r, 0);
}

/* A device says what it runs. */
static void compare(struct monitor *m, uint32_t ifindex, const char name[IFNAMSIZ],
                    const struct rtattr *xdp) {
        const struct rtattr *attributes[IFLA_XDP_MAX + 1];
        struct running *r;
        uint32_t program;

        rtnl_parse_nested(xdp, attributes, IFLA_XDP_MAX);
        for (size_t i = 0; i < ELEMENTSOF(modes); i++) {
                program = rtnl_u32(attributes[modes[i].attribute], 0);
                r = find(m->state, ifindex, &modes[i]);
                if (r && r->program.id == program) {
                        r->seen = true;
                        continue;
                }
                if (r)
                        remove_running(m, r, false);
                if (program != 0)
                        add_running(m, &modes[i], ifindex, name, program);
        }
}

static void device_gone(struct monitor *m, uint32_t ifindex) {
        struct running *r;

        for (size_t i = 0; i < ELEMENTSOF(modes); i++) {
                r = find(m->state, ifindex, &modes[i]);
                if (r)
                        remove_running(m, r, true);
        }
}

static void on_message(struct monitor *m, const void *data) {
        const struct nlmsghdr *h = data;
        const struct rtattr *attributes[IFLA_MAX + 1];
        const struct ifinfomsg *info = NLMSG_DATA(h);
        char name[IFNAMSIZ] = "";

        /* Bridges tell of their ports too, in a family of their own. */
        if (!rtnl_parse(h, sizeof(*info), attributes, IFLA_MAX) || info->ifi_family != AF_UNSPEC)
                return;
        if (h->nlmsg_type == RTM_DELLINK)
                device_gone(m, (uint32_t) info->ifi_index);
        if (h->nlmsg_type != RTM_NEWLINK || !attributes[IFLA_XDP])
                return;
        if (attributes[IFLA_IFNAME])
                memcpy(name, RTA_DATA(attributes[IFLA_IFNAME]),
                       MIN(sizeof(name) - 1, RTA_PAYLOAD(attributes[IFLA_IFNAME])));
        compare(m, (uint32_t) info->ifi_index, name, attributes[IFLA_XDP]);
}

static void on_rtnl(const struct nlmsghdr *h, void *userdata) {
        on_message(userdata, h);
}

/* Asks all devices. What changed since they told last is told now. */
static int look(struct monitor *m) {
        struct state *s = m->state;
        int k;

        for (size_t i = 0; i < s->count; i++)
                s->running[i].seen = false;
        s->looking = true;
        k = rtnl_dump_links(on_rtnl, m);
        for (size_t i = s->count; k >= 0 && i > 0; i--)
                if (!s->running[i - 1].seen)
                        remove_running(m, &s->running[i - 1], true);
        s->looking = false;
        return k;
}

static void on_lost(void *userdata) {
        struct monitor *m = userdata;

        m->handlers.lost(1, m->userdata);
        (void) look(m);
}

static void stop(struct monitor *m) {
        struct state *s = m->state;

        rtnl_free(s->rtnl);
        free(s->running);
        free(s);
}

static void hold(struct monitor *m, bool hold) {
        struct state *s = m->state;

        rtnl_hold(s->rtnl, hold);
}

static int prepare(struct monitor *m) {
        struct state *s = m->state = calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        s->netns = rtnl_namespace();
        return 0;
}

static int listen_rtnl(struct monitor *m, const struct probe_options *options) {
        static const struct rtnl_handlers handlers = {monitor_settle, on_rtnl, on_lost,
                                                      monitor_idle};
        static const int groups[] = {RTNLGRP_LINK, 0};
        struct state *s = m->state;
        int k;

        /* Nothing says who did it. */
        if (options->observe != OBSERVE_ALL)
                return -EOPNOTSUPP;
        k = rtnl_new(&s->rtnl, m->loop, groups, &handlers, m);
        if (k < 0)
                return k;
        s->silent = true;
        k = look(m);
        s->silent = false;
        return k;
}

const struct monitor_kind monitor_rtnl_link = {prepare, listen_rtnl, stop, hold, on_message};
