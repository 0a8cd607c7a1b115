/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "action.h"
#include "attr.h"
#include "clock.h"
#include "code.h"
#include "decode.h"
#include "describe.h"
#include "event.h"
#include "fds.h"
#include "hooks.h"
#include "kfuncs.h"
#include "message.h"
#include "names.h"
#include "parts.h"
#include "probe.h"
#include "process.h"
#include "symbols.h"
#include "target.h"
#include "util.h"

enum {
        /* include/uapi/linux/bpf.h; the header that we are built with may be older. */
        MAP_CREATE = 0,
        PROG_LOAD = 5,
        OBJ_PIN = 6,
        OBJ_GET = 7,
        RAW_TRACEPOINT_OPEN = 17,
        BTF_LOAD = 18,
        PROG_TYPE_EXT = 28,

        PIN_PATH_SIZE = 1024, /* more than the kernel side sends */

        ERRNO_MAX = 4095,
        ENOTSUPP_KERNEL = 524, /* include/linux/errno.h: not for user space, but bpf() returns it */

        /* A program's load time is the same in each of its events, however the clocks are
         * adjusted. */
        LOAD_TIME_SLACK_NS = 1000000,
};

struct decoder {
        const struct names *names;
        struct processes *processes;
        struct parts *parts;
        struct symbols *symbols;
        struct kfuncs *kfuncs;
        struct clock_offset monotonic;
        struct clock_offset boottime;
        uint64_t now; /* of the record at hand: CLOCK_MONOTONIC, ns */
};

DEFINE_CLEANUP(struct decoder *, decoder_free);

int decoder_new(struct decoder **ret, const struct names *names, struct processes *processes) {
        _cleanup_(decoder_freep) struct decoder *d = calloc(1, sizeof(*d));
        int k;

        if (!d)
                return -ENOMEM;
        k = parts_new(&d->parts);
        if (k >= 0)
                k = symbols_new(&d->symbols);
        if (k >= 0)
                k = kfuncs_new(&d->kfuncs, NULL);
        if (k < 0)
                return k;

        d->names = names;
        d->processes = processes;
        d->monotonic.clock = CLOCK_MONOTONIC;
        d->boottime = (struct clock_offset){.clock = CLOCK_BOOTTIME, .slack = LOAD_TIME_SLACK_NS};

        *ret = TAKE_PTR(d);
        return 0;
}

struct decoder *decoder_free(struct decoder *d) {
        if (!d)
                return NULL;
        parts_free(d->parts);
        symbols_free(d->symbols);
        kfuncs_free(d->kfuncs);
        free(d);
        return NULL;
}

/* What every call has ------------------------------------------------------------------------- */

static void set_command(const struct decoder *d, struct event *e, uint32_t cmd) {
        const char *name = names_get(d->names, NAMES_COMMAND, cmd);

        if (name)
                event_set_static(e, FIELD_BPF_CMD, name);
        else
                event_set_printf(e, FIELD_BPF_CMD, "CMD_%u", cmd);
        event_set_u32(e, FIELD_BPF_CMD_NUMBER, cmd);
}

static void set_kind(struct event *e, uint32_t cmd, int64_t ret) {
        const struct command_info *info = command_info(cmd, ret);

        event_set_static(e, FIELD_EVENT, info->event);
        event_set_static(e, FIELD_CLASS, info->class);
}

static void set_errno(struct event *e, int64_t ret) {
        uint64_t number = -(uint64_t) ret;
        const char *name = number <= ERRNO_MAX ? strerrorname_np((int) number) : NULL;

        if (name)
                event_set_static(e, FIELD_ERRNO, name);
        else if (number == ENOTSUPP_KERNEL)
                event_set_static(e, FIELD_ERRNO, "ENOTSUPP");
        else
                event_set_printf(e, FIELD_ERRNO, "%llu", (unsigned long long) number);
}

/* Whether it was the verifier that said no. Where its hooks are missing, EACCES is its usual word.
 */
