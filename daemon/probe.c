/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <systemd/sd-event.h>

#include "clock.h"
#include "connection-side.h"
#include "loader.h"
#include "log.h"
#include "monitor.h"
#include "observe.h"
#include "probe-set.h"
#include "ring.h"
#include "util.h"

#include "bpfmon.skel.h"

/* What the kernel has left out is asked for this often at most. */
enum { UNSEEN_NS = 1000000000 };

const struct alternative *probe_chosen(const struct probe_set *p, size_t i) {
        return p->probes[i].chosen < 0 ? NULL : &probe_table[i].alternatives[p->probes[i].chosen];
}

/* Loss and hits -------------------------------------------------------------------------------- */

uint64_t probe_stats_sum(const struct probe_set *p, size_t offset) {
        uint64_t sum = 0;

        for (unsigned i = 0; i < p->cpus; i++)
                sum += *(const volatile uint64_t *) (p->stats + i * p->stats_stride + offset);
        return sum;
}

static void report_one(struct probe_set *p, int slot, const char *where, size_t offset,
                       uint64_t *before) {
        uint64_t now = probe_stats_sum(p, offset);
        struct probe_loss loss = {.slot = slot, .where = where, .count = now - *before};

        *before = now;
        if (loss.count > 0)
                p->handlers.loss(&loss, p->userdata);
}

static void report_loss(struct probe_set *p) {
        uint64_t lost = probe_stats_sum(p, offsetof(struct cpu_stats, lost));

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

/* Calls of bpf() that no program saw. Where it can be preempted anywhere, the kernel runs none of
 * kprobes and tracepoints on a processor on which a call of bpf() at a map has been put aside.
 * Those of which something was seen are counted already; where there are second programs at a
 * call's end, they count. */
static void report_unseen(struct probe_set *p) {
        struct probe_loss loss = {COMMAND_SLOTS - 1, "probe", 0};
        uint64_t now = clock_now(), missed, known = p->told.unseen;

        if (p->held || probe_set_preempted(p) || now - p->unseen_asked < UNSEEN_NS)
                return;
        p->unseen_asked = now;
        missed = kernel_side_misses(&p->kernel, HOOK_SYS_EXIT_BPF);
        for (int i = 0; i < COMMAND_SLOTS; i++)
                known += p->told.lost_probe[i];
        if (missed <= known)
                return;
        if (p->told.unseen == 0)
                log_warning(
                        "Calls of bpf() went unseen, which is counted as lost: this kernel runs "
                        "no probes on a processor on which it has put a call at a map aside; "
                        "with the kernel's parameter preempt=voluntary it does not");
        loss.count = missed - known;
        p->told.unseen += loss.count;
        p->handlers.loss(&loss, p->userdata);
}

static void on_record(const void *data, size_t size, void *userdata) {
        struct probe_set *p = userdata;

        if (handover_full(p->handover))
                probe_set_commit(p);
        handover_record_begins(p->handover);
        p->handlers.record(data, size, p->userdata);
        handover_record_ends(p->handover);
}

/* What the kernel side has sent up to now came before: a program is loaded before it goes. And what
 * was read by the daemon before has its numbers already. */
static bool on_monitor_settle(void *userdata) {
        struct probe_set *p = userdata;

        return ring_drain_all(p->ring);
}

static void on_monitor_record(const void *data, size_t size, void *userdata) {
        struct probe_set *p = userdata;

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

const struct monitor_handlers probe_monitor_handlers = {on_monitor_settle, on_monitor_record,
                                                        on_monitor_lost, on_monitor_idle};

static void report_left(struct probe_set *p) {
        uint64_t left = probe_stats_sum(p, offsetof(struct cpu_stats, left));

        if (left == p->told.left)
                return;
        p->told.left = left;
        p->handlers.left(p->userdata);
}

static void on_drained(void *userdata) {
        struct probe_set *p = userdata;

        report_loss(p);
        report_unseen(p);
        report_left(p);
        p->handlers.idle(p->userdata);
}

static void on_pressed(void *userdata) {
        struct probe_set *p = userdata;

        p->handlers.pressed(p->userdata);
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

static int attach_rest(struct probe_set *p) {
        int k = 0;

        for (size_t i = 0; k >= 0 && i < probe_count; i++)
                if (p->probes[i].state == STATE_STARTING)
                        k = probe_attach_row(p, i);
        return k;
}

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
        k = probe_attach_row(p, p->next++);
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
                probe_let_go(p, &p->probes[i]);
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
        k = probe_want_temporary(p, WHILE_CONNECTIONS, max > 0);
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
        result = probe_want_temporary(p, WHILE_TIMED, wants->timed || p->held);
        k = want_connections(p, connections);
        return result ?: k;
}

void probe_set_drain(struct probe_set *p) {
        if (!p->ready)
                return;
        ring_drain(p->ring);
        report_unseen(p);
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

uint32_t probe_set_self(const struct probe_set *p) {
        return p->kernel.bss->own_tgid;
}

struct connection_side *probe_set_connections(const struct probe_set *p) {
        return p->connections;
}

int probe_set_callers_fd(const struct probe_set *p) {
        return p->kernel.maps[MAP_CALLERS];
}
