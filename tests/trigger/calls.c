/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands of bpf() that other actions do not give, each also so that it fails. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "trigger.h"
#include "util.h"

/* include/uapi/linux/bpf.h; the header that we are built with may be older. */
enum {
        PROG_STREAM_READ_BY_FD = 37,
        PROG_ASSOC_STRUCT_OPS = 38,

        BAD_FD = 9999,
        NO_ID = 0x7ffffff0,
        ELEMENTS = 3,
        ENOTSUPP_KERNEL = 524, /* include/linux/errno.h */
};

static int report_result(const char *action, const char *cmd, long ret) {
        report_begin(action);
        report_call(cmd, ret);
        report_end();
        return 0;
}

/* The report of a call that works on an object there is already. */
static int report_on(const char *action, const char *cmd, long ret, int fd,
                     int (*describe)(int fd)) {
        int r;

        report_begin(action);
        report_call(cmd, ret);
        r = describe(fd);
        report_end();
        return r;
}

static bool fails(const struct arguments *a) {
        return strcmp(argument(a, 0, ""), "fail") == 0;
}

static int filter_program(const char *name) {
        return make_program(name, BPF_PROG_TYPE_SOCKET_FILTER, 0, 0);
}

/* Objects by id ------------------------------------------------------------------------------- */

static int make_some_program(void) {
        return filter_program("trigger_by_id");
}

static int make_some_map(void) {
        return make_map("trigger_by_id", BPF_MAP_TYPE_HASH, 8, 16);
}

static int make_some_link(void) {
        int fd = make_program("trigger_by_id", BPF_PROG_TYPE_RAW_TRACEPOINT, 0, 0);

        return fd < 0 ? fd : open_raw_tracepoint(fd);
}

static const struct kind {
        const char *name;
        const char *next_name, *get_name;
        int next, get;
        int (*make)(void);
        int (*describe)(int fd);
} kinds[] = {
        {"program", "PROG_GET_NEXT_ID", "PROG_GET_FD_BY_ID", BPF_PROG_GET_NEXT_ID,
         BPF_PROG_GET_FD_BY_ID, make_some_program, report_program},
        {"map", "MAP_GET_NEXT_ID", "MAP_GET_FD_BY_ID", BPF_MAP_GET_NEXT_ID, BPF_MAP_GET_FD_BY_ID,
         make_some_map, report_map},
        {"link", "LINK_GET_NEXT_ID", "LINK_GET_FD_BY_ID", BPF_LINK_GET_NEXT_ID,
         BPF_LINK_GET_FD_BY_ID, make_some_link, report_link},
        {"btf", "BTF_GET_NEXT_ID", "BTF_GET_FD_BY_ID", BPF_BTF_GET_NEXT_ID, BPF_BTF_GET_FD_BY_ID,
         make_btf, report_btf},
};

static const struct kind *kind_of(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                if (strcmp(kinds[i].name, name) == 0)
                        return &kinds[i];
        return NULL;
}

static int next_id(const struct arguments *a) {
        const struct kind *kind = kind_of(argument(a, 0, "program"));
        bool fail = strcmp(argument(a, 1, ""), "fail") == 0;
        union bpf_attr attr = {.start_id = fail ? NO_ID : 0};
        long ret;

        if (!kind)
                return -EINVAL;
        if (!fail && kind->make() < 0)
                return -EBADE;
        ret = bpf_call(kind->next, &attr, sizeof(attr));
        report_begin("next-id");
        report_call(kind->next_name, ret);
        report_number("start_id", attr.start_id);
        report_end();
        return 0;
}

/* Through a second object of the kind: the kernel's report of the first asks by fd alone. */
static int by_id(const struct arguments *a) {
        const struct kind *kind = kind_of(argument(a, 0, "program"));
        union bpf_attr attr = {};
        int fd;

        if (!kind)
                return -EINVAL;
        if (strcmp(argument(a, 1, ""), "fail") == 0) {
                attr.prog_id = NO_ID;
                return report_result("by-id", kind->get_name,
                                     bpf_call(kind->get, &attr, sizeof(attr)));
        }
        fd = kind->make();
        if (fd < 0)
                return fd;
        attr.prog_id = kind->describe == report_btf
                               ? btf_id(fd)
                               : object_id(fd); /* map_id, link_id and btf_id are there, too */
        return report_made("by-id", kind->get_name, bpf_call(kind->get, &attr, sizeof(attr)),
                           kind->describe);
}

