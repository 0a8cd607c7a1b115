/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* Network devices and the namespaces that they are in: just what sockets and targets need. */

#include "kernel.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
        struct net *net;
} possible_net_t;

struct net_device {
        char name[16];
        int ifindex;
        possible_net_t nd_net;
};

#pragma clang attribute pop