static bool is_rejected(uint32_t cmd, int64_t ret, uint32_t flags) {
        /* ENOSPC: the log buffer was too small; EFAULT: it could not be written. */
        static const int not_verdicts[] = {ENOMEM, EINTR, EAGAIN, EMFILE, ENFILE, ENOSPC, EFAULT};

        if (cmd != PROG_LOAD || flags & CALL_PROG_SEEN)
                return false;
        if (!(flags & CALL_SEES_VERIFIER))
                return ret == -EACCES;
        if (!(flags & CALL_VERIFIED))
                return false;

        for (size_t i = 0; i < ELEMENTSOF(not_verdicts); i++)
                if (ret == -not_verdicts[i])
                        return false;
        return true;
}

static const char *result_of(uint32_t cmd, int64_t ret, uint32_t flags) {
        if (ret >= 0)
                return "ok";
        if (is_rejected(cmd, ret, flags))
                return "rejected";
        return ret == -EPERM || ret == -EACCES ? "denied" : "failed";
}

static void set_outcome(struct event *e, uint32_t cmd, int64_t ret, uint32_t flags) {
        const char *result = result_of(cmd, ret, flags);
        bool refused = strcmp(result, "rejected") == 0 || strcmp(result, "denied") == 0;
        bool install = strcmp(command_info(cmd, ret)->class, "install") == 0;

        event_set_static(e, FIELD_SEVERITY, refused && install ? "notice" : "info");
        event_set_static(e, FIELD_RESULT, result);
        if (ret < 0)
                set_errno(e, ret);
        event_set_s64(e, FIELD_BPF_RETURN, ret);
}

static void set_time(struct decoder *d, struct event *e, const struct record_header *h) {
        d->now = h->time;
        event_set_u64(e, FIELD_TIME, clock_realtime(&d->monotonic, d->now, h->time));
}

/* What the attributes say of an object that was not made, or that the kernel side did not see.
 * Offsets of union bpf_attr, include/uapi/linux/bpf.h. */
static void set_from_attr(struct decoder *d, struct event *e, const struct attr *a) {
        struct record_object o = {};

        if (a->size == 0)
                return;

        o.type = (uint32_t) attr_get(a, 0, 4);
        switch (a->cmd) {
        case MAP_CREATE:
                o.key_size = (uint32_t) attr_get(a, 4, 4);
                o.value_size = (uint32_t) attr_get(a, 8, 4);
                o.max_entries = (uint32_t) attr_get(a, 12, 4);
                o.flags = (uint32_t) attr_get(a, 16, 4);
                attr_get_text(a, 28, o.name, sizeof(o.name));
                o.kind = OBJECT_MAP;
                break;
        case PROG_LOAD:
                o.instructions = (uint32_t) attr_get(a, 4, 4);
                o.attach_type = (uint32_t) attr_get(a, 68, 4);
                attr_get_text(a, 48, o.name, sizeof(o.name));
                o.kind = OBJECT_PROG;
                break;
        case BTF_LOAD:
                o.btf_size = (uint32_t) attr_get(a, 16, 4);
                o.kind = OBJECT_BTF;
                break;
        }
        describe_object(e, d->names, &o);
        event_clear(e, FIELD_PROG_GPL);
}

static void set_ifindex(struct event *e, uint32_t ifindex) {
        if (ifindex != 0)
                event_set_u32(e, FIELD_ATTACH_IFINDEX, ifindex);
}

static void set_attachment(struct decoder *d, struct event *e, const struct attr *a) {
        const char *via = command_info(a->cmd, 0)->via;
        uint32_t when = attr_when(a);

        event_set_static(e, FIELD_ATTACH_VIA, via);
        if (!via || when == 0 || a->size == 0)
                return;

        /* A replacement of another program's function is loaded for no attach type. */
        if (a->prog_type != PROG_TYPE_EXT)
                describe_type(e, FIELD_ATTACH_TYPE, d->names, NAMES_ATTACH_TYPE,
                              (uint32_t) attr_get(a, ATTR_ATTACH_TYPE_OFFSET, 4));
        if (when & WHEN_TARGET_IFINDEX)
                set_ifindex(e, (uint32_t) attr_get(a, attr_target_offset(a), 4));
}

