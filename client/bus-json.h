/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Values of D-Bus messages become JSON values: dictionaries are objects, arrays and structures are
 * arrays, byte arrays are strings of hexadecimal digits. */

#include <json.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "event.h"
#include "util.h"

static inline void json_putp(struct json_object **o) {
        json_object_put(*o);
}
#define _cleanup_json_ _cleanup_(json_putp)

/* Reads the next complete value of `m`, of any type. `ret` is NULL for what JSON has no value for
 * (it prints as null). Returns 1; 0 at the end of an array or of the message; -EBADMSG, -ENOMEM. */
int bus_json_read(sd_bus_message *m, struct json_object **ret);

/* Reads the next a{sv} of `m` into an object, without the keys that are not in `only` (NULL: all
 * keys, those that are no fields too). Returns 1; 0 at the end of an array; -ENXIO where something
 * else is; -EBADMSG, -ENOMEM. */
int bus_json_read_row(sd_bus_message *m, const struct field_set *only, struct json_object **ret);

/* Reads an aa{sv} into an array of objects. Returns as bus_json_read_row(). */
int bus_json_read_rows(sd_bus_message *m, struct json_object **ret);
