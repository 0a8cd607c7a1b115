/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Which bubbles there are to be on the desktop: one for each program and cause, with a count in
 * place of a second one, and not more of them in a while than a person can look at.
 *
 * Knows neither buses nor clocks: `now` is µs of a clock that never goes back. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alert.h"

enum {
        BUBBLES_MAX = 64,  /* remembered */
        BUBBLES_BURST = 4, /* that appear at once; critical ones have as many for themselves, */
        BUBBLES_MORE = 32, /* of the rest the last are kept for the details */
};

#define BUBBLES_INTERVAL_USEC  UINT64_C(15000000)   /* then one each 15 s */
#define BUBBLE_UPDATE_USEC     UINT64_C(1000000)    /* until the first update of one; doubled, */
#define BUBBLE_UPDATE_MAX_USEC UINT64_C(60000000)   /* up to a minute */
#define BUBBLE_AGAIN_USEC      UINT64_C(30000000)   /* until it appears again; doubled, */
#define BUBBLE_AGAIN_MAX_USEC  UINT64_C(3600000000) /* up to an hour; */
#define BUBBLE_URGENT_MAX_USEC UINT64_C(300000000)  /* 5 min if it is critical, or of several */
#define BUBBLE_FORGOTTEN_USEC  UINT64_C(3600000000) /* after an hour of quiet all begins anew */
#define BUBBLE_RETRY_USEC      UINT64_C(30000000)   /* after the server failed to show it */

struct bubble {
        struct alert *alert; /* the last one */
        bool more;           /* stands for alerts of several programs and causes, */
        size_t n_others;     /* the last of which these are, the oldest first */
        struct alert *others[BUBBLES_MORE];
        uint64_t count; /* alerts since `first` */
        uint64_t told;  /* how many of them the desktop knows of */
        uint64_t first; /* µs since 1970 */
        enum urgency urgency;

        uint32_t id;    /* the server's; 0: it is not on the desktop */
        bool dirty;     /* the desktop does not show what is here */
        bool sending;   /* the server has not answered yet */
        unsigned shown; /* times that it appeared or changed */
        unsigned appeared;
        uint64_t last;      /* when the last alert came */
        uint64_t last_sent; /* when it was last sent */
        uint64_t not_before;
};

struct bubbles;

int bubbles_new(struct bubbles **ret);
struct bubbles *bubbles_free(struct bubbles *b);

/* Takes an alert (ownership moves here) into the bubble that it belongs to. Returns that. Bubbles
 * stay valid until the next call of this. */
struct bubble *bubbles_add(struct bubbles *b, struct alert *a, uint64_t now);

/* The bubble to be sent now, the most urgent first; NULL where there is none. It counts as being on
 * its way until bubble_shown() or bubble_failed(). */
struct bubble *bubbles_take(struct bubbles *b, uint64_t now);

/* When bubbles_take() may have one: UINT64_MAX where nothing waits. */
uint64_t bubbles_next(struct bubbles *b, uint64_t now);

/* The server shows it, under this number. */
void bubble_shown(struct bubble *bubble, uint32_t id);

/* The server does not; it is to be sent again later. */
void bubble_failed(struct bubble *bubble, uint64_t now);

/* The bubble that the server knows by this number, or NULL. */
struct bubble *bubbles_find(struct bubbles *b, uint32_t id);

/* It is not on the desktop any more. `seen`: somebody has dealt with it, and counting begins anew.
 */
void bubble_closed(struct bubble *bubble, bool seen);

/* The server went away, and all bubbles with it, or there is a new one: what was on the desktop is
 * to be there again. */
void bubbles_closed(struct bubbles *b);

/* Whether one of them is on the desktop or on its way. */
bool bubbles_any(struct bubbles *b);

/* Forgets what waits of a program that is muted now, and calls `close` with the number of each of
 * its bubbles on the desktop. */
void bubbles_mute(struct bubbles *b, const char *program,
                  void (*close)(uint32_t id, void *userdata), void *userdata);

DEFINE_CLEANUP(struct bubbles *, bubbles_free);
