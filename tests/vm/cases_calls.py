# SPDX-License-Identifier: LGPL-2.1-or-later
"""What bpf() calls do besides the ordinary: every command, several targets, programs that say much."""

# pylint: disable=unused-import
from cases import ABSENT, Case

CASES = []
