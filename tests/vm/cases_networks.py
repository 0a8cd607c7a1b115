# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs that come by netlink: traffic control and XDP."""

# pylint: disable=unused-import
from cases import ABSENT, Case

CASES = []
