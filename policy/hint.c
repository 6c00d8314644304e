/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hints and the units in them; see the header. */
#include "policy/hint.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int acg_size_parse(const char *text, uint64_t *ret_bytes, GError **error)
{
	static const char units[] = "kmgt";
	unsigned int shift = 0;
	uint64_t value;
	char *end;

	if (!g_ascii_isdigit(text[0]))
		return acg_fail(error, EINVAL,
				"\"%.32s\" is no size: write digits, then K, M or G, as in 512M",
				text);
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno)
		return acg_fail(error, ERANGE, "\"%.32s\" is too large", text);
	if (*end) {
		const char *unit = strchr(units, g_ascii_tolower(*end));

		if (!unit || end[1])
			return acg_fail(
				error, EINVAL,
				"\"%.32s\" is no size: write digits, then K, M or G, as in 512M",
				text);
		shift = 10 * (unit - units + 1);
	}
	if (value == 0)
		return acg_fail(error, EINVAL, "a size of zero makes no sense here");
	if (value > (uint64_t)INT64_MAX >> shift)
		return acg_fail(error, ERANGE, "\"%.32s\" is too large", text);
	*ret_bytes = value << shift;
	return 0;
}

const char *acg_size_format(uint64_t bytes, char buf[static 16])
{
	static const char units[] = "KMGTPE";
	uint64_t whole = bytes, tenths;
	int unit = -1;

	if (bytes == ACG_MAX) {
		g_strlcpy(buf, "max", 16);
		return buf;
	}
	while (whole >= 1024 && unit < 5) {
		whole /= 1024;
		unit++;
	}
	if (unit < 0) {
		snprintf(buf, 16, "%u", (unsigned int)bytes);
		return buf;
	}
	tenths = (bytes >> (10 * unit)) % 1024 * 10 / 1024;
	if (tenths && whole < 100)
		snprintf(buf, 16, "%u.%u%c", (unsigned int)whole, (unsigned int)tenths,
			 units[unit]);
	else
		snprintf(buf, 16, "%u%c", (unsigned int)whole, units[unit]);
	return buf;
}

int acg_seconds_parse(const char *text, uint64_t *ret_usec, GError **error)
{
	const double most = 10.0 * 366 * 24 * 3600;
	double seconds;
	char *end;

	if (!g_ascii_isdigit(text[0]) || strspn(text, "0123456789.") != strlen(text))
		return acg_fail(error, EINVAL,
				"\"%.32s\" is no time: write seconds, as in 30 or 2.5", text);
	seconds = g_ascii_strtod(text, &end);
	if (*end)
		return acg_fail(error, EINVAL,
				"\"%.32s\" is no time: write seconds, as in 30 or 2.5", text);
	if (seconds > most || seconds * G_USEC_PER_SEC < 1)
		return acg_fail(error, EINVAL,
				"\"%.32s\" seconds: more than zero and at most ten years", text);
	*ret_usec = seconds * G_USEC_PER_SEC;
	return 0;
}

static int parse_memory(struct acg_hint *hint, const char *value, GError **error)
{
	static const struct {
		const char *word;
		enum acg_memory_hint memory;
	} words[] = {
		{"low", ACG_MEMORY_LOW},
		{"medium", ACG_MEMORY_MEDIUM},
		{"high", ACG_MEMORY_HIGH},
	};
	uint64_t bytes;
	int ret;

	for (unsigned int i = 0; i < G_N_ELEMENTS(words); i++)
		if (strcmp(words[i].word, value) == 0) {
			hint->memory = words[i].memory;
			hint->memory_bytes = 0;
			return 0;
		}
	ret = acg_size_parse(value, &bytes, NULL);
	if (ret == -ERANGE) /* too much is cut, not refused */
		bytes = INT64_MAX;
	else if (ret)
		return acg_fail(error, EINVAL,
				"memory is low, medium, high or a size such as 512M, not \"%.32s\"",
				value);
	hint->memory = ACG_MEMORY_SIZE;
	hint->memory_bytes = bytes;
	return 0;
}

static int parse_cpu(struct acg_hint *hint, const char *value, GError **error)
{
	return acg_cpu_class_parse(value, &hint->cpu, error);
}

static int parse_pids(struct acg_hint *hint, const char *value, GError **error)
{
	uint64_t pids;

	if (!g_ascii_string_to_unsigned(value, 10, 1, 4194304, &pids, NULL))
		return acg_fail(error, EINVAL, "pids is a number from 1 to 4194304, not \"%.32s\"",
				value);
	hint->pids = pids;
	return 0;
}

