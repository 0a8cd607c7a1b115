/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What bpfmon-notify is called on a desktop: one name for its desktop file, its icon and its place
 * on the session bus. */

#define IDENTITY_ID      "org.bpfmon1.Notify"
#define IDENTITY_NAME    "bpfmon"
#define IDENTITY_ICON    IDENTITY_ID
#define IDENTITY_DESKTOP IDENTITY_ID
