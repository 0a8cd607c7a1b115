/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "perf-events.h"
#include "trigger.h"
#include "util.h"

#define TRACEFS "/sys/kernel/tracing"
#define SOURCES "/sys/bus/event_source/devices"

/* A function of the kernel that is called seldom. */
#define FUNCTION "vfs_statfs"

enum {
        RETURN_PROBE = 1, /* SOURCES/kprobe/format/retprobe: config:0 */
        OFFSET_MIN = 5,   /* behind what ftrace has at the beginning of functions */
        OFFSET_MAX = 32,
};

/* What uprobes are attached to; never called. */
void trigger_probed_function(void);
__attribute__((noinline)) void trigger_probed_function(void) {
        asm volatile("nop\n\tnop");
}

static int read_number(const char *path) {
        _cleanup_fclose_ FILE *f = fopen(path, "re");
        int number;

        if (!f)
                return -errno;
        return fscanf(f, "%d", &number) == 1 ? number : -EBADMSG;
}

static uint64_t kernel_address(const char *function) {
        _cleanup_fclose_ FILE *f = fopen("/proc/kallsyms", "re");
        char line[512], name[256];
        uint64_t address;

        while (f && fgets(line, sizeof(line), f))
                if (sscanf(line, "%" SCNx64 " %*s %255s", &address, name) == 2 &&
                    strcmp(name, function) == 0)
                        return address;
        return 0;
}

/* The file that a function of ours is in, and where. (/proc/self/exe is another one where that has
 * loaded us, such as ld.so.) */
static const char *file_of(void (*function)(void), uint64_t *ret_offset) {
        static char path[4096];
        _cleanup_fclose_ FILE *f = fopen("/proc/self/maps", "re");
        uint64_t from, to, offset, address = (uintptr_t) function;
        char line[4096 + 128];

        *ret_offset = 0;
        path[0] = 0;
        while (f && fgets(line, sizeof(line), f))
                if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64 " %*s %*s %4095[^\n]",
                           &from, &to, &offset, path) == 4 &&
                    address >= from && address < to) {
                        *ret_offset = address - from + offset;
                        break;
                }
        return path;
}

static uint64_t file_offset(void (*function)(void)) {
        uint64_t offset;

        (void) file_of(function, &offset);
        return offset;
}

/* Events --------------------------------------------------------------------------------------- */

static int event_open(struct perf_event_attr *attr, pid_t pid, int cpu) {
        long r;

        attr->size = sizeof(*attr);
        attr->disabled = 1;
        r = syscall(SYS_perf_event_open, attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
        return r < 0 ? -errno : (int) r;
}

/* An event of a kind that the kernel numbers when it starts. */
static int probe_open(const char *source, uint64_t config, const void *where, uint64_t offset) {
        struct perf_event_attr attr = {.config = config};
        char path[64];
        int type;

        snprintf(path, sizeof(path), SOURCES "/%s/type", source);
        type = read_number(path);
        if (type < 0)
                return type;
        attr.type = (uint32_t) type;
        attr.config1 = (uintptr_t) where;
        attr.config2 = offset;
        return event_open(&attr, -1, 0);
}

static int kprobe_open(void) {
        return probe_open("kprobe", 0, FUNCTION, 0);
}

static int kretprobe_open(void) {
        return probe_open("kprobe", RETURN_PROBE, FUNCTION, 0);
}

/* At the first instruction that can be probed behind the beginning. */
static int kprobe_offset_open(void) {
        int fd = -EINVAL;

        for (uint64_t at = OFFSET_MIN; fd < 0 && at < OFFSET_MAX; at++)
                fd = probe_open("kprobe", 0, FUNCTION, at);
        return fd;
}

static int kprobe_address_open(void) {
        return probe_open("kprobe", 0, NULL, kernel_address(FUNCTION));
}

static int uprobe_open(void) {
        uint64_t offset;
        const char *path = file_of(trigger_probed_function, &offset);

        return probe_open("uprobe", 0, path, offset);
}

static int uretprobe_open(void) {
        uint64_t offset;
        const char *path = file_of(trigger_probed_function, &offset);

        return probe_open("uprobe", RETURN_PROBE, path, offset);
}

/* In the header of the file: there is no function. */
static int uprobe_nowhere_open(void) {
        uint64_t offset;

        return probe_open("uprobe", 0, file_of(trigger_probed_function, &offset), 8);
}

static int tracepoint_open(const char *event) {
        struct perf_event_attr attr = {.type = PERF_TYPE_TRACEPOINT, .sample_period = 1};
        char path[128];
        int id;

        snprintf(path, sizeof(path), TRACEFS "/events/%s/id", event);
        id = read_number(path);
        if (id < 0)
                return id;
        attr.config = (uint64_t) id;
        return event_open(&attr, -1, 0);
}

static int plain_tracepoint_open(void) {
        return tracepoint_open("cgroup/cgroup_mkdir");
}

static int syscall_tracepoint_open(void) {
        return tracepoint_open("syscalls/sys_enter_swapoff");
}

static int software_open(void) {
        struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE,
                                       .config = PERF_COUNT_SW_TASK_CLOCK,
                                       .sample_period = 1000000000};

        return event_open(&attr, 0, -1);
}

static uint64_t watched;

static int breakpoint_open(void) {
        struct perf_event_attr attr = {.type = PERF_TYPE_BREAKPOINT,
                                       .bp_type = HW_BREAKPOINT_W,
                                       .bp_addr = (uintptr_t) &watched,
                                       .bp_len = sizeof(watched),
                                       .sample_period = 1};

        return event_open(&attr, 0, -1);
}

