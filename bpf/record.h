/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* What crosses the ring from the kernel side to the daemon, and the maps both sides share.
 *
 * Included by bpf/ and by the daemon. All integers are in host order; the size of a record says
 * which class it is. The daemon trusts no length in it: strings may lack their NUL, counts may be
 * too large. */

#ifndef __bpf__
#include <linux/types.h>
#endif

enum {
        RECORD_ATTR_MAX = 256,        /* bytes of union bpf_attr kept; 176 in Linux 6.18 */
        RECORD_ELEMENT_ATTR_MAX = 64, /* the same for element operations; the batch commands use 56
                                       */
        RECORD_EXECUTABLE_MAX = 768,  /* bytes of path components */
        RECORD_CGROUP_MAX = 512,
        RECORD_STRING_MAX = 256, /* a string that an attribute points to: a path, a tracepoint's
                                    name, a license */
        COMMAND_SLOTS = 48,      /* bpf() commands counted one by one (39 in Linux 6.19); later ones
                                    share the last */
        FRAME_DEPTH_MAX = 3,    /* bpf() calls inside each other: a program of type syscall may call
                                   bpf() */
        RECORD_COMMON_MAX = 32, /* bytes of struct bpf_common_attr kept; 24 in Linux 7.3 */
        RECORD_FDS_MAX = 6,     /* fds in the attributes of one command */
        RECORD_CONTENT_MAX = 64, /* bytes of a key or a value */
        RECORD_GROUP_MAX = 64,
        RECORD_PART_SMALL = 256, /* bytes in a piece; there are two sizes */
        RECORD_PART_LARGE = 8192,
};

/* What is observed. */
enum observe { OBSERVE_ALL, OBSERVE_CGROUP, OBSERVE_PID };

enum record_kind {
        RECORD_PROCESS = 1, /* struct record_process: who makes a call or an action that comes after
                               it, or a thread's first bpf() call */
        RECORD_CALL,        /* struct record_call: a bpf() call that is not an element operation */
        RECORD_ELEMENT, /* struct record_element: an element operation, only while somebody asks for
                           it */
        RECORD_CALLER,  /* struct record_caller: the counters of a thread that left or executed
                           another program */
        RECORD_PART,    /* struct record_part: what the record of a call or an action, which comes
                           after it, has no room for */
        RECORD_ACTION,  /* struct record_action: what was done without bpf(), or by the kernel */
        RECORD_CONTENT, /* struct record_content: an element operation with its key and value, only
                           while somebody asks for those */
        RECORD_FREE,    /* struct record_free: an object is gone; they come in storms */
        RECORD_CONNECTION, /* struct record_connection: one opens or closes; only while somebody
                              asks for connections */
        _RECORD_KIND_MAX
};

/* The hooks of the kernel side, one counter each. */
enum hook {
        HOOK_NONE,
#define HOOK(identifier, name, program) HOOK_##identifier,
#include "hooks.def"
#undef HOOK
        _HOOK_MAX
};

struct record_header {
        __u32 kind; /* enum record_kind */
        __u32 size; /* of the whole record, bytes */
        __u64 time; /* bpf_ktime_get_ns(): CLOCK_MONOTONIC, ns */
};

/* What is cheap to know about a task. */
struct record_task {
        __u64 start_time; /* of the thread group's leader; CLOCK_BOOTTIME ns (CLOCK_MONOTONIC before
                             Linux 5.5) */
        __u64 cgroup_id;
        __u32 tgid;
        __u32 tid;
        __u32 uid;
        __u32 gid;
        char comm[16];
};

/* What takes some walking. Paths are their components from the leaf to the root, a NUL after each:
 * "bpftool\0sbin\0usr\0" is /usr/sbin/bpftool. */
struct record_context {
        __u64 capabilities;
        __u64 executable_inode;   /* 0: not known */
        __u64 executable_changed; /* of the file (ctime), µs since 1970 */
        __u32 executable_owner;   /* user id */
        __u32 ppid;
        __u32 login_uid; /* (u32)-1: not set */
        __u32 ns_pid;
        __u32 ns_mnt;
        __u32 ns_net;
        __u32 ns_user;
        __u16 executable_size; /* bytes used in `executable`, 0: a kernel thread */
        __u16 cgroup_size;
        __u16 executable_mode; /* type and permissions of the file */
        __u8 executable_cut;   /* components nearest to the root are missing */
        __u8 cgroup_cut;
        __u8 pad[4];
        char executable[RECORD_EXECUTABLE_MAX];
        char cgroup[RECORD_CGROUP_MAX];
};

