/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bpfmonctl explain: one event of the past in plain words. */

#include <inttypes.h>
#include <json.h>

#include "bus-json.h"
#include "bus.h"
#include "client.h"
#include "explain.h"
#include "line.h"
#include "number.h"
#include "output.h"
#include "pages.h"

enum {
        WIDTH_MAX = 80, /* columns that a paragraph is pleasant to read in */
        INDENT = 2,
};

static int keep(struct json_object *event, void *userdata) {
        struct json_object **ret = userdata;

        if (!*ret)
                *ret = json_object_get(event);
        return 0;
}

static int parse_seq(const char *s, uint64_t *ret) {
        struct number n;

        if (number_parse(&n, s, UNIT_NONE) < 0 || n.negative || n.magnitude == 0) {
                complain("%s: write the number of an event (its seq, as bpfmonctl query "
                         "--fields=seq,message shows it)",
                         s);
                return EXIT_USAGE;
        }

        *ret = n.magnitude;
        return EXIT_SUCCESS;
}

/* Numbers begin anew where a history was lost: the newest one is meant. */
static int find_event(uint64_t seq, const struct options *options, struct json_object **ret) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_free_ char *match = NULL;
        int status = bus_connect(&bus, options);

        if (status != EXIT_SUCCESS)
                return status;
        if (asprintf(&match, "seq=%" PRIu64, seq) < 0)
                return bus_complain(NULL, -ENOMEM);

        const struct pages pages = {.bus = bus,
                                    .options = options,
                                    .matches = &match,
                                    .n_matches = 1,
                                    .until = UINT64_MAX,
                                    .limit = 1,
                                    .reverse = true};
        status = pages_read(&pages, keep, ret);
        if (status == EXIT_SUCCESS && !*ret) {
                complain("there is no event %" PRIu64 " in the history that you may see; bpfmonctl "
                         "query -n 20 --fields=seq,message shows the last ones",
                         seq);
                return EXIT_FAILURE;
        }
        return status;
}

static void add_text(struct output *o, struct json_object *event, const struct explanation *e,
                     const struct options *options) {
        const struct line_format format = {options->full ? 0 : output_columns(), options->colour};
        const struct text *const sentences[] = {&e->happened, &e->does, &e->matters};
        size_t columns = output_columns() > 0 ? output_columns() : WIDTH_MAX;
        size_t width = MIN(columns, (size_t) WIDTH_MAX);

        line_add(&o->text, event, &format);
        for (size_t i = 0; i < ELEMENTSOF(sentences); i++) {
                text_add_char(&o->text, '\n', 1);
                text_add_paragraph(&o->text, text_string(sentences[i]), INDENT,
                                   width > 2 * INDENT ? width - INDENT : width, STYLE_NONE, false);
        }
}

static int add_json(struct output *o, struct json_object *event, const struct explanation *e,
                    const struct options *options) {
        static const enum field told[] = {FIELD_SEQ, FIELD_TIME, FIELD_EVENT};
        _cleanup_json_ struct json_object *object = json_object_new_object();
        const struct {
                const char *key;
                const struct text *text;
        } sentences[] = {{"explain.happened", &e->happened},
                         {"explain.does", &e->does},
                         {"explain.matters", &e->matters}};

        for (size_t i = 0; object && i < ELEMENTSOF(told); i++)
                json_object_object_add(
                        object, field_info(told[i])->name,
                        json_object_get(json_object_object_get(event, field_info(told[i])->name)));
        for (size_t i = 0; object && i < ELEMENTSOF(sentences); i++)
                json_object_object_add(object, sentences[i].key,
                                       json_object_new_string(text_string(sentences[i].text)));
        if (!object)
                return -ENOMEM;

        output_json(o, object, options);
        return 0;
}

int verb_explain(char **arguments, size_t n, const struct options *options) {
        _cleanup_json_ struct json_object *event = NULL;
        struct explanation e = {};
        struct output output = OUTPUT_INIT;
        uint64_t seq;

        int status = parse_seq(arguments[0], &seq);
        if (status == EXIT_SUCCESS)
                status = find_event(seq, options, &event);
        if (status != EXIT_SUCCESS)
                return status;

        int r = explain_event(&e, event);
        if (r >= 0 && options->json != JSON_OFF)
                r = add_json(&output, event, &e, options);
        else if (r >= 0)
                add_text(&output, event, &e, options);
        if (r < 0)
                output.text.failed = true;
        explanation_clear(&e);
        output_start_pager(&output, options);
        return output_finish(&output);
}
