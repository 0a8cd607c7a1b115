/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inventory-row.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "access.h"
#include "clock.h"
#include "event.h"
#include "flags.h"
#include "inventory-scan.h"
#include "name-list.h"
#include "names.h"
#include "objects.h"
#include "statistics.h"
#include "util.h"

enum {
        RELATED_MAX = 1024, /* ids in one field */
        ITEM_SIZE = 1024,   /* of a holder or an attachment in words */
};

/* A row being made. */
struct making {
        const struct row_sources *r;
        const struct scan *scan;
        const struct viewer *viewer;
        struct event *e;
};

static void set_name(const struct making *m, enum field f, enum name_set set, uint32_t number) {
        const char *name = names_get(m->r->names, set, number);

        if (name)
                event_set_static(m->e, f, name);
        else
                event_set_printf(m->e, f, "%" PRIu32, number);
}

/* Names in the kernel are up to 15 bytes; "": none. */
static void set_object_name(const struct making *m, enum field f,
                            const char name[static BPF_OBJ_NAME_LEN]) {
        if (name[0])
                event_set_stringn(m->e, f, name, BPF_OBJ_NAME_LEN);
}

static void set_number(const struct making *m, enum field f, uint32_t number) {
        if (number != 0)
                event_set_u32(m->e, f, number);
}

static void set_related(const struct making *m, enum field f, enum scan_relation relation,
                        uint32_t id) {
        uint32_t ids[RELATED_MAX];
        const size_t n = scan_related(m->scan, relation, id, ids, RELATED_MAX);

        if (n > 0)
                event_set_u32s(m->e, f, ids, n);
}

/* What somebody else does with an object is not for who brought it. */
static bool is_for(const struct viewer *v, bool has_uid, uint32_t uid) {
        return v->scope == SCOPE_ALL || (has_uid && uid == v->uid);
}

static void set_holders(const struct making *m, uint32_t kind, uint32_t id) {
        struct name_list list;
        size_t n;
        const struct scan_holder *h = scan_holders(m->scan, kind, id, &n);

        if (n == 0)
                return;
        name_list_begin(&list);
        for (size_t i = 0; i < n; i++) {
                char text[64];

                if (!is_for(m->viewer, true, h[i].uid))
                        continue;
                snprintf(text, sizeof(text), "%.16s[%" PRIu32 "]", h[i].name, h[i].pid);
                name_list_add(&list, text);
        }
        name_list_set(&list, m->e, FIELD_HOLDERS);
}

static void set_pins(const struct making *m, uint32_t kind, uint32_t id) {
        struct name_list list;
        size_t n;
        const struct scan_pin *p = scan_pins(m->scan, kind, id, &n);

        if (n == 0)
                return;
        name_list_begin(&list);
        for (size_t i = 0; i < n; i++)
                if (is_for(m->viewer, true, p[i].uid))
                        name_list_add(&list, p[i].path);
        name_list_set(&list, m->e, FIELD_PIN_PATHS);
}

/* "cgroup_inet_ingress /system.slice, link 7" */
static void set_attachments(const struct making *m, uint32_t prog) {
        struct name_list list;
        size_t n;
        const struct scan_attachment *a = scan_attachments(m->scan, prog, &n);

        if (n == 0)
                return;
        name_list_begin(&list);
        for (size_t i = 0; i < n; i++) {
                char text[ITEM_SIZE], by[32];
                uint32_t uid = a[i].uid;
                bool has_uid = a[i].has_uid ||
                               (a[i].link &&
                                objects_owner(m->r->objects, OBJECT_LINK, a[i].link, &uid));

                if (!is_for(m->viewer, has_uid, uid))
                        continue;
                if (a[i].link)
                        snprintf(by, sizeof(by), "link %" PRIu32, a[i].link);
                else
                        snprintf(by, sizeof(by), "%s", a[i].via);
                snprintf(text, sizeof(text), "%s%s%.900s, %s", a[i].type ?: "?",
                         a[i].target ? " " : "", a[i].target ?: "", by);
                name_list_add(&list, text);
        }
        name_list_set(&list, m->e, FIELD_ATTACHMENTS);
}

