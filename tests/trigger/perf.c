/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Programs attached to perf events by ioctl(). What an event is attached to is what the kernel says
 * of its fd (BPF_TASK_FD_QUERY), where it does. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

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

static const char *executable(void) {
        static char path[4096];
        ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

        path[n > 0 ? n : 0] = 0;
        return path;
}

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

/* Where in our file a function of ours is. */
static uint64_t file_offset(void (*function)(void)) {
        _cleanup_fclose_ FILE *f = fopen("/proc/self/maps", "re");
        uint64_t from, to, offset, address = (uintptr_t) function;
        char line[4096 + 128];

        while (f && fgets(line, sizeof(line), f))
                if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64, &from, &to, &offset) ==
                            3 &&
                    address >= from && address < to)
                        return address - from + offset;
        return 0;
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
        return probe_open("uprobe", 0, executable(), file_offset(trigger_probed_function));
}

static int uretprobe_open(void) {
        return probe_open("uprobe", RETURN_PROBE, executable(),
                          file_offset(trigger_probed_function));
}

/* In the header of the file: there is no function. */
static int uprobe_nowhere_open(void) {
        return probe_open("uprobe", 0, executable(), 8);
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
        int r = tracefs_write(TRACEFS "/uprobe_events", "p:trigger/uprobed %s:0x%" PRIx64 "\n",
                              executable(), file_offset(trigger_probed_function));

        return r < 0 ? r : tracepoint_open("trigger/uprobed");
}

