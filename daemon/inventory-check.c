/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inventory-check.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inventory-scan.h"
#include "objects.h"
#include "util.h"

/* Three looks, one behind the other, in which something has an object that the list has not: at the
 * second one it was there for certain, since it was so before and after it. */
enum { LOOKS_REFERRED = 3 };

/* What is only remembered may have gone without a record: that takes longer. Links and maps are
 * freed seconds after they have left the list, in a kernel that is busy. */
enum { LOOKS_REMEMBERED = 4 };
#define REMEMBERED_NSEC UINT64_C(120000000000)

/* A call that makes an object has it in the list for a moment before the hook at its end tells of
 * it. */
enum { LOOKS_UNSEEN = 2 };
#define UNSEEN_NSEC UINT64_C(5000000000)

enum {
        REMEMBERED_MAX = CHECK_SUSPECTS_MAX / 2, /* the rest is for better reasons */
        GONE_MAX = 512,                          /* that are forgotten after one look */
};

enum reason {
        REASON_REFERRED,   /* somebody has it */
        REASON_REMEMBERED, /* a hook saw it come, and none saw it go */
        REASON_UNSEEN,     /* no hook saw it come */
};

struct suspect {
        enum object_kind kind;
        uint32_t id;
        enum reason reason;
        uint64_t since; /* when the first look began, ns */
        unsigned looks;
        bool seen; /* in the look at hand */
        bool told;
};

struct check {
        struct objects *objects;
        const struct check_kernel *kernel;
        struct suspect suspects[CHECK_SUSPECTS_MAX];
        size_t n;
        uint64_t lost; /* at the last look */
        struct object_key gone[GONE_MAX];
        size_t n_gone;
        /* The look at hand. */
        const struct scan *scan;
        const struct check_hooks *hooks;
        void (*tell)(enum hiding how, enum object_kind kind, uint32_t id, void *userdata);
        void *userdata;
        size_t n_told, n_remembered;
};

/* The kernel -------------------------------------------------------------------------------------
 */

static int next_id(enum object_kind kind, uint32_t id, uint32_t *ret_next) {
        int r = kind == OBJECT_PROG  ? bpf_prog_get_next_id(id, ret_next)
                : kind == OBJECT_MAP ? bpf_map_get_next_id(id, ret_next)
                                     : bpf_link_get_next_id(id, ret_next);

        return r < 0 ? -errno : 0;
}

static int open_id(enum object_kind kind, uint32_t id) {
        int fd = kind == OBJECT_PROG  ? bpf_prog_get_fd_by_id(id)
                 : kind == OBJECT_MAP ? bpf_map_get_fd_by_id(id)
                                      : bpf_link_get_fd_by_id(id);

        return fd < 0 ? -errno : fd;
}

static const struct check_kernel running_kernel = {next_id, open_id};

static bool is_listed(const struct scan *s, enum object_kind kind, uint32_t id) {
        return kind == OBJECT_PROG  ? !!scan_prog(s, id)
               : kind == OBJECT_MAP ? !!scan_map(s, id)
                                    : !!scan_link(s, id);
}

/* While we hold it, it cannot go, and the list must have it. Returns whether it has not; -ENOENT
 * where there is no such object, or none that we get. */
static int is_hidden(const struct check *c, enum object_kind kind, uint32_t id) {
        _cleanup_close_ int fd = c->kernel->open(kind, id);
        uint32_t next = 0;
        int r;

        if (fd < 0)
                return fd;
        r = c->kernel->next(kind, id - 1, &next);
        return r == -ENOENT || (r >= 0 && next != id);
}

/* Suspects ---------------------------------------------------------------------------------------
 */

static void tell(struct check *c, enum hiding how, struct suspect *x) {
        if (x->told || c->n_told >= CHECK_TOLD_MAX)
                return;
        x->told = true;
        c->n_told++;
        c->tell(how, x->kind, x->id, c->userdata);
}

