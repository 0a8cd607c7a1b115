/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Links of every kind: the program of each, and what it attaches to. */

#include <errno.h>
#include <fcntl.h>
#include <linux/btf.h>
#include <linux/perf_event.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "device.h"
#include "kernel-btf.h"
#include "plans.h"
#include "trigger.h"
#include "util.h"

/* include/uapi/linux/bpf.h; the header that we are built with may be older. */
enum {
        PROG_TYPE_NETFILTER = 32,

        ATTACH_KPROBE_MULTI = 42,
        ATTACH_LSM_CGROUP = 43,
        ATTACH_NETFILTER = 45,
        ATTACH_TCX_INGRESS = 46,
        ATTACH_UPROBE_MULTI = 48,
        ATTACH_NETKIT_PRIMARY = 54,
        ATTACH_FENTRY_MULTI = 59,

        LOOPBACK = 1,
};

/* Offsets of link_create, include/uapi/linux/bpf.h. */
enum {
        UPROBE_MULTI_PATH = 16,
        UPROBE_MULTI_OFFSETS = 24,
        UPROBE_MULTI_COUNT = 48,
        NETFILTER_PF = 16,
        NETFILTER_HOOK = 20,
        NETFILTER_PRIORITY = 24,
        TRACING_MULTI_IDS = 16,
        TRACING_MULTI_COUNT = 32,
};

static void put(union bpf_attr *attr, size_t offset, uint64_t value, size_t width) {
        memcpy((char *) attr + offset, &value, width);
}

