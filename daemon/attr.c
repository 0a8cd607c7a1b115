/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "attr-table.h"
#include "event.h"
#include "flags.h"
#include "names.h"
#include "record.h"
#include "util.h"

enum {
        PROG_TYPE_EXT = 28,
        LINK_TYPE_STRUCT_OPS = 9,
        ELEMENT_FLAGS_OFFSET = 24,
};

/* A newer kernel's: it may install something. What no kernel knows does nothing. */
static const struct command_info unknown = {
        "unknown-call", "change", NULL, "used", "use", "a bpf() command that bpfmon does not know"};
static const struct command_info nothing = {"object-query", "look"};

const struct command_info *command_info(uint32_t cmd, int64_t ret) {
        if (cmd < ATTR_COMMANDS)
                return &attr_commands[cmd].info;
        return ret < 0 ? &nothing : &unknown;
}

unsigned command_slot(uint32_t cmd) {
        return MIN(cmd, (uint32_t) COMMAND_SLOTS - 1);
}

int attr_layout(uint32_t cmd) {
        if (cmd == COMMAND_COMMON_ATTRS)
                return COMMAND_COMMON_ATTRS;
        return cmd < ATTR_COMMANDS ? attr_commands[cmd].layout : -ENOENT;
}

bool attr_known(uint32_t cmd) {
        return attr_layout(cmd) >= 0;
}

size_t attr_fields(const struct attr_field **ret) {
        *ret = attr_rows;
        return attr_n_rows;
}

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

/* What is meant ------------------------------------------------------------------------------- */

/* What the attach type says about the unions, as the kernel's link_create() and bpf_prog_attach()
 * go by it. */
static const uint32_t attach_types[] = {
        [0 ... 3] = WHEN_CGROUP | WHEN_TARGET,   /* cgroup_inet_ingress … cgroup_sock_ops */
        [4 ... 5] = WHEN_TARGET,                 /* sk_skb_stream_parser, sk_skb_stream_verdict */
        [6] = WHEN_CGROUP | WHEN_TARGET,         /* cgroup_device */
        [7] = WHEN_TARGET,                       /* sk_msg_verdict */
        [8 ... 15] = WHEN_CGROUP | WHEN_TARGET,  /* cgroup_inet4_bind … cgroup_udp6_sendmsg */
        [16 ... 17] = WHEN_TARGET,               /* lirc_mode2, flow_dissector */
        [18 ... 22] = WHEN_CGROUP | WHEN_TARGET, /* cgroup_sysctl … cgroup_setsockopt */
        [23 ... 27] = WHEN_TRACING,              /* trace_raw_tp … lsm_mac */
        [28] = WHEN_ITER,                        /* trace_iter */
        [29 ... 32] = WHEN_CGROUP | WHEN_TARGET, /* cgroup_inet4_getpeername … */
        [34] = WHEN_CGROUP | WHEN_TARGET,        /* cgroup_inet_sock_release */
        [36] = WHEN_TARGET,                      /* sk_lookup */
        [37] = WHEN_XDP | WHEN_TARGET_IFINDEX,   /* xdp */
        [38] = WHEN_TARGET,                      /* sk_skb_verdict */
        [41] = WHEN_PERF_EVENT | WHEN_TARGET,    /* perf_event */
        [42] = WHEN_KPROBE_MULTI,                /* trace_kprobe_multi */
        [43] = WHEN_CGROUP | WHEN_TARGET,        /* lsm_cgroup */
        [44] = WHEN_MAP,                         /* struct_ops */
        [45] = WHEN_NETFILTER,                   /* netfilter */
        [46 ... 47] = WHEN_TCX | WHEN_TARGET_IFINDEX,    /* tcx_ingress, tcx_egress */
        [48] = WHEN_UPROBE_MULTI,                        /* trace_uprobe_multi */
        [49 ... 53] = WHEN_CGROUP | WHEN_TARGET,         /* cgroup_unix_connect … */
        [54 ... 55] = WHEN_NETKIT | WHEN_TARGET_IFINDEX, /* netkit_primary, netkit_peer */
        [56] = WHEN_KPROBE_MULTI,                        /* trace_kprobe_session */
        [57] = WHEN_UPROBE_MULTI,                        /* trace_uprobe_session */
        [58] = WHEN_TRACING,                             /* trace_fsession */
        [59 ... 61] = WHEN_TRACING_MULTI, /* trace_fentry_multi … trace_fsession_multi */
};

