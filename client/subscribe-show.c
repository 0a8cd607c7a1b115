/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "subscribe.h"

#include <json.h>
#include <string.h>

#include "bus-json.h"
#include "bus.h"
#include "client.h"
#include "value.h"

/* The commands are behind, for the first time since they had all ended. */
static void tell_skips(struct subscribe *s) {
        const uint64_t skipped = runner_counts(s->runner).skipped;

        if (skipped > s->skips_told && !s->behind) {
                remark("the commands do not keep up: some events get none");
                s->behind = true;
        }
        s->skips_told = skipped;
}

static void on_idle(void *userdata) {
        struct subscribe *s = userdata;

        s->behind = false;
        if (s->ending)
                sd_event_exit(s->loop, s->status);
}

static void run_command(struct subscribe *s, struct json_object *event) {
        int r = runner_offer(s->runner, event);

        if (r < 0) {
                complain("cannot run \"%s\": %s", s->options->exec, strerror(-r));
                runner_stop(s->runner);
                subscribe_finish(s, EXIT_FAILURE);
                return;
        }
        tell_skips(s);
}

/* What the signal itself tells as lost, as the event that it would be. */
static struct json_object *make_lost(uint64_t count, const char *where) {
        struct json_object *o = json_object_new_object();

        if (!o)
                return NULL;
        json_object_object_add(o, "event", json_object_new_string("lost"));
        json_object_object_add(o, "class", json_object_new_string("self"));
        json_object_object_add(o, "lost.count", json_object_new_uint64(count));
        if (where)
                json_object_object_add(o, "lost.where", json_object_new_string(where));
        return o;
}

/* As the options want it told. */
static void tell_lost(struct subscribe *s, struct json_object *lost) {
        if (!lost)
                s->output.text.failed = true;
        else if (s->runner)
                run_command(s, lost);
        else if (s->options->json != JSON_OFF)
                output_json(&s->output, lost, s->options);
        else
                line_add_lost(&s->output.text, row_number(lost, FIELD_LOST_COUNT),
                              row_string(lost, FIELD_LOST_WHERE), &s->format);
}

void subscribe_show_lost(struct subscribe *s, uint64_t count, const char *where) {
        _cleanup_json_ struct json_object *lost = make_lost(count, where);

        s->lost += count;
        tell_lost(s, lost);
}

/* Whether it came before: a daemon that takes over sends again what may not have reached us. What
 * has no number is always news. */
bool subscribe_seen(struct subscribe *s, uint64_t seq) {
        if (seq == 0)
                return false;
        if (seq <= s->last)
                return true;
        s->last = seq;
        return false;
}

void subscribe_show(struct subscribe *s, struct json_object *event) {
        const char *kind = row_string(event, FIELD_EVENT);

        if (subscribe_seen(s, row_number(event, FIELD_SEQ)))
                return;
        if (kind && strcmp(kind, "lost") == 0) {
                s->lost += row_number(event, FIELD_LOST_COUNT);
                tell_lost(s, event);
                return;
        }

        s->events++;
        if (s->runner)
                run_command(s, event);
        else if (s->options->json != JSON_OFF)
                output_row(&s->output, event, s->options);
        else if (s->options->n_fields > 0)
                columns_add(&s->output.text, &s->columns, event, &s->format);
        else
                line_add(&s->output.text, event, &s->format);
}

int subscribe_flush(struct subscribe *s) {
        int r = output_flush(&s->output);

        if (r == 0 || r == -EINTR) /* the signal is handled next */
                return 0;
        if (r == -EPIPE) /* who reads this has seen enough */
                return subscribe_finish(s, EXIT_SUCCESS);

        complain("cannot write the output: %s", strerror(-r));
        return subscribe_finish(s, EXIT_FAILURE);
}

int subscribe_make_runner(struct subscribe *s) {
        int r = runner_new(&s->runner, s->loop, s->options->exec,
                           !s->options->host && !s->options->machine, on_idle, s);

        if (r == -EINVAL) {
                complain("--exec=%s: write a command, and close its quotes", s->options->exec);
                return EXIT_USAGE;
        }
        if (r < 0) {
                complain("cannot run \"%s\": %s", s->options->exec, strerror(-r));
                return EXIT_FAILURE;
        }
        return EXIT_SUCCESS;
}
