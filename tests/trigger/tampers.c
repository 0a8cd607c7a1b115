/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Touches what is not ours: objects of the daemon that is under test. All of it is harmless to it.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
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

static int tamper_open(const struct arguments *a) {
        int fd = open_map();

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

const struct action tamper_actions[] = {
        {"tamper-open", "", tamper_open, "opens a map of the daemon's by its id"},
        {"tamper-write", "[N]", tamper_write, "writes to it, N times"},
        {"tamper-pin", "", tamper_pin, "pins it"},
        {"tamper-get", "", tamper_get, "opens it from the pin"},
        {"tamper-unpin", "", tamper_unpin, "removes the pin"},
        {"tamper-freeze", "", tamper_freeze, "freezes it"},
        {"tamper-use", "", tamper_use, "loads a program that uses it"},
        {"tamper-detach", "", tamper_detach, "tries to detach a link of the daemon's"},
        {},
};
