/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "attr.h"
#include "event.h"
#include "names.h"
#include "record.h"
#include "util.h"

/* Numbers of include/uapi/linux/bpf.h, up to Linux 7.3: the header that we are built with may be
 * older than the kernel that we run on. */
enum {
        MAP_CREATE = 0,
        MAP_LOOKUP_ELEM = 1,
        MAP_UPDATE_ELEM = 2,
        MAP_DELETE_ELEM = 3,
        MAP_GET_NEXT_KEY = 4,
        PROG_LOAD = 5,
        OBJ_PIN = 6,
        OBJ_GET = 7,
        PROG_ATTACH = 8,
        PROG_DETACH = 9,
        PROG_TEST_RUN = 10,
        PROG_GET_FD_BY_ID = 13,
        MAP_GET_FD_BY_ID = 14,
        RAW_TRACEPOINT_OPEN = 17,
        BTF_LOAD = 18,
        BTF_GET_FD_BY_ID = 19,
        MAP_LOOKUP_AND_DELETE_ELEM = 21,
        MAP_FREEZE = 22,
        MAP_LOOKUP_BATCH = 24,
        MAP_LOOKUP_AND_DELETE_BATCH = 25,
        MAP_UPDATE_BATCH = 26,
        MAP_DELETE_BATCH = 27,
        LINK_CREATE = 28,
        LINK_UPDATE = 29,
        LINK_GET_FD_BY_ID = 30,
        ENABLE_STATS = 32,
        ITER_CREATE = 33,
        LINK_DETACH = 34,
        PROG_BIND_MAP = 35,
        TOKEN_CREATE = 36,
        PROG_ASSOC_STRUCT_OPS = 38,

        NOT_DECODED = UINT8_MAX,
        PROG_TYPE_EXT = 28,
        BPF_F_ID = 1 << 5,
        ATTACH_FLAGS_OFFSET = 12, /* in link_create and for PROG_ATTACH */
        ELEMENT_FLAGS_OFFSET = 24,
};

/* Commands that are not here only look, as a command that we do not know may. */
static const struct command {
        struct command_info info;
        uint8_t layout; /* the command under which its rows stand; 0 is MAP_CREATE */
} commands[] = {
        [MAP_CREATE] = {{"map-create", "install", NULL, "created", "create", "a map"}, MAP_CREATE},
        [MAP_LOOKUP_ELEM] = {{"map-access", "use"}, MAP_LOOKUP_ELEM},
        [MAP_UPDATE_ELEM] = {{"map-access", "use"}, MAP_LOOKUP_ELEM},
        [MAP_DELETE_ELEM] = {{"map-access", "use"}, MAP_LOOKUP_ELEM},
        [MAP_GET_NEXT_KEY] = {{"map-access", "use"}, MAP_LOOKUP_ELEM},
        [PROG_LOAD] = {{"prog-load", "install", NULL, "loaded", "load", "a program"}, PROG_LOAD},
        [OBJ_PIN] = {{"pin", "install", NULL, "pinned", "pin", "an object"}, OBJ_PIN},
        [OBJ_GET] = {{"object-get", "look"}, OBJ_PIN},
        [PROG_ATTACH] = {{"attach", "install", "prog-attach", "attached", "attach", "a program"},
                         PROG_ATTACH},
        [PROG_DETACH] = {{"detach", "remove", "prog-attach", "detached", "detach", "a program"},
                         NOT_DECODED},
        [PROG_TEST_RUN] = {{"prog-run", "use"}, NOT_DECODED},
        [PROG_GET_FD_BY_ID] = {{"object-get", "look"}, NOT_DECODED},
        [MAP_GET_FD_BY_ID] = {{"object-get", "look"}, NOT_DECODED},
        [RAW_TRACEPOINT_OPEN] = {{"attach", "install", "raw-tracepoint-open", "attached", "attach",
                                  "a program"},
                                 RAW_TRACEPOINT_OPEN},
        [BTF_LOAD] = {{"btf-load", "install", NULL, "loaded", "load", "BTF"}, BTF_LOAD},
        [BTF_GET_FD_BY_ID] = {{"object-get", "look"}, NOT_DECODED},
        [MAP_LOOKUP_AND_DELETE_ELEM] = {{"map-access", "use"}, MAP_LOOKUP_ELEM},
        [MAP_FREEZE] = {{"map-freeze", "change", NULL, "froze", "freeze", "a map"}, NOT_DECODED},
        [MAP_LOOKUP_BATCH] = {{"map-access", "use"}, MAP_LOOKUP_BATCH},
        [MAP_LOOKUP_AND_DELETE_BATCH] = {{"map-access", "use"}, MAP_LOOKUP_BATCH},
        [MAP_UPDATE_BATCH] = {{"map-access", "use"}, MAP_LOOKUP_BATCH},
        [MAP_DELETE_BATCH] = {{"map-access", "use"}, MAP_LOOKUP_BATCH},
        [LINK_CREATE] = {{"link-create", "install", "link-create", "created", "create", "a link"},
                         LINK_CREATE},
        [LINK_UPDATE] = {{"link-update", "change", NULL, "updated", "update", "a link"},
                         NOT_DECODED},
        [LINK_GET_FD_BY_ID] = {{"object-get", "look"}, NOT_DECODED},
        [ENABLE_STATS] = {{"stats-enable", "install", NULL, "switched on", "switch on",
                           "run-time statistics"},
                          NOT_DECODED},
        [ITER_CREATE] = {{"iter-create", "use"}, NOT_DECODED},
        [LINK_DETACH] = {{"detach", "remove", "link-create", "detached", "detach", "a link"},
                         NOT_DECODED},
        [PROG_BIND_MAP] = {{"prog-bind-map", "change", NULL, "bound a map to", "bind a map to",
                            "a program"},
                           NOT_DECODED},
        [TOKEN_CREATE] = {{"token-create", "install", NULL, "created", "create", "a token"},
                          NOT_DECODED},
        [PROG_ASSOC_STRUCT_OPS] = {{"prog-assoc-struct-ops", "change", NULL,
                                    "associated a struct_ops map with",
                                    "associate a struct_ops map with", "a program"},
                                   NOT_DECODED},
};

