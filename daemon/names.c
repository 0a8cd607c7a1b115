/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include <bpf/btf.h>

#include "names.h"
#include "util.h"

enum {
        VALUES_MAX = 256, /* values of one enum that we keep; Linux 7.3 has 62 attach types */
        NAME_BYTES_MAX = 64,
};

/* Our names: include/uapi/linux/bpf.h, up to Linux 7.3. */
static const char *const commands[] = {
        "MAP_CREATE",
        "MAP_LOOKUP_ELEM",
        "MAP_UPDATE_ELEM",
        "MAP_DELETE_ELEM",
        "MAP_GET_NEXT_KEY",
        "PROG_LOAD",
        "OBJ_PIN",
        "OBJ_GET",
        "PROG_ATTACH",
        "PROG_DETACH",
        "PROG_TEST_RUN",
        "PROG_GET_NEXT_ID",
        "MAP_GET_NEXT_ID",
        "PROG_GET_FD_BY_ID",
        "MAP_GET_FD_BY_ID",
        "OBJ_GET_INFO_BY_FD",
        "PROG_QUERY",
        "RAW_TRACEPOINT_OPEN",
        "BTF_LOAD",
        "BTF_GET_FD_BY_ID",
        "TASK_FD_QUERY",
        "MAP_LOOKUP_AND_DELETE_ELEM",
        "MAP_FREEZE",
        "BTF_GET_NEXT_ID",
        "MAP_LOOKUP_BATCH",
        "MAP_LOOKUP_AND_DELETE_BATCH",
        "MAP_UPDATE_BATCH",
        "MAP_DELETE_BATCH",
        "LINK_CREATE",
        "LINK_UPDATE",
        "LINK_GET_FD_BY_ID",
        "LINK_GET_NEXT_ID",
        "ENABLE_STATS",
        "ITER_CREATE",
        "LINK_DETACH",
        "PROG_BIND_MAP",
        "TOKEN_CREATE",
        "PROG_STREAM_READ_BY_FD",
        "PROG_ASSOC_STRUCT_OPS",
};

static const char *const prog_types[] = {
        "unspec",
        "socket_filter",
        "kprobe",
        "sched_cls",
        "sched_act",
        "tracepoint",
        "xdp",
        "perf_event",
        "cgroup_skb",
        "cgroup_sock",
        "lwt_in",
        "lwt_out",
        "lwt_xmit",
        "sock_ops",
        "sk_skb",
        "cgroup_device",
        "sk_msg",
        "raw_tracepoint",
        "cgroup_sock_addr",
        "lwt_seg6local",
        "lirc_mode2",
        "sk_reuseport",
        "flow_dissector",
        "cgroup_sysctl",
        "raw_tracepoint_writable",
        "cgroup_sockopt",
        "tracing",
        "struct_ops",
        "ext",
        "lsm",
        "sk_lookup",
        "syscall",
        "netfilter",
};

static const char *const map_types[] = {
        "unspec",
        "hash",
        "array",
        "prog_array",
        "perf_event_array",
        "percpu_hash",
        "percpu_array",
        "stack_trace",
        "cgroup_array",
        "lru_hash",
        "lru_percpu_hash",
        "lpm_trie",
        "array_of_maps",
        "hash_of_maps",
        "devmap",
        "sockmap",
        "cpumap",
        "xskmap",
        "sockhash",
        "cgroup_storage",
        "reuseport_sockarray",
        "percpu_cgroup_storage",
        "queue",
        "stack",
        "sk_storage",
        "devmap_hash",
        "struct_ops",
        "ringbuf",
        "inode_storage",
        "task_storage",
        "bloom_filter",
        "user_ringbuf",
        "cgrp_storage",
        "arena",
        "insn_array",
        "rhash",
};

static const char *const link_types[] = {
        "unspec",       "raw_tracepoint", "tracing",      "cgroup",        "iter",      "netns",
        "xdp",          "perf_event",     "kprobe_multi", "struct_ops",    "netfilter", "tcx",
        "uprobe_multi", "netkit",         "sockmap",      "tracing_multi",
};

