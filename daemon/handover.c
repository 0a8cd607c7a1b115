/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "handover.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "log.h"
#include "util.h"

#define STATE_MAGIC "bpfmond-state-1"
#define STATE_NAME  "state"
#define STATE_SEALS (F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)

enum {
        JOURNAL_MAX = 16384,
        OBJECTS_KEPT_MAX = 448,
        OBJECT_NAME_MAX = 40,
        VERSION_MAX = 65,
        FD_NAME_MAX = 64,
        /* Of an entry in the journal: events that came from no record. */
        ENTRY_APART = 0x80,
        ENTRY_MAX = 0x7f,
};

/* What holds at one position of the ring. There are two: one is whole at any time. */
struct mark {
        uint64_t position, seq, lost;
        struct handover_told told;
        uint32_t n; /* entries of the journal */
        uint8_t journal[JOURNAL_MAX];
};

/* An fd that is kept: what must be behind it. */
struct kept {
        uint8_t used;
        uint8_t kind;
        char name[OBJECT_NAME_MAX];
        uint32_t id; /* 0: a perf event */
};

/* Shared with the daemon that comes next, in a memfd. */
struct state {
        char magic[sizeof(STATE_MAGIC)];
        char version[VERSION_MAX];
        uint64_t since;
        uint32_t readers;
        uint32_t current; /* which of the marks holds */
        struct mark marks[2];
        struct kept kept[OBJECTS_KEPT_MAX];
};

struct left {
        char *name;
        int fd;
};

struct handover {
        struct state *state;
        int state_fd;
        bool keeps;     /* there is a service manager */
        bool announced; /* the state is in its store */
        bool adopts, gap;
        struct left *left; /* what was kept */
        size_t n_left;
        uint64_t seq, resumed, replay_lost;
        size_t readers;  /* there were */
        uint32_t at;     /* entry of the record at hand, or of the next one to be read again */
        uint32_t replay; /* entries up to here were there when we came */
        uint8_t number;  /* events of the record at hand up to now */
        bool inside;     /* of a record */
};

static const char *const kind_names[] = {
        [HANDOVER_MAP] = "map",
        [HANDOVER_PROG] = "prog",
        [HANDOVER_LINK] = "link",
};

static struct mark *mark(const struct handover *h) {
        return &h->state->marks[h->state->current & 1];
}

/* The service manager's store -------------------------------------------------------------------
 */

/* No colon: $LISTEN_FDNAMES separates names by it. */
static void fd_name(char ret[static FD_NAME_MAX], enum handover_kind kind, const char *name) {
        snprintf(ret, FD_NAME_MAX, "%s.%s", kind_names[kind], name);
}

static int store(const char *name, int fd) {
        char text[FD_NAME_MAX + 64];
        int k;

        snprintf(text, sizeof(text), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);
        k = sd_pid_notify_with_fds(0, false, text, &fd, 1);
        return k < 0 ? k : 0;
}

static void unstore(const char *name) {
        (void) sd_notifyf(false, "FDSTOREREMOVE=1\nFDNAME=%s", name);
}

static struct left *find_left(const struct handover *h, const char *name) {
        for (size_t i = 0; i < h->n_left; i++)
                if (h->left[i].fd >= 0 && strcmp(h->left[i].name, name) == 0)
                        return &h->left[i];
        return NULL;
}

static int collect(struct handover *h) {
        char **names = NULL;
        int n = sd_listen_fds_with_names(true, &names); /* closed on exec */

        if (n <= 0)
                return n == -ENOMEM ? n : 0; /* an environment that says nonsense has nothing */
        h->left = calloc((size_t) n, sizeof(*h->left));
        if (!h->left)
                return -ENOMEM;
        for (int i = 0; i < n; i++)
                h->left[i] = (struct left){names[i], SD_LISTEN_FDS_START + i};
        h->n_left = (size_t) n;
        free(names);
        return 0;
}

static void free_left(struct handover *h) {
        for (size_t i = 0; i < h->n_left; i++) {
                closep(&h->left[i].fd);
                free(h->left[i].name);
        }
        free(h->left);
        h->left = NULL;
        h->n_left = 0;
}

/* Checking what was left ------------------------------------------------------------------------
 */

static bool is_perf_event(int fd) {
        char path[64], target[64];
        ssize_t n;

        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        n = readlink(path, target, sizeof(target) - 1);
        if (n < 0)
                return false;
        target[n] = 0;
        return strcmp(target, "anon_inode:[perf_event]") == 0;
}

