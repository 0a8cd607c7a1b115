/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Filters and actions of traffic control that run programs, as the kernel tells the daemon's
 * network namespace of them. What goes together with something else, such as a qdisc, is not told
 * filter by filter: they are remembered for that. */

#include <errno.h>
#include <linux/pkt_cls.h>
#include <linux/tc_act/tc_bpf.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "monitor-kind.h"
#include "probe.h"
#include "rtnl.h"
#include "util.h"

enum {
        FILTERS_MAX = 8192, /* remembered; more are told when they come, and when they are deleted
                             */
        CLASSIFIER = 3,     /* BPF_PROG_TYPE_SCHED_CLS */
        ACTION = 4,         /* BPF_PROG_TYPE_SCHED_ACT */
};

struct filter {
        struct tcmsg place;
        uint32_t chain;
        uint32_t flags;
        uint16_t classic; /* instructions */
        char name[IFNAMSIZ];
        struct record_object program; /* kind OBJECT_NONE: a classic filter */
};

struct state {
        struct rtnl *rtnl;
        struct filter *filters;
        size_t count;
        uint32_t netns;
};

static void tell_filter(struct monitor *m, const struct filter *f, uint32_t flags) {
        const struct state *s = m->state;
        struct record_action a = {
                .action = ACTION_ATTACH,
                .via = ROAD_NETLINK_TC,
                .flags = flags,
                .road_flags = f->flags,
                .filter_length = f->classic,
                .object = f->program,
                .target =
                        {
                                .kind = TARGET_INTERFACE,
                                .ifindex = (uint32_t) f->place.tcm_ifindex,
                                .netns = s->netns,
                                .parent = f->place.tcm_parent,
                                .handle = f->place.tcm_handle,
                                .priority = f->place.tcm_info >> 16,
                                .protocol = __builtin_bswap16((uint16_t) f->place.tcm_info),
                        },
        };

        /* A block that devices share: `parent` is its number. */
        if (f->place.tcm_ifindex == (int) TCM_IFINDEX_MAGIC_BLOCK)
                a.target.kind = TARGET_NETNS;
        strcpy(a.target.text, f->name);
        a.target.text_size = (uint16_t) (strlen(f->name) + 1);
        monitor_tell(m, &a, 0);
}

/* The filters remembered ------------------------------------------------------------------------
 */

static bool is_there(const struct filter *f, const struct tcmsg *place, uint32_t chain) {
        return f->place.tcm_ifindex == place->tcm_ifindex &&
               f->place.tcm_parent == place->tcm_parent && f->chain == chain &&
               f->place.tcm_info >> 16 == place->tcm_info >> 16 &&
               (place->tcm_handle == 0 || f->place.tcm_handle == place->tcm_handle);
}

/* Forgets a filter, and tells that it is gone. */
static void drop(struct monitor *m, struct filter *f) {
        struct state *s = m->state;

        tell_filter(m, f, CALL_DETACHES);
        *f = s->filters[--s->count];
}

/* Those at a place; all of one priority where it names no handle. Returns how many. */
static size_t drop_at(struct monitor *m, const struct tcmsg *place, uint32_t chain) {
        struct state *s = m->state;
        size_t n = 0;

        for (size_t i = s->count; i > 0; i--)
                if (is_there(&s->filters[i - 1], place, chain)) {
                        drop(m, &s->filters[i - 1]);
                        n++;
                }
        return n;
}

/* Those of a device, or of one of its qdiscs. */
static void drop_device(struct monitor *m, int ifindex, uint32_t qdisc) {
        struct state *s = m->state;
        const struct filter *f;

        for (size_t i = s->count; i > 0; i--) {
                f = &s->filters[i - 1];
                if (f->place.tcm_ifindex == ifindex &&
                    (qdisc == 0 || TC_H_MAJ(f->place.tcm_parent) == TC_H_MAJ(qdisc)))
                        drop(m, &s->filters[i - 1]);
        }
}

static void remember(struct state *s, const struct filter *f) {
        struct filter *grown;

        if (s->count >= FILTERS_MAX)
                return;
        grown = reallocarray(s->filters, s->count + 1, sizeof(*grown));
        if (!grown)
                return;
        s->filters = grown;
        s->filters[s->count++] = *f;
}

/* Messages --------------------------------------------------------------------------------------
 */

/* What a message says of a program, by its number and, in case it is gone, by its name and tag. */
static bool read_program(struct record_object *o, const struct rtattr *id, const struct rtattr *tag,
                         uint32_t type) {
        uint32_t number = rtnl_u32(id, 0);

        if (number == 0)
                return false;
        monitor_fill_program(o, number);
        o->type = type;
        if (tag && RTA_PAYLOAD(tag) >= sizeof(o->tag))
                memcpy(o->tag, RTA_DATA(tag), sizeof(o->tag));
        return true;
}

