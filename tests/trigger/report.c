/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "trigger.h"

static char executable[4096];

/* An action may give up the right to ask later on. */
static __attribute__((constructor)) void remember_executable(void) {
        ssize_t n = readlink("/proc/self/exe", executable, sizeof(executable) - 1);

        executable[n > 0 ? n : 0] = 0;
}

static void put_string(const char *s) {
        putchar('"');
        for (; *s; s++)
                if (*s == '"' || *s == '\\')
                        printf("\\%c", *s);
                else if ((unsigned char) *s < 0x20)
                        printf("\\u%04x", *s);
                else
                        putchar(*s);
        putchar('"');
}

void report_begin(const char *action) {
        char comm[16] = "";

        (void) prctl(PR_GET_NAME, comm);
        printf("{\"action\":");
        put_string(action);
        report_number("pid", getpid());
        report_number("tid", gettid());
        report_number("uid", getuid());
        report_text("comm", comm);
        report_text("executable", executable);
}

void report_number(const char *key, int64_t value) {
        printf(",\"%s\":%" PRId64, key, value);
}

void report_text(const char *key, const char *value) {
        printf(",\"%s\":", key);
        put_string(value);
}

void report_numbers(const char *key, const uint32_t *values, size_t n) {
        printf(",\"%s\":[", key);
        for (size_t i = 0; i < n; i++)
                printf("%s%" PRIu32, i ? "," : "", values[i]);
        putchar(']');
}

void report_call(const char *cmd, long ret) {
        report_text("cmd", cmd);
        report_number("ret", ret);
        report_text("errno", ret < 0 ? strerrorname_np(-ret) ?: "?" : "");
}

static bool holds;

void reports_hold(void) {
        holds = true;
}

void wait_for_end(void) {
        char buffer[64];

        while (read(STDIN_FILENO, buffer, sizeof(buffer)) > 0)
                ;
}

void report_end(void) {
        puts("}");
        fflush(stdout);
        if (holds)
                wait_for_end();
}

int report_skip(const char *action, const char *why) {
        report_begin(action);
        report_text("skip", why);
        report_end();
        return 0;
}

static int object_info(int fd, void *info, uint32_t size) {
        union bpf_attr attr = {};

        attr.info.bpf_fd = fd;
        attr.info.info_len = size;
        attr.info.info = (uintptr_t) info;
        return bpf_call(BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr));
}

uint32_t object_id(int fd) {
        /* Programs, maps and links begin with type and id. */
        struct bpf_link_info info = {};

        return object_info(fd, &info, sizeof(info)) < 0 ? 0 : info.id;
}

uint32_t btf_id(int fd) {
        struct bpf_btf_info info = {};

        return object_info(fd, &info, sizeof(info)) < 0 ? 0 : info.id;
}

int map_value_size(int fd, uint32_t *ret_id, uint32_t *ret_value_size) {
        struct bpf_map_info info = {};
        int r = object_info(fd, &info, sizeof(info));

        if (r < 0)
                return r;
        *ret_id = info.id;
        *ret_value_size = info.value_size;
        return 0;
}

int report_map(int fd) {
        struct bpf_map_info info = {};
        int r = object_info(fd, &info, sizeof(info));

        if (r < 0)
                return r;
        report_number("id", info.id);
        report_text("name", info.name);
        report_number("type", info.type);
        report_number("key_size", info.key_size);
        report_number("value_size", info.value_size);
        report_number("max_entries", info.max_entries);
        return 0;
}

int report_program(int fd) {
        struct bpf_prog_info info = {};
        char tag[2 * sizeof(info.tag) + 1];
        int r = object_info(fd, &info, sizeof(info));

        if (r < 0)
                return r;
        for (size_t i = 0; i < sizeof(info.tag); i++)
                snprintf(tag + 2 * i, 3, "%02x", info.tag[i]);
        report_number("id", info.id);
        report_text("name", info.name);
        report_number("type", info.type);
        report_text("tag", tag);
        report_number("instructions", info.xlated_prog_len / sizeof(struct bpf_insn));
        report_number("jited_size", info.jited_prog_len);
        report_number("gpl", info.gpl_compatible);
        return 0;
}

int report_link(int fd) {
        struct bpf_link_info info = {};
        int r = object_info(fd, &info, sizeof(info));

        if (r < 0)
                return r;
        report_number("id", info.id);
        report_number("type", info.type);
        report_number("prog_id", info.prog_id);
        return 0;
}

int report_btf(int fd) {
        struct bpf_btf_info info = {};
        int r = object_info(fd, &info, sizeof(info));

        if (r < 0)
                return r;
        report_number("id", info.id);
        report_number("size", info.btf_size);
        return 0;
}

int report_made(const char *action, const char *cmd, long ret, int (*describe)(int fd)) {
        int r = ret;

        report_begin(action);
        report_call(cmd, ret);
        if (ret >= 0)
                r = describe(ret);
        report_end();
        return r;
}
