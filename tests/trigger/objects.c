/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Actions that make, use and drop objects, as programs ordinarily do. What is opened stays open
 * until the process ends, for --pause. */

#include <errno.h>
#include <fcntl.h>
#include <linux/btf.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "trigger.h"
#include "util.h"

static int map_create(const struct arguments *a) {
        return report_made("map-create", "MAP_CREATE",
                           make_map(argument(a, 0, "trigger_map"), BPF_MAP_TYPE_HASH, 8, 16),
                           report_map);
}

static int map_freeze(const struct arguments *a) {
        int fd = make_map("trigger_frozen", BPF_MAP_TYPE_ARRAY, 8, 16);
        union bpf_attr attr = {.map_fd = fd};
        long ret;

        if (fd < 0)
                return fd;
        ret = bpf_call(BPF_MAP_FREEZE, &attr, sizeof(attr));
        report_begin("map-freeze");
        report_call("MAP_FREEZE", ret);
        report_map(fd);
        report_end();
        return ret;
}

/* An array has all its keys from the start: no call but those that are asked for. */
static const struct element_operation {
        const char *name;
        const char *cmd_name;
        int cmd;
        uint32_t map_type;
        uint32_t key;
} element_operations[] = {
        {"lookup", "MAP_LOOKUP_ELEM", BPF_MAP_LOOKUP_ELEM, BPF_MAP_TYPE_ARRAY, 1},
        {"lookup-missing", "MAP_LOOKUP_ELEM", BPF_MAP_LOOKUP_ELEM, BPF_MAP_TYPE_ARRAY, 99},
        {"update", "MAP_UPDATE_ELEM", BPF_MAP_UPDATE_ELEM, BPF_MAP_TYPE_ARRAY, 1},
        {"delete", "MAP_DELETE_ELEM", BPF_MAP_DELETE_ELEM, BPF_MAP_TYPE_HASH, 1},
        {"next-key", "MAP_GET_NEXT_KEY", BPF_MAP_GET_NEXT_KEY, BPF_MAP_TYPE_ARRAY, 1},
};

static const struct element_operation *element_operation(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(element_operations); i++)
                if (strcmp(element_operations[i].name, name) == 0)
                        return &element_operations[i];
        return NULL;
}

