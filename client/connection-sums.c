/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "connection-sums.h"

#include <json.h>
#include <stdlib.h>
#include <string.h>

static const struct {
        const char *key, *heading, *one, *many;
} names[] = {
        [BY_CONNECTION] = {"connection.id", "ID", "connection", "connections"},
        [BY_SERVICE] = {"service.name", "SERVICE", "service", "services"},
        [BY_CLIENT] = {"process.name", "CLIENT", "client", "clients"},
        [BY_UNIT] = {"unit", "UNIT", "unit", "units"},
};

const char *connection_sums_heading(enum connections_by by) {
        return names[by].heading;
}

const char *connection_sums_noun(enum connections_by by, size_t n) {
        return n == 1 ? names[by].one : names[by].many;
}

void connection_sums_done(struct connection_sums *s) {
        for (size_t i = 0; i < s->n; i++)
                free(s->items[i].name);
        free(s->items);
        *s = (struct connection_sums){};
}

int connection_sums_add(struct connection_sums *s, struct json_object *row, enum connections_by by,
                        const struct traffic *traffic, const struct traffic *since) {
        struct text name = {};

        if (s->n == s->size) {
                size_t size = s->size ? s->size * 2 : 64;
                struct connection_sum *items = reallocarray(s->items, size, sizeof(*items));

                if (!items)
                        return -ENOMEM;
                s->items = items;
                s->size = size;
        }
        connections_add_group(&name, row, by);
        if (!name.data)
                text_add(&name, "(unknown)");
        if (name.failed) {
                text_clear(&name);
                return -ENOMEM;
        }
        s->items[s->n++] = (struct connection_sum){
                .name = name.data,
                .traffic = *traffic,
                .since = since ? *since : (struct traffic){},
        };
        return 0;
}

static int compare_names(const void *a, const void *b) {
        const struct connection_sum *x = a, *y = b;

        return strcmp(x->name, y->name);
}

void connection_sums_fold(struct connection_sums *s) {
        size_t kept = 0;

        if (s->n == 0)
                return;
        qsort(s->items, s->n, sizeof(*s->items), compare_names);
        for (size_t i = 1; i < s->n; i++) {
                if (strcmp(s->items[kept].name, s->items[i].name) != 0) {
                        s->items[++kept] = s->items[i];
                        continue;
                }
                traffic_add(&s->items[kept].traffic, &s->items[i].traffic);
                traffic_add(&s->items[kept].since, &s->items[i].since);
                free(s->items[i].name);
        }
        s->n = kept + 1;
}

const struct connection_sum *connection_sums_find(const struct connection_sums *s,
                                                  const char *name) {
        const struct connection_sum key = {.name = (char *) name};

        return s->n > 0 ? bsearch(&key, s->items, s->n, sizeof(key), compare_names) : NULL;
}

static void add_number(struct json_object *o, const char *key, uint64_t n) {
        json_object_object_add(o, key, json_object_new_uint64(n));
}

struct json_object *connection_sum_json(const struct connection_sum *sum, enum connections_by by,
                                        double seconds) {
        const struct traffic *all = &sum->traffic, *since = &sum->since;
        struct json_object *o = json_object_new_object();

        if (!o)
                return NULL;
        json_object_object_add(o, names[by].key, json_object_new_string(sum->name));
        add_number(o, "connections", all->connections);
        add_number(o, "connection.duration", all->age);
        add_number(o, "bytes.sent", all->sent);
        add_number(o, "bytes.received", all->received);
        add_number(o, "connection.requests", all->requests);
        if (all->requests > 0) {
                add_number(o, "connection.latency.p50", traffic_latency(all, 0.5));
                add_number(o, "connection.latency.p99", traffic_latency(all, 0.99));
                add_number(o, "connection.latency.max", all->latency_max);
        }
        if (seconds > 0) {
                add_number(o, "bytes.sent_rate", traffic_rate(since->sent, seconds));
                add_number(o, "bytes.received_rate", traffic_rate(since->received, seconds));
                add_number(o, "connection.request_rate", traffic_rate(since->requests, seconds));
        }
        return o;
}