static int info(const struct arguments *a) {
        int fd = fails(a) ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)
                          : make_map("trigger_info", BPF_MAP_TYPE_ARRAY, 8, 1);
        struct bpf_map_info info = {};
        union bpf_attr attr = {};
        long ret;

        if (fd < 0)
                return -errno;
        attr.info.bpf_fd = fd;
        attr.info.info_len = sizeof(info);
        attr.info.info = (uintptr_t) &info;
        ret = bpf_call(BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr));
        report_begin("info");
        report_call("OBJ_GET_INFO_BY_FD", ret);
        report_number("id", info.id);
        report_end();
        return 0;
}

/* Elements ------------------------------------------------------------------------------------- */

static int filled_map(const char *name) {
        int fd = make_map(name, BPF_MAP_TYPE_HASH, 8, 16);
        uint32_t keys[ELEMENTS] = {11, 12, 13};
        uint64_t values[ELEMENTS] = {21, 22, 23};
        union bpf_attr attr = {};

        if (fd < 0)
                return fd;
        attr.map_fd = fd;
        for (size_t i = 0; i < ELEMENTS; i++) {
                attr.key = (uintptr_t) &keys[i];
                attr.value = (uintptr_t) &values[i];
                if (bpf_call(BPF_MAP_UPDATE_ELEM, &attr, sizeof(attr)) < 0)
                        return -EBADE;
        }
        return fd;
}

static const struct batch {
        const char *name, *cmd_name;
        int cmd;
} batches[] = {
        {"lookup", "MAP_LOOKUP_BATCH", BPF_MAP_LOOKUP_BATCH},
        {"lookup-and-delete", "MAP_LOOKUP_AND_DELETE_BATCH", BPF_MAP_LOOKUP_AND_DELETE_BATCH},
        {"update", "MAP_UPDATE_BATCH", BPF_MAP_UPDATE_BATCH},
        {"delete", "MAP_DELETE_BATCH", BPF_MAP_DELETE_BATCH},
};

static void report_element(const char *action, const char *cmd, long ret, int fd) {
        report_begin(action);
        report_call(cmd, ret);
        report_number("id", object_id(fd));
        report_end();
}

static int batch(const struct arguments *a) {
        uint32_t keys[16] = {11, 12, 13}, place = 0;
        uint64_t values[16] = {21, 22, 23};
        union bpf_attr attr = {};
        int fd = filled_map("trigger_batch");

        if (fd < 0)
                return fd;
        for (const struct batch *b = batches; b < batches + ELEMENTSOF(batches); b++) {
                if (strcmp(b->name, argument(a, 0, "lookup")) != 0)
                        continue;
                attr.batch.map_fd = fd;
                attr.batch.count = b->cmd == BPF_MAP_UPDATE_BATCH || b->cmd == BPF_MAP_DELETE_BATCH
                                           ? ELEMENTS
                                           : 16;
                attr.batch.keys = (uintptr_t) keys;
                attr.batch.values = (uintptr_t) values;
                if (b->cmd == BPF_MAP_LOOKUP_BATCH || b->cmd == BPF_MAP_LOOKUP_AND_DELETE_BATCH)
                        attr.batch.out_batch = (uintptr_t) &place;
                if (strcmp(argument(a, 1, ""), "fail") == 0)
                        attr.batch.elem_flags = UINT64_C(1) << 40;
                report_element("batch", b->cmd_name, bpf_call(b->cmd, &attr, sizeof(attr)), fd);
                return 0;
        }
        return -EINVAL;
}

/* One call each on a map of its own; what it holds is known. */
static const struct element {
        const char *name, *cmd_name;
        int cmd;
        uint32_t key;
} elements[] = {
        {"lookup", "MAP_LOOKUP_ELEM", BPF_MAP_LOOKUP_ELEM, 0x04030201},
        {"lookup-missing", "MAP_LOOKUP_ELEM", BPF_MAP_LOOKUP_ELEM, 0x05},
        {"delete", "MAP_DELETE_ELEM", BPF_MAP_DELETE_ELEM, 0x04030201},
        {"delete-missing", "MAP_DELETE_ELEM", BPF_MAP_DELETE_ELEM, 0x05},
        {"next-key", "MAP_GET_NEXT_KEY", BPF_MAP_GET_NEXT_KEY, 0x05},
        {"next-key-end", "MAP_GET_NEXT_KEY", BPF_MAP_GET_NEXT_KEY, 0x04030201},
        {"lookup-and-delete", "MAP_LOOKUP_AND_DELETE_ELEM", BPF_MAP_LOOKUP_AND_DELETE_ELEM,
         0x04030201},
        {"update-again", "MAP_UPDATE_ELEM", BPF_MAP_UPDATE_ELEM, 0x04030201},
};

