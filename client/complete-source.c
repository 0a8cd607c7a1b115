/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the running daemon has, for completion: quickly, without a word, and without starting it. */

#include <json.h>
#include <string.h>

#include "bus-json.h"
#include "bus.h"
#include "client.h"
#include "complete.h"
#include "connections.h"
#include "errors.h"
#include "objects.h"
#include "pages.h"
#include "services.h"
#include "usual-services.h"
#include "value.h"

enum {
        PATIENCE_USEC = 1500000, /* somebody waits behind Tab */
        EVENTS = 30,             /* the last ones */
};

struct listing {
        enum field field;
        const char *words; /* template for what a value is */
        void (*add)(const char *value, const char *words, void *userdata);
        void *userdata;
};

static int add_row(struct json_object *row, void *userdata) {
        const struct listing *l = userdata;
        struct json_object *value = row_get(row, l->field);
        _cleanup_text_ struct text words = {};

        if (!value)
                return 0;
        row_add(&words, row, l->words);
        l->add(json_object_get_string(value), text_string(&words), l->userdata);
        return 0;
}

static void add_rows(const struct listing *l, struct json_object *rows) {
        for (size_t i = 0; i < json_object_array_length(rows); i++)
                add_row(json_object_array_get_idx(rows, i), (void *) l);
}

static void list_objects(sd_bus *bus, enum kind kind, const struct options *o, struct listing *l) {
        static const enum field told[] = {
                FIELD_PROG_ID,  FIELD_PROG_NAME, FIELD_PROG_TYPE,      FIELD_MAP_ID,
                FIELD_MAP_NAME, FIELD_MAP_TYPE,  FIELD_LINK_ID,        FIELD_LINK_TYPE,
                FIELD_BTF_ID,   FIELD_BTF_NAME,  FIELD_LOADED_BY_NAME,
        };
        static const char *const words[_KIND_MAX] = {
                [KIND_PROG] = "<{prog.type}>< {prog.name}><, {loaded_by.name}>",
                [KIND_MAP] = "<{map.type}>< {map.name}><, {loaded_by.name}>",
                [KIND_LINK] = "<{link.type}>< of program {prog.id}>",
                [KIND_BTF] = "<{btf.name}>",
        };
        _cleanup_json_ struct json_object *rows = NULL;
        struct field_set only = {};

        for (size_t i = 0; i < ELEMENTSOF(told); i++)
                field_set_add(&only, told[i]);
        l->words = words[kind];
        if (objects_fetch(bus, kind, NULL, 0, o, &only, &rows) == EXIT_SUCCESS)
                add_rows(l, rows);
}

static void list_probes(sd_bus *bus, const struct options *o, struct listing *l) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_json_ struct json_object *rows = NULL;

        l->words = "<{probe.purpose}>";
        if (bus_call(bus, "ListProbes", o, &reply) == EXIT_SUCCESS &&
            bus_json_read_rows(reply, &rows) > 0)
                add_rows(l, rows);
}

static void list_events(sd_bus *bus, const struct options *o, struct listing *l) {
        struct field_set only = {};

        field_set_add(&only, FIELD_SEQ);
        field_set_add(&only, FIELD_EVENT);
        field_set_add(&only, FIELD_MESSAGE);
        l->words = "<{message}|{event}>";
        const struct pages pages = {.bus = bus,
                                    .options = o,
                                    .only = &only,
                                    .until = UINT64_MAX,
                                    .limit = EVENTS,
                                    .reverse = true};
        (void) pages_read(&pages, add_row, l);
}

/* Who asks for them has mostly just listed them: else they are measured from now on, for a while.
 */
static void list_connections(sd_bus *bus, const struct options *o, struct listing *l) {
        _cleanup_json_ struct json_object *rows = NULL;

        l->words =
                "<{service.name}, ><{process.name}><, {destination.address}><:{destination.port}>";
        if (connections_fetch(bus, NULL, 0, o, false, &rows) == EXIT_SUCCESS)
                add_rows(l, rows);
}

/* Only a daemon that runs is asked. */
static bool runs(sd_bus *bus) {
        _cleanup_(sd_bus_creds_unrefp) sd_bus_creds *creds = NULL;

        return sd_bus_get_name_creds(bus, BPFMON_BUS_NAME, 0, &creds) >= 0;
}

/* Those that the daemon knows; where it does not tell them (`bus` NULL: it does not run), the usual
 * ones. */
static void list_services(sd_bus *bus, const struct listing *l) {
        _cleanup_(services_freep) char **names = NULL;

        if (bus && services_read(bus, &names, NULL) >= 0) {
                for (size_t i = 0; names[i]; i++)
                        l->add(names[i], "", l->userdata);
                return;
        }
        for (size_t i = 0; i < n_usual_services; i++)
                if (i == 0 || strcmp(usual_services[i - 1].name, usual_services[i].name) != 0)
                        l->add(usual_services[i].name, "", l->userdata);
}

static void list(const char *field, const char *host, const char *machine,
                 void (*add)(const char *value, const char *words, void *userdata),
                 void *userdata) {
        static const struct {
                enum field field;
                enum kind kind;
        } objects[] = {
                {FIELD_PROG_ID, KIND_PROG}, {FIELD_PROG_NAME, KIND_PROG}, {FIELD_MAP_ID, KIND_MAP},
                {FIELD_MAP_NAME, KIND_MAP}, {FIELD_LINK_ID, KIND_LINK},   {FIELD_BTF_ID, KIND_BTF},
                {FIELD_BTF_NAME, KIND_BTF},
        };
        const struct options options = {
                .host = host, .machine = machine, .lines = UINT64_MAX, .unattended = true};
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        int f = field_from_name(field);
        bool is_object = false;

        for (size_t i = 0; i < ELEMENTSOF(objects); i++)
                is_object = is_object || objects[i].field == (enum field) f;
        if (!is_object && f != FIELD_PROBE_NAME && f != FIELD_SEQ && f != FIELD_CONNECTION_ID &&
            f != FIELD_SERVICE_NAME)
                return;

        struct listing l = {(enum field) f, "", add, userdata};
        bool asked = bus_connect(&bus, &options) == EXIT_SUCCESS &&
                     sd_bus_set_method_call_timeout(bus, PATIENCE_USEC) >= 0 && runs(bus);
        if (f == FIELD_SERVICE_NAME)
                list_services(asked ? bus : NULL, &l);
        if (!asked)
                return;
        for (size_t i = 0; i < ELEMENTSOF(objects); i++)
                if (objects[i].field == (enum field) f)
                        list_objects(bus, objects[i].kind, &options, &l);
        if (f == FIELD_PROBE_NAME)
                list_probes(bus, &options, &l);
        if (f == FIELD_CONNECTION_ID)
                list_connections(bus, &options, &l);
        if (f == FIELD_SEQ)
                list_events(bus, &options, &l);
}

const struct complete_source complete_daemon = {list};
