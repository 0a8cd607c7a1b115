/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "runner.h"

#include <fcntl.h>
#include <inttypes.h>
#include <json.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "bus-json.h"
#include "clock.h"
#include "text.h"
#include "util.h"
#include "value.h"
#include "words.h"

#define PREFIX "BPFMON_"

enum {
        RECENT_MAX = 64, /* commands whose own events are known */
        /* What a command does may be told so much later than it has ended, and its beginning be
         * told by another clock. */
        SLACK_USEC = 5000000,
};

/* A command of ours: its process's id is another's before and after. */
struct recent {
        pid_t pid;
        uint64_t began, ended; /* CLOCK_REALTIME, µs; ended: UINT64_MAX while it runs */
};

struct runner {
        sd_event *loop;
        char **command;
        void (*on_idle)(void *userdata);
        void *userdata;
        sd_event_source *children[RUNNER_CHILDREN_MAX];
        size_t n_children;
        struct json_object *queue[RUNNER_QUEUE_MAX];
        size_t first, n_queued;
        uint64_t skipped_before; /* since the last command was started */
        struct recent recent[RECENT_MAX];
        size_t n_recent;
        bool local; /* its processes are this machine's */
        struct runner_counts counts;
};

/* Whether a file can be run. */
static int check_file(const char *path) {
        struct stat st;

        if (stat(path, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EACCES;
        return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

/* Looks for a program where posix_spawnp() will. */
static int check_program(const char *name) {
        _cleanup_free_ char *path = strdup(getenv("PATH") ?: "/bin:/usr/bin");
        char *rest = path;
        int r = -ENOENT;

        if (strchr(name, '/'))
                return check_file(name);
        if (!path)
                return -ENOMEM;
        for (const char *folder; r < 0 && name[0] && (folder = strsep(&rest, ":"));) {
                _cleanup_free_ char *file = NULL;

                if (asprintf(&file, "%s%s%s", folder, folder[0] ? "/" : "", name) < 0)
                        return -ENOMEM;
                int k = check_file(file);
                r = k == 0 || k == -EACCES ? k : r;
        }

        return r;
}

int runner_new(struct runner **ret, sd_event *loop, const char *command, bool local,
               void (*on_idle)(void *userdata), void *userdata) {
        struct runner *r = calloc(1, sizeof(*r));

        if (!r)
                return -ENOMEM;
        int n = words_split(&r->command, command);
        if (n <= 0) {
                runner_free(r);
                return n < 0 ? n : -EINVAL;
        }
        int k = check_program(r->command[0]);
        if (k < 0) {
                runner_free(r);
                return k;
        }

        r->loop = sd_event_ref(loop);
        r->local = local;
        r->on_idle = on_idle;
        r->userdata = userdata;
        *ret = r;
        return 0;
}

struct runner *runner_free(struct runner *r) {
        if (!r)
                return NULL;

        runner_stop(r);
        for (size_t i = 0; i < ELEMENTSOF(r->children); i++)
                sd_event_source_disable_unref(r->children[i]);
        words_free(r->command);
        sd_event_unref(r->loop);
        free(r);
        return NULL;
}

char *runner_variable(const char *key) {
        char *name;

        if (asprintf(&name, PREFIX "%s", key) < 0)
                return NULL;
        for (char *c = name; *c; c++)
                if (*c >= 'a' && *c <= 'z')
                        *c = (char) (*c - 'a' + 'A');
                else if (!((*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9')))
                        *c = '_';

        return name;
}

/* The value as programs want it: numbers without units, text as it is. */
static void add_value(struct text *t, struct json_object *value) {
        if (!json_object_is_type(value, json_type_array)) {
                text_add(t,
                         json_object_is_type(value, json_type_string)
                                 ? json_object_get_string(value)
                                 : json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN));
                return;
        }
        for (size_t i = 0; i < json_object_array_length(value); i++) {
                struct json_object *item = json_object_array_get_idx(value, i);
                text_printf(t, "%s%s", i > 0 ? "\n" : "", json_object_get_string(item));
        }
}

/* NAME=VALUE */
static char *make_entry(const char *key, struct json_object *value) {
        _cleanup_free_ char *name = runner_variable(key);
        _cleanup_text_ struct text entry = {};

        if (!name)
                return NULL;
        text_printf(&entry, "%s=", name);
        add_value(&entry, value);
        return entry.failed ? NULL : strdup(text_string(&entry));
}

/* Ours without what would be taken for the event's, and the event's. */
static char **make_environment(struct json_object *event, uint64_t skipped) {
        size_t n = 0, size = (size_t) json_object_object_length(event) + 2;

        for (char **e = environ; *e; e++)
                size++;
        char **ret = calloc(size, sizeof(*ret));
        if (!ret)
                return NULL;

        bool failed = false;
        for (char **e = environ; *e && !failed; e++)
                if (strncmp(*e, PREFIX, strlen(PREFIX)) != 0)
                        failed = !(ret[n++] = strdup(*e));
        json_object_object_foreach(event, key, value) if (!failed)
                failed = !(ret[n++] = make_entry(key, value));
        if (skipped > 0 && !failed)
                failed = asprintf(&ret[n++], PREFIX "SKIPPED=%" PRIu64, skipped) < 0;

        return failed ? words_free(ret) : ret;
}

static int spawn(pid_t *ret, char **command, char **environment) {
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t none, usual;

        sigemptyset(&none);
        sigemptyset(&usual);
        sigaddset(&usual, SIGPIPE);
        sigaddset(&usual, SIGINT);
        posix_spawnattr_init(&attributes);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setsigdefault(&attributes, &usual);
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

        int r = posix_spawnp(ret, command[0], &actions, &attributes, command, environment);

        posix_spawn_file_actions_destroy(&actions);
        posix_spawnattr_destroy(&attributes);
        return -r;
}

static int run_next(struct runner *r);

static int on_end(sd_event_source *source, const siginfo_t *si, void *userdata) {
        struct runner *r = userdata;

        if (si->si_code != CLD_EXITED || si->si_status != 0)
                r->counts.failed++;
        for (size_t i = 0; i < ELEMENTSOF(r->recent); i++)
                if (r->recent[i].pid == si->si_pid && r->recent[i].ended == UINT64_MAX)
                        r->recent[i].ended = clock_usec(CLOCK_REALTIME);
        for (size_t i = 0; i < ELEMENTSOF(r->children); i++)
                if (r->children[i] == source)
                        r->children[i] = sd_event_source_disable_unref(r->children[i]);
        r->n_children--;

        int k = run_next(r);
        if (!runner_busy(r))
                r->on_idle(r->userdata);
        return k == -ENOMEM ? k : 0;
}

static int start(struct runner *r, struct json_object *event) {
        sd_event_source **place = r->children;
        pid_t pid;

        char **environment = make_environment(event, r->skipped_before);
        if (!environment)
                return -ENOMEM;
        int k = spawn(&pid, r->command, environment);
        words_free(environment);
        if (k < 0)
                return k;

        while (*place)
                place++;
        k = sd_event_add_child(r->loop, place, pid, WEXITED, on_end, r);
        if (k < 0)
                return k;
        r->n_children++;
        r->recent[r->n_recent++ % RECENT_MAX] = (struct recent){pid, clock_usec(CLOCK_REALTIME),
                                                                UINT64_MAX};
        r->counts.run++;
        r->skipped_before = 0;
        return 0;
}

static void skip(struct runner *r) {
        r->skipped_before++;
        r->counts.skipped++;
}

/* Starts what waits, as far as there is room. A machine that has no process left loses some. */
static int run_next(struct runner *r) {
        int k = 0;

        while (k >= 0 && r->n_queued > 0 && r->n_children < RUNNER_CHILDREN_MAX) {
                _cleanup_json_ struct json_object *event = r->queue[r->first];

                r->first = (r->first + 1) % RUNNER_QUEUE_MAX;
                r->n_queued--;
                k = start(r, event);
                if (k < 0)
                        skip(r);
                if (k == -EAGAIN)
                        k = 0;
        }

        return k;
}

/* Commands may call bpf() themselves, and what they start may. */
static bool is_own(const struct runner *r, struct json_object *event) {
        const uint64_t pid = row_number(event, FIELD_PROCESS_PID);
        const uint64_t parent = row_number(event, FIELD_PROCESS_PPID);
        const uint64_t time = row_number(event, FIELD_TIME);

        for (size_t i = 0; i < MIN(r->n_recent, (size_t) RECENT_MAX); i++) {
                const struct recent *c = &r->recent[i];

                if (((uint64_t) c->pid == pid || (uint64_t) c->pid == parent) &&
                    time + SLACK_USEC >= c->began &&
                    (c->ended == UINT64_MAX || time <= c->ended + SLACK_USEC))
                        return true;
        }

        return false;
}

int runner_offer(struct runner *r, struct json_object *event) {
        if (r->local && is_own(r, event)) {
                r->counts.own++;
                return 0;
        }
        if (r->n_queued == RUNNER_QUEUE_MAX) {
                skip(r);
                return 0;
        }

        r->queue[(r->first + r->n_queued++) % RUNNER_QUEUE_MAX] = json_object_get(event);
        return run_next(r);
}

void runner_stop(struct runner *r) {
        for (; r->n_queued > 0; r->n_queued--) {
                json_object_put(r->queue[r->first]);
                r->first = (r->first + 1) % RUNNER_QUEUE_MAX;
                skip(r);
        }
}

bool runner_busy(const struct runner *r) {
        return r->n_children > 0 || r->n_queued > 0;
}

struct runner_counts runner_counts(const struct runner *r) {
        return r->counts;
}
