/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What filter_describe() says of classic filters; its disassembly against libpcap's. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <nettle/sha2.h>
#include <pcap/pcap.h>
#include <seccomp.h>
#include <sys/syscall.h>

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

static const char *disassembly(const struct sock_filter *insns, size_t n, bool seccomp) {
        event_reset(event);
        filter_describe(event, insns, n, seccomp);
        ck_assert(event_has(event, FIELD_FILTER_DISASSEMBLY));
        return event_string(event, FIELD_FILTER_DISASSEMBLY);
}

/* libpcap's text of one instruction. */
static const char *image(const struct sock_filter *f, int at) {
        struct bpf_insn i = {f->code, f->jt, f->jf, f->k};

        return bpf_image(&i, at);
}

/* Where libpcap's text is not: it knows no length in the index register, and takes a jump's offset
 * as signed. */
static bool pcap_is_sensible(const struct sock_filter *f) {
        return f->code != (BPF_LDX | BPF_W | BPF_LEN) &&
               (f->code != (BPF_JMP | BPF_JA) || f->k < INT32_MAX - BPF_MAXINSNS);
}

START_TEST(every_code) {
        static const uint32_t operands[] = {0, 12, 0x800, 0x7fffffff, 0x80000000, 0xffffffff};

        for (uint32_t code = 0; code <= UINT16_MAX; code++)
                for (size_t i = 0; i < ELEMENTSOF(operands); i++) {
                        struct sock_filter f = {(uint16_t) code, 1, 255, operands[i]};

                        if (pcap_is_sensible(&f))
                                ck_assert_str_eq(disassembly(&f, 1, false), image(&f, 0));
                        if (code > 0xff)
                                break;
                }
}
END_TEST

START_TEST(ancillary_loads) {
        static const uint16_t codes[] = {BPF_LD | BPF_W | BPF_ABS, BPF_LD | BPF_H | BPF_ABS,
                                         BPF_LD | BPF_B | BPF_ABS, BPF_LD | BPF_W | BPF_IND,
                                         BPF_LDX | BPF_W | BPF_IMM};

        for (size_t i = 0; i < ELEMENTSOF(codes); i++)
                for (int k = SKF_AD_OFF - 8; k < SKF_AD_OFF + SKF_AD_MAX + 8; k++) {
                        struct sock_filter f = {codes[i], 0, 0, (uint32_t) k};

                        ck_assert_str_eq(disassembly(&f, 1, false), image(&f, 0));
                }
}
END_TEST

START_TEST(random_filters) {
        struct sock_filter insns[200];

        srandom(20251);
        for (int round = 0; round < 300; round++) {
                for (size_t i = 0; i < ELEMENTSOF(insns); i++)
                        insns[i] = (struct sock_filter){
                                (uint16_t) (random() % 4 ? random() % 256 : random()),
                                (uint8_t) random(), (uint8_t) random(),
                                (uint32_t) (random() % 2 ? random() : random() % 64)};
                _cleanup_free_ char *text = strdup(disassembly(insns, ELEMENTSOF(insns), false));
                char *rest = text;

                for (int i = 0; i < (int) ELEMENTSOF(insns); i++) {
                        const char *line = strsep(&rest, "\n");

                        ck_assert_ptr_nonnull(line);
                        if (pcap_is_sensible(&insns[i]))
                                ck_assert_str_eq(line, image(&insns[i], i));
                }
                ck_assert_ptr_null(rest);
        }
}
END_TEST

static const char *const expressions[] = {
        "tcp port 80",
        "ip6 and udp portrange 1000-2000",
        "arp or (vlan 5 and icmp)",
        "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0 and not src and dst net 127.0.0.0/8",
        "ip[2:2] > 576 and len <= 1500",
        "ether[0] & 1 = 1 or ether multicast",
        "host 192.0.2.7 and (tcp or udp) and not port 22",
        "ip[8] * 2 + 3 - 1 < 10 and ip[9] / 2 % 3 = 1 and (ip[1] << 2 | 5 ^ 6) >> 1 != 0",
        "",
};

