/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the text of a policy to the struct: tables of keys (config.c reads them), then what the figures must fulfil together,
 * then the patterns compiled. A rule's pattern is matched with a limit on its steps, and against commands of 2 KiB at most, so that
 * a pattern with bad habits costs milliseconds, not the daemon.
 */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/config.h"
#include "policy/policy_private.h"

#define ENTRIES_MAX 1000     /* of each list */
#define STEPS_MAX   "200000" /* of one match, as PCRE counts; an ordinary pattern takes tens */

/* usec: what is gone sooner is not worth a cgroup; what grows by a gigabyte a second has 5 MB by then. */
#define ACG_AUTO_AFTER 5000

#define ROW(type, field, key, kind)                                                                \
	{                                                                                          \
		key, kind, offsetof(struct type, field), 0, 0, NULL                                \
	}
#define RANGE(type, field, key, kind, min, max)                                                    \
	{                                                                                          \
		key, kind, offsetof(struct type, field), min, max, NULL                            \
	}
#define GROUP(type, field, key, table)                                                             \
	{                                                                                          \
		key, ACG_CONFIG_GROUP, offsetof(struct type, field), 0, 0, table                   \
	}
#define END                                                                                        \
	{                                                                                          \
		NULL, 0, 0, 0, 0, NULL                                                             \
	}

static const struct acg_config_key words_keys[] = {
	ROW(acg_policy, memory_low, "low", ACG_CONFIG_SIZE),
	ROW(acg_policy, memory_medium, "medium", ACG_CONFIG_SIZE),
	END,
};

static const struct acg_config_key ladder_keys[] = {
	ROW(acg_ladder, enabled, "enabled", ACG_CONFIG_BOOL),
	ROW(acg_ladder, kill, "kill", ACG_CONFIG_BOOL),
	RANGE(acg_ladder, psi_stall, "psi_stall", ACG_CONFIG_SECONDS, 0.001, 10),
	RANGE(acg_ladder, psi_window, "psi_window", ACG_CONFIG_SECONDS, 0.5, 10),
	RANGE(acg_ladder, high_percent, "high_percent", ACG_CONFIG_NUMBER, 10, 100),
	RANGE(acg_ladder, low_percent, "low_percent", ACG_CONFIG_NUMBER, 1, 99),
	RANGE(acg_ladder, calm, "calm", ACG_CONFIG_SECONDS, 0.1, 600),
	RANGE(acg_ladder, throttle_max, "throttle_max", ACG_CONFIG_SECONDS, 0.1, 3600),
	RANGE(acg_ladder, freeze_max, "freeze_max", ACG_CONFIG_SECONDS, 0.1, 60),
	RANGE(acg_ladder, freeze_percent, "freeze_percent", ACG_CONFIG_NUMBER, 0, 90),
	RANGE(acg_ladder, kill_after, "kill_after", ACG_CONFIG_SECONDS, 0.1, 3600),
	RANGE(acg_ladder, stall_max, "stall_max", ACG_CONFIG_SECONDS, 1, 3600),
	RANGE(acg_ladder, term_grace, "term_grace", ACG_CONFIG_SECONDS, 0.1, 600),
	RANGE(acg_ladder, delay_max_ms, "delay_max_ms", ACG_CONFIG_NUMBER, 0, 2000),
	RANGE(acg_ladder, delay_ms, "delay_ms", ACG_CONFIG_NUMBER, 0, 2000),
	ROW(acg_ladder, min_progress, "min_progress", ACG_CONFIG_SIZE),
	END,
};

static const struct acg_config_key adapt_keys[] = {
	ROW(acg_adapting, enabled, "enabled", ACG_CONFIG_BOOL),
	RANGE(acg_adapting, ahead, "ahead", ACG_CONFIG_SECONDS, 0.01, 60),
	RANGE(acg_adapting, retries, "retries", ACG_CONFIG_NUMBER, 2, 1000),
	END,
};

static const struct acg_config_key budget_keys[] = {
	ROW(acg_budget, memory, "memory", ACG_CONFIG_SIZE),
	ROW(acg_budget, swap, "swap", ACG_CONFIG_SIZE),
	ROW(acg_budget, cpu_max, "cpu_max", ACG_CONFIG_CPU),
	RANGE(acg_budget, cpu_weight, "cpu_weight", ACG_CONFIG_NUMBER, 1, 10000),
	ROW(acg_budget, pids, "pids", ACG_CONFIG_COUNT),
	ROW(acg_budget, calls, "calls", ACG_CONFIG_COUNT),
	ROW(acg_budget, agents, "agents", ACG_CONFIG_COUNT),
	END,
};

