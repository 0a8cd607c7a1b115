/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-login.h>

#include "build-id.h"
#include "cgroup.h"
#include "clock.h"
#include "event.h"
#include "hash.h"
#include "process.h"
#include "users.h"
#include "util.h"

enum {
        BUCKETS = 4096, /* a power of two */
        /* A program's start is the same in each of its events, however the clocks are adjusted. */
        START_SLACK_NS = 1000000,
};

#define PASSWD_PATH "/etc/passwd"
#define ELLIPSIS    "…"

/* What is remembered as text, NULL where it is not known. */
enum text { TEXT_EXECUTABLE, TEXT_CGROUP, TEXT_UNIT, TEXT_SESSION, TEXT_CONTAINER, _TEXT_MAX };

static const enum field text_fields[_TEXT_MAX] = {
        [TEXT_EXECUTABLE] = FIELD_PROCESS_EXECUTABLE,
        [TEXT_CGROUP] = FIELD_CGROUP_PATH,
        [TEXT_UNIT] = FIELD_UNIT,
        [TEXT_SESSION] = FIELD_SESSION,
        [TEXT_CONTAINER] = FIELD_CONTAINER_ID,
};

struct process {
        struct process *next;          /* of the same bucket */
        struct process *older, *newer; /* by when it was last heard of */
        struct record_task task;       /* as last learned; with the group and start as the key */
        uint64_t start;                /* realtime, µs */
        uint64_t capabilities;
        uint64_t inode, changed; /* of the executable; 0: not known */
        bool protected;
        char *build_id; /* of the executable, NULL: not known */
        uint32_t ppid;
        uint32_t login_uid;
        uint32_t ns_pid, ns_mnt, ns_net, ns_user;
        char *texts[_TEXT_MAX];
};

struct processes {
        struct process *buckets[BUCKETS];
        struct process *oldest, *newest;
        size_t n;
        struct users *users;
        struct build_ids *build_ids;
        struct clock_offset boottime;
};

/* Paths ---------------------------------------------------------------------------------------- */

int path_from_components(const char *data, size_t size, size_t max, int cut, char *ret, size_t n) {
        const size_t reserve = strlen(ELLIPSIS) + 1;

        if (size == 0 || size > max || n <= reserve)
                return -EINVAL;

        /* The leaf comes first and goes last: filled from the end, with room left for the mark. */
        char *end = ret + n - 1, *start = end;
        bool full = false;
        for (size_t at = 0, length; at < size && !full; at += length + 1) {
                length = strnlen(data + at, size - at);
                if (length == 0 || (length == 1 && data[at] == '/'))
                        continue;
                full = (size_t) (start - ret) < length + reserve;
                if (full)
                        break;
                for (size_t i = length; i > 0; i--)
                        *--start = data[at + i - 1] == '/' ? '?' : data[at + i - 1];
                *--start = '/';
        }

        if (start == end)
                return -EINVAL;
        if (cut || full) {
                start -= strlen(ELLIPSIS);
                memcpy(start, ELLIPSIS, strlen(ELLIPSIS));
        }

        memmove(ret, start, (size_t) (end - start));
        ret[end - start] = 0;
        return 0;
}

/* The cache ------------------------------------------------------------------------------------ */

static struct process **bucket(struct processes *p, const struct record_task *task) {
        uint64_t h = hash_number(hash_number(0, task->start_time), task->tgid);

        return &p->buckets[h & (BUCKETS - 1)];
}

static void unlink_age(struct processes *p, struct process *q) {
        *(q->older ? &q->older->newer : &p->oldest) = q->newer;
        *(q->newer ? &q->newer->older : &p->newest) = q->older;
}

static void link_newest(struct processes *p, struct process *q) {
        q->newer = NULL;
        q->older = p->newest;
        *(p->newest ? &p->newest->newer : &p->oldest) = q;
        p->newest = q;
}

static struct process *find(struct processes *p, const struct record_task *task) {
        struct process *q = *bucket(p, task);

        while (q && (q->task.tgid != task->tgid || q->task.start_time != task->start_time))
                q = q->next;
        if (q && q != p->newest) {
                unlink_age(p, q);
                link_newest(p, q);
        }
        return q;
}

static void clear_texts(struct process *q) {
        for (enum text t = 0; t < _TEXT_MAX; t++) {
                free(q->texts[t]);
                q->texts[t] = NULL;
        }
}

static void forget(struct processes *p, struct process *q) {
        struct process **at = bucket(p, &q->task);

        while (*at != q)
                at = &(*at)->next;
        *at = q->next;
        unlink_age(p, q);
        p->n--;
        clear_texts(q);
        free(q->build_id);
        free(q);
}

static struct process *make(struct processes *p, const struct record_task *task) {
        struct process *q = calloc(1, sizeof(*q));
        if (!q)
                return NULL;

