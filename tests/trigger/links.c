/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Links of every kind, what is done to links, and fds that are no program's
 * business. */

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plans.h"
#include "trigger.h"
#include "util.h"

enum {
        BAD_FD = 9999,
        LOOPBACK = 1,
        ATTACH_TCX_INGRESS = 46, /* include/uapi/linux/bpf.h; ours may be older */
};

static bool is_missing(int r) {
        return r == -EINVAL || r == -ENOENT || r == -EOPNOTSUPP;
}

static int link_of(const struct arguments *a) {
        bool fail = strcmp(argument(a, 1, ""), "fail") == 0;
        char target[TEXT_SIZE] = "";
        union bpf_attr attr = {};
        int r = plan_link(argument(a, 0, ""), &attr, target);
        long ret;

        if (is_missing(r))
                return report_skip("link", "no such programs");
        if (r < 0)
                return r;
        attr.link_create.prog_fd = (uint32_t) r;
        ret = bpf_call(BPF_LINK_CREATE, &attr, sizeof(attr));
        if (is_missing((int) ret) && !fail)
                return report_skip("link", "no such links");
        report_begin("link");
        report_call("LINK_CREATE", ret);
        report_text("target", target);
        report_number("program", object_id(r));
        r = ret < 0 ? (fail ? 0 : (int) ret) : report_link((int) ret);
        report_end();
        return r;
}

/* By RAW_TRACEPOINT_OPEN without a name, as before there was LINK_CREATE for it. */
static int open_tracing(const struct arguments *a) {
        union bpf_attr attr = {}, ignored = {};
        char target[TEXT_SIZE];
        int fd = plan_link(argument(a, 0, "tracing"), &ignored, target);
        long ret;

        if (is_missing(fd))
                return report_skip("open-tracing", "no such programs");
        if (fd < 0)
                return fd;
        attr.raw_tracepoint.prog_fd = (uint32_t) fd;
        ret = bpf_call(BPF_RAW_TRACEPOINT_OPEN, &attr, sizeof(attr));
        report_begin("open-tracing");
        report_call("RAW_TRACEPOINT_OPEN", ret);
        report_text("target", target);
        report_number("program", object_id(fd));
        if (ret >= 0)
                report_link((int) ret);
        report_end();
        return ret < 0 ? (int) ret : 0;
}

static int iter_create(const struct arguments *a) {
        bool fail = strcmp(argument(a, 0, ""), "fail") == 0;
        union bpf_attr attr = {}, iter = {};
        char target[TEXT_SIZE];
        int program = plan_link("iter", &attr, target);
        long link, ret;

        if (program < 0)
                return program;
        attr.link_create.prog_fd = (uint32_t) program;
        link = bpf_call(BPF_LINK_CREATE, &attr, sizeof(attr));
        if (link < 0)
                return (int) link;
        iter.iter_create.link_fd = fail ? (uint32_t) program : (uint32_t) link;
        ret = bpf_call(BPF_ITER_CREATE, &iter, sizeof(iter));
        report_begin("iter-create");
        report_call("ITER_CREATE", ret);
        report_number("program", object_id(program));
        report_link((int) link);
        report_end();
        return 0;
}

/* What is done to links ------------------------------------------------------------------------ */

static int make_cgroup_program(const char *name) {
        return make_program(name, BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_INGRESS, 1);
}

static int link_cgroup(const char *path, int program) {
        union bpf_attr attr = {};
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        if (program < 0)
                return program;
        attr.link_create.target_fd = (uint32_t) fd;
        attr.link_create.prog_fd = (uint32_t) program;
        attr.link_create.attach_type = BPF_CGROUP_INET_INGRESS;
        return (int) bpf_call(BPF_LINK_CREATE, &attr, sizeof(attr));
}

/* With "fail": the kernel is told that another program is there than is. */
static int link_update(const struct arguments *a) {
        bool fail = strcmp(argument(a, 1, ""), "fail") == 0;
        int before = make_cgroup_program("trigger_before"), after;
        int link = link_cgroup(argument(a, 0, ""), before), r;
        union bpf_attr attr = {};
        long ret;

        after = make_cgroup_program("trigger_after");
        if (link < 0 || after < 0)
                return MIN(link, after);
        attr.link_update.link_fd = (uint32_t) link;
        attr.link_update.new_prog_fd = (uint32_t) after;
        if (fail) {
                attr.link_update.flags = BPF_F_REPLACE;
                attr.link_update.old_prog_fd = (uint32_t) after;
        }
        ret = bpf_call(BPF_LINK_UPDATE, &attr, sizeof(attr));
        report_begin("link-update");
        report_call("LINK_UPDATE", ret);
        report_number("before", object_id(before));
        report_number("after", object_id(after));
        r = report_link(link);
        report_end();
        return r;
}

