/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Settings into structs by table; see the header. */
#include "policy/config.h"

#include <stdarg.h>
#include <string.h>

void acg_config_fault(struct acg_config_reader *reader, const config_setting_t *setting,
		      const char *format, ...)
{
	const char *file = config_setting_source_file(setting);
	va_list args;

	g_string_append_printf(reader->faults, "%s%s:%u: ", reader->faults->len ? "\n" : "",
			       file ? file : reader->name, config_setting_source_line(setting));
	va_start(args, format);
	g_string_append_vprintf(reader->faults, format, args);
	va_end(args);
}

/* A number of either kind; false: it is none. */
static bool number_of(const config_setting_t *setting, double *ret)
{
	switch (config_setting_type(setting)) {
	case CONFIG_TYPE_INT:
		*ret = config_setting_get_int(setting);
		return true;
	case CONFIG_TYPE_INT64:
		*ret = config_setting_get_int64(setting);
		return true;
	case CONFIG_TYPE_FLOAT:
		*ret = config_setting_get_float(setting);
		return true;
	default:
		return false;
	}
}

static bool whole_number_of(const config_setting_t *setting, uint64_t *ret)
{
	long long value;

	if (config_setting_type(setting) == CONFIG_TYPE_INT)
		value = config_setting_get_int(setting);
	else if (config_setting_type(setting) == CONFIG_TYPE_INT64)
		value = config_setting_get_int64(setting);
	else
		return false;
	if (value < 0)
		return false;
	*ret = value;
	return true;
}

static const char *text_of(const config_setting_t *setting)
{
	return config_setting_type(setting) == CONFIG_TYPE_STRING
		       ? config_setting_get_string(setting)
		       : NULL;
}

static void read_string(struct acg_config_reader *reader, config_setting_t *setting, char **target)
{
	const char *text = text_of(setting);

	if (!text || !*text || strlen(text) > 4096) {
		acg_config_fault(reader, setting, "%s is a string, in double quotes",
				 config_setting_name(setting));
		return;
	}
	if (!g_utf8_validate(text, -1, NULL)) {
		acg_config_fault(reader, setting, "%s is not valid UTF-8",
				 config_setting_name(setting));
		return;
	}
	g_free(*target);
	*target = g_strdup(text);
}

static void read_size(struct acg_config_reader *reader, config_setting_t *setting, uint64_t *target)
{
	g_autoptr(GError) error = NULL;
	const char *text = text_of(setting);

	if (whole_number_of(setting, target))
		return;
	if (text && strcmp(text, "max") == 0)
		*target = ACG_MAX;
	else if (text && strcmp(text, "0") == 0)
		*target = 0;
	else if (!text)
		acg_config_fault(reader, setting,
				 "%s is a size: \"512M\", \"max\" or a number of bytes",
				 config_setting_name(setting));
	else if (acg_size_parse(text, target, &error) < 0)
		acg_config_fault(reader, setting, "%s: %s", config_setting_name(setting),
				 error->message);
}

static void read_count(struct acg_config_reader *reader, config_setting_t *setting,
		       uint64_t *target)
{
	const char *text = text_of(setting);

	if (text && strcmp(text, "max") == 0)
		*target = ACG_MAX;
	else if (!whole_number_of(setting, target))
		acg_config_fault(reader, setting, "%s is a number, or \"max\"",
				 config_setting_name(setting));
}

static bool ranged_number(struct acg_config_reader *reader, config_setting_t *setting,
			  const struct acg_config_key *key, double *ret)
{
	if (number_of(setting, ret) && *ret >= key->min && *ret <= key->max)
		return true;
	acg_config_fault(reader, setting, "%s is a number from %g to %g", key->name, key->min,
			 key->max);
	return false;
}

/* "150%" of one CPU, as usec in each period. The kernel takes no less than 1 ms of quota. */
static void read_cpu(struct acg_config_reader *reader, config_setting_t *setting, uint64_t *target)
{
	const char *text = text_of(setting);
	double percent;
	char *end;

	if (text && strcmp(text, "max") == 0) {
		*target = ACG_MAX;
		return;
	}
	percent = text ? g_ascii_strtod(text, &end) : 0;
	if (!text || end == text || strcmp(end, "%") != 0 ||
	    !(percent >= 1 && percent <= 1000000)) {
		acg_config_fault(
			reader, setting,
			"%s is a share of one CPU: \"50%%\", \"200%%\" (two CPUs) or \"max\"",
			config_setting_name(setting));
		return;
	}
	*target = percent * ACG_CPU_PERIOD / 100;
}

/* The index of the word in a NULL-ended list; -1 and a fault if it is not there. */
static int word_index(struct acg_config_reader *reader, config_setting_t *setting,
		      const char *const *words)
{
	const char *text = text_of(setting);
	g_autofree char *list = NULL;

	for (int i = 0; text && words[i]; i++)
		if (strcmp(text, words[i]) == 0)
			return i;
	list = g_strjoinv("\", \"", (char **)words);
	acg_config_fault(reader, setting, "%s is one of \"%s\"", config_setting_name(setting),
			 list);
	return -1;
}

