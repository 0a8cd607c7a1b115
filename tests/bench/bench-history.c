/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes and reads the history as the daemon does, beside what SQLite alone does with the same
 * file system: bench-history [SECONDS [EVENTS [DIRECTORY]]]. One line of JSON for each result. */

#include <ftw.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "access.h"
#include "event.h"
#include "history-reader.h"
#include "history.h"
#include "match.h"

enum {
        RATE = 100000, /* events a second */
        LOADERS = 200, /* programs that are run again and again, as in a busy cluster */
        START = 1795385534,
};

static uint64_t now(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000000000 + (uint64_t) t.tv_nsec;
}

/* Of all threads of this process: what a machine that does other things takes is not in it. */
static uint64_t cpu(void) {
        struct timespec t;

        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        return (uint64_t) t.tv_sec * 1000000000 + (uint64_t) t.tv_nsec;
}

static double cpu_since(uint64_t start) {
        return (double) (cpu() - start) / 1e9;
}

/* The same without the thread that asks: of the writer. */
static uint64_t cpu_of_others(void) {
        struct timespec t;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return cpu() - ((uint64_t) t.tv_sec * 1000000000 + (uint64_t) t.tv_nsec);
}

static double seconds_since(uint64_t start) {
        return (double) (now() - start) / 1e9;
}

/* Who does it: a process lives for a few events. */
static void set_process(struct event *e, uint64_t i) {
        uint64_t process = i / 6, loader = process * 7 % LOADERS;

        event_set_u32(e, FIELD_PROCESS_PID, (uint32_t) (process % 4194304));
        event_set_u32(e, FIELD_PROCESS_TID, (uint32_t) (process % 4194304));
        event_set_u32(e, FIELD_PROCESS_PPID, 1);
        event_set_u64(e, FIELD_PROCESS_START, START * UINT64_C(1000000) + process * 61);
        event_set_printf(e, FIELD_PROCESS_NAME, "loader-%" PRIu64, loader);
        event_set_printf(e, FIELD_PROCESS_EXECUTABLE, "/usr/lib/loaders/loader-%" PRIu64, loader);
        event_set_u64(e, FIELD_PROCESS_CAPABILITIES, 2199006478335);
        event_set_u32(e, FIELD_USER_ID, loader % 10 ? 0 : 1000 + (uint32_t) loader);
        event_set_static(e, FIELD_USER_NAME, loader % 10 ? "root" : "somebody");
        event_set_u32(e, FIELD_GROUP_ID, 0);
        event_set_u64(e, FIELD_CGROUP_ID, 4000 + loader);
        event_set_printf(e, FIELD_CGROUP_PATH, "/system.slice/loader-%" PRIu64 ".service", loader);
        event_set_printf(e, FIELD_UNIT, "loader-%" PRIu64 ".service", loader);
        event_set_u32(e, FIELD_NAMESPACE_PID, 4026531836);
        event_set_u32(e, FIELD_NAMESPACE_MNT, 4026531832);
        event_set_u32(e, FIELD_NAMESPACE_NET, 4026531833);
        event_set_u32(e, FIELD_NAMESPACE_USER, 4026531837);
}

static void add(struct event *e, const char *key, enum field_type type, uint64_t number,
                const char *text) {
        struct value v = {.type = type};

        if (type == TYPE_STRING)
                v.string = text;
        else
                v.u32 = (uint32_t) number;
        event_dict_add(e, FIELD_BPF_ATTR, key, &v);
}

static void set_call(struct event *e, const char *cmd, uint32_t number, int64_t result) {
        event_set_static(e, FIELD_BPF_CMD, cmd);
        event_set_u32(e, FIELD_BPF_CMD_NUMBER, number);
        event_set_static(e, FIELD_BPF_ATTR_SOURCE, "kernel");
        event_set_u32(e, FIELD_BPF_SIZE, 144);
        event_set_s64(e, FIELD_BPF_RETURN, result);
        event_set_static(e, FIELD_RESULT, "ok");
        event_set_static(e, FIELD_SOURCE, "kprobe:security_bpf");
        event_set_u64(e, FIELD_DURATION, 20000 + (uint64_t) result * 977 % 90000);
}

