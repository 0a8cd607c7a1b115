/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <linux/netfilter.h>
#include <linux/perf_event.h>
#include <linux/pkt_sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "event.h"
#include "parts.h"
#include "process.h"
#include "symbols.h"
#include "target-socket.h"
#include "target.h"
#include "util.h"

enum {
        PATH_SIZE = RECORD_STRING_MAX + 16,
        SYMBOL_SIZE = 256,
        NAME_SHOWN_MAX = 128,   /* bytes of a name within a list */
        TARGETS_SHOWN_MAX = 64, /* names within a list; the last may be how many are left out */
};

/* What there is to tell a target from. */
struct context {
        struct event *event;
        struct symbols *symbols; /* may be NULL */
        const struct record_task *task;
        const struct record_target *target;
};

/* Names ---------------------------------------------------------------------------------------- */

static const char *name_at(const char *const *names, size_t n, uint64_t number) {
        return number < n ? names[number] : NULL;
}

#define NAME_AT(names, number) name_at(names, ELEMENTSOF(names), number)

/* include/uapi/linux/perf_event.h, as perf(1) spells them. */
static const char *const hardware_names[] = {
        [PERF_COUNT_HW_CPU_CYCLES] = "cpu-cycles",
        [PERF_COUNT_HW_INSTRUCTIONS] = "instructions",
        [PERF_COUNT_HW_CACHE_REFERENCES] = "cache-references",
        [PERF_COUNT_HW_CACHE_MISSES] = "cache-misses",
        [PERF_COUNT_HW_BRANCH_INSTRUCTIONS] = "branch-instructions",
        [PERF_COUNT_HW_BRANCH_MISSES] = "branch-misses",
        [PERF_COUNT_HW_BUS_CYCLES] = "bus-cycles",
        [PERF_COUNT_HW_STALLED_CYCLES_FRONTEND] = "stalled-cycles-frontend",
        [PERF_COUNT_HW_STALLED_CYCLES_BACKEND] = "stalled-cycles-backend",
        [PERF_COUNT_HW_REF_CPU_CYCLES] = "ref-cycles",
};

static const char *const software_names[] = {
        [PERF_COUNT_SW_CPU_CLOCK] = "cpu-clock",
        [PERF_COUNT_SW_TASK_CLOCK] = "task-clock",
        [PERF_COUNT_SW_PAGE_FAULTS] = "page-faults",
        [PERF_COUNT_SW_CONTEXT_SWITCHES] = "context-switches",
        [PERF_COUNT_SW_CPU_MIGRATIONS] = "cpu-migrations",
        [PERF_COUNT_SW_PAGE_FAULTS_MIN] = "minor-faults",
        [PERF_COUNT_SW_PAGE_FAULTS_MAJ] = "major-faults",
        [PERF_COUNT_SW_ALIGNMENT_FAULTS] = "alignment-faults",
        [PERF_COUNT_SW_EMULATION_FAULTS] = "emulation-faults",
        [PERF_COUNT_SW_DUMMY] = "dummy",
        [PERF_COUNT_SW_BPF_OUTPUT] = "bpf-output",
        [PERF_COUNT_SW_CGROUP_SWITCHES] = "cgroup-switches",
};

static const char *const cache_names[] = {
        [PERF_COUNT_HW_CACHE_L1D] = "l1d",   [PERF_COUNT_HW_CACHE_L1I] = "l1i",
        [PERF_COUNT_HW_CACHE_LL] = "ll",     [PERF_COUNT_HW_CACHE_DTLB] = "dtlb",
        [PERF_COUNT_HW_CACHE_ITLB] = "itlb", [PERF_COUNT_HW_CACHE_BPU] = "bpu",
        [PERF_COUNT_HW_CACHE_NODE] = "node",
};

static const char *const cache_operations[] = {"read", "write", "prefetch"};
static const char *const cache_results[] = {"access", "miss"};

static const char *const perf_types[] = {
        [PERF_TYPE_HARDWARE] = "hardware",
        [PERF_TYPE_SOFTWARE] = "software",
        [PERF_TYPE_TRACEPOINT] = "tracepoint",
        [PERF_TYPE_HW_CACHE] = "cache",
        [PERF_TYPE_RAW] = "raw",
        [PERF_TYPE_BREAKPOINT] = "breakpoint",
};

/* include/uapi/linux/netfilter.h */
static const char *const families[] = {
        [NFPROTO_INET] = "inet",     [NFPROTO_IPV4] = "ipv4",     [NFPROTO_ARP] = "arp",
        [NFPROTO_NETDEV] = "netdev", [NFPROTO_BRIDGE] = "bridge", [NFPROTO_IPV6] = "ipv6",
};