static const struct command looking = {{"object-query", "look"}, NOT_DECODED};

static const struct command *command(uint32_t cmd) {
        return cmd < ELEMENTSOF(commands) && commands[cmd].info.event ? &commands[cmd] : &looking;
}

const struct command_info *command_info(uint32_t cmd) {
        return &command(cmd)->info;
}

unsigned command_slot(uint32_t cmd) {
        return MIN(cmd, (uint32_t) COMMAND_SLOTS - 1);
}

int attr_layout(uint32_t cmd) {
        uint8_t layout = command(cmd)->layout;

        return layout == NOT_DECODED ? -ENOENT : layout;
}

bool attr_known(uint32_t cmd) {
        return attr_layout(cmd) >= 0;
}

#define ALWAYS true

/* Rows of one command stand together, in the order of commands. */
static const struct attr_field fields[] = {
        {MAP_CREATE, "map_type", 0, 4, ATTR_MAP_TYPE, ALWAYS},
        {MAP_CREATE, "key_size", 4, 4, ATTR_NUMBER},
        {MAP_CREATE, "value_size", 8, 4, ATTR_NUMBER},
        {MAP_CREATE, "max_entries", 12, 4, ATTR_NUMBER},
        {MAP_CREATE, "map_flags", 16, 4, ATTR_MAP_FLAGS},
        {MAP_CREATE, "inner_map_fd", 20, 4, ATTR_FD},
        {MAP_CREATE, "numa_node", 24, 4, ATTR_NUMBER},
        {MAP_CREATE, "map_name", 28, 16, ATTR_TEXT},
        {MAP_CREATE, "map_ifindex", 44, 4, ATTR_NUMBER},
        {MAP_CREATE, "btf_fd", 48, 4, ATTR_FD},
        {MAP_CREATE, "btf_key_type_id", 52, 4, ATTR_NUMBER},
        {MAP_CREATE, "btf_value_type_id", 56, 4, ATTR_NUMBER},
        {MAP_CREATE, "btf_vmlinux_value_type_id", 60, 4, ATTR_NUMBER},
        {MAP_CREATE, "map_extra", 64, 8, ATTR_HEX},
        {MAP_CREATE, "value_type_btf_obj_fd", 72, 4, ATTR_FD},
        {MAP_CREATE, "map_token_fd", 76, 4, ATTR_FD},
        {MAP_CREATE, "excl_prog_hash", 80, 8, ATTR_POINTER},
        {MAP_CREATE, "excl_prog_hash_size", 88, 4, ATTR_NUMBER},

        {MAP_LOOKUP_ELEM, "map_fd", 0, 4, ATTR_FD, ALWAYS},
        {MAP_LOOKUP_ELEM, "key", 8, 8, ATTR_POINTER},
        {MAP_LOOKUP_ELEM, "value", 16, 8, ATTR_POINTER, .when = WHEN_VALUE},
        {MAP_LOOKUP_ELEM, "next_key", 16, 8, ATTR_POINTER, .when = WHEN_NEXT_KEY},
        {MAP_LOOKUP_ELEM, "flags", 24, 8, ATTR_HEX},

        {PROG_LOAD, "prog_type", 0, 4, ATTR_PROG_TYPE, ALWAYS},
        {PROG_LOAD, "insn_cnt", 4, 4, ATTR_NUMBER, ALWAYS},
        {PROG_LOAD, "insns", 8, 8, ATTR_POINTER},
        {PROG_LOAD, "license", 16, 8, ATTR_STRING},
        {PROG_LOAD, "log_level", 24, 4, ATTR_NUMBER},
        {PROG_LOAD, "log_size", 28, 4, ATTR_NUMBER},
        {PROG_LOAD, "log_buf", 32, 8, ATTR_POINTER},
        {PROG_LOAD, "kern_version", 40, 4, ATTR_HEX},
        {PROG_LOAD, "prog_flags", 44, 4, ATTR_HEX},
        {PROG_LOAD, "prog_name", 48, 16, ATTR_TEXT},
        {PROG_LOAD, "prog_ifindex", 64, 4, ATTR_NUMBER},
        {PROG_LOAD, "expected_attach_type", 68, 4, ATTR_ATTACH_TYPE},
        {PROG_LOAD, "prog_btf_fd", 72, 4, ATTR_FD},
        {PROG_LOAD, "func_info_rec_size", 76, 4, ATTR_NUMBER},
        {PROG_LOAD, "func_info", 80, 8, ATTR_POINTER},
        {PROG_LOAD, "func_info_cnt", 88, 4, ATTR_NUMBER},
        {PROG_LOAD, "line_info_rec_size", 92, 4, ATTR_NUMBER},
        {PROG_LOAD, "line_info", 96, 8, ATTR_POINTER},
        {PROG_LOAD, "line_info_cnt", 104, 4, ATTR_NUMBER},
        {PROG_LOAD, "attach_btf_id", 108, 4, ATTR_NUMBER},
        /* The kernel itself finds out what kind of fd it is: both are told. */
        {PROG_LOAD, "attach_prog_fd", 112, 4, ATTR_FD},
        {PROG_LOAD, "attach_btf_obj_fd", 112, 4, ATTR_FD},
        {PROG_LOAD, "core_relo_cnt", 116, 4, ATTR_NUMBER},
        {PROG_LOAD, "fd_array", 120, 8, ATTR_POINTER},
        {PROG_LOAD, "core_relos", 128, 8, ATTR_POINTER},
        {PROG_LOAD, "core_relo_rec_size", 136, 4, ATTR_NUMBER},
        {PROG_LOAD, "log_true_size", 140, 4, ATTR_NUMBER},
        {PROG_LOAD, "prog_token_fd", 144, 4, ATTR_FD},
        {PROG_LOAD, "fd_array_cnt", 148, 4, ATTR_NUMBER},
        {PROG_LOAD, "signature", 152, 8, ATTR_POINTER},
        {PROG_LOAD, "signature_size", 160, 4, ATTR_NUMBER},
        {PROG_LOAD, "keyring_id", 164, 4, ATTR_SIGNED},

        {OBJ_PIN, "pathname", 0, 8, ATTR_STRING},
        {OBJ_PIN, "bpf_fd", 8, 4, ATTR_FD},
        {OBJ_PIN, "file_flags", 12, 4, ATTR_HEX},
        {OBJ_PIN, "path_fd", 16, 4, ATTR_FD},

        {PROG_ATTACH, "target_fd", 0, 4, ATTR_FD, .when = WHEN_TARGET_FD},
        {PROG_ATTACH, "target_ifindex", 0, 4, ATTR_NUMBER, .when = WHEN_TARGET_IFINDEX},
        {PROG_ATTACH, "attach_bpf_fd", 4, 4, ATTR_FD, ALWAYS},
        {PROG_ATTACH, "attach_type", 8, 4, ATTR_ATTACH_TYPE, ALWAYS},
        {PROG_ATTACH, "attach_flags", 12, 4, ATTR_HEX},
        {PROG_ATTACH, "replace_bpf_fd", 16, 4, ATTR_FD},
        {PROG_ATTACH, "relative_fd", 20, 4, ATTR_FD, .when = WHEN_RELATIVE_FD},
        {PROG_ATTACH, "relative_id", 20, 4, ATTR_NUMBER, .when = WHEN_RELATIVE_ID},
        {PROG_ATTACH, "expected_revision", 24, 8, ATTR_NUMBER},

        {RAW_TRACEPOINT_OPEN, "name", 0, 8, ATTR_STRING},
        {RAW_TRACEPOINT_OPEN, "prog_fd", 8, 4, ATTR_FD, ALWAYS},
        {RAW_TRACEPOINT_OPEN, "cookie", 16, 8, ATTR_HEX},

        {BTF_LOAD, "btf", 0, 8, ATTR_POINTER},
        {BTF_LOAD, "btf_log_buf", 8, 8, ATTR_POINTER},
        {BTF_LOAD, "btf_size", 16, 4, ATTR_NUMBER},
        {BTF_LOAD, "btf_log_size", 20, 4, ATTR_NUMBER},
        {BTF_LOAD, "btf_log_level", 24, 4, ATTR_NUMBER},
        {BTF_LOAD, "btf_log_true_size", 28, 4, ATTR_NUMBER},
        {BTF_LOAD, "btf_flags", 32, 4, ATTR_HEX},
        {BTF_LOAD, "btf_token_fd", 36, 4, ATTR_FD},

        {MAP_LOOKUP_BATCH, "in_batch", 0, 8, ATTR_POINTER},
        {MAP_LOOKUP_BATCH, "out_batch", 8, 8, ATTR_POINTER},
        {MAP_LOOKUP_BATCH, "keys", 16, 8, ATTR_POINTER},
        {MAP_LOOKUP_BATCH, "values", 24, 8, ATTR_POINTER},
        {MAP_LOOKUP_BATCH, "count", 32, 4, ATTR_NUMBER, ALWAYS},
        {MAP_LOOKUP_BATCH, "map_fd", 36, 4, ATTR_FD, ALWAYS},
        {MAP_LOOKUP_BATCH, "elem_flags", 40, 8, ATTR_HEX},
        {MAP_LOOKUP_BATCH, "flags", 48, 8, ATTR_HEX},

        {LINK_CREATE, "prog_fd", 0, 4, ATTR_FD, ALWAYS, WHEN_PROGRAM},
        {LINK_CREATE, "map_fd", 0, 4, ATTR_FD, ALWAYS, WHEN_STRUCT_OPS},
        {LINK_CREATE, "target_fd", 4, 4, ATTR_FD, .when = WHEN_TARGET_FD},
        {LINK_CREATE, "target_ifindex", 4, 4, ATTR_NUMBER, .when = WHEN_TARGET_IFINDEX},
        {LINK_CREATE, "attach_type", 8, 4, ATTR_ATTACH_TYPE, ALWAYS},
        {LINK_CREATE, "flags", 12, 4, ATTR_HEX},
        /* The same bytes as tracing.target_btf_id, which came later. */
        {LINK_CREATE, "target_btf_id", 16, 4, ATTR_NUMBER, .when = WHEN_TRACING},
        {LINK_CREATE, "iter_info", 16, 8, ATTR_POINTER, .when = WHEN_ITER},
        {LINK_CREATE, "iter_info_len", 24, 4, ATTR_NUMBER, .when = WHEN_ITER},
        {LINK_CREATE, "perf_event.bpf_cookie", 16, 8, ATTR_HEX, .when = WHEN_PERF_EVENT},
        {LINK_CREATE, "kprobe_multi.flags", 16, 4, ATTR_HEX, .when = WHEN_KPROBE_MULTI},
        {LINK_CREATE, "kprobe_multi.cnt", 20, 4, ATTR_NUMBER, .when = WHEN_KPROBE_MULTI},
        {LINK_CREATE, "kprobe_multi.syms", 24, 8, ATTR_POINTER, .when = WHEN_KPROBE_MULTI},
        {LINK_CREATE, "kprobe_multi.addrs", 32, 8, ATTR_POINTER, .when = WHEN_KPROBE_MULTI},
        {LINK_CREATE, "kprobe_multi.cookies", 40, 8, ATTR_POINTER, .when = WHEN_KPROBE_MULTI},
        {LINK_CREATE, "tracing.cookie", 24, 8, ATTR_HEX, .when = WHEN_TRACING},
        {LINK_CREATE, "netfilter.pf", 16, 4, ATTR_NUMBER, .when = WHEN_NETFILTER},
        {LINK_CREATE, "netfilter.hooknum", 20, 4, ATTR_NUMBER, ALWAYS, WHEN_NETFILTER},
        {LINK_CREATE, "netfilter.priority", 24, 4, ATTR_SIGNED, ALWAYS, WHEN_NETFILTER},
        {LINK_CREATE, "netfilter.flags", 28, 4, ATTR_HEX, .when = WHEN_NETFILTER},
        {LINK_CREATE, "tcx.relative_fd", 16, 4, ATTR_FD, .when = WHEN_TCX | WHEN_RELATIVE_FD},
        {LINK_CREATE, "tcx.relative_id", 16, 4, ATTR_NUMBER, .when = WHEN_TCX | WHEN_RELATIVE_ID},
        {LINK_CREATE, "tcx.expected_revision", 24, 8, ATTR_NUMBER, .when = WHEN_TCX},
        {LINK_CREATE, "uprobe_multi.path", 16, 8, ATTR_POINTER, .when = WHEN_UPROBE_MULTI},
        {LINK_CREATE, "uprobe_multi.offsets", 24, 8, ATTR_POINTER, .when = WHEN_UPROBE_MULTI},
        {LINK_CREATE, "uprobe_multi.ref_ctr_offsets", 32, 8, ATTR_POINTER,
         .when = WHEN_UPROBE_MULTI},
        {LINK_CREATE, "uprobe_multi.cookies", 40, 8, ATTR_POINTER, .when = WHEN_UPROBE_MULTI},
        {LINK_CREATE, "uprobe_multi.cnt", 48, 4, ATTR_NUMBER, .when = WHEN_UPROBE_MULTI},
        {LINK_CREATE, "uprobe_multi.flags", 52, 4, ATTR_HEX, .when = WHEN_UPROBE_MULTI},
        {LINK_CREATE, "uprobe_multi.pid", 56, 4, ATTR_NUMBER, .when = WHEN_UPROBE_MULTI},
        {LINK_CREATE, "uprobe_multi.path_fd", 60, 4, ATTR_FD, .when = WHEN_UPROBE_MULTI},
        {LINK_CREATE, "netkit.relative_fd", 16, 4, ATTR_FD, .when = WHEN_NETKIT | WHEN_RELATIVE_FD},
        {LINK_CREATE, "netkit.relative_id", 16, 4, ATTR_NUMBER,
         .when = WHEN_NETKIT | WHEN_RELATIVE_ID},
        {LINK_CREATE, "netkit.expected_revision", 24, 8, ATTR_NUMBER, .when = WHEN_NETKIT},
        {LINK_CREATE, "cgroup.relative_fd", 16, 4, ATTR_FD, .when = WHEN_CGROUP | WHEN_RELATIVE_FD},
        {LINK_CREATE, "cgroup.relative_id", 16, 4, ATTR_NUMBER,
         .when = WHEN_CGROUP | WHEN_RELATIVE_ID},
        {LINK_CREATE, "cgroup.expected_revision", 24, 8, ATTR_NUMBER, .when = WHEN_CGROUP},
        {LINK_CREATE, "tracing_multi.ids", 16, 8, ATTR_POINTER, .when = WHEN_TRACING_MULTI},
        {LINK_CREATE, "tracing_multi.cookies", 24, 8, ATTR_POINTER, .when = WHEN_TRACING_MULTI},
        {LINK_CREATE, "tracing_multi.cnt", 32, 4, ATTR_NUMBER, .when = WHEN_TRACING_MULTI},
};

