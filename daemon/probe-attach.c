/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which alternative of a probe works on this kernel, and attaching it. */

#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "attach.h"
#include "log.h"
#include "monitor.h"
#include "probe-set.h"
#include "util.h"

#include "bpfmon.skel.h"

/* Whether the running kernel has a function. Slow: only asked about one that could not be hooked.
 */
static bool kernel_has(const char *function) {
        _cleanup_fclose_ FILE *f = fopen("/proc/kallsyms", "re");
        char line[512], name[256];

        if (!f)
                return true;
        while (fgets(line, sizeof(line), f))
                if (sscanf(line, "%*s %*s %255s", name) == 1 && strcmp(name, function) == 0)
                        return true;
        return false;
}

static void detach(struct probe_set *p, struct probe *probe) {
        for (size_t i = 0; i < HOOKS_TOGETHER_MAX; i++) {
                if (probe->links[i] > 0) {
                        close(probe->links[i]);
                        handover_drop(p->handover, HANDOVER_LINK, hook_program(probe->hooks[i]));
                }
                probe->links[i] = 0;
                ownership_give(&p->ownership, OBJECT_LINK, probe->link_ids[i]);
                probe->link_ids[i] = 0;
                probe->monitors[i] = monitor_free(probe->monitors[i]);
        }
}

void probe_let_go(struct probe_set *p, struct probe *probe) {
        if (!handover_kept(p->handover)) {
                detach(p, probe);
                return;
        }
        for (size_t i = 0; i < HOOKS_TOGETHER_MAX; i++) {
                if (probe->links[i] > 0)
                        close(probe->links[i]);
                monitor_free(probe->monitors[i]);
        }
}

/* The daemon before us may have attached it. */
static int attach_one(struct probe_set *p, struct probe *probe, size_t i, enum hook hook) {
        const char *program = hook_program(hook);
        int fd, k;

        if (!program)
                return monitor_new(&probe->monitors[i], hook, p->loop, &p->options,
                                   &probe_monitor_handlers, p);
        fd = handover_take(p->handover, HANDOVER_LINK, program);
        if (fd < 0) {
                fd = attach_program(hook, p->kernel.programs[hook]);
                if (fd < 0)
                        return fd;
                k = handover_keep(p->handover, HANDOVER_LINK, program, fd);
                if (k < 0)
                        log_warning("%s cannot be handed to the next bpfmond: %s", hook_name(hook),
                                    strerror(-k));
        }
        probe->links[i] = fd;
        probe->hooks[i] = hook;
        probe->link_ids[i] = ownership_take(&p->ownership, OBJECT_LINK, fd);
        return 0;
}

static bool have_tracepoint(enum hook hook) {
        const char *dir = attach_events_dir(), *name = hook_function(hook),
                   *colon = strchr(name, ':');
        char path[PATH_MAX];

        if (!dir || !colon)
                return false;
        snprintf(path, sizeof(path), "%s/%.*s/%s", dir, (int) (colon - name), name, colon + 1);
        return attach_exists(path);
}

/* What can be known about an alternative without attaching it: to let go of a tracepoint takes the
 * kernel some 50 ms (measured on 6.18). Says in `ret_failed` which hook cannot be had. */
static int can_attach(const struct probe_set *p, const struct alternative *a,
                      enum hook *ret_failed) {
        bool possible;

        for (size_t i = 0; i < HOOKS_TOGETHER_MAX && a->hooks[i]; i++) {
                possible = hook_is_kprobe(a->hooks[i]) ? p->kprobes
                           : a->when == WHILE_TIMED    ? have_tracepoint(a->hooks[i])
                                                       : true;
                if (possible)
                        continue;
                *ret_failed = a->hooks[i];
                return hook_is_kprobe(a->hooks[i]) ? -EOPNOTSUPP : -ENOENT;
        }
        return 0;
}

bool probe_is_loaded(const struct probe_set *p, enum hook hook) {
        return !hook_is_again(hook) || p->kernel.programs[hook] >= 0;
}

