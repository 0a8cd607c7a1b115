/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Touches what is not ours: objects of the daemon that is under test. All of it is harmless to it.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "trigger.h"
#include "util.h"

/* A map that only matters to who observes one process alone, and a program that is attached by a
 * raw tracepoint on every kernel. */
#define MAP_OF_DAEMON     "observed_tgids"
#define PROGRAM_OF_DAEMON "process_exit"
#define STOLEN            "/sys/fs/bpf/stolen"

static int information(int fd, void *info, uint32_t size) {
        union bpf_attr attr = {};

        attr.info.bpf_fd = fd;
        attr.info.info_len = size;
        attr.info.info = (uintptr_t) info;
        return bpf_call(BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr));
}

static bool is_map(int fd) {
        struct bpf_map_info info = {};

        return information(fd, &info, sizeof(info)) >= 0 && strcmp(info.name, MAP_OF_DAEMON) == 0;
}

static bool is_program(int fd) {
        struct bpf_prog_info info = {};

        return information(fd, &info, sizeof(info)) >= 0 &&
               strcmp(info.name, PROGRAM_OF_DAEMON) == 0;
}

static uint32_t program_wanted;

static bool is_link(int fd) {
        struct bpf_link_info info = {};

        return information(fd, &info, sizeof(info)) >= 0 && info.prog_id == program_wanted;
}

/* Opens one object after the other until it is the one. Returns its fd, or a negative errno. */
static int open_by_id(int next, int open, bool (*is_wanted)(int fd)) {
        union bpf_attr attr = {}, get = {};
        int fd;

        while (bpf_call(next, &attr, sizeof(attr)) == 0) {
                attr.start_id = get.prog_id = attr.next_id; /* map_id and link_id are there, too */
                fd = bpf_call(open, &get, sizeof(get));
                if (fd >= 0 && is_wanted(fd))
                        return fd;
                if (fd >= 0)
                        close(fd);
        }
        return -ENOENT;
}

static int open_map(void) {
        return open_by_id(BPF_MAP_GET_NEXT_ID, BPF_MAP_GET_FD_BY_ID, is_map);
}

static int report_tampering(const char *action, const char *command, long ret, int fd,
                            int (*report)(int fd)) {
        int r;

        report_begin(action);
        report_text("command", command);
        report_text("errno", ret < 0 ? strerrorname_np(-ret) ?: "?" : "");
        r = report(fd);
        report_end();
        return r;
}

/* The fd of that map in the daemon, by what the kernel says of it to those who only look. */
static int find_fd(pid_t daemon) {
        static const char *const wanted[] = {"map_type:\t1\n", "key_size:\t4\n", "value_size:\t1\n",
                                             "max_entries:\t8192\n"};

        for (int fd = 3; fd < 1024; fd++) {
                _cleanup_fclose_ FILE *f = NULL;
                char path[64], text[1024] = "";
                size_t found = 0;

                snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", (int) daemon, fd);
                f = fopen(path, "re");
                if (!f || fread(text, 1, sizeof(text) - 1, f) == 0)
                        continue;
                for (size_t i = 0; i < ELEMENTSOF(wanted); i++)
                        found += strstr(text, wanted[i]) != NULL;
                if (found == ELEMENTSOF(wanted))
                        return fd;
        }
        return -ENOENT;
}

/* Without bpf(): out of the daemon's table of fds. Then it is written to, as by tamper-write. */
static int tamper_take(const struct arguments *a) {
        pid_t daemon = find_daemon();
        int process = (int) syscall(SYS_pidfd_open, daemon, 0), fd = find_fd(daemon);
        uint32_t key = UINT32_MAX;
        uint8_t value = 1;
        union bpf_attr attr = {};

        if (process < 0)
                return -errno;
        if (fd < 0)
                return fd;
        fd = (int) syscall(SYS_pidfd_getfd, process, fd, 0);
        if (fd < 0)
                return -errno;
        attr.map_fd = fd;
        attr.key = (uintptr_t) &key;
        attr.value = (uintptr_t) &value;
        report_tampering("tamper-take", "MAP_UPDATE_ELEM",
                         bpf_call(BPF_MAP_UPDATE_ELEM, &attr, sizeof(attr)), fd, report_map);
        return 0;
}

/* By its id, where several daemons run. */
static int tamper_open(const struct arguments *a) {
        union bpf_attr attr = {.map_id = (uint32_t) atoi(argument(a, 0, "0"))};
        int fd = attr.map_id ? bpf_call(BPF_MAP_GET_FD_BY_ID, &attr, sizeof(attr)) : open_map();

        return fd < 0 ? fd
                      : report_tampering("tamper-open", "MAP_GET_FD_BY_ID", fd, fd, report_map);
}

/* N times. */
static int tamper_write(const struct arguments *a) {
        uint32_t key = UINT32_MAX; /* no process has it */
        uint8_t value = 1;
        union bpf_attr attr = {};
        int fd = open_map(), n = atoi(argument(a, 0, "1"));
        long ret = 0;

        if (fd < 0)
                return fd;
        attr.map_fd = fd;
        attr.key = (uintptr_t) &key;
        attr.value = (uintptr_t) &value;
        for (int i = 0; i < n && ret >= 0; i++)
                ret = bpf_call(BPF_MAP_UPDATE_ELEM, &attr, sizeof(attr));
        report_begin("tamper-write");
        report_text("command", "MAP_UPDATE_ELEM");
        report_number("calls", n);
        report_map(fd);
        report_end();
        return ret;
}

