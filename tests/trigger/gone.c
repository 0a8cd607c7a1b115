/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attachments without links, and attachments of all kinds that end because what they are attached
 * to goes: each of these reports a program, attached alone, and a link. */

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device.h"
#include "trigger.h"
#include "util.h"

/* include/uapi/linux/bpf.h; the header that we are built with may be older. */
enum {
        ATTACH_TCX_INGRESS = 46,
        ATTACH_TCX_EGRESS = 47,
        ATTACH_NETKIT_PRIMARY = 54,
};

static long attach(int target, int program, uint32_t type, uint32_t flags) {
        union bpf_attr attr = {.attach_type = type, .attach_flags = flags};

        attr.target_fd = (uint32_t) target;
        attr.attach_bpf_fd = (uint32_t) program;
        return bpf_call(BPF_PROG_ATTACH, &attr, sizeof(attr));
}

/* The same in a child's name. */
static int attach_apart(int target, int program, uint32_t type, uint32_t flags) {
        pid_t child = fork();
        int status;

        if (child == 0)
                _exit(attach(target, program, type, flags) < 0);
        if (child < 0 || waitpid(child, &status, 0) < 0)
                return -errno;
        return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EBADE;
}

static long make_link(int target, int program, uint32_t type) {
        union bpf_attr attr = {};

        attr.link_create.target_fd = (uint32_t) target;
        attr.link_create.prog_fd = (uint32_t) program;
        attr.link_create.attach_type = type;
        return bpf_call(BPF_LINK_CREATE, &attr, sizeof(attr));
}

/* What goes: a program, and a link or less than 0 for none. */
static int report_gone(const char *action, const char *target, int program, long link) {
        int r;

        report_begin(action);
        report_text("errno", "");
        report_text("target", target);
        r = report_program(program);
        if (link >= 0)
                report_number("link", object_id((int) link));
        report_end();
        return r;
}

/* Until the kernel says of a link that what it was attached to is gone. `at`: where it says so, in
 * struct bpf_link_info. */
static int await_gone(long link, size_t at, size_t width) {
        for (int i = 0; i < 500; i++) {
                struct bpf_link_info info = {};
                union bpf_attr attr = {};
                uint64_t id = 0;
                long r;

                attr.info.bpf_fd = (uint32_t) link;
                attr.info.info_len = sizeof(info);
                attr.info.info = (uintptr_t) &info;
                r = bpf_call(BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr));
                if (r < 0)
                        return (int) r;
                memcpy(&id, (const char *) &info + at, width);
                if (id == 0)
                        return 0;
                usleep(10000);
        }
        return -ETIMEDOUT;
}

/* Gives a program up, and waits until nothing else holds it either. */
static int await_unload(int program) {
        union bpf_attr attr = {.prog_id = object_id(program)};
        long fd;

        close(program);
        for (int i = 0; i < 500; i++) {
                fd = bpf_call(BPF_PROG_GET_FD_BY_ID, &attr, sizeof(attr));
                if (fd < 0)
                        return fd == -ENOENT ? 0 : (int) fd;
                close((int) fd);
                usleep(10000);
        }
        return -ETIMEDOUT;
}

/* Control groups ------------------------------------------------------------------------------- */

