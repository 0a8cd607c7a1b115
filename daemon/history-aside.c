/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "history-aside.h"

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "util.h"

enum {
        KEEP = 3,
};

static const char *const suffixes[] = {"", "-wal", "-shm"};

/* PATH.20261122T100000Z, whose end is told apart from others'. */
static bool is_aside(const char *name, const char *base) {
        size_t n = strlen(base);

        return strncmp(name, base, n) == 0 && name[n] == '.' && strlen(name) == n + 17 &&
               name[n + 9] == 'T' && name[n + 16] == 'Z';
}

/* The times in their names put the oldest first. */
static void remove_oldest(const char *path) {
        const char *slash = strrchr(path, '/');
        _cleanup_free_ char *directory = slash ? strndup(path, (size_t) (slash - path) + 1)
                                               : strdup(".");
        struct dirent **names = NULL;
        int n = directory ? scandir(directory, &names, NULL, alphasort) : -1, left = 0;

        for (int i = 0; i < n; i++)
                left += is_aside(names[i]->d_name, slash ? slash + 1 : path);
        for (int i = 0; i < n; i++) {
                if (is_aside(names[i]->d_name, slash ? slash + 1 : path) && left-- > KEEP)
                        for (size_t j = 0; j < ELEMENTSOF(suffixes); j++) {
                                char name[PATH_MAX];

                                snprintf(name, sizeof(name), "%s/%s%s", directory, names[i]->d_name,
                                         suffixes[j]);
                                (void) unlink(name);
                        }
                free(names[i]);
        }
        free(names);
}

int history_set_aside(const char *path, char *ret, size_t size) {
        char target[PATH_MAX], stamp[32];
        time_t now = time(NULL);
        struct tm tm;

        strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", gmtime_r(&now, &tm));
        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
                char from[PATH_MAX];

                snprintf(from, sizeof(from), "%s%s", path, suffixes[i]);
                snprintf(target, sizeof(target), "%s.%s%s", path, stamp, suffixes[i]);
                /* What was beside it must not be taken for the new one's. */
                if (rename(from, target) < 0 && errno != ENOENT)
                        return -errno;
        }

        remove_oldest(path);
        snprintf(ret, size, "%s.%s", path, stamp);
        return 0;
}
