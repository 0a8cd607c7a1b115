/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "limit.h"

#include <inttypes.h>

#include "errors.h"
#include "log.h"
#include "message-ids.h"

static const struct limit_info {
        const char *counter;
        const char *what, *advice; /* "At most 5 …" */
} table[_LIMIT_MAX] = {
        [LIMIT_SUBSCRIPTIONS] = {"refused.subscriptions", "subscriptions of all users together",
                                 ""},
        [LIMIT_SUBSCRIPTIONS_PER_USER] = {"refused.subscriptions_per_user",
                                          "subscriptions of one user", "; close one first"},
        [LIMIT_STREAMS] = {"refused.streams", "streams of all users together", ""},
        [LIMIT_STREAMS_PER_USER] = {"refused.streams_per_user", "streams of one user",
                                    "; close one first"},
        [LIMIT_MATCH_TERMS] = {"refused.match_terms", "terms in a match", ""},
        [LIMIT_MATCH_BYTES] = {"refused.match_bytes", "bytes in the terms of a match", ""},
        [LIMIT_PENDING_AUTHORIZATIONS] = {"refused.pending_authorizations",
                                          "calls of one user that wait for authorization",
                                          "; wait for an answer"},
        [LIMIT_CONNECTION_LISTS_PER_USER] = {"refused.connection_lists_per_user",
                                             "lists of connections of one user at a time",
                                             "; wait for an answer"},
        [LIMIT_QUERY_ROWS] = {"refused.query_rows", "rows in a reply",
                              "; ask for fewer with a match"},
        [LIMIT_MESSAGE_BYTES] = {"refused.message_bytes", "bytes in a reply",
                                 "; ask for fewer rows with a match"},
};

static const char *setting_of(enum limit limit) {
        for (size_t i = 0; i < setting_count; i++)
                if (setting_table[i].offset ==
                    offsetof(struct settings, limits) + limit * sizeof(uint64_t))
                        return setting_table[i].key;
        return "";
}

int limits_refuse(struct limits *l, enum limit limit, sd_bus_error *error) {
        const struct limit_info *info = &table[limit];
        const char *setting = setting_of(limit);

        l->refused[limit]++;
        log_message(LOG_NOTICE, MESSAGE_LIMIT, LOG_FIELDS({"BPFMON_SETTING", setting}),
                    "Refused a call: at most %" PRIu64 " %s (%s=)", l->max[limit], info->what,
                    setting);
        return sd_bus_error_setf(error, BPFMON_ERROR_LIMIT_EXCEEDED,
                                 "At most %" PRIu64 " %s (%s= in bpfmond.conf)%s", l->max[limit],
                                 info->what, setting, info->advice);
}

int limits_deny(struct limits *l, const char *words, sd_bus_error *error) {
        l->denied++;
        return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED, words);
}

const char *limit_counter(enum limit limit) {
        return table[limit].counter;
}
