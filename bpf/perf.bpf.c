/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Programs that are attached to perf events by ioctl(). */

#include "action.h"
