/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Links of every kind that needs no module, what is done to links, and fds that are no program's
 * business. */

#include <errno.h>
#include <fcntl.h>
#include <linux/btf.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "trigger.h"
#include "util.h"

/* include/uapi/linux/bpf.h; the header that we are built with may be older. */
enum {
        PROG_TYPE_NETFILTER = 32,

        ATTACH_KPROBE_MULTI = 42,
        ATTACH_NETFILTER = 45,
        ATTACH_TCX_INGRESS = 46,
        ATTACH_UPROBE_MULTI = 48,

        BAD_FD = 9999,
        LOOPBACK = 1,
        TEXT_SIZE = 512,
};

/* Offsets of link_create, include/uapi/linux/bpf.h. */
enum {
        UPROBE_MULTI_PATH = 16,
        UPROBE_MULTI_OFFSETS = 24,
        UPROBE_MULTI_COUNT = 48,
        NETFILTER_PF = 16,
        NETFILTER_HOOK = 20,
        NETFILTER_PRIORITY = 24,
};

static void put(union bpf_attr *attr, size_t offset, uint64_t value, size_t width) {
        memcpy((char *) attr + offset, &value, width);
}

/* What a link is attached to ------------------------------------------------------------------ */

/* The id of a function in the kernel's BTF. */
static int function_id(const char *name) {
        /* Bytes after each struct btf_type: what there is once, and what there is vlen times. */
        static const struct {
                size_t once, each;
        } sizes[] = {
                [BTF_KIND_INT] = {4},
                [BTF_KIND_ARRAY] = {sizeof(struct btf_array)},
                [BTF_KIND_STRUCT] = {0, sizeof(struct btf_member)},
                [BTF_KIND_UNION] = {0, sizeof(struct btf_member)},
                [BTF_KIND_ENUM] = {0, sizeof(struct btf_enum)},
                [BTF_KIND_FUNC_PROTO] = {0, sizeof(struct btf_param)},
                [BTF_KIND_VAR] = {sizeof(struct btf_var)},
                [BTF_KIND_DATASEC] = {0, sizeof(struct btf_var_secinfo)},
                [17] = {4},     /* BTF_KIND_DECL_TAG */
                [19] = {0, 12}, /* BTF_KIND_ENUM64 */
        };
        _cleanup_close_ int fd = open("/sys/kernel/btf/vmlinux", O_RDONLY | O_CLOEXEC);
        _cleanup_free_ char *data = NULL;
        const struct btf_header *header;
        const struct btf_type *type;
        const char *at, *strings;
        size_t size = 0;
        struct stat st;
        ssize_t n;
        int id = 1;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        data = malloc((size_t) st.st_size);
        while (data && (n = read(fd, data + size, (size_t) st.st_size - size)) > 0)
                size += (size_t) n;
        if (!data || size != (size_t) st.st_size)
                return -EIO;
        header = (const void *) data;
        at = data + header->hdr_len + header->type_off;
        strings = data + header->hdr_len + header->str_off;
        for (const char *end = at + header->type_len; at < end; id++) {
                type = (const void *) at;
                unsigned kind = BTF_INFO_KIND(type->info);

                if (kind == BTF_KIND_FUNC && strcmp(strings + type->name_off, name) == 0)
                        return id;
                at += sizeof(*type);
                if (kind < ELEMENTSOF(sizes))
                        at += sizes[kind].once + BTF_INFO_VLEN(type->info) * sizes[kind].each;
        }
        return -ENOENT;
}

static int make_tracing(const char *name, uint32_t attach_type, const char *function) {
        const struct bpf_insn insns[] = {
                {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
                {.code = BPF_JMP | BPF_EXIT},
        };
        union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_TRACING,
                               .expected_attach_type = attach_type};
        int id = function_id(function);

        if (id < 0)
                return id;
        snprintf(attr.prog_name, sizeof(attr.prog_name), "%s", name);
        attr.attach_btf_id = (uint32_t) id;
        return load_program(&attr, insns, ELEMENTSOF(insns));
}

static int open_perf(uint32_t type, uint64_t config) {
        struct perf_event_attr attr = {.type = type, .size = sizeof(attr), .config = config};
        long fd = syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);

        return fd < 0 ? -errno : (int) fd;
}

