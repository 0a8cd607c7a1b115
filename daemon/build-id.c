/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build-id.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "clock.h"
#include "file-open.h"
#include "hash.h"
#include "util.h"

enum {
        SEGMENTS_MAX = 64,     /* that are looked at */
        NOTES_SIZE_MAX = 4096, /* of one segment of notes */
        ID_SIZE_MAX = 64,
};

/* What could not be read is tried again: who executes it may be there for a moment only. */
#define AGAIN_NSEC UINT64_C(1000000000)

struct entry {
        uint64_t inode, changed, path; /* hash of the path */
        uint64_t again;                /* ns; 0: it stays so */
        char id[BUILD_ID_TEXT_MAX];    /* "": none */
};

struct build_ids {
        struct entry entries[BUILD_IDS_MAX]; /* each where its key leads */
};

/* ELF -------------------------------------------------------------------------------------------
 */

/* What is not in memory is not waited for, where the file system can tell. */
static int read_at(int fd, uint64_t at, void *ret, size_t n) {
        const struct iovec v = {ret, n};
        ssize_t got = preadv2(fd, &v, 1, (off_t) at, RWF_NOWAIT);

        if (got < 0 && errno == EOPNOTSUPP)
                got = pread(fd, ret, n, (off_t) at);
        if (got < 0)
                return -errno;
        return (size_t) got == n ? 0 : -EBADMSG;
}

/* Finds the note in a segment of them. */
static int find_note(const uint8_t *notes, size_t n, char ret[static BUILD_ID_TEXT_MAX]) {
        while (n >= sizeof(Elf64_Nhdr)) {
                Elf64_Nhdr note; /* the same in 32-bit files */

                memcpy(&note, notes, sizeof(note));
                const uint64_t name = sizeof(note);
                const uint64_t id = name + (((uint64_t) note.n_namesz + 3) & ~UINT64_C(3));
                const uint64_t end = id + (((uint64_t) note.n_descsz + 3) & ~UINT64_C(3));

                if (id + note.n_descsz > n)
                        return -EBADMSG;
                if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof(ELF_NOTE_GNU) &&
                    memcmp(notes + name, ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) == 0 &&
                    note.n_descsz > 0 && note.n_descsz <= ID_SIZE_MAX) {
                        for (size_t i = 0; i < note.n_descsz; i++)
                                sprintf(ret + 2 * i, "%02x", notes[id + i]);
                        return 0;
                }
                if (end >= n)
                        break;
                notes += end;
                n -= end;
        }
        return -ENOENT;
}

static int read_notes(int fd, uint64_t at, uint64_t size, char ret[static BUILD_ID_TEXT_MAX]) {
        uint8_t notes[NOTES_SIZE_MAX];
        int k;

        if (size > sizeof(notes))
                return -ENOENT;
        k = read_at(fd, at, notes, size);
        return k < 0 ? k : find_note(notes, size, ret);
}

#define DEFINE_READ(bits)                                                                          \
        static int read_##bits(int fd, char ret[static BUILD_ID_TEXT_MAX]) {                       \
                Elf##bits##_Ehdr header;                                                           \
                int k = read_at(fd, 0, &header, sizeof(header));                                   \
                                                                                                   \
                if (k < 0)                                                                         \
                        return k;                                                                  \
                if (header.e_phentsize != sizeof(Elf##bits##_Phdr))                                \
                        return -EBADMSG;                                                           \
                for (size_t i = 0; i < MIN((size_t) header.e_phnum, (size_t) SEGMENTS_MAX); i++) { \
                        Elf##bits##_Phdr segment;                                                  \
                                                                                                   \
                        k = read_at(fd, (uint64_t) header.e_phoff + i * sizeof(segment), &segment, \
                                    sizeof(segment));                                              \
                        if (k < 0)                                                                 \
                                return k;                                                          \
                        if (segment.p_type != PT_NOTE)                                             \
                                continue;                                                          \
                        k = read_notes(fd, segment.p_offset, segment.p_filesz, ret);               \
                        if (k != -ENOENT)                                                          \
                                return k;                                                          \
                }                                                                                  \
                return -ENOENT;                                                                    \
        }                                                                                          \
        struct _semicolon_

DEFINE_READ(32);
DEFINE_READ(64);

/* Of this machine's byte order: others do not run here. */
static const uint8_t byte_order = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB
                                                                            : ELFDATA2MSB;

int build_id_read(int fd, char ret[static BUILD_ID_TEXT_MAX]) {
        unsigned char ident[EI_NIDENT];
        int k = read_at(fd, 0, ident, sizeof(ident));

        if (k < 0)
                return k;
        if (memcmp(ident, ELFMAG, SELFMAG) != 0 || ident[EI_DATA] != byte_order)
                return -EBADMSG;
        return ident[EI_CLASS] == ELFCLASS64   ? read_64(fd, ret)
               : ident[EI_CLASS] == ELFCLASS32 ? read_32(fd, ret)
                                               : -EBADMSG;
}

/* Files -----------------------------------------------------------------------------------------
 */

/* Returns 1 where the file was read, whether it has an id or not. */
static int read_file(pid_t pid, const char *path, uint64_t inode, uint64_t changed,
                     char ret[static BUILD_ID_TEXT_MAX]) {
        struct statx sx;
        _cleanup_close_ int fd = file_open(pid, path, &sx);

        if (fd < 0)
                return fd;
        if (sx.stx_ino != inode ||
            (uint64_t) sx.stx_ctime.tv_sec * 1000000 + sx.stx_ctime.tv_nsec / 1000 != changed)
                return -ESTALE;
        int k = build_id_read(fd, ret);
        return k >= 0 || k == -ENOENT || k == -EBADMSG ? 1 : k;
}

const char *build_ids_get(struct build_ids *b, pid_t pid, const char *path, uint64_t inode,
                          uint64_t changed) {
        const uint64_t name = hash_string(HASH_BEGIN, path);
        const uint64_t key = hash_number(hash_number(name, inode), changed);
        struct entry *x = &b->entries[key % BUILD_IDS_MAX];
        const uint64_t now = clock_now();
        int k;

        if (x->inode == inode && x->changed == changed && x->path == name &&
            (x->again == 0 || now < x->again))
                return x->id[0] ? x->id : NULL;

        *x = (struct entry){.inode = inode, .changed = changed, .path = name};
        k = read_file(pid, path, inode, changed, x->id);
        if (k < 0 && pid != 0)
                k = read_file(0, path, inode, changed, x->id);
        if (k < 0)
                x->again = now + AGAIN_NSEC;
        return x->id[0] ? x->id : NULL;
}

int build_ids_new(struct build_ids **ret) {
        *ret = calloc(1, sizeof(**ret));
        return *ret ? 0 : -ENOMEM;
}

struct build_ids *build_ids_free(struct build_ids *b) {
        free(b);
        return NULL;
}
