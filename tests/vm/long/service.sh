#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=240 systemd=yes
# As a service, in short: what tests/vm/long/takeover-chaos.sh does a thousand times.
exec "$ACG_SRC/tests/vm/long/takeover-chaos.sh" 5 2 3
