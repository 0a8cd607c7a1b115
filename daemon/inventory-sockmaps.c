/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Programs on maps of sockets, which a map tells when it is asked (from Linux 5.17). */

#include <bpf/bpf.h>
#include <stdio.h>
#include <string.h>

#include "inventory-query.h"
#include "inventory-scan.h"
#include "names.h"
#include "util.h"

static bool by_link(const struct scan *s, uint32_t map, uint32_t prog) {
        for (size_t i = 0; i < s->n_links; i++)
                if (s->links[i].info.type == 14 /* BPF_LINK_TYPE_SOCKMAP */ &&
                    s->links[i].info.prog_id == prog && s->links[i].info.map.map_id == map)
                        return true;
        return false;
}

static int look_at(struct scan *s, const struct scan_map *m, struct attached *attached) {
        static const char *const globs[] = {"sk_skb_*", "sk_msg_verdict", NULL};
        _cleanup_close_ int fd = bpf_map_get_fd_by_id(m->info.id);
        uint32_t types[8];
        const size_t n = query_types(s->question->names, globs, types, ELEMENTSOF(types));
        char target[64];
        int k = 0;

        if (m->info.name[0])
                snprintf(target, sizeof(target), "map %u \"%.16s\"", m->info.id, m->info.name);
        else
                snprintf(target, sizeof(target), "map %u", m->info.id);
        for (size_t i = 0; fd >= 0 && i < n; i++) {
                if (query_attached((uint32_t) fd, types[i], attached) < 0)
                        scan_cut(s, SCAN_NETWORKS, SCAN_NOT_ACCESSIBLE);
                for (size_t j = 0; k >= 0 && j < attached->n; j++) {
                        const struct scan_attachment a = {
                                .prog = attached->progs[j],
                                .via = "prog-attach",
                                .type = names_get(s->question->names, NAMES_ATTACH_TYPE, types[i]),
                        };
                        if (a.prog != 0 && !by_link(s, m->info.id, a.prog))
                                k = scan_attach(s, SCAN_NETWORKS, &a, target);
                }
        }
        return k;
}

int scan_sockmaps(struct scan *s) {
        _cleanup_free_ struct attached *attached = NULL;
        int k = 0;

        for (size_t i = 0; k >= 0 && i < s->n_maps && !scan_late(s, SCAN_NETWORKS); i++) {
                if (s->maps[i].info.type != BPF_MAP_TYPE_SOCKMAP &&
                    s->maps[i].info.type != BPF_MAP_TYPE_SOCKHASH)
                        continue;
                attached = attached ?: calloc(1, sizeof(*attached));
                k = attached ? look_at(s, &s->maps[i], attached) : -ENOMEM;
        }
        return k;
}
