/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Links: what each is attached to, in words, from what the kernel tells of it. */

#include <bpf/btf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event.h"
#include "inventory-scan.h"
#include "kfuncs.h"
#include "names.h"
#include "symbols.h"
#include "target.h"
#include "util.h"

char *scan_target(struct scan *s, const struct record_target *t) {
        const char *text;

        event_reset(s->scratch);
        target_describe(s->scratch, s->symbols, NULL, t);
        text = event_string(s->scratch, FIELD_ATTACH_TARGET);
        return text ? strdup(text) : NULL;
}

/* Records have paths leaf first. */
void scan_target_path(struct record_target *t, const char *path) {
        const char *end = path + strlen(path), *start;
        size_t used = 0, n;

        t->text_cut = 0;
        while (end > path) {
                for (start = end; start > path && start[-1] != '/'; start--)
                        ;
                n = (size_t) (end - start);
                if (n > 0 && used + n + 1 > sizeof(t->text)) {
                        t->text_cut = 1;
                        break;
                }
                if (n > 0) {
                        memcpy(t->text + used, start, n);
                        t->text[used + n] = 0;
                        used += n + 1;
                }
                end = start > path ? start - 1 : path;
        }
        t->text_size = (uint16_t) used;
}

static void set_text(struct record_target *t, const char *text) {
        const size_t n = MIN(strlen(text), sizeof(t->text) - 1);

        memcpy(t->text, text, n);
        t->text_size = (uint16_t) (n + 1);
}

/* Link types; enum bpf_link_type ----------------------------------------------------------------
 */

static void raw_tracepoint(_unused_ struct scan *s, const struct scan_link *l,
                           struct record_target *t) {
        t->kind = TARGET_TRACEPOINT;
        set_text(t, l->name ?: "");
}

/* Whether its program takes the place of a function of another one. */
static bool replaces(const struct scan *s, const struct scan_link *l) {
        const struct scan_prog *own = scan_prog(s, l->info.prog_id);

        return own && own->info.type == BPF_PROG_TYPE_EXT;
}

/* A program's functions have their names in its BTF, and are told by them. */
static void program_function(const struct scan_prog *prog, uint32_t function,
                             struct record_target *t) {
        struct btf *btf = prog->info.btf_id ? btf__load_from_kernel_by_id(prog->info.btf_id) : NULL;
        const struct btf_type *type = btf ? btf__type_by_id(btf, function) : NULL;
        const char *name = type ? btf__name_by_offset(btf, type->name_off) : NULL;

        if (name && name[0]) {
                set_text(t, name);
        } else {
                memcpy(t->text, prog->info.name, BPF_OBJ_NAME_LEN);
                t->text_size = BPF_OBJ_NAME_LEN;
        }
        btf__free(btf);
}

/* Of the kernel's own functions there are names; of a module's and a program's there is who they
 * belong to. */
static void tracing(struct scan *s, const struct scan_link *l, struct record_target *t) {
        const uint32_t object = l->info.tracing.target_obj_id;
        const struct scan_btf *btf = scan_btf(s, object);
        const struct scan_prog *prog = scan_prog(s, object);
        char name[KFUNC_NAME_MAX];

        /* What may be the id of both is the BTF's, but for programs that replace functions. */
        if (prog && (!btf || !btf->kernel || replaces(s, l))) {
                t->kind = TARGET_PROG;
                t->id = object;
                program_function(prog, l->info.tracing.target_btf_id, t);
        } else if (btf && strcmp(btf->name, "vmlinux") == 0 &&
                   kfuncs_name(s->kfuncs, l->info.tracing.target_btf_id, name) >= 0) {
                t->kind = TARGET_FUNCTION;
                set_text(t, name);
        } else if (btf && btf->kernel) {
                snprintf(t->text, sizeof(t->text), "function %u of %s",
                         l->info.tracing.target_btf_id, btf->name);
                t->kind = TARGET_FUNCTION;
                t->text_size = (uint16_t) (strlen(t->text) + 1);
        }
}

static void cgroup(struct scan *s, const struct scan_link *l, struct record_target *t) {
        const char *path = scan_cgroup_path(s, l->info.cgroup.cgroup_id);

        if (!path)
                return;
        t->kind = TARGET_CGROUP;
        scan_target_path(t, path);
}

static void iter(_unused_ struct scan *s, const struct scan_link *l, struct record_target *t) {
        t->kind = TARGET_ITER;
        set_text(t, l->name ?: "");
        /* Others have something else there. */
        if (l->name && strcmp(l->name, "bpf_map_elem") == 0)
                t->id = l->info.iter.map_id;
}