/* What all kinds have. */
static void set_common(const struct making *m, uint32_t kind, uint32_t id) {
        (void) objects_describe(m->r->objects, kind, id, m->e);
        set_holders(m, kind, id);
        set_pins(m, kind, id);
}

/* What of it belongs to which kinds: links and BTF are at no place. Any may lack relatives. */
static void set_incomplete(const struct making *m, unsigned parts) {
        static const struct {
                unsigned part;
                const char *name;
        } names[] = {
                {SCAN_HOLDERS | SCAN_PERF, "holders"},
                {SCAN_PINS, "pins"},
                {SCAN_CGROUPS, "cgroups"},
                {SCAN_NETWORKS, "networks"},
                {SCAN_PROGS, "programs"},
                {SCAN_MAPS, "maps"},
                {SCAN_LINKS | SCAN_TARGETS, "links"},
                {SCAN_BTF, "btf"},
        };
        static const char *const reasons[_SCAN_REASON_MAX] = {
                [SCAN_OUT_OF_TIME] = "out of time",
                [SCAN_TOO_MANY] = "too many",
                [SCAN_NOT_ACCESSIBLE] = "not accessible",
        };
        const char *items[ELEMENTSOF(names)], *why[ELEMENTSOF(names) * _SCAN_REASON_MAX];
        char texts[ELEMENTSOF(why)][32];
        size_t n = 0, n_why = 0;

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                if (!(scan_incomplete(m->scan, parts | SCAN_OBJECTS) & names[i].part))
                        continue;
                items[n++] = names[i].name;
                for (int r = 0; r < _SCAN_REASON_MAX; r++)
                        if (m->scan->incomplete[r] & (parts | SCAN_OBJECTS) & names[i].part) {
                                snprintf(texts[n_why], sizeof(texts[0]), "%s: %s", names[i].name,
                                         reasons[r]);
                                why[n_why] = texts[n_why];
                                n_why++;
                        }
        }
        if (n == 0)
                return;
        event_set_strings(m->e, FIELD_INCOMPLETE, items, n);
        event_set_strings(m->e, FIELD_INCOMPLETE_REASONS, why, n_why);
}

/* Programs ------------------------------------------------------------------------------------- */

static void set_statistics(const struct making *m, const struct bpf_prog_info *p) {
        const struct statistics *s = m->r->statistics;
        struct statistics_rate rate;
        bool on = m->scan->statistics || (s && statistics_are_on(s));

        event_set_bool(m->e, FIELD_STATISTICS, on);
        /* They stay when nobody counts any more. */
        if (on || p->run_cnt != 0) {
                event_set_u64(m->e, FIELD_PROG_RUN_TIME, p->run_time_ns);
                event_set_u64(m->e, FIELD_PROG_RUN_COUNT, p->run_cnt);
        }
        if (p->recursion_misses != 0)
                event_set_u64(m->e, FIELD_PROG_MISSES, p->recursion_misses);
        if (on && s && statistics_rate(s, p->id, &rate)) {
                event_set_u64(m->e, FIELD_PROG_RUN_RATE, rate.runs);
                event_set_u64(m->e, FIELD_PROG_TIME_RATE, rate.time);
        }
}