static const struct acg_config_key caps_keys[] = {
	ROW(acg_caps, memory, "memory", ACG_CONFIG_SIZE),
	ROW(acg_caps, swap, "swap", ACG_CONFIG_SIZE),
	ROW(acg_caps, cpu_max, "cpu_max", ACG_CONFIG_CPU),
	ROW(acg_caps, pids, "pids", ACG_CONFIG_COUNT),
	RANGE(acg_caps, timeout, "timeout", ACG_CONFIG_SECONDS, 0.001, 316224000),
	END,
};

static const struct acg_config_key self_keys[] = {
	ROW(acg_self, low, "low", ACG_CONFIG_SIZE),
	ROW(acg_self, reserve, "reserve", ACG_CONFIG_SIZE),
	ROW(acg_self, grant, "grant", ACG_CONFIG_SIZE),
	END,
};

#define HINT_ROWS(type, field)                                                                     \
	ROW(type, field, "memory", ACG_CONFIG_HINT), ROW(type, field, "cpu", ACG_CONFIG_HINT),     \
		ROW(type, field, "pids", ACG_CONFIG_HINT),                                         \
		ROW(type, field, "timeout", ACG_CONFIG_HINT)

static const struct acg_config_key hint_keys[] = {
	HINT_ROWS(acg_agent_rule, hint),
	END,
};

static const struct acg_config_key agent_keys[] = {
	ROW(acg_agent_rule, match, "match", ACG_CONFIG_STRING),
	ROW(acg_agent_rule, namespace, "namespace", ACG_CONFIG_STRING),
	ROW(acg_agent_rule, user, "user", ACG_CONFIG_STRING),
	ROW(acg_agent_rule, priority, "priority", ACG_CONFIG_PRIORITY),
	GROUP(acg_agent_rule, budget, "budget", budget_keys),
	GROUP(acg_agent_rule, caps, "caps", caps_keys),
	GROUP(acg_agent_rule, self, "self", self_keys),
	{"hint", ACG_CONFIG_GROUP, 0, 0, 0, hint_keys},
	END,
};

static const struct acg_config_key rule_keys[] = {
	ROW(acg_command_rule, match, "match", ACG_CONFIG_STRING),
	ROW(acg_command_rule, class, "class", ACG_CONFIG_STRING),
	HINT_ROWS(acg_command_rule, hint),
	END,
};

static const struct acg_config_key auto_keys[] = {
	ROW(acg_auto_rule, run, "run", ACG_CONFIG_STRING),
	ROW(acg_auto_rule, command, "command", ACG_CONFIG_STRING),
	ROW(acg_auto_rule, parent, "parent", ACG_CONFIG_STRING),
	RANGE(acg_auto_rule, after, "after", ACG_CONFIG_SECONDS, 0.001, 60),
	END,
};

static const struct acg_config_key user_keys[] = {
	ROW(acg_user_rule, user, "user", ACG_CONFIG_STRING),
	ROW(acg_user_rule, match, "match", ACG_CONFIG_STRING),
	GROUP(acg_user_rule, budget, "budget", budget_keys),
	END,
};

static const struct acg_config_key policy_keys[] = {
	ROW(acg_policy, root, "root", ACG_CONFIG_STRING),
	ROW(acg_policy, commands, "commands", ACG_CONFIG_COMMANDS),
	ROW(acg_policy, sched, "sched", ACG_CONFIG_SWITCH),
	ROW(acg_policy, favordynmods, "favordynmods", ACG_CONFIG_SWITCH),
	ROW(acg_policy, history_max, "history_max", ACG_CONFIG_SIZE),
	{"memory", ACG_CONFIG_GROUP, 0, 0, 0, words_keys},
	GROUP(acg_policy, ladder, "ladder", ladder_keys),
	GROUP(acg_policy, adapt, "adapt", adapt_keys),
	{"agents", ACG_CONFIG_OTHER, 0, 0, 0, NULL},
	{"rules", ACG_CONFIG_OTHER, 0, 0, 0, NULL},
	{"auto", ACG_CONFIG_OTHER, 0, 0, 0, NULL},
	{"users", ACG_CONFIG_OTHER, 0, 0, 0, NULL},
	END,
};

/* --- what figures must fulfil together --------------------------------------------------------------------- */

