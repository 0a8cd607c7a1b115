/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services.h"

#include <json.h>
#include <stdlib.h>
#include <string.h>

#include "bus-json.h"
#include "bus.h"
#include "client.h"
#include "distance.h"
#include "errors.h"
#include "output.h"
#include "progress.h"

int services_read(sd_bus *bus, char ***ret, sd_bus_error *error) {
        char **names = NULL;
        int r;

        progress_begin("Waiting for bpfmond");
        r = sd_bus_get_property_strv(bus, BPFMON_BUS_NAME, BPFMON_OBJECT_PATH,
                                     BPFMON_MANAGER_INTERFACE, "Services", error, &names);
        progress_end();
        if (r < 0)
                return r;
        if (!names) /* so sd-bus says that there are none */
                names = calloc(1, sizeof(*names));
        if (!names)
                return -ENOMEM;
        *ret = names;
        return 0;
}

void services_free(char **names) {
        for (size_t i = 0; names && names[i]; i++)
                free(names[i]);
        free(names);
}

/* The one that somebody may have meant: with a slip of the pen, or with only a part of its name. */
static const char *near_to(char **names, const char *written) {
        struct nearest nearest = nearest_to(written);

        for (size_t i = 0; names[i]; i++)
                if (names[i][0])
                        nearest_offer(&nearest, names[i]);
        for (size_t i = 0; !nearest.word && strlen(written) >= 3 && names[i]; i++)
                if (names[i][0] && (strcasestr(names[i], written) || strcasestr(written, names[i])))
                        nearest.word = names[i];
        return nearest.word;
}

void services_add_complaint(struct text *t, char **names, const char *name) {
        if (strpbrk(name, "*?\\"))
                return;
        for (size_t i = 0; names[i]; i++)
                if (strcmp(names[i], name) == 0)
                        return;

        const char *near = near_to(names, name);
        text_printf(t, "no service is called \"%s\"", name);
        if (near)
                text_printf(
                        t, "; did you mean \"%s\"? bpfmonctl connections --service=help lists them",
                        near);
        else
                text_add(t, "; bpfmonctl connections --service=help lists them, Service= in "
                            "bpfmond.conf names more");
}

int services_check(sd_bus *bus, char **matches, size_t n, const struct options *options) {
        static const char term[] = "service.name=";
        _cleanup_(services_freep) char **names = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_text_ struct text complaint = {};
        bool any = options->service;

        for (size_t i = 0; i < n && !any; i++)
                any = strncmp(matches[i], term, strlen(term)) == 0;
        if (!any)
                return EXIT_SUCCESS;
        int r = services_read(bus, &names, &error);
        if (r < 0 && bus_error_no_answer(&error, r))
                return bus_complain(&error, r);
        if (r < 0)
                return EXIT_SUCCESS;
        if (options->service)
                services_add_complaint(&complaint, names, options->service);
        for (size_t i = 0; i < n && complaint.n == 0; i++)
                if (strncmp(matches[i], term, strlen(term)) == 0)
                        services_add_complaint(&complaint, names, matches[i] + strlen(term));
        if (complaint.n == 0)
                return EXIT_SUCCESS;
        complain("%s", text_string(&complaint));
        return EXIT_USAGE;
}

int services_list(const struct options *options) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(services_freep) char **names = NULL;
        struct output output = OUTPUT_INIT;
        int r = bus_connect(&bus, options);

        if (r != EXIT_SUCCESS)
                return r;
        r = services_read(bus, &names, &error);
        if (r < 0)
                return bus_complain(&error, r);
        for (size_t i = 0; names[i] && i < options->lines; i++) {
                _cleanup_json_ struct json_object *o = NULL;

                if (options->json == JSON_OFF) {
                        text_add_escaped(&output.text, names[i]);
                        text_add(&output.text, "\n");
                        continue;
                }
                o = json_object_new_object();
                if (!o ||
                    json_object_object_add(o, "service.name", json_object_new_string(names[i])) < 0)
                        output.text.failed = true;
                else
                        output_json(&output, o, options);
        }
        output_start_pager(&output, options);
        return output_finish(&output);
}
