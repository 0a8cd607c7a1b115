/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include "connection-describe.h"
#include "connection-table.h"
#include "event.h"
#include "latency.h"
#include "process.h"
#include "service.h"
#include "tap-main.h"
#include "util.h"

static struct connection_table *table;
static struct connection_describer describer;
static struct processes *processes;
static struct service_rules rules;
static struct event event;

static void setup(void) {
        ck_assert_int_eq(connection_table_new(&table, 64), 0);
        ck_assert_int_eq(processes_new(&processes), 0);
        rules = (struct service_rules){};
        describer = (struct connection_describer){
                .processes = processes, .services = &rules, .monotonic.clock = CLOCK_MONOTONIC};
}

static void teardown(void) {
        connection_describer_done(&describer);
        connection_table_free(table);
        processes_free(processes);
}

static struct connection tcp(uint64_t id, const char *local, uint16_t local_port,
                             const char *remote, uint16_t remote_port, uint32_t flags) {
        struct connection c = {.id = id,
                               .flags = flags,
                               .family = strchr(local, ':') ? AF_INET6 : AF_INET,
                               .local_port = local_port,
                               .remote_port = remote_port,
                               .netns = 7,
                               .start = 1000};

        ck_assert_int_eq(inet_pton(c.family, local, c.local), 1);
        ck_assert_int_eq(inet_pton(c.family, remote, c.remote), 1);
        return c;
}

static struct connection_pair *take(uint64_t key, struct connection c, bool closed) {
        struct connection_pair *p;

        ck_assert_int_eq(connection_table_take(table, key, &c, closed, &p), 0);
        return p;
}

static const struct event *described(const struct connection_pair *p, uint64_t now) {
        event_reset(&event);
        connection_describe(&describer, &event, p, now, 0);
        return &event;
}

static uint64_t number(enum field f) {
        const struct value *v = event_get(&event, f);

        ck_assert_ptr_nonnull(v);
        return v->type == TYPE_U32 ? v->u32 : v->u64;
}

static const char *text(enum field f) {
        return event_string(&event, f) ?: "";
}

/* Two sockets of one machine are one connection, whichever comes first. */
START_TEST(test_pairs) {
        struct connection client = tcp(5, "127.0.0.1", 40000, "127.0.0.1", 5432, CONNECTION_CLIENT),
                          server = tcp(4, "127.0.0.1", 5432, "127.0.0.1", 40000, CONNECTION_SERVER);
        struct connection_pair *p;

        client.send_calls = client.receive_calls = 1;
        client.sent = 10;
        client.received = 20;
        client.requests = 1;
        client.latency = client.latency_max = 5000;
        server.sent = 21;
        server.received = 11;
        server.requests = 2;
        p = take(_i ? 1 : 2, _i ? client : server, false);
        ck_assert_ptr_eq(take(_i ? 2 : 1, _i ? server : client, false), p);
        ck_assert_uint_eq(connection_table_count(table), 1);
        ck_assert_ptr_eq(connection_table_find(table, 4), p);
        ck_assert_ptr_eq(connection_table_find(table, 5), p);
        described(p, 2000);
        ck_assert_uint_eq(number(FIELD_BYTES_SENT), 10);
        ck_assert_uint_eq(number(FIELD_BYTES_RECEIVED), 20);
        ck_assert_uint_eq(number(FIELD_CONNECTION_REQUESTS), 1);
        ck_assert_str_eq(text(FIELD_CONNECTION_SIDE), "client");
        ck_assert_uint_eq(number(FIELD_SOURCE_PORT), 40000);
        ck_assert_uint_eq(number(FIELD_DESTINATION_PORT), 5432);
        ck_assert_str_eq(text(FIELD_SERVICE_NAME), "postgresql");
        ck_assert_uint_eq(number(FIELD_CONNECTION_DURATION), 1000);
}
END_TEST