static void fill_prog(const struct making *m, size_t i) {
        const struct scan_prog *x = &m->scan->progs[i];
        const struct bpf_prog_info *p = &x->info;
        struct event *e = m->e;
        char tag[2 * BPF_TAG_SIZE + 1];

        event_set_u32(e, FIELD_PROG_ID, p->id);
        set_object_name(m, FIELD_PROG_NAME, p->name);
        set_name(m, FIELD_PROG_TYPE, NAMES_PROG_TYPE, p->type);
        for (size_t j = 0; j < sizeof(p->tag); j++)
                snprintf(tag + 2 * j, 3, "%02x", p->tag[j]);
        event_set_string(e, FIELD_PROG_TAG, tag);
        event_set_bool(e, FIELD_PROG_GPL, p->gpl_compatible);
        set_number(m, FIELD_PROG_XLATED_SIZE, p->xlated_prog_len);
        set_number(m, FIELD_PROG_JITED_SIZE, p->jited_prog_len);
        set_number(m, FIELD_PROG_VERIFIED_INSTRUCTIONS, p->verified_insns);
        if (x->n_maps > 0)
                event_set_u32s(e, FIELD_PROG_MAPS, m->scan->ids + x->maps, x->n_maps);
        set_number(m, FIELD_PROG_BTF_ID, p->btf_id);
        event_set_u64(e, FIELD_PROG_LOAD_TIME,
                      clock_realtime(m->r->boottime, clock_now(), p->load_time));
        if (m->scan->parts & SCAN_MEMORY)
                event_set_u64(e, FIELD_MEMORY, x->memory);
        set_related(m, FIELD_PROG_LINKS, SCAN_PROG_LINKS, p->id);
        set_common(m, OBJECT_PROG, p->id);
        /* The kernel knows it in any case. */
        if (!event_has(e, FIELD_LOADED_BY_USER_ID))
                event_set_u32(e, FIELD_LOADED_BY_USER_ID, p->created_by_uid);
        set_attachments(m, p->id);
        set_statistics(m, p);
        set_incomplete(m, SCAN_ALL | SCAN_TARGETS);
}

/* Maps ------------------------------------------------------------------------------------------
 */

static void fill_map(const struct making *m, size_t i) {
        const struct scan_map *x = &m->scan->maps[i];
        const struct bpf_map_info *p = &x->info;
        const char *flags[FLAGS_NAMES_MAX];
        char rest[FLAGS_REST_SIZE];

        event_set_u32(m->e, FIELD_MAP_ID, p->id);
        set_object_name(m, FIELD_MAP_NAME, p->name);
        set_name(m, FIELD_MAP_TYPE, NAMES_MAP_TYPE, p->type);
        event_set_u32(m->e, FIELD_MAP_KEY_SIZE, p->key_size);
        event_set_u32(m->e, FIELD_MAP_VALUE_SIZE, p->value_size);
        event_set_u32(m->e, FIELD_MAP_MAX_ENTRIES, p->max_entries);
        if (p->map_flags)
                event_set_strings(m->e, FIELD_MAP_FLAGS, flags,
                                  flags_names(FLAGS_MAP, p->map_flags, flags, rest));
        set_number(m, FIELD_MAP_BTF_ID, p->btf_id);
        if (m->scan->parts & SCAN_MEMORY) {
                event_set_bool(m->e, FIELD_MAP_FROZEN, x->frozen);
                event_set_u64(m->e, FIELD_MEMORY, x->memory);
        }
        set_related(m, FIELD_MAP_PROGS, SCAN_MAP_PROGS, p->id);
        set_common(m, OBJECT_MAP, p->id);
        set_incomplete(m, SCAN_HOLDERS | SCAN_PINS);
}

/* Links -----------------------------------------------------------------------------------------
 */

/* What is behind the words. */
static void set_place(const struct making *m, const struct link_info *l) {
        switch (l->type) {
        case BPF_LINK_TYPE_CGROUP:
                event_set_u64(m->e, FIELD_ATTACH_CGROUP_ID, l->cgroup.cgroup_id);
                break;
        case BPF_LINK_TYPE_NETNS:
                set_number(m, FIELD_ATTACH_NAMESPACE, l->netns.netns_ino);
                break;
        case BPF_LINK_TYPE_XDP:
        case 11: /* BPF_LINK_TYPE_TCX */
        case 13: /* BPF_LINK_TYPE_NETKIT */
                set_number(m, FIELD_ATTACH_IFINDEX, l->device.ifindex);
                break;
        case 9:  /* BPF_LINK_TYPE_STRUCT_OPS */
        case 14: /* BPF_LINK_TYPE_SOCKMAP */
                set_number(m, FIELD_MAP_ID, l->map.map_id);
                break;
        case BPF_LINK_TYPE_PERF_EVENT:
                if ((l->perf_event.type == 3 || l->perf_event.type == 4) &&
                    l->perf_event.probe.address)
                        event_set_u64(m->e, FIELD_ATTACH_ADDRESS, l->perf_event.probe.address);
                break;
        }
}

