/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Memory that a large reply took is given back, a moment after it was sent. */

#include <stdint.h>
#include <systemd/sd-event.h>

/* For a reply of `bytes`; one that is small is not worth it. `source` (NULL at first) is used over
 * and over, and for the caller to unref. That it fails is no harm. */
void trim_later(sd_event_source **source, sd_event *loop, uint64_t bytes);
