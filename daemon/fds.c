/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "attr.h"
#include "event.h"
#include "fds.h"
#include "process.h"
#include "util.h"

static const struct {
        const char *word;
        bool numbered;
} kinds[_OBJECT_MAX] = {
        [OBJECT_PROG] = {"program", true}, [OBJECT_MAP] = {"map", true},
        [OBJECT_LINK] = {"link", true},    [OBJECT_BTF] = {"BTF", true},
        [OBJECT_CGROUP] = {"cgroup"},      [OBJECT_PERF_EVENT] = {"perf event"},
        [OBJECT_SOCKET] = {"socket"},      [OBJECT_NETNS] = {"netns", true},
        [OBJECT_ITER] = {"iterator"},      [OBJECT_TOKEN] = {"token"},
        [OBJECT_FILE] = {"file"},
};

/* In words: map 41 "events". */
static void describe(const struct record_fd *fd, const char *path, char *ret, size_t n) {
        int used = snprintf(ret, n, "%s", kinds[fd->kind].word);

        if (kinds[fd->kind].numbered)
                used += snprintf(ret + used, n - (size_t) used, " %u", fd->id);
        if (path)
                snprintf(ret + used, n - (size_t) used, " %s", path);
        else if (fd->name[0])
                snprintf(ret + used, n - (size_t) used, " \"%.*s\"", (int) sizeof(fd->name),
                         fd->name);
}

/* Where the target is, if it is a control group and is known. */
static bool cgroup_path(const struct record_target *t, char *ret, size_t n) {
        return t->kind == TARGET_CGROUP &&
               path_from_components(t->text, t->text_size, sizeof(t->text), t->text_cut, ret, n) >=
                       0;
}

void fds_describe(struct event *e, const struct attr *a, const struct record_target *target) {
        char text[2 * RECORD_STRING_MAX], path[RECORD_STRING_MAX + 16];
        bool located = cgroup_path(target, path, sizeof(path));

        for (size_t i = 0; i < a->n_fds; i++) {
                const struct record_fd *fd = &a->fds[i];
                const char *name = attr_fd_name(a, fd->offset);

                if (!name || fd->kind == OBJECT_NONE || fd->kind >= _OBJECT_MAX)
                        continue;
                bool is_target = fd->kind == OBJECT_CGROUP && fd->offset == attr_target_offset(a);
                describe(fd, located && is_target ? path : NULL, text, sizeof(text));
                event_dict_add(e, FIELD_BPF_FDS, name,
                               &(struct value){TYPE_STRING, .string = text});
        }
}
