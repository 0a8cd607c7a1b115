/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Programs that traffic control runs: filters and actions. Each action takes its device away at its
 * end. */

#include <errno.h>
#include <linux/filter.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_bpf.h>
#include <net/if.h>
#include <string.h>

#include "device.h"
#include "netlink.h"
#include "trigger.h"
#include "util.h"

enum {
        NO_FD = 999,
        PRIORITY = 7,
        HANDLE = 5,
        INGRESS = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS),
        ACTION_INDEX = 3,
};

/* Filters -------------------------------------------------------------------------------------- */

static int qdisc(uint16_t type) {
        const struct tcmsg info = {
                .tcm_ifindex = if_nametoindex(device),
                .tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0),
                .tcm_parent = TC_H_CLSACT,
        };
        struct request r;

        request_begin(&r, type, type == RTM_NEWQDISC ? NLM_F_CREATE | NLM_F_EXCL : 0, &info,
                      sizeof(info));
        request_add_text(&r, TCA_KIND, "clsact");
        return request_send(&r);
}

static int ground(void) {
        int r = device_make();

        return r < 0 ? r : qdisc(RTM_NEWQDISC);
}

static void filter_begin(struct request *r, uint16_t type, uint16_t flags, uint32_t handle) {
        const struct tcmsg info = {
                .tcm_family = AF_UNSPEC,
                .tcm_ifindex = if_nametoindex(device),
                .tcm_handle = handle,
                .tcm_parent = INGRESS,
                .tcm_info = TC_H_MAKE(PRIORITY << 16, __builtin_bswap16(3 /* ETH_P_ALL */)),
        };

        request_begin(r, type, flags, &info, sizeof(info));
        request_add_text(r, TCA_KIND, "bpf");
}