/* Without a cgroup: a link that cannot be detached. */
static int link_detach(const struct arguments *a) {
        const char *path = argument(a, 0, NULL);
        int program = path ? make_cgroup_program("trigger_detach")
                           : make_program("trigger_detach", BPF_PROG_TYPE_RAW_TRACEPOINT, 0, 0);
        int link = path ? link_cgroup(path, program) : open_raw_tracepoint(program), r;
        union bpf_attr attr = {};
        long ret;

        if (link < 0)
                return link;
        attr.link_detach.link_fd = (uint32_t) link;
        ret = bpf_call(BPF_LINK_DETACH, &attr, sizeof(attr));
        report_begin("link-detach");
        report_call("LINK_DETACH", ret);
        r = report_link(link);
        report_end();
        return r;
}

/* Attachments without links -------------------------------------------------------------------- */

static int report_attached(const char *action, const char *cmd, long ret, int program) {
        int r;

        report_begin(action);
        report_call(cmd, ret);
        r = report_program(program);
        report_end();
        return r;
}

static int attach_sockmap(const struct arguments *a) {
        int map = make_map("trigger_socks", BPF_MAP_TYPE_SOCKMAP, 4, 4);
        int program = make_program("trigger_sk_msg", BPF_PROG_TYPE_SK_MSG, 0, 1);
        union bpf_attr attr = {.attach_type = BPF_SK_MSG_VERDICT};
        char target[TEXT_SIZE];
        long ret;
        int r;

        if (map < 0 || program < 0)
                return MIN(map, program);
        attr.target_fd = (uint32_t) map;
        attr.attach_bpf_fd = (uint32_t) program;
        ret = bpf_call(BPF_PROG_ATTACH, &attr, sizeof(attr));
        snprintf(target, sizeof(target), "map %u \"trigger_socks\"", object_id(map));
        report_begin("attach-sockmap");
        report_call("PROG_ATTACH", ret);
        report_text("target", target);
        r = report_program(program);
        report_end();
        return r;
}

/* Attaches to the loopback interface, and with "detach" away from it again. */
static int attach_tcx(const struct arguments *a) {
        int program = make_program("trigger_tcx", BPF_PROG_TYPE_SCHED_CLS, ATTACH_TCX_INGRESS, 0);
        bool fail = strcmp(argument(a, 0, ""), "fail") == 0;
        union bpf_attr attr = {.attach_type = ATTACH_TCX_INGRESS};
        long ret;

        if (program < 0)
                return program;
        attr.target_fd = fail ? 0x7fffffff : LOOPBACK; /* target_ifindex */
        attr.attach_bpf_fd = (uint32_t) program;
        ret = bpf_call(BPF_PROG_ATTACH, &attr, sizeof(attr));
        if (ret == -EINVAL)
                return report_skip("attach-tcx", "no such attach type (it came with 6.6)");
        if (ret < 0 || strcmp(argument(a, 0, ""), "detach") != 0) {
                report_attached("attach-tcx", "PROG_ATTACH", ret, program);
                if (ret >= 0)
                        (void) bpf_call(BPF_PROG_DETACH, &attr, sizeof(attr));
                return 0;
        }
        ret = bpf_call(BPF_PROG_DETACH, &attr, sizeof(attr));
        return report_attached("attach-tcx", "PROG_DETACH", ret, program);
}

/* Fds that are something else ------------------------------------------------------------------ */

static int make_iterator(void) {
        union bpf_attr attr = {}, iter = {};
        char target[TEXT_SIZE];
        int program = plan_link("iter", &attr, target);

        if (program < 0)
                return program;
        attr.link_create.prog_fd = (uint32_t) program;
        iter.iter_create.link_fd = (uint32_t) bpf_call(BPF_LINK_CREATE, &attr, sizeof(attr));
        return (int) bpf_call(BPF_ITER_CREATE, &iter, sizeof(iter));
}

