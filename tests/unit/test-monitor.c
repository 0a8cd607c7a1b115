/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Monitors, fed with messages of the kernel's that are made up here. Programs have ids that no
 * kernel gives out, so that nothing is known of them. */
#include <linux/if_link.h>
#include <linux/perf_event.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_bpf.h>

#include "monitor-kind.h"
#include "rtnl.h"
#include "util.h"

#include "tap-main.h"

enum {
        FIRST = 0x7ffffff0, /* ids of programs */
        SECOND,
        TOLD_MAX = 16,
};

static struct record_action told[TOLD_MAX];
static size_t count, parts;
static uint64_t lost;
static struct sock_filter_bytes { uint8_t bytes[RECORD_PART_SMALL]; } filter;

static void on_record(const void *data, size_t size, void *userdata) {
        const struct record_header *h = data;
        const struct record_part *p = data;

        ck_assert_uint_eq(h->size, size);
        if (h->kind == RECORD_PART) {
                parts++;
                ck_assert_uint_le(p->size, sizeof(filter));
                memcpy(&filter, p->data, p->size);
                return;
        }
        ck_assert_uint_eq(h->kind, RECORD_ACTION);
        ck_assert_uint_eq(size, sizeof(told[0]));
        ck_assert_uint_lt(count, TOLD_MAX);
        memcpy(&told[count++], data, size);
}

static void on_lost(uint64_t n, void *userdata) {
        lost += n;
}

static void on_idle(void *userdata) {
}

static void begin(struct monitor *m, const struct monitor_kind *kind, enum hook hook) {
        *m = (struct monitor){.kind = kind,
                              .hook = hook,
                              .handlers = {.record = on_record, .lost = on_lost, .idle = on_idle}};
        count = parts = 0;
        lost = 0;
        ck_assert_int_eq(kind->prepare(m), 0);
}

/* A message that is being put together. */
struct message {
        struct nlmsghdr h;
        char rest[2048];
};

static void start(struct message *m, uint16_t type, const void *fixed, size_t size) {
        memset(m, 0, sizeof(*m));
        m->h.nlmsg_type = type;
        m->h.nlmsg_len = NLMSG_LENGTH(size);
        memcpy(NLMSG_DATA(&m->h), fixed, size);
}

static struct rtattr *add(struct message *m, uint16_t type, const void *data, size_t size) {
        struct rtattr *a = (void *) ((char *) m + NLMSG_ALIGN(m->h.nlmsg_len));

        a->rta_type = type;
        a->rta_len = RTA_LENGTH(size);
        if (size > 0)
                memcpy(RTA_DATA(a), data, size);
        m->h.nlmsg_len = (uint32_t) ((char *) a - (char *) m) + RTA_SPACE(size);
        return a;
}

static void add_u32(struct message *m, uint16_t type, uint32_t v) {
        add(m, type, &v, sizeof(v));
}

static void nest_end(struct message *m, struct rtattr *nest) {
        nest->rta_len = (uint16_t) ((char *) m + m->h.nlmsg_len - (char *) nest);
}

/* XDP ------------------------------------------------------------------------------------------ */

/* A device tells which program it runs in which way; 0: none. */
static void link_says(struct monitor *m, uint16_t type, int ifindex, uint16_t attribute,
                      uint32_t program) {
        const struct ifinfomsg info = {.ifi_index = ifindex};
        struct message message;
        struct rtattr *nest;

        start(&message, type, &info, sizeof(info));
        add(&message, IFLA_IFNAME, "veth0", 6);
        nest = add(&message, IFLA_XDP, NULL, 0);
        if (program != 0)
                add_u32(&message, attribute, program);
        nest_end(&message, nest);
        m->kind->message(m, &message);
}

static void expect(size_t i, uint32_t program, uint32_t flags) {
        ck_assert_uint_lt(i, count);
        ck_assert_uint_eq(told[i].action, ACTION_ATTACH);
        ck_assert_uint_eq(told[i].flags, flags);
        ck_assert_uint_eq(told[i].object.id, program);
}