/* What the string is that the kernel side followed. */
static void set_string(struct event *e, const struct attr *a) {
        static const struct {
                uint32_t cmd;
                enum field field;
        } strings[] = {
                {PROG_LOAD, FIELD_PROG_LICENSE},
                {OBJ_PIN, FIELD_PIN_PATH},
                {OBJ_GET, FIELD_PIN_PATH},
                {RAW_TRACEPOINT_OPEN, FIELD_ATTACH_TARGET},
        };

        for (size_t i = 0; i < ELEMENTSOF(strings); i++)
                if (strings[i].cmd == a->cmd && a->string && a->string[0])
                        event_set_string(e, strings[i].field, a->string);
}

static bool set_object(struct decoder *d, struct event *e, const struct record_object *o) {
        if (!describe_object(e, d->names, o))
                return false;
        if (o->kind == OBJECT_PROG && o->load_time != 0)
                event_set_u64(e, FIELD_PROG_LOAD_TIME,
                              clock_realtime(&d->boottime, d->now, o->load_time));
        return true;
}

/* Where a pin really is, whatever path the caller named it by. */
static void set_pin_path(struct event *e, const struct part *p) {
        char path[PIN_PATH_SIZE];

        if (path_from_components(p->data, p->size, p->size, !p->whole, path, sizeof(path)) >= 0)
                event_set_string(e, FIELD_PIN_PATH, path);
}

/* As in struct caller. */
static uint64_t thread_of(const struct record_task *task) {
        return (uint64_t) task->tgid << 32 | task->tid;
}

/* What came before the record, in parts. */
static void set_parts(struct decoder *d, struct event *e, const struct record_task *task,
                      uint64_t entered, const struct record_target *target, bool seccomp) {
        static const enum part_kind lists[] = {PART_ADDRESSES, PART_OFFSETS};
        uint64_t thread = thread_of(task);
        struct part p;

        if (parts_get(d->parts, thread, entered, PART_INSTRUCTIONS, &p) && p.whole)
                code_describe(e, d->names, d->kfuncs, p.data, p.size / sizeof(struct bpf_insn));
        if (parts_get(d->parts, thread, entered, PART_FILTER, &p) && p.whole)
                filter_describe(e, p.data, p.size / sizeof(struct sock_filter), seccomp);
        if (parts_get(d->parts, thread, entered, PART_LOG, &p))
                verifier_describe(e, p.data, p.size);
        if (parts_get(d->parts, thread, entered, PART_MAPS, &p) && p.whole)
                event_set_u32s(e, FIELD_PROG_MAPS, p.data, p.size / sizeof(uint32_t));
        if (parts_get(d->parts, thread, entered, PART_PATH, &p))
                set_pin_path(e, &p);
        for (size_t i = 0; i < ELEMENTSOF(lists); i++)
                if (parts_get(d->parts, thread, entered, lists[i], &p))
                        target_describe_list(e, d->symbols, task, target, lists[i], &p);
        parts_drop(d->parts, thread, entered);
}

/* Reads the end of a struct record_process. Returns false when it does not parse. */
static bool read_context(struct record_context *ret, const void *data, size_t size) {
        const size_t head = offsetof(struct record_context, executable);
        const char *paths = (const char *) data + head;

        if (size < head)
                return false;
        memcpy(ret, data, head);
        if (ret->executable_size > sizeof(ret->executable) ||
            ret->cgroup_size > sizeof(ret->cgroup) ||
            size != head + ret->executable_size + ret->cgroup_size)
                return false;
        memcpy(ret->executable, paths, ret->executable_size);
        memcpy(ret->cgroup, paths + ret->executable_size, ret->cgroup_size);
        return true;
}

/* Who made a call or an action, as it was then. Where that was lost, what is remembered of the
 * process may be of another program that it ran: then the record's own words are all. */
