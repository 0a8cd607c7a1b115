/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Names that both sides of the bus share. */

#define BPFMON_BUS_NAME               "org.bpfmon1"
#define BPFMON_OBJECT_PATH            "/org/bpfmon1"
#define BPFMON_SUBSCRIPTION_PREFIX    "/org/bpfmon1/subscription"
#define BPFMON_MANAGER_INTERFACE      "org.bpfmon1.Manager"
#define BPFMON_SUBSCRIPTION_INTERFACE "org.bpfmon1.Subscription"

#define BPFMON_ERROR_INVALID_MATCH  "org.bpfmon1.Error.InvalidMatch"
#define BPFMON_ERROR_INVALID_OPTION "org.bpfmon1.Error.InvalidOption"
#define BPFMON_ERROR_LIMIT_EXCEEDED "org.bpfmon1.Error.LimitExceeded"
#define BPFMON_ERROR_NO_HISTORY     "org.bpfmon1.Error.NoHistory"
#define BPFMON_ERROR_NO_OBJECT      "org.bpfmon1.Error.NoObject"
