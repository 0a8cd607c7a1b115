/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attr.h"
#include "event.h"
#include "hash.h"
#include "message.h"
#include "record.h"
#include "tamper.h"
#include "util.h"

/* What somebody does to one object. */
struct touch {
        uint64_t key;  /* hash of process, object and deed */
        uint64_t last; /* when, µs; 0: free */
        uint64_t count;
};

struct tampers {
        struct touch touches[TAMPERS_MAX];
};

#define OWN "bpfmond's own"
#define DEED(event, did, act) \
        { event, NULL, NULL, did " " OWN, act " " OWN, "object" }

/* By kind of event: what was done. */
static const struct command_info deeds[] = {
        DEED("object-get", "opened", "open"),
        DEED("object-take", "copied the fd of", "copy the fd of"),
        DEED("object-receive", "was sent the fd of", "be sent the fd of"),
        DEED("pin", "pinned", "pin"),
        DEED("unpin", "unpinned", "unpin"),
        DEED("map-freeze", "froze", "freeze"),
        DEED("map-access", "wrote to", "write to"),
        DEED("link-update", "updated", "update"),
        DEED("detach", "detached", "detach"),
        DEED("attach", "attached", "attach"),
        DEED("link-create", "attached", "attach"),
        DEED("prog-run", "ran", "run"),
        DEED("prog-bind-map", "bound a map to", "bind a map to"),
        DEED("iter-create", "read from", "read from"),
        /* A program of somebody else's: it has a map of ours, or is to run in or instead of ours.
         */
        {"prog-load", NULL, NULL, "used an object of " OWN " in", "use an object of " OWN " in",
         "a program"},
        DEED("", "touched", "touch"),
};

static const struct command_info *deed_of(const struct event *e) {
        const char *event = event_string(e, FIELD_EVENT) ?: "";
        const struct command_info *deed = deeds;

        while (deed->event[0] && strcmp(deed->event, event) != 0)
                deed++;
        return deed;
}

int tampers_new(struct tampers **ret) {
        struct tampers *t = calloc(1, sizeof(*t));

        if (!t)
                return -ENOMEM;
        *ret = t;
        return 0;
}

struct tampers *tampers_free(struct tampers *t) {
        free(t);
        return NULL;
}

bool tamper_is_one(const struct event *e) {
        static const char *const reads[] = {"MAP_LOOKUP_ELEM", "MAP_GET_NEXT_KEY",
                                            "MAP_LOOKUP_BATCH"};
        const char *event = event_string(e, FIELD_EVENT), *cmd = event_string(e, FIELD_BPF_CMD);

        if (!event || strcmp(event, "object-query") == 0)
                return false;
        for (size_t i = 0; cmd && i < ELEMENTSOF(reads); i++)
                if (strcmp(cmd, reads[i]) == 0)
                        return false;
        return true;
}

/* Counts it. Returns how often it was, since it was last news. */
static uint64_t count(struct tampers *t, uint64_t key, uint64_t now) {
        struct touch *touch = &t->touches[key % TAMPERS_MAX];

        if (touch->key != key || touch->last == 0 || now - touch->last > TAMPER_PAUSE_USEC)
                *touch = (struct touch){.key = key};
        touch->last = now;
        return ++touch->count;
}

bool tamper_tell(struct tampers *t, struct event *e, uint32_t kind, uint32_t id) {
        const struct value *pid = event_get(e, FIELD_PROCESS_PID);
        const struct value *start = event_get(e, FIELD_PROCESS_START);
        const struct value *time = event_get(e, FIELD_TIME);
        const struct command_info *deed = deed_of(e);
        uint64_t key = hash_number(0, pid ? pid->u32 : 0), n;

        /* Every listing opens all programs, links and BTF. Who has a map open may write to it. */
        if (deed == deeds && kind != OBJECT_MAP)
                id = 0;
        key = hash_number(key, start ? start->u64 : 0);
        key = hash_number(key, (uint64_t) kind << 32 | id);
        key = hash_number(key, (uint64_t) (deed - deeds));
        n = count(t, key, time ? time->u64 : 1);
        if (n & (n - 1))
                return false;

        if (n > 1)
                event_set_u64(e, FIELD_CALLS, n);
        message_set(e, deed);
        event_set_static(e, FIELD_EVENT, "tamper");
        event_set_static(e, FIELD_CLASS, "self");
        event_set_static(e, FIELD_SEVERITY, "critical");
        return true;
}