static const char *const attach_types[] = {
        "cgroup_inet_ingress",
        "cgroup_inet_egress",
        "cgroup_inet_sock_create",
        "cgroup_sock_ops",
        "sk_skb_stream_parser",
        "sk_skb_stream_verdict",
        "cgroup_device",
        "sk_msg_verdict",
        "cgroup_inet4_bind",
        "cgroup_inet6_bind",
        "cgroup_inet4_connect",
        "cgroup_inet6_connect",
        "cgroup_inet4_post_bind",
        "cgroup_inet6_post_bind",
        "cgroup_udp4_sendmsg",
        "cgroup_udp6_sendmsg",
        "lirc_mode2",
        "flow_dissector",
        "cgroup_sysctl",
        "cgroup_udp4_recvmsg",
        "cgroup_udp6_recvmsg",
        "cgroup_getsockopt",
        "cgroup_setsockopt",
        "trace_raw_tp",
        "trace_fentry",
        "trace_fexit",
        "modify_return",
        "lsm_mac",
        "trace_iter",
        "cgroup_inet4_getpeername",
        "cgroup_inet6_getpeername",
        "cgroup_inet4_getsockname",
        "cgroup_inet6_getsockname",
        "xdp_devmap",
        "cgroup_inet_sock_release",
        "xdp_cpumap",
        "sk_lookup",
        "xdp",
        "sk_skb_verdict",
        "sk_reuseport_select",
        "sk_reuseport_select_or_migrate",
        "perf_event",
        "trace_kprobe_multi",
        "lsm_cgroup",
        "struct_ops",
        "netfilter",
        "tcx_ingress",
        "tcx_egress",
        "trace_uprobe_multi",
        "cgroup_unix_connect",
        "cgroup_unix_sendmsg",
        "cgroup_unix_recvmsg",
        "cgroup_unix_getpeername",
        "cgroup_unix_getsockname",
        "netkit_primary",
        "netkit_peer",
        "trace_kprobe_session",
        "trace_uprobe_session",
        "trace_fsession",
        "trace_fentry_multi",
        "trace_fexit_multi",
        "trace_fsession_multi",
};

static const struct {
        const char *type;
        const char *prefix;
        bool lower;
        const char *const *ours;
        size_t n_ours;
} sets[_NAMES_MAX] = {
        [NAMES_COMMAND] = {"bpf_cmd", "BPF_", false, commands, ELEMENTSOF(commands)},
        [NAMES_PROG_TYPE] = {"bpf_prog_type", "BPF_PROG_TYPE_", true, prog_types,
                             ELEMENTSOF(prog_types)},
        [NAMES_MAP_TYPE] = {"bpf_map_type", "BPF_MAP_TYPE_", true, map_types,
                            ELEMENTSOF(map_types)},
        [NAMES_LINK_TYPE] = {"bpf_link_type", "BPF_LINK_TYPE_", true, link_types,
                             ELEMENTSOF(link_types)},
        [NAMES_ATTACH_TYPE] = {"bpf_attach_type", "BPF_", true, attach_types,
                               ELEMENTSOF(attach_types)},
};

/* Each name is ours, or a copy of the kernel's. */
struct names {
        const char *names[_NAMES_MAX][VALUES_MAX];
        uint32_t end[_NAMES_MAX];
};

static const char *our_name(enum name_set set, uint32_t value) {
        return value < sets[set].n_ours ? sets[set].ours[value] : NULL;
}

static void forget(struct names *n, enum name_set set, uint32_t value) {
        if (n->names[set][value] != our_name(set, value))
                free((char *) n->names[set][value]);
        n->names[set][value] = NULL;
}

