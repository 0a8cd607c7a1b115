/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/bpf.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <systemd/sd-event.h>

#include "attach.h"
#include "connection-side.h"
#include "event.h"
#include "handover.h"
#include "hooks.h"
#include "kernel-side.h"
#include "loader.h"
#include "log.h"
#include "monitor.h"
#include "observe.h"
#include "ownership.h"
#include "probe.h"
#include "ring.h"
#include "util.h"

#include "bpfmon.skel.h"

enum probe_state {
        STATE_STARTING,
        STATE_FAILED,
        STATE_ATTACHED,
        STATE_WAITING,
        STATE_OFF,
        STATE_ABSENT
};

static const char *const state_names[] = {
        [STATE_STARTING] = "starting", [STATE_FAILED] = "failed", [STATE_ATTACHED] = "attached",
        [STATE_WAITING] = "waiting",   [STATE_OFF] = "off",       [STATE_ABSENT] = "absent",
};

struct probe {
        enum probe_state state;
        int chosen;   /* index of the alternative in use or to be used, -1: none */
        bool as_good; /* nothing better can be had from this kernel */
        int errors[ALTERNATIVES_MAX];
        enum hook failed[ALTERNATIVES_MAX]; /* which of the alternative's hooks it was */
        int links[HOOKS_TOGETHER_MAX];      /* fds; 0: none */
        uint32_t link_ids[HOOKS_TOGETHER_MAX];
        enum hook hooks[HOOKS_TOGETHER_MAX]; /* of the links */
        struct monitor *monitors[HOOKS_TOGETHER_MAX];
};

struct probe_set {
        struct kernel_side kernel;
        struct handover *handover;
        struct probe *probes; /* of probe_table */
        struct sd_event *loop;
        struct ring *ring;
        struct probe_handlers handlers;
        void *userdata;
        struct probe_options options;
        struct ownership ownership;
        struct connection_side *connections;
        bool kprobes;

        /* struct cpu_stats of each CPU, shared with the kernel side. */
        const volatile uint8_t *stats;
        size_t stats_size, stats_stride;
        unsigned cpus;
        struct handover_told told; /* of these */
        bool held;                 /* nothing is handed out yet */

        /* While it starts. */
        struct loader *loader;
        sd_event_source *step; /* attaches one after the other */
        size_t next;           /* that is to be attached */
        bool ready;
};

static const struct alternative *chosen(const struct probe_set *p, size_t i) {
        return p->probes[i].chosen < 0 ? NULL : &probe_table[i].alternatives[p->probes[i].chosen];
}

/* Loss and hits -------------------------------------------------------------------------------- */

static uint64_t stats_sum(const struct probe_set *p, size_t offset) {
        uint64_t sum = 0;

        for (unsigned i = 0; i < p->cpus; i++)
                sum += *(const volatile uint64_t *) (p->stats + i * p->stats_stride + offset);
        return sum;
}

static void report_one(struct probe_set *p, int slot, const char *where, size_t offset,
                       uint64_t *before) {
        uint64_t now = stats_sum(p, offset);
        struct probe_loss loss = {.slot = slot, .where = where, .count = now - *before};

        *before = now;
        if (loss.count > 0)
                p->handlers.loss(&loss, p->userdata);
}

static void report_loss(struct probe_set *p) {
        uint64_t lost = stats_sum(p, offsetof(struct cpu_stats, lost));

        if (lost == p->told.lost)
                return;
        p->told.lost = lost;
        for (int i = 0; i < COMMAND_SLOTS; i++) {
                report_one(p, i, "ring", offsetof(struct cpu_stats, lost_ring[i]),
                           &p->told.lost_ring[i]);
                report_one(p, i, "probe", offsetof(struct cpu_stats, lost_probe[i]),
                           &p->told.lost_probe[i]);
        }
        report_one(p, LOSS_CONNECTIONS, "ring", offsetof(struct cpu_stats, lost_connections),
                   &p->told.lost_connections);
        report_one(p, LOSS_ACTIONS, "ring", offsetof(struct cpu_stats, lost_actions),
                   &p->told.lost_actions);
        report_one(p, LOSS_OTHER, "ring", offsetof(struct cpu_stats, lost_other),
                   &p->told.lost_other);
}

static void on_record(const void *data, size_t size, void *userdata) {
        struct probe_set *p = userdata;

        if (handover_full(p->handover))
                probe_set_commit(p);
        handover_record_begins(p->handover);
        p->handlers.record(data, size, p->userdata);
        handover_record_ends(p->handover);
}

