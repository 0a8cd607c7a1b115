/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "code.h"
#include "event.h"

void code_describe(struct event *e, const struct names *names, const struct bpf_insn *insns,
                   size_t n) {
}

void filter_describe(struct event *e, const struct sock_filter *insns, size_t n, bool seccomp) {
        event_set_u32(e, FIELD_FILTER_INSTRUCTIONS, (uint32_t) n);
}

void verifier_describe(struct event *e, const char *log, size_t n) {
        event_set_stringn(e, FIELD_VERIFIER_LOG, log, n);
}