static void filter_message(struct monitor *m, const struct nlmsghdr *h) {
        const struct rtattr *attributes[TCA_MAX + 1], *options[TCA_BPF_MAX + 1];
        struct filter f = {};
        uint16_t length = 0;

        if (!rtnl_parse(h, sizeof(f.place), attributes, TCA_MAX))
                return;
        memcpy(&f.place, NLMSG_DATA(h), sizeof(f.place));
        f.chain = rtnl_u32(attributes[TCA_CHAIN], 0);
        /* Of filters that go together, no kind is told. */
        if (attributes[TCA_KIND] && !rtnl_is(attributes[TCA_KIND], "bpf"))
                return;
        rtnl_parse_nested(attributes[TCA_OPTIONS], options, TCA_BPF_MAX);
        f.flags = rtnl_u32(options[TCA_BPF_FLAGS], 0);
        if (options[TCA_BPF_OPS_LEN] && RTA_PAYLOAD(options[TCA_BPF_OPS_LEN]) >= sizeof(length))
                memcpy(&length, RTA_DATA(options[TCA_BPF_OPS_LEN]), sizeof(length));
        if (!read_program(&f.program, options[TCA_BPF_ID], options[TCA_BPF_TAG], CLASSIFIER))
                f.classic = length;
        if (f.place.tcm_ifindex > 0)
                (void) if_indextoname((unsigned) f.place.tcm_ifindex, f.name);

        if (h->nlmsg_type == RTM_DELTFILTER) {
                if (drop_at(m, &f.place, f.chain) == 0 && (f.program.kind || f.classic))
                        tell_filter(m, &f, CALL_DETACHES);
                return;
        }
        if (!f.program.kind && !f.classic)
                return;
        (void) drop_at(m, &f.place, f.chain);
        if (f.classic && options[TCA_BPF_OPS] && RTA_PAYLOAD(options[TCA_BPF_OPS]) >= 8U * length)
                monitor_tell_filter(m, RTA_DATA(options[TCA_BPF_OPS]), length);
        tell_filter(m, &f, 0);
        remember(m->state, &f);
}

static void tell_action(struct monitor *m, const struct rtattr *action, uint32_t flags) {
        const struct rtattr *attributes[TCA_ACT_MAX + 1], *options[TCA_ACT_BPF_MAX + 1];
        const struct state *s = m->state;
        struct record_action a = {
                .action = ACTION_ATTACH,
                .via = ROAD_NETLINK_TC,
                .flags = flags,
                .target = {.kind = TARGET_NETNS, .netns = s->netns},
        };

        rtnl_parse_nested(action, attributes, TCA_ACT_MAX);
        if (!rtnl_is(attributes[TCA_ACT_KIND], "bpf"))
                return;
        rtnl_parse_nested(attributes[TCA_ACT_OPTIONS], options, TCA_ACT_BPF_MAX);
        if (read_program(&a.object, options[TCA_ACT_BPF_ID], options[TCA_ACT_BPF_TAG], ACTION))
                monitor_tell(m, &a, 0);
}

static void action_message(struct monitor *m, const struct nlmsghdr *h) {
        const struct rtattr *attributes[TCA_ROOT_MAX + 1], *actions[TCA_ACT_MAX_PRIO + 1];

        if (!rtnl_parse(h, sizeof(struct tcamsg), attributes, TCA_ROOT_MAX))
                return;
        rtnl_parse_nested(attributes[TCA_ROOT_TAB], actions, TCA_ACT_MAX_PRIO);
        for (size_t i = 0; i <= TCA_ACT_MAX_PRIO; i++)
                if (actions[i])
                        tell_action(m, actions[i],
                                    h->nlmsg_type == RTM_DELACTION ? CALL_DETACHES : 0);
}

static void on_message(struct monitor *m, const void *data) {
        const struct nlmsghdr *h = data;
        const struct ifinfomsg *device = NLMSG_DATA(h);
        const struct tcmsg *qdisc = NLMSG_DATA(h);

        switch (h->nlmsg_type) {
        case RTM_NEWTFILTER:
        case RTM_DELTFILTER:
                filter_message(m, h);
                break;
        case RTM_NEWACTION:
        case RTM_DELACTION:
                action_message(m, h);
                break;
        case RTM_DELQDISC:
                if (h->nlmsg_len >= NLMSG_LENGTH(sizeof(*qdisc)) && qdisc->tcm_handle != 0)
                        drop_device(m, qdisc->tcm_ifindex, qdisc->tcm_handle);
                break;
        case RTM_DELLINK:
                if (h->nlmsg_len >= NLMSG_LENGTH(sizeof(*device)) &&
                    device->ifi_family == AF_UNSPEC)
                        drop_device(m, device->ifi_index, 0);
                break;
        }
}

static void on_rtnl(const struct nlmsghdr *h, void *userdata) {
        on_message(userdata, h);
}

static void on_lost(void *userdata) {
        struct monitor *m = userdata;

        m->handlers.lost(1, m->userdata);
}

static void stop(struct monitor *m) {
        struct state *s = m->state;

        rtnl_free(s->rtnl);
        free(s->filters);
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
        static const int groups[] = {RTNLGRP_TC, RTNLGRP_LINK, 0};
        struct state *s = m->state;

        /* Nothing says who did it. */
        if (options->observe != OBSERVE_ALL)
                return -EOPNOTSUPP;
        return rtnl_new(&s->rtnl, m->loop, groups, &handlers, m);
}

const struct monitor_kind monitor_rtnl_tc = {prepare, listen_rtnl, stop, hold, on_message};
