/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads ELF with what <elf.h> says, piece by piece, and not with libelf, which makes its tables as
 * large as the file says: its owner may rewrite the file while it is read. */
#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "symbol-search.h"
#include "util.h"

enum {
        SEGMENTS_MAX = 256,
        SECTIONS_MAX = 4096,
        SYMBOL_BYTES_MAX = 48 * 1024 * 1024, /* of the symbol table: a browser's has 20 MB */
        BUFFER_SIZE = 48 * 1024,             /* a multiple of both sizes of a symbol */
        NAME_MAX_BYTES = 256,                /* longer names are cut */
        ALIASES_MAX = 8,                     /* names of one address that are compared */
        UNSIZED_MAX = 4096,                  /* how long a function without a size may be */
};

struct elf {
        int fd;
        bool wide; /* ELFCLASS64 */
        Elf64_Ehdr header;
};

struct alias {
        uint32_t name;
        bool is_local;
};

/* The nearest symbol between a place and the one below it. */
struct nearest {
        bool found;
        uint64_t start, size;
        size_t n_aliases;
        struct alias aliases[ALIASES_MAX];
};

static bool read_all(int fd, uint64_t at, void *ret, size_t n) {
        return at <= INT64_MAX && pread(fd, ret, n, (off_t) at) == (ssize_t) n;
}

static int read_header(struct elf *f) {
        unsigned char native = __BYTE_ORDER == __LITTLE_ENDIAN ? ELFDATA2LSB : ELFDATA2MSB;
        Elf32_Ehdr narrow;

        if (!read_all(f->fd, 0, &narrow, sizeof(narrow)) ||
            memcmp(narrow.e_ident, ELFMAG, SELFMAG) != 0 || narrow.e_ident[EI_DATA] != native)
                return -ENOEXEC;
        f->wide = narrow.e_ident[EI_CLASS] == ELFCLASS64;
        if (f->wide)
                return read_all(f->fd, 0, &f->header, sizeof(f->header)) ? 0 : -ENOEXEC;
        f->header = (Elf64_Ehdr){
                .e_phoff = narrow.e_phoff,
                .e_shoff = narrow.e_shoff,
                .e_phentsize = narrow.e_phentsize,
                .e_phnum = narrow.e_phnum,
                .e_shentsize = narrow.e_shentsize,
                .e_shnum = narrow.e_shnum,
        };
        return narrow.e_ident[EI_CLASS] == ELFCLASS32 ? 0 : -ENOEXEC;
}

static bool read_segment(const struct elf *f, size_t i, Elf64_Phdr *ret) {
        uint64_t at = f->header.e_phoff + i * f->header.e_phentsize;
        Elf32_Phdr narrow;

        if (f->wide)
                return f->header.e_phentsize >= sizeof(*ret) &&
                       read_all(f->fd, at, ret, sizeof(*ret));
        if (f->header.e_phentsize < sizeof(narrow) || !read_all(f->fd, at, &narrow, sizeof(narrow)))
                return false;
        *ret = (Elf64_Phdr){
                .p_type = narrow.p_type,
                .p_offset = narrow.p_offset,
                .p_vaddr = narrow.p_vaddr,
                .p_filesz = narrow.p_filesz,
        };
        return true;
}

static bool read_section(const struct elf *f, size_t i, Elf64_Shdr *ret) {
        uint64_t at = f->header.e_shoff + i * f->header.e_shentsize;
        Elf32_Shdr narrow;

        if (i >= MIN((size_t) f->header.e_shnum, (size_t) SECTIONS_MAX))
                return false;
        if (f->wide)
                return f->header.e_shentsize >= sizeof(*ret) &&
                       read_all(f->fd, at, ret, sizeof(*ret));
        if (f->header.e_shentsize < sizeof(narrow) || !read_all(f->fd, at, &narrow, sizeof(narrow)))
                return false;
        *ret = (Elf64_Shdr){
                .sh_type = narrow.sh_type,
                .sh_offset = narrow.sh_offset,
                .sh_size = narrow.sh_size,
                .sh_link = narrow.sh_link,
        };
        return true;
}

static Elf64_Sym symbol_at(const struct elf *f, const uint8_t *at) {
        Elf64_Sym wide;
        Elf32_Sym narrow;

        if (f->wide) {
                memcpy(&wide, at, sizeof(wide));
                return wide;
        }
        memcpy(&narrow, at, sizeof(narrow));
        return (Elf64_Sym){
                .st_name = narrow.st_name,
                .st_info = narrow.st_info,
                .st_shndx = narrow.st_shndx,
                .st_value = narrow.st_value,
                .st_size = narrow.st_size,
        };
}

/* Turns offsets into the file into addresses, 0 where there is none. Sorted they stay as good as
 * segments are sorted: so they are sorted anew. */
static int to_addresses(const struct elf *f, struct place *places, size_t n) {
        Elf64_Phdr segments[SEGMENTS_MAX];
        size_t n_segments = MIN((size_t) f->header.e_phnum, (size_t) SEGMENTS_MAX), k = 0;

        for (size_t i = 0; i < n_segments; i++)
                if (!read_segment(f, i, &segments[k]))
                        return -ENOEXEC;
                else if (segments[k].p_type == PT_LOAD)
                        k++;
        for (size_t i = 0; i < n; i++) {
                uint64_t offset = places[i].address;

                places[i].address = 0;
                for (size_t j = 0; j < k; j++)
                        if (offset >= segments[j].p_offset &&
                            offset - segments[j].p_offset < segments[j].p_filesz)
                                places[i].address = offset - segments[j].p_offset +
                                                    segments[j].p_vaddr;
        }
        qsort(places, n, sizeof(*places), place_compare);
        return 0;
}