/* Takes the kernel's name of a value. Of names for the same value ours wins, else the first. */
static int learn(struct names *n, enum name_set set, uint32_t value, const char *name,
                 bool *named) {
        const char *ours = our_name(set, value);
        size_t prefix = strlen(sets[set].prefix);
        char text[NAME_BYTES_MAX];

        /* __MAX_BPF_PROG_TYPE, MAX_BPF_ATTACH_TYPE and the flag BPF_COMMON_ATTRS name no value. */
        if (value >= VALUES_MAX || strncmp(name, sets[set].prefix, prefix) != 0 ||
            strlen(name + prefix) >= sizeof(text))
                return 0;

        strcpy(text, name + prefix);
        for (char *c = text; *c && sets[set].lower; c++)
                *c = (char) tolower((unsigned char) *c);

        if (ours && strcmp(text, ours) == 0) {
                forget(n, set, value);
                n->names[set][value] = ours;
        } else if (!named[value]) {
                char *copy = strdup(text);
                if (!copy)
                        return -ENOMEM;
                forget(n, set, value);
                n->names[set][value] = copy;
        }

        named[value] = true;
        n->end[set] = MAX(n->end[set], value + 1);
        return 0;
}

static int learn_enum(struct names *n, enum name_set set, const struct btf *btf) {
        bool named[VALUES_MAX] = {};
        int id = btf__find_by_name_kind(btf, sets[set].type, BTF_KIND_ENUM);
        if (id < 0)
                return 0;

        const struct btf_type *type = btf__type_by_id(btf, (uint32_t) id);
        const struct btf_enum *value = btf_enum(type);
        for (unsigned i = 0; i < btf_vlen(type); i++, value++) {
                const char *name = btf__name_by_offset(btf, value->name_off);
                int k = name ? learn(n, set, (uint32_t) value->val, name, named) : 0;
                if (k < 0)
                        return k;
        }

        return 0;
}

DEFINE_CLEANUP(struct names *, names_free);

int names_new(struct names **ret, const struct btf *btf) {
        _cleanup_(names_freep) struct names *n = calloc(1, sizeof(*n));
        if (!n)
                return -ENOMEM;

        for (enum name_set set = 0; set < _NAMES_MAX; set++) {
                memcpy(n->names[set], sets[set].ours, sets[set].n_ours * sizeof(char *));
                n->end[set] = (uint32_t) sets[set].n_ours;
                int k = btf ? learn_enum(n, set, btf) : 0;
                if (k < 0)
                        return k;
        }

        *ret = TAKE_PTR(n);
        return 0;
}

int names_new_kernel(struct names **ret) {
        struct btf *btf = btf__load_vmlinux_btf();
        int k = names_new(ret, btf);

        btf__free(btf);
        return k;
}

struct names *names_free(struct names *n) {
        if (!n)
                return NULL;

        for (enum name_set set = 0; set < _NAMES_MAX; set++)
                for (uint32_t value = 0; value < VALUES_MAX; value++)
                        forget(n, set, value);
        free(n);
        return NULL;
}

const char *names_get(const struct names *n, enum name_set set, uint32_t value) {
        return value < VALUES_MAX ? n->names[set][value] : NULL;
}

uint32_t names_end(const struct names *n, enum name_set set) {
        return n->end[set];
}

/* include/uapi/linux/bpf.h: "flags for BPF_MAP_CREATE command". NULL: a bit that is not for maps.
 */
static const char *const map_flags[] = {
        "no_prealloc",      "no_common_lru",  "numa_node",     "rdonly",       "wronly",
        "stack_build_id",   "zero_seed",      "rdonly_prog",   "wronly_prog",  "clone",
        "mmapable",         "preserve_elems", "inner_map",     "link",         NULL,
        "vtype_btf_obj_fd", "token_fd",       "segv_on_fault", "no_user_conv", "rb_overwrite",
};

size_t names_map_flags(uint32_t flags, const char *ret[static 33], char rest[static 16]) {
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(map_flags); i++)
                if (map_flags[i] && flags & (UINT32_C(1) << i)) {
                        ret[n++] = map_flags[i];
                        flags &= ~(UINT32_C(1) << i);
                }

        if (flags) {
                snprintf(rest, 16, "0x%x", flags);
                ret[n++] = rest;
        }

        return n;
}
