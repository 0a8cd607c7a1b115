/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "alert-journal.h"
#include "event.h"
#include "log-output.h"
#include "message-ids.h"
#include "tap-main.h"

static int output = -1; /* what went to stderr */

static void setup(void) {
        output = memfd_create("stderr", MFD_CLOEXEC);
        ck_assert_int_ge(output, 0);
        ck_assert_int_ge(dup2(output, STDERR_FILENO), 0);
        unsetenv("JOURNAL_STREAM");
}

/* All that was said up to now; static. */
static const char *said(void) {
        static char text[65536];
        ssize_t n = pread(output, text, sizeof(text) - 1, 0);

        ck_assert_int_ge(n, 0);
        text[n] = 0;
        return text;
}

static unsigned lines(void) {
        unsigned n = 0;

        for (const char *s = said(); (s = strchr(s, '\n')); s++)
                n++;
        return n;
}

START_TEST(test_levels) {
        log_error("one %d", 1);
        log_info("two");
        log_debug("three");
        ck_assert_str_eq(said(), "bpfmond: one 1\nbpfmond: two\n");
        log_set_level(LOG_ERR);
        log_warning("four");
        ck_assert_uint_eq(lines(), 2);
        log_set_level(LOG_DEBUG);
        log_debug("five");
        ck_assert_uint_eq(lines(), 3);
}
END_TEST

START_TEST(test_targets) {
        ck_assert_str_eq(log_target_name(), "auto");
        ck_assert_int_eq(log_set_target_name("kmsg"), -EINVAL);
        ck_assert_int_eq(log_set_target_name(""), -EINVAL);
        ck_assert_int_eq(log_set_target_name("null"), 0);
        ck_assert_str_eq(log_target_name(), "null");
        log_error("nothing");
        ck_assert_str_eq(said(), "");
        ck_assert_int_eq(log_set_target_name("console"), 0);
        log_error("something");
        ck_assert_str_eq(said(), "bpfmond: something\n");
}
END_TEST

START_TEST(test_errno) {
        errno = EXDEV;
        log_error("kept");
        ck_assert_int_eq(errno, EXDEV);
}
END_TEST

static void repeat(int level, int n) {
        for (int i = 0; i < n; i++)
                log_message(level, NULL, NULL, "again %d", i);
}

START_TEST(test_rate) {
        log_set_level(LOG_DEBUG);
        log_set_rate(60 * 1000000, 3);
        repeat(LOG_WARNING, 10);
        ck_assert_uint_eq(lines(), 3);
        log_warning("another place");
        ck_assert_uint_eq(lines(), 4);
        repeat(LOG_DEBUG, 5); /* what one asked for is never left out */
        ck_assert_uint_eq(lines(), 9);
        repeat(LOG_WARNING, 1);
        log_flush();
        ck_assert_uint_eq(lines(), 10);
        ck_assert_ptr_nonnull(strstr(said(), "Left out 8 more messages like \"again 3\"\n"));
        log_flush();
        ck_assert_uint_eq(lines(), 10);
}
END_TEST

START_TEST(test_rate_over) {
        log_set_rate(2000000, 2);
        repeat(LOG_WARNING, 3);
        ck_assert_uint_eq(lines(), 2);
        usleep(2100000);
        log_info("another place tells it");
        ck_assert_ptr_nonnull(strstr(said(), "Left out 1 more message like \"again 2\"\n"));
        repeat(LOG_WARNING, 2);
        ck_assert_uint_eq(lines(), 6);
        log_set_rate(0, 1);
        repeat(LOG_WARNING, 50);
        ck_assert_uint_eq(lines(), 56);
}
END_TEST

START_TEST(test_sample_is_text) {
        log_set_rate(60 * 1000000, 1);
        /* 93 bytes before a character of three: it is left out whole. */
        for (int i = 0; i < 2; i++)
                log_warning("%093d€€", 0);
        log_flush();
        ck_assert_ptr_nonnull(strstr(said(), "000\"\n"));
}
END_TEST

