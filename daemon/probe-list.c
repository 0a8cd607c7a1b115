/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What there is to say of each probe. */

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event.h"
#include "monitor.h"
#include "probe-set.h"
#include "util.h"

static const char *const state_names[] = {
        [STATE_STARTING] = "starting", [STATE_FAILED] = "failed", [STATE_ATTACHED] = "attached",
        [STATE_WAITING] = "waiting",   [STATE_OFF] = "off",       [STATE_ABSENT] = "absent",
};

static bool is_degraded(const struct probe *probe) {
        return probe->state == STATE_FAILED || (probe->chosen > 0 && !probe->as_good);
}

bool probe_set_degraded(const struct probe_set *p) {
        if (!p->ready)
                return true;
        for (size_t i = 0; i < probe_count; i++)
                if (is_degraded(&p->probes[i]))
                        return true;
        return false;
}

static void describe_failures(struct event *e, const struct probe *probe) {
        char texts[ALTERNATIVES_MAX][128];
        const char *items[ALTERNATIVES_MAX];
        const char *name;
        size_t count = 0;

        for (int n = 0; n < ALTERNATIVES_MAX; n++) {
                if (!probe->errors[n])
                        continue;
                name = strerrorname_np(probe->errors[n]);
                snprintf(texts[count], sizeof(texts[count]), "%s: %s", hook_name(probe->failed[n]),
                         name ?: "unknown error");
                items[count] = texts[count];
                count++;
        }
        if (count > 0)
                event_set_strings(e, FIELD_PROBE_FAILED, items, count);
}

/* What the kernel tells of a link to a kprobe since Linux 6.7: struct bpf_link_info, whose header
 * may be older. */
struct kprobe_link_info {
        uint32_t type, id, prog_id, pad;
        uint32_t event_type, event_pad;
        uint64_t name;
        uint32_t name_size, offset;
        uint64_t address;
        uint64_t missed;
};

/* How often it did not even come to that: too many threads were in the function for the kernel to
 * see them return, or another probe was being served. 0 where the kernel does not tell. */
static uint64_t misses_of_link(int fd, enum hook hook) {
        struct kprobe_link_info info = {};
        uint32_t size = sizeof(info);

        if (fd <= 0 || !hook_is_kprobe(hook) || bpf_obj_get_info_by_fd(fd, &info, &size) < 0 ||
            size < sizeof(info))
                return 0;
        return info.missed;
}

static uint64_t hits_of(const struct probe_set *p, const struct probe *probe,
                        const struct alternative *a, size_t i) {
        if (!hook_program(a->hooks[i]))
                return probe->monitors[i] ? monitor_hits(probe->monitors[i]) : 0;
        return probe_stats_sum(p, offsetof(struct cpu_stats, hits[a->hooks[i]]));
}

/* Whether the hook behind the one at `i` sees the same function return, or stands by for it. */
static bool is_pair(const struct probe_set *p, const struct alternative *a, size_t i) {
        return i + 1 < HOOKS_TOGETHER_MAX && a->hooks[i + 1] &&
               probe_is_loaded(p, a->hooks[i + 1]) &&
               strcmp(hook_function(a->hooks[i]), hook_function(a->hooks[i + 1])) == 0;
}

/* A function that was entered counts when it returns: who is in there has done nothing yet. Which
 * of the hooks were never hit is told, too. */
static void describe_hits(const struct probe_set *p, struct event *e, const struct probe *probe,
                          const struct alternative *a) {
        uint64_t hits = 0, lost = 0, here;
        const char *idle[HOOKS_TOGETHER_MAX];
        size_t n = 0;

        for (size_t i = 0; i < HOOKS_TOGETHER_MAX && a->hooks[i]; i++) {
                if (!probe_is_loaded(p, a->hooks[i]))
                        continue;
                here = hits_of(p, probe, a, i);
                if (!is_pair(p, a, i))
                        hits += here;
                if (here == 0)
                        idle[n++] = hook_name(a->hooks[i]);
                if (hook_program(a->hooks[i]))
                        lost += kernel_side_misses(&p->kernel, a->hooks[i]) +
                                misses_of_link(probe->links[i], a->hooks[i]);
        }
        event_set_u64(e, FIELD_PROBE_HITS, hits);
        event_set_u64(e, FIELD_PROBE_LOST, lost);
        if (n > 0)
                event_set_strings(e, FIELD_PROBE_IDLE, idle, n);
}

static void describe(struct probe_set *p, size_t i, struct event *e) {
        const struct probe_info *info = &probe_table[i];
        const struct probe *probe = &p->probes[i];
        const struct alternative *a = probe_chosen(p, i);

        event_reset(e);
        event_set_static(e, FIELD_PROBE_NAME, info->name);
        event_set_static(e, FIELD_PROBE_STATE,
                         probe->state != STATE_ATTACHED || !is_degraded(probe)
                                 ? state_names[probe->state]
                                 : "degraded");
        event_set_static(e, FIELD_PROBE_PURPOSE, info->purpose);
        describe_failures(e, probe);
        if (a) {
                event_set_static(e, FIELD_PROBE_HOOK, hook_name(a->hooks[0]));
                describe_hits(p, e, probe, a);
        }
        if (probe->state == STATE_ABSENT)
                event_set_static(e, FIELD_PROBE_BLIND, info->absent);
        else if (is_degraded(probe))
                event_set_static(e, FIELD_PROBE_BLIND, info->blind);
}

int probe_set_list(struct probe_set *p, int (*row)(const struct event *e, void *userdata),
                   void *userdata) {
        _cleanup_free_ struct event *e = malloc(sizeof(*e));
        int k;

        if (!e)
                return -ENOMEM;
        for (size_t i = 0; i < probe_count; i++) {
                describe(p, i, e);
                k = row(e, userdata);
                if (k < 0)
                        return k;
        }
        return 0;
}