static int64_t nanoseconds(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int map_elements(const struct arguments *a) {
        const struct element_operation *op = element_operation(argument(a, 0, "lookup"));
        uint64_t calls = strtoull(argument(a, 1, "1000"), NULL, 0), errors = 0, value = 7;
        union bpf_attr attr = {};
        uint32_t key;
        int64_t start;
        int fd;

        if (!op)
                return -EINVAL;
        fd = make_map("trigger_elems", op->map_type, sizeof(value), 16);
        if (fd < 0)
                return fd;
        key = op->key;
        attr.map_fd = fd;
        attr.key = (uintptr_t) &key;
        if (op->cmd != BPF_MAP_DELETE_ELEM)
                attr.value = (uintptr_t) &value; /* and next_key */

        start = nanoseconds();
        for (uint64_t i = 0; i < calls; i++)
                errors += bpf_call(op->cmd, &attr, sizeof(attr)) < 0;

        report_begin("map-elements");
        report_text("cmd", op->cmd_name);
        report_number("calls", calls);
        report_number("errors", errors);
        report_number("nanoseconds", nanoseconds() - start);
        report_map(fd);
        report_end();
        return 0;
}

static int prog_load(const struct arguments *a) {
        int fd = make_program(argument(a, 0, "trigger_prog"), BPF_PROG_TYPE_SOCKET_FILTER, 0, 0);

        return report_made("prog-load", "PROG_LOAD", fd, report_program);
}

static int prog_run(const struct arguments *a) {
        int fd = make_program("trigger_run", BPF_PROG_TYPE_SOCKET_FILTER, 0, 42);
        char packet[64] = {};
        union bpf_attr attr = {};
        long ret;

        if (fd < 0)
                return fd;
        attr.test.prog_fd = fd;
        attr.test.data_in = (uintptr_t) packet;
        attr.test.data_size_in = sizeof(packet);
        attr.test.repeat = 1;
        ret = bpf_call(BPF_PROG_TEST_RUN, &attr, sizeof(attr));
        report_begin("prog-run");
        report_call("PROG_TEST_RUN", ret);
        report_number("retval", attr.test.retval);
        report_program(fd);
        report_end();
        return ret;
}

int make_btf(void) {
        /* One type: int, 32 bits, signed. */
        static const struct {
                struct btf_header header;
                struct btf_type type;
                uint32_t encoding;
                char strings[5];
        } btf = {
                .header = {.magic = BTF_MAGIC,
                           .version = BTF_VERSION,
                           .hdr_len = sizeof(struct btf_header),
                           .type_len = sizeof(struct btf_type) + sizeof(uint32_t),
                           .str_off = sizeof(struct btf_type) + sizeof(uint32_t),
                           .str_len = 5},
                .type = {.name_off = 1, .info = BTF_KIND_INT << 24, .size = 4},
                .encoding = BTF_INT_SIGNED << 24 | 32,
                .strings = "\0int",
        };
        union bpf_attr attr = {};

        attr.btf = (uintptr_t) &btf;
        attr.btf_size = offsetof(__typeof__(btf), strings) + sizeof(btf.strings);
        return bpf_call(BPF_BTF_LOAD, &attr, sizeof(attr));
}

static int btf_load(const struct arguments *a) {
        return report_made("btf-load", "BTF_LOAD", make_btf(), report_btf);
}

/* A program for cgroups that lets every packet pass. */
static int make_cgroup_program(void) {
        return make_program("trigger_cgroup", BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_INGRESS, 1);
}

/* With a cgroup's path: links to that cgroup; without: to a network namespace of its own. */
static int link_create(const struct arguments *a) {
        const char *cgroup = argument(a, 0, NULL);
        union bpf_attr attr = {};

        if (!cgroup && unshare(CLONE_NEWNET) < 0)
                return -errno;
        attr.link_create.target_fd = open(cgroup ?: "/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        if ((int) attr.link_create.target_fd < 0)
                return -errno;
        attr.link_create.attach_type = cgroup ? BPF_CGROUP_INET_INGRESS : BPF_FLOW_DISSECTOR;
        attr.link_create.prog_fd = cgroup ? make_cgroup_program()
                                          : make_program("trigger_netns",
                                                         BPF_PROG_TYPE_FLOW_DISSECTOR,
                                                         BPF_FLOW_DISSECTOR, BPF_OK);
        if ((int) attr.link_create.prog_fd < 0)
                return attr.link_create.prog_fd;
        return report_made("link-create", "LINK_CREATE",
                           bpf_call(BPF_LINK_CREATE, &attr, sizeof(attr)), report_link);
}

static int raw_tracepoint_open(const struct arguments *a) {
        int fd = make_program("trigger_raw_tp", BPF_PROG_TYPE_RAW_TRACEPOINT, 0, 0);

        if (fd < 0)
                return fd;
        return report_made("raw-tracepoint-open", "RAW_TRACEPOINT_OPEN", open_raw_tracepoint(fd),
                           report_link);
}

static union bpf_attr attached;

static long detach(void) {
        attached.attach_flags = 0;
        return bpf_call(BPF_PROG_DETACH, &attached, sizeof(attached));
}

static void detach_at_exit(void) {
        (void) detach();
}

static int attach(const struct arguments *a) {
        const char *cgroup = argument(a, 0, NULL);

        if (!cgroup)
                return -EINVAL;
        attached.target_fd = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if ((int) attached.target_fd < 0)
                return -errno;
        attached.attach_bpf_fd = make_cgroup_program();
        if ((int) attached.attach_bpf_fd < 0)
                return attached.attach_bpf_fd;
        attached.attach_type = BPF_CGROUP_INET_INGRESS;
        attached.attach_flags = BPF_F_ALLOW_MULTI;
        return bpf_call(BPF_PROG_ATTACH, &attached, sizeof(attached));
}

static int report_attachment(const char *action, const char *cmd, long ret) {
        report_begin(action);
        report_call(cmd, ret);
        if ((int) attached.attach_bpf_fd > 0)
                report_program(attached.attach_bpf_fd);
        report_number("attach_type", attached.attach_type);
        report_end();
        return ret;
}

/* The cgroup outlives us: what is attached to it must not. */
static int prog_attach(const struct arguments *a) {
        int r = attach(a);

        if (r >= 0)
                atexit(detach_at_exit);
        return report_attachment("prog-attach", "PROG_ATTACH", r);
}

static int prog_detach(const struct arguments *a) {
        int r = attach(a);

        if (r < 0)
                return r;
        r = detach();
        return report_attachment("prog-detach", "PROG_DETACH", r);
}

static int obj_pin(const struct arguments *a) {
        const char *path = argument(a, 0, NULL);
        union bpf_attr attr = {};
        long ret;
        int fd;

        if (!path)
                return -EINVAL;
        fd = make_map("trigger_pinned", BPF_MAP_TYPE_HASH, 8, 16);
        if (fd < 0)
                return fd;
        attr.pathname = (uintptr_t) path;
        attr.bpf_fd = fd;
        ret = bpf_call(BPF_OBJ_PIN, &attr, sizeof(attr));
        report_begin("obj-pin");
        report_call("OBJ_PIN", ret);
        report_text("path", path);
        report_map(fd);
        report_end();
        return ret;
}

static int obj_get(const struct arguments *a) {
        const char *path = argument(a, 0, NULL);
        union bpf_attr attr = {};
        long ret;

        if (!path)
                return -EINVAL;
        attr.pathname = (uintptr_t) path;
        ret = bpf_call(BPF_OBJ_GET, &attr, sizeof(attr));
        report_begin("obj-get");
        report_call("OBJ_GET", ret);
        report_text("path", path);
        if (ret >= 0)
                report_map(ret);
        report_end();
        return ret;
}

static const struct kind {
        const char *name;
        int next, open;
} kinds[] = {
        {"progs", BPF_PROG_GET_NEXT_ID, BPF_PROG_GET_FD_BY_ID},
        {"maps", BPF_MAP_GET_NEXT_ID, BPF_MAP_GET_FD_BY_ID},
        {"links", BPF_LINK_GET_NEXT_ID, BPF_LINK_GET_FD_BY_ID},
        {"btfs", BPF_BTF_GET_NEXT_ID, BPF_BTF_GET_FD_BY_ID},
};

/* The kernel makes its own BTF an object when it first needs it. */
static bool is_kernel_btf(uint32_t id) {
        union bpf_attr attr = {.btf_id = id}, query = {};
        struct bpf_btf_info info = {};
        _cleanup_close_ int fd = bpf_call(BPF_BTF_GET_FD_BY_ID, &attr, sizeof(attr));

        query.info.bpf_fd = fd;
        query.info.info_len = sizeof(info);
        query.info.info = (uintptr_t) &info;
        return fd >= 0 && bpf_call(BPF_OBJ_GET_INFO_BY_FD, &query, sizeof(query)) >= 0 &&
               info.kernel_btf;
}

static int list_objects(const struct arguments *a) {
        uint32_t ids[4096];

        report_begin("list-objects");
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                union bpf_attr attr = {};
                size_t n = 0;

                while (n < ELEMENTSOF(ids) && bpf_call(kinds[i].next, &attr, sizeof(attr)) == 0) {
                        attr.start_id = attr.next_id;
                        if (kinds[i].next != BPF_BTF_GET_NEXT_ID || !is_kernel_btf(attr.next_id))
                                ids[n++] = attr.next_id;
                }
                report_numbers(kinds[i].name, ids, n);
        }
        report_end();
        return 0;
}

/* Waits until the kernel has let go of an object, five seconds at most. */
static bool gone(const struct kind *kind, uint32_t id) {
        for (int i = 0; i < 500; i++) {
                union bpf_attr attr = {
                        .prog_id = id}; /* map_id, link_id and btf_id are there, too */
                long fd = bpf_call(kind->open, &attr, sizeof(attr));

                if (fd == -ENOENT)
                        return true;
                if (fd >= 0)
                        close(fd);
                usleep(10000);
        }
        return false;
}

static int drop(const struct arguments *a) {
        int fds[3], r = 0;
        uint32_t ids[3];
        bool all = true;

        fds[0] = make_program("trigger_drop", BPF_PROG_TYPE_RAW_TRACEPOINT, 0, 0);
        fds[1] = make_map("trigger_drop", BPF_MAP_TYPE_HASH, 8, 16);
        fds[2] = fds[0] < 0 ? fds[0] : open_raw_tracepoint(fds[0]);
        for (int i = 0; i < 3; i++)
                r = MIN(r, fds[i]);
        if (r < 0)
                return r;
        for (int i = 0; i < 3; i++)
                ids[i] = object_id(fds[i]);
        for (int i = 0; i < 3; i++)
                close(fds[i]);
        for (int i = 0; i < 3; i++)
                all &= gone(&kinds[i], ids[i]);
        report_begin("drop");
        report_number("prog_id", ids[0]);
        report_number("map_id", ids[1]);
        report_number("link_id", ids[2]);
        report_number("gone", all);
        report_end();
        return 0;
}

const struct action object_actions[] = {
        {"map-create", "[NAME]", map_create, "makes a hash map"},
        {"map-elements", "OPERATION [N]", map_elements,
         "lookup, lookup-missing, update, delete (fails) or next-key, N times"},
        {"map-freeze", "", map_freeze, "freezes an array map"},
        {"prog-load", "[NAME]", prog_load, "loads a socket filter"},
        {"prog-run", "", prog_run, "runs a program once"},
        {"btf-load", "", btf_load, "loads BTF of one type"},
        {"link-create", "[CGROUP]", link_create, "links to a cgroup, or to a network namespace"},
        {"raw-tracepoint-open", "", raw_tracepoint_open, "attaches to a raw tracepoint"},
        {"prog-attach", "CGROUP", prog_attach, "attaches to a cgroup, without a link"},
        {"prog-detach", "CGROUP", prog_detach, "attaches and detaches"},
        {"obj-pin", "PATH", obj_pin, "pins a map"},
        {"obj-get", "PATH", obj_get, "opens what is pinned"},
        {"drop", "", drop, "makes a program, a map and a link, and closes them"},
        {"list-objects", "", list_objects, "lists the ids of everything in the kernel"},
        {},
};
