/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls bpf() in a loop and measures it, for the benchmarks.
 *
 * Each line on stdin is an order, ACTION SECONDS RATE, with one line in answer: how many calls were
 * made, the median of what one took in ns, and the median of that in turns of a loop of ours, which
 * is run after each sample: a machine that is slower for a while makes both longer. With a RATE of
 * 0 calls follow each other; else so many a second are made, in a burst every millisecond, and the
 * time between bursts is slept. The order "processes N" forks N children one after the other, each
 * of which makes one call. */

#include <err.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "util.h"

enum {
        SAMPLES_MAX = 1 << 17, /* an order ends when so many are taken */
        YARDSTICK_TURNS = 1000,
        BURSTS_PER_SECOND = 1000,
};

#define NS_PER_SECOND UINT64_C(1000000000)

static int array_fd, hash_fd;

static int sys_bpf(int cmd, union bpf_attr *attr) {
        return (int) syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static int create_map(enum bpf_map_type type) {
        union bpf_attr attr = {.map_type = type, .key_size = 4, .value_size = 8, .max_entries = 16};
        int fd = sys_bpf(BPF_MAP_CREATE, &attr);

        if (fd < 0)
                err(EXIT_FAILURE, "Cannot create a map");
        return fd;
}

static void lookup(int fd) {
        uint32_t key = 0;
        uint64_t value;
        union bpf_attr attr = {
                .map_fd = (uint32_t) fd, .key = (uintptr_t) &key, .value = (uintptr_t) &value};

        if (sys_bpf(BPF_MAP_LOOKUP_ELEM, &attr) < 0)
                err(EXIT_FAILURE, "Cannot look up an element");
}

static void lookup_array(void) {
        lookup(array_fd);
}

static void lookup_hash(void) {
        lookup(hash_fd);
}

/* The least system call that is not bpf(). */
static void call_getppid(void) {
        syscall(SYS_getppid);
}

/* A socket filter of two instructions: r0 = 0; exit. */
static void load_program(void) {
        static const struct bpf_insn program[] = {
                {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
                {.code = BPF_JMP | BPF_EXIT},
        };
        union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
                               .insn_cnt = ELEMENTSOF(program),
                               .insns = (uintptr_t) program,
                               .license = (uintptr_t) "GPL"};
        int fd = sys_bpf(BPF_PROG_LOAD, &attr);

        if (fd < 0)
                err(EXIT_FAILURE, "Cannot load a program");
        close(fd);
}

static void setup_maps(void) {
        uint32_t key = 0;
        uint64_t value = 1;
        union bpf_attr attr = {};

        array_fd = create_map(BPF_MAP_TYPE_ARRAY);
        hash_fd = create_map(BPF_MAP_TYPE_HASH);
        attr.map_fd = (uint32_t) hash_fd;
        attr.key = (uintptr_t) &key;
        attr.value = (uintptr_t) &value;
        if (sys_bpf(BPF_MAP_UPDATE_ELEM, &attr) < 0)
                err(EXIT_FAILURE, "Cannot update an element");
}

/* A sample is short enough that most of them run from end to end, so that the median leaves out
 * those in which this process was not running. */
static const struct action {
        const char *name;
        void (*call)(void);
        unsigned calls_per_sample;
} actions[] = {
        {"getppid", call_getppid, 500},
        {"array", lookup_array, 200},
        {"hash", lookup_hash, 200},
        {"load", load_program, 4},
};

static uint64_t now(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * NS_PER_SECOND + (uint64_t) t.tv_nsec;
}

static void sleep_until(uint64_t time) {
        struct timespec t = {.tv_sec = (time_t) (time / NS_PER_SECOND),
                             .tv_nsec = (long) (time % NS_PER_SECOND)};

        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
                ;
}

/* Work that no probe can touch: half of it waits for its own results, half of it keeps the CPU as
 * full as can be. A neighbour on the same core slows the first little, the second by half, and
 * system calls by something between the two. */
static void yardstick(void) {
        static volatile uint32_t table[4096];
        uint64_t h = 1, a = 1, b = 2, c = 3, d = 4, e = 5;

        for (unsigned i = 0; i < YARDSTICK_TURNS; i++) {
                h = h * UINT64_C(6364136223846793005) + 1; /* Knuth's MMIX */
                h ^= table[(h >> 33) % ELEMENTSOF(table)];
        }
        for (unsigned i = 0; i < 4 * YARDSTICK_TURNS; i++) {
                a += b ^ i;
                b = (b << 7) | (b >> 57);
                c ^= a + i;
                d += c >> 3;
                e ^= d << 1;
                __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(h));
        }
}

static int compare(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return (x > y) - (x < y);
}

static double median(double *samples, size_t n) {
        qsort(samples, n, sizeof(*samples), compare);
        return samples[n / 2];
}

static void measure(const struct action *action, double seconds, unsigned rate) {
        static double ns[SAMPLES_MAX], turns[SAMPLES_MAX];
        unsigned per_sample = rate ? MAX(rate / BURSTS_PER_SECOND, 1u) : action->calls_per_sample;
        uint64_t period = rate ? NS_PER_SECOND * per_sample / rate : 0;
        uint64_t begin = now(), end = begin + (uint64_t) (seconds * NS_PER_SECOND);
        size_t n = 0;

        while (n < SAMPLES_MAX) {
                uint64_t start = now(), called;

                if (start >= end)
                        break;
                for (unsigned i = 0; i < per_sample; i++)
                        action->call();
                called = now();
                yardstick();
                ns[n] = (double) (called - start) / per_sample;
                turns[n] = ns[n] * YARDSTICK_TURNS / (double) (now() - called);
                n++;
                if (period)
                        sleep_until(begin + n * period);
        }
        if (n == 0)
                errx(EXIT_FAILURE, "No time to measure anything in");
        printf("%zu %.1f %.3f\n", n * per_sample, median(ns, n), median(turns, n));
}

static void fork_processes(unsigned n) {
        for (unsigned i = 0; i < n; i++) {
                pid_t pid = fork();

                if (pid < 0)
                        err(EXIT_FAILURE, "Cannot fork");
                if (pid == 0) {
                        lookup_array();
                        _exit(EXIT_SUCCESS);
                }
                waitpid(pid, NULL, 0);
        }
        printf("%u 0 0\n", n);
}

static void obey(const char *name, double argument, unsigned rate) {
        if (strcmp(name, "processes") == 0) {
                fork_processes((unsigned) argument);
                return;
        }
        for (size_t i = 0; i < ELEMENTSOF(actions); i++)
                if (strcmp(name, actions[i].name) == 0) {
                        measure(&actions[i], argument, rate);
                        return;
                }
        errx(EXIT_FAILURE, "Unknown order: %s", name);
}

int main(void) {
        char line[128], name[32];
        double argument;
        unsigned rate;

        setvbuf(stdout, NULL, _IOLBF, 0);
        setup_maps();
        puts("ready");
        while (fgets(line, sizeof(line), stdin)) {
                if (sscanf(line, "%31s %lf %u", name, &argument, &rate) != 3)
                        errx(EXIT_FAILURE, "Write ACTION SECONDS RATE");
                obey(name, argument, rate);
        }
        return EXIT_SUCCESS;
}
