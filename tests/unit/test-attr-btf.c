/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Compares the tables of attributes, names and flags with the BTF of kernels: that of the running
 * one, or, where files are named, of these. Then `attributes FILE` says which members and commands
 * of a kernel the table lacks, `names FILE` which names and flags, and `rows FILE...` which rows
 * none of the kernels has. */
#include <bpf/btf.h>
#include <ctype.h>
#include <stdint.h>

#include "attr.h"
#include "flags.h"
#include "names.h"
#include "record.h"
#include "tap-main.h"

enum { ROWS_MAX = 512 };

DEFINE_CLEANUP(struct btf *, btf__free);
DEFINE_CLEANUP(struct names *, names_free);

/* The struct of union bpf_attr that a command uses: by its name, or by a member that only it has.
 */
static const struct {
        uint32_t cmd;
        const char *name, *member;
} structs[] = {
        {0, "", "map_type"},
        {1, "", "key"},
        {5, "", "prog_type"},
        {6, "", "pathname"},
        {8, "", "attach_bpf_fd"},
        {10, "test"},
        {11, "", "start_id"},
        {15, "info"},
        {16, "query"},
        {17, "raw_tracepoint"},
        {18, "", "btf"},
        {20, "task_fd_query"},
        {24, "batch"},
        {28, "link_create"},
        {29, "link_update"},
        {32, "enable_stats"},
        {33, "iter_create"},
        {34, "link_detach"},
        {35, "prog_bind_map"},
        {36, "token_create"},
        {37, "prog_stream_read"},
        {38, "prog_assoc_struct_ops"},
};

/* A comparison: what it found, and which rows were met. */
struct comparison {
        const struct btf *btf;
        int members; /* that the kernel has */
        int differ;
        bool met[ROWS_MAX]; /* rows of the table */
};

_printf_(2, 3) static void complain(struct comparison *c, const char *format, ...) {
        va_list arguments;

        c->differ++;
        printf("# ");
        va_start(arguments, format);
        vprintf(format, arguments);
        va_end(arguments);
        printf("\n");
}

static const char *string(const struct btf *btf, uint32_t offset) {
        return btf__name_by_offset(btf, offset) ?: "";
}

/* A row of the command that has the member where the kernel has it, or any of its name; of rows
 * that show the same bytes in several ways all count as met. */
static const struct attr_field *find_row(struct comparison *c, uint32_t cmd, const char *name,
                                         uint32_t offset, int64_t size) {
        const struct attr_field *rows, *found = NULL;
        size_t n = attr_fields(&rows);

        for (size_t i = 0; i < n; i++) {
                if (rows[i].cmd != cmd || strcmp(rows[i].name, name) != 0)
                        continue;
                found = &rows[i];
                if (rows[i].offset == offset && rows[i].width == size)
                        c->met[i] = true;
        }
        return found;
}

static void compare_member(struct comparison *c, uint32_t cmd, const char *name, uint32_t offset,
                           int64_t size) {
        const struct attr_field *row = find_row(c, cmd, name, offset, size);

        c->members++;
        if (!row)
                complain(c, "command %u: the kernel has %s at %u, %d bytes; the table lacks it",
                         cmd, name, offset, (int) size);
        else if (row->offset != offset || row->width != size)
                complain(c,
                         "command %u: the kernel has %s at %u, %d bytes; the table has it at %u, "
                         "%u bytes",
                         cmd, name, offset, (int) size, row->offset, row->width);
}

/* Members of a struct or union, those of structs and unions inside included. */
static void compare_members(struct comparison *c, uint32_t type, uint32_t cmd, const char *prefix,
                            uint32_t base) {
        const struct btf_type *t = btf__type_by_id(c->btf, type);

        for (unsigned i = 0; i < btf_vlen(t); i++) {
                const struct btf_member *m = &btf_members(t)[i];
                const char *member = string(c->btf, m->name_off);
                uint32_t offset = base + btf_member_bit_offset(t, i) / 8;
                uint32_t id = (uint32_t) btf__resolve_type(c->btf, m->type);
                bool composite = btf_is_composite(btf__type_by_id(c->btf, id));
                char name[128];

                snprintf(name, sizeof(name), "%s%s%s", prefix, member,
                         composite && member[0] ? "." : "");
                if (composite)
                        compare_members(c, id, cmd, name, offset);
                else if (member[0]) /* else it is padding */
                        compare_member(c, cmd, name, offset, btf__resolve_size(c->btf, m->type));
        }
}