static int filter_set(int program, uint16_t flags) {
        struct nlattr *nest;
        struct request r;

        filter_begin(&r, RTM_NEWTFILTER, flags, HANDLE);
        nest = request_nest(&r, TCA_OPTIONS);
        request_add_u32(&r, TCA_BPF_FD, program);
        request_add_text(&r, TCA_BPF_NAME, "trigger");
        request_add_u32(&r, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
        request_nest_end(&r, nest);
        return request_send(&r);
}

static int filter_delete(void) {
        struct request r;

        filter_begin(&r, RTM_DELTFILTER, 0, HANDLE);
        return request_send(&r);
}

static int make_cls(const char *name) {
        return make_program(name, BPF_PROG_TYPE_SCHED_CLS, 0, TC_ACT_OK);
}

/* What one filter is made for: then `after` is done, and reported where it says so. */
static int with_filter(const char *action, int (*after)(void)) {
        _cleanup_close_ int program = make_cls("trigger_tc");
        int r = program < 0 ? program : ground(), k;

        if (r < 0)
                return r;
        k = filter_set(program, NLM_F_CREATE | NLM_F_EXCL);
        if (k >= 0 && after) {
                r = report_network(action, 0, program);
                k = after();
                return r < 0 ? r : k;
        }
        r = report_network(action, k, program);
        (void) device_remove();
        return r;
}

static int qdisc_delete(void) {
        return qdisc(RTM_DELQDISC);
}

static int tc_attach(const struct arguments *a) {
        return with_filter("tc-attach", NULL);
}

static int tc_delete(const struct arguments *a) {
        return with_filter("tc-delete", filter_delete);
}

static int tc_qdisc_gone(const struct arguments *a) {
        return with_filter("tc-qdisc-gone", qdisc_delete);
}

static int tc_device_gone(const struct arguments *a) {
        return with_filter("tc-device-gone", device_remove);
}

static int do_nothing(void) {
        return 0;
}

static int tc_namespace_child(const struct arguments *a) {
        int r = device_make_apart();

        return r < 0 ? r : with_filter("tc-namespace-gone", do_nothing);
}

static int tc_namespace_gone(const struct arguments *a) {
        return as_child(tc_namespace_child, a);
}

static int tc_replace(const struct arguments *a) {
        _cleanup_close_ int first = make_cls("trigger_old"), second = make_cls("trigger_new");
        bool old = strcmp(argument(a, 0, "new"), "old") == 0;
        int r = first < 0 ? first : second < 0 ? second : ground();

        if (r >= 0)
                r = filter_set(first, NLM_F_CREATE | NLM_F_EXCL);
        if (r < 0)
                return r;
        r = report_network("tc-replace", filter_set(second, NLM_F_CREATE), old ? first : second);
        (void) device_remove();
        return r;
}

static int tc_exists(const struct arguments *a) {
        _cleanup_close_ int first = make_cls("trigger_old"), second = make_cls("trigger_new");
        int r = first < 0 ? first : second < 0 ? second : ground();

        if (r >= 0)
                r = filter_set(first, NLM_F_CREATE | NLM_F_EXCL);
        if (r < 0)
                return r;
        r = report_network("tc-exists", filter_set(second, NLM_F_CREATE | NLM_F_EXCL), -1);
        (void) device_remove();
        return r;
}

static int tc_bad_fd(const struct arguments *a) {
        int r = ground();

        if (r < 0)
                return r;
        r = report_network("tc-bad-fd", filter_set(NO_FD, NLM_F_CREATE | NLM_F_EXCL), -1);
        (void) device_remove();
        return r;
}

static int tc_missing(const struct arguments *a) {
        int r = ground();

        if (r < 0)
                return r;
        r = report_network("tc-missing", filter_delete(), -1);
        (void) device_remove();
        return r;
}

static int tc_denied_child(const struct arguments *a) {
        int r = become_nobody();

        return r < 0 ? r : report_network("tc-denied", filter_set(NO_FD, NLM_F_CREATE), -1);
}

static int tc_denied(const struct arguments *a) {
        int r = ground();

        if (r >= 0)
                r = as_child(tc_denied_child, a);
        (void) device_remove();
        return r;
}

/* Classic instructions: an ordinary filter, or one that jumps out of itself. */
static int tc_classic(const struct arguments *a) {
        bool bad = strcmp(argument(a, 0, "good"), "bad") == 0;
        const struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x800, 0, bad ? 7 : 1),
                BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
                BPF_STMT(BPF_RET | BPF_K, 0),
        };
        const uint16_t length = ELEMENTSOF(code);
        struct nlattr *nest;
        struct request q;
        int r = ground();

        if (r < 0)
                return r;
        filter_begin(&q, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, HANDLE);
        nest = request_nest(&q, TCA_OPTIONS);
        request_add(&q, TCA_BPF_OPS_LEN, &length, sizeof(length));
        request_add(&q, TCA_BPF_OPS, code, sizeof(code));
        request_nest_end(&q, nest);
        r = report_network("tc-classic", request_send(&q), -1);
        (void) device_remove();
        return r;
}

/* Actions -------------------------------------------------------------------------------------- */

static void add_action(struct request *r, uint16_t order, int program, uint32_t index) {
        const struct tc_act_bpf parameters = {.index = index, .action = TC_ACT_PIPE};
        struct nlattr *nest = request_nest(r, order), *options;

        request_add_text(r, TCA_ACT_KIND, "bpf");
        options = request_nest(r, TCA_ACT_OPTIONS);
        request_add_u32(r, TCA_ACT_BPF_FD, program);
        request_add(r, TCA_ACT_BPF_PARMS, &parameters, sizeof(parameters));
        request_nest_end(r, options);
        request_nest_end(r, nest);
}

static int action_set(int program, uint16_t flags) {
        const struct tcamsg info = {};
        struct nlattr *nest;
        struct request r;

        request_begin(&r, RTM_NEWACTION, flags, &info, sizeof(info));
        nest = request_nest(&r, TCA_ACT_TAB);
        add_action(&r, 1, program, ACTION_INDEX);
        request_nest_end(&r, nest);
        return request_send(&r);
}

static int action_delete(void) {
        const struct tcamsg info = {};
        struct nlattr *nest, *inner;
        struct request r;

        request_begin(&r, RTM_DELACTION, 0, &info, sizeof(info));
        nest = request_nest(&r, TCA_ACT_TAB);
        inner = request_nest(&r, 1);
        request_add_text(&r, TCA_ACT_KIND, "bpf");
        request_add_u32(&r, TCA_ACT_INDEX, ACTION_INDEX);
        request_nest_end(&r, inner);
        request_nest_end(&r, nest);
        return request_send(&r);
}