static const char *const types[] = {"kprobe", "tracepoint", "xdp", "socket_filter", "cgroup_skb"};

static void set_program(struct event *e, uint64_t id) {
        uint64_t program = id % 500;

        event_set_u32(e, FIELD_PROG_ID, (uint32_t) id);
        event_set_printf(e, FIELD_PROG_NAME, "program_%" PRIu64, program);
        event_set_static(e, FIELD_PROG_TYPE, types[program % ELEMENTSOF(types)]);
        event_set_printf(e, FIELD_PROG_TAG, "59f4a931%08" PRIx64, program);
}

static void make_map(struct event *e, uint64_t i) {
        char name[16];

        snprintf(name, sizeof(name), "map_%" PRIu64, i % 300);
        event_set_static(e, FIELD_EVENT, "map-create");
        set_call(e, "MAP_CREATE", 0, 3 + (int64_t) (i % 40));
        event_set_printf(e, FIELD_MESSAGE, "%s created hash map \"%s\" (id %" PRIu64 ")",
                         event_string(e, FIELD_PROCESS_NAME), name, i);
        add(e, "map_type", TYPE_STRING, 0, "hash");
        add(e, "key_size", TYPE_U32, 4, NULL);
        add(e, "value_size", TYPE_U32, 8, NULL);
        add(e, "max_entries", TYPE_U32, 1024, NULL);
        add(e, "map_name", TYPE_STRING, 0, name);
        event_set_u32(e, FIELD_MAP_ID, (uint32_t) i);
        event_set_string(e, FIELD_MAP_NAME, name);
        event_set_static(e, FIELD_MAP_TYPE, "hash");
        event_set_u32(e, FIELD_MAP_KEY_SIZE, 4);
        event_set_u32(e, FIELD_MAP_VALUE_SIZE, 8);
        event_set_u32(e, FIELD_MAP_MAX_ENTRIES, 1024);
}

static void make_load(struct event *e, uint64_t i) {
        char pointer[24];

        snprintf(pointer, sizeof(pointer), "0x7ffd%08" PRIx64, i * 4096 % 0xffffffff);
        event_set_static(e, FIELD_EVENT, "prog-load");
        set_call(e, "PROG_LOAD", 5, 4 + (int64_t) (i % 40));
        set_program(e, i);
        event_set_printf(e, FIELD_MESSAGE, "%s loaded %s program \"%s\" (id %" PRIu64 ")",
                         event_string(e, FIELD_PROCESS_NAME), event_string(e, FIELD_PROG_TYPE),
                         event_string(e, FIELD_PROG_NAME), i);
        add(e, "prog_type", TYPE_STRING, 0, event_string(e, FIELD_PROG_TYPE));
        add(e, "insn_cnt", TYPE_U32, 200 + i % 100, NULL);
        add(e, "insns", TYPE_STRING, 0, pointer);
        add(e, "license", TYPE_STRING, 0, "GPL");
        add(e, "prog_name", TYPE_STRING, 0, event_string(e, FIELD_PROG_NAME));
        event_set_static(e, FIELD_PROG_LICENSE, "GPL");
        event_set_bool(e, FIELD_PROG_GPL, true);
        event_set_u32(e, FIELD_PROG_INSTRUCTIONS, 200 + (uint32_t) (i % 500));
        event_set_u32(e, FIELD_PROG_VERIFIED_INSTRUCTIONS, 900 + (uint32_t) (i % 500));
        event_set_u32(e, FIELD_PROG_JITED_SIZE, 1300 + (uint32_t) (i % 500));
        event_set_printf(e, FIELD_PROG_SHA256,
                         "59f4a931%08" PRIx64 "62944a018ed3990e666ec6444616"
                         "418d3b09a82dc5c753d5",
                         i % 500);
        event_set_u64(e, FIELD_PROG_LOAD_TIME, event_get(e, FIELD_TIME)->u64 - 70);
}

