/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mounts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

enum { MOUNTINFO_MAX = 4 * 1024 * 1024 /* bytes of it that are read */ };

/* mountinfo has \040 for a space. In place. */
static void unescape(char *s) {
        char *to = s;

        for (; *s; s++)
                if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
                    s[3] >= '0' && s[3] <= '7') {
                        *to++ = (char) ((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
                        s += 3;
                } else {
                        *to++ = *s;
                }
        *to = 0;
}

/* "36 35 98:0 /mnt1 /mnt2 rw master:1 - ext3 /dev/root rw": see proc_pid_mountinfo(5). */
static bool parse(char *line, const char *type, struct mount *ret) {
        char *fields[5], *dash = strstr(line, " - "), *rest = line;

        if (!dash)
                return false;
        ret->type = dash + 3;
        dash[3 + strcspn(ret->type, " \n")] = 0;
        if (type && strcmp(ret->type, type) != 0)
                return false;
        for (size_t i = 0; i < ELEMENTSOF(fields); i++) {
                fields[i] = strsep(&rest, " ");
                if (!fields[i])
                        return false;
        }
        if (sscanf(fields[0], "%" SCNu64, &ret->id) != 1 ||
            sscanf(fields[2], "%" SCNu32 ":%" SCNu32, &ret->major, &ret->minor) != 2)
                return false;
        unescape(fields[3]);
        unescape(fields[4]);
        ret->root = fields[3];
        ret->path = fields[4];
        return true;
}

int mounts_find(pid_t pid, const char *type, int (*found)(const struct mount *m, void *userdata),
                void *userdata) {
        _cleanup_fclose_ FILE *f = NULL;
        _cleanup_free_ char *line = NULL;
        char path[64] = "/proc/self/mountinfo";
        size_t size = 0, total = 0;
        struct mount m;
        ssize_t n;
        int k = 0;

        if (pid)
                snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int) pid);
        f = fopen(path, "re");
        if (!f)
                return -errno;
        while (k >= 0 && total < MOUNTINFO_MAX && (n = getline(&line, &size, f)) > 0) {
                total += (size_t) n;
                if (parse(line, type, &m))
                        k = found(&m, userdata);
        }
        return MIN(k, 0);
}