static void netns(_unused_ struct scan *s, const struct scan_link *l, struct record_target *t) {
        t->kind = TARGET_NETNS;
        t->netns = l->info.netns.netns_ino;
}

/* In which network namespace the device is, the kernel does not tell: the index is as in that. 0:
 * the device is gone. */
static void device(_unused_ struct scan *s, const struct scan_link *l, struct record_target *t) {
        t->kind = TARGET_INTERFACE;
        t->ifindex = l->info.device.ifindex;
}

static void map(struct scan *s, const struct scan_link *l, struct record_target *t) {
        const struct scan_map *m = scan_map(s, l->info.map.map_id);

        t->kind = TARGET_MAP;
        t->id = l->info.map.map_id;
        if (!m)
                return;
        memcpy(t->text, m->info.name, BPF_OBJ_NAME_LEN);
        t->text_size = BPF_OBJ_NAME_LEN;
}

static void netfilter(_unused_ struct scan *s, const struct scan_link *l, struct record_target *t) {
        t->kind = TARGET_NETFILTER;
        t->family = (uint16_t) l->info.netfilter.pf;
        t->hook = l->info.netfilter.hooknum;
        t->priority = (uint32_t) l->info.netfilter.priority;
}

static void functions(_unused_ struct scan *s, const struct scan_link *l, struct record_target *t) {
        if (l->info.kprobe_multi.count == 0)
                return;
        t->kind = TARGET_LIST;
        t->count = l->info.kprobe_multi.count;
}

static void places(_unused_ struct scan *s, const struct scan_link *l, struct record_target *t) {
        if (!l->name)
                return;
        t->kind = TARGET_LIST;
        t->count = l->info.uprobe_multi.count;
        scan_target_path(t, l->name);
}

/* enum bpf_perf_event_type; 0: this kernel does not tell. */
static void perf_event(_unused_ struct scan *s, const struct scan_link *l,
                       struct record_target *t) {
        const uint32_t type = l->info.perf_event.type;

        switch (type) {
        case 1: /* BPF_PERF_EVENT_UPROBE */
        case 2: /* BPF_PERF_EVENT_URETPROBE */
                t->kind = TARGET_FILE;
                t->offset = l->info.perf_event.probe.offset;
                scan_target_path(t, l->name ?: "");
                break;
        case 3: /* BPF_PERF_EVENT_KPROBE */
        case 4: /* BPF_PERF_EVENT_KRETPROBE */
                t->kind = TARGET_FUNCTION;
                t->offset = l->info.perf_event.probe.offset;
                t->address = l->info.perf_event.probe.address;
                set_text(t, l->name ?: "");
                break;
        case 5: /* BPF_PERF_EVENT_TRACEPOINT */
                t->kind = TARGET_TRACEPOINT;
                set_text(t, l->name ?: "");
                break;
        case 6: /* BPF_PERF_EVENT_EVENT */
                t->kind = TARGET_PERF;
                t->type = l->info.perf_event.event.type;
                t->config = l->info.perf_event.event.config;
                break;
        }
}

#define NO_TYPE    SIZE_MAX
#define AT(member) offsetof(struct link_info, member)

static const struct kind {
        void (*fill)(struct scan *s, const struct scan_link *l, struct record_target *t);
        size_t attach_type; /* where it is; NO_TYPE: it has none, or its type says it */
} kinds[] = {
        [1] = {raw_tracepoint, NO_TYPE},
        [2] = {tracing, AT(tracing.attach_type)},
        [3] = {cgroup, AT(cgroup.attach_type)},
        [4] = {iter, NO_TYPE},
        [5] = {netns, AT(netns.attach_type)},
        [6] = {device, NO_TYPE},
        [7] = {perf_event, NO_TYPE},
        [8] = {functions, NO_TYPE},
        [9] = {map, NO_TYPE},
        [10] = {netfilter, NO_TYPE},
        [11] = {device, AT(device.attach_type)},
        [12] = {places, NO_TYPE},
        [13] = {device, AT(device.attach_type)},
        [14] = {map, AT(map.attach_type)},
};

static const struct kind *kind_of(const struct scan_link *l) {
        return l->info.type < ELEMENTSOF(kinds) && kinds[l->info.type].fill ? &kinds[l->info.type]
                                                                            : NULL;
}

bool scan_link_attach_type(const struct scan_link *l, uint32_t *ret) {
        const struct kind *kind = kind_of(l);

        if (!kind || kind->attach_type == NO_TYPE)
                return false;
        memcpy(ret, (const char *) &l->info + kind->attach_type, sizeof(*ret));
        return true;
}