/* Where the client is elsewhere, what the server has is the other way round. */
START_TEST(test_remote) {
        struct connection server = tcp(1, "192.0.2.1", 6379, "192.0.2.9", 1234, CONNECTION_SERVER);

        server.sent = 100;
        server.received = 7;
        server.send_calls = 3;
        server.receive_calls = 2;
        described(take(1, server, false), 1000);
        ck_assert_uint_eq(number(FIELD_BYTES_SENT), 7);
        ck_assert_uint_eq(number(FIELD_BYTES_RECEIVED), 100);
        ck_assert_uint_eq(number(FIELD_CONNECTION_SENDS), 2);
        ck_assert_uint_eq(number(FIELD_CONNECTION_RECEIVES), 3);
        ck_assert_str_eq(text(FIELD_CONNECTION_SIDE), "server");
        ck_assert_str_eq(text(FIELD_SOURCE_ADDRESS), "192.0.2.9");
        ck_assert_str_eq(text(FIELD_DESTINATION_ADDRESS), "192.0.2.1");
        ck_assert_str_eq(text(FIELD_SERVICE_NAME), "redis");
}
END_TEST

/* A server that listens for IPv6 and IPv4 has IPv4's addresses in IPv6's form. */
START_TEST(test_mapped) {
        struct connection_pair *p = take(
                1, tcp(1, "127.0.0.1", 40000, "127.0.0.1", 80, CONNECTION_CLIENT), false);

        ck_assert_ptr_eq(
                take(2,
                     tcp(2, "::ffff:127.0.0.1", 80, "::ffff:127.0.0.1", 40000, CONNECTION_SERVER),
                     false),
                p);
        described(p, 1000);
        ck_assert_str_eq(text(FIELD_DESTINATION_ADDRESS), "127.0.0.1");
}
END_TEST

/* 127.0.0.1 is another machine in each network namespace; other addresses are not. */
START_TEST(test_namespaces) {
        static const struct {
                const char *one, *other;
                size_t connections;
        } cases[] = {{"127.0.0.1", "127.0.0.1", 2},
                     {"10.0.0.1", "10.0.0.1", 2},
                     {"10.0.0.1", "10.0.0.2", 1}};
        struct connection server = tcp(2, cases[_i].other, 80, cases[_i].one, 40000,
                                       CONNECTION_SERVER);

        server.netns = 8;
        take(1, tcp(1, cases[_i].one, 40000, cases[_i].other, 80, CONNECTION_CLIENT), false);
        take(2, server, false);
        ck_assert_uint_eq(connection_table_count(table), cases[_i].connections);
}
END_TEST

/* Of a connection that was open before it is not known who connected: the port tells, or the other
 * end. */
START_TEST(test_sides) {
        static const struct {
                uint16_t local, remote;
                const char *side;
        } cases[] = {{40000, 5432, "client"},
                     {5432, 40000, "server"},
                     {3306, 1024, "server"},
                     {40001, 40000, "client"}};

        struct connection c = tcp(1, "10.0.0.1", cases[_i].local, "10.0.0.2", cases[_i].remote, 0);

        c.send_calls = 1;
        described(take(1, c, false), 1000);
        ck_assert_str_eq(text(FIELD_CONNECTION_SIDE), cases[_i].side);
}
END_TEST

START_TEST(test_unix) {
        struct connection
                client = {.id = 1, .peer = 20, .family = AF_UNIX, .flags = CONNECTION_CLIENT},
                server = {.id = 2, .peer = 10, .family = AF_UNIX, .flags = CONNECTION_SERVER};
        struct connection_pair *p;

        strcpy(client.path, "/run/x/.s.PGSQL.5432");
        client.path_size = 21; /* with NUL, as bind() may be told */
        p = take(10, client, false);
        ck_assert_ptr_eq(take(20, server, false), p);
        described(p, 1000);
        ck_assert_str_eq(text(FIELD_DESTINATION_ADDRESS), "/run/x/.s.PGSQL.5432");
        ck_assert_str_eq(text(FIELD_SERVICE_NAME), "postgresql");
        ck_assert(!event_has(&event, FIELD_SOURCE_ADDRESS));

        memcpy(client.path, "\0abstract", 9);
        client.path_size = 9;
        described(take(10, client, false), 1000);
        ck_assert_str_eq(text(FIELD_DESTINATION_ADDRESS), "@abstract");
}
END_TEST