/* Whether a struct has a member, its anonymous unions included. */
static bool has_member(const struct btf *btf, const struct btf_type *t, const char *name) {
        for (unsigned i = 0; btf_is_composite(t) && i < btf_vlen(t); i++) {
                const struct btf_member *m = &btf_members(t)[i];
                const char *member = string(btf, m->name_off);

                if (strcmp(member, name) == 0 ||
                    (!member[0] && has_member(btf, btf__type_by_id(btf, m->type), name)))
                        return true;
        }
        return false;
}

/* The command whose struct a member of union bpf_attr is, or -ENOENT. */
static int command_of(const struct btf *btf, const struct btf_member *m) {
        for (size_t i = 0; i < ELEMENTSOF(structs); i++)
                if (strcmp(string(btf, m->name_off), structs[i].name) == 0 &&
                    (!structs[i].member ||
                     has_member(btf, btf__type_by_id(btf, m->type), structs[i].member)))
                        return (int) structs[i].cmd;
        return -ENOENT;
}

/* What stands beside the attributes of any command, from Linux 7.0 on. */
static void compare_common(struct comparison *c) {
        int id = btf__find_by_name_kind(c->btf, "bpf_common_attr", BTF_KIND_STRUCT);

        if (id > 0)
                compare_members(c, (uint32_t) id, COMMAND_COMMON_ATTRS, "common.", 0);
}

static void compare_commands(struct comparison *c) {
        int id = btf__find_by_name_kind(c->btf, "bpf_cmd", BTF_KIND_ENUM);
        const struct btf_type *t = id < 0 ? NULL : btf__type_by_id(c->btf, (uint32_t) id);

        for (unsigned i = 0; t && i < btf_vlen(t); i++) {
                const struct btf_enum *v = &btf_enum(t)[i];
                const char *name = string(c->btf, v->name_off);

                /* Not __MAX_BPF_CMD, nor the flag BPF_COMMON_ATTRS. */
                if (strncmp(name, "BPF_", 4) == 0 && v->val < COMMAND_COMMON_ATTRS &&
                    !attr_known((uint32_t) v->val))
                        complain(c, "the kernel has the command %s, %d; the table lacks it", name,
                                 v->val);
        }
}

/* Compares the whole table with a kernel's BTF. Returns -ENOENT where it has no union bpf_attr. */
static int compare(struct comparison *c) {
        int id = btf__find_by_name_kind(c->btf, "bpf_attr", BTF_KIND_UNION);

        if (id < 0)
                return -ENOENT;

        const struct btf_type *t = btf__type_by_id(c->btf, (uint32_t) id);
        for (unsigned i = 0; i < btf_vlen(t); i++) {
                const struct btf_member *m = &btf_members(t)[i];
                int cmd = command_of(c->btf, m);

                if (cmd < 0)
                        complain(c, "member %u of union bpf_attr, \"%s\": whose is it?", i,
                                 string(c->btf, m->name_off));
                else
                        compare_members(c, m->type, (uint32_t) cmd, "", 0);
        }
        compare_common(c);
        compare_commands(c);
        return 0;
}

/* Names --------------------------------------------------------------------------------------- */

/* Of the enums of flags some have no name in the kernel: then a flag says which it is. */
static const struct {
        enum flag_set set;
        const char *landmark;
} flag_enums[] = {
        {FLAGS_MAP, "BPF_F_NO_PREALLOC"},
        {FLAGS_ELEMENT, "BPF_NOEXIST"},
        {FLAGS_KPROBE_MULTI, "BPF_F_KPROBE_MULTI_RETURN"},
        {FLAGS_UPROBE_MULTI, "BPF_F_UPROBE_MULTI_RETURN"},
};

static bool has_value(const struct btf *btf, const struct btf_type *t, const char *name) {
        for (unsigned i = 0; i < btf_vlen(t); i++)
                if (strcmp(string(btf, btf_enum(t)[i].name_off), name) == 0)
                        return true;
        return false;
}

/* Whether it is `name` of the header: BPF_F_LOCK is "lock", BPF_NOEXIST "noexist". */
static bool is_spelt(const char *ours, const char *name) {
        size_t prefix = strncmp(name, "BPF_F_", 6) == 0 ? 6 : 4;

        return ours && strcasecmp(ours, name + prefix) == 0;
}

