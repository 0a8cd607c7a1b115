/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What is in the kernel at one moment: its programs, maps, links and BTF, who holds them, where
 * they are pinned and attached. Made by a thread of its own, read on the loop. */

#include <linux/bpf.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record.h"

struct event;
struct kfuncs;
struct names;
struct symbols;

/* What a scan looks for beside the objects. */
enum scan_part {
        SCAN_HOLDERS = 1 << 0,  /* in /proc */
        SCAN_PINS = 1 << 1,     /* in BPF file systems */
        SCAN_CGROUPS = 1 << 2,  /* attachments to control groups */
        SCAN_NETWORKS = 1 << 3, /* attachments to devices and network namespaces */
        SCAN_PERF = 1 << 4,     /* perf events that run programs, in /proc, too */
        SCAN_MEMORY = 1 << 5,   /* what only /proc tells of the objects themselves */
        SCAN_ATTACHED = SCAN_CGROUPS | SCAN_NETWORKS | SCAN_PERF,
        SCAN_ALL = (1 << 6) - 1,
        /* The objects themselves, which are always looked for. */
        SCAN_PROGS = 1 << 6,
        SCAN_MAPS = 1 << 7,
        SCAN_LINKS = 1 << 8,
        SCAN_BTF = 1 << 9,
        SCAN_OBJECTS = SCAN_PROGS | SCAN_MAPS | SCAN_LINKS | SCAN_BTF,
        SCAN_TARGETS = 1 << 10, /* what links are attached to */
};

/* Why a part is not complete. */
enum scan_reason { SCAN_OUT_OF_TIME, SCAN_TOO_MANY, SCAN_NOT_ACCESSIBLE, _SCAN_REASON_MAX };

enum {
        SCAN_OBJECTS_MAX = 1 << 18, /* of a kind */
        SCAN_FOUND_MAX = 1 << 18,   /* holders, pins, attachments, of each */
        SCAN_NAME_MAX = 64,         /* of BTF, with NUL */
        SCAN_LINKED_MAX = 256,      /* functions or places of one link that are told */
};

/* struct bpf_link_info of the newest kernel that we know (Linux 6.19, include/uapi/linux/bpf.h):
 * the headers that we are built with may be older. */
struct link_info {
        uint32_t type;
        uint32_t id;
        uint32_t prog_id;
        union {
                struct {
                        uint64_t tp_name; /* in: buffer */
                        uint32_t tp_name_len;
                } raw_tracepoint;
                struct {
                        uint32_t attach_type;
                        uint32_t target_obj_id; /* of a program or of BTF */
                        uint32_t target_btf_id;
                } tracing;
                struct {
                        uint64_t cgroup_id;
                        uint32_t attach_type;
                } cgroup;
                struct {
                        uint64_t target_name; /* in: buffer */
                        uint32_t target_name_len;
                        uint32_t map_id;
                } iter;
                struct {
                        uint32_t netns_ino;
                        uint32_t attach_type;
                } netns;
                struct {
                        uint32_t ifindex;
                        uint32_t attach_type; /* not of XDP */
                } device;                     /* XDP, tcx, netkit */
                struct {
                        uint32_t map_id;
                        uint32_t attach_type; /* of sockmap alone */
                } map;                        /* struct_ops, sockmap */
                struct {
                        uint32_t pf;
                        uint32_t hooknum;
                        int32_t priority;
                        uint32_t flags;
                } netfilter;
                struct {
                        uint64_t addrs; /* in: buffer */
                        uint32_t count; /* in: its size; out: how many there are */
                        uint32_t flags;
                } kprobe_multi;
                struct {
                        uint64_t path;    /* in: buffer */
                        uint64_t offsets; /* in: buffer */
                        uint64_t ref_ctr_offsets;
                        uint64_t cookies;
                        uint32_t path_size;
                        uint32_t count;
                        uint32_t flags;
                        uint32_t pid;
                } uprobe_multi;
                struct {
                        uint32_t type; /* enum bpf_perf_event_type */
                        uint32_t : 32;
                        union {
                                struct {
                                        uint64_t name; /* in: buffer; of a file or a function */
                                        uint32_t name_len;
                                        uint32_t offset;
                                        uint64_t address; /* of kprobes alone */
                                } probe;
                                struct {
                                        uint64_t tp_name; /* in: buffer */
                                        uint32_t name_len;
                                } tracepoint;
                                struct {
                                        uint64_t config;
                                        uint32_t type;
                                } event;
                        };
                } perf_event;
                uint8_t room[112];
        };
} __attribute__((aligned(8)));

