/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Programs on network devices and in network namespaces: XDP and traffic control as netlink tells
 * them, tcx, netkit, flow dissectors and socket look-ups by BPF_PROG_QUERY. */

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/pkt_cls.h>
#include <linux/tc_act/tc_bpf.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inventory-networks.h"
#include "inventory-query.h"
#include "inventory-scan.h"
#include "names.h"
#include "rtnl.h"
#include "util.h"

enum {
        DEVICES_MAX = 1 << 14, /* of one namespace */
        PARENTS_MAX = 1 << 15, /* places for filters in it */
};

/* Types of programs that are found here; without one of them there is nothing to look for. */
static const enum bpf_prog_type types[] = {
        BPF_PROG_TYPE_XDP,       BPF_PROG_TYPE_SCHED_CLS,      BPF_PROG_TYPE_SCHED_ACT,
        BPF_PROG_TYPE_SK_LOOKUP, BPF_PROG_TYPE_FLOW_DISSECTOR,
};

struct device {
        uint32_t index;
        char name[IFNAMSIZ];
};

/* What filters are attached to: a qdisc or a class. */
struct parent {
        uint32_t index, handle;
};

/* A look at one namespace. */
struct look {
        struct scan *scan;
        uint32_t netns, own; /* inodes: this one, and ours */
        unsigned present;    /* bits of `types` of which there are programs */
        struct device *devices;
        struct parent *parents;
        size_t n_devices, n_parents;
        uint32_t device_types[8], netns_types[4];
        size_t n_device_types, n_netns_types;
        struct attached attached;
        int result;
};

static bool is_present(const struct look *l, enum bpf_prog_type type) {
        for (size_t i = 0; i < ELEMENTSOF(types); i++)
                if (types[i] == type)
                        return l->present & 1U << i;
        return false;
}

static const char *device_name(const struct look *l, uint32_t index) {
        for (size_t i = 0; i < l->n_devices; i++)
                if (l->devices[i].index == index)
                        return l->devices[i].name;
        return "";
}

/* Adds an attachment; devices of other namespaces are told apart. */
static void add(struct look *l, const struct scan_attachment *a, struct record_target *t,
                const char *how) {
        char text[512];

        if (l->result < 0 || a->prog == 0)
                return;
        t->netns = l->netns;
        _cleanup_free_ char *target = scan_target(l->scan, t);
        snprintf(text, sizeof(text), "%.300s%s%s", target ?: "", how[0] ? " " : "", how);
        if (l->netns != l->own && t->kind != TARGET_NETNS)
                snprintf(text + strlen(text), sizeof(text) - strlen(text), " in netns %u",
                         l->netns);
        l->result = scan_attach(l->scan, SCAN_NETWORKS, a, text);
}

static struct record_target device_target(const struct look *l, uint32_t index) {
        struct record_target t = {.kind = TARGET_INTERFACE, .ifindex = index};

        t.text_size = (uint16_t) snprintf(t.text, sizeof(t.text), "%s", device_name(l, index)) + 1;
        return t;
}

/* A link is on this device: its own index says nothing of the namespace. */
static void name_link(struct look *l, struct scan_link *link, uint32_t index) {
        struct record_target t = device_target(l, index);

        free(link->target);
        link->target = scan_target(l->scan, &t);
        if (link->target && l->netns != l->own) {
                char *with_netns = NULL;

                if (asprintf(&with_netns, "%s in netns %u", link->target, l->netns) >= 0) {
                        free(link->target);
                        link->target = with_netns;
                }
        }
}

static bool is_by_link(struct look *l, uint32_t link_type, uint32_t prog, uint32_t index) {
        for (size_t i = 0; i < l->scan->n_links; i++) {
                struct scan_link *link = &l->scan->links[i];

                if (link->info.type != link_type || link->info.prog_id != prog ||
                    link->info.device.ifindex != index)
                        continue;
                name_link(l, link, index);
                return true;
        }
        return false;
}

/* Devices -------------------------------------------------------------------------------------- */

