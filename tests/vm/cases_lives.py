# SPDX-License-Identifier: LGPL-2.1-or-later
"""The lives of objects: who drops them, pins them, and touches what is not theirs."""

# pylint: disable=unused-import
from cases import ABSENT, Case

CASES = []
