/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* What is measured of a connection, shared by the kernel side and the daemon: a part of record.h.
 * Each socket is an end of its own; the daemon puts two ends on one machine together. */

enum {
        /* Requests by latency: the first are those below 2^CONNECTION_SHIFT ns, each further one
         * holds twice as long ones, the last all that are longer still (18 minutes). */
        CONNECTION_BUCKETS = 32,
        CONNECTION_SHIFT = 10,
        CONNECTION_PATH_MAX = 108, /* struct sockaddr_un, include/uapi/linux/un.h */
};

enum connection_flags {
        CONNECTION_CLIENT = 1 << 0,  /* this end has connected, */
        CONNECTION_SERVER = 1 << 1,  /* or was accepted; neither: not known */
        CONNECTION_WHOLE = 1 << 2,   /* seen from its beginning */
        CONNECTION_TASK = 1 << 3,    /* `task` is known */
        CONNECTION_IGNORED = 1 << 4, /* the other end is the daemon's */
        CONNECTION_TOLD = 1 << 5,    /* that it opened */
};

enum connection_turn { CONNECTION_QUIET, CONNECTION_ASKED, CONNECTION_ANSWERED };

/* One end. Times are CLOCK_MONOTONIC ns. A request is a run of bytes from the client to the server
 * that is followed by bytes the other way. */
struct connection {
        __u64 id;            /* a small number of its own; 0: being made */
        __u64 peer;          /* AF_UNIX: the other end's key; 0: not known */
        __u64 inode;         /* AF_UNIX: of the socket: its address may be used again */
        __u64 client;        /* AF_UNIX: the same of the client's socket: both ends have it */
        __u64 start;         /* when it opened, or was seen first */
        __u64 last;          /* when bytes passed last; 0: never */
        __u64 sent;          /* bytes */
        __u64 received;      /* bytes */
        __u64 send_calls;    /* that moved something */
        __u64 receive_calls; /* the same */
        __u64 requests;
        __u64 asked;       /* when the last byte of a request passed */
        __u64 latency;     /* from there to the first byte of the answer, ns: the sum */
        __u64 latency_max; /* ns */
        __u32 turn;        /* enum connection_turn */
        __u32 flags;       /* enum connection_flags */
        __u32 rtt;         /* TCP: smoothed, µs; 0: not known */
        __u32 retransmits; /* TCP: segments */
        __u32 netns;       /* inode */
        __u32 generation;  /* of the round over all sockets that saw it last */
        __u16 family;
        __u16 local_port;
        __u16 remote_port;
        __u16 path_size; /* bytes used in `path`, without the last NUL */
        union {
                struct {
                        __u8 local[16]; /* IPv4 in the first four */
                        __u8 remote[16];
                };
                char path[CONNECTION_PATH_MAX]; /* AF_UNIX: of the server's end; begins with NUL
                                                   where it is no file */
        };
        __u32 pad;
        struct record_task task; /* who used it first */
        __u32 histogram[CONNECTION_BUCKETS];
};

enum connection_what { CONNECTION_OPENS = 1, CONNECTION_CLOSES };

struct record_connection {
        struct record_header header;
        __u64 key;    /* the kernel's address of the socket */
        __u32 what;   /* enum connection_what */
        __u32 source; /* enum hook */
        struct connection connection;
};

/* The ends that were put into the map of connections, and taken out, per possible CPU (and one for
 * iterators): what is missing then was pushed out by newer ones. */
struct connection_counts {
        __u64 made;
        __u64 removed;
        __u64 numbers; /* given to ends */
};