/* Where a function is in our own file. */
static uint64_t file_offset(const void *function) {
        unsigned long start, end, offset, address = (uintptr_t) function;
        _cleanup_fclose_ FILE *maps = fopen("/proc/self/maps", "re");
        char line[TEXT_SIZE];

        while (maps && fgets(line, sizeof(line), maps))
                if (sscanf(line, "%lx-%lx %*s %lx", &start, &end, &offset) == 3 &&
                    address >= start && address < end)
                        return address - start + offset;
        return 0;
}

/* A place for a uprobe: never called. */
__attribute__((noinline, used)) void trigger_place(void);
void trigger_place(void) {
        asm volatile("");
}

/* A link that is about to be: fills in the attributes of LINK_CREATE but the program, and says in
 * words to what it attaches. Returns the program, or a negative errno. */
static int plan_tracing(union bpf_attr *attr, char *target) {
        snprintf(target, TEXT_SIZE, "bpf_fentry_test1");
        attr->link_create.attach_type = BPF_TRACE_FENTRY;
        return make_tracing("trigger_fentry", BPF_TRACE_FENTRY, target);
}

static int plan_iter(union bpf_attr *attr, char *target) {
        snprintf(target, TEXT_SIZE, "task");
        attr->link_create.attach_type = BPF_TRACE_ITER;
        return make_tracing("trigger_iter", BPF_TRACE_ITER, "bpf_iter_task");
}

static int plan_netfilter(union bpf_attr *attr, char *target) {
        snprintf(target, TEXT_SIZE, "ipv4/local_in priority -128");
        attr->link_create.attach_type = ATTACH_NETFILTER;
        put(attr, NETFILTER_PF, 2, 4);
        put(attr, NETFILTER_HOOK, 1, 4);
        put(attr, NETFILTER_PRIORITY, (uint64_t) -128, 4);
        return make_program("trigger_netf", PROG_TYPE_NETFILTER, ATTACH_NETFILTER, 1);
}

static int plan_tcx(union bpf_attr *attr, char *target) {
        snprintf(target, TEXT_SIZE, "lo");
        attr->link_create.attach_type = ATTACH_TCX_INGRESS;
        attr->link_create.target_ifindex = LOOPBACK;
        return make_program("trigger_tcx", BPF_PROG_TYPE_SCHED_CLS, ATTACH_TCX_INGRESS, 0);
}

static int plan_xdp(union bpf_attr *attr, char *target) {
        snprintf(target, TEXT_SIZE, "lo");
        attr->link_create.attach_type = BPF_XDP;
        attr->link_create.target_ifindex = LOOPBACK;
        return make_program("trigger_xdp", BPF_PROG_TYPE_XDP, BPF_XDP, 2);
}

static int plan_perf(union bpf_attr *attr, char *target) {
        int fd = open_perf(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK);

        if (fd < 0)
                return fd;
        snprintf(target, TEXT_SIZE, "software:cpu-clock");
        attr->link_create.attach_type = BPF_PERF_EVENT;
        attr->link_create.target_fd = (uint32_t) fd;
        return make_program("trigger_perf", BPF_PROG_TYPE_PERF_EVENT, 0, 0);
}

static int plan_kprobe_multi(union bpf_attr *attr, char *target) {
        static const char *const symbols[] = {"bpf_fentry_test1", "bpf_fentry_test2"};

        snprintf(target, TEXT_SIZE, "2 functions");
        attr->link_create.attach_type = ATTACH_KPROBE_MULTI;
        put(attr, 20, 2, 4);
        put(attr, 24, (uintptr_t) symbols, 8);
        return make_program("trigger_kmulti", BPF_PROG_TYPE_KPROBE, ATTACH_KPROBE_MULTI, 0);
}

static int plan_uprobe_multi(union bpf_attr *attr, char *target) {
        static char path[256];
        static unsigned long offset;
        ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

        if (n < 0)
                return -errno;
        offset = file_offset(trigger_place);
        snprintf(target, TEXT_SIZE, "%s:trigger_place", path);
        attr->link_create.attach_type = ATTACH_UPROBE_MULTI;
        put(attr, UPROBE_MULTI_PATH, (uintptr_t) path, 8);
        put(attr, UPROBE_MULTI_OFFSETS, (uintptr_t) &offset, 8);
        put(attr, UPROBE_MULTI_COUNT, 1, 4);
        return make_program("trigger_umulti", BPF_PROG_TYPE_KPROBE, ATTACH_UPROBE_MULTI, 0);
}