/* It has closed when both ends have. */
START_TEST(test_close) {
        struct connection client = tcp(1, "10.0.0.1", 40000, "10.0.0.1", 80, CONNECTION_CLIENT),
                          server = tcp(2, "10.0.0.1", 80, "10.0.0.1", 40000, CONNECTION_SERVER);
        struct connection_pair *p = take(1, client, false);

        take(2, server, false);
        ck_assert_ptr_eq(take(1, client, true), p);
        ck_assert(!connection_pair_closed(p));
        ck_assert_ptr_null(take(1, client, false)); /* read before it closed */
        take(2, server, true);
        ck_assert(connection_pair_closed(p));
        connection_table_drop(table, p);
        ck_assert_uint_eq(connection_table_count(table), 0);
        ck_assert_ptr_null(connection_table_find(table, 1));
}
END_TEST

/* The kernel's socket is used again for another connection, and so are the ports. */
START_TEST(test_reuse) {
        take(1, tcp(1, "10.0.0.1", 40000, "10.0.0.2", 80, CONNECTION_CLIENT), false);
        take(1, tcp(2, "10.0.0.1", 40001, "10.0.0.2", 80, CONNECTION_CLIENT), false);
        ck_assert_uint_eq(connection_table_count(table), 1);
        ck_assert_ptr_null(connection_table_find(table, 1));
        take(9, tcp(3, "10.0.0.1", 40001, "10.0.0.2", 80, CONNECTION_CLIENT), false);
        ck_assert_uint_eq(connection_table_count(table), 1);
        described(connection_table_find(table, 3), 1000);
        ck_assert_uint_eq(number(FIELD_SOURCE_PORT), 40001);
}
END_TEST

static struct connection local_end(uint64_t id, uint64_t peer, uint64_t client, uint32_t side) {
        return (struct connection){.id = id,
                                   .peer = peer,
                                   .client = client,
                                   .family = AF_UNIX,
                                   .flags = side,
                                   .sent = id,
                                   .send_calls = 1,
                                   .path_size = 6,
                                   .path = "/x.sock"};
}

/* Two sockets are used again by another connection, one of them before it is known that the other
 * has closed: the first connection keeps both of its ends. */
START_TEST(test_unix_reuse) {
        struct connection client = local_end(1, 20, 5, CONNECTION_CLIENT),
                          server = local_end(2, 10, 5, CONNECTION_SERVER);
        struct connection_pair *p = take(10, client, false);

        ck_assert_ptr_eq(take(20, server, false), p);
        take(10, client, true);
        ck_assert_ptr_ne(take(10, local_end(3, 20, 6, CONNECTION_SERVER), false), p);
        ck_assert_ptr_eq(take(20, server, true), p);
        ck_assert(connection_pair_closed(p));
        described(p, 1000);
        ck_assert_uint_eq(number(FIELD_BYTES_SENT), 1); /* the client's */
        connection_table_drop(table, p);
        p = take(20, local_end(4, 10, 6, CONNECTION_CLIENT), false);
        ck_assert_ptr_eq(connection_table_find(table, 3), p);
        ck_assert_uint_eq(connection_table_count(table), 1);
}
END_TEST

/* Nothing waits for an end that the kernel side has no longer. */
START_TEST(test_missing_other) {
        take(10, local_end(1, 20, 5, CONNECTION_CLIENT), false);
        take(20, local_end(2, 10, 5, CONNECTION_SERVER), false);
        take(10, local_end(1, 20, 5, CONNECTION_CLIENT), true);
        for (size_t i = 0; i < 2; i++) {
                connection_table_begin(table);
                connection_table_end(table);
        }
        ck_assert_uint_eq(connection_table_count(table), 0);
}
END_TEST