static void set_process(struct decoder *d, struct event *e, const struct record_task *task,
                        uint64_t entered) {
        struct record_context context;
        struct part p;

        if (parts_get(d->parts, thread_of(task), entered, PART_CONTEXT, &p) &&
            read_context(&context, p.data, p.size))
                processes_describe(d->processes, e, task, &context);
        else
                processes_describe_unknown(d->processes, e, task);
}

/* Records -------------------------------------------------------------------------------------- */

static void set_attr_source(struct event *e, uint32_t flags) {
        if (flags & CALL_KERNEL_ATTR)
                event_set_static(e, FIELD_BPF_ATTR_SOURCE, "kernel");
        else if (flags & CALL_USER_ATTR)
                event_set_static(e, FIELD_BPF_ATTR_SOURCE, "user");
}

/* What the kernel side could not take from where the kernel has it. */
static void set_by_fd(struct event *e, const struct record_call *r) {
        const char *items[2];
        size_t n = 0;

        if (r->outcome.flags & CALL_OBJECT_FROM_FD && r->object.kind != OBJECT_NONE)
                items[n++] = "object";
        if (r->outcome.flags & CALL_TARGET_FROM_FD && r->target.kind != TARGET_NONE)
                items[n++] = "target";
        if (n > 0)
                event_set_strings(e, FIELD_BPF_BY_FD, items, n);
}

static int decode_call(struct decoder *d, struct event *e, const void *data) {
        const struct record_call *r = data;
        const struct record_object *o = &r->object;
        char string[RECORD_STRING_MAX + 1];

        if (r->attr_size > sizeof(r->attr) || r->string_size > sizeof(r->string) ||
            r->common_size > sizeof(r->common) || r->target.text_size > sizeof(r->target.text) ||
            o->kind > OBJECT_BTF)
                return -EBADMSG;

        memcpy(string, r->string, r->string_size);
        string[r->string_size] = 0;
        const struct attr attr = {
                .cmd = r->outcome.cmd & ~(uint32_t) COMMAND_COMMON_ATTRS,
                .data = r->attr,
                .size = r->attr_size,
                .string = r->string_size > 0 ? string : NULL,
                .common = r->common,
                .common_size = r->common_size,
                .prog_type = o->kind == OBJECT_LINK ? o->prog_type : 0,
                .fds = r->fds,
                .n_fds = ELEMENTSOF(r->fds),
        };

        set_time(d, e, &r->header);
        set_kind(e, attr.cmd, r->outcome.ret);
        set_outcome(e, attr.cmd, r->outcome.ret, r->outcome.flags);
        if (r->outcome.flags & CALL_TIMED)
                event_set_u64(e, FIELD_DURATION, r->outcome.duration);
        event_set_static(e, FIELD_SOURCE, hook_name(r->outcome.source));
        set_process(d, e, &r->task, r->entered);

        set_command(d, e, attr.cmd);
        event_set_u32(e, FIELD_BPF_SIZE, r->outcome.size);
        if (r->outcome.flags & CALL_COMPAT)
                event_set_bool(e, FIELD_BPF_COMPAT, true);
        if (r->outcome.flags & CALL_IN_KERNEL)
                event_set_bool(e, FIELD_BPF_IN_KERNEL, true);
        set_attr_source(e, r->outcome.flags);
        set_by_fd(e, r);

        if (!set_object(d, e, o))
                set_from_attr(d, e, &attr);
        fds_describe(e, &attr, &r->target);
        set_attachment(d, e, &attr);
        set_string(e, &attr);
        target_describe(e, d->symbols, &r->task, &r->target);
        set_parts(d, e, &r->task, r->entered, &r->target, false);
        attr_decode(e, d->names, &attr);
        message_set(e, command_info(attr.cmd, r->outcome.ret));
        return 1;
}

/* The outcome of an action that has one. */
static void set_action_outcome(struct event *e, const struct record_action *r,
                               const struct command_info *info) {
        bool denied = r->ret == -EPERM || r->ret == -EACCES;

        event_set_static(e, FIELD_SEVERITY,
                         denied && strcmp(info->class, "install") == 0 ? "notice" : "info");
        event_set_static(e, FIELD_RESULT, r->ret >= 0 ? "ok" : denied ? "denied" : "failed");
        if (r->ret < 0)
                set_errno(e, r->ret);
}

