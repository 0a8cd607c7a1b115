/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "describe.h"
#include "event.h"
#include "flags.h"
#include "names.h"

void describe_type(struct event *e, enum field f, const struct names *names, enum name_set set,
                   uint32_t type) {
        const char *name = names_get(names, set, type);

        if (name)
                event_set_static(e, f, name);
        else
                event_set_printf(e, f, "%u", type);
}

static void set_known(struct event *e, enum field f, uint32_t v) {
        if (v != 0)
                event_set_u32(e, f, v);
}

static void set_name(struct event *e, enum field f, const char name[static 16]) {
        if (name[0])
                event_set_stringn(e, f, name, 16);
}

static void set_map_flags(struct event *e, uint32_t flags) {
        const char *items[FLAGS_NAMES_MAX];
        char rest[FLAGS_REST_SIZE];

        if (flags != 0)
                event_set_strings(e, FIELD_MAP_FLAGS, items,
                                  flags_names(FLAGS_MAP, flags, items, rest));
}

static void set_tag(struct event *e, const struct record_object *o) {
        static const __u8 no_tag[sizeof(o->tag)];

        if (memcmp(o->tag, no_tag, sizeof(no_tag)) != 0)
                event_set_printf(e, FIELD_PROG_TAG, "%02x%02x%02x%02x%02x%02x%02x%02x", o->tag[0],
                                 o->tag[1], o->tag[2], o->tag[3], o->tag[4], o->tag[5], o->tag[6],
                                 o->tag[7]);
}

static void set_prog(struct event *e, const struct names *names, const struct record_object *o) {
        set_known(e, FIELD_PROG_ID, o->id);
        set_name(e, FIELD_PROG_NAME, o->name);
        if (o->id != 0 && o->type == 0) {
                set_tag(e, o);
                return; /* it has one: no more is known of it */
        }
        describe_type(e, FIELD_PROG_TYPE, names, NAMES_PROG_TYPE, o->type);
        set_tag(e, o);
        if (o->attach_type != 0)
                describe_type(e, FIELD_PROG_ATTACH_TYPE, names, NAMES_ATTACH_TYPE, o->attach_type);
        event_set_bool(e, FIELD_PROG_GPL, o->gpl != 0);
        set_known(e, FIELD_PROG_INSTRUCTIONS, o->instructions);
        set_known(e, FIELD_PROG_VERIFIED_INSTRUCTIONS, o->verified);
        set_known(e, FIELD_PROG_JITED_SIZE, o->jited_size);
        set_known(e, FIELD_PROG_BTF_ID, o->btf_id);
}

static void set_map(struct event *e, const struct names *names, const struct record_object *o) {
        set_known(e, FIELD_MAP_ID, o->id);
        set_name(e, FIELD_MAP_NAME, o->name);
        describe_type(e, FIELD_MAP_TYPE, names, NAMES_MAP_TYPE, o->type);
        event_set_u32(e, FIELD_MAP_KEY_SIZE, o->key_size);
        event_set_u32(e, FIELD_MAP_VALUE_SIZE, o->value_size);
        event_set_u32(e, FIELD_MAP_MAX_ENTRIES, o->max_entries);
        set_map_flags(e, o->flags);
}

static void set_link(struct event *e, const struct names *names, const struct record_object *o) {
        set_known(e, FIELD_LINK_ID, o->id);
        describe_type(e, FIELD_LINK_TYPE, names, NAMES_LINK_TYPE, o->type);
        if (o->prog_id == 0)
                return; /* a struct_ops map has none */
        event_set_u32(e, FIELD_PROG_ID, o->prog_id);
        if (o->prog_type != 0)
                describe_type(e, FIELD_PROG_TYPE, names, NAMES_PROG_TYPE, o->prog_type);
}

static void set_btf(struct event *e, const struct names *names, const struct record_object *o) {
        set_known(e, FIELD_BTF_ID, o->id);
        set_name(e, FIELD_BTF_NAME, o->name);
        set_known(e, FIELD_BTF_SIZE, o->btf_size);
}

static void (*const setters[_OBJECT_MAX])(struct event *, const struct names *,
                                          const struct record_object *) = {
        [OBJECT_PROG] = set_prog,
        [OBJECT_MAP] = set_map,
        [OBJECT_LINK] = set_link,
        [OBJECT_BTF] = set_btf,
};

bool describe_object(struct event *e, const struct names *names, const struct record_object *o) {
        if (o->kind >= _OBJECT_MAX || !setters[o->kind])
                return false;
        setters[o->kind](e, names, o);
        return true;
}
