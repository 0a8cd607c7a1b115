/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Kinds of objects that the daemon lists, and their lists. */

#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-bus.h>

#include "event.h"

struct json_object;
struct options;

enum kind { KIND_PROG, KIND_MAP, KIND_LINK, KIND_BTF, _KIND_MAX };

struct kind_info {
        const char *name;       /* as `show` has it: "prog" */
        const char *one, *many; /* in words */
        const char *list, *get; /* methods of the manager */
        enum field id;
};

/* Describes a kind (static). */
const struct kind_info *kind_info(enum kind kind);

/* Finds a kind by its name or the words for it, "prog", "program" or "programs". -ENOENT. */
int kind_from_name(const char *name);

/* Whether one of the rows says that the list of this kind was not read to its end: in its fields
 * incomplete or incomplete.reasons. Each part of a list that was fetched in several has its own. */
bool objects_cut(struct json_object *rows, enum kind kind);

/* Fetches all objects of a kind that pass the matches, as an array of rows in the order of their
 * ids; of their fields those in `only` (NULL: all). What is too much for one reply is fetched in
 * several. `ret` is for the caller to put. Returns EXIT_SUCCESS, or complains and returns another
 * exit status. */
int objects_fetch(sd_bus *bus, enum kind kind, char **matches, size_t n,
                  const struct options *options, const struct field_set *only,
                  struct json_object **ret);

/* Fetches one object, by its id. Returns likewise. */
int objects_fetch_one(sd_bus *bus, enum kind kind, uint32_t id, const struct options *options,
                      struct json_object **ret);
