/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Cleanup attributes and small macros shared by every part of user space. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f)   __attribute__((cleanup(f)))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _unused_       __attribute__((unused))

#define ELEMENTSOF(x) (sizeof(x) / sizeof((x)[0]))
#define _PASTE(a, b)  a##b
#define _UNIQUE(a, b) _PASTE(a, b)
#define _CHOOSE(op, a, b, x, y)        \
        ({                             \
                __typeof__(a) x = (a); \
                __typeof__(b) y = (b); \
                x op y ? x : y;        \
        })
/* Names of their own in each use, so that one may stand inside another. */
#define MIN(a, b) _CHOOSE(<, a, b, _UNIQUE(_a, __COUNTER__), _UNIQUE(_b, __COUNTER__))
#define MAX(a, b) _CHOOSE(>, a, b, _UNIQUE(_a, __COUNTER__), _UNIQUE(_b, __COUNTER__))

/* Defines fp(), a cleanup handler for _cleanup_() that calls `f` on a `type`. */
#define DEFINE_CLEANUP(type, f)            \
        static inline void f##p(type *p) { \
                if (*p)                    \
                        f(*p);             \
        }                                  \
        struct _semicolon_

/* Takes a pointer out of a variable, which becomes NULL. */
#define TAKE_PTR(p)                        \
        ({                                 \
                __typeof__(p) *_pp = &(p); \
                __typeof__(p) _p = *_pp;   \
                *_pp = NULL;               \
                _p;                        \
        })
#define TAKE_FD(fd)               \
        ({                        \
                int *_fp = &(fd); \
                int _f = *_fp;    \
                *_fp = -1;        \
                _f;               \
        })

static inline void freep(void *p) {
        free(*(void **) p);
}

static inline void closep(int *fd) {
        if (*fd >= 0)
                close(*fd);
}

static inline void fclosep(FILE **f) {
        if (*f)
                fclose(*f);
}

#define _cleanup_free_   _cleanup_(freep)
#define _cleanup_close_  _cleanup_(closep)
#define _cleanup_fclose_ _cleanup_(fclosep)
