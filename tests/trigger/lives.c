/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The lives of objects: who drops them. */

#include <errno.h>
#include <fcntl.h>
#include <linux/btf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lives.h"
#include "util.h"

static int make_life_program(const char *name) {
        return make_program(name, BPF_PROG_TYPE_RAW_TRACEPOINT, 0, 0);
}

static int make_life_map(const char *name) {
        return make_map(name, BPF_MAP_TYPE_HASH, 8, 16);
}

/* The link holds the program alone. */
static int make_life_link(const char *name) {
        _cleanup_close_ int program = make_life_program(name);

        return program < 0 ? program : open_raw_tracepoint(program);
}

/* One type: int, 32 bits, signed. */
static int make_life_btf(const char *name) {
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

const struct life_kind life_kinds[] = {
        {"program", make_life_program, report_program},
        {"map", make_life_map, report_map},
        {"link", make_life_link, report_link},
        {"btf", make_life_btf, report_btf},
        {},
};

const struct life_kind *life_kind(const struct arguments *a) {
        const struct life_kind *kind = life_kinds;

        while (kind->name && strcmp(kind->name, argument(a, 0, "program")) != 0)
                kind++;
        return kind->name ? kind : NULL;
}

int report_life(const char *action, const struct life_kind *kind, int fd, pid_t loader,
                const char *path) {
        int r;

        report_begin(action);
        r = kind->report(fd);
        report_number("loader", loader);
        if (path)
                report_text("path", path);
        report_end();
        return r;
}

int life_pin(int fd, const char *path) {
        union bpf_attr attr = {};

        attr.pathname = (uintptr_t) path;
        attr.bpf_fd = fd;
        return bpf_call(BPF_OBJ_PIN, &attr, sizeof(attr));
}

/* Going ---------------------------------------------------------------------------------------- */

/* Nothing else holds it. */
static int life_close(const struct arguments *a) {
        const struct life_kind *kind = life_kind(a);
        int fd, r;

        if (!kind)
                return -EINVAL;
        fd = kind->make("life_close");
        if (fd < 0)
                return fd;
        r = report_life("life-close", kind, fd, getpid(), NULL);
        close(fd);
        return r;
}

/* It goes with the process, which never closes it. */
static int life_exit(const struct arguments *a) {
        const struct life_kind *kind = life_kind(a);
        int fd;

        if (!kind)
                return -EINVAL;
        fd = kind->make("life_exit");
        return fd < 0 ? fd : report_life("life-exit", kind, fd, getpid(), NULL);
}

/* Programs, maps and links begin with type and id; BTF does not. */
static uint32_t id_of(const struct life_kind *kind, int fd) {
        struct bpf_btf_info info = {};
        union bpf_attr attr = {};

        if (kind->report != report_btf)
                return object_id(fd);
        attr.info.bpf_fd = fd;
        attr.info.info_len = sizeof(info);
        attr.info.info = (uintptr_t) &info;
        return bpf_call(BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr)) < 0 ? 0 : info.id;
}

static int send_fd(int socket, int fd, uint32_t id) {
        char room[CMSG_SPACE(sizeof(fd))] = {};
        struct msghdr m = {
                .msg_iov = &(struct iovec){&id, sizeof(id)},
                .msg_iovlen = 1,
                .msg_control = room,
                .msg_controllen = sizeof(room),
        };
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);

        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(fd));
        memcpy(CMSG_DATA(c), &fd, sizeof(fd));
        return sendmsg(socket, &m, 0) < 0 ? -errno : 0;
}

static int receive_fd(int socket, uint32_t *ret_id) {
        char room[CMSG_SPACE(sizeof(int))];
        struct msghdr m = {
                .msg_iov = &(struct iovec){ret_id, sizeof(*ret_id)},
                .msg_iovlen = 1,
                .msg_control = room,
                .msg_controllen = sizeof(room),
        };
        struct cmsghdr *c;
        int fd;

        if (recvmsg(socket, &m, MSG_CMSG_CLOEXEC) < 0)
                return -errno;
        c = CMSG_FIRSTHDR(&m);
        if (!c || c->cmsg_type != SCM_RIGHTS)
                return -EBADMSG;
        memcpy(&fd, CMSG_DATA(c), sizeof(fd));
        return fd;
}

/* Takes an fd, waits until nobody else has it, and closes it. It never calls bpf(). */
static int hold(int socket) {
        uint32_t id;
        int fd = receive_fd(socket, &id);
        char c;

        if (fd < 0)
                return fd;
        (void) !read(socket, &c, 1); /* until the other end is closed */
        report_begin("life-passed");
        report_number("id", id);
        report_number("loader", getppid());
        report_end();
        close(fd);
        return 0;
}