size_t attr_fields(const struct attr_field **ret) {
        *ret = fields;
        return ELEMENTSOF(fields);
}

/* What the attach type says about the unions, as the kernel's link_create() and bpf_prog_attach()
 * go by it. */
static const uint32_t attach_types[] = {
        [0 ... 3] = WHEN_CGROUP,    /* cgroup_inet_ingress … cgroup_sock_ops */
        [6] = WHEN_CGROUP,          /* cgroup_device */
        [8 ... 15] = WHEN_CGROUP,   /* cgroup_inet4_bind … cgroup_udp6_sendmsg */
        [18 ... 22] = WHEN_CGROUP,  /* cgroup_sysctl … cgroup_setsockopt */
        [23 ... 27] = WHEN_TRACING, /* trace_raw_tp … lsm_mac */
        [28] = WHEN_ITER,           /* trace_iter */
        [29 ... 32] = WHEN_CGROUP,  /* cgroup_inet4_getpeername … cgroup_inet6_getsockname */
        [34] = WHEN_CGROUP,         /* cgroup_inet_sock_release */
        [37] = WHEN_TARGET_IFINDEX, /* xdp */
        [41] = WHEN_PERF_EVENT,     /* perf_event */
        [42] = WHEN_KPROBE_MULTI,   /* trace_kprobe_multi */
        [43] = WHEN_CGROUP,         /* lsm_cgroup */
        [44] = WHEN_STRUCT_OPS,     /* struct_ops */
        [45] = WHEN_NETFILTER,      /* netfilter */
        [46 ... 47] = WHEN_TCX | WHEN_TARGET_IFINDEX, /* tcx_ingress, tcx_egress */
        [48] = WHEN_UPROBE_MULTI,                     /* trace_uprobe_multi */
        [49 ... 53] = WHEN_CGROUP, /* cgroup_unix_connect … cgroup_unix_getsockname */
        [54 ... 55] = WHEN_NETKIT | WHEN_TARGET_IFINDEX, /* netkit_primary, netkit_peer */
        [56] = WHEN_KPROBE_MULTI,                        /* trace_kprobe_session */
        [57] = WHEN_UPROBE_MULTI,                        /* trace_uprobe_session */
        [58] = WHEN_TRACING,                             /* trace_fsession */
        [59 ... 61] = WHEN_TRACING_MULTI, /* trace_fentry_multi … trace_fsession_multi */
};

