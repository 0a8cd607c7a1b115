/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "attr.h"
#include "handover.h"
#include "hooks.h"
#include "kernel-side.h"
#include "log.h"
#include "probe.h"
#include "sha256.h"
#include "util.h"

#include "bpfmon.skel.h"

enum {
        RING_SIZE_DEFAULT = 2 * 1024 * 1024, /* mapped twice: counts twice in RSS */
        REFUSED_MAX = 16,                    /* programs that a kernel may refuse */
};

/* The program that the kernel has refused last. libbpf tells it to its log alone, and its log takes
 * no context. */
static char refused[64];

static struct bpf_program *program_of(const struct bpfmon_bpf *skel, enum hook hook) {
        return bpf_object__find_program_by_name(skel->obj, hook_program(hook));
}

static int libbpf_line(enum libbpf_print_level level, const char *format, va_list args) {
        _cleanup_free_ char *text = NULL;

        /* A hook that cannot be attached is no news: `bpfmonctl probes` has it. */
        if (level == LIBBPF_DEBUG || vasprintf(&text, format, args) < 0)
                return 0;
        for (size_t n = strlen(text); n > 0 && text[n - 1] == '\n'; n--)
                text[n - 1] = 0;
        log_debug("%s", text);
        (void) sscanf(text, "libbpf: prog '%63[^']': failed to load", refused);
        return 0;
}

void probe_quiet(void) {
        libbpf_set_print(libbpf_line);
}

static int explain_load(int error) {
        bool denied = error == EPERM || error == EACCES;

        if (denied && geteuid() != 0)
                log_error("Not allowed to load BPF programs; run it as root");
        else if (denied)
                log_error("Not allowed to load BPF programs: root lacks CAP_BPF, CAP_PERFMON or "
                          "CAP_SYS_ADMIN here, or the kernel is locked down "
                          "(/sys/kernel/security/lockdown)");
        else if (access("/sys/kernel/btf/vmlinux", R_OK) < 0)
                log_error("The kernel does not describe itself (/sys/kernel/btf/vmlinux is not "
                          "there); use one with CONFIG_DEBUG_INFO_BTF");
        else
                log_error("Cannot load the BPF programs: %s; run it with --debug for the "
                          "verifier's reason",
                          strerror(error));
        return -error;
}

static bool has_function(const struct btf *btf, const char *name) {
        return btf && btf__find_by_name_kind(btf, name, BTF_KIND_FUNC) > 0;
}

/* Leaves out the programs that this kernel has no use for. */
static int choose_programs(struct bpfmon_bpf *skel) {
        struct btf *btf = btf__load_vmlinux_btf();
        /* Whether the kernel lets other tasks in while a program of a tracepoint runs, and then
         * does not run the same program for them, as Linux 7.3 does. */
        bool preempts = has_function(btf, "trace_call_bpf_faultable");

        skel->rodata->preempts_programs = preempts;
        bpf_program__set_autoload(skel->progs.iterate_tcp, has_function(btf, "bpf_iter_tcp"));
        bpf_program__set_autoload(skel->progs.iterate_unix, has_function(btf, "bpf_iter_unix"));
        btf__free(btf);
        for (int h = HOOK_NONE + 1; !preempts && h < _HOOK_MAX; h++)
                if (hook_is_again(h) || hook_is_instead(h))
                        bpf_program__set_autoload(program_of(skel, h), false);
        return preempts ? 0 : bpf_map__set_max_entries(skel->maps.told_ends, 1);
}

