/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs dbus-broker without systemd: `dbus-broker-launch SOCKET` listens there and lets everybody do
 * everything. Prints "ready" when clients may connect; ends, and takes the broker along, on
 * SIGTERM.
 *
 * The broker itself does nothing before its controller tells it to: it gets one end of a socket
 * pair, and over that the listening socket and the policy (org.bus1.DBus.Broker, AddListener). */

#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-bus.h>

#include "util.h"

/* The broker's policy type, from dbus-broker's src/bus/policy.c. A batch: whether to let connect,
 * and rules for owning names, sending and receiving. The policy: batches by user, by group, SELinux
 * contexts, AppArmor, and the kind of bus. */
#define BATCH  "bta(btbs)a(btssssuutt)a(btssssuutt)"
#define POLICY "(a(u(" BATCH "))a(buu(" BATCH "))a(ss)bs)"

/* Every verdict has a priority; ours are all alone. */
#define PRIORITY UINT64_C(1)

static int listen_at(const char *path) {
        _cleanup_close_ int fd = -1;
        struct sockaddr_un address = {.sun_family = AF_UNIX};

        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        memcpy(address.sun_path, path, strlen(path));

        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        if (bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 || chmod(path, 0666) < 0 ||
            listen(fd, 256) < 0)
                return -errno;
        return TAKE_FD(fd);
}

/* Starts the broker with the other end of `ret_fd` as its controller. It dies with us. */
static int start_broker(int *ret_fd) {
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;

        pid_t parent = getpid(), child = fork();
        if (child < 0) {
                int r = -errno;
                close(pair[0]);
                close(pair[1]);
                return r;
        }
        if (child == 0) {
                int controller = dup(pair[1]); /* without close-on-exec */
                char number[16];

                prctl(PR_SET_PDEATHSIG, SIGTERM);
                if (getppid() != parent)
                        _exit(EXIT_FAILURE);
                snprintf(number, sizeof(number), "%d", controller);
                /* The limits are those that systemd's launcher gives the system bus. */
                execlp("dbus-broker", "dbus-broker", "--controller", number, "--machine-id",
                       "0123456789abcdef0123456789abcdef", "--max-bytes", "536870912", "--max-fds",
                       "4096", "--max-matches", "131072", "--max-objects", "16777216", NULL);
                fprintf(stderr, "Cannot run dbus-broker: %m\n");
                _exit(EXIT_FAILURE);
        }
        close(pair[1]);
        *ret_fd = pair[0];
        return 0;
}

/* One batch for users without one of their own: connect, own, send and receive what they like. */
static int append_policy(sd_bus_message *m) {
        static const char *const any = "";
        int r;

        r = sd_bus_message_open_container(m, 'v', POLICY);
        if (r < 0)
                return r;
        r = sd_bus_message_append(
                m, POLICY,
                /* users: one batch, for all */
                1, UINT32_MAX,
                /* connect */ 1, PRIORITY,
                /* own: names with the prefix "" */ 1, 1, PRIORITY, 1, any,
                /* send: any name, path, interface, member, type, broadcast or not, number of fds */
                1, 1, PRIORITY, any, any, any, any, 0, 0, UINT64_C(0), UINT64_MAX,
                /* receive: the same */
                1, 1, PRIORITY, any, any, any, any, 0, 0, UINT64_C(0), UINT64_MAX,
                /* groups, SELinux, AppArmor */ 0, 0, 0, "system");
        if (r < 0)
                return r;
        return sd_bus_message_close_container(m);
}

static int add_listener(sd_bus *controller, int listener) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        r = sd_bus_message_new_method_call(controller, &m, NULL, "/org/bus1/DBus/Broker",
                                           "org.bus1.DBus.Broker", "AddListener");
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "oh", "/org/bus1/DBus/Listener/0", listener);
        if (r < 0)
                return r;
        r = append_policy(m);
        if (r < 0)
                return r;
        r = sd_bus_call(controller, m, 0, &error, NULL);
        if (r < 0)
                fprintf(stderr, "dbus-broker refuses the listener: %s\n", error.message);
        sd_bus_error_free(&error);
        return r;
}

static int run(const char *path) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *controller = NULL;
        _cleanup_close_ int listener = -1, fd = -1;
        int r;

        listener = listen_at(path);
        if (listener < 0)
                return listener;
        r = start_broker(&fd);
        if (r < 0)
                return r;
        r = sd_bus_new(&controller);
        if (r < 0)
                return r;
        r = sd_bus_set_fd(controller, fd, fd);
        if (r < 0)
                return r;
        TAKE_FD(fd);
        r = sd_bus_start(controller);
        if (r < 0)
                return r;
        r = add_listener(controller, listener);
        if (r < 0)
                return r;
        puts("ready");
        fflush(stdout);

        for (;;) {
                r = sd_bus_process(controller, NULL);
                if (r == 0)
                        r = sd_bus_wait(controller, UINT64_MAX);
                if (r < 0)
                        return r;
        }
}

int main(int argc, char *argv[]) {
        if (argc != 2) {
                fprintf(stderr, "Usage: %s SOCKET\n", argv[0]);
                return 2;
        }

        int r = run(argv[1]);
        fprintf(stderr, "The broker is gone: %s\n", strerror(-r));
        return EXIT_FAILURE;
}