static void begin_suspicion(const struct check *c, struct suspect *x, enum object_kind kind,
                            uint32_t id, enum reason reason) {
        *x = (struct suspect){.kind = kind, .id = id, .reason = reason, .since = c->scan->started};
}

static struct suspect *suspect(struct check *c, enum object_kind kind, uint32_t id,
                               enum reason reason) {
        struct suspect *x = NULL;

        for (size_t i = 0; i < c->n && !x; i++)
                if (c->suspects[i].kind == kind && c->suspects[i].id == id)
                        x = &c->suspects[i];
        if (!x) {
                if (c->n == CHECK_SUSPECTS_MAX)
                        return NULL;
                x = &c->suspects[c->n++];
                begin_suspicion(c, x, kind, id, reason);
        }
        /* In the list by now: what it was suspected of counts no more. */
        if (!x->seen && (x->reason == REASON_UNSEEN) != (reason == REASON_UNSEEN))
                begin_suspicion(c, x, kind, id, reason);
        /* What is both remembered and referred to is referred to. */
        if (!x->seen) {
                x->looks++;
                x->reason = reason;
        } else {
                x->reason = MIN(x->reason, reason);
        }
        x->seen = true;
        return x;
}

/* Nobody lists it, but it ought to be there. */
static void miss(struct check *c, enum object_kind kind, uint32_t id, enum reason reason) {
        struct suspect *x;

        if (id == 0 || is_listed(c->scan, kind, id))
                return;
        x = suspect(c, kind, id, reason);
        if (x && !x->told && is_hidden(c, kind, id) > 0)
                tell(c, HIDDEN_FROM_LIST, x);
}

static bool is_certain(const struct check *c, const struct suspect *x) {
        const uint64_t age = c->scan->started - x->since;

        switch (x->reason) {
        case REASON_REFERRED:
                return x->looks >= LOOKS_REFERRED;
        case REASON_REMEMBERED:
                return x->looks >= LOOKS_REMEMBERED && age >= REMEMBERED_NSEC &&
                       c->hooks->goes & 1U << x->kind;
        case REASON_UNSEEN:
                return x->looks >= LOOKS_UNSEEN && age >= UNSEEN_NSEC;
        }
        return false;
}

/* Tells what is certain by now, and drops what is suspected no more. Returns whether to look again.
 */
static bool judge(struct check *c) {
        bool again = false;
        size_t n = 0;

        for (size_t i = 0; i < c->n; i++) {
                struct suspect *x = &c->suspects[i];

                if (!x->seen)
                        continue;
                if (is_certain(c, x))
                        tell(c, x->reason == REASON_UNSEEN ? HIDDEN_FROM_HOOKS : HIDDEN_FROM_LIST,
                             x);
                again = again || (!x->told && x->reason != REASON_REMEMBERED);
                x->seen = false;
                c->suspects[n++] = *x;
        }
        c->n = n;
        return again;
}

/* What is looked at ------------------------------------------------------------------------------
 */

static void look_at_references(struct check *c) {
        const struct scan *s = c->scan;

        for (size_t i = 0; i < s->n_holders; i++)
                if (s->holders[i].kind != OBJECT_BTF)
                        miss(c, s->holders[i].kind, s->holders[i].id, REASON_REFERRED);
        for (size_t i = 0; i < s->n_pins; i++)
                miss(c, s->pins[i].kind, s->pins[i].id, REASON_REFERRED);
        for (size_t i = 0; i < s->n_attachments; i++)
                miss(c, OBJECT_PROG, s->attachments[i].prog, REASON_REFERRED);
        for (size_t i = 0; i < s->n_links; i++)
                miss(c, OBJECT_PROG, s->links[i].info.prog_id, REASON_REFERRED);
        for (size_t i = 0; i < s->n_pairs[SCAN_MAP_PROGS]; i++)
                miss(c, OBJECT_MAP, s->pairs[SCAN_MAP_PROGS][i].from, REASON_REFERRED);
}

