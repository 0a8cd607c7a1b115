/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The numbers that the fields have in a file of the history. */

#include "history-code.h"

struct sqlite3;

/* Reads them. Returns a result code of SQLite. */
int fields_load(struct sqlite3 *db, struct code_fields *ret);