/* `tcpdump -d` itself, where it can run. */
START_TEST(as_tcpdump_prints) {
        const char *expression = expressions[_i];
        pcap_t *pcap = pcap_open_dead(DLT_EN10MB, 262144);
        struct bpf_program program;
        char command[512], ours[32768] = "", theirs[32768];

        ck_assert_int_eq(pcap_compile(pcap, &program, expression, 1, PCAP_NETMASK_UNKNOWN), 0);
        snprintf(command, sizeof(command),
                 "PATH=$PATH:/usr/sbin:/sbin tcpdump -d -y EN10MB '%s' 2>/dev/null", expression);
        FILE *f = popen(command, "re");
        size_t n = fread(theirs, 1, sizeof(theirs) - 1, f);
        theirs[n] = 0;
        if (pclose(f) != 0)
                tap_skip("tcpdump -d does not run here");

        snprintf(ours, sizeof(ours), "%s\n",
                 disassembly((const struct sock_filter *) program.bf_insns, program.bf_len, false));
        ck_assert_str_eq(ours, theirs);
        ck_assert_uint_eq(event_get(event, FIELD_FILTER_INSTRUCTIONS)->u32, program.bf_len);
        pcap_freecode(&program);
        pcap_close(pcap);
}
END_TEST

START_TEST(beyond_the_end) {
        static const struct sock_filter insns[] = {
                {BPF_JMP | BPF_JA, 0, 0, 0xffffffff},
                {BPF_JMP | BPF_JEQ | BPF_K, 255, 255, 1},
        };

        ck_assert_str_eq(disassembly(insns, 2, false),
                         "(000) ja       4294967296\n"
                         "(001) jeq      #0x1             jt 257\tjf 257");
        /* The same where it is followed. */
        ck_assert_str_eq(disassembly(insns, 2, true),
                         "(000) ja       4294967296\n"
                         "(001) jeq      #0x1             jt 257\tjf 257");
        ck_assert(!event_has(event, FIELD_SECCOMP_SYSCALLS));
}
END_TEST

START_TEST(no_instructions) {
        filter_describe(event, NULL, 0, true);
        ck_assert_uint_eq(event_get(event, FIELD_FILTER_INSTRUCTIONS)->u32, 0);
        ck_assert(!event_has(event, FIELD_FILTER_DISASSEMBLY));
        ck_assert(!event_has(event, FIELD_SECCOMP_SYSCALLS));
}
END_TEST