static void tracefs_clean(void) {
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

static const struct kind {
        const char *name;
        int (*open)(void);
        uint32_t program;
        int (*report)(int fd);
} kinds[] = {
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

/* Actions -------------------------------------------------------------------------------------- */

static const struct kind *kind_of(const struct arguments *a) {
        const char *name = argument(a, 0, "kprobe");

        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                if (strcmp(kinds[i].name, name) == 0)
                        return &kinds[i];
        return NULL;
}

/* Opens an event of the kind that was asked for, and loads a program for it. */
static int prepare(const struct arguments *a, const struct kind **ret_kind, int *ret_event,
                   int *ret_program) {
        const struct kind *kind = kind_of(a);
        int event, program;

        if (!kind)
                return -EINVAL;
        event = kind->open();
        if (event < 0)
                return event;
        program = make_program("trigger_perf", kind->program, 0, 0);
        if (program < 0)
                return program;
        *ret_kind = kind;
        *ret_event = event;
        *ret_program = program;
        return 0;
}

static int set_program(int event, int program) {
        return ioctl(event, PERF_EVENT_IOC_SET_BPF, program) < 0 ? -errno : 0;
}

static void report_outcome(int r) {
        report_text("errno", r < 0 ? strerrorname_np(-r) ?: "?" : "");
}

static int perf_attach(const struct arguments *a) {
        const struct kind *kind;
        int event, program, r = prepare(a, &kind, &event, &program);

        if (r < 0)
                return r;
        r = set_program(event, program);
        report_begin("perf-attach");
        report_outcome(r);
        if (r >= 0)
                r = kind->report(event);
        report_program(program);
        report_end();
        close(event);
        tracefs_clean();
        return r;
}

/* Attaches, and closes the event. */
static int perf_detach(const struct arguments *a) {
        const struct kind *kind;
        int event, program, r = prepare(a, &kind, &event, &program);

        if (r >= 0)
                r = set_program(event, program);
        if (r < 0)
                return r;
        report_begin("perf-detach");
        report_outcome(0);
        r = kind->report(event);
        report_program(program);
        close(event);
        report_end();
        return r;
}

/* Leaves it to the end of the process. */
static int perf_exit(const struct arguments *a) {
        const struct kind *kind;
        int event, program, r = prepare(a, &kind, &event, &program);

        if (r >= 0)
                r = set_program(event, program);
        if (r < 0)
                return r;
        report_begin("perf-exit");
        report_outcome(0);
        r = kind->report(event);
        report_program(program);
        report_end();
        return r;
}

/* A child has the last fd: it is the one that ends it. */
static int perf_inherit(const struct arguments *a) {
        int event, program, together[2], status, r;
        const struct kind *kind;
        pid_t child;

        if (pipe2(together, O_CLOEXEC) < 0)
                return -errno;
        r = prepare(a, &kind, &event, &program);
        if (r >= 0)
                r = set_program(event, program);
        if (r < 0)
                return r;
        child = fork();
        if (child < 0)
                return -errno;
        if (child == 0) {
                close(together[1]);
                (void) !read(together[0], &status, 1);
                report_begin("perf-inherit");
                report_outcome(0);
                r = kind->report(event);
                report_program(program);
                report_end();
                _exit(r < 0);
        }
        close(event);
        close(together[1]);
        return waitpid(child, &status, 0) == child && status == 0 ? 0 : -EBADE;
}

static int report_failure(const char *action, int r, int program) {
        report_begin(action);
        report_outcome(r);
        if (program >= 0)
                report_program(program);
        report_end();
        return r < 0 ? 0 : -EBADE;
}

static int perf_bad_fd(const struct arguments *a) {
        int event = kprobe_open();

        return event < 0 ? event : report_failure("perf-bad-fd", set_program(event, 9999), -1);
}

/* A map is no program. */
static int perf_map(const struct arguments *a) {
        int event = kprobe_open(), map = make_map("trigger_perf", BPF_MAP_TYPE_ARRAY, 8, 1);

        if (event < 0 || map < 0)
                return MIN(event, map);
        return report_failure("perf-map", set_program(event, map), -1);
}

static int perf_wrong_type(const struct arguments *a) {
        int program = make_program("trigger_perf", BPF_PROG_TYPE_SOCKET_FILTER, 0, 0);
        int event = kprobe_open();

        if (event < 0 || program < 0)
                return MIN(event, program);
        return report_failure("perf-wrong-type", set_program(event, program), program);
}

/* An event has one program; the second attempt is the one that is reported. */
static int perf_twice(const struct arguments *a) {
        const struct kind *kind;
        int event, program, r = prepare(a, &kind, &event, &program);

        if (r >= 0)
                r = set_program(event, program);
        if (r < 0)
                return r;
        program = make_program("trigger_second", kind->program, 0, 0);
        if (program < 0)
                return program;
        return report_failure("perf-twice", set_program(event, program), program);
}

#ifdef __x86_64__
static int perf_32bit(const struct arguments *a) {
        const struct kind *kind;
        int event, program, r = prepare(a, &kind, &event, &program);
        long ret;

        if (r < 0)
                return r;
        /* 54: ioctl in arch/x86/entry/syscalls/syscall_32.tbl */
        asm volatile("int $0x80"
                     : "=a"(ret)
                     : "a"(54L), "b"((long) event), "c"((long) PERF_EVENT_IOC_SET_BPF),
                       "d"((long) program)
                     : "memory", "r8", "r9", "r10", "r11");
        if (ret == -ENOSYS)
                return report_skip("perf-32bit", "this kernel takes no 32-bit calls");
        if (ret < 0)
                return (int) ret;
        report_begin("perf-32bit");
        report_outcome(0);
        r = kind->report(event);
        report_program(program);
        report_end();
        return r;
}
#else
static int perf_32bit(const struct arguments *a) {
        return report_skip("perf-32bit", "a 64-bit process cannot make 32-bit calls here");
}
#endif

/* A link holds the program, and the event. */
static int perf_link(const struct arguments *a) {
        const struct kind *kind;
        int event, program, r = prepare(a, &kind, &event, &program);
        union bpf_attr attr = {};
        long ret;

        if (r < 0)
                return r;
        attr.link_create.prog_fd = (uint32_t) program;
        attr.link_create.target_fd = (uint32_t) event;
        attr.link_create.attach_type = BPF_PERF_EVENT;
        ret = bpf_call(BPF_LINK_CREATE, &attr, sizeof(attr));
        if (ret == -EINVAL)
                return report_skip("perf-link", "this kernel links to no perf events");
        report_begin("perf-link");
        report_call("LINK_CREATE", ret);
        r = ret < 0 ? (int) ret : report_link((int) ret);
        if (r >= 0)
                r = kind->report(event);
        report_end();
        close(event);
        return r;
}

const struct action perf_actions[] = {
        {"perf-attach", "[KIND]", perf_attach,
         "attaches to a perf event: kprobe, kretprobe, uprobe, tracepoint, software and more"},
        {"perf-detach", "[KIND]", perf_detach, "attaches to a perf event, and closes it"},
        {"perf-exit", "[KIND]", perf_exit, "attaches to a perf event, and leaves"},
        {"perf-inherit", "[KIND]", perf_inherit, "attaches to a perf event that a child closes"},
        {"perf-bad-fd", "", perf_bad_fd, "attaches what is not there to a perf event"},
        {"perf-map", "", perf_map, "attaches a map to a perf event"},
        {"perf-wrong-type", "", perf_wrong_type, "attaches a program of another type"},
        {"perf-twice", "[KIND]", perf_twice, "attaches a second program"},
        {"perf-32bit", "[KIND]", perf_32bit, "attaches by a 32-bit call"},
        {"perf-link", "[KIND]", perf_link, "links a program to a perf event"},
        {},
};
