/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "connection-table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "hash.h"
#include "util.h"

enum {
        BUCKETS_MIN = 1024,
        MISSING_MAX = 2, /* rounds */
};

struct connection_table {
        struct connection_end **ends;   /* by key */
        struct connection_pair **pairs; /* by address */
        size_t buckets;                 /* of each, a power of two */
        struct connection_pair *oldest, *newest;
        struct connection_cursor *cursors;
        size_t n_ends, n_pairs, max;
        uint32_t round;
};

int connection_table_new(struct connection_table **ret, size_t max) {
        struct connection_table *t = calloc(1, sizeof(*t));

        if (!t)
                return -ENOMEM;
        t->max = max;
        t->buckets = BUCKETS_MIN;
        while (t->buckets < max)
                t->buckets *= 2;
        t->ends = calloc(t->buckets, sizeof(*t->ends));
        t->pairs = calloc(t->buckets, sizeof(*t->pairs));
        if (!t->ends || !t->pairs) {
                connection_table_free(t);
                return -ENOMEM;
        }
        *ret = t;
        return 0;
}

struct connection_table *connection_table_free(struct connection_table *t) {
        if (!t)
                return NULL;
        while (t->cursors)
                connection_cursor_close(t->cursors);
        while (t->oldest)
                connection_table_drop(t, t->oldest);
        free(t->ends);
        free(t->pairs);
        free(t);
        return NULL;
}

/* Places ----------------------------------------------------------------------------------------
 */

static struct connection_end **end_bucket(const struct connection_table *t, uint64_t key) {
        return &t->ends[hash_number(0, key) & (t->buckets - 1)];
}

static struct connection_pair **pair_bucket(const struct connection_table *t,
                                            const struct connection_address *a) {
        uint64_t h = hash_number(a->netns, a->family);

        for (size_t i = 0; i < ELEMENTSOF(a->first); i++)
                h = hash_number(hash_number(h, a->first[i]), a->second[i]);
        return &t->pairs[h & (t->buckets - 1)];
}

/* An IPv4 address is the same where a socket of IPv6 has it. */
static void put_address(uint64_t ret[static 3], const uint8_t *address, uint16_t family,
                        uint16_t port) {
        uint8_t six[16] = {[10] = 0xff, [11] = 0xff};

        if (family == AF_INET)
                memcpy(six + 12, address, 4);
        else
                memcpy(six, address, sizeof(six));
        memcpy(ret, six, sizeof(six));
        ret[2] = port;
}

static bool is_loopback(const uint64_t address[static 3]) {
        static const uint8_t v4[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127};
        const uint8_t *bytes = (const uint8_t *) address;

        return memcmp(bytes, &in6addr_loopback, 16) == 0 || memcmp(bytes, v4, sizeof(v4)) == 0;
}

static struct connection_address address_of(uint64_t key, const struct connection *c) {
        struct connection_address a = {.family = c->family == AF_UNIX ? AF_UNIX : AF_INET};

        if (c->family == AF_UNIX) {
                a.first[0] = key < c->peer ? key : c->peer;
                a.second[0] = key < c->peer ? c->peer : key;
                a.first[1] = c->client; /* sockets' addresses are used again */
                return a;
        }
        put_address(a.first, c->local, c->family, c->local_port);
        put_address(a.second, c->remote, c->family, c->remote_port);
        if (is_loopback(a.first) || memcmp(a.first, a.second, 16) == 0)
                a.netns = c->netns;
        if (memcmp(a.first, a.second, sizeof(a.first)) > 0) {
                uint64_t swap[3];

                memcpy(swap, a.first, sizeof(swap));
                memcpy(a.first, a.second, sizeof(swap));
                memcpy(a.second, swap, sizeof(swap));
        }
        return a;
}

bool connection_is_local(const struct connection *c) {
        uint64_t local[3], remote[3];

        if (c->family == AF_UNIX)
                return true;
        put_address(local, c->local, c->family, 0);
        put_address(remote, c->remote, c->family, 0);
        return is_loopback(remote) || memcmp(local, remote, 16) == 0;
}

static struct connection_end *find_end(const struct connection_table *t, uint64_t key) {
        struct connection_end *e = *end_bucket(t, key);

        while (e && e->key != key)
                e = e->next;
        return e;
}

static struct connection_pair *find_pair(const struct connection_table *t,
                                         const struct connection_address *a) {
        struct connection_pair *p = *pair_bucket(t, a);

        while (p && memcmp(&p->address, a, sizeof(*a)) != 0)
                p = p->next;
        return p;
}

/* Coming and going ------------------------------------------------------------------------------
 */

/* Its key is another end's from now on. */
static void give_up_key(struct connection_table *t, struct connection_end *e) {
        struct connection_end **at = end_bucket(t, e->key);

        while (*at != e)
                at = &(*at)->next;
        *at = e->next;
        e->key = 0;
}

