/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Finds the functions around many addresses at once, in one walk over a list of symbols. */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* What is looked for, and found. Searches take them sorted by address. */
struct place {
        uint64_t address;
        size_t index; /* of the one who asks */
        char *name;   /* found: "name+0x1f", allocated */
};

/* For qsort(). */
static inline int place_compare(const void *a, const void *b) {
        uint64_t x = ((const struct place *) a)->address, y = ((const struct place *) b)->address;

        return x < y ? -1 : x > y;
}

/* The first place at or above an address; `n` where there is none. */
static inline size_t place_above(const struct place *places, size_t n, uint64_t address) {
        size_t low = 0;

        while (low < n) {
                size_t middle = low + (n - low) / 2;

                if (places[middle].address < address)
                        low = middle + 1;
                else
                        n = middle;
        }
        return low;
}

struct symbols;

/* symbols_new() (symbols.h) by another clock than CLOCK_MONOTONIC, in ns: its tests have one. */
int symbols_new_at(struct symbols **ret, uint64_t (*now)(void));

/* Sets names by a list of the kernel's symbols like /proc/kallsyms. Returns 0 or a negative errno.
 */
int kallsyms_find(const char *path, struct place *places, size_t n);

/* Sets names by the symbol table of the ELF file behind `fd`; addresses are offsets into it
 * (and become addresses; the order changes). Returns 0; -ENOEXEC where it is none that we
 * understand, or has no symbols; a negative errno. */
int elf_find(int fd, struct place *places, size_t n);
