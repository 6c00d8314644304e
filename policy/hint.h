/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a tool call says that it needs: the KEY=VALUE pairs of a marker, of AGENT_RESOURCE_HINT and of a rule in the
 * policy. Sizes are bytes, times microseconds.
 */
#ifndef AGENTCG_POLICY_HINT_H
#define AGENTCG_POLICY_HINT_H

#include <linux/types.h>
#include <stdint.h>

#include "bpf/agentcg_bpf.h"
#include "bpf/error.h"

#define ACG_MAX UINT64_MAX /* "max": no limit, as in the kernel's files */

enum acg_memory_hint {
	ACG_MEMORY_UNSET,
	ACG_MEMORY_LOW,    /* a word: the policy says how much it is */
	ACG_MEMORY_MEDIUM,
	ACG_MEMORY_HIGH,   /* the agent's whole budget, as far as its caps allow */
	ACG_MEMORY_SIZE,   /* so many bytes */
};

struct acg_hint {
	enum acg_memory_hint memory;
	uint64_t memory_bytes; /* with ACG_MEMORY_SIZE, else 0 */
	enum acg_cpu_class cpu;
	uint64_t pids;    /* 0: not said */
	uint64_t timeout; /* usec; 0: not said */
};

/* "512M", "2g", "1048576": powers of 1024 by K, M, G, T in either case. EINVAL on anything else, on 0, ERANGE past 2^63. */
int acg_size_parse(const char *text, uint64_t *ret_bytes, GError **error);

/* Bytes as a person writes them: "512M", "1.5G", "max"; at most 16 characters with the NUL. Returns buf. */
const char *acg_size_format(uint64_t bytes, char buf[static 16]);

/* "30", "2.5": seconds to microseconds. EINVAL on anything else, on 0 and on more than ten years. */
int acg_seconds_parse(const char *text, uint64_t *ret_usec, GError **error);

/*
 * Sets one key of a hint: memory, cpu, pids or timeout. ENOKEY: the key is not one of a hint (words say which are);
 * EINVAL: bad value. *hint is untouched on failure.
 */
int acg_hint_set(struct acg_hint *hint, const char *key, const char *value, GError **error);

/*
 * Parses the value of AGENT_RESOURCE_HINT in the paper's spelling: pairs of `memory:high`, `memory=512m`, `cpu:batch`,
 * separated by commas or blanks; a bare `high` or `2g` is memory. *ret_hint is untouched on failure.
 */
int acg_hint_parse(const char *text, struct acg_hint *ret_hint, GError **error);

/* Takes from `over` each key that is said there. */
void acg_hint_merge(struct acg_hint *hint, const struct acg_hint *over);

/* The hint in the syntax of a marker ("memory=512M cpu=batch"), "" for an empty one. Free with g_free. */
char *acg_hint_format(const struct acg_hint *hint);

const char *acg_cpu_class_name(enum acg_cpu_class cpu);            /* "latency"; "normal" for UNSET */
const char *acg_priority_name(enum acg_priority priority);         /* "high" */
int acg_cpu_class_parse(const char *text, enum acg_cpu_class *ret, GError **error);
int acg_priority_parse(const char *text, enum acg_priority *ret, GError **error);

#endif