/* A journal of our own, in a mount namespace of this process. */
static int journal_open(void) {
        struct sockaddr_un address = {AF_UNIX, "/run/systemd/journal/socket"};
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        char stream[64];
        struct stat st;

        ck_assert_int_ge(fd, 0);
        if (unshare(CLONE_NEWNS) < 0)
                tap_skip("mounting needs root");
        ck_assert_int_eq(mount("none", "/", "", MS_REC | MS_PRIVATE, NULL), 0);
        ck_assert_int_eq(mount("none", "/run", "tmpfs", 0, NULL), 0);
        ck_assert_int_eq(mkdir("/run/systemd", 0755), 0);
        ck_assert_int_eq(mkdir("/run/systemd/journal", 0755), 0);
        ck_assert_int_eq(bind(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        ck_assert_int_eq(fstat(STDERR_FILENO, &st), 0);
        snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long) st.st_dev,
                 (unsigned long long) st.st_ino);
        setenv("JOURNAL_STREAM", stream, 1);
        return fd;
}

START_TEST(test_journal) {
        static const char *const wanted[] = {"MESSAGE=x.conf:7: wrong\n",
                                             "PRIORITY=4\n",
                                             "SYSLOG_IDENTIFIER=bpfmond\n",
                                             "CODE_FILE=test-log.c\n",
                                             "CONFIG_LINE=7\n",
                                             "CONFIG_FILE=x.conf\n",
                                             "CODE_LINE=",
                                             "MESSAGE_ID=4e747d55b65542dc8d7b43ccb77fae04\n"};
        _cleanup_close_ int journal = journal_open();
        char message[4096];
        ssize_t n;

        log_message(LOG_WARNING, MESSAGE_CONFIG,
                    LOG_FIELDS({"CONFIG_FILE", "x.conf"}, {"CONFIG_LINE", "7"}), "x.conf:%d: wrong",
                    7);
        ck_assert_str_eq(said(), "");
        n = recv(journal, message, sizeof(message) - 1, 0);
        ck_assert_int_gt(n, 0);
        message[n] = 0;
        for (size_t i = 0; i < ELEMENTSOF(wanted); i++)
                ck_assert_msg(strstr(message, wanted[i]), "%s in %s", wanted[i], message);

        log_set_target(LOG_TARGET_CONSOLE);
        log_warning("here");
        ck_assert_str_eq(said(), "<4>here\n");
        ck_assert_int_lt(recv(journal, message, sizeof(message), 0), 0);
}
END_TEST

/* What a message in the journal has under a name, as journald reads it; NULL: no such field. A
 * value with a newline has its length before it: systemd.journal-fields(7), native protocol. */
static const char *field_of(const char *message, size_t n, const char *name, unsigned which) {
        static char value[4096];
        const char *end = message + n, *s = message;

        while (s < end) {
                const char *stop = memchr(s, '\n', (size_t) (end - s)), *equals;
                uint64_t size;

                ck_assert_ptr_nonnull(stop);
                equals = memchr(s, '=', (size_t) (stop - s));
                bool found = strncmp(s, name, strlen(name)) == 0 &&
                             s + strlen(name) == (equals ?: stop);
                if (equals) {
                        size = (size_t) (stop - equals - 1);
                        s = equals + 1;
                } else {
                        memcpy(&size, stop + 1, sizeof(size));
                        s = stop + 1 + sizeof(size);
                }
                ck_assert_uint_lt(size, sizeof(value));
                memcpy(value, s, size);
                value[size] = 0;
                s += size + 1;
                if (found && which-- == 0)
                        return value;
        }
        return NULL;
}

#define FIELD(name, which, value)                                                                  \
        ck_assert_msg(field_of(text, (size_t) n, name, which), "%s is missing in %s", name, text); \
        ck_assert_str_eq(field_of(text, (size_t) n, name, which), value)

