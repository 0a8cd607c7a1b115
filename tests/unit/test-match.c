/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "event.h"
#include "match.h"
#include "tap-main.h"

DEFINE_CLEANUP(struct match *, match_free);

enum { TERMS = 6 };

/* A program was loaded: what the tests match. */
static struct event event;

static void setup(void) {
        static const char *const flags[] = {"no_prealloc", "mmapable"};
        struct event *e = &event;

        event_reset(e);
        event_set_u64(e, FIELD_SEQ, UINT64_MAX);
        event_set_u64(e, FIELD_TIME, 1700000000000000);
        event_set_static(e, FIELD_EVENT, "prog-load");
        event_set_static(e, FIELD_CLASS, "install");
        event_set_static(e, FIELD_SEVERITY, "warning");
        event_set_static(e, FIELD_ERRNO, "EACCES");
        event_set_u64(e, FIELD_DURATION, 1500000);
        event_set_u32(e, FIELD_PROCESS_PID, 812);
        event_set_static(e, FIELD_PROCESS_NAME, "bpftrace");
        event_set_static(e, FIELD_PROCESS_EXECUTABLE, "/usr/bin/bpftrace");
        event_set_u64(e, FIELD_PROCESS_CAPABILITIES, 0x1ffffffffff);
        event_set_u32(e, FIELD_USER_ID, 0);
        event_set_static(e, FIELD_UNIT, "dev-disk\\x2dby.service");
        event_set_static(e, FIELD_BPF_CMD, "PROG_LOAD");
        event_set_s64(e, FIELD_BPF_RETURN, -13);
        event_set_bool(e, FIELD_BPF_COMPAT, false);
        event_set_bool(e, FIELD_BPF_IN_KERNEL, true);
        event_set_bytes(e, FIELD_BPF_ATTR_RAW, "\x01", 1);
        event_set_u32(e, FIELD_PROG_ID, 77);
        event_set_static(e, FIELD_PROG_NAME, "a*b?c=d");
        event_set_static(e, FIELD_PROG_TYPE, "kprobe");
        event_set_static(e, FIELD_ATTACH_TARGET, "=x=y");
        event_set_static(e, FIELD_PIN_PATH, "/sys/fs/bpf/café");
        event_set_u32(e, FIELD_PROG_JITED_SIZE, 4096);
        event_set_strings(e, FIELD_MAP_FLAGS, flags, ELEMENTSOF(flags));
        event_dict_add(e, FIELD_BPF_ATTR, "insn_cnt", &(struct value){TYPE_U32, .u32 = 12});
        event_dict_add(e, FIELD_BPF_ATTR, "offset", &(struct value){TYPE_S64, .s64 = -4});
        event_dict_add(e, FIELD_BPF_ATTR, "wide", &(struct value){TYPE_U64, .u64 = UINT64_MAX});
        event_dict_add(e, FIELD_BPF_ATTR, "license",
                       &(struct value){TYPE_STRING, .string = "GPL v2"});
        event_dict_add(e, FIELD_BPF_ATTR, "prog_flags",
                       &(struct value){TYPE_STRING, .string = "0x10"});
        event_dict_add(e, FIELD_BPF_ATTR, "sleepable", &(struct value){TYPE_BOOL, .boolean = true});
        event_dict_add(e, FIELD_BPF_ATTR, "names",
                       &(struct value){TYPE_STRINGS, .strings = {flags, ELEMENTSOF(flags)}});
        event_dict_add(e, FIELD_BPF_ATTR, "ids",
                       &(struct value){TYPE_U32S, .u32s = {(const uint32_t[]){3, 5}, 2}});
}

static size_t count(const char *const terms[static TERMS]) {
        size_t n = 0;

        while (n < TERMS && terms[n])
                n++;
        return n;
}

/* The match of some terms (the caller frees it); fails the test when they are refused. */
static struct match *parse(const char *const *terms, size_t n) {
        struct match_error error;
        struct match *m = NULL;

