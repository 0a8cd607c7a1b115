/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agreement.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "event.h"
#include "inventory-scan.h"
#include "inventory.h"
#include "objects.h"
#include "probe.h"
#include "util.h"

/* How often, where nobody asks; soon again where something is suspected. An idle machine is not
 * woken for it alone. */
#define LOOK_USEC     UINT64_C(300000000)
#define ACCURACY_USEC UINT64_C(60000000)
#define AGAIN_USEC    UINT64_C(3000000)

struct agreement {
        struct agreement_context context;
        struct check *check;
        struct look *look; /* while it is being taken */
        sd_event_source *timer;
};

/* Probes that see objects go. */
static const struct {
        const char *probe;
        enum object_kind kind;
} goings[] = {
        {"program-free", OBJECT_PROG},
        {"program-free-notice", OBJECT_PROG},
        {"map-free", OBJECT_MAP},
        {"link-free", OBJECT_LINK},
};

static int look_at_probe(const struct event *row, void *userdata) {
        const char *name = event_string(row, FIELD_PROBE_NAME);
        const char *state = event_string(row, FIELD_PROBE_STATE);
        struct check_hooks *hooks = userdata;

        for (size_t i = 0; name && state && i < ELEMENTSOF(goings); i++)
                if (strcmp(name, goings[i].probe) == 0 && strcmp(state, "attached") == 0)
                        hooks->goes |= 1U << goings[i].kind;
        return 0;
}

unsigned agreement_goings(struct probe_set *probes) {
        struct check_hooks hooks = {};

        return probe_set_list(probes, look_at_probe, &hooks) < 0 ? 0 : hooks.goes;
}

static int set_timer(struct agreement *a, uint64_t usec) {
        int k = sd_event_source_set_time_relative(a->timer, usec);

        return k < 0 ? k : sd_event_source_set_enabled(a->timer, SD_EVENT_ONESHOT);
}

void agreement_compare(struct agreement *a, const struct scan *scan) {
        const struct agreement_context *c = &a->context;
        struct check_hooks hooks = {
                .comes = !probe_set_degraded(c->probes),
                .lost = c->lost(c->userdata),
        };

        if (c->strict || probe_set_list(c->probes, look_at_probe, &hooks) < 0)
                return;
        if (check_scan(a->check, scan, &hooks, c->hidden, c->userdata))
                (void) set_timer(a, AGAIN_USEC);
}

/* All has been done when the others were told. */
static void on_looked(_unused_ int r, _unused_ struct scan *scan, void *userdata) {
        struct agreement *a = userdata;

        a->look = look_free(a->look);
}

static int on_time(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        struct agreement *a = userdata;

        if (!a->look)
                (void) inventory_look(&a->look, a->context.inventory, 0, SCAN_HOLDERS | SCAN_PINS,
                                      0, on_looked, a);
        return set_timer(a, LOOK_USEC);
}

int agreement_new(struct agreement **ret, sd_event *loop, const struct agreement_context *context) {
        struct agreement *a = calloc(1, sizeof(*a));
        int k;

        if (!a)
                return -ENOMEM;
        a->context = *context;
        k = check_new(&a->check, context->objects, NULL);
        if (k >= 0 && !context->strict)
                k = sd_event_add_time_relative(loop, &a->timer, CLOCK_MONOTONIC, LOOK_USEC,
                                               ACCURACY_USEC, on_time, a);
        if (k < 0) {
                agreement_free(a);
                return k;
        }
        *ret = a;
        return 0;
}

struct agreement *agreement_free(struct agreement *a) {
        if (!a)
                return NULL;
        sd_event_source_disable_unref(a->timer);
        look_free(a->look);
        check_free(a->check);
        free(a);
        return NULL;
}

static const struct {
        enum field id;
        const char *word;
} kinds[_OBJECT_MAX] = {
        [OBJECT_PROG] = {FIELD_PROG_ID, "Program"},
        [OBJECT_MAP] = {FIELD_MAP_ID, "Map"},
        [OBJECT_LINK] = {FIELD_LINK_ID, "Link"},
};

void agreement_describe(struct event *e, enum hiding how, enum object_kind kind, uint32_t id,
                        struct objects *objects) {
        event_set_static(e, FIELD_EVENT, "hidden-object");
        event_set_static(e, FIELD_CLASS, "self");
        event_set_static(e, FIELD_SEVERITY, "critical");
        event_set_u32(e, kinds[kind].id, id);
        event_set_static(e, FIELD_HIDDEN_FROM, how == HIDDEN_FROM_LIST ? "list" : "hooks");
        if (how == HIDDEN_FROM_LIST)
                event_set_printf(e, FIELD_MESSAGE,
                                 "%s %" PRIu32 " exists, but the kernel's list does not have it: "
                                 "something hides it",
                                 kinds[kind].word, id);
        else
                event_set_printf(e, FIELD_MESSAGE,
                                 "%s %" PRIu32 " is in the kernel's list, but no hook saw it come: "
                                 "something hid that",
                                 kinds[kind].word, id);
        (void) objects_describe(objects, kind, id, e);
}