bool probe_set_preempted(const struct probe_set *p) {
        return probe_is_loaded(p, HOOK_SYS_EXIT_BPF_AGAIN);
}

/* Attaches all the hooks of an alternative, or none and says in `ret_failed` which one it was. */
static int attach(struct probe_set *p, struct probe *probe, const struct alternative *a,
                  enum hook *ret_failed) {
        int k;

        for (size_t i = 0; i < HOOKS_TOGETHER_MAX && a->hooks[i]; i++) {
                if (!probe_is_loaded(p, a->hooks[i]))
                        continue;
                k = attach_one(p, probe, i, a->hooks[i]);
                if (k < 0) {
                        detach(p, probe);
                        *ret_failed = a->hooks[i];
                        return k;
                }
        }
        return 0;
}

/* The first alternative that is one on this kernel. */
static size_t first_of(const struct probe_set *p, const struct probe_info *info) {
        size_t n = 0;

        while (n + 1 < ALTERNATIVES_MAX && info->alternatives[n + 1].hooks[0] &&
               hook_is_instead(info->alternatives[n].hooks[0]) && !probe_set_preempted(p))
                n++;
        return n;
}

/* Whether the first alternative could not be had for want of a function. */
static bool kernel_lacks_first(const struct probe_set *p, const struct probe_info *info,
                               const struct probe *probe) {
        const size_t first = first_of(p, info);
        const struct alternative *a = &info->alternatives[first];

        /* What the kernel says of a function that it does not find. */
        if (probe->errors[first] == ENOENT && hook_is_kprobe(probe->failed[first]))
                return true;
        for (size_t i = 0; i < HOOKS_TOGETHER_MAX && a->hooks[i]; i++)
                if (hook_is_kprobe(a->hooks[i]) && !kernel_has(hook_function(a->hooks[i])))
                        return true;
        return false;
}

static bool is_off(const struct probe_set *p, const struct alternative *a) {
        return (a->when == WHILE_KPROBES && !p->kprobes) ||
               a->when == (p->options.observe == OBSERVE_PID ? UNLESS_OBSERVING_PID
                                                             : WHEN_OBSERVING_PID);
}

/* Attached while somebody asks for what it brings. */
static bool is_temporary(const struct alternative *a) {
        return a->when == WHILE_TIMED || a->when == WHILE_CONNECTIONS;
}

/* Somebody listened when the daemon before us ended. */
static bool was_attached(const struct probe_set *p, const struct alternative *a) {
        return hook_program(a->hooks[0]) &&
               handover_has(p->handover, HANDOVER_LINK, hook_program(a->hooks[0]));
}

/* Whether the daemon before us found that only an alternative behind this one works. */
static bool was_attached_later(const struct probe_set *p, const struct probe_info *info, size_t n) {
        for (n++; n < ALTERNATIVES_MAX && info->alternatives[n].hooks[0]; n++)
                if (was_attached(p, &info->alternatives[n]))
                        return true;
        return false;
}

/* Takes the first alternative that works. */
static void probe_attach(struct probe_set *p, size_t i) {
        const struct probe_info *info = &probe_table[i];
        struct probe *probe = &p->probes[i];
        const size_t first = first_of(p, info);
        const struct alternative *a;
        bool skipped = false;
        int k;

        probe->chosen = -1;
        probe->state = STATE_FAILED;
        for (size_t n = first; n < ALTERNATIVES_MAX && info->alternatives[n].hooks[0]; n++) {
                a = &info->alternatives[n];
                if (is_off(p, a)) {
                        probe->state = STATE_OFF;
                        return;
                }
                if (is_temporary(a) && was_attached_later(p, info, n)) {
                        probe->errors[n] = ENOENT;
                        probe->failed[n] = a->hooks[0];
                        skipped = true;
                        continue;
                }
                k = can_attach(p, a, &probe->failed[n]);
                if (k >= 0 && (!is_temporary(a) || was_attached(p, a)))
                        k = attach(p, probe, a, &probe->failed[n]);
                if (k < 0) {
                        probe->errors[n] = -k;
                        continue;
                }
                probe->chosen = (int) n;
                /* EINVAL: the function is there, and the kernel lets nobody hook it. */
                probe->as_good = n == first || (a->as_good && p->kprobes &&
                                                (skipped || probe->errors[first] == EINVAL ||
                                                 kernel_lacks_first(p, info, probe)));
                probe->state = probe->links[0] > 0 || !is_temporary(a) ? STATE_ATTACHED
                                                                       : STATE_WAITING;
                return;
        }
        if (info->absent && p->kprobes && kernel_lacks_first(p, info, probe))
                probe->state = STATE_ABSENT;
}

