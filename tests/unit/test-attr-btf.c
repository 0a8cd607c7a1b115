/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Compares the table of attributes with union bpf_attr of the running kernel, and of those whose
 * BTF files BPFMON_TEST_BTF names (separated by colons). */
#include <bpf/btf.h>
#include <linux/bpf.h>
#include <stdint.h>

#include "attr.h"
#include "record.h"
#include "tap-main.h"

/* The struct of union bpf_attr that a command uses: by its name, or by a member that only it has.
 */
static const struct {
        uint32_t cmd;
        const char *name, *member;
} structs[] = {
        {BPF_MAP_CREATE, "", "map_type"},
        {BPF_MAP_LOOKUP_ELEM, "", "key"},
        {BPF_PROG_LOAD, "", "prog_type"},
        {BPF_OBJ_PIN, "", "pathname"},
        {BPF_PROG_ATTACH, "", "attach_bpf_fd"},
        {BPF_RAW_TRACEPOINT_OPEN, "raw_tracepoint", NULL},
        {BPF_BTF_LOAD, "", "btf"},
        {BPF_MAP_LOOKUP_BATCH, "batch", NULL},
        {BPF_LINK_CREATE, "link_create", NULL},
};

static const struct attr_field *find_field(uint32_t cmd, const char *name) {
        const struct attr_field *fields;
        size_t n = attr_fields(&fields);

        for (size_t i = 0; i < n; i++)
                if (fields[i].cmd == cmd && strcmp(fields[i].name, name) == 0)
                        return &fields[i];

        /* These bytes have two names in the kernel. */
        if (strcmp(name, "tracing.target_btf_id") == 0)
                return find_field(cmd, "target_btf_id");
        return NULL;
}

/* Compares the members of a struct or union with the table, those of structs inside included.
 * Returns how many differ; `seen` counts all. */
static int compare_members(const struct btf *btf, uint32_t type, uint32_t cmd, const char *prefix,
                           uint32_t base, int *seen) {
        const struct btf_type *t = btf__type_by_id(btf, type);
        int differ = 0;

        for (unsigned i = 0; i < btf_vlen(t); i++) {
                const struct btf_member *m = &btf_members(t)[i];
                const char *member = btf__name_by_offset(btf, m->name_off);
                uint32_t offset = base + btf_member_bit_offset(t, i) / 8;
                uint32_t id = (uint32_t) btf__resolve_type(btf, m->type);
                char name[128];

                snprintf(name, sizeof(name), "%s%s%s", prefix, member,
                         btf_is_composite(btf__type_by_id(btf, id)) && member[0] ? "." : "");
                if (btf_is_composite(btf__type_by_id(btf, id))) {
                        differ += compare_members(btf, id, cmd, name, offset, seen);
                        continue;
                }
                if (!member[0])
                        continue; /* padding */

                const struct attr_field *f = find_field(cmd, name);
                int64_t size = btf__resolve_size(btf, m->type);
                (*seen)++;
                if (f && f->offset == offset && f->width == size)
                        continue;
                differ++;
                printf("# command %u: the kernel has %s at %u, %d bytes; ", cmd, name, offset,
                       (int) size);
                if (f)
                        printf("the table has it at %u, %u bytes\n", f->offset, f->width);
                else
                        printf("the table lacks it\n");
        }

        return differ;
}

static bool has_member(const struct btf *btf, const struct btf_type *t, const char *name) {
        for (unsigned i = 0; btf_is_composite(t) && i < btf_vlen(t); i++)
                if (strcmp(btf__name_by_offset(btf, btf_members(t)[i].name_off), name) == 0)
                        return true;
        return false;
}

/* Compares the whole table with a kernel's BTF. Returns how many members differ or are missing in
 * the table; -ENOENT where the BTF has no such union. `seen` is how many were compared. */
static int compare_with_btf(const struct btf *btf, int *seen) {
        int id = btf__find_by_name_kind(btf, "bpf_attr", BTF_KIND_UNION), differ = 0;

        if (id < 0)
                return -ENOENT;
        const struct btf_type *t = btf__type_by_id(btf, (uint32_t) id);

        *seen = 0;
        for (unsigned i = 0; i < btf_vlen(t); i++) {
                const struct btf_member *m = &btf_members(t)[i];
                const char *name = btf__name_by_offset(btf, m->name_off);
                const struct btf_type *inner = btf__type_by_id(btf, m->type);

                for (size_t s = 0; s < ELEMENTSOF(structs); s++)
                        if (strcmp(name, structs[s].name) == 0 &&
                            (!structs[s].member || has_member(btf, inner, structs[s].member)))
                                differ += compare_members(btf, m->type, structs[s].cmd, "", 0,
                                                          seen);
        }
        return differ;
}

static void check_kernel(const char *path) {
        struct btf *btf = btf__parse(path, NULL);
        int seen = 0;

        ck_assert_msg(btf != NULL, "%s: cannot be read", path);
        ck_assert_int_eq(compare_with_btf(btf, &seen), 0);
        ck_assert_int_ge(seen, 60); /* Linux 5.10 has about 70 */
        btf__free(btf);
}

START_TEST(table_is_the_kernels) {
        const char *more = getenv("BPFMON_TEST_BTF");

        if (more) {
                _cleanup_free_ char *paths = strdup(more);
                char *save = NULL;
                for (char *p = strtok_r(paths, ":", &save); p; p = strtok_r(NULL, ":", &save))
                        check_kernel(p);
        }
        if (access("/sys/kernel/btf/vmlinux", R_OK) < 0)
                tap_skip("this kernel has no BTF");
        check_kernel("/sys/kernel/btf/vmlinux");
}
END_TEST

/* The comparison notices what it is for. */
START_TEST(comparison_notices) {
        struct btf *btf = btf__new_empty();
        int u32 = btf__add_int(btf, "unsigned int", 4, 0), seen;
        int link = btf__add_struct(btf, NULL, 24);

        btf__add_field(btf, "prog_fd", u32, 0, 0);       /* as it is */
        btf__add_field(btf, "attach_type", u32, 128, 0); /* moved from 8 to 16 */
        btf__add_field(btf, "novelty", u32, 160, 0);     /* not in the table */
        btf__add_union(btf, "bpf_attr", 24);
        btf__add_field(btf, "link_create", link, 0, 0);

        ck_assert_int_eq(compare_with_btf(btf, &seen), 2);
        ck_assert_int_eq(seen, 3);
        btf__free(btf);
}
END_TEST

START_TEST(table_is_sound) {
        const struct attr_field *fields;
        size_t n = attr_fields(&fields);

        for (size_t i = 0; i < n; i++) {
                const struct attr_field *f = &fields[i];
                ck_assert_msg(f->offset + f->width <= RECORD_ATTR_MAX, "%s", f->name);
                ck_assert_msg(f->print == ATTR_TEXT || f->width == 4 || f->width == 8, "%s",
                              f->name);
                ck_assert_int_eq(attr_layout(f->cmd), (int) f->cmd);
                for (size_t j = 0; j < i; j++)
                        ck_assert_msg(fields[j].cmd != f->cmd || strcmp(fields[j].name, f->name),
                                      "%s twice", f->name);
        }
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("attr-btf");
        TCase *c = tcase_create("table");

        tcase_add_test(c, table_is_the_kernels);
        tcase_add_test(c, comparison_notices);
        tcase_add_test(c, table_is_sound);
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