static void compare_flags(struct comparison *c, const struct btf_type *t, enum flag_set set) {
        for (unsigned i = 0; i < btf_vlen(t); i++) {
                const char *name = string(c->btf, btf_enum(t)[i].name_off);
                uint32_t v = (uint32_t) btf_enum(t)[i].val;

                c->members++;
                /* BPF_ANY is no flag, and the enum of maps has one for pinning. */
                if (v == 0 || (set == FLAGS_MAP && strcmp(name, "BPF_F_PATH_FD") == 0))
                        continue;
                if ((v & (v - 1)) == 0 && !is_spelt(flag_name(set, __builtin_ctz(v)), name))
                        complain(c, "the kernel has the flag %s, 0x%x; ours is %s", name, v,
                                 flag_name(set, __builtin_ctz(v)) ?: "missing");
        }
}

/* Where both know a value they agree, and ours lacks none. */
static void compare_names(struct comparison *c) {
        _cleanup_(names_freep) struct names *ours = NULL, *kernels = NULL;

        if (names_new(&ours, NULL) < 0 || names_new(&kernels, c->btf) < 0) {
                complain(c, "no memory");
                return;
        }
        for (enum name_set set = 0; set < _NAMES_MAX; set++)
                for (uint32_t v = 0; v < names_end(kernels, set); v++) {
                        const char *name = names_get(kernels, set, v);

                        if (name && strcmp(name, names_get(ours, set, v) ?: "") != 0)
                                complain(c, "set %u: the kernel has \"%s\", %u; ours is %s", set,
                                         name, v, names_get(ours, set, v) ?: "missing");
                }

        for (uint32_t id = 1; id < btf__type_cnt(c->btf); id++) {
                const struct btf_type *t = btf__type_by_id(c->btf, id);

                for (size_t i = 0; btf_is_enum(t) && i < ELEMENTSOF(flag_enums); i++)
                        if (has_value(c->btf, t, flag_enums[i].landmark))
                                compare_flags(c, t, flag_enums[i].set);
        }
}

/* Of files ------------------------------------------------------------------------------------ */

static int differences(const char *path, void (*compared)(struct comparison *c), int least) {
        _cleanup_(btf__freep) struct btf *btf = btf__parse(path, NULL);
        struct comparison c = {.btf = btf};

        if (!btf) {
                printf("# %s: cannot be read\n", path);
                return 1;
        }
        compared(&c);
        if (c.members < least) {
                printf("# %s: only %d were compared\n", path, c.members);
                return 1;
        }
        return c.differ;
}

static void compare_attributes(struct comparison *c) {
        if (compare(c) < 0)
                complain(c, "there is no union bpf_attr");
}

enum {
        LEAST_MEMBERS = 100, /* Linux 5.10 has 117 */
        LEAST_FLAGS = 17,    /* Linux 5.10 has so many where they can be compared */
};

/* Rows that no kernel has. */
static int idle_rows(char *const *paths, int n_paths) {
        const struct attr_field *rows;
        size_t n = attr_fields(&rows);
        struct comparison c = {};
        int idle = 0;

        for (int i = 0; i < n_paths; i++) {
                _cleanup_(btf__freep) struct btf *btf = btf__parse(paths[i], NULL);

                c.btf = btf;
                if (!btf || compare(&c) < 0) {
                        printf("# %s: cannot be read\n", paths[i]);
                        return 1;
                }
        }
        for (size_t i = 0; i < n; i++)
                if (!c.met[i]) {
                        printf("# command %u: no kernel has %s at %u, %u bytes\n", rows[i].cmd,
                               rows[i].name, rows[i].offset, rows[i].width);
                        idle++;
                }
        return idle;
}

/* Tests --------------------------------------------------------------------------------------- */

static const char running[] = "/sys/kernel/btf/vmlinux";

START_TEST(every_attribute_is_in_the_table) {
        if (access(running, R_OK) < 0)
                tap_skip("this kernel has no BTF");
        ck_assert_int_eq(differences(running, compare_attributes, LEAST_MEMBERS), 0);
}
END_TEST

START_TEST(every_name_is_the_kernels) {
        if (access(running, R_OK) < 0)
                tap_skip("this kernel has no BTF");
        ck_assert_int_eq(differences(running, compare_names, LEAST_FLAGS), 0);
}
END_TEST