static const char *const netfilter_hooks[] = {
        [NF_INET_PRE_ROUTING] = "pre_routing",   [NF_INET_LOCAL_IN] = "local_in",
        [NF_INET_FORWARD] = "forward",           [NF_INET_LOCAL_OUT] = "local_out",
        [NF_INET_POST_ROUTING] = "post_routing",
};

/* Files ---------------------------------------------------------------------------------------- */

static bool is_mount_namespace(const char *path, uint32_t inode) {
        struct stat st;

        return stat(path, &st) >= 0 && st.st_ino == inode;
}

/* The process as which files are looked up: one in the mount namespace of who did it, with the root
 * of that namespace for its own. Who did it may be gone, or have another root. 0: as we do; -1:
 * there is none any more. */
static pid_t viewer(const struct context *c) {
        const struct value *inode = event_get(c->event, FIELD_NAMESPACE_MNT);
        char path[64];

        if (!inode)
                return -1;
        if (is_mount_namespace("/proc/self/ns/mnt", inode->u32))
                return 0;
        if (is_mount_namespace("/proc/1/ns/mnt", inode->u32))
                return 1;
        snprintf(path, sizeof(path), "/proc/%" PRIu32 "/ns/mnt", c->task ? c->task->tgid : 0);
        return c->task && is_mount_namespace(path, inode->u32) ? (pid_t) c->task->tgid : -1;
}

/* The functions at offsets into the file that was probed: not into what has its path by now. */
static void find_symbols(const struct context *c, const char *path, const uint64_t *offsets,
                         size_t n, const char **ret) {
        const struct file_identity which = {c->target->inode, c->target->device};
        pid_t pid = c->symbols ? viewer(c) : -1;

        if (pid >= 0)
                (void) symbols_file_list(c->symbols, pid, path, &which, offsets, n, ret);
}

/* What targets share -------------------------------------------------------------------------- */

/* The text of a target as one string, "" where it has none. */
static const char *text_of(const struct record_target *t, char text[static RECORD_STRING_MAX + 1]) {
        size_t size = MIN((size_t) t->text_size, sizeof(t->text));

        memcpy(text, t->text, size);
        text[size] = 0;
        return text;
}

/* The path of a target. Returns false where it has none. */
static bool path_of(const struct record_target *t, char path[static PATH_SIZE]) {
        return path_from_components(t->text, t->text_size, sizeof(t->text), t->text_cut, path,
                                    PATH_SIZE) >= 0;
}

_printf_(2, 3) static void set_target(const struct context *c, const char *format, ...) {
        char text[PATH_SIZE + SYMBOL_SIZE + RECORD_GROUP_MAX];
        va_list arguments;

        va_start(arguments, format);
        (void) vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        event_set_string(c->event, FIELD_ATTACH_TARGET, text);
}

static void set_netns(const struct context *c) {
        if (c->target->netns != 0)
                event_set_u32(c->event, FIELD_ATTACH_NAMESPACE, c->target->netns);
}

/* The name of something with an id, as in `map 41 "events"`. */
static void set_numbered(const struct context *c, const char *what) {
        char text[RECORD_STRING_MAX + 1];

        if (text_of(c->target, text)[0])
                set_target(c, "%s %" PRIu32 " \"%s\"", what, c->target->id, text);
        else
                set_target(c, "%s %" PRIu32, what, c->target->id);
}

/* Kinds ---------------------------------------------------------------------------------------- */

static void describe_function(const struct context *c) {
        const struct record_target *t = c->target;
        char text[RECORD_STRING_MAX + 1], symbol[SYMBOL_SIZE];

        if (t->address != 0)
                event_set_u64(c->event, FIELD_ATTACH_ADDRESS, t->address);
        if (text_of(t, text)[0] && t->offset != 0)
                set_target(c, "%s+0x%llx", text, t->offset);
        else if (text[0])
                set_target(c, "%s", text);
        else if (t->address != 0 && c->symbols &&
                 symbols_kernel(c->symbols, t->address, symbol, sizeof(symbol)) >= 0)
                set_target(c, "%s", symbol);
        else if (t->address != 0)
                set_target(c, "0x%llx", t->address);
}

static void describe_file(const struct context *c) {
        const struct record_target *t = c->target;
        const uint64_t offset = t->offset;
        const char *symbol = NULL;
        char path[PATH_SIZE];

        if (!path_of(t, path))
                return;
        find_symbols(c, path, &offset, 1, &symbol);
        if (symbol)
                set_target(c, "%s:%s", path, symbol);
        else
                set_target(c, "%s+0x%llx", path, t->offset);
}