static void check_ladder(struct acg_config_reader *reader, config_setting_t *root,
			 const struct acg_ladder *ladder)
{
	config_setting_t *at = config_setting_get_member(root, "ladder");

	if (!at)
		return;
	if (ladder->psi_stall > ladder->psi_window)
		acg_config_fault(reader, at, "psi_stall must not be longer than psi_window");
	if (ladder->low_percent >= ladder->high_percent)
		acg_config_fault(reader, at, "low_percent must be below high_percent");
	if (ladder->delay_ms > ladder->delay_max_ms)
		acg_config_fault(reader, at, "delay_ms must not be above delay_max_ms");
	if (ladder->min_progress < 64 * 1024)
		acg_config_fault(reader, at, "min_progress must be at least 64K: a call must move on");
}

static void check_agent(struct acg_config_reader *reader, config_setting_t *at,
			struct acg_agent_rule *rule)
{
	if (!rule->match)
		rule->match = g_strdup("*");
	if (rule->budget.memory && rule->budget.memory != ACG_MAX &&
	    rule->self.reserve >= rule->budget.memory)
		acg_config_fault(reader, at,
				 "self.reserve must be below budget.memory: nothing would be left "
				 "for calls");
	if (rule->budget.memory != ACG_MAX && rule->self.low > rule->budget.memory)
		acg_config_fault(reader, at, "self.low must not be above budget.memory");
	if (!rule->budget.calls)
		acg_config_fault(reader, at,
				 "budget.calls = 0 lets the agent begin no call at all");
	if (!rule->budget.memory || !rule->caps.memory)
		acg_config_fault(reader, at, "a memory limit of 0 lets nothing run");
}

/* NULL for no pattern, and for one that cannot be used, which is a fault. */
static GRegex *compile(struct acg_config_reader *reader, config_setting_t *at, const char *key,
		       const char *pattern)
{
	g_autofree char *bounded = g_strconcat("(*LIMIT_MATCH=" STEPS_MAX ")", pattern, NULL);
	g_autoptr(GError) error = NULL;
	g_autoptr(GRegex) regex = NULL;
	GRegex *compiled = NULL;

	if (!pattern)
		return NULL;
	regex = g_regex_new(pattern, 0, 0, &error); /* as given: for the words of a fault */
	if (regex)
		compiled = g_regex_new(bounded, G_REGEX_OPTIMIZE, 0, NULL);
	if (!compiled)
		acg_config_fault(reader, at, "%s: %s", key,
				 error ? error->message : "this pattern cannot be used");
	return compiled;
}

static void check_rule(struct acg_config_reader *reader, config_setting_t *at,
		       struct acg_command_rule *rule)
{
	if (!rule->match)
		acg_config_fault(reader, at,
				 "a rule needs match = \"a regular expression on the command\"");
	rule->regex = compile(reader, at, "match", rule->match);
}

static void check_auto(struct acg_config_reader *reader, config_setting_t *at,
		       struct acg_auto_rule *rule)
{
	if (!rule->run && !rule->command && !rule->parent)
		acg_config_fault(reader, at,
				 "an entry of auto needs run, command or parent: a regular "
				 "expression on the command line, on the command in it, or on "
				 "that of the parent");
	rule->run_regex = compile(reader, at, "run", rule->run);
	rule->command_regex = compile(reader, at, "command", rule->command);
	rule->parent_regex = compile(reader, at, "parent", rule->parent);
}

static void check_user_budget(struct acg_config_reader *reader, config_setting_t *at,
			      const struct acg_budget *budget)
{
	if (!budget->memory)
		acg_config_fault(reader, at, "a memory limit of 0 lets nothing run");
	if (!budget->agents)
		acg_config_fault(reader, at, "budget.agents = 0 lets the user make no agent");
}

static void check_user(struct acg_config_reader *reader, config_setting_t *at,
		       struct acg_user_rule *rule)
{
	uint64_t number;
	struct passwd *entry;

	if (!rule->user) {
		acg_config_fault(reader, at, "an entry of users needs user = \"name or number\"");
		return;
	}
	check_user_budget(reader, at, &rule->budget);
	if (!rule->match)
		rule->match = g_strconcat(rule->user, "-*", NULL);
	if (g_ascii_string_to_unsigned(rule->user, 10, 0, UINT32_MAX - 1, &number, NULL)) {
		rule->uid = number;
		return;
	}
	entry = getpwnam(rule->user);
	if (!entry)
		acg_config_fault(reader, at, "there is no user \"%.64s\" on this machine",
				 rule->user);
	else
		rule->uid = entry->pw_uid;
}