/* The process that loads passes its fd to another one, and has none left. */
static int life_passed(const struct arguments *a) {
        const struct life_kind *kind = life_kind(a);
        int sockets[2], fd, status, r;
        pid_t child;

        if (!kind)
                return -EINVAL;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
                return -errno;
        child = fork();
        if (child < 0)
                return -errno;
        if (child == 0) {
                close(sockets[1]);
                _exit(hold(sockets[0]) < 0);
        }
        close(sockets[0]);
        fd = kind->make("life_passed");
        r = fd < 0 ? fd : send_fd(sockets[1], fd, id_of(kind, fd));
        close(fd);
        close(sockets[1]);
        if (waitpid(child, &status, 0) != child || status != 0)
                return r < 0 ? r : -ECHILD;
        return r;
}

/* A program holds the map. */
static int life_used(const struct arguments *a) {
        int map = make_life_map("life_used"), program, r;
        const struct bpf_insn insns[] = {
                {.code = BPF_LD | BPF_DW | BPF_IMM,
                 .dst_reg = BPF_REG_1,
                 .src_reg = BPF_PSEUDO_MAP_FD,
                 .imm = map},
                {},
                {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
                {.code = BPF_JMP | BPF_EXIT},
        };
        union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_SOCKET_FILTER, .prog_name = "life_user"};

        if (map < 0)
                return map;
        program = load_program(&attr, insns, ELEMENTSOF(insns));
        if (program < 0)
                return program;
        r = report_life("life-used", &life_kinds[LIFE_MAP], map, getpid(), NULL);
        close(map);
        close(program);
        return r;
}

/* A map of maps holds the map. */
static int life_inner(const struct arguments *a) {
        int inner = make_life_map("life_inner"), outer, r;
        union bpf_attr attr = {.map_type = BPF_MAP_TYPE_ARRAY_OF_MAPS,
                               .key_size = 4,
                               .value_size = 4,
                               .max_entries = 1,
                               .inner_map_fd = inner,
                               .map_name = "life_outer"};
        union bpf_attr element = {};
        uint32_t zero = 0;

        if (inner < 0)
                return inner;
        outer = bpf_call(BPF_MAP_CREATE, &attr, sizeof(attr));
        if (outer < 0)
                return outer;
        element.map_fd = outer;
        element.key = (uintptr_t) &zero;
        element.value = (uintptr_t) &inner;
        r = bpf_call(BPF_MAP_UPDATE_ELEM, &element, sizeof(element));
        if (r < 0)
                return r;
        r = report_life("life-inner", &life_kinds[LIFE_MAP], inner, getpid(), NULL);
        close(inner);
        close(outer);
        return r;
}

/* Links ---------------------------------------------------------------------------------------- */

static int life_detach(const struct arguments *a) {
        union bpf_attr attr = {}, detach = {};
        int link, r;

        attr.link_create.prog_fd = make_program("life_detach", BPF_PROG_TYPE_CGROUP_SKB,
                                                BPF_CGROUP_INET_INGRESS, 1);
        attr.link_create.target_fd = open(argument(a, 0, ""), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if ((int) attr.link_create.target_fd < 0)
                return -errno;
        attr.link_create.attach_type = BPF_CGROUP_INET_INGRESS;
        link = bpf_call(BPF_LINK_CREATE, &attr, sizeof(attr));
        if (link < 0)
                return link;
        detach.link_detach.link_fd = link;
        r = bpf_call(BPF_LINK_DETACH, &detach, sizeof(detach));
        report_begin("life-detach");
        report_call("LINK_DETACH", r);
        report_number("loader", getpid());
        report_link(link);
        report_end();
        return r;
}

/* Links of this type stay until they go. */
static int life_detach_refused(const struct arguments *a) {
        int link = make_life_link("life_refused");
        union bpf_attr attr = {};
        long ret;

        if (link < 0)
                return link;
        attr.link_detach.link_fd = link;
        ret = bpf_call(BPF_LINK_DETACH, &attr, sizeof(attr));
        report_begin("life-detach-refused");
        report_call("LINK_DETACH", ret);
        report_link(link);
        report_end();
        return 0;
}

const struct action live_actions[] = {
        {"life-close", "KIND", life_close, "makes a program, map, link or btf, and closes it"},
        {"life-exit", "KIND", life_exit, "makes it, and leaves"},
        {"life-passed", "KIND", life_passed, "makes it; another process drops it"},
        {"life-used", "", life_used, "makes a map; the end of a program is its end"},
        {"life-inner", "", life_inner, "makes a map; the end of a map of maps is its end"},
        {"life-detach", "CGROUP", life_detach, "makes a link and detaches it"},
        {"life-detach-refused", "", life_detach_refused, "cannot detach a link"},
        {},
};
