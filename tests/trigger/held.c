/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Many at a time: threads that are kept within the same function of the kernel, and filters that
 * come faster than anybody can read of them. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "trigger.h"
#include "util.h"

enum {
        PAGE = 4096,
        HELD_MAX = 64, /* more than the kernel sees return from one function at a time */

        /* Instructions of a filter. Two of them at a time must fit into what a socket may have
         * (net.core.optmem_max: 20 KiB before Linux 6.9), in two forms each. */
        CROWD_LENGTH = 256,
        CROWD_MAPS = 64,
};

/* A thread that waits for the page that its filter is on. */
struct held {
        pthread_t thread;
        char *page;
        int (*install)(const struct held *h);
        size_t number;
        uint32_t tid;
        int result;
};

static int install_seccomp(const struct held *h) {
        const struct sock_fprog program = {.len = 1, .filter = (void *) h->page};
        long k = h->number % 2 ? syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program)
                               : prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);

        return k < 0 ? -errno : 0;
}

static int install_on_socket(const struct held *h) {
        const struct sock_fprog program = {.len = 1, .filter = (void *) h->page};
        _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0)
                return -errno;
        return 0;
}

static void *hold(void *userdata) {
        struct held *h = userdata;

        h->tid = (uint32_t) gettid();
        h->result = h->install(h);
        return NULL;
}

static int open_userfault(void *pages, size_t size) {
        struct uffdio_api api = {.api = UFFD_API};
        struct uffdio_register range = {
                .range = {.start = (uintptr_t) pages, .len = size},
                .mode = UFFDIO_REGISTER_MODE_MISSING,
        };
        _cleanup_close_ int fd = (int) syscall(SYS_userfaultfd, O_CLOEXEC);

        if (fd < 0 || ioctl(fd, UFFDIO_API, &api) < 0 || ioctl(fd, UFFDIO_REGISTER, &range) < 0)
                return -errno;
        return TAKE_FD(fd);
}

/* Waits until all of them are held, and lets them go. */
static int let_go(int uffd, struct held *held, size_t n) {
        static _Alignas(PAGE) char content[PAGE];
        const struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
        struct uffd_msg message;

        memcpy(content, &allow, sizeof(allow));
        for (size_t i = 0; i < n; i++)
                if (read(uffd, &message, sizeof(message)) != sizeof(message))
                        return -EIO;
        for (size_t i = 0; i < n; i++) {
                struct uffdio_copy copy = {
                        .dst = (uintptr_t) held[i].page, .src = (uintptr_t) content, .len = PAGE};

                if (ioctl(uffd, UFFDIO_COPY, &copy) < 0)
                        return -errno;
        }
        return 0;
}

static int hold_all(const char *action, int (*install)(const struct held *h)) {
        static struct held held[HELD_MAX];
        static uint32_t tids[HELD_MAX];
        char *pages = mmap(NULL, HELD_MAX * PAGE, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        int uffd, k;

        if (pages == MAP_FAILED)
                return -errno;
        uffd = open_userfault(pages, HELD_MAX * PAGE);
        if (uffd == -ENOSYS || uffd == -EPERM)
                return report_skip(action, "no userfaultfd() here");
        if (uffd < 0)
                return uffd;
        for (size_t i = 0; i < HELD_MAX; i++) {
                held[i] = (struct held){.page = pages + i * PAGE, .install = install, .number = i};
                k = pthread_create(&held[i].thread, NULL, hold, &held[i]);
                if (k != 0)
                        return -k;
        }
        k = let_go(uffd, held, HELD_MAX);
        if (k < 0)
                return k;
        for (size_t i = 0; i < HELD_MAX; i++) {
                pthread_join(held[i].thread, NULL);
                if (held[i].result < 0)
                        return held[i].result;
                tids[i] = held[i].tid;
        }
        report_begin(action);
        report_numbers("tids", tids, HELD_MAX);
        report_end();
        return 0;
}

static int hold_seccomp(const struct arguments *a) {
        return hold_all("hold-seccomp", install_seccomp);
}

static int hold_sockets(const struct arguments *a) {
        return hold_all("hold-sockets", install_on_socket);
}

/* Crowds --------------------------------------------------------------------------------------- */

pid_t find_daemon(void) {
        DIR *processes = opendir("/proc");
        struct dirent *entry;
        pid_t found = 0;

        while (processes && !found && (entry = readdir(processes))) {
                _cleanup_fclose_ FILE *f = NULL;
                char path[300], name[32] = "";

                snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
                f = fopen(path, "re");
                if (f && fgets(name, sizeof(name), f) && strcmp(name, "bpfmond\n") == 0)
                        found = atoi(entry->d_name);
        }
        if (processes)
                closedir(processes);
        return found;
}

/* Anybody may do so. */
static int attach_many(size_t n) {
        static struct sock_filter filter[CROWD_LENGTH];
        const struct sock_fprog program = {.len = CROWD_LENGTH, .filter = filter};
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        for (size_t i = 0; i < CROWD_LENGTH; i++)
                filter[i] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
        if (fd < 0 || prctl(PR_SET_NAME, "crowd") < 0 || setgid(65534) < 0 || setuid(65534) < 0)
                return 1;
        for (size_t i = 0; i < n; i++)
                if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0)
                        return 1;
        return 0;
}

/* While the daemon reads nothing, somebody without privilege attaches N filters, and then somebody
 * else makes maps. */
static int crowd(const struct arguments *a) {
        static uint32_t ids[CROWD_MAPS];
        size_t n = strtoul(argument(a, 0, "400"), NULL, 0), made = 0;
        pid_t daemon = find_daemon(), child;
        uint32_t size;
        int status;

        if (daemon <= 0 || kill(daemon, SIGSTOP) < 0)
                return -ESRCH;
        child = fork();
        if (child == 0)
                _exit(attach_many(n));
        if (child < 0 || waitpid(child, &status, 0) != child)
                status = -1;
        while (made < CROWD_MAPS) {
                _cleanup_close_ int fd = make_map("trigger_crowd", BPF_MAP_TYPE_ARRAY, 8, 1);

                if (fd < 0 || map_value_size(fd, &ids[made++], &size) < 0)
                        break;
        }
        (void) kill(daemon, SIGCONT);
        if (status != 0)
                return -ECHILD;
        report_begin("crowd");
        report_text("cmd", "MAP_CREATE");
        report_number("calls", CROWD_MAPS);
        report_number("attached", (int64_t) n);
        report_number("crowd", child);
        report_numbers("ids", ids, made);
        report_end();
        return 0;
}

const struct action held_actions[] = {
        {"hold-seccomp", "", hold_seccomp, "threads install seccomp filters all at once"},
        {"hold-sockets", "", hold_sockets, "threads attach filters to sockets all at once"},
        {"crowd", "[N]", crowd, "anybody attaches N filters while the daemon reads nothing"},
        {},
};