static int decode_action(struct decoder *d, struct event *e, const void *data) {
        const struct record_action *r = data;
        const struct command_info *info = action_info(r);

        if (!info || r->target.text_size > sizeof(r->target.text))
                return -EBADMSG;

        set_time(d, e, &r->header);
        event_set_static(e, FIELD_EVENT, info->event);
        event_set_static(e, FIELD_CLASS, info->class);
        set_action_outcome(e, r, info);
        if (r->flags & CALL_TIMED)
                event_set_u64(e, FIELD_DURATION, r->duration);
        event_set_static(e, FIELD_SOURCE, hook_name(r->source));
        if (r->flags & CALL_ATTRIBUTED)
                set_process(d, e, &r->task, r->entered);
        else
                event_set_bool(e, FIELD_ATTRIBUTED, false);

        set_object(d, e, &r->object);
        event_set_static(e, FIELD_ATTACH_VIA, info->via);
        road_describe(e, r);
        target_describe(e, d->symbols, &r->task, &r->target);
        if (r->filter_length > 0)
                event_set_u32(e, FIELD_FILTER_INSTRUCTIONS, r->filter_length);
        set_parts(d, e, &r->task, r->entered, &r->target,
                  r->via == ROAD_SECCOMP || r->via == ROAD_PRCTL);
        message_set(e, info);
        return 1;
}

static int decode_free(struct decoder *d, struct event *e, const void *data) {
        const struct record_free *r = data;
        const struct command_info *info = action_free_info(r->object.kind);

        if (!info)
                return -EBADMSG;

        set_time(d, e, &r->header);
        event_set_static(e, FIELD_EVENT, info->event);
        event_set_static(e, FIELD_CLASS, info->class);
        event_set_static(e, FIELD_SEVERITY, "info");
        event_set_static(e, FIELD_RESULT, "ok");
        event_set_static(e, FIELD_SOURCE, hook_name(r->source));
        if (r->flags & CALL_ATTRIBUTED)
                processes_describe(d->processes, e, &r->task, NULL);
        else
                event_set_bool(e, FIELD_ATTRIBUTED, false);
        set_object(d, e, &r->object);
        message_set(e, info);
        return 1;
}

static int decode_part(struct decoder *d, struct event *e, const void *data) {
        const struct record_part *r = data;

        return parts_add(d->parts, r, r->header.size);
}

/* Elements come by the hundred thousand a second: what is set here is all that is said of them. */
static int decode_element(struct decoder *d, struct event *e, const void *data) {
        const struct record_element *r = data;

        if (r->attr_size > sizeof(r->attr))
                return -EBADMSG;

        const struct attr attr = {
                .cmd = r->outcome.cmd & ~(uint32_t) COMMAND_COMMON_ATTRS,
                .data = r->attr,
                .size = r->attr_size,
        };

        set_time(d, e, &r->header);
        set_kind(e, attr.cmd, r->outcome.ret);
        set_outcome(e, attr.cmd, r->outcome.ret, r->outcome.flags);
        if (r->outcome.flags & CALL_TIMED)
                event_set_u64(e, FIELD_DURATION, r->outcome.duration);
        event_set_static(e, FIELD_SOURCE, hook_name(r->outcome.source));
        processes_describe_briefly(d->processes, e, &r->task);
        set_command(d, e, attr.cmd);
        if (r->outcome.flags & CALL_COMPAT)
                event_set_bool(e, FIELD_BPF_COMPAT, true);
        if (r->outcome.flags & CALL_IN_KERNEL)
                event_set_bool(e, FIELD_BPF_IN_KERNEL, true);

        if (r->map_id != 0) {
                event_set_u32(e, FIELD_MAP_ID, r->map_id);
                if (r->map_name[0])
                        event_set_stringn(e, FIELD_MAP_NAME, r->map_name, sizeof(r->map_name));
                describe_type(e, FIELD_MAP_TYPE, d->names, NAMES_MAP_TYPE, r->map_type);
        }

        /* Map and result are told already: only what an operation has besides. */
        if (attr_says_more(&attr)) {
                set_attr_source(e, r->outcome.flags);
                attr_decode(e, d->names, &attr);
        }
        return 1;
}