static void make_link(struct event *e, uint64_t i) {
        event_set_static(e, FIELD_EVENT, "link-create");
        set_call(e, "LINK_CREATE", 28, 5 + (int64_t) (i % 40));
        set_program(e, i - 1);
        event_set_printf(e, FIELD_MESSAGE,
                         "%s created tracing link %" PRIu64 " of program %" PRIu64,
                         event_string(e, FIELD_PROCESS_NAME), i, i - 1);
        add(e, "prog_fd", TYPE_U32, 4, NULL);
        add(e, "attach_type", TYPE_STRING, 0, "trace_fentry");
        event_set_u32(e, FIELD_LINK_ID, (uint32_t) i);
        event_set_static(e, FIELD_LINK_TYPE, "tracing");
        event_set_static(e, FIELD_ATTACH_VIA, "link-create");
        event_set_static(e, FIELD_ATTACH_TYPE, "trace_fentry");
        event_set_printf(e, FIELD_ATTACH_TARGET, "function_%" PRIu64, i % 400);
}

static void make_gone(struct event *e, uint64_t i) {
        event_set_static(e, FIELD_EVENT, "prog-unload");
        event_set_static(e, FIELD_CLASS, "remove");
        event_set_static(e, FIELD_SOURCE, "tracepoint:bpf:prog_put");
        set_program(e, i - 2);
        event_set_printf(e, FIELD_MESSAGE, "%s program \"%s\" (id %" PRIu64 ") went",
                         event_string(e, FIELD_PROG_TYPE), event_string(e, FIELD_PROG_NAME), i - 2);
        event_set_u32(e, FIELD_LOADED_BY_PID, (uint32_t) (i / 6 % 4194304));
        event_set_string(e, FIELD_LOADED_BY_NAME, event_string(e, FIELD_PROCESS_NAME));
        event_set_string(e, FIELD_LOADED_BY_EXECUTABLE, event_string(e, FIELD_PROCESS_EXECUTABLE));
        event_set_u32(e, FIELD_LOADED_BY_USER_ID, 0);
        event_set_string(e, FIELD_LOADED_BY_UNIT, event_string(e, FIELD_UNIT));
        event_set_u64(e, FIELD_LOADED_BY_TIME, event_get(e, FIELD_TIME)->u64 - 200);
        event_set_u64(e, FIELD_LIFETIME, 200000 + i % 1000);
}

/* What a loader does, over and over: three maps, a program, a link, and all of it goes. */
static void make(struct event *e, uint64_t i) {
        event_reset(e);
        event_set_u64(e, FIELD_SEQ, i + 1);
        event_set_u64(e, FIELD_TIME, START * UINT64_C(1000000) + i * 10);
        event_set_static(e, FIELD_CLASS, "install");
        event_set_static(e, FIELD_SEVERITY, "info");
        set_process(e, i);
        static void (*const makes[])(struct event *, uint64_t) = {make_map,  make_map,  make_map,
                                                                  make_load, make_link, make_gone};
        makes[i % ELEMENTSOF(makes)](e, i);
}

static void report(const char *name, double value, const char *unit) {
        printf("{\"name\":\"%s\",\"value\":%.4g,\"unit\":\"%s\"}\n", name, value, unit);
        fflush(stdout);
}

static int64_t file_size(const char *path) {
        struct stat st;

        return stat(path, &st) < 0 ? 0 : st.st_size;
}

static struct event event;

static void wait_until(uint64_t deadline) {
        uint64_t left = deadline - now();

        if (left > 1000000000)
                return;
        const struct timespec t = {0, (long) left};
        nanosleep(&t, NULL);
}