START_TEST(hash) {
        static const struct sock_filter insns[] = {{BPF_RET | BPF_K, 0, 0, 0}};

        filter_describe(event, insns, 1, false);
        /* printf '\x06\0\0\0\0\0\0\0' | sha256sum */
        ck_assert_str_eq(event_string(event, FIELD_FILTER_SHA256),
                         "23d7f42b1cdc1f0d492ebd756ed0fe8003995dda554d99418d47a81813650207");
        filter_describe(event, insns, 0, false);
        ck_assert_str_eq(event_string(event, FIELD_FILTER_SHA256),
                         "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}
END_TEST

/* A long filter is cut at the end of a line, and the last one says how much is missing. */
START_TEST(cut) {
        enum { N = 100000 };
        _cleanup_free_ struct sock_filter *insns = calloc(N, sizeof(*insns));

        for (size_t i = 0; i < N; i++)
                insns[i] = (struct sock_filter){BPF_JMP | BPF_JEQ | BPF_K, 1, 2, 0xffffffff};
        const char *text = disassembly(insns, N, true), *last = strrchr(text, '\n'), *before;
        size_t left, shown;

        ck_assert_uint_gt(strlen(text), 15 * 1024);
        ck_assert_uint_le(strlen(text), 16 * 1024);
        ck_assert_int_eq(sscanf(last, "\n… %zu more", &left), 1);
        before = memrchr(text, '\n', (size_t) (last - text));
        ck_assert_int_eq(sscanf(before, "\n(%zu)", &shown), 1);
        ck_assert_uint_eq(shown + 1 + left, N);
        ck_assert_uint_eq(event_get(event, FIELD_FILTER_INSTRUCTIONS)->u32, N);
        ck_assert_uint_eq(event->truncated, 0);
}
END_TEST

/* seccomp ---------------------------------------------------------------------------------------
 */

#define STATEMENT(code, k) \
        { (code), 0, 0, (k) }
#define JUMP(code, k, jt, jf) \
        { (code), (jt), (jf), (k) }
#define LOAD_NUMBER    STATEMENT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define LOAD_ARCH      STATEMENT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch))
#define JEQ(k, jt, jf) JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, jt, jf)
#define JGE(k, jt, jf) JUMP(BPF_JMP | BPF_JGE | BPF_K, k, jt, jf)
#define RETURN(k)      STATEMENT(BPF_RET | BPF_K, k)

static void assert_syscalls(const char *const *names) {
        size_t n = 0;

        while (names[n])
                n++;
        const struct value *v = event_get(event, FIELD_SECCOMP_SYSCALLS);
        ck_assert_uint_eq(v ? v->strings.n : 0, n);
        for (size_t i = 0; i < n; i++)
                ck_assert_str_eq(v->strings.items[i], names[i]);
}

#define ASSERT_SYSCALLS(...) assert_syscalls((const char *const[]){__VA_ARGS__, NULL})

START_TEST(seccomp_names) {
        static const struct sock_filter insns[] = {
                LOAD_ARCH,
                JEQ(AUDIT_ARCH_X86_64, 0, 7),
                LOAD_NUMBER,
                JEQ(59, 3, 0),
                JEQ(41, 2, 0),
                JEQ(0x40000000 | 520, 1, 0),
                RETURN(SECCOMP_RET_ALLOW),
                RETURN(SECCOMP_RET_ERRNO | EPERM),
                RETURN(SECCOMP_RET_LOG),
                RETURN(SECCOMP_RET_KILL_PROCESS),
        };

        ck_assert_str_eq(disassembly(insns, ELEMENTSOF(insns), true),
                         "(000) ld       [4]\n"
                         "(001) jeq      #0xc000003e      jt 2\tjf 9\n"
                         "(002) ld       [0]\n"
                         "(003) jeq      #0x3b            jt 7\tjf 4\t; execve\n"
                         "(004) jeq      #0x29            jt 7\tjf 5\t; socket\n"
                         "(005) jeq      #0x40000208      jt 7\tjf 6\t; execve\n"
                         "(006) ret      #2147418112\t; allow\n"
                         "(007) ret      #327681\t; errno EPERM\n"
                         "(008) ret      #2147221504\t; log\n"
                         "(009) ret      #-2147483648\t; kill process");
        ASSERT_SYSCALLS("execve", "socket");

        /* A filter of packets names none. */
        disassembly(insns, ELEMENTSOF(insns), false);
        ck_assert(!event_has(event, FIELD_SECCOMP_SYSCALLS));
        ck_assert_ptr_null(strchr(event_string(event, FIELD_FILTER_DISASSEMBLY), ';'));
}
END_TEST

/* 3 is close for x86-64 and read for i386; without a check it is this machine's. */
START_TEST(seccomp_architectures) {
        static const struct sock_filter insns[] = {
                LOAD_ARCH,
                JEQ(AUDIT_ARCH_X86_64, 1, 0),
                JEQ(AUDIT_ARCH_I386, 2, 7),
                LOAD_NUMBER,
                JEQ(3, 4, 4),
                LOAD_NUMBER,
                JEQ(3, 2, 2),
                RETURN(SECCOMP_RET_ALLOW), /* nothing comes here, */
                JEQ(59, 0, 0),             /* and nothing comes here */
                RETURN(SECCOMP_RET_ALLOW),
                LOAD_NUMBER,
                JEQ(SYS_bpf, 0, 0),
                RETURN(SECCOMP_RET_ALLOW),
        };

        disassembly(insns, ELEMENTSOF(insns), true);
        ASSERT_SYSCALLS("close", "read", "bpf");
}
END_TEST

/* Only comparisons of the number count, and only while it is in the accumulator. */
START_TEST(seccomp_other_values) {
        static const struct sock_filter insns[] = {
                JEQ(SYS_execve, 0, 0), /* 0, when a filter starts */
                LOAD_NUMBER,
                STATEMENT(BPF_ALU | BPF_AND | BPF_K, 0xff),
                JEQ(SYS_ptrace, 0, 0),
                STATEMENT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
                JEQ(SYS_mount, 0, 0),
                STATEMENT(BPF_LD | BPF_W | BPF_LEN, 0),
                JEQ(SYS_mount, 0, 0),
                LOAD_NUMBER,
                JGE(SYS_umount2, 0, 0),
                STATEMENT(BPF_MISC | BPF_TAX, 0),
                STATEMENT(BPF_ST, 0),
                JEQ(0x12345678, 0, 0), /* nobody's number */
                JEQ(SYS_reboot, 1, 0),
                STATEMENT(BPF_MISC | BPF_TXA, 0), /* here on one way, */
                JEQ(SYS_swapon, 0, 0),            /* it is not known on both */
                RETURN(SECCOMP_RET_ALLOW),
        };

        disassembly(insns, ELEMENTSOF(insns), true);
        ASSERT_SYSCALLS("reboot");
}
END_TEST

/* What libseccomp makes, as a list and as a binary tree, for two architectures. */
START_TEST(seccomp_of_libseccomp) {
        static const char *const names[] = {
                "ptrace",     "mount",           "bpf",   "execve",  "openat",
                "kexec_load", "perf_event_open", "setns", "unshare", "reboot"};
        scmp_filter_ctx c = seccomp_init(SCMP_ACT_ALLOW);
        struct sock_filter insns[BPF_MAXINSNS];
        FILE *f = tmpfile();

        ck_assert_int_eq(seccomp_attr_set(c, SCMP_FLTATR_CTL_OPTIMIZE, _i ? 2 : 1), 0);
        seccomp_arch_add(c, SCMP_ARCH_X86_64);
        seccomp_arch_add(c, SCMP_ARCH_X86);
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                ck_assert_int_eq(seccomp_rule_add(c, SCMP_ACT_ERRNO(EPERM),
                                                  seccomp_syscall_resolve_name(names[i]), 0),
                                 0);
        ck_assert_int_eq(seccomp_export_bpf(c, fileno(f)), 0);
        rewind(f);
        size_t n = fread(insns, sizeof(insns[0]), ELEMENTSOF(insns), f);
        fclose(f);
        seccomp_release(c);

        filter_describe(event, insns, n, true);
        const struct value *v = event_get(event, FIELD_SECCOMP_SYSCALLS);
        ck_assert_ptr_nonnull(v);
        ck_assert_uint_eq(v->strings.n, ELEMENTSOF(names));
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                size_t j = 0;

                while (j < v->strings.n && strcmp(v->strings.items[j], names[i]) != 0)
                        j++;
                ck_assert_msg(j < v->strings.n, "%s is not named", names[i]);
        }
}
END_TEST

/* Any bytes: no crash, and what is said stays in bounds. */
START_TEST(seccomp_random) {
        struct sock_filter insns[BPF_MAXINSNS + 100];

        srandom(7);
        for (int round = 0; round < 50; round++) {
                for (size_t i = 0; i < ELEMENTSOF(insns); i++)
                        insns[i] = (struct sock_filter){random() % 3 ? BPF_JMP | BPF_JEQ | BPF_K
                                                                     : (uint16_t) (random() % 256),
                                                        (uint8_t) (random() % 3),
                                                        (uint8_t) (random() % 3),
                                                        (uint32_t) (random() % 600)};
                insns[0] = (struct sock_filter) LOAD_NUMBER;
                event_reset(event);
                filter_describe(event, insns, ELEMENTSOF(insns), true);
                ck_assert(event_has(event, FIELD_FILTER_DISASSEMBLY));
                ck_assert_uint_eq(event->truncated, 0);
        }

        /* Each number once: all that there are, cut where they grow too many. */
        for (size_t i = 1; i < ELEMENTSOF(insns); i++)
                insns[i] = (struct sock_filter) JEQ((uint32_t) i - 1, 0, 0);
        event_reset(event);
        filter_describe(event, insns, ELEMENTSOF(insns), true);
        ck_assert_uint_gt(event_get(event, FIELD_SECCOMP_SYSCALLS)->strings.n, 300);
        ck_assert_uint_eq(event->truncated, 0);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("filter");
        TCase *c = tcase_create("filter");

        tcase_add_checked_fixture(c, setup, teardown);
        tcase_set_timeout(c, 60);
        tcase_add_test(c, every_code);
        tcase_add_test(c, ancillary_loads);
        tcase_add_test(c, random_filters);
        tcase_add_loop_test(c, as_tcpdump_prints, 0, ELEMENTSOF(expressions));
        tcase_add_test(c, beyond_the_end);
        tcase_add_test(c, no_instructions);
        tcase_add_test(c, hash);
        tcase_add_test(c, cut);
        tcase_add_test(c, seccomp_names);
        tcase_add_test(c, seccomp_architectures);
        tcase_add_test(c, seccomp_other_values);
        tcase_add_loop_test(c, seccomp_of_libseccomp, 0, 2);
        tcase_add_test(c, seccomp_random);
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