static int configure(struct bpfmon_bpf *skel, const struct probe_options *options, bool kprobes,
                     unsigned cpus) {
        size_t size = options->ring_size ?: RING_SIZE_DEFAULT;
        struct fd_offsets *offsets = (struct fd_offsets *) skel->rodata->fd_offsets;
        int k;

        skel->rodata->observe = options->observe;
        /* The last slot is that of commands which nobody knows. */
        for (uint32_t cmd = 0; cmd < COMMAND_SLOTS - 1; cmd++)
                offsets[cmd].n = (uint16_t) attr_fds(cmd, offsets[cmd].offsets, RECORD_FDS_MAX);
        k = bpf_map__set_max_entries(skel->maps.ring, (uint32_t) size);
        if (k < 0)
                return k;
        k = bpf_map__set_max_entries(skel->maps.stats, cpus);
        if (k < 0)
                return k;

        /* One more for iterators. */
        skel->bss->connection_slots = cpus + 1;
        k = bpf_map__set_max_entries(skel->maps.connection_counts, cpus + 1);
        if (k >= 0)
                k = choose_programs(skel);
        if (k < 0)
                return k;
        if (kprobes)
                return 0;
        for (int h = HOOK_NONE + 1; h < _HOOK_MAX; h++)
                if (hook_is_kprobe(h))
                        bpf_program__set_autoload(program_of(skel, h), false);
        /* They serve kprobes alone. */
        bpf_program__set_autoload(skel->progs.seed_maps, false);
        k = bpf_map__set_max_entries(skel->maps.map_ids, 1);
        return k < 0 ? k : bpf_map__set_max_entries(skel->maps.droppers, 1);
}

/* Tells the kernel side who we are. */
static int find_self(int whoami_fd) {
        LIBBPF_OPTS(bpf_test_run_opts, options);
        int k = bpf_prog_test_run_opts(whoami_fd, &options);

        return k < 0 ? -errno : 0;
}

/* Whether programs are left out that the kernel refuses: each hook stands alone. */
static bool leave_out(struct bpfmon_bpf *skel, const char names[][sizeof(refused)], size_t n) {
        struct bpf_program *program;

        for (size_t i = 0; i < n; i++) {
                program = bpf_object__find_program_by_name(skel->obj, names[i]);
                if (!program || program == skel->progs.whoami)
                        return false;
                bpf_program__set_autoload(program, false);
        }
        return true;
}

/* The image is of no use any more, and most of what we have in memory. Whole pages of it alone are
 * given back: they come from the file again, if they are read. */
static void give_back_image(void) {
        const uintptr_t page = (uintptr_t) sysconf(_SC_PAGESIZE);
        size_t size;
        const uintptr_t start = (uintptr_t) bpfmon_bpf__elf_bytes(&size);
        const uintptr_t from = (start + page - 1) & ~(page - 1), to = (start + size) & ~(page - 1);

        if (to > from)
                (void) madvise((void *) from, to - from, MADV_DONTNEED);
}

/* Loads all but the `n` programs of these names. */
static int load_without(struct bpfmon_bpf **ret, const struct probe_options *options, bool kprobes,
                        unsigned cpus, const char names[][sizeof(refused)], size_t n) {
        struct bpfmon_bpf *skel = bpfmon_bpf__open();
        int k;

        if (!skel)
                return -errno;
        k = configure(skel, options, kprobes, cpus);
        if (k >= 0 && !leave_out(skel, names, n))
                k = -EINVAL;
        if (k >= 0)
                k = bpfmon_bpf__load(skel);
        give_back_image();
        if (k >= 0)
                k = find_self(bpf_program__fd(skel->progs.whoami));
        if (k < 0) {
                bpfmon_bpf__destroy(skel);
                return k;
        }
        *ret = skel;
        return 0;
}

static int load(struct bpfmon_bpf **ret, const struct probe_options *options, bool kprobes,
                unsigned cpus) {
        char names[REFUSED_MAX][sizeof(refused)];
        size_t n = 0;
        int k;

        for (;;) {
                refused[0] = 0;
                k = load_without(ret, options, kprobes, cpus, names, n);
                if (k >= 0)
                        return 0;
                if (k == -EPERM || !refused[0] || n == REFUSED_MAX ||
                    (n > 0 && strcmp(refused, names[n - 1]) == 0))
                        return explain_load(-k);
                log_warning("The kernel refuses the program %s: %s; going on without it (run with "
                            "--debug for the verifier's reason)",
                            refused, strerror(-k));
                memcpy(names[n++], refused, sizeof(refused));
        }
}

/* What the daemon holds -------------------------------------------------------------------------
 */

