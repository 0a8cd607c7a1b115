/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Storms: more calls, or callers, than anybody can look at one by one. */

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "trigger.h"
#include "util.h"

enum {
        CHILDREN_MAX = 4096,
        AT_A_TIME = 8,
        LOADS_MAX = 100000,
        PROCESSES_MAX = 16,

        HOLD_ELEMENTS = 20000, /* what the kernel copies in one call takes it milliseconds */
        HOLD_SIZE = 512,
};

static void *shared_memory(size_t size) {
        return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/* A child's whole life: one map. */
static int make_one(uint32_t *ret_id) {
        int fd = make_map("trigger_short", BPF_MAP_TYPE_HASH, 8, 16);

        if (fd < 0)
                return fd;
        *ret_id = object_id(fd);
        return *ret_id ? 0 : -EIO;
}

static int wait_for_one(void) {
        int status;

        if (wait(&status) < 0)
                return -errno;
        return status == 0 ? 0 : -EIO;
}

static int short_storm(const struct arguments *a) {
        static uint32_t pids[CHILDREN_MAX];
        size_t n = MIN(strtoul(argument(a, 0, "100"), NULL, 0), (size_t) CHILDREN_MAX);
        uint32_t *ids = shared_memory(n * sizeof(*ids));
        int r;

        if (ids == MAP_FAILED)
                return -errno;
        for (size_t i = 0; i < n + AT_A_TIME; i++) {
                if (i >= MIN(n, (size_t) AT_A_TIME) && i < n + MIN(n, (size_t) AT_A_TIME)) {
                        r = wait_for_one();
                        if (r < 0)
                                return r;
                }
                if (i >= n)
                        continue;
                pids[i] = fork();
                if (pids[i] == (uint32_t) -1)
                        return -errno;
                if (pids[i] == 0)
                        _exit(make_one(&ids[i]) < 0);
        }

        report_begin("short-storm");
        report_text("cmd", "MAP_CREATE");
        report_text("name", "trigger_short");
        report_numbers("pids", pids, n);
        report_numbers("ids", ids, n);
        report_end();
        return 0;
}

static uint64_t now(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static void sleep_until(uint64_t time) {
        struct timespec t = {.tv_sec = time / 1000000000ULL, .tv_nsec = time % 1000000000ULL};

        (void) clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

/* Loads programs at a steady rate, each gone before the next; where the machine is too slow, as
 * fast as it can. Reports on a byte from `baton`. */
static int load_steadily(unsigned rate, size_t n, int baton) {
        static uint32_t ids[LOADS_MAX];
        uint64_t start = now(), took;
        char name[16], byte;

        for (size_t i = 0; i < n; i++) {
                _cleanup_close_ int fd = -1;

                sleep_until(start + i * 1000000000ULL / rate);
                snprintf(name, sizeof(name), "storm_%zx", i);
                fd = make_program(name, BPF_PROG_TYPE_SOCKET_FILTER, 0, 0);
                if (fd < 0)
                        return fd;
                ids[i] = object_id(fd);
        }
        took = now() - start;
        if (read(baton, &byte, 1) != 1)
                return -EIO;

        report_begin("load-storm");
        report_text("cmd", "PROG_LOAD");
        report_text("name", "storm_");
        report_number("wanted", rate);
        report_number("rate", n * 1000000000ULL / took);
        report_numbers("ids", ids, n);
        report_end();
        return 0;
}

static int load_storm(const struct arguments *a) {
        unsigned rate = MAX(strtoul(argument(a, 0, "1000"), NULL, 0), 1UL);
        size_t n = MIN(rate * strtoul(argument(a, 1, "10"), NULL, 0), (size_t) LOADS_MAX);
        int processes = MIN(atoi(argument(a, 2, "2")), (int) PROCESSES_MAX), batons[2], r;

        if (pipe(batons) < 0)
                return -errno;
        for (int i = 0; i < processes; i++) {
                pid_t pid = fork();

                if (pid < 0)
                        return -errno;
                if (pid == 0)
                        _exit(load_steadily(rate, n, batons[0]) < 0);
        }
        /* One report after another, else they mix. */
        for (int i = 0; i < processes; i++) {
                if (write(batons[1], "x", 1) != 1)
                        return -errno;
                r = wait_for_one();
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Somebody who gives way to everybody else, in the middle of calls that read a whole map. */
static int hold_map(const struct arguments *a) {
        uint64_t end = now() + strtoul(argument(a, 0, "10"), NULL, 0) * 1000000000ULL;
        uint32_t *keys = calloc(HOLD_ELEMENTS, sizeof(*keys)), place;
        char *values = calloc(HOLD_ELEMENTS, HOLD_SIZE);
        const struct sched_param none = {};
        union bpf_attr attr;
        int fd = make_map("trigger_hold", BPF_MAP_TYPE_HASH, HOLD_SIZE, HOLD_ELEMENTS);

        if (fd < 0 || !keys || !values)
                return fd < 0 ? fd : -ENOMEM;
        for (uint32_t i = 0; i < HOLD_ELEMENTS; i++) {
                attr = (union bpf_attr){
                        .map_fd = fd, .key = (uintptr_t) &i, .value = (uintptr_t) values};
                if (bpf_call(BPF_MAP_UPDATE_ELEM, &attr, sizeof(attr)) < 0)
                        return -errno;
        }
        if (sched_setscheduler(0, SCHED_IDLE, &none) < 0)
                return -errno;
        do {
                attr = (union bpf_attr){.batch = {.map_fd = fd,
                                                  .count = HOLD_ELEMENTS,
                                                  .out_batch = (uintptr_t) &place,
                                                  .keys = (uintptr_t) keys,
                                                  .values = (uintptr_t) values}};
                (void) bpf_call(BPF_MAP_LOOKUP_BATCH, &attr, sizeof(attr));
        } while (now() < end);
        return 0;
}

const struct action storm_actions[] = {
        {"short-storm", "[N]", short_storm, "N children that make a map and are gone"},
        {"load-storm", "[RATE [SECONDS [PROCESSES]]]", load_storm,
         "programs loaded at so many a second by each process"},
        {"hold-map", "[SECONDS]", hold_map,
         "reads a large map over and over, giving way to all others"},
        {},
};