        if (p->n >= PROCESSES_MAX)
                forget(p, p->oldest);
        q->task = *task;
        q->start = clock_realtime(&p->boottime, clock_now(), task->start_time);
        q->next = *bucket(p, task);
        *bucket(p, task) = q;
        link_newest(p, q);
        p->n++;
        return q;
}

DEFINE_CLEANUP(struct processes *, processes_free);

int processes_new(struct processes **ret) {
        _cleanup_(processes_freep) struct processes *p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;

        p->boottime = (struct clock_offset){.clock = CLOCK_BOOTTIME, .slack = START_SLACK_NS};
        int k = users_new(&p->users, PASSWD_PATH);

        if (k >= 0)
                k = build_ids_new(&p->build_ids);
        if (k < 0)
                return k;

        *ret = TAKE_PTR(p);
        return 0;
}

struct processes *processes_free(struct processes *p) {
        if (!p)
                return NULL;

        while (p->oldest)
                forget(p, p->oldest);
        users_free(p->users);
        build_ids_free(p->build_ids);
        free(p);
        return NULL;
}

/* Units and containers ------------------------------------------------------------------------- */

bool process_lives(const struct record_task *task) {
        char path[64], text[1024];
        unsigned long long start;

        snprintf(path, sizeof(path), "/proc/%" PRIu32 "/stat", task->tgid);
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
        if (n <= 0)
                return false;
        text[n] = 0;

        /* proc(5): field 22, in ticks; the second one, comm, ends with the last parenthesis. */
        const char *s = strrchr(text, ')');
        if (!s || sscanf(s + 1,
                         " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
                         "%*s %llu",
                         &start) != 1)
                return false;

        return start == task->start_time / (UINT64_C(1000000000) / (uint64_t) sysconf(_SC_CLK_TCK));
}

/* Where systemd does not use the hierarchy that the kernel side reads (a hybrid of cgroup v1 and
 * v2), its own says where the process is, if that still lives. */
static void parse_systemd_cgroup(const struct record_task *task, struct cgroup_names *ret) {
        _cleanup_free_ char *path = NULL;

        if (sd_pid_get_cgroup((pid_t) task->tgid, &path) >= 0 && process_lives(task))
                cgroup_parse(path, ret);
}

static void learn_cgroup(struct process *q, const struct record_task *task, const char *path,
                         bool cut) {
        struct cgroup_names names = {};

        if (!path[0])
                parse_systemd_cgroup(task, &names);
        else if (cut)
                cgroup_parse_cut(path, &names);
        else
                cgroup_parse(path, &names);

        const char *texts[_TEXT_MAX] = {
                [TEXT_CGROUP] = path,
                [TEXT_UNIT] = names.unit,
                [TEXT_SESSION] = names.session,
                [TEXT_CONTAINER] = names.container,
        };
        for (enum text t = 0; t < _TEXT_MAX; t++)
                if (texts[t] && texts[t][0])
                        q->texts[t] = strdup(texts[t]);
}

static bool same(const char *known, const char *path) {
        return strcmp(known ?: "", path) == 0;
}

static void learn_texts(struct process *q, const struct record_task *task,
                        const struct record_context *c) {
        char executable[RECORD_EXECUTABLE_MAX + 8], cgroup[RECORD_CGROUP_MAX + 8];

        if (path_from_components(c->executable, c->executable_size, sizeof(c->executable),
                                 c->executable_cut, executable, sizeof(executable)) < 0)
                executable[0] = 0;
        if (path_from_components(c->cgroup, c->cgroup_size, sizeof(c->cgroup), c->cgroup_cut,
                                 cgroup, sizeof(cgroup)) < 0)
                cgroup[0] = 0;
        if (same(q->texts[TEXT_EXECUTABLE], executable) && same(q->texts[TEXT_CGROUP], cgroup))
                return;

        clear_texts(q);
        if (executable[0])
                q->texts[TEXT_EXECUTABLE] = strdup(executable);
        learn_cgroup(q, task, cgroup, c->cgroup_cut);
}

static void learn_build_id(struct processes *p, struct process *q) {
        const char *path = q->texts[TEXT_EXECUTABLE], *id = NULL;

        free(q->build_id);
        /* Of a path without its beginning nobody knows which it is. */
        if (path && path[0] == '/' && q->inode != 0)
                id = build_ids_get(p->build_ids, (pid_t) q->task.tgid, path, q->inode, q->changed);
        q->build_id = id ? strdup(id) : NULL;
}

