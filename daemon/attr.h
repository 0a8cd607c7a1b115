/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Decodes union bpf_attr: one table of commands (what event each makes) and one of their
 * attributes. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event;
struct names;

enum {
        /* include/uapi/linux/bpf.h, Linux 7.x: rides inside cmd. */
        COMMAND_COMMON_ATTRS = 1 << 16,
};

/* What a bpf() command does, for `event` and `class`. */
struct command_info {
        const char *event; /* such as "prog-load"; static */
        const char *class; /* such as "install"; static */
};

/* Describes a command (flag bits removed). A command unknown to us is an "object-query" of class
 * "look". Never NULL. */
const struct command_info *command_info(uint32_t cmd);

/* The counter slot of a command: itself, or the last slot for those beyond. */
unsigned command_slot(uint32_t cmd);

/* How the attribute is shown. */
enum attr_print {
        ATTR_NUMBER, /* u32 or u64 by width */
        ATTR_SIGNED,
        ATTR_HEX,     /* flags, pointers: "0x…" */
        ATTR_FD,      /* a number; 0 and -1 are left out where they mean "none" */
        ATTR_TEXT,    /* characters within attr, up to NUL */
        ATTR_STRING,  /* a pointer whose string the kernel side has followed */
        ATTR_POINTER, /* a pointer that nobody followed */
        ATTR_PROG_TYPE,
        ATTR_MAP_TYPE,
        ATTR_ATTACH_TYPE,
        ATTR_MAP_FLAGS,
};

struct attr_field {
        uint32_t cmd;
        const char *name; /* the kernel's member name; static */
        uint16_t offset;  /* bytes into union bpf_attr */
        uint16_t width;   /* bytes */
        enum attr_print print;
        bool always; /* shown even when it is zero */
};

/* The table, for the decoder and for the test that compares it with the kernel's BTF. Returns the
 * number of rows. */
size_t attr_fields(const struct attr_field **ret);

/* Whether the command is decoded field by field. */
bool attr_known(uint32_t cmd);

/* Adds `bpf.attr` for a command that is decoded, `bpf.attr_raw` for the others. `size` bytes at
 * `attr` are from a caller and may be anything; fields beyond are absent. `string` is what the
 * kernel side followed, or NULL. */
void attr_decode(struct event *e, const struct names *names, uint32_t cmd, const uint8_t *attr,
                 size_t size, const char *string);
