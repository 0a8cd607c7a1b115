/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sets of functions that the kernel calls: a way of congestion control, and a scheduler. */

#include <errno.h>
#include <linux/btf.h>
#include <stdio.h>
#include <string.h>

#include "kernel-btf.h"
#include "trigger.h"
#include "util.h"

enum {
        VALUE_MAX = 4096,
        NAME_SIZE = 16,
        MADE_FOR_LINK = 1 << 13, /* include/uapi/linux/bpf.h: BPF_F_LINK */
        ATTACH_STRUCT_OPS = 44,  /* the same; ours may be older */
        SWITCH_PARTIAL = 1 << 3, /* SCX_OPS_SWITCH_PARTIAL: nobody is scheduled by it who does not
                                    ask for it */
};

static const char *const congestion[] = {"ssthresh", "cong_avoid", "undo_cwnd", NULL};
static const char *const none[] = {NULL};

/* A set that is about to be registered. */
struct set {
        int map;
        uint32_t value_size;
        char value[VALUE_MAX];
};

static int make_function(int type, int member) {
        const struct bpf_insn insns[] = {
                {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
                {.code = BPF_JMP | BPF_EXIT},
        };
        union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_STRUCT_OPS,
                               .expected_attach_type = (uint32_t) member,
                               .prog_name = "trigger_ops"};

        attr.attach_btf_id = (uint32_t) type;
        return load_program(&attr, insns, ELEMENTSOF(insns));
}

static int fill_set(struct set *s, const struct kernel_btf *b, const char *type,
                    const char *const *functions, const char *name, uint32_t flags) {
        char wrapped[64];
        size_t data, at;
        int id, value, fd, member;

        snprintf(wrapped, sizeof(wrapped), "bpf_struct_ops_%s", type);
        value = kernel_btf_find(b, BTF_KIND_STRUCT, wrapped);
        id = kernel_btf_find(b, BTF_KIND_STRUCT, type);
        if (value < 0 || id < 0)
                return -ENOENT;
        s->value_size = (uint32_t) kernel_btf_size(b, value);
        if (s->value_size > sizeof(s->value) || kernel_btf_member(b, value, "data", &data) < 0)
                return -E2BIG;
        for (; *functions; functions++) {
                member = kernel_btf_member(b, id, *functions, &at);
                fd = member < 0 ? member : make_function(id, member);
                if (fd < 0)
                        return fd;
                memcpy(s->value + data + at, &(uint64_t){(uint64_t) fd}, sizeof(uint64_t));
        }
        if (kernel_btf_member(b, id, "name", &at) < 0)
                return -ENOENT;
        snprintf(s->value + data + at, NAME_SIZE, "%s", name);
        if (strcmp(type, "sched_ext_ops") == 0 && kernel_btf_member(b, id, "flags", &at) >= 0)
                memcpy(s->value + data + at, &(uint64_t){SWITCH_PARTIAL}, sizeof(uint64_t));

        union bpf_attr attr = {.map_type = BPF_MAP_TYPE_STRUCT_OPS,
                               .key_size = 4,
                               .value_size = s->value_size,
                               .max_entries = 1,
                               .map_flags = flags,
                               .map_name = "trigger_ops"};
        attr.btf_fd = (uint32_t) make_btf();
        attr.btf_vmlinux_value_type_id = (uint32_t) value;
        s->map = (int) bpf_call(BPF_MAP_CREATE, &attr, sizeof(attr));
        return s->map < 0 ? s->map : 0;
}

static int make_set(struct set *s, const char *type, const char *const *functions, const char *name,
                    uint32_t flags) {
        struct kernel_btf b;
        int r = kernel_btf_read(&b);

        if (r < 0)
                return r;
        memset(s, 0, sizeof(*s));
        r = fill_set(s, &b, type, functions, name, flags);
        kernel_btf_done(&b);
        return r;
}

static int element(const struct set *s, int cmd) {
        uint32_t key = 0;
        union bpf_attr attr = {};

        attr.map_fd = (uint32_t) s->map;
        attr.key = (uintptr_t) &key;
        attr.value = cmd == BPF_MAP_UPDATE_ELEM ? (uintptr_t) s->value : 0;
        return (int) bpf_call(cmd, &attr, sizeof(attr));
}