        int r = match_new(&m, terms, n, &error);
        ck_assert_msg(r == 0, "%s", r < 0 ? error.message : "");
        return m;
}

static const struct {
        const char *terms[TERMS];
        bool passes;
} tests[] = {
        /* nothing asked */
        {{NULL}, true},
        /* equal */
        {{"event=prog-load"}, true},
        {{"event=map-create"}, false},
        {{"event=prog-loa"}, false},
        {{"event=prog-loads"}, false},
        {{"event=Prog-Load"}, false}, /* case counts */
        {{"prog.id=77"}, true},
        {{"prog.id=0x4d"}, true},
        {{"prog.id=0X4D"}, true},
        {{"prog.id=077"}, true}, /* decimal */
        {{"prog.id=78"}, false},
        {{"user.id=0"}, true},
        {{"user.id=-0"}, true},
        {{"seq=18446744073709551615"}, true},
        {{"bpf.return=-13"}, true},
        {{"bpf.return=13"}, false},
        {{"bpf.compat=no"}, true},
        {{"bpf.compat=0"}, true},
        {{"bpf.compat=yes"}, false},
        {{"bpf.in_kernel=true"}, true},
        {{"bpf.in_kernel!=true"}, false},
        {{"prog.name=a\\*b\\?c=d"}, true}, /* the first operator splits */
        /* without regard to case: commands and errors */
        {{"bpf.cmd=prog_load"}, true},
        {{"bpf.cmd=Prog_*"}, true},
        {{"bpf.cmd=PROG_LOAD"}, true},
        {{"severity>=info"}, true},
        {{"severity>=warning"}, true},
        {{"severity>=critical"}, false},
        {{"severity>notice"}, true},
        {{"severity>warning"}, false},
        {{"severity<warning"}, false},
        {{"severity<=warning"}, true},
        {{"severity<critical"}, true},
        {{"severity=w*"}, true},
        {{"severity!=warning"}, false},
        {{"errno=eacces"}, true},
        {{"errno=eperm"}, false},
        /* not equal */
        {{"event!=map-create"}, true},
        {{"event!=prog-load"}, false},
        {{"event!=prog-*"}, false},
        {{"prog.id!=77"}, false},
        {{"prog.id!=78"}, true},
        /* absent fields */
        {{"map.id=0"}, false},
        {{"map.id!=0"}, true},
        {{"map.id<5"}, false},
        {{"map.id>=0"}, false},
        {{"map.name=x"}, false},
        {{"map.name!=x"}, true},
        {{"prog.gpl=no"}, false},
        {{"prog.gpl!=no"}, true},
        {{"bpf.attr.nothing=1"}, false},
        {{"bpf.attr.nothing!=1"}, true},
        /* present or not, whatever the type */
        {{"event=*"}, true},
        {{"event!=*"}, false},
        {{"prog.id=*"}, true},
        {{"map.id=*"}, false},
        {{"map.id!=*"}, true},
        {{"bpf.compat=*"}, true},
        {{"bpf.attr=*"}, true},
        {{"bpf.attr_raw=*"}, true},
        {{"bpf.attr_raw!=*"}, false},
        {{"bpf.attr.insn_cnt=*"}, true},
        {{"bpf.attr.nothing=*"}, false},
        {{"bpf.attr.nothing!=*"}, true},
        /* order */
        {{"prog.id<78"}, true},
        {{"prog.id<77"}, false},
        {{"prog.id<=77"}, true},
        {{"prog.id<=76"}, false},
        {{"prog.id>76"}, true},
        {{"prog.id>77"}, false},
        {{"prog.id>=77"}, true},
        {{"prog.id>=78"}, false},
        {{"seq>=18446744073709551615"}, true},
        {{"bpf.return<0"}, true},
        {{"bpf.return>-14"}, true},
        {{"bpf.return<-13"}, false},
        {{"bpf.return>=-9223372036854775808"}, true},
        {{"bpf.return<=9223372036854775807"}, true},
        /* units */
        {{"duration=1500us"}, true},
        {{"duration=1500µs"}, true},
        {{"duration>1ms"}, true},
        {{"duration>2ms"}, false},
        {{"duration<1s"}, true},
        {{"duration<1min"}, true},
        {{"duration=1500000ns"}, true},
        {{"duration=1500000"}, true},
        {{"time=1700000000s"}, true},
        {{"time=1700000000000ms"}, true},
        {{"time=1700000000000000us"}, true},
        {{"time=1700000000000000000ns"}, true},
        {{"time>1700000000000000"}, false},
        {{"prog.jited_size=4K"}, true},
        {{"prog.jited_size=0x1000"}, true},
        {{"prog.jited_size<1M"}, true},
        {{"prog.jited_size<3G"}, true},
        {{"process.capabilities=0x1ffffffffff"}, true},
        /* globs */
        {{"process.name=bpf*"}, true},
        {{"process.name=*trace"}, true},
        {{"process.name=*ft*"}, true},
        {{"process.name=b*t*e"}, true},
        {{"process.name=bpftrace*"}, true},
        {{"process.name=*bpftrace"}, true},
        {{"process.name=b?ftrace"}, true},
        {{"process.name=????????"}, true},
        {{"process.name=???????"}, false},
        {{"process.name=?????????"}, false},
        {{"process.name=*????????*"}, true},
        {{"process.name=*?????????*"}, false},
        {{"process.name=bpf*x"}, false},
        {{"process.name=*bpf"}, false},
        {{"process.name=**"}, true},
        {{"process.name=b**?**e**"}, true},
        {{"process.executable=*/bpftrace"}, true},
        {{"process.executable=/usr/*"}, true}, /* a * takes slashes, too */
        {{"process.executable=*/*/*/*"}, true},
        {{"process.executable=*/*/*/*/*"}, false},
        {{"pin.path=*/caf?"}, true}, /* one character, two bytes */
        {{"pin.path=*/caf??"}, false},
        {{"pin.path=*????????????????"}, true}, /* 16 characters in 17 bytes */
        {{"pin.path=*?????????????????"}, false},
        {{"pin.path=*café"}, true},
        {{"pin.path=*?é"}, true},
        {{"pin.path=*é?"}, false},
        /* backslashes */
        {{"prog.name=a\\*b*"}, true},
        {{"prog.name=a\\?b*"}, false},
        {{"prog.name=?\\*?\\?c?d"}, true},
        {{"unit=dev-disk\\x2dby.service"}, true}, /* as systemd prints it */
        {{"unit=dev-disk\\\\x2dby.*"}, true},
        {{"unit=dev-disk\\"}, false},
        /* = in a value */
        {{"prog.name=*=d"}, true},
        {{"prog.name=*\\=d"}, true},
        {{"attach.target==x=y"}, true},
        {{"attach.target=\\=x=y"}, true},
        {{"attach.target=\\=x\\=y"}, true},
        {{"attach.target=\\=*"}, true},
        {{"attach.target=\\==*"}, false},
        {{"attach.target!=\\=x=y"}, false},
        {{"attach.target!==x=y"}, false},
        {{"attach.target!=x=y"}, true},
        {{"attach.target=x=y"}, false},
        {{"attach.target=\\\\=x=y"}, false},
        /* lists */
        {{"map.flags=mmapable"}, true},
        {{"map.flags=no_*"}, true},
        {{"map.flags=rdonly"}, false},
        {{"map.flags!=mmapable"}, false},
        {{"map.flags!=rdonly"}, true},
        {{"map.flags=mmapable", "map.flags!=no_prealloc"}, false},
        /* entries of the dictionary */
        {{"bpf.attr.insn_cnt=12"}, true},
        {{"bpf.attr.insn_cnt=0xc"}, true},
        {{"bpf.attr.insn_cnt=13"}, false},
        {{"bpf.attr.insn_cnt!=12"}, false},
        {{"bpf.attr.insn_cnt>11"}, true},
        {{"bpf.attr.insn_cnt>12"}, false},
        {{"bpf.attr.insn_cnt=twelve"}, false}, /* a number is no text */
        {{"bpf.attr.insn_cnt!=twelve"}, true},
        {{"bpf.attr.offset<0"}, true},
        {{"bpf.attr.offset=-4"}, true},
        {{"bpf.attr.wide=18446744073709551615"}, true},
        {{"bpf.attr.license=GPL*"}, true},
        {{"bpf.attr.license=gpl*"}, false},
        {{"bpf.attr.license>1"}, false}, /* text is no number */
        {{"bpf.attr.license<1"}, false},
        {{"bpf.attr.prog_flags=0x10"}, true},
        {{"bpf.attr.prog_flags=16"}, true},
        {{"bpf.attr.prog_flags>15"}, true},
        {{"bpf.attr.prog_flags!=16"}, false},
        {{"bpf.attr.sleepable=yes"}, true},
        {{"bpf.attr.sleepable=0"}, false},
        {{"bpf.attr.sleepable=maybe"}, false},
        {{"bpf.attr.names=mmap*"}, true},
        {{"bpf.attr.ids=5"}, true},
        {{"bpf.attr.ids=4"}, false},
        {{"bpf.attr.ids>4"}, true},
        {{"bpf.attr.INSN_CNT=12"}, false},
        /* or, and */
        {{"event=map-create", "event=prog-load"}, true},
        {{"event=prog-load", "event=map-create"}, true},
        {{"event=map-create", "event=link-create"}, false},
        {{"event=prog-load", "prog.type=xdp"}, false},
        {{"event=prog-load", "prog.type=kprobe"}, true},
        {{"event=map-create", "prog.type=xdp", "event=prog-load", "prog.type=kprobe"}, true},
        {{"event=map-create", "prog.type=xdp", "event=prog-load"}, false},
        {{"event=prog-load", "event!=prog-*"}, false},
        {{"event!=map-create", "event!=link-create"}, true},
        {{"event!=map-create", "event!=prog-load"}, false},
        {{"prog.id>70", "prog.id<80"}, true},
        {{"prog.id>70", "prog.id<75"}, false},
        {{"prog.id=1", "prog.id>70"}, false}, /* only equal terms are alternatives */
        {{"bpf.attr.insn_cnt=12", "bpf.attr.offset=0"}, false},
        {{"bpf.attr.insn_cnt=12", "bpf.attr.insn_cnt=0"}, true},
        {{"bpf.attr.nothing=1", "bpf.attr.insn_cnt=12"}, false},
        {{"bpf.attr=*", "bpf.attr.nothing=1"}, false},
};

