/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peer.h"

#include <stdbool.h>
#include <string.h>

#include "util.h"

enum {
        NAME_MAX_BYTES = 255, /* of a bus name: D-Bus specification, "Valid Names" */
};

struct peer {
        sd_bus_slot *match, *question;
        peer_left_t left;
        void *userdata;
        char name[NAME_MAX_BYTES + 1];
};

struct peer *peer_free(struct peer *p) {
        if (!p)
                return NULL;

        sd_bus_slot_unref(p->match);
        sd_bus_slot_unref(p->question);
        free(p);
        return NULL;
}

DEFINE_CLEANUP(struct peer *, peer_free);

/* The last that is told: whoever hears it may free the peer. */
static void tell(struct peer *p, int error) {
        p->match = sd_bus_slot_unref(p->match);
        p->question = sd_bus_slot_unref(p->question);
        p->left(error, p->userdata);
}

static int on_name_gone(_unused_ sd_bus_message *m, void *userdata,
                        _unused_ sd_bus_error *ret_error) {
        tell(userdata, 0);
        return 0;
}

/* That we did not look at the answer in time says nothing about the bus, which has the rule by then
 * or will have it. Being there, this handler keeps sd-bus from closing the connection. */
static int on_installed(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *ret_error) {
        const int error = sd_bus_message_get_errno(m);

        if (sd_bus_message_is_method_error(m, NULL) && error != ETIMEDOUT)
                tell(userdata, error > 0 ? -error : -EIO);
        return 1;
}

static int on_answer(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *ret_error) {
        struct peer *p = userdata;
        int there = true;

        p->question = sd_bus_slot_unref(p->question);
        if (!sd_bus_message_is_method_error(m, NULL) && sd_bus_message_read(m, "b", &there) >= 0 &&
            !there)
                tell(p, 0);
        return 1;
}

/* Asked after the bus was told to tell us: who left before is not missed. */
static int ask(struct peer *p, sd_bus *bus) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(bus, &m, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                           "org.freedesktop.DBus", "NameHasOwner");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", p->name);
        return r < 0 ? r : sd_bus_call_async(bus, &p->question, m, on_answer, p, UINT64_MAX);
}

int peer_new(struct peer **ret, sd_bus *bus, const char *name, peer_left_t left, void *userdata) {
        _cleanup_(peer_freep) struct peer *p = NULL;
        char rule[sizeof(p->name) + 256];
        int r;

        if (!name || name[0] != ':' || strlen(name) > NAME_MAX_BYTES || strchr(name, '\''))
                return -EINVAL;
        p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;

        p->left = left;
        p->userdata = userdata;
        strcpy(p->name, name);
        snprintf(rule, sizeof(rule),
                 "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                 "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='%s',arg2=''",
                 name);
        r = sd_bus_add_match_async(bus, &p->match, rule, on_name_gone, on_installed, p);
        if (r >= 0)
                r = ask(p, bus);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(p);
        return 0;
}

const char *peer_name(const struct peer *p) {
        return p->name;
}
