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
        FRAME_DEPTH_MAX = 3, /* bpf() calls inside each other: a program of type syscall may call
                                bpf() */
};

/* What is observed. */
enum observe { OBSERVE_ALL, OBSERVE_CGROUP, OBSERVE_PID };

enum record_kind {
        RECORD_PROCESS = 1, /* struct record_process: a thread's first bpf() call */
        RECORD_CALL,        /* struct record_call: a bpf() call that is not an element operation */
        RECORD_ELEMENT, /* struct record_element: an element operation, only while somebody asks for
                           it */
        RECORD_CALLER,  /* struct record_caller: the counters of a thread that left or executed
                           another program */
        _RECORD_KIND_MAX
};

/* The hooks of the kernel side, one counter each. */
enum hook {
        HOOK_SYS_ENTER_BPF,
        HOOK_SYS_EXIT_BPF,
        HOOK_SYS_BPF,          /* kprobe:__sys_bpf */
        HOOK_COMPAT_ENTRY,     /* kprobe:__ia32_sys_bpf, on arm64 __arm64_sys_bpf */
        HOOK_COMPAT_RETURN,    /* kretprobe of the same */
        HOOK_IN_KERNEL_RETURN, /* kretprobe:bpf_sys_bpf */
        HOOK_KERN_SYS_RETURN,  /* kretprobe:kern_sys_bpf */
        HOOK_SECURITY_BPF,
        HOOK_BPF_CHECK,
        HOOK_SECURITY_BPF_PROG,
        HOOK_SECURITY_BPF_MAP,
        HOOK_BPF_LINK_PRIME,
        HOOK_PROCESS_EXIT,
        HOOK_PROCESS_EXEC,
        HOOK_PROCESS_FORK,
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
        __u32 ppid;
        __u32 login_uid; /* (u32)-1: not set */
        __u32 ns_pid;
        __u32 ns_mnt;
        __u32 ns_net;
        __u32 ns_user;
        __u16 executable_size; /* bytes used in `executable`, 0: a kernel thread */
        __u16 cgroup_size;
        __u8 executable_cut; /* components nearest to the root are missing */
        __u8 cgroup_cut;
        __u8 pad[2];
        char executable[RECORD_EXECUTABLE_MAX];
        char cgroup[RECORD_CGROUP_MAX];
};

struct record_process {
        struct record_header header;
        struct record_task task;
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
        CALL_SEES_VERIFIER = 1 << 8,  /* bpf_check() is hooked: CALL_VERIFIED tells all */
        CALL_OBJECT_FROM_FD = 1 << 7, /* the object was looked up by its fd on return; a second
                                         thread may have swapped it */
};

enum object_kind { OBJECT_NONE, OBJECT_PROG, OBJECT_MAP, OBJECT_LINK, OBJECT_BTF };

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

struct record_call {
        struct record_header header;
        struct record_task task;
        __u64 duration; /* ns, with CALL_TIMED */
        __s64 ret;      /* negative: errno */
        __u32 cmd;      /* as it was given, with BPF_COMMON_ATTRS */
        __u32 size;     /* of attr, as the caller gave it */
        __u32 flags;    /* enum call_flags */
        __u32 source;   /* enum hook: what saw it end */
        struct record_object object;
        __u32 attr_size;   /* bytes used in attr */
        __u32 string_size; /* bytes used in string with the NUL, 0: none */
        __u8 attr[RECORD_ATTR_MAX];
        char string[RECORD_STRING_MAX]; /* what the attribute points to: path, license, tracepoint
                                         */
        struct record_context context;
};

struct record_element {
        struct record_header header;
        struct record_task task;
        __u64 duration;
        __s64 ret;
        __u32 cmd;
        __u32 size;
        __u32 flags;
        __u32 source;
        __u32 map_id; /* 0: the fd named no map */
        __u32 map_type;
        char map_name[16];
        __u32 attr_size;
        __u32 pad;
        __u8 attr[RECORD_ELEMENT_ATTR_MAX];
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
        __u8 depth;       /* open calls; 0: outside of bpf() */
        __u8 framed;      /* depths that have a frame, a bit each */
        __u8 told;        /* its process record has been sent */
        __u8 left;        /* the thread has left; its counters found no room in the ring */
        __u64 start_time; /* as in struct record_task */
        struct command_counter commands[COMMAND_SLOTS];
};

/* One per possible CPU, in a memory-mapped array: written by that CPU only. */
struct cpu_stats {
        __u64 lost;                      /* sum of what follows */
        __u64 lost_ring[COMMAND_SLOTS];  /* calls that found no room in the ring */
        __u64 lost_probe[COMMAND_SLOTS]; /* calls whose end was not seen */
        __u64 lost_other;                /* process and caller records that found no room */
        __u64 left; /* threads whose counters found no room in the ring and wait in their map */
        __u64 hits[_HOOK_MAX];
};
