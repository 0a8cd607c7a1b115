/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The lives of objects: when programs, maps, links and BTF go, and who pins them. */

#include "action.h"