static int element(const struct arguments *a) {
        enum { VALUE = 100 };
        const char *name = argument(a, 0, "update");
        int fd = make_map("trigger_element", BPF_MAP_TYPE_HASH, VALUE, 4);
        unsigned char value[VALUE];
        uint32_t key = 0x04030201;
        union bpf_attr attr = {};
        long ret;

        if (fd < 0)
                return fd;
        for (int i = 0; i < VALUE; i++)
                value[i] = (unsigned char) (0x80 + i);
        attr.map_fd = fd;
        attr.key = (uintptr_t) &key;
        attr.value = (uintptr_t) value;
        ret = bpf_call(BPF_MAP_UPDATE_ELEM, &attr, sizeof(attr));
        if (ret < 0)
                return ret;
        if (strcmp(name, "update") == 0) {
                report_element("element", "MAP_UPDATE_ELEM", ret, fd);
                return 0;
        }
        for (const struct element *e = elements; e < elements + ELEMENTSOF(elements); e++) {
                if (strcmp(e->name, name) != 0)
                        continue;
                key = e->key;
                if (e->cmd == BPF_MAP_DELETE_ELEM)
                        attr.value = 0;
                else if (e->cmd != BPF_MAP_UPDATE_ELEM)
                        memset(value, 0, sizeof(value));
                ret = bpf_call(e->cmd, &attr, sizeof(attr));
                if (ret == -ENOTSUPP_KERNEL)
                        return report_skip("element", "this type of map cannot do it");
                report_element("element", e->cmd_name, ret, fd);
                return 0;
        }
        return -EINVAL;
}

/* Maps ----------------------------------------------------------------------------------------- */

static int map_in_map(const struct arguments *a) {
        union bpf_attr attr = {.map_type = BPF_MAP_TYPE_HASH_OF_MAPS,
                               .key_size = 4,
                               .value_size = 4,
                               .max_entries = 4,
                               .map_name = "trigger_outer"};
        int inner = make_map("trigger_in_map", BPF_MAP_TYPE_ARRAY, 8, 1);
        long ret;

        if (inner < 0)
                return inner;
        attr.inner_map_fd = fails(a) ? BAD_FD : inner;
        ret = bpf_call(BPF_MAP_CREATE, &attr, sizeof(attr));
        report_begin("map-in-map");
        report_call("MAP_CREATE", ret);
        if (ret >= 0)
                report_map(ret);
        else
                report_text("name", "trigger_outer");
        report_number("inner", object_id(inner));
        report_end();
        return 0;
}

static int map_btf(const struct arguments *a) {
        union bpf_attr attr;
        int btf = make_btf();
        long ret;

        if (btf < 0)
                return btf;
        fill_map(&attr, "trigger_typed", 4);
        attr.map_type = BPF_MAP_TYPE_ARRAY;
        attr.btf_fd = btf;
        attr.btf_key_type_id = attr.btf_value_type_id = fails(a) ? 99 : 1;
        ret = bpf_call(BPF_MAP_CREATE, &attr, sizeof(attr));
        report_begin("map-btf");
        report_call("MAP_CREATE", ret);
        if (ret >= 0)
                report_map(ret);
        else
                report_text("name", "trigger_typed");
        report_number("btf", btf_id(btf));
        report_end();
        return 0;
}

static int bind_map(const struct arguments *a) {
        int program = filter_program("trigger_bind");
        int map = make_map("trigger_bound", BPF_MAP_TYPE_ARRAY, 8, 1);
        union bpf_attr attr = {};
        long ret;

        if (program < 0 || map < 0)
                return MIN(program, map);
        attr.prog_bind_map.prog_fd = program;
        attr.prog_bind_map.map_fd = fails(a) ? program : map;
        ret = bpf_call(BPF_PROG_BIND_MAP, &attr, sizeof(attr));
        report_begin("bind-map");
        report_call("PROG_BIND_MAP", ret);
        report_program(program);
        report_number("map", object_id(map));
        report_end();
        return 0;
}

/* The rest ------------------------------------------------------------------------------------- */

static int enable_stats(const struct arguments *a) {
        union bpf_attr attr = {};

        attr.enable_stats.type = fails(a) ? 99 : BPF_STATS_RUN_TIME;
        return report_result("enable-stats", "ENABLE_STATS",
                             bpf_call(BPF_ENABLE_STATS, &attr, sizeof(attr)));
}

