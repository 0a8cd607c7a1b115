/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attr.h"
#include "callers.h"
#include "event.h"
#include "usage.h"
#include "util.h"

/* What a process has made of one command, up to now. */
struct total {
        uint64_t start; /* with the pid: the process */
        uint32_t pid;
        uint32_t command;
        uint64_t calls;
        uint64_t errors;
};

struct totals {
        struct total *items;
        size_t n, room;
};

struct usage {
        struct callers *callers;
        struct totals before; /* sorted */
};

/* One listing. */
struct listing {
        const struct totals *before;
        struct totals now;
        uint64_t time;
        void (*row)(const struct event *e, void *userdata);
        void *userdata;
};

int usage_new(struct usage **ret, struct callers *callers) {
        struct usage *u = calloc(1, sizeof(*u));

        if (!u)
                return -ENOMEM;
        u->callers = callers;
        *ret = u;
        return 0;
}

struct usage *usage_free(struct usage *u) {
        if (u)
                free(u->before.items);
        free(u);
        return NULL;
}

static int compare(const void *a, const void *b) {
        const struct total *x = a, *y = b;

        if (x->pid != y->pid)
                return x->pid < y->pid ? -1 : 1;
        if (x->start != y->start)
                return x->start < y->start ? -1 : 1;
        return (x->command > y->command) - (x->command < y->command);
}

static int add(struct totals *t, const struct total *x) {
        size_t room = t->room ? 2 * t->room : 64;
        struct total *items;

        if (t->n == t->room) {
                items = reallocarray(t->items, room, sizeof(*items));
                if (!items)
                        return -ENOMEM;
                t->items = items;
                t->room = room;
        }
        t->items[t->n++] = *x;
        return 0;
}

static bool is_counted(const struct command_info *info) {
        return strcmp(info->class, "use") == 0 || strcmp(info->class, "look") == 0;
}

static uint64_t number(const struct event *e, enum field f) {
        const struct value *v = event_get(e, f);

        return !v ? 0 : v->type == TYPE_U32 ? v->u32 : v->u64;
}

/* Counters of a process that executed another program begin anew. */
static uint64_t since(uint64_t now, uint64_t before) {
        return now >= before ? now - before : now;
}

static void tell(struct listing *l, struct event *e, const struct total *x,
                 const struct command_info *info) {
        const struct total *before = l->before->n ? bsearch(x, l->before->items, l->before->n,
                                                            sizeof(*x), compare)
                                                  : NULL;
        uint64_t calls = since(x->calls, before ? before->calls : 0);

        if (calls == 0)
                return;
        event_clear(e, FIELD_TIMED_CALLS);
        event_clear(e, FIELD_DURATION);
        event_set_u64(e, FIELD_TIME, l->time);
        event_set_static(e, FIELD_EVENT, info->event);
        event_set_static(e, FIELD_CLASS, info->class);
        event_set_static(e, FIELD_SEVERITY, "info");
        event_set_u64(e, FIELD_CALLS, calls);
        event_set_u64(e, FIELD_ERRORS, since(x->errors, before ? before->errors : 0));
        l->row(e, l->userdata);
}

static int on_row(struct event *e, void *userdata) {
        struct listing *l = userdata;
        const struct total x = {
                .start = number(e, FIELD_PROCESS_START),
                .pid = (uint32_t) number(e, FIELD_PROCESS_PID),
                .command = (uint32_t) number(e, FIELD_BPF_CMD_NUMBER),
                .calls = number(e, FIELD_CALLS),
                .errors = number(e, FIELD_ERRORS),
        };
        const struct command_info *info = command_info(x.command, -EINVAL);
        int k;

        /* Processes that are no longer told apart have been told of, each in its time. */
        if (x.pid == 0 || !event_has(e, FIELD_BPF_CMD_NUMBER) || !is_counted(info))
                return 0;
        k = add(&l->now, &x);
        if (k < 0)
                return k;
        tell(l, e, &x, info);
        return 1;
}

int usage_list(struct usage *u, uint64_t time, void (*row)(const struct event *e, void *userdata),
               void *userdata) {
        struct listing l = {.before = &u->before, .time = time, .row = row, .userdata = userdata};
        int k = callers_list(u->callers, NULL, on_row, &l);

        if (k < 0) {
                free(l.now.items);
                return k;
        }
        if (l.now.n > 0)
                qsort(l.now.items, l.now.n, sizeof(*l.now.items), compare);
        free(u->before.items);
        u->before = l.now;
        return 0;
}
