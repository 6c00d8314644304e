/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading /proc; see the header. The formats: man 5 proc, and fs/proc/{array,task_mmu}.c of the
 * kernel.
 */
#include "policy/procfs.h"

#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PROC_USUAL 4096

/*
 * What comes behind `key` at the beginning of a line; NULL: no line begins so. The name of a process, which comes first in status,
 * cannot forge a line: the kernel escapes newlines in it.
 */
static const char *behind(const char *text, const char *key)
{
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (g_str_has_prefix(line, key))
			return line + strlen(key);
	}
	return NULL;
}

/* "KEY:   N kB" */
static bool line_kib(const char *text, const char *key, uint64_t *ret_bytes)
{
	const char *value = behind(text, key);

	if (value)
		*ret_bytes = strtoull(value, NULL, 10) * 1024;
	return value;
}

bool acg_proc_parse_status(const char *text, struct acg_proc_memory *ret_memory)
{
	struct acg_proc_memory memory = {0};

	if (!line_kib(text, "RssAnon:", &memory.anon) ||
	    !line_kib(text, "RssFile:", &memory.file) ||
	    !line_kib(text, "RssShmem:", &memory.shmem))
		return false;
	line_kib(text, "VmHWM:", &memory.peak);
	*ret_memory = memory;
	return true;
}

bool acg_proc_parse_rollup(const char *text, struct acg_proc_memory *ret_memory)
{
	struct acg_proc_memory memory = {0};

	/* the three parts: since Linux 5.1 */
	if (!line_kib(text, "Pss_Anon:", &memory.anon) ||
	    !line_kib(text, "Pss_File:", &memory.file) ||
	    !line_kib(text, "Pss_Shmem:", &memory.shmem))
		return false;
	*ret_memory = memory;
	return true;
}

/*
 * The whole file: a process decides how long its own are (65536 groups, long paths of v1 hierarchies), and what comes behind them
 * must not be lost. The kernel makes those that are read here as a whole: a read that did not fill the buffer had the end.
 */
static char *read_proc(pid_t pid, const char *file)
{
	g_autofree char *text = g_malloc(PROC_USUAL);
	size_t len = 0, size = PROC_USUAL;
	char path[48];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	while ((n = read(fd, text + len, size - 1 - len)) > 0) {
		len += n;
		if (len < size - 1)
			break;
		text = g_realloc(text, size *= 2);
	}
	close(fd);
	if (n < 0)
		return NULL;
	text[len] = '\0';
	return g_steal_pointer(&text);
}

bool acg_proc_rss(pid_t pid, struct acg_proc_memory *ret_memory)
{
	g_autofree char *text = read_proc(pid, "status");

	return text && acg_proc_parse_status(text, ret_memory);
}

bool acg_proc_pss(pid_t pid, struct acg_proc_memory *ret_memory)
{
	g_autofree char *text = read_proc(pid, "smaps_rollup");

	return text && acg_proc_parse_rollup(text, ret_memory);
}

/* "12\t3\t1": the pid at each level, outermost first. Returns the number of levels. */
static unsigned int parse_levels(const char *at, pid_t pids[static ACG_PID_LEVELS])
{
	unsigned int n = 0;
	char *end;

	while (n < ACG_PID_LEVELS && *at != '\n') {
		long pid = strtol(at, &end, 10);

		if (end == at)
			break;
		pids[n++] = pid;
		at = end;
	}
	return n;
}

bool acg_proc_parse_ids(const char *text, struct acg_proc_ids *ret_ids)
{
	const char *tgid = behind(text, "Tgid:"), *threads = behind(text, "Threads:");
	const char *levels = behind(text, "NStgid:"), *uids = behind(text, "Uid:");
	struct acg_proc_ids ids = {.uid = (uid_t)-1};
	unsigned int real, effective, saved;

	if (!tgid || !threads || !levels || !uids)
		return false;
	ids.tgid = atoi(tgid);
	ids.threads = atoi(threads);
	ids.levels = parse_levels(levels, ids.pids);
	if (sscanf(uids, "%u %u %u", &real, &effective, &saved) == 3 && real == effective &&
	    real == saved)
		ids.uid = real;
	*ret_ids = ids;
	return true;
}

bool acg_proc_ids(pid_t pid, struct acg_proc_ids *ret_ids)
{
	g_autofree char *text = read_proc(pid, "status");

	return text && acg_proc_parse_ids(text, ret_ids);
}

bool acg_proc_ns_init(const struct acg_proc_ids *ids)
{
	return ids->levels > 1 && ids->pids[ids->levels - 1] == 1;
}

int acg_proc_cgroup(pid_t pid, char **ret_path, GError **error)
{
	g_autofree char *text = read_proc(pid, "cgroup");
	const char *path = text ? behind(text, "0::") : NULL;

	if (!text)
		return acg_fail(error, ESRCH, "there is no process %d", pid);
	if (!path)
		return acg_fail(error, ESRCH, "process %d is in no cgroup of version 2", pid);
	*ret_path = g_strndup(path, strcspn(path, "\n"));
	return 0;
}

size_t acg_proc_cmdline(pid_t pid, char *args, size_t size)
{
	char path[48];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, args, size);
	close(fd);
	return MAX(n, 0);
}

void acg_proc_children(pid_t pid, GArray *pids, unsigned int most)
{
	g_autofree char *file = g_strdup_printf("/proc/%d/task/%d/children", pid, pid);
	g_autofree char *text = NULL;
	char *at, *end;

	/* not read_proc(): a long list comes in parts */
	if (!g_file_get_contents(file, &text, NULL, NULL))
		return;
	for (at = text; *at && pids->len < most; at = end + strspn(end, " ")) {
		pid_t child = strtol(at, &end, 10);

		if (end == at)
			return;
		g_array_append_val(pids, child);
	}
}

bool acg_proc_born(pid_t pid, int64_t *ret_age, pid_t *ret_parent)
{
	g_autofree char *text = read_proc(pid, "stat");
	const char *rest = text ? g_strrstr(text, ") ") : NULL;
	unsigned long long ticks;
	struct timespec boot;

	if (!rest)
		return false;
	/* after the name: state ppid pgrp session tty tpgid flags minflt cminflt majflt cmajflt utime stime cutime cstime
	 * priority nice threads itreal starttime */
	if (sscanf(rest + 2,
		   "%*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d "
		   "%llu",
		   ret_parent, &ticks) != 2)
		return false;
	clock_gettime(CLOCK_BOOTTIME, &boot);
	*ret_age = boot.tv_sec * G_USEC_PER_SEC + boot.tv_nsec / 1000 -
		   (int64_t)(ticks * G_USEC_PER_SEC / sysconf(_SC_CLK_TCK));
	return true;
}

/* R, S, D, ...; 0: it is gone. */
static char state_of(pid_t pid)
{
	g_autofree char *text = read_proc(pid, "stat");
	const char *name_end = text ? g_strrstr(text, ") ") : NULL;

	return name_end ? name_end[2] : 0;
}

bool acg_proc_alive(pid_t pid)
{
	char state = state_of(pid);

	return state && !strchr("ZX", state);
}

bool acg_proc_active(pid_t pid)
{
	char state = state_of(pid);

	return state && !strchr("TtZX", state);
}

int acg_proc_oom_score_adj(pid_t pid)
{
	g_autofree char *text = read_proc(pid, "oom_score_adj");

	return text ? atoi(text) : 0;
}

void acg_proc_set_oom_score_adj(pid_t pid, int value)
{
	char path[48];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", pid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	dprintf(fd, "%d", value);
	close(fd);
}