static int make_cgroup(const char *path) {
        int fd;

        if (mkdir(path, 0755) < 0 && errno != EEXIST)
                return -errno;
        fd = open(path, O_RDONLY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static int make_pass(const char *name) {
        return make_program(name, BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_INGRESS, 1);
}

/* In which way: alone, so that others below may override it, beside others, or in place of one of
 * those. "fail": alone, where others are. */
static int cgroup_attach(const struct arguments *a) {
        const char *path = argument(a, 0, ""), *mode = argument(a, 1, "");
        int fd = make_cgroup(path), first = make_pass("trigger_first");
        int program = make_pass("trigger_mode"), r;
        union bpf_attr attr = {.attach_type = BPF_CGROUP_INET_INGRESS};
        long ret;

        if (fd < 0 || first < 0 || program < 0)
                return MIN(fd, MIN(first, program));
        attr.target_fd = (uint32_t) fd;
        attr.attach_bpf_fd = (uint32_t) program;
        if (strcmp(mode, "override") == 0)
                attr.attach_flags = BPF_F_ALLOW_OVERRIDE;
        else if (strcmp(mode, "multi") == 0)
                attr.attach_flags = BPF_F_ALLOW_MULTI;
        else if (strcmp(mode, "replace") == 0)
                attr.attach_flags = BPF_F_ALLOW_MULTI | BPF_F_REPLACE;
        if (attr.attach_flags & BPF_F_REPLACE || strcmp(mode, "fail") == 0) {
                r = attach_apart(fd, first, BPF_CGROUP_INET_INGRESS, BPF_F_ALLOW_MULTI);
                if (r < 0)
                        return r;
        }
        if (attr.attach_flags & BPF_F_REPLACE)
                attr.replace_bpf_fd = (uint32_t) first;
        ret = bpf_call(BPF_PROG_ATTACH, &attr, sizeof(attr));
        report_begin("cgroup-attach");
        report_call("PROG_ATTACH", ret);
        report_number("first", object_id(first));
        r = report_program(program);
        report_end();
        (void) rmdir(path);
        return r;
}

static int cgroup_gone(const struct arguments *a) {
        const char *path = argument(a, 0, "");
        int fd = make_cgroup(path), r;
        int program = make_pass("trigger_cg_gone");
        long link;

        if (fd < 0 || program < 0)
                return MIN(fd, program);
        r = (int) attach(fd, program, BPF_CGROUP_INET_INGRESS, BPF_F_ALLOW_MULTI);
        link = make_link(fd,
                         make_program("trigger_cg_link", BPF_PROG_TYPE_CGROUP_SKB,
                                      BPF_CGROUP_INET_EGRESS, 1),
                         BPF_CGROUP_INET_EGRESS);
        if (r < 0 || link < 0)
                return r < 0 ? r : (int) link;
        r = report_gone("cgroup-gone", strrchr(path, '/'), program, link);
        if (r >= 0 && rmdir(path) < 0)
                return -errno;
        close(fd);
        return r < 0 ? r
                     : await_gone(link, offsetof(struct bpf_link_info, cgroup.cgroup_id),
                                  sizeof(uint64_t));
}

/* Network namespaces --------------------------------------------------------------------------- */

static int own_netns(char *target, size_t n) {
        struct stat st;
        int fd;

        if (unshare(CLONE_NEWNET) < 0)
                return -errno;
        fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        snprintf(target, n, "netns %lu", (unsigned long) st.st_ino);
        return fd;
}

static int make_dissector(void) {
        return make_program("trigger_flow", BPF_PROG_TYPE_FLOW_DISSECTOR, BPF_FLOW_DISSECTOR, 0);
}

/* A flow dissector: a namespace has one, and by no fd but by who calls. */
static int netns_attach(const struct arguments *a) {
        const char *how = argument(a, 0, "");
        int program = make_dissector(), r;
        char target[64];
        long ret;

        r = own_netns(target, sizeof(target));
        if (r < 0 || program < 0)
                return MIN(r, program);
        ret = attach(strcmp(how, "fail") == 0 ? r : 0, program, BPF_FLOW_DISSECTOR, 0);
        if (strcmp(how, "detach") == 0) {
                union bpf_attr attr = {.attach_type = BPF_FLOW_DISSECTOR};

                attr.attach_bpf_fd = (uint32_t) program;
                ret = bpf_call(BPF_PROG_DETACH, &attr, sizeof(attr));
                report_begin("netns-attach");
                report_call("PROG_DETACH", ret);
        } else {
                report_begin("netns-attach");
                report_call("PROG_ATTACH", ret);
        }
        report_text("target", target);
        r = report_program(program);
        report_end();
        return r;
}

static int netns_gone(const struct arguments *a) {
        int lookup = make_program("trigger_lookup", BPF_PROG_TYPE_SK_LOOKUP, BPF_SK_LOOKUP, 1);
        int program = make_dissector(), fd, r;
        int before = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        char target[64];
        long link;

        fd = own_netns(target, sizeof(target));
        if (fd < 0 || program < 0 || lookup < 0)
                return MIN(fd, MIN(program, lookup));
        link = attach(0, program, BPF_FLOW_DISSECTOR, 0);
        if (link < 0)
                return (int) link;
        link = make_link(fd, lookup, BPF_SK_LOOKUP);
        if (link < 0)
                return (int) link;
        r = report_gone("netns-gone", target, program, link);
        if (r < 0 || setns(before, CLONE_NEWNET) < 0)
                return r < 0 ? r : -errno;
        close(fd);
        r = await_gone(link, offsetof(struct bpf_link_info, netns.netns_ino), sizeof(uint32_t));
        /* Linux 5.10 says so as soon as the namespace is about to go: both go in one step. */
        return r < 0 ? r : await_unload(program);
}

/* Maps of sockets ------------------------------------------------------------------------------ */

static int make_sockets(const char *kind) {
        return make_map("trigger_socks",
                        strcmp(kind, "hash") == 0 ? BPF_MAP_TYPE_SOCKHASH : BPF_MAP_TYPE_SOCKMAP, 4,
                        4);
}

static int sockmap_gone(const struct arguments *a) {
        int map = make_sockets(argument(a, 0, ""));
        int program = make_program("trigger_sk_gone", BPF_PROG_TYPE_SK_MSG, 0, 1), r;
        char target[64];

        if (map < 0 || program < 0)
                return MIN(map, program);
        r = (int) attach(map, program, BPF_SK_MSG_VERDICT, 0);
        if (r < 0)
                return r;
        snprintf(target, sizeof(target), "map %u \"trigger_socks\"", object_id(map));
        r = report_gone("sockmap-gone", target, program, -1);
        close(map);
        return r;
}

/* Attaches to a hash of sockets, or detaches from it; "fail": what no map of sockets takes. */
static int sockhash_attach(const struct arguments *a) {
        const char *how = argument(a, 0, "");
        uint32_t type = strcmp(how, "fail") == 0 ? BPF_SK_SKB_STREAM_PARSER : BPF_SK_MSG_VERDICT;
        int map = make_sockets("hash"), r;
        int program = make_program("trigger_sk_hash", BPF_PROG_TYPE_SK_MSG, 0, 1);
        union bpf_attr attr = {.attach_type = type};
        char target[64];
        long ret;

        if (map < 0 || program < 0)
                return MIN(map, program);
        attr.target_fd = (uint32_t) map;
        attr.attach_bpf_fd = (uint32_t) program;
        ret = attach(map, program, type, 0);
        if (strcmp(how, "detach") == 0)
                ret = bpf_call(BPF_PROG_DETACH, &attr, sizeof(attr));
        snprintf(target, sizeof(target), "map %u \"trigger_socks\"", object_id(map));
        report_begin("sockhash-attach");
        report_call(strcmp(how, "detach") == 0 ? "PROG_DETACH" : "PROG_ATTACH", ret);
        report_text("target", target);
        r = report_program(program);
        report_end();
        return r;
}

/* Network devices ------------------------------------------------------------------------------ */

static int device_gone(const char *action, const char *kind, uint32_t type, uint32_t link_type) {
        int program = make_program("trigger_dev", BPF_PROG_TYPE_SCHED_CLS, type, 0), r;
        int linked = make_program("trigger_dev_ln", BPF_PROG_TYPE_SCHED_CLS, link_type, 0);
        long link;

        if (program == -EINVAL)
                return report_skip(action, "no such programs");
        if (program < 0 || linked < 0)
                return MIN(program, linked);
        r = device_make_kind(kind);
        if (r == -EOPNOTSUPP)
                return report_skip(action, "no such devices");
        if (r >= 0)
                r = (int) attach((int) if_nametoindex(device), program, type, 0);
        if (r == -EINVAL)
                return report_skip(action, "no such attach type");
        if (r < 0)
                return r;
        link = make_link((int) if_nametoindex(device), linked, link_type);
        if (link < 0)
                return (int) link;
        r = report_gone(action, device, program, link);
        return r < 0 ? r : device_remove();
}

static int tcx_gone(const struct arguments *a) {
        return device_gone("tcx-gone", "dummy", ATTACH_TCX_INGRESS, ATTACH_TCX_EGRESS);
}

static int netkit_gone(const struct arguments *a) {
        return device_gone("netkit-gone", "netkit", ATTACH_NETKIT_PRIMARY, ATTACH_NETKIT_PRIMARY);
}

const struct action gone_actions[] = {
        {"cgroup-attach", "CGROUP MODE", cgroup_attach, "single, override, multi, replace or fail"},
        {"cgroup-gone", "CGROUP", cgroup_gone, "a control group goes, with what is attached to it"},
        {"netns-attach", "[detach|fail]", netns_attach, "a flow dissector"},
        {"netns-gone", "", netns_gone, "a network namespace goes, with what is attached to it"},
        {"sockhash-attach", "[detach|fail]", sockhash_attach, "attaches to a hash of sockets"},
        {"sockmap-gone", "[hash]", sockmap_gone, "a map of sockets goes, with what is attached"},
        {"tcx-gone", "", tcx_gone, "a device goes, with what is attached to it"},
        {"netkit-gone", "", netkit_gone, "the same of a netkit device"},
        {},
};
