/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <linux/btf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel-btf.h"
#include "util.h"

int kernel_btf_read(struct kernel_btf *ret) {
        _cleanup_close_ int fd = open("/sys/kernel/btf/vmlinux", O_RDONLY | O_CLOEXEC);
        _cleanup_free_ char *data = NULL;
        const struct btf_header *header;
        size_t size = 0;
        struct stat st;
        ssize_t n;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        data = malloc((size_t) st.st_size);
        while (data && (n = read(fd, data + size, (size_t) st.st_size - size)) > 0)
                size += (size_t) n;
        if (!data || size != (size_t) st.st_size)
                return -EIO;
        header = (const void *) data;
        ret->types = data + header->hdr_len + header->type_off;
        ret->end = ret->types + header->type_len;
        ret->strings = data + header->hdr_len + header->str_off;
        ret->data = TAKE_PTR(data);
        return 0;
}

void kernel_btf_done(struct kernel_btf *b) {
        free(b->data);
}

static const struct btf_type *next_type(const struct btf_type *type) {
        /* Bytes after each struct btf_type: what there is once, and what there is vlen times. */
        static const struct {
                size_t once, each;
        } sizes[] = {
                [BTF_KIND_INT] = {4},
                [BTF_KIND_ARRAY] = {sizeof(struct btf_array)},
                [BTF_KIND_STRUCT] = {0, sizeof(struct btf_member)},
                [BTF_KIND_UNION] = {0, sizeof(struct btf_member)},
                [BTF_KIND_ENUM] = {0, sizeof(struct btf_enum)},
                [BTF_KIND_FUNC_PROTO] = {0, sizeof(struct btf_param)},
                [BTF_KIND_VAR] = {sizeof(struct btf_var)},
                [BTF_KIND_DATASEC] = {0, sizeof(struct btf_var_secinfo)},
                [17] = {4},     /* BTF_KIND_DECL_TAG */
                [19] = {0, 12}, /* BTF_KIND_ENUM64 */
        };
        unsigned kind = BTF_INFO_KIND(type->info);
        size_t more = 0;

        if (kind < ELEMENTSOF(sizes))
                more = sizes[kind].once + BTF_INFO_VLEN(type->info) * sizes[kind].each;
        return (const void *) ((const char *) (type + 1) + more);
}

int kernel_btf_find(const struct kernel_btf *b, uint32_t kind, const char *name) {
        const struct btf_type *type = (const void *) b->types;

        for (int id = 1; (const char *) type < b->end; id++, type = next_type(type))
                if (BTF_INFO_KIND(type->info) == kind &&
                    strcmp(b->strings + type->name_off, name) == 0)
                        return id;
        return -ENOENT;
}

static const struct btf_type *type_at(const struct kernel_btf *b, int id) {
        const struct btf_type *type = (const void *) b->types;

        for (int i = 1; i < id; i++)
                type = next_type(type);
        return type;
}

size_t kernel_btf_size(const struct kernel_btf *b, int id) {
        const struct btf_type *type = type_at(b, id);

        return BTF_INFO_KIND(type->info) == BTF_KIND_STRUCT ? type->size : 0;
}

int kernel_btf_member(const struct kernel_btf *b, int id, const char *name, size_t *ret_offset) {
        const struct btf_type *type = type_at(b, id);
        const struct btf_member *members = (const void *) (type + 1);

        for (unsigned i = 0; i < BTF_INFO_VLEN(type->info); i++)
                if (strcmp(b->strings + members[i].name_off, name) == 0) {
                        /* Where there are bit fields, their size has the upper byte. */
                        *ret_offset = (members[i].offset & 0xffffff) / 8;
                        return (int) i;
                }
        return -ENOENT;
}

int kernel_type(uint32_t kind, const char *name) {
        struct kernel_btf b;
        int r = kernel_btf_read(&b);

        if (r < 0)
                return r;
        r = kernel_btf_find(&b, kind, name);
        kernel_btf_done(&b);
        return r;
}
