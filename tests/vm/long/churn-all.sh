#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=900
# 10,000 calls from eight writers and 200 killed callers, on a kernel with a memory controller.
exec "$ACG_SRC/tests/host/churn.sh" 10000 200
