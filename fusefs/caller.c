/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who is asking, read from /proc; see the header. */
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

#define PROC_USUAL 4096

/*
 * The whole file: a process decides how long its own are (65536 groups, long paths of v1 hierarchies), and what comes behind them
 * must not be lost.
 */
static int read_proc(pid_t pid, const char *file, char **ret_text, GError **error)
{
	g_autofree char *text = g_malloc(PROC_USUAL);
	size_t len = 0, size = PROC_USUAL;
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return acg_fail(error, ESRCH, "there is no process %d", pid);
	/* The kernel makes these files as a whole: a read that did not fill the buffer had the end. */
	while ((n = read(fd, text + len, size - 1 - len)) > 0) {
		len += n;
		if (len < size - 1)
			break;
		text = g_realloc(text, size *= 2);
	}
	close(fd);
	if (n < 0)
		return acg_fail(error, ESRCH, "process %d is gone", pid);
	text[len] = '\0';
	*ret_text = g_steal_pointer(&text);
	return 0;
}

/* The text behind "NAME:" of /proc/PID/status; "" if it is not there. */
static const char *status_field(const char *status, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = status; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, len) == 0 && line[len] == ':')
			return line + len + 1;
	}
	return "";
}

/* "NSpid:\t12\t3\t1": the pid at each level, outermost first. Returns the number of levels. */
static unsigned int ns_pids(const char *status, pid_t pids[static 32])
{
	const char *at = status_field(status, "NStgid");
	unsigned int n = 0;
	char *end;

	while (n < 32) {
		long pid = strtol(at, &end, 10);

		if (end == at || *at == '\n')
			break;
		pids[n++] = pid;
		at = end;
		if (*at == '\n')
			break;
	}
	return n;
}

/* The next part of a cgroup path; *at moves behind it. False at the end. Kernel names have no escapes. */
static bool next_part(const char **at, char part[static 256])
{
	size_t len;

	while (**at == '/')
		(*at)++;
	len = strcspn(*at, "/\n");
	if (len == 0 || len > 255)
		return false;
	memcpy(part, *at, len);
	part[len] = '\0';
	*at += len;
	return true;
}

/* The agent whose adopted cgroup the path lies in; *path goes on behind it. */
static struct acg_agent *adopted_above(const struct acg_registry *registry, const char **path)
{
	GHashTableIter iter;
	void *value;

	g_hash_table_iter_init(&iter, registry->agents);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct acg_agent *agent = value;
		size_t len = agent->adopted ? strlen(agent->adopted) : 0;

		if (!len || strncmp(*path, agent->adopted, len) != 0 ||
		    ((*path)[len] && !strchr("/\n", (*path)[len])))
			continue;
		*path += len;
		return agent;
	}
	return NULL;
}

static struct acg_node *node_below(const struct acg_registry *registry, struct acg_agent *agent,
				   const char *path);

struct acg_node *acg_caller_node_of_path(const struct acg_registry *registry, const char *root_path,
					 const char *path)
{
	struct acg_agent *agent = adopted_above(registry, &path);
	char part[256];

	if (agent)
		return node_below(registry, agent, path);
	if (strcmp(root_path, "/") != 0) {
		size_t len = strlen(root_path);

		if (strncmp(path, root_path, len) != 0 || path[len] != '/')
			return NULL;
		path += len;
	}
	if (!next_part(&path, part))
		return NULL;
	return node_below(registry, acg_registry_agent(registry, NULL, part), path);
}

static struct acg_node *node_below(const struct acg_registry *registry, struct acg_agent *agent,
				   const char *path)
{
	struct acg_call *call;
	char part[256];

	while (agent && next_part(&path, part)) {
		if (strcmp(part, "self") == 0)
			return &agent->self;
		if (strncmp(part, "call-", 5) == 0) {
			call = acg_agent_call(agent, part + 5);
			return call && call->node.group ? &call->node : &agent->self;
		}
		if (strncmp(part, "agent-", 6) != 0)
			break;
		agent = acg_registry_agent(registry, agent, part + 6);
	}
	return agent ? &agent->self
		     : NULL; /* in the agent, in a cgroup that is not ours: its own process */
}

/* The path of the v2 hierarchy in /proc/PID/cgroup: the line "0::PATH". */
static const char *v2_path(const char *cgroup)
{
	for (const char *line = cgroup; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, "0::", 3) == 0)
			return line + 3;
	}
	return NULL;
}

int acg_process_node(const struct acg_registry *registry, const char *root_path, pid_t pid,
		     struct acg_node **ret_node, GError **error)
{
	g_autofree char *text = NULL;
	const char *path;
	int ret = read_proc(pid, "cgroup", &text, error);

	if (ret)
		return ret;
	path = v2_path(text);
	if (!path) /* who cannot be placed is not taken for somebody outside */
		return acg_fail(error, ESRCH, "process %d is in no cgroup of version 2", pid);
	*ret_node = acg_caller_node_of_path(registry, root_path, path);
	return 0;
}

int acg_caller_resolve(const struct acg_registry *registry, const char *root_path, pid_t tid,
		       uid_t uid, gid_t gid, struct acg_caller *ret_caller, GError **error)
{
	struct acg_caller caller = {.tid = tid, .uid = uid, .gid = gid};
	int ret;

	if (!tid)
		return acg_fail(error, ESRCH,
				"the caller's pid is not visible to agentcgd: it runs in a pid "
				"namespace beside the daemon's");
	ret = acg_process_node(registry, root_path, tid, &caller.node, error);
	if (ret)
		return ret;
	caller.agent = caller.node ? caller.node->agent : NULL;
	*ret_caller = caller;
	return 0;
}

int acg_caller_identify(struct acg_caller *caller, GError **error)
{
	g_autofree char *status = NULL;
	pid_t pids[32];
	int ret;

	if (caller->tgid)
		return 0;
	ret = read_proc(caller->tid, "status", &status, error);
	if (ret)
		return ret;
	caller->tgid = atoi(status_field(status, "Tgid"));
	caller->threads = atoi(status_field(status, "Threads"));
	caller->pid_ns_level = ns_pids(status, pids);
	caller->ns_init = caller->pid_ns_level > 1 && pids[caller->pid_ns_level - 1] == 1;
	return 0;
}

bool acg_caller_is_operator(const struct acg_caller *caller)
{
	return caller->uid == 0 && !caller->agent;
}

/* --- pids in the caller's own namespace -------------------------------------------------------------------- */

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
	unsigned int level = caller->pid_ns_level, n;
	g_autofree char *status = NULL;
	pid_t pids[32];

	if (read_proc(pid, "status", &status, NULL) < 0)
		return 0;
	n = ns_pids(status, pids);
	return n >= level && in_ns(ns, pid, n - level) ? pids[level - 1] : 0;
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
	int seen = caller->pid_ns_level <= 1 ? tid : ioctl(ns, NS_GET_PID_IN_PIDNS, (unsigned long)tid);

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

uid_t acg_process_uid(pid_t pid)
{
	g_autofree char *status = NULL;
	unsigned int real, effective, saved;

	if (read_proc(pid, "status", &status, NULL) < 0 ||
	    sscanf(status_field(status, "Uid"), "%u %u %u", &real, &effective, &saved) != 3)
		return (uid_t)-1;
	return real == saved && real == effective ? real : (uid_t)-1;
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