static int report_set(const struct set *s, int ret) {
        int r;

        report_begin("struct-ops");
        report_text("errno", ret < 0 ? strerrorname_np(-ret) ?: "?" : "");
        r = report_map(s->map);
        report_end();
        return r;
}

/* By its map. "taken": a second one of the same name; "delete": and away again; "delete-twice". */
static int struct_ops(const struct arguments *a) {
        const char *how = argument(a, 0, "");
        struct set first, second;
        int r = make_set(&first, "tcp_congestion_ops", congestion, "bpfmon_test", 0), ret;

        if (r < 0)
                return r;
        if (strcmp(how, "nothing") == 0)
                return report_set(&first, element(&first, BPF_MAP_DELETE_ELEM));
        ret = element(&first, BPF_MAP_UPDATE_ELEM);
        if (strcmp(how, "taken") == 0 && ret >= 0) {
                r = make_set(&second, "tcp_congestion_ops", congestion, "bpfmon_test", 0);
                if (r >= 0)
                        r = report_set(&second, element(&second, BPF_MAP_UPDATE_ELEM));
                (void) element(&first, BPF_MAP_DELETE_ELEM);
                return r;
        }
        if (ret < 0)
                return ret;
        ret = element(&first, BPF_MAP_DELETE_ELEM);
        return report_set(&first, ret);
}

static long link_set(const struct set *s) {
        union bpf_attr attr = {};

        attr.link_create.prog_fd = (uint32_t) s->map; /* map_fd */
        attr.link_create.attach_type = ATTACH_STRUCT_OPS;
        return bpf_call(BPF_LINK_CREATE, &attr, sizeof(attr));
}

/* By a link; "fail": with a map that is made for none. */
static int struct_ops_link(const struct arguments *a) {
        bool fail = strcmp(argument(a, 0, ""), "fail") == 0;
        bool scheduler = strcmp(argument(a, 0, ""), "scheduler") == 0;
        struct set set;
        char target[64];
        long ret;
        int r;

        r = make_set(&set, scheduler ? "sched_ext_ops" : "tcp_congestion_ops",
                     scheduler ? none : congestion, "bpfmon_link", fail ? 0 : MADE_FOR_LINK);
        if (r == -ENOENT || r == -EINVAL)
                return report_skip("struct-ops-link", "no such maps");
        if (r >= 0 && !fail)
                r = element(&set, BPF_MAP_UPDATE_ELEM);
        if (r < 0)
                return r;
        ret = link_set(&set);
        snprintf(target, sizeof(target), "%s \"trigger_ops\"",
                 scheduler ? "sched_ext_ops" : "tcp_congestion_ops");
        report_begin("struct-ops-link");
        report_call("LINK_CREATE", ret);
        report_text("target", target);
        report_number("map", object_id(set.map));
        report_number("link", ret < 0 ? 0 : object_id((int) ret));
        report_end();
        return 0;
}

/* Another map instead. */
static int struct_ops_update(const struct arguments *a) {
        struct set first, second;
        union bpf_attr attr = {};
        long link, ret;
        int r = make_set(&first, "tcp_congestion_ops", congestion, "bpfmon_link", MADE_FOR_LINK);

        if (r == -EINVAL)
                return report_skip("struct-ops-update", "no such maps");
        if (r >= 0)
                r = make_set(&second, "tcp_congestion_ops", congestion, "bpfmon_link",
                             MADE_FOR_LINK);
        if (r >= 0)
                r = element(&first, BPF_MAP_UPDATE_ELEM);
        if (r >= 0)
                r = element(&second, BPF_MAP_UPDATE_ELEM);
        if (r < 0)
                return r;
        link = link_set(&first);
        if (link < 0)
                return (int) link;
        attr.link_update.link_fd = (uint32_t) link;
        attr.link_update.new_prog_fd = (uint32_t) second.map; /* new_map_fd */
        ret = bpf_call(BPF_LINK_UPDATE, &attr, sizeof(attr));
        report_begin("struct-ops-update");
        report_call("LINK_UPDATE", ret);
        report_number("map", object_id(second.map));
        report_number("link", object_id((int) link));
        report_end();
        return 0;
}

const struct action struct_ops_actions[] = {
        {"struct-ops", "[taken|nothing]", struct_ops, "registers functions by their map"},
        {"struct-ops-link", "[scheduler|fail]", struct_ops_link, "registers functions by a link"},
        {"struct-ops-update", "", struct_ops_update, "puts other functions into a link"},
        {},
};