START_TEST(test_xdp_comes_and_goes) {
        struct monitor m;

        begin(&m, &monitor_rtnl_link, HOOK_RTNL_LINK);
        link_says(&m, RTM_NEWLINK, 3, IFLA_XDP_SKB_PROG_ID, FIRST);
        link_says(&m, RTM_NEWLINK, 3, IFLA_XDP_SKB_PROG_ID, FIRST);
        ck_assert_uint_eq(count, 1);
        expect(0, FIRST, 0);
        ck_assert_uint_eq(told[0].via, ROAD_NETLINK_XDP);
        ck_assert_uint_eq(told[0].road_flags, XDP_FLAGS_SKB_MODE);
        ck_assert_uint_eq(told[0].target.kind, TARGET_INTERFACE);
        ck_assert_uint_eq(told[0].target.ifindex, 3);
        ck_assert_str_eq(told[0].target.text, "veth0");
        ck_assert_uint_eq(told[0].source, HOOK_RTNL_LINK);

        link_says(&m, RTM_NEWLINK, 3, IFLA_XDP_SKB_PROG_ID, SECOND);
        link_says(&m, RTM_NEWLINK, 3, 0, 0);
        ck_assert_uint_eq(count, 4);
        expect(1, FIRST, CALL_DETACHES);
        expect(2, SECOND, 0);
        expect(3, SECOND, CALL_DETACHES);
        ck_assert_uint_eq(monitor_hits(&m), 4);
        m.kind->stop(&m);
}
END_TEST

START_TEST(test_xdp_goes_with_its_device) {
        struct monitor m;

        begin(&m, &monitor_rtnl_link, HOOK_RTNL_LINK);
        link_says(&m, RTM_NEWLINK, 3, IFLA_XDP_DRV_PROG_ID, FIRST);
        link_says(&m, RTM_NEWLINK, 4, IFLA_XDP_DRV_PROG_ID, SECOND);
        link_says(&m, RTM_DELLINK, 4, 0, 0);
        ck_assert_uint_eq(count, 3);
        expect(2, SECOND, CALL_DETACHES);
        ck_assert_uint_eq(told[2].target.ifindex, 4);
        m.kind->stop(&m);
}
END_TEST

/* Many messages about a device say nothing of XDP at all. */
START_TEST(test_link_without_xdp) {
        const struct ifinfomsg info = {.ifi_index = 3};
        struct message message;
        struct monitor m;

        begin(&m, &monitor_rtnl_link, HOOK_RTNL_LINK);
        link_says(&m, RTM_NEWLINK, 3, IFLA_XDP_SKB_PROG_ID, FIRST);
        start(&message, RTM_NEWLINK, &info, sizeof(info));
        m.kind->message(&m, &message);
        ck_assert_uint_eq(count, 1);
        m.kind->stop(&m);
}
END_TEST

/* Traffic control ------------------------------------------------------------------------------ */

