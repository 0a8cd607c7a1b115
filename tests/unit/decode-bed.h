/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What the tests of the decoder share: a decoder with our names, records to start from, and what to
 * say of the event that comes of them. */

#include <linux/bpf.h>
#include <time.h>

#include "decode.h"
#include "event.h"
#include "names.h"
#include "process.h"
#include "tap-main.h"

static struct names *names;
static struct processes *processes;
static struct decoder *decoder;
static struct event *event;

static inline void setup(void) {
        ck_assert_int_eq(names_new(&names, NULL), 0);
        ck_assert_int_eq(processes_new(&processes), 0);
        ck_assert_int_eq(decoder_new(&decoder, names, processes), 0);
        event = calloc(1, sizeof(*event));
        event_reset(event);
}

static inline void teardown(void) {
        decoder_free(decoder);
        processes_free(processes);
        names_free(names);
        free(event);
}

static inline uint64_t clock_ns(clockid_t clock) {
        struct timespec t;

        clock_gettime(clock, &t);
        return (uint64_t) t.tv_sec * 1000000000 + (uint64_t) t.tv_nsec;
}

static inline struct record_header header(enum record_kind kind, size_t size) {
        return (struct record_header){kind, (uint32_t) size, clock_ns(CLOCK_MONOTONIC)};
}

static inline struct record_task task(void) {
        return (struct record_task){.start_time = 1000000000,
                                    .cgroup_id = 5,
                                    .tgid = 812,
                                    .tid = 813,
                                    .comm = "bpftool"};
}

/* Tells of a context, with paths of components; their last NUL counts too. */
static inline int tell_context(const struct record_task *t, uint64_t entered,
                               const char *executable, size_t executable_size, const char *cgroup,
                               size_t cgroup_size) {
        const size_t head = offsetof(struct record_process, context.executable);
        const size_t size = head + executable_size + cgroup_size;
        struct record_process r = {.header = header(RECORD_PROCESS, size), .task = *t};

        r.entered = entered;
        r.context.executable_size = (uint16_t) executable_size;
        r.context.cgroup_size = (uint16_t) cgroup_size;
        memcpy((char *) &r + head, executable, executable_size);
        memcpy((char *) &r + head + executable_size, cgroup, cgroup_size);
        return decoder_record(decoder, event, &r, size);
}

static inline struct record_call call(uint32_t cmd, int64_t ret) {
        struct record_call r = {
                .header = header(RECORD_CALL, sizeof(r)),
                .task = task(),
                .outcome = {.duration = 212000,
                            .ret = ret,
                            .cmd = cmd,
                            .size = sizeof(union bpf_attr),
                            .flags = CALL_TIMED | CALL_KERNEL_ATTR,
                            .source = HOOK_SYS_EXIT_BPF},
        };
        return r;
}

static inline void set_attr(struct record_call *r, const union bpf_attr *a) {
        memcpy(r->attr, a, sizeof(*a));
        r->attr_size = sizeof(*a);
}

static inline void set_string(struct record_call *r, const char *s) {
        strcpy(r->string, s);
        r->string_size = (uint32_t) strlen(s) + 1;
}

static inline void decode(const struct record_call *r) {
        ck_assert_int_eq(decoder_record(decoder, event, r, sizeof(*r)), 1);
}

static inline void assert_string(enum field f, const char *v) {
        ck_assert_msg(event_has(event, f), "%s is absent", field_info(f)->name);
        ck_assert_str_eq(event_string(event, f), v);
}

static inline void assert_u32(enum field f, uint32_t v) {
        ck_assert_msg(event_has(event, f), "%s is absent", field_info(f)->name);
        ck_assert_uint_eq(event_get(event, f)->u32, v);
}

static inline void assert_absent(enum field f) {
        ck_assert_msg(!event_has(event, f), "%s is there", field_info(f)->name);
}

static inline struct record_element element(uint32_t cmd, int64_t ret) {
        struct record_element r = {
                .header = header(RECORD_ELEMENT, sizeof(r)),
                .task = task(),
                .outcome = {.duration = 300,
                            .ret = ret,
                            .cmd = cmd,
                            .flags = CALL_TIMED | CALL_USER_ATTR,
                            .source = HOOK_SYS_EXIT_BPF},
                .map_id = 12,
                .map_type = BPF_MAP_TYPE_HASH,
                .map_name = "flows",
                .attr_size = 32,
        };
        return r;
}

/* The same operation, where somebody asks for its key and value. */
static inline struct record_content content_of(struct record_element e) {
        struct record_content r = {.element = e};

        r.element.header.kind = RECORD_CONTENT;
        r.element.header.size = sizeof(r);
        return r;
}