static void forget_end(struct connection_table *t, struct connection_end *e) {
        if (e->key)
                give_up_key(t, e);
        if (e->pair)
                for (size_t i = 0; i < ELEMENTSOF(e->pair->ends); i++)
                        if (e->pair->ends[i] == e)
                                e->pair->ends[i] = NULL;
        t->n_ends--;
        free(e);
}

void connection_table_drop(struct connection_table *t, struct connection_pair *p) {
        struct connection_pair **at = pair_bucket(t, &p->address);

        for (struct connection_cursor *c = t->cursors; c; c = c->other)
                if (c->next == p)
                        c->next = p->newer;
        for (size_t i = 0; i < ELEMENTSOF(p->ends); i++)
                if (p->ends[i])
                        forget_end(t, p->ends[i]);
        while (*at != p)
                at = &(*at)->next;
        *at = p->next;
        *(p->older ? &p->older->newer : &t->oldest) = p->newer;
        *(p->newer ? &p->newer->older : &t->newest) = p->older;
        t->n_pairs--;
        free(p);
}

static struct connection_pair *make_pair(struct connection_table *t,
                                         const struct connection_address *a) {
        struct connection_pair *p = calloc(1, sizeof(*p)), **bucket = pair_bucket(t, a);

        if (!p)
                return NULL;
        p->address = *a;
        p->next = *bucket;
        *bucket = p;
        p->older = t->newest;
        *(t->newest ? &t->newest->newer : &t->oldest) = p;
        t->newest = p;
        t->n_pairs++;
        return p;
}

static struct connection_end *make_end(struct connection_table *t, uint64_t key) {
        struct connection_end *e = calloc(1, sizeof(*e)), **bucket = end_bucket(t, key);

        if (!e)
                return NULL;
        e->key = key;
        e->next = *bucket;
        *bucket = e;
        t->n_ends++;
        return e;
}

/* A place for an end in its pair. One that is there already and is not the other side is of an
 * earlier connection between the same places. */
static bool join(struct connection_table *t, struct connection_pair *p, struct connection_end *e) {
        const uint32_t sides = CONNECTION_CLIENT | CONNECTION_SERVER;

        for (size_t i = 0; i < ELEMENTSOF(p->ends); i++) {
                struct connection_end *other = p->ends[i];

                if (other && other->key != e->key && (other->now.flags & sides & e->now.flags))
                        forget_end(t, other);
        }
        for (size_t i = 0; i < ELEMENTSOF(p->ends); i++)
                if (!p->ends[i]) {
                        p->ends[i] = e;
                        p->waits = 0;
                        e->pair = p;
                        return true;
                }
        return false;
}

static bool is_connected(const struct connection *c) {
        if (c->id == 0 || c->flags & CONNECTION_IGNORED || c->family == 0)
                return false;
        return c->family == AF_UNIX ? c->peer != 0 : c->local_port != 0 && c->remote_port != 0;
}

/* A socket that is another connection's now leaves the pair that it was in; what is known of it at
 * its end stays there until the other one closes, too. */
static void leave(struct connection_table *t, struct connection_end *e) {
        struct connection_pair *p = e->pair;

        if (e->closed) {
                give_up_key(t, e);
                return;
        }
        forget_end(t, e);
        if (p && !p->ends[0] && !p->ends[1])
                connection_table_drop(t, p);
}

int connection_table_take(struct connection_table *t, uint64_t key, const struct connection *c,
                          bool closed, struct connection_pair **ret) {
        struct connection_address a;
        struct connection_end *e;
        struct connection_pair *p;

        *ret = NULL;
        if (!is_connected(c))
                return 0;
        e = find_end(t, key);
        if (e && e->now.id != c->id) {
                leave(t, e);
                e = NULL;
        }
        if (e && e->closed && !closed)
                return 0; /* read before it closed */
        if (!e) {
                if (t->n_ends >= t->max && t->oldest)
                        connection_table_drop(t, t->oldest);
                a = address_of(key, c);
                p = find_pair(t, &a) ?: make_pair(t, &a);
                e = p ? make_end(t, key) : NULL;
                if (!e) {
                        if (p && !p->ends[0] && !p->ends[1])
                                connection_table_drop(t, p);
                        return -ENOMEM;
                }
                e->now = *c;
                if (!join(t, p, e)) {
                        forget_end(t, e); /* both places are taken: by what, will turn out */
                        return 0;
                }
                if (p->id == 0 || (c->flags & CONNECTION_CLIENT && !p->shown))
                        p->id = c->id;
        }
        e->now = *c;
        e->closed = closed;
        e->round = t->round;
        e->missing = 0;
        *ret = e->pair;
        return 0;
}

