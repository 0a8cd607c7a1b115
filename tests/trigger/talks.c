/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connections: a server in a process of its own, and a client, which says what it sent and got. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "trigger.h"
#include "util.h"

enum {
        REQUESTS = 20,
        SLOW = 7, /* the request whose answer takes its time */
        SLOW_MS = 300,
        SEND_FILE = 3, /* the request whose answer comes from a file */
        ANSWER_MAX = 256 * 1024,
        WAIT_TENTHS = 600,
        SOL_TCP_LEVEL = 6,

        CHATTERERS = 8,
        TURNS = 400,   /* of each */
        PER_TURN = 16, /* messages, before it waits for as many */
};

/* What a client asks for. */
struct request {
        uint32_t number;
        uint32_t size; /* of the answer */
};

struct talk {
        int family;
        socklen_t size;
        union {
                struct sockaddr any;
                struct sockaddr_in four;
                struct sockaddr_in6 six;
                struct sockaddr_un path;
        } address;
        int listener;
        pid_t server;
        uint64_t sent, received;
        uint32_t requests;
};

static char bytes[ANSWER_MAX];

static int fill_address(struct talk *t, const char *kind) {
        if (strcmp(kind, "tcp4") == 0) {
                t->family = AF_INET;
                t->address.four = (struct sockaddr_in){
                        .sin_family = AF_INET,
                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                };
                t->size = sizeof(t->address.four);
        } else if (strcmp(kind, "tcp6") == 0) {
                t->family = AF_INET6;
                t->address.six = (struct sockaddr_in6){
                        .sin6_family = AF_INET6,
                        .sin6_addr = IN6ADDR_LOOPBACK_INIT,
                };
                t->size = sizeof(t->address.six);
        } else if (strcmp(kind, "unix") == 0) {
                t->family = AF_UNIX;
                t->address.path.sun_family = AF_UNIX;
                snprintf(t->address.path.sun_path, sizeof(t->address.path.sun_path),
                         "/tmp/talk-%d.sock", getpid());
                t->size = sizeof(t->address.path);
        } else {
                return -EINVAL;
        }
        return 0;
}

static int begin_listening(struct talk *t) {
        t->listener = socket(t->family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (t->listener < 0 || bind(t->listener, &t->address.any, t->size) < 0 ||
            listen(t->listener, 10) < 0 || getsockname(t->listener, &t->address.any, &t->size) < 0)
                return -errno;
        return 0;
}

static int write_all(int fd, const void *data, size_t size) {
        for (const char *p = data; size > 0;) {
                ssize_t n = write(fd, p, size);

                if (n < 0)
                        return -errno;
                p += n;
                size -= (size_t) n;
        }
        return 0;
}

static int read_all(int fd, void *data, size_t size) {
        for (char *p = data; size > 0;) {
                ssize_t n = read(fd, p, size);

                if (n <= 0)
                        return n < 0 ? -errno : -EPIPE;
                p += n;
                size -= (size_t) n;
        }
        return 0;
}

static int send_from_file(int fd, size_t size) {
        _cleanup_close_ int file = memfd_create("answer", MFD_CLOEXEC);
        int k = file < 0 ? -errno : write_all(file, bytes, size);
        off_t at = 0;

        while (k >= 0 && (size_t) at < size)
                if (sendfile(fd, file, &at, size - (size_t) at) < 0)
                        k = -errno;
        return k;
}

/* Whoever looks without taking moves nothing. */
static int peek(int fd) {
        char c;

        return recv(fd, &c, 1, MSG_PEEK) < 0 ? -errno : 0;
}

static int serve(const struct talk *t) {
        _cleanup_close_ int fd = accept(t->listener, NULL, NULL);
        struct request r;
        int k = fd < 0 ? -errno : 0;

        while (k >= 0 && peek(fd) >= 0 && read_all(fd, &r, sizeof(r)) == 0) {
                if (r.number == SLOW)
                        usleep(SLOW_MS * 1000);
                k = r.number == SEND_FILE ? send_from_file(fd, r.size)
                                          : write_all(fd, bytes, r.size);
        }
        return k;
}

/* Asks for the answers from `first` up to `last`. */
static int ask(struct talk *t, int fd, uint32_t first, uint32_t last) {
        int k = 0;

        for (uint32_t i = first; k >= 0 && i < last; i++) {
                const struct request r = {i, i * 977 + 1};

                /* In two pieces: one request all the same. */
                k = write_all(fd, &r.number, sizeof(r.number));
                if (k >= 0)
                        k = write_all(fd, &r.size, sizeof(r.size));
                if (k >= 0)
                        k = read_all(fd, bytes, r.size);
                t->sent += sizeof(r);
                t->received += r.size;
                t->requests++;
        }
        return k;
}

static bool appears(const char *path) {
        for (int i = 0; i < WAIT_TENTHS; i++) {
                if (access(path, F_OK) == 0)
                        return true;
                usleep(100000);
        }
        return false;
}

/* Goes on when it is told to, where `pause` names the files by which that is done. */
static int talk_to_the_end(struct talk *t, int fd, const char *pause) {
        char path[256];
        int k = ask(t, fd, 0, pause ? 2 : REQUESTS);

        if (k < 0 || !pause)
                return k;
        snprintf(path, sizeof(path), "%s.there", pause);
        closep(&(int){open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)});
        snprintf(path, sizeof(path), "%s.go", pause);
        return appears(path) ? ask(t, fd, 2, REQUESTS) : -ETIMEDOUT;
}