/* Before Linux 6.6 a link of a perf event does not tell what that is: the perf event does, by the
 * process that has it. */
static char *target_by_perf(struct scan *s, uint32_t prog) {
        char *target = NULL;

        for (size_t i = 0; i < s->n_perfs; i++)
                if (s->perfs[i].prog == prog) {
                        if (!target && s->perfs[i].target)
                                target = strdup(s->perfs[i].target);
                        s->perfs[i].by_link = true;
                }
        return target;
}

static void describe(struct scan *s, struct scan_link *l) {
        const struct kind *kind = kind_of(l);
        struct record_target t = {};

        if (l->target)
                return; /* where its device is has been found out */
        if (kind)
                kind->fill(s, l, &t);
        if (t.kind != TARGET_NONE)
                l->target = scan_target(s, &t);
}

/* Each of many targets by its name. */
static int describe_all(struct scan *s, struct scan_link *l) {
        const char *names[SCAN_LINKED_MAX] = {};

        if (l->info.type == 8)
                (void) symbols_kernel_list(s->symbols, l->numbers, l->n_numbers, names);
        else if (l->name)
                (void) symbols_file_list(s->symbols, 0, l->name, NULL, l->numbers, l->n_numbers,
                                         names);
        l->targets = calloc(l->n_numbers, sizeof(l->targets[0]));
        if (!l->targets)
                return -ENOMEM;
        for (size_t i = 0; i < l->n_numbers; i++) {
                char number[24];

                snprintf(number, sizeof(number), "0x%llx", (unsigned long long) l->numbers[i]);
                l->targets[i] = strdup(names[i] ?: number);
                if (!l->targets[i])
                        return -ENOMEM;
                l->n_targets++;
        }
        return 0;
}

static int attach(struct scan *s, const struct scan_link *l) {
        uint32_t type;
        const struct scan_attachment a = {
                .prog = l->info.prog_id,
                .link = l->info.id,
                .via = l->info.type == 1 ? "raw-tracepoint-open" : "link-create",
                .type = replaces(s, l) ? "freplace"
                        : scan_link_attach_type(l, &type)
                                ? names_get(s->question->names, NAMES_ATTACH_TYPE, type)
                                : names_get(s->question->names, NAMES_LINK_TYPE, l->info.type),
        };

        return a.prog == 0 ? 0 : scan_attach(s, SCAN_TARGETS, &a, l->target);
}

/* Perf events that have a program without a link: by ioctl(). A tool has one on each processor. */
static int attach_perf(struct scan *s, const struct scan_perf *p) {
        char target[512];
        const struct scan_attachment a = {
                .prog = p->prog,
                .via = "perf-ioctl",
                .type = "perf_event",
                .has_uid = true,
                .uid = p->uid,
        };

        snprintf(target, sizeof(target), "%s by %s[%u]", p->target ?: "a perf event", p->name,
                 p->pid);
        for (size_t i = 0; i < s->n_attachments; i++)
                if (s->attachments[i].prog == p->prog && s->attachments[i].link == 0 &&
                    s->attachments[i].target && strcmp(s->attachments[i].target, target) == 0)
                        return 0;
        return scan_attach(s, SCAN_PERF, &a, target);
}

int scan_links(struct scan *s) {
        int k = 0;

        for (size_t i = 0; k >= 0 && i < s->n_links && !scan_late(s, SCAN_TARGETS); i++) {
                struct scan_link *l = &s->links[i];

                describe(s, l);
                if (s->question->link == l->info.id && l->n_numbers > 0)
                        k = describe_all(s, l);
                /* Its perf event may tell more. */
                if (k >= 0 && (l->info.type != 7 || l->target))
                        k = attach(s, l);
        }
        return k;
}

/* After the processes were looked at. */
int scan_perf_events(struct scan *s) {
        int k = 0;

        for (size_t i = 0; k >= 0 && i < s->n_links; i++) {
                struct scan_link *l = &s->links[i];
                char *target = l->info.type == 7 ? target_by_perf(s, l->info.prog_id) : NULL;

                if (l->info.type != 7 || l->target) {
                        free(target);
                        continue;
                }
                l->target = target;
                k = attach(s, l);
        }
        for (size_t i = 0; k >= 0 && i < s->n_perfs && !scan_late(s, SCAN_PERF); i++)
                if (!s->perfs[i].by_link)
                        k = attach_perf(s, &s->perfs[i]);
        return k;
}