/* Rounds ----------------------------------------------------------------------------------------
 */

void connection_table_begin(struct connection_table *t) {
        t->round++;
}

/* Returns whether it has forgotten an end. */
static bool forget_missing(struct connection_table *t, struct connection_pair *p) {
        bool any = false;

        for (size_t i = 0; i < ELEMENTSOF(p->ends); i++)
                if (p->ends[i] && !p->ends[i]->closed && p->ends[i]->round != t->round &&
                    ++p->ends[i]->missing >= MISSING_MAX) {
                        forget_end(t, p->ends[i]);
                        any = true;
                }
        return any;
}

void connection_table_end(struct connection_table *t) {
        for (struct connection_pair *p = t->oldest, *next; p; p = next) {
                next = p->newer;
                if (forget_missing(t, p) && connection_pair_closed(p))
                        connection_table_drop(t, p);
        }
}

struct connection_pair *connection_table_next(const struct connection_table *t,
                                              const struct connection_pair *p) {
        return p ? p->newer : t->oldest;
}

size_t connection_table_count(const struct connection_table *t) {
        return t->n_pairs;
}

void connection_cursor_open(struct connection_cursor *c, struct connection_table *t) {
        *c = (struct connection_cursor){t, t->cursors, t->oldest, t->n_pairs};
        t->cursors = c;
}

struct connection_pair *connection_cursor_next(struct connection_cursor *c) {
        struct connection_pair *p = c->left > 0 ? c->next : NULL;

        if (!p)
                return NULL;
        c->next = p->newer;
        c->left--;
        return p;
}

void connection_cursor_close(struct connection_cursor *c) {
        struct connection_cursor **at;

        if (!c->table)
                return;
        for (at = &c->table->cursors; *at != c; at = &(*at)->other)
                ;
        *at = c->other;
        *c = (struct connection_cursor){};
}

struct connection_pair *connection_table_find(const struct connection_table *t, uint64_t id) {
        for (struct connection_pair *p = t->oldest; p; p = p->newer)
                for (size_t i = 0; i < ELEMENTSOF(p->ends); i++)
                        if (p->id == id || (p->ends[i] && p->ends[i]->now.id == id))
                                return p;
        return NULL;
}

/* Sides -----------------------------------------------------------------------------------------
 */

typedef bool (*service_test)(const struct connection *c, bool remote, void *userdata);

/* Which side an end is of by itself: services listen, and clients' ports come from above. */
static uint32_t guess(const struct connection *c, service_test is_service, void *userdata) {
        const uint32_t sides = CONNECTION_CLIENT | CONNECTION_SERVER;

        if (c->flags & sides)
                return c->flags & sides;
        if (is_service(c, true, userdata) != is_service(c, false, userdata))
                return is_service(c, true, userdata) ? CONNECTION_CLIENT : CONNECTION_SERVER;
        return c->local_port > c->remote_port ? CONNECTION_CLIENT : CONNECTION_SERVER;
}

static const struct connection_end *end_of(const struct connection_pair *p, uint32_t side,
                                           service_test is_service, void *userdata) {
        const uint32_t sides = CONNECTION_CLIENT | CONNECTION_SERVER;

        for (size_t i = 0; i < ELEMENTSOF(p->ends); i++) {
                const struct connection_end *e = p->ends[i], *other = p->ends[!i];
                uint32_t own;

                if (!e)
                        continue;
                own = e->now.flags & sides;
                if (own == 0 && other && (other->now.flags & sides))
                        own = sides & ~other->now.flags;
                if (own == 0)
                        own = guess(&e->now, is_service, userdata);
                if (own == side)
                        return e;
        }
        return NULL;
}

const struct connection_end *connection_client(const struct connection_pair *p,
                                               service_test is_service, void *userdata) {
        return end_of(p, CONNECTION_CLIENT, is_service, userdata);
}

const struct connection_end *connection_server(const struct connection_pair *p,
                                               service_test is_service, void *userdata) {
        return end_of(p, CONNECTION_SERVER, is_service, userdata);
}

bool connection_pair_closed(const struct connection_pair *p) {
        for (size_t i = 0; i < ELEMENTSOF(p->ends); i++)
                if (p->ends[i] && !p->ends[i]->closed)
                        return false;
        return true;
}

bool connection_pair_waits(const struct connection_pair *p) {
        return p->waits > 0 && connection_pair_closed(p);
}

uint64_t connection_pair_last(const struct connection_pair *p) {
        uint64_t last = 0;

        for (size_t i = 0; i < ELEMENTSOF(p->ends); i++)
                if (p->ends[i]) {
                        last = MAX(last, p->ends[i]->now.start);
                        last = MAX(last, p->ends[i]->now.last);
                }
        return last;
}