struct scan_prog {
        struct bpf_prog_info info;
        uint64_t memory;
        size_t maps, n_maps; /* where its ids are in `ids` */
};

struct scan_map {
        struct bpf_map_info info;
        uint64_t memory;
        bool frozen;
};

struct scan_link {
        struct link_info info;
        char *name;        /* of a tracepoint, function, file or target: what is behind a pointer */
        uint64_t *numbers; /* addresses or offsets */
        size_t n_numbers;
        char *target;   /* in words; NULL: not known */
        char **targets; /* one by one, where the question asks for this link */
        size_t n_targets;
};

struct scan_btf {
        uint32_t id, size;
        bool kernel;
        char name[SCAN_NAME_MAX];
};

/* A process that has an fd of an object. */
struct scan_holder {
        uint32_t kind, id; /* enum object_kind */
        uint32_t pid, uid;
        char name[16];
};

struct scan_pin {
        uint32_t kind, id;
        uint32_t uid; /* owner of the file */
        char *path;
};

/* A program that is attached somewhere. */
struct scan_attachment {
        uint32_t prog, link; /* 0: not by one that is known */
        const char *via;     /* static, as attach.via has it */
        const char *type;    /* static, or of the names; NULL: the target says it */
        char *target;        /* NULL: not known */
        bool has_uid;
        uint32_t uid; /* whose it is, where somebody holds it */
};

/* What belongs to what, beside what is in the objects themselves. */
enum scan_relation {
        SCAN_MAP_PROGS,
        SCAN_PROG_LINKS,
        SCAN_BTF_PROGS,
        SCAN_BTF_MAPS,
        _SCAN_RELATION_MAX
};

struct scan_pair {
        uint32_t from, to; /* ids */
};

/* A directory of control groups. */
struct scan_cgroup {
        uint64_t id;
        char *path; /* below the root; "/": the root itself */
};

/* A perf event that runs a program: known by the process that has an fd of it. */
struct scan_perf {
        uint32_t prog;
        uint32_t pid, uid;
        char name[16]; /* of the process */
        char *target;
        bool by_link; /* a link tells of it, too */
};

/* What is asked for. */
struct scan_question {
        unsigned parts; /* bits of enum scan_part */
        /* What is behind the numbers of a link with many targets (a look through the kernel's
         * symbols) is told of this one; 0: of none. */
        uint32_t link;
        uint64_t deadline; /* CLOCK_MONOTONIC, ns: what is not found by then is left out */
        const struct names *names;
        const atomic_bool *cancelled; /* may be NULL */
};

struct scan {
        const struct scan_question *question; /* while it is being made */
        uint64_t started,
                walked; /* CLOCK_MONOTONIC, ns: before and after the objects were listed */
        unsigned parts; /* bits of enum scan_part: what was looked at */
        unsigned incomplete[_SCAN_REASON_MAX]; /* bits of enum scan_part: what was cut short */
        bool statistics;                       /* run times are counted */
        uint64_t deadline;                     /* CLOCK_MONOTONIC, ns: of what is being looked at */
        struct scan_prog *progs;
        struct scan_map *maps;
        struct scan_link *links;
        struct scan_btf *btfs;
        struct scan_holder *holders;         /* by kind, id, pid */
        struct scan_pin *pins;               /* by kind, id, path */
        struct scan_attachment *attachments; /* by program */
        struct scan_cgroup *cgroups;         /* by id */
        struct scan_perf *perfs;
        struct scan_pair *pairs[_SCAN_RELATION_MAX]; /* by from, to */
        size_t n_pairs[_SCAN_RELATION_MAX];
        uint32_t *ids;
        size_t n_progs, n_maps, n_links, n_btfs, n_holders, n_pins, n_attachments, n_cgroups,
                n_perfs, n_ids;
        /* While it is being made: for targets in words. */
        struct event *scratch;
        struct symbols *symbols;
        struct kfuncs *kfuncs;
};

