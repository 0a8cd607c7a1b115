/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Programs attached to perf events by ioctl(). What an event is attached to is what the kernel says
 * of its fd (BPF_TASK_FD_QUERY), where it does. */

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "perf-events.h"
#include "trigger.h"
#include "util.h"

/* Opens an event of the kind that was asked for, and loads a program for it. */
static int prepare(const struct arguments *a, const struct perf_kind **ret_kind, int *ret_event,
                   int *ret_program) {
        const struct perf_kind *kind = perf_kind(argument(a, 0, "kprobe"));
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
        const struct perf_kind *kind;
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
        perf_clean();
        return r;
}

/* Attaches, and closes the event. */
static int perf_detach(const struct arguments *a) {
        const struct perf_kind *kind;
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
        const struct perf_kind *kind;
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
        const struct perf_kind *kind;
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
        int event = perf_kind("kprobe")->open();

        return event < 0 ? event : report_failure("perf-bad-fd", set_program(event, 9999), -1);
}

/* A map is no program. */
static int perf_map(const struct arguments *a) {
        int event = perf_kind("kprobe")->open(),
            map = make_map("trigger_perf", BPF_MAP_TYPE_ARRAY, 8, 1);

        if (event < 0 || map < 0)
                return MIN(event, map);
        return report_failure("perf-map", set_program(event, map), -1);
}

static int perf_wrong_type(const struct arguments *a) {
        int program = make_program("trigger_perf", BPF_PROG_TYPE_SOCKET_FILTER, 0, 0);
        int event = perf_kind("kprobe")->open();

        if (event < 0 || program < 0)
                return MIN(event, program);
        return report_failure("perf-wrong-type", set_program(event, program), program);
}

/* An event has one program; the second attempt is the one that is reported. */
static int perf_twice(const struct arguments *a) {
        const struct perf_kind *kind;
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
        const struct perf_kind *kind;
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
        const struct perf_kind *kind;
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
