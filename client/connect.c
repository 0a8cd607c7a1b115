/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The way to a system bus: of this machine, of another one by ssh, of a container. */

#include <fcntl.h>
#include <string.h>

#include "bus.h"
#include "client.h"
#include "ssh.h"

/* Standard error, while a child has a pipe in its place. */
struct caught {
        int saved, read_fd;
};

/* What ssh says goes into the one line that we say. The pipe blocks neither side, and what does not
 * fit is gone: the other machine can write there, too. */
static int catch_errors(struct caught *ret) {
        int fds[2];

        if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
                return -errno;

        int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
        if (saved < 0 || dup2(fds[1], STDERR_FILENO) < 0) {
                int r = -errno;
                if (saved >= 0)
                        close(saved);
                close(fds[0]);
                close(fds[1]);
                return r;
        }

        close(fds[1]);
        *ret = (struct caught){saved, fds[0]};
        return 0;
}

static void restore_errors(struct caught *c) {
        (void) dup2(c->saved, STDERR_FILENO);
        close(c->saved);
        c->saved = -1;
}

/* The last line that it said, as a string in `text`; "" where it said nothing. */
static const char *last_line(struct caught *c, char *text, size_t size) {
        ssize_t n = read(c->read_fd, text, size - 1);
        size_t end = n > 0 ? (size_t) n : 0;

        while (end > 0 && strchr("\r\n ", text[end - 1]))
                end--;
        text[end] = '\0';
        const char *line = strrchr(text, '\n');
        return line ? line + 1 : text;
}

static int start_ssh(sd_bus **ret, const char *address) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        int r = sd_bus_new(&bus);

        if (r >= 0)
                r = sd_bus_set_address(bus, address);
        if (r >= 0)
                r = sd_bus_set_bus_client(bus, true);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r >= 0)
                *ret = TAKE_PTR(bus);
        return r;
}

static int open_host(sd_bus **ret, const char *host, bool unattended) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_free_ char *address = NULL;
        char text[4096];
        struct caught c = {-1, -1};
        const char *name;

        int r = ssh_address(&address, host, unattended);
        if (r == -EINVAL) {
                complain("that is no host: write [USER@]HOST[:PORT]");
                return EXIT_USAGE;
        }
        if (r >= 0)
                r = catch_errors(&c);
        if (r < 0) {
                complain("cannot start ssh: %s", strerror(-r));
                return EXIT_FAILURE;
        }
        r = start_ssh(&bus, address);
        restore_errors(&c);
        if (r >= 0)
                r = sd_bus_get_unique_name(bus, &name);

        const char *line = last_line(&c, text, sizeof(text));
        close(c.read_fd);
        if (r < 0 && line[0])
                complain("cannot reach the system bus there: %s", line);
        else if (r < 0)
                complain("cannot reach the system bus there: %s; are ssh and "
                         "systemd-stdio-bridge installed?",
                         strerror(-r));
        else if (line[0])
                complain("%s", line);
        if (r < 0)
                return EXIT_FAILURE;

        *ret = TAKE_PTR(bus);
        return EXIT_SUCCESS;
}

static int open_machine(sd_bus **ret, const char *machine) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        const char *name;

        int r = sd_bus_open_system_machine(&bus, machine);
        if (r >= 0)
                r = sd_bus_get_unique_name(bus, &name);
        if (r == -EPERM || r == -EACCES) {
                complain("not authorized to enter the container: %s; try sudo", strerror(-r));
                return EXIT_NOT_AUTHORIZED;
        }
        if (r < 0) {
                /* Without a container libsystemd does not come so far as to miss the socket. */
                if (r == -EHOSTDOWN || r == -ENXIO)
                        complain("there is no such container; machinectl lists those that run");
                else
                        complain("cannot reach the system bus there: %s",
                                 r == -ENOENT || r == -ECONNREFUSED ? "the container has no system "
                                                                      "bus"
                                                                    : strerror(-r));
                return EXIT_FAILURE;
        }

        *ret = TAKE_PTR(bus);
        return EXIT_SUCCESS;
}

static int open_here(sd_bus **ret) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        const char *address, *name;

        int r = sd_bus_open_system(&bus);
        if (r >= 0)
                r = sd_bus_get_unique_name(bus, &name);
        if (r >= 0) {
                *ret = TAKE_PTR(bus);
                return EXIT_SUCCESS;
        }

        address = getenv("DBUS_SYSTEM_BUS_ADDRESS");
        if (!address)
                address = "unix:path=/run/dbus/system_bus_socket";
        if (r == -EACCES || r == -EPERM) {
                complain("not authorized to use the system bus (%s): %s; try sudo", address,
                         strerror(-r));
                return EXIT_NOT_AUTHORIZED;
        }
        complain("cannot reach the system bus (%s): %s; is dbus running?", address, strerror(-r));
        return EXIT_FAILURE;
}

int bus_connect(sd_bus **ret, const struct options *options) {
        if (options->host || options->machine)
                complain_about(options->host ? options->host : options->machine);
        if (options->host)
                return open_host(ret, options->host, options->unattended);

        return options->machine ? open_machine(ret, options->machine) : open_here(ret);
}