static void describe_tracepoint(const struct context *c) {
        const struct record_target *t = c->target;
        char text[RECORD_STRING_MAX + 1];

        if (!text_of(t, text)[0])
                return;
        if (t->group[0])
                set_target(c, "%.*s:%s", RECORD_GROUP_MAX, t->group, text);
        else
                set_target(c, "%s", text);
}

/* The three numbers that the configuration of a cache event is made of. */
static bool describe_cache(const struct context *c) {
        uint64_t config = c->target->config;
        const char *cache = NAME_AT(cache_names, config & 0xff);
        const char *operation = NAME_AT(cache_operations, config >> 8 & 0xff);
        const char *result = NAME_AT(cache_results, config >> 16 & 0xff);

        if (!cache || !operation || !result)
                return false;
        set_target(c, "cache:%s-%s-%s", cache, operation, result);
        return true;
}

static void describe_perf(const struct context *c) {
        const struct record_target *t = c->target;
        const char *type = NAME_AT(perf_types, t->type), *name = NULL;

        if (t->type == PERF_TYPE_BREAKPOINT && t->address != 0) {
                event_set_u64(c->event, FIELD_ATTACH_ADDRESS, t->address);
                set_target(c, "breakpoint:0x%llx", t->address);
                return;
        }
        /* On a processor with two kinds of cores, the upper half says which. */
        if (t->type == PERF_TYPE_HARDWARE)
                name = NAME_AT(hardware_names, (uint32_t) t->config);
        else if (t->type == PERF_TYPE_SOFTWARE)
                name = NAME_AT(software_names, t->config);
        else if (t->type == PERF_TYPE_HW_CACHE && describe_cache(c))
                return;

        if (name)
                set_target(c, "%s:%s", type, name);
        else if (type)
                set_target(c, "%s:0x%llx", type, t->config);
        else
                set_target(c, "type-%" PRIu32 ":0x%llx", t->type, t->config);
}

static void describe_cgroup(const struct context *c) {
        char path[PATH_SIZE];

        if (path_of(c->target, path))
                set_target(c, "%s", path);
        else if (c->target->text_size == 0 && !c->target->text_cut)
                set_target(c, "/");
}

/* Where a filter of traffic control is, as tc(8) says it. include/uapi/linux/pkt_sched.h */
static void add_place(const struct record_target *t, char *place, size_t n) {
        const char *direction = NULL;

        if ((t->parent & TC_H_MAJ_MASK) == (TC_H_CLSACT & TC_H_MAJ_MASK))
                direction = (t->parent & TC_H_MIN_MASK) == TC_H_MIN_INGRESS  ? " ingress"
                            : (t->parent & TC_H_MIN_MASK) == TC_H_MIN_EGRESS ? " egress"
                                                                             : NULL;
        if (t->parent == 0)
                place[0] = 0;
        else if (direction)
                snprintf(place, n, "%s", direction);
        else
                snprintf(place, n, " parent %x:%x", t->parent >> 16, t->parent & TC_H_MIN_MASK);

        if (t->priority != 0)
                snprintf(place + strlen(place), n - strlen(place), " pref %" PRIu32, t->priority);
        if (t->handle != 0)
                snprintf(place + strlen(place), n - strlen(place), " handle 0x%" PRIx32, t->handle);
}

static void describe_interface(const struct context *c) {
        const struct record_target *t = c->target;
        char text[RECORD_STRING_MAX + 1], place[64];

        add_place(t, place, sizeof(place));
        if (text_of(t, text)[0])
                set_target(c, "%s%s", text, place);
        else if (t->ifindex != 0)
                set_target(c, "interface %" PRIu32 "%s", t->ifindex, place);
        if (t->ifindex != 0)
                event_set_u32(c->event, FIELD_ATTACH_IFINDEX, t->ifindex);
        set_netns(c);
}

static void describe_netns(const struct context *c) {
        set_target(c, "netns %" PRIu32, c->target->netns);
        set_netns(c);
}

static void describe_map(const struct context *c) {
        set_numbered(c, "map");
}

static void describe_program(const struct context *c) {
        set_numbered(c, "program");
}

static void describe_struct_ops(const struct context *c) {
        const struct record_target *t = c->target;
        char text[RECORD_STRING_MAX + 1];

        set_target(c, "%.*s \"%s\"", RECORD_GROUP_MAX, t->group[0] ? t->group : "struct_ops",
                   text_of(t, text));
}

static void describe_iter(const struct context *c) {
        char text[RECORD_STRING_MAX + 1];

        if (text_of(c->target, text)[0] && c->target->id != 0)
                set_target(c, "%s of map %" PRIu32, text, c->target->id);
        else if (text[0])
                set_target(c, "%s", text);
}

