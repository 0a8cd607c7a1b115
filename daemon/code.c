/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <linux/bpf.h>
#include <stdio.h>

#include "code.h"
#include "event.h"
#include "kfuncs.h"
#include "name-list.h"
#include "names.h"
#include "sha256.h"

/* include/uapi/linux/bpf.h: src_reg of a call. Linux before 5.13 has no kfuncs. */
enum { CALL_HELPER = 0, CALL_KFUNC = 2 };

static bool is_call(const struct bpf_insn *i, uint8_t kind) {
        return i->code == (BPF_JMP | BPF_CALL) && i->src_reg == kind;
}

/* A call as a key: never 0, and different for each other function. */
static uint64_t call_key(int32_t id, int16_t module) {
        return UINT64_C(1) << 63 | (uint64_t) (uint16_t) module << 32 | (uint32_t) id;
}

static void add_helper(struct name_list *l, const struct names *names, const struct bpf_insn *i) {
        const char *name = names_get(names, NAMES_HELPER, (uint32_t) i->imm);
        char number[32];

        if (!name)
                snprintf(number, sizeof(number), "helper#%d", i->imm);
        name_list_add(l, name ?: number);
}

/* Without an offset it is a BTF id of the kernel's; else of a module, whose BTF is behind an fd of
 * the loader's. */
static void add_kfunc(struct name_list *l, struct kfuncs *kfuncs, const struct bpf_insn *i) {
        char name[KFUNC_NAME_MAX];

        if (i->off != 0)
                snprintf(name, sizeof(name), "module function#%d", i->imm);
        else if (!kfuncs || kfuncs_name(kfuncs, (uint32_t) i->imm, name) < 0)
                snprintf(name, sizeof(name), "function#%d", i->imm);
        name_list_add(l, name);
}

/* As bpf_prog_calc_tag() of kernel/bpf/core.c takes them: what loads the address of a map, or of
 * its value, has an fd of the loader's in it, which is taken as 0. */
static void set_sha256(struct event *e, const struct bpf_insn *insns, size_t n) {
        char text[SHA256_HEX];
        struct sha256_ctx hash;
        bool second = false;
        size_t hashed = 0;

        sha256_init(&hash);
        for (size_t i = 0; i < n; i++) {
                struct bpf_insn insn = insns[i];
                bool first = !second && insn.code == (BPF_LD | BPF_IMM | BPF_DW) &&
                             (insn.src_reg == BPF_PSEUDO_MAP_FD ||
                              insn.src_reg == BPF_PSEUDO_MAP_VALUE);

                second = second && insn.code == 0 && insn.dst_reg == 0 && insn.src_reg == 0 &&
                         insn.off == 0;
                if (first || second) {
                        insn.imm = 0;
                        sha256_update(&hash, (i - hashed) * sizeof(insn),
                                      (const uint8_t *) (insns + hashed));
                        sha256_update(&hash, sizeof(insn), (const uint8_t *) &insn);
                        hashed = i + 1;
                }
                second = first;
        }
        sha256_update(&hash, (n - hashed) * sizeof(*insns), (const uint8_t *) (insns + hashed));
        sha256_hex(&hash, text);
        event_set_string(e, FIELD_PROG_SHA256, text);
}

void code_describe(struct event *e, const struct names *names, struct kfuncs *kfuncs,
                   const struct bpf_insn *insns, size_t n) {
        struct name_list helpers = {}, functions = {};

        for (const struct bpf_insn *i = insns; i < insns + n; i++) {
                if (is_call(i, CALL_HELPER) && name_list_is_new(&helpers, call_key(i->imm, 0)))
                        add_helper(&helpers, names, i);
                else if (is_call(i, CALL_KFUNC) &&
                         name_list_is_new(&functions, call_key(i->imm, i->off)))
                        add_kfunc(&functions, kfuncs, i);
        }
        name_list_set(&helpers, e, FIELD_PROG_HELPERS);
        name_list_set(&functions, e, FIELD_PROG_KFUNCS);
        set_sha256(e, insns, n);
}