#include "record-connection.h"

/* Ends with what is used of the paths: that of the cgroup follows that of the executable at once.
 */
struct record_process {
        struct record_header header;
        struct record_task task;
        __u64 entered; /* of the call or action whose record comes later; 0: of none */
        struct record_context context;
};

enum call_flags {
        CALL_KERNEL_ATTR = 1 << 0, /* attr is the kernel's own copy */
        CALL_USER_ATTR = 1 << 1,   /* attr was read from the caller's memory */
        CALL_COMPAT = 1 << 2,      /* 32-bit call */
        CALL_IN_KERNEL = 1 << 3,   /* issued inside the kernel */
        CALL_TIMED = 1 << 4,       /* duration is known */
        CALL_VERIFIED = 1 << 5,    /* bpf_check() was entered */
        CALL_PROG_SEEN = 1 << 6,   /* security_bpf_prog() was entered: the verifier had said yes */
        CALL_OBJECT_FROM_FD = 1 << 7,  /* the object was looked up by its fd, not taken from where
                                          the kernel has it; a second thread may have swapped it */
        CALL_SEES_VERIFIER = 1 << 8,   /* bpf_check() is hooked: CALL_VERIFIED tells all */
        CALL_OWN = 1 << 9,             /* it touches one of the daemon's own objects */
        CALL_ATTRIBUTED = 1 << 10,     /* an action: the task is who did it; without, the kernel did
                                          it in nobody's name, and the task says nothing */
        CALL_DETACHES = 1 << 11,       /* an action that takes away what its road brought */
        CALL_URING = 1 << 12,          /* asked for through io_uring */
        CALL_TARGET_FROM_FD = 1 << 13, /* the target was looked up by its fd, as above */
};

enum object_kind {
        OBJECT_NONE,
        OBJECT_PROG,
        OBJECT_MAP,
        OBJECT_LINK,
        OBJECT_BTF,
        /* Only as what an fd of the attributes is. */
        OBJECT_CGROUP,
        OBJECT_PERF_EVENT,
        OBJECT_SOCKET,
        OBJECT_NETNS,
        OBJECT_ITER,
        OBJECT_TOKEN,
        OBJECT_FILE, /* anything else */
        _OBJECT_MAX
};

/* The object that a call made or opened. Which members count depends on `kind`. */
struct record_object {
        __u32 kind; /* enum object_kind */
        __u32 id;
        __u32 type;    /* program, map or link type */
        __u32 prog_id; /* link: of its program */
        char name[16];
        __u8 tag[8];        /* program */
        __u64 load_time;    /* program: CLOCK_BOOTTIME ns */
        __u32 instructions; /* program */
        __u32 verified;     /* program: instructions that the verifier walked (from 5.16) */
        __u32 jited_size;   /* program */
        __u32 attach_type;  /* program: expected attach type */
        __u32 btf_id;       /* program */
        __u32 gpl;          /* program: GPL compatible */
        __u32 key_size;     /* map */
        __u32 value_size;   /* map */
        __u32 max_entries;  /* map */
        __u32 flags;        /* map */
        __u32 btf_size;     /* btf: bytes */
        __u32 prog_type;    /* link: type of its program */
};

/* Names an object in the map of the daemon's own. */
struct object_key {
        __u32 kind; /* enum object_kind */
        __u32 id;
};

/* Where a command's attributes may have fds; the daemon knows. */
struct fd_offsets {
        __u16 n;
        __u16 offsets[RECORD_FDS_MAX];
};

/* What an fd in the attributes was when the call used it. */
struct record_fd {
        __u32 offset; /* of the fd in the attributes */
        __u32 kind;   /* enum object_kind; OBJECT_NONE: no such fd */
        __u32 id;     /* program, map, link, BTF: its id; others: the inode */
        __u32 type;   /* program, map or link type */
        char name[16];
};