uint64_t attr_get(const struct attr *a, size_t offset, size_t width) {
        uint64_t wide = 0;
        uint32_t narrow = 0;

        if (offset >= a->size)
                return 0;

        /* As in the kernel, what the caller's size cuts off is zero. */
        size_t n = MIN(width, a->size - offset);
        if (width == sizeof(wide))
                memcpy(&wide, a->data + offset, n);
        else if (width == sizeof(narrow))
                memcpy(&narrow, a->data + offset, n);

        return width == sizeof(wide) ? wide : narrow;
}

void attr_get_text(const struct attr *a, size_t offset, char *ret, size_t width) {
        size_t n = offset < a->size ? MIN(width, a->size - offset) : 0;

        memset(ret, 0, width);
        if (n > 0)
                memcpy(ret, a->data + offset, strnlen((const char *) a->data + offset, n));
}

size_t attr_target_offset(const struct attr *a) {
        return a->cmd == LINK_CREATE ? 4 : 0;
}

bool attr_says_more(const struct attr *a) {
        int layout = attr_layout(a->cmd);

        return layout == MAP_LOOKUP_BATCH ||
               (layout == MAP_LOOKUP_ELEM && attr_get(a, ELEMENT_FLAGS_OFFSET, 8) != 0);
}

uint32_t attr_when(const struct attr *a) {
        uint32_t when = 0;

        if (attr_layout(a->cmd) == MAP_LOOKUP_ELEM)
                return a->cmd == MAP_GET_NEXT_KEY ? WHEN_NEXT_KEY : WHEN_VALUE;

        /* PROG_DETACH has the attributes of PROG_ATTACH. */
        if (a->cmd != LINK_CREATE && a->cmd != PROG_ATTACH && a->cmd != PROG_DETACH)
                return 0;

        uint64_t type = attr_get(a, ATTR_ATTACH_TYPE_OFFSET, 4);
        if (a->prog_type == PROG_TYPE_EXT)
                when = WHEN_TRACING; /* its attach type says nothing */
        else if (type < ELEMENTSOF(attach_types))
                when = attach_types[type];

        if (!(when & WHEN_TARGET_IFINDEX))
                when |= WHEN_TARGET_FD;
        if (!(when & WHEN_STRUCT_OPS))
                when |= WHEN_PROGRAM;
        when |= attr_get(a, ATTACH_FLAGS_OFFSET, 4) & BPF_F_ID ? WHEN_RELATIVE_ID
                                                               : WHEN_RELATIVE_FD;
        return when;
}

