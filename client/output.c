/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <json.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "bus-json.h"
#include "escape.h"
#include "output.h"
#include "pager.h"
#include "value.h"

enum {
        /* What fits a pipe or terminal that poll() calls writable without blocking. */
        CHUNK = 4096,
};

/* Waits until `o->fd` takes more, or the interrupt comes. */
static int wait_writable(const struct output *o) {
        struct pollfd fds[] = {
                {.fd = o->fd, .events = POLLOUT},
                {.fd = o->interrupt_fd, .events = POLLIN},
        };

        while (poll(fds, ELEMENTSOF(fds), -1) < 0)
                if (errno != EINTR)
                        return -errno;

        return fds[1].revents ? -EINTR : 0;
}

int output_flush(struct output *o) {
        size_t written = 0;
        int r = o->text.failed ? -ENOMEM : 0;

        while (r == 0 && written < o->text.n) {
                size_t n = o->text.n - written;

                if (o->interrupt_fd >= 0) {
                        r = wait_writable(o);
                        if (r < 0)
                                break;
                        n = MIN(n, (size_t) CHUNK);
                }

                ssize_t done = write(o->fd, o->text.data + written, n);
                if (done >= 0)
                        written += (size_t) done;
                else if (errno == EAGAIN)
                        r = wait_writable(o);
                else if (errno != EINTR)
                        r = -errno;
        }

        text_reset(&o->text);
        return r;
}

bool output_closed(void) {
        struct pollfd fd = {.fd = STDOUT_FILENO};

        return poll(&fd, 1, 0) > 0 && fd.revents & (POLLERR | POLLHUP | POLLNVAL);
}

int output_finish(struct output *o) {
        int r = output_flush(o);

        text_clear(&o->text);
        if (o->pager > 0) {
                close(o->fd);
                while (waitpid(o->pager, NULL, 0) < 0 && errno == EINTR)
                        ;
                o->pager = 0;
        }
        if (r == 0 || r == -EPIPE || r == -EINTR)
                return EXIT_SUCCESS;

        complain("cannot write the output: %s", strerror(-r));
        return EXIT_FAILURE;
}

void output_start_pager(struct output *o, const struct options *options) {
        int fd;

        if (!options->pager || output_columns() == 0)
                return;
        pid_t pid = pager_start(&fd);
        if (pid <= 0)
                return;

        signal(SIGINT, SIG_IGN); /* the pager's to handle: it has the terminal */
        o->fd = fd;
        o->pager = pid;
}

bool output_is_file(void) {
        struct stat st, null;

        if (fstat(STDOUT_FILENO, &st) < 0)
                return false;
        return S_ISREG(st.st_mode) ||
               (S_ISCHR(st.st_mode) && stat("/dev/null", &null) >= 0 && st.st_rdev == null.st_rdev);
}

size_t output_lines(void) {
        struct winsize size = {};

        return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) >= 0 ? size.ws_row : 0;
}

size_t output_columns(void) {
        struct winsize size = {};

        if (!isatty(STDOUT_FILENO))
                return 0;
        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) >= 0 && size.ws_col > 0)
                return size.ws_col;

        const char *columns = getenv("COLUMNS");
        int n = columns ? atoi(columns) : 0;
        return n > 0 ? (size_t) n : 80;
}

/* Adds one character, valid UTF-8 of `n` bytes and not ASCII, as "\uNNNN" where a terminal must not
 * see it. */
static void add_json_character(struct text *t, const char *s, size_t n) {
        char character[5] = {};

        memcpy(character, s, n);
        _cleanup_free_ char *escaped = escape_terminal(character);
        if (!escaped) {
                t->failed = true;
                return;
        }
        if (strcmp(escaped, character) == 0) {
                text_add_bytes(t, s, n);
                return;
        }

        const uint8_t *p = (const uint8_t *) s;
        uint32_t c = n > 1 ? p[0] & (0x7f >> n) : p[0];
        for (size_t i = 1; i < n; i++)
                c = c << 6 | (p[i] & 0x3f);

        if (c < 0x10000)
                text_printf(t, "\\u%04x", c);
        else
                text_printf(t, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10),
                            0xdc00 + ((c - 0x10000) & 0x3ff));
}

/* Control characters below DEL are escaped by json-c already. */
static void add_json(struct text *t, const char *s, size_t length) {
        size_t i = 0;

        while (i < length) {
                size_t plain = 0;
                while (i + plain < length && (uint8_t) s[i + plain] < 0x7f)
                        plain++;
                text_add_bytes(t, s + i, plain);
                i += plain;
                if (i == length)
                        break;

                size_t n = utf8_sequence(s + i, length - i);
                if (n > 0)
                        add_json_character(t, s + i, n);
                else
                        text_add(t, "\\ufffd");
                i += n > 0 ? n : 1;
        }
}

void output_json(struct output *o, struct json_object *object, const struct options *options) {
        int flags = JSON_C_TO_STRING_NOSLASHESCAPE;
        size_t length;

        flags |= options->json == JSON_PRETTY ? JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED
                                              : JSON_C_TO_STRING_PLAIN;
        const char *s = json_object_to_json_string_length(object, flags, &length);
        if (!s) {
                o->text.failed = true;
                return;
        }

        add_json(&o->text, s, length);
        text_add_char(&o->text, '\n', 1);
}

void output_row(struct output *o, struct json_object *row, const struct options *options) {
        if (options->n_fields == 0) {
                output_json(o, row, options);
                return;
        }

        _cleanup_json_ struct json_object *chosen = json_object_new_object();
        for (size_t i = 0; chosen && i < options->n_fields; i++) {
                struct json_object *value = row_get(row, options->fields[i]);
                if (value)
                        json_object_object_add_ex(chosen, field_info(options->fields[i])->name,
                                                  json_object_get(value),
                                                  JSON_C_OBJECT_ADD_KEY_IS_NEW |
                                                          JSON_C_OBJECT_KEY_IS_CONSTANT);
        }
        if (chosen)
                output_json(o, chosen, options);
        else
                o->text.failed = true;
}
