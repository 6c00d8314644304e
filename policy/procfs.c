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
#include <unistd.h>

/*
 * "KEY:   N kB" at the beginning of a line. The name of a process, which comes first in status,
 * cannot forge a line: the kernel escapes newlines in it.
 */
static bool line_kib(const char *text, const char *key, uint64_t *ret_bytes)
{
	size_t len = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, len) == 0 && line[len] == ':') {
			*ret_bytes = strtoull(line + len + 1, NULL, 10) * 1024;
			return true;
		}
	}
	return false;
}

bool acg_proc_parse_status(const char *text, struct acg_proc_memory *ret_memory)
{
	struct acg_proc_memory memory = {0};

	if (!line_kib(text, "RssAnon", &memory.anon) || !line_kib(text, "RssFile", &memory.file) ||
	    !line_kib(text, "RssShmem", &memory.shmem))
		return false;
	line_kib(text, "VmHWM", &memory.peak);
	*ret_memory = memory;
	return true;
}

bool acg_proc_parse_rollup(const char *text, struct acg_proc_memory *ret_memory)
{
	struct acg_proc_memory memory = {0};

	/* the three parts: since Linux 5.1 */
	if (!line_kib(text, "Pss_Anon", &memory.anon) ||
	    !line_kib(text, "Pss_File", &memory.file) ||
	    !line_kib(text, "Pss_Shmem", &memory.shmem))
		return false;
	*ret_memory = memory;
	return true;
}

/*
 * However long the file is: what a process may make long, such as its groups, hides none of the
 * lines after it.
 */
static char *read_proc(pid_t pid, const char *file)
{
	char path[48];
	char *text = NULL;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	g_file_get_contents(path, &text, NULL, NULL);
	return text;
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

bool acg_proc_active(pid_t pid)
{
	g_autofree char *text = read_proc(pid, "stat");
	const char *name_end = text ? g_strrstr(text, ") ") : NULL;

	return name_end && !strchr("TtZX", name_end[2]);
}

int acg_proc_oom_score_adj(pid_t pid)
{
	char path[64], text[16];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[MAX(n, 0)] = '\0';
	return atoi(text);
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