static int parse_timeout(struct acg_hint *hint, const char *value, GError **error)
{
	return acg_seconds_parse(value, &hint->timeout, error);
}

int acg_hint_set(struct acg_hint *hint, const char *key, const char *value, GError **error)
{
	static const struct {
		const char *key;
		int (*parse)(struct acg_hint *hint, const char *value, GError **error);
	} keys[] = {
		{"memory", parse_memory},
		{"cpu", parse_cpu},
		{"pids", parse_pids},
		{"timeout", parse_timeout},
	};

	for (unsigned int i = 0; i < G_N_ELEMENTS(keys); i++)
		if (strcmp(keys[i].key, key) == 0)
			return keys[i].parse(hint, value, error);
	return acg_fail(error, ENOKEY,
			"\"%.32s\" is no key of a hint: use memory, cpu, pids or timeout", key);
}

int acg_hint_parse(const char *text, struct acg_hint *ret_hint, GError **error)
{
	g_auto(GStrv) pairs = g_strsplit_set(text, ", \t", 16);
	struct acg_hint hint = {0};
	bool any = false;

	for (char **pair = pairs; *pair; pair++) {
		char *separator = strpbrk(*pair, ":=");
		int ret;

		if (!**pair)
			continue;
		if (separator)
			*separator = '\0';
		ret = separator ? acg_hint_set(&hint, *pair, separator + 1, error)
				: acg_hint_set(&hint, "memory", *pair, error);
		if (ret)
			return ret;
		any = true;
	}
	if (!any)
		return acg_fail(error, EINVAL,
				"an empty hint: write memory:low, memory:medium, memory:high or "
				"memory:512m");
	*ret_hint = hint;
	return 0;
}

void acg_hint_merge(struct acg_hint *hint, const struct acg_hint *over)
{
	if (over->memory != ACG_MEMORY_UNSET) {
		hint->memory = over->memory;
		hint->memory_bytes = over->memory_bytes;
	}
	if (over->cpu != ACG_CPU_UNSET)
		hint->cpu = over->cpu;
	if (over->pids)
		hint->pids = over->pids;
	if (over->timeout)
		hint->timeout = over->timeout;
}

char *acg_hint_format(const struct acg_hint *hint)
{
	static const char *const words[] = {"", "low", "medium", "high", ""};
	GString *out = g_string_new(NULL);

	if (hint->memory == ACG_MEMORY_SIZE)
		g_string_append_printf(out, " memory=%" PRIu64, hint->memory_bytes);
	else if (hint->memory != ACG_MEMORY_UNSET)
		g_string_append_printf(out, " memory=%s", words[hint->memory]);
	if (hint->cpu != ACG_CPU_UNSET)
		g_string_append_printf(out, " cpu=%s", acg_cpu_class_name(hint->cpu));
	if (hint->pids)
		g_string_append_printf(out, " pids=%" PRIu64, hint->pids);
	if (hint->timeout)
		g_string_append_printf(out, " timeout=%" PRIu64, hint->timeout / G_USEC_PER_SEC);
	if (hint->timeout % G_USEC_PER_SEC)
		g_string_append_printf(out, ".%06" PRIu64, hint->timeout % G_USEC_PER_SEC);
	if (out->len)
		g_string_erase(out, 0, 1);
	return g_string_free(out, FALSE);
}

const char *acg_cpu_class_name(enum acg_cpu_class cpu)
{
	static const char *const names[] = {"normal", "latency", "normal", "batch"};

	return names[cpu];
}

const char *acg_priority_name(enum acg_priority priority)
{
	static const char *const names[] = {"low", "normal", "high"};

	return names[priority];
}

int acg_cpu_class_parse(const char *text, enum acg_cpu_class *ret, GError **error)
{
	for (enum acg_cpu_class cpu = ACG_CPU_LATENCY; cpu <= ACG_CPU_BATCH; cpu++)
		if (strcmp(acg_cpu_class_name(cpu), text) == 0) {
			*ret = cpu;
			return 0;
		}
	return acg_fail(error, EINVAL, "cpu is latency, normal or batch, not \"%.32s\"", text);
}

int acg_priority_parse(const char *text, enum acg_priority *ret, GError **error)
{
	for (enum acg_priority priority = ACG_PRIORITY_LOW; priority <= ACG_PRIORITY_HIGH;
	     priority++)
		if (strcmp(acg_priority_name(priority), text) == 0) {
			*ret = priority;
			return 0;
		}
	return acg_fail(error, EINVAL, "a priority is high, normal or low, not \"%.32s\"", text);
}
