/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Messages that the journal's catalog explains (systemd/bpfmond.catalog): made once with
 * systemd-id128 new, never changed. */

#define MESSAGE_STARTED      "025ed4a489754a729d45b6cdb900357d"
#define MESSAGE_RELOADED     "ad24ba377cde4094946a42a6b9651dbb"
#define MESSAGE_CONFIG       "4e747d55b65542dc8d7b43ccb77fae04" /* CONFIG_FILE=, CONFIG_LINE= */
#define MESSAGE_RESTART      "16acbdc34e284cfd8a6c33945a7ab312" /* BPFMON_SETTING= */
#define MESSAGE_LIMIT        "03cd5fdddb414b559a70c0662c1d92db" /* BPFMON_SETTING= */
#define MESSAGE_RECORDS_LOST "86164dba5b7f4ae3b3f77e0a1532639f" /* BPFMON_LOST= */
#define MESSAGE_ALERT        "b1bd85dc2c7d4e009cec17933e8fe75e" /* BPFMON_*=: all fields of the event */
#define MESSAGE_RULE         "141613f54299437987c1a8fef2a17e95" /* CONFIG_FILE=, CONFIG_LINE= */
