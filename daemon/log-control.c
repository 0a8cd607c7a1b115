/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log-control.h"

#include "escape.h"
#include "level.h"
#include "log.h"
#include "util.h"

enum {
        SHOWN_BYTES = 64,
};

static int get_level(_unused_ sd_bus *bus, _unused_ const char *path,
                     _unused_ const char *interface, _unused_ const char *property,
                     sd_bus_message *reply, _unused_ void *userdata, _unused_ sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", level_name(log_level()));
}

/* Reads the string that a property is to be, also as it may be shown. */
static int read_value(sd_bus_message *m, const char **ret, char shown[static SHOWN_BYTES]) {
        int r = sd_bus_message_read(m, "s", ret);

        if (r >= 0)
                escape_shortened(*ret, shown, SHOWN_BYTES);
        return r;
}

static int set_level(_unused_ sd_bus *bus, _unused_ const char *path,
                     _unused_ const char *interface, _unused_ const char *property,
                     sd_bus_message *value, _unused_ void *userdata, sd_bus_error *error) {
        char shown[SHOWN_BYTES];
        const char *name;
        int r, level;

        r = read_value(value, &name, shown);
        if (r < 0)
                return r;
        level = level_from_name(name);
        if (level < 0)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                         "There is no log level \"%s\"; write emerg, alert, crit, "
                                         "err, warning, notice, info or debug",
                                         shown);
        log_set_level(level);
        log_info("Logs messages up to the level %s", level_name(level));
        return 0;
}

static int get_target(_unused_ sd_bus *bus, _unused_ const char *path,
                      _unused_ const char *interface, _unused_ const char *property,
                      sd_bus_message *reply, _unused_ void *userdata,
                      _unused_ sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", log_target_name());
}

static int set_target(_unused_ sd_bus *bus, _unused_ const char *path,
                      _unused_ const char *interface, _unused_ const char *property,
                      sd_bus_message *value, _unused_ void *userdata, sd_bus_error *error) {
        char shown[SHOWN_BYTES];
        const char *name;
        int r;

        r = read_value(value, &name, shown);
        if (r < 0)
                return r;
        if (log_set_target_name(name) < 0)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                         "There is no log target \"%s\" here; write auto, console, "
                                         "journal or null",
                                         shown);
        return 0;
}

static int get_identifier(_unused_ sd_bus *bus, _unused_ const char *path,
                          _unused_ const char *interface, _unused_ const char *property,
                          sd_bus_message *reply, _unused_ void *userdata,
                          _unused_ sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", "bpfmond");
}

/* Without SD_BUS_VTABLE_UNPRIVILEGED sd-bus lets only root write. */
static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_WRITABLE_PROPERTY("LogLevel", "s", get_level, set_level, 0, 0),
        SD_BUS_WRITABLE_PROPERTY("LogTarget", "s", get_target, set_target, 0, 0),
        SD_BUS_PROPERTY("SyslogIdentifier", "s", get_identifier, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_VTABLE_END,
};

int log_control_new(sd_bus_slot **ret, sd_bus *bus) {
        return sd_bus_add_object_vtable(bus, ret, "/org/freedesktop/LogControl1",
                                        "org.freedesktop.LogControl1", vtable, NULL);
}
