/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A token bucket; see the header. */
#include "policy/rate.h"

#define ONE 1000000 /* a token, so that each microsecond gives back a whole number */

bool acg_rate_take(struct acg_rate *rate, unsigned int per_second, unsigned int burst, int64_t now)
{
	uint64_t full = (uint64_t)burst * ONE;
	uint64_t passed = now > rate->since ? now - rate->since : 0;
	uint64_t back = passed > full / per_second ? full : passed * per_second;

	rate->used -= back < rate->used ? back : rate->used;
	rate->since = now;
	if (rate->used + ONE > full)
		return false;
	rate->used += ONE;
	return true;
}
