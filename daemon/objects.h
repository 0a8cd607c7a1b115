/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What exists in the kernel and who brought it: follows the events, and adds to each the loader of
 * the object that it is about. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event;
struct names;
struct objects;

enum {
        OBJECTS_MAX = 65536, /* remembered; of more, those that were brought first are forgotten */
};

int objects_new(struct objects **ret);

/* NULL is fine; returns NULL. */
struct objects *objects_free(struct objects *o);

/* Walks over what exists now: programs, maps, links and BTF are remembered as having existed before
 * bpfmond started, but for its own. `names` (borrowed for the call) for their types. Returns how
 * many, or a negative errno. */
int objects_seed(struct objects *o, const struct names *names);

/* An object that was there before bpfmond. */
struct existing {
        uint32_t kind; /* enum object_kind */
        uint32_t id;
        const char *name; /* NULL or "": none; all strings are copied */
        const char *type;
        const char *tag; /* as the field has it */
        uint64_t time;   /* when it was loaded, as the field has it; 0: not known */
        bool has_user;
        uint32_t user;
};

/* Remembers one. Returns 0 (also where it is known already, or our own) or -ENOMEM. */
int objects_add(struct objects *o, const struct existing *x);

/* The process that bpfmond is, as the events would name it. */
void objects_set_self(struct objects *o, uint32_t pid);

/* Marks an object as the daemon's own, or (`gone`) no longer so. `kind`: enum object_kind. Returns
 * 0 or -ENOMEM. */
int objects_set_own(struct objects *o, uint32_t kind, uint32_t id, bool gone);

bool objects_is_own(struct objects *o, uint32_t kind, uint32_t id);

/* How many are remembered, without our own. */
size_t objects_count(const struct objects *o);

/* Follows an event: remembers what it says was loaded or created and by whom; sets loaded_by.*,
 * existed and (when the object goes) lifetime and what is known of it, and then forgets it. What
 * somebody else does to an object of our own becomes `tamper`. Returns false when the event is not
 * to be told to anybody: our own objects, acted on by ourselves, or an object that nobody knew and
 * that is gone (`strict`: only some processes are observed). */
bool objects_follow(struct objects *o, struct event *e, bool strict);

/* Sets loaded_by.* of an event, by the one in which its object came: who acted there brought it. */
void objects_set_loader(struct event *e, const struct event *came);

/* Sets in a row about an object what is known of who brought it: loaded_by.*, existed, own. Returns
 * whether it is known at all. */
bool objects_describe(struct objects *o, uint32_t kind, uint32_t id, struct event *row);

/* Whether it is remembered, as whoever's. */
bool objects_knows(struct objects *o, uint32_t kind, uint32_t id);

/* Forgets one that is gone, without anybody telling so. */
void objects_forget(struct objects *o, uint32_t kind, uint32_t id);

/* Calls `each` with all that are remembered, our own too, in no order; it must not change them. */
void objects_each(struct objects *o, void (*each)(uint32_t kind, uint32_t id, void *userdata),
                  void *userdata);

/* The user who brought an object. Returns false where that is not known. */
bool objects_owner(struct objects *o, uint32_t kind, uint32_t id, uint32_t *ret);

/* Ids of objects that were there before bpfmond, after `after`, up to `max` in order. Returns how
 * many. */
size_t objects_existed(const struct objects *o, uint32_t kind, uint32_t after, uint32_t *ret,
                       size_t max);

/* An event of the past, in which an object came that existed when bpfmond started: now it is known
 * who brought it. */
void objects_adopt(struct objects *o, const struct event *e);

/* Whether an event that has been told (objects_follow() let it pass) was about somebody else's
 * object and touches one of our own, too, such as a program that uses our map: makes it a `tamper`,
 * to be told beside it. `touches`: the kernel side has seen that it does, by what the event may not
 * name. Who touches what is ours does not hide what else it does. */
bool objects_tamper(struct objects *o, struct event *e, bool touches);
