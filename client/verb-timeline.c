/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bpfmonctl timeline: events of the past by time and kind, as bars, as a picture, as JSON. */

#include <inttypes.h>
#include <json.h>
#include <string.h>

#include "bus-json.h"
#include "bus.h"
#include "client.h"
#include "clock.h"
#include "file.h"
#include "output.h"
#include "pages.h"
#include "progress.h"
#include "timeline-svg.h"
#include "timeline-text.h"
#include "timeline.h"

enum {
        COLUMNS = 80, /* where the output is no terminal */
};

#define DAY UINT64_C(86400000000) /* µs */

static const enum field needed[] = {FIELD_EVENT, FIELD_CLASS, FIELD_TIME,      FIELD_RESULT,
                                    FIELD_HOST,  FIELD_CALLS, FIELD_LOST_COUNT};

static int take_time(struct json_object *event, void *userdata) {
        struct json_object *time = json_object_object_get(event, field_info(FIELD_TIME)->name);

        *(uint64_t *) userdata = json_object_get_uint64(time);
        return 0;
}

static int add_event(struct json_object *event, void *userdata) {
        return timeline_add(userdata, event);
}

/* Where no time is given: the last day, from its first event on. */
static int find_start(const struct pages *pages, uint64_t until, uint64_t *ret) {
        struct pages first = *pages;

        first.since = until - MIN(until, DAY);
        first.limit = 1;
        *ret = first.since;
        return pages_read(&first, take_time, ret);
}

static size_t text_room(void) {
        return timeline_text_room(output_columns() > 0 ? output_columns() : COLUMNS);
}

static int set_up(struct timeline *t, struct pages *pages, const struct options *o) {
        size_t room = o->svg ? TIMELINE_SVG_ROOM : text_room();
        uint64_t until = o->until < UINT64_MAX ? o->until : clock_usec(CLOCK_REALTIME),
                 since = o->since;
        int status = since > 0 ? EXIT_SUCCESS : find_start(pages, until, &since);

        if (status != EXIT_SUCCESS)
                return status;
        if (since > until) {
                complain("--since is after --until, or has not come yet: there is nothing between");
                return EXIT_USAGE;
        }
        uint64_t interval = o->interval > 0 ? o->interval : timeline_interval(since, until, room);
        int r = timeline_init(t, since, until, interval);
        if (r == -E2BIG) {
                complain("--interval is too short for that time: more than %d intervals",
                         TIMELINE_INTERVALS_MAX);
                return EXIT_USAGE;
        }

        pages->since = since;
        pages->until = until;
        return EXIT_SUCCESS;
}

static int read_events(struct timeline *t, char **matches, size_t n, const struct options *o) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        struct field_set only = {};
        int status = bus_connect(&bus, o);

        if (status != EXIT_SUCCESS)
                return status;
        for (size_t i = 0; i < ELEMENTSOF(needed); i++)
                field_set_add(&only, needed[i]);
        struct pages pages = {.bus = bus,
                              .options = o,
                              .matches = matches,
                              .n_matches = n,
                              .only = &only,
                              .until = UINT64_MAX,
                              .limit = UINT64_MAX};

        progress_begin("Reading the history");
        status = set_up(t, &pages, o);
        if (status == EXIT_SUCCESS)
                status = pages_read(&pages, add_event, t);
        progress_end();
        timeline_sort(t);
        return status;
}

/* An object for each interval and kind of which there was something. */
static void add_json(struct output *out, const struct timeline *t, const struct options *o) {
        for (size_t i = 0; i < t->n_intervals; i++)
                for (size_t j = 0; j < t->n_kinds; j++) {
                        const struct timeline_kind *kind = &t->kinds[j];
                        if (kind->counts[i] == 0)
                                continue;
                        _cleanup_json_ struct json_object *row = json_object_new_object();
                        if (!row) {
                                out->text.failed = true;
                                return;
                        }
                        json_object_object_add(row, "time",
                                               json_object_new_uint64(t->start + i * t->interval));
                        json_object_object_add(row, "interval",
                                               json_object_new_uint64(t->interval));
                        json_object_object_add(row, "event", json_object_new_string(kind->name));
                        json_object_object_add(row, "class", json_object_new_string(kind->class));
                        json_object_object_add(row, "events",
                                               json_object_new_uint64(kind->counts[i]));
                        output_json(out, row, o);
                }
}

static int write_svg(const struct timeline *t, const char *path) {
        _cleanup_text_ struct text picture = {};

        timeline_svg(&picture, t);
        int r = picture.failed ? -ENOMEM : file_write(path, text_string(&picture), picture.n);
        if (r < 0) {
                complain("cannot write %s: %s", path, strerror(-r));
                return EXIT_FAILURE;
        }

        return EXIT_SUCCESS;
}

static int show(const struct timeline *t, const struct options *o) {
        struct output output = OUTPUT_INIT;

        if (o->svg) {
                int status = write_svg(t, o->svg);
                if (status != EXIT_SUCCESS || o->json == JSON_OFF)
                        return status;
        }
        if (o->json != JSON_OFF)
                add_json(&output, t, o);
        else
                timeline_text(&output.text, t, text_room(), o->legend, o->colour);
        output_start_pager(&output, o);
        return output_finish(&output);
}

int verb_timeline(char **arguments, size_t n, const struct options *options) {
        struct timeline t = {};
        int status = bus_check_matches(arguments, n);

        if (status == EXIT_SUCCESS)
                status = read_events(&t, arguments, n, options);
        if (status == EXIT_SUCCESS)
                status = show(&t, options);

        timeline_clear(&t);
        return status;
}