/* What kind of object an fd is, by the name of its inode, and its id. */
static int object_behind(int fd, enum handover_kind kind, uint32_t *ret_id) {
        static const char *const inodes[] = {
                [HANDOVER_MAP] = "anon_inode:bpf-map",
                [HANDOVER_PROG] = "anon_inode:bpf-prog",
                [HANDOVER_LINK] = "anon_inode:bpf_link",
        };
        struct bpf_link_info common = {}; /* all of them begin with type and id */
        uint32_t size = sizeof(common);
        char path[64], target[64];
        ssize_t n;

        if (kind == HANDOVER_LINK && is_perf_event(fd)) {
                *ret_id = 0;
                return 0;
        }
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        n = readlink(path, target, sizeof(target) - 1);
        if (n < 0)
                return -errno;
        target[n] = 0;
        if (strncmp(target, inodes[kind], strlen(inodes[kind])) != 0)
                return -EBADMSG;
        if (bpf_obj_get_info_by_fd(fd, &common, &size) < 0)
                return -errno;
        *ret_id = common.id;
        return 0;
}

static const char *check_kept(const struct handover *h, const struct kept *kept) {
        char name[FD_NAME_MAX];
        const struct left *left;
        uint32_t id;

        if (kept->kind >= ELEMENTSOF(kind_names) || !memchr(kept->name, 0, sizeof(kept->name)))
                return "the list of what was left is damaged";
        fd_name(name, kept->kind, kept->name);
        left = find_left(h, name);
        if (!left)
                return "something of it is missing";
        if (object_behind(left->fd, kept->kind, &id) < 0 || id != kept->id)
                return "something of it is not what it was";
        return NULL;
}

static bool mark_is_sound(const struct mark *m) {
        return m->n <= JOURNAL_MAX;
}

/* Maps the state that was left. Files that may shrink, or are none, would be a trap. */
static int take_state(struct handover *h) {
        struct left *left = find_left(h, STATE_NAME);
        const struct state *s;
        struct stat st;
        int seals;
        void *m;

        if (!left)
                return -ENOENT;
        seals = fcntl(left->fd, F_GET_SEALS);
        if (seals < 0 || (seals & STATE_SEALS) != STATE_SEALS || (seals & F_SEAL_WRITE) ||
            fstat(left->fd, &st) < 0 || st.st_size != sizeof(struct state))
                return -EBADMSG;
        m = mmap(NULL, sizeof(struct state), PROT_READ | PROT_WRITE, MAP_SHARED, left->fd, 0);
        if (m == MAP_FAILED)
                return -errno;
        s = m;
        if (memcmp(s->magic, STATE_MAGIC, sizeof(STATE_MAGIC)) != 0 || s->current > 1 ||
            !memchr(s->version, 0, sizeof(s->version)) || !mark_is_sound(&s->marks[s->current])) {
                munmap(m, sizeof(struct state));
                return -EBADMSG;
        }
        h->state = m;
        h->state_fd = TAKE_FD(left->fd);
        h->announced = true;
        return 0;
}

