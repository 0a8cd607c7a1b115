/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Actions that the kernel refuses, each at another place on the way. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trigger.h"
#include "util.h"

/* The call is meant to fail: that is the success of the action. */
static int report_failure(const char *action, const char *cmd, long ret) {
        report_begin(action);
        report_call(cmd, ret);
        report_end();
        return ret < 0 ? 0 : -EBADE;
}

static int fail_command(const struct arguments *a) {
        union bpf_attr attr = {};

        return report_failure("fail-command", "9999", bpf_call(9999, &attr, sizeof(attr)));
}

static int fail_einval(const struct arguments *a) {
        return report_failure("fail-einval", "MAP_CREATE",
                              make_map("trigger_bad", BPF_MAP_TYPE_HASH, 8, 0));
}

/* Refused before the kernel has a copy of the attributes: they are longer than it knows, and not
 * zero there. */
static int fail_e2big(const struct arguments *a) {
        struct {
                union bpf_attr attr;
                char tail[512];
        } future = {.attr = {.map_type = BPF_MAP_TYPE_HASH,
                             .key_size = 4,
                             .value_size = 8,
                             .max_entries = 16}};

        future.tail[sizeof(future.tail) - 1] = 1;
        return report_failure("fail-e2big", "MAP_CREATE",
                              bpf_call(BPF_MAP_CREATE, &future, sizeof(future)));
}

static int fail_efault(const struct arguments *a) {
        return report_failure("fail-efault", "MAP_CREATE",
                              bpf_call(BPF_MAP_CREATE, (void *) 8, sizeof(union bpf_attr)));
}

static int fail_eperm(const struct arguments *a) {
        if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
                return -errno;
        return report_failure("fail-eperm", "PROG_LOAD",
                              make_program("trigger_eperm", BPF_PROG_TYPE_XDP, 0, 2));
}

static int fail_ebadf(const struct arguments *a) {
        union bpf_attr attr = {.map_fd = 9999};

        return report_failure("fail-ebadf", "MAP_FREEZE",
                              bpf_call(BPF_MAP_FREEZE, &attr, sizeof(attr)));
}

/* A file that has the name of a map's inode, but is none: what it points to is not a map. */
static int fail_impostor(const struct arguments *a) {
        char directory[] = "/tmp/trigger-XXXXXX", path[sizeof(directory) + 16];
        union bpf_attr attr = {};
        long ret;
        int fd;

        if (!mkdtemp(directory))
                return -errno;
        snprintf(path, sizeof(path), "%s/bpf-map", directory);
        if (mkfifo(path, 0600) < 0)
                return -errno;
        fd = open(path, O_RDWR | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        attr.map_fd = (uint32_t) fd;
        ret = bpf_call(BPF_MAP_FREEZE, &attr, sizeof(attr));
        close(fd);
        unlink(path);
        rmdir(directory);
        return report_failure("fail-impostor", "MAP_FREEZE", ret);
}

/* Returns a register that nothing was written to. */
static int prog_reject(const struct arguments *a) {
        static const struct bpf_insn insns[] = {
                {.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_0, .src_reg = BPF_REG_2},
                {.code = BPF_JMP | BPF_EXIT},
        };
        char log[4096] = "";
        union bpf_attr attr = {
                .prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
                .prog_name = "trigger_reject",
                .log_level = 1,
                .log_size = sizeof(log),
                .log_buf = (uintptr_t) log,
        };
        long ret = load_program(&attr, insns, ELEMENTSOF(insns));

        report_begin("prog-reject");
        report_call("PROG_LOAD", ret);
        report_text("name", attr.prog_name);
        report_text("log", log);
        report_end();
        return ret < 0 ? 0 : -EBADE;
}

const struct action failure_actions[] = {
        {"prog-reject", "", prog_reject, "loads a program that the verifier refuses"},
        {"fail-command", "", fail_command, "a command that no kernel has"},
        {"fail-einval", "", fail_einval, "a map without room"},
        {"fail-e2big", "", fail_e2big, "attributes of a future kernel"},
        {"fail-efault", "", fail_efault, "attributes at a bad address"},
        {"fail-ebadf", "", fail_ebadf, "a map that is not open"},
        {"fail-impostor", "", fail_impostor, "a file that is named like a map"},
        {"fail-eperm", "", fail_eperm, "a load by the user nobody"},
        {},
};