/* Events that are made by writing to a file. */
static int tracefs_write(const char *file, const char *format, const char *what, uint64_t offset) {
        _cleanup_close_ int fd = open(file, O_WRONLY | O_APPEND | O_CLOEXEC);

        if (fd < 0 || dprintf(fd, format, what, offset) < 0)
                return -errno;
        return 0;
}

static int tracefs_kprobe_open(void) {
        int r = tracefs_write(TRACEFS "/kprobe_events", "r:trigger/kprobed %s\n", FUNCTION, 0);

        return r < 0 ? r : tracepoint_open("trigger/kprobed");
}

static int tracefs_uprobe_open(void) {
        uint64_t offset;
        const char *path = file_of(trigger_probed_function, &offset);
        int r = tracefs_write(TRACEFS "/uprobe_events", "p:trigger/uprobed %s:0x%" PRIx64 "\n",
                              path, offset);

        return r < 0 ? r : tracepoint_open("trigger/uprobed");
}

void perf_clean(void) {
        (void) tracefs_write(TRACEFS "/kprobe_events", "-:%s\n", "trigger/kprobed", 0);
        (void) tracefs_write(TRACEFS "/uprobe_events", "-:%s\n", "trigger/uprobed", 0);
}

/* What an event is, in the words that are expected of bpfmon ------------------------------------
 */

static int query(int fd, union bpf_attr *ret, char *name, uint32_t size) {
        memset(ret, 0, sizeof(*ret));
        ret->task_fd_query.pid = (uint32_t) getpid();
        ret->task_fd_query.fd = (uint32_t) fd;
        ret->task_fd_query.buf_len = size;
        ret->task_fd_query.buf = (uintptr_t) name;
        return (int) bpf_call(BPF_TASK_FD_QUERY, ret, sizeof(*ret));
}

static void report_place(const char *name, uint64_t offset) {
        char text[512];

        snprintf(text, sizeof(text), offset ? "%s+0x%" PRIx64 : "%s", name, offset);
        report_text("target", text);
}

/* The kernel knows the address, or the function and the offset into it. */
static int report_kprobe(int fd) {
        union bpf_attr attr;
        char name[256] = "";
        int r = query(fd, &attr, name, sizeof(name));

        if (r < 0)
                return r;
        if (!name[0]) {
                printf(",\"address\":%" PRIu64, (uint64_t) attr.task_fd_query.probe_addr);
                report_place(FUNCTION, attr.task_fd_query.probe_addr - kernel_address(FUNCTION));
        } else {
                report_place(name, attr.task_fd_query.probe_offset);
        }
        return 0;
}

static int report_uprobe(int fd) {
        union bpf_attr attr;
        char name[512] = "", text[512 + 64];
        int r = query(fd, &attr, name, sizeof(name));

        if (r < 0)
                return r;
        if (attr.task_fd_query.probe_offset == file_offset(trigger_probed_function)) {
                snprintf(text, sizeof(text), "%s:trigger_probed_function", name);
                report_text("target", text);
        } else {
                report_place(name, attr.task_fd_query.probe_offset);
        }
        return 0;
}

static int report_tracepoint(int fd) {
        union bpf_attr attr;
        char name[256] = "", text[256 + 16];
        int r = query(fd, &attr, name, sizeof(name));

        if (r < 0)
                return r;
        snprintf(text, sizeof(text), "%s:%s", strncmp(name, "sys_", 4) == 0 ? "syscalls" : "cgroup",
                 name);
        report_text("target", text);
        return 0;
}

static int report_software(int fd) {
        report_text("target", "software:task-clock");
        return 0;
}

static int report_breakpoint(int fd) {
        char text[64];

        snprintf(text, sizeof(text), "breakpoint:%p", (void *) &watched);
        report_text("target", text);
        return 0;
}

static const struct perf_kind kinds[] = {
        {"kprobe", kprobe_open, BPF_PROG_TYPE_KPROBE, report_kprobe},
        {"kretprobe", kretprobe_open, BPF_PROG_TYPE_KPROBE, report_kprobe},
        {"kprobe-offset", kprobe_offset_open, BPF_PROG_TYPE_KPROBE, report_kprobe},
        {"kprobe-address", kprobe_address_open, BPF_PROG_TYPE_KPROBE, report_kprobe},
        {"kprobe-tracefs", tracefs_kprobe_open, BPF_PROG_TYPE_KPROBE, report_kprobe},
        {"uprobe", uprobe_open, BPF_PROG_TYPE_KPROBE, report_uprobe},
        {"uretprobe", uretprobe_open, BPF_PROG_TYPE_KPROBE, report_uprobe},
        {"uprobe-nowhere", uprobe_nowhere_open, BPF_PROG_TYPE_KPROBE, report_uprobe},
        {"uprobe-tracefs", tracefs_uprobe_open, BPF_PROG_TYPE_KPROBE, report_uprobe},
        {"tracepoint", plain_tracepoint_open, BPF_PROG_TYPE_TRACEPOINT, report_tracepoint},
        {"syscall", syscall_tracepoint_open, BPF_PROG_TYPE_TRACEPOINT, report_tracepoint},
        {"software", software_open, BPF_PROG_TYPE_PERF_EVENT, report_software},
        {"breakpoint", breakpoint_open, BPF_PROG_TYPE_PERF_EVENT, report_breakpoint},
};

const struct perf_kind *perf_kind(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                if (strcmp(kinds[i].name, name) == 0)
                        return &kinds[i];
        return NULL;
}