/* A program for one of the kernel's types: a function, or what describes a tracepoint. */
static int make_typed(const char *name, uint32_t type, uint32_t attach_type, uint32_t kind,
                      const char *target) {
        const struct bpf_insn insns[] = {
                {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
                {.code = BPF_JMP | BPF_EXIT},
        };
        union bpf_attr attr = {.prog_type = type, .expected_attach_type = attach_type};
        int id = kernel_type(kind, target);

        if (id < 0)
                return id;
        snprintf(attr.prog_name, sizeof(attr.prog_name), "%s", name);
        attr.attach_btf_id = (uint32_t) id;
        return load_program(&attr, insns, ELEMENTSOF(insns));
}

static int make_tracing(const char *name, uint32_t attach_type, const char *function) {
        return make_typed(name, BPF_PROG_TYPE_TRACING, attach_type, BTF_KIND_FUNC, function);
}

int open_perf(uint32_t type, uint64_t config) {
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

static int plan_fexit(union bpf_attr *attr, char *target) {
        snprintf(target, TEXT_SIZE, "bpf_fentry_test1");
        attr->link_create.attach_type = BPF_TRACE_FEXIT;
        return make_tracing("trigger_fexit", BPF_TRACE_FEXIT, target);
}

static int plan_fmod_ret(union bpf_attr *attr, char *target) {
        snprintf(target, TEXT_SIZE, "security_sb_statfs");
        attr->link_create.attach_type = BPF_MODIFY_RETURN;
        return make_tracing("trigger_fmod", BPF_MODIFY_RETURN, target);
}

static int plan_raw_tracepoint(union bpf_attr *attr, char *target) {
        snprintf(target, TEXT_SIZE, "cgroup_mkdir");
        attr->link_create.attach_type = BPF_TRACE_RAW_TP;
        return make_typed("trigger_tp_btf", BPF_PROG_TYPE_TRACING, BPF_TRACE_RAW_TP,
                          BTF_KIND_TYPEDEF, "btf_trace_cgroup_mkdir");
}

static int plan_lsm(union bpf_attr *attr, char *target) {
        snprintf(target, TEXT_SIZE, "bpf_lsm_sb_statfs");
        attr->link_create.attach_type = BPF_LSM_MAC;
        return make_typed("trigger_lsm", BPF_PROG_TYPE_LSM, BPF_LSM_MAC, BTF_KIND_FUNC, target);
}

/* Of all processes of a group. */
static int plan_lsm_cgroup(union bpf_attr *attr, char *target) {
        const struct bpf_insn allow[] = {
                {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1},
                {.code = BPF_JMP | BPF_EXIT},
        };
        union bpf_attr load = {.prog_type = BPF_PROG_TYPE_LSM,
                               .expected_attach_type = ATTACH_LSM_CGROUP,
                               .prog_name = "trigger_lsm_cg"};
        int id = kernel_type(BTF_KIND_FUNC, "bpf_lsm_socket_bind");
        int fd = open("/sys/fs/cgroup/test", O_RDONLY | O_CLOEXEC);

        if (id < 0 || fd < 0)
                return id < 0 ? id : -errno;
        snprintf(target, TEXT_SIZE, "/test");
        load.attach_btf_id = (uint32_t) id;
        attr->link_create.attach_type = ATTACH_LSM_CGROUP;
        attr->link_create.target_fd = (uint32_t) fd;
        return load_program(&load, allow, ELEMENTSOF(allow));
}

/* int replaced(struct xdp_md *), the way compilers describe it. */
static int make_function_btf(void) {
        enum { INT = 1, CONTEXT, POINTER, PROTOTYPE, FUNCTION };
        static const struct {
                struct btf_header header;
                struct btf_type number;
                uint32_t encoding;
                struct btf_type context, pointer, prototype;
                struct btf_param parameter;
                struct btf_type function;
                char strings[24];
        } btf = {
                .header = {.magic = BTF_MAGIC,
                           .version = BTF_VERSION,
                           .hdr_len = sizeof(struct btf_header),
                           .type_len = offsetof(__typeof__(btf), strings) -
                                       sizeof(struct btf_header),
                           .str_off = offsetof(__typeof__(btf), strings) -
                                      sizeof(struct btf_header),
                           .str_len = sizeof(btf.strings)},
                .number = {.name_off = 1, .info = BTF_KIND_INT << 24, .size = 4},
                .encoding = BTF_INT_SIGNED << 24 | 32,
                .context = {.name_off = 5, .info = BTF_KIND_STRUCT << 24, .size = 4},
                .pointer = {.info = BTF_KIND_PTR << 24, .type = CONTEXT},
                .prototype = {.info = BTF_KIND_FUNC_PROTO << 24 | 1, .type = INT},
                .parameter = {.name_off = 12, .type = POINTER},
                .function = {.name_off = 14,
                             .info = BTF_KIND_FUNC << 24 | BTF_FUNC_GLOBAL,
                             .type = PROTOTYPE},
                .strings = "\0int\0xdp_md\0c\0replaced",
        };
        union bpf_attr attr = {};

        attr.btf = (uintptr_t) &btf;
        attr.btf_size = sizeof(btf);
        return (int) bpf_call(BPF_BTF_LOAD, &attr, sizeof(attr));
}

static int load_function(union bpf_attr *attr, int btf) {
        static const struct bpf_func_info info = {.insn_off = 0, .type_id = 5};
        const struct bpf_insn pass[] = {
                {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 2},
                {.code = BPF_JMP | BPF_EXIT},
        };

        attr->prog_btf_fd = (uint32_t) btf;
        attr->func_info = (uintptr_t) &info;
        attr->func_info_cnt = 1;
        attr->func_info_rec_size = sizeof(info);
        return load_program(attr, pass, ELEMENTSOF(pass));
}

/* Instead of a function of another program. */
static int plan_freplace(union bpf_attr *attr, char *target) {
        union bpf_attr old = {.prog_type = BPF_PROG_TYPE_XDP, .prog_name = "trigger_whole"};
        union bpf_attr new = {.prog_type = BPF_PROG_TYPE_EXT, .prog_name = "trigger_ext"};
        int btf = make_function_btf(), program;

        if (btf < 0)
                return btf;
        program = load_function(&old, btf);
        if (program < 0)
                return program;
        snprintf(target, TEXT_SIZE, "program %u \"replaced\"", object_id(program));
        new.attach_prog_fd = (uint32_t) program;
        new.attach_btf_id = 5;
        return load_function(&new, btf);
}

static int plan_tracing_multi(union bpf_attr *attr, char *target) {
        static uint32_t ids[2];
        union bpf_attr load = {.prog_type = BPF_PROG_TYPE_TRACING,
                               .expected_attach_type = ATTACH_FENTRY_MULTI,
                               .prog_name = "trigger_tmulti"};
        const struct bpf_insn insns[] = {
                {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
                {.code = BPF_JMP | BPF_EXIT},
        };

        for (int i = 0; i < 2; i++)
                ids[i] = (uint32_t) kernel_type(BTF_KIND_FUNC,
                                                i ? "bpf_fentry_test2" : "bpf_fentry_test1");
        snprintf(target, TEXT_SIZE, "2 functions");
        attr->link_create.attach_type = ATTACH_FENTRY_MULTI;
        put(attr, TRACING_MULTI_IDS, (uintptr_t) ids, 8);
        put(attr, TRACING_MULTI_COUNT, 2, 4);
        return load_program(&load, insns, ELEMENTSOF(insns));
}

/* In a network namespace of our own. */
static int plan_sk_lookup(union bpf_attr *attr, char *target) {
        struct stat st;
        int fd;

        if (unshare(CLONE_NEWNET) < 0)
                return -errno;
        fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        snprintf(target, TEXT_SIZE, "netns %lu", (unsigned long) st.st_ino);
        attr->link_create.attach_type = BPF_SK_LOOKUP;
        attr->link_create.target_fd = (uint32_t) fd;
        return make_program("trigger_lookup", BPF_PROG_TYPE_SK_LOOKUP, BPF_SK_LOOKUP, 1);
}

static int plan_netkit(union bpf_attr *attr, char *target) {
        int r = device_make_kind("netkit");

        if (r == -EOPNOTSUPP)
                return -EINVAL;
        if (r < 0)
                return r;
        snprintf(target, TEXT_SIZE, "%s", device);
        attr->link_create.attach_type = ATTACH_NETKIT_PRIMARY;
        attr->link_create.target_ifindex = if_nametoindex(device);
        return make_program("trigger_netkit", BPF_PROG_TYPE_SCHED_CLS, ATTACH_NETKIT_PRIMARY, 0);
}

/* A device that has no place for such a program. */
static int plan_netkit_fail(union bpf_attr *attr, char *target) {
        snprintf(target, TEXT_SIZE, "lo");
        attr->link_create.attach_type = ATTACH_NETKIT_PRIMARY;
        attr->link_create.target_ifindex = LOOPBACK;
        return make_program("trigger_netkit", BPF_PROG_TYPE_SCHED_CLS, ATTACH_NETKIT_PRIMARY, 0);
}

static const struct plan {
        const char *name;
        int (*make)(union bpf_attr *attr, char *target);
} plans[] = {
        {"tracing", plan_tracing},
        {"fexit", plan_fexit},
        {"fmod-ret", plan_fmod_ret},
        {"raw-tracepoint", plan_raw_tracepoint},
        {"lsm", plan_lsm},
        {"lsm-cgroup", plan_lsm_cgroup},
        {"freplace", plan_freplace},
        {"tracing-multi", plan_tracing_multi},
        {"iter", plan_iter},
        {"netfilter", plan_netfilter},
        {"sk-lookup", plan_sk_lookup},
        {"tcx", plan_tcx},
        {"netkit", plan_netkit},
        {"netkit-fail", plan_netkit_fail},
        {"xdp", plan_xdp},
        {"perf", plan_perf},
        {"kprobe-multi", plan_kprobe_multi},
        {"uprobe-multi", plan_uprobe_multi},
        {"sockmap", plan_sockmap},
};

int plan_link(const char *name, union bpf_attr *attr, char *target) {
        for (const struct plan *plan = plans; plan < plans + ELEMENTSOF(plans); plan++)
                if (strcmp(plan->name, name) == 0)
                        return plan->make(attr, target);
        return -ENOSYS;
}