/* What a program is, or was to be, attached to. */
enum target_kind {
        TARGET_NONE,
        TARGET_FUNCTION,   /* text: its name, where it has one; address; offset into it */
        TARGET_FILE,       /* text: path components of the file; inode, device; offset into it */
        TARGET_TRACEPOINT, /* group: category, may be empty; text: name */
        TARGET_PERF,       /* type, config: of the perf event */
        TARGET_CGROUP,     /* text: path components; id: of the cgroup */
        TARGET_INTERFACE,  /* text: name; ifindex; netns; parent, handle: where in traffic control
                            */
        TARGET_NETNS,      /* netns */
        TARGET_SOCKET,     /* family, type, protocol, ports and addresses; netns */
        TARGET_PROCESS,    /* id: its thread group; count: one thread of it, 0: all of them */
        TARGET_MAP,        /* id; text: name */
        TARGET_STRUCT_OPS, /* id: of the map; text: its name; group: the kernel's struct */
        TARGET_PROG,       /* id: of the program whose function is replaced or traced; text: the
                              function */
        TARGET_ITER,       /* text: what it iterates over */
        TARGET_NETFILTER,  /* family, hook, priority; netns */
        TARGET_LIST,       /* several: a part has them; count; in a file: as for one */
        TARGET_TUN,        /* text: name of the interface; ifindex; netns */
        TARGET_RING,       /* an io_uring; type: operation; id: thread, where it is for all of its
                              rings */
        _TARGET_MAX
};

struct record_target {
        __u32 kind; /* enum target_kind */
        union {
                __u32 id;
                __u32 device; /* of the file system: major << 20 | minor, as the kernel has it */
        };
        __u64 cgroup; /* its id */
        __u64 address;
        __u64 offset;
        union {
                __u64 config;
                __u64 inode;
        };
        __u32 ifindex;
        __u32 netns;    /* inode */
        __u32 parent;   /* qdisc or class */
        __u32 handle;   /* of the filter */
        __u32 priority; /* of the filter, or (signed) of the netfilter hook */
        __u32 hook;     /* netfilter */
        __u32 type;
        __u32 protocol;
        __u32 count;
        __u16 family;
        __u16 local_port;
        __u16 remote_port;
        __u8 is_return; /* on return from the function */
        __u8 text_cut;  /* components nearest to the root are missing */
        __u8 local[16]; /* IPv4 in the first four */
        __u8 remote[16];
        __u16 text_size; /* bytes used in `text` with NULs */
        __u8 pad[6];
        char text[RECORD_STRING_MAX];
        char group[RECORD_GROUP_MAX];
};

/* How a call ended. */
struct record_outcome {
        __u64 duration; /* ns, with CALL_TIMED */
        __s64 ret;      /* negative: errno */
        __u32 cmd;      /* as it was given, with BPF_COMMON_ATTRS */
        __u32 size;     /* of attr, as the caller gave it */
        __u32 flags;    /* enum call_flags */
        __u32 source;   /* enum hook: what saw it end */
};

struct record_call {
        struct record_header header;
        struct record_task task;
        struct record_outcome outcome;
        struct record_object object;
        __u64 entered;     /* names the call, with the thread: its parts have it too */
        __u32 attr_size;   /* bytes used in attr */
        __u32 string_size; /* bytes used in string with the NUL, 0: none */
        __u32 common_size; /* bytes used in common */
        __u32 pad;
        struct record_fd fds[RECORD_FDS_MAX];
        struct record_target target;
        __u8 common[RECORD_COMMON_MAX]; /* of the caller's memory, when the call had ended */
        __u8 attr[RECORD_ATTR_MAX];
        char string[RECORD_STRING_MAX]; /* what the attribute points to: path, license, tracepoint
                                         */
};

struct record_element {
        struct record_header header;
        struct record_task task;
        struct record_outcome outcome;
        __u32 map_id; /* 0: the fd named no map */
        __u32 map_type;
        char map_name[16];
        __u32 attr_size;
        __u32 pad;
        __u8 attr[RECORD_ELEMENT_ATTR_MAX];
};

/* The first bytes of what an operation works on. */
struct element_content {
        __u32 key_size; /* bytes used in key, 0: none */
        __u32 value_size;
        __u8 key[RECORD_CONTENT_MAX];
        __u8 value[RECORD_CONTENT_MAX];
};

struct record_content {
        struct record_element element;
        struct element_content content;
};

/* What a part holds. */
enum part_kind {
        PART_INSTRUCTIONS = 1, /* struct bpf_insn, as the loader gave them */
        PART_FILTER,           /* struct sock_filter */
        PART_LOG,              /* the end of the verifier's log, without NUL */
        PART_MAPS,             /* u32: ids of the maps that a program uses */
        PART_ADDRESSES,        /* u64: of the functions of a kprobe_multi link */
        PART_OFFSETS,          /* u64: places in the file of a uprobe_multi link */
        PART_PATH,    /* components of a pin's path, as in struct record_context; not whole:
                         those nearest to the root are missing */
        PART_CONTEXT, /* the end of a struct record_process; it comes as such */
        _PART_MAX
};