/* Opens something, and says in `text` what it is. */
static int open_something(const char *what, char *text) {
        struct stat st;
        int fd = -EINVAL;

        snprintf(text, TEXT_SIZE, "%s", what);
        if (strcmp(what, "socket") == 0) {
                fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        } else if (strcmp(what, "perf event") == 0 || strcmp(what, "perf") == 0) {
                fd = open_perf(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK);
                snprintf(text, TEXT_SIZE, "perf event");
        } else if (strcmp(what, "iterator") == 0) {
                fd = make_iterator();
        } else if (strcmp(what, "file") == 0) {
                fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
                snprintf(text, TEXT_SIZE, "file \"null\"");
        } else if (strcmp(what, "netns") == 0) {
                fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
                if (fstat(fd, &st) == 0)
                        snprintf(text, TEXT_SIZE, "netns %lu", (unsigned long) st.st_ino);
        } else if (strcmp(what, "pidns") == 0) {
                fd = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
                snprintf(text, TEXT_SIZE, "file");
        } else if (strcmp(what, "link") == 0) {
                fd = open_raw_tracepoint(
                        make_program("trigger_fd", BPF_PROG_TYPE_RAW_TRACEPOINT, 0, 0));
                snprintf(text, TEXT_SIZE, "link %u", object_id(fd));
        } else if (strcmp(what, "btf") == 0) {
                fd = make_btf();
                snprintf(text, TEXT_SIZE, "BTF %u", btf_id(fd));
        } else if (strcmp(what, "map") == 0) {
                fd = make_map("trigger_fd", BPF_MAP_TYPE_ARRAY, 8, 1);
                snprintf(text, TEXT_SIZE, "map %u \"trigger_fd\"", object_id(fd));
        } else if (strcmp(what, "program") == 0) {
                fd = make_cgroup_program("trigger_fd");
                snprintf(text, TEXT_SIZE, "program %u \"trigger_fd\"", object_id(fd));
        } else if (strcmp(what, "nothing") == 0) {
                fd = BAD_FD;
        }
        return fd;
}

/* Tries to attach to what is no control group. */
static int wrong_fd(const struct arguments *a) {
        int program = make_cgroup_program("trigger_wrong"), fd, r;
        union bpf_attr attr = {.attach_type = BPF_CGROUP_INET_INGRESS};
        char text[TEXT_SIZE];
        long ret;

        fd = open_something(argument(a, 0, ""), text);
        if (fd < 0 || program < 0)
                return MIN(fd, program);
        attr.target_fd = (uint32_t) fd;
        attr.attach_bpf_fd = (uint32_t) program;
        ret = bpf_call(BPF_PROG_ATTACH, &attr, sizeof(attr));
        report_begin("wrong-fd");
        report_call("PROG_ATTACH", ret);
        report_text("target_fd", text);
        r = report_program(program);
        report_end();
        return r;
}

/* A link to what is no control group; with a map for a program. */
static int link_fail(const struct arguments *a) {
        bool map = strcmp(argument(a, 0, ""), "map") == 0;
        union bpf_attr attr = {};
        char target[TEXT_SIZE], program[TEXT_SIZE];
        long ret;

        attr.link_create.target_fd = (uint32_t) open_something("file", target);
        attr.link_create.prog_fd = (uint32_t) open_something(map ? "map" : "program", program);
        attr.link_create.attach_type = BPF_CGROUP_INET_INGRESS;
        ret = bpf_call(BPF_LINK_CREATE, &attr, sizeof(attr));
        report_begin("link-fail");
        report_call("LINK_CREATE", ret);
        report_text("target_fd", target);
        report_text("prog_fd", program);
        report_end();
        return 0;
}

const struct action link_actions[] = {
        {"link", "KIND [fail]", link_of,
         "a link of a kind: see plans.c; with \"fail\" one that is refused"},
        {"open-tracing", "[KIND]", open_tracing, "attaches to a function, without LINK_CREATE"},
        {"iter-create", "[fail]", iter_create, "opens an iterator"},
        {"link-update", "CGROUP [fail]", link_update, "puts another program into a link"},
        {"link-detach", "[CGROUP]", link_detach, "detaches a link; fails without a cgroup"},
        {"link-fail", "[map]", link_fail, "links to what is no control group"},
        {"attach-sockmap", "", attach_sockmap, "attaches to a map of sockets"},
        {"attach-tcx", "[detach|fail]", attach_tcx, "attaches to the loopback interface"},
        {"wrong-fd", "KIND", wrong_fd, "tries to attach to what is no control group"},
        {},
};
