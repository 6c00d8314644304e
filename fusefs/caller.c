/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who is asking; see the header. Pids as he sees them are in caller_pids.c. */
#include "fusefs/caller.h"

#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "policy/procfs.h"

/* From 6.13, include/uapi/linux/pidfd.h: its first version, which later kernels still take. */
struct pidfd_info_first {
	uint64_t mask;
	uint64_t cgroupid;
	uint32_t pid, tgid, ppid, ids[8], spare;
};
#define PIDFD_INFO_CGROUPID_BIT (1ULL << 2)
#define PIDFD_GET_INFO_FIRST    _IOWR(0xFF, 11, struct pidfd_info_first)
#define PIDFD_THREAD_FLAG       O_EXCL

struct acg_pidfd {
	pid_t tid; /* 0: none is kept */
	int fd;    /* -1: none */
};

/* The id of the thread's v2 cgroup; 0: not to be had, as of one that is gone. */
static uint64_t ask(int fd)
{
	struct pidfd_info_first info = {.mask = PIDFD_INFO_CGROUPID_BIT};
	int ret = ioctl(fd, PIDFD_GET_INFO_FIRST, &info);

	return ret < 0 || !(info.mask & PIDFD_INFO_CGROUPID_BIT) ? 0 : info.cgroupid;
}

static void forget(struct acg_pidfd *pidfd)
{
	if (pidfd->fd >= 0)
		close(pidfd->fd);
	*pidfd = (struct acg_pidfd){.fd = -1};
}

/* The number may be another's by now: a pidfd knows that its thread is gone. */
static uint64_t cgroup_id(struct acg_pidfd *pidfd, pid_t tid)
{
	uint64_t id = pidfd->tid == tid ? ask(pidfd->fd) : 0;

	if (id)
		return id;
	forget(pidfd);
	pidfd->fd = syscall(SYS_pidfd_open, tid, PIDFD_THREAD_FLAG);
	if (pidfd->fd < 0)
		return 0;
	pidfd->tid = tid;
	return ask(pidfd->fd);
}

struct acg_pidfd *acg_pidfd_new(void)
{
	struct acg_pidfd *pidfd = g_new(struct acg_pidfd, 1);

	*pidfd = (struct acg_pidfd){.fd = -1};
	if (cgroup_id(pidfd, getpid()))
		return pidfd;
	acg_pidfd_free(pidfd);
	return NULL;
}

void acg_pidfd_free(struct acg_pidfd *pidfd)
{
	if (!pidfd)
		return;
	forget(pidfd);
	g_free(pidfd);
}

/* NULL: that of no node, though it may lie below one. */
static struct acg_node *node_of_cgroup(const struct acg_registry *registry, uint64_t id)
{
	struct acg_node *node = id ? acg_registry_node(registry, id) : NULL;

	if (!node || (node->kind == ACG_KIND_CALL && node->group))
		return node;
	return &node->agent->self;
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

	if (!registry->n_adopted)
		return NULL;
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

int acg_process_node(const struct acg_registry *registry, const char *root_path,
		     struct acg_pidfd *by_pidfd, pid_t pid, struct acg_node **ret_node,
		     GError **error)
{
	struct acg_node *node =
		by_pidfd ? node_of_cgroup(registry, cgroup_id(by_pidfd, pid)) : NULL;
	g_autofree char *path = NULL;
	int ret = node ? 0 : acg_proc_cgroup(pid, &path, error);

	if (ret) /* who cannot be placed is not taken for somebody outside */
		return ret;
	*ret_node = node ? node : acg_caller_node_of_path(registry, root_path, path);
	return 0;
}

int acg_caller_resolve(const struct acg_registry *registry, const char *root_path,
		       struct acg_pidfd *by_pidfd, pid_t tid, uid_t uid, gid_t gid,
		       struct acg_caller *ret_caller, GError **error)
{
	struct acg_caller caller = {.tid = tid, .uid = uid, .gid = gid};
	int ret;

	if (!tid)
		return acg_fail(error, ESRCH,
				"the caller's pid is not visible to agentcgd: it runs in a pid "
				"namespace beside the daemon's");
	ret = acg_process_node(registry, root_path, by_pidfd, tid, &caller.node, error);
	if (ret)
		return ret;
	caller.agent = caller.node ? caller.node->agent : NULL;
	*ret_caller = caller;
	return 0;
}

int acg_caller_identify(struct acg_caller *caller, GError **error)
{
	struct acg_proc_ids ids;

	if (caller->tgid)
		return 0;
	if (!acg_proc_ids(caller->tid, &ids))
		return acg_fail(error, ESRCH, "there is no process %d", caller->tid);
	caller->tgid = ids.tgid;
	caller->threads = ids.threads;
	caller->pid_ns_level = ids.levels;
	caller->ns_init = acg_proc_ns_init(&ids);
	return 0;
}

bool acg_caller_is_operator(const struct acg_caller *caller)
{
	return caller->uid == 0 && !caller->agent;
}

uid_t acg_process_uid(pid_t pid)
{
	struct acg_proc_ids ids;

	return acg_proc_ids(pid, &ids) ? ids.uid : (uid_t)-1;
}