static const char *const map_names[_KERNEL_MAP_MAX] = {
        [MAP_RING] = "ring",
        [MAP_STATS] = "stats",
        [MAP_CALLERS] = "callers",
        [MAP_OWN_OBJECTS] = "own_objects",
        [MAP_OBSERVED_CGROUP] = "observed_cgroup",
        [MAP_OBSERVED_TGIDS] = "observed_tgids",
        [MAP_CONNECTION_SPACE] = "connection_space",
        [MAP_CONNECTION_COUNTS] = "connection_counts",
        [MAP_CONNECTION_PROCESSES] = "connection_processes",
        [MAP_BSS] = ".bss",
};

static const char *const iterator_names[_KERNEL_ITERATOR_MAX] = {
        [ITERATE_TCP] = "iterate_tcp",
        [ITERATE_UNIX] = "iterate_unix",
};

#define WHOAMI "whoami"

void kernel_side_init(struct kernel_side *s) {
        *s = (struct kernel_side){};
        for (size_t i = 0; i < ELEMENTSOF(s->maps); i++)
                s->maps[i] = -1;
        for (size_t i = 0; i < ELEMENTSOF(s->programs); i++)
                s->programs[i] = -1;
        for (size_t i = 0; i < ELEMENTSOF(s->iterators); i++)
                s->iterators[i] = -1;
}

static int map_bss(struct kernel_side *s) {
        size_t page = (size_t) sysconf(_SC_PAGESIZE),
               size = (sizeof(*s->bss) + page - 1) & ~(page - 1);
        void *m = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, s->maps[MAP_BSS], 0);

        if (m == MAP_FAILED)
                return -errno;
        s->bss = m;
        s->bss_size = size;
        return 0;
}

/* Takes a copy of an fd of libbpf's, and has it kept. */
static int hold(struct handover *h, enum handover_kind kind, const char *name, int fd, int *ret) {
        *ret = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        return *ret < 0 ? -errno : handover_keep(h, kind, name, *ret);
}

static int hold_all(struct kernel_side *s, struct handover *h) {
        const struct bpf_program *program;
        int k = 0, fd;

        for (size_t i = 0; k >= 0 && i < ELEMENTSOF(map_names); i++) {
                if (i == MAP_BSS)
                        fd = bpf_map__fd(s->skel->maps.bss);
                else
                        fd = bpf_object__find_map_fd_by_name(s->skel->obj, map_names[i]);
                k = hold(h, HANDOVER_MAP, map_names[i], fd, &s->maps[i]);
        }
        for (int hook = HOOK_NONE + 1; k >= 0 && hook < _HOOK_MAX; hook++) {
                program = hook_program(hook) ? program_of(s->skel, hook) : NULL;
                fd = program ? bpf_program__fd(program) : -1;
                if (fd >= 0)
                        k = hold(h, HANDOVER_PROG, hook_program(hook), fd, &s->programs[hook]);
        }
        for (size_t i = 0; k >= 0 && i < ELEMENTSOF(iterator_names); i++) {
                program = bpf_object__find_program_by_name(s->skel->obj, iterator_names[i]);
                fd = bpf_program__fd(program);
                if (fd >= 0)
                        k = hold(h, HANDOVER_PROG, iterator_names[i], fd, &s->iterators[i]);
        }
        return k < 0 ? k
                     : handover_keep(h, HANDOVER_PROG, WHOAMI,
                                     bpf_program__fd(s->skel->progs.whoami));
}

int kernel_side_load(struct kernel_side *ret, const struct probe_options *options, bool kprobes,
                     unsigned cpus, struct handover *h) {
        int k;

        kernel_side_init(ret);
        k = load(&ret->skel, options, kprobes, cpus);
        if (k < 0)
                return k; /* said already */
        k = hold_all(ret, h);
        if (k >= 0)
                k = map_bss(ret);
        if (k < 0) {
                log_error("Cannot hold on to the kernel side: %s", strerror(-k));
                kernel_side_done(ret);
        }
        return k;
}