/* A piece of a part. Pieces come in order; a part is whole when `total` bytes have come. */
struct record_part {
        struct record_header header;
        __u64 thread;  /* as in struct caller */
        __u64 entered; /* of the call or action */
        __u32 part;    /* enum part_kind */
        __u32 total;   /* bytes of the whole part; more than what comes where there was no room */
        __u32 offset;  /* of this piece */
        __u32 size;    /* of this piece */
        __u8 data[];   /* RECORD_PART_SMALL or RECORD_PART_LARGE bytes */
};

/* What was done, other than by bpf(). */
enum action {
        ACTION_ATTACH = 1, /* a program or classic filter, by the road `via`; with CALL_DETACHES
                              away from there */
        ACTION_FREE,       /* the object is gone: as monitors tell it */
        ACTION_PIN,        /* target.text: path components */
        ACTION_UNPIN,
        ACTION_TAKE,    /* an fd is copied out of another process */
        ACTION_RECEIVE, /* an fd comes in a message */
        _ACTION_MAX
};

/* The road by which a program came to run, where it was not bpf(). */
enum road {
        ROAD_NONE,
        ROAD_PERF_IOCTL,
        ROAD_NETLINK_XDP,
        ROAD_NETLINK_TC,
        ROAD_NETLINK_LWT,
        ROAD_LINK, /* a link whose target goes; it came by bpf() */
        ROAD_SETSOCKOPT,
        ROAD_SETSOCKOPT_REUSEPORT,
        ROAD_PACKET_FANOUT,
        ROAD_SECCOMP,
        ROAD_PRCTL,
        ROAD_TUN_IOCTL,
        ROAD_IO_URING,
        ROAD_PROG_ATTACH, /* what bpf() attached without a link, and something else takes away */
        ROAD_STRUCT_OPS,  /* functions that the kernel calls, through their map */
        _ROAD_MAX
};

struct record_action {
        struct record_header header;
        struct record_task task;
        __u64 duration; /* ns, with CALL_TIMED */
        __s64 ret;
        __u64 entered;       /* names the action, with the thread: its parts have it too */
        __u32 action;        /* enum action */
        __u32 via;           /* enum road */
        __u32 flags;         /* enum call_flags */
        __u32 source;        /* enum hook */
        __u32 filter_length; /* classic filter: instructions; 0: none */
        __u32 road_flags;    /* flags of the road's own: SECCOMP_FILTER_FLAG_*, XDP_FLAGS_*,
                                TCA_BPF_FLAG_* */
        struct record_object object;
        struct record_target target;
};

/* Who did it, with CALL_ATTRIBUTED, was told of before, in a struct record_process. */
struct record_free {
        struct record_header header;
        struct record_task task;
        __u32 flags;  /* enum call_flags */
        __u32 source; /* enum hook */
        struct record_object object;
};

struct command_counter {
        __u64 calls;
        __u64 errors;
        __u64 timed; /* calls that were timed */
        __u64 ns;    /* their sum */
};

struct record_caller {
        struct record_header header;
        struct record_task task;
        struct command_counter commands[COMMAND_SLOTS];
};

/* A thread that calls bpf(); key: bpf_get_current_pid_tgid(), or 0 for those that found the map
 * full. */
struct caller {
        __u64 entered; /* ns */
        __u32 cmd;
        __u8 depth;  /* open calls; 0: outside of bpf() */
        __u8 framed; /* depths that have a frame, a bit each */
        __u8 told;   /* its process record has been sent */
        __u8 left;   /* the thread has left; its counters found no room in the ring */
        __u8 ended;  /* the call that it comes out of has been told */
        __u8 pad[7];
        __u64 start_time; /* as in struct record_task */
        struct command_counter commands[COMMAND_SLOTS];
};

/* One per possible CPU, in a memory-mapped array: written by that CPU only. */
struct cpu_stats {
        __u64 lost;                      /* sum of what follows */
        __u64 lost_ring[COMMAND_SLOTS];  /* calls that found no room in the ring */
        __u64 lost_probe[COMMAND_SLOTS]; /* calls whose end was not seen */
        __u64 lost_connections;          /* that opened or closed, and found no room */
        __u64 lost_actions;              /* actions that found no room, or whose end was not seen */
        __u64 lost_other; /* process and caller records and parts that found no room */
        __u64 left; /* threads whose counters found no room in the ring and wait in their map */
        __u64 hits[_HOOK_MAX];
};