/* Where nobody tells that it has gone, what is not there any more is forgotten. */
static void look_at_stale(struct check *c, enum object_kind kind, uint32_t id) {
        struct suspect *x;
        int r;

        if (c->n_gone == GONE_MAX)
                return;
        r = is_hidden(c, kind, id);
        if (r == -ENOENT) {
                c->gone[c->n_gone++] = (struct object_key){.kind = kind, .id = id};
                return;
        }
        x = r > 0 ? suspect(c, kind, id, REASON_REMEMBERED) : NULL;
        if (x)
                tell(c, HIDDEN_FROM_LIST, x);
}

static void look_at_remembered(uint32_t kind, uint32_t id, void *userdata) {
        struct check *c = userdata;

        if (kind == OBJECT_BTF || is_listed(c->scan, kind, id))
                return;
        if (!(c->hooks->goes & 1U << kind))
                look_at_stale(c, kind, id);
        else if (c->n_remembered++ < REMEMBERED_MAX)
                miss(c, kind, id, REASON_REMEMBERED);
}

/* What nobody saw come. */
static void look_at_unseen(struct check *c, enum object_kind kind, uint32_t id) {
        if (objects_knows(c->objects, kind, id))
                return;
        /* Its record may be among those that were lost. */
        if (c->hooks->lost != c->lost) {
                (void) objects_add(c->objects, &(struct existing){.kind = kind, .id = id});
                return;
        }
        (void) suspect(c, kind, id, REASON_UNSEEN);
}

static void look_at_list(struct check *c) {
        const struct scan *s = c->scan;

        /* Those that were brought first are forgotten when there are too many. */
        if (!c->hooks->comes || objects_count(c->objects) >= OBJECTS_MAX)
                return;
        for (size_t i = 0; i < s->n_progs; i++)
                look_at_unseen(c, OBJECT_PROG, s->progs[i].info.id);
        for (size_t i = 0; i < s->n_maps; i++)
                look_at_unseen(c, OBJECT_MAP, s->maps[i].info.id);
        for (size_t i = 0; i < s->n_links; i++)
                look_at_unseen(c, OBJECT_LINK, s->links[i].info.id);
}

/* What goes unseen by a hook that lost something is not remembered any longer. */
static void forget_remembered(struct check *c) {
        size_t n = 0;

        for (size_t i = 0; i < c->n; i++)
                if (c->suspects[i].reason != REASON_REMEMBERED || c->suspects[i].told)
                        c->suspects[n++] = c->suspects[i];
        c->n = n;
}

bool check_scan(struct check *c, const struct scan *scan, const struct check_hooks *hooks,
                void (*told)(enum hiding how, enum object_kind kind, uint32_t id, void *userdata),
                void *userdata) {
        bool again;

        if (scan_incomplete(scan, SCAN_OBJECTS))
                return false;
        c->scan = scan;
        c->hooks = hooks;
        c->tell = told;
        c->userdata = userdata;
        c->n_told = c->n_remembered = c->n_gone = 0;
        if (hooks->lost != c->lost)
                forget_remembered(c);
        look_at_references(c);
        objects_each(c->objects, look_at_remembered, c);
        for (size_t i = 0; i < c->n_gone; i++)
                objects_forget(c->objects, c->gone[i].kind, c->gone[i].id);
        look_at_list(c);
        again = judge(c);
        c->lost = hooks->lost;
        c->scan = NULL;
        return again;
}

int check_new(struct check **ret, struct objects *objects, const struct check_kernel *kernel) {
        struct check *c = calloc(1, sizeof(*c));

        if (!c)
                return -ENOMEM;
        c->objects = objects;
        c->kernel = kernel ?: &running_kernel;
        *ret = c;
        return 0;
}

struct check *check_free(struct check *c) {
        free(c);
        return NULL;
}
