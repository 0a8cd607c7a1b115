/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "details.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

#include "file.h"
#include "files.h"

/* What ends badly later than that had opened. */
#define OPENED_USEC UINT64_C(10000000)

struct page {
        struct details *pages;
        char *file;
        sd_event_source *child; /* NULL: nothing opens it */
        uint64_t since;
};

struct details {
        sd_event *loop;
        void (*failed)(const char *file, const char *why, void *userdata);
        void *userdata;
        struct page pages[DETAILS_MAX];
        size_t next;
};

int details_new(struct details **ret, sd_event *loop,
                void (*failed)(const char *file, const char *why, void *userdata), void *userdata) {
        struct details *p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;

        *p = (struct details){.loop = sd_event_ref(loop), .failed = failed, .userdata = userdata};
        *ret = p;
        return 0;
}

struct details *details_free(struct details *p) {
        if (!p)
                return NULL;

        for (size_t i = 0; i < DETAILS_MAX; i++) {
                sd_event_source_disable_unref(p->pages[i].child);
                free(p->pages[i].file);
        }
        sd_event_unref(p->loop);
        free(p);
        return NULL;
}

static int on_end(sd_event_source *source, const siginfo_t *si, void *userdata) {
        struct page *page = userdata;
        uint64_t now = 0;

        page->child = sd_event_source_disable_unref(page->child);
        sd_event_now(page->pages->loop, CLOCK_MONOTONIC, &now);
        if (si->si_code == CLD_EXITED && si->si_status == 0)
                return 0;
        if (now - page->since < OPENED_USEC)
                page->pages->failed(page->file, "xdg-open found nothing that shows text",
                                    page->pages->userdata);
        return 0;
}

/* The environment, with the token under both of its names. The caller frees the array alone. */
static char **environment(char *names[static 2]) {
        size_t n = 0;
        char **copy;

        while (environ[n])
                n++;
        copy = calloc(n + 3, sizeof(*copy));
        if (!copy)
                return NULL;
        memcpy(copy, names, 2 * sizeof(*copy)); /* the first of a name counts */
        memcpy(copy + 2, environ, n * sizeof(*copy));
        return copy;
}

/* A session of its own: what ends us does not end it. */
static int spawn(const char *file, char **env, pid_t *ret) {
        char *arguments[] = {"xdg-open", (char *) file, NULL};
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t none, ignored;

        sigemptyset(&none);
        sigemptyset(&ignored);
        sigaddset(&ignored, SIGPIPE);
        int r = posix_spawnattr_init(&attributes);
        if (r != 0)
                return -r;
        r = posix_spawn_file_actions_init(&actions);
        if (r != 0) {
                posix_spawnattr_destroy(&attributes);
                return -r;
        }

        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
                                                      POSIX_SPAWN_SETSIGDEF);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setsigdefault(&attributes, &ignored);
        r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        if (r == 0)
                r = posix_spawnp(ret, "xdg-open", &actions, &attributes, arguments, env);
        posix_spawn_file_actions_destroy(&actions);
        posix_spawnattr_destroy(&attributes);
        return -r;
}

static int show(struct page *page, const char *token) {
        _cleanup_free_ char *activation = NULL, *startup = NULL;
        _cleanup_free_ char **env = NULL;
        pid_t pid;

        if (token && (asprintf(&activation, "XDG_ACTIVATION_TOKEN=%s", token) < 0 ||
                      asprintf(&startup, "DESKTOP_STARTUP_ID=%s", token) < 0))
                return -ENOMEM;
        if (token) {
                env = environment((char *[]){activation, startup});
                if (!env)
                        return -ENOMEM;
        }

        int r = spawn(page->file, env ?: environ, &pid);
        if (r < 0)
                return r;
        sd_event_now(page->pages->loop, CLOCK_MONOTONIC, &page->since);
        return sd_event_add_child(page->pages->loop, &page->child, pid, WEXITED, on_end, page);
}

static int name_file(struct page *page, size_t number) {
        const char *directory = getenv("XDG_RUNTIME_DIR");

        free(page->file);
        page->file = NULL;
        if (!directory || directory[0] != '/' || access(directory, W_OK) < 0)
                return -ENXIO;
        if (asprintf(&page->file, "%s/bpfmon/alert-%zu.txt", directory, number + 1) < 0) {
                page->file = NULL;
                return -ENOMEM;
        }
        return 0;
}

int details_open(struct details *p, const char *text, size_t n, const char *token) {
        size_t number = p->next++ % DETAILS_MAX;
        struct page *page = &p->pages[number];

        page->pages = p;
        page->child = sd_event_source_disable_unref(page->child);
        int r = name_file(page, number);
        if (r >= 0)
                r = files_make_parents(page->file);
        if (r >= 0)
                r = file_write(page->file, text, n);
        if (r >= 0)
                r = show(page, token);
        return r;
}