/* So many a second, for so long; what is lost is lost. */
static void ingest(struct history *h, double seconds) {
        uint64_t start = now(), i = 0, busy = 0, writer = cpu_of_others();
        struct history_status status;

        for (uint64_t batch = 0; (double) batch < seconds * 1000; batch++) {
                for (size_t n = 0; n < RATE / 1000; n++) {
                        make(&event, i++);
                        uint64_t before = now();
                        history_offer(h, &event);
                        busy += now() - before;
                }
                wait_until(start + batch * 1000000);
        }
        double took = seconds_since(start);
        history_wait(h, history_mark(h), 60000000);
        writer = cpu_of_others() - writer;
        history_status(h, &status);
        report("ingest.writer", (double) writer / (double) i, "ns of CPU an event");
        report("ingest.rate", (double) i / took, "events/s");
        report("ingest.lost", (double) status.lost, "events");
        report("ingest.offer", (double) busy / (double) i, "ns");
        report("ingest.behind", seconds_since(start) - took, "s");
}

/* As fast as it goes. */
static double fill(struct history *h, uint64_t n) {
        uint64_t start = now();

        for (uint64_t i = 0; i < n; i++) {
                make(&event, i);
                history_offer(h, &event);
                if (i % 20000 == 0)
                        history_wait(h, history_mark(h), 60000000);
        }
        history_wait(h, history_mark(h), 60000000);
        return seconds_since(start);
}

static double ask(const char *path, const char *term, uint64_t limit, size_t *ret_n) {
        struct match *match = NULL;
        struct history_answer answer;
        uint64_t start = now();

        if (term && match_new(&match, &term, 1, NULL) < 0)
                abort();
        const struct history_question q = {.match = match,
                                           .viewer = {0, SCOPE_ALL},
                                           .until = UINT64_MAX,
                                           .limit = limit,
                                           .reverse = true};
        if (history_read(path, &q, &answer) < 0)
                abort();
        double took = seconds_since(start);
        *ret_n = answer.n;
        history_answer_done(&answer);
        match_free(match);
        return took;
}

static void must(int rc) {
        if (rc != SQLITE_OK && rc != SQLITE_DONE) {
                fprintf(stderr, "sqlite: %s\n", sqlite3_errstr(rc));
                abort();
        }
}

/* SQLite itself: rows of the same size with one index, and a scan with its own GLOB. */
static double raw_fill(sqlite3 *db, uint64_t n) {
        uint64_t start = now();
        sqlite3_stmt *s;
        char text[160];

        must(sqlite3_exec(db,
                          "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; CREATE TABLE "
                          "t(id INTEGER PRIMARY KEY, k INTEGER, v TEXT); CREATE INDEX i ON "
                          "t(k); BEGIN",
                          NULL, NULL, NULL));
        must(sqlite3_prepare_v2(db, "INSERT INTO t VALUES(?,?,?)", -1, &s, NULL));
        memset(text, 'x', sizeof(text));
        for (uint64_t i = 0; i < n; i++) {
                int size = snprintf(text, sizeof(text), "/usr/lib/loaders/loader-%" PRIu64,
                                    i % 200);
                text[size] = 'x';
                sqlite3_bind_int64(s, 1, (int64_t) i);
                sqlite3_bind_int64(s, 2, (int64_t) (i / 6));
                sqlite3_bind_text(s, 3, text, 100, SQLITE_STATIC);
                must(sqlite3_step(s));
                sqlite3_reset(s);
                if (i % 50000 == 49999)
                        must(sqlite3_exec(db, "COMMIT; BEGIN", NULL, NULL, NULL));
        }
        must(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL));
        sqlite3_finalize(s);
        return seconds_since(start);
}

static double raw_ask(sqlite3 *db, const char *sql, double *ret_busy) {
        uint64_t start = now(), busy = cpu();
        sqlite3_stmt *s;

        must(sqlite3_prepare_v2(db, sql, -1, &s, NULL));
        while (sqlite3_step(s) == SQLITE_ROW)
                ;
        sqlite3_finalize(s);
        *ret_busy = cpu_since(busy);
        return seconds_since(start);
}