/* All fields of an alert are fields of its message, whatever is in them. */
START_TEST(test_alert) {
        static struct event event;
        _cleanup_close_ int journal = journal_open();
        char text[65536];
        ssize_t n;

        event_reset(&event);
        event_set_static(&event, FIELD_EVENT, "prog-load");
        event_set_static(&event, FIELD_SEVERITY, "critical");
        event_set_static(&event, FIELD_MESSAGE, "evil\nPRIORITY=7 \x1b[2J did it");
        event_set_strings(&event, FIELD_RULE_NAME, (const char *const[]){"one", "two"}, 2);
        event_set_static(&event, FIELD_PROCESS_EXECUTABLE, "/tmp/a\nBPFMON_USER_ID=0\nb");
        event_set_u32(&event, FIELD_USER_ID, 1000);
        event_set_u64(&event, FIELD_PROCESS_CAPABILITIES, 0x1ff);
        event_set_bool(&event, FIELD_FIRST_SEEN, true);
        event_set_u32s(&event, FIELD_PROG_MAPS, (const uint32_t[]){5, 7}, 2);
        event_dict_add(&event, FIELD_BPF_ATTR, "insn-cnt", &(struct value){TYPE_U32, .u32 = 12});
        alert_log(&event);
        n = recv(journal, text, sizeof(text) - 1, 0);
        ck_assert_int_gt(n, 0);
        text[n] = 0;
        FIELD("MESSAGE_ID", 0, MESSAGE_ALERT);
        FIELD("PRIORITY", 0, "2");
        ck_assert_ptr_null(field_of(text, (size_t) n, "PRIORITY", 1));
        FIELD("MESSAGE", 0, "evil\\x0aPRIORITY=7 \\x1b[2J did it (critical alert, rule one)");
        FIELD("BPFMON_RULE_NAME", 0, "one");
        FIELD("BPFMON_RULE_NAME", 1, "two");
        FIELD("BPFMON_PROCESS_EXECUTABLE", 0, "/tmp/a\nBPFMON_USER_ID=0\nb");
        FIELD("BPFMON_USER_ID", 0, "1000");
        ck_assert_ptr_null(field_of(text, (size_t) n, "BPFMON_USER_ID", 1));
        FIELD("BPFMON_PROCESS_CAPABILITIES", 0, "0x1ff");
        FIELD("BPFMON_FIRST_SEEN", 0, "yes");
        FIELD("BPFMON_PROG_MAPS", 1, "7");
        FIELD("BPFMON_BPF_ATTR_INSN_CNT", 0, "12");
        FIELD("BPFMON_EVENT", 0, "prog-load");
        ck_assert_str_eq(said(), "");
}
END_TEST

START_TEST(test_journal_gone) {
        int journal = journal_open();

        close(journal);
        ck_assert_int_eq(unlink("/run/systemd/journal/socket"), 0);
        log_set_target(LOG_TARGET_JOURNAL);
        log_error("anyway");
        ck_assert_str_eq(said(), "<3>anyway\n");
}
END_TEST

/* systemd.exec(5): the variable is inherited, its stderr may not be. */
START_TEST(test_other_stderr) {
        setenv("JOURNAL_STREAM", "1:1", 1);
        log_error("here");
        ck_assert_str_eq(said(), "bpfmond: here\n");
}
END_TEST

/* Nobody reads what stderr is written to; a page is all that it takes. */
static FILE *full_pipe(void) {
        int ends[2];

        ck_assert_int_ge(pipe2(ends, O_CLOEXEC), 0);
        ck_assert_int_ge(fcntl(ends[1], F_SETPIPE_SZ, 4096), 0);
        ck_assert_int_ge(dup2(ends[1], STDERR_FILENO), 0);
        close(ends[1]);
        return fdopen(ends[0], "r");
}

/* Reads a line from the pipe; static. */
static const char *line_of(FILE *pipe) {
        static char line[4096];

        ck_assert_ptr_nonnull(fgets(line, sizeof(line), pipe));
        line[strcspn(line, "\n")] = 0;
        return line;
}

/* 100 KB, where 4 go: would be waited for without end. */
START_TEST(test_stuck_console) {
        _cleanup_fclose_ FILE *reader = full_pipe();
        char wanted[4096];

        for (int i = 0; i < 100; i++)
                log_info("%d%01000d", i, 0);
        ck_assert_uint_eq(output_dropped(), 0);
        ck_assert(!output_wait(10000));
        for (int i = 0; i < 100; i++) {
                snprintf(wanted, sizeof(wanted), "bpfmond: %d%01000d", i, 0);
                ck_assert_str_eq(line_of(reader), wanted);
        }
        log_flush();
        ck_assert(output_wait(0));
        log_info("and on");
        ck_assert_str_eq(line_of(reader), "bpfmond: and on");
}
END_TEST

