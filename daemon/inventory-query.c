/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inventory-query.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "glob.h"
#include "names.h"
#include "util.h"

/* The member `query` of union bpf_attr, Linux 6.6 and later; older kernels take the part that they
 * know, where the rest is zero. include/uapi/linux/bpf.h */
struct query {
        uint32_t target;
        uint32_t attach_type;
        uint32_t query_flags;
        uint32_t attach_flags;
        uint64_t prog_ids;
        uint32_t count;
        uint32_t pad;
        uint64_t prog_attach_flags;
        uint64_t link_ids;
        uint64_t link_attach_flags;
        uint64_t revision;
};

static int ask(struct query *q) {
        return (int) syscall(SYS_bpf, BPF_PROG_QUERY, q, sizeof(*q));
}

static int refused(int error) {
        return error == EPERM || error == EACCES ? -EPERM : 0;
}

int query_attached(uint32_t target, uint32_t attach_type, struct attached *ret) {
        struct query q = {
                .target = target,
                .attach_type = attach_type,
                .prog_ids = (uintptr_t) ret->progs,
                .link_ids = (uintptr_t) ret->links,
                .count = QUERY_PROGS_MAX,
        };

        ret->n = 0;
        memset(ret->links, 0, sizeof(ret->links));
        if (ask(&q) < 0) {
                /* Control groups and others know nothing of links here. */
                if (errno != EINVAL && errno != E2BIG)
                        return refused(errno);
                q = (struct query){.target = target,
                                   .attach_type = attach_type,
                                   .prog_ids = (uintptr_t) ret->progs,
                                   .count = QUERY_PROGS_MAX};
                if (ask(&q) < 0)
                        return refused(errno);
        }
        ret->n = MIN(q.count, (uint32_t) QUERY_PROGS_MAX);
        return 0;
}

size_t query_types(const struct names *names, const char *const *globs, uint32_t *ret, size_t max) {
        const uint32_t end = names_end(names, NAMES_ATTACH_TYPE);
        size_t n = 0;

        for (; *globs; globs++) {
                char glob[64];

                if (glob_compile(glob, *globs) < 0)
                        continue;
                for (uint32_t type = 0; type < end && n < max; type++) {
                        const char *name = names_get(names, NAMES_ATTACH_TYPE, type);
                        if (name && glob_test(glob, name, false))
                                ret[n++] = type;
                }
        }
        return n;
}