static void fill_link(const struct making *m, size_t i) {
        const struct scan_link *x = &m->scan->links[i];
        const struct scan_prog *p = scan_prog(m->scan, x->info.prog_id);
        struct name_list targets;
        uint32_t type;

        event_set_u32(m->e, FIELD_LINK_ID, x->info.id);
        set_name(m, FIELD_LINK_TYPE, NAMES_LINK_TYPE, x->info.type);
        set_number(m, FIELD_PROG_ID, x->info.prog_id);
        if (p) {
                set_object_name(m, FIELD_PROG_NAME, p->info.name);
                set_name(m, FIELD_PROG_TYPE, NAMES_PROG_TYPE, p->info.type);
        }
        /* Of programs that replace a function the kernel tells 0, which is another one's. */
        if (scan_link_attach_type(x, &type) && !(p && p->info.type == BPF_PROG_TYPE_EXT))
                set_name(m, FIELD_ATTACH_TYPE, NAMES_ATTACH_TYPE, type);
        if (x->target)
                event_set_string(m->e, FIELD_ATTACH_TARGET, x->target);
        name_list_begin(&targets);
        for (size_t j = 0; j < x->n_targets; j++)
                name_list_add(&targets, x->targets[j]);
        name_list_set(&targets, m->e, FIELD_ATTACH_TARGETS);
        set_place(m, &x->info);
        set_common(m, OBJECT_LINK, x->info.id);
        set_incomplete(m, SCAN_HOLDERS | SCAN_PINS | (x->target ? 0 : SCAN_CGROUPS | SCAN_TARGETS));
}

/* BTF -------------------------------------------------------------------------------------------
 */

static void fill_btf(const struct making *m, size_t i) {
        const struct scan_btf *x = &m->scan->btfs[i];

        event_set_u32(m->e, FIELD_BTF_ID, x->id);
        if (x->name[0])
                event_set_string(m->e, FIELD_BTF_NAME, x->name);
        event_set_u32(m->e, FIELD_BTF_SIZE, x->size);
        event_set_bool(m->e, FIELD_BTF_KERNEL, x->kernel);
        set_related(m, FIELD_BTF_PROGS, SCAN_BTF_PROGS, x->id);
        set_related(m, FIELD_BTF_MAPS, SCAN_BTF_MAPS, x->id);
        set_common(m, OBJECT_BTF, x->id);
        set_incomplete(m, SCAN_HOLDERS);
}

/* All of them -----------------------------------------------------------------------------------
 */

size_t row_count(const struct scan *s, enum object_kind kind) {
        switch (kind) {
        case OBJECT_PROG:
                return s->n_progs;
        case OBJECT_MAP:
                return s->n_maps;
        case OBJECT_LINK:
                return s->n_links;
        case OBJECT_BTF:
                return s->n_btfs;
        default:
                return 0;
        }
}

uint32_t row_id(const struct scan *s, enum object_kind kind, size_t i) {
        switch (kind) {
        case OBJECT_PROG:
                return s->progs[i].info.id;
        case OBJECT_MAP:
                return s->maps[i].info.id;
        case OBJECT_LINK:
                return s->links[i].info.id;
        case OBJECT_BTF:
                return s->btfs[i].id;
        default:
                return 0;
        }
}

void row_fill(const struct row_sources *r, const struct viewer *viewer, enum object_kind kind,
              size_t i, struct event *e) {
        static void (*const fills[_OBJECT_MAX])(const struct making *m, size_t i) = {
                [OBJECT_PROG] = fill_prog,
                [OBJECT_MAP] = fill_map,
                [OBJECT_LINK] = fill_link,
                [OBJECT_BTF] = fill_btf,
        };
        const struct making m = {r, r->scan, viewer, e};

        event_reset(e);
        if (kind < _OBJECT_MAX && fills[kind])
                fills[kind](&m, i);
}
