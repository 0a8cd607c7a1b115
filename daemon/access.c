/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "access.h"

#include <errno.h>
#include <string.h>

#include "match.h"
#include "severity.h"
#include "util.h"

static const struct {
        const char *name, *action;
} scopes[] = {
        [SCOPE_OWN] = {"own", "org.bpfmon1.watch-own"},
        [SCOPE_ALERTS] = {"alerts", "org.bpfmon1.watch-alerts"},
        [SCOPE_ALL] = {"all", "org.bpfmon1.watch"},
};

/* What a desktop notification needs of an alert: what happened, to what, by whom. Not here: paths,
 * arguments, names of targets, and sentences that may hold any of them. */
static const enum field alert_fields[] = {
        FIELD_SEQ,
        FIELD_TIME,
        FIELD_EVENT,
        FIELD_CLASS,
        FIELD_SEVERITY,
        FIELD_RULE_NAME,
        FIELD_RULE_DESCRIPTION,
        FIELD_ALERT_COUNT,
        FIELD_FIRST_SEEN,
        FIELD_RESULT,
        FIELD_ERRNO,
        FIELD_HOST,
        FIELD_PROCESS_PID,
        FIELD_PROCESS_NAME,
        FIELD_USER_ID,
        FIELD_USER_NAME,
        FIELD_CONTAINER_ID,
        FIELD_BPF_CMD,
        FIELD_ATTRIBUTED,
        FIELD_PROG_ID,
        FIELD_PROG_NAME,
        FIELD_PROG_TYPE,
        FIELD_PROG_TAG,
        FIELD_MAP_ID,
        FIELD_MAP_NAME,
        FIELD_MAP_TYPE,
        FIELD_LINK_ID,
        FIELD_LINK_TYPE,
        FIELD_ATTACH_VIA,
        FIELD_ATTACH_TYPE,
        FIELD_CALLS,
        FIELD_LOST_COUNT,
        FIELD_LOST_WHERE,
        FIELD_PROBE_NAME,
        FIELD_PROBE_STATE,
        FIELD_HIDDEN_FROM,
};

/* The kernel tells its addresses to nobody else, either. */
static const enum field kernel_fields[] = {FIELD_ATTACH_ADDRESS};

/* What a program keeps from the user who started it, where that gave it capabilities. */
static const enum field privileged_fields[] = {
        FIELD_BPF_ATTR, FIELD_BPF_ATTR_RAW, FIELD_VERIFIER_LOG, FIELD_MAP_KEY, FIELD_MAP_VALUE,
};

const char *scope_name(enum scope scope) {
        return scopes[scope].name;
}

const char *scope_action(enum scope scope) {
        return scopes[scope].action;
}

int scope_from_name(const char *name) {
        for (int i = 0; i < _SCOPE_MAX; i++)
                if (strcmp(scopes[i].name, name) == 0)
                        return i;

        return -ENOENT;
}

enum scope scope_default(uid_t uid) {
        return uid == 0 ? SCOPE_ALL : SCOPE_OWN;
}

static void add_fields(struct field_set *set, const enum field *fields, size_t n) {
        for (size_t i = 0; i < n; i++)
                field_set_add(set, fields[i]);
}

static void add_range(struct field_set *set, enum field first, enum field last) {
        for (enum field f = first; f <= last; f++)
                field_set_add(set, f);
}

static bool is_user(const struct value *v, uid_t uid) {
        return v && v->u32 == uid;
}

/* Whether it is about nobody: what the daemon lost, and how its probes are. */
static bool concerns_all(const struct event *e) {
        const char *event = event_string(e, FIELD_EVENT);

        return event && (strcmp(event, "lost") == 0 || strcmp(event, "probe-state") == 0);
}

static bool is_own(const struct viewer *v, const struct event *e) {
        const struct value *user = event_get(e, FIELD_USER_ID);

        if (is_user(event_get(e, FIELD_DESTINATION_USER_ID), v->uid))
                return true;
        if (user)
                return is_user(user, v->uid);
        return is_user(event_get(e, FIELD_LOADED_BY_USER_ID), v->uid) || concerns_all(e);
}

/* Without capabilities: not knowing is having some. */
static bool is_unprivileged(const struct event *e) {
        const struct value *capabilities = event_get(e, FIELD_PROCESS_CAPABILITIES);

        return capabilities && capabilities->u64 == 0;
}

/* Of the end of a connection that is another user's, that there is one. */
static void hide_other_end(const struct viewer *v, const struct event *e, struct field_set *set) {
        bool client = is_user(event_get(e, FIELD_USER_ID), v->uid);

        if (!client)
                add_range(set, FIELD_PROCESS_PID, FIELD_NAMESPACE_USER);
        if (!client && event_has(e, FIELD_PROCESS_PID))
                field_set_add(set, FIELD_MESSAGE);
        if (!is_user(event_get(e, FIELD_DESTINATION_USER_ID), v->uid))
                add_range(set, FIELD_DESTINATION_PROCESS_PID, FIELD_DESTINATION_CONTAINER_ID);
}

static void hide_from_owner(const struct viewer *v, const struct event *e, struct field_set *set) {
        add_fields(set, kernel_fields, ELEMENTSOF(kernel_fields));
        if (!is_user(event_get(e, FIELD_LOADED_BY_USER_ID), v->uid))
                add_range(set, FIELD_LOADED_BY_PID, FIELD_LOADED_BY_TIME);
        if (!is_unprivileged(e))
                add_fields(set, privileged_fields, ELEMENTSOF(privileged_fields));
        if (event_has(e, FIELD_CONNECTION_ID)) {
                hide_other_end(v, e, set);
                return;
        }
        if (event_has(e, FIELD_USER_ID))
                return;

        /* Whoever it was, it need not have been the viewer. */
        add_range(set, FIELD_PROCESS_PID, FIELD_NAMESPACE_USER);
        if (event_has(e, FIELD_PROCESS_PID))
                field_set_add(set, FIELD_MESSAGE);
}

static void hide_all_but(struct field_set *set, const enum field *fields, size_t n) {
        add_range(set, 0, _FIELD_MAX - 1);
        for (size_t i = 0; i < n; i++)
                field_set_remove(set, fields[i]);
}

bool viewer_looks(const struct viewer *v, struct event *e, struct field_set *ret_hidden) {
        struct field_set hidden = {};
        bool own;

        if (v->scope == SCOPE_ALL) {
                *ret_hidden = hidden;
                return true;
        }

        own = is_own(v, e);
        if (v->scope == SCOPE_ALERTS ? !severity_alerts(e) : !own)
                return false;

        if (own)
                hide_from_owner(v, e, &hidden);
        else
                hide_all_but(&hidden, alert_fields, ELEMENTSOF(alert_fields));

        for (size_t i = 0; i < ELEMENTSOF(hidden.bits); i++) {
                hidden.bits[i] &= e->present[i];
                e->present[i] &= ~hidden.bits[i];
        }
        *ret_hidden = hidden;
        return true;
}

void event_show(struct event *e, const struct field_set *hidden) {
        for (size_t i = 0; i < ELEMENTSOF(hidden->bits); i++)
                e->present[i] |= hidden->bits[i];
}

static bool is_no_alert_field(enum field f, _unused_ const void *userdata) {
        for (size_t i = 0; i < ELEMENTSOF(alert_fields); i++)
                if (alert_fields[i] == f)
                        return false;

        return true;
}

int viewer_forbidden_field(const struct viewer *v, const struct match *m) {
        return v->scope == SCOPE_ALERTS ? match_find(m, is_no_alert_field, NULL) : -ENOENT;
}