static void look_at_xdp(struct look *l, uint32_t index, const struct rtattr *xdp) {
        static const struct {
                int attribute;
                const char *mode;
        } modes[] = {
                {IFLA_XDP_SKB_PROG_ID, "generic"},
                {IFLA_XDP_DRV_PROG_ID, "driver"},
                {IFLA_XDP_HW_PROG_ID, "hardware"},
        };
        const struct rtattr *attributes[IFLA_XDP_MAX + 1];

        rtnl_parse_nested(xdp, attributes, IFLA_XDP_MAX);
        for (size_t i = 0; i < ELEMENTSOF(modes); i++) {
                const struct scan_attachment a = {
                        .prog = rtnl_u32(attributes[modes[i].attribute], 0),
                        .via = "netlink-xdp",
                        .type = "xdp",
                };
                struct record_target t = device_target(l, index);

                if (a.prog != 0 && !is_by_link(l, 6, a.prog, index)) /* BPF_LINK_TYPE_XDP */
                        add(l, &a, &t, modes[i].mode);
        }
}

static void on_device(const struct nlmsghdr *h, void *userdata) {
        const struct rtattr *attributes[IFLA_MAX + 1];
        const struct ifinfomsg *info = NLMSG_DATA(h);
        struct look *l = userdata;
        struct device *d;

        if (h->nlmsg_type != RTM_NEWLINK || !rtnl_parse(h, sizeof(*info), attributes, IFLA_MAX) ||
            info->ifi_family != AF_UNSPEC)
                return;
        d = scan_add(&l->devices, &l->n_devices, sizeof(*d), DEVICES_MAX);
        if (!d) {
                scan_cut(l->scan, SCAN_NETWORKS, SCAN_TOO_MANY);
                return;
        }
        d->index = (uint32_t) info->ifi_index;
        if (attributes[IFLA_IFNAME])
                memcpy(d->name, RTA_DATA(attributes[IFLA_IFNAME]),
                       MIN(sizeof(d->name) - 1, RTA_PAYLOAD(attributes[IFLA_IFNAME])));
        if (attributes[IFLA_XDP])
                look_at_xdp(l, d->index, attributes[IFLA_XDP]);
}

/* tcx and netkit. */
static void query_device(struct look *l, uint32_t index) {
        for (size_t i = 0; i < l->n_device_types; i++) {
                if (query_attached(index, l->device_types[i], &l->attached) < 0)
                        scan_cut(l->scan, SCAN_NETWORKS, SCAN_NOT_ACCESSIBLE);
                for (size_t j = 0; j < l->attached.n; j++) {
                        const struct scan_attachment a = {
                                .prog = l->attached.progs[j],
                                .via = "prog-attach",
                                .type = names_get(l->scan->question->names, NAMES_ATTACH_TYPE,
                                                  l->device_types[i]),
                        };
                        struct record_target t = device_target(l, index);
                        struct scan_link *link = (struct scan_link *) scan_link(
                                l->scan, l->attached.links[j]);

                        if (link)
                                name_link(l, link, index);
                        else if (l->attached.links[j] == 0)
                                add(l, &a, &t, "");
                }
        }
}

/* Traffic control -------------------------------------------------------------------------------
 */

static void add_parent(struct look *l, uint32_t index, uint32_t handle) {
        struct parent *p = scan_add(&l->parents, &l->n_parents, sizeof(*p), PARENTS_MAX);

        if (p)
                *p = (struct parent){index, handle};
        else
                scan_cut(l->scan, SCAN_NETWORKS, SCAN_TOO_MANY);
}

static void on_qdisc(const struct nlmsghdr *h, void *userdata) {
        const struct rtattr *attributes[TCA_MAX + 1];
        const struct tcmsg *place = NLMSG_DATA(h);
        struct look *l = userdata;

        if (h->nlmsg_type != RTM_NEWQDISC || !rtnl_parse(h, sizeof(*place), attributes, TCA_MAX))
                return;
        const uint32_t index = (uint32_t) place->tcm_ifindex;
        if (rtnl_is(attributes[TCA_KIND], "clsact") || rtnl_is(attributes[TCA_KIND], "ingress")) {
                add_parent(l, index, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS));
                if (rtnl_is(attributes[TCA_KIND], "clsact"))
                        add_parent(l, index, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS));
        } else if (place->tcm_handle != 0) {
                add_parent(l, index, place->tcm_handle);
        }
}

