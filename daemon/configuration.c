/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "configuration.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "authority.h"
#include "config.h"
#include "grant.h"
#include "log.h"
#include "message-ids.h"
#include "util.h"

enum {
        SUBSCRIPTIONS_OF_DBUS_DAEMON = 96,
};

/* dbus-daemon lets a connection wait for so many replies (max_replies_per_connection): one for each
 * subscription, which a reader that is stopped holds back, and those of polkit, which may hang. */
static_assert(SUBSCRIPTIONS_OF_DBUS_DAEMON + AUTHORITY_PENDING + GRANTS_ASKING_MAX < 128,
              "polkit can be asked, whatever readers do");

static void on_complaint(const char *file, unsigned line, const char *message,
                         _unused_ void *userdata) {
        char number[16];

        snprintf(number, sizeof(number), "%u", line);
        if (line == 0)
                log_message(LOG_WARNING, MESSAGE_CONFIG, LOG_FIELDS({"CONFIG_FILE", file}),
                            "%s: %s", file, message);
        else
                log_message(LOG_WARNING, MESSAGE_CONFIG,
                            LOG_FIELDS({"CONFIG_FILE", file}, {"CONFIG_LINE", number}), "%s:%u: %s",
                            file, line, message);
}

/* Reads one file that the command line names. */
static void read_named(struct settings *ret, const char *path) {
        _cleanup_free_ char *directory = strdup(path);
        const char *const directories[] = {directory, NULL};
        char *slash = directory ? strrchr(directory, '/') : NULL;
        struct config_places places = {directories};

        if (!slash || access(path, F_OK) < 0) {
                settings_init(ret);
                on_complaint(path, 0, slash ? strerror(errno) : strerror(ENOMEM), NULL);
                return;
        }
        *slash = 0;
        places.name = slash + 1;
        config_read(ret, &places, on_complaint, NULL);
}

static void read_settings(struct settings *ret, const struct overrides *o) {
        if (o->config)
                read_named(ret, o->config);
        else
                config_read(ret, &config_places_default, on_complaint, NULL);
        if (o->ring_size > 0)
                ret->ring_size = o->ring_size;
        if (o->no_kprobes)
                ret->kprobes = false;
        if (o->debug)
                ret->log_level = LOG_DEBUG;
        if (ret->limits[LIMIT_SUBSCRIPTIONS] > SUBSCRIPTIONS_OF_DBUS_DAEMON)
                log_warning("SubscriptionsMax=%" PRIu64 ": beyond %d, dbus-daemon holds readers up "
                            "unless its max_replies_per_connection is raised from 128 too",
                            ret->limits[LIMIT_SUBSCRIPTIONS], SUBSCRIPTIONS_OF_DBUS_DAEMON);
}

void configuration_init(struct configuration *c, const struct overrides *overrides) {
        c->overrides = *overrides;
        /* What is said while the files are read is limited, too. */
        settings_init(&c->now);
        log_set_rate(c->now.log_interval, c->now.log_burst);
        read_settings(&c->now, overrides);
        log_set_level((int) c->now.log_level);
        log_set_rate(c->now.log_interval, c->now.log_burst);
}

/* Puts the value that holds in place of one that needs a restart. */
static void keep(const struct setting *setting, const struct settings *now, struct settings *next) {
        uint64_t *have = setting_in(setting, (struct settings *) now);
        uint64_t *want = setting_in(setting, next);
        char have_text[SETTING_VALUE_BYTES], want_text[SETTING_VALUE_BYTES];

        if (!setting->restart || *have == *want)
                return;
        setting_format(setting, *have, have_text);
        setting_format(setting, *want, want_text);
        log_message(LOG_NOTICE, MESSAGE_RESTART, LOG_FIELDS({"BPFMON_SETTING", setting->key}),
                    "%s=%s takes effect when bpfmond is restarted; until then it is %s",
                    setting->key, want_text, have_text);
        *want = *have;
}

void configuration_reload(struct configuration *c) {
        struct settings next;

        read_settings(&next, &c->overrides);
        for (size_t i = 0; i < setting_count; i++)
                keep(&setting_table[i], &c->now, &next);
        if (next.log_level != c->now.log_level) /* what LogControl1 set stays otherwise */
                log_set_level((int) next.log_level);
        log_set_rate(next.log_interval, next.log_burst);
        c->now = next;
}