static void filter_says(struct monitor *m, uint16_t type, uint32_t handle, uint32_t program) {
        const struct tcmsg place = {
                .tcm_ifindex = 0x7ffffff0,
                .tcm_parent = 0xfffffff2,
                .tcm_handle = handle,
                .tcm_info = 7U << 16 | 0x0300,
        };
        struct message message;
        struct rtattr *nest;

        start(&message, type, &place, sizeof(place));
        add(&message, TCA_KIND, "bpf", 4);
        if (program != 0) {
                nest = add(&message, TCA_OPTIONS, NULL, 0);
                add_u32(&message, TCA_BPF_ID, program);
                add_u32(&message, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
                nest_end(&message, nest);
        }
        m->kind->message(m, &message);
}

START_TEST(test_filter_comes_changes_and_goes) {
        struct monitor m;

        begin(&m, &monitor_rtnl_tc, HOOK_RTNL_TC);
        filter_says(&m, RTM_NEWTFILTER, 1, FIRST);
        ck_assert_uint_eq(count, 1);
        expect(0, FIRST, 0);
        ck_assert_uint_eq(told[0].via, ROAD_NETLINK_TC);
        ck_assert_uint_eq(told[0].road_flags, TCA_BPF_FLAG_ACT_DIRECT);
        ck_assert_uint_eq(told[0].target.parent, 0xfffffff2);
        ck_assert_uint_eq(told[0].target.handle, 1);
        ck_assert_uint_eq(told[0].target.priority, 7);
        ck_assert_uint_eq(told[0].target.protocol, 3);

        filter_says(&m, RTM_NEWTFILTER, 1, SECOND);
        filter_says(&m, RTM_DELTFILTER, 1, SECOND);
        ck_assert_uint_eq(count, 4);
        expect(1, FIRST, CALL_DETACHES);
        expect(2, SECOND, 0);
        expect(3, SECOND, CALL_DETACHES);
        m.kind->stop(&m);
}
END_TEST

/* One that was there before the monitor: the message itself says which program it ran. */
START_TEST(test_filter_that_nobody_knew_goes) {
        struct monitor m;

        begin(&m, &monitor_rtnl_tc, HOOK_RTNL_TC);
        filter_says(&m, RTM_DELTFILTER, 1, FIRST);
        ck_assert_uint_eq(count, 1);
        expect(0, FIRST, CALL_DETACHES);
        filter_says(&m, RTM_DELTFILTER, 0, 0);
        ck_assert_uint_eq(count, 1);
        m.kind->stop(&m);
}
END_TEST

START_TEST(test_filters_of_a_priority_go_together) {
        struct monitor m;

        begin(&m, &monitor_rtnl_tc, HOOK_RTNL_TC);
        filter_says(&m, RTM_NEWTFILTER, 1, FIRST);
        filter_says(&m, RTM_NEWTFILTER, 2, SECOND);
        filter_says(&m, RTM_DELTFILTER, 0, 0);
        ck_assert_uint_eq(count, 4);
        ck_assert_uint_eq(told[2].flags & told[3].flags, CALL_DETACHES);
        ck_assert_uint_eq(told[2].object.id ^ told[3].object.id, FIRST ^ SECOND);
        m.kind->stop(&m);
}
END_TEST

START_TEST(test_filters_go_with_their_qdisc) {
        struct tcmsg qdisc = {.tcm_ifindex = 0x7ffffff0, .tcm_handle = 0x10000};
        struct message message;
        struct monitor m;

        begin(&m, &monitor_rtnl_tc, HOOK_RTNL_TC);
        filter_says(&m, RTM_NEWTFILTER, 1, FIRST);
        start(&message, RTM_DELQDISC, &qdisc, sizeof(qdisc));
        m.kind->message(&m, &message); /* another one */
        ck_assert_uint_eq(count, 1);
        qdisc.tcm_handle = 0xffff0000;
        start(&message, RTM_DELQDISC, &qdisc, sizeof(qdisc));
        m.kind->message(&m, &message);
        ck_assert_uint_eq(count, 2);
        expect(1, FIRST, CALL_DETACHES);
        m.kind->stop(&m);
}
END_TEST

START_TEST(test_classic_filter) {
        const struct tcmsg place = {.tcm_ifindex = 0x7ffffff0, .tcm_handle = 1};
        const uint64_t code[] = {0x1122334455667788, 0x0000000000000006};
        const uint16_t length = ELEMENTSOF(code);
        struct message message;
        struct rtattr *nest;
        struct monitor m;

        begin(&m, &monitor_rtnl_tc, HOOK_RTNL_TC);
        start(&message, RTM_NEWTFILTER, &place, sizeof(place));
        add(&message, TCA_KIND, "bpf", 4);
        nest = add(&message, TCA_OPTIONS, NULL, 0);
        add(&message, TCA_BPF_OPS_LEN, &length, sizeof(length));
        add(&message, TCA_BPF_OPS, code, sizeof(code));
        nest_end(&message, nest);
        m.kind->message(&m, &message);
        ck_assert_uint_eq(count, 1);
        ck_assert_uint_eq(parts, 1);
        ck_assert_mem_eq(&filter, code, sizeof(code));
        ck_assert_uint_eq(told[0].filter_length, 2);
        ck_assert_uint_eq(told[0].object.kind, OBJECT_NONE);

        /* Says that it has more than it brings. */
        ((uint16_t *) RTA_DATA((struct rtattr *) RTA_DATA(nest)))[0] = 4000;
        m.kind->message(&m, &message);
        ck_assert_uint_eq(parts, 1);
        m.kind->stop(&m);
}
END_TEST

START_TEST(test_action) {
        const struct tcamsg info = {};
        struct rtattr *table, *action, *options;
        struct message message;
        struct monitor m;

        begin(&m, &monitor_rtnl_tc, HOOK_RTNL_TC);
        start(&message, RTM_NEWACTION, &info, sizeof(info));
        table = add(&message, TCA_ROOT_TAB, NULL, 0);
        action = add(&message, 1, NULL, 0);
        add(&message, TCA_ACT_KIND, "bpf", 4);
        options = add(&message, TCA_ACT_OPTIONS | NLA_F_NESTED, NULL, 0);
        add_u32(&message, TCA_ACT_BPF_ID, FIRST);
        nest_end(&message, options);
        nest_end(&message, action);
        nest_end(&message, table);
        m.kind->message(&m, &message);
        message.h.nlmsg_type = RTM_DELACTION;
        m.kind->message(&m, &message);
        ck_assert_uint_eq(count, 2);
        expect(0, FIRST, 0);
        expect(1, FIRST, CALL_DETACHES);
        m.kind->stop(&m);
}
END_TEST

/* Whatever is cut off or lies about its size: nothing is told, nothing is read beyond it. The
 * message stands at the end of its memory, where a tool that watches that sees it. */
START_TEST(test_messages_cut_anywhere) {
        static const struct {
                const struct monitor_kind *kind;
                uint16_t type;
        } kinds[] = {{&monitor_rtnl_link, RTM_NEWLINK}, {&monitor_rtnl_tc, RTM_NEWTFILTER}};
        struct message message;
        struct monitor m;
        char *copy;

        for (size_t k = 0; k < ELEMENTSOF(kinds); k++) {
                struct rtattr *nest;

                start(&message, kinds[k].type, &(struct ifinfomsg){}, sizeof(struct ifinfomsg));
                nest = add(&message, IFLA_XDP, NULL, 0);
                add_u32(&message, IFLA_XDP_SKB_PROG_ID, FIRST);
                nest->rta_len = 4000;
                for (uint32_t size = sizeof(message.h); size <= message.h.nlmsg_len; size++) {
                        begin(&m, kinds[k].kind, HOOK_RTNL_LINK);
                        copy = malloc(size);
                        memcpy(copy, &message, size);
                        ((struct nlmsghdr *) copy)->nlmsg_len = size;
                        m.kind->message(&m, copy);
                        ck_assert_uint_eq(count, 0);
                        free(copy);
                        m.kind->stop(&m);
                }
        }
}
END_TEST

/* The kernel pads its attributes; what does not is read no further than it goes. */
START_TEST(test_attribute_without_padding) {
        const struct rtattr last = {.rta_len = sizeof(last) + 1, .rta_type = IFLA_IFNAME};
        const uint32_t start_size = NLMSG_SPACE(sizeof(struct ifinfomsg));
        const struct rtattr *attributes[IFLA_MAX + 1];
        struct nlmsghdr *h = calloc(1, start_size + last.rta_len);

        h->nlmsg_len = start_size + last.rta_len;
        h->nlmsg_type = RTM_NEWLINK;
        memcpy((char *) h + start_size, &last, sizeof(last));
        ck_assert(rtnl_parse(h, sizeof(struct ifinfomsg), attributes, IFLA_MAX));
        ck_assert_ptr_nonnull(attributes[IFLA_IFNAME]);
        for (size_t i = 0; i <= IFLA_MAX; i++)
                if (i != IFLA_IFNAME)
                        ck_assert_ptr_null(attributes[i]);
        free(h);
}
END_TEST

/* perf ----------------------------------------------------------------------------------------- */

struct bpf_record {
        struct perf_event_header header;
        uint16_t type;
        uint16_t flags;
        uint32_t id;
        uint8_t tag[8];
        uint64_t time;
};

START_TEST(test_unload) {
        struct bpf_record r = {
                .header = {.type = PERF_RECORD_BPF_EVENT, .size = sizeof(r)},
                .type = PERF_BPF_EVENT_PROG_UNLOAD,
                .id = FIRST,
                .tag = {1, 2, 3},
                .time = 1234567,
        };
        struct monitor m;

        begin(&m, &monitor_perf, HOOK_PERF_BPF_EVENT);
        m.kind->message(&m, &r);
        ck_assert_uint_eq(count, 1);
        ck_assert_uint_eq(told[0].action, ACTION_FREE);
        ck_assert_uint_eq(told[0].object.kind, OBJECT_PROG);
        ck_assert_uint_eq(told[0].object.id, FIRST);
        ck_assert_mem_eq(told[0].object.tag, r.tag, sizeof(r.tag));
        ck_assert_uint_eq(told[0].header.time, 1234567);
        ck_assert_uint_eq(told[0].flags, 0);

        r.type = PERF_BPF_EVENT_PROG_LOAD;
        m.kind->message(&m, &r);
        r.type = PERF_BPF_EVENT_PROG_UNLOAD;
        r.header.size = 16;
        m.kind->message(&m, &r);
        ck_assert_uint_eq(count, 1);
        m.kind->stop(&m);
}
END_TEST

START_TEST(test_perf_tells_its_losses) {
        struct {
                struct perf_event_header header;
                uint64_t id, count;
        } r = {.header = {.type = PERF_RECORD_LOST, .size = sizeof(r)}, .count = 17};
        struct monitor m;

        begin(&m, &monitor_perf, HOOK_PERF_BPF_EVENT);
        m.kind->message(&m, &r);
        ck_assert_uint_eq(lost, 17);
        m.kind->stop(&m);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("monitor");
        TCase *t = tcase_create("monitor");

        tcase_add_test(t, test_xdp_comes_and_goes);
        tcase_add_test(t, test_xdp_goes_with_its_device);
        tcase_add_test(t, test_link_without_xdp);
        tcase_add_test(t, test_filter_comes_changes_and_goes);
        tcase_add_test(t, test_filter_that_nobody_knew_goes);
        tcase_add_test(t, test_filters_of_a_priority_go_together);
        tcase_add_test(t, test_filters_go_with_their_qdisc);
        tcase_add_test(t, test_classic_filter);
        tcase_add_test(t, test_action);
        tcase_add_test(t, test_messages_cut_anywhere);
        tcase_add_test(t, test_attribute_without_padding);
        tcase_add_test(t, test_unload);
        tcase_add_test(t, test_perf_tells_its_losses);
        suite_add_tcase(s, t);
        return s;
}

TAP_MAIN(suite)