static bool on_monitor_settle(void *userdata) {
        struct probe_set *p = userdata;

        return ring_drain_all(p->ring);
}

/* What the kernel side has sent up to now came before: a program is loaded before it goes. And what
 * was read by the daemon before has its numbers already. */
static void on_monitor_record(const void *data, size_t size, void *userdata) {
        struct probe_set *p = userdata;

        ring_drain_all(p->ring);
        p->handlers.record(data, size, p->userdata);
}

static void on_monitor_lost(uint64_t count, void *userdata) {
        struct probe_set *p = userdata;
        const struct probe_loss loss = {LOSS_ACTIONS, "monitor", count};

        p->handlers.loss(&loss, p->userdata);
}

static void on_monitor_idle(void *userdata) {
        struct probe_set *p = userdata;

        p->handlers.idle(p->userdata);
}

static const struct monitor_handlers monitor_handlers = {on_monitor_settle, on_monitor_record,
                                                         on_monitor_lost, on_monitor_idle};

static void report_left(struct probe_set *p) {
        uint64_t left = stats_sum(p, offsetof(struct cpu_stats, left));

        if (left == p->told.left)
                return;
        p->told.left = left;
        p->handlers.left(p->userdata);
}

static void on_drained(void *userdata) {
        struct probe_set *p = userdata;

        report_loss(p);
        report_left(p);
        p->handlers.idle(p->userdata);
}

static void on_pressed(void *userdata) {
        struct probe_set *p = userdata;

        p->handlers.pressed(p->userdata);
}

/* Attaching ------------------------------------------------------------------------------------ */

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

/* At the end: what is kept for the next daemon stays attached. */
static void let_go(struct probe_set *p, struct probe *probe) {
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
                                   &monitor_handlers, p);
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

/* Only some kernels have a use for programs that do what others missed. */
static bool is_loaded(const struct probe_set *p, enum hook hook) {
        return !hook_is_again(hook) || p->kernel.programs[hook] >= 0;
}

