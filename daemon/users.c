/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <pwd.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "users.h"
#include "util.h"

enum {
        USERS_MAX = 16 * 1024, /* entries read from the file; further ones stay numbers */
        LINE_MAX_BYTES = 4096,
};

struct user {
        uint32_t uid;
        uint32_t row; /* of equal uids the first of the file counts */
        char *name;
};

struct users {
        char *path;
        struct user *items; /* by uid, then row */
        size_t n;
        time_t checked; /* CLOCK_MONOTONIC, s; 0: never */
        struct timespec changed;
        off_t size;
        ino_t inode;
};

static int compare(const void *a, const void *b) {
        const struct user *x = a, *y = b;

        if (x->uid != y->uid)
                return x->uid < y->uid ? -1 : 1;
        return x->row < y->row ? -1 : x->row > y->row;
}

static void forget(struct users *u) {
        for (size_t i = 0; i < u->n; i++)
                free(u->items[i].name);
        free(u->items);
        u->items = NULL;
        u->n = 0;
}

static bool add(struct users *u, uint32_t uid, const char *name) {
        /* Grows by powers of two. */
        if ((u->n & (u->n - 1)) == 0) {
                struct user *more = reallocarray(u->items, u->n ? u->n * 2 : 1,
                                                 sizeof(u->items[0]));
                if (!more)
                        return false;
                u->items = more;
        }

        char *copy = strdup(name);
        if (!copy)
                return false;
        u->items[u->n] = (struct user){uid, (uint32_t) u->n, copy};
        u->n++;
        return true;
}

/* What cannot be read leaves numbers without names. */
static void read_file(struct users *u) {
        _cleanup_fclose_ FILE *f = fopen(u->path, "re");
        char buffer[LINE_MAX_BYTES];
        struct passwd entry, *found;

        while (f && u->n < USERS_MAX && fgetpwent_r(f, &entry, buffer, sizeof(buffer), &found) == 0)
                if (!add(u, entry.pw_uid, entry.pw_name))
                        break;

        if (u->n > 0)
                qsort(u->items, u->n, sizeof(u->items[0]), compare);
}

static void refresh(struct users *u) {
        struct timespec now = {};
        struct stat st = {};

        clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
        if (u->checked == now.tv_sec + 1)
                return;
        u->checked = now.tv_sec + 1; /* never 0 */

        (void) stat(u->path, &st);
        if (st.st_ino == u->inode && st.st_size == u->size &&
            st.st_mtim.tv_sec == u->changed.tv_sec && st.st_mtim.tv_nsec == u->changed.tv_nsec)
                return;

        forget(u);
        u->inode = st.st_ino;
        u->size = st.st_size;
        u->changed = st.st_mtim;
        read_file(u);
}

DEFINE_CLEANUP(struct users *, users_free);

int users_new(struct users **ret, const char *path) {
        _cleanup_(users_freep) struct users *u = calloc(1, sizeof(*u));

        if (u)
                u->path = strdup(path);
        if (!u || !u->path)
                return -ENOMEM;

        *ret = TAKE_PTR(u);
        return 0;
}

struct users *users_free(struct users *u) {
        if (!u)
                return NULL;

        forget(u);
        free(u->path);
        free(u);
        return NULL;
}

const char *users_name(struct users *u, uint32_t uid) {
        refresh(u);

        size_t from = 0, to = u->n;
        while (from < to) {
                size_t middle = from + (to - from) / 2;
                if (u->items[middle].uid < uid)
                        from = middle + 1;
                else
                        to = middle;
        }

        return from < u->n && u->items[from].uid == uid ? u->items[from].name : NULL;
}
