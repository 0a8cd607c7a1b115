/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Alerts in the journal: the message, and every field of the event as BPFMON_FIELD_NAME=. */

struct event;

/* Logs an alert. */
void alert_log(const struct event *e);