static int plan_sockmap(union bpf_attr *attr, char *target) {
        int map = make_map("trigger_socks", BPF_MAP_TYPE_SOCKMAP, 4, 4);

        if (map < 0)
                return map;
        snprintf(target, TEXT_SIZE, "map %u \"trigger_socks\"", object_id(map));
        attr->link_create.attach_type = BPF_SK_SKB_VERDICT;
        attr->link_create.target_fd = (uint32_t) map;
        return make_program("trigger_sk_skb", BPF_PROG_TYPE_SK_SKB, BPF_SK_SKB_VERDICT, 1);
}

static const struct plan {
        const char *name;
        int (*make)(union bpf_attr *attr, char *target);
} plans[] = {
        {"tracing", plan_tracing},
        {"iter", plan_iter},
        {"netfilter", plan_netfilter},
        {"tcx", plan_tcx},
        {"xdp", plan_xdp},
        {"perf", plan_perf},
        {"kprobe-multi", plan_kprobe_multi},
        {"uprobe-multi", plan_uprobe_multi},
        {"sockmap", plan_sockmap},
};

static int link_of(const struct arguments *a) {
        const char *name = argument(a, 0, "");
        char target[TEXT_SIZE] = "";
        union bpf_attr attr = {};
        long ret;
        int r;

        for (const struct plan *plan = plans; plan < plans + ELEMENTSOF(plans); plan++) {
                if (strcmp(plan->name, name) != 0)
                        continue;
                r = plan->make(&attr, target);
                if (r == -EINVAL)
                        return report_skip("link", "no such programs");
                if (r < 0)
                        return r;
                attr.link_create.prog_fd = (uint32_t) r;
                ret = bpf_call(BPF_LINK_CREATE, &attr, sizeof(attr));
                if (ret == -EINVAL || ret == -EOPNOTSUPP)
                        return report_skip("link", "no such links");
                report_begin("link");
                report_call("LINK_CREATE", ret);
                report_text("target", target);
                report_number("program", object_id(r));
                r = ret < 0 ? (int) ret : report_link((int) ret);
                report_end();
                return r;
        }
        return -EINVAL;
}

/* By RAW_TRACEPOINT_OPEN without a name, as before there was LINK_CREATE for it. */
static int open_tracing(const struct arguments *a) {
        union bpf_attr attr = {}, ignored = {};
        char target[TEXT_SIZE];
        int fd = plan_tracing(&ignored, target);
        long ret;

        if (fd < 0)
                return fd;
        attr.raw_tracepoint.prog_fd = (uint32_t) fd;
        ret = bpf_call(BPF_RAW_TRACEPOINT_OPEN, &attr, sizeof(attr));
        report_begin("open-tracing");
        report_call("RAW_TRACEPOINT_OPEN", ret);
        report_text("target", target);
        if (ret >= 0)
                report_link((int) ret);
        report_end();
        return ret < 0 ? (int) ret : 0;
}

static int iter_create(const struct arguments *a) {
        bool fail = strcmp(argument(a, 0, ""), "fail") == 0;
        union bpf_attr attr = {}, iter = {};
        char target[TEXT_SIZE];
        int program = plan_iter(&attr, target);
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
        int program = plan_iter(&attr, target);

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
        {"link", "KIND", link_of,
         "tracing, iter, netfilter, tcx, xdp, perf, kprobe-multi, uprobe-multi or sockmap"},
        {"open-tracing", "", open_tracing, "attaches to a function, without LINK_CREATE"},
        {"iter-create", "[fail]", iter_create, "opens an iterator"},
        {"link-update", "CGROUP [fail]", link_update, "puts another program into a link"},
        {"link-detach", "[CGROUP]", link_detach, "detaches a link; fails without a cgroup"},
        {"link-fail", "[map]", link_fail, "links to what is no control group"},
        {"attach-sockmap", "", attach_sockmap, "attaches to a map of sockets"},
        {"attach-tcx", "[detach|fail]", attach_tcx, "attaches to the loopback interface"},
        {"wrong-fd", "KIND", wrong_fd, "tries to attach to what is no control group"},
        {},
};
