/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Which objects are the daemon's own: tells the kernel side, and whoever follows events. */

#include <stdbool.h>
#include <stdint.h>

struct bpf_object;

struct ownership {
        int map_fd; /* of the map of own objects, borrowed */
        void (*tell)(uint32_t kind, uint32_t id, bool gone, void *userdata);
        void *userdata;
};

/* Takes what is behind an fd; `kind`: OBJECT_PROG, OBJECT_MAP, OBJECT_LINK or OBJECT_BTF. Returns
 * its id, or 0 where it has none (a perf event that stands for a link, before Linux 5.15). */
uint32_t ownership_take(const struct ownership *o, uint32_t kind, int fd);

/* Takes the programs, maps and BTF of an object that is loaded. */
void ownership_take_all(const struct ownership *o, const struct bpf_object *object);

/* Gives up a program that is about to go. */
void ownership_give_program(const struct ownership *o, int fd);

/* The kernel side knows them from the daemon before us: tells whoever follows events. */
void ownership_adopt(const struct ownership *o);

/* Gives one up: it is gone. 0 is fine. */
void ownership_give(const struct ownership *o, uint32_t kind, uint32_t id);
