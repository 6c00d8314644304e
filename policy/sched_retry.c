/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See the header. */
#include "policy/sched_retry.h"

void acg_sched_retry_loaded(struct acg_sched_retry *retry, int64_t now)
{
	retry->loaded = now;
}

int64_t acg_sched_retry_failed(struct acg_sched_retry *retry, int64_t now)
{
	int64_t wait = ACG_SCHED_WAIT;

	if (retry->loaded && now - retry->loaded >= ACG_SCHED_PROVEN)
		retry->failures = 0;
	retry->loaded = 0;
	if (++retry->failures >= ACG_SCHED_TRIES)
		return -1;
	for (unsigned int i = 1; i < retry->failures; i++)
		wait *= 4;
	return wait;
}