/* What flags and other members say about the rest. */
static const struct condition {
        uint8_t layout;
        uint8_t offset; /* of four bytes */
        uint32_t mask;
        uint32_t when;      /* holds where one of these bits is set, */
        uint32_t otherwise; /* and where none is */
} conditions[] = {
        {MAP_CREATE, 16, 1 << 15, WHEN_VALUE_BTF}, /* BPF_F_VTYPE_BTF_OBJ_FD */
        {MAP_CREATE, 16, 1 << 16, WHEN_TOKEN},     /* BPF_F_TOKEN_FD */
        {MAP_CREATE, 52, UINT32_MAX, WHEN_TYPES},  /* btf_key_type_id and the two after it */
        {MAP_CREATE, 56, UINT32_MAX, WHEN_TYPES},
        {MAP_CREATE, 60, UINT32_MAX, WHEN_TYPES},
        {PROG_LOAD, 44, 1 << 16, WHEN_TOKEN},                          /* BPF_F_TOKEN_FD */
        {PROG_LOAD, 88, UINT32_MAX, WHEN_TYPES},                       /* func_info_cnt */
        {PROG_LOAD, 104, UINT32_MAX, WHEN_TYPES},                      /* line_info_cnt */
        {OBJ_PIN, 12, 1 << 14, WHEN_PATH_FD},                          /* BPF_F_PATH_FD */
        {PROG_ATTACH, 12, 1 << 2, WHEN_REPLACE},                       /* BPF_F_REPLACE */
        {PROG_ATTACH, 12, 1 << 5, WHEN_RELATIVE_ID, WHEN_RELATIVE_FD}, /* BPF_F_ID */
        {PROG_GET_NEXT_ID, 8, 1 << 16, WHEN_TOKEN},                    /* BPF_F_TOKEN_FD */
        {BTF_LOAD, 32, 1 << 16, WHEN_TOKEN},                           /* BPF_F_TOKEN_FD */
        {LINK_CREATE, 12, 1 << 5, WHEN_RELATIVE_ID, WHEN_RELATIVE_FD}, /* BPF_F_ID */
        {LINK_CREATE, 52, 1 << 1, WHEN_PATH_FD}, /* BPF_F_UPROBE_MULTI_PATH_FD */
        {LINK_UPDATE, 8, 1 << 2, WHEN_REPLACE},  /* BPF_F_REPLACE */
};

/* What the fd at an offset was, NULL where nobody knows. */
static const struct record_fd *fd_at(const struct attr *a, size_t offset) {
        for (size_t i = 0; i < a->n_fds; i++)
                if (a->fds[i].kind != OBJECT_NONE && a->fds[i].offset == offset)
                        return &a->fds[i];
        return NULL;
}

static uint32_t when_attached(const struct attr *a, size_t type_offset) {
        const struct record_fd *fd = a->cmd == LINK_CREATE ? fd_at(a, 0) : NULL;
        uint64_t type = attr_get(a, type_offset, 4);
        uint32_t when = 0;

        if (a->prog_type == PROG_TYPE_EXT ||
            (fd && fd->kind == OBJECT_PROG && fd->type == PROG_TYPE_EXT))
                when = WHEN_TRACING; /* its attach type says nothing */
        else if (type < ELEMENTSOF(attach_types))
                when = attach_types[type];

        if (!(when & WHEN_TARGET_IFINDEX))
                when |= WHEN_TARGET_FD;
        if (!(when & WHEN_MAP))
                when |= WHEN_PROGRAM;
        if (!(when & WHEN_XDP))
                when |= WHEN_NOT_XDP;
        return when;
}

/* The kernel itself finds out what kind of fd it is; where we don't know, both are told. */
static uint32_t when_loaded(const struct attr *a) {
        const struct record_fd *fd = fd_at(a, 112);

        if (fd && fd->kind == OBJECT_PROG)
                return WHEN_PROGRAM;
        if (fd && fd->kind == OBJECT_BTF)
                return WHEN_BTF;
        return WHEN_PROGRAM | WHEN_BTF;
}

static uint32_t when_updated(const struct attr *a) {
        const struct record_fd *link = fd_at(a, 0), *with = fd_at(a, 4);

        if ((link && link->kind == OBJECT_LINK && link->type == LINK_TYPE_STRUCT_OPS) ||
            (with && with->kind == OBJECT_MAP))
                return WHEN_MAP;
        return WHEN_PROGRAM;
}

static uint32_t when_created(const struct attr *a) {
        uint64_t type = attr_get(a, 0, 4);

        return type == 12 || type == 13 ? WHEN_INNER_MAP : 0; /* array_of_maps, hash_of_maps */
}

