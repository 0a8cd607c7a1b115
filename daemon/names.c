/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include <bpf/btf.h>

#include "names.h"
#include "util.h"

enum {
        VALUES_MAX = 256, /* values of one enum that we keep; Linux 7.3 has 62 attach types */
        NAME_BYTES_MAX = 64,
};

/* Each name is ours, or a copy of the kernel's. */
struct names {
        const char *names[_NAMES_MAX][VALUES_MAX];
        uint32_t end[_NAMES_MAX];
};

static const char *our_name(enum name_set set, uint32_t value) {
        return value < name_tables[set].n_ours ? name_tables[set].ours[value] : NULL;
}

static void forget(struct names *n, enum name_set set, uint32_t value) {
        if (n->names[set][value] != our_name(set, value))
                free((char *) n->names[set][value]);
        n->names[set][value] = NULL;
}

/* Takes the kernel's name of a value. Of names for the same value ours wins, else the first. */
static int learn(struct names *n, enum name_set set, uint32_t value, const char *name,
                 bool *named) {
        const char *ours = our_name(set, value);
        size_t prefix = strlen(name_tables[set].prefix);
        char text[NAME_BYTES_MAX];

        /* __MAX_BPF_PROG_TYPE, MAX_BPF_ATTACH_TYPE and the flag BPF_COMMON_ATTRS name no value. */
        if (value >= VALUES_MAX || strncmp(name, name_tables[set].prefix, prefix) != 0 ||
            strlen(name + prefix) >= sizeof(text))
                return 0;

        strcpy(text, name + prefix);
        for (char *c = text; *c && name_tables[set].lower; c++)
                *c = (char) tolower((unsigned char) *c);

        if (ours && strcmp(text, ours) == 0) {
                forget(n, set, value);
                n->names[set][value] = ours;
        } else if (!named[value]) {
                char *copy = strdup(text);
                if (!copy)
                        return -ENOMEM;
                forget(n, set, value);
                n->names[set][value] = copy;
        }

        named[value] = true;
        n->end[set] = MAX(n->end[set], value + 1);
        return 0;
}

static int learn_enum(struct names *n, enum name_set set, const struct btf *btf) {
        bool named[VALUES_MAX] = {};
        int id = btf__find_by_name_kind(btf, name_tables[set].type, BTF_KIND_ENUM);
        if (id < 0)
                return 0;

        const struct btf_type *type = btf__type_by_id(btf, (uint32_t) id);
        const struct btf_enum *value = btf_enum(type);
        for (unsigned i = 0; i < btf_vlen(type); i++, value++) {
                const char *name = btf__name_by_offset(btf, value->name_off);
                int k = name ? learn(n, set, (uint32_t) value->val, name, named) : 0;
                if (k < 0)
                        return k;
        }

        return 0;
}

DEFINE_CLEANUP(struct names *, names_free);

int names_new(struct names **ret, const struct btf *btf) {
        _cleanup_(names_freep) struct names *n = calloc(1, sizeof(*n));
        if (!n)
                return -ENOMEM;

        for (enum name_set set = 0; set < _NAMES_MAX; set++) {
                memcpy(n->names[set], name_tables[set].ours,
                       name_tables[set].n_ours * sizeof(char *));
                n->end[set] = (uint32_t) name_tables[set].n_ours;
                int k = btf && name_tables[set].type ? learn_enum(n, set, btf) : 0;
                if (k < 0)
                        return k;
        }

        *ret = TAKE_PTR(n);
        return 0;
}

int names_new_kernel(struct names **ret) {
        struct btf *btf = btf__load_vmlinux_btf();
        int k = names_new(ret, btf);

        btf__free(btf);
        return k;
}

struct names *names_free(struct names *n) {
        if (!n)
                return NULL;

        for (enum name_set set = 0; set < _NAMES_MAX; set++)
                for (uint32_t value = 0; value < VALUES_MAX; value++)
                        forget(n, set, value);
        free(n);
        return NULL;
}

const char *names_get(const struct names *n, enum name_set set, uint32_t value) {
        return value < VALUES_MAX ? n->names[set][value] : NULL;
}

uint32_t names_end(const struct names *n, enum name_set set) {
        return n->end[set];
}