/* Attaches all the hooks of an alternative, or none and says in `ret_failed` which one it was. */
static int attach(struct probe_set *p, struct probe *probe, const struct alternative *a,
                  enum hook *ret_failed) {
        int k;

        for (size_t i = 0; i < HOOKS_TOGETHER_MAX && a->hooks[i]; i++) {
                if (!is_loaded(p, a->hooks[i]))
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

/* Whether the first alternative could not be had for want of a function. */
static bool kernel_lacks_first(const struct probe_info *info, const struct probe *probe) {
        const struct alternative *a = &info->alternatives[0];

        /* What the kernel says of a function that it does not find. */
        if (probe->errors[0] == ENOENT && hook_is_kprobe(probe->failed[0]))
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
        const struct alternative *a;
        bool skipped = false;
        int k;

        probe->chosen = -1;
        probe->state = STATE_FAILED;
        for (size_t n = 0; n < ALTERNATIVES_MAX && info->alternatives[n].hooks[0]; n++) {
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
                probe->as_good = n == 0 || (a->as_good && p->kprobes &&
                                            (skipped || probe->errors[0] == EINVAL ||
                                             kernel_lacks_first(info, probe)));
                probe->state = probe->links[0] > 0 || !is_temporary(a) ? STATE_ATTACHED
                                                                       : STATE_WAITING;
                return;
        }
        if (info->absent && p->kprobes && kernel_lacks_first(info, probe))
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

/* Attaches one of the table, as well as this kernel allows. Fails where nothing works without it.
 */
static int attach_row(struct probe_set *p, size_t i) {
        probe_attach(p, i);
        if (p->probes[i].state == STATE_ATTACHED && chosen(p, i)->hooks[0] == HOOK_BPF_CHECK)
                p->kernel.bss->sees_verifier = CALL_SEES_VERIFIER;
        if (probe_table[i].required && p->probes[i].state != STATE_ATTACHED)
                return explain_attach(&p->probes[i]);
        return 0;
}

static int attach_rest(struct probe_set *p) {
        int k = 0;

        for (size_t i = 0; k >= 0 && i < probe_count; i++)
                if (p->probes[i].state == STATE_STARTING)
                        k = attach_row(p, i);
        return k;
}

bool probe_have_kprobes(const struct probe_options *options) {
        if (options->no_kprobes)
                return false;
        return attach_exists("/sys/bus/event_source/devices/kprobe/type") ||
               attach_exists("/sys/kernel/tracing/kprobe_events") ||
               attach_exists("/sys/kernel/debug/tracing/kprobe_events");
}

/* Loading -------------------------------------------------------------------------------------- */

static int map_stats(struct probe_set *p) {
        size_t page = (size_t) sysconf(_SC_PAGESIZE);
        void *m;

        /* kernel/bpf/arraymap.c: elements are rounded up to eight bytes. */
        p->stats_stride = (sizeof(struct cpu_stats) + 7) & ~(size_t) 7;
        p->stats_size = (p->cpus * p->stats_stride + page - 1) & ~(page - 1);
        m = mmap(NULL, p->stats_size, PROT_READ, MAP_SHARED, p->kernel.maps[MAP_STATS], 0);
        if (m == MAP_FAILED) {
                int k = -errno;

                log_error("Cannot map the kernel side's counters: %s", strerror(-k));
                return k;
        }
        p->stats = m;
        return 0;
}

/* Takes over what the daemon before us left, where that can be used. */
static bool adopt(struct probe_set *p) {
        int k;

        if (!handover_adopts(p->handover))
                return false;
        k = kernel_side_adopt(&p->kernel, p->handover);
        if (k >= 0)
                return true;
        log_warning("What the last bpfmond left cannot be taken over: %s; beginning anew",
                    strerror(-k));
        handover_give_up(p->handover);
        return false;
}

/* The kernel side is there, loaded or taken over. */
static int hold_on(struct probe_set *p) {
        p->ownership = (struct ownership){p->kernel.maps[MAP_OWN_OBJECTS], p->handlers.own,
                                          p->userdata};
        if (handover_adopts(p->handover))
                ownership_adopt(&p->ownership);
        else
                ownership_take_all(&p->ownership, p->kernel.skel->obj);
        p->told = *handover_told(p->handover);
        int k = connection_side_new(&p->connections, &p->kernel, &p->ownership, p->handover,
                                    p->cpus);
        return k < 0 ? k : map_stats(p);
}

static int observe_setup(struct probe_set *p) {
        const struct probe_options *o = &p->options;
        const struct kernel_side *s = &p->kernel;

        switch (o->observe) {
        case OBSERVE_CGROUP:
                return observe_cgroup(s->maps[MAP_OBSERVED_CGROUP], o->cgroup);
        case OBSERVE_PID:
                return observe_process_tree(s->maps[MAP_OBSERVED_TGIDS], o->pid, s->bss->own_tgid);
        default:
                return 0;
        }
}

/* Programs that were run once go without anybody telling, since it is us who drops them. */
static void give_the_rest(struct probe_set *p) {
        struct bpf_program *program;

        bpf_object__for_each_program (program, p->kernel.skel->obj)
                if (!kernel_side_holds(&p->kernel, p->handover, bpf_program__name(program)))
                        ownership_give_program(&p->ownership, bpf_program__fd(program));
}

static int keep_watching(struct probe_set *p, bool adopted) {
        int k;

        if (!adopted) {
                k = observe_setup(p);
                if (k < 0)
                        return k;
                if (p->kprobes)
                        kernel_side_seed_maps(&p->kernel);
                give_the_rest(p);
                kernel_side_loaded(&p->kernel);
        }
        k = handover_begin(p->handover);
        if (k < 0)
                log_warning("The service manager keeps nothing for the next bpfmond: %s",
                            strerror(-k));
        malloc_trim(0); /* libbpf has just freed the kernel's BTF */
        return 0;
}

/* Starting ------------------------------------------------------------------------------------- */

/* What is left to be done when the hooks are attached that only bring records: the ring is read
 * from here on. A monitor wakes the loop at once, and hands out what is in the ring before. */
static int finish(struct probe_set *p) {
        static const struct ring_handlers ring_handlers = {on_record, on_drained, on_pressed};
        int k = ring_new(&p->ring, p->kernel.maps[MAP_RING], handover_position(p->handover),
                         p->loop, &ring_handlers, p);

        if (k < 0) {
                log_error("Cannot read the ring buffer: %s", strerror(-k));
                return k;
        }
        /* Forks are followed before the first process is named, so that no child is missed. */
        k = attach_rest(p);
        if (k >= 0)
                k = keep_watching(p, handover_adopts(p->handover));
        p->ready = k >= 0;
        return k;
}

static void end_start(struct probe_set *p, int result) {
        p->step = sd_event_source_disable_unref(p->step);
        p->handlers.ready(result, p->userdata);
}

/* Whether it may be attached to what is no program. */
static bool may_monitor(size_t i) {
        const struct alternative *a = probe_table[i].alternatives;

        for (size_t n = 0; n < ALTERNATIVES_MAX; n++)
                for (size_t j = 0; j < HOOKS_TOGETHER_MAX && a[n].hooks[j]; j++)
                        if (!hook_program(a[n].hooks[j]))
                                return true;
        return false;
}

/* One a turn of the loop: each takes the kernel some milliseconds, and more where it is slow. */
static int on_step(_unused_ sd_event_source *s, void *userdata) {
        struct probe_set *p = userdata;
        int k = 0;

        while (p->next < probe_count && may_monitor(p->next))
                p->next++;
        if (p->next == probe_count) {
                end_start(p, finish(p));
                return 0;
        }
        k = attach_row(p, p->next++);
        if (k < 0)
                end_start(p, k);
        return 0;
}

static void on_loaded(int result, void *userdata) {
        struct probe_set *p = userdata;

        p->loader = loader_free(p->loader);
        if (result >= 0)
                result = hold_on(p);
        if (result >= 0)
                result = sd_event_add_defer(p->loop, &p->step, on_step, p);
        if (result >= 0)
                result = sd_event_source_set_enabled(p->step, SD_EVENT_ON);
        if (result < 0)
                end_start(p, result);
}

int probe_set_start(struct probe_set *p) {
        int cpus = libbpf_num_possible_cpus(), k;

        if (cpus < 0) {
                log_error("Cannot count the processors: %s", strerror(-cpus));
                return cpus;
        }
        p->cpus = (unsigned) cpus;
        /* Before 5.11 the memory of maps counts as locked. */
        (void) setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
        if (adopt(p)) {
                k = hold_on(p);
                if (k >= 0)
                        k = finish(p);
                return k < 0 ? k : 1;
        }
        k = loader_new(
                &p->loader, p->loop,
                &(struct loader_order){&p->kernel, &p->options, p->kprobes, p->cpus, p->handover},
                on_loaded, p);
        if (k < 0)
                log_error("Cannot start: %s", strerror(-k));
        return k;
}

bool probe_set_ready(const struct probe_set *p) {
        return p->ready;
}

DEFINE_CLEANUP(struct probe_set *, probe_set_free);

int probe_set_new(struct probe_set **ret, struct sd_event *loop,
                  const struct probe_options *options, struct handover *handover,
                  const struct probe_handlers *handlers, void *userdata) {
        _cleanup_(probe_set_freep) struct probe_set *p = calloc(1, sizeof(*p));

        if (!p)
                return -ENOMEM;
        kernel_side_init(&p->kernel);
        p->handlers = *handlers;
        p->userdata = userdata;
        p->options = *options;
        p->handover = handover;
        p->loop = sd_event_ref(loop);
        p->probes = calloc(probe_count, sizeof(*p->probes));
        if (!p->probes)
                return -ENOMEM;
        for (size_t i = 0; i < probe_count; i++)
                p->probes[i].chosen = -1;
        p->kprobes = probe_have_kprobes(options);
        *ret = TAKE_PTR(p);
        return 0;
}

struct probe_set *probe_set_free(struct probe_set *p) {
        if (!p)
                return NULL;
        loader_free(p->loader);
        sd_event_source_disable_unref(p->step);
        for (size_t i = 0; p->probes && i < probe_count; i++)
                let_go(p, &p->probes[i]);
        free(p->probes);
        sd_event_unref(p->loop);
        ring_free(p->ring);
        if (p->stats)
                munmap((void *) p->stats, p->stats_size);
        connection_side_free(p->connections);
        kernel_side_done(&p->kernel);
        free(p);
        return NULL;
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

/* Attaches or detaches the probes that serve what is asked for at times. */
static int want_temporary(struct probe_set *p, enum attach_when when, bool wanted) {
        const struct alternative *a;
        struct probe *probe;
        int result = 0, k;

        for (size_t i = 0; i < probe_count; i++) {
                a = chosen(p, i);
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

static bool is_attached(const struct probe_set *p, const char *name) {
        for (size_t i = 0; i < probe_count; i++)
                if (strcmp(probe_table[i].name, name) == 0)
                        return p->probes[i].state == STATE_ATTACHED;
        return false;
}

/* First the map, then who fills it; what was open before comes in when both are there. */
static int want_connections(struct probe_set *p, uint32_t max) {
        bool had = connection_side_runs(p->connections);
        int k = max > 0 ? connection_side_start(p->connections, max) : 0;

        if (k < 0)
                return k;
        k = want_temporary(p, WHILE_CONNECTIONS, max > 0);
        connection_side_count(p->connections, is_attached(p, "connection"));
        if (max == 0)
                connection_side_stop(p->connections);
        else if (!had)
                (void) connection_side_round(p->connections);
        return k;
}

int probe_set_want(struct probe_set *p, const struct probe_wants *wants) {
        uint32_t connections = wants->connections;
        int result, k;

        if (!p->ready)
                return 0;
        if (p->held && connection_side_runs(p->connections))
                connections = connection_side_max(p->connections);
        p->kernel.bss->wants_content = wants->content || (p->held && p->kernel.bss->wants_content);
        p->kernel.bss->wanted = wants->commands | (p->held ? p->kernel.bss->wanted : 0);
        result = want_temporary(p, WHILE_TIMED, wants->timed || p->held);
        k = want_connections(p, connections);
        return result ?: k;
}

void probe_set_drain(struct probe_set *p) {
        if (p->ready)
                ring_drain(p->ring);
}

void probe_set_hold(struct probe_set *p, bool hold) {
        p->held = hold;
        ring_hold(p->ring, hold);
        for (size_t i = 0; i < probe_count; i++)
                for (size_t j = 0; j < HOOKS_TOGETHER_MAX; j++)
                        if (p->probes[i].monitors[j])
                                monitor_hold(p->probes[i].monitors[j], hold);
}

bool probe_set_presses(const struct probe_set *p) {
        return ring_presses(p->ring);
}

/* First what the next daemon begins with: it never reads what the kernel side may have written
 * over.
 */
void probe_set_commit(struct probe_set *p) {
        handover_commit(p->handover, ring_position(p->ring), p->handlers.lost(p->userdata),
                        &p->told);
        ring_commit(p->ring);
}

static bool has_monitor(const struct probe *probe) {
        for (size_t i = 0; i < HOOKS_TOGETHER_MAX; i++)
                if (probe->monitors[i])
                        return true;
        return false;
}

static bool has_link(const struct probe_set *p, const char *name) {
        for (size_t i = 0; name && i < probe_count; i++)
                if (strcmp(probe_table[i].name, name) == 0)
                        return p->probes[i].links[0] > 0;
        return false;
}

bool probe_set_missed_restart(const struct probe_set *p) {
        for (size_t i = 0; i < probe_count; i++)
                if (has_monitor(&p->probes[i]) && !has_link(p, probe_table[i].behind))
                        return true;
        return false;
}

/* Reporting ------------------------------------------------------------------------------------ */

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

/* How often the kernel could not run a program, as it was in another one on that CPU. 0 before
 * Linux 5.12, and for kprobes and tracepoints before 6.7: not counted there. */
static uint64_t misses(int program_fd) {
        struct bpf_prog_info info = {};
        uint32_t size = sizeof(info);

        if (bpf_obj_get_info_by_fd(program_fd, &info, &size) < 0)
                return 0;
        return info.recursion_misses;
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
        return stats_sum(p, offsetof(struct cpu_stats, hits[a->hooks[i]]));
}

/* Whether the hook behind the one at `i` sees the same function return, or stands by for it. */
static bool is_pair(const struct probe_set *p, const struct alternative *a, size_t i) {
        return i + 1 < HOOKS_TOGETHER_MAX && a->hooks[i + 1] && is_loaded(p, a->hooks[i + 1]) &&
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
                if (!is_loaded(p, a->hooks[i]))
                        continue;
                here = hits_of(p, probe, a, i);
                if (!is_pair(p, a, i))
                        hits += here;
                if (here == 0)
                        idle[n++] = hook_name(a->hooks[i]);
                if (hook_program(a->hooks[i]))
                        lost += misses(p->kernel.programs[a->hooks[i]]) +
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
        const struct alternative *a = chosen(p, i);

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

uint32_t probe_set_self(const struct probe_set *p) {
        return p->kernel.bss->own_tgid;
}

struct connection_side *probe_set_connections(const struct probe_set *p) {
        return p->connections;
}

int probe_set_callers_fd(const struct probe_set *p) {
        return p->kernel.maps[MAP_CALLERS];
}