static void report_place(const struct talk *t) {
        report_text("transport", t->family == AF_UNIX ? "unix" : "tcp");
        if (t->family == AF_UNIX)
                report_text("path", t->address.path.sun_path);
        else
                report_number("port", ntohs(t->address.four.sin_port)); /* at the same place */
}

static void report_counts(const struct talk *t) {
        report_number("sent", (int64_t) t->sent);
        report_number("received", (int64_t) t->received);
        report_number("requests", t->requests);
}

static void report(const struct talk *t, const struct tcp_info *info) {
        report_begin("talk");
        report_number("server", t->server);
        report_place(t);
        report_counts(t);
        report_number("slow_ns", SLOW_MS * INT64_C(1000000));
        if (t->family != AF_UNIX) {
                report_number("bytes_acked", (int64_t) info->tcpi_bytes_acked);
                report_number("bytes_received", (int64_t) info->tcpi_bytes_received);
        }
        report_end();
}

static int converse(struct talk *t, const char *pause) {
        _cleanup_close_ int fd = socket(t->family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct tcp_info info = {};
        socklen_t size = sizeof(info);
        int k;

        if (fd < 0 || connect(fd, &t->address.any, t->size) < 0)
                return -errno;
        k = talk_to_the_end(t, fd, pause);
        usleep(100000); /* the last byte is acknowledged */
        if (k >= 0 && t->family != AF_UNIX &&
            getsockopt(fd, SOL_TCP_LEVEL, TCP_INFO, &info, &size) < 0)
                k = -errno;
        if (k >= 0)
                report(t, &info);
        return k;
}

static int talk(const struct arguments *a) {
        struct talk t = {.listener = -1};
        int k = fill_address(&t, argument(a, 0, "tcp4")), status = 0;

        if (k >= 0)
                k = begin_listening(&t);
        if (k < 0)
                return k;
        t.server = fork();
        if (t.server < 0)
                return -errno;
        if (t.server == 0)
                _exit(serve(&t) < 0);
        closep(&t.listener);
        k = converse(&t, argument(a, 1, NULL));
        if (waitpid(t.server, &status, 0) < 0 || status != 0)
                k = k < 0 ? k : -EIO;
        if (t.family == AF_UNIX)
                unlink(t.address.path.sun_path);
        return k;
}

/* Several at a time, who send as fast as they can, so that they are interrupted at any place. */

static int say(int fd, bool answers) {
        char message[8] = "message", heard[PER_TURN * sizeof(message)];
        int k = 0;

        for (int i = 0; k >= 0 && i < TURNS; i++) {
                if (answers)
                        k = read_all(fd, heard, sizeof(heard));
                for (int j = 0; k >= 0 && j < PER_TURN; j++)
                        k = write_all(fd, message, sizeof(message));
                if (k >= 0 && !answers)
                        k = read_all(fd, heard, sizeof(heard));
        }
        return k;
}

/* Two of them, in processes of their own. */
static int begin_chat(const struct talk *t) {
        pid_t pid = fork();

        if (pid == 0) {
                _cleanup_close_ int fd = accept(t->listener, NULL, NULL);

                _exit(fd < 0 || say(fd, true) < 0);
        }
        if (pid > 0)
                pid = fork();
        if (pid == 0) {
                _cleanup_close_ int fd = socket(t->family, SOCK_STREAM | SOCK_CLOEXEC, 0);

                _exit(fd < 0 || connect(fd, &t->address.any, t->size) < 0 || say(fd, false) < 0);
        }
        return pid < 0 ? -errno : 0;
}

static int chatter(const struct arguments *a) {
        struct talk t = {.listener = -1};
        int k = fill_address(&t, argument(a, 0, "unix")), status;

        if (k >= 0)
                k = begin_listening(&t);
        for (int i = 0; k >= 0 && i < CHATTERERS; i++)
                k = begin_chat(&t);
        while (wait(&status) > 0)
                if (status != 0)
                        k = k < 0 ? k : -EIO;
        closep(&t.listener);
        if (t.family == AF_UNIX)
                unlink(t.address.path.sun_path);
        if (k < 0)
                return k;
        t.sent = t.received = TURNS * PER_TURN * sizeof("message");
        t.requests = TURNS;
        report_begin("chatter");
        report_place(&t);
        report_number("connections", CHATTERERS);
        report_counts(&t);
        report_number("sends", TURNS * PER_TURN); /* of each side */
        report_end();
        return 0;
}

const struct action talk_actions[] = {
        {"talk", "[tcp4|tcp6|unix] [FILE]", talk,
         "asks a server 20 times; with FILE goes on after two when FILE.go is there"},
        {"chatter", "[tcp4|tcp6|unix]", chatter,
         "pairs of processes that send to each other as fast as they can"},
        {},
};
