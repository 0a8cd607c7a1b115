/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What verifier_describe() takes from the logs of real kernels, and from anything else. */
#include "code.h"
#include "event.h"
#include "tap-main.h"

static struct event *event;

static void setup(void) {
        event = calloc(1, sizeof(*event));
        event_reset(event);
}

static void teardown(void) {
        free(event);
}

static void describe(const char *log) {
        /* A copy without NUL, so that a sanitizer sees whoever reads on. */
        size_t n = strlen(log);
        _cleanup_free_ char *copy = malloc(n ?: 1);

        memcpy(copy, log, n);
        event_reset(event);
        verifier_describe(event, copy, n);
}

static const struct {
        const char *kernel, *reason, *log;
} logs[] = {
        {"5.10", "R0 !read_ok",
         "0: (95) exit\n"
         "R0 !read_ok\n"
         "processed 1 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 "
         "mark_read 0\n"},
        {"5.10", "R0 !read_ok",
         "R0 !read_ok\n"
         "verification time 152 usec\n"
         "stack depth 0\n"
         "processed 1 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 "
         "mark_read 0\n"},
        {"5.10", "Unreleased reference id=2 alloc_insn=4",
         "0: (18) r1 = 0xffff9a6e8267e000\n"
         "2: (b7) r2 = 8\n"
         "3: (b7) r3 = 0\n"
         "4: (85) call bpf_ringbuf_reserve#131\n"
         "last_idx 4 first_idx 0\n"
         "regs=4 stack=0 before 3: (b7) r3 = 0\n"
         "5: (b7) r0 = 0\n"
         "6: (95) exit\n"
         "Unreleased reference id=2 alloc_insn=4\n"
         "processed 6 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 "
         "mark_read 0\n"},
        {"5.10", NULL, /* the buffer was too small */
         "1: (07) r0 += 1\n"
         "2: (a5) if r0 < 0x1e8480 goto pc-2\n"
         "last_idx 2 first_idx 1\n"
         "regs=1 stack=0 before 2: (a5) if r0 < 0x1e8480 goto pc-2\n"
         " R0_rw=invP4947 R1=ctx(id=0,off=0,imm=0) R10=fp0\n"
         "parent didn't have regs=1 stack=0 marks\n"
         "parent already had regs=1 stack=0 marks\n"
         "1: (07) r0 += 1\n"
         "2: (a"},
        {"6.1", "calling kernel function verify_cpu is not allowed",
         "calling kernel function verify_cpu is not allowed\n"
         "processed 0 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 "
         "mark_read 0\n"},
        {"6.12", "frame pointer is read only",
         "0: R1=ctx() R10=fp0\n"
         "0: (b7) r10 = 0\n"
         "frame pointer is read only\n"
         "processed 1 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 "
         "mark_read 0\n"},
        {"6.12",
         "[1] INT a- size=3 bits_offset=0 nr_bits=33 encoding=(none) nr_bits exceeds type_size",
         "btf_total_size: 44\n"
         "[1] INT a- size=3 bits_offset=0 nr_bits=33 encoding=(none) nr_bits exceeds type_size\n"},
        {"6.18", "infinite loop detected at insn 1",
         "2: (15) if r0 == 0x0 goto pc-2\n"
         "mark_precise: frame0: last_idx 2 first_idx 1 subseq_idx -1 \n"
         "mark_precise: frame0: regs=r0 stack= before 1: (b7) r0 = 0\n"
         "2: R0=0\n"
         "SCC enter (1)\n"
         "infinite loop detected at insn 1\n"
         "cur state: R0=0 R1=ctx() R10=fp0\n"
         "old state: R0=0 R1=ctx() R10=fp0\n"
         "processed 10 insns (limit 1000000) max_states_per_insn 0 total_states 1 peak_states 1 "
         "mark_read 0\n"},
        {"6.18", "R2 !read_ok",
         "0: R1=ctx() R10=fp0\n"
         "0: (85) call pc+1\n"
         "caller:\n"
         " R10=fp0\n"
         "callee:\n"
         " frame1: R1=ctx() R10=fp0\n"
         "2: frame1: R1=ctx() R10=fp0\n"
         "2: (bf) r0 = r1                       ; frame1: R0=ctx() R1=ctx()\n"
         "3: (0f) r0 += r2\n"
         "R2 !read_ok\n"
         "processed 3 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 "
         "mark_read 0\n"},
        {"6.18", NULL, /* nothing is wrong */
         "func#0 @0\n"
         "Live regs before insn:\n"
         "      0: .1.....7.. (61) r6 = *(u32 *)(r1 +0)\n"
         "  1   1: 0......... (95) exit\n"
         "0: R1=ctx() R10=fp0\n"
         "; int probe(void *ctx) @ probe.bpf.c:12\n"
         "6: (95) exit\n"
         "\n"
         "from 1 to 4: R1=ctx() R6=1 R10=fp0\n"
         "from 1 to 5: safe\n"
         "verification time 16 usec\n"
         "stack depth 0\n"
         "processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 "
         "mark_read 0\n"},
        {"7.3", "R0 invalid mem access 'map_value_or_null'",
         "7: (61) r0 = *(u32 *)(r0 +0)\n"
         "R0 invalid mem access 'map_value_or_null'\n"
         "\n"
         "Verification failed: Register Type Safety: Invalid dereference\n"
         "\n"
         "Reason:\n"
         "  R0 may be NULL here (a nullable map value pointer). The program could dereference NULL "
         "on this\n"
         "  path, so the verifier cannot prove this access is safe.\n"
         "\n"
         "At:\n"
         "  insn 7\n"
         "       | ^-- error: invalid dereference of R0 (a nullable map value pointer)\n"
         "  Instruction context:\n"
         "      6 | (85) call bpf_map_lookup_elem#1\n"
         "  >>> 7 | (61) r0 = *(u32 *)(r0 +0)\n"
         "      8 | (95) exit\n"
         "\n"
         "Suggestion:\n"
         "  Add a NULL check before the access and dereference the pointer only on the non-NULL "
         "path.\n"
         "\n"
         "processed 7 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 "
         "mark_read 0\n"},
        {"7.3", "Unreleased reference id=2 alloc_insn=4",
         "6: (95) exit\n"
         "Unreleased reference id=2 alloc_insn=4\n"
         "\n"
         "Verification failed: Resource Lifetime Safety: Unreleased resource\n"
         "\n"
         "Suggestion:\n"
         "  Release or transfer ownership of the acquired resource on every path before the "
         "program exits.\n"
         "\n"
         "BPF_EXIT instruction in main prog would lead to reference leak\n"
         "processed 6 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 "
         "mark_read 0\n"},
        {"7.3", "Verification failed: Policy: Operation is not allowed", /* a small buffer */
         "\n"
         "Verification failed: Policy: Operation is not allowed\n"
         "\n"
         "Reason:\n"
         "  The helper bpf_probe_read#4 is not allowed\n"},
        {"7.3", "R0 !read_ok",
         "R0 !read_ok\n"
         "verification time 347 usec\n"
         "stack depth max 0\n"
         "subprog 0 (<unknown>) main insns_self 1 insns_total 1 stack 0\n"
         "processed 1 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 "
         "mark_read 0\n"},
};

