/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <strings.h>

#include "distance.h"
#include "field-values.h"
#include "names-table.h"
#include "util.h"

enum {
        VALUE_MAX = 64, /* more than any value that is known */
};

/* What events are called, by class. */
static const char *const events[] = {
        /* install */
        "prog-load",
        "map-create",
        "btf-load",
        "link-create",
        "attach",
        "pin",
        "token-create",
        "stats-enable",
        "socket-filter-attach",
        "seccomp-filter",
        /* remove */
        "prog-unload",
        "map-free",
        "btf-free",
        "link-free",
        "detach",
        "unpin",
        "socket-filter-detach",
        /* change */
        "link-update",
        "map-freeze",
        "prog-bind-map",
        "prog-assoc-struct-ops",
        "unknown-call",
        /* use and look */
        "prog-run",
        "map-access",
        "iter-create",
        "object-get",
        "object-query",
        /* traffic */
        "connection-open",
        "connection-close",
        "connection-stats",
        /* self */
        "alert",
        "lost",
        "probe-state",
        "tamper",
        "hidden-object",
};
static const char *const classes[] = {"install", "remove",  "change", "use",
                                      "look",    "traffic", "self"};
static const char *const severities[] = {"info", "notice", "warning", "critical"};
static const char *const outcomes[] = {"ok", "rejected", "denied", "failed"};
static const char *const sources[] = {"kernel", "user"};
static const char *const probe_states[] = {"attached", "waiting", "degraded",
                                           "off",      "failed",  "starting"};
static const char *const transports[] = {"tcp", "unix"};
static const char *const sides[] = {"client", "server"};
static const char *const hidden_from[] = {"list", "hooks"};
static const char *const places[] = {"ring",    "window", "stream", "store",       "probe",
                                     "monitor", "record", "start",  "connections", "restart"};
static const char *const roads[] = {
        "prog-attach",
        "link-create",
        "raw-tracepoint-open",
        "perf-ioctl",
        "netlink-xdp",
        "netlink-tc",
        "netlink-lwt",
        "setsockopt",
        "setsockopt-reuseport",
        "packet-fanout",
        "seccomp",
        "prctl",
        "tun-ioctl",
        "struct-ops",
        "io-uring",
        "pidfd-getfd",
        "message",
        "io-uring-setsockopt",
        "io-uring-setsockopt-reuseport",
        "io-uring-packet-fanout",
};

static const struct {
        enum field field;
        const char *const *values;
        size_t n;
} our_values[] = {
        {FIELD_EVENT, events, ELEMENTSOF(events)},
        {FIELD_CLASS, classes, ELEMENTSOF(classes)},
        {FIELD_SEVERITY, severities, ELEMENTSOF(severities)},
        {FIELD_RESULT, outcomes, ELEMENTSOF(outcomes)},
        {FIELD_BPF_ATTR_SOURCE, sources, ELEMENTSOF(sources)},
        {FIELD_FILTER_SOURCE, sources, ELEMENTSOF(sources)},
        {FIELD_PROBE_STATE, probe_states, ELEMENTSOF(probe_states)},
        {FIELD_LOST_WHERE, places, ELEMENTSOF(places)},
        {FIELD_ATTACH_VIA, roads, ELEMENTSOF(roads)},
        {FIELD_NETWORK_TRANSPORT, transports, ELEMENTSOF(transports)},
        {FIELD_CONNECTION_SIDE, sides, ELEMENTSOF(sides)},
        {FIELD_HIDDEN_FROM, hidden_from, ELEMENTSOF(hidden_from)},
};

static const struct {
        enum field field;
        enum name_set set;
} kernel_values[] = {
        {FIELD_BPF_CMD, NAMES_COMMAND},         {FIELD_PROG_TYPE, NAMES_PROG_TYPE},
        {FIELD_MAP_TYPE, NAMES_MAP_TYPE},       {FIELD_LINK_TYPE, NAMES_LINK_TYPE},
        {FIELD_ATTACH_TYPE, NAMES_ATTACH_TYPE}, {FIELD_PROG_ATTACH_TYPE, NAMES_ATTACH_TYPE},
        {FIELD_PROG_HELPERS, NAMES_HELPER},
};

struct field_values field_values(enum field f) {
        for (size_t i = 0; i < ELEMENTSOF(our_values); i++)
                if (our_values[i].field == f)
                        return (struct field_values){our_values[i].values, our_values[i].n, true};
        for (size_t i = 0; i < ELEMENTSOF(kernel_values); i++)
                if (kernel_values[i].field == f) {
                        const struct name_table *t = &name_tables[kernel_values[i].set];
                        return (struct field_values){t->ours, t->n_ours, false};
                }

        return (struct field_values){};
}

bool field_value_known(enum field f, const char *value) {
        const struct field_values known = field_values(f);

        for (size_t i = 0; i < known.n; i++)
                if (known.values[i] && (f == FIELD_BPF_CMD ? strcasecmp(known.values[i], value)
                                                           : strcmp(known.values[i], value)) == 0)
                        return true;

        return known.n == 0;
}

const char *field_value_nearest(enum field f, const char *value) {
        const struct field_values known = field_values(f);
        struct nearest nearest = nearest_to(value);

        for (size_t i = 0; i < known.n; i++)
                if (known.values[i])
                        nearest_offer(&nearest, known.values[i]);

        return nearest.word;
}

/* What comes before the value of FIELD=VALUE and FIELD!=VALUE. Returns the field, or -1 for what
 * cannot be told to be wrong: other comparisons, patterns, fields of other values. */
static int find_value(const char *term, const char **ret_value) {
        const char *equal = strchr(term, '=');
        char name[VALUE_MAX];

        if (!equal || equal == term || strpbrk(equal + 1, "*?\\"))
                return -1;
        size_t n = (size_t) (equal - term) - (equal[-1] == '!');
        if (n >= sizeof(name) || strlen(equal + 1) >= VALUE_MAX)
                return -1;
        memcpy(name, term, n);
        name[n] = '\0';

        *ret_value = equal + 1;
        return field_from_name(name);
}

/* Also that of an entry of a dictionary. */
static bool is_field(const char *name, size_t n) {
        for (int f = 0; f < _FIELD_MAX; f++) {
                const struct field_info *info = field_info((enum field) f);
                const size_t length = strlen(info->name);

                if (n >= length && strncmp(name, info->name, length) == 0 &&
                    (n == length || (info->type == TYPE_DICT && name[length] == '.')))
                        return true;
        }
        return false;
}

const char *field_equal_doubled(const char *term) {
        const char *equal = strchr(term, '=');

        if (!equal || equal == term || equal[1] != '=' ||
            !is_field(term, (size_t) (equal - term) - (equal[-1] == '!')))
                return NULL;
        return equal + 1;
}

const char *field_value_unknown(const char *term, enum field *ret_field) {
        const char *value;
        int f = find_value(term, &value);

        if (f < 0 || field_value_known((enum field) f, value))
                return NULL;
        *ret_field = (enum field) f;
        return value;
}

const char *field_value_meant(const char *term, enum field *ret_field, const char **ret_value) {
        *ret_value = field_value_unknown(term, ret_field);
        return *ret_value ? field_value_nearest(*ret_field, *ret_value) : NULL;
}
