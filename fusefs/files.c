/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of the tree's files; see the header. */
#include "fusefs/files.h"

#include <string.h>

#include "fusefs/file_ops.h"

#define R ACG_IN_ROOT
#define A ACG_IN_AGENT
#define C ACG_IN_CALL

#define TEXT(number, name, where, flags, reader)                                                   \
	{                                                                                          \
		name, ACG_INDEX_FILES + number, where, 0444, flags, ACG_RIGHT_OPERATE, reader,     \
			NULL                                                                       \
	}
#define WRITABLE(number, name, where, mode, flags, right, reader, writer)                          \
	{                                                                                          \
		name, ACG_INDEX_FILES + number, where, mode, flags, right, reader, writer          \
	}
#define KERNEL(number, name, mode, flags)                                                          \
	{                                                                                          \
		name, ACG_INDEX_KERNEL + number, A | C, mode, ACG_FILE_KERNEL | (flags),           \
			ACG_RIGHT_OPERATE, NULL, NULL                                              \
	}

static const struct acg_file files[] = {
	TEXT(0, "README", R | A, 0, acg_read_readme),
	TEXT(1, "version", R, 0, acg_read_version),
	TEXT(2, "status", R | A, 0, acg_read_status),
	WRITABLE(3, "policy", R, 0644, ACG_FILE_OUTSIDE, ACG_RIGHT_OPERATE, acg_read_policy,
		 acg_write_policy),
	TEXT(4, "policy.error", R, ACG_FILE_OUTSIDE, acg_read_policy_error),
	TEXT(5, "metrics", R, ACG_FILE_OUTSIDE, acg_read_metrics),
	TEXT(6, "events", R | A, ACG_FILE_OUTSIDE | ACG_FILE_JSON_PIDS | ACG_FILE_PRIVATE,
	     acg_read_events),
	TEXT(7, "events_pipe", R | A,
	     ACG_FILE_OUTSIDE | ACG_FILE_STREAM | ACG_FILE_POLL | ACG_FILE_PRIVATE, NULL),
	TEXT(8, "self", R | A, ACG_FILE_LINK, NULL),
	TEXT(9, "info", A | C, ACG_FILE_JSON_PIDS | ACG_FILE_PRIVATE, acg_read_info),
	WRITABLE(10, "call", A, 0666, ACG_FILE_ANSWER, ACG_RIGHT_MARK, NULL, acg_write_call),
	TEXT(11, "call.error", A, ACG_FILE_PRIVATE, acg_read_call_error),
	TEXT(12, "history", A, ACG_FILE_JSON_PIDS | ACG_FILE_PRIVATE, acg_read_history),
	TEXT(13, "feedback", A | C, ACG_FILE_PRIVATE, acg_read_feedback),
	WRITABLE(14, "priority", A, 0644, 0, ACG_RIGHT_OPERATE, acg_read_priority,
		 acg_write_priority),
	TEXT(15, "command", C, ACG_FILE_PRIVATE, acg_read_command),
	TEXT(16, "hint", C, 0, acg_read_hint),
	TEXT(17, "state", C, 0, acg_read_state),

	WRITABLE(18, "adopt", R, 0644, ACG_FILE_OUTSIDE, ACG_RIGHT_OPERATE, acg_read_adopt,
		 acg_write_adopt),
	WRITABLE(19, "adopt.error", R, 0644, ACG_FILE_OUTSIDE, ACG_RIGHT_OPERATE,
		 acg_read_adopt_error, acg_write_adopt_error),

	/* The kernel's, as of 7.3. Those that a kernel or a cgroup does not have are not offered. */
	KERNEL(0, "cgroup.procs", 0666, ACG_FILE_PIDS | ACG_FILE_CALL_WRITE),
	KERNEL(1, "cgroup.threads", 0644, ACG_FILE_PIDS),
	KERNEL(2, "cgroup.controllers", 0444, 0),
	KERNEL(3, "cgroup.subtree_control", 0644, 0),
	KERNEL(4, "cgroup.events", 0444, ACG_FILE_POLL),
	KERNEL(5, "cgroup.type", 0644, 0),
	KERNEL(6, "cgroup.max.descendants", 0644, 0),
	KERNEL(7, "cgroup.max.depth", 0644, 0),
	KERNEL(8, "cgroup.stat", 0444, 0),
	KERNEL(9, "cgroup.freeze", 0666, ACG_FILE_CALL_WRITE),
	KERNEL(10, "cgroup.kill", 0222, ACG_FILE_CALL_WRITE),
	KERNEL(11, "cgroup.pressure", 0644, 0),
	KERNEL(12, "cgroup.stat.local", 0444, 0),
	KERNEL(16, "memory.current", 0444, 0),
	KERNEL(17, "memory.peak", 0644, 0),
	KERNEL(18, "memory.min", 0644, 0),
	KERNEL(19, "memory.low", 0644, 0),
	KERNEL(20, "memory.high", 0666, ACG_FILE_CALL_WRITE),
	KERNEL(21, "memory.max", 0666, ACG_FILE_CALL_WRITE),
	KERNEL(22, "memory.events", 0444, ACG_FILE_POLL),
	KERNEL(23, "memory.events.local", 0444, ACG_FILE_POLL),
	KERNEL(24, "memory.stat", 0444, ACG_FILE_SLOW),
	KERNEL(25, "memory.numa_stat", 0444, ACG_FILE_SLOW),
	KERNEL(26, "memory.oom.group", 0644, 0),
	KERNEL(27, "memory.reclaim", 0200, ACG_FILE_SLOW),
	KERNEL(28, "memory.swap.current", 0444, 0),
	KERNEL(29, "memory.swap.peak", 0644, 0),
	KERNEL(30, "memory.swap.high", 0644, 0),
	KERNEL(31, "memory.swap.max", 0666, ACG_FILE_CALL_WRITE),
	KERNEL(32, "memory.swap.events", 0444, ACG_FILE_POLL),
	KERNEL(33, "memory.zswap.current", 0444, 0),
	KERNEL(34, "memory.zswap.max", 0644, 0),
	KERNEL(35, "memory.zswap.writeback", 0644, 0),
	KERNEL(36, "memory.pressure", 0444, ACG_FILE_PRESSURE),
	KERNEL(48, "cpu.stat", 0444, 0),
	KERNEL(49, "cpu.stat.local", 0444, 0),
	KERNEL(50, "cpu.weight", 0644, 0),
	KERNEL(51, "cpu.weight.nice", 0644, 0),
	KERNEL(52, "cpu.idle", 0644, 0),
	KERNEL(53, "cpu.max", 0666, ACG_FILE_CALL_WRITE),
	KERNEL(54, "cpu.max.burst", 0644, 0),
	KERNEL(55, "cpu.pressure", 0444, ACG_FILE_PRESSURE),
	KERNEL(56, "cpu.uclamp.min", 0644, 0),
	KERNEL(57, "cpu.uclamp.max", 0644, 0),
	KERNEL(64, "pids.current", 0444, 0),
	KERNEL(65, "pids.peak", 0444, 0),
	KERNEL(66, "pids.max", 0666, ACG_FILE_CALL_WRITE),
	KERNEL(67, "pids.events", 0444, ACG_FILE_POLL),
	KERNEL(68, "pids.events.local", 0444, ACG_FILE_POLL),
	KERNEL(80, "io.stat", 0444, ACG_FILE_SLOW),
	KERNEL(81, "io.max", 0644, 0),
	KERNEL(82, "io.weight", 0644, 0),
	KERNEL(83, "io.latency", 0644, 0),
	KERNEL(84, "io.pressure", 0444, ACG_FILE_PRESSURE),
	KERNEL(85, "io.prio.class", 0644, 0),
	KERNEL(86, "io.bfq.weight", 0644, 0),
};

const struct acg_file *acg_file_at(unsigned int index)
{
	for (unsigned int i = 0; i < G_N_ELEMENTS(files); i++)
		if (files[i].index == index)
			return &files[i];
	return NULL;
}

const struct acg_file *acg_file_named(const char *name)
{
	for (unsigned int i = 0; i < G_N_ELEMENTS(files); i++)
		if (strcmp(files[i].name, name) == 0)
			return &files[i];
	return NULL;
}

const struct acg_file *acg_file_next(const struct acg_file *file, unsigned int where)
{
	file = file ? file + 1 : files;
	while (file < files + G_N_ELEMENTS(files) && !(file->where & where))
		file++;
	return file < files + G_N_ELEMENTS(files) ? file : NULL;
}
