/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The one match syntax: FIELD=VALUE terms, parsed once, tested against events.
 *
 * FIELD=VALUE     equal; * and ? glob in strings; a list field matches when one of its items does
 * FIELD!=VALUE    not equal (true as well where the field is absent)
 * FIELD<N <=N >N >=N   numbers, and `severity`: info < notice < warning < critical
 * bpf.attr.NAME=VALUE  an entry of the dictionary `bpf.attr` (any NAME)
 * FIELD=* FIELD!=*     the field is present, absent; fields of every type
 *
 * Equal terms of one field are alternatives (or); every other term must hold too (and). A term on
 * an absent field is false, except !=. Numbers are decimal or 0x hexadecimal, for NANOSECONDS and
 * MICROSECONDS fields with ns, us, ms, s, min as suffix, for BYTES with K, M, G (powers of 1024).
 * Booleans: yes/no, true/false, 1/0.
 *
 * In strings \*, \? and \\ stand for *, ? and \; a backslash before anything else is just that, so
 * that names of units need no quoting. bpf.cmd and errno are compared without regard to case, all
 * others as they are. A dictionary's entry is compared as what it is: number, boolean or string; a
 * string that is a number ("0x10") as both. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event;
enum field;
struct match;

enum {
        MATCH_TERMS_MAX = 128,       /* terms in one match */
        MATCH_TERM_BYTES_MAX = 4096, /* bytes in one term; between two *: GLOB_PART_MAX */
};

/* Why a match was refused: the term (shortened, made printable) and a sentence such as
 * `Unknown field "prog.nmae" in "prog.nmae=x"; did you mean "prog.name"?`. */
struct match_error {
        char term[128];
        char message[512];
};

/* Parses `n` terms (not kept). Zero terms match everything. Returns 0; -EINVAL with `error` filled
 * (may be NULL); -E2BIG when a limit above is passed (`error` filled too); -ENOMEM. */
int match_new(struct match **ret, const char *const *terms, size_t n, struct match_error *error);
struct match *match_free(struct match *m);

/* Whether the event passes. NULL matches everything. Allocates nothing; takes at most
 * GLOB_PART_MAX steps for each byte of a string and term, however hostile the glob. */
bool match_test(const struct match *m, const struct event *e);

/* Whether some event could pass that has the fields of `partial` as given and any others besides:
 * terms on fields absent from `partial` are taken as true. */
bool match_may(const struct match *m, const struct event *partial);

/* Whether an equal term names the field (so that its owner asked for it by name). */
bool match_names(const struct match *m, enum field f);

/* Whether an equal term names what sort of event it is for: `event`, `class`, `bpf.cmd`,
 * `bpf.cmd_number`, `service.name` or `connection.id`. */
bool match_names_kind(const struct match *m);

/* The field of the first term, of any sort, for which `found` says so; -ENOENT where there is none.
 */
int match_find(const struct match *m, bool (*found)(enum field f, const void *userdata),
               const void *userdata);

/* The numbers that a field of U32 or U64 must have one of, from its equal terms: fills `ret` and
 * returns how many; 0 where no term says it, or more than `max` do. */
size_t match_numbers(const struct match *m, enum field f, uint64_t *ret, size_t max);
