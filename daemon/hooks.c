/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "hooks.h"
#include "util.h"

static const struct {
        const char *name;    /* as people write it */
        const char *program; /* of the kernel side */
        bool if_preempting;
} hooks[_HOOK_MAX] = {
#define HOOK(identifier, name, program)       [HOOK_##identifier] = {name, program, false},
#define HOOK_AGAIN(identifier, name, program) [HOOK_##identifier] = {name, program, true},
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

bool hook_if_preempting(enum hook hook) {
        return hooks[hook].if_preempting;
}