/* A hint's values may be numbers in the file; acg_hint_set() reads text. */
static void read_hint(struct acg_config_reader *reader, config_setting_t *setting,
		      struct acg_hint *hint)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *number = NULL;
	const char *text = text_of(setting);
	double value;

	if (!text && number_of(setting, &value))
		text = number = config_setting_type(setting) == CONFIG_TYPE_FLOAT
					? g_strdup_printf("%f", value)
					: g_strdup_printf("%.0f", value);
	if (!text)
		acg_config_fault(reader, setting, "%s is a string or a number",
				 config_setting_name(setting));
	else if (acg_hint_set(hint, config_setting_name(setting), text, &error) < 0)
		acg_config_fault(reader, setting, "%s", error->message);
}

static void read_group(struct acg_config_reader *reader, config_setting_t *setting,
		       const struct acg_config_key *key, void *target)
{
	if (config_setting_type(setting) != CONFIG_TYPE_GROUP)
		acg_config_fault(reader, setting, "%s is a group: %s = { ... };", key->name,
				 key->name);
	else
		acg_config_read(reader, setting, key->group, target);
}

static void read_word(struct acg_config_reader *reader, config_setting_t *setting,
		      const struct acg_config_key *key, void *target)
{
	static const char *const priorities[] = {"low", "normal", "high", NULL};
	static const char *const commands[] = {"full", "program", "none", NULL};
	static const char *const switches[] = {"auto", "on", "off", NULL};
	const char *const *words = key->kind == ACG_CONFIG_PRIORITY   ? priorities
				   : key->kind == ACG_CONFIG_COMMANDS ? commands
								      : switches;
	int index = word_index(reader, setting, words);

	if (index < 0)
		return;
	if (key->kind == ACG_CONFIG_PRIORITY)
		*(enum acg_priority *)target = index;
	else if (key->kind == ACG_CONFIG_COMMANDS)
		*(enum acg_commands_mode *)target = index;
	else
		*(enum acg_switch *)target = index;
}

static void read_key(struct acg_config_reader *reader, config_setting_t *setting,
		     const struct acg_config_key *key, void *target)
{
	double number;

	switch (key->kind) {
	case ACG_CONFIG_STRING:
		read_string(reader, setting, target);
		return;
	case ACG_CONFIG_SIZE:
		read_size(reader, setting, target);
		return;
	case ACG_CONFIG_COUNT:
		read_count(reader, setting, target);
		return;
	case ACG_CONFIG_NUMBER:
		if (ranged_number(reader, setting, key, &number))
			*(uint32_t *)target = number;
		return;
	case ACG_CONFIG_SECONDS:
		if (ranged_number(reader, setting, key, &number))
			*(uint64_t *)target = number * G_USEC_PER_SEC;
		return;
	case ACG_CONFIG_CPU:
		read_cpu(reader, setting, target);
		return;
	case ACG_CONFIG_BOOL:
		if (config_setting_type(setting) != CONFIG_TYPE_BOOL)
			acg_config_fault(reader, setting, "%s is true or false", key->name);
		else
			*(bool *)target = config_setting_get_bool(setting);
		return;
	case ACG_CONFIG_PRIORITY:
	case ACG_CONFIG_COMMANDS:
	case ACG_CONFIG_SWITCH:
		read_word(reader, setting, key, target);
		return;
	case ACG_CONFIG_HINT:
		read_hint(reader, setting, target);
		return;
	case ACG_CONFIG_GROUP:
		read_group(reader, setting, key, target);
		return;
	case ACG_CONFIG_OTHER:
		return;
	}
}

static void unknown_key(struct acg_config_reader *reader, config_setting_t *setting,
			const struct acg_config_key *keys)
{
	g_autoptr(GString) known = g_string_new(NULL);

	for (; keys->name; keys++)
		g_string_append_printf(known, "%s%s", known->len ? ", " : "", keys->name);
	acg_config_fault(reader, setting, "unknown key %.64s; there are %s",
			 config_setting_name(setting), known->str);
}

void acg_config_read(struct acg_config_reader *reader, config_setting_t *group,
		     const struct acg_config_key *keys, void *target)
{
	int n = config_setting_length(group);

	for (int i = 0; i < n; i++) {
		config_setting_t *setting = config_setting_get_elem(group, i);
		const struct acg_config_key *key = keys;

		while (key->name && strcmp(key->name, config_setting_name(setting)) != 0)
			key++;
		if (key->name)
			read_key(reader, setting, key, (char *)target + key->offset);
		else
			unknown_key(reader, setting, keys);
	}
}