/* What does not fit is counted, and told once the rest is said. */
START_TEST(test_dropped) {
        _cleanup_fclose_ FILE *reader = full_pipe();
        unsigned said = 0;
        const char *line;
        char wanted[64];

        for (int i = 0; i < 3000; i++)
                log_info("%01000d", 0);
        const uint64_t lost = output_dropped();
        ck_assert_uint_gt(lost, 1000);
        while ((line = line_of(reader)) && strncmp(line, "bpfmond: 0", 10) == 0)
                said++;
        ck_assert_uint_eq(said + lost, 3000);
        snprintf(wanted, sizeof(wanted), "bpfmond: %u messages were dropped", (unsigned) lost);
        ck_assert_msg(strncmp(line, wanted, strlen(wanted)) == 0, "%s", line);
}
END_TEST

/* A journal that hangs takes as many messages as its queue has room for (net.unix.max_dgram_qlen).
 */
START_TEST(test_stuck_journal) {
        _cleanup_close_ int journal = journal_open();
        char text[4096], wanted[64];

        log_set_rate(0, 1);
        for (int i = 0; i < 2000; i++)
                log_message(LOG_WARNING, NULL, LOG_FIELDS({"X", "one\ntwo"}), "number %d", i);
        ck_assert_uint_eq(output_dropped(), 0);
        ck_assert(!output_wait(10000));
        for (int i = 0; i < 2000; i++) {
                ssize_t n = recv(journal, text, sizeof(text) - 1, 0);

                for (int tries = 0; n < 0 && tries < 5000; tries++) {
                        usleep(1000);
                        n = recv(journal, text, sizeof(text) - 1, 0);
                }
                ck_assert_int_gt(n, 0);
                text[n] = 0;
                snprintf(wanted, sizeof(wanted), "number %d", i);
                FIELD("MESSAGE", 0, wanted);
                FIELD("X", 0, "one\ntwo");
        }
        log_flush();
        ck_assert(output_wait(0));
        ck_assert_str_eq(said(), "");
}
END_TEST

/* More than a datagram takes, where net.core.wmem_default is as usual: in a file, then. */
START_TEST(test_large) {
        static char value[2049];
        _cleanup_close_ int journal = journal_open();
        struct log_field fields[LOG_FIELDS_MAX] = {};
        char one[CMSG_SPACE(sizeof(int))], text[64];
        struct iovec room = {text, sizeof(text)};
        struct msghdr message = {.msg_iov = &room,
                                 .msg_iovlen = 1,
                                 .msg_control = one,
                                 .msg_controllen = sizeof(one)};
        struct stat st;
        int fd;

        memset(value, 'v', sizeof(value) - 1);
        for (size_t i = 0; i < LOG_FIELDS_MAX - 1; i++)
                fields[i] = (struct log_field){"X", value};
        log_message(LOG_WARNING, NULL, fields, "large");
        ck_assert(output_wait(10000000));
        ssize_t n = recvmsg(journal, &message, MSG_TRUNC);
        ck_assert_int_ge(n, 0);
        if (n > 0) {
                ck_assert_int_gt(n, (LOG_FIELDS_MAX - 1) * 2048);
                return;
        }
        ck_assert_ptr_nonnull(CMSG_FIRSTHDR(&message));
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
        ck_assert_int_ge(fstat(fd, &st), 0);
        ck_assert_int_gt(st.st_size, (LOG_FIELDS_MAX - 1) * 2048);
        close(fd);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("log");
        TCase *c = tcase_create("log");

        tcase_add_checked_fixture(c, setup, NULL);
        tcase_add_test(c, test_levels);
        tcase_add_test(c, test_targets);
        tcase_add_test(c, test_errno);
        tcase_add_test(c, test_rate);
        tcase_add_test(c, test_rate_over);
        tcase_add_test(c, test_sample_is_text);
        tcase_add_test(c, test_journal);
        tcase_add_test(c, test_alert);
        tcase_add_test(c, test_journal_gone);
        tcase_add_test(c, test_other_stderr);
        tcase_add_test(c, test_stuck_console);
        tcase_add_test(c, test_dropped);
        tcase_add_test(c, test_stuck_journal);
        tcase_add_test(c, test_large);
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
