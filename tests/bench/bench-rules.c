/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What rules cost an event: bench-rules DIRECTORY (of the rules that are installed). One line of
 * JSON for each result; CPU time, the median of several rounds. Beside it what a copy of the event
 * for the history takes. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "alerts.h"
#include "event.h"
#include "history-flat.h"
#include "util.h"

enum {
        ROUNDS = 15,
        EVENTS = 20000, /* in a round */
        MANY = 200,
};

static struct event event;

static uint64_t cpu(void) {
        struct timespec t;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return (uint64_t) t.tv_sec * 1000000000 + (uint64_t) t.tv_nsec;
}

static void make_common(void) {
        event_reset(&event);
        event_set_u64(&event, FIELD_TIME, 1795385534000000);
        event_set_static(&event, FIELD_SEVERITY, "info");
        event_set_static(&event, FIELD_RESULT, "ok");
        event_set_u32(&event, FIELD_PROCESS_PID, 812);
        event_set_u32(&event, FIELD_USER_ID, 0);
        event_set_static(&event, FIELD_PROCESS_NAME, "agent");
        event_set_static(&event, FIELD_PROCESS_EXECUTABLE, "/opt/agent/bin/agent");
        event_set_bool(&event, FIELD_PROCESS_EXECUTABLE_PROTECTED, true);
        event_set_u64(&event, FIELD_PROCESS_CAPABILITIES, 0x1ffffffffff);
        event_set_static(&event, FIELD_UNIT, "agent.service");
        event_set_u32(&event, FIELD_NAMESPACE_USER, 4026531837);
        event_set_static(&event, FIELD_MESSAGE, "agent did something");
}

static void make_load(void) {
        static const char *const helpers[] = {"map_lookup_elem", "get_current_pid_tgid",
                                              "probe_read_kernel", "ktime_get_ns",
                                              "ringbuf_output"};

        make_common();
        event_set_static(&event, FIELD_EVENT, "prog-load");
        event_set_static(&event, FIELD_CLASS, "install");
        event_set_static(&event, FIELD_PROG_TYPE, "kprobe");
        event_set_static(&event, FIELD_PROG_NAME, "trace_open");
        event_set_strings(&event, FIELD_PROG_HELPERS, helpers, ELEMENTSOF(helpers));
}

static void make_access(void) {
        make_common();
        event_set_static(&event, FIELD_EVENT, "map-access");
        event_set_static(&event, FIELD_CLASS, "use");
        event_set_static(&event, FIELD_BPF_CMD, "MAP_LOOKUP_ELEM");
}

static int compare(const void *a, const void *b) {
        const uint64_t *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

/* ns for each event that is made, and judged (`a` NULL: not that) or copied. */
static double measure(struct alerts *a, void (*make)(void), bool copy) {
        uint64_t rounds[ROUNDS];
        struct bytes bytes = {};

        for (size_t i = 0; i < ROUNDS; i++) {
                uint64_t start = cpu();

                for (size_t n = 0; n < EVENTS; n++) {
                        make();
                        if (a)
                                alerts_judge(a, &event);
                        if (copy) {
                                bytes_reset(&bytes);
                                flat_put(&bytes, &event);
                        }
                }
                rounds[i] = cpu() - start;
        }
        bytes_done(&bytes);
        qsort(rounds, ROUNDS, sizeof(rounds[0]), compare);
        return (double) rounds[ROUNDS / 2] / EVENTS;
}

static void tell(struct event *e, void *userdata) {
}

static struct alerts *new_alerts(sd_event *loop, const char *directory) {
        static const struct alerts_handlers handlers = {tell};
        const char *const directories[] = {directory, NULL};
        struct alerts *a = NULL;

        if (alerts_new(&a, loop, NULL, &handlers, NULL) < 0)
                abort();
        alerts_read_rules(a, directories);
        return a;
}

/* Rules that nothing passes, though each has to be looked at. */
static void write_many(const char *directory) {
        char path[512];

        snprintf(path, sizeof(path), "%s/many.conf", directory);
        FILE *f = fopen(path, "we");
        if (!f)
                abort();
        for (int i = 0; i < MANY; i++)
                fprintf(f,
                        "[Rule]\nName=rule-%d\nSeverity=warning\n"
                        "Match=event=prog-load result=ok process.executable=/opt/other-%d/*\n",
                        i, i);
        fclose(f);
}

int main(int argc, char **argv) {
        char empty[] = "/tmp/bpfmon-bench-XXXXXX", many[sizeof(empty) + 16];
        static const struct {
                const char *name;
                void (*make)(void);
        } kinds[] = {{"prog-load", make_load}, {"map-access", make_access}};
        sd_event *loop = NULL;

        if (argc != 2 || !mkdtemp(empty) || sd_event_new(&loop) < 0)
                return 1;
        snprintf(many, sizeof(many), "%s/rules.d", empty);
        if (mkdir(many, 0700) < 0)
                return 1;
        write_many(many);
        const struct {
                const char *name, *directory;
        } sets[] = {{"none", empty}, {"installed", argv[1]}, {"200", many}};

        for (size_t k = 0; k < ELEMENTSOF(kinds); k++) {
                double made = measure(NULL, kinds[k].make, false);

                printf("{\"name\":\"%s.copy\",\"value\":%.1f,\"unit\":\"ns\"}\n", kinds[k].name,
                       measure(NULL, kinds[k].make, true) - made);
                for (size_t i = 0; i < ELEMENTSOF(sets); i++) {
                        struct alerts *a = new_alerts(loop, sets[i].directory);

                        printf("{\"name\":\"%s.%s\",\"value\":%.1f,\"unit\":\"ns\"}\n",
                               kinds[k].name, sets[i].name,
                               measure(a, kinds[k].make, false) - made);
                        alerts_free(a);
                }
        }
        char path[sizeof(many) + 16];
        snprintf(path, sizeof(path), "%s/many.conf", many);
        (void) unlink(path);
        (void) rmdir(many);
        (void) rmdir(empty);
        sd_event_unref(loop);
        return 0;
}
