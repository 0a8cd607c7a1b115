# SPDX-License-Identifier: LGPL-2.1-or-later
"""Filters of sockets, seccomp, tun devices and io_uring."""

# pylint: disable=unused-import
from cases import ABSENT, Case

CASES = []