static int decode_content(struct decoder *d, struct event *e, const void *data) {
        const struct record_content *r = data;
        const struct element_content *c = &r->content;

        if (c->key_size > sizeof(c->key) || c->value_size > sizeof(c->value))
                return -EBADMSG;
        if (c->key_size > 0)
                event_set_bytes(e, FIELD_MAP_KEY, c->key, c->key_size);
        if (c->value_size > 0)
                event_set_bytes(e, FIELD_MAP_VALUE, c->value, c->value_size);
        return decode_element(d, e, &r->element);
}

static int decode_process(struct decoder *d, struct event *e, const void *data) {
        const size_t at = offsetof(struct record_process, context);
        const struct record_process *r = data;
        struct record_context context;

        if (r->header.size < at || !read_context(&context, &r->context, r->header.size - at))
                return -EBADMSG;
        if (r->entered != 0)
                return parts_put(d->parts, thread_of(&r->task), r->entered, PART_CONTEXT,
                                 &r->context, r->header.size - at);
        processes_learn(d->processes, &r->task, &context);
        return 0;
}

static int decode_caller(struct decoder *d, struct event *e, const void *data) {
        return 0;
}

/* The daemon puts ends together elsewhere. */
static int decode_connection(struct decoder *d, struct event *e, const void *data) {
        return 0;
}

static const struct {
        size_t size; /* 0: it varies, and is checked there */
        int (*decode)(struct decoder *d, struct event *e, const void *data);
} kinds[_RECORD_KIND_MAX] = {
        [RECORD_PROCESS] = {0, decode_process},
        [RECORD_CALL] = {sizeof(struct record_call), decode_call},
        [RECORD_ELEMENT] = {sizeof(struct record_element), decode_element},
        [RECORD_CALLER] = {sizeof(struct record_caller), decode_caller},
        [RECORD_ACTION] = {sizeof(struct record_action), decode_action},
        [RECORD_CONTENT] = {sizeof(struct record_content), decode_content},
        [RECORD_FREE] = {sizeof(struct record_free), decode_free},
        [RECORD_CONNECTION] = {sizeof(struct record_connection), decode_connection},
        [RECORD_PART] = {0, decode_part},
};

int decoder_record(struct decoder *d, struct event *e, const void *data, size_t size) {
        const struct record_header *h = data;

        event_reset(e);
        if (size < sizeof(*h) || (uintptr_t) data % _Alignof(struct record_call) != 0)
                return -EBADMSG;
        if (h->kind >= ELEMENTSOF(kinds) || !kinds[h->kind].decode ||
            (kinds[h->kind].size && h->size != kinds[h->kind].size) || h->size != size)
                return -EBADMSG;

        return kinds[h->kind].decode(d, e, data);
}

bool record_touches_own(const void *data) {
        const struct record_header *h = data;
        const struct record_call *r = data;

        return h->kind == RECORD_CALL && r->outcome.flags & CALL_OWN;
}

void decoder_partial(struct decoder *d, struct event *e, int slot) {
        event_reset(e);
        if (slot == LOSS_ACTIONS)
                return;
        if (slot == LOSS_CONNECTIONS || slot == LOSS_TRAFFIC) {
                event_set_static(e, FIELD_CLASS, "traffic");
                return;
        }
        if (slot < 0) {
                event_set_static(e, FIELD_CLASS, "self");
                return;
        }

        /* The last slot is shared by all commands from there on. */
        if (slot == COMMAND_SLOTS - 1)
                return;
        set_kind(e, (uint32_t) slot, 0);
        set_command(d, e, (uint32_t) slot);
}
