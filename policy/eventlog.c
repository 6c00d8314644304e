/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bounded log of lines; see the header. */
#include "policy/eventlog.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void acg_eventlog_init(struct acg_eventlog *log, unsigned int max_lines, size_t max_bytes)
{
	*log = (struct acg_eventlog){.max_lines = max_lines, .max_bytes = max_bytes};
	g_queue_init(&log->lines);
}

static void drop_oldest(struct acg_eventlog *log)
{
	char *line = g_queue_pop_head(&log->lines);

	log->bytes -= g_ref_string_length(line) + 1;
	log->first++;
	g_ref_string_release(line);
}

void acg_eventlog_clear(struct acg_eventlog *log)
{
	while (log->lines.length)
		drop_oldest(log);
	acg_eventlog_init(log, log->max_lines, log->max_bytes);
}

void acg_eventlog_start(struct acg_eventlog *log, uint64_t position)
{
	log->first = log->next = position;
}

void acg_eventlog_append(struct acg_eventlog *log, char *line)
{
	g_queue_push_tail(&log->lines, g_ref_string_acquire(line));
	log->bytes += g_ref_string_length(line) + 1;
	log->next++;
	while (log->lines.length > log->max_lines || log->bytes > log->max_bytes)
		drop_oldest(log);
}

static void append_line(GString *out, const char *line, size_t len)
{
	g_string_append_len(out, line, len);
	g_string_append_c(out, '\n');
}

void acg_eventlog_dump(const struct acg_eventlog *log, GString *out)
{
	for (const GList *at = log->lines.head; at; at = at->next)
		append_line(out, at->data, g_ref_string_length(at->data));
}

unsigned int acg_eventlog_read(const struct acg_eventlog *log, uint64_t *position, size_t max,
			       GString *out)
{
	size_t start = out->len;
	unsigned int n = 0;
	const GList *at;

	if (*position > log->next)
		*position = log->next;
	if (*position < log->first) {
		char lost[64];
		size_t len =
			snprintf(lost, sizeof(lost), "{\"event\":\"lost\",\"lines\":%" PRIu64 "}",
				 log->first - *position);

		append_line(out, lost, len);
		*position = log->first;
		n++;
	}
	at = g_queue_peek_nth_link((GQueue *)&log->lines, *position - log->first);
	for (; at; at = at->next) {
		size_t len = g_ref_string_length(at->data);

		if (n && out->len - start + len + 1 > max)
			break;
		append_line(out, at->data, len);
		++*position;
		n++;
	}
	return n;
}