/* --- lists -------------------------------------------------------------------------------------------------- */

/* The list `name` of the root, or NULL; its length goes to *ret_n. Elements that are no groups are faults. */
static config_setting_t *list_of(struct acg_config_reader *reader, config_setting_t *root,
				 const char *name, unsigned int *ret_n)
{
	config_setting_t *list = config_setting_get_member(root, name);

	*ret_n = 0;
	if (!list)
		return NULL;
	if (config_setting_type(list) != CONFIG_TYPE_LIST ||
	    config_setting_length(list) > ENTRIES_MAX) {
		acg_config_fault(reader, list,
				 "%s is a list of groups, %d at most: %s = ( { ... }, { ... } );",
				 name, ENTRIES_MAX, name);
		return NULL;
	}
	*ret_n = config_setting_length(list);
	return list;
}

static config_setting_t *entry_of(struct acg_config_reader *reader, config_setting_t *list,
				  unsigned int i)
{
	config_setting_t *entry = config_setting_get_elem(list, i);

	if (config_setting_type(entry) == CONFIG_TYPE_GROUP)
		return entry;
	acg_config_fault(reader, entry, "an entry of %s is a group: { ... }",
			 config_setting_name(list));
	return NULL;
}

static void read_agents(struct acg_config_reader *reader, config_setting_t *root,
			struct acg_policy *policy)
{
	config_setting_t *list = list_of(reader, root, "agents", &policy->n_agents);

	policy->agents = g_new0(struct acg_agent_rule, policy->n_agents);
	for (unsigned int i = 0; i < policy->n_agents; i++) {
		config_setting_t *entry = entry_of(reader, list, i);

		policy->agents[i] = acg_agent_rule_unlimited;
		if (!entry)
			continue;
		policy->agents[i].line = config_setting_source_line(entry);
		acg_config_read(reader, entry, agent_keys, &policy->agents[i]);
		check_agent(reader, entry, &policy->agents[i]);
	}
}

static void read_rules(struct acg_config_reader *reader, config_setting_t *root,
		       struct acg_policy *policy)
{
	config_setting_t *list = list_of(reader, root, "rules", &policy->n_rules);

	policy->rules = g_new0(struct acg_command_rule, policy->n_rules);
	for (unsigned int i = 0; i < policy->n_rules; i++) {
		config_setting_t *entry = entry_of(reader, list, i);

		if (!entry)
			continue;
		policy->rules[i].line = config_setting_source_line(entry);
		acg_config_read(reader, entry, rule_keys, &policy->rules[i]);
		check_rule(reader, entry, &policy->rules[i]);
	}
}

static void read_autos(struct acg_config_reader *reader, config_setting_t *root,
		       struct acg_policy *policy)
{
	config_setting_t *list = list_of(reader, root, "auto", &policy->n_autos);

	policy->autos = g_new0(struct acg_auto_rule, policy->n_autos);
	for (unsigned int i = 0; i < policy->n_autos; i++) {
		config_setting_t *entry = entry_of(reader, list, i);

		policy->autos[i].after = ACG_AUTO_AFTER;
		if (!entry)
			continue;
		policy->autos[i].line = config_setting_source_line(entry);
		acg_config_read(reader, entry, auto_keys, &policy->autos[i]);
		check_auto(reader, entry, &policy->autos[i]);
	}
}

static void read_users(struct acg_config_reader *reader, config_setting_t *root,
		       struct acg_policy *policy)
{
	config_setting_t *list = list_of(reader, root, "users", &policy->n_users);

	policy->users = g_new0(struct acg_user_rule, policy->n_users);
	for (unsigned int i = 0; i < policy->n_users; i++) {
		config_setting_t *entry = entry_of(reader, list, i);

		policy->users[i].budget = acg_agent_rule_unlimited.budget;
		if (!entry)
			continue;
		policy->users[i].line = config_setting_source_line(entry);
		acg_config_read(reader, entry, user_keys, &policy->users[i]);
		check_user(reader, entry, &policy->users[i]);
	}
}

static void read_all(struct acg_config_reader *reader, config_t *config, struct acg_policy *policy)
{
	config_setting_t *root = config_root_setting(config);

	policy->limits = true;
	policy->ladder.enabled = true;
	acg_config_read(reader, root, policy_keys, policy);
	if (policy->root[0] != '/')
		acg_config_fault(reader, config_setting_get_member(root, "root"),
				 "root is an absolute path, below a cgroup2 mount");
	check_ladder(reader, root, &policy->ladder);
	read_agents(reader, root, policy);
	read_rules(reader, root, policy);
	read_autos(reader, root, policy);
	read_users(reader, root, policy);
}