static const char *attach_advice(int error) {
        if (!attach_events_dir())
                return "mount tracefs: mount -t tracefs nodev /sys/kernel/tracing";
        if (error == EPERM || error == EACCES)
                return "run it as root, or with CAP_BPF, CAP_PERFMON and CAP_DAC_OVERRIDE";
        return "the kernel needs CONFIG_FTRACE_SYSCALLS and CONFIG_BPF_EVENTS";
}

/* What kept a probe from working: the first alternative that was tried says. Returns a negative
 * errno, after logging it. */
static int explain_attach(const struct probe *probe) {
        size_t i = 0;

        while (i < ALTERNATIVES_MAX - 1 && probe->errors[i] == 0)
                i++;
        log_error("Cannot attach %s: %s; %s", hook_name(probe->failed[i]) ?: "a hook",
                  strerror(probe->errors[i]), attach_advice(probe->errors[i]));
        return probe->errors[i] > 0 ? -probe->errors[i] : -ENOENT;
}

int probe_attach_row(struct probe_set *p, size_t i) {
        probe_attach(p, i);
        if (p->probes[i].state == STATE_ATTACHED && probe_chosen(p, i)->hooks[0] == HOOK_BPF_CHECK)
                p->kernel.bss->sees_verifier = CALL_SEES_VERIFIER;
        if (probe_table[i].required && p->probes[i].state != STATE_ATTACHED)
                return explain_attach(&p->probes[i]);
        return 0;
}

bool probe_have_kprobes(const struct probe_options *options) {
        if (options->no_kprobes)
                return false;
        return attach_exists("/sys/bus/event_source/devices/kprobe/type") ||
               attach_exists("/sys/kernel/tracing/kprobe_events") ||
               attach_exists("/sys/kernel/debug/tracing/kprobe_events");
}

/* Attaches what serves what is asked for now: the alternative that was chosen, or, where that turns
 * out not to work, one behind it. */
static int attach_temporary(struct probe_set *p, size_t i) {
        const struct alternative *all = probe_table[i].alternatives;
        struct probe *probe = &p->probes[i];
        int result = 0, k;

        for (int n = probe->chosen; n < ALTERNATIVES_MAX && all[n].hooks[0]; n++) {
                k = can_attach(p, &all[n], &probe->failed[n]);
                if (k >= 0)
                        k = attach(p, probe, &all[n], &probe->failed[n]);
                probe->errors[n] = k < 0 ? -k : 0;
                if (k >= 0) {
                        if (n != probe->chosen)
                                probe->as_good = all[n].as_good;
                        probe->chosen = n;
                        probe->state = STATE_ATTACHED;
                        return 0;
                }
                result = result ?: k;
        }
        probe->state = STATE_FAILED;
        return result;
}

int probe_want_temporary(struct probe_set *p, enum attach_when when, bool wanted) {
        const struct alternative *a;
        struct probe *probe;
        int result = 0, k;

        for (size_t i = 0; i < probe_count; i++) {
                a = probe_chosen(p, i);
                probe = &p->probes[i];
                if (!a || a->when != when || wanted == (probe->state == STATE_ATTACHED))
                        continue;
                if (wanted) {
                        bool known = probe->state == STATE_FAILED; /* it was said before */

                        k = attach_temporary(p, i);
                        result = result ?: known ? 0 : k;
                        continue;
                }
                detach(p, probe);
                probe->state = STATE_WAITING;
        }
        return result;
}