static void add_number(struct event *e, const struct attr_field *f, uint64_t v) {
        struct value value = f->width == 4 ? (struct value){TYPE_U32, .u32 = (uint32_t) v}
                                           : (struct value){TYPE_U64, .u64 = v};

        event_dict_add(e, FIELD_BPF_ATTR, f->name, &value);
}

static void add_signed(struct event *e, const struct attr_field *f, uint64_t v) {
        struct value value = {TYPE_S64, .s64 = f->width == 4 ? (int32_t) v : (int64_t) v};

        event_dict_add(e, FIELD_BPF_ATTR, f->name, &value);
}

static void add_string(struct event *e, const struct attr_field *f, const char *s) {
        event_dict_add(e, FIELD_BPF_ATTR, f->name, &(struct value){TYPE_STRING, .string = s});
}

static void add_hex(struct event *e, const struct attr_field *f, uint64_t v) {
        char text[24];

        snprintf(text, sizeof(text), "0x%llx", (unsigned long long) v);
        add_string(e, f, text);
}

static void add_name(struct event *e, const struct attr_field *f, const char *name, uint64_t v) {
        if (name)
                add_string(e, f, name);
        else
                add_number(e, f, v);
}

static void add_map_flags(struct event *e, const struct attr_field *f, uint64_t v) {
        const char *items[33];
        char rest[16];
        size_t n = names_map_flags((uint32_t) v, items, rest);

        event_dict_add(e, FIELD_BPF_ATTR, f->name,
                       &(struct value){TYPE_STRINGS, .strings = {items, n}});
}