START_TEST(passes) {
        _cleanup_(match_freep) struct match *m = parse(tests[_i].terms, count(tests[_i].terms));

        ck_assert_msg(match_test(m, &event) == tests[_i].passes, "%s %s",
                      tests[_i].terms[0] ?: "(nothing)",
                      tests[_i].passes ? "does not pass" : "passes");
}
END_TEST

START_TEST(terms_are_not_kept) {
        char text[] = "bpf.attr.license=GPL*";
        const char *const terms[] = {text};
        _cleanup_(match_freep) struct match *m = parse(terms, 1);

        memset(text, 'x', sizeof(text) - 1);
        ck_assert(match_test(m, &event));
}
END_TEST

START_TEST(null_matches_everything) {
        ck_assert(match_test(NULL, &event));
        ck_assert(match_may(NULL, &event));
        ck_assert(!match_names(NULL, FIELD_EVENT));
        ck_assert_ptr_null(match_free(NULL));
}
END_TEST

static const struct {
        const char *terms[TERMS];
        const char *cmd, *event;
        bool may;
} mays[] = {
        {{NULL}, "MAP_LOOKUP_ELEM", "map-access", true},
        {{"event=map-access"}, "MAP_LOOKUP_ELEM", "map-access", true},
        {{"event=map-access"}, "PROG_LOAD", "prog-load", false},
        {{"event=map-*"}, "MAP_CREATE", "map-create", true},
        {{"event!=map-access"}, "MAP_LOOKUP_ELEM", "map-access", false},
        {{"event!=map-access"}, "PROG_LOAD", "prog-load", true},
        {{"bpf.cmd=map_lookup_elem"}, "MAP_LOOKUP_ELEM", "map-access", true},
        {{"bpf.cmd=map_lookup_elem"}, "MAP_UPDATE_ELEM", "map-access", false},
        {{"bpf.cmd=MAP_LOOKUP_ELEM", "bpf.cmd=PROG_LOAD"}, "PROG_LOAD", "prog-load", true},
        {{"bpf.cmd=MAP_LOOKUP_ELEM", "event=prog-load"}, "MAP_LOOKUP_ELEM", "map-access", false},
        /* what is not known yet may be as asked */
        {{"event=prog-load", "process.pid=1"}, "PROG_LOAD", "prog-load", true},
        {{"event=prog-load", "process.pid!=1"}, "PROG_LOAD", "prog-load", true},
        {{"event=prog-load", "process.pid!=*"}, "PROG_LOAD", "prog-load", true},
        {{"event=prog-load", "duration>1s"}, "PROG_LOAD", "prog-load", true},
        {{"process.pid=1", "event=prog-load"}, "MAP_CREATE", "map-create", false},
        {{"bpf.attr.map_fd=3"}, "MAP_LOOKUP_ELEM", "map-access", true},
        {{"process.pid=1"}, NULL, NULL, true},
        {{"event=map-access"}, NULL, NULL, true},
};

