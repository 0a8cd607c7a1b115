/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "hooks.h"
#include "util.h"

enum hook_kind { PLAIN, AGAIN, INSTEAD };

static const struct {
        const char *name;    /* as people write it */
        const char *program; /* of the kernel side */
        enum hook_kind kind;
} hooks[_HOOK_MAX] = {
#define HOOK(identifier, name, program)         [HOOK_##identifier] = {name, program, PLAIN},
#define HOOK_AGAIN(identifier, name, program)   [HOOK_##identifier] = {name, program, AGAIN},
#define HOOK_INSTEAD(identifier, name, program) [HOOK_##identifier] = {name, program, INSTEAD},
#include "hooks.def"
#undef HOOK
};

const struct probe_info probe_table[] = {
#include "probes-attach.def"
#include "probes-call.def"
#include "probes-connection.def"
#include "probes-life.def"
#include "probes-net.def"
#include "probes-perf.def"
#include "probes-socket.def"
};

const size_t probe_count = ELEMENTSOF(probe_table);

const char *hook_name(enum hook hook) {
        return (unsigned) hook < _HOOK_MAX ? hooks[hook].name : NULL;
}

const char *hook_program(enum hook hook) {
        return hooks[hook].program;
}

const char *hook_function(enum hook hook) {
        return strchr(hooks[hook].name, ':') + 1;
}

bool hook_is_kprobe(enum hook hook) {
        return strncmp(hooks[hook].name, "kprobe:", 7) == 0 ||
               strncmp(hooks[hook].name, "kretprobe:", 10) == 0;
}

bool hook_is_again(enum hook hook) {
        return hooks[hook].kind == AGAIN;
}

bool hook_is_instead(enum hook hook) {
        return hooks[hook].kind == INSTEAD;
}
