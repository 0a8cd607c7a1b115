/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines of JSON through a pipe: what was lost before it came to the stream. */

#include <json.h>
#include <signal.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "limit.h"
#include "reader.h"
#include "stream.h"
#include "tap-main.h"

enum { PLACES_MAX = 8 };

static struct {
        sd_event *loop;
        struct limits limits;
        struct readers readers;
        struct stream_table *table;
        int fd;
        struct event event;
} bed;

static void setup(void) {
        const struct permission permission = {.viewer = {.scope = SCOPE_ALL}};

        signal(SIGPIPE, SIG_IGN);
        memset(&bed, 0, sizeof(bed));
        bed.limits.max[LIMIT_STREAMS] = bed.limits.max[LIMIT_STREAMS_PER_USER] = 1;
        ck_assert_int_ge(sd_event_new(&bed.loop), 0);
        ck_assert_int_eq(stream_table_new(&bed.table, bed.loop, &bed.readers, &bed.limits), 0);
        ck_assert_int_eq(stream_new(bed.table, &permission, NULL, NULL, 0, &bed.fd), 0);
}

static void teardown(void) {
        stream_table_free(bed.table);
        sd_event_unref(bed.loop);
        close(bed.fd);
}

static void lose(const char *where, uint64_t count) {
        event_reset(&bed.event);
        event_set_static(&bed.event, FIELD_LOST_WHERE, where);
        readers_lost(&bed.readers, &bed.event, count);
}

/* Takes "where count" of each line that came. */
static size_t read_losses(char (*ret)[32]) {
        char data[8192], *rest = data, *line;
        ssize_t got = read(bed.fd, data, sizeof(data) - 1);
        size_t n = 0;

        ck_assert_int_gt(got, 0);
        data[got] = 0;
        while ((line = strsep(&rest, "\n")) && line[0]) {
                struct json_object *o = json_tokener_parse(line), *where, *count;

                ck_assert_uint_lt(n, PLACES_MAX);
                ck_assert(json_object_object_get_ex(o, "lost.where", &where));
                ck_assert(json_object_object_get_ex(o, "lost.count", &count));
                snprintf(ret[n++], sizeof(ret[0]), "%s %d", json_object_get_string(where),
                         json_object_get_int(count));
                json_object_put(o);
        }
        return n;
}

/* The kernel's ring and probes, what stands in for these, and the table of connections. */
START_TEST(each_place_has_its_own_count) {
        char losses[PLACES_MAX][32];

        for (unsigned i = 0; i < 2; i++) {
                lose("ring", 1);
                lose("probe", 2);
                lose("monitor", 3);
                lose("connections", 4);
        }
        readers_flush(&bed.readers);
        ck_assert_uint_eq(read_losses(losses), 4);
        ck_assert_str_eq(losses[0], "ring 2");
        ck_assert_str_eq(losses[1], "probe 4");
        ck_assert_str_eq(losses[2], "monitor 6");
        ck_assert_str_eq(losses[3], "connections 8");
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("stream");
        TCase *c = tcase_create("stream");

        tcase_add_checked_fixture(c, setup, teardown);
        tcase_add_test(c, each_place_has_its_own_count);
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