/* --- the whole ---------------------------------------------------------------------------------------------- */

/* Where the text comes from. */
struct source {
	const char *text;
	const char *name;   /* for messages */
	const char *folder; /* of @include; NULL: none may be */
	bool includes;      /* there is an @include in it */
};

/* What `policy` shows: the text as it is, or, with includes, the whole that they make, which can be written back. */
static char *shown_text(const config_t *config, const struct source *source)
{
	g_autofree char *whole = NULL;
	size_t size;
	FILE *out;
	char *text;

	if (!source->includes || !(out = open_memstream(&text, &size)))
		return g_strdup(source->text);
	config_write(config, out);
	fclose(out);
	whole = g_strdup_printf("# %s, with what it includes\n%s", source->name, text);
	free(text);
	return g_steal_pointer(&whole);
}

static int finish(config_t *config, const struct source *source, struct acg_policy **ret_policy,
		  GError **error)
{
	struct acg_config_reader reader = {.name = source->name, .faults = g_string_new(NULL)};
	struct acg_policy *policy = acg_policy_new_blank();
	int ret = 0;

	read_all(&reader, config, policy);
	policy->text = shown_text(config, source);
	if (reader.faults->len) {
		ret = acg_fail(error, EINVAL, "%s", reader.faults->str);
		acg_policy_unref(policy);
	} else {
		*ret_policy = policy;
	}
	g_string_free(reader.faults, TRUE);
	return ret;
}

static int syntax_fault(const config_t *config, const char *name, GError **error)
{
	const char *file = config_error_file(config);

	return acg_fail(error, EINVAL, "%s:%d: %s", file ? file : name, config_error_line(config),
			config_error_text(config));
}

/* libconfig recurses into groups and lists; this many levels are more than any policy has. */
static bool too_deep(const char *text)
{
	unsigned int depth = 0, deepest = 0;

	for (; *text; text++) {
		if (strchr("{([", *text))
			deepest = MAX(deepest, ++depth);
		else if (strchr("})]", *text) && depth)
			depth--;
	}
	return deepest > 100;
}

static bool has_include(const char *text)
{
	for (const char *at = text; (at = strstr(at, "@include")); at++) {
		const char *line = at;

		while (line > text && (line[-1] == ' ' || line[-1] == '\t'))
			line--;
		if (line == text || line[-1] == '\n')
			return true;
	}
	return false;
}

static int load(struct source *source, struct acg_policy **ret_policy, GError **error)
{
	config_t config;
	int ret;

	source->includes = has_include(source->text);
	if (source->includes && !source->folder)
		return acg_fail(error, EINVAL,
				"%s: @include works in a file only: write the whole policy",
				source->name);
	if (too_deep(source->text))
		return acg_fail(error, EINVAL, "%s: brackets are nested too deeply", source->name);
	config_init(&config);
	if (source->folder)
		config_set_include_dir(&config, source->folder);
	ret = config_read_string(&config, source->text)
		      ? finish(&config, source, ret_policy, error)
		      : syntax_fault(&config, source->name, error);
	config_destroy(&config);
	return ret;
}

int acg_policy_load_text(const char *text, const char *name, struct acg_policy **ret_policy,
			 GError **error)
{
	struct source source = {.text = text, .name = name};

	return load(&source, ret_policy, error);
}

/* The file up to its end or its first NUL, which is no text. */
static int read_file(const char *path, char **ret_text, GError **error)
{
	FILE *file = fopen(path, "re");
	size_t size = 0;
	int saved = file ? 0 : errno;
	char *text = NULL;

	if (file && getdelim(&text, &size, '\0', file) < 0 && ferror(file))
		saved = errno;
	if (file)
		fclose(file);
	if (saved)
		acg_fail_errno(error, saved, "cannot read the policy %s", path);
	else
		*ret_text = g_strdup(text && size ? text : "");
	free(text);
	return -saved;
}

int acg_policy_load_file(const char *path, struct acg_policy **ret_policy, GError **error)
{
	g_autofree char *text = NULL, *folder = g_path_get_dirname(path);
	struct source source = {.name = path, .folder = folder};
	int ret = read_file(path, &text, error);

	source.text = text;
	return ret ? ret : load(&source, ret_policy, error);
}
