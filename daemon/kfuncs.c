/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <linux/btf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kfuncs.h"
#include "util.h"

enum {
        STRIDE = 64,             /* one type of so many is in the index */
        TYPES_MAX = 1024 * 1024, /* Linux 6.18 has 130,000 */
        WINDOW_SIZE = 4096,
        STATE_NEW = 0,
        STATE_READY,
        STATE_NONE, /* no BTF, or none that we understand */
};

struct kfuncs {
        const char *path;
        int fd;
        int state;
        uint64_t types, types_end; /* offsets into the file */
        uint64_t strings, strings_end;
        uint32_t *index; /* offset of type 1 + i × STRIDE into the types */
        uint32_t n_types;
        uint64_t window_at;
        size_t window_size;
        uint8_t window[WINDOW_SIZE];
};

int kfuncs_new(struct kfuncs **ret, const char *path) {
        struct kfuncs *k = calloc(1, sizeof(*k));

        if (!k)
                return -ENOMEM;
        k->path = path ?: "/sys/kernel/btf/vmlinux";
        k->fd = -1;
        *ret = k;
        return 0;
}

struct kfuncs *kfuncs_free(struct kfuncs *k) {
        if (!k)
                return NULL;
        closep(&k->fd);
        free(k->index);
        free(k);
        return NULL;
}

/* Up to `n` bytes at an offset, through the window. Returns how many there are. */
static size_t read_at(struct kfuncs *k, uint64_t at, void *ret, size_t n) {
        if (at < k->window_at || at + n > k->window_at + k->window_size) {
                ssize_t got = pread(k->fd, k->window, sizeof(k->window), (off_t) at);

                k->window_at = at;
                k->window_size = got > 0 ? (size_t) got : 0;
        }
        n = MIN(n, k->window_size - (size_t) (at - k->window_at));
        memcpy(ret, k->window + (at - k->window_at), n);
        return n;
}

/* include/uapi/linux/btf.h: what follows a type, bytes: once, and for each member. */
static const struct {
        uint8_t fixed, each;
        bool known;
} kinds[] = {
        [BTF_KIND_INT] = {4, 0, true},        [BTF_KIND_PTR] = {0, 0, true},
        [BTF_KIND_ARRAY] = {12, 0, true},     [BTF_KIND_STRUCT] = {0, 12, true},
        [BTF_KIND_UNION] = {0, 12, true},     [BTF_KIND_ENUM] = {0, 8, true},
        [BTF_KIND_FWD] = {0, 0, true},        [BTF_KIND_TYPEDEF] = {0, 0, true},
        [BTF_KIND_VOLATILE] = {0, 0, true},   [BTF_KIND_CONST] = {0, 0, true},
        [BTF_KIND_RESTRICT] = {0, 0, true},   [BTF_KIND_FUNC] = {0, 0, true},
        [BTF_KIND_FUNC_PROTO] = {0, 8, true}, [BTF_KIND_VAR] = {4, 0, true},
        [BTF_KIND_DATASEC] = {0, 12, true},   [BTF_KIND_FLOAT] = {0, 0, true},
        [BTF_KIND_DECL_TAG] = {4, 0, true},   [BTF_KIND_TYPE_TAG] = {0, 0, true},
        [BTF_KIND_ENUM64] = {0, 12, true},
};

/* The kind in bits 24 to 30 of btf_type.info and the length in the lower ones: bits that older
 * kernels leave 0. */
static uint32_t kind_of(const struct btf_type *t) {
        return t->info >> 24 & 0x7f;
}

/* Reads the type at `*at`, and moves on to the next. */
static bool next_type(struct kfuncs *k, uint64_t *at, struct btf_type *ret) {
        if (*at + sizeof(*ret) > k->types_end || read_at(k, *at, ret, sizeof(*ret)) < sizeof(*ret))
                return false;

        uint32_t kind = kind_of(ret);
        if (kind >= ELEMENTSOF(kinds) || !kinds[kind].known)
                return false;
        *at += sizeof(*ret) + kinds[kind].fixed +
               (uint64_t) kinds[kind].each * (ret->info & 0xffffff);
        return *at <= k->types_end;
}

static int read_header(struct kfuncs *k) {
        struct btf_header h;

        if (read_at(k, 0, &h, sizeof(h)) < sizeof(h) || h.magic != BTF_MAGIC ||
            h.hdr_len < sizeof(h))
                return -EBADMSG;
        k->types = (uint64_t) h.hdr_len + h.type_off;
        k->types_end = k->types + h.type_len;
        k->strings = (uint64_t) h.hdr_len + h.str_off;
        k->strings_end = k->strings + h.str_len;
        return 0;
}

/* Where the types are. Those behind one of a kind that we don't know stay unknown. */
static int read_index(struct kfuncs *k) {
        uint64_t at = k->types;
        struct btf_type t;
        uint32_t n = 0;

        for (uint64_t here = at; n < TYPES_MAX && next_type(k, &at, &t); here = at, n++) {
                if (n % STRIDE != 0)
                        continue;
                if (n % (STRIDE * 256) == 0) {
                        size_t size = (n / STRIDE + 256) * sizeof(k->index[0]);
                        uint32_t *index = realloc(k->index, size);

                        if (!index)
                                return -ENOMEM;
                        k->index = index;
                }
                k->index[n / STRIDE] = (uint32_t) (here - k->types);
        }
        k->n_types = n;
        return 0;
}

static void make_ready(struct kfuncs *k) {
        k->state = STATE_NONE;
        k->fd = open(k->path, O_RDONLY | O_CLOEXEC);
        if (k->fd >= 0 && read_header(k) >= 0 && read_index(k) >= 0)
                k->state = STATE_READY;
}

int kfuncs_name(struct kfuncs *k, uint32_t id, char ret[static KFUNC_NAME_MAX]) {
        char name[KFUNC_NAME_MAX];
        struct btf_type t;

        if (k->state == STATE_NEW)
                make_ready(k);
        if (k->state == STATE_NONE || id == 0 || id > k->n_types)
                return -ENOENT;

        uint64_t at = k->types + k->index[(id - 1) / STRIDE];
        for (uint32_t i = 0; i <= (id - 1) % STRIDE; i++)
                if (!next_type(k, &at, &t))
                        return -ENOENT;
        if (kind_of(&t) != BTF_KIND_FUNC || k->strings + t.name_off >= k->strings_end)
                return -ENOENT;

        size_t n = read_at(k, k->strings + t.name_off, name,
                           MIN(sizeof(name) - 1, k->strings_end - k->strings - t.name_off));
        name[n] = 0;
        if (!name[0])
                return -ENOENT;
        strcpy(ret, name);
        return 0;
}