/* The comparison notices what it is for. */
START_TEST(comparison_notices) {
        _cleanup_(btf__freep) struct btf *btf = btf__new_empty();
        int u32 = btf__add_int(btf, "unsigned int", 4, 0);
        int inner = btf__add_union(btf, NULL, 4);
        struct comparison c = {.btf = btf};

        btf__add_field(btf, "new_prog_fd", u32, 0, 0); /* as it is, in a union without name */
        btf__add_field(btf, "new_sort_fd", u32, 0, 0); /* not in the table */
        int update = btf__add_struct(btf, NULL, 16);
        btf__add_field(btf, "link_fd", u32, 0, 0); /* as it is */
        btf__add_field(btf, NULL, inner, 32, 0);
        btf__add_field(btf, "flags", u32, 96, 0); /* moved from 8 to 12 */
        btf__add_union(btf, "bpf_attr", 24);
        btf__add_field(btf, "link_update", update, 0, 0);
        btf__add_field(btf, "link_teleport", update, 0, 0); /* nobody's */
        btf__add_enum(btf, "bpf_cmd", 4);
        btf__add_enum_value(btf, "BPF_MAP_CREATE", 0);
        btf__add_enum_value(btf, "BPF_LINK_TELEPORT", 77); /* not in the table */
        btf__add_enum_value(btf, "__MAX_BPF_CMD", 78);
        btf__add_enum_value(btf, "BPF_COMMON_ATTRS", COMMAND_COMMON_ATTRS);

        ck_assert_int_eq(compare(&c), 0);
        ck_assert_int_eq(c.members, 4);
        ck_assert_int_eq(c.differ, 4);
}
END_TEST

START_TEST(comparison_of_names_notices) {
        _cleanup_(btf__freep) struct btf *btf = btf__new_empty();
        struct comparison c = {.btf = btf};

        btf__add_enum(btf, "bpf_task_fd_type", 4);
        btf__add_enum_value(btf, "BPF_FD_TYPE_KPROBE", 2);
        btf__add_enum_value(btf, "BPF_FD_TYPE_NOVELTY", 6); /* missing */
        btf__add_enum(btf, NULL, 4);
        btf__add_enum_value(btf, "BPF_F_NO_PREALLOC", 1);
        btf__add_enum_value(btf, "BPF_F_SWAPPED", 2); /* ours has another name */
        btf__add_enum_value(btf, "BPF_F_PATH_FD", 1 << 14);
        btf__add_enum_value(btf, "BPF_F_NOVELTY", 1 << 30); /* missing */

        compare_names(&c);
        ck_assert_int_eq(c.differ, 3);
}
END_TEST

START_TEST(table_is_sound) {
        const struct attr_field *fields;
        size_t n = attr_fields(&fields);

        ck_assert_uint_lt(n, ROWS_MAX);
        for (size_t i = 0; i < n; i++) {
                const struct attr_field *f = &fields[i];
                ck_assert_msg(f->offset + f->width <= RECORD_ATTR_MAX, "%s", f->name);
                ck_assert_msg(f->print == ATTR_TEXT || f->width == 4 || f->width == 8, "%s",
                              f->name);
                ck_assert_msg(f->print != ATTR_FD || f->width == 4, "%s", f->name);
                ck_assert_int_eq(attr_layout(f->cmd), (int) f->cmd);
                /* A member may be shown in two ways, but not in both at once. */
                for (size_t j = 0; j < i; j++)
                        ck_assert_msg(
                                fields[j].cmd != f->cmd || strcmp(fields[j].name, f->name) != 0 ||
                                        (fields[j].when && f->when && !(fields[j].when & f->when)),
                                "%s twice", f->name);
        }
}
END_TEST

/* What is told unasked has words for a sentence. */
START_TEST(commands_have_words) {
        for (uint32_t cmd = 0; attr_known(cmd); cmd++) {
                const struct command_info *info = command_info(cmd, 0);
                bool asked = strcmp(info->class, "use") == 0 || strcmp(info->class, "look") == 0;

                ck_assert_msg(asked == !info->did && asked == !info->act && asked == !info->what,
                              "command %u", cmd);
        }
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("attr-btf");
        TCase *c = tcase_create("table");

        tcase_add_test(c, every_attribute_is_in_the_table);
        tcase_add_test(c, every_name_is_the_kernels);
        tcase_add_test(c, comparison_notices);
        tcase_add_test(c, comparison_of_names_notices);
        tcase_add_test(c, table_is_sound);
        tcase_add_test(c, commands_have_words);
        suite_add_tcase(s, c);
        return s;
}

int main(int n_args, char **args) {
        if (n_args == 3 && strcmp(args[1], "attributes") == 0)
                return differences(args[2], compare_attributes, LEAST_MEMBERS) > 0;
        if (n_args == 3 && strcmp(args[1], "names") == 0)
                return differences(args[2], compare_names, LEAST_FLAGS) > 0;
        if (n_args > 2 && strcmp(args[1], "rows") == 0)
                return idle_rows(args + 2, n_args - 2) > 0;
        return n_args == 1 ? tap_main(suite()) : EXIT_FAILURE;
}