/* `raw`: CPU time of what SQLite does alone. */
static void report_query(const char *path, const char *name, const char *term, uint64_t limit,
                         double raw) {
        size_t n;
        char text[64];
        uint64_t start = cpu();
        double took = ask(path, term, limit, &n), busy = cpu_since(start);

        snprintf(text, sizeof(text), "query.%s", name);
        report(text, took * 1000, "ms");
        snprintf(text, sizeof(text), "query.%s.cpu", name);
        report(text, busy * 1000, "ms");
        snprintf(text, sizeof(text), "query.%s.rows", name);
        report(text, (double) n, "events");
        if (raw > 0) {
                snprintf(text, sizeof(text), "query.%s.ratio", name);
                report(text, busy / raw, "of sqlite3, CPU time");
        }
}

static int remove_file(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

int main(int argc, char **argv) {
        char path[512], raw[512];
        char made[] = "/var/tmp/bpfmon-bench-XXXXXX";
        const char *directory = argc > 3 ? argv[3] : made;
        double seconds = argc > 1 ? strtod(argv[1], NULL) : 60;
        uint64_t n = argc > 2 ? strtoull(argv[2], NULL, 10) : 2000000;
        struct history_options options = {.path = path, .max_size = UINT64_C(8) << 30};
        struct history *h;
        struct history_status status;
        sqlite3 *db;

        if (argc <= 3 && !mkdtemp(made))
                return 1;

        snprintf(path, sizeof(path), "%s/ingest.db", directory);
        if (seconds > 0) {
                if (history_new(&h, &options) < 0)
                        return 1;
                ingest(h, seconds);
                history_free(h);
        }

        snprintf(path, sizeof(path), "%s/history.db", directory);
        snprintf(raw, sizeof(raw), "%s/raw.db", directory);
        if (history_new(&h, &options) < 0)
                return 1;
        uint64_t writer = cpu_of_others();
        double filled = fill(h, n);
        writer = cpu_of_others() - writer;
        history_status(h, &status);
        must(sqlite3_open(raw, &db));
        uint64_t raw_writer = cpu();
        double raw_filled = raw_fill(db, n);
        raw_writer = cpu() - raw_writer;
        report("insert.rate", (double) n / filled, "events/s");
        report("insert.lost", (double) status.lost, "events");
        report("insert.ratio", filled / raw_filled, "of sqlite3");
        report("insert.writer", (double) writer / (double) n, "ns of CPU an event");
        report("insert.writer.ratio", (double) writer / (double) raw_writer,
               "of sqlite3, CPU time");

        double scan;
        double took = raw_ask(db, "SELECT * FROM t WHERE k=1234 ORDER BY id DESC LIMIT 100", &scan);
        report("raw.indexed", took * 1000, "ms");
        took = raw_ask(db, "SELECT * FROM t WHERE v GLOB '*nothing*'", &scan);
        report("raw.scan", took * 1000, "ms");
        report("raw.scan.cpu", scan * 1000, "ms");
        report_query(path, "newest", NULL, 100, 0);
        report_query(path, "pid", "process.pid=1234", 100, 0);
        report_query(path, "executable", "process.executable=/usr/lib/loaders/loader-77", 100, 0);
        report_query(path, "program", "prog.id=99999", 100, 0);
        report_query(path, "program-name", "prog.name=program_77", 100, 0);
        report_query(path, "event", "event=prog-unload", 100, 0);
        report_query(path, "unit-glob", "unit=loader-19?.service", 100, 0);
        report_query(path, "scan.glob", "attach.target=*nothing*", 100, scan);
        report_query(path, "scan.attr", "bpf.attr.map_name=*nothing*", 100, scan);
        report_query(path, "scan.message", "message=*nothing*", 100, scan);
        history_free(h);
        report("size.event", (double) file_size(path) / (double) n, "bytes");
        sqlite3_close(db);
        if (directory == made)
                nftw(made, remove_file, 8, FTW_DEPTH | FTW_PHYS);
        return 0;
}
