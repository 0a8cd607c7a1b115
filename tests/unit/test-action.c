/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is told of filters that come without bpf(): their roads, sockets, and sentences. */

#include <arpa/inet.h>
#include <linux/filter.h>
#include <sys/socket.h>

#include "attr.h"
#include "decode-bed.h"
#include "target-socket.h"

static struct record_action action(enum road via, int64_t ret) {
        struct record_action r = {
                .header = header(RECORD_ACTION, sizeof(r)),
                .task = task(),
                .action = ACTION_ATTACH,
                .via = via,
                .ret = ret,
                .flags = CALL_TIMED | CALL_ATTRIBUTED,
                .duration = 1000,
                .entered = 77,
                .source = HOOK_SK_ATTACH_FILTER_RETURN,
        };
        return r;
}

static void decode_action(const struct record_action *r) {
        ck_assert_int_eq(decoder_record(decoder, event, r, sizeof(*r)), 1);
}

static struct record_target inet(const char *local, uint16_t port) {
        struct record_target t = {
                .kind = TARGET_SOCKET,
                .family = AF_INET,
                .type = SOCK_STREAM,
                .protocol = IPPROTO_TCP,
                .local_port = port,
                .netns = 4026531840,
        };
        ck_assert_int_eq(inet_pton(AF_INET, local, t.local), 1);
        return t;
}

static const char *words(const struct record_target *t) {
        event_reset(event);
        target_socket_describe(event, t);
        return event_string(event, FIELD_ATTACH_TARGET);
}

START_TEST(attach) {
        struct record_action r = action(ROAD_SETSOCKOPT, 0);

        r.target = inet("127.0.0.1", 80);
        r.filter_length = 4;
        r.flags |= CALL_KERNEL_ATTR;
        decode_action(&r);
        assert_string(FIELD_EVENT, "socket-filter-attach");
        assert_string(FIELD_CLASS, "install");
        assert_string(FIELD_ATTACH_VIA, "setsockopt");
        assert_string(FIELD_RESULT, "ok");
        assert_string(FIELD_FILTER_SOURCE, "kernel");
        assert_u32(FIELD_FILTER_INSTRUCTIONS, 4);
        assert_u32(FIELD_PROCESS_PID, 812);
        assert_absent(FIELD_ERRNO);
        assert_absent(FIELD_ATTRIBUTED);
}
END_TEST

START_TEST(refusal) {
        struct record_action r = action(ROAD_SETSOCKOPT, -EPERM);

        r.filter_length = 1;
        r.flags |= CALL_USER_ATTR;
        decode_action(&r);
        assert_string(FIELD_RESULT, "denied");
        assert_string(FIELD_ERRNO, "EPERM");
        assert_string(FIELD_SEVERITY, "notice");
        assert_string(FIELD_FILTER_SOURCE, "user");
        assert_string(FIELD_MESSAGE,
                      "bpftool was not allowed to attach a filter of 1 instruction: EPERM");
}
END_TEST

START_TEST(roads) {
        static const struct {
                enum road via;
                uint32_t flags;
                const char *event, *name;
        } rows[] = {
                {ROAD_SETSOCKOPT_REUSEPORT, 0, "socket-filter-attach", "setsockopt-reuseport"},
                {ROAD_SETSOCKOPT, CALL_DETACHES, "socket-filter-detach", "setsockopt"},
                {ROAD_SETSOCKOPT, CALL_URING, "socket-filter-attach", "io-uring-setsockopt"},
                {ROAD_SETSOCKOPT, CALL_URING | CALL_DETACHES, "socket-filter-detach",
                 "io-uring-setsockopt"},
                {ROAD_SETSOCKOPT_REUSEPORT, CALL_URING, "socket-filter-attach",
                 "io-uring-setsockopt-reuseport"},
                {ROAD_PACKET_FANOUT, 0, "socket-filter-attach", "packet-fanout"},
                {ROAD_PACKET_FANOUT, CALL_URING, "socket-filter-attach", "io-uring-packet-fanout"},
                {ROAD_SECCOMP, 0, "seccomp-filter", "seccomp"},
                {ROAD_PRCTL, 0, "seccomp-filter", "prctl"},
                /* seccomp() cannot be called by an io_uring: whatever the flag says. */
                {ROAD_SECCOMP, CALL_URING, "seccomp-filter", "seccomp"},
                {ROAD_TUN_IOCTL, 0, "socket-filter-attach", "tun-ioctl"},
                {ROAD_TUN_IOCTL, CALL_DETACHES, "socket-filter-detach", "tun-ioctl"},
                {ROAD_IO_URING, 0, "attach", "io-uring"},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                struct record_action r = action(rows[i].via, 0);

                r.flags |= rows[i].flags;
                decode_action(&r);
                assert_string(FIELD_EVENT, rows[i].event);
                assert_string(FIELD_ATTACH_VIA, rows[i].name);
        }
}
END_TEST