static void on_class(const struct nlmsghdr *h, void *userdata) {
        const struct tcmsg *place = NLMSG_DATA(h);
        const struct rtattr *attributes[TCA_MAX + 1];
        struct look *l = userdata;

        if (h->nlmsg_type == RTM_NEWTCLASS && rtnl_parse(h, sizeof(*place), attributes, TCA_MAX))
                add_parent(l, (uint32_t) place->tcm_ifindex, place->tcm_handle);
}

static uint32_t action_program(const struct rtattr *action) {
        const struct rtattr *attributes[TCA_ACT_MAX + 1], *options[TCA_ACT_BPF_MAX + 1];

        rtnl_parse_nested(action, attributes, TCA_ACT_MAX);
        if (!rtnl_is(attributes[TCA_ACT_KIND], "bpf"))
                return 0;
        rtnl_parse_nested(attributes[TCA_ACT_OPTIONS], options, TCA_ACT_BPF_MAX);
        return rtnl_u32(options[TCA_ACT_BPF_ID], 0);
}

static void on_filter(const struct nlmsghdr *h, void *userdata) {
        const struct rtattr *attributes[TCA_MAX + 1], *options[TCA_BPF_MAX + 1];
        const struct tcmsg *place = NLMSG_DATA(h);
        struct look *l = userdata;

        if (h->nlmsg_type != RTM_NEWTFILTER ||
            !rtnl_parse(h, sizeof(*place), attributes, TCA_MAX) ||
            !rtnl_is(attributes[TCA_KIND], "bpf"))
                return;
        rtnl_parse_nested(attributes[TCA_OPTIONS], options, TCA_BPF_MAX);
        const struct scan_attachment a = {
                .prog = rtnl_u32(options[TCA_BPF_ID], 0),
                .via = "netlink-tc",
                .type = "tc",
        };
        struct record_target t = device_target(l, (uint32_t) place->tcm_ifindex);
        t.parent = place->tcm_parent;
        t.handle = place->tcm_handle;
        t.priority = place->tcm_info >> 16;
        add(l, &a, &t, "");
}

/* Actions need no filter, and several filters may share one. */
static void on_actions(const struct nlmsghdr *h, void *userdata) {
        const struct rtattr *attributes[TCA_ROOT_MAX + 1], *actions[TCA_ACT_MAX_PRIO + 1];
        struct look *l = userdata;

        if (h->nlmsg_type != RTM_NEWACTION && h->nlmsg_type != RTM_GETACTION)
                return;
        if (!rtnl_parse(h, sizeof(struct tcamsg), attributes, TCA_ROOT_MAX))
                return;
        rtnl_parse_nested(attributes[TCA_ROOT_TAB], actions, TCA_ACT_MAX_PRIO);
        for (size_t i = 0; i <= TCA_ACT_MAX_PRIO; i++) {
                const struct scan_attachment a = {
                        .prog = actions[i] ? action_program(actions[i]) : 0,
                        .via = "netlink-tc",
                        .type = "tc_action",
                };
                struct record_target t = {.kind = TARGET_NETNS};
                add(l, &a, &t, "");
        }
}