static int adopt(struct kernel_side *s, struct handover *h) {
        _cleanup_close_ int whoami = handover_take(h, HANDOVER_PROG, WHOAMI);

        for (size_t i = 0; i < ELEMENTSOF(map_names); i++) {
                s->maps[i] = handover_take(h, HANDOVER_MAP, map_names[i]);
                if (s->maps[i] < 0)
                        return s->maps[i];
        }
        for (int hook = HOOK_NONE + 1; hook < _HOOK_MAX; hook++)
                if (hook_program(hook))
                        s->programs[hook] = handover_take(h, HANDOVER_PROG, hook_program(hook));
        for (size_t i = 0; i < ELEMENTSOF(iterator_names); i++)
                s->iterators[i] = handover_take(h, HANDOVER_PROG, iterator_names[i]);
        return whoami < 0 ? whoami : find_self(whoami);
}

int kernel_side_adopt(struct kernel_side *ret, struct handover *h) {
        int k;

        kernel_side_init(ret);
        k = adopt(ret, h);
        if (k >= 0)
                k = map_bss(ret);
        if (k < 0)
                kernel_side_done(ret);
        else
                ret->bss->told_thread = ret->bss->told_start = 0; /* it was not us who was told */
        return k;
}

void kernel_side_seed_maps(struct kernel_side *s) {
        struct bpf_link *link = bpf_program__attach(s->skel->progs.seed_maps);
        _cleanup_close_ int fd = link ? bpf_iter_create(bpf_link__fd(link)) : -1;
        char nothing[64];
        ssize_t n;

        do
                n = fd < 0 ? -1 : read(fd, nothing, sizeof(nothing));
        while (n > 0 || (n < 0 && errno == EAGAIN && fd >= 0));
        if (n < 0)
                log_debug("Maps that exist will go without a word: %s", strerror(errno));
        bpf_link__destroy(link);
}

bool kernel_side_holds(const struct kernel_side *s, const struct handover *h, const char *program) {
        if (strcmp(program, WHOAMI) == 0)
                return handover_kept(h);
        for (int hook = HOOK_NONE + 1; hook < _HOOK_MAX; hook++)
                if (s->programs[hook] >= 0 && strcmp(hook_program(hook), program) == 0)
                        return true;
        for (size_t i = 0; i < ELEMENTSOF(iterator_names); i++)
                if (s->iterators[i] >= 0 && strcmp(iterator_names[i], program) == 0)
                        return true;
        return false;
}

uint64_t kernel_side_misses(const struct kernel_side *s, enum hook hook) {
        struct bpf_prog_info info = {};
        uint32_t size = sizeof(info);

        if (s->programs[hook] < 0 || bpf_obj_get_info_by_fd(s->programs[hook], &info, &size) < 0)
                return 0;
        return info.recursion_misses;
}

void kernel_side_loaded(struct kernel_side *s) {
        bpfmon_bpf__destroy(s->skel);
        s->skel = NULL;
}

void kernel_side_done(struct kernel_side *s) {
        kernel_side_loaded(s);
        for (size_t i = 0; i < ELEMENTSOF(s->maps); i++)
                closep(&s->maps[i]);
        for (size_t i = 0; i < ELEMENTSOF(s->programs); i++)
                closep(&s->programs[i]);
        for (size_t i = 0; i < ELEMENTSOF(s->iterators); i++)
                closep(&s->iterators[i]);
        if (s->bss)
                munmap(s->bss, s->bss_size);
        kernel_side_init(s);
}

void kernel_side_version(char ret[static KERNEL_VERSION_MAX], const struct probe_options *o,
                         bool kprobes) {
        struct sha256_ctx hash;
        char settings[128];
        const void *bytes;
        size_t size;

        bytes = bpfmon_bpf__elf_bytes(&size);
        snprintf(settings, sizeof(settings), "%d %d %zu %d", (int) o->observe, (int) o->pid,
                 o->ring_size ?: RING_SIZE_DEFAULT, kprobes);
        sha256_init(&hash);
        sha256_update(&hash, size, bytes);
        sha256_update(&hash, strlen(settings) + 1, (const uint8_t *) settings);
        if (o->cgroup)
                sha256_update(&hash, strlen(o->cgroup), (const uint8_t *) o->cgroup);
        sha256_hex(&hash, ret);
}