static int make_act(const char *name) {
        return make_program(name, BPF_PROG_TYPE_SCHED_ACT, 0, TC_ACT_PIPE);
}

static int act_attach(const struct arguments *a) {
        _cleanup_close_ int program = make_act("trigger_act");
        int r;

        if (program < 0)
                return program;
        r = report_network("act-attach", action_set(program, NLM_F_CREATE | NLM_F_EXCL), program);
        (void) action_delete();
        return r;
}

static int act_delete(const struct arguments *a) {
        _cleanup_close_ int program = make_act("trigger_act");
        int r = program < 0 ? program : action_set(program, NLM_F_CREATE | NLM_F_EXCL);

        return r < 0 ? r : report_network("act-delete", action_delete(), program);
}

static int act_replace(const struct arguments *a) {
        _cleanup_close_ int first = make_act("trigger_old"), second = make_act("trigger_new");
        bool old = strcmp(argument(a, 0, "new"), "old") == 0;
        int r = first < 0    ? first
                : second < 0 ? second
                             : action_set(first, NLM_F_CREATE | NLM_F_EXCL);

        if (r < 0)
                return r;
        r = report_network("act-replace", action_set(second, NLM_F_CREATE | NLM_F_REPLACE),
                           old ? first : second);
        (void) action_delete();
        return r;
}

static int act_bad_fd(const struct arguments *a) {
        return report_network("act-bad-fd", action_set(NO_FD, NLM_F_CREATE | NLM_F_EXCL), -1);
}

/* A filter whose two actions run programs too: it brings three. */
static int tc_with_actions(const struct arguments *a) {
        _cleanup_close_ int filter = make_cls("trigger_tc"), first = make_act("trigger_act1"),
                            second = make_act("trigger_act2");
        const char *which = argument(a, 0, "filter");
        struct nlattr *nest, *actions;
        struct request q;
        int r = filter < 0 ? filter : first < 0 ? first : second < 0 ? second : ground();

        if (r < 0)
                return r;
        filter_begin(&q, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, HANDLE);
        nest = request_nest(&q, TCA_OPTIONS);
        request_add_u32(&q, TCA_BPF_FD, filter);
        actions = request_nest(&q, TCA_BPF_ACT);
        add_action(&q, 1, first, 0);
        add_action(&q, 2, second, 0);
        request_nest_end(&q, actions);
        request_nest_end(&q, nest);
        r = report_network("tc-with-actions", request_send(&q),
                           strcmp(which, "filter") == 0  ? filter
                           : strcmp(which, "first") == 0 ? first
                                                         : second);
        (void) device_remove();
        return r;
}

const struct action traffic_actions[] = {
        {"tc-attach", "", tc_attach, "a filter of traffic control"},
        {"tc-classic", "good|bad", tc_classic, "a classic filter of traffic control"},
        {"tc-delete", "", tc_delete, "a filter, deleted"},
        {"tc-replace", "new|old", tc_replace, "a filter that gets another program"},
        {"tc-exists", "", tc_exists, "a filter that exists already"},
        {"tc-bad-fd", "", tc_bad_fd, "a filter with a program that is none"},
        {"tc-missing", "", tc_missing, "a filter that is to be deleted and is not there"},
        {"tc-denied", "", tc_denied, "a filter without the privilege"},
        {"tc-qdisc-gone", "", tc_qdisc_gone, "a filter whose qdisc goes"},
        {"tc-device-gone", "", tc_device_gone, "a filter whose device goes"},
        {"tc-namespace-gone", "", tc_namespace_gone, "a filter whose namespace goes"},
        {"tc-with-actions", "filter|first|second", tc_with_actions, "a filter and two actions"},
        {"act-attach", "", act_attach, "an action of traffic control"},
        {"act-delete", "", act_delete, "an action, deleted"},
        {"act-replace", "new|old", act_replace, "an action that gets another program"},
        {"act-bad-fd", "", act_bad_fd, "an action with a program that is none"},
        {},
};
