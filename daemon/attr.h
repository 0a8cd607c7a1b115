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
        const char *via;   /* `attach.via`, or NULL; static */
        /* For sentences, or NULL: "loaded", "load", what was loaded where nothing is known of it.
         */
        const char *did;
        const char *act;
        const char *what;
};

/* Describes a command (flag bits removed) that returned `ret`. One unknown to us is "unknown-call"
 * of class "change" where the kernel did it, else an "object-query" of class "look". Never NULL. */
const struct command_info *command_info(uint32_t cmd, int64_t ret);

/* The counter slot of a command: itself, or the last slot for those beyond. */
unsigned command_slot(uint32_t cmd);

/* How the attribute is shown. */
enum attr_print {
        ATTR_NUMBER, /* u32 or u64 by width */
        ATTR_SIGNED,
        ATTR_HEX,     /* "0x…" */
        ATTR_FD,      /* a number; 0 and -1 are left out where they mean "none" */
        ATTR_TEXT,    /* characters within attr, up to NUL */
        ATTR_STRING,  /* a pointer whose string the kernel side has followed */
        ATTR_POINTER, /* a pointer that nobody followed: "0x…" */
        ATTR_NAME,    /* a value of the name_set `set`; a number where it has no name */
        ATTR_FLAGS,   /* names of the flag_set `set`, a list */
        ATTR_ALIAS,   /* another name of bytes that a row before it shows */
};

/* Members of a union share their bytes, and zero may say something or nothing: what must hold for
 * one of them to be meant, or to be needed. */
enum attr_when {
        WHEN_TARGET_IFINDEX = 1 << 0,
        WHEN_TARGET_FD = 1 << 1,
        WHEN_RELATIVE_ID = 1 << 2,
        WHEN_RELATIVE_FD = 1 << 3,
        WHEN_NEXT_KEY = 1 << 4,
        WHEN_VALUE = 1 << 5,
        /* What the fd or id is of. */
        WHEN_PROGRAM = 1 << 6,
        WHEN_MAP = 1 << 7,
        WHEN_BTF = 1 << 8,
        WHEN_LINK = 1 << 9,
        WHEN_START_ID = 1 << 10,
        /* The structs of link_create, by attach type. */
        WHEN_ITER = 1 << 11,
        WHEN_PERF_EVENT = 1 << 12,
        WHEN_KPROBE_MULTI = 1 << 13,
        WHEN_UPROBE_MULTI = 1 << 14,
        WHEN_TRACING = 1 << 15,
        WHEN_TRACING_MULTI = 1 << 16,
        WHEN_NETFILTER = 1 << 17,
        WHEN_TCX = 1 << 18,
        WHEN_NETKIT = 1 << 19,
        WHEN_CGROUP = 1 << 20,
        WHEN_XDP = 1 << 21,
        WHEN_NOT_XDP = 1 << 22,
        /* An fd that is needed: 0 is one then. */
        WHEN_OBJECT = 1 << 23,
        WHEN_TARGET = 1 << 24,
        WHEN_REPLACE = 1 << 25,
        WHEN_PATH_FD = 1 << 26,
        WHEN_TOKEN = 1 << 27,
        WHEN_TYPES = 1 << 28,
        WHEN_VALUE_BTF = 1 << 29,
        WHEN_INNER_MAP = 1 << 30,
};

#define ATTR_ALWAYS UINT32_MAX

struct attr_field {
        uint32_t cmd;
        const char
                *name; /* the kernel's member name, with its struct's: "kprobe_multi.flags"; static
                        */
        uint16_t offset; /* bytes into union bpf_attr */
        uint16_t width;  /* bytes */
        enum attr_print print;
        uint8_t set;     /* enum name_set or flag_set */
        uint32_t always; /* shown even when it is zero: ATTR_ALWAYS, or where one of enum attr_when
                          * holds
                          */
        uint32_t when;   /* enum attr_when, all of which must hold */
};

/* The table, for the decoder and for the test that compares it with the kernel's BTF. Commands that
 * share a struct have their rows under the first of them. Returns the number of rows. */
size_t attr_fields(const struct attr_field **ret);

/* The command under which the rows of `cmd` stand, or -ENOENT where it is not decoded. */
int attr_layout(uint32_t cmd);

/* Whether the command is decoded field by field. */
bool attr_known(uint32_t cmd);

struct record_fd;

/* What the caller gave: anything at all. */
struct attr {
        uint32_t cmd; /* flag bits removed */
        const uint8_t *data;
        size_t size;
        const uint8_t
                *common; /* struct bpf_common_attr, where the call had one: the caller's memory
                          */
        size_t common_size;
        const char *string;          /* what the kernel side followed, or NULL */
        uint32_t prog_type;          /* of the link's program, where it is known, else 0 */
        const struct record_fd *fds; /* what fds in it are, where it is known; may be NULL */
        size_t n_fds;
};

/* A member of up to 8 bytes as a number, 0 where the attribute ends before it. */
uint64_t attr_get(const struct attr *a, size_t offset, size_t width);

/* Copies characters up to NUL; what is left of `ret` (`width` bytes) is zeroed. */
void attr_get_text(const struct attr *a, size_t offset, char *ret, size_t width);

enum {
        ATTR_ATTACH_TYPE_OFFSET = 8, /* in link_create and for PROG_ATTACH and PROG_DETACH */
};

/* Where LINK_CREATE, PROG_ATTACH and PROG_DETACH name their target. */
size_t attr_target_offset(const struct attr *a);

/* Whether the attributes of an element operation say more than map, key and value: flags, or the
 * count of a batch. */
bool attr_says_more(const struct attr *a);

/* Where the attributes of a command (flag bits removed) may have fds: bytes into them, each once,
 * in rising order, up to `max` into `ret`. What stands there may be no fd in a certain call: see
 * attr_fd_name(). Returns how many. */
size_t attr_fds(uint32_t cmd, uint16_t *ret, size_t max);

/* The name of the fd at an offset, such as "target_fd" (static). NULL where the call has no fd
 * there: none was given, or the bytes are something else. */
const char *attr_fd_name(const struct attr *a, size_t offset);

/* Which of enum attr_when hold; 0 for commands whose attributes are all the same to them. */
uint32_t attr_when(const struct attr *a);

/* Adds `bpf.attr` for a command that is decoded (with the common attributes, as "common.log_buf");
 * `bpf.attr_raw` for the others, and where the attribute says more than the table knows. Fields
 * that are zero or beyond the size are absent. */
void attr_decode(struct event *e, const struct names *names, const struct attr *a);