static struct process *learn(struct processes *p, const struct record_task *task,
                             const struct record_context *c) {
        struct process *q = find(p, task);

        /* One that leaves has lost its executable and its namespaces: what is known stays. */
        if (q && c->executable_size == 0)
                return q;
        if (!q)
                q = make(p, task);
        if (!q)
                return NULL;

        const bool another = q->inode != c->executable_inode || q->changed != c->executable_changed;
        q->task = *task;
        q->capabilities = c->capabilities;
        q->inode = c->executable_inode;
        q->changed = c->executable_changed;
        q->protected = c->executable_owner == 0 && !(c->executable_mode & (S_IWGRP | S_IWOTH));
        q->ppid = c->ppid;
        q->login_uid = c->login_uid;
        q->ns_pid = c->ns_pid;
        q->ns_mnt = c->ns_mnt;
        q->ns_net = c->ns_net;
        q->ns_user = c->ns_user;
        learn_texts(q, task, c);
        if (another || !q->build_id)
                learn_build_id(p, q);
        return q;
}

void processes_learn(struct processes *p, const struct record_task *task,
                     const struct record_context *context) {
        (void) learn(p, task, context);
}

int processes_find(struct processes *p, uint32_t tgid, uint64_t start_time,
                   struct record_task *ret_task, const char **ret_executable) {
        struct record_task key = {.tgid = tgid, .start_time = start_time};
        const struct process *q = find(p, &key);

        if (!q)
                return -ENOENT;
        *ret_task = q->task;
        *ret_executable = q->texts[TEXT_EXECUTABLE];
        return 0;
}

/* Fields --------------------------------------------------------------------------------------- */

static void set_known(struct event *e, enum field f, uint32_t v) {
        if (v != 0)
                event_set_u32(e, f, v);
}

/* Whether a text is still true of a task: what was learned may be from before it was moved to
 * another control group, or became another user's, as by executing another program. */
static bool still_true(enum text t, const struct process *q, const struct record_task *task) {
        return t == TEXT_EXECUTABLE ? q->task.uid == task->uid
                                    : q->task.cgroup_id == task->cgroup_id;
}

static void describe_file(struct event *e, const struct process *q) {
        if (q->inode == 0)
                return;
        event_set_string(e, FIELD_PROCESS_BUILD_ID, q->build_id);
        event_set_u64(e, FIELD_PROCESS_EXECUTABLE_INODE, q->inode);
        event_set_u64(e, FIELD_PROCESS_EXECUTABLE_CHANGED, q->changed);
        event_set_bool(e, FIELD_PROCESS_EXECUTABLE_PROTECTED, q->protected);
}

static void describe(struct processes *p, struct event *e, const struct record_task *task,
                     const struct process *q) {
        event_set_u32(e, FIELD_PROCESS_PID, task->tgid);
        event_set_u32(e, FIELD_PROCESS_TID, task->tid);
        if (task->comm[0])
                event_set_stringn(e, FIELD_PROCESS_NAME, task->comm, sizeof(task->comm));
        event_set_u32(e, FIELD_USER_ID, task->uid);
        event_set_string(e, FIELD_USER_NAME, users_name(p->users, task->uid));

        for (enum text t = 0; q && t < _TEXT_MAX; t++)
                if (still_true(t, q, task))
                        event_set_string(e, text_fields[t], q->texts[t]);
}

/* `q`: what is known of its process, or NULL. */
static void describe_all(struct processes *p, struct event *e, const struct record_task *task,
                         const struct process *q) {
        describe(p, e, task, q);
        event_set_u32(e, FIELD_GROUP_ID, task->gid);
        if (task->cgroup_id != 0)
                event_set_u64(e, FIELD_CGROUP_ID, task->cgroup_id);
        if (!q)
                return;

        event_set_u64(e, FIELD_PROCESS_START, q->start);
        if (q->task.uid == task->uid) {
                event_set_u64(e, FIELD_PROCESS_CAPABILITIES, q->capabilities);
                describe_file(e, q);
        }
        set_known(e, FIELD_PROCESS_PPID, q->ppid);
        if (q->login_uid != UINT32_MAX)
                event_set_u32(e, FIELD_USER_LOGIN_ID, q->login_uid);
        set_known(e, FIELD_NAMESPACE_PID, q->ns_pid);
        set_known(e, FIELD_NAMESPACE_MNT, q->ns_mnt);
        set_known(e, FIELD_NAMESPACE_NET, q->ns_net);
        set_known(e, FIELD_NAMESPACE_USER, q->ns_user);
}

void processes_describe(struct processes *p, struct event *e, const struct record_task *task,
                        const struct record_context *context) {
        describe_all(p, e, task, context ? learn(p, task, context) : find(p, task));
}

void processes_describe_unknown(struct processes *p, struct event *e,
                                const struct record_task *task) {
        describe_all(p, e, task, NULL);
}

void processes_describe_briefly(struct processes *p, struct event *e,
                                const struct record_task *task) {
        describe(p, e, task, find(p, task));
}