static int make_state(struct handover *h) {
        _cleanup_close_ int fd = memfd_create("bpfmond-state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        void *m;

        if (fd < 0 || ftruncate(fd, sizeof(struct state)) < 0 ||
            fcntl(fd, F_ADD_SEALS, STATE_SEALS) < 0)
                return -errno;
        m = mmap(NULL, sizeof(struct state), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (m == MAP_FAILED)
                return -errno;
        h->state = m;
        h->state_fd = TAKE_FD(fd);
        memcpy(h->state->magic, STATE_MAGIC, sizeof(STATE_MAGIC));
        return 0;
}

static const char *check(struct handover *h, const char *version) {
        const struct state *s = h->state;
        const char *why = NULL;

        if (strcmp(s->version, version) != 0)
                return "it is of another version, or was set up otherwise";
        for (size_t i = 0; !why && i < OBJECTS_KEPT_MAX; i++)
                if (s->kept[i].used)
                        why = check_kept(h, &s->kept[i]);
        return why;
}

/* The journal ends here: all its events count as told. */
static void settle(struct handover *h) {
        const struct mark *m = mark(h);

        h->seq = m->seq;
        for (uint32_t i = 0; i < m->n; i++)
                h->seq += m->journal[i] & ENTRY_MAX;
}

void handover_give_up(struct handover *h) {
        struct mark *m = mark(h);

        if (h->state->version[0]) {
                settle(h);
                m->seq = h->resumed = h->seq;
                m->n = 0;
                m->position = 0;
                memset(&m->told, 0, sizeof(m->told));
                memset(h->state->kept, 0, sizeof(h->state->kept));
        }
        if (h->announced)
                unstore(STATE_NAME);
        h->announced = false;
        for (size_t i = 0; i < h->n_left; i++)
                unstore(h->left[i].name);
        free_left(h);
        h->at = h->replay = 0;
        h->adopts = false;
        h->gap = true;
}

/* Entries that belong to no record. */
static void skip_apart(struct handover *h) {
        const struct mark *m = mark(h);

        for (; h->at < h->replay && (m->journal[h->at] & ENTRY_APART); h->at++)
                h->seq += m->journal[h->at] & ENTRY_MAX;
}

static bool is_kept(const struct handover *h, const char *name) {
        char full[FD_NAME_MAX];

        for (size_t i = 0; i < OBJECTS_KEPT_MAX; i++) {
                const struct kept *kept = &h->state->kept[i];

                if (!kept->used)
                        continue;
                fd_name(full, kept->kind, kept->name);
                if (strcmp(full, name) == 0)
                        return true;
        }
        return false;
}

/* What the state does not name was left in the middle of keeping or dropping it. */
static void forget_strangers(struct handover *h) {
        for (size_t i = 0; i < h->n_left; i++) {
                struct left *left = &h->left[i];

                if (left->fd < 0 || is_kept(h, left->name))
                        continue;
                unstore(left->name);
                closep(&left->fd);
                left->fd = -1;
        }
}

static void adopt(struct handover *h) {
        const struct mark *m = mark(h);

        forget_strangers(h);
        h->adopts = true;
        h->seq = h->resumed = m->seq;
        h->replay = m->n;
        skip_apart(h);
}

DEFINE_CLEANUP(struct handover *, handover_free);

int handover_new(struct handover **ret, const char *version) {
        _cleanup_(handover_freep) struct handover *h = calloc(1, sizeof(*h));
        const char *why;
        int k;

        if (!h)
                return -ENOMEM;
        h->state_fd = -1;
        h->keeps = !!getenv("NOTIFY_SOCKET");
        k = collect(h);
        if (k < 0)
                return k;
        k = take_state(h);
        why = k < 0 ? "it has no state that could be read" : check(h, version);
        if (k < 0) {
                k = make_state(h);
                if (k < 0)
                        return k;
        }
        h->readers = h->state->readers;
        if (!why) {
                adopt(h);
        } else if (h->n_left > 0) {
                log_warning("What the last bpfmond left cannot be taken over: %s; beginning anew",
                            why);
                handover_give_up(h);
        }
        snprintf(h->state->version, sizeof(h->state->version), "%s", version);
        *ret = TAKE_PTR(h);
        return 0;
}

struct handover *handover_free(struct handover *h) {
        if (!h)
                return NULL;
        if (h->state)
                munmap(h->state, sizeof(*h->state));
        closep(&h->state_fd);
        free_left(h);
        free(h);
        return NULL;
}

bool handover_kept(const struct handover *h) {
        return h->keeps;
}

bool handover_adopts(const struct handover *h) {
        return h->adopts;
}

bool handover_gap(const struct handover *h) {
        return h->gap;
}

/* Keeping ---------------------------------------------------------------------------------------
 */

bool handover_has(const struct handover *h, enum handover_kind kind, const char *name) {
        char full[FD_NAME_MAX];

        fd_name(full, kind, name);
        return h->adopts && find_left(h, full);
}

int handover_take(struct handover *h, enum handover_kind kind, const char *name) {
        char full[FD_NAME_MAX];
        struct left *left;

        fd_name(full, kind, name);
        left = h->adopts ? find_left(h, full) : NULL;
        return left ? TAKE_FD(left->fd) : -ENOENT;
}

int handover_keep(struct handover *h, enum handover_kind kind, const char *name, int fd) {
        struct kept *kept = h->state->kept, *end = kept + OBJECTS_KEPT_MAX;
        char full[FD_NAME_MAX];
        int k;

        if (!h->keeps)
                return 0;
        while (kept < end && kept->used)
                kept++;
        if (kept == end || strlen(name) >= sizeof(kept->name))
                return -ENOSPC;
        k = object_behind(fd, kind, &kept->id);
        if (k < 0)
                return k;
        fd_name(full, kind, name);
        k = store(full, fd);
        if (k < 0)
                return k;
        kept->kind = (uint8_t) kind;
        strcpy(kept->name, name);
        __atomic_store_n(&kept->used, 1, __ATOMIC_RELEASE);
        return 0;
}

void handover_drop(struct handover *h, enum handover_kind kind, const char *name) {
        char full[FD_NAME_MAX];

        if (!h->keeps)
                return;
        for (size_t i = 0; i < OBJECTS_KEPT_MAX; i++) {
                struct kept *kept = &h->state->kept[i];

                if (!kept->used || kept->kind != kind || strcmp(kept->name, name) != 0)
                        continue;
                __atomic_store_n(&kept->used, 0, __ATOMIC_RELEASE);
                fd_name(full, kind, name);
                unstore(full);
        }
}

int handover_begin(struct handover *h) {
        int k;

        for (size_t i = 0; i < OBJECTS_KEPT_MAX; i++) {
                const struct kept *kept = &h->state->kept[i];

                /* Nobody took it: another hook does instead. */
                if (kept->used && handover_has(h, kept->kind, kept->name))
                        handover_drop(h, kept->kind, kept->name);
        }
        free_left(h);
        if (!h->keeps || h->announced)
                return 0;
        k = store(STATE_NAME, h->state_fd);
        h->announced = k >= 0;
        return k;
}

/* The state -------------------------------------------------------------------------------------
 */

uint64_t handover_since(struct handover *h, uint64_t now) {
        if (h->state->since == 0)
                h->state->since = now;
        return h->state->since;
}

uint64_t handover_seq(const struct handover *h) {
        return h->seq;
}

void handover_begin_after(struct handover *h, uint64_t seq) {
        if (!h->adopts && seq > h->seq)
                mark(h)->seq = h->seq = h->resumed = seq;
}

uint64_t handover_resumed(const struct handover *h) {
        return h->resumed;
}

uint64_t handover_lost(const struct handover *h) {
        return mark(h)->lost;
}

const struct handover_told *handover_told(const struct handover *h) {
        return &mark(h)->told;
}

uint64_t handover_position(const struct handover *h) {
        return mark(h)->position;
}

void handover_set_readers(struct handover *h, size_t n) {
        h->state->readers = (uint32_t) n;
}

size_t handover_readers(const struct handover *h) {
        return h->readers;
}

/* The journal -----------------------------------------------------------------------------------
 */

void handover_record_begins(struct handover *h) {
        struct mark *m = mark(h);

        h->inside = true;
        h->number = 0;
        if (h->at < h->replay)
                return;
        h->at = m->n;
        m->journal[m->n] = 0;
        __atomic_store_n(&m->n, m->n + 1, __ATOMIC_RELEASE);
        h->replay = 0;
}

void handover_record_ends(struct handover *h) {
        const struct mark *m = mark(h);

        h->inside = false;
        if (h->at >= h->replay)
                return;
        /* What it became then and does not now has its number all the same. */
        if (h->number < m->journal[h->at])
                h->seq += m->journal[h->at] - h->number;
        h->at++;
        skip_apart(h);
}

uint64_t handover_number(struct handover *h) {
        struct mark *m = mark(h);
        uint8_t *entry;

        if (!h->inside) {
                if (m->n < JOURNAL_MAX) {
                        m->journal[m->n] = ENTRY_APART | 1;
                        __atomic_store_n(&m->n, m->n + 1, __ATOMIC_RELEASE);
                }
                return ++h->seq;
        }
        entry = &m->journal[h->at];
        if (h->number >= *entry) {
                /* Only of the last one may something have remained to be told. */
                if (h->at + 1 < h->replay || h->number >= ENTRY_MAX)
                        return 0;
                __atomic_store_n(entry, h->number + 1, __ATOMIC_RELEASE);
        }
        h->number++;
        return ++h->seq;
}

/* One is left for what comes from no record. */
bool handover_full(const struct handover *h) {
        return h->at >= h->replay && mark(h)->n >= JOURNAL_MAX - 1;
}

void handover_commit(struct handover *h, uint64_t position, uint64_t lost,
                     const struct handover_told *told) {
        const struct mark *now = mark(h);
        uint32_t other = !h->state->current, left = h->replay > h->at ? h->replay - h->at : 0;
        struct mark *next = &h->state->marks[other];

        next->position = position;
        next->seq = h->seq;
        next->lost = lost;
        next->told = *told;
        next->n = left;
        memcpy(next->journal, now->journal + h->at, left);
        __atomic_store_n(&h->state->current, other, __ATOMIC_RELEASE);
        h->at = 0;
        h->replay = left;
}
