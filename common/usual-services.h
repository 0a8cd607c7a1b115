/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The usual services, and behind which ports and sockets they are. */

#include <stddef.h>
#include <stdint.h>

enum {
        SERVICE_NAME_BYTES = 32,  /* with NUL */
        SERVICE_PATH_BYTES = 109, /* a glob of a socket's path, with NUL */
};

/* What is behind one port, or the paths that a glob matches. */
struct service_rule {
        char name[SERVICE_NAME_BYTES];
        char path[SERVICE_PATH_BYTES]; /* "": the port counts. An abstract name begins with @ */
        uint16_t port;
};

/* Those of one name stand together. */
extern const struct service_rule usual_services[];
extern const size_t n_usual_services;
