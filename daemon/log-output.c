/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log-output.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "bytes.h"
#include "util.h"

#define SD_JOURNAL_SUPPRESS_LOCATION /* the fields have it */
#include <systemd/sd-journal.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

enum { CONSOLE_BYTES = 4096 }; /* PIPE_BUF: a pipe that takes any takes so many */

/* A message that waits; one piece of memory. */
struct line {
        struct line *next;
        size_t size;
        int level;
        bool stream;
        const char *text;
        size_t n;
        struct iovec fields[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER, progress;
/* Below the lock. The first is being said: it stays until it was. */
static struct line *first, **last = &first;
static size_t waiting_bytes;
static uint64_t dropped, told_dropped;
static bool running;

/* The journal ---------------------------------------------------------------------------------- */

/* systemd.journal-fields(7) and JOURNAL_NATIVE_PROTOCOL: a value with a newline has its length
 * before it. */
static void put_field(struct bytes *b, const struct iovec *field) {
        const char *s = field->iov_base, *equals = memchr(s, '=', field->iov_len);

        if (!equals || !memchr(equals, '\n', field->iov_len - (size_t) (equals - s))) {
                bytes_put(b, s, field->iov_len);
        } else {
                const size_t name = (size_t) (equals - s), n = field->iov_len - name - 1;
                const uint64_t length = htole64(n);

                bytes_put(b, s, name);
                bytes_put(b, "\n", 1);
                bytes_put(b, &length, sizeof(length));
                bytes_put(b, equals + 1, n);
        }
        bytes_put(b, "\n", 1);
}

/* Returns 0; -EAGAIN where it would have to wait, or be sent in another way than this; other
 * errors: there is no journal. */
static int try_journal(const struct iovec *fields, size_t n) {
        static const struct sockaddr_un address = {AF_UNIX, JOURNAL_SOCKET};
        static int fd = -1;
        _cleanup_bytes_ struct bytes b = {};

        if (fd < 0)
                fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        for (size_t i = 0; i < n; i++)
                put_field(&b, &fields[i]);
        if (b.failed)
                return -EAGAIN;
        if (sendto(fd, b.data, b.n, MSG_DONTWAIT | MSG_NOSIGNAL, (const void *) &address,
                   sizeof(address)) >= 0)
                return 0;
        return errno == EMSGSIZE || errno == ENOBUFS || errno == ENOMEM ? -EAGAIN : -errno;
}

/* stderr --------------------------------------------------------------------------------------- */

static size_t compose(char ret[static CONSOLE_BYTES], int level, bool stream, const char *text) {
        char prefix[16] = "bpfmond: ";

        if (stream)
                snprintf(prefix, sizeof(prefix), "<%d>", level); /* sd-daemon(3) */
        const int n = snprintf(ret, CONSOLE_BYTES - 1, "%s%s", prefix, text);
        const size_t used = MIN((size_t) MAX(n, 0), (size_t) CONSOLE_BYTES - 2);

        ret[used] = '\n';
        return used + 1;
}

static bool is_file(void) {
        struct stat st;

        return fstat(STDERR_FILENO, &st) >= 0 && S_ISREG(st.st_mode);
}

/* Returns 0, also where nobody reads it, or -EAGAIN. */
static int try_console(int level, bool stream, const char *text) {
        struct pollfd poll_fd = {.fd = STDERR_FILENO, .events = POLLOUT};
        char line[CONSOLE_BYTES];
        const size_t n = compose(line, level, stream, text);

        /* A terminal keeps its writer until it has taken everything, whatever room it says it has.
         */
        if (isatty(STDERR_FILENO))
                return -EAGAIN;
        if (!is_file() && poll(&poll_fd, 1, 0) == 0)
                return -EAGAIN;
        if (send(STDERR_FILENO, line, n, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
                return 0;
        if (errno == ENOTSOCK && write(STDERR_FILENO, line, n) >= 0)
                return 0;
        return errno == EAGAIN ? -EAGAIN : 0;
}

static void to_console(int level, bool stream, const char *text) {
        char line[CONSOLE_BYTES];
        const size_t n = compose(line, level, stream, text);

        for (size_t done = 0; done < n;) {
                struct pollfd poll_fd = {.fd = STDERR_FILENO, .events = POLLOUT};
                const ssize_t k = write(STDERR_FILENO, line + done, n - done);

                if (k < 0 && errno == EAGAIN)
                        (void) poll(&poll_fd, 1, -1);
                else if (k < 0 && errno != EINTR)
                        return;
                done += (size_t) MAX(k, (ssize_t) 0);
        }
}

/* The thread ----------------------------------------------------------------------------------- */

/* Takes as long as it takes. */
static void say_line(const struct line *l) {
        /* Without a journal sd_journal_sendv() drops the message and is content. */
        if (l->n > 0 && access(JOURNAL_SOCKET, F_OK) >= 0 &&
            sd_journal_sendv(l->fields, (int) l->n) >= 0)
                return;
        to_console(l->level, l->stream, l->text);
}

static void say_dropped(const struct line *like, uint64_t n) {
        char text[128], message[160];

        snprintf(text, sizeof(text), "%" PRIu64 " message%s dropped: the log did not take them", n,
                 n == 1 ? " was" : "s were");
        snprintf(message, sizeof(message), "MESSAGE=%s", text);
        struct {
                struct line line;
                struct iovec fields[3];
        } l = {.line = {.level = LOG_WARNING, .stream = like->stream, .text = text}};
        if (like->n > 0) {
                static char priority[] = "PRIORITY=4", identifier[] = "SYSLOG_IDENTIFIER=bpfmond";

                l.line.n = ELEMENTSOF(l.fields);
                l.fields[0] = (struct iovec){message, strlen(message)};
                l.fields[1] = (struct iovec){priority, strlen(priority)};
                l.fields[2] = (struct iovec){identifier, strlen(identifier)};
        }
        say_line(&l.line);
}

static void *say_all(_unused_ void *userdata) {
        pthread_mutex_lock(&lock);
        for (;;) {
                while (!first)
                        pthread_cond_wait(&work, &lock);
                struct line *l = first;
                uint64_t n = !l->next ? dropped - told_dropped : 0;

                told_dropped += n;
                pthread_mutex_unlock(&lock);
                say_line(l);
                if (n > 0)
                        say_dropped(l, n);
                pthread_mutex_lock(&lock);
                first = l->next;
                if (!first)
                        last = &first;
                waiting_bytes -= l->size;
                free(l);
                pthread_cond_broadcast(&progress);
        }
        return NULL;
}

/* Signals are for the thread that runs the loop. */
static bool start_thread(void) {
        pthread_condattr_t monotonic;
        sigset_t all, before;
        pthread_t thread;

        if (running)
                return true;
        pthread_condattr_init(&monotonic);
        pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
        pthread_cond_init(&progress, &monotonic);
        pthread_condattr_destroy(&monotonic);
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        running = pthread_create(&thread, NULL, say_all, NULL) == 0;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (running)
                pthread_detach(thread);
        return running;
}

static struct line *copy(int level, bool stream, const char *text, const struct iovec *fields,
                         size_t n) {
        const size_t n_text = strlen(text) + 1;
        size_t size = sizeof(struct line) + n * sizeof(fields[0]) + n_text;

        for (size_t i = 0; i < n; i++)
                size += fields[i].iov_len;
        struct line *l = malloc(size);
        if (!l)
                return NULL;
        char *room = (char *) &l->fields[n];

        *l = (struct line){.size = size, .level = level, .stream = stream, .text = room, .n = n};
        memcpy(room, text, n_text);
        room += n_text;
        for (size_t i = 0; i < n; i++) {
                l->fields[i] = (struct iovec){room, fields[i].iov_len};
                memcpy(room, fields[i].iov_base, fields[i].iov_len);
                room += fields[i].iov_len;
        }
        return l;
}

static void keep(int level, bool stream, const char *text, const struct iovec *fields, size_t n) {
        struct line *l = waiting_bytes < OUTPUT_BYTES_MAX && start_thread()
                                 ? copy(level, stream, text, fields, n)
                                 : NULL;

        if (!l) {
                dropped++;
                return;
        }
        *last = l;
        last = &l->next;
        waiting_bytes += l->size;
        pthread_cond_signal(&work);
}

void output_say(int level, bool stream, const char *text, const struct iovec *fields, size_t n) {
        int k = -EAGAIN;

        pthread_mutex_lock(&lock);
        if (!first) {
                k = n > 0 ? try_journal(fields, n) : -ENOENT;
                if (k < 0 && k != -EAGAIN)
                        k = try_console(level, stream, text);
        }
        if (k < 0)
                keep(level, stream, text, fields, n);
        pthread_mutex_unlock(&lock);
}

bool output_wait(uint64_t usec) {
        struct timespec end;

        clock_gettime(CLOCK_MONOTONIC, &end);
        const uint64_t nsec = (uint64_t) end.tv_nsec + usec % 1000000 * 1000;
        end.tv_sec += (time_t) (usec / 1000000 + nsec / 1000000000);
        end.tv_nsec = (long) (nsec % 1000000000);
        pthread_mutex_lock(&lock);
        int error = 0;
        while (first && error == 0)
                error = pthread_cond_timedwait(&progress, &lock, &end);
        const bool done = !first;
        pthread_mutex_unlock(&lock);
        return done;
}

uint64_t output_dropped(void) {
        pthread_mutex_lock(&lock);
        const uint64_t n = dropped;
        pthread_mutex_unlock(&lock);
        return n;
}