static int tamper_pin(const struct arguments *a) {
        union bpf_attr attr = {};
        int fd = open_map(), r;

        if (fd < 0)
                return fd;
        attr.pathname = (uintptr_t) STOLEN;
        attr.bpf_fd = fd;
        r = bpf_call(BPF_OBJ_PIN, &attr, sizeof(attr));
        return report_tampering("tamper-pin", "OBJ_PIN", r, fd, report_map);
}

/* Opens what the above has pinned. */
static int tamper_get(const struct arguments *a) {
        union bpf_attr attr = {};
        int fd;

        attr.pathname = (uintptr_t) STOLEN;
        fd = bpf_call(BPF_OBJ_GET, &attr, sizeof(attr));
        return fd < 0 ? fd : report_tampering("tamper-get", "OBJ_GET", fd, fd, report_map);
}

static int tamper_unpin(const struct arguments *a) {
        int fd = open_map();

        if (fd < 0)
                return fd;
        if (unlink(STOLEN) < 0)
                return -errno;
        report_begin("tamper-unpin");
        report_text("path", STOLEN);
        report_map(fd);
        report_end();
        return 0;
}

static int tamper_freeze(const struct arguments *a) {
        union bpf_attr attr = {.map_fd = open_map()};
        long ret;

        if ((int) attr.map_fd < 0)
                return attr.map_fd;
        ret = bpf_call(BPF_MAP_FREEZE, &attr, sizeof(attr));
        return report_tampering("tamper-freeze", "MAP_FREEZE", ret, attr.map_fd, report_map);
}

/* The kernel refuses: links of this type stay until they go. */
static int tamper_detach(const struct arguments *a) {
        int program = open_by_id(BPF_PROG_GET_NEXT_ID, BPF_PROG_GET_FD_BY_ID, is_program), link;
        union bpf_attr attr = {};
        long ret;

        if (program < 0)
                return program;
        program_wanted = object_id(program);
        link = open_by_id(BPF_LINK_GET_NEXT_ID, BPF_LINK_GET_FD_BY_ID, is_link);
        if (link < 0)
                return link;
        attr.link_detach.link_fd = link;
        ret = bpf_call(BPF_LINK_DETACH, &attr, sizeof(attr));
        return report_tampering("tamper-detach", "LINK_DETACH", ret, link, report_link);
}

/* A program of ours that writes to its map. */
static int tamper_use(const struct arguments *a) {
        const struct bpf_insn insns[] = {
                {.code = BPF_LD | BPF_DW | BPF_IMM,
                 .dst_reg = BPF_REG_1,
                 .src_reg = BPF_PSEUDO_MAP_FD,
                 .imm = open_map()},
                {},
                {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
                {.code = BPF_JMP | BPF_EXIT},
        };
        union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_SOCKET_FILTER, .prog_name = "tamper_use"};
        int fd;

        if (insns[0].imm < 0)
                return insns[0].imm;
        fd = load_program(&attr, insns, ELEMENTSOF(insns));
        return fd < 0 ? fd : report_tampering("tamper-use", "PROG_LOAD", fd, fd, report_program);
}

/* The type of the function that a program is, and the BTF that has it. */
static int function_of(int program, uint32_t *ret_type) {
        struct bpf_func_info function = {};
        struct bpf_prog_info info = {.nr_func_info = 1,
                                     .func_info_rec_size = sizeof(function),
                                     .func_info = (uintptr_t) &function};
        int r = information(program, &info, sizeof(info));

        *ret_type = function.type_id;
        return r < 0 ? r : function.type_id ? 0 : -ENODATA;
}

/* A program of ours that runs whenever one of the daemon's is entered. */
static int tamper_trace(const struct arguments *a) {
        const struct bpf_insn insns[] = {
                {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
                {.code = BPF_JMP | BPF_EXIT},
        };
        union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_TRACING,
                               .expected_attach_type = BPF_TRACE_FENTRY,
                               .prog_name = "tamper_trace"},
                       open = {};
        int program = open_by_id(BPF_PROG_GET_NEXT_ID, BPF_PROG_GET_FD_BY_ID, is_program), fd, link;
        uint32_t type;
        int r;

        if (program < 0)
                return program;
        r = function_of(program, &type);
        if (r < 0)
                return r;
        attr.attach_prog_fd = program;
        attr.attach_btf_id = type;
        fd = load_program(&attr, insns, ELEMENTSOF(insns));
        if (fd < 0)
                return fd;
        open.raw_tracepoint.prog_fd = fd;
        link = bpf_call(BPF_RAW_TRACEPOINT_OPEN, &open, sizeof(open));
        if (link < 0)
                return link;
        if (strcmp(argument(a, 0, ""), "attach") == 0)
                return report_tampering("tamper-trace", "RAW_TRACEPOINT_OPEN", link, link,
                                        report_link);
        return report_tampering("tamper-trace", "PROG_LOAD", fd, fd, report_program);
}

const struct action tamper_actions[] = {
        {"tamper-take", "", tamper_take, "copies the fd of a map out of the daemon, and writes"},
        {"tamper-trace", "[attach]", tamper_trace, "loads and attaches a program to one of it"},
        {"tamper-open", "[ID]", tamper_open, "opens a map of the daemon's by its id"},
        {"tamper-write", "[N]", tamper_write, "writes to it, N times"},
        {"tamper-pin", "", tamper_pin, "pins it"},
        {"tamper-get", "", tamper_get, "opens it from the pin"},
        {"tamper-unpin", "", tamper_unpin, "removes the pin"},
        {"tamper-freeze", "", tamper_freeze, "freezes it"},
        {"tamper-use", "", tamper_use, "loads a program that uses it"},
        {"tamper-detach", "", tamper_detach, "tries to detach a link of the daemon's"},
        {},
};
