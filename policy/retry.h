/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Retries: the same command again and again, and what its runs leave behind. Of one agent. Pure.
 */
#ifndef AGENTCG_POLICY_RETRY_H
#define AGENTCG_POLICY_RETRY_H

#include <stdbool.h>
#include <stdint.h>

struct acg_retry {
	char *command;     /* of the last call, as the model wrote it, blanks squeezed; NULL: none */
	unsigned int runs; /* in a row */
	uint64_t left;     /* bytes that the runs in this row left behind and nobody got back */
};

/* A call with this command begins. Returns the so manieth in a row it is: 1 for another command than the last, or none. */
unsigned int acg_retry_begin(struct acg_retry *retry, const char *command);

/* A run of the row ended and left so much behind; of it `reclaimed` was asked back. */
void acg_retry_end(struct acg_retry *retry, unsigned int run, uint64_t left, bool reclaimed);

void acg_retry_clear(struct acg_retry *retry);

#endif