START_TEST(real_logs) {
        describe(logs[_i].log);
        ck_assert_msg(!!event_string(event, FIELD_VERIFIER_REASON) == !!logs[_i].reason,
                      "Linux %s: %s", logs[_i].kernel, event_string(event, FIELD_VERIFIER_REASON));
        if (logs[_i].reason)
                ck_assert_str_eq(event_string(event, FIELD_VERIFIER_REASON), logs[_i].reason);

        /* What fits is told as it is, but for the empty lines at the end. */
        const char *log = event_string(event, FIELD_VERIFIER_LOG);
        ck_assert_ptr_nonnull(log);
        ck_assert_int_eq(strncmp(logs[_i].log, log, strlen(log)), 0);
        ck_assert_uint_eq(strspn(logs[_i].log + strlen(log), " \n"),
                          strlen(logs[_i].log + strlen(log)));
}
END_TEST

START_TEST(reasons_that_look_alike) {
        static const char *const reasons[] = {
                "R1 type=scalar expected=fp",
                "R10 invalid mem access 'scalar'",
                "R2 min value is negative, either use unsigned or 'var &= const'",
                "frame pointer is read only",
                "func 'f' doesn't have 6-th argument",
                "from here on nothing is known",
                "parent of it is not known",
                "subprogram must not return",
                "processed too many states",
        };

        for (size_t i = 0; i < ELEMENTSOF(reasons); i++) {
                char log[256];

                snprintf(log, sizeof(log), "0: (95) exit\n%s\nprocessed 1 insns\n\n", reasons[i]);
                describe(log);
                ck_assert_str_eq(event_string(event, FIELD_VERIFIER_REASON), reasons[i]);
        }
}
END_TEST