/* Looks. Returns 0; -ENOMEM; -EPERM where the kernel does not let us; -ECANCELED. */
int scan_new(struct scan **ret, const struct scan_question *q);

/* NULL is fine; returns NULL. */
struct scan *scan_free(struct scan *s);

/* The object of an id, or NULL. */
const struct scan_prog *scan_prog(const struct scan *s, uint32_t id);
const struct scan_map *scan_map(const struct scan *s, uint32_t id);
const struct scan_link *scan_link(const struct scan *s, uint32_t id);
const struct scan_btf *scan_btf(const struct scan *s, uint32_t id);

/* Those of an object, one behind the other. */
const struct scan_holder *scan_holders(const struct scan *s, uint32_t kind, uint32_t id,
                                       size_t *ret_n);
const struct scan_pin *scan_pins(const struct scan *s, uint32_t kind, uint32_t id, size_t *ret_n);
const struct scan_attachment *scan_attachments(const struct scan *s, uint32_t prog, size_t *ret_n);

/* Of `parts`, those that are not complete, for whatever reason. */
unsigned scan_incomplete(const struct scan *s, unsigned parts);

/* Ids of what belongs to `from`, up to `max` of them, in `ret`. Returns how many. */
size_t scan_related(const struct scan *s, enum scan_relation relation, uint32_t from, uint32_t *ret,
                    size_t max);

/* For the modules that a scan is made by ---------------------------------------------------------
 */

/* Whether to stop, because it takes too long or nobody waits any more; notes that `part` was cut
 * short. */
bool scan_late(struct scan *s, enum scan_part part);

/* Notes that a part is not complete. */
void scan_cut(struct scan *s, enum scan_part part, enum scan_reason why);

/* Room for one more item (zeroed) of an array of the scan, whose length it counts up. NULL: there
 * is none. */
void *scan_add(void *array, size_t *n, size_t size, size_t max);

/* Each adds what it finds. Return -ENOMEM, or 0. */
int scan_objects(struct scan *s);
int scan_links(struct scan *s);
int scan_perf_events(struct scan *s);
int scan_processes(struct scan *s);
int scan_file_systems(struct scan *s);
int scan_control_groups(struct scan *s);
int scan_network(struct scan *s);
int scan_sockmaps(struct scan *s);

/* Adds an attachment, found by looking for `part`; `target` (NULL: not known) is copied. Returns
 * -ENOMEM, or 0; what is too much is left out, and that is noted. */
int scan_attach(struct scan *s, enum scan_part part, const struct scan_attachment *a,
                const char *target);

/* A target in words, as events tell it. Returns a string for the caller to free, or NULL. */
char *scan_target(struct scan *s, const struct record_target *t);

/* Puts a path into a target; a path that is too long loses its beginning. */
void scan_target_path(struct record_target *t, const char *path);

/* The path of a control group, or NULL. */
const char *scan_cgroup_path(const struct scan *s, uint64_t id);

/* The attach type that a link has beside its own type, as the kernel has it. Returns false where it
 * has none. */
bool scan_link_attach_type(const struct scan_link *l, uint32_t *ret);

/* What an fd of ours is: its kind (enum object_kind) and id. Returns 0, or -ENOENT. */
int scan_identify(int fd, uint32_t *ret_kind, uint32_t *ret_id);