/* What makes no sense is not told. */
START_TEST(nonsense) {
        struct record_action r = action(_ROAD_MAX, 0);

        ck_assert_int_eq(decoder_record(decoder, event, &r, sizeof(r)), -EBADMSG);
        r.flags |= CALL_URING;
        ck_assert_int_eq(decoder_record(decoder, event, &r, sizeof(r)), -EBADMSG);
        r = action(ROAD_SECCOMP, 0);
        r.flags |= CALL_DETACHES;
        ck_assert_int_eq(decoder_record(decoder, event, &r, sizeof(r)), -EBADMSG);
        r = action(ROAD_SETSOCKOPT, 0);
        r.target.text_size = RECORD_STRING_MAX + 1;
        ck_assert_int_eq(decoder_record(decoder, event, &r, sizeof(r)), -EBADMSG);
}
END_TEST

START_TEST(nobody) {
        struct record_action r = action(ROAD_SETSOCKOPT, 0);

        r.flags = CALL_DETACHES;
        r.filter_length = 2;
        decode_action(&r);
        assert_absent(FIELD_PROCESS_PID);
        assert_absent(FIELD_DURATION);
        assert_string(FIELD_MESSAGE, "The kernel detached a filter of 2 instructions");
}
END_TEST

START_TEST(road_flags) {
        struct record_action r = action(ROAD_SECCOMP, 5);

        r.road_flags = 1 << 3 | 1 << 0 | 1U << 30;
        decode_action(&r);
        ck_assert_uint_eq(event_get(event, FIELD_SECCOMP_FLAGS)->strings.n, 3);
        ck_assert_str_eq(event_get(event, FIELD_SECCOMP_FLAGS)->strings.items[0], "tsync");
        ck_assert_str_eq(event_get(event, FIELD_SECCOMP_FLAGS)->strings.items[1], "new_listener");
        ck_assert_str_eq(event_get(event, FIELD_SECCOMP_FLAGS)->strings.items[2], "0x40000000");

        r = action(ROAD_TUN_IOCTL, 0);
        r.road_flags = 1;
        decode_action(&r);
        ck_assert_str_eq(event_get(event, FIELD_ATTACH_FLAGS)->strings.items[0], "steering");

        r = action(ROAD_SETSOCKOPT, 0);
        r.road_flags = 1;
        decode_action(&r);
        assert_absent(FIELD_ATTACH_FLAGS);
}
END_TEST

/* The instructions come in a part before the record. */
START_TEST(part) {
        static const struct sock_filter filter[] = {{BPF_RET | BPF_K, 0, 0, 0xffff}};
        struct {
                struct record_part part;
                uint8_t data[RECORD_PART_SMALL];
        } piece = {.part = {.header = header(RECORD_PART, sizeof(piece)),
                            .thread = (uint64_t) 812 << 32 | 813,
                            .entered = 77,
                            .part = PART_FILTER,
                            .total = sizeof(filter),
                            .size = sizeof(filter)}};
        struct record_action r = action(ROAD_SETSOCKOPT, 0);

        memcpy(piece.data, filter, sizeof(filter));
        ck_assert_int_eq(decoder_record(decoder, event, &piece, sizeof(piece)), 0);
        r.filter_length = 1;
        decode_action(&r);
        assert_u32(FIELD_FILTER_INSTRUCTIONS, 1);
        ck_assert(event_has(event, FIELD_FILTER_SHA256));
        ck_assert_ptr_nonnull(strstr(event_string(event, FIELD_FILTER_DISASSEMBLY), "ret"));
}
END_TEST