START_TEST(may) {
        static struct event partial;
        _cleanup_(match_freep) struct match *m = parse(mays[_i].terms, count(mays[_i].terms));

        event_reset(&partial);
        event_set_static(&partial, FIELD_BPF_CMD, mays[_i].cmd);
        event_set_static(&partial, FIELD_EVENT, mays[_i].event);
        ck_assert_int_eq(match_may(m, &partial), mays[_i].may);
}
END_TEST

static const struct {
        const char *terms[TERMS];
        enum field field;
        bool names;
} named[] = {
        {{NULL}, FIELD_EVENT, false},
        {{"event=map-access"}, FIELD_EVENT, true},
        {{"event=map-access"}, FIELD_CLASS, false},
        {{"class=use"}, FIELD_CLASS, true},
        {{"process.pid=1", "event=*"}, FIELD_EVENT, true},
        {{"event!=prog-load"}, FIELD_EVENT, false}, /* excluding asks for nothing */
        {{"event!=prog-load", "event=map-access"}, FIELD_EVENT, true},
        {{"bpf.cmd_number>5"}, FIELD_BPF_CMD_NUMBER, false},
        {{"bpf.cmd_number=5"}, FIELD_BPF_CMD_NUMBER, true},
        {{"bpf.attr.map_fd=5"}, FIELD_BPF_ATTR, true},
};

START_TEST(names) {
        _cleanup_(match_freep) struct match *m = parse(named[_i].terms, count(named[_i].terms));

        ck_assert_int_eq(match_names(m, named[_i].field), named[_i].names);
}
END_TEST

static Suite *match_suite(void) {
        Suite *suite = suite_create("match");
        TCase *terms = tcase_create("terms"), *wanted = tcase_create("wanted");

        tcase_add_checked_fixture(terms, setup, NULL);
        tcase_add_loop_test(terms, passes, 0, ELEMENTSOF(tests));
        tcase_add_test(terms, terms_are_not_kept);
        tcase_add_test(terms, null_matches_everything);
        suite_add_tcase(suite, terms);

        tcase_add_loop_test(wanted, may, 0, ELEMENTSOF(mays));
        tcase_add_loop_test(wanted, names, 0, ELEMENTSOF(named));
        suite_add_tcase(suite, wanted);
        return suite;
}

TAP_MAIN(match_suite)