static int task_fd_query(const struct arguments *a) {
        union bpf_attr attr = {};
        int link = make_some_link();

        if (link < 0)
                return link;
        attr.task_fd_query.pid = getpid();
        attr.task_fd_query.fd = fails(a) ? BAD_FD : link;
        return report_result("task-fd-query", "TASK_FD_QUERY",
                             bpf_call(BPF_TASK_FD_QUERY, &attr, sizeof(attr)));
}

static int prog_query(const struct arguments *a) {
        int fd = open(argument(a, 0, "/dev/null"), O_RDONLY | O_CLOEXEC);
        union bpf_attr attr = {};

        if (fd < 0)
                return -errno;
        attr.query.target_fd = fd;
        attr.query.attach_type = BPF_CGROUP_INET_INGRESS;
        return report_result("prog-query", "PROG_QUERY",
                             bpf_call(BPF_PROG_QUERY, &attr, sizeof(attr)));
}

/* What its program wrote: nothing. */
static int stream_read(const struct arguments *a) {
        struct {
                uint64_t buffer;
                uint32_t size, stream, prog_fd, pad;
        } attr = {};
        int fd = filter_program("trigger_stream");
        char text[64];
        long ret;

        if (fd < 0)
                return fd;
        attr.buffer = (uintptr_t) text;
        attr.size = sizeof(text);
        attr.stream = fails(a) ? 99 : 1;
        attr.prog_fd = fd;
        ret = bpf_call(PROG_STREAM_READ_BY_FD, &attr, 20);
        if (ret == -EINVAL && !fails(a))
                return report_skip("stream-read", "programs have no streams (they came with 6.17)");
        return report_on("stream-read", "PROG_STREAM_READ_BY_FD", ret, fd, report_program);
}

/* A map that holds no struct_ops. */
static int assoc_struct_ops(const struct arguments *a) {
        struct {
                uint32_t map_fd, prog_fd, flags;
        } attr = {};
        int map = make_map("trigger_assoc", BPF_MAP_TYPE_ARRAY, 8, 1);
        int program = filter_program("trigger_assoc");

        if (map < 0 || program < 0)
                return MIN(map, program);
        attr.map_fd = map;
        attr.prog_fd = program;
        return report_on("assoc-struct-ops", "PROG_ASSOC_STRUCT_OPS",
                         bpf_call(PROG_ASSOC_STRUCT_OPS, &attr, sizeof(attr)), program,
                         report_program);
}

static int run_fail(const struct arguments *a) {
        int fd = filter_program("trigger_no_run");
        union bpf_attr attr = {};

        if (fd < 0)
                return fd;
        attr.test.prog_fd = fd; /* without a packet */
        attr.test.data_size_in = 1;
        return report_on("run-fail", "PROG_TEST_RUN",
                         bpf_call(BPF_PROG_TEST_RUN, &attr, sizeof(attr)), fd, report_program);
}

static int btf_fail(const struct arguments *a) {
        char log[256] = "", btf[32] = "no BTF";
        union bpf_attr attr = {};

        attr.btf = (uintptr_t) btf;
        attr.btf_size = sizeof(btf);
        attr.btf_log_buf = (uintptr_t) log;
        attr.btf_log_size = sizeof(log);
        attr.btf_log_level = 1;
        report_begin("btf-fail");
        report_call("BTF_LOAD", bpf_call(BPF_BTF_LOAD, &attr, sizeof(attr)));
        report_text("log", log);
        report_end();
        return 0;
}

const struct action call_actions[] = {
        {"next-id", "KIND [fail]", next_id, "asks for the next id: program, map, link or btf"},
        {"by-id", "KIND [fail]", by_id, "opens an object by its id"},
        {"info", "[fail]", info, "asks about a map; or about a socket"},
        {"batch", "OPERATION [fail]", batch, "lookup, lookup-and-delete, update or delete"},
        {"element", "OPERATION", element, "one operation with a key and a value that are known"},
        {"map-in-map", "[fail]", map_in_map, "a map of maps"},
        {"map-btf", "[fail]", map_btf, "a map with types"},
        {"bind-map", "[fail]", bind_map, "binds a map, or a program, to a program"},
        {"enable-stats", "[fail]", enable_stats, "switches run-time statistics on"},
        {"task-fd-query", "[fail]", task_fd_query, "asks what an fd of its own attaches to"},
        {"prog-query", "PATH", prog_query, "asks what is attached to a cgroup"},
        {"stream-read", "[fail]", stream_read, "reads what a program wrote"},
        {"assoc-struct-ops", "", assoc_struct_ops, "associates a map that has no struct_ops"},
        {"run-fail", "", run_fail, "runs a program without a packet"},
        {"btf-fail", "", btf_fail, "loads what is no BTF, with a log"},
        {},
};