START_TEST(nothing_to_tell) {
        static const char *const texts[] = {"", "\n", " \n\t\n"};

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                describe(texts[i]);
                ck_assert(!event_has(event, FIELD_VERIFIER_LOG));
                ck_assert(!event_has(event, FIELD_VERIFIER_REASON));
        }
        /* What is behind a NUL is not the log's. */
        verifier_describe(event, "a\0b\n", 4);
        ck_assert_str_eq(event_string(event, FIELD_VERIFIER_LOG), "a");
        ck_assert_str_eq(event_string(event, FIELD_VERIFIER_REASON), "a");
}
END_TEST

/* The end of a long log, from the beginning of a line on; and its reason, however far back. */
START_TEST(long_log) {
        char log[64 * 1024];
        size_t n = (size_t) snprintf(log, sizeof(log), "half a line\nreason of all\n");

        while (n < sizeof(log) - 64)
                n += (size_t) snprintf(log + n, sizeof(log) - n, "%zu: (b7) r0 = 0\n", n);
        describe(log);

        const char *shown = event_string(event, FIELD_VERIFIER_LOG);
        size_t length = strlen(shown), number;
        ck_assert_uint_le(length, 4096);
        ck_assert_uint_gt(length, 4000);
        ck_assert_int_eq(strncmp(log + n - 1 - length, shown, length), 0);
        ck_assert_int_eq(log[n - 2 - length], '\n');
        ck_assert_int_eq(sscanf(shown, "%zu: (b7)", &number), 1);
        ck_assert_str_eq(event_string(event, FIELD_VERIFIER_REASON), "reason of all");

        /* The first line of so much may be half of one. */
        memset(log, 'x', 20);
        log[11] = '\n';
        memcpy(log + 12, "0: (b7) r0 = 0\n", 14);
        describe(log);
        ck_assert(!event_has(event, FIELD_VERIFIER_REASON));
}
END_TEST

/* As much as the kernel side sends, and a line's end the last of it. */
START_TEST(whole_end_of_a_log) {
        char log[4096 + 1];

        memset(log, 'x', sizeof(log) - 1);
        memcpy(log + 10, "\n0: (b7) r0 = 0\n", 16);
        memset(log + 26, ' ', sizeof(log) - 27);
        log[4095] = '\n';
        log[4096] = 0;
        describe(log);
        ck_assert_str_eq(event_string(event, FIELD_VERIFIER_LOG), "0: (b7) r0 = 0");
        ck_assert(!event_has(event, FIELD_VERIFIER_REASON));
}
END_TEST

START_TEST(one_endless_line) {
        _cleanup_free_ char *log = malloc(100000);

        memset(log, '\xff', 100000);
        verifier_describe(event, log, 100000);
        ck_assert(event_has(event, FIELD_VERIFIER_LOG));
        ck_assert_uint_le(strlen(event_string(event, FIELD_VERIFIER_LOG)), 3 * 4096);
}
END_TEST

START_TEST(random_bytes) {
        char log[8192];

        srandom(11);
        for (int round = 0; round < 500; round++) {
                size_t n = (size_t) random() % sizeof(log);

                for (size_t i = 0; i < n; i++)
                        log[i] = random() % 20 ? (char) (1 + random() % 255) : '\n';
                event_reset(event);
                verifier_describe(event, log, n);
        }
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("verifier");
        TCase *c = tcase_create("verifier");

        tcase_add_checked_fixture(c, setup, teardown);
        tcase_add_loop_test(c, real_logs, 0, ELEMENTSOF(logs));
        tcase_add_test(c, reasons_that_look_alike);
        tcase_add_test(c, nothing_to_tell);
        tcase_add_test(c, long_log);
        tcase_add_test(c, whole_end_of_a_log);
        tcase_add_test(c, one_endless_line);
        tcase_add_test(c, random_bytes);
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
