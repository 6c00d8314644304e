/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading libconfig settings into plain structs by table: one row a key, with its kind and its place in the struct. Every fault is
 * noted with its line, and reading goes on, so that a person sees all of them at once.
 */
#ifndef AGENTCG_POLICY_CONFIG_H
#define AGENTCG_POLICY_CONFIG_H

#include <libconfig.h>

#include "policy/policy.h"

struct acg_config_reader {
	const char *name; /* of the file, for faults of the text as a whole */
	GString *faults;  /* "FILE:LINE: words" a line */
};

enum acg_config_kind {
	ACG_CONFIG_STRING,   /* char *, owned by the struct */
	ACG_CONFIG_SIZE,     /* uint64_t bytes: "512M", 1048576, "max", 0 */
	ACG_CONFIG_COUNT,    /* uint64_t: a number, "max" */
	ACG_CONFIG_NUMBER,   /* uint32_t between min and max */
	ACG_CONFIG_SECONDS,  /* uint64_t usec: 5, 2.5; between min and max, given in seconds */
	ACG_CONFIG_CPU,      /* uint64_t usec in each ACG_CPU_PERIOD: "150%" of one CPU, "max" */
	ACG_CONFIG_BOOL,     /* bool */
	ACG_CONFIG_PRIORITY, /* enum acg_priority */
	ACG_CONFIG_COMMANDS, /* enum acg_commands_mode */
	ACG_CONFIG_SWITCH,   /* enum acg_switch */
	ACG_CONFIG_HINT,     /* one key of a struct acg_hint: the offset is that of the hint */
	ACG_CONFIG_GROUP,    /* a group read by a table of its own */
	ACG_CONFIG_OTHER,    /* read by somebody else: known here only */
};

struct acg_config_key {
	const char *name;
	enum acg_config_kind kind;
	size_t offset;
	double min, max;                    /* NUMBER, SECONDS */
	const struct acg_config_key *group; /* GROUP; ends with a NULL name */
};

/* Notes a fault at this setting's line. */
void acg_config_fault(struct acg_config_reader *reader, const config_setting_t *setting,
		      const char *format, ...) G_GNUC_PRINTF(3, 4);

/* Reads the group's keys into target; a key that is in no row is a fault. Keys that are not given leave the target as it is. */
void acg_config_read(struct acg_config_reader *reader, config_setting_t *group,
		     const struct acg_config_key *keys, void *target);

#endif
