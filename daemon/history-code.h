/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* How an event is written in the history: in three parts, of which two repeat and are kept once.
 *
 * kind: what few values are told by (event, class, result, prog.type, …), and which further fields
 * there are; process: who did it; row: the values of the further fields. Of these, `struct
 * code_columns` has those that are columns of their own.
 *
 * Strings that come again are numbers of words. Fields are numbered by the database, which keeps
 * their names: what another version knows and this one doesn't is passed over. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "event.h"

enum code_part {
        PART_ROW, /* all that is not below */
        PART_KIND,
        PART_PROCESS,
        PART_COLUMN,
        PART_NONE, /* not kept as a field: told by the row's place */
};

enum code_part code_part(enum field f);

enum {
        CODE_WORD_MAX = 255,   /* bytes of a word */
        CODE_FIELDS_MAX = 255, /* numbers of fields */
};

/* The database's numbers of the fields, and back; 0 and -1: none. */
struct code_fields {
        uint8_t number[_FIELD_MAX];
        int16_t field[CODE_FIELDS_MAX + 1];
};

/* What a word is for. */
enum code_use {
        USE_TEXT,   /* some text, which may never come again */
        USE_LABEL,  /* one of few, as the kernel and we name things */
        USE_COLUMN, /* people search for it */
};

/* Gives a string a number (from 1 on), or 0 where it is to be written out: only USE_TEXT may. */
typedef uint64_t (*code_word_fn)(const char *s, size_t n, enum code_use use, void *userdata);

struct code_writer {
        const struct code_fields *fields;
        code_word_fn word;
        void *userdata;
        uint64_t base; /* times are told from here, µs */
};

/* Appends the parts of the event: `kind`, `process` (empty where there is none) and `row`. */
void code_put(const struct code_writer *w, const struct event *e, struct bytes *kind,
              struct bytes *process, struct bytes *row);

/* The text of a word (valid UTF-8, lives as long as the events that are read), or NULL. */
typedef const char *(*code_text_fn)(uint64_t word, void *userdata);

struct code_reader {
        const struct code_fields *fields;
        code_text_fn text;
        void *userdata;
        uint64_t base;
};

/* Add to an event what code_put() wrote, or of it only the fields in `only` (NULL: all). Strings
 * that are no words are copied into the event, byte arrays too. What is unknown or doesn't fit is
 * left out. Return 0, or -EBADMSG where the bytes make no sense. */
int code_take_kind(const struct code_reader *c, struct event *e, const void *kind, size_t n_kind,
                   const void *row, size_t n_row, const struct field_set *only);
int code_take_process(const struct code_reader *c, struct event *e, const void *data, size_t n);

/* The fields that rows of a kind have in their own part. */
void code_kind_fields(const struct code_reader *c, const void *kind, size_t n,
                      struct field_set *ret);