uint32_t attr_when(const struct attr *a) {
        uint32_t when = a->cmd < ATTR_COMMANDS ? attr_commands[a->cmd].when : 0;
        int layout = attr_layout(a->cmd);

        switch (layout) {
        case MAP_CREATE:
                when |= when_created(a);
                break;
        case PROG_LOAD:
                when |= when_loaded(a);
                break;
        case PROG_ATTACH:
        case LINK_CREATE:
                when |= when_attached(a, ATTR_ATTACH_TYPE_OFFSET);
                break;
        case PROG_QUERY:
                when |= when_attached(a, 4);
                break;
        case LINK_UPDATE:
                when |= when_updated(a);
                break;
        }

        for (const struct condition *c = conditions; c < conditions + ELEMENTSOF(conditions); c++)
                if (c->layout == layout)
                        when |= attr_get(a, c->offset, 4) & c->mask ? c->when : c->otherwise;
        return when;
}

static bool is_needed(const struct attr_field *f, uint32_t when) {
        return f->always == ATTR_ALWAYS || f->always & when;
}

size_t attr_fds(uint32_t cmd, uint16_t *ret, size_t max) {
        int layout = attr_layout(cmd);
        size_t n = 0;

        for (const struct attr_field *f = attr_rows; f < attr_rows + attr_n_rows; f++) {
                if ((int) f->cmd != layout || f->print != ATTR_FD)
                        continue;

                size_t at = 0;
                while (at < n && ret[at] < f->offset)
                        at++;
                if ((at < n && ret[at] == f->offset) || n == max)
                        continue;
                memmove(ret + at + 1, ret + at, (n - at) * sizeof(*ret));
                ret[at] = f->offset;
                n++;
        }
        return n;
}

const char *attr_fd_name(const struct attr *a, size_t offset) {
        int layout = attr_layout(a->cmd);
        uint32_t when = attr_when(a);

        if (offset >= a->size)
                return NULL;
        for (const struct attr_field *f = attr_rows; f < attr_rows + attr_n_rows; f++) {
                if ((int) f->cmd != layout || f->print != ATTR_FD || f->offset != offset ||
                    f->when & ~when)
                        continue;
                int32_t fd = (int32_t) attr_get(a, offset, 4);
                return fd > 0 || (fd == 0 && is_needed(f, when)) ? f->name : NULL;
        }
        return NULL;
}

/* Decoding ------------------------------------------------------------------------------------ */

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

static void add_strings(struct event *e, const struct attr_field *f, const char *const *items,
                        size_t n) {
        event_dict_add(e, FIELD_BPF_ATTR, f->name,
                       &(struct value){TYPE_STRINGS, .strings = {items, n}});
}

static void add_flags(struct event *e, const struct attr_field *f, uint64_t v) {
        const char *items[FLAGS_NAMES_MAX];
        char rest[FLAGS_REST_SIZE];

        add_strings(e, f, items, flags_names(f->set, v, items, rest));
}

static void add_text(struct event *e, const struct attr_field *f, const struct attr *a) {
        char text[RECORD_ATTR_MAX + 1] = "";

        attr_get_text(a, f->offset, text, f->width);
        if (text[0])
                add_string(e, f, text);
}

static void add(struct event *e, const struct names *names, const struct attr *a,
                const struct attr_field *f, bool needed) {
        if (f->print == ATTR_TEXT) {
                add_text(e, f, a);
                return;
        }

        uint64_t v = attr_get(a, f->offset, f->width);
        if (v == 0 && !needed)
                return;

        switch (f->print) {
        case ATTR_NUMBER:
                add_number(e, f, v);
                break;
        case ATTR_FD:
                if (needed || (int32_t) v != -1)
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
        case ATTR_NAME:
                add_name(e, f, names_get(names, f->set, (uint32_t) v), v);
                break;
        case ATTR_FLAGS:
                add_flags(e, f, v);
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

        for (const struct attr_field *f = attr_rows; f < attr_rows + attr_n_rows; f++) {
                if ((int) f->cmd != layout || f->when & ~when || f->print == ATTR_ALIAS)
                        continue;
                end = MAX(end, (size_t) f->offset + f->width);
                if (f->offset < a->size)
                        add(e, names, a, f, is_needed(f, when));
        }

        return end;
}

void attr_decode(struct event *e, const struct names *names, const struct attr *a) {
        struct attr bounded = *a, common = {.cmd = COMMAND_COMMON_ATTRS, .data = a->common};

        bounded.size = MIN(a->size, (size_t) RECORD_ATTR_MAX);
        common.size = MIN(a->common_size, (size_t) RECORD_COMMON_MAX);
        size_t known = add_known(e, names, &bounded);
        add_known(e, names, &common);
        while (known < bounded.size && bounded.data[known] == 0)
                known++;
        if (known < bounded.size || (!attr_known(a->cmd) && bounded.size > 0))
                event_set_bytes(e, FIELD_BPF_ATTR_RAW, bounded.data, bounded.size);
}