static void dump_tc(struct look *l, uint16_t type, uint32_t index, uint32_t parent,
                    void (*message)(const struct nlmsghdr *h, void *userdata)) {
        const struct {
                struct nlmsghdr header;
                struct tcmsg place;
        } request = {
                .header = {.nlmsg_len = sizeof(request),
                           .nlmsg_type = type,
                           .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
                .place = {.tcm_family = AF_UNSPEC,
                          .tcm_ifindex = (int) index,
                          .tcm_parent = parent},
        };

        (void) rtnl_dump(&request.header, message, l);
}

static void dump_actions(struct look *l) {
        struct {
                struct nlmsghdr header;
                struct tcamsg info;
                struct rtattr tab, first, kind;
                char name[4];
        } request = {
                .header = {.nlmsg_len = sizeof(request),
                           .nlmsg_type = RTM_GETACTION,
                           .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
                .tab = {sizeof(request.tab) + sizeof(request.first) + sizeof(request.kind) + 4,
                        TCA_ACT_TAB},
                .first = {sizeof(request.first) + sizeof(request.kind) + 4, 1},
                .kind = {sizeof(request.kind) + 4, TCA_ACT_KIND},
                .name = "bpf",
        };

        (void) rtnl_dump(&request.header, on_actions, l);
}

static void look_at_tc(struct look *l) {
        uint32_t classes = 0;

        dump_tc(l, RTM_GETQDISC, 0, 0, on_qdisc);
        /* Classes of a device, of all its qdiscs together; these come one behind the other. */
        for (size_t i = 0, n = l->n_parents; i < n; i++) {
                const struct parent *p = &l->parents[i];

                if (TC_H_MAJ(p->handle) == TC_H_MAJ(TC_H_CLSACT) || classes == p->index)
                        continue;
                classes = p->index;
                dump_tc(l, RTM_GETTCLASS, p->index, 0, on_class);
        }
        for (size_t i = 0; i < l->n_parents && !scan_late(l->scan, SCAN_NETWORKS); i++)
                dump_tc(l, RTM_GETTFILTER, l->parents[i].index, l->parents[i].handle, on_filter);
}

/* Namespaces ------------------------------------------------------------------------------------
 */

static void query_namespace(struct look *l) {
        _cleanup_close_ int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

        for (size_t i = 0; fd >= 0 && i < l->n_netns_types; i++) {
                if (query_attached((uint32_t) fd, l->netns_types[i], &l->attached) < 0)
                        scan_cut(l->scan, SCAN_NETWORKS, SCAN_NOT_ACCESSIBLE);
                for (size_t j = 0; j < l->attached.n; j++) {
                        const struct scan_attachment a = {
                                .prog = l->attached.progs[j],
                                .via = "prog-attach",
                                .type = names_get(l->scan->question->names, NAMES_ATTACH_TYPE,
                                                  l->netns_types[i]),
                        };
                        struct record_target t = {.kind = TARGET_NETNS};
                        bool by_link = false;

                        for (size_t n = 0; n < l->scan->n_links; n++) {
                                const struct link_info *k = &l->scan->links[n].info;
                                by_link = by_link || (k->type == 5 && k->prog_id == a.prog &&
                                                      k->netns.netns_ino == l->netns);
                        }
                        if (!by_link)
                                add(l, &a, &t, "");
                }
        }
}

static int look_at(struct scan *s, uint32_t inode, void *userdata) {
        struct look *l = userdata;

        l->netns = inode;
        l->n_devices = l->n_parents = 0;
        l->own = l->own ?: inode;
        if (rtnl_dump_links(on_device, l) < 0)
                scan_cut(s, SCAN_NETWORKS, SCAN_NOT_ACCESSIBLE);
        if (is_present(l, BPF_PROG_TYPE_SCHED_CLS)) {
                for (size_t i = 0; i < l->n_devices && !scan_late(s, SCAN_NETWORKS); i++)
                        query_device(l, l->devices[i].index);
                look_at_tc(l);
        }
        if (is_present(l, BPF_PROG_TYPE_SCHED_ACT))
                dump_actions(l);
        if (is_present(l, BPF_PROG_TYPE_FLOW_DISSECTOR) || is_present(l, BPF_PROG_TYPE_SK_LOOKUP))
                query_namespace(l);
        return l->result;
}

int scan_network(struct scan *s) {
        static const char *const on_devices[] = {"tcx_*", "netkit_*", NULL};
        static const char *const in_namespaces[] = {"flow_dissector", "sk_lookup", NULL};
        _cleanup_free_ struct look *l = calloc(1, sizeof(*l));
        int k;

        if (!l)
                return -ENOMEM;
        l->scan = s;
        for (size_t i = 0; i < s->n_progs; i++)
                for (size_t j = 0; j < ELEMENTSOF(types); j++)
                        if (s->progs[i].info.type == types[j])
                                l->present |= 1U << j;
        if (!l->present)
                return 0;
        l->n_device_types = query_types(s->question->names, on_devices, l->device_types,
                                        ELEMENTSOF(l->device_types));
        l->n_netns_types = query_types(s->question->names, in_namespaces, l->netns_types,
                                       ELEMENTSOF(l->netns_types));
        k = networks_visit(s, look_at, l);
        free(l->devices);
        free(l->parents);
        return k;
}