/* What the kernel side has no longer, and never closed, goes after the second round. */
START_TEST(test_missing) {
        struct connection c = tcp(1, "10.0.0.1", 40000, "10.0.0.2", 80, CONNECTION_CLIENT);

        take(1, c, false);
        for (size_t i = 0; i < 3; i++) {
                connection_table_begin(table);
                take(1, c, false);
                connection_table_end(table);
        }
        ck_assert_uint_eq(connection_table_count(table), 1);
        connection_table_begin(table);
        connection_table_end(table);
        ck_assert_uint_eq(connection_table_count(table), 1);
        connection_table_begin(table);
        connection_table_end(table);
        ck_assert_uint_eq(connection_table_count(table), 0);
}
END_TEST

/* There are never more than were asked for: the oldest go. */
START_TEST(test_bound) {
        for (uint16_t i = 1; i <= 200; i++)
                take(i, tcp(i, "10.0.0.1", i, "10.0.0.2", 80, CONNECTION_CLIENT), false);
        ck_assert_uint_eq(connection_table_count(table), 64);
        ck_assert_ptr_null(connection_table_find(table, 136));
        ck_assert_ptr_nonnull(connection_table_find(table, 137));
        ck_assert_ptr_nonnull(connection_table_find(table, 200));
}
END_TEST

static struct connection_pair *take_numbered(uint16_t i) {
        return take(i, tcp(i, "10.0.0.1", i, "10.0.0.2", 80, CONNECTION_CLIENT), false);
}

static uint64_t next_of(struct connection_cursor *c) {
        struct connection_pair *p = connection_cursor_next(c);

        return p ? p->id : 0;
}

/* Who goes over the connections sees each that stays, and none that came later, whatever else
 * happens. */
START_TEST(test_cursor) {
        struct connection_cursor all = {}, few = {}, none = {};
        struct connection_pair *p[6];

        for (uint16_t i = 1; i <= 5; i++)
                p[i] = take_numbered(i);
        connection_cursor_open(&all, table);
        ck_assert_uint_eq(next_of(&all), 1);
        connection_cursor_open(&few, table);
        connection_table_drop(table, p[1]); /* few is before it, all behind */
        connection_table_drop(table, p[2]); /* both are before it */
        take_numbered(6);
        ck_assert_uint_eq(next_of(&all), 3);
        ck_assert_uint_eq(next_of(&few), 3);
        connection_cursor_close(&few);
        connection_table_drop(table, p[5]);
        ck_assert_uint_eq(next_of(&all), 4);
        ck_assert_ptr_null(connection_cursor_next(&few));
        connection_cursor_close(&none);
        connection_cursor_open(&few, table);
        table = connection_table_free(table);
        ck_assert_ptr_null(connection_cursor_next(&all));
        ck_assert_ptr_null(connection_cursor_next(&few));
        connection_cursor_close(&all);
}
END_TEST

/* Those that came since the beginning are not gone over: there may be no end of them. */
START_TEST(test_cursor_end) {
        struct connection_cursor c = {};

        take_numbered(1);
        take_numbered(2);
        connection_cursor_open(&c, table);
        take_numbered(3);
        ck_assert_uint_eq(next_of(&c), 1);
        take_numbered(4);
        ck_assert_uint_eq(next_of(&c), 2);
        ck_assert_uint_eq(next_of(&c), 0);
        connection_cursor_close(&c);
}
END_TEST

/* Ends that are not connected yet, or the daemon's own, are none. */
START_TEST(test_none) {
        ck_assert_ptr_null(take(1, tcp(1, "10.0.0.1", 0, "10.0.0.2", 0, CONNECTION_CLIENT), false));
        ck_assert_ptr_null(
                take(1, tcp(0, "10.0.0.1", 1, "10.0.0.2", 80, CONNECTION_CLIENT), false));
        ck_assert_ptr_null(
                take(1, tcp(1, "10.0.0.1", 1, "10.0.0.2", 80, CONNECTION_IGNORED), false));
        ck_assert_ptr_null(take(1, (struct connection){.id = 1, .family = AF_UNIX}, false));
        ck_assert_uint_eq(connection_table_count(table), 0);
}
END_TEST

