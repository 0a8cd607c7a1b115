/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What the actions of the test program share: the system call, what the kernel says of an object,
 * and the line of JSON that each action prints. */

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What an action was given on the command line. */
struct arguments {
        int n;
        char **items;
};

struct action {
        const char *name;
        const char *usage;                     /* its arguments */
        int (*run)(const struct arguments *a); /* 0, or a negative errno: it could not be done */
        const char *meaning;
};

/* Tables of actions, each ends with a row without a name. */
extern const struct action object_actions[];
extern const struct action failure_actions[];
extern const struct action odd_actions[];
extern const struct action race_actions[];
extern const struct action storm_actions[];
extern const struct action process_actions[];
extern const struct action call_actions[];
extern const struct action link_actions[];
extern const struct action program_actions[];
extern const struct action live_actions[];
extern const struct action pin_actions[];
extern const struct action tamper_actions[];
extern const struct action network_actions[];
extern const struct action traffic_actions[];
extern const struct action perf_actions[];
extern const struct action socket_actions[];
extern const struct action filter_actions[];
extern const struct action gone_actions[];
extern const struct action struct_ops_actions[];
extern const struct action held_actions[];
extern const struct action inventory_actions[];
extern const struct action talk_actions[];

/* The argument at `i`, or `fallback` where there is none. */
const char *argument(const struct arguments *a, int i, const char *fallback);

/* The process that observes us; 0: it is not there. */
pid_t find_daemon(void);

/* Calls bpf() with `size` bytes of `attr`. Returns what it returned, a negative errno on failure.
 */
long bpf_call(int cmd, void *attr, unsigned size);

/* Writes the attributes of a hash map of 16 elements, with 4-byte keys. */
void fill_map(union bpf_attr *attr, const char *name, uint32_t value_size);

/* Makes a map with 4-byte keys. Returns an fd that the caller closes, or a negative errno. */
int make_map(const char *name, uint32_t type, uint32_t value_size, uint32_t max_entries);

/* Loads the smallest program: it returns `result`. Returns as above. */
int make_program(const char *name, uint32_t type, uint32_t attach_type, int result);

/* Loads `n` instructions with `attr` filled in for all else. Returns as above. */
int load_program(union bpf_attr *attr, const struct bpf_insn *insns, size_t n);

/* Loads BTF of one type, int. Returns as above. */
int make_btf(void);

/* A link that attaches a program of ours to a tracepoint that hardly ever fires. Returns as above.
 */
int open_raw_tracepoint(int program);

/* Waits until standard input is closed. */
void wait_for_end(void);

/* From now on each report waits so, when it is complete. */
void reports_hold(void);

/* The report: one line of JSON on stdout. Begin, any number of members, end. */
void report_begin(const char *action);
void report_number(const char *key, int64_t value);
void report_text(const char *key, const char *value);
void report_numbers(const char *key, const uint32_t *values, size_t n);
/* Members cmd, ret and errno ("" on success). */
void report_call(const char *cmd, long ret);
void report_end(void);

/* The whole report of an action that this kernel cannot do. Returns 0. */
int report_skip(const char *action, const char *why);

/* What the kernel says of the object behind an fd: id, name, type and so on. Returns a negative
 * errno. */
int report_map(int fd);
int report_program(int fd);
int report_link(int fd);
int report_btf(int fd);

/* Id of the object behind the fd of a program, map or link (they share the place of the id in what
 * the kernel tells); 0 when it does not tell. */
uint32_t object_id(int fd);

/* The same for BTF. */
uint32_t btf_id(int fd);

/* Id and size of the values of the map behind an fd. Returns a negative errno. */
int map_value_size(int fd, uint32_t *ret_id, uint32_t *ret_value_size);

/* The whole report of a call that makes an object: `describe` is one of the above. Returns `ret`
 * when it is an error, otherwise what `describe` returned. */
int report_made(const char *action, const char *cmd, long ret, int (*describe)(int fd));