static void add_text(struct event *e, const struct attr_field *f, const struct attr *a) {
        char text[RECORD_ATTR_MAX + 1] = "";

        attr_get_text(a, f->offset, text, f->width);
        if (text[0])
                add_string(e, f, text);
}

static void add(struct event *e, const struct names *names, const struct attr *a,
                const struct attr_field *f) {
        if (f->print == ATTR_TEXT) {
                add_text(e, f, a);
                return;
        }

        uint64_t v = attr_get(a, f->offset, f->width);
        if (v == 0 && !f->always)
                return;

        switch (f->print) {
        case ATTR_NUMBER:
                add_number(e, f, v);
                break;
        case ATTR_FD:
                if (f->always || (int32_t) v != -1)
                        add_signed(e, f, v);
                break;
        case ATTR_SIGNED:
                add_signed(e, f, v);
                break;
        case ATTR_STRING:
                if (a->string)
                        add_string(e, f, a->string);
                else
                        add_hex(e, f, v);
                break;
        case ATTR_PROG_TYPE:
                add_name(e, f, names_get(names, NAMES_PROG_TYPE, (uint32_t) v), v);
                break;
        case ATTR_MAP_TYPE:
                add_name(e, f, names_get(names, NAMES_MAP_TYPE, (uint32_t) v), v);
                break;
        case ATTR_ATTACH_TYPE:
                add_name(e, f, names_get(names, NAMES_ATTACH_TYPE, (uint32_t) v), v);
                break;
        case ATTR_MAP_FLAGS:
                add_map_flags(e, f, v);
                break;
        default:
                add_hex(e, f, v);
        }
}

/* Adds what is known. Returns where the bytes begin that no row explains. */
static size_t add_known(struct event *e, const struct names *names, const struct attr *a) {
        int layout = attr_layout(a->cmd);
        uint32_t when = attr_when(a);
        size_t end = 0;

        for (const struct attr_field *f = fields; f < fields + ELEMENTSOF(fields); f++) {
                if ((int) f->cmd != layout || f->when & ~when)
                        continue;
                end = MAX(end, (size_t) f->offset + f->width);
                if (f->offset < a->size)
                        add(e, names, a, f);
        }

        return end;
}

void attr_decode(struct event *e, const struct names *names, const struct attr *a) {
        struct attr bounded = *a;

        bounded.size = MIN(a->size, (size_t) RECORD_ATTR_MAX);
        size_t known = add_known(e, names, &bounded);
        while (known < bounded.size && bounded.data[known] == 0)
                known++;
        if (known < bounded.size || (!attr_known(a->cmd) && bounded.size > 0))
                event_set_bytes(e, FIELD_BPF_ATTR_RAW, bounded.data, bounded.size);
}
