/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Retries; see the header. */
#include "policy/retry.h"

#include <glib.h>
#include <string.h>

#include "policy/policy.h"

/* What a model changes without meaning anything by it: the wrapping and blanks. */
static char *same_form(const char *command)
{
	g_autofree char *written = acg_command_unwrap(command, NULL);
	char *to = written;

	for (const char *from = written; *from; from++)
		if (!g_ascii_isspace(*from))
			*to++ = *from;
		else if (to > written && to[-1] != ' ')
			*to++ = ' ';
	*to = '\0';
	return g_strdup(g_strchomp(written));
}

unsigned int acg_retry_begin(struct acg_retry *retry, const char *command)
{
	g_autofree char *form = command ? same_form(command) : NULL;

	if (form && *form && g_strcmp0(form, retry->command) == 0)
		return ++retry->runs;
	acg_retry_clear(retry);
	retry->command = g_steal_pointer(&form);
	retry->runs = 1;
	return 1;
}

void acg_retry_end(struct acg_retry *retry, unsigned int run, uint64_t left, bool reclaimed)
{
	if (run <= retry->runs && !reclaimed) /* else another command came meanwhile */
		retry->left += left;
}

void acg_retry_clear(struct acg_retry *retry)
{
	g_free(retry->command);
	*retry = (struct acg_retry){0};
}