/* The quantiles of a histogram are within the bucket that they fall into. */
START_TEST(test_quantiles) {
        uint32_t histogram[CONNECTION_BUCKETS] = {[3] = 98, [10] = 1, [20] = 1};
        uint64_t q;

        q = latency_quantile(histogram, CONNECTION_BUCKETS, 0.5, 1 << 30);
        ck_assert(q >= 1 << 12 && q <= 1 << 13);
        q = latency_quantile(histogram, CONNECTION_BUCKETS, 0.99, 1 << 30);
        ck_assert(q >= 1 << 19 && q <= 1 << 20);
        ck_assert_uint_eq(latency_quantile(histogram, CONNECTION_BUCKETS, 1, 1 << 30), 1 << 30);
        ck_assert_uint_eq(latency_quantile((uint32_t[CONNECTION_BUCKETS]){[5] = 1},
                                           CONNECTION_BUCKETS, 0.99, 20000),
                          19963);
        ck_assert_uint_eq(
                latency_quantile((uint32_t[CONNECTION_BUCKETS]){}, CONNECTION_BUCKETS, 0.5, 0), 0);
}
END_TEST

START_TEST(test_services) {
        static const struct {
                const char *line;
                int result;
        } cases[] = {
                {"postgresql 5433", 0},
                {"app 1 65535 /run/app/*.sock @app-?", 0},
                {"app", -EINVAL},
                {"", -EINVAL},
                {"app 0", -EINVAL},
                {"app 65536", -EINVAL},
                {"app 12x", -EINVAL},
                {"/run/x 12", -EINVAL},
                {"a-name-that-is-longer-than-any-service-has 1", -EINVAL},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                ck_assert_int_eq(service_rules_add(&rules, cases[i].line), cases[i].result);
        ck_assert_uint_eq(rules.n, 5);
        ck_assert_str_eq(service_of_port(&rules, 5433), "postgresql");
        ck_assert_str_eq(service_of_port(&rules, 65535), "app");
        ck_assert_str_eq(service_of_port(&rules, 3306), "mysql");
        ck_assert_ptr_null(service_of_port(&rules, 4));
        ck_assert_str_eq(service_of_path(&rules, "/run/app/1.sock"), "app");
        ck_assert_str_eq(service_of_path(&rules, "@app-2"), "app");
        ck_assert_ptr_null(service_of_path(&rules, "@app-22"));
        ck_assert_str_eq(service_of_path(&rules, "/run/mysqld/mysqld.sock"), "mysql");
        ck_assert_str_eq(service_of_path(&rules, "/var/run/postgresql/.s.PGSQL.5432"),
                         "postgresql");
        ck_assert_int_eq(service_rules_add(&rules, "mine 3306"), 0);
        ck_assert_str_eq(service_of_port(&rules, 3306),
                         "mine"); /* what is configured counts more */
        while (rules.n < SERVICE_RULES_MAX)
                ck_assert_int_eq(service_rules_add(&rules, "many 1"), 0);
        ck_assert_int_eq(service_rules_add(&rules, "many 1"), -E2BIG);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("connections");
        TCase *c = tcase_create("table");

        tcase_add_checked_fixture(c, setup, teardown);
        tcase_add_loop_test(c, test_pairs, 0, 2);
        tcase_add_test(c, test_remote);
        tcase_add_test(c, test_mapped);
        tcase_add_loop_test(c, test_namespaces, 0, 3);
        tcase_add_loop_test(c, test_sides, 0, 4);
        tcase_add_test(c, test_unix);
        tcase_add_test(c, test_close);
        tcase_add_test(c, test_reuse);
        tcase_add_test(c, test_unix_reuse);
        tcase_add_test(c, test_missing);
        tcase_add_test(c, test_missing_other);
        tcase_add_test(c, test_bound);
        tcase_add_test(c, test_cursor);
        tcase_add_test(c, test_cursor_end);
        tcase_add_test(c, test_none);
        tcase_add_test(c, test_quantiles);
        tcase_add_test(c, test_services);
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