static void describe_netfilter(const struct context *c) {
        const struct record_target *t = c->target;
        const char *family = NAME_AT(families, t->family);
        const char *hook = NAME_AT(netfilter_hooks, t->hook);
        char numbers[2][16];

        snprintf(numbers[0], sizeof(numbers[0]), "family-%u", t->family);
        snprintf(numbers[1], sizeof(numbers[1]), "hook-%" PRIu32, t->hook);
        set_target(c, "%s/%s priority %" PRId32, family ?: numbers[0], hook ?: numbers[1],
                   (int32_t) t->priority);
        set_netns(c);
}

/* Which they are comes in a part, where there was room for it. */
static void describe_list(const struct context *c) {
        const struct record_target *t = c->target;
        char path[PATH_SIZE];

        if (path_of(t, path))
                set_target(c, "%s at %" PRIu32 " places", path, t->count);
        else
                set_target(c, "%" PRIu32 " functions", t->count);
}

static void describe_socket(const struct context *c) {
        target_socket_describe(c->event, c->target);
}

static void (*const kinds[_TARGET_MAX])(const struct context *c) = {
        [TARGET_FUNCTION] = describe_function,
        [TARGET_FILE] = describe_file,
        [TARGET_TRACEPOINT] = describe_tracepoint,
        [TARGET_PERF] = describe_perf,
        [TARGET_CGROUP] = describe_cgroup,
        [TARGET_INTERFACE] = describe_interface,
        [TARGET_NETNS] = describe_netns,
        [TARGET_MAP] = describe_map,
        [TARGET_STRUCT_OPS] = describe_struct_ops,
        [TARGET_PROG] = describe_program,
        [TARGET_ITER] = describe_iter,
        [TARGET_NETFILTER] = describe_netfilter,
        [TARGET_LIST] = describe_list,
        [TARGET_SOCKET] = describe_socket,
        [TARGET_PROCESS] = describe_socket,
        [TARGET_TUN] = describe_socket,
        [TARGET_RING] = describe_socket,
};

void target_describe(struct event *e, struct symbols *symbols, const struct record_task *task,
                     const struct record_target *t) {
        static const char *const on_return[] = {"return"};
        const struct context c = {e, symbols, task, t};

        if (t->kind >= _TARGET_MAX || !kinds[t->kind])
                return;
        kinds[t->kind](&c);
        if (t->is_return && !event_has(e, FIELD_ATTACH_FLAGS))
                event_set_strings(e, FIELD_ATTACH_FLAGS, on_return, 1);
}

/* Lists ---------------------------------------------------------------------------------------- */

/* Sets attach.targets from `n` names (NULL: its number in hexadecimal); `total` there are. */
static void set_targets(struct event *e, const char *const *names, const uint64_t *numbers,
                        size_t n, uint64_t total) {
        size_t shown = total <= TARGETS_SHOWN_MAX ? n : MIN(n, (size_t) TARGETS_SHOWN_MAX - 1);
        char texts[TARGETS_SHOWN_MAX][NAME_SHOWN_MAX];
        const char *items[TARGETS_SHOWN_MAX];
        size_t i;

        for (i = 0; i < shown; i++) {
                if (names[i])
                        snprintf(texts[i], sizeof(texts[i]), "%s", names[i]);
                else
                        snprintf(texts[i], sizeof(texts[i]), "0x%" PRIx64, numbers[i]);
                items[i] = texts[i];
        }
        if (total > shown && i < TARGETS_SHOWN_MAX) {
                snprintf(texts[i], sizeof(texts[i]), "and %" PRIu64 " more", total - shown);
                items[i] = texts[i];
                i++;
        }
        if (i > 0)
                event_set_strings(e, FIELD_ATTACH_TARGETS, items, i);
}

static void describe_numbers(const struct context *c, const struct part *list, bool in_file) {
        const char *names[TARGETS_SHOWN_MAX] = {};
        const uint64_t *numbers = list->data;
        size_t n = MIN(list->size / sizeof(*numbers), (size_t) TARGETS_SHOWN_MAX);
        char path[PATH_SIZE];

        /* A failed look-up leaves the names that it did not get to. */
        if (c->symbols && !in_file)
                (void) symbols_kernel_list(c->symbols, numbers, n, names);
        else if (in_file && path_of(c->target, path))
                find_symbols(c, path, numbers, n, names);
        set_targets(c->event, names, numbers, n, list->total / sizeof(*numbers));
}

void target_describe_list(struct event *e, struct symbols *symbols, const struct record_task *task,
                          const struct record_target *t, enum part_kind kind,
                          const struct part *list) {
        const struct context c = {e, symbols, task, t};

        switch (kind) {
        case PART_ADDRESSES:
                describe_numbers(&c, list, false);
                break;
        case PART_OFFSETS:
                describe_numbers(&c, list, true);
                break;
        default:
                break;
        }
}