/* The table of all symbols, or else of those for linking, and its names. */
static int find_table(const struct elf *f, Elf64_Shdr *ret_table, Elf64_Shdr *ret_names) {
        Elf64_Shdr section, table = {};

        for (size_t i = 0; read_section(f, i, &section); i++)
                if (section.sh_type == SHT_SYMTAB ||
                    (section.sh_type == SHT_DYNSYM && table.sh_type != SHT_SYMTAB))
                        table = section;
        if (table.sh_type == SHT_NULL || !read_section(f, table.sh_link, ret_names))
                return -ENOEXEC;
        *ret_table = table;
        return 0;
}

static bool is_function(const Elf64_Sym *s) {
        unsigned type = ELF64_ST_TYPE(s->st_info);

        return (type == STT_FUNC || type == STT_GNU_IFUNC) && s->st_shndx != SHN_UNDEF &&
               s->st_value != 0;
}

static void take_symbol(const Elf64_Sym *s, const struct place *places, size_t n,
                        struct nearest *nearest) {
        size_t at = place_above(places, n, s->st_value);
        struct nearest *best = &nearest[at];

        if (at == n || (best->found && s->st_value < best->start))
                return;
        if (!best->found || s->st_value > best->start)
                *best = (struct nearest){.found = true, .start = s->st_value};
        best->size = MAX(best->size, (uint64_t) s->st_size);
        if (best->n_aliases < ALIASES_MAX)
                best->aliases[best->n_aliases++] = (struct alias){
                        s->st_name, ELF64_ST_BIND(s->st_info) == STB_LOCAL};
}

static int take_table(const struct elf *f, const Elf64_Shdr *table, const struct place *places,
                      size_t n, struct nearest *nearest) {
        _cleanup_free_ uint8_t *buffer = malloc(BUFFER_SIZE);
        size_t each = f->wide ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
        uint64_t size = MIN(table->sh_size, (uint64_t) SYMBOL_BYTES_MAX);

        if (!buffer)
                return -ENOMEM;
        for (uint64_t at = 0; at < size; at += BUFFER_SIZE) {
                size_t chunk = (size_t) MIN(size - at, (uint64_t) BUFFER_SIZE);

                if (!read_all(f->fd, table->sh_offset + at, buffer, chunk))
                        return -ENOEXEC;
                for (size_t i = 0; i + each <= chunk; i += each) {
                        Elf64_Sym s = symbol_at(f, buffer + i);

                        if (is_function(&s))
                                take_symbol(&s, places, n, nearest);
                }
        }
        return 0;
}

/* Lower is better: what others can see, and no name that its makers mean for themselves. */
static size_t rank(const struct alias *a, const char *name) {
        return strspn(name, "_") + (a->is_local ? NAME_MAX_BYTES : 0);
}

/* The best of a symbol's names, without its version, into `ret`; "" where there is none. */
static void best_name(const struct elf *f, const Elf64_Shdr *names, const struct nearest *nearest,
                      char ret[static NAME_MAX_BYTES]) {
        size_t best = SIZE_MAX;

        ret[0] = 0;
        for (const struct alias *a = nearest->aliases; a < nearest->aliases + nearest->n_aliases;
             a++) {
                char name[NAME_MAX_BYTES];
                ssize_t got;

                if (a->name >= names->sh_size || names->sh_offset > INT64_MAX - a->name)
                        continue;
                got = pread(f->fd, name, sizeof(name) - 1, (off_t) (names->sh_offset + a->name));
                if (got <= 0)
                        continue;
                name[got] = 0;
                name[strcspn(name, "@")] = 0;
                if (name[0] && rank(a, name) < best) {
                        best = rank(a, name);
                        strcpy(ret, name);
                }
        }
}

static int name_place(const struct elf *f, const Elf64_Shdr *names, struct place *p,
                      const struct nearest *nearest) {
        char name[NAME_MAX_BYTES], offset[32] = "";

        if (p->address - nearest->start >= (nearest->size ?: UNSIZED_MAX))
                return 0;
        best_name(f, names, nearest, name);
        if (!name[0])
                return 0;
        if (p->address > nearest->start)
                snprintf(offset, sizeof(offset), "+0x%llx",
                         (unsigned long long) (p->address - nearest->start));
        if (asprintf(&p->name, "%s%s", name, offset) < 0) {
                p->name = NULL;
                return -ENOMEM;
        }
        return 0;
}

int elf_find(int fd, struct place *places, size_t n) {
        _cleanup_free_ struct nearest *nearest = calloc(n + 1, sizeof(*nearest));
        struct elf f = {.fd = fd};
        Elf64_Shdr table, names;
        const struct nearest *best = NULL;
        int k;

        if (!nearest)
                return -ENOMEM;
        k = read_header(&f);
        if (k >= 0)
                k = to_addresses(&f, places, n);
        if (k >= 0)
                k = find_table(&f, &table, &names);
        if (k >= 0)
                k = take_table(&f, &table, places, n, nearest);
        for (size_t i = 0; i < n && k >= 0; i++) {
                if (nearest[i].found)
                        best = &nearest[i];
                if (best && places[i].address != 0)
                        k = name_place(&f, &names, &places[i], best);
        }
        return k;
}