START_TEST(inet_sockets) {
        struct record_target t = inet("127.0.0.1", 80);

        ck_assert_str_eq(words(&t), "tcp 127.0.0.1:80");
        assert_u32(FIELD_ATTACH_NAMESPACE, 4026531840);
        inet_pton(AF_INET, "192.0.2.9", t.remote);
        t.remote_port = 443;
        ck_assert_str_eq(words(&t), "tcp 127.0.0.1:80 -> 192.0.2.9:443");

        t = inet("0.0.0.0", 0);
        ck_assert_str_eq(words(&t), "tcp socket");
        t.type = SOCK_RAW;
        t.protocol = IPPROTO_ICMP;
        t.local_port = IPPROTO_ICMP;
        ck_assert_str_eq(words(&t), "raw icmp socket");
        inet_pton(AF_INET, "192.0.2.9", t.remote);
        ck_assert_str_eq(words(&t), "raw icmp -> 192.0.2.9");
        t.protocol = 200;
        ck_assert_str_eq(words(&t), "raw 200 -> 192.0.2.9");

        t = (struct record_target){.kind = TARGET_SOCKET,
                                   .family = AF_INET6,
                                   .type = SOCK_DGRAM,
                                   .protocol = IPPROTO_UDP,
                                   .local_port = 53};
        ck_assert_str_eq(words(&t), "udp [::]:53");
        assert_absent(FIELD_ATTACH_NAMESPACE);
        t.protocol = UINT32_MAX;
        ck_assert_str_eq(words(&t), "4294967295 [::]:53");
}
END_TEST

START_TEST(unix_sockets) {
        struct record_target t = {.kind = TARGET_SOCKET, .family = AF_UNIX, .type = SOCK_STREAM};

        ck_assert_str_eq(words(&t), "unix socket");
        memcpy(t.text, "/run/x", 7);
        t.text_size = 7;
        ck_assert_str_eq(words(&t), "unix /run/x");
        memcpy(t.text, "\0name", 5);
        t.text_size = 5;
        ck_assert_str_eq(words(&t), "unix @name");
        memset(t.text, 'a', sizeof(t.text));
        t.text_size = UINT16_MAX;
        ck_assert_uint_eq(strlen(words(&t)), strlen("unix ") + RECORD_STRING_MAX);
}
END_TEST

START_TEST(others) {
        struct record_target t = {.kind = TARGET_SOCKET, .family = AF_PACKET, .type = SOCK_RAW};

        ck_assert_str_eq(words(&t), "packet socket");
        t.ifindex = 3;
        ck_assert_str_eq(words(&t), "packet interface 3");
        memcpy(t.text, "eth0", 5);
        t.text_size = 5;
        ck_assert_str_eq(words(&t), "packet eth0");
        assert_u32(FIELD_ATTACH_IFINDEX, 3);

        t = (struct record_target){.kind = TARGET_SOCKET, .family = AF_NETLINK};
        ck_assert_str_eq(words(&t), "netlink route");
        t.protocol = 31;
        ck_assert_str_eq(words(&t), "netlink 31");
        t.family = AF_VSOCK;
        ck_assert_str_eq(words(&t), "vsock socket");
        t.family = UINT16_MAX;
        ck_assert_str_eq(words(&t), "socket of family 65535");

        t = (struct record_target){.kind = TARGET_TUN, .text = "tap0", .text_size = 5};
        ck_assert_str_eq(words(&t), "tun tap0");
        t = (struct record_target){.kind = TARGET_PROCESS, .id = 812, .count = 812};
        ck_assert_str_eq(words(&t), "process 812");
        t.count = 813;
        ck_assert_str_eq(words(&t), "thread 813");
        t = (struct record_target){.kind = TARGET_RING, .type = 18};
        ck_assert_str_eq(words(&t), "io_uring operation openat");
        t.type = 250;
        t.id = 813;
        ck_assert_str_eq(words(&t), "thread 813, io_uring operation 250");
        t.kind = TARGET_CGROUP;
        ck_assert_ptr_null(words(&t));
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("action");
        TCase *c = tcase_create("action");

        tcase_add_checked_fixture(c, setup, teardown);
        tcase_add_test(c, attach);
        tcase_add_test(c, refusal);
        tcase_add_test(c, roads);
        tcase_add_test(c, nonsense);
        tcase_add_test(c, nobody);
        tcase_add_test(c, road_flags);
        tcase_add_test(c, part);
        tcase_add_test(c, inet_sockets);
        tcase_add_test(c, unix_sockets);
        tcase_add_test(c, others);
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
