/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pids as the caller sees them, who may be in a pid namespace of its own; see the header. */
#include "fusefs/caller.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/cgroupfs.h"
#include "policy/procfs.h"

/* From 6.11, include/uapi/linux/nsfs.h: pids across namespaces, without a walk through /proc. */
#ifndef NS_GET_TGID_FROM_PIDNS
#define NS_GET_TGID_FROM_PIDNS _IOR(NSIO, 0x7, int)
#endif
#ifndef NS_GET_PID_IN_PIDNS
#define NS_GET_PID_IN_PIDNS _IOR(NSIO, 0x8, int)
#endif
#ifndef NS_GET_TGID_IN_PIDNS
#define NS_GET_TGID_IN_PIDNS _IOR(NSIO, 0x9, int)
#endif

int acg_caller_open_pid_ns(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/pid", pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static bool same_ns(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_ino == y.st_ino &&
	       x.st_dev == y.st_dev;
}

/* True if the namespace of `pid`, `levels` up, is `ns`. */
static bool in_ns(int ns, pid_t pid, unsigned int levels)
{
	int fd = acg_caller_open_pid_ns(pid);
	bool same;

	while (fd >= 0 && levels--) {
		int parent = ioctl(fd, NS_GET_PARENT);

		close(fd);
		fd = parent;
	}
	same = fd >= 0 && same_ns(ns, fd);
	if (fd >= 0)
		close(fd);
	return same;
}

/* Kernels before 6.11: from /proc/PID/status. */
static pid_t pid_seen_by_status(const struct acg_caller *caller, int ns, pid_t pid)
{
	unsigned int level = caller->pid_ns_level;
	struct acg_proc_ids ids;

	if (!acg_proc_ids(pid, &ids))
		return 0;
	return ids.levels >= level && in_ns(ns, pid, ids.levels - level) ? ids.pids[level - 1] : 0;
}

pid_t acg_caller_pid_seen(const struct acg_caller *caller, int ns, pid_t pid)
{
	int seen;

	if (caller->pid_ns_level <= 1)
		return pid;
	if (ns < 0)
		return 0;
	seen = ioctl(ns, NS_GET_TGID_IN_PIDNS, (unsigned long)pid);
	if (seen > 0)
		return seen;
	return errno == ENOTTY ? pid_seen_by_status(caller, ns, pid) : 0;
}

pid_t acg_caller_tid_seen(const struct acg_caller *caller, int ns, pid_t tid)
{
	int seen = caller->pid_ns_level <= 1 ? tid
					     : ioctl(ns, NS_GET_PID_IN_PIDNS, (unsigned long)tid);

	return MAX(seen, 0);
}

struct search {
	const struct acg_caller *caller;
	int ns;
	pid_t wanted; /* in the caller's namespace */
	pid_t found;
};

static int compare_seen(pid_t pid, void *data)
{
	struct search *search = data;

	if (acg_caller_pid_seen(search->caller, search->ns, pid) != search->wanted)
		return 0;
	search->found = pid;
	return 1;
}

static void search_below(int dirfd, struct search *search);

static void search_child(int dirfd, const char *name, void *data)
{
	int child = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (child < 0)
		return;
	search_below(child, data);
	close(child);
}

static void search_below(int dirfd, struct search *search)
{
	acg_cgroup_each_pid(dirfd, compare_seen, search, NULL);
	if (!search->found)
		acg_cgroup_each_child(dirfd, search_child, search);
}

/* 0: there is none. */
static pid_t find_in_ns(const struct acg_caller *caller, int ns, pid_t pid, int agent_dirfd)
{
	struct search search = {caller, ns, pid, 0};
	int found = ioctl(ns, NS_GET_TGID_FROM_PIDNS, (unsigned long)pid);

	if (found > 0)
		return found;
	if (errno == ENOTTY)
		search_below(agent_dirfd, &search);
	return search.found;
}

int acg_caller_pid(const struct acg_caller *caller, pid_t pid, int agent_dirfd, pid_t *ret_pid,
		   GError **error)
{
	pid_t found;
	int ns;

	if (pid == 0) {
		*ret_pid = caller->tgid;
		return 0;
	}
	if (caller->pid_ns_level <= 1) {
		*ret_pid = pid;
		return 0;
	}
	ns = acg_caller_open_pid_ns(caller->tid);
	found = ns >= 0 ? find_in_ns(caller, ns, pid, agent_dirfd) : 0;
	if (ns >= 0)
		close(ns);
	if (!found)
		return acg_fail(error, ESRCH, "there is no process %d here", pid);
	*ret_pid = found;
	return 0;
}

/* --- pids in texts ------------------------------------------------------------------------------------------ */

#define DIGITS "0123456789"

static void replace_text(GString *text, const GString *by)
{
	g_string_truncate(text, 0);
	g_string_append_len(text, by->str, by->len);
}

void acg_hide_victims_pid(GString *text)
{
	static const char before[] = " (pid ";
	g_autoptr(GString) out = g_string_sized_new(text->len);
	const char *from = text->str, *at;

	while ((at = strstr(from, before))) {
		const char *number = at + strlen(before);
		const char *behind = number + strspn(number, DIGITS);

		if (behind > number && g_str_has_prefix(behind, ", ")) {
			g_string_append_len(out, from, at - from);
			g_string_append(out, " (");
			from = behind + strlen(", ");
		} else {
			g_string_append_len(out, from, number - from);
			from = number;
		}
	}
	g_string_append(out, from);
	replace_text(text, out);
}

/* A quote within a string of JSON has a backslash before it, so this can only be the member. */
static const char pid_member[] = ",\"pid\":", ns_member[] = ",\"ns_pid\":";

/* The caller's word for the pid at `number`, and where the text goes on. */
static pid_t translate(const struct acg_caller *caller, int ns, const char *number,
		       const char **ret_behind)
{
	const char *behind = number + strspn(number, DIGITS);

	if (!g_str_has_prefix(behind, ns_member)) {
		*ret_behind = behind;
		return acg_caller_pid_seen(caller, ns, atoi(number));
	}
	behind += strlen(ns_member);
	*ret_behind = behind + strspn(behind, DIGITS);
	return atoi(behind);
}

void acg_caller_translate(const struct acg_caller *caller, GString *text)
{
	g_autoptr(GString) out = NULL;
	const char *from = text->str, *at;
	int ns;

	if (caller->pid_ns_level <= 1)
		return;
	ns = acg_caller_open_pid_ns(caller->tid);
	out = g_string_sized_new(text->len);
	while ((at = strstr(from, pid_member))) {
		const char *number = at + strlen(pid_member);
		pid_t seen;

		g_string_append_len(out, from, number - from);
		from = number;
		if (!g_ascii_isdigit(*number))
			continue;
		seen = translate(caller, ns, number, &from);
		if (seen)
			g_string_append_printf(out, "%d", seen);
		else
			g_string_append(out, "null");
	}
	if (ns >= 0)
		close(ns);
	g_string_append(out, from);
	replace_text(text, out);
	acg_hide_victims_pid(text);
}
