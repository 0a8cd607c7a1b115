# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs attached to perf events by ioctl()."""

# pylint: disable=unused-import
from cases import ABSENT, Case

CASES = []
